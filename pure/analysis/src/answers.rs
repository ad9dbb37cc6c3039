//! The answers about a bundle, from nothing but its bytes.

mod changes;
mod doubts;
mod files;
mod network;

use std::collections::{BTreeMap, BTreeSet};

use lab::answers::{
    Answer, Answers, CanaryHit, Collects, CouldCollect, FORMAT, Gap, Outcome, POINTERS_MAX, Place,
    Pointer, Verdict,
};
use lab::bundle::{self, Detector, EndState, Environment, RunCanaries};
use lab::{Plan, Product};

use crate::bundle::{Bundle, Refused};
use crate::run::{self, Run};

/// What looked for leaks; the version changes whenever the search, or what is said
/// of it, may come out otherwise.
const SEARCH_VERSION: &str = "2";
/// Findings that are listed.
const HITS_MAX: usize = 1000;

/// The detectors that these answers come from.
#[must_use]
pub fn detectors() -> Vec<Detector> {
    vec![Detector {
        name: "canary search".to_owned(),
        version: SEARCH_VERSION.to_owned(),
    }]
}

/// Answers about a bundle.
///
/// # Errors
/// What in it can't be read.
pub fn answer(bundle: &Bundle<'_>) -> Result<Answers, Refused> {
    let record = Record::read(bundle)?;
    let canaries = canary_hits(&record);
    let outcome = outcome(&record, &canaries);
    let all_gaps = gaps(&record);
    let declared = network::declared(&record);
    let answers = Answers {
        format: FORMAT,
        outcome,
        product: record.product.name.clone(),
        version: record.environment.product_version.clone(),
        plan: record.plan.name.clone(),
        pairs: record.pairs,
        complete_runs: count(record.runs.iter().filter(|run| run.incomplete.is_empty())),
        triggers: triggers(&record),
        phases: doubts::phases(&record),
        detectors: detectors(),
        limits: limits(),
        collects: Collects {
            canaries,
            endpoints: network::endpoints(&record),
            identifiers: network::identifiers(&record),
            files_read: files::read(&record),
            written: changes::written(&record),
            executed: files::executed(&record),
            privileges: files::privileges(&record),
        },
        could_collect: could_collect(&record),
        can_be_changed: changes::can_be_changed(&record),
        controls: network::controls(&record),
        declared,
        observers: files::agreement(&record),
        gaps: all_gaps,
    };
    check_told(bundle, &answers)?;
    Ok(answers)
}

/// Answers that stand in the bundle must be those that its record gives, where the same detectors
/// looked.
fn check_told(bundle: &Bundle<'_>, answers: &Answers) -> Result<(), Refused> {
    let Some(told) = bundle.member(bundle::ANSWERS) else {
        return Ok(());
    };
    let told: Answers = serde_json::from_slice(told)
        .map_err(|error| Refused(format!("{}: {error}", bundle::ANSWERS)))?;
    let is_same_detector = told.detectors == answers.detectors;
    if is_same_detector && told != *answers {
        return Err(Refused(
            "the answers in it are not those that its record gives".to_owned(),
        ));
    }
    if is_same_detector && bundle.manifest().exit != answers.outcome.exit {
        return Err(Refused(
            "the outcome in its manifest is not that of its record".to_owned(),
        ));
    }
    Ok(())
}

/// What the bundle holds.
struct Record {
    plan: Plan,
    product: Product,
    environment: Environment,
    pairs: u32,
    runs: Vec<Run>,
}

impl Record {
    fn read(bundle: &Bundle<'_>) -> Result<Self, Refused> {
        let text = |name: &str| {
            let bytes = bundle.member(name);
            let bytes = bytes.ok_or_else(|| Refused(format!("{name} is missing")))?;
            std::str::from_utf8(bytes).map_err(|_| Refused(format!("{name} is not text")))
        };
        let bad = |name: &str, error: serde_json::Error| Refused(format!("{name}: {error}"));
        let plan = Plan::parse(bundle::PLAN, text(bundle::PLAN)?);
        let plan = plan.map_err(|mistake| Refused(mistake.to_string()))?;
        let product = Product::parse(bundle::PRODUCT, text(bundle::PRODUCT)?);
        let environment = serde_json::from_str(text(bundle::ENVIRONMENT)?);
        let canaries: Vec<RunCanaries> = serde_json::from_str(text(bundle::CANARIES)?)
            .map_err(|error| bad(bundle::CANARIES, error))?;
        let canaries: BTreeMap<&str, &RunCanaries> =
            canaries.iter().map(|one| (one.run.as_str(), one)).collect();
        let runs = run::read_all(bundle, &plan, &canaries);
        Ok(Self {
            runs,
            pairs: plan.pairs,
            product: product.map_err(|mistake| Refused(mistake.to_string()))?,
            environment: environment.map_err(|error| bad(bundle::ENVIRONMENT, error))?,
            plan,
        })
    }

    /// The first reason why what the kernel saw is not known in full.
    fn trace_gap(&self) -> Option<String> {
        let mut runs = self.runs.iter();
        runs.find_map(|run| {
            run.trace_gaps
                .first()
                .map(|gap| format!("run {}: {gap}", run.name))
        })
    }

    /// The same for the network.
    fn network_gap(&self) -> Option<String> {
        let mut runs = self.runs.iter();
        runs.find_map(|run| {
            run.network_gaps
                .first()
                .map(|gap| format!("run {}: {gap}", run.name))
        })
    }
}

/// An answer that holds only where nothing that it depends on is missing.
fn unless<T>(gap: Option<String>, value: T, pointers: Vec<Pointer>) -> Answer<T> {
    match gap {
        Some(gap) => Answer::unknown(gap),
        None => Answer::value(value, pointers),
    }
}

fn pointer(run: &Run, member: &str, place: Place) -> Pointer {
    Pointer {
        member: format!("runs/{}/{member}", run.name),
        place,
    }
}

/// Adds a pointer where there is room.
fn point(pointers: &mut Vec<Pointer>, new: Pointer) {
    if pointers.len() < POINTERS_MAX {
        pointers.push(new);
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Canaries that were found stand whatever else is missing; that there were none does not.
fn canary_hits(record: &Record) -> Answer<Vec<CanaryHit>> {
    type Same = (String, Vec<String>, String, Option<String>, String);
    let mut hits: BTreeMap<Same, CanaryHit> = BTreeMap::new();
    let mut last_run: BTreeMap<Same, String> = BTreeMap::new();
    for run in &record.runs {
        let names = network::names(run);
        for hit in &run.hits {
            let phase = hit.at.and_then(|at| run.phase_at(at));
            let name = network::name_of(&names, &hit.remote);
            let place = name.clone().unwrap_or_else(|| hit.remote.clone());
            let kind = hit
                .document
                .split('-')
                .next()
                .unwrap_or_default()
                .to_owned();
            let same = (
                format!("{kind} {}", hit.part),
                hit.encodings.clone(),
                hit.carrier.clone(),
                phase.clone(),
                place,
            );
            let entry = hits.entry(same.clone()).or_insert_with(|| CanaryHit {
                document: hit.document.clone(),
                part: hit.part.clone(),
                encodings: hit.encodings.clone(),
                carrier: hit.carrier.clone(),
                remote: hit.remote.clone(),
                name,
                phase,
                runs: 0,
                count: 0,
                pointers: Vec::new(),
            });
            entry.count = entry.count.saturating_add(hit.count);
            if last_run.insert(same, run.name.clone()).as_ref() != Some(&run.name) {
                entry.runs = entry.runs.saturating_add(1);
            }
            let new = Pointer {
                member: hit.member.clone(),
                place: hit.place,
            };
            point(&mut entry.pointers, new);
        }
    }
    let hits: Vec<CanaryHit> = hits.into_values().take(HITS_MAX).collect();
    let gap = record.network_gap().filter(|_| hits.is_empty());
    unless(gap, hits, Vec::new())
}

fn outcome(record: &Record, canaries: &Answer<Vec<CanaryHit>>) -> Outcome {
    let found = canaries.as_value().map(Vec::as_slice).unwrap_or_default();
    let (verdict, reasons) = if found.is_empty() {
        let reasons = doubts::all(record);
        match reasons.is_empty() {
            true => (Verdict::NoFlowSeen, vec![no_flow(record)]),
            false => (Verdict::NotConclusive, reasons),
        }
    } else {
        let reasons = found.iter().take(5).map(found_words).collect();
        (Verdict::CanaryFound, reasons)
    };
    Outcome {
        exit: verdict.exit(),
        verdict,
        reasons,
    }
}

fn found_words(hit: &CanaryHit) -> String {
    let chain = match hit.encodings.is_empty() {
        true => "plain".to_owned(),
        false => format!("as {}", hit.encodings.join(" of ")),
    };
    let phase = hit
        .phase
        .as_deref()
        .map_or(String::new(), |phase| format!(" in the phase {phase}"));
    let whom = hit.name.as_deref().unwrap_or(&hit.remote);
    format!(
        "{} of {} was found {chain} in a {} with {whom}{phase}, in {} runs",
        hit.part, hit.document, hit.carrier, hit.runs
    )
}

fn no_flow(record: &Record) -> String {
    format!(
        "no flow seen in {} pairs of runs for the triggers in this plan ({}); this says nothing about dormant or commanded behaviour",
        record.pairs,
        triggers(record).join(", ")
    )
}

/// Phases that ran in every run.
fn triggers(record: &Record) -> Vec<String> {
    let phases = record.plan.phases.iter().map(|phase| phase.name.as_str());
    let ran = |name: &str| {
        record.runs.iter().all(|run| {
            run.phases.iter().any(|(_, phase)| {
                let is_run = matches!(phase.end_state, EndState::Exited(_) | EndState::Elapsed);
                phase.name == name && is_run
            })
        })
    };
    phases.filter(|name| ran(name)).map(str::to_owned).collect()
}

fn limits() -> Vec<String> {
    [
        "It says what was seen for the triggers in this plan, and nothing about dormant or commanded behaviour.",
        "The canary search finds pieces of 16 bytes or more, plain or under up to three of the encodings that it knows; it does not find shorter pieces, pieces in another order, or what is encrypted.",
        "Timing, order and sizes of what was sent are not judged.",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn gaps(record: &Record) -> Vec<Gap> {
    let mut gaps: BTreeMap<String, u32> = BTreeMap::new();
    for run in &record.runs {
        let all = run.network_gaps.iter();
        let all: BTreeSet<&String> = all.chain(&run.trace_gaps).chain(&run.incomplete).collect();
        for what in all {
            let runs = gaps.entry(what.clone()).or_default();
            *runs = runs.saturating_add(1);
        }
    }
    let missing = record.environment.missing.iter();
    let all_runs = u32::try_from(record.runs.len()).unwrap_or(u32::MAX);
    gaps.extend(
        missing.map(|missing| (format!("{}: {}", missing.layer, missing.reason), all_runs)),
    );
    gaps.into_iter()
        .map(|(what, runs)| Gap { what, runs })
        .collect()
}

fn could_collect(record: &Record) -> CouldCollect {
    let granted = &record.environment.granted;
    let Some(user) = &granted.user else {
        return CouldCollect {
            privilege: Answer::unknown("the recorder did not note which user it ran as"),
            reach: "Not known.".to_owned(),
        };
    };
    let reach = match user == "root" || !granted.capabilities.is_empty() {
        true => {
            "With that privilege it could read, change and send every file of a machine where it is installed so, and every process's memory; the reads that were seen are a part of what it could read."
        }
        false => {
            "It could read and send every file that this user may read; the reads that were seen are a part of that."
        }
    };
    let place = Pointer {
        member: bundle::ENVIRONMENT.to_owned(),
        place: Place::Whole(()),
    };
    let capabilities = match granted.capabilities.is_empty() {
        true => String::new(),
        false => format!(", with {}", granted.capabilities.join(", ")),
    };
    CouldCollect {
        privilege: Answer::value(format!("the user {user}{capabilities}"), vec![place]),
        reach: reach.to_owned(),
    }
}

#[cfg(test)]
mod tests;
