//! Hash signature lines, into the tables of their role.

use super::{Added, CompileError, Compiler, Place};
use crate::hash::{self, HashLine, SIZE_ANY, to_hex};
use crate::pack::{HashRole, HashRows, RULE_TEXT_IS_SUFFIX, write_hashes};
use crate::{Digest, DigestKind, Kind};

/// The three tables of one role and side.
#[derive(Debug)]
pub(super) struct HashSet {
    role: HashRole,
    pua: bool,
    md5: HashRows<16>,
    sha1: HashRows<20>,
    sha256: HashRows<32>,
}

impl Compiler {
    pub(super) fn add_hash(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let parsed = match hash::parse(place.kind, line) {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(parsed.name, line) {
            return Ok(Added::Ignored);
        }
        let (text, flags) = if is_canonical(place.kind, &parsed, line) {
            (self.shared_text(parsed.suffix)?, RULE_TEXT_IS_SUFFIX)
        } else {
            (self.texts.push_long(line)?, 0)
        };
        let rule = self.add_rule(place, parsed.name, (text, flags))?;
        let role = match place.kind {
            Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu => HashRole::Section,
            Kind::Imp => HashRole::Import,
            Kind::Fp | Kind::Sfp => HashRole::Allow,
            _ => HashRole::File,
        };
        let set = hash_set(&mut self.hashes, role, place.kind.is_pua());
        match parsed.digest {
            Digest::Md5(digest) => set.md5.push(parsed.size_bytes, digest, rule),
            Digest::Sha1(digest) => set.sha1.push(parsed.size_bytes, digest, rule),
            Digest::Sha256(digest) => set.sha256.push(parsed.size_bytes, digest, rule),
        }
        Ok(Added::Rule)
    }
}

/// Whether the line is what [`crate::pack`] would write from its fields.
fn is_canonical(kind: Kind, parsed: &HashLine<'_>, line: &[u8]) -> bool {
    let hash = to_hex(parsed.digest.as_bytes());
    let size = if parsed.size_bytes == SIZE_ANY {
        "*".to_string()
    } else {
        parsed.size_bytes.to_string()
    };
    let section = matches!(kind, Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu);
    let (first, second) = if section {
        (&size, &hash)
    } else {
        (&hash, &size)
    };
    let mut left = line;
    let expected = [
        first.as_bytes(),
        b":",
        second.as_bytes(),
        b":",
        parsed.name,
        parsed.suffix,
    ];
    expected
        .iter()
        .all(|field| match left.strip_prefix(*field) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
        && left.is_empty()
}

fn hash_set(sets: &mut Vec<HashSet>, role: HashRole, pua: bool) -> &mut HashSet {
    let index = sets
        .iter()
        .position(|set| set.role == role && set.pua == pua);
    let index = index.unwrap_or_else(|| {
        sets.push(HashSet {
            role,
            pua,
            md5: HashRows::default(),
            sha1: HashRows::default(),
            sha256: HashRows::default(),
        });
        sets.len().saturating_sub(1)
    });
    #[expect(
        clippy::indexing_slicing,
        reason = "the index was found or made just now"
    )]
    &mut sets[index]
}

pub(super) fn hash_pieces(mut sets: Vec<HashSet>) -> Vec<Vec<u8>> {
    sets.sort_by_key(|set| (set.role, set.pua));
    let mut tables = Vec::new();
    for set in sets {
        if !set.md5.is_empty() {
            tables.push((set.role, DigestKind::Md5, set.pua, set.md5.into_arrays()));
        }
        if !set.sha1.is_empty() {
            tables.push((set.role, DigestKind::Sha1, set.pua, set.sha1.into_arrays()));
        }
        if !set.sha256.is_empty() {
            tables.push((
                set.role,
                DigestKind::Sha256,
                set.pua,
                set.sha256.into_arrays(),
            ));
        }
    }
    write_hashes(tables)
}
