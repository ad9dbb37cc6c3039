//! MD5, of several objects side by side.
//!
//! Each step of MD5 waits for the one before it, so that one message keeps a processor half idle;
//! four go through it in the time of one. Signatures of any size need the MD5 of every object.

/// A digest under way.
#[derive(Clone, Debug)]
pub(crate) struct Md5 {
    state: [u32; 4],
    length_bytes: u64,
    /// The bytes behind the last whole block.
    rest: [u8; BLOCK_BYTES],
    rest_bytes: usize,
}

pub(crate) const BLOCK_BYTES: usize = 64;
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Words of several messages.
type Words<const L: usize> = [u32; L];

impl Default for Md5 {
    fn default() -> Self {
        Self {
            state: START,
            length_bytes: 0,
            rest: [0; BLOCK_BYTES],
            rest_bytes: 0,
        }
    }
}

impl Md5 {
    /// The digest of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> [u8; 16] {
        let mut md5 = Self::default();
        md5.update(bytes);
        md5.finish()
    }

    /// How many bytes went in.
    pub(crate) fn length_bytes(&self) -> u64 {
        self.length_bytes
    }

    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        self.length_bytes = self.length_bytes.wrapping_add(bytes.len() as u64);
        if self.rest_bytes > 0 {
            let room = self.rest.get_mut(self.rest_bytes..).unwrap_or_default();
            let count = room.len().min(bytes.len());
            let (now, later) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            if let Some(room) = room.get_mut(..count) {
                room.copy_from_slice(now);
            }
            self.rest_bytes = self.rest_bytes.saturating_add(count);
            bytes = later;
            if self.rest_bytes < BLOCK_BYTES {
                return;
            }
            self.rest_bytes = 0;
            let block = self.rest;
            self.block(&block);
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        for block in blocks {
            self.block(block);
        }
        if let Some(room) = self.rest.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
            self.rest_bytes = rest.len();
        }
    }

    /// The digest of what went in.
    pub(crate) fn finish(mut self) -> [u8; 16] {
        let length_bits = self.length_bytes.wrapping_mul(8);
        let filled = self.rest_bytes.saturating_add(1).saturating_add(8);
        let zeros = filled.next_multiple_of(BLOCK_BYTES).saturating_sub(filled);
        self.update(&[0x80]);
        self.update([0; BLOCK_BYTES].get(..zeros).unwrap_or_default());
        self.update(&length_bits.to_le_bytes());
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// Takes whole blocks of as many messages, none of which has a begun block.
    pub(crate) fn update_together<const L: usize>(
        digests: &mut [&mut Self; L],
        blocks: [&[[u8; BLOCK_BYTES]]; L],
    ) {
        let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
        let mut state: [Words<L>; 4] = transposed(&std::array::from_fn(|lane| {
            digests.get(lane).map_or(START, |digest| digest.state)
        }));
        const NONE: &[u8; BLOCK_BYTES] = &[0; BLOCK_BYTES];
        for index in 0..count {
            let now = std::array::from_fn(|lane: usize| {
                let block = blocks.get(lane).and_then(|blocks| blocks.get(index));
                block.unwrap_or(NONE)
            });
            compress(&mut state, now);
        }
        let states: [[u32; 4]; L] = transposed(&state);
        let taken = (count as u64).saturating_mul(BLOCK_BYTES as u64);
        for (digest, state) in digests.iter_mut().zip(states) {
            digest.state = state;
            digest.length_bytes = digest.length_bytes.wrapping_add(taken);
        }
    }

    fn block(&mut self, block: &[u8; BLOCK_BYTES]) {
        let mut state = self.state.map(|word| [word]);
        compress(&mut state, [block]);
        self.state = state.map(|[word]| word);
    }
}

fn transposed<const M: usize, const N: usize>(rows: &[[u32; N]; M]) -> [[u32; M]; N] {
    let at = |row: usize, column: usize| rows.get(row).and_then(|row| row.get(column));
    std::array::from_fn(|column| {
        std::array::from_fn(|row| at(row, column).copied().unwrap_or_default())
    })
}

/// One block of each message. It is written so that the compiler makes vectors of the lanes, which
/// takes that everything is inlined.
fn compress<const L: usize>(state: &mut [Words<L>; 4], blocks: [&[u8; BLOCK_BYTES]; L]) {
    let words: [Words<L>; 16] = std::array::from_fn(|index| {
        blocks.map(|block| {
            let word = block.as_chunks::<4>().0.get(index);
            word.copied().map_or(0, u32::from_le_bytes)
        })
    });
    let mut mixed = *state;
    first_round(&mut mixed, &words);
    second_round(&mut mixed, &words);
    third_round(&mut mixed, &words);
    fourth_round(&mut mixed, &words);
    for (word, more) in state.iter_mut().zip(mixed) {
        *word = zip(*word, more, u32::wrapping_add);
    }
}

macro_rules! step {
    ($mix:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $add:expr, $by:expr) => {
        *$a = step::<L, $by>(*$a, $mix(*$b, *$c, *$d), $word, $add, *$b);
    };
}

#[inline(always)]
fn first_round<const L: usize>([a, b, c, d]: &mut [Words<L>; 4], words: &[Words<L>; 16]) {
    step!(first, a, b, c, d, words[0], 0xd76a_a478, 7);
    step!(first, d, a, b, c, words[1], 0xe8c7_b756, 12);
    step!(first, c, d, a, b, words[2], 0x2420_70db, 17);
    step!(first, b, c, d, a, words[3], 0xc1bd_ceee, 22);
    step!(first, a, b, c, d, words[4], 0xf57c_0faf, 7);
    step!(first, d, a, b, c, words[5], 0x4787_c62a, 12);
    step!(first, c, d, a, b, words[6], 0xa830_4613, 17);
    step!(first, b, c, d, a, words[7], 0xfd46_9501, 22);
    step!(first, a, b, c, d, words[8], 0x6980_98d8, 7);
    step!(first, d, a, b, c, words[9], 0x8b44_f7af, 12);
    step!(first, c, d, a, b, words[10], 0xffff_5bb1, 17);
    step!(first, b, c, d, a, words[11], 0x895c_d7be, 22);
    step!(first, a, b, c, d, words[12], 0x6b90_1122, 7);
    step!(first, d, a, b, c, words[13], 0xfd98_7193, 12);
    step!(first, c, d, a, b, words[14], 0xa679_438e, 17);
    step!(first, b, c, d, a, words[15], 0x49b4_0821, 22);
}

#[inline(always)]
fn second_round<const L: usize>([a, b, c, d]: &mut [Words<L>; 4], words: &[Words<L>; 16]) {
    step!(second, a, b, c, d, words[1], 0xf61e_2562, 5);
    step!(second, d, a, b, c, words[6], 0xc040_b340, 9);
    step!(second, c, d, a, b, words[11], 0x265e_5a51, 14);
    step!(second, b, c, d, a, words[0], 0xe9b6_c7aa, 20);
    step!(second, a, b, c, d, words[5], 0xd62f_105d, 5);
    step!(second, d, a, b, c, words[10], 0x0244_1453, 9);
    step!(second, c, d, a, b, words[15], 0xd8a1_e681, 14);
    step!(second, b, c, d, a, words[4], 0xe7d3_fbc8, 20);
    step!(second, a, b, c, d, words[9], 0x21e1_cde6, 5);
    step!(second, d, a, b, c, words[14], 0xc337_07d6, 9);
    step!(second, c, d, a, b, words[3], 0xf4d5_0d87, 14);
    step!(second, b, c, d, a, words[8], 0x455a_14ed, 20);
    step!(second, a, b, c, d, words[13], 0xa9e3_e905, 5);
    step!(second, d, a, b, c, words[2], 0xfcef_a3f8, 9);
    step!(second, c, d, a, b, words[7], 0x676f_02d9, 14);
    step!(second, b, c, d, a, words[12], 0x8d2a_4c8a, 20);
}

#[inline(always)]
fn third_round<const L: usize>([a, b, c, d]: &mut [Words<L>; 4], words: &[Words<L>; 16]) {
    step!(third, a, b, c, d, words[5], 0xfffa_3942, 4);
    step!(third, d, a, b, c, words[8], 0x8771_f681, 11);
    step!(third, c, d, a, b, words[11], 0x6d9d_6122, 16);
    step!(third, b, c, d, a, words[14], 0xfde5_380c, 23);
    step!(third, a, b, c, d, words[1], 0xa4be_ea44, 4);
    step!(third, d, a, b, c, words[4], 0x4bde_cfa9, 11);
    step!(third, c, d, a, b, words[7], 0xf6bb_4b60, 16);
    step!(third, b, c, d, a, words[10], 0xbebf_bc70, 23);
    step!(third, a, b, c, d, words[13], 0x289b_7ec6, 4);
    step!(third, d, a, b, c, words[0], 0xeaa1_27fa, 11);
    step!(third, c, d, a, b, words[3], 0xd4ef_3085, 16);
    step!(third, b, c, d, a, words[6], 0x0488_1d05, 23);
    step!(third, a, b, c, d, words[9], 0xd9d4_d039, 4);
    step!(third, d, a, b, c, words[12], 0xe6db_99e5, 11);
    step!(third, c, d, a, b, words[15], 0x1fa2_7cf8, 16);
    step!(third, b, c, d, a, words[2], 0xc4ac_5665, 23);
}

#[inline(always)]
fn fourth_round<const L: usize>([a, b, c, d]: &mut [Words<L>; 4], words: &[Words<L>; 16]) {
    step!(fourth, a, b, c, d, words[0], 0xf429_2244, 6);
    step!(fourth, d, a, b, c, words[7], 0x432a_ff97, 10);
    step!(fourth, c, d, a, b, words[14], 0xab94_23a7, 15);
    step!(fourth, b, c, d, a, words[5], 0xfc93_a039, 21);
    step!(fourth, a, b, c, d, words[12], 0x655b_59c3, 6);
    step!(fourth, d, a, b, c, words[3], 0x8f0c_cc92, 10);
    step!(fourth, c, d, a, b, words[10], 0xffef_f47d, 15);
    step!(fourth, b, c, d, a, words[1], 0x8584_5dd1, 21);
    step!(fourth, a, b, c, d, words[8], 0x6fa8_7e4f, 6);
    step!(fourth, d, a, b, c, words[15], 0xfe2c_e6e0, 10);
    step!(fourth, c, d, a, b, words[6], 0xa301_4314, 15);
    step!(fourth, b, c, d, a, words[13], 0x4e08_11a1, 21);
    step!(fourth, a, b, c, d, words[4], 0xf753_7e82, 6);
    step!(fourth, d, a, b, c, words[11], 0xbd3a_f235, 10);
    step!(fourth, c, d, a, b, words[2], 0x2ad7_d2bb, 15);
    step!(fourth, b, c, d, a, words[9], 0xeb86_d391, 21);
}

#[inline(always)]
fn zip<const L: usize>(a: Words<L>, b: Words<L>, mix: impl Fn(u32, u32) -> u32) -> Words<L> {
    let mut out = a;
    for (out, b) in out.iter_mut().zip(b) {
        *out = mix(*out, b);
    }
    out
}

#[inline(always)]
fn step<const L: usize, const BY: u32>(
    a: Words<L>,
    mixed: Words<L>,
    word: Words<L>,
    add: u32,
    b: Words<L>,
) -> Words<L> {
    let sum = zip(a, word, |a, word| a.wrapping_add(word).wrapping_add(add));
    let sum = zip(sum, mixed, u32::wrapping_add);
    zip(sum, b, |sum, b| sum.rotate_left(BY).wrapping_add(b))
}

#[inline(always)]
fn first<const L: usize>(b: Words<L>, c: Words<L>, d: Words<L>) -> Words<L> {
    zip(
        d,
        zip(b, zip(c, d, |c, d| c ^ d), |b, cd| b & cd),
        |d, m| d ^ m,
    )
}

/// The two halves share no bit, so that their sum is their union. Only one waits for `b`, which is
/// the last to be ready, and the compiler may add the other before.
#[inline(always)]
fn second<const L: usize>(b: Words<L>, c: Words<L>, d: Words<L>) -> Words<L> {
    let early = zip(c, d, |c, d| c & !d);
    zip(early, zip(b, d, |b, d| b & d), u32::wrapping_add)
}

#[inline(always)]
fn third<const L: usize>(b: Words<L>, c: Words<L>, d: Words<L>) -> Words<L> {
    zip(b, zip(c, d, |c, d| c ^ d), |b, cd| b ^ cd)
}

#[inline(always)]
fn fourth<const L: usize>(b: Words<L>, c: Words<L>, d: Words<L>) -> Words<L> {
    zip(c, zip(b, d, |b, d| b | !d), |c, bd| c ^ bd)
}

#[cfg(test)]
mod tests {
    use md5::Digest as _;

    use super::*;

    fn bytes(count: usize) -> Vec<u8> {
        let byte = |at: usize| u8::try_from(at * 7919 % 251).unwrap();
        (0..count).map(byte).collect()
    }

    fn expected(bytes: &[u8]) -> [u8; 16] {
        md5::Md5::digest(bytes).into()
    }

    #[test]
    fn every_length_and_every_cut_gives_the_digest() {
        for count in 0..300 {
            let all = bytes(count);
            assert_eq!(Md5::of(&all), expected(&all), "{count}");
            for cut in (0..count).step_by(13) {
                let mut md5 = Md5::default();
                md5.update(&all[..cut]);
                md5.update(&all[cut..]);
                assert_eq!(md5.finish(), expected(&all), "{count} at {cut}");
            }
        }
    }

    #[test]
    fn messages_side_by_side_do_not_mix() {
        let messages: Vec<Vec<u8>> = (1..5).map(|number| bytes(number * 100 + 3)).collect();
        let mut digests: [Md5; 4] = Default::default();
        {
            let mut lanes = digests.each_mut();
            let blocks = std::array::from_fn(|lane| messages[lane].as_chunks().0);
            Md5::update_together(&mut lanes, blocks);
        }
        for (mut digest, message) in digests.into_iter().zip(&messages) {
            assert_eq!(digest.length_bytes(), 64);
            digest.update(&message[64..]);
            assert_eq!(digest.finish(), expected(message));
        }
    }
}
