//! Lines that are checked and counted.

use super::Added;
use crate::checked::Checked;
use crate::report::Tally;
use crate::{CompileError, Compiler};

impl Compiler {
    pub(super) fn add_checked(
        &mut self,
        checked: Checked,
        label: &str,
        text: &[u8],
        tally: &mut Tally,
    ) -> Result<(), CompileError> {
        let source = self.add_label(label)?;
        for (number, line) in (1u32..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii_end();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            tally.lines = tally.lines.saturating_add(1);
            let added = match checked.check(line) {
                Ok(()) => Added::Rule,
                Err(trouble) => Added::Not(trouble),
            };
            self.count_line(added, (source, number), tally)?;
        }
        Ok(())
    }
}
