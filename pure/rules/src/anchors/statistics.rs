//! How common bytes are in programs, documents and text: a frozen table.
//!
//! The table is data, made once by `cargo run --release -p bench -- statistics PATH…` and checked
//! in. It changes with the pack's version only: what it says decides where anchors lie. For each
//! pair of folded bytes, and for each hash of four folded bytes, it has one byte: eight times the
//! binary logarithm of one more than how often that is seen in 2^32 places.

use simd::gram_hash;

/// Hashes of four bytes are told apart by so many bits.
pub const GRAM_BITS: u32 = 18;
/// The table's size: a byte for each pair of folded bytes, then one for each hash.
pub const TABLE_BYTES: usize = PAIRS + (1 << GRAM_BITS);

/// A folded byte has 128 values.
const PAIRS: usize = 1 << 14;

static TABLE: &[u8; TABLE_BYTES] = include_bytes!("statistics.bin");

/// The table of what was counted.
#[derive(Debug)]
pub struct Counts {
    seen: u64,
    counts: Vec<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            seen: 0,
            counts: vec![0; TABLE_BYTES],
        }
    }
}

impl Counts {
    /// Counts every place of these bytes, each as `weight` places.
    pub fn add(&mut self, bytes: &[u8], weight: u64) {
        for gram in bytes.array_windows::<4>() {
            let [first, second, ..] = *gram;
            let places = [
                pair(first, second),
                PAIRS.wrapping_add(gram_bin(u32::from_le_bytes(*gram))),
            ];
            for place in places {
                if let Some(count) = self.counts.get_mut(place) {
                    *count = count.saturating_add(weight);
                }
            }
            self.seen = self.seen.saturating_add(weight);
        }
    }

    /// The table, as it is checked in.
    #[must_use]
    pub fn table(&self) -> Vec<u8> {
        let seen = u128::from(self.seen.max(1));
        let byte = |count: &u64| {
            let rate = u128::from(*count).wrapping_shl(32).checked_div(seen);
            encode(u64::try_from(rate.unwrap_or(0)).unwrap_or(u64::MAX))
        };
        self.counts.iter().map(byte).collect()
    }
}

/// How often a literal of two to four bytes is expected in 2^32 places, whatever its case.
#[must_use]
pub fn rate(text: &[u8]) -> u64 {
    let pairs = text.array_windows::<2>();
    let pairs = pairs.map(|[first, second]| at(pair(*first, *second)));
    let rarest = pairs.min().unwrap_or(1 << 32);
    match text {
        [a, b, c, d] => {
            let gram = u32::from_le_bytes([*a, *b, *c, *d]);
            rarest.min(at(PAIRS.wrapping_add(gram_bin(gram))))
        }
        _ => rarest,
    }
}

fn at(place: usize) -> u64 {
    TABLE.get(place).copied().map_or(0, decode)
}

fn pair(first: u8, second: u8) -> usize {
    let fold = |byte: u8| (byte & 0x1f) | (byte & 0xc0).wrapping_shr(1);
    usize::from(fold(first)).wrapping_shl(7) | usize::from(fold(second))
}

fn gram_bin(gram: u32) -> usize {
    gram_hash(gram).wrapping_shr(32u32.wrapping_sub(GRAM_BITS)) as usize
}

/// Eighths of a doubling, in thousandths.
const EIGHTHS: [u64; 8] = [1000, 1091, 1189, 1297, 1414, 1542, 1682, 1834];

fn encode(rate: u64) -> u8 {
    let rate = rate.saturating_add(1).min(1 << 32);
    let doublings = rate.ilog2();
    let scaled = rate.saturating_mul(1000).wrapping_shr(doublings);
    let eighths = EIGHTHS.iter().skip(1).filter(|step| scaled >= **step);
    let eighths = u32::try_from(eighths.count()).unwrap_or(0);
    let byte = doublings.saturating_mul(8).saturating_add(eighths);
    u8::try_from(byte).unwrap_or(u8::MAX)
}

fn decode(byte: u8) -> u64 {
    let eighth = EIGHTHS.get(usize::from(byte & 7)).copied().unwrap_or(1000);
    let rate = eighth.wrapping_shl(u32::from(byte >> 3));
    rate.checked_div(1000).unwrap_or(0).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_survive_their_byte_within_an_eighth_of_a_doubling() {
        for rate in [0, 1, 2, 3, 7, 100, 12_345, 1 << 20, (1 << 31) + 5, 1 << 32] {
            let told = decode(encode(rate));
            assert!(told <= rate, "{rate}: {told}");
            assert!((told + 2) * 110 >= rate * 100, "{rate}: {told}");
        }
    }

    #[test]
    fn what_is_counted_is_what_the_table_says() {
        let mut counts = Counts::default();
        counts.add(&b"abcX".repeat(1000), 1);
        counts.add(&[0xd3; 100], 3);
        let table = counts.table();
        let told = |place: usize| decode(table[place]);
        let quarter = told(PAIRS + gram_bin(u32::from_le_bytes(*b"ABCx")));
        assert!((900_000_000..1_075_000_000).contains(&quarter), "{quarter}");
        assert!(told(pair(b'A', b'b')) > 900_000_000);
        assert_eq!(told(pair(b'q', b'q')), 0);
    }

    #[test]
    fn zeros_are_common_and_text_is_commoner_than_noise() {
        assert!(rate(&[0; 4]) > 10 * rate(b"func"));
        assert!(rate(b"func") > rate(b"\xd3\x9b\xae\xb1"));
        assert!(rate(b"th") > rate(b"\xd3\x9b"));
    }
}
