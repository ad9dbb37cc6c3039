//! One LZ4 block without a frame around it, as file systems have it. What comes out is bounded by
//! the caller; it refuses blocks that look back before their own begin.

use crate::decode::xz::DAMAGED;
use crate::fields::u16_le;
use crate::members::Stop;

const MATCH_BYTES_MIN: usize = 4;
/// A length of four bits that goes on in the bytes that follow.
const LONG: usize = 15;

/// Decodes a block of at most `most` bytes; what it decoded before damage stays in `bytes`.
pub(crate) fn unlz4_block(packed: &[u8], most: usize, bytes: &mut Vec<u8>) -> Result<(), Stop> {
    match sequences(packed, most, bytes) {
        Some(()) => Ok(()),
        None => Err(Stop::malformed(DAMAGED)),
    }
}

fn sequences(mut packed: &[u8], most: usize, bytes: &mut Vec<u8>) -> Option<()> {
    while let Some((token, rest)) = packed.split_first() {
        packed = rest;
        let count = length(usize::from(token.wrapping_shr(4)), &mut packed)?;
        let (literals, rest) = packed.split_at_checked(count)?;
        packed = rest;
        if bytes.len().checked_add(count)? > most {
            return None;
        }
        bytes.extend_from_slice(literals);
        if packed.is_empty() {
            return Some(());
        }
        let distance = usize::from(u16_le(packed, 0)?);
        packed = packed.get(2..)?;
        let count = length(usize::from(token & 15), &mut packed)?.checked_add(MATCH_BYTES_MIN)?;
        if bytes.len().checked_add(count)? > most {
            return None;
        }
        copy_back(bytes, distance, count)?;
    }
    Some(())
}

fn length(first: usize, packed: &mut &[u8]) -> Option<usize> {
    let mut length = first;
    if first == LONG {
        loop {
            let (byte, rest) = packed.split_first()?;
            *packed = rest;
            length = length.checked_add(usize::from(*byte))?;
            if *byte != u8::MAX {
                break;
            }
        }
    }
    Some(length)
}

/// Repeats what is `distance` bytes back; the copy may overlap itself.
pub(crate) fn copy_back(bytes: &mut Vec<u8>, distance: usize, count: usize) -> Option<()> {
    let start = bytes.len().checked_sub(distance).filter(|_| distance > 0)?;
    let mut left = count;
    while left > 0 {
        let available = bytes.len().checked_sub(start)?;
        let now = left.min(available);
        bytes.extend_from_within(start..start.checked_add(now)?);
        left = left.checked_sub(now)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(packed: &[u8], most: usize) -> Result<Vec<u8>, Vec<u8>> {
        let mut bytes = Vec::new();
        match unlz4_block(packed, most, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(bytes),
        }
    }

    #[test]
    fn matches_may_overlap_what_they_write() {
        // "ab" once, then eight bytes from two back, then the literals "xyzzy".
        let packed = b"\x24ab\x02\0\x50xyzzy";
        assert_eq!(
            decoded(packed, 100),
            Ok(b"ababababab".iter().chain(b"xyzzy").copied().collect())
        );
    }

    #[test]
    fn what_is_too_long_or_looks_too_far_back_is_damage() {
        assert_eq!(
            decoded(b"\x24ab\x02\0\x50xyzzy", 14),
            Err(b"ababababab".to_vec())
        );
        assert_eq!(decoded(b"\x24ab\x03\0\x50xyzzy", 100), Err(b"ab".to_vec()));
        assert_eq!(decoded(b"\x24ab\0\0\x50xyzzy", 100), Err(b"ab".to_vec()));
        assert_eq!(decoded(b"\xf0\xff\xff", 100), Err(Vec::new()));
    }
}
