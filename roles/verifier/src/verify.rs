//! `candor verify`: evidence against a trust policy, for one day.

use evidence::collect::{Input, collect};
use evidence::trust::{Trust, TrustError};
use evidence::verify::{Verified, verify as judge};
use evidence::{Date, Held, Value};
use proto::Question;
use seal::PublicKey;
use serde::Serialize;

use crate::answer::Answer;
use crate::files::{self, File};

/// Records that are listed; the number of all is told too.
const ROWS_MAX: usize = 10_000;
/// The longest text of one that is shown.
const TEXT_CHARS_MAX: usize = 2_000;

/// Not met.
const REFUSED: u8 = 1;
/// Could not be judged.
const FAILED: u8 = 2;

#[derive(Serialize)]
struct Report {
    format: &'static str,
    outcome: &'static str,
    #[serde(flatten)]
    verified: Verified,
    records: Vec<Row>,
    records_total: usize,
}

#[derive(Serialize)]
struct Unusable {
    format: &'static str,
    outcome: &'static str,
    error: &'static str,
    text: String,
}

const FORMAT: &str = "candor-verify-1";

/// Judges, and says what came of it.
pub(crate) fn verify(question: &Question, files: &[File]) -> Result<String, String> {
    let day = day_of(question)?;
    let policy = files::small(files, "policy")?.ok_or("there is no policy")?;
    let key = policy_key(files)?;
    let trust = match Trust::read(&policy, key.as_ref(), day) {
        Ok(trust) => trust,
        Err(error) => return unusable(&error).to_json(),
    };
    let bundles = files.iter().filter(|file| file.part == "bundle");
    let inputs: Vec<Input<'_>> = bundles
        .map(|file| Input {
            label: &file.label,
            source: file,
        })
        .collect();
    told(judge(&trust, day, &collect(&inputs))).to_json()
}

/// The day that was named, or today as `candor` counts it.
pub(crate) fn day_of(question: &Question) -> Result<Date, String> {
    if let Some(text) = question.setting("as-of") {
        let text: String = text.chars().take(40).collect();
        return Date::parse(&text)
            .ok_or_else(|| format!("--as-of: {text:?} is no day; write it as 2026-11-24"));
    }
    let days = question.setting("today").and_then(|days| days.parse().ok());
    days.and_then(Date::from_days)
        .ok_or_else(|| "this machine's clock tells no day; use --as-of".to_owned())
}

/// The key that must have signed the policy, where one was named.
fn policy_key(files: &[File]) -> Result<Option<PublicKey>, String> {
    let Some(bytes) = files::small(files, "policy-key")? else {
        return Ok(None);
    };
    let text = String::from_utf8(bytes).map_err(|_| "the policy's key is no text")?;
    let key = PublicKey::parse(&text).map_err(|error| format!("the policy's key: {error}"))?;
    Ok(Some(key))
}

fn unusable(error: &TrustError) -> Answer<Unusable> {
    let text = error.to_string();
    Answer {
        exit: FAILED,
        text: vec![format!("{}: {text}", error.name())],
        report: Unusable {
            format: FORMAT,
            outcome: "not-judged",
            error: error.name(),
            text,
        },
    }
}

fn told(verified: Verified) -> Answer<Report> {
    let mut text = Vec::new();
    for step in &verified.steps {
        let line = match (&step.value, step.met) {
            (Some(value), true) => {
                let shown_by = step.shown_by.join(", ");
                format!(
                    "met: {}: {} is {value}, shown by {shown_by}",
                    step.name, step.predicate
                )
            }
            _ => format!("not met: {}: {}", step.name, step.predicate),
        };
        text.push(line);
    }
    for refusal in &verified.refusals {
        let name = refusal.name.as_str();
        text.push(format!(
            "refused: {name}: {}: {}",
            refusal.place, refusal.text
        ));
    }
    for note in &verified.notes {
        text.push(format!("note: {note}"));
    }
    let counted = |held: &&Held| held.standing == evidence::Standing::Counts;
    let count = verified.records.iter().filter(counted).count();
    let total = verified.records.len();
    text.push(format!(
        "{} files, {} bytes hashed; {count} of {total} records count on {}",
        verified.members, verified.hashed_bytes, verified.as_of
    ));
    let (outcome, exit) = match verified.satisfied {
        true => ("satisfied", 0),
        false => ("refused", REFUSED),
    };
    text.push(format!("{outcome} by the policy {:?}", verified.policy));
    let rows = verified.records.iter().take(ROWS_MAX).map(Row::of);
    let report = Report {
        format: FORMAT,
        outcome,
        records: rows.collect(),
        records_total: total,
        verified,
    };
    Answer { exit, text, report }
}

/// One record as it is listed.
#[derive(Serialize)]
pub(crate) struct Row {
    product: String,
    predicate: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    asserted_by: String,
    method: String,
    as_of: Date,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Date>,
    standing: String,
    signers: Vec<String>,
    found_in: String,
    written_as: String,
    counter: Vec<String>,
}

impl Row {
    /// The row of a record.
    pub(crate) fn of(held: &Held) -> Self {
        let record = &held.record;
        let (value, unknown) = match &record.value {
            Value::Known(fact) => (Some(short(&fact.to_string())), None),
            Value::Unknown(reason) => (None, Some(short(reason))),
        };
        Self {
            product: short(&record.subject.product),
            predicate: record.predicate.name(),
            organisation: record.organisation.as_deref().map(short),
            value,
            unknown,
            asserted_by: short(&record.asserted_by),
            method: record.method.to_string(),
            as_of: record.as_of,
            expires: record.expires,
            standing: held.standing.to_string(),
            signers: held.signers.iter().map(|one| one.name.clone()).collect(),
            found_in: short(&held.found_in),
            written_as: held.written_as.clone(),
            counter: record
                .counter
                .iter()
                .take(16)
                .map(|counter| short(&counter.text))
                .collect(),
        }
    }

    /// The same for people.
    pub(crate) fn line(&self) -> String {
        let value = match (&self.value, &self.unknown) {
            (Some(value), _) => value.clone(),
            (None, Some(reason)) => format!("unknown ({reason})"),
            (None, None) => String::new(),
        };
        let until = self
            .expires
            .map_or(String::new(), |day| format!(" to {day}"));
        format!(
            "{}: {} is {value} ({}, {}, {}{until}; {})",
            self.product, self.predicate, self.asserted_by, self.method, self.as_of, self.standing
        )
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}
