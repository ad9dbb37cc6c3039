//! Which eight bytes, at every fourth place, have both their bits set in a table of words.
//!
//! For tables so large that four bytes say too little: most of what passes a bitmap of millions of
//! four bytes really has them. Both bits are in one word, so the second costs no memory access.

use crate::Level;
use crate::grams::{GRAM_STEP, KEPT, fold, keep_hits};

/// The bytes of a context.
const CONTEXT: usize = 8;
const FIRST: u32 = 0x9e37_79b1;
const SECOND: u32 = 0x85eb_ca77;
const THIRD: u32 = 0xc2b2_ae3d;

/// Two hashes of eight bytes, whatever their case: one by its first bits, one by any.
#[must_use]
#[inline]
pub const fn context_hash(context: u64) -> (u32, u32) {
    let (low, high) = (context as u32, (context >> 32) as u32);
    let one = fold(low).wrapping_mul(FIRST);
    let hash = one.wrapping_add(fold(high).wrapping_mul(SECOND));
    (hash, (hash ^ (hash >> 15)).wrapping_mul(THIRD))
}

/// The two bits of eight bytes in their word, from their second hash.
#[must_use]
#[inline]
pub const fn context_bits(second: u32) -> u32 {
    (1 << (second >> 27)) | (1 << ((second >> 22) & 31))
}

/// A table of words.
#[derive(Clone, Copy, Debug)]
pub struct Contexts<'a> {
    words: &'a [[u8; 4]],
    /// What leaves the word's number of a first hash.
    shift: u32,
}

impl<'a> Contexts<'a> {
    /// The words for the first `bits` bits of hashes; `None` where there are more or fewer.
    #[must_use]
    pub fn new(words: &'a [[u8; 4]], bits: u32) -> Option<Self> {
        let fits = (1..=28).contains(&bits) && words.len() == 1usize << bits;
        fits.then(|| Self {
            words,
            shift: 32 - bits,
        })
    }

    /// Appends the places 0, 4, 8… at which eight bytes begin that have both their bits set.
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

    /// Whether both bits of these eight bytes are set.
    #[must_use]
    #[inline]
    pub fn has(&self, context: u64) -> bool {
        let (first, second) = context_hash(context);
        let word = self.words.get((first >> self.shift) as usize).copied();
        let bits = context_bits(second);
        word.map_or(0, u32::from_le_bytes) & bits == bits
    }

    fn search_plainly(&self, bytes: &[u8], base: u32, places: &mut Vec<u32>) {
        let windows = bytes.windows(CONTEXT).step_by(GRAM_STEP);
        let hits = windows.map(|window| {
            let context = window.first_chunk().copied().map_or(0, u64::from_le_bytes);
            self.has(context)
        });
        keep_hits(hits, base, places);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn search_avx512(&self, bytes: &[u8], places: &mut Vec<u32>) {
        use std::arch::x86_64::*;
        const LANES: usize = 16;
        const STEP: usize = LANES * GRAM_STEP;
        let lower = _mm512_set1_epi32(0x2020_2020);
        let set = |value: u32| _mm512_set1_epi32(value.cast_signed());
        let (one, five) = (set(1), set(31));
        let shift = _mm_cvtsi32_si128(self.shift.cast_signed());
        let step = set(STEP as u32);
        let mut place =
            _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60);
        let mut kept = [0u32; KEPT + LANES];
        let (mut done, mut count) = (0usize, 0usize);
        while let Some(block) = bytes
            .get(done..)
            .and_then(|rest| rest.first_chunk::<{ STEP + GRAM_STEP }>())
        {
            // SAFETY: 64 bytes are read of 68, and no alignment is asked for.
            let low = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
            // SAFETY: 64 bytes are read of the 64 behind the first four; no alignment either.
            let high = unsafe { _mm512_loadu_si512(block[GRAM_STEP..].as_ptr().cast()) };
            let low = _mm512_mullo_epi32(_mm512_or_si512(low, lower), set(FIRST));
            let high = _mm512_mullo_epi32(_mm512_or_si512(high, lower), set(SECOND));
            let first = _mm512_add_epi32(low, high);
            let second = _mm512_xor_si512(first, _mm512_srli_epi32::<15>(first));
            let second = _mm512_mullo_epi32(second, set(THIRD));
            let words = _mm512_srl_epi32(first, shift);
            // SAFETY: a word's number is below their count, by `new`. No alignment is asked for.
            let words = unsafe { _mm512_i32gather_epi32::<4>(words, self.words.as_ptr().cast()) };
            let other = _mm512_and_si512(_mm512_srli_epi32::<22>(second), five);
            let bits = _mm512_or_si512(
                _mm512_sllv_epi32(one, _mm512_srli_epi32::<27>(second)),
                _mm512_sllv_epi32(one, other),
            );
            let found = _mm512_cmpeq_epi32_mask(_mm512_and_si512(words, bits), bits);
            let room = &mut kept[count..count + LANES];
            let compressed = _mm512_maskz_compress_epi32(found, place);
            // SAFETY: the room is 64 bytes, and no alignment is asked for.
            unsafe { _mm512_storeu_si512(room.as_mut_ptr().cast(), compressed) };
            count += found.count_ones() as usize;
            if count > KEPT - LANES {
                places.extend_from_slice(&kept[..count]);
                count = 0;
            }
            place = _mm512_add_epi32(place, step);
            done += STEP;
        }
        places.extend_from_slice(&kept[..count]);
        self.search_plainly(bytes.get(done..).unwrap_or_default(), done as u32, places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_finds_what_the_plain_one_finds() {
        let mut state = 0x1234_5678_9abc_def1u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        for bits in [1u32, 6, 12] {
            let words: Vec<[u8; 4]> = (0..1 << bits)
                .map(|_| [(); 4].map(|()| next() | next()))
                .collect();
            let contexts = Contexts::new(&words, bits).unwrap();
            for length in (0..200).chain([4095, 4100, 20_000]) {
                let bytes: Vec<u8> = (0..length).map(|_| next()).collect();
                let mut expected = Vec::new();
                for (place, window) in bytes.windows(8).enumerate().step_by(4) {
                    if contexts.has(u64::from_le_bytes(window.try_into().unwrap())) {
                        expected.push(place as u32);
                    }
                }
                for level in Level::all() {
                    let mut found = Vec::new();
                    contexts.search(&bytes, level, &mut found);
                    assert_eq!(found, expected, "{level:?}, {bits} bits, {length} bytes");
                }
            }
        }
    }

    #[test]
    fn case_does_not_matter_and_the_number_of_words_does() {
        let hash = |text: &[u8; 8]| context_hash(u64::from_le_bytes(*text));
        assert_eq!(hash(b"ABCDefgh"), hash(b"abcdEFGH"));
        assert_ne!(hash(b"ABCDefgh"), hash(b"abcdEFGI"));
        assert!(Contexts::new(&[[0; 4]; 2], 1).is_some());
        assert!(Contexts::new(&[[0; 4]; 3], 1).is_none());
        assert!(Contexts::new(&[], 40).is_none());
    }
}
