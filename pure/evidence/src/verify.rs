//! Judges what was found by a trust policy: every statement by every signer, none skipped.
//!
//! Only what is signed by a known key, about this build, in its time and with its evidence at hand
//! counts. Everything else is named and is as good as unknown.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::collect::{Collected, FoundEnvelope};
use crate::envelope::IN_TOTO;
use crate::foreign::{self, Read};
use crate::refusal::{Named, Refusal};
use crate::statement::{RECORDS_TYPE, Statement};
use crate::trust::{Attachments, Step, Strictness, Trust, TrustSubject};
use crate::{About, Date, Fact, Held, Record, Sha256Digest, Signer, Standing, Subject, Value};

/// Files named in all records together: what a hostile statement could multiply.
pub(crate) const NAMED_FILES_MAX: usize = 1_000_000;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Whether every step was met and nothing was refused.
    pub satisfied: bool,
    /// The policy's name.
    pub policy: String,
    /// The policy's digest.
    pub policy_sha256: Sha256Digest,
    /// Who signed the policy, where somebody had to.
    pub policy_signed_by: Option<String>,
    /// The day for which it was judged.
    pub as_of: Date,
    /// Each step.
    pub steps: Vec<StepOutcome>,
    /// Why it is refused.
    pub refusals: Vec<Refusal>,
    /// What is said and does not decide: counter-evidence, limits, what was not understood.
    pub notes: Vec<String>,
    /// Files and members that were hashed.
    pub members: u64,
    /// Their bytes.
    pub hashed_bytes: u64,
    /// Every record and its standing.
    #[serde(skip)]
    pub records: Vec<Held>,
}

/// What came of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepOutcome {
    /// Its name.
    pub name: String,
    /// What had to be known.
    pub predicate: String,
    /// Whether it is.
    pub met: bool,
    /// What it is known to be, where it is.
    pub value: Option<String>,
    /// Who showed it, and how they know.
    pub shown_by: Vec<String>,
}

/// Judges what was found.
#[must_use]
pub fn verify(trust: &Trust, day: Date, found: &Collected) -> Verified {
    let mut judge = Judge {
        trust,
        day,
        held: Vec::new(),
        refusals: found.refusals.clone(),
        notes: found.notes.clone(),
        left_files: NAMED_FILES_MAX,
    };
    for envelope in &found.envelopes {
        judge.envelope(envelope, found);
    }
    for document in &found.documents {
        judge.document(&document.place, &document.bytes, found);
    }
    if found.envelopes.is_empty() {
        judge.refuse(
            Named::Unsigned,
            "everything",
            "nothing that was handed over is signed".to_owned(),
        );
    }
    let steps = judge.steps();
    judge.counter_evidence();
    Verified {
        satisfied: judge.refusals.is_empty() && steps.iter().all(|step| step.met),
        policy: trust.policy.name.clone(),
        policy_sha256: trust.sha256,
        policy_signed_by: trust.signed_by.clone(),
        as_of: day,
        steps,
        refusals: judge.refusals,
        notes: judge.notes,
        members: found.members,
        hashed_bytes: found.hashed_bytes,
        records: judge.held,
    }
}

struct Judge<'a> {
    trust: &'a Trust,
    day: Date,
    held: Vec<Held>,
    refusals: Vec<Refusal>,
    notes: Vec<String>,
    left_files: usize,
}

/// What our own statements are written as.
const OURS: &str = "candor";
/// Where records come from.
struct Origin<'a> {
    signers: &'a [Signer],
    place: &'a str,
    written_as: &'a str,
    /// What they are without a signer.
    signed_by_nobody_known: Standing,
}

/// Notes that are told.
const NOTES_MAX: usize = 1_000;

impl Judge<'_> {
    fn envelope(&mut self, found: &FoundEnvelope, collected: &Collected) {
        let place = &found.place;
        let envelope = &found.envelope;
        let signers: Vec<Signer> = envelope
            .signed_by(self.trust.keys())
            .into_iter()
            .filter_map(|place| self.trust.owner(place))
            .collect();
        let mut keys = self.trust.keys().iter();
        if let Some(key) = keys.find(|key| envelope.falsely_names(key)) {
            let why = format!("it names the key {}, which did not sign it", key.id());
            self.refuse(Named::BadSignature, place, why);
        }
        if signers.is_empty() {
            let why = "nobody whom the policy names signed it".to_owned();
            match self.trust.policy.unknown_signers {
                Strictness::Refuse => self.refuse(Named::UnknownSigner, place, why),
                Strictness::Ignore => self.note(format!("{place}: {why}")),
            }
        }
        if envelope.payload_type != IN_TOTO {
            let kind: String = envelope.payload_type.chars().take(100).collect();
            return self.not_known(place, format!("its payload is {kind:?}"));
        }
        let statement = match Statement::parse(&envelope.payload) {
            Ok(statement) => statement,
            Err(why) => return self.refuse(Named::Malformed, place, why),
        };
        match read(&statement, &signers) {
            Ok(read) => {
                self.notes_of(place, &read.notes);
                let origin = Origin {
                    signers: &signers,
                    place,
                    written_as: read.kind,
                    signed_by_nobody_known: Standing::UnknownSigner,
                };
                self.hold(read.records, &origin, collected);
            }
            Err(Unread::Unknown(why)) => self.not_known(place, why),
            Err(Unread::Malformed(why)) => self.refuse(Named::Malformed, place, why),
        }
    }

    fn document(&mut self, place: &str, bytes: &[u8], collected: &Collected) {
        match foreign::of_document(bytes) {
            Ok(read) => {
                self.notes_of(place, &read.notes);
                let origin = Origin {
                    signers: &[],
                    place,
                    written_as: read.kind,
                    signed_by_nobody_known: Standing::Unsigned,
                };
                self.hold(read.records, &origin, collected);
            }
            Err(why) => self.not_known(place, why),
        }
    }

    fn hold(&mut self, records: Vec<Record>, origin: &Origin<'_>, collected: &Collected) {
        for mut record in records {
            let files = record.subject.artifacts.len();
            let Some(left) = self.left_files.checked_sub(files) else {
                let why = format!("its records name more than {NAMED_FILES_MAX} files in all");
                return self.refuse(Named::Malformed, origin.place, why);
            };
            self.left_files = left;
            let mut signers = origin.signers.to_vec();
            self.trust.keep_entitled(&mut signers, &mut record);
            let standing = match (origin.signers.is_empty(), signers.is_empty()) {
                (true, _) => origin.signed_by_nobody_known,
                (false, true) => Standing::NotEntitled,
                (false, false) => self.standing(&record, collected),
            };
            self.held.push(Held {
                record,
                standing,
                signers,
                found_in: origin.place.to_owned(),
                written_as: origin.written_as.to_owned(),
            });
        }
    }

    /// The standing of a record that was signed by somebody who may say it.
    fn standing(&self, record: &Record, collected: &Collected) -> Standing {
        let policy = &self.trust.policy;
        if !is_about(&policy.subject, &record.subject, record.predicate.about()) {
            return Standing::WrongSubject;
        }
        let mut evidence = record.evidence.iter();
        let is_there = |digest: &Sha256Digest| collected.attached.contains(digest);
        if policy.attachments == Attachments::Required
            && !evidence.all(|pointer| is_there(&pointer.sha256))
        {
            return Standing::EvidenceMissing;
        }
        match (record.is_expired_on(self.day), record.counts_on(self.day)) {
            (true, _) => Standing::Expired,
            (false, false) => Standing::NotYet,
            (false, true) => Standing::Counts,
        }
    }

    fn steps(&mut self) -> Vec<StepOutcome> {
        let steps = self.trust.policy.steps.clone();
        let outcomes = steps.iter().map(|step| self.step(step));
        outcomes.collect()
    }

    fn step(&mut self, step: &Step) -> StepOutcome {
        let held = std::mem::take(&mut self.held);
        let candidates: Vec<&Held> = held
            .iter()
            .filter(|held| held.record.predicate == step.predicate)
            .collect();
        let place = format!("step {:?}", step.name);
        let counted = candidates
            .iter()
            .filter(|held| held.standing == Standing::Counts);
        let known: Vec<(&Held, Fact)> = counted
            .filter_map(|held| Some((*held, comparable(&held.record.value)?)))
            .collect();
        let is_contradicted = self.contradiction(&known, &place);
        let wanted = step.value.as_ref().map(comparable_fact);
        let mut shown_by = Vec::new();
        let mut value = None;
        for (held, fact) in &known {
            if wanted.as_ref().is_some_and(|wanted| wanted != fact) {
                let why = format!("{} says {fact}: {}", held.found_in, who(held));
                self.refuse(Named::WrongValue, &place, why);
                continue;
            }
            if self.is_fit(step, held) {
                let names = held.signers.iter().map(|signer| &signer.name);
                let named = names.filter(|name| step.signers.contains(name)).cloned();
                shown_by.extend(named.map(|name| (name, held.record.method)));
                value = Some(fact.to_string());
            }
        }
        let mut names: Vec<&String> = shown_by.iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        let met = names.len() >= step.at_least && !is_contradicted;
        if !met {
            let (count, least) = (names.len(), step.at_least);
            let why = format!(
                "{} is shown by {count} of the {least} that must show it",
                step.predicate
            );
            self.refuse(Named::MissingStep, &place, why);
        }
        self.tell_of_the_uncounted(&candidates, (met, &place));
        self.held = held;
        let mut shown_by: Vec<String> = shown_by
            .iter()
            .map(|(name, method)| format!("{name} ({method})"))
            .collect();
        shown_by.dedup();
        StepOutcome {
            name: step.name.clone(),
            predicate: step.predicate.name().to_owned(),
            met,
            value,
            shown_by,
        }
    }

    /// Whether a record may meet a step: by its method and its age.
    fn is_fit(&self, step: &Step, held: &Held) -> bool {
        let record = &held.record;
        let by_method = match &step.methods {
            Some(methods) => methods.contains(&record.method),
            None => record.is_fit(),
        };
        let day = self.day.days_since_1970();
        let age_days = day.saturating_sub(record.as_of.days_since_1970());
        by_method && step.age_days_max.is_none_or(|most| age_days <= most)
    }

    /// Names each pair of different values for the same question.
    fn contradiction(&mut self, known: &[(&Held, Fact)], place: &str) -> bool {
        let mut said: BTreeMap<&Option<String>, (&Held, &Fact)> = BTreeMap::new();
        let mut found = false;
        for (held, fact) in known {
            let (first, other) = said
                .entry(&held.record.organisation)
                .or_insert((held, fact));
            if *other != fact {
                found = true;
                let why = format!(
                    "{} ({}) says {other}, {} ({}) says {fact}",
                    who(first),
                    first.found_in,
                    who(held),
                    held.found_in
                );
                self.refuse(Named::Contradicted, place, why);
            }
        }
        found
    }

    /// Why records about a step do not count: reasons to refuse where it is not met. Where it is met
    /// what they say is told, since it may be otherwise.
    fn tell_of_the_uncounted(&mut self, candidates: &[&Held], (met, place): (bool, &str)) {
        for held in candidates {
            let (name, why) = match held.standing {
                Standing::Counts => continue,
                Standing::Unsigned => (Named::Unsigned, "nobody signed it"),
                Standing::UnknownSigner => (
                    Named::UnknownSigner,
                    "nobody whom the policy names signed it",
                ),
                Standing::NotEntitled => (
                    Named::NotEntitled,
                    "whoever signed it may not say this, or not by this method",
                ),
                Standing::WrongSubject => (
                    Named::WrongSubject,
                    "it is about another build, configuration, rule release or region",
                ),
                Standing::Expired => (Named::Expired, "its time is over"),
                Standing::NotYet => (Named::NotYet, "its time has not begun"),
                Standing::EvidenceMissing => (
                    Named::EvidenceMissing,
                    "what it rests on is not in the bundle",
                ),
            };
            if met {
                let said: String = match &held.record.value {
                    Value::Known(fact) => fact.to_string(),
                    Value::Unknown(reason) => format!("unknown ({reason})"),
                };
                let said: String = said.chars().take(200).collect();
                let (found_in, predicate) = (&held.found_in, held.record.predicate);
                self.note(format!(
                    "{place}: {found_in} does not count, {why}; it says that {predicate} is {said}"
                ));
                continue;
            }
            self.refuse(name, place, format!("{}: {why}", held.found_in));
        }
    }

    fn counter_evidence(&mut self) {
        let held = std::mem::take(&mut self.held);
        let counted = held.iter().filter(|held| held.standing == Standing::Counts);
        for held in counted {
            let predicate = held.record.predicate;
            for counter in &held.record.counter {
                let text: String = counter.text.chars().take(1_000).collect();
                self.note(format!(
                    "speaks against {predicate} ({}): {text}",
                    who(held)
                ));
            }
            if let Value::Unknown(reason) = &held.record.value {
                self.note(format!("{predicate} is unknown to {}: {reason}", who(held)));
            }
        }
        self.held = held;
    }

    fn not_known(&mut self, place: &str, why: String) {
        match self.trust.policy.unknown_predicates {
            Strictness::Refuse => self.refuse(Named::UnknownPredicate, place, why),
            Strictness::Ignore => self.note(format!("{place}: not understood: {why}")),
        }
    }

    fn notes_of(&mut self, place: &str, notes: &[String]) {
        for note in notes {
            self.note(format!("{place}: {note}"));
        }
    }

    fn note(&mut self, text: String) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push(text);
        }
    }

    fn refuse(&mut self, name: Named, place: &str, text: String) {
        Refusal::add(&mut self.refusals, name, place, text);
    }
}

/// Why a statement says nothing to us.
enum Unread {
    Unknown(String),
    Malformed(String),
}

/// The records of a statement, ours or somebody else's.
fn read(statement: &Statement, signers: &[Signer]) -> Result<Read, Unread> {
    if statement.predicate_type != RECORDS_TYPE {
        return match foreign::of_statement(statement, signers) {
            Some(read) => read.map_err(Unread::Malformed),
            None => {
                let kind: String = statement.predicate_type.chars().take(100).collect();
                Err(Unread::Unknown(format!("its predicate is {kind:?}")))
            }
        };
    }
    match statement.records() {
        Ok(records) => Ok(Read {
            kind: OURS,
            records,
            notes: Vec::new(),
        }),
        Err(why) if why.contains("unknown predicate") => Err(Unread::Unknown(why)),
        Err(why) => Err(Unread::Malformed(why)),
    }
}

/// What evidence says, when nobody looked at a signature.
#[derive(Clone, Debug, Default)]
pub struct Unverified {
    /// Records, none of which counts.
    pub records: Vec<Held>,
    /// What is worth knowing and decides nothing.
    pub notes: Vec<String>,
    /// What could not be read.
    pub troubles: Vec<String>,
}

/// Reads what is there, for people to look at.
#[must_use]
pub fn read_unverified(found: &Collected) -> Unverified {
    let mut unverified = Unverified::default();
    let mut left_files = NAMED_FILES_MAX;
    let troubles = found.refusals.iter();
    let troubles = troubles.map(|one| format!("{}: {}", one.place, one.text));
    unverified.troubles.extend(troubles);
    unverified.notes.clone_from(&found.notes);
    let envelopes = found.envelopes.iter().map(|found| {
        let statement = Statement::parse(&found.envelope.payload);
        let records = statement.and_then(|statement| {
            read(&statement, &[]).map_err(|unread| match unread {
                Unread::Unknown(why) | Unread::Malformed(why) => why,
            })
        });
        (&found.place, Standing::UnknownSigner, records)
    });
    let documents = found.documents.iter().map(|found| {
        let records = foreign::of_document(&found.bytes);
        (&found.place, Standing::Unsigned, records)
    });
    for (place, standing, records) in envelopes.chain(documents) {
        let read = match records {
            Ok(read) => read,
            Err(why) => {
                unverified.troubles.push(format!("{place}: {why}"));
                continue;
            }
        };
        let notes = read.notes.iter().map(|note| format!("{place}: {note}"));
        unverified.notes.extend(notes);
        for record in read.records {
            let Some(left) = left_files.checked_sub(record.subject.artifacts.len()) else {
                unverified
                    .troubles
                    .push(format!("{place}: it names too many files"));
                break;
            };
            left_files = left;
            unverified.records.push(Held {
                record,
                standing,
                signers: Vec::new(),
                found_in: place.clone(),
                written_as: read.kind.to_owned(),
            });
        }
    }
    unverified
}

/// Whether a subject is what the evaluator holds.
#[must_use]
pub fn is_about(wanted: &TrustSubject, subject: &Subject, about: About) -> bool {
    let covers = |digest| {
        let mut files = subject.artifacts.iter();
        files.any(|file| file.sha256 == digest)
    };
    let mut artifacts = wanted.artifacts.iter();
    if !artifacts.all(|artifact| covers(artifact.sha256)) {
        return false;
    }
    // What it is made of does not change with how it is set up.
    if about == About::Build {
        return true;
    }
    let same = |wanted: Option<&str>, found: Option<&str>| wanted.is_none() || wanted == found;
    let digest_text = |digest: &Option<Sha256Digest>| digest.map(|digest| digest.to_string());
    same(
        digest_text(&wanted.configuration).as_deref(),
        digest_text(&subject.configuration).as_deref(),
    ) && same(
        wanted.rule_release.as_deref(),
        subject.rule_release.as_deref(),
    ) && same(wanted.region.as_deref(), subject.region.as_deref())
}

fn who(held: &Held) -> String {
    let names: Vec<&str> = held.signers.iter().map(|one| one.name.as_str()).collect();
    format!("{}, {}", names.join(" and "), held.record.method)
}

/// What two records must agree in: lists in any order.
fn comparable(value: &Value) -> Option<Fact> {
    match value {
        Value::Known(fact) => Some(comparable_fact(fact)),
        Value::Unknown(_) => None,
    }
}

fn comparable_fact(fact: &Fact) -> Fact {
    match fact {
        Fact::List(list) => {
            let mut list = list.clone();
            list.sort();
            list.dedup();
            Fact::List(list)
        }
        other => other.clone(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
