//! The search for literals that have no five bytes in a row, which the pack's search tables need.
//! Four bytes at every place, in lower case, are hashed and looked up in a bitmap; a byte of them
//! may be unknown, and is entered with each of its values.
//!
//! ```text
//! filter      2^bits bits
//! starts      for each bucket the number of its first entry u32, and the count of all
//! entries     in order of their buckets: the four bytes u32, literal in 24 bits, and in the 8 bits
//!             above where the bytes lie in it
//! ```

use crate::literal::{GRAM_BYTES, Literal};

const ENTRY_BYTES: usize = 8;
/// Literals have numbers of 24 bits.
pub(crate) const LITERALS_MAX: usize = 1 << 24;
/// Bits of the filter for each literal.
const BITS_EACH: u32 = 5;

/// In lower case, as far as letters go.
const FOLD: u32 = 0x2020_2020;

/// The tables in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search<'a> {
    filter_shift: u32,
    bucket_shift: u32,
    filter: &'a [u8],
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
        (filter_bits, bucket_bits, entries): (u32, u32, u32),
    ) -> Option<(Self, &'a [u8])> {
        if !(6..=26).contains(&filter_bits) || !(1..=26).contains(&bucket_bits) {
            return None;
        }
        let (filter, rest) =
            bytes.split_at_checked(1usize.checked_shl(filter_bits)?.checked_div(8)?)?;
        let starts = 1usize.checked_shl(bucket_bits)?.checked_add(1)?;
        let (starts, rest) = rest.split_at_checked(starts.checked_mul(4)?)?;
        let entries = usize::try_from(entries).ok()?.checked_mul(ENTRY_BYTES)?;
        let (entries, rest) = rest.split_at_checked(entries)?;
        let search = Self {
            filter_shift: 32u32.checked_sub(filter_bits)?,
            bucket_shift: 32u32.checked_sub(bucket_bits)?,
            filter,
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
    /// Places are tested 32 at a time into one word without a branch, since a hit is rare.
    pub(crate) fn run(&self, bytes: &[u8], found: &mut dyn FnMut(Candidate)) {
        const AT_ONCE: usize = 32;
        let mut start = 0usize;
        while let Some(block) = bytes
            .get(start..)
            .and_then(|rest| rest.first_chunk::<{ AT_ONCE + 3 }>())
        {
            let mut hits = 0u32;
            for (lane, gram) in (0u32..).zip(block.array_windows::<GRAM_BYTES>()) {
                hits |= self
                    .bit(u32::from_le_bytes(*gram) | FOLD)
                    .wrapping_shl(lane);
            }
            while hits != 0 {
                let lane = hits.trailing_zeros() as usize;
                self.look(bytes, start.saturating_add(lane), found);
                hits &= hits.wrapping_sub(1);
            }
            start = start.saturating_add(AT_ONCE);
        }
        let rest = bytes.get(start..).unwrap_or_default();
        for place in 0..rest.len() {
            self.look(bytes, start.saturating_add(place), found);
        }
    }

    /// 1 where the filter has these four bytes, else 0.
    #[inline]
    fn bit(&self, gram: u32) -> u32 {
        let bit = hash(gram).wrapping_shr(self.filter_shift);
        let byte = self.filter.get(bit.wrapping_shr(3) as usize).copied();
        u32::from(byte.unwrap_or(0)).wrapping_shr(bit & 7) & 1
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
pub(crate) fn write(literals: &[(u32, &Literal)]) -> ((u32, u32, u32), Vec<u8>) {
    let mut grams: Vec<(u32, u32)> = Vec::new();
    for (number, literal) in literals {
        let (place, values) = literal.grams();
        let place = u32::try_from(place).unwrap_or(0).wrapping_shl(24);
        grams.extend(values.into_iter().map(|gram| (gram | FOLD, number | place)));
    }
    grams.sort_unstable();
    grams.dedup();
    let bits = grams.len().max(1).next_power_of_two().trailing_zeros();
    let filter_bits = bits.saturating_add(BITS_EACH).clamp(13, 26);
    let bucket_bits = bits.clamp(8, 24);
    let mut filter = vec![0u8; 1usize.wrapping_shl(filter_bits).div_ceil(8)];
    let mut entries: Vec<(u32, u32, u32)> = Vec::new();
    for (gram, literal) in grams {
        let bit = hash(gram).wrapping_shr(32u32.saturating_sub(filter_bits));
        if let Some(byte) = filter.get_mut(bit.wrapping_shr(3) as usize) {
            *byte |= 1u8.wrapping_shl(bit & 7);
        }
        let bucket = hash(gram).wrapping_shr(32u32.saturating_sub(bucket_bits));
        entries.push((bucket, gram, literal));
    }
    entries.sort_unstable();
    let mut bytes = filter;
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
    ((filter_bits, bucket_bits, index), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::literal::Masked;

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
