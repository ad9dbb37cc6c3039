//! Search tables: literals behind a bitmap.
//!
//! The section starts with a count u32 and, for each group, 32 bytes: group u8, filter bits u8,
//! bucket bits u8, zero u8, long literals u32, short literals u32, zero u32, data's offset u64,
//! zero u64. A group's data is, without padding:
//!
//! - long: the filter, 2^filter bits as u64 words; 2^bucket bits + 1 starts u32; for each literal
//!   of four bytes the bytes u32 and the part u32, in order of (bucket, bytes, part);
//! - short, if there are any: a filter of 65,536 bits for the first two bytes; 65,537 starts u32;
//!   for each literal the third byte u8, its length u8, zero u16 and the part u32.
//!
//! A scanner hashes four bytes at every place, tests one bit, and looks further only where it is
//! set. The matcher of a later version may replace this section; nothing else depends on it.

use std::collections::BTreeMap;

use super::{le_u32, le_u64, record};
use crate::body::Literal;

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

const DIRECTORY_RECORD_BYTES: usize = 32;
const ENTRY_BYTES: usize = 8;
const SHORT_FILTER_BYTES: usize = 8192;
const SHORT_STARTS: usize = 65_537;

/// The hash of four bytes: the multiplier is 2^32 over the golden ratio, made odd.
#[must_use]
#[inline]
pub fn gram_hash(gram: u32) -> u32 {
    gram.wrapping_mul(0x9e37_79b1)
}

/// One group's tables, read in place.
#[derive(Clone, Copy, Debug)]
pub struct SearchTable<'a> {
    /// Which objects it is for.
    pub group: Group,
    filter_shift: u32,
    bucket_shift: u32,
    filter: &'a [u8],
    starts: &'a [u8],
    entries: &'a [u8],
    short: Option<ShortTable<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct ShortTable<'a> {
    filter: &'a [u8; SHORT_FILTER_BYTES],
    starts: &'a [u8],
    entries: &'a [u8],
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
        let head = record(section.get(16..)?, index, DIRECTORY_RECORD_BYTES)?;
        let group = Group::of_target(*head.first()?)?;
        let filter_bits = u32::from(*head.get(1)?);
        let bucket_bits = u32::from(*head.get(2)?);
        if !(6..=26).contains(&filter_bits) || !(1..=26).contains(&bucket_bits) {
            return None;
        }
        let long_count = usize::try_from(le_u32(head, 4)?).ok()?;
        let short_count = usize::try_from(le_u32(head, 8)?).ok()?;
        let start = usize::try_from(le_u64(head, 16)?).ok()?;
        let mut left = section.get(start..)?;
        let mut take = |count: usize| {
            let (taken, rest) = left.split_at_checked(count)?;
            left = rest;
            Some(taken)
        };
        let filter = take(1usize.checked_shl(filter_bits)?.checked_div(8)?)?;
        let buckets = 1usize.checked_shl(bucket_bits)?;
        let starts = take(buckets.checked_add(1)?.checked_mul(4)?)?;
        let entries = take(long_count.checked_mul(ENTRY_BYTES)?)?;
        let short = if short_count == 0 {
            None
        } else {
            Some(ShortTable {
                filter: take(SHORT_FILTER_BYTES)?.try_into().ok()?,
                starts: take(SHORT_STARTS.checked_mul(4)?)?,
                entries: take(short_count.checked_mul(ENTRY_BYTES)?)?,
            })
        };
        Some(Self {
            group,
            filter_shift: 32u32.checked_sub(filter_bits)?,
            bucket_shift: 32u32.checked_sub(bucket_bits)?,
            filter,
            starts,
            entries,
            short,
        })
    }

    /// Hands over each place at which a literal of four bytes may begin.
    ///
    /// Places are tested 32 at a time into one word without a branch, since a hit is rare.
    pub fn for_each_long(&self, bytes: &[u8], found: &mut dyn FnMut(usize)) {
        const AT_ONCE: usize = 32;
        let mut start = 0usize;
        while let Some(block) = bytes
            .get(start..)
            .and_then(|rest| rest.first_chunk::<{ AT_ONCE + 3 }>())
        {
            let mut hits = 0u32;
            for (lane, gram) in (0u32..).zip(block.array_windows::<4>()) {
                hits |= self.long_bit(u32::from_le_bytes(*gram)).wrapping_shl(lane);
            }
            while hits != 0 {
                found(start.saturating_add(hits.trailing_zeros() as usize));
                hits &= hits.wrapping_sub(1);
            }
            start = start.saturating_add(AT_ONCE);
        }
        let rest = bytes.get(start..).unwrap_or_default();
        for (index, gram) in rest.array_windows::<4>().enumerate() {
            if self.long_bit(u32::from_le_bytes(*gram)) != 0 {
                found(start.saturating_add(index));
            }
        }
    }

    /// Hands over each place at which a literal of two or three bytes begins.
    pub fn for_each_short(&self, bytes: &[u8], found: &mut dyn FnMut(usize)) {
        let Some(short) = self.short else { return };
        for (index, pair) in bytes.array_windows::<2>().enumerate() {
            let pair = u16::from_le_bytes(*pair);
            let byte = short.filter.get(usize::from(pair >> 3)).copied();
            if byte.unwrap_or(0).wrapping_shr(u32::from(pair & 7)) & 1 != 0 {
                found(index);
            }
        }
    }

    /// 1 where the filter has these four bytes, else 0.
    #[inline]
    fn long_bit(&self, gram: u32) -> u32 {
        let bit = gram_hash(gram).wrapping_shr(self.filter_shift);
        let byte = self.filter.get(bit.wrapping_shr(3) as usize).copied();
        u32::from(byte.unwrap_or(0)).wrapping_shr(bit & 7) & 1
    }

    /// Hands over the parts whose literal is these four bytes.
    pub fn find(&self, gram: u32, found: &mut dyn FnMut(u32)) {
        let bucket = gram_hash(gram).wrapping_shr(self.bucket_shift);
        for entry in bucket_entries(self.starts, self.entries, bucket) {
            if le_u32(entry, 0) == Some(gram)
                && let Some(part) = le_u32(entry, 4)
            {
                found(part);
            }
        }
    }

    /// Hands over the parts whose short literal these bytes begin with.
    pub fn find_short(&self, bytes: &[u8], found: &mut dyn FnMut(u32)) {
        let (Some(short), Some(pair)) = (self.short, bytes.first_chunk().copied()) else {
            return;
        };
        let bucket = u32::from(u16::from_le_bytes(pair));
        for entry in bucket_entries(short.starts, short.entries, bucket) {
            let long = entry.get(1) == Some(&3);
            if long && entry.first() != bytes.get(2) {
                continue;
            }
            if let Some(part) = le_u32(entry, 4) {
                found(part);
            }
        }
    }
}

fn bucket_entries<'a>(starts: &[u8], entries: &'a [u8], bucket: u32) -> &'a [[u8; ENTRY_BYTES]] {
    let bound = |index: u32| {
        let start = usize::try_from(index).ok()?.checked_mul(4)?;
        le_u32(starts, start).and_then(|value| usize::try_from(value).ok())
    };
    let (Some(low), Some(high)) = (bound(bucket), bound(bucket.wrapping_add(1))) else {
        return &[];
    };
    entries
        .as_chunks::<ENTRY_BYTES>()
        .0
        .get(low..high)
        .unwrap_or_default()
}

/// The literals of one group while its tables are built.
#[derive(Debug, Default)]
pub(crate) struct SearchRows {
    rows: Vec<(Literal, u32)>,
}

impl SearchRows {
    pub(crate) fn push(&mut self, literal: Literal, part: u32) {
        self.rows.push((literal, part));
    }

    fn data(&self) -> (u8, u8, u32, u32, Vec<u8>) {
        let (long, short): (Vec<_>, Vec<_>) = self
            .rows
            .iter()
            .partition(|(literal, _)| usize::from(literal.length) == 4);
        let filter_bits = bits_for(long.len()).saturating_add(6).clamp(13, 24);
        let bucket_bits = bits_for(long.len()).clamp(8, 24);
        let mut data = long_data(&long, filter_bits, bucket_bits);
        if !short.is_empty() {
            data.extend(short_data(&short));
        }
        let count = |rows: &[_]| u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let bits = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
        (
            bits(filter_bits),
            bits(bucket_bits),
            count(&long),
            count(&short),
            data,
        )
    }
}

fn bits_for(count: usize) -> u32 {
    count.max(1).next_power_of_two().trailing_zeros()
}

fn long_data(rows: &[&(Literal, u32)], filter_bits: u32, bucket_bits: u32) -> Vec<u8> {
    let mut filter = vec![0u8; 1usize.wrapping_shl(filter_bits).div_ceil(8)];
    let mut entries: Vec<(u32, u32, u32)> = rows
        .iter()
        .map(|(literal, part)| {
            let gram = u32::from_le_bytes(literal.bytes);
            let hash = gram_hash(gram);
            set_bit(
                &mut filter,
                hash.wrapping_shr(32u32.saturating_sub(filter_bits)),
            );
            (
                hash.wrapping_shr(32u32.saturating_sub(bucket_bits)),
                gram,
                *part,
            )
        })
        .collect();
    entries.sort_unstable();
    let buckets = entries.iter().map(|entry| entry.0);
    filter.extend(starts(buckets, 1usize.wrapping_shl(bucket_bits)));
    for (_, gram, part) in entries {
        filter.extend(gram.to_le_bytes());
        filter.extend(part.to_le_bytes());
    }
    filter
}

fn short_data(rows: &[&(Literal, u32)]) -> Vec<u8> {
    let mut filter = vec![0u8; SHORT_FILTER_BYTES];
    let mut entries: Vec<(u32, u8, u8, u32)> = rows
        .iter()
        .map(|(literal, part)| {
            let [first, second, third, _] = literal.bytes;
            let pair = u32::from(u16::from_le_bytes([first, second]));
            set_bit(&mut filter, pair);
            (pair, third, literal.length, *part)
        })
        .collect();
    entries.sort_unstable();
    filter.extend(starts(
        entries.iter().map(|entry| entry.0),
        SHORT_STARTS.saturating_sub(1),
    ));
    for (_, third, length, part) in entries {
        filter.extend([third, length, 0, 0]);
        filter.extend(part.to_le_bytes());
    }
    filter
}

fn set_bit(bits: &mut [u8], bit: u32) {
    if let Some(byte) = bits.get_mut(usize::try_from(bit.wrapping_shr(3)).unwrap_or(usize::MAX)) {
        *byte |= 1u8.wrapping_shl(bit & 7);
    }
}

/// For each bucket the number of its first entry, and the count of all at the end.
fn starts(buckets: impl Iterator<Item = u32>, count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count.saturating_add(1).saturating_mul(4));
    let mut buckets = buckets.peekable();
    let mut index = 0u32;
    for bucket in (0u32..).take(count) {
        bytes.extend(index.to_le_bytes());
        while buckets.next_if_eq(&bucket).is_some() {
            index = index.saturating_add(1);
        }
    }
    bytes.extend(index.to_le_bytes());
    bytes
}

/// A section with one small table, for a handful of literals that are known when they are needed.
#[must_use]
pub fn small_search(rows: &[(Literal, u32)]) -> Vec<u8> {
    let rows = SearchRows {
        rows: rows.to_vec(),
    };
    write_section(&BTreeMap::from([(Group::Any, rows)]))
}

/// Writes the section; an empty group gets no table.
pub(crate) fn write_section(groups: &BTreeMap<Group, SearchRows>) -> Vec<u8> {
    let used: Vec<_> = groups
        .iter()
        .filter(|(_, rows)| !rows.rows.is_empty())
        .collect();
    let mut section = u32::try_from(used.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    section.resize(16, 0);
    let directory_bytes = used.len().saturating_mul(DIRECTORY_RECORD_BYTES);
    let mut offset = section.len().saturating_add(directory_bytes);
    let mut pieces = Vec::new();
    for (group, rows) in used {
        let (filter_bits, bucket_bits, long, short, data) = rows.data();
        section.extend([*group as u8, filter_bits, bucket_bits, 0]);
        section.extend(long.to_le_bytes());
        section.extend(short.to_le_bytes());
        section.extend([0; 4]);
        section.extend((offset as u64).to_le_bytes());
        section.extend([0; 8]);
        offset = offset.saturating_add(data.len());
        pieces.push(data);
    }
    section.extend(pieces.into_iter().flatten());
    section
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &[u8]) -> Literal {
        let mut bytes = [0; 4];
        bytes[..text.len()].copy_from_slice(text);
        Literal {
            bytes,
            length: u8::try_from(text.len()).unwrap(),
        }
    }

    #[test]
    fn literals_of_every_length_are_found() {
        let mut rows = SearchRows::default();
        for (part, text) in [&b"abcd"[..], b"abce", b"ab", b"abc", b"abcd"]
            .iter()
            .enumerate()
        {
            rows.push(literal(text), u32::try_from(part).unwrap());
        }
        let section = write_section(&BTreeMap::from([
            (Group::Any, rows),
            (Group::Pe, SearchRows::default()),
        ]));
        let tables = SearchTable::read_all(&section).unwrap();
        assert_eq!(tables.len(), 1);
        let mut found = Vec::new();
        tables[0].find(u32::from_le_bytes(*b"abcd"), &mut |part| found.push(part));
        tables[0].find_short(b"abc", &mut |part| found.push(part));
        assert_eq!(found, [0, 4, 2, 3]);
        for lead in 0..70 {
            let mut bytes = vec![0u8; lead];
            bytes.extend(b"abce");
            let mut places = Vec::new();
            tables[0].for_each_long(&bytes, &mut |place| places.push(place));
            assert!(places.contains(&lead), "{lead}");
            places.clear();
            tables[0].for_each_short(&bytes, &mut |place| places.push(place));
            assert_eq!(places, [lead]);
        }
    }

    #[test]
    fn a_damaged_section_is_refused_or_finds_nothing_it_should_not() {
        let mut rows = SearchRows::default();
        rows.push(literal(b"abcd"), 0);
        rows.push(literal(b"xy"), 1);
        let section = write_section(&BTreeMap::from([(Group::Any, rows)]));
        for cut in 0..64 {
            let _ = SearchTable::read_all(&section[..cut]);
        }
        for at in 0..48 {
            let mut damaged = section.clone();
            damaged[at] ^= 0xff;
            for table in SearchTable::read_all(&damaged).unwrap_or_default() {
                table.find(u32::from_le_bytes(*b"abcd"), &mut |_| {});
                table.find_short(b"xyz", &mut |_| {});
            }
        }
    }
}
