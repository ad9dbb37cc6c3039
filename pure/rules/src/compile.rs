//! From signature lines to a pack.

use std::collections::BTreeMap;

use crate::body::{self, PART_BYTES_MAX};
use crate::hash::{self, HashLine, Levels, LineTrouble, SIZE_ANY, decimal, to_hex};
use crate::metadata::MetadataTable;
use crate::pack::{
    Arena, Group, HashRole, HashRows, RULE_TEXT_IS_SUFFIX, RuleId, SearchRows, SectionId,
    YaraTables, write_hashes, write_image, write_search,
};
use crate::passwords::Passwords;
use crate::report::{self, SourceRow, Tally};
use crate::{Digest, DigestKind, IgnoreList, Kind, Offset, SourceKind};

/// Why a compilation could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompileError {
    /// Over four gigabytes of names or texts, or 2^32 rules.
    TooLarge,
    /// More than 65,535 source files.
    TooManySources,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLarge => {
                write!(
                    f,
                    "the sources are too large for one pack (names and texts up to 4 GiB)"
                )
            }
            Self::TooManySources => write!(f, "there are more than 65,535 source files"),
        }
    }
}

impl std::error::Error for CompileError {}

/// Dropped lines kept one by one; all are counted.
const DROPPED_LINES_MAX: usize = 100_000;
/// No signature line is longer.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Takes sources in an order that depends on them alone, and writes the pack.
#[derive(Debug, Default)]
pub struct Compiler {
    pub(crate) ignores: IgnoreList,
    pub(crate) rows: Vec<SourceRow>,
    labels: Vec<u8>,
    rules: Vec<u8>,
    rule_count: u32,
    signatures: u64,
    names: Arena,
    pub(crate) texts: Arena,
    /// Suffixes of hash lines that were seen, with their place: there are a handful.
    suffixes: Vec<(Vec<u8>, u32)>,
    hashes: Vec<HashSet>,
    bodies: Vec<u8>,
    body_count: u32,
    parts: Vec<u8>,
    part_count: u32,
    part_bytes_max: usize,
    programs: Arena,
    search: BTreeMap<Group, SearchRows>,
    dropped: Vec<u8>,
    dropped_count: u64,
    passwords: Passwords,
    pub(crate) metadata: MetadataTable,
    pub(crate) yara: YaraTables,
}

/// The three tables of one role and side.
#[derive(Debug)]
struct HashSet {
    role: HashRole,
    pua: bool,
    md5: HashRows<16>,
    sha1: HashRows<20>,
    sha256: HashRows<32>,
}

impl Compiler {
    /// A compiler that leaves out what the list names. The list comes first, since sources that
    /// were compiled are not gone through again.
    #[must_use]
    pub fn new(ignores: IgnoreList) -> Self {
        Self {
            ignores,
            ..Self::default()
        }
    }

    /// Says that the caller read an ignore list.
    pub fn note_ignore_list(&mut self, label: &str, lines: u64) {
        let tally = Tally {
            lines,
            compiled: lines,
            ..Tally::default()
        };
        self.rows.push(tally.into_row(label, "ignore list"));
    }

    /// Says what a container's header says, and what is wrong with its signature, if anything is.
    pub fn note_container(&mut self, label: &str, note: String, warning: String) {
        let tally = Tally {
            note,
            warning,
            ..Tally::default()
        };
        self.rows.push(tally.into_row(label, "container"));
    }

    /// Says that a source could not be used, and why.
    pub fn refuse(&mut self, label: &str, why: &str) -> Result<(), CompileError> {
        let source = self.add_label(label)?;
        let mut tally = Tally {
            lines: 1,
            ..Tally::default()
        };
        self.drop_line(source, 0, why, &mut tally)?;
        self.rows.push(tally.into_row(label, "unusable"));
        Ok(())
    }

    /// Compiles a source's lines, or counts them.
    pub fn add(&mut self, label: &str, text: &[u8]) -> Result<(), CompileError> {
        let mut tally = Tally::default();
        let kind = match SourceKind::of(label) {
            SourceKind::Rules(kind) => {
                self.add_rules(kind, label, text, &mut tally)?;
                kind.as_str().to_string()
            }
            SourceKind::Passwords => {
                self.add_passwords(label, text, &mut tally)?;
                "passwords of archives".to_string()
            }
            SourceKind::Pending(what) => {
                let rules = signature_lines(text);
                tally.lines = rules;
                if rules > 0 {
                    tally.pending.insert(what.to_string(), rules);
                }
                what.to_string()
            }
            SourceKind::Never(why) => {
                tally.lines = 1;
                tally.left_out.insert(why.to_string(), 1);
                "bytecode".to_string()
            }
            SourceKind::Ignore | SourceKind::Yara | SourceKind::Container | SourceKind::Notes => {
                return Ok(());
            }
            SourceKind::Unknown => {
                tally.lines = 1;
                tally
                    .left_out
                    .insert("not a signature file by its name".to_string(), 1);
                "unknown".to_string()
            }
        };
        self.rows.push(tally.into_row(label, &kind));
        Ok(())
    }

    /// Writes the pack, piece by piece from its start; gives its length.
    pub fn finish<E>(self, out: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<u64, E> {
        let mut info = self.signatures.to_le_bytes().to_vec();
        info.extend(self.dropped_count.to_le_bytes());
        info.extend(
            u32::try_from(self.part_bytes_max)
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        info.extend([0; 4]);
        let mut report = self.rows;
        report.sort_by(|a, b| a.label.cmp(&b.label));
        let sections = vec![
            (SectionId::Info, vec![info]),
            (SectionId::Sources, vec![self.labels]),
            (SectionId::Report, vec![report::encode(&report)]),
            (SectionId::Rules, vec![self.rules]),
            (SectionId::Names, vec![self.names.into_bytes()]),
            (SectionId::Texts, vec![self.texts.into_bytes()]),
            (SectionId::Hashes, hash_pieces(self.hashes)),
            (SectionId::Bodies, vec![self.bodies]),
            (SectionId::Parts, vec![self.parts]),
            (SectionId::Programs, vec![self.programs.into_bytes()]),
            (SectionId::Search, vec![write_search(&self.search)]),
            (SectionId::Dropped, vec![self.dropped]),
            (SectionId::Passwords, vec![self.passwords.into_bytes()]),
            (SectionId::Yara, vec![self.yara.into_bytes()]),
            (SectionId::Metadata, vec![self.metadata.into_bytes()]),
        ];
        write_image(sections, out)
    }

    pub(crate) fn add_label(&mut self, label: &str) -> Result<u16, CompileError> {
        let source = self
            .labels
            .len()
            .checked_div(4)
            .and_then(|count| u16::try_from(count).ok());
        let source = source.ok_or(CompileError::TooManySources)?;
        let offset = self.texts.push_long(label.as_bytes())?;
        self.labels.extend(offset.to_le_bytes());
        Ok(source)
    }

    fn add_rules(
        &mut self,
        kind: Kind,
        label: &str,
        text: &[u8],
        tally: &mut Tally,
    ) -> Result<(), CompileError> {
        let source = self.add_label(label)?;
        for (number, line) in (1u32..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii_end();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            tally.lines = tally.lines.saturating_add(1);
            let place = Place {
                kind,
                source,
                line: number,
            };
            let added = if line.len() > LINE_BYTES_MAX {
                Added::Not(LineTrouble::Dropped("the line is longer than 4 MiB"))
            } else if matches!(kind, Kind::Ndb | Kind::Ndu) {
                self.add_body(place, line)?
            } else if kind == Kind::Cdb {
                self.add_metadata(place, line)?
            } else {
                self.add_hash(place, line)?
            };
            self.count_line(added, (source, number), tally)?;
        }
        Ok(())
    }

    fn add_passwords(
        &mut self,
        label: &str,
        text: &[u8],
        tally: &mut Tally,
    ) -> Result<(), CompileError> {
        let source = self.add_label(label)?;
        for (number, line) in (1u32..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            tally.lines = tally.lines.saturating_add(1);
            let added = match self.passwords.add(line, &self.ignores) {
                Ok(true) => Added::Rule,
                Ok(false) => Added::Ignored,
                Err(trouble) => Added::Not(trouble),
            };
            self.count_line(added, (source, number), tally)?;
        }
        Ok(())
    }

    fn count_line(
        &mut self,
        added: Added,
        (source, line): (u16, u32),
        tally: &mut Tally,
    ) -> Result<(), CompileError> {
        match added {
            Added::Rule => tally.compiled = tally.compiled.saturating_add(1),
            Added::Ignored => tally.ignored = tally.ignored.saturating_add(1),
            Added::Not(LineTrouble::Pending(why)) => report::count(&mut tally.pending, why),
            Added::Not(LineTrouble::OtherEngine) => {
                report::count(&mut tally.left_out, "for other engine versions");
            }
            Added::Not(LineTrouble::Dropped(why)) => self.drop_line(source, line, why, tally)?,
        }
        Ok(())
    }

    pub(crate) fn drop_line(
        &mut self,
        source: u16,
        line: u32,
        why: &str,
        tally: &mut Tally,
    ) -> Result<(), CompileError> {
        report::count(&mut tally.dropped, why);
        self.dropped_count = self.dropped_count.saturating_add(1);
        let kept = self
            .dropped
            .len()
            .checked_div(crate::pack::DROPPED_BYTES)
            .unwrap_or(0);
        if kept < DROPPED_LINES_MAX {
            let reason = self.shared_text(why.as_bytes())?;
            self.dropped.extend(source.to_le_bytes());
            self.dropped.extend([0; 2]);
            self.dropped.extend(line.to_le_bytes());
            self.dropped.extend(reason.to_le_bytes());
        }
        Ok(())
    }

    fn add_hash(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let parsed = match hash::parse(place.kind, line) {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(parsed.name, line) {
            return Ok(Added::Ignored);
        }
        let (text, flags) = if is_canonical(place.kind, &parsed, line) {
            (self.shared_text(parsed.suffix)?, RULE_TEXT_IS_SUFFIX)
        } else {
            (self.texts.push_long(line)?, 0)
        };
        let rule = self.add_rule(place, parsed.name, (text, flags))?;
        let role = match place.kind {
            Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu => HashRole::Section,
            Kind::Imp => HashRole::Import,
            Kind::Fp | Kind::Sfp => HashRole::Allow,
            _ => HashRole::File,
        };
        let set = hash_set(&mut self.hashes, role, place.kind.is_pua());
        match parsed.digest {
            Digest::Md5(digest) => set.md5.push(parsed.size_bytes, digest, rule),
            Digest::Sha1(digest) => set.sha1.push(parsed.size_bytes, digest, rule),
            Digest::Sha256(digest) => set.sha256.push(parsed.size_bytes, digest, rule),
        }
        Ok(Added::Rule)
    }

    /// `Name:Target:Offset:Hex[:MinFL[:MaxFL]]`.
    fn add_body(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let mut fields = line.splitn(5, |byte| *byte == b':');
        let (Some(name), Some(target), Some(offset), Some(hex)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Ok(Added::Not(LineTrouble::Dropped("fewer than four fields")));
        };
        let body = match parse_body(name, target, offset, (hex, fields.next())) {
            Ok(body) => body,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(name, line) {
            return Ok(Added::Ignored);
        }
        let text = self.texts.push_long(line)?;
        let rule = self.add_rule(place, name, (text, 0))?;
        self.add_parts(rule, &body)?;
        Ok(Added::Rule)
    }

    fn add_parts(&mut self, rule: RuleId, body: &ParsedBody) -> Result<(), CompileError> {
        let index = self.body_count;
        self.body_count = index.checked_add(1).ok_or(CompileError::TooLarge)?;
        let parts = u32::try_from(body.parts.len()).map_err(|_| CompileError::TooLarge)?;
        let record = &mut self.bodies;
        record.extend(rule.0.to_le_bytes());
        record.extend([body.target, body.offset.anchor as u8]);
        record.extend(body.offset.section.to_le_bytes());
        record.extend(body.offset.distance.to_le_bytes());
        record.extend(body.offset.shift.to_le_bytes());
        record.extend(self.part_count.to_le_bytes());
        record.extend(parts.to_le_bytes());
        record.extend([0; 4]);
        for (part, chosen) in &body.parts {
            let number = self.part_count;
            self.part_count = number.checked_add(1).ok_or(CompileError::TooLarge)?;
            self.part_bytes_max = self
                .part_bytes_max
                .max(part.bytes_max())
                .min(PART_BYTES_MAX);
            let program = body::encode(&part.elements, chosen);
            let start = self.programs.push_raw(&program)?;
            let length = u32::try_from(program.len()).map_err(|_| CompileError::TooLarge)?;
            for field in [index, part.gap.min, part.gap.max, start, length] {
                self.parts.extend(field.to_le_bytes());
            }
            let rows = self.search.entry(body.group).or_default();
            rows.push(chosen.literal, number);
        }
        Ok(())
    }

    pub(crate) fn add_rule(
        &mut self,
        place: Place,
        name: &[u8],
        (text, flags): (u32, u8),
    ) -> Result<RuleId, CompileError> {
        let id = RuleId(self.rule_count);
        self.rule_count = self
            .rule_count
            .checked_add(1)
            .ok_or(CompileError::TooLarge)?;
        if !place.kind.is_allow() {
            self.signatures = self.signatures.saturating_add(1);
        }
        let name = self.names.push_short(name)?;
        self.rules.extend(name.to_le_bytes());
        self.rules.extend(text.to_le_bytes());
        self.rules.extend(place.line.to_le_bytes());
        self.rules.extend(place.source.to_le_bytes());
        self.rules.extend([place.kind as u8, flags]);
        Ok(id)
    }

    /// The place of a text that many lines share.
    fn shared_text(&mut self, text: &[u8]) -> Result<u32, CompileError> {
        const SHARED_MAX: usize = 256;
        if let Some((_, offset)) = self.suffixes.iter().find(|(known, _)| known == text) {
            return Ok(*offset);
        }
        let offset = self.texts.push_long(text)?;
        if self.suffixes.len() < SHARED_MAX {
            self.suffixes.push((text.to_vec(), offset));
        }
        Ok(offset)
    }
}

/// Where a line is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) source: u16,
    pub(crate) line: u32,
}

/// What became of a line.
pub(crate) enum Added {
    Rule,
    Ignored,
    Not(LineTrouble),
}

struct ParsedBody {
    target: u8,
    group: Group,
    offset: Offset,
    parts: Vec<(body::Part, body::Chosen)>,
}

fn parse_body(
    name: &[u8],
    target: &[u8],
    offset: &[u8],
    (hex, levels): (&[u8], Option<&[u8]>),
) -> Result<ParsedBody, LineTrouble> {
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    let target = decimal(target)
        .and_then(|target| u8::try_from(target).ok())
        .ok_or(LineTrouble::Dropped("the target type is not a number"))?;
    Levels::parse(levels)?.check()?;
    let group =
        Group::of_target(target).ok_or(LineTrouble::Pending("a target type of no known format"))?;
    let offset = Offset::parse(offset, target)?;
    let mut parts = Vec::new();
    for part in body::parse(hex)? {
        let chosen = body::choose(&part.elements).ok_or(LineTrouble::Dropped(
            "a part has no two static bytes in a row",
        ))?;
        parts.push((part, chosen));
    }
    Ok(ParsedBody {
        target,
        group,
        offset,
        parts,
    })
}

/// Whether the line is what [`crate::pack`] would write from its fields.
fn is_canonical(kind: Kind, parsed: &HashLine<'_>, line: &[u8]) -> bool {
    let hash = to_hex(parsed.digest.as_bytes());
    let size = if parsed.size_bytes == SIZE_ANY {
        "*".to_string()
    } else {
        parsed.size_bytes.to_string()
    };
    let section = matches!(kind, Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu);
    let (first, second) = if section {
        (&size, &hash)
    } else {
        (&hash, &size)
    };
    let mut left = line;
    let expected = [
        first.as_bytes(),
        b":",
        second.as_bytes(),
        b":",
        parsed.name,
        parsed.suffix,
    ];
    expected
        .iter()
        .all(|field| match left.strip_prefix(*field) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        })
        && left.is_empty()
}

fn hash_set(sets: &mut Vec<HashSet>, role: HashRole, pua: bool) -> &mut HashSet {
    let index = sets
        .iter()
        .position(|set| set.role == role && set.pua == pua);
    let index = index.unwrap_or_else(|| {
        sets.push(HashSet {
            role,
            pua,
            md5: HashRows::default(),
            sha1: HashRows::default(),
            sha256: HashRows::default(),
        });
        sets.len().saturating_sub(1)
    });
    #[expect(
        clippy::indexing_slicing,
        reason = "the index was found or made just now"
    )]
    &mut sets[index]
}

fn hash_pieces(mut sets: Vec<HashSet>) -> Vec<Vec<u8>> {
    sets.sort_by_key(|set| (set.role, set.pua));
    let mut tables = Vec::new();
    for set in sets {
        if !set.md5.is_empty() {
            tables.push((set.role, DigestKind::Md5, set.pua, set.md5.into_arrays()));
        }
        if !set.sha1.is_empty() {
            tables.push((set.role, DigestKind::Sha1, set.pua, set.sha1.into_arrays()));
        }
        if !set.sha256.is_empty() {
            tables.push((
                set.role,
                DigestKind::Sha256,
                set.pua,
                set.sha256.into_arrays(),
            ));
        }
    }
    write_hashes(tables)
}

/// Signatures of a source that is not compiled yet.
fn signature_lines(text: &[u8]) -> u64 {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let counted = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    counted.count() as u64
}
