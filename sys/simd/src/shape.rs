//! Where one of a few short literals may begin, looked for at every place.
//!
//! Literals are in eight buckets. For each of the first four bytes there is a table by its low
//! half and one by its high half, and in each a bit for each bucket; a place is one where some
//! bucket has its bit in all eight. With more than about a hundred literals nearly every place is
//! one; then the caller's next look must be cheap.

use crate::Level;

/// Bytes looked at.
const DEPTH: usize = 4;

/// The tables: for each byte, 16 for its low half, then 16 for its high half.
pub type ShapeMasks = [[[u8; 16]; 2]; DEPTH];

/// Eight tables of sixteen.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    masks: ShapeMasks,
}

impl Shape {
    /// A search by these tables.
    #[must_use]
    pub fn new(masks: ShapeMasks) -> Self {
        Self { masks }
    }

    /// Appends the places at which some bucket fits. Bytes behind the last one fit every bucket.
    #[inline]
    pub fn search(&self, bytes: &[u8], level: Level, places: &mut Vec<u32>) {
        let done = match level {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if level.is_here() => {
                // SAFETY: the processor has what the function is compiled for: just asked.
                unsafe { self.search_avx512(bytes, places) }
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 if level.is_here() => {
                // SAFETY: the processor has what the function is compiled for: just asked.
                unsafe { self.search_avx2(bytes, places) }
            }
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Level::Neon => {
                // SAFETY: this program is compiled for processors that have it.
                unsafe { self.search_neon(bytes, places) }
            }
            _ => 0,
        };
        for place in done..bytes.len() {
            if self.buckets(&bytes[place..]) != 0 {
                places.push(place as u32);
            }
        }
    }

    /// The buckets that fit at the first of these bytes.
    #[inline]
    fn buckets(&self, bytes: &[u8]) -> u8 {
        let fits = |([low, high], byte): (&[[u8; 16]; 2], &u8)| {
            low[usize::from(byte & 15)] & high[usize::from(byte >> 4)]
        };
        self.masks
            .iter()
            .zip(bytes)
            .map(fits)
            .fold(0xff, |all, one| all & one)
    }

    /// Looks as far as it goes in steps of 64; gives how far.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn search_avx512(&self, bytes: &[u8], places: &mut Vec<u32>) -> usize {
        use std::arch::x86_64::*;
        const LANES: usize = 64;
        let table = |half: &[u8; 16]| {
            // SAFETY: sixteen bytes are read of sixteen.
            let half = unsafe { _mm_loadu_si128(half.as_ptr().cast()) };
            _mm512_broadcast_i32x4(half)
        };
        let tables = self.masks.map(|[low, high]| (table(&low), table(&high)));
        let low_half = _mm512_set1_epi8(15);
        let mut done = 0;
        while let Some(block) = bytes
            .get(done..)
            .and_then(|rest| rest.first_chunk::<{ LANES + DEPTH - 1 }>())
        {
            let mut fits = _mm512_set1_epi8(-1);
            for (depth, (low, high)) in tables.iter().enumerate() {
                let some = &block[depth..depth + LANES];
                // SAFETY: 64 bytes are read of 64, and no alignment is asked for.
                let some = unsafe { _mm512_loadu_si512(some.as_ptr().cast()) };
                let lows = _mm512_shuffle_epi8(*low, _mm512_and_si512(some, low_half));
                let upper = _mm512_and_si512(_mm512_srli_epi16::<4>(some), low_half);
                let highs = _mm512_shuffle_epi8(*high, upper);
                // All three at once: and of and.
                fits = _mm512_ternarylogic_epi64::<0x80>(fits, lows, highs);
            }
            push(_mm512_test_epi8_mask(fits, fits), done, places);
            done += LANES;
        }
        done
    }

    /// Looks as far as it goes in steps of 32; gives how far.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn search_avx2(&self, bytes: &[u8], places: &mut Vec<u32>) -> usize {
        use std::arch::x86_64::*;
        const LANES: usize = 32;
        let table = |half: &[u8; 16]| {
            // SAFETY: sixteen bytes are read of sixteen.
            let half = unsafe { _mm_loadu_si128(half.as_ptr().cast()) };
            _mm256_broadcastsi128_si256(half)
        };
        let tables = self.masks.map(|[low, high]| (table(&low), table(&high)));
        let low_half = _mm256_set1_epi8(15);
        let none = _mm256_setzero_si256();
        let mut done = 0;
        while let Some(block) = bytes
            .get(done..)
            .and_then(|rest| rest.first_chunk::<{ LANES + DEPTH - 1 }>())
        {
            let mut fits = _mm256_set1_epi8(-1);
            for (depth, (low, high)) in tables.iter().enumerate() {
                let some = &block[depth..depth + LANES];
                // SAFETY: 32 bytes are read of 32, and no alignment is asked for.
                let some = unsafe { _mm256_loadu_si256(some.as_ptr().cast()) };
                let lows = _mm256_shuffle_epi8(*low, _mm256_and_si256(some, low_half));
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(some), low_half);
                let highs = _mm256_shuffle_epi8(*high, upper);
                fits = _mm256_and_si256(fits, _mm256_and_si256(lows, highs));
            }
            let misses = _mm256_movemask_epi8(_mm256_cmpeq_epi8(fits, none)).cast_unsigned();
            push(u64::from(!misses), done, places);
            done += LANES;
        }
        done
    }

    /// Looks as far as it goes in steps of 16; gives how far.
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    #[target_feature(enable = "neon")]
    fn search_neon(&self, bytes: &[u8], places: &mut Vec<u32>) -> usize {
        use std::arch::aarch64::*;
        const LANES: usize = 16;
        let load = |some: &[u8]| {
            let some = &some[..LANES];
            // SAFETY: sixteen bytes are read of sixteen.
            unsafe { vld1q_u8(some.as_ptr()) }
        };
        let tables = self.masks.map(|[low, high]| (load(&low), load(&high)));
        let mut done = 0;
        while let Some(block) = bytes
            .get(done..)
            .and_then(|rest| rest.first_chunk::<{ LANES + DEPTH - 1 }>())
        {
            let mut fits = vdupq_n_u8(0xff);
            for (depth, (low, high)) in tables.iter().enumerate() {
                let some = load(&block[depth..depth + LANES]);
                let lows = vqtbl1q_u8(*low, vandq_u8(some, vdupq_n_u8(15)));
                let highs = vqtbl1q_u8(*high, vshrq_n_u8::<4>(some));
                fits = vandq_u8(fits, vandq_u8(lows, highs));
            }
            // One half byte for each lane, then one bit of each.
            let some = vreinterpretq_u16_u8(vtstq_u8(fits, fits));
            let halves = vget_lane_u64::<0>(vreinterpret_u64_u8(vshrn_n_u16::<4>(some)));
            let mut left = halves & 0x1111_1111_1111_1111;
            while left != 0 {
                places.push((done + (left.trailing_zeros() / 4) as usize) as u32);
                left &= left - 1;
            }
            done += LANES;
        }
        done
    }
}

/// Appends a place for each bit that is set.
#[cfg(target_arch = "x86_64")]
#[inline]
fn push(mut bits: u64, base: usize, places: &mut Vec<u32>) {
    while bits != 0 {
        places.push((base + bits.trailing_zeros() as usize) as u32);
        bits &= bits - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables and bytes in which a place is neither sure nor unheard of.
    fn some(seed: u64) -> (ShapeMasks, Vec<u8>) {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        let mut masks = [[[0u8; 16]; 2]; DEPTH];
        masks
            .iter_mut()
            .flatten()
            .flatten()
            .for_each(|mask| *mask = next() | next());
        let length = usize::from(next()) + usize::from(next());
        (masks, (0..length).map(|_| next()).collect())
    }

    #[test]
    fn every_level_finds_what_the_plain_one_finds() {
        for seed in 0..2000 {
            let (masks, bytes) = some(seed);
            let shape = Shape::new(masks);
            let mut expected = Vec::new();
            shape.search(&bytes, Level::Scalar, &mut expected);
            for level in Level::all() {
                let mut found = Vec::new();
                shape.search(&bytes, level, &mut found);
                assert_eq!(found, expected, "{level:?}, seed {seed}");
            }
        }
    }

    #[test]
    fn the_last_bytes_are_enough_for_what_is_shorter() {
        let mut masks = [[[0xff; 16]; 2]; DEPTH];
        masks[0] = [[0; 16]; 2];
        masks[0][0][usize::from(b'z' & 15)] = 1;
        masks[0][1][usize::from(b'z' >> 4)] = 1;
        for length in 1..140 {
            let mut bytes = vec![b'a'; length];
            bytes[length - 1] = b'z';
            for level in Level::all() {
                let mut found = Vec::new();
                Shape::new(masks).search(&bytes, level, &mut found);
                assert_eq!(found, [length as u32 - 1], "{level:?}");
            }
        }
    }
}
