//! Lines for people: `PATH: NAME FOUND`, `PATH: incomplete: …`, `PATH: error: …`, then a summary.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::path::Path;

use proto::{Finding, Outcome, Reason, Verdict};

use super::{Detail, End, Look, Named, PackFacts, Record, Tally};
use crate::args::{ColorChoice, OutputArguments};
use crate::escape::{escaped_path, hex, member_path, visible};
use crate::packs::{self, Origin};
use crate::quantity::{counted, grouped, rounded_size};
use crate::quarantine::Moved;
use crate::walk::Skip;

const PENDING_ROWS_MAX: usize = 5;
const DIGEST_DIGITS: usize = 12;

/// How lines look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Human {
    pub(super) detail: Detail,
    pub(super) paint: Paint,
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    Plain,
    Colours,
}

#[derive(Clone, Copy)]
enum Colour {
    Red,
    Yellow,
    Green,
}

impl Paint {
    fn new(choice: ColorChoice) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match choice {
            ColorChoice::Always => Self::Colours,
            ColorChoice::Auto if io::stdout().is_terminal() && !refused => Self::Colours,
            ColorChoice::Auto | ColorChoice::Never => Self::Plain,
        }
    }

    fn word(self, colour: Colour, word: &str) -> String {
        let code = match colour {
            Colour::Red => "1;31",
            Colour::Yellow => "33",
            Colour::Green => "32",
        };
        match self {
            Self::Plain => word.to_owned(),
            Self::Colours => format!("\x1b[{code}m{word}\x1b[0m"),
        }
    }
}

impl Human {
    pub(super) fn new(arguments: &OutputArguments) -> Self {
        let detail = match (arguments.quiet, arguments.verbose) {
            (true, _) => Detail::Quiet,
            (_, true) => Detail::Verbose,
            _ => Detail::Normal,
        };
        Self {
            detail,
            paint: Paint::new(arguments.color),
        }
    }

    pub(super) fn record(&self, record: &Record<'_>) -> String {
        let path = escaped_path(record.path);
        let mut text = String::new();
        match record.look {
            Look::Failed(why) => self.error(&mut text, &path, why),
            Look::Answered(verdict) => {
                self.verdict(&mut text, &path, verdict);
            }
        }
        match record.quarantine {
            Some(Ok(moved)) => self.moved(&mut text, &path, moved),
            Some(Err(why)) => self.error(&mut text, &path, &format!("not quarantined: {why}")),
            None => {}
        }
        text
    }

    pub(super) fn skipped(&self, path: &Path, skip: Skip, was_named: Named) -> String {
        let is_worth_it = was_named == Named::ByUser || self.detail == Detail::Verbose;
        if !is_worth_it || self.detail == Detail::Quiet {
            return String::new();
        }
        format!("{}: skipped: {}\n", escaped_path(path), skip.words().0)
    }

    pub(super) fn summary(&self, tally: &Tally, pack: &PackFacts, end: End) -> String {
        if self.detail == Detail::Quiet {
            return String::new();
        }
        let mut text = String::from("\n");
        self.counts(&mut text, tally);
        skips(&mut text, tally);
        line(
            &mut text,
            "Looked at",
            &format!(
                "{} in {}.{:03} s",
                rounded_size(tally.bytes),
                end.elapsed_ms / 1000,
                end.elapsed_ms % 1000
            ),
        );
        self.pack(&mut text, pack);
        if pack.origin.is_starter() {
            text.push('\n');
            text.push_str(&self.paint.word(Colour::Yellow, STARTER_WARNING));
            text.push('\n');
        }
        text
    }

    /// What even a quiet run must say.
    pub(super) fn quiet_warning(&self, pack: &PackFacts) -> Option<&'static str> {
        let is_due = self.detail == Detail::Quiet && pack.origin == Origin::Starter;
        is_due.then_some(
            "candor: only the starter signatures are here; nobody may take this run for a clean bill",
        )
    }

    fn verdict(&self, text: &mut String, path: &str, verdict: &Verdict) {
        for finding in &verdict.findings {
            let word = self.paint.word(Colour::Red, "FOUND");
            put(
                text,
                format_args!("{path}: {} {word}\n", visible(&finding.name)),
            );
            self.about(text, finding);
        }
        if verdict.findings_omitted > 0 {
            let more = counted(verdict.findings_omitted, "finding", "findings");
            put(text, format_args!("    and {more} more\n"));
        }
        if let Some(why) = &verdict.read_error {
            self.error(text, path, why);
        }
        if self.shows_incomplete(verdict) {
            let word = self.paint.word(Colour::Yellow, "incomplete");
            put(text, format_args!("{path}: {word}: {}\n", reasons(verdict)));
        }
        if self.detail != Detail::Verbose {
            return;
        }
        if verdict.outcome() == Outcome::Clean {
            let word = self.paint.word(Colour::Green, "clean");
            put(text, format_args!("{path}: {word}\n"));
        }
        put(
            text,
            format_args!(
                "    {}, {}, {}, {} ms\n",
                if verdict.kind.is_empty() {
                    "unknown type".into()
                } else {
                    visible(&verdict.kind)
                },
                counted(verdict.size_bytes, "byte", "bytes"),
                counted(verdict.objects, "object", "objects"),
                verdict.elapsed_us / 1000
            ),
        );
        if let Some(sha256) = &verdict.sha256 {
            put(text, format_args!("    sha256 {}\n", hex(sha256)));
        }
    }

    /// Where in the file, and by which rule.
    fn about(&self, text: &mut String, finding: &Finding) {
        if !finding.member.is_empty() && self.detail != Detail::Quiet {
            put(
                text,
                format_args!("    in {}\n", member_path(&finding.member)),
            );
        }
        let shows_bytes = !finding.match_bytes.is_empty();
        if self.detail != Detail::Verbose && !shows_bytes {
            return;
        }
        let rule = &finding.rule;
        put(
            text,
            format_args!(
                "    by {}:{} ({}), sha256 {}\n",
                visible(&rule.source),
                rule.line,
                visible(&rule.kind),
                hex(&rule.sha256)
            ),
        );
        for (index, found) in finding.matches.iter().enumerate() {
            let length = counted(found.length, "byte", "bytes");
            put(text, format_args!("    at {}, {length}", found.offset));
            if let Some(bytes) = finding.match_bytes.get(index) {
                put(text, format_args!(": {}", hex(bytes)));
            }
            put(text, format_args!("\n"));
        }
    }

    /// One line for each file would drown the rest where only the starter pack is there.
    fn shows_incomplete(&self, verdict: &Verdict) -> bool {
        let is_more_than_starter = verdict
            .incomplete
            .iter()
            .any(|reason| reason != Reason::StarterSignaturesOnly);
        is_more_than_starter || (self.detail == Detail::Verbose && !verdict.incomplete.is_empty())
    }

    fn error(&self, text: &mut String, path: &str, why: &str) {
        let word = self.paint.word(Colour::Yellow, "error");
        put(text, format_args!("{path}: {word}: {}\n", visible(why)));
    }

    fn moved(&self, text: &mut String, path: &str, moved: &Moved) {
        put(text, format_args!("{path}: quarantined as {}\n", moved.id));
        if moved.other_links > 0 {
            let names = counted(moved.other_links, "other name", "other names");
            let why = format!("{names} (hard links) of the same file remain where they are");
            self.error(text, path, &why);
        }
    }

    fn counts(&self, text: &mut String, tally: &Tally) {
        line(text, "Scanned", &counted(tally.files, "file", "files"));
        let detected = grouped(tally.detected);
        let detected = match tally.detected {
            0 => detected,
            _ => self.paint.word(Colour::Red, &detected),
        };
        line(text, "Detected", &detected);
        if tally.quarantined > 0 {
            line(
                text,
                "Quarantined",
                &counted(tally.quarantined, "file", "files"),
            );
        }
        if tally.not_quarantined > 0 {
            line(
                text,
                "Not quarantined",
                &counted(tally.not_quarantined, "file", "files"),
            );
        }
        line(text, "Incomplete", &grouped(tally.incomplete));
        for (reason, count) in &tally.reasons {
            put(text, format_args!("  {reason}: {}\n", grouped(*count)));
        }
        line(text, "Errors", &grouped(tally.errors));
        if let Some(trouble) = &tally.trouble {
            line(text, "Ended early", &visible(trouble));
        }
    }

    fn pack(&self, text: &mut String, pack: &PackFacts) {
        let digest = hex(&pack.sha256);
        let short = digest.get(..DIGEST_DIGITS).unwrap_or(&digest);
        let shown = if self.detail == Detail::Verbose {
            &digest
        } else {
            short
        };
        line(
            text,
            "Signatures",
            &format!(
                "{} from {} (pack {shown})",
                grouped(pack.summary.signatures),
                pack.origin
            ),
        );
        for found in packs::unverified(&pack.summary) {
            let shown = self.paint.word(Colour::Red, &found.to_string());
            line(text, "Not verified", &shown);
        }
        self.pending(text, pack);
        if pack.summary.dropped > 0 {
            line(
                text,
                "Dropped",
                &format!(
                    "{}; `candor rules show --dropped` lists them",
                    counted(pack.summary.dropped, "line", "lines")
                ),
            );
        }
        if !pack.ignored.is_empty() {
            let shown = match self.detail {
                Detail::Verbose => pack.ignored.join(", "),
                _ => counted(
                    pack.ignored.len() as u64,
                    "file of no known kind",
                    "files of no known kind",
                ),
            };
            line(text, "Ignored", &shown);
        }
        if self.detail == Detail::Verbose {
            pack.notes.iter().for_each(|note| line(text, "Note", note));
        }
    }

    fn pending(&self, text: &mut String, pack: &PackFacts) {
        let mut rows: Vec<_> = pack.summary.pending.iter().collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.count));
        let shown = match self.detail {
            Detail::Verbose => rows.len(),
            _ => rows.len().min(PENDING_ROWS_MAX),
        };
        for row in rows.iter().take(shown) {
            put(
                text,
                format_args!(
                    "  not yet compiled: {} of {} ({})\n",
                    counted(row.count, "line", "lines"),
                    visible(&row.source),
                    visible(&row.why)
                ),
            );
        }
        let rest = rows.iter().skip(shown).map(|row| row.count);
        let rest = rest.fold(0, u64::saturating_add);
        if rest > 0 {
            put(
                text,
                format_args!(
                    "  not yet compiled: {} of other files\n",
                    counted(rest, "line", "lines")
                ),
            );
        }
    }
}

const STARTER_WARNING: &str = "\
Only the starter signatures were there to look with. They are not protection: no file is called
clean by them. Get signatures, then scan again:
  apt-get install clamav-freshclam     (or your system's freshclam), or
  candor scan --db DIRECTORY PATH      with signatures that you have";

fn skips(text: &mut String, tally: &Tally) {
    let parts: Vec<_> = tally
        .skipped
        .iter()
        .map(|(skip, count)| {
            let (one, many) = skip.words();
            counted(*count, one, many)
        })
        .collect();
    if !parts.is_empty() {
        line(text, "Skipped", &parts.join(", "));
    }
}

/// Each reason once, with the first thing that it stands for.
fn reasons(verdict: &Verdict) -> String {
    let parts: Vec<_> = verdict
        .incomplete
        .iter()
        .map(|reason| {
            let mut details = verdict
                .details
                .iter()
                .filter(|detail| detail.reason == reason);
            let Some(first) = details.next() else {
                return reason.as_str().to_owned();
            };
            let mut about = visible(&first.text);
            if !first.member.is_empty() {
                about = format!("{}: {about}", member_path(&first.member));
            }
            match details.count() {
                0 => format!("{} ({about})", reason.as_str()),
                more => format!("{} ({about}; and {more} more)", reason.as_str()),
            }
        })
        .collect();
    parts.join(", ")
}

fn line(text: &mut String, name: &str, value: &str) {
    put(text, format_args!("{name}: {value}\n"));
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(arguments);
}
