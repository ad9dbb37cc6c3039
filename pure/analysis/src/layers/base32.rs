//! Base32, in both alphabets and either case, from each of the eight places where a group may
//! begin.

use super::{More, Sink, give, repacked, runs};

/// What 16 bytes take.
const LETTERS_MIN: usize = 26;

const COMMON: [u8; 256] = either_case(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    b"abcdefghijklmnopqrstuvwxyz234567",
);
const HEX: [u8; 256] = either_case(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUV",
    b"0123456789abcdefghijklmnopqrstuv",
);

pub(super) fn peel(bytes: &[u8], sink: &mut Sink<'_>) {
    for (name, table) in [("base32", &COMMON), ("base32hex", &HEX)] {
        for (start, values) in runs(bytes, table, LETTERS_MIN) {
            for skipped in 0..8 {
                let values = values.get(skipped..).unwrap_or_default();
                if give(name, start, repacked(values, 5), sink) == More::No {
                    return;
                }
            }
        }
    }
}

const fn either_case(upper: &[u8], lower: &[u8]) -> [u8; 256] {
    let mut table = super::alphabet(upper);
    let mut rest = lower;
    let mut value = 0_u8;
    while let [letter, after @ ..] = rest {
        super::set(&mut table, *letter, value);
        value = value.wrapping_add(1);
        rest = after;
    }
    table
}
