//! Two observers that know nothing of each other, and nothing of the product's goodwill: programs
//! at the kernel's tracepoints, and fanotify on the enclosure's mounts.
//!
//! They change nothing and hold nobody up. What one of them could not tell is counted, so that
//! answers that need it are unknown; an observer that this kernel does not offer is missing with
//! its reason, and the other one works without it.

mod calls;
mod layout;
mod opens;
mod output;
mod places;
mod tracepoints;

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Instant;

use lab::trace::Observer;

use layout::Clock;
use opens::Opens;
use output::Output;
pub use places::{Place, places_of};
use tracepoints::{Running, Tracepoints};

/// The observers, loaded into the kernel once and used for one run after the other.
#[derive(Debug)]
pub struct Observers {
    tracepoints: Result<Tracepoints, String>,
}

/// What is watched in one run.
#[derive(Debug)]
pub struct Watched<'a> {
    /// The control group whose processes, and those of the groups below it, are watched.
    pub group: &'a Path,
    /// Where files are watched; nobody else may use these mounts and file systems.
    pub places: &'a [Place],
    /// When the run started: all times count from here.
    pub started: Instant,
}

/// Where the records go.
#[derive(Debug)]
pub struct Records {
    /// What the tracepoints tell: `trace.jsonl`.
    pub trace: File,
    /// What fanotify tells: `opens.jsonl`.
    pub opens: File,
}

/// An observer that does not work, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which.
    pub observer: Observer,
    /// Why.
    pub reason: String,
}

/// How a run was watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Who watched.
    pub active: Vec<Observer>,
    /// Who did not.
    pub missing: Vec<Missing>,
    /// Who could not tell everything, and how much, at least; in the records too.
    pub lost: Vec<(Observer, u64)>,
}

/// A run that is being watched. Dropped, it is watched no longer and its last records are lost.
#[derive(Debug)]
pub struct Watch<'a> {
    tracepoints: Option<Running<'a>>,
    opens: Option<Opens>,
    missing: Vec<Missing>,
}

impl Observers {
    /// Loads them; takes about a tenth of a second.
    #[must_use]
    pub fn load() -> Self {
        Self {
            tracepoints: Tracepoints::load(),
        }
    }

    /// Watches from here on, before the first process of the group runs.
    ///
    /// # Errors
    /// Where the group or a file can't be looked at. An observer that does not work is no error.
    pub fn start(&mut self, watched: &Watched<'_>, records: Records) -> io::Result<Watch<'_>> {
        let clock = Clock::of(watched.started);
        let mut missing = Vec::new();
        let mut note = |observer, reason| missing.push(Missing { observer, reason });
        let opens = match Opens::start(watched, Output::new(records.opens), clock) {
            Ok(opens) => Some(opens),
            Err(reason) => {
                note(Observer::Fanotify, reason);
                None
            }
        };
        let trace = Output::new(records.trace);
        let tracepoints = match &mut self.tracepoints {
            Ok(loaded) => Some(loaded.start(group_number(watched.group)?, trace, clock)?),
            Err(reason) => {
                note(Observer::Tracepoints, reason.clone());
                None
            }
        };
        note(
            Observer::TlsLibraries,
            "nothing is attached to TLS libraries in this version".to_owned(),
        );
        Ok(Watch {
            tracepoints,
            opens,
            missing,
        })
    }
}

impl Watch<'_> {
    /// Takes what is still under way, writes the sums, and ends. Everything in the group should
    /// have ended by now.
    ///
    /// # Errors
    /// Where the records could not be written.
    pub fn stop(self) -> io::Result<Summary> {
        let mut summary = Summary {
            missing: self.missing,
            ..Summary::default()
        };
        let mut add = |observer, lost| {
            summary.active.push(observer);
            if lost > 0 {
                summary.lost.push((observer, lost));
            }
        };
        if let Some(tracepoints) = self.tracepoints {
            add(Observer::Tracepoints, tracepoints.stop()?);
        }
        if let Some(opens) = self.opens {
            add(Observer::Fanotify, opens.stop()?);
        }
        Ok(summary)
    }
}

/// A control group's number, which is that of its folder.
fn group_number(group: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(group)?.ino())
}
