//! UTF-16, in either order of bytes: every other byte is zero.

use super::{More, Sink, give};

const LETTERS_MIN: usize = 16;

pub(super) fn peel(bytes: &[u8], sink: &mut Sink<'_>) {
    let mut letters = Vec::new();
    let mut at = 0_usize;
    while at < bytes.len() {
        letters.clear();
        let rest = bytes.get(at..).unwrap_or_default();
        for pair in rest.chunks_exact(2) {
            match pair {
                [letter, 0] if *letter != 0 => letters.push(*letter),
                _ => break,
            }
        }
        // The other order shows as this one, from the second byte on: one letter is lost with it.
        let length = letters.len().saturating_mul(2);
        if letters.len() >= LETTERS_MIN.saturating_sub(1) {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            let mut whole = Vec::with_capacity(letters.len().saturating_add(2));
            whole.append(&mut letters);
            // The last letter of the other order has no zero behind it.
            if before == Some(&0) {
                whole.extend(bytes.get(at.saturating_add(length)));
            }
            if give("utf-16", at, whole, sink) == More::No {
                return;
            }
        }
        at = at.saturating_add(length.max(1));
    }
}
