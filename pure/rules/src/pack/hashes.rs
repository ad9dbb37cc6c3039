//! Hash tables: digests behind size gates.
//!
//! The section starts with a count u32 and, for each table, 48 bytes: role u8, digest kind u8,
//! potentially unwanted u8, zero u8, sizes u32, entries u32, zero u32, and four offsets u64 into
//! the section: the distinct sizes u32 in ascending order, for each the number of its first entry
//! u32, the digests, and their rules u32. Entries are in order of (size, digest, rule). A size
//! that no signature has costs one binary search, and no digest is computed for it.

use super::{RuleId, le_u32, le_u64, record};
use crate::hash::{Digest, DigestKind, SIZE_ANY};

/// What a table's digests are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum HashRole {
    /// Whole files to flag.
    File = 0,
    /// PE sections to flag.
    Section = 1,
    /// PE import tables' text to flag.
    Import = 2,
    /// Whole files that no signature may flag.
    Allow = 3,
}

/// The size field of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntrySize(pub(crate) u32);

/// A table's arrays as they are written: distinct sizes, entries, and the four arrays.
pub(crate) type Arrays = (u32, u32, [Vec<u8>; 4]);

const DIRECTORY_RECORD_BYTES: usize = 48;

/// One table, read in place.
#[derive(Clone, Copy, Debug)]
pub struct HashTable<'a> {
    /// What its digests are of.
    pub role: HashRole,
    /// Its digest algorithm.
    pub digest: DigestKind,
    /// Whether its rules fire on request only.
    pub pua: bool,
    sizes: &'a [u8],
    starts: &'a [u8],
    digests: &'a [u8],
    rules: &'a [u8],
}

impl<'a> HashTable<'a> {
    /// The tables of a section.
    pub(crate) fn read_all(section: &'a [u8]) -> Option<Vec<Self>> {
        let count = le_u32(section, 0)?;
        // One table for each role, digest and side at the most.
        if count > 24 {
            return None;
        }
        (0..count).map(|index| Self::read(section, index)).collect()
    }

    fn read(section: &'a [u8], index: u32) -> Option<Self> {
        let head = record(section.get(16..)?, index, DIRECTORY_RECORD_BYTES)?;
        let role = match head.first()? {
            0 => HashRole::File,
            1 => HashRole::Section,
            2 => HashRole::Import,
            3 => HashRole::Allow,
            _ => return None,
        };
        let digest = *DigestKind::ALL.get(usize::from(*head.get(1)?))?;
        let pua = *head.get(2)? != 0;
        let size_count = usize::try_from(le_u32(head, 4)?).ok()?;
        let entry_count = usize::try_from(le_u32(head, 8)?).ok()?;
        let array = |field: usize, count: usize, size_bytes: usize| {
            let start = usize::try_from(le_u64(head, field)?).ok()?;
            section.get(start..start.checked_add(count.checked_mul(size_bytes)?)?)
        };
        Some(Self {
            role,
            digest,
            pua,
            sizes: array(16, size_count, 4)?,
            starts: array(24, size_count, 4)?,
            digests: array(32, entry_count, digest.size_bytes())?,
            rules: array(40, entry_count, 4)?,
        })
    }

    /// Whether some entry could be of an object of this size.
    #[must_use]
    pub fn wants(&self, size_bytes: u64) -> bool {
        self.has_any_size() || self.group(size_bytes).is_some()
    }

    /// Whether some entry has no size.
    #[must_use]
    pub fn has_any_size(&self) -> bool {
        // The mark for any size is the greatest size, so it is the last one.
        self.sizes.last_chunk().copied().map(u32::from_le_bytes) == Some(SIZE_ANY)
    }

    /// Hands over the rules for this digest of an object of this size, each with the size that
    /// its entry has.
    pub fn find(&self, size_bytes: u64, digest: &[u8], found: &mut dyn FnMut(RuleId, EntrySize)) {
        for group in [self.group(size_bytes), self.any_group()]
            .into_iter()
            .flatten()
        {
            self.find_in(group, digest, found);
        }
    }

    /// The digest and size of the entry of this rule, found by looking at every entry.
    pub(crate) fn entry_of(&self, rule: RuleId) -> Option<(Digest, u32)> {
        let wanted = rule.0.to_le_bytes();
        let index = self
            .rules
            .as_chunks::<4>()
            .0
            .iter()
            .position(|id| *id == wanted)?;
        let index = u32::try_from(index).ok()?;
        Some((self.digest_at(index)?, self.size_of(index)?))
    }

    fn digest_at(&self, index: u32) -> Option<Digest> {
        let bytes = record(self.digests, index, self.digest.size_bytes())?;
        match self.digest {
            DigestKind::Md5 => bytes.try_into().ok().map(Digest::Md5),
            DigestKind::Sha1 => bytes.try_into().ok().map(Digest::Sha1),
            DigestKind::Sha256 => bytes.try_into().ok().map(Digest::Sha256),
        }
    }

    fn size_of(&self, entry: u32) -> Option<u32> {
        let starts = self.starts.as_chunks::<4>().0;
        let after = starts.partition_point(|start| u32::from_le_bytes(*start) <= entry);
        le_u32(self.sizes, after.checked_sub(1)?.checked_mul(4)?)
    }

    fn group(&self, size_bytes: u64) -> Option<usize> {
        let wanted = u32::try_from(size_bytes)
            .ok()
            .filter(|size| *size != SIZE_ANY)?;
        let sizes = self.sizes.as_chunks::<4>().0;
        sizes
            .binary_search_by_key(&wanted, |size| u32::from_le_bytes(*size))
            .ok()
    }

    fn any_group(&self) -> Option<usize> {
        let last = self.sizes.as_chunks::<4>().0.len().checked_sub(1)?;
        self.has_any_size().then_some(last)
    }

    fn find_in(&self, group: usize, digest: &[u8], found: &mut dyn FnMut(RuleId, EntrySize)) {
        let size = group
            .checked_mul(4)
            .and_then(|start| le_u32(self.sizes, start));
        let bound = |index: usize| le_u32(self.starts, index.checked_mul(4)?);
        let entries = self.rules.as_chunks::<4>().0.len();
        let low = bound(group)
            .and_then(|low| usize::try_from(low).ok())
            .unwrap_or(entries);
        let high = bound(group.saturating_add(1))
            .and_then(|high| usize::try_from(high).ok())
            .unwrap_or(entries);
        let width = self.digest.size_bytes();
        let at = |index: usize| {
            let start = index.checked_mul(width)?;
            self.digests.get(start..start.checked_add(width)?)
        };
        let first = lower_bound(low, high, |index| {
            at(index).is_some_and(|entry| entry < digest)
        });
        for index in first..high {
            if at(index) != Some(digest) {
                return;
            }
            let rule = index
                .checked_mul(4)
                .and_then(|start| le_u32(self.rules, start));
            if let (Some(rule), Some(size)) = (rule, size) {
                found(RuleId(rule), EntrySize(size));
            }
        }
    }
}

/// The first index from `low` to `high` for which `below` no longer holds.
fn lower_bound(mut low: usize, mut high: usize, below: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low.midpoint(high);
        if below(middle) {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    low
}

/// The entries of one table while it is built.
#[derive(Debug)]
pub(crate) struct HashRows<const N: usize> {
    rows: Vec<(u32, [u8; N], u32)>,
}

impl<const N: usize> Default for HashRows<N> {
    fn default() -> Self {
        Self { rows: Vec::new() }
    }
}

impl<const N: usize> HashRows<N> {
    pub(crate) fn push(&mut self, size_bytes: u32, digest: [u8; N], rule: RuleId) {
        self.rows.push((size_bytes, digest, rule.0));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The four arrays: sizes, starts, digests, rules.
    pub(crate) fn into_arrays(mut self) -> Arrays {
        self.rows.sort_unstable();
        let mut sizes = Vec::new();
        let mut starts = Vec::new();
        let mut digests = Vec::with_capacity(self.rows.len().saturating_mul(N));
        let mut rules = Vec::with_capacity(self.rows.len().saturating_mul(4));
        let mut last = None;
        let mut size_count = 0u32;
        for (index, (size, digest, rule)) in (0u32..).zip(&self.rows) {
            if last != Some(*size) {
                last = Some(*size);
                size_count = size_count.saturating_add(1);
                sizes.extend(size.to_le_bytes());
                starts.extend(index.to_le_bytes());
            }
            digests.extend(digest);
            rules.extend(rule.to_le_bytes());
        }
        let entries = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        (size_count, entries, [sizes, starts, digests, rules])
    }
}

/// Writes the section from its tables, which come in the order of (role, digest, side).
pub(crate) fn write_section(tables: Vec<(HashRole, DigestKind, bool, Arrays)>) -> Vec<Vec<u8>> {
    let mut head = u32::try_from(tables.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    head.resize(16, 0);
    let directory_bytes = tables.len().saturating_mul(DIRECTORY_RECORD_BYTES);
    let mut offset = head.len().saturating_add(directory_bytes);
    let mut pieces = Vec::new();
    for (role, digest, pua, (sizes, entries, arrays)) in tables {
        head.extend([role as u8, digest as u8, u8::from(pua), 0]);
        head.extend(sizes.to_le_bytes());
        head.extend(entries.to_le_bytes());
        head.extend([0; 4]);
        for mut array in arrays {
            head.extend((offset as u64).to_le_bytes());
            array.resize(array.len().next_multiple_of(16), 0);
            offset = offset.saturating_add(array.len());
            pieces.push(array);
        }
    }
    pieces.insert(0, head);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(rows: HashRows<16>) -> Vec<u8> {
        write_section(vec![(
            HashRole::File,
            DigestKind::Md5,
            false,
            rows.into_arrays(),
        )])
        .concat()
    }

    #[test]
    fn entries_are_found_by_size_and_digest_and_no_other() {
        let mut rows = HashRows::<16>::default();
        for rule in 0..2000u32 {
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&rule.wrapping_mul(2_654_435_761).to_le_bytes());
            rows.push(100 + rule % 7, digest, RuleId(rule));
        }
        rows.push(SIZE_ANY, [9; 16], RuleId(5000));
        let bytes = section(rows);
        let table = HashTable::read_all(&bytes).unwrap().remove(0);
        assert!(table.has_any_size());
        let find = |size, digest: &[u8]| {
            let mut found = Vec::new();
            table.find(size, digest, &mut |rule, _| found.push(rule.0));
            found
        };
        for rule in 0..2000u32 {
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&rule.wrapping_mul(2_654_435_761).to_le_bytes());
            let size = u64::from(100 + rule % 7);
            assert_eq!(find(size, &digest), [rule]);
            assert!(find(size + 1, &digest).is_empty());
            assert_eq!(table.entry_of(RuleId(rule)).unwrap().1, 100 + rule % 7);
        }
        assert_eq!(find(123_456_789_000, &[9; 16]), [5000]);
    }

    #[test]
    fn a_damaged_section_is_refused_or_finds_nothing() {
        let mut rows = HashRows::<16>::default();
        rows.push(5, [1; 16], RuleId(0));
        rows.push(6, [2; 16], RuleId(1));
        let bytes = section(rows);
        for cut in 0..bytes.len() {
            let _ = HashTable::read_all(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let Some(tables) = HashTable::read_all(&damaged) else {
                continue;
            };
            for table in tables {
                table.find(5, &[1; 16], &mut |_, _| {});
                table.entry_of(RuleId(1));
            }
        }
    }
}
