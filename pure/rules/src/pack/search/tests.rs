//! The search against a naive one: every literal, at every place, seam and edge.

use std::collections::BTreeMap;

use super::*;
use crate::anchors::Literal;

struct Noise(u64);

impl Noise {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    /// Few different bytes, so that much is nearly found.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        const BYTES: &[u8] = b"abAB\0 \xff\xdf\x0a";
        (0..count).map(|_| BYTES[self.next(BYTES.len())]).collect()
    }
}

/// Every place at which a literal is, whatever its case, with the part, in order.
fn naively(rows: &[(Literal, u32)], bytes: &[u8]) -> Vec<(usize, u32)> {
    let is_same = |one: &[u8], other: &[u8]| {
        one.iter()
            .zip(other)
            .all(|(one, other)| one | 0x20 == other | 0x20)
    };
    let mut found = Vec::new();
    for at in 0..bytes.len() {
        for (literal, part) in rows {
            let text = literal.as_bytes();
            let there = bytes.get(at..at + text.len());
            if there.is_some_and(|there| is_same(there, text)) {
                found.push((at, *part));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// What a table finds block by block, without what only looks like a literal.
fn by_table(
    table: &SearchTable<'_>,
    rows: &[(Literal, u32)],
    bytes: &[u8],
    block_bytes: usize,
) -> Vec<(usize, u32)> {
    let mut buffers = Buffers::default();
    let mut all = Vec::new();
    let mut from = 0;
    while from < bytes.len() {
        let to = (from + block_bytes).min(bytes.len());
        let low = from.saturating_sub(Literal::BYTES_MAX);
        let high = (to + Literal::BYTES_MAX).min(bytes.len());
        let block = Block {
            bytes: &bytes[low..high],
            from: from - low,
            to: to - low,
        };
        let mut found = Vec::new();
        table.find(&block, &mut buffers, &mut found);
        assert!(found.is_sorted());
        for found in &found {
            let at = low + found.at as usize;
            assert!((from..to).contains(&at));
            all.extend(table.parts(found).map(|part| (at, part)));
        }
        from = to;
    }
    let seen = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(seen, all.len(), "a place was found twice");
    let exact = naively(rows, bytes);
    all.retain(|one| exact.binary_search(one).is_ok());
    all
}

/// As tables of many literals are, whatever their number.
fn section(rows: &[(Literal, u32)], thresholds: build::Thresholds) -> Vec<u8> {
    let mut literals = SearchRows::default();
    rows.iter()
        .for_each(|(literal, part)| literals.push(*literal, *part));
    build::write_with(&BTreeMap::from([(Group::Any, literals)]), thresholds)
}

const KINDS: [build::Thresholds; 3] = [
    build::Thresholds {
        few: 48,
        large: usize::MAX,
    },
    build::Thresholds {
        few: 0,
        large: usize::MAX,
    },
    build::Thresholds { few: 0, large: 0 },
];

fn check(noise: &mut Noise, rows: &[(Literal, u32)], planted: &[u8]) {
    let section = section(rows, KINDS[noise.next(KINDS.len())]);
    let tables = SearchTable::read_all(&section).unwrap();
    assert_eq!(tables.len(), 1);
    for block_bytes in [1, 7, 64, 1000, 1 << 20] {
        let length = noise.next(300);
        let mut bytes = noise.bytes(length);
        let at = noise.next(length + 1);
        bytes.splice(at..at, planted.iter().copied());
        let found = by_table(&tables[0], rows, &bytes, block_bytes);
        assert_eq!(
            found,
            naively(rows, &bytes),
            "{block_bytes}, {rows:?}, {bytes:?}"
        );
    }
}

#[test]
fn what_a_naive_search_finds_is_found_at_every_seam_and_edge() {
    let mut noise = Noise(0x1234_5678_9abc_def1);
    for round in 0..600 {
        let count = [1, 5, 60, 200][round % 4];
        let rows: Vec<(Literal, u32)> = (0..count)
            .map(|part| {
                let length = 2 + noise.next(if round % 3 == 0 { 6 } else { 34 });
                let text = noise.bytes(length);
                (Literal::new(&text).unwrap(), part)
            })
            .collect();
        let (planted, _) = rows[noise.next(rows.len())];
        check(&mut noise, &rows, planted.as_bytes());
    }
}

#[test]
fn a_literal_is_found_at_every_place_of_an_object_by_itself() {
    for length in 2..=32usize {
        let text: Vec<u8> = (0..length)
            .map(|index| u8::try_from(0x41 + (index * 29) % 150).unwrap())
            .collect();
        let rows = [(Literal::new(&text).unwrap(), 7)];
        for kind in KINDS {
            let section = section(&rows, kind);
            let table = SearchTable::read_all(&section).unwrap()[0];
            for lead in 0..40 {
                for trail in 0..8 {
                    let mut bytes = vec![0x99; lead];
                    bytes.extend(&text);
                    bytes.extend(vec![0x88; trail]);
                    let found = by_table(&table, &rows, &bytes, 1 << 20);
                    assert_eq!(found, [(lead, 7)], "{length}, {lead}, {trail}, {kind:?}");
                }
            }
        }
    }
}

#[test]
fn literals_that_share_contexts_are_all_found() {
    // More in one cell than it has tags for.
    let rows: Vec<(Literal, u32)> = (0..100u8)
        .map(|part| {
            let text = [b"the very same context", &[part, b'!'][..]].concat();
            (Literal::new(&text).unwrap(), u32::from(part))
        })
        .collect();
    for kind in KINDS {
        let section = section(&rows, kind);
        let table = SearchTable::read_all(&section).unwrap()[0];
        let bytes = [&[7; 9], rows[60].0.as_bytes(), &[9; 9]].concat();
        let found = by_table(&table, &rows, &bytes, 1 << 20);
        // Folded, 60 and 28 are the same byte.
        assert_eq!(found, [(9, 28), (9, 60)], "{kind:?}");
    }
}

#[test]
fn a_group_has_the_literals_for_any_object_too() {
    let mut any = SearchRows::default();
    any.push(Literal::new(b"everywhere").unwrap(), 1);
    let mut pe = SearchRows::default();
    pe.push(Literal::new(b"in programs").unwrap(), 2);
    let section = write_section(&BTreeMap::from([
        (Group::Any, any),
        (Group::Pe, pe),
        (Group::Elf, SearchRows::default()),
    ]));
    let tables = SearchTable::read_all(&section).unwrap();
    let groups: Vec<Group> = tables.iter().map(|table| table.group).collect();
    assert_eq!(groups, [Group::Any, Group::Pe]);
    let bytes = b"everywhere, in programs";
    let block = Block {
        bytes,
        from: 0,
        to: bytes.len(),
    };
    for (table, expected) in tables.iter().zip([&[1][..], &[1, 2]]) {
        let mut found = Vec::new();
        table.find(&block, &mut Buffers::default(), &mut found);
        let parts: Vec<u32> = found.iter().flat_map(|found| table.parts(found)).collect();
        assert_eq!(parts, expected);
    }
}

#[test]
fn a_damaged_section_is_refused_or_finds_nothing_worse() {
    let mut noise = Noise(99);
    let rows: Vec<(Literal, u32)> = (0..80)
        .map(|part| {
            let length = 2 + noise.next(20);
            (Literal::new(&noise.bytes(length)).unwrap(), part)
        })
        .collect();
    for kind in KINDS {
        damage(&section(&rows, kind), &noise.bytes(500));
    }
}

fn damage(section: &[u8], bytes: &[u8]) {
    for cut in (0..section.len()).step_by(61) {
        assert!(SearchTable::read_all(&section[..cut]).is_none());
    }
    for at in (0..64).chain((64..section.len()).step_by(37)) {
        let mut damaged = section.to_vec();
        damaged[at] ^= 0xff;
        for table in SearchTable::read_all(&damaged).unwrap_or_default() {
            let mut found = Vec::new();
            let block = Block {
                bytes,
                from: 100,
                to: 300,
            };
            table.find(&block, &mut Buffers::default(), &mut found);
            for found in &found {
                assert!((100..300).contains(&found.at));
                table.parts(found).for_each(drop);
            }
        }
    }
}
