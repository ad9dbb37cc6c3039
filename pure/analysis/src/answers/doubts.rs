//! Why "no flow seen" may not be said, and how the phases ended.

use std::collections::BTreeMap;

use lab::answers::{PhaseEnd, PhaseEnds};
use lab::bundle::{self, EndState};
use lab::plan::PAIRS_CONCLUSIVE;

use crate::answers::{Record, files};
use crate::run::Run;

/// All of them.
pub(super) fn all(record: &Record) -> Vec<String> {
    let mut doubts = Vec::new();
    doubts.extend(packets_left(record));
    if record.pairs < PAIRS_CONCLUSIVE {
        doubts.push(format!(
            "{} pairs are too few to say anything of what was not seen; {PAIRS_CONCLUSIVE} are needed",
            record.pairs
        ));
    }
    doubts.extend(incomplete(record));
    let missing = [
        record.network_gap(),
        record.trace_gap(),
        sockets_refused(record),
        unopened(record),
    ];
    for doubt in missing.into_iter().flatten() {
        // A run that was not made lacks everything for one reason.
        if !doubts.contains(&doubt) {
            doubts.push(doubt);
        }
    }
    doubts
}

fn packets_left(record: &Record) -> Option<String> {
    let runs = record.runs.iter();
    let left = runs.filter(|run| run.network.first_left.is_some());
    let first = left.clone().next()?;
    Some(format!(
        "packets left the enclosure in {} of {} runs (first in run {}), and no canary was found in them: whether they carry something of the documents is not known",
        left.count(),
        record.runs.len(),
        first.name
    ))
}

fn incomplete(record: &Record) -> Option<String> {
    let incomplete = record.runs.iter().filter(|run| !run.incomplete.is_empty());
    let first = incomplete.clone().next()?;
    let why = first.incomplete.first()?;
    Some(format!(
        "{} runs are not complete; run {}: {why}",
        incomplete.count(),
        first.name
    ))
}

/// What was refused a way out did not leave, and would have elsewhere.
fn sockets_refused(record: &Record) -> Option<String> {
    let runs = record.runs.iter();
    let tried = runs.filter_map(|run| Some((run, files::refused_socket(run)?)));
    let (first, what) = tried.clone().next()?;
    Some(format!(
        "sockets that the enclosure refuses were asked for in {} of {} runs (first in run {}: {what}): what would have left by them is not known",
        tried.count(),
        record.runs.len(),
        first.name
    ))
}

/// A document that nobody opened was not there to be sent.
fn unopened(record: &Record) -> Option<String> {
    let made = record.runs.iter().filter(|run| run.is_made);
    let mut unread = made.filter_map(|run| Some((run, files::unopened(run)?)));
    let (run, unopened) = unread.next()?;
    let all = run.document_names.len();
    let what = if run.trace.is_none() && run.opens.is_none() {
        "no observer was there to see whether the documents were opened".to_owned()
    } else if all == 0 {
        "which documents it had is not known".to_owned()
    } else {
        format!("{unopened} of {all} documents were never opened")
    };
    let ends = run.phases.iter().map(|(_, phase)| {
        let end = words(&phase.end_state);
        format!("{}: {end}", phase.name)
    });
    let ends: Vec<String> = ends.collect();
    let output = printed(run).unwrap_or_default();
    Some(format!(
        "run {}: {what}, so that they were not there to be sent ({}){output}",
        run.name,
        ends.join("; ")
    ))
}

/// Where the cause may stand.
fn printed(run: &Run) -> Option<String> {
    let member = format!("runs/{}/{}", run.name, bundle::OUTPUT);
    run.has_output
        .then(|| format!("; what it printed is in {member}: tar -xOf BUNDLE {member}"))
}

/// How each phase of the plan ended.
pub(super) fn phases(record: &Record) -> Vec<PhaseEnds> {
    let ends = |name: &str| {
        let mut ends: BTreeMap<String, u32> = BTreeMap::new();
        for run in &record.runs {
            let mut phases = run.phases.iter();
            let phase = phases.find(|(_, phase)| phase.name == name);
            let end = match phase {
                Some((_, phase)) => words(&phase.end_state),
                None if run.is_made => "not in the record".to_owned(),
                None => "not made".to_owned(),
            };
            let runs = ends.entry(end).or_default();
            *runs = runs.saturating_add(1);
        }
        ends.into_iter()
            .map(|(end, runs)| PhaseEnd { end, runs })
            .collect()
    };
    let phases = record.plan.phases.iter().map(|phase| phase.name.as_str());
    phases
        .map(|name| PhaseEnds {
            phase: name.to_owned(),
            ends: ends(name),
        })
        .collect()
}

fn words(state: &EndState) -> String {
    match state {
        EndState::Exited(status) => format!("status {status}"),
        EndState::Signalled(signal) => format!("signal {signal}"),
        EndState::Elapsed => "its time went by".to_owned(),
        EndState::TimedOut => "stopped, since its time was over".to_owned(),
        EndState::NotRun(why) => format!("not run: {why}"),
        EndState::Failed(why) => format!("failed: {why}"),
    }
}
