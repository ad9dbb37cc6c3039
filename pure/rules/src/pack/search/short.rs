//! Literals of two, three and four bytes, and those of small tables: one look at every place.
//!
//! 1. Masks for [`simd::Shape`]: for each of four bytes, 16 by its low half and 16 by its high one.
//! 2. A bitmap of 16,384 bits for the first two bytes, folded.
//! 3. 2^bits + 1 starts u32, and entries in the order of their buckets, which are by a hash of the
//!    first two bytes: the four bytes u32, folded and zero where there are fewer, the first of the
//!    part numbers u32 and their count u16, the place in the literal u8, and the length u8.

use simd::{Level, Shape, ShapeMasks, gram_hash};

use super::{Block, Buckets, Buffers, Data, Found, low, top};
use crate::anchors::Literal;

pub(super) const ENTRY_BYTES: usize = 12;
pub(super) const MASK_BYTES: usize = 128;
pub(super) const PAIR_BYTES: usize = 2048;

/// The tables of short literals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short<'a> {
    shape: Shape,
    pairs: &'a [u8],
    buckets: Buckets<'a, ENTRY_BYTES>,
    bits: u32,
}

impl<'a> Short<'a> {
    pub(super) fn read(data: &mut Data<'a>, bits: u32, count: usize) -> Option<Self> {
        let mut masks = ShapeMasks::default();
        let bytes = data.bytes(MASK_BYTES)?.as_chunks::<16>().0;
        let halves = masks.iter_mut().flatten();
        halves.zip(bytes).for_each(|(to, from)| *to = *from);
        Some(Self {
            shape: Shape::new(masks),
            pairs: data.bytes(PAIR_BYTES)?,
            buckets: data.buckets(bits, count)?,
            bits,
        })
    }

    pub(super) fn find(
        &self,
        block: &Block<'_>,
        buffers: &mut Buffers,
        found: &mut Vec<Found>,
    ) -> u64 {
        const STEP_BYTES: usize = 16 << 10;
        let behind = block.to.saturating_add(Literal::BYTES_MAX);
        let to = behind.min(block.bytes.len());
        let mut from = block.from;
        let level = Level::best();
        let mut work = 0u64;
        while from < to {
            let next = from.saturating_add(STEP_BYTES).min(to);
            // Three more, so that the last places are judged by four bytes too.
            let end = next.saturating_add(3).min(to);
            let step = block.bytes.get(from..end).unwrap_or_default();
            buffers.places.clear();
            self.shape.search(step, level, &mut buffers.places);
            for place in &buffers.places {
                let at = from.saturating_add(*place as usize);
                if at < next {
                    work = work.saturating_add(self.literals(block, at, found));
                }
            }
            work = work.saturating_add((buffers.places.len() as u64).wrapping_shr(2));
            from = next;
        }
        work
    }

    /// Appends the literals that have these bytes.
    #[inline]
    fn literals(&self, block: &Block<'_>, at: usize, found: &mut Vec<Found>) -> u64 {
        let rest = block.bytes.get(at..).unwrap_or_default();
        let bytes = match rest.first_chunk::<4>() {
            Some(bytes) => u32::from_le_bytes(*bytes),
            None => edge(rest),
        };
        let bytes = simd::fold(bytes);
        let pair = pair(bytes);
        let byte = self.pairs.get(pair.wrapping_shr(3)).copied().unwrap_or(0);
        if u32::from(byte).wrapping_shr(low(pair as u64 & 7)) & 1 == 0 {
            return 0;
        }
        let bucket = self.buckets.bucket(pair_bucket(bytes, self.bits));
        for entry in bucket {
            let entry = Entry::read(entry);
            let length = usize::from(entry.length);
            if (entry.bytes ^ bytes) & mask(entry.length) != 0 || length > rest.len() {
                continue;
            }
            let start = at.wrapping_sub(usize::from(entry.offset));
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
        bucket.len() as u64
    }
}

/// A short literal, or four bytes of a longer one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) bytes: u32,
    pub(super) first: u32,
    pub(super) count: u16,
    pub(super) offset: u8,
    pub(super) length: u8,
}

impl Entry {
    #[inline]
    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [b0, b1, b2, b3, f0, f1, f2, f3, c0, c1, offset, length] = *bytes;
        Self {
            bytes: u32::from_le_bytes([b0, b1, b2, b3]),
            first: u32::from_le_bytes([f0, f1, f2, f3]),
            count: u16::from_le_bytes([c0, c1]),
            offset,
            length,
        }
    }

    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let [b0, b1, b2, b3] = self.bytes.to_le_bytes();
        let [f0, f1, f2, f3] = self.first.to_le_bytes();
        let [c0, c1] = self.count.to_le_bytes();
        [
            b0,
            b1,
            b2,
            b3,
            f0,
            f1,
            f2,
            f3,
            c0,
            c1,
            self.offset,
            self.length,
        ]
    }
}

/// Fewer than four bytes.
#[cold]
fn edge(rest: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    bytes
        .iter_mut()
        .zip(rest)
        .for_each(|(to, from)| *to = *from);
    u32::from_le_bytes(bytes)
}

/// The number of the first two of folded bytes, which have 128 values each.
#[inline]
pub(super) fn pair(folded: u32) -> usize {
    let seven = |byte: u32| (byte & 0x1f) | (byte & 0xc0).wrapping_shr(1);
    let pair = seven(folded) | seven(folded.wrapping_shr(8)).wrapping_shl(7);
    pair as usize
}

#[inline]
pub(super) fn pair_bucket(folded: u32, bits: u32) -> usize {
    top(gram_hash(folded & 0xffff), bits)
}

/// The bits of a literal's bytes.
#[inline]
fn mask(length: u8) -> u32 {
    let unknown = 4u32.saturating_sub(u32::from(length));
    u32::MAX.checked_shr(unknown.wrapping_mul(8)).unwrap_or(0)
}
