//! Literals of five bytes and more.
//!
//! 1. A bitmap of the first bits of each gram's hash, looked at for every fourth place: 2^bits
//!    bits.
//! 2. The second look: u64 words, chosen by the first bits of the gram's hash; of the word, the
//!    bit that the byte before the gram and the two after it choose. An entry that does not know
//!    one of those has the bits for all its values.
//! 3. Whole contexts: 2^bits + 1 starts u32, and entries in the order of their buckets, which are
//!    by a hash of the context. An entry is the context u64, the first of its part numbers u32 and
//!    their count u16, the gram's place in the literal i8, and which bytes are known u8.
//! 4. Partial contexts: the same, in buckets by the gram's hash.

use simd::{GRAM_STEP, Grams, Level, gram_hash};

use super::{Block, Buckets, Buffers, Data, Found, low, top};
use crate::anchors::Literal;

pub(super) const ENTRY_BYTES: usize = 16;

/// Bytes looked at before what was found is looked at closer, so that lists stay in the nearest
/// cache.
const STEP_BYTES: usize = 16 << 10;

/// The tables of long literals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    grams: Grams<'a>,
    words: &'a [[u8; 8]],
    word_bits: u32,
    whole: Buckets<'a, ENTRY_BYTES>,
    whole_bits: u32,
    partial: Buckets<'a, ENTRY_BYTES>,
    partial_bits: u32,
}

impl<'a> Long<'a> {
    pub(super) fn read(
        data: &mut Data<'a>,
        [bitmap_bits, word_bits, whole_bits, partial_bits]: [u32; 4],
        (whole, partial): (usize, usize),
    ) -> Option<Self> {
        let bitmap = 1usize.checked_shl(bitmap_bits)?.checked_div(8)?;
        Some(Self {
            grams: Grams::new(data.bytes(bitmap)?, bitmap_bits)?,
            words: data.records(1usize.checked_shl(word_bits)?)?,
            word_bits,
            whole: data.buckets(whole_bits, whole)?,
            whole_bits,
            partial: data.buckets(partial_bits, partial)?,
            partial_bits,
        })
    }

    pub(super) fn find(
        &self,
        block: &Block<'_>,
        buffers: &mut Buffers,
        found: &mut Vec<Found>,
    ) -> u64 {
        let bytes = block.bytes;
        // A gram may begin one byte before its literal, and lies within it else.
        let mut from = block.from.saturating_sub(1);
        let behind = block.to.saturating_add(Literal::BYTES_MAX);
        let to = behind.min(bytes.len());
        let level = Level::best();
        let mut work = 0u64;
        while from < to {
            let next = from.saturating_add(STEP_BYTES).min(to);
            let step = bytes.get(from..next).unwrap_or_default();
            buffers.places.clear();
            self.grams.search(step, level, &mut buffers.places);
            self.last_gram(step, &mut buffers.places);
            self.look_again(bytes, from, buffers);
            for at in &buffers.left {
                work = work.saturating_add(self.contexts(block, *at as usize, found));
            }
            work = work.saturating_add((buffers.left.len() as u64).wrapping_shr(2));
            from = next;
        }
        work
    }

    /// The end of an object may hold a part of a gram; what is behind it is entered as any byte.
    fn last_gram(&self, step: &[u8], places: &mut Vec<u32>) {
        let (whole, rest) = step.as_chunks::<GRAM_STEP>();
        if rest.is_empty() {
            return;
        }
        let mut gram = [0; GRAM_STEP];
        gram.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let place = whole.len().saturating_mul(GRAM_STEP);
        if self.grams.has(u32::from_le_bytes(gram))
            && let Ok(place) = u32::try_from(place)
        {
            places.push(place);
        }
    }

    /// Leaves those places that pass the second look.
    fn look_again(&self, bytes: &[u8], from: usize, buffers: &mut Buffers) {
        let Buffers { places, left } = buffers;
        left.clear();
        left.resize(places.len(), 0);
        let base = u32::try_from(from).unwrap_or(u32::MAX);
        let mut count = 0usize;
        for place in places.iter() {
            let at = base.saturating_add(*place);
            let context = context(bytes, at as usize);
            let word = top(gram_hash(gram(context)), self.word_bits);
            let word = self.words.get(word).copied().map_or(0, u64::from_le_bytes);
            // There is no branch to guess: what is kept is written over unless it passes.
            if let Some(slot) = left.get_mut(count) {
                *slot = at;
            }
            let passes = word.wrapping_shr(second(context)) & 1;
            count = count.wrapping_add(passes as usize);
        }
        left.truncate(count);
    }

    /// Appends the literals that have this gram in this context.
    fn contexts(&self, block: &Block<'_>, at: usize, found: &mut Vec<Found>) -> u64 {
        let context = folded(context(block.bytes, at));
        let whole = self.whole.bucket(whole_bucket(context, self.whole_bits));
        let partial = if self.partial.entries.is_empty() {
            &[]
        } else {
            let hash = gram_hash(gram(context));
            self.partial.bucket(top(hash, self.partial_bits))
        };
        for entry in whole.iter().chain(partial) {
            let entry = Entry::read(entry);
            if (entry.context ^ context) & mask(entry.known) != 0 {
                continue;
            }
            let start = at.wrapping_add_signed(isize::from(entry.offset).wrapping_neg());
            if (block.from..block.to).contains(&start)
                && let Ok(at) = u32::try_from(start)
            {
                found.push(Found {
                    at,
                    first: entry.first,
                    count: u32::from(entry.count),
                });
            }
        }
        (whole.len() as u64).saturating_add(partial.len() as u64)
    }
}

/// A context of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) context: u64,
    pub(super) first: u32,
    pub(super) count: u16,
    pub(super) offset: i8,
    pub(super) known: u8,
}

impl Entry {
    #[inline]
    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
            f0,
            f1,
            f2,
            f3,
            n0,
            n1,
            offset,
            known,
        ] = *bytes;
        Self {
            context: u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            first: u32::from_le_bytes([f0, f1, f2, f3]),
            count: u16::from_le_bytes([n0, n1]),
            offset: offset.cast_signed(),
            known,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let high = u64::from(self.first)
            | u64::from(self.count).wrapping_shl(32)
            | u64::from(self.offset.cast_unsigned()).wrapping_shl(48)
            | u64::from(self.known).wrapping_shl(56);
        (u128::from(self.context) | u128::from(high).wrapping_shl(64)).to_le_bytes()
    }

    /// Its gram, where all of that is known.
    pub(super) fn gram(&self) -> u32 {
        gram(self.context)
    }

    /// The bits of its word for the second look.
    pub(super) fn word(&self) -> u64 {
        let unknown = !self.known;
        let mut word = 1u64.wrapping_shl(second(self.context));
        // Each of the three bytes chooses two bits of the number; both take every value.
        for (byte, bit) in [(0u32, 0u32), (5, 2), (6, 4)] {
            if unknown.wrapping_shr(byte) & 1 != 0 {
                word = with_either(with_either(word, bit), bit.wrapping_add(1));
            }
        }
        word
    }
}

/// The bits of a word, and those whose numbers differ from theirs in one binary digit.
fn with_either(word: u64, digit: u32) -> u64 {
    const LOW: [u64; 6] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff,
        0x0000_0000_ffff_ffff,
    ];
    let low = LOW.get(digit as usize).copied().unwrap_or(0);
    let apart = 1u32.wrapping_shl(digit);
    let lower = (word & low) | (word.wrapping_shr(apart) & low);
    lower | lower.wrapping_shl(apart)
}

/// The eight bytes around a gram, from the one before it; zero for those that are not there.
#[inline]
fn context(bytes: &[u8], at: usize) -> u64 {
    let whole = at
        .checked_sub(1)
        .and_then(|start| bytes.get(start..)?.first_chunk::<8>());
    match whole {
        Some(context) => u64::from_le_bytes(*context),
        None => edge_context(bytes, at),
    }
}

#[cold]
fn edge_context(bytes: &[u8], at: usize) -> u64 {
    let mut context = [0u8; 8];
    for (index, byte) in context.iter_mut().enumerate() {
        let place = at.wrapping_add(index).checked_sub(1);
        let there = place.and_then(|place| bytes.get(place));
        *byte = there.copied().unwrap_or(0);
    }
    u64::from_le_bytes(context)
}

#[inline]
fn folded(context: u64) -> u64 {
    context | 0x2020_2020_2020_2020
}

#[inline]
fn gram(context: u64) -> u32 {
    low(context.wrapping_shr(8))
}

/// The number of the bit for the bytes around a gram: of each of three, all bits but the fourth
/// and the fifth (which tells small letters from capitals), folded to two.
#[inline]
fn second(context: u64) -> u32 {
    let pairs = context ^ context.wrapping_shr(2) ^ context.wrapping_shr(6);
    let number = (pairs & 0x03) | (pairs.wrapping_shr(38) & 0x0c) | (pairs.wrapping_shr(44) & 0x30);
    low(number)
}

#[inline]
pub(super) fn whole_bucket(context: u64, bits: u32) -> usize {
    let hash = context.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    top(low(hash.wrapping_shr(32)), bits)
}

/// The bits of the bytes that are known.
#[inline]
fn mask(known: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const OWN: u64 = 0x8040_2010_0804_0201;
    let spread = u64::from(known).wrapping_mul(EACH) & OWN;
    // Any bit of a byte sets its highest, and that fills the byte.
    let highest = (spread.wrapping_add(0x7f7f_7f7f_7f7f_7f7f) | spread) & 0x8080_8080_8080_8080;
    highest.wrapping_shr(7).wrapping_mul(0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_the_bytes_that_are_known() {
        assert_eq!(mask(0), 0);
        assert_eq!(mask(0xff), u64::MAX);
        for bit in 0..8 {
            assert_eq!(mask(1 << bit), 0xff << (8 * bit));
        }
        assert_eq!(mask(0b0110_0001), 0x00ff_ff00_0000_00ff);
    }

    #[test]
    fn the_second_look_passes_every_value_of_what_is_not_known() {
        let base = u64::from_le_bytes(*b"xGRAMyzw");
        for known in 0..=255u8 {
            let entry = Entry {
                context: base & mask(known),
                first: 0,
                count: 1,
                offset: 0,
                known,
            };
            for value in 0..=255u64 {
                let other = value * 0x0101_0101_0101_0101;
                let seen = (base & mask(known)) | (other & !mask(known));
                assert!(
                    entry.word() >> second(seen) & 1 == 1,
                    "{known:08b}, {value}"
                );
                assert!(entry.word() >> second(folded(seen)) & 1 == 1);
            }
        }
        assert_eq!(
            Entry {
                context: base,
                first: 0,
                count: 1,
                offset: 0,
                known: 0xff
            }
            .word()
            .count_ones(),
            1
        );
    }

    #[test]
    fn an_entry_reads_back() {
        let entry = Entry {
            context: 0x0123_4567_89ab_cdef,
            first: 77,
            count: 5,
            offset: -1,
            known: 0xf1,
        };
        assert_eq!(Entry::read(&entry.to_bytes()), entry);
    }
}
