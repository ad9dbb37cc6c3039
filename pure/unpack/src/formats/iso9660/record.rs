//! Records of directories, and what the System Use Sharing Protocol adds to them: the names and
//! moved directories of Rock Ridge.

use crate::members::Stop;
use proto::Budget;

use crate::Source;
use crate::fields::{array, u16_le, u32_be, u32_le};
use crate::formats::iso9660::SECTOR;
use crate::input::read_part;

/// The shortest record, with a name of one byte.
pub(super) const RECORD_BYTES: usize = 34;
const FIXED_BYTES: usize = 33;
/// Continued areas of one record that are followed.
const CONTINUED_MAX: usize = 16;
const NAME_BYTES_MAX: usize = 4 << 10;
const IS_DIRECTORY: u8 = 2;
const GOES_ON: u8 = 0x80;

/// Where a record's content is, as one of the byte orders has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) block: u32,
    pub(super) size_bytes: u32,
}

/// A record of a directory.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) little: Extent,
    pub(super) big: Extent,
    pub(super) attribute_blocks: u8,
    flags: u8,
    pub(super) is_interleaved: bool,
    pub(super) name: Vec<u8>,
    system_use: Vec<u8>,
}

/// What Rock Ridge says of a record.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct RockRidge {
    pub(super) name: Vec<u8>,
    /// Where a directory was moved to.
    pub(super) moved_to: Option<u32>,
    /// Whether the kernel shows it decompressed.
    pub(super) is_compressed: bool,
}

impl Record {
    /// Parses a record; gives its length too.
    pub(super) fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let length = usize::from(*bytes.first()?);
        let record = bytes.get(..length).filter(|_| length >= RECORD_BYTES)?;
        let name_end = FIXED_BYTES.checked_add(usize::from(*record.get(32)?))?;
        let system_use = name_end.checked_next_multiple_of(2)?;
        let record = Self {
            little: Extent {
                block: u32_le(record, 2)?,
                size_bytes: u32_le(record, 10)?,
            },
            big: Extent {
                block: u32_be(record, 6)?,
                size_bytes: u32_be(record, 14)?,
            },
            attribute_blocks: *record.get(1)?,
            flags: *record.get(25)?,
            is_interleaved: array(record, 26)? != [0, 0],
            name: record.get(FIXED_BYTES..name_end)?.to_vec(),
            system_use: record.get(system_use..).unwrap_or_default().to_vec(),
        };
        Some((record, length))
    }

    pub(super) fn is_directory(&self) -> bool {
        self.flags & IS_DIRECTORY != 0
    }

    /// Whether the next record has more of the same file.
    pub(super) fn goes_on(&self) -> bool {
        self.flags & GOES_ON != 0
    }

    /// The directory itself, and the one above it.
    pub(super) fn is_self_or_parent(&self) -> bool {
        matches!(self.name.as_slice(), [0 | 1])
    }

    /// What Rock Ridge says, from here and from where it goes on.
    pub(super) fn rock_ridge(
        &self,
        source: &dyn Source,
        block_bytes: u64,
        budget: &mut Budget,
    ) -> Result<RockRidge, Stop> {
        let mut found = RockRidge::default();
        let mut area = self.system_use.clone();
        for _ in 0..CONTINUED_MAX {
            let Some((block, offset, size)) = found.add(&area) else {
                break;
            };
            let begin = u64::from(block).saturating_mul(block_bytes);
            let begin = begin.saturating_add(u64::from(offset));
            let size = u64::from(size).min(SECTOR);
            area = read_part(source, begin, usize::try_from(size).unwrap_or(0))?;
            // Many records may go on in the same area.
            budget.spend_work(SECTOR)?;
        }
        Ok(found)
    }

    /// The name as its volume spells it, without the number of its version.
    pub(super) fn spelled(&self, is_joliet: bool) -> Vec<u8> {
        if is_joliet {
            let units = self.name.chunks_exact(2);
            let units = units
                .filter_map(|unit| array(unit, 0))
                .map(u16::from_be_bytes);
            let name: String = char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect();
            return without_version(name.as_bytes()).to_vec();
        }
        let name = without_version(&self.name);
        name.strip_suffix(b".").unwrap_or(name).to_vec()
    }
}

impl RockRidge {
    /// Adds an area's entries; gives block, place and size of the area that goes on.
    fn add(&mut self, area: &[u8]) -> Option<(u32, u32, u32)> {
        let mut rest = area;
        let mut goes_on = None;
        // A CD-ROM XA record may come first.
        if rest.get(6..8) == Some(b"XA") {
            rest = rest.get(14..).unwrap_or_default();
        }
        while let Some(length) = rest.get(2).map(|length| usize::from(*length)) {
            let Some(entry) = rest.get(..length).filter(|_| length >= 4) else {
                break;
            };
            rest = rest.get(length..).unwrap_or_default();
            match entry.get(..2) {
                Some(b"NM") if self.name.len() < NAME_BYTES_MAX => {
                    self.name
                        .extend_from_slice(entry.get(5..).unwrap_or_default());
                }
                Some(b"ZF") => self.is_compressed = true,
                Some(b"CL") => self.moved_to = u32_le(entry, 4),
                Some(b"CE") => {
                    let place = (u32_le(entry, 4), u32_le(entry, 12), u32_le(entry, 20));
                    if let (Some(block), Some(offset), Some(size)) = place {
                        goes_on = Some((block, offset, size));
                    }
                }
                Some(b"ST") => break,
                _ => {}
            }
        }
        goes_on
    }
}

fn without_version(name: &[u8]) -> &[u8] {
    let digits = name
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (stem, _) = name
        .split_at_checked(name.len().saturating_sub(digits))
        .unwrap_or((name, &[]));
    match stem.strip_suffix(b";") {
        Some(stem) if digits > 0 => stem,
        _ => name,
    }
}

/// The next sixteen bits of an entry of a boot catalog.
pub(super) fn word(bytes: &[u8], offset: usize) -> u64 {
    u16_le(bytes, offset).map_or(0, u64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_no_part_of_a_name() {
        assert_eq!(without_version(b"A.TXT;1"), b"A.TXT");
        assert_eq!(without_version(b"A.TXT;"), b"A.TXT;");
        assert_eq!(without_version(b"A1"), b"A1");
        assert_eq!(without_version(b""), b"");
    }

    #[test]
    fn rock_ridge_names_may_be_in_pieces() {
        let mut found = RockRidge::default();
        let area = b"NM\x07\x01\x01abNM\x06\x01\0cXX\x02";
        assert_eq!(found.add(area), None);
        assert_eq!(found.name, b"abc");
    }
}
