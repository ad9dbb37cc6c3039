//! Hash tables: digests behind size gates.
//!
//! The section starts with a count u32, the stems' length u32 and their offset u64, the sources'
//! count u32, three widths u8, zero u8, and the sources' offset u64. Then come, for each table, 48
//! bytes: role u8, digest kind u8, potentially unwanted u8, zero u8, sizes u32, entries u32, the
//! number of its first entry among those of all tables u32, and four offsets u64 into the section:
//! the distinct sizes u32 in ascending order, for each the number of its first entry u32, the
//! digests, and where each comes from. Entries are in order of (size, digest, source, line). A size
//! that no signature has costs one binary search, and no digest is computed for it.
//!
//! An entry is a rule of its own, and its number is the rule's: nothing leads from one to the
//! other. Where it comes from is its stem (see `stems`), a number, and its line, counted through
//! all sources, each in as many bytes as its width says. For each source with entries there is its
//! number u32 and what its lines are counted from u32. The rule's text follows from these, its
//! digest and its size; where it was written in another way, the stem is all bits set, and the
//! number says where its text is.

use super::origins::{PackedOrigin, Widths};
use super::stems::{SplitName, Stem};
use super::{RuleId, le_u32, le_u64, record};
use crate::hash::{Digest, DigestKind, SIZE_ANY};

/// Rules with this bit are entries of hash tables.
pub(crate) const HASH_RULE: u32 = 1 << 31;
/// The stem of an entry whose text is stored.
pub(crate) const STORED: u32 = u32::MAX;
pub(crate) const SOURCE_BYTES: usize = 8;

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

pub(crate) const HEAD_BYTES: usize = 32;
pub(crate) const DIRECTORY_RECORD_BYTES: usize = 48;
/// One table for each role, digest and side at the most.
const TABLES_MAX: u32 = 24;

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
    origins: &'a [u8],
    /// The number of its first entry among those of all tables.
    first: u32,
    shared: Shared<'a>,
}

/// What all tables share.
#[derive(Clone, Copy, Debug)]
struct Shared<'a> {
    stems: &'a [u8],
    sources: &'a [u8],
    widths: Widths,
}

/// Where an entry comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) source: u16,
    pub(crate) line: u32,
    pub(crate) stem: u32,
    pub(crate) number: u32,
}

/// An entry of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) table: HashTable<'a>,
    index: u32,
    pub(crate) origin: Origin,
}

impl<'a> HashTable<'a> {
    /// The tables of a section.
    pub(crate) fn read_all(section: &'a [u8]) -> Option<Vec<Self>> {
        let count = le_u32(section, 0)?;
        if count > TABLES_MAX {
            return None;
        }
        let shared = |length: usize, offset: usize, size_bytes: usize| {
            let start = usize::try_from(le_u64(section, offset)?).ok()?;
            let length = usize::try_from(le_u32(section, length)?).ok()?;
            section.get(start..start.checked_add(length.checked_mul(size_bytes)?)?)
        };
        let [stem, number, line, _] = le_u32(section, 20)?.to_le_bytes();
        let shared = Shared {
            stems: shared(4, 8, 1)?,
            sources: shared(16, 24, SOURCE_BYTES)?,
            widths: Widths::read([stem, number, line])?,
        };
        (0..count)
            .map(|index| Self::read(section, index, shared))
            .collect()
    }

    fn read(section: &'a [u8], index: u32, shared: Shared<'a>) -> Option<Self> {
        let head = record(section.get(HEAD_BYTES..)?, index, DIRECTORY_RECORD_BYTES)?;
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
            origins: array(40, entry_count, shared.widths.record_bytes())?,
            first: le_u32(head, 12)?,
            shared,
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

    /// Hands over the rules for this digest of an object of this size.
    pub fn find(&self, size_bytes: u64, digest: &[u8], found: &mut dyn FnMut(RuleId)) {
        for group in [self.group(size_bytes), self.any_group()]
            .into_iter()
            .flatten()
        {
            self.find_in(group, digest, found);
        }
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> u32 {
        let width = self.shared.widths.record_bytes();
        u32::try_from(self.origins.len().checked_div(width).unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// The rules that its entries are.
    pub(crate) fn rules(&self) -> impl Iterator<Item = RuleId> + use<> {
        let first = self.first;
        (0..self.len()).filter_map(move |index| rule_of(first, index))
    }

    /// The rules with this name among those whose texts follow from their stems.
    pub(crate) fn named(&self, name: &[u8]) -> impl Iterator<Item = RuleId> {
        let wanted = SplitName::of(name);
        let is_wanted = move |index: &u32| {
            let Some(PackedOrigin { stem, number, .. }) = self.packed(*index) else {
                return false;
            };
            let may_be = wanted.number.is_none_or(|wanted| wanted == number);
            may_be
                && Stem::at(self.shared.stems, stem).is_some_and(|stem| stem.makes(wanted, number))
        };
        let rule = |index| rule_of(self.first, index);
        (0..self.len()).filter(is_wanted).filter_map(rule)
    }

    /// The rules whose texts are stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = RuleId> {
        let is_stored = |index: &u32| {
            self.packed(*index)
                .is_some_and(|origin| origin.stem == STORED)
        };
        let rule = |index| rule_of(self.first, index);
        (0..self.len()).filter(is_stored).filter_map(rule)
    }

    /// The entry that this rule is, if it is one of this table.
    pub(crate) fn entry(&self, rule: RuleId) -> Option<Entry<'a>> {
        if rule.0 & HASH_RULE == 0 {
            return None;
        }
        let index = (rule.0 & !HASH_RULE).checked_sub(self.first)?;
        Some(Entry {
            table: *self,
            index,
            origin: self.origin(index)?,
        })
    }

    fn packed(&self, index: u32) -> Option<PackedOrigin> {
        let widths = self.shared.widths;
        widths.read_record(record(self.origins, index, widths.record_bytes())?)
    }

    pub(crate) fn origin(&self, index: u32) -> Option<Origin> {
        let packed = self.packed(index)?;
        let (source, line) = self.place_of(packed.line)?;
        Some(Origin {
            source,
            line,
            stem: packed.stem,
            number: packed.number,
        })
    }

    /// The source of a line that is counted through all of them, and its number there.
    fn place_of(&self, line: u32) -> Option<(u16, u32)> {
        let count = u32::try_from(self.shared.sources.len().wrapping_div(SOURCE_BYTES)).ok()?;
        let source = |index| record(self.shared.sources, index, SOURCE_BYTES);
        let from = |index| source(index).and_then(|source| le_u32(source, 4));
        let after = lower_bound(0, count, |index| {
            from(index).is_some_and(|from| from <= line)
        });
        let found = source(after.checked_sub(1)?)?;
        let line = line.checked_sub(le_u32(found, 4)?)?;
        Some((u16::try_from(le_u32(found, 0)?).ok()?, line))
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

    fn find_in(&self, group: usize, digest: &[u8], found: &mut dyn FnMut(RuleId)) {
        let bound = |index: usize| le_u32(self.starts, index.checked_mul(4)?);
        let entries = self.len();
        let low = bound(group).unwrap_or(entries);
        let high = bound(group.saturating_add(1)).unwrap_or(entries);
        let at = |index: u32| record(self.digests, index, self.digest.size_bytes());
        let first = lower_bound(low, high, |index| {
            at(index).is_some_and(|entry| entry < digest)
        });
        for index in first..high {
            if at(index) != Some(digest) {
                return;
            }
            if let Some(rule) = rule_of(self.first, index) {
                found(rule);
            }
        }
    }
}

impl<'a> Entry<'a> {
    /// Its digest.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.table.digest_at(self.index)
    }

    /// Its size field.
    pub(crate) fn size(&self) -> Option<u32> {
        self.table.size_of(self.index)
    }

    /// Its stem; none where its text is stored.
    pub(crate) fn stem(&self) -> Option<Stem<'a>> {
        Stem::at(self.table.shared.stems, self.origin.stem)
    }
}

fn rule_of(first: u32, index: u32) -> Option<RuleId> {
    let number = first.checked_add(index)?;
    (number < HASH_RULE).then_some(RuleId(number | HASH_RULE))
}

/// The first index from `low` to `high` for which `below` no longer holds.
fn lower_bound(mut low: u32, mut high: u32, below: impl Fn(u32) -> bool) -> u32 {
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
