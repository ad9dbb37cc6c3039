//! From lines about containers' members to the pack.

use super::{Added, Place};
use crate::{CompileError, Compiler, metadata};

impl Compiler {
    pub(crate) fn add_metadata(
        &mut self,
        place: Place,
        line: &[u8],
    ) -> Result<Added, CompileError> {
        let parsed = match metadata::parse(line) {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(parsed.name, line) {
            return Ok(Added::Ignored);
        }
        let text = self.texts.push_long(line)?;
        let rule = self.add_rule(place, parsed.name, (text, 0))?;
        self.metadata.push(rule, &parsed)?;
        Ok(Added::Rule)
    }
}
