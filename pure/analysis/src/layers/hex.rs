//! Hexadecimal digits, in either case, alone or with the same few letters between pairs: spaces,
//! colons, `\x`, `0x` and commas, `%`.

use super::{More, Sink, give, line_end, repacked};

const PAIRS_MIN: usize = 16;
/// `, 0x` is the longest that is common.
const SEPARATOR_BYTES_MAX: usize = 5;

pub(super) fn peel(bytes: &[u8], sink: &mut Sink<'_>) {
    let mut at = 0_usize;
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let (digits, used) = digits(rest);
        if digits.len() >= PAIRS_MIN.saturating_mul(2) {
            for skipped in 0..2 {
                let digits = digits.get(skipped..).unwrap_or_default();
                let pairs = digits.get(..digits.len() & !1).unwrap_or_default();
                if give("hex", at, repacked(pairs, 4), sink) == More::No {
                    return;
                }
            }
            at = at.saturating_add(used);
            continue;
        }
        if digits.len() == 2
            && let Some((bytes, used)) = separated(rest)
        {
            if give("hex", at, bytes, sink) == More::No {
                return;
            }
            at = at.saturating_add(used);
            continue;
        }
        at = at.saturating_add(used.max(1));
    }
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The digits at the start, over ends of lines, and how many bytes those are.
fn digits(bytes: &[u8]) -> (Vec<u8>, usize) {
    let mut digits = Vec::new();
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match digit(*byte) {
            Some(value) => {
                digits.push(value);
                at = at.saturating_add(1);
            }
            None => {
                let is_long = digits.len() >= PAIRS_MIN.saturating_mul(2);
                let gap = match is_long {
                    true => line_end(bytes.get(at..).unwrap_or_default()),
                    false => 0,
                };
                if gap == 0 {
                    break;
                }
                at = at.saturating_add(gap);
            }
        }
    }
    (digits, at)
}

/// Pairs with the same separator, where there are enough.
fn separated(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let after = bytes.get(2..)?;
    let lengths = 1..=SEPARATOR_BYTES_MAX;
    for length in lengths {
        let separator = after.get(..length)?;
        if separator.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let step = length.saturating_add(2);
        let mut values = Vec::new();
        for chunk in bytes.chunks(step) {
            let [high, low, between @ ..] = chunk else {
                break;
            };
            let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
                break;
            };
            values.push(high.wrapping_shl(4) | low);
            if between != separator {
                break;
            }
        }
        if values.len() >= PAIRS_MIN {
            let used = values.len().saturating_mul(step).saturating_sub(length);
            return Some((values, used));
        }
    }
    None
}
