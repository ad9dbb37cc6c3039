//! One cpio header, in any of its forms.

use crate::fields::{array, u16_le};
use crate::members::Lister;

/// The longest fixed part of a header.
pub(super) const HEADER_BYTES_MAX: usize = NEWC_BYTES;
/// A form without sizes, which rpm writes.
pub(super) const STRIPPED: &[u8] = b"07070X";

const NEWC: &[u8] = b"070701";
const CRC: &[u8] = b"070702";
const ODC: &[u8] = b"070707";
const NEWC_BYTES: usize = 110;
const ODC_BYTES: usize = 76;
const BINARY_BYTES: usize = 26;
const BINARY_MAGIC: u16 = 0o070_707;
/// The old form is recognised by little more than its name's length.
const BINARY_NAME_BYTES_MAX: u64 = 1024;
const KIND_MASK: u64 = 0o170_000;
const FILE: u64 = 0o100_000;

/// A header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The form, for those who tell them apart.
    pub(super) lister: Lister,
    pub(super) header_bytes: u64,
    /// With the zero at its end.
    pub(super) name_bytes: u64,
    pub(super) size_bytes: u64,
    /// The sum of the data's bytes, in the form that has one.
    pub(super) sum: Option<u32>,
    mode: u64,
    links: u64,
    /// What names and data are padded to.
    align: u64,
}

/// Whether the magic of a form in text is there.
pub(super) fn has_text_magic(bytes: &[u8]) -> bool {
    [NEWC, CRC, ODC, STRIPPED]
        .iter()
        .any(|magic| bytes.starts_with(magic))
}

/// Whether the last bytes of a file can be the beginning of a header.
pub(super) fn may_be_cut(bytes: &[u8]) -> bool {
    let is_first = matches!(bytes.first(), Some(b'0' | 0xc7 | 0x71));
    has_text_magic(bytes) || (bytes.len() < HEADER_BYTES_MAX && is_first)
}

impl Header {
    /// Parses a header; `None` where it is none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let header = match bytes.get(..6)? {
            magic if magic == NEWC || magic == CRC => Self::newc(bytes, magic == CRC)?,
            magic if magic == ODC => Self::odc(bytes)?,
            _ => Self::binary(bytes)?,
        };
        (header.name_bytes > 0).then_some(header)
    }

    /// Where the data of an entry at `begin` is.
    pub(super) fn data_offset(&self, begin: u64) -> u64 {
        let before = self.header_bytes.saturating_add(self.name_bytes);
        begin.saturating_add(self.padded(before))
    }

    /// Where the next header is, after data up to `end`.
    pub(super) fn after_data(&self, end: u64) -> u64 {
        let padding = self.padded(self.size_bytes).saturating_sub(self.size_bytes);
        end.saturating_add(padding)
    }

    /// A file that no other entry can hold the data of.
    pub(super) fn is_lone_file(&self) -> bool {
        let kind = self.mode & KIND_MASK;
        (kind == FILE || kind == 0) && self.links <= 1
    }

    fn padded(&self, size: u64) -> u64 {
        size.checked_next_multiple_of(self.align)
            .unwrap_or(u64::MAX)
    }

    fn newc(bytes: &[u8], is_summed: bool) -> Option<Self> {
        let field = |place: usize| {
            let begin = place.checked_mul(8)?.checked_add(6)?;
            let digits = bytes.get(begin..begin.checked_add(8)?)?;
            number(digits, 16)
        };
        let sum = field(12)?;
        Some(Self {
            lister: match is_summed {
                true => Lister::CpioCrc,
                false => Lister::CpioNewc,
            },
            header_bytes: NEWC_BYTES as u64,
            mode: field(1)?,
            links: field(4)?,
            size_bytes: field(6)?,
            name_bytes: field(11)?,
            sum: is_summed.then(|| u32::try_from(sum).unwrap_or_default()),
            align: 4,
        })
    }

    fn odc(bytes: &[u8]) -> Option<Self> {
        let field = |begin: usize, size: usize| {
            let digits = bytes.get(begin..begin.checked_add(size)?)?;
            number(digits, 8)
        };
        Some(Self {
            lister: Lister::CpioOdc,
            header_bytes: ODC_BYTES as u64,
            mode: field(18, 6)?,
            links: field(36, 6)?,
            name_bytes: field(59, 6)?,
            size_bytes: field(65, 11)?,
            sum: None,
            align: 1,
        })
    }

    fn binary(bytes: &[u8]) -> Option<Self> {
        let magic: [u8; 2] = array(bytes, 0)?;
        let swaps = match magic {
            _ if u16::from_le_bytes(magic) == BINARY_MAGIC => false,
            _ if u16::from_be_bytes(magic) == BINARY_MAGIC => true,
            _ => return None,
        };
        let field = |place: usize| {
            let value = u16_le(bytes, place.checked_mul(2)?)?;
            Some(u64::from(if swaps { value.swap_bytes() } else { value }))
        };
        let name_bytes = field(10).filter(|size| (2..=BINARY_NAME_BYTES_MAX).contains(size))?;
        // The name ends with a zero, where that is at hand.
        let name_end = usize::try_from(name_bytes)
            .ok()?
            .checked_add(BINARY_BYTES)?;
        let last = bytes.get(name_end.saturating_sub(1));
        if last.is_some_and(|byte| *byte != 0) {
            return None;
        }
        // The half that counts more comes first, whatever the order of bytes.
        let size_bytes = field(11)?.wrapping_shl(16) | field(12)?;
        Some(Self {
            lister: Lister::CpioOld,
            header_bytes: BINARY_BYTES as u64,
            mode: field(3)?,
            links: field(6)?,
            name_bytes,
            size_bytes,
            sum: None,
            align: 2,
        })
    }
}

/// A number, as readers take it: some pad it with blanks or end it with a zero.
fn number(digits: &[u8], base: u32) -> Option<u64> {
    let text = str::from_utf8(digits).ok()?;
    let text = text.trim_matches([' ', '\0']);
    match text.starts_with('+') {
        true => None,
        false => u64::from_str_radix(text, base).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_padded_but_not_signed() {
        assert_eq!(number(b"0000001f", 16), Some(31));
        assert_eq!(number(b"   1F\0\0\0", 16), Some(31));
        assert_eq!(number(b"+000001f", 16), None);
        assert_eq!(number(b"        ", 16), None);
        assert_eq!(number(b"00000089", 8), None);
    }

    #[test]
    fn the_binary_form_keeps_its_size_in_two_halves() {
        let mut words = [0u16; 13];
        (words[0], words[10], words[11], words[12]) = (BINARY_MAGIC, 2, 1, 5);
        let little: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let big: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let header = Header::parse(&little).expect("a header");
        assert_eq!(header.size_bytes, 0x1_0005);
        assert_eq!(Header::parse(&big), Some(header));
        assert_eq!(Header::parse(&little[..25]), None);
    }
}
