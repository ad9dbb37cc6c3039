//! Which four bytes, at every fourth place, have their bit set in a bitmap.
//!
//! A literal is entered at four alignments, so that one look every four bytes is enough. Measured:
//! `docs/engine.md`. Gathers win with AVX-512 even where they are slow; with AVX2 and with NEON
//! they do not, so those take the plain form.

use crate::Level;

/// A look is taken at every so many bytes.
pub const GRAM_STEP: usize = 4;

/// Sets the bit that tells small letters from capitals, in each byte.
#[must_use]
#[inline]
pub const fn fold(gram: u32) -> u32 {
    gram | 0x2020_2020
}

/// The hash of four bytes, whatever their case. The multiplier is 2^32 over the golden ratio.
#[must_use]
#[inline]
pub const fn gram_hash(gram: u32) -> u32 {
    fold(gram).wrapping_mul(0x9e37_79b1)
}

/// Places kept before they are handed over.
pub(crate) const KEPT: usize = 1024;

/// A bitmap of hashes.
#[derive(Clone, Copy, Debug)]
pub struct Grams<'a> {
    bitmap: &'a [u8],
    /// What leaves the bit's number of a hash.
    shift: u32,
}

impl<'a> Grams<'a> {
    /// The bitmap for the first `bits` bits of hashes; `None` where its size is another.
    #[must_use]
    pub fn new(bitmap: &'a [u8], bits: u32) -> Option<Self> {
        let fits = (5..=31).contains(&bits) && bitmap.len() == 1usize << (bits - 3);
        fits.then(|| Self {
            bitmap,
            shift: 32 - bits,
        })
    }

    /// Appends the places 0, 4, 8… whose four bytes have their bit set. Bytes behind the last whole
    /// four are not looked at.
    #[inline]
    pub fn search(&self, bytes: &[u8], level: Level, places: &mut Vec<u32>) {
        match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if level.is_here() => {
                // SAFETY: the processor has what the function is compiled for: just asked.
                unsafe { self.search_avx512(bytes, places) }
            }
            _ => self.search_plainly(bytes, 0, places),
        }
    }

    /// Whether the bit of these four bytes is set.
    #[must_use]
    #[inline]
    pub fn has(&self, gram: u32) -> bool {
        let bit = gram_hash(gram) >> self.shift;
        let byte = self.bitmap.get((bit >> 3) as usize).copied();
        (u32::from(byte.unwrap_or(0)) >> (bit & 7)) & 1 != 0
    }

    fn search_plainly(&self, bytes: &[u8], base: u32, places: &mut Vec<u32>) {
        let grams = bytes.as_chunks::<4>().0.iter();
        let hits = grams.map(|gram| self.has(u32::from_le_bytes(*gram)));
        keep_hits(hits, base, places);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn search_avx512(&self, bytes: &[u8], places: &mut Vec<u32>) {
        use std::arch::x86_64::*;
        const LANES: usize = 16;
        let lower = _mm512_set1_epi32(0x2020_2020);
        let multiplier = _mm512_set1_epi32(0x9e37_79b1_u32.cast_signed());
        let shift = _mm_cvtsi32_si128(self.shift.cast_signed());
        let one = _mm512_set1_epi32(1);
        let step = _mm512_set1_epi32((LANES * GRAM_STEP) as i32);
        let mut place =
            _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
        let mut kept = [0u32; KEPT + LANES];
        let (blocks, _) = bytes.as_chunks::<{ LANES * GRAM_STEP }>();
        for some in blocks.chunks(KEPT / LANES) {
            let mut count = 0usize;
            for block in some {
                // SAFETY: the block is 64 bytes, and no alignment is asked for.
                let grams = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
                let hashes = _mm512_mullo_epi32(_mm512_or_si512(grams, lower), multiplier);
                let bits = _mm512_srl_epi32(hashes, shift);
                let words = _mm512_srli_epi32::<5>(bits);
                // SAFETY: a bit's number is below the bitmap's bits, which are a multiple of 32,
                // by `new`; so each word lies within the bitmap. No alignment is asked for.
                let words =
                    unsafe { _mm512_i32gather_epi32::<4>(words, self.bitmap.as_ptr().cast()) };
                let bits = _mm512_sllv_epi32(one, _mm512_and_si512(bits, _mm512_set1_epi32(31)));
                let set = _mm512_test_epi32_mask(words, bits);
                let found = _mm512_maskz_compress_epi32(set, place);
                let room = &mut kept[count..count + LANES];
                // SAFETY: the room is 64 bytes, and no alignment is asked for.
                unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), found) };
                count += set.count_ones() as usize;
                place = _mm512_add_epi32(place, step);
            }
            places.extend_from_slice(&kept[..count]);
        }
        let done = blocks.len() * LANES * GRAM_STEP;
        self.search_plainly(&bytes[done..], done as u32, places);
    }
}

/// Appends each fourth place, from `base` on, whose turn is a hit. Every place is kept, and only a
/// hit moves on: there is no branch to guess.
#[inline]
pub(crate) fn keep_hits(
    mut hits: impl ExactSizeIterator<Item = bool>,
    base: u32,
    places: &mut Vec<u32>,
) {
    let mut kept = [0u32; KEPT];
    let mut place = base;
    while hits.len() > 0 {
        let mut count = 0usize;
        for hit in hits.by_ref().take(KEPT) {
            kept[count % KEPT] = place;
            count += usize::from(hit);
            place = place.wrapping_add(GRAM_STEP as u32);
        }
        places.extend_from_slice(&kept[..count.min(KEPT)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, count: usize) -> Vec<u8> {
        let mut state = seed | 1;
        (0..count)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect()
    }

    #[test]
    fn every_level_finds_what_the_plain_one_finds() {
        for bits in [5u32, 9, 13, 16] {
            for thin in 0..3 {
                let mut bitmap = noise(u64::from(bits) + 7, 1 << (bits - 3));
                for round in 0..thin {
                    let mask = noise(round + 99, bitmap.len());
                    bitmap
                        .iter_mut()
                        .zip(mask)
                        .for_each(|(byte, mask)| *byte &= mask);
                }
                let grams = Grams::new(&bitmap, bits).unwrap();
                for length in (0..200).chain([4095, 4096, 4099, 20_000]) {
                    let bytes = noise(length as u64 + 3, length);
                    let mut expected = Vec::new();
                    for (index, gram) in bytes.as_chunks::<4>().0.iter().enumerate() {
                        if grams.has(u32::from_le_bytes(*gram)) {
                            expected.push(4 * index as u32);
                        }
                    }
                    for level in Level::all() {
                        let mut found = Vec::new();
                        grams.search(&bytes, level, &mut found);
                        assert_eq!(found, expected, "{level:?}, {bits} bits, {length} bytes");
                    }
                }
            }
        }
    }

    #[test]
    fn a_bitmap_of_another_size_is_refused() {
        assert!(Grams::new(&[0; 4], 5).is_some());
        assert!(Grams::new(&[0; 5], 5).is_none());
        assert!(Grams::new(&[0; 2], 4).is_none());
        assert!(Grams::new(&[], 40).is_none());
    }
}
