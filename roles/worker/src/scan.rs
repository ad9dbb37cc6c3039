//! One file, and everything inside it, against the pack.

use std::collections::BTreeSet;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;
use std::time::Instant;

use engine::{
    Begun, Examined, Hashing, Listings, Object, Options, Scanner, begin_digests, groups_of,
};
use kernel::file::FileStat;
use proto::{Budget, Detail, Limits, Reason, ScanOptions, Verdict};
use rules::pack::Group;
use rules::{Pack, RuleId};
use unpack::normalise::Normal;
use unpack::{
    Content, Facts, Flow, Format, Listed, Member, Members, ReadError, Role, Source, SubSource,
    Trouble, identify, identify_beside, is_zip,
};

use crate::beside::Taken;
use crate::file_source::FileSource;
use crate::views::Views;
use crate::yara::YaraScan;

mod certificates;
mod findings;
mod listed;
mod with_yara;

/// Files up to this size are read once, whole.
const WHOLE_BYTES_MAX: u64 = 4 << 20;
/// A scan calls itself for each container inside a container: no limit makes it go deeper.
const DEPTH_MAX: u64 = 64;
/// What is kept of a member's name. With the names below, one finding fits a message even at the
/// greatest depth.
const NAME_BYTES_MAX: usize = 1024;
/// What is kept of a rule's name and of its source's.
const RULE_NAME_BYTES_MAX: usize = 8 * 1024;

/// What a worker keeps from one file to the next.
pub struct ScanBuffers<'p> {
    pack: &'p Pack<'p>,
    scanner: Scanner<'p>,
    listings: Listings<'p>,
    passwords: Vec<&'p [u8]>,
    yara: Option<Box<dyn YaraScan>>,
    whole: Vec<u8>,
}

impl<'p> ScanBuffers<'p> {
    /// Buffers for scans with this pack.
    #[must_use]
    pub fn new(pack: &'p Pack<'p>) -> Self {
        Self {
            pack,
            scanner: Scanner::new(pack),
            listings: Listings::new(pack),
            passwords: pack.passwords().collect(),
            yara: None,
            whole: Vec::new(),
        }
    }

    /// From here on the pack's YARA rules are run too.
    pub fn use_yara(&mut self, rules: Box<dyn YaraScan>) {
        self.yara = Some(rules);
    }

    /// Whether every signature of the pack is there to look with.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.yara.is_some() || self.pack.yara_rules() == 0
    }
}

/// A file to scan.
#[derive(Clone, Copy)]
pub struct FileToScan<'a> {
    /// The open file.
    pub file: &'a OwnedFd,
    /// What to look for, and how far to go.
    pub options: &'a ScanOptions,
}

/// A file that was looked at ahead of its scan.
#[derive(Default)]
pub(crate) struct Ahead {
    stat: Option<FileStat>,
    begun: Option<Begun>,
}

/// Begins what goes faster for several files together than for each by itself: MD5. What comes of
/// it goes with each file into its scan.
#[must_use]
pub(crate) fn look_ahead(
    buffers: &ScanBuffers<'_>,
    files: &[OwnedFd],
    wanted: &ScanOptions,
) -> Vec<Ahead> {
    let stats = files.iter().map(|file| kernel::file::stat(file).ok());
    let stats: Vec<_> = stats.collect();
    let sources: Vec<_> = files
        .iter()
        .zip(&stats)
        .map(|(file, stat)| FileSource {
            file,
            size_bytes: stat.as_ref().map_or(0, |stat| stat.size_bytes),
        })
        .collect();
    let sources: Vec<&dyn Source> = sources.iter().map(|source| source as _).collect();
    let begun = begin_digests(buffers.pack, &sources, options_of(wanted));
    let ahead = stats.into_iter().zip(begun);
    ahead.map(|(stat, begun)| Ahead { stat, begun }).collect()
}

/// Scans a file; whatever happens to it is in the verdict. Before something that may not come back
/// the verdict so far is announced, where there is anything in it.
#[must_use]
pub fn scan_file(
    buffers: &mut ScanBuffers<'_>,
    wanted: FileToScan<'_>,
    announce: &mut dyn FnMut(&Verdict),
) -> Verdict {
    scan_after(buffers, (wanted, Ahead::default()), announce)
}

/// Scans a file that was looked at ahead.
#[must_use]
pub(crate) fn scan_after(
    buffers: &mut ScanBuffers<'_>,
    (wanted, ahead): (FileToScan<'_>, Ahead),
    announce: &mut dyn FnMut(&Verdict),
) -> Verdict {
    let started = Instant::now();
    let mut verdict = Verdict::default();
    buffers.scanner.begin(ahead.begun);
    // A change since the look ahead counts as one while the file is read.
    let before = match ahead.stat {
        Some(stat) => Ok(stat),
        None => kernel::file::stat(wanted.file),
    };
    match before {
        Err(error) => verdict.read_error = Some(error.to_string()),
        Ok(before) => {
            verdict = scan_opened(buffers, (wanted, announce), &before);
            let after = kernel::file::stat(wanted.file).ok();
            if after.is_none_or(|after| has_changed(&before, &after)) {
                verdict.note(Detail {
                    reason: Reason::ChangedWhileRead,
                    member: Vec::new(),
                    text: "the file changed while it was read".to_string(),
                });
            }
        }
    }
    if wanted.options.starter && verdict.findings.is_empty() {
        verdict.note(Detail {
            reason: Reason::StarterSignaturesOnly,
            member: Vec::new(),
            text: "only the starter signatures were there to look with".to_string(),
        });
    }
    verdict.elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    verdict
}

fn scan_opened(
    buffers: &mut ScanBuffers<'_>,
    (wanted, announce): (FileToScan<'_>, &mut dyn FnMut(&Verdict)),
    stat: &FileStat,
) -> Verdict {
    let limits = Limits {
        depth_max: wanted.options.limits.depth_max.min(DEPTH_MAX),
        ..wanted.options.limits
    };
    let mut budget = Budget::new(limits, clock_ms);
    let file = FileSource {
        file: wanted.file,
        size_bytes: stat.size_bytes,
    };
    let mut whole = std::mem::take(&mut buffers.whole);
    let mut scan = FileScan {
        pack: buffers.pack,
        scanner: &mut buffers.scanner,
        listings: &mut buffers.listings,
        passwords: &buffers.passwords,
        yara: buffers.yara.as_mut(),
        announce,
        announced: 0,
        options: options_of(wanted.options),
        shows_bytes: wanted.options.match_bytes,
        wants_views: Views::are_wanted(buffers.pack),
        verdict: Verdict {
            size_bytes: stat.size_bytes,
            ..Verdict::default()
        },
        path: Vec::new(),
        formats: Vec::new(),
    };
    if stat.size_bytes <= WHOLE_BYTES_MAX.min(limits.memory_bytes_max) {
        whole.resize(usize::try_from(stat.size_bytes).unwrap_or(0), 0);
        match file.read_at(0, &mut whole) {
            Ok(_) => scan.object(&whole, &mut budget),
            Err(error) => scan.read_error(&error),
        }
    } else {
        scan.object(&file, &mut budget);
    }
    let mut verdict = scan.verdict;
    verdict.objects = budget.objects();
    buffers.whole = whole;
    verdict
}

fn options_of(wanted: &ScanOptions) -> Options {
    Options {
        pua: wanted.pua,
        sha256: wanted.sha256,
        all_matches: wanted.all_matches,
    }
}

fn has_changed(before: &FileStat, after: &FileStat) -> bool {
    (before.size_bytes, before.mtime_ns, before.ctime_ns)
        != (after.size_bytes, after.mtime_ns, after.ctime_ns)
}

/// Milliseconds since the worker's first scan.
fn clock_ms() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let elapsed = START.get_or_init(Instant::now).elapsed().as_millis();
    u64::try_from(elapsed).unwrap_or(u64::MAX)
}

/// A scan under way.
pub(crate) struct FileScan<'s, 'p> {
    pack: &'p Pack<'p>,
    pub(crate) scanner: &'s mut Scanner<'p>,
    listings: &'s mut Listings<'p>,
    /// What encrypted members are tried with.
    passwords: &'s [&'p [u8]],
    yara: Option<&'s mut Box<dyn YaraScan>>,
    announce: &'s mut dyn FnMut(&Verdict),
    /// How much of the verdict was announced.
    announced: usize,
    pub(crate) options: Options,
    shows_bytes: bool,
    /// Some rule tells text from what is not, or could match in a normalised view.
    pub(crate) wants_views: bool,
    verdict: Verdict,
    /// The names that lead to the object at hand.
    pub(crate) path: Vec<Vec<u8>>,
    /// The formats that it lies in.
    pub(crate) formats: Vec<&'static str>,
}

impl FileScan<'_, '_> {
    /// Looks at an object and at everything inside it.
    fn object(&mut self, source: &dyn Source, budget: &mut Budget) {
        if let Err(reason) = budget.spend_object() {
            self.note(reason, "there are more objects than the limit allows");
            return;
        }
        let format = match identify(source) {
            Ok(format) => format,
            Err(error) => {
                self.read_error(&error);
                return;
            }
        };
        if self.path.is_empty() {
            self.verdict.kind = format.name.to_string();
        }
        let (facts, troubles) = match format.role {
            Role::Executable(facts) => facts(source),
            _ => (None, Vec::new()),
        };
        let normal = Views::kind(self, source, format.name, budget);
        let groups = match normal {
            Normal::Neither => groups_of(format.name),
            _ => &[],
        };
        let examined = self.examine(source, (groups, facts.as_ref()), budget);
        if examined.allowed {
            return;
        }
        if self.options.all_matches || examined.hits.is_empty() {
            self.certificates(source, facts.as_ref(), budget);
            self.run_yara(source, budget);
        }
        // An executable that is not built as the books say is still wholly looked at, byte by
        // byte; what its parser missed decides only which positions some signatures can name.
        let told = troubles
            .into_iter()
            .filter(|trouble| trouble.reason != Reason::Malformed);
        told.for_each(|trouble| self.trouble(trouble));
        self.formats.push(format.name);
        let mut views = Views {
            scan: self,
            fired: examined.hits.iter().map(|hit| hit.rule).collect(),
        };
        views.object(source, normal, budget);
        self.inside(source, format, facts.as_ref(), budget);
        self.formats.pop();
    }

    /// Looks at an object as it is.
    fn examine(
        &mut self,
        source: &dyn Source,
        (groups, facts): (&[Group], Option<&Facts>),
        budget: &mut Budget,
    ) -> Examined {
        let size_bytes = source.size_bytes();
        let look_bytes = size_bytes.min(budget.bytes_left());
        if budget.spend_bytes(look_bytes).is_err() || look_bytes < size_bytes {
            self.note(
                Reason::LimitBytes,
                "there are more bytes than the limit allows",
            );
        }
        let containers = std::mem::take(&mut self.formats);
        let object = Object {
            source,
            look_bytes,
            facts,
            groups,
            hashing: Hashing::Everything,
            containers: &containers,
        };
        let options = Options {
            sha256: self.options.sha256 && self.path.is_empty(),
            ..self.options
        };
        let examined = self.scanner.examine(&object, options, budget);
        self.formats = containers;
        if self.path.is_empty() {
            self.verdict.sha256 = examined.sha256;
        }
        self.take(source, &examined);
        examined
    }

    /// Goes into a container, or into what lies behind an executable.
    fn inside(
        &mut self,
        source: &dyn Source,
        format: &'static Format,
        facts: Option<&Facts>,
        budget: &mut Budget,
    ) {
        match format.role {
            Role::Container(unpack) if format.leaves_gaps() => {
                self.container_with_gaps(source, (format, unpack), budget);
            }
            Role::Container(unpack) => self.container(source, (format, unpack), budget),
            Role::Unsupported => {
                let text = format!("{} content is not unpacked yet", format.name);
                self.note(Reason::Unsupported, &text);
            }
            Role::Executable(_) => {
                let overlay = facts.and_then(|facts| facts.overlay_offset);
                self.executable(source, (format, overlay), budget);
            }
            Role::Leaf => {
                let nothing = Taken::default();
                self.embedded(source, (source.size_bytes(), &nothing), budget);
            }
        }
    }

    /// Goes one container deeper, and tells what went wrong there.
    pub(crate) fn unpacked(
        &mut self,
        source: &dyn Source,
        budget: &mut Budget,
        unpack: impl FnOnce(&mut dyn Members, &mut Budget) -> Vec<Trouble>,
    ) {
        if let Err(reason) = budget.enter() {
            self.note(reason, "containers are nested deeper than the limit allows");
            return;
        }
        let mut nested = Nested {
            scan: self,
            container: source,
            fired: BTreeSet::new(),
        };
        let troubles = unpack(&mut nested, budget);
        budget.leave();
        troubles
            .into_iter()
            .for_each(|trouble| self.trouble(trouble));
    }

    /// An executable's headers may lie about where it ends, so that an archive behind it seems a
    /// part of it: besides its overlay, what it is to those who read it as an archive counts, and
    /// what archives lie inside it. None is unpacked twice.
    fn executable(
        &mut self,
        source: &dyn Source,
        (format, overlay): (&Format, Option<u64>),
        budget: &mut Budget,
    ) {
        let behind = overlay.map(|start| SubSource::new(source, start, u64::MAX));
        let behind = behind.and_then(|behind| identify(&behind).ok());
        let mut also = identify_beside(source, format).unwrap_or_default();
        // A zip behind it ends where the file does: it is the archive that the file also is.
        if behind.is_some_and(is_zip) {
            also.retain(|format| !is_zip(format));
        }
        let mut taken = Taken::default();
        let mut end = self.also(source, (&also, &mut taken), budget);
        let is_container = behind
            .is_some_and(|format| matches!(format.role, Role::Container(_) | Role::Unsupported));
        if let Some(start) = overlay.filter(|start| is_container && *start < end) {
            self.part(source, b"(overlay)", start..end, budget);
            end = start;
        }
        self.embedded(source, (end, &taken), budget);
    }

    /// Archives that lie before `end` inside what is no container, apart from those in members
    /// that were taken, which are looked at by themselves.
    pub(crate) fn embedded(
        &mut self,
        source: &dyn Source,
        (end, taken): (u64, &Taken),
        budget: &mut Budget,
    ) {
        // What begins with an archive's magic was recognised as that archive.
        let (found, troubles) = unpack::embedded(source, 1..end, budget);
        for archive in found {
            if taken.has(archive.offset) {
                continue;
            }
            let name = format!("(at {})", archive.offset);
            let after = archive.offset.saturating_add(archive.size_bytes);
            if self.part(source, name.as_bytes(), archive.offset..after, budget) == Flow::Stop {
                break;
            }
        }
        troubles
            .into_iter()
            .for_each(|trouble| self.trouble(trouble));
    }

    /// Looks at a part of an object as a member of its own.
    fn part(
        &mut self,
        source: &dyn Source,
        name: &[u8],
        range: Range<u64>,
        budget: &mut Budget,
    ) -> Flow {
        if let Err(reason) = budget.enter() {
            self.note(reason, "containers are nested deeper than the limit allows");
            return Flow::Stop;
        }
        let content = Content::Range {
            offset: range.start,
            size_bytes: range.end.saturating_sub(range.start),
        };
        let mut nested = Nested {
            scan: self,
            container: source,
            fired: BTreeSet::new(),
        };
        let flow = nested.member(Member { name, content }, budget);
        budget.leave();
        flow
    }

    fn trouble(&mut self, trouble: Trouble) {
        let mut member = self.path.clone();
        member.extend(trouble.member.map(|name| short_name(&name)));
        let detail = Detail {
            reason: trouble.reason,
            member,
            text: trouble.text,
        };
        self.verdict.note(detail);
    }

    pub(crate) fn note(&mut self, reason: Reason, text: &str) {
        let detail = Detail {
            reason,
            member: self.path.clone(),
            text: text.to_string(),
        };
        self.verdict.note(detail);
    }

    pub(crate) fn read_error(&mut self, error: &ReadError) {
        match error {
            ReadError::Shrank => {
                self.note(
                    Reason::ChangedWhileRead,
                    "the file became shorter while it was read",
                );
            }
            ReadError::System(words) => self.verdict.read_error = Some(words.clone()),
        }
    }
}

/// Takes the members of one container.
struct Nested<'n, 's, 'p> {
    scan: &'n mut FileScan<'s, 'p>,
    container: &'n dyn Source,
    /// Rules that fired on what the container says of its members.
    fired: BTreeSet<RuleId>,
}

impl Members for Nested<'_, '_, '_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        if let Err(reason) = budget.check_time() {
            self.scan
                .note(reason, "unpacking takes longer than the limit allows");
            return Flow::Stop;
        }
        self.scan.path.push(short_name(member.name));
        match member.content {
            Content::Bytes(bytes) => self.scan.object(&bytes, budget),
            Content::Range { offset, size_bytes } => {
                let part = SubSource::new(self.container, offset, size_bytes);
                self.scan.object(&part, budget);
            }
        }
        self.scan.path.pop();
        let spent = |reason| self.scan.verdict.incomplete.contains(reason);
        let is_over = [
            Reason::LimitObjects,
            Reason::LimitBytes,
            Reason::LimitTime,
            Reason::LimitWork,
        ]
        .into_iter()
        .any(spent);
        if is_over { Flow::Stop } else { Flow::Continue }
    }

    fn listed(&mut self, listed: &Listed<'_>, budget: &mut Budget) {
        let container_bytes = self.container.size_bytes();
        self.scan
            .listed((listed, container_bytes), &mut self.fired, budget);
    }

    fn passwords(&self) -> &[&[u8]] {
        self.scan.passwords
    }
}

fn short_name(name: &[u8]) -> Vec<u8> {
    name.get(..NAME_BYTES_MAX).unwrap_or(name).to_vec()
}
