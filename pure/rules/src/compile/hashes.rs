//! Hash signature lines, into the tables of their role.

use super::{Added, CompileError, Compiler, Place};
use crate::Kind;
use crate::hash;
use crate::pack::{HashKey, HashRole, Origin, STORED};

impl Compiler {
    pub(super) fn add_hash(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let parsed = match hash::parse(place.kind, line) {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(parsed.name, line) {
            return Ok(Added::Ignored);
        }
        let role = match place.kind {
            Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu => HashRole::Section,
            Kind::Imp => HashRole::Import,
            Kind::Fp | Kind::Sfp => HashRole::Allow,
            _ => HashRole::File,
        };
        let key = HashKey {
            role,
            pua: place.kind.is_pua(),
            size_bytes: parsed.size_bytes,
            digest: parsed.digest,
        };
        let stem = match parsed.is_canonical {
            true => self.hashes.stem(parsed.name, parsed.suffix),
            false => None,
        };
        let (stem, number) = match stem {
            Some(stem) => stem,
            None => (STORED, self.texts.push_long(line)?),
        };
        let origin = Origin {
            source: place.source,
            line: place.line,
            stem,
            number,
        };
        self.hashes.push(&key, origin)?;
        if !place.kind.is_allow() {
            self.signatures = self.signatures.saturating_add(1);
        }
        Ok(Added::Rule)
    }
}
