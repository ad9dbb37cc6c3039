//! From signature lines to a pack.

mod bodies;
mod checked;
mod hashes;
mod logical;
mod metadata;

use std::collections::BTreeMap;

use crate::certificates::CertificateTable;
use crate::hash::LineTrouble;
use crate::metadata::MetadataTable;
use crate::pack::{
    Arena, Group, HashRows, LogicalRows, PlacedRows, RuleId, SearchRows, SectionId, YaraTables,
    write_image, write_search,
};
use crate::passwords::Passwords;
use crate::report::{self, SourceRow, Tally};
use crate::{IgnoreList, Kind, SourceKind};

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
    /// Reasons for dropping lines, with their place: there are a handful.
    reasons: Vec<(Vec<u8>, u32)>,
    hashes: HashRows,
    bodies: Vec<u8>,
    body_count: u32,
    parts: Vec<u8>,
    part_count: u32,
    part_bytes_max: usize,
    programs: Arena,
    search: BTreeMap<Group, SearchRows>,
    logicals: LogicalRows,
    placed: PlacedRows,
    dropped: Vec<u8>,
    dropped_count: u64,
    passwords: Passwords,
    pub(crate) metadata: MetadataTable,
    pub(crate) certificates: CertificateTable,
    pub(crate) yara: YaraTables,
}

/// Adds one line of a source, told with its place.
type AddLine<'l> = dyn Fn(&mut Compiler, (u16, u32), &[u8]) -> Result<Added, CompileError> + 'l;

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
            SourceKind::Checked(checked) => {
                self.add_checked(checked, label, text, &mut tally)?;
                checked.as_str().to_string()
            }
            SourceKind::Document(what) => {
                tally.lines = 1;
                tally.pending.insert(what.to_string(), 1);
                what.to_string()
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
        let (logicals, unanchored) = self.logicals.into_sections();
        let sections = vec![
            (SectionId::Info, vec![info]),
            (SectionId::Sources, vec![self.labels]),
            (SectionId::Report, vec![report::encode(&report)]),
            (SectionId::Rules, vec![self.rules]),
            (SectionId::Names, vec![self.names.into_bytes()]),
            (SectionId::Texts, vec![self.texts.into_bytes()]),
            (SectionId::Hashes, self.hashes.into_section()),
            (SectionId::Bodies, vec![self.bodies]),
            (SectionId::Parts, vec![self.parts]),
            (SectionId::Programs, vec![self.programs.into_bytes()]),
            (SectionId::Search, vec![write_search(&self.search)]),
            (SectionId::Dropped, vec![self.dropped]),
            (SectionId::Passwords, vec![self.passwords.into_bytes()]),
            (SectionId::Yara, vec![self.yara.into_bytes()]),
            (SectionId::Logicals, vec![logicals]),
            (SectionId::Unanchored, vec![unanchored]),
            (SectionId::Metadata, vec![self.metadata.into_bytes()]),
            (SectionId::Placed, vec![self.placed.into_section()]),
            (
                SectionId::Certificates,
                vec![self.certificates.into_bytes()],
            ),
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
        let add = |compiler: &mut Self, (source, line): (u16, u32), text: &[u8]| {
            let place = Place { kind, source, line };
            match kind {
                _ if text.len() > LINE_BYTES_MAX => Ok(Added::Not(LineTrouble::Dropped(
                    "the line is longer than 4 MiB",
                ))),
                Kind::Ndb | Kind::Ndu => compiler.add_body(place, text),
                Kind::Ldb | Kind::Ldu => compiler.add_logical(place, text),
                Kind::Cdb | Kind::Zmd | Kind::Crb => compiler.add_other(place, text),
                _ => compiler.add_hash(place, text),
            }
        };
        self.each_line((label, text), <[u8]>::trim_ascii_end, tally, &add)
    }

    /// Adds each line of a source that says something, trimmed, and counts what becomes of it.
    fn each_line(
        &mut self,
        (label, text): (&str, &[u8]),
        trim: fn(&[u8]) -> &[u8],
        tally: &mut Tally,
        add: &AddLine<'_>,
    ) -> Result<(), CompileError> {
        let source = self.add_label(label)?;
        for (number, line) in (1u32..).zip(text.split(|byte| *byte == b'\n')) {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            tally.lines = tally.lines.saturating_add(1);
            let added = add(self, (source, number), line)?;
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
        let add = |compiler: &mut Self, _: (u16, u32), line: &[u8]| {
            Ok(match compiler.passwords.add(line, &compiler.ignores) {
                Ok(true) => Added::Rule,
                Ok(false) => Added::Ignored,
                Err(trouble) => Added::Not(trouble),
            })
        };
        self.each_line((label, text), without_return, tally, &add)
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
            Added::Not(LineTrouble::Never(why)) => report::count(&mut tally.left_out, why),
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
        if let Some((_, offset)) = self.reasons.iter().find(|(known, _)| known == text) {
            return Ok(*offset);
        }
        let offset = self.texts.push_long(text)?;
        if self.reasons.len() < SHARED_MAX {
            self.reasons.push((text.to_vec(), offset));
        }
        Ok(offset)
    }
}

/// A password may end in a space, so no more than this is taken off its line.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
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

/// Signatures of a source that is not compiled yet.
fn signature_lines(text: &[u8]) -> u64 {
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let counted = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    counted.count() as u64
}
