//! Counts what was said, and derives the exit code from nothing else.

use std::collections::BTreeMap;

use proto::{Outcome, Reason};

use super::{Look, Record};
use crate::args::IncompletePolicy;
use crate::walk::Skip;

/// The counts of one scan.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) files: u64,
    pub(crate) clean: u64,
    pub(crate) detected: u64,
    pub(crate) incomplete: u64,
    /// Files by reason; a file may have several, and may be detected as well.
    pub(crate) reasons: BTreeMap<&'static str, u64>,
    pub(crate) errors: u64,
    pub(crate) skipped: BTreeMap<Skip, u64>,
    pub(crate) bytes: u64,
    pub(crate) quarantined: u64,
    pub(crate) not_quarantined: u64,
    /// Why the scan ended before its end.
    pub(crate) trouble: Option<String>,
}

impl Tally {
    pub(super) fn add(&mut self, record: &Record<'_>) {
        let count = match record.outcome() {
            Outcome::Clean => &mut self.clean,
            Outcome::Detected => &mut self.detected,
            Outcome::Incomplete => &mut self.incomplete,
            Outcome::Error => &mut self.errors,
        };
        add(count, 1);
        if let Look::Answered(verdict) = record.look {
            add(&mut self.files, 1);
            add(&mut self.bytes, verdict.size_bytes);
            for reason in verdict.incomplete.iter() {
                add(self.reasons.entry(reason.as_str()).or_default(), 1);
            }
        }
        match record.quarantine {
            Some(Ok(_)) => add(&mut self.quarantined, 1),
            Some(Err(_)) => add(&mut self.not_quarantined, 1),
            None => {}
        }
    }

    pub(super) fn skip(&mut self, skip: Skip) {
        add(self.skipped.entry(skip).or_default(), 1);
    }

    /// How many files are incomplete for this reason.
    pub(crate) fn incomplete_for(&self, reason: Reason) -> u64 {
        self.reasons.get(reason.as_str()).copied().unwrap_or(0)
    }

    /// 1 for a detection, else 2 for anything incomplete or failed, else 0.
    pub(super) fn exit_code(&self, policy: IncompletePolicy) -> u8 {
        let starter_only = self.incomplete_for(Reason::StarterSignaturesOnly) > 0;
        let unlooked = self.incomplete > 0 && (policy == IncompletePolicy::Fail || starter_only);
        if self.detected > 0 {
            1
        } else if self.errors > 0 || self.trouble.is_some() || unlooked {
            2
        } else {
            0
        }
    }
}

/// Stops at the highest number: a worker that was taken over names any size it likes.
fn add(count: &mut u64, more: u64) {
    *count = count.saturating_add(more);
}
