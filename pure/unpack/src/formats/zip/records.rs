//! The records of a zip archive: local headers, central headers, the end of the central
//! directory, their zip64 forms, and the descriptor after data.

use crate::fields::{find, u16_le, u32_le, u64_le};
use crate::formats::zip::encryption::aes_of;
use crate::input::read_part;
use crate::{ReadError, Source};

pub(crate) const LOCAL: &[u8] = b"PK\x03\x04";
pub(crate) const CENTRAL: &[u8] = b"PK\x01\x02";
pub(crate) const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
pub(crate) const DESCRIPTOR: &[u8] = b"PK\x07\x08";

pub(crate) const LOCAL_BYTES: usize = 30;
pub(crate) const CENTRAL_BYTES: usize = 46;
pub(crate) const END_BYTES: usize = 22;
const END64_BYTES: u64 = 56;
const LOCATOR64_BYTES: u64 = 20;

const ENCRYPTED: u16 = 1;
const SIZES_FOLLOW: u16 = 8;
const STRONGLY_ENCRYPTED: u16 = 0x40;
const DIRECTORY_ENCRYPTED: u16 = 0x2000;
const METHOD_AES: u16 = 99;
const ZIP64_FIELD: u16 = 1;

/// What local and central headers both say of a member.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    /// Its time of day, by which some passwords are checked.
    pub(crate) time: u16,
    pub(crate) crc: u32,
    pub(crate) packed_bytes: u64,
    pub(crate) size_bytes: u64,
    /// Where its local header is: stated by a central header, known of a local one.
    pub(crate) header_offset: u64,
    pub(crate) aes: Option<Aes>,
}

/// How AES was used on a member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aes {
    pub(crate) strength: u8,
    /// How the member was packed before it was encrypted.
    pub(crate) method: u16,
}

impl Aes {
    /// The length of the key, if there is such a strength.
    pub(crate) fn key_bytes(self) -> Option<usize> {
        match self.strength {
            1 => Some(16),
            2 => Some(24),
            3 => Some(32),
            _ => None,
        }
    }
}

impl Entry {
    /// Whether a password is all that is needed to open it.
    pub(crate) fn opens_by_password(&self) -> bool {
        let strong = STRONGLY_ENCRYPTED | DIRECTORY_ENCRYPTED;
        self.flags & strong == 0 && (self.method != METHOD_AES || self.aes.is_some())
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        let any = ENCRYPTED | STRONGLY_ENCRYPTED | DIRECTORY_ENCRYPTED;
        self.flags & any != 0 || self.method == METHOD_AES
    }

    /// Whether the sizes are not in this header but after the data.
    pub(crate) fn sizes_follow(&self) -> bool {
        self.flags & SIZES_FOLLOW != 0
    }

    /// Whether another header says something else of the member, apart from where it is.
    pub(crate) fn tells_otherwise(&self, other: &Self) -> bool {
        let told = |entry: &Self| (entry.packed_bytes, entry.size_bytes, entry.is_encrypted());
        told(self) != told(other) || self.name != other.name
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.size_bytes == 0 && self.packed_bytes == 0
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.is_empty() && self.name.ends_with(b"/")
    }

    /// Parses a central header; also gives its whole length.
    pub(crate) fn central(bytes: &[u8]) -> Option<(Self, usize)> {
        let name_bytes = usize::from(u16_le(bytes, 28)?);
        let extra_bytes = usize::from(u16_le(bytes, 30)?);
        let comment_bytes = usize::from(u16_le(bytes, 32)?);
        let extra_at = CENTRAL_BYTES.checked_add(name_bytes)?;
        let extra_end = extra_at.checked_add(extra_bytes)?;
        let mut entry = Self {
            name: bytes.get(CENTRAL_BYTES..extra_at)?.to_vec(),
            flags: u16_le(bytes, 8)?,
            method: u16_le(bytes, 10)?,
            time: u16_le(bytes, 12)?,
            crc: u32_le(bytes, 16)?,
            packed_bytes: u64::from(u32_le(bytes, 20)?),
            size_bytes: u64::from(u32_le(bytes, 24)?),
            header_offset: u64::from(u32_le(bytes, 42)?),
            aes: None,
        };
        let wide = [
            &mut entry.size_bytes,
            &mut entry.packed_bytes,
            &mut entry.header_offset,
        ];
        let extra = bytes.get(extra_at..extra_end)?;
        widen(extra, wide);
        entry.aes = aes_of(extra).filter(|_| entry.method == METHOD_AES);
        Some((entry, extra_end.checked_add(comment_bytes)?))
    }

    /// Reads the local header at an offset; also gives where its data begins.
    pub(crate) fn local(
        source: &dyn Source,
        offset: u64,
    ) -> Result<Option<(Self, u64)>, ReadError> {
        let fixed = read_part(source, offset, LOCAL_BYTES)?;
        if !fixed.starts_with(LOCAL) {
            return Ok(None);
        }
        let lengths = (u16_le(&fixed, 26), u16_le(&fixed, 28));
        let (Some(name_bytes), Some(extra_bytes)) = lengths else {
            return Ok(None);
        };
        let variable = usize::from(name_bytes).saturating_add(usize::from(extra_bytes));
        let after_fixed = offset.saturating_add(LOCAL_BYTES as u64);
        let bytes = read_part(source, after_fixed, variable)?;
        let data_offset = after_fixed.saturating_add(variable as u64);
        let entry = Self::local_parts(&fixed, &bytes, usize::from(name_bytes), offset);
        Ok(entry.map(|entry| (entry, data_offset)))
    }

    fn local_parts(fixed: &[u8], bytes: &[u8], name_bytes: usize, offset: u64) -> Option<Self> {
        // A name that is cut off is a name still: the header is the last thing in the file.
        let name = bytes.get(..name_bytes.min(bytes.len()))?;
        let mut entry = Self {
            name: name.to_vec(),
            flags: u16_le(fixed, 6)?,
            method: u16_le(fixed, 8)?,
            time: u16_le(fixed, 10)?,
            crc: u32_le(fixed, 14)?,
            packed_bytes: u64::from(u32_le(fixed, 18)?),
            size_bytes: u64::from(u32_le(fixed, 22)?),
            header_offset: offset,
            aes: None,
        };
        let wide = [&mut entry.size_bytes, &mut entry.packed_bytes];
        let extra = bytes.get(name_bytes..).unwrap_or_default();
        widen(extra, wide);
        entry.aes = aes_of(extra).filter(|_| entry.method == METHOD_AES);
        Some(entry)
    }
}

/// Replaces numbers that are all ones by those of the zip64 extra field, in order.
fn widen<const N: usize>(mut extra: &[u8], numbers: [&mut u64; N]) {
    while let (Some(id), Some(length)) = (u16_le(extra, 0), u16_le(extra, 2)) {
        let end = usize::from(length).saturating_add(4);
        let body = extra.get(4..end).unwrap_or_default();
        if id != ZIP64_FIELD {
            extra = extra.get(end..).unwrap_or_default();
            continue;
        }
        let mut at = 0usize;
        for number in numbers {
            if *number != u64::from(u32::MAX) {
                continue;
            }
            if let Some(wide) = u64_le(body, at) {
                *number = wide;
            }
            at = at.saturating_add(8);
        }
        return;
    }
}

/// What the end of the central directory says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Where the end record itself is (the zip64 one, if there is one).
    pub(crate) offset: u64,
    /// Where the archive ends, comment included.
    pub(crate) archive_end: u64,
    pub(crate) entries: u64,
    pub(crate) directory_bytes: u64,
    pub(crate) directory_offset: u64,
    /// Whether the archive says that it is spread over several files.
    pub(crate) is_spanned: bool,
}

impl End {
    /// Parses the end record at a place in `tail`, which begins at `tail_offset` in the source.
    pub(crate) fn parse(tail: &[u8], at: usize, tail_offset: u64) -> Option<Self> {
        let record = tail.get(at..)?;
        if !record.starts_with(END) {
            return None;
        }
        let offset = tail_offset.checked_add(at as u64)?;
        let comment_bytes = u16_le(record, 20)?;
        let disks = (u16_le(record, 4)?, u16_le(record, 6)?);
        let entries = (u16_le(record, 8)?, u16_le(record, 10)?);
        Some(Self {
            offset,
            archive_end: offset
                .checked_add(END_BYTES as u64)?
                .checked_add(u64::from(comment_bytes))?,
            entries: u64::from(entries.1),
            directory_bytes: u64::from(u32_le(record, 12)?),
            directory_offset: u64::from(u32_le(record, 16)?),
            is_spanned: disks.0 != disks.1 || entries.0 != entries.1,
        })
    }

    /// The same with what the zip64 record before it says, if there is one.
    pub(crate) fn widened(self, source: &dyn Source) -> Result<Self, ReadError> {
        let Some(locator_offset) = self.offset.checked_sub(LOCATOR64_BYTES) else {
            return Ok(self);
        };
        let locator = read_part(source, locator_offset, 20)?;
        if !locator.starts_with(LOCATOR64) {
            return Ok(self);
        }
        let stated = u64_le(&locator, 8);
        // A prefix moves the record; without extensible data it is right before its locator.
        let adjacent = locator_offset.checked_sub(END64_BYTES);
        for offset in [stated, adjacent].into_iter().flatten() {
            let record = read_part(source, offset, 56)?;
            if let Some(end) = self.with_record64(&record, offset) {
                return Ok(end);
            }
        }
        Ok(self)
    }

    fn with_record64(self, record: &[u8], offset: u64) -> Option<Self> {
        if !record.starts_with(END64) {
            return None;
        }
        let entries = (u64_le(record, 24)?, u64_le(record, 32)?);
        Some(Self {
            offset,
            entries: entries.1,
            directory_bytes: u64_le(record, 40)?,
            directory_offset: u64_le(record, 48)?,
            is_spanned: u32_le(record, 16)? != u32_le(record, 20)? || entries.0 != entries.1,
            ..self
        })
    }
}

/// The descriptor after data whose sizes were not known ahead: its checksum and its length.
/// The signature is optional and the sizes may be narrow or wide.
pub(crate) fn descriptor(bytes: &[u8], packed_bytes: u64, size_bytes: u64) -> Option<(u32, u64)> {
    let (body, signature_bytes) = match bytes.strip_prefix(DESCRIPTOR) {
        Some(body) => (body, 4u64),
        None => (bytes, 0),
    };
    let crc = u32_le(body, 0)?;
    let narrow = (
        u32_le(body, 4).map(u64::from),
        u32_le(body, 8).map(u64::from),
    );
    if narrow == (Some(packed_bytes), Some(size_bytes)) {
        return Some((crc, signature_bytes.saturating_add(12)));
    }
    let wide = (u64_le(body, 4), u64_le(body, 12));
    (wide == (Some(packed_bytes), Some(size_bytes)))
        .then_some((crc, signature_bytes.saturating_add(20)))
}

/// The places of end records in a tail, the last first.
pub(crate) fn end_places(tail: &[u8]) -> impl Iterator<Item = usize> {
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(at) = find(tail, END, from) {
        places.push(at);
        from = at.saturating_add(1);
    }
    places.into_iter().rev()
}

/// The name of a method that is not unpacked.
pub(crate) fn method_name(method: u16) -> String {
    let name = match method {
        1 => "shrink",
        2..=5 => "reduce",
        6 => "implode",
        7 => "tokenize",
        10 => "dcl implode",
        16 => "cmpsc",
        18 => "terse",
        19 => "lz77",
        20 => "zstd (old)",
        94 => "mp3",
        96 => "jpeg",
        97 => "wavpack",
        _ => return format!("compression method {method} is not supported"),
    };
    format!("compression method {name} is not supported")
}

/// Whether a method is one that archives use: what tells a local header from chance.
pub(crate) fn is_method(method: u16) -> bool {
    matches!(method, 0..=20 | 93..=99)
}
