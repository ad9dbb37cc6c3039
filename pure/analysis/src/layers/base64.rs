//! Base64, with either pair of last letters, from each of the four places where a group may begin.

use super::{More, NONE, Sink, give, repacked, runs};

/// What 16 bytes take.
const LETTERS_MIN: usize = 22;

const TABLE: [u8; 256] = {
    let mut table =
        super::alphabet(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    super::set(&mut table, b'-', 62);
    super::set(&mut table, b'_', 63);
    table
};

pub(super) fn peel(bytes: &[u8], sink: &mut Sink<'_>) {
    debug_assert!(TABLE.iter().filter(|value| **value < NONE).count() == 66);
    for (start, values) in runs(bytes, &TABLE, LETTERS_MIN) {
        for skipped in 0..4 {
            let values = values.get(skipped..).unwrap_or_default();
            if give("base64", start, repacked(values, 6), sink) == More::No {
                return;
            }
        }
    }
}
