//! One tar header block: checksum, numbers in octal or base 256, names, and what pax headers put
//! in their place.

use crate::fields::{array, find};
use crate::members::Lister;

pub(crate) const BLOCK: u64 = 512;
const BLOCK_BYTES: usize = 512;
const CHECKSUM_AT: usize = 148;
const CHECKSUM_BYTES: usize = 8;
/// Segments kept of a sparse file's map.
pub(crate) const SEGMENTS_MAX: usize = 64 << 10;

/// A header with a valid checksum.
pub(crate) struct Header {
    pub(crate) kind: u8,
    pub(crate) name: Vec<u8>,
    /// `None` where the field is no number, or a negative one.
    pub(crate) size_bytes: Option<u64>,
    pub(crate) block: [u8; BLOCK_BYTES],
}

impl Header {
    /// Parses a block; `None` where its checksum is wrong.
    pub(crate) fn parse(block: &[u8]) -> Option<Self> {
        let block: [u8; BLOCK_BYTES] = array(block, 0)?;
        if !checksum_matches(&block) {
            return None;
        }
        let size_bytes = number(block.get(124..136)?);
        Some(Self {
            kind: *block.get(156)?,
            name: name(&block),
            size_bytes,
            block,
        })
    }

    /// Whether data follows that is a file's content. Links and devices have none, whatever their
    /// size says; what we don't know is taken as a file, as the standard asks.
    /// The form of tar, for those who tell them apart.
    pub(crate) fn lister(&self) -> Lister {
        match self.block.get(257..262) {
            Some(b"ustar") => Lister::PosixTar,
            _ => Lister::OldTar,
        }
    }

    pub(crate) fn is_file(&self) -> bool {
        !matches!(self.kind, b'1'..=b'6' | b'V')
    }
}

/// What an old GNU sparse header (or its extension block) says of its segments.
pub(crate) fn gnu_segments(entries: &[u8]) -> Vec<(u64, u64)> {
    entries
        .chunks_exact(24)
        .map_while(|entry| {
            let (offset, size) = entry.split_at_checked(12)?;
            // An unused entry is all zero bytes.
            offset.first().filter(|byte| **byte != 0)?;
            Some((number(offset)?, number(size)?))
        })
        .collect()
}

/// A number: octal digits, or base 256 where the first bit is set. Negative ones are `None`.
pub(crate) fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        // The second bit is the sign.
        if first & 0x40 != 0 {
            return None;
        }
        let mut value = u64::from(first & 0x3f);
        for byte in rest {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let mut value = 0u64;
    for byte in field.iter().skip_while(|byte| **byte == b' ') {
        match byte {
            b'0'..=b'7' => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                value = value.checked_mul(8)?.checked_add(digit)?;
            }
            0 | b' ' => break,
            _ => return None,
        }
    }
    Some(value)
}

/// The first line of digits of a sparse map kept in the data, and where the next begins.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.trim_ascii().parse().ok()
}

/// What pax headers say of the members after them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pax {
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) size_bytes: Option<u64>,
    pub(crate) sparse: Sparse,
}

/// What they say of a sparse file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sparse {
    pub(crate) major: Option<u64>,
    pub(crate) real_bytes: Option<u64>,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) segments: Vec<(u64, u64)>,
    offset: Option<u64>,
}

impl Pax {
    /// Takes in the records of one header: `length key=value\n` each. False where one is broken.
    pub(crate) fn read(&mut self, mut records: &[u8]) -> bool {
        while records.iter().any(|byte| *byte != 0) {
            let Some((record, rest)) = record(records) else {
                return false;
            };
            records = rest;
            let Some(equals) = find(record, b"=", 0) else {
                return false;
            };
            let value = record.get(equals.saturating_add(1)..).unwrap_or_default();
            self.set(record.get(..equals).unwrap_or_default(), value);
        }
        true
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let sparse = &mut self.sparse;
        match key {
            b"path" => self.name = Some(value.to_vec()),
            b"size" => self.size_bytes = decimal(value),
            b"GNU.sparse.major" => sparse.major = decimal(value),
            b"GNU.sparse.name" => sparse.name = Some(value.to_vec()),
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => sparse.real_bytes = decimal(value),
            b"GNU.sparse.offset" => sparse.offset = decimal(value),
            b"GNU.sparse.numbytes" if sparse.segments.len() < SEGMENTS_MAX => {
                if let (Some(offset), Some(size)) = (sparse.offset.take(), decimal(value)) {
                    sparse.segments.push((offset, size));
                }
            }
            b"GNU.sparse.map" => {
                let mut numbers = value.split(|byte| *byte == b',').map_while(decimal);
                while let (Some(offset), Some(size)) = (numbers.next(), numbers.next()) {
                    if sparse.segments.len() < SEGMENTS_MAX {
                        sparse.segments.push((offset, size));
                    }
                }
            }
            _ => {}
        }
    }
}

fn record(records: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = find(records, b" ", 0)?;
    let length = usize::try_from(decimal(records.get(..space)?)?).ok()?;
    let (record, rest) = records.split_at_checked(length)?;
    let body = record.get(space.checked_add(1)?..)?;
    Some((body.strip_suffix(b"\n")?, rest))
}

fn checksum_matches(block: &[u8; BLOCK_BYTES]) -> bool {
    let field = CHECKSUM_AT..CHECKSUM_AT.saturating_add(CHECKSUM_BYTES);
    let Some(stored) = block.get(field.clone()).and_then(number) else {
        return false;
    };
    let mut unsigned = 0u64;
    let mut signed = 0i64;
    for (place, byte) in block.iter().enumerate() {
        let byte = if field.contains(&place) { b' ' } else { *byte };
        unsigned = unsigned.wrapping_add(u64::from(byte));
        signed = signed.wrapping_add(i64::from(i8::from_le_bytes([byte])));
    }
    // A block of nothing has a sum of its own; it is no header.
    stored == unsigned || i64::try_from(stored) == Ok(signed)
}

fn name(block: &[u8; BLOCK_BYTES]) -> Vec<u8> {
    let field = |from: usize, to: usize| {
        let bytes = block.get(from..to).unwrap_or_default();
        bytes.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    let magic = block.get(257..265).unwrap_or_default();
    // GNU keeps other things where ustar keeps the prefix; star has a shorter one.
    let prefix = match magic {
        b"ustar\x0000" if block.get(508..512) == Some(b"tar\0") => field(345, 476),
        b"ustar\x0000" => field(345, 500),
        _ => &[],
    };
    let mut name = prefix.to_vec();
    if !name.is_empty() {
        name.push(b'/');
    }
    name.extend_from_slice(field(0, 100));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_base_256_and_never_negative() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"  644 "), Some(0o644));
        assert_eq!(number(b"\x80\0\0\x01\0\0"), Some(65_536));
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff"), None);
        assert_eq!(number(b"12x4\0"), None);
    }

    #[test]
    fn pax_records_state_their_own_length() {
        let mut pax = Pax::default();
        assert!(pax.read(b"14 path=a b\nc\n11 size=99\n"));
        assert_eq!(pax.name.as_deref(), Some(b"a b\nc".as_slice()));
        assert_eq!(pax.size_bytes, Some(99));
        assert!(!pax.read(b"99 path=x\n"));
        assert!(!pax.read(b"path=x\n"));
    }
}
