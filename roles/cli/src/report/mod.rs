//! What is said of a scan: one record for each file, then the summary. Human or JSON; both from
//! the same records and the same tally, so that they can't disagree. Numbers from a worker can be
//! anything at all, so no sum of them may overflow.

mod human;
mod json;
mod progress;
mod tally;

use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use proto::{Outcome, PackSummary, Verdict};

use crate::args::{IncompletePolicy, OutputArguments};
use crate::digest::Sha256Bytes;
use crate::packs::Origin;
use crate::quarantine::Moved;
use crate::walk::Skip;

use human::Human;
use progress::Progress;
pub(crate) use tally::Tally;

/// What is said of one file.
pub(crate) struct Record<'a> {
    pub(crate) path: &'a Path,
    pub(crate) look: Look<'a>,
    /// What came of its quarantine, where one was wanted.
    pub(crate) quarantine: Option<&'a Result<Moved, String>>,
}

/// What came of looking at it.
#[derive(Clone, Copy)]
pub(crate) enum Look<'a> {
    /// A worker's verdict.
    Answered(&'a Verdict),
    /// It could not be opened, and why.
    Failed(&'a str),
}

impl Record<'_> {
    pub(crate) fn outcome(&self) -> Outcome {
        match self.look {
            Look::Answered(verdict) => verdict.outcome(),
            Look::Failed(_) => Outcome::Error,
        }
    }
}

/// The pack, as far as it is reported.
#[derive(Debug)]
pub(crate) struct PackFacts {
    pub(crate) sha256: Sha256Bytes,
    pub(crate) origin: Origin,
    pub(crate) summary: PackSummary,
    /// Files beside the signatures that are of no known kind.
    pub(crate) ignored: Vec<String>,
    /// What is worth saying, in detail.
    pub(crate) notes: Vec<String>,
}

/// How much a person wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    Quiet,
    Normal,
    Verbose,
}

/// How long it took, and what it means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) elapsed_ms: u64,
    pub(crate) exit_code: u8,
}

/// Takes records from both threads of a scan, in turn.
pub(crate) struct Reporter {
    tally: Tally,
    pack: PackFacts,
    format: Format,
    policy: IncompletePolicy,
    output: Box<dyn Write + Send>,
    progress: Progress,
    started: Instant,
}

enum Format {
    Human(Human),
    Json,
}

impl Reporter {
    pub(crate) fn new(
        arguments: &OutputArguments,
        policy: IncompletePolicy,
        pack: PackFacts,
    ) -> Self {
        let format = if arguments.json {
            Format::Json
        } else {
            Format::Human(Human::new(arguments))
        };
        let wants_progress = !(arguments.no_progress || arguments.quiet);
        Self {
            tally: Tally::default(),
            pack,
            format,
            policy,
            output: Box::new(io::stdout()),
            progress: Progress::new(wants_progress),
            started: Instant::now(),
        }
    }

    /// Reports one file.
    pub(crate) fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.tally.add(record);
        let text = match &self.format {
            Format::Human(human) => human.record(record),
            Format::Json => json::record(record, &self.pack),
        };
        self.write(&text)?;
        self.progress.show(&self.tally);
        Ok(())
    }

    /// Counts what was not looked at.
    pub(crate) fn skipped(&mut self, path: &Path, skip: Skip, was_named: Named) -> io::Result<()> {
        self.tally.skip(skip);
        match &self.format {
            Format::Human(human) => {
                let text = human.skipped(path, skip, was_named);
                self.write(&text)
            }
            Format::Json => Ok(()),
        }
    }

    /// The exit code as things stand.
    pub(crate) fn exit_code(&self) -> u8 {
        self.tally.exit_code(self.policy)
    }

    /// Reports the summary, and what ended the scan early; answers the exit code.
    pub(crate) fn finish(&mut self, trouble: Option<String>) -> io::Result<u8> {
        self.tally.trouble = trouble;
        let end = End {
            elapsed_ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            exit_code: self.exit_code(),
        };
        let text = match &self.format {
            Format::Human(human) => human.summary(&self.tally, &self.pack, end),
            Format::Json => json::summary(&self.tally, &self.pack, end),
        };
        self.write(&text)?;
        if let Format::Human(human) = &self.format
            && let Some(warning) = human.quiet_warning(&self.pack)
        {
            // Standard output stays empty for scripts; a closed standard error changes nothing.
            let _ = writeln!(io::stderr(), "{warning}");
        }
        Ok(end.exit_code)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        self.progress.clear();
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }
}

/// Whether the user named a path, or the walk met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    ByUser,
    ByWalk,
}

impl Skip {
    /// One of it, in the summary's words.
    pub(crate) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Device => ("device", "devices"),
            Self::Socket => ("socket", "sockets"),
            Self::Pipe => ("named pipe", "named pipes"),
            Self::Link => ("symbolic link", "symbolic links"),
            Self::Loop => ("link to a directory above", "links to directories above"),
            Self::Repeat => (
                "directory looked at under another name",
                "directories looked at under other names",
            ),
            Self::KernelFilesystem => ("kernel file system", "kernel file systems"),
            Self::NetworkMount => ("network mount", "network mounts"),
            Self::OtherFilesystem => ("other file system", "other file systems"),
            Self::Excluded => ("excluded by pattern", "excluded by pattern"),
            Self::OwnDirectory => ("directory of candor's own", "directories of candor's own"),
        }
    }

    /// Its word for machines.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::Link => "symbolic-link",
            Self::Loop => "link-loop",
            Self::Repeat => "repeated-directory",
            Self::KernelFilesystem => "kernel-filesystem",
            Self::NetworkMount => "network-mount",
            Self::OtherFilesystem => "other-filesystem",
            Self::Excluded => "excluded",
            Self::OwnDirectory => "own-directory",
        }
    }
}

#[cfg(test)]
mod tests;
