//! A pack that nobody compiled: opening it, reading it and scanning with it gives an error or a
//! missed match, and nothing worse. The first two bytes are the length of the object, which is the
//! end of the input; what lies between is the pack.

use engine::{Examined, Hashing, Listings, Object, Options, Scanner, blocked_certificates};
use proto::{Budget, Limits, Unlimited};
use rules::body::{Direction, Program};
use rules::pack::Group;
use rules::{Pack, describe_dropped, describe_rule, describe_sources};
use unpack::{Facts, Listed, Lister, Section, Source, Structure};

use super::Target;

/// Rules that are read one by one.
const RULES_READ_MAX: usize = 256;
/// What is told of a pack of any length; a hostile one may repeat itself.
const WORK_MAX: u64 = 5_000_000;

/// Opens the pack, reads it, and scans the object with it.
pub(super) fn check(_: &Target, input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk::<2>() else {
        return;
    };
    let object_bytes = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (bytes, object) = rest.split_at(rest.len() - object_bytes);
    program(object);
    let Ok(pack) = Pack::open(bytes) else {
        return;
    };
    let _ = describe_sources(&pack);
    describe_dropped(&pack, &mut |_| ());
    describe_rule(&pack, "Fuzz", &mut |_| ());
    for id in pack.rule_ids().take(RULES_READ_MAX) {
        let _ = pack.rule_text(id);
    }
    let limits = Limits {
        work_max: WORK_MAX,
        ..Limits::default()
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    scan(&pack, object, &mut budget);
}

/// Scans an object, as an executable too.
pub(crate) fn scan(pack: &Pack<'_>, object: &[u8], budget: &mut Budget) -> Examined {
    let options = Options {
        pua: true,
        sha256: false,
        all_matches: true,
    };
    let size_bytes = object.size_bytes();
    let mut scanner = Scanner::new(pack);
    for (structure, group) in [(Structure::Pe, Group::Pe), (Structure::Elf, Group::Elf)] {
        let facts = facts(structure, size_bytes);
        let as_executable = Object {
            source: &object,
            look_bytes: size_bytes,
            facts: Some(&facts),
            groups: &[group],
            hashing: Hashing::Everything,
            containers: &[],
        };
        scanner.examine(&as_executable, options, budget);
    }
    let plain = Object {
        source: &object,
        look_bytes: size_bytes,
        facts: None,
        groups: &[Group::Text, Group::Html, Group::Ole2, Group::Pdf],
        hashing: Hashing::Everything,
        containers: &[],
    };
    let examined = scanner.examine(&plain, options, budget);
    for hit in &examined.hits {
        for found in &hit.matches {
            let end = found.offset.checked_add(found.length);
            assert!(
                end.is_some_and(|end| end <= size_bytes),
                "a match lies past the end"
            );
        }
    }
    told(pack, object, budget);
    examined
}

/// Looks at the object as a member's name, and for the certificates in it.
fn told(pack: &Pack<'_>, object: &[u8], budget: &mut Budget) {
    let size_bytes = object.size_bytes();
    let mut listings = Listings::new(pack);
    for (lister, is_encrypted) in [(Lister::Zip, false), (Lister::SevenZip, true)] {
        let listed = Listed {
            lister,
            name: object,
            packed_bytes: size_bytes,
            size_bytes,
            is_encrypted,
            position: 1,
        };
        let hits = listings.examine(&listed, size_bytes, budget);
        for hit in hits.unwrap_or_default() {
            assert!(hit.matches.is_empty(), "a name has no place in an object");
        }
    }
    let _ = blocked_certificates(pack, &object, budget);
}

/// Two sections that make an executable of any object.
fn facts(structure: Structure, size_bytes: u64) -> Facts {
    let half = size_bytes / 2;
    let section = |raw_offset, raw_size_bytes| Section {
        raw_offset,
        raw_size_bytes,
        address: raw_offset,
        size_in_memory: raw_size_bytes,
    };
    Facts {
        structure,
        entry_point: Some(half),
        sections: vec![section(0, half), section(half, size_bytes - half)],
        import_text: Some(b"kernel32.exitprocess".to_vec()),
        overlay_offset: None,
    }
}

/// Every instruction takes bytes, so that any program ends.
fn program(bytes: &[u8]) {
    let Some(program) = Program::new(bytes) else {
        return;
    };
    for direction in [Direction::Before, Direction::After] {
        let mut steps = program.steps(direction);
        let mut count = 0usize;
        while let Some(Ok(_)) = steps.next_step() {
            count += 1;
            assert!(count <= bytes.len(), "a program does not end");
        }
    }
}
