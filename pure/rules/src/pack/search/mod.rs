//! Search tables: where the literals of a group of signatures may begin.
//!
//! The section starts with a count u32 and, from byte 16 on, a record of 48 bytes for each group:
//! group u8, then the binary logarithms u8 of the sizes of: the bitmap of grams, the words and
//! the cells of whole contexts, the words and the buckets of partial ones, the buckets of short
//! literals; a zero;
//! then the counts u32 of whole contexts, partial ones, short literals and part numbers, the offset
//! u64 of the group's data, and zeros. A group's data starts at a multiple of 64 bytes:
//!
//! - long literals, if there are contexts: see `long`;
//! - short literals, if there are any: see `short`;
//! - the part numbers u32.
//!
//! A group's table holds the literals for any object too, so that one search does for both. An
//! object of a group without a table is searched with that for any object.

mod build;
mod long;
mod short;

use self::long::{Long, Sizes};
use self::short::Short;
use super::{le_u32, le_u64, record};

pub use build::small_search;
pub(crate) use build::{SearchRows, write_section};

/// Which objects a search is for. The codes are ClamAV's target types and part of the pack's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Group {
    /// All.
    Any = 0,
    /// Portable executables.
    Pe = 1,
    /// OLE2 documents.
    Ole2 = 2,
    /// What HTML is once it is normalised.
    Html = 3,
    /// Mail.
    Mail = 4,
    /// Pictures.
    Graphics = 5,
    /// ELF files.
    Elf = 6,
    /// What text is once it is normalised.
    Text = 7,
    /// Mach-O files.
    MachO = 9,
    /// PDF documents.
    Pdf = 10,
    /// Flash.
    Flash = 11,
    /// Java classes.
    Java = 12,
    /// Data of no format that has a target type or a name of its own.
    Other = 14,
}

impl Group {
    /// Every group, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::Any,
        Self::Pe,
        Self::Ole2,
        Self::Html,
        Self::Mail,
        Self::Graphics,
        Self::Elf,
        Self::Text,
        Self::MachO,
        Self::Pdf,
        Self::Flash,
        Self::Java,
        Self::Other,
    ];

    /// The group of a ClamAV target type.
    #[must_use]
    pub fn of_target(target: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|group| *group as u8 == target)
    }
}

const DIRECTORY_START: usize = 16;
const DIRECTORY_RECORD_BYTES: usize = 48;
/// No table has more than 2^26 of anything.
const BITS_MAX: u32 = 26;

/// One group's tables, read in place.
#[derive(Clone, Copy, Debug)]
pub struct SearchTable<'a> {
    /// Which objects it is for.
    pub group: Group,
    long: Option<Long<'a>>,
    short: Option<Short<'a>>,
    parts: &'a [[u8; 4]],
}

/// Where to search.
#[derive(Clone, Copy, Debug)]
pub struct Block<'b> {
    /// Some bytes of an object, with [`crate::anchors::Literal::BYTES_MAX`] before and behind the block where the
    /// object has them.
    pub bytes: &'b [u8],
    /// Where in them the block begins.
    pub from: usize,
    /// Where in them it ends: a literal that begins before this place may go on behind it.
    pub to: usize,
}

/// A place where a literal may begin, and the parts that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The literal's first byte, in the bytes that were searched.
    pub at: u32,
    first: u32,
    count: u32,
}

/// What a search needs and keeps for the next.
#[derive(Debug, Default)]
pub struct Buffers {
    places: Vec<u32>,
    left: Vec<u32>,
}

impl<'a> SearchTable<'a> {
    /// The tables of a section; `None` where it is damaged.
    #[must_use]
    pub fn read_all(section: &'a [u8]) -> Option<Vec<Self>> {
        let count = le_u32(section, 0)?;
        if usize::try_from(count).ok()? > Group::ALL.len() {
            return None;
        }
        (0..count).map(|index| Self::read(section, index)).collect()
    }

    fn read(section: &'a [u8], index: u32) -> Option<Self> {
        let directory = section.get(DIRECTORY_START..)?;
        let head = record(directory, index, DIRECTORY_RECORD_BYTES)?;
        let bits = |at: usize| {
            let bits = u32::from(*head.get(at)?);
            (bits <= BITS_MAX).then_some(bits)
        };
        let count = |at| usize::try_from(le_u32(head, at)?).ok();
        let start = usize::try_from(le_u64(head, 24)?).ok()?;
        let mut data = Data {
            left: section.get(start..)?,
        };
        let (whole, partial, short) = (count(8)?, count(12)?, count(16)?);
        let long = if whole == 0 && partial == 0 {
            None
        } else {
            let sizes = Sizes {
                bitmap_bits: bits(1)?,
                word_bits: bits(2)?,
                cell_bits: bits(3)?,
                partial_word_bits: bits(4)?,
                partial_bucket_bits: bits(5)?,
            };
            Some(Long::read(&mut data, &sizes, (whole, partial))?)
        };
        let short = if short == 0 {
            None
        } else {
            Some(Short::read(&mut data, bits(6)?, short)?)
        };
        Some(Self {
            group: Group::of_target(*head.first()?)?,
            long,
            short,
            parts: data.records(count(20)?)?,
        })
    }

    /// Appends the places in a block at which a literal may begin, in their order; gives what was
    /// looked at closer, the measure of the work.
    ///
    /// Every place where a literal is, whatever its case, is among them, and once. Others may be:
    /// where only some of its bytes are.
    pub fn find(&self, block: &Block<'_>, buffers: &mut Buffers, found: &mut Vec<Found>) -> u64 {
        let before = found.len();
        let mut work = 0u64;
        if let Some(long) = &self.long {
            work = work.saturating_add(long.find(block, buffers, found));
        }
        if let Some(short) = &self.short {
            work = work.saturating_add(short.find(block, buffers, found));
        }
        if let Some(found) = found.get_mut(before..) {
            found.sort_unstable();
        }
        work
    }

    /// The parts that a literal stands for.
    pub fn parts(&self, found: &Found) -> impl Iterator<Item = u32> + use<'a> {
        let first = found.first as usize;
        let parts = self.parts.get(first..).unwrap_or_default().iter();
        parts
            .take(found.count as usize)
            .map(|part| u32::from_le_bytes(*part))
    }
}

/// A group's data, taken from its start.
struct Data<'a> {
    left: &'a [u8],
}

impl<'a> Data<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.left.split_at_checked(count)?;
        self.left = rest;
        Some(taken)
    }

    /// Records of one size.
    fn records<const SIZE: usize>(&mut self, count: usize) -> Option<&'a [[u8; SIZE]]> {
        let bytes = self.bytes(count.checked_mul(SIZE)?)?;
        Some(bytes.as_chunks().0)
    }

    /// Buckets and what is in them.
    fn buckets<const SIZE: usize>(&mut self, bits: u32, count: usize) -> Option<Buckets<'a, SIZE>> {
        let starts = 1usize.checked_shl(bits)?.checked_add(1)?;
        Some(Buckets {
            starts: self.records(starts)?,
            entries: self.records(count)?,
        })
    }
}

/// Entries in the order of their buckets, and where each bucket starts.
#[derive(Clone, Copy, Debug)]
struct Buckets<'a, const SIZE: usize> {
    starts: &'a [[u8; 4]],
    entries: &'a [[u8; SIZE]],
}

impl<'a, const SIZE: usize> Buckets<'a, SIZE> {
    #[inline]
    fn bucket(&self, index: usize) -> &'a [[u8; SIZE]] {
        let bound = |index: usize| {
            let start = self.starts.get(index).copied();
            start.map(|start| u32::from_le_bytes(start) as usize)
        };
        let (Some(low), Some(high)) = (bound(index), bound(index.wrapping_add(1))) else {
            return &[];
        };
        self.entries.get(low..high).unwrap_or_default()
    }
}

/// The first `bits` bits of a hash.
#[inline]
fn top(hash: u32, bits: u32) -> usize {
    hash.checked_shr(32u32.wrapping_sub(bits)).unwrap_or(0) as usize
}

/// The low half.
#[inline]
fn low(word: u64) -> u32 {
    let [a, b, c, d, ..] = word.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests;
