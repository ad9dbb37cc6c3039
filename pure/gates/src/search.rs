//! The search for literals that have no five bytes in a row, which the pack's search tables need.
//! Each pair of bytes is looked up in a table; where it may be part of four bytes, in lower case,
//! that belong to a literal, those are looked up. A byte of them may be unknown, and is entered
//! with each of its values.
//!
//! ```text
//! pairs       for each pair of bytes, where in four it may stand, as bits u8
//! starts      for each bucket the number of its first entry u32, and the count of all
//! entries     in order of their buckets: the four bytes u32, literal in 24 bits, and in the 8 bits
//!             above where the bytes lie in it
//! ```

use std::ops::Range;

use crate::literal::{Literal, Masked};

const ENTRY_BYTES: usize = 8;
/// Literals have numbers of 24 bits.
pub(crate) const LITERALS_MAX: usize = 1 << 24;
/// A byte for each pair of bytes.
const PAIRS: usize = 1 << 16;
/// Where in four bytes a pair can stand.
const PAIR_OFFSETS: u32 = 3;

/// In lower case, as far as letters go.
const FOLD: u32 = 0x2020_2020;

/// The tables in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    bucket_shift: u32,
    pairs: &'a [u8; PAIRS],
    starts: &'a [[u8; 4]],
    entries: &'a [[u8; ENTRY_BYTES]],
}

/// A place at which a literal may lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) literal: u32,
    /// Where it would begin.
    pub(crate) place: usize,
}

impl<'a> Search<'a> {
    /// The tables at the beginning of these bytes, and what follows them.
    pub(crate) fn read(
        bytes: &'a [u8],
        (bucket_bits, entries): (u32, u32),
    ) -> Option<(Self, &'a [u8])> {
        if !(1..=26).contains(&bucket_bits) {
            return None;
        }
        let (pairs, rest) = bytes.split_first_chunk::<PAIRS>()?;
        let starts = 1usize.checked_shl(bucket_bits)?.checked_add(1)?;
        let (starts, rest) = rest.split_at_checked(starts.checked_mul(4)?)?;
        let entries = usize::try_from(entries).ok()?.checked_mul(ENTRY_BYTES)?;
        let (entries, rest) = rest.split_at_checked(entries)?;
        let search = Self {
            bucket_shift: 32u32.checked_sub(bucket_bits)?,
            pairs,
            starts: starts.as_chunks().0,
            entries: entries.as_chunks().0,
        };
        Some((search, rest))
    }

    /// Whether it looks for nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Hands over each place at which a literal may lie.
    ///
    /// Pairs of bytes are tested eight at a time without a branch, since a hit is rare.
    pub(crate) fn run(&self, bytes: &[u8], found: &mut dyn FnMut(Candidate)) {
        const AT_ONCE: usize = 8;
        let mut start = 0usize;
        while let Some(block) = bytes
            .get(start..)
            .and_then(|rest| rest.first_chunk::<{ AT_ONCE + 1 }>())
        {
            let pairs = block.array_windows::<2>();
            if pairs.fold(0, |all, pair| all | self.offsets(*pair)) != 0 {
                self.look_at(bytes, start..start.saturating_add(AT_ONCE), found);
            }
            start = start.saturating_add(AT_ONCE);
        }
        self.look_at(bytes, start..bytes.len(), found);
    }

    /// Where in four bytes that are looked up this pair may stand, as bits.
    #[inline]
    fn offsets(&self, pair: [u8; 2]) -> u8 {
        let place = usize::from(u16::from_le_bytes(pair));
        self.pairs.get(place).copied().unwrap_or(0)
    }

    #[cold]
    fn look_at(&self, bytes: &[u8], places: Range<usize>, found: &mut dyn FnMut(Candidate)) {
        for place in places {
            let Some(pair) = bytes.get(place..).and_then(|rest| rest.first_chunk()) else {
                return;
            };
            let offsets = self.offsets(*pair);
            for offset in (0..PAIR_OFFSETS).filter(|offset| offsets.wrapping_shr(*offset) & 1 != 0)
            {
                if let Some(at) = place.checked_sub(offset as usize) {
                    self.look(bytes, at, found);
                }
            }
        }
    }

    fn look(&self, bytes: &[u8], at: usize, found: &mut dyn FnMut(Candidate)) {
        let Some(gram) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return;
        };
        let gram = u32::from_le_bytes(*gram) | FOLD;
        for entry in self.bucket(hash(gram).wrapping_shr(self.bucket_shift)) {
            let [a, b, c, d, e, f, g, offset] = *entry;
            if u32::from_le_bytes([a, b, c, d]) != gram {
                continue;
            }
            if let Some(place) = at.checked_sub(usize::from(offset)) {
                let literal = u32::from_le_bytes([e, f, g, 0]);
                found(Candidate { literal, place });
            }
        }
    }

    fn bucket(&self, bucket: u32) -> &'a [[u8; ENTRY_BYTES]] {
        let bound = |index: u32| {
            let start = self.starts.get(usize::try_from(index).ok()?)?;
            usize::try_from(u32::from_le_bytes(*start)).ok()
        };
        let (Some(low), Some(high)) = (bound(bucket), bound(bucket.wrapping_add(1))) else {
            return &[];
        };
        self.entries.get(low..high).unwrap_or_default()
    }
}

/// The multiplier is 2^32 over the golden ratio, made odd.
#[inline]
fn hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// The tables of these literals with their numbers: the sizes that [`Search::read`] takes, and the
/// bytes.
pub(crate) fn write(literals: &[(u32, &Literal)]) -> ((u32, u32), Vec<u8>) {
    let mut grams: Vec<(u32, u32)> = Vec::new();
    let mut bytes = vec![0u8; PAIRS];
    for (number, literal) in literals {
        let (place, values) = literal.grams();
        if let Some((offset, pair)) = literal.pair(place) {
            enter(&mut bytes, offset, pair);
        }
        let place = u32::try_from(place).unwrap_or(0).wrapping_shl(24);
        grams.extend(values.into_iter().map(|gram| (gram | FOLD, number | place)));
    }
    grams.sort_unstable();
    grams.dedup();
    let bits = grams.len().max(1).next_power_of_two().trailing_zeros();
    let bucket_bits = bits.clamp(8, 24);
    let bucket = |gram| hash(gram).wrapping_shr(32u32.saturating_sub(bucket_bits));
    let entries = grams
        .into_iter()
        .map(|(gram, literal)| (bucket(gram), gram, literal));
    let mut entries: Vec<(u32, u32, u32)> = entries.collect();
    entries.sort_unstable();
    let mut waiting = entries.iter().map(|entry| entry.0).peekable();
    let mut index = 0u32;
    for bucket in 0..1u32.wrapping_shl(bucket_bits) {
        bytes.extend(index.to_le_bytes());
        while waiting.next_if_eq(&bucket).is_some() {
            index = index.saturating_add(1);
        }
    }
    bytes.extend(index.to_le_bytes());
    for (_, gram, literal) in entries {
        bytes.extend(gram.to_le_bytes());
        bytes.extend(literal.to_le_bytes());
    }
    ((bucket_bits, index), bytes)
}

/// Enters all values of a pair, in either case.
fn enter(pairs: &mut [u8], offset: u32, [first, second]: [Masked; 2]) {
    let is_one = |byte: Masked, value: u8| (value ^ byte.value) & byte.mask & !0x20 == 0;
    for (value, offsets) in (0..=u16::MAX).zip(pairs) {
        let [low, high] = value.to_le_bytes();
        if is_one(first, low) && is_one(second, high) {
            *offsets |= 1u8.wrapping_shl(offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_found_wherever_it_lies_and_in_either_case() {
        let literals = ["abcd", "Zxy-9", "abcdefgh"].map(|text| Literal {
            bytes: text.bytes().map(Masked::exact).collect(),
            before: Vec::new(),
            behind: Vec::new(),
        });
        let numbered: Vec<_> = (0..).zip(&literals).collect();
        let (sizes, bytes) = write(&numbered);
        let (search, rest) = Search::read(&bytes, sizes).unwrap();
        assert!(rest.is_empty());
        for lead in 0..70 {
            for (number, literal) in (0u32..).zip(&literals) {
                let text: Vec<u8> = literal.bytes.iter().map(|byte| byte.value).collect();
                for text in [text.clone(), text.to_ascii_uppercase()] {
                    let mut object = vec![b'.'; lead];
                    object.extend(text);
                    let mut found = Vec::new();
                    search.run(&object, &mut |candidate| found.push(candidate));
                    let expected = Candidate {
                        literal: number,
                        place: lead,
                    };
                    assert!(found.contains(&expected), "{number} at {lead}: {found:?}");
                }
            }
        }
        for cut in 0..bytes.len().min(4096) {
            assert!(Search::read(&bytes[..cut], sizes).is_none());
        }
    }
}
