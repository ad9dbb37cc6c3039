//! The patterns of real signatures: all compile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pattern::{Engine, Flags, Pattern};

const FILES: &[&str] = &[
    "clamav/main.ldb",
    "clamav-clam-punch/MiscreantPunch099-INFO-Low.ldb",
    "clamav-clam-punch/MiscreantPunch099-Low.ldb",
    "clamav-clam-punch/exexor99.ldb",
    "clamav-clam-punch/miscreantpunch.ldb",
    "clamav-clam-punch/miscreantpunch099.ldb",
];

/// A pattern of a subsignature, and its flags.
pub(crate) struct Real {
    pub(crate) pattern: Vec<u8>,
    pub(crate) flags: Flags,
}

/// All of them, once each; none where the signatures are not here.
pub(crate) fn patterns() -> Vec<Real> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let root = std::env::var_os("CANDOR_SHARED").map_or(beside, PathBuf::from);
    let mut found = BTreeMap::new();
    for file in FILES {
        let Ok(text) = fs::read(root.join("signatures").join(file)) else {
            println!("skipped: the patterns of {file} (there is no such file beside the project)");
            continue;
        };
        for line in text.split(|byte| *byte == b'\n') {
            let fields = line.trim_ascii_end().split(|byte| *byte == b';').skip(3);
            for field in fields {
                if let Some(real) = subsignature(field) {
                    found.insert(real.pattern.clone(), real);
                }
            }
        }
    }
    found.into_values().collect()
}

/// `[offset:]trigger/pattern/flags`; what modifies the subsignature beyond is left out.
fn subsignature(field: &[u8]) -> Option<Real> {
    let first = field.iter().position(|byte| *byte == b'/')?;
    let last = field.iter().rposition(|byte| *byte == b'/')?;
    let pattern = field.get(first + 1..last)?;
    let mut flags = Flags::NONE;
    for letter in field[last + 1..].iter().take_while(|byte| **byte != b':') {
        flags |= match letter {
            b'i' => Flags::CASELESS,
            b's' => Flags::DOT_ALL,
            b'm' => Flags::MULTILINE,
            b'x' => Flags::EXTENDED,
            b'A' => Flags::ANCHORED,
            b'E' => Flags::DOLLAR_END_ONLY,
            b'U' => Flags::UNGREEDY,
            _ => Flags::NONE,
        };
    }
    Some(Real {
        pattern: pattern.to_vec(),
        flags,
    })
}

#[test]
fn every_pattern_of_real_signatures_compiles() {
    let mut engines: BTreeMap<Engine, usize> = BTreeMap::new();
    let patterns = patterns();
    for real in &patterns {
        match Pattern::compile(&real.pattern, real.flags) {
            Ok(pattern) => *engines.entry(pattern.engine()).or_default() += 1,
            Err(error) => panic!("{}: {error}", String::from_utf8_lossy(&real.pattern)),
        }
    }
    println!("{} patterns: {engines:?}", patterns.len());
}
