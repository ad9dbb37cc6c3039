//! From lines about containers' members, and about certificates, to the pack.

use super::{Added, Place};
use crate::hash::LineTrouble;
use crate::{CompileError, Compiler, Kind, certificates, metadata};

impl Compiler {
    pub(super) fn add_other(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        match place.kind {
            Kind::Crb => self.add_certificate(place, line),
            Kind::Zmd => self.add_metadata(place, line, metadata::parse_old(line)),
            _ => self.add_metadata(place, line, metadata::parse(line)),
        }
    }

    fn add_metadata(
        &mut self,
        place: Place,
        line: &[u8],
        parsed: Result<metadata::MetadataLine<'_>, LineTrouble>,
    ) -> Result<Added, CompileError> {
        let parsed = match parsed {
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

    fn add_certificate(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let parsed = match certificates::parse(line) {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(parsed.name, line) {
            return Ok(Added::Ignored);
        }
        let text = self.texts.push_long(line)?;
        let rule = self.add_rule(place, parsed.name, (text, 0))?;
        self.certificates.push(rule, &parsed)?;
        Ok(Added::Rule)
    }
}
