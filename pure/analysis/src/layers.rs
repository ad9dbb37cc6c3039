//! Encodings that are taken off bytes, a layer at a time.
//!
//! Each finds the parts of a buffer that could be so encoded and hands over what they decode to,
//! with their place. None judges whether that is what was meant: a search of the result is cheap.

mod base32;
mod base64;
mod escapes;
mod hex;
mod packed;
mod wide;

pub(crate) use packed::Starts;

/// What a layer is called.
pub(crate) type Name = &'static str;

/// Receives decoded bytes: the layer's name, where they were, and the bytes. It says whether it
/// wants more.
pub(crate) type Sink<'s> = dyn FnMut(Name, usize, Vec<u8>) -> More + 's;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    /// There is room for more.
    Yes,
    /// The bound on decoded bytes is reached.
    No,
}

/// Shorter results can't hold what is searched for.
const RESULT_BYTES_MIN: usize = 16;

/// Takes one layer off, in every way.
pub(crate) fn peel(bytes: &[u8], starts: Starts<'_>, sink: &mut Sink<'_>) {
    peel_text(bytes, sink);
    packed::peel(bytes, starts, sink);
}

/// The same for layers that text has.
pub(crate) fn peel_text(bytes: &[u8], sink: &mut Sink<'_>) {
    base64::peel(bytes, sink);
    hex::peel(bytes, sink);
    base32::peel(bytes, sink);
    escapes::peel(bytes, sink);
    wide::peel(bytes, sink);
}

/// Hands a result over where it is long enough.
fn give(name: Name, at: usize, bytes: Vec<u8>, sink: &mut Sink<'_>) -> More {
    match bytes.len() >= RESULT_BYTES_MIN {
        true => sink(name, at, bytes),
        false => More::Yes,
    }
}

/// Runs of letters of an alphabet, broken at most by ends of lines and by what may stand between
/// labels; the places are of the first letter.
fn runs(bytes: &[u8], alphabet: &[u8; 256], letters_min: usize) -> Vec<(usize, Vec<u8>)> {
    let mut runs = Vec::new();
    let mut values: Vec<u8> = Vec::new();
    let mut start = 0_usize;
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at) {
        let value = alphabet.get(usize::from(*byte)).copied().unwrap_or(NONE);
        if value < NONE {
            if values.is_empty() {
                start = at;
            }
            values.push(value);
            at = at.saturating_add(1);
            continue;
        }
        let gap = match values.len() >= letters_min {
            true => line_end(bytes.get(at..).unwrap_or_default()),
            false => 0,
        };
        if gap == 0 {
            if values.len() >= letters_min {
                runs.push((start, std::mem::take(&mut values)));
            }
            values.clear();
        }
        at = at.saturating_add(gap.max(1));
    }
    if values.len() >= letters_min {
        runs.push((start, values));
    }
    runs
}

/// Not in an alphabet.
const NONE: u8 = 255;

/// An alphabet's values by letter.
const fn alphabet(letters: &[u8]) -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut rest = letters;
    let mut value = 0_u8;
    while let [letter, after @ ..] = rest {
        set(&mut table, *letter, value);
        value = value.wrapping_add(1);
        rest = after;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "a byte is within a table of 256, and a constant has no other way"
)]
const fn set(table: &mut [u8; 256], letter: u8, value: u8) {
    table[letter as usize] = value;
}

/// The length of an end of line with the spaces around it; also as JSON and C write it.
fn line_end(bytes: &[u8]) -> usize {
    let mut has_end = false;
    let mut length = 0_usize;
    let mut rest = bytes;
    loop {
        let (step, is_end) = match rest {
            [b'\n', ..] => (1, true),
            [b'\r' | b' ' | b'\t', ..] => (1, false),
            [b'\\', b'n', ..] => (2, true),
            [b'\\', b'r', ..] => (2, false),
            _ => break,
        };
        has_end |= is_end;
        length = length.saturating_add(step);
        rest = rest.get(step..).unwrap_or_default();
        if length > 16 {
            break;
        }
    }
    if has_end { length } else { 0 }
}

/// Packs values of some bits each into bytes; what is over at the end is dropped.
fn repacked(values: &[u8], bits_each: u32) -> Vec<u8> {
    let capacity = values
        .len()
        .saturating_mul(usize::try_from(bits_each).unwrap_or(8))
        / 8;
    let mut bytes = Vec::with_capacity(capacity);
    let mut held = 0_u32;
    let mut bits = 0_u32;
    for value in values {
        held = held.wrapping_shl(bits_each) | u32::from(*value);
        bits = bits.saturating_add(bits_each);
        if bits >= 8 {
            bits = bits.saturating_sub(8);
            let byte = held.wrapping_shr(bits) & 255;
            bytes.push(u8::try_from(byte).unwrap_or_default());
        }
    }
    bytes
}
