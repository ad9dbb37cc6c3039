//! Headers of archives that carry a checksum of themselves, or fields that must agree.

use crate::fields::{u16_le, u32_le, u64_le};

/// The longest header that is checked, magic included.
pub(crate) const HEAD_BYTES: usize = 4 << 10;

const RAR4_MARKER_BYTES: usize = 7;
const RAR4_MAIN: u8 = 0x73;
/// A main header without the comment that old versions kept in it and left out of its checksum.
const RAR4_MAIN_BYTES: usize = 13;
const RAR5_MARKER_BYTES: usize = 8;
const SEVEN_ZIP_HEADER_BYTES: u64 = 32;

/// The size of a 7z archive, where its start header's checksum holds.
pub(crate) fn seven_zip_bytes(head: &[u8]) -> Option<u64> {
    let start = head.get(12..32)?;
    if u32_le(head, 8)? != crc32fast::hash(start) {
        return None;
    }
    let next = u64_le(start, 0)?.saturating_add(u64_le(start, 8)?);
    Some(next.saturating_add(SEVEN_ZIP_HEADER_BYTES))
}

/// Whether a RAR archive of either generation begins here.
pub(crate) fn is_rar(head: &[u8]) -> bool {
    let found = match head.get(6) {
        Some(0) => is_rar4(head),
        Some(1) => is_rar5(head),
        _ => None,
    };
    found.unwrap_or(false)
}

/// The main header: the low half of a CRC-32 over all that follows it.
fn is_rar4(head: &[u8]) -> Option<bool> {
    let main = head.get(RAR4_MARKER_BYTES..)?;
    let size = usize::from(u16_le(main, 5)?);
    let stated = u32::from(u16_le(main, 0)?);
    let matches = |size: usize| {
        let bytes = main.get(2..size);
        bytes.is_some_and(|bytes| crc32fast::hash(bytes) & 0xffff == stated)
    };
    let is_main = *main.get(2)? == RAR4_MAIN && size >= RAR4_MAIN_BYTES;
    Some(is_main && (matches(size) || matches(RAR4_MAIN_BYTES)))
}

/// The first header: a CRC-32 over its size (a number of seven bits a byte) and itself.
fn is_rar5(head: &[u8]) -> Option<bool> {
    let stated = u32_le(head, RAR5_MARKER_BYTES)?;
    let rest = head.get(RAR5_MARKER_BYTES.checked_add(4)?..)?;
    let mut size = 0usize;
    let mut size_bytes = 0usize;
    for place in 0..3u32 {
        let byte = *rest.get(size_bytes)?;
        size |= usize::from(byte & 0x7f).checked_shl(place.checked_mul(7)?)?;
        size_bytes = size_bytes.checked_add(1)?;
        if byte & 0x80 == 0 {
            break;
        }
    }
    let header = rest.get(..size_bytes.checked_add(size)?)?;
    Some(size > 0 && crc32fast::hash(header) == stated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rar_marker_without_its_header_is_no_archive() {
        assert!(!is_rar(b"Rar!\x1a\x07\0"));
        assert!(!is_rar(&[b"Rar!\x1a\x07\0".as_slice(), &[0; 64]].concat()));
        assert!(!is_rar(
            &[b"Rar!\x1a\x07\x01\0".as_slice(), &[0; 64]].concat()
        ));
    }

    #[test]
    fn rar_headers_with_their_checksums_are_archives() {
        // What `rar` writes for an archive without options.
        let old = b"Rar!\x1a\x07\0\xcf\x90\x73\0\0\x0d\0\0\0\0\0\0\0";
        assert!(is_rar(old));
        let body = [3, 1, 0, 0];
        let crc = crc32fast::hash(&body).to_le_bytes();
        let new = [b"Rar!\x1a\x07\x01\0".as_slice(), &crc, &body].concat();
        assert!(is_rar(&new));
        for place in 7..old.len() - 6 {
            let mut damaged = *old;
            damaged[place] ^= 1;
            assert!(!is_rar(&damaged), "byte {place}");
        }
    }
}
