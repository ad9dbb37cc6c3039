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
        let add = |_: &mut Self, _: (u16, u32), line: &[u8]| {
            Ok(match checked.check(line) {
                Ok(()) => Added::Rule,
                Err(trouble) => Added::Not(trouble),
            })
        };
        self.each_line((label, text), <[u8]>::trim_ascii_end, tally, &add)
    }
}
