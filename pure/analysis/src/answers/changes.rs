//! What a product wrote, and what its updates did.

use std::collections::{BTreeMap, BTreeSet};

use lab::Escaped;
use lab::answers::{Answer, CanBeChanged, Place, UpdateOutcome, UpdateTried, Written};
use lab::bundle::{self, ChangeKind, EndState};
use lab::plan::PhaseName;
use lab::trace::{Event, FileId};

use crate::answers::files::{TEMPORARY, TEMPORARY_KEPT};
use crate::answers::{Record, point, pointer, unless};
use crate::run::Run;

const FILES_MAX: usize = 50;
/// Where files come and go without anything having changed.
const PASSING: &[&[u8]] = &[
    b"/var/log/",
    TEMPORARY,
    TEMPORARY_KEPT,
    b"/run/",
    b"/dev/",
    b"/proc/",
    b"/sys/",
];
const UPDATES: [PhaseName; 6] = [
    PhaseName::Update,
    PhaseName::UpdateTampered,
    PhaseName::UpdateReplayed,
    PhaseName::UpdateRolledBack,
    PhaseName::UpdateDowngraded,
    PhaseName::VendorCommand,
];

/// Differences of the file system.
pub(super) fn written(record: &Record) -> Answer<Vec<Written>> {
    let mut all: BTreeMap<Escaped, Written> = BTreeMap::new();
    for run in &record.runs {
        for (line, change) in &run.changes {
            let entry = all.entry(change.path.clone()).or_insert_with(|| Written {
                path: change.path.clone(),
                kind: kind(change.kind).to_owned(),
                runs: 0,
                size_bytes: 0,
                pointers: Vec::new(),
            });
            entry.runs = entry.runs.saturating_add(1);
            entry.size_bytes = entry.size_bytes.max(change.size_bytes);
            point(
                &mut entry.pointers,
                pointer(run, bundle::CHANGES, Place::Line(*line)),
            );
        }
    }
    let gap = record.runs.iter().find_map(|run| {
        let gap = run.incomplete.iter().find(|gap| gap.contains("changes"))?;
        Some(format!("run {}: {gap}", run.name))
    });
    unless(gap, all.into_values().collect(), Vec::new())
}

fn kind(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed => "changed",
        ChangeKind::Deleted => "deleted",
    }
}

/// What came of the updates.
pub(super) fn can_be_changed(record: &Record) -> CanBeChanged {
    let updates: Vec<UpdateTried> = UPDATES
        .iter()
        .map(|phase| UpdateTried {
            phase: phase.as_str().to_owned(),
            outcome: tried(record, phase.as_str()),
        })
        .collect();
    let changed = |update: &UpdateTried| {
        update
            .outcome
            .as_value()
            .is_some_and(|one| one.changed_something)
    };
    let consequence = match updates.iter().any(changed) {
        true => {
            "What an update brings decides what the product does afterwards, at the privilege that it has. No observation lowers that; containment does."
        }
        false => "No update that was tried changed a file. Whether another would is not known.",
    };
    CanBeChanged {
        new_code_ran: new_code_ran(record),
        consequence: consequence.to_owned(),
        updates,
    }
}

/// The outcome in the first run that has one: updates do not depend on secrets.
fn tried(record: &Record, phase: &str) -> Answer<UpdateOutcome> {
    let found = record.runs.iter().find_map(|run| {
        let mut phases = run.phases.iter();
        let (line, found) = phases.find(|(_, found)| found.name == phase)?;
        Some((run, *line, found))
    });
    let Some((run, line, found)) = found else {
        return Answer::unknown("the plan did not try it");
    };
    let command = match &found.end_state {
        EndState::NotRun(why) | EndState::Failed(why) => return Answer::unknown(why.clone()),
        EndState::Exited(status) => format!("its command ended with status {status}"),
        EndState::Signalled(signal) => format!("its command was ended by signal {signal}"),
        EndState::Elapsed => "its time elapsed".to_owned(),
        EndState::TimedOut => "its command did not end in its time".to_owned(),
    };
    if let Some(gap) = run.trace_gaps.first() {
        return Answer::unknown(format!("run {}: {gap}", run.name));
    }
    let files = written_between(run, found.start, found.end);
    let lasting = |path: &&Vec<u8>| !PASSING.iter().any(|passing| path.starts_with(passing));
    let outcome = UpdateOutcome {
        command,
        changed_something: files.iter().any(|path| lasting(&path)),
        files: u64::try_from(files.len()).unwrap_or(u64::MAX),
        files_written: files
            .iter()
            .take(FILES_MAX)
            .map(|path| Escaped::new(path))
            .collect(),
    };
    Answer::value(
        outcome,
        vec![pointer(run, bundle::PHASES, Place::Line(line))],
    )
}

fn written_between(run: &Run, start: u64, end: u64) -> BTreeSet<Vec<u8>> {
    let paths = run.paths();
    let events = run.trace.iter().flatten();
    let files = events.filter_map(|(_, event)| match event {
        Event::Write(write) if write.last >= start && write.first <= end => {
            paths.get(&write.file).cloned()
        }
        _ => None,
    });
    files.collect()
}

/// Whether a file that was written in an update was run as a program afterwards.
fn new_code_ran(record: &Record) -> Answer<bool> {
    let mut pointers = Vec::new();
    let mut was_tried = false;
    for run in &record.runs {
        let updates: Vec<(u64, u64)> = run
            .phases
            .iter()
            .filter(|(_, phase)| UPDATES.iter().any(|update| update.as_str() == phase.name))
            .filter(|(_, phase)| matches!(phase.end_state, EndState::Exited(_)))
            .map(|(_, phase)| (phase.start, phase.end))
            .collect();
        was_tried |= !updates.is_empty();
        let events = || run.trace.iter().flatten();
        let written: BTreeMap<&FileId, u64> = events()
            .filter_map(|(_, event)| match event {
                Event::Write(write)
                    if updates
                        .iter()
                        .any(|(start, end)| write.last >= *start && write.first <= *end) =>
                {
                    Some((&write.file, write.first))
                }
                _ => None,
            })
            .collect();
        for (line, event) in events() {
            let Event::Exec {
                file: Some(file),
                at,
                ..
            } = event
            else {
                continue;
            };
            if written.get(file).is_some_and(|first| at >= first) {
                point(
                    &mut pointers,
                    pointer(run, bundle::TRACE, Place::Line(*line)),
                );
            }
        }
    }
    if !was_tried {
        return Answer::unknown("no update was run");
    }
    let ran = !pointers.is_empty();
    unless(record.trace_gap().filter(|_| !ran), ran, pointers)
}
