//! Reads a pack in place.

use std::borrow::Cow;

use super::hashes::{Entry, STORED};
use super::{
    BODY_BYTES, DROPPED_BYTES, Group, HEADER_BYTES, HashTable, LogicalEntry, MAGIC, NO_LOGICAL,
    PART_BYTES, PlacedAnchor, RULE_BYTES, RULE_TEXT_IN_YARA, SECTION_RECORD_BYTES, SearchTable,
    SectionId, VERSION, le_u16, le_u32, le_u64, logicals, placed, record,
};
use crate::body::{Gap, Program};
use crate::hash::{self, SIZE_ANY, to_hex};
use crate::{
    Anchor, BlockedCertificate, Kind, MetadataRule, Offset, SourceKind, certificates, metadata,
    passwords,
};

/// A rule's number in its pack. Those with digests are numbered apart from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// Why a file can't be used as a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// It is not a pack.
    NotAPack,
    /// It was written for another version.
    OtherVersion(u32),
    /// It is shorter than it says.
    Truncated,
    /// Its tables do not fit together; which.
    Damaged(&'static str),
}

impl std::fmt::Display for PackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAPack => write!(f, "it is not a rule pack"),
            Self::OtherVersion(version) => write!(
                f,
                "it is a rule pack of format {version}, and this program reads format {VERSION}: \
                 build it again with `candor rules build`"
            ),
            Self::Truncated => write!(f, "it is a rule pack that was cut short"),
            Self::Damaged(what) => write!(f, "it is a damaged rule pack ({what})"),
        }
    }
}

impl std::error::Error for PackError {}

/// A pack, read in place. Opening it costs the same however many rules it has.
#[derive(Debug)]
pub struct Pack<'a> {
    sections: [&'a [u8]; SectionId::COUNT],
    hash_tables: Vec<HashTable<'a>>,
    search_tables: Vec<SearchTable<'a>>,
}

/// A rule as it lies in the pack.
#[derive(Clone, Debug)]
pub struct RuleRecord<'a> {
    /// The signature's name.
    pub name: Cow<'a, [u8]>,
    /// Its kind.
    pub kind: Kind,
    /// The source's number.
    pub source: u16,
    /// The line there, from 1.
    pub line: u32,
    text_offset: u32,
    flags: u8,
}

/// A body rule as it lies in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRule {
    /// Its rule.
    pub rule: RuleId,
    /// The group of objects that it is for.
    pub group: Group,
    /// Where it may begin.
    pub offset: Offset,
    /// Its first part's number.
    pub first_part: u32,
    /// How many parts it has.
    pub parts: u32,
    /// The number of the logical rule that it is a part of; without one it fires by itself.
    pub logical: Option<u32>,
}

/// A part as it lies in the pack.
#[derive(Clone, Copy, Debug)]
pub struct PartRecord<'a> {
    /// The number of its body rule.
    pub body: u32,
    /// How far from the part before.
    pub gap: Gap,
    /// Its program.
    pub program: Program<'a>,
}

impl<'a> Pack<'a> {
    /// Checks the frame and the tables' bounds.
    pub fn open(bytes: &'a [u8]) -> Result<Self, PackError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(PackError::NotAPack);
        }
        let version = le_u32(bytes, 8).ok_or(PackError::Truncated)?;
        if version != VERSION {
            return Err(PackError::OtherVersion(version));
        }
        let length = le_u64(bytes, 16).ok_or(PackError::Truncated)?;
        if length > bytes.len() as u64 {
            return Err(PackError::Truncated);
        }
        let sections = read_sections(bytes)?;
        let mut pack = Self {
            sections,
            hash_tables: Vec::new(),
            search_tables: Vec::new(),
        };
        pack.hash_tables = HashTable::read_all(pack.section(SectionId::Hashes))
            .ok_or(PackError::Damaged("hash tables"))?;
        pack.search_tables = SearchTable::read_all(pack.section(SectionId::Search))
            .ok_or(PackError::Damaged("search tables"))?;
        Ok(pack)
    }

    /// The hash tables.
    #[must_use]
    pub fn hash_tables(&self) -> &[HashTable<'a>] {
        &self.hash_tables
    }

    /// How large the search tables are.
    #[must_use]
    pub fn search_bytes(&self) -> usize {
        self.section(SectionId::Search).len()
    }

    /// The search tables.
    #[must_use]
    pub fn search_tables(&self) -> &[SearchTable<'a>] {
        &self.search_tables
    }

    /// Passwords that archives are opened with, in the order in which they are tried.
    pub fn passwords(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        passwords::read(self.section(SectionId::Passwords))
    }

    /// Certificates that no file should carry.
    pub fn blocked_certificates(&self) -> impl Iterator<Item = BlockedCertificate<'a>> + use<'a> {
        certificates::read(self.section(SectionId::Certificates))
    }

    /// Rules about what containers say of their members.
    pub fn metadata_rules(&self) -> impl Iterator<Item = MetadataRule<'a>> + use<'a> {
        metadata::read(self.section(SectionId::Metadata))
    }

    /// How many signatures can fire.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        le_u64(self.section(SectionId::Info), 0).unwrap_or(0)
    }

    /// How many lines were dropped as wrong.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        le_u64(self.section(SectionId::Info), 8).unwrap_or(0)
    }

    /// The most bytes that one part can cover.
    #[must_use]
    pub fn part_bytes_max(&self) -> u32 {
        le_u32(self.section(SectionId::Info), 16).unwrap_or(0)
    }

    /// Every rule, signatures and allowed files: first those without digests.
    pub fn rule_ids(&self) -> impl Iterator<Item = RuleId> {
        let others = count(self.section(SectionId::Rules), RULE_BYTES);
        let hashes = self.hash_tables.iter().flat_map(HashTable::rules);
        (0..others).map(RuleId).chain(hashes)
    }

    /// The rules with this name. Of those with digests, which are many, no name is put together.
    pub(crate) fn rules_named<'n>(
        &'n self,
        name: &'n [u8],
    ) -> impl Iterator<Item = RuleId> + use<'n, 'a> {
        let others = count(self.section(SectionId::Rules), RULE_BYTES);
        let stored = self.hash_tables.iter().flat_map(HashTable::stored);
        let is_wanted = move |id: &RuleId| self.rule(*id).is_some_and(|rule| rule.name == name);
        let hashes = self.hash_tables.iter();
        (0..others)
            .map(RuleId)
            .chain(stored)
            .filter(is_wanted)
            .chain(hashes.flat_map(move |table| table.named(name)))
    }

    /// The rule with this number.
    #[must_use]
    pub fn rule(&self, id: RuleId) -> Option<RuleRecord<'a>> {
        if let Some(entry) = self.entry(id) {
            return self.hash_rule(&entry);
        }
        let fields = record(self.section(SectionId::Rules), id.0, RULE_BYTES)?;
        Some(RuleRecord {
            name: short_text(self.section(SectionId::Names), le_u32(fields, 0)?)?.into(),
            text_offset: le_u32(fields, 4)?,
            line: le_u32(fields, 8)?,
            source: le_u16(fields, 12)?,
            kind: Kind::from_code(*fields.get(14)?)?,
            flags: *fields.get(15)?,
        })
    }

    /// The label of the source with this number.
    #[must_use]
    pub fn source_label(&self, source: u16) -> Option<&'a [u8]> {
        let fields = record(self.section(SectionId::Sources), u32::from(source), 4)?;
        self.text(le_u32(fields, 0)?)
    }

    /// The rule's own text: its line without the line's end, or all of a YARA rule.
    #[must_use]
    pub fn rule_text(&self, id: RuleId) -> Option<Vec<u8>> {
        if let Some(entry) = self.entry(id) {
            return self.hash_text(&entry);
        }
        let rule = self.rule(id)?;
        let text = if rule.flags & RULE_TEXT_IN_YARA != 0 {
            self.yara_text(rule.text_offset)
        } else {
            self.text(rule.text_offset)
        };
        text.map(<[u8]>::to_vec)
    }

    /// The body rule with this number.
    #[must_use]
    pub fn body(&self, index: u32) -> Option<BodyRule> {
        let fields = record(self.section(SectionId::Bodies), index, BODY_BYTES)?;
        let offset = Offset {
            anchor: Anchor::from_code(*fields.get(5)?)?,
            section: le_u16(fields, 6)?,
            distance: le_u64(fields, 8)?.cast_signed(),
            shift: le_u32(fields, 16)?,
        };
        Some(BodyRule {
            rule: RuleId(le_u32(fields, 0)?),
            group: Group::of_target(*fields.get(4)?)?,
            offset,
            first_part: le_u32(fields, 20)?,
            parts: le_u32(fields, 24)?,
            logical: Some(le_u32(fields, 28)?).filter(|logical| *logical != NO_LOGICAL),
        })
    }

    /// The part with this number.
    #[must_use]
    pub fn part(&self, index: u32) -> Option<PartRecord<'a>> {
        let fields = record(self.section(SectionId::Parts), index, PART_BYTES)?;
        let start = usize::try_from(le_u32(fields, 12)?).ok()?;
        let length = usize::try_from(le_u32(fields, 16)?).ok()?;
        let program = self
            .section(SectionId::Programs)
            .get(start..start.checked_add(length)?)?;
        Some(PartRecord {
            body: le_u32(fields, 0)?,
            gap: Gap {
                min: le_u32(fields, 4)?,
                max: le_u32(fields, 8)?,
            },
            program: Program::new(program)?,
        })
    }

    /// The logical rule with this number.
    #[must_use]
    pub fn logical(&self, index: u32) -> Option<LogicalEntry<'a>> {
        logicals::read(self.section(SectionId::Logicals), index)
    }

    /// Whether a rule asks for bytes of objects of this group in particular.
    #[must_use]
    pub fn has_rules_for(&self, group: Group) -> bool {
        self.search_tables.iter().any(|table| table.group == group)
            || self.placed(group).next().is_some()
            || self.unanchored(group).next().is_some()
    }

    /// The anchors at one place that are for objects of a group, in the order of their places.
    pub fn placed(&self, group: Group) -> impl Iterator<Item = PlacedAnchor> + use<'a> {
        placed::read(self.section(SectionId::Placed), group)
    }

    /// The logical rules without an anchor that are for objects of a group.
    pub fn unanchored(&self, group: Group) -> impl Iterator<Item = u32> + use<'a> {
        logicals::unanchored(self.section(SectionId::Unanchored), group)
    }

    pub(crate) fn report_bytes(&self) -> &'a [u8] {
        self.section(SectionId::Report)
    }

    /// Each dropped line that was kept: source, line, reason.
    pub(crate) fn dropped_lines(&self) -> impl Iterator<Item = (u16, u32, &'a [u8])> {
        let table = self.section(SectionId::Dropped);
        (0..count(table, DROPPED_BYTES)).filter_map(move |index| {
            let fields = record(table, index, DROPPED_BYTES)?;
            Some((
                le_u16(fields, 0)?,
                le_u32(fields, 4)?,
                self.text(le_u32(fields, 8)?)?,
            ))
        })
    }

    fn entry(&self, id: RuleId) -> Option<Entry<'a>> {
        self.hash_tables.iter().find_map(|table| table.entry(id))
    }

    fn hash_rule(&self, entry: &Entry<'a>) -> Option<RuleRecord<'a>> {
        let origin = entry.origin;
        let kind = self.hash_kind(origin.source)?;
        let name = if origin.stem == STORED {
            let parsed = hash::parse(kind, self.text(origin.number)?);
            Cow::Borrowed(parsed.ok()?.name)
        } else {
            Cow::Owned(entry.stem()?.name(origin.number))
        };
        Some(RuleRecord {
            name,
            kind,
            source: origin.source,
            line: origin.line,
            text_offset: 0,
            flags: 0,
        })
    }

    /// A hash rule's line, written as its kind is written.
    fn hash_text(&self, entry: &Entry<'a>) -> Option<Vec<u8>> {
        let origin = entry.origin;
        if origin.stem == STORED {
            return self.text(origin.number).map(<[u8]>::to_vec);
        }
        let stem = entry.stem()?;
        let hash = to_hex(entry.digest()?.as_bytes());
        let size = match entry.size()? {
            SIZE_ANY => "*".to_string(),
            size => size.to_string(),
        };
        let (first, second) = if hash::has_size_first(self.hash_kind(origin.source)?) {
            (size, hash)
        } else {
            (hash, size)
        };
        let name = stem.name(origin.number);
        let fields = [first.as_bytes(), second.as_bytes(), &name];
        Some([&fields.join(&b':'), stem.suffix].concat())
    }

    /// The kind of a hash rule, which is that of its source.
    fn hash_kind(&self, source: u16) -> Option<Kind> {
        let label = std::str::from_utf8(self.source_label(source)?).ok()?;
        match SourceKind::of(label) {
            SourceKind::Rules(kind) => Some(kind),
            _ => None,
        }
    }

    pub(super) fn text(&self, offset: u32) -> Option<&'a [u8]> {
        let texts = self.section(SectionId::Texts);
        let start = usize::try_from(offset).ok()?;
        let length = usize::try_from(le_u32(texts, start)?).ok()?;
        let start = start.checked_add(4)?;
        texts.get(start..start.checked_add(length)?)
    }

    pub(super) fn section(&self, id: SectionId) -> &'a [u8] {
        let index = (id as usize).wrapping_sub(1);
        self.sections.get(index).copied().unwrap_or_default()
    }
}

fn read_sections(bytes: &[u8]) -> Result<[&[u8]; SectionId::COUNT], PackError> {
    const WRONG: PackError = PackError::Damaged("section table");
    if le_u32(bytes, 12).map(usize::try_from) != Some(Ok(SectionId::COUNT)) {
        return Err(WRONG);
    }
    let table = bytes.get(HEADER_BYTES..).ok_or(PackError::Truncated)?;
    let mut sections: [&[u8]; SectionId::COUNT] = Default::default();
    for (index, section) in (0u32..).zip(sections.iter_mut()) {
        let fields = record(table, index, SECTION_RECORD_BYTES).ok_or(PackError::Truncated)?;
        if le_u32(fields, 0) != index.checked_add(1) {
            return Err(WRONG);
        }
        let bound = |at| le_u64(fields, at).and_then(|value| usize::try_from(value).ok());
        let (start, length) = bound(8).zip(bound(16)).ok_or(WRONG)?;
        let end = start.checked_add(length).ok_or(WRONG)?;
        *section = bytes.get(start..end).ok_or(PackError::Truncated)?;
    }
    Ok(sections)
}

fn short_text(arena: &[u8], offset: u32) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    let length = usize::from(le_u16(arena, start)?);
    let start = start.checked_add(2)?;
    arena.get(start..start.checked_add(length)?)
}

fn count(table: &[u8], size_bytes: usize) -> u32 {
    let count = table.len().checked_div(size_bytes).unwrap_or(0);
    u32::try_from(count).unwrap_or(u32::MAX)
}
