//! The answers to the questions that the NCSC asks of any antivirus: what does it collect, what
//! could it collect, what can be changed by a command from outside, and what controls are there.
//!
//! Each is a value, or unknown for a reason, with pointers into the record. Nothing here says that
//! a product does not leak: only that no flow was seen, for which triggers, and how often.

use serde::{Deserialize, Serialize};

use crate::bundle::Detector;
use crate::escaped::Escaped;

/// The layout of these answers.
pub const FORMAT: u32 = 1;
/// The most pointers that one answer carries; the count of all stands beside them.
pub const POINTERS_MAX: usize = 16;

/// All answers about one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// [`FORMAT`].
    pub format: u32,
    /// What it comes down to.
    pub outcome: Outcome,
    /// The product's name.
    pub product: String,
    /// What it printed as its version.
    pub version: Option<String>,
    /// The plan's name.
    pub plan: String,
    /// The pairs that were run.
    pub pairs: u32,
    /// The runs that were recorded whole.
    pub complete_runs: u32,
    /// The phases that were run in every complete run: what was tried.
    pub triggers: Vec<String>,
    /// How each phase of the plan ended.
    #[serde(default)]
    pub phases: Vec<PhaseEnds>,
    /// What looked for leaks.
    pub detectors: Vec<Detector>,
    /// What these answers do not say.
    pub limits: Vec<String>,
    /// What it collects.
    pub collects: Collects,
    /// What it could collect.
    pub could_collect: CouldCollect,
    /// What can be changed from outside.
    pub can_be_changed: CanBeChanged,
    /// What controls there are.
    pub controls: Controls,
    /// The maker's word beside what was seen.
    pub declared: DeclaredAgainstSeen,
    /// Whether the two observers agree.
    pub observers: Answer<Agreement>,
    /// What is missing from the record.
    pub gaps: Vec<Gap>,
}

/// How a phase ended, over all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEnds {
    /// Which.
    pub phase: String,
    /// The different ends.
    pub ends: Vec<PhaseEnd>,
}

/// One of a phase's ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEnd {
    /// In words: `status 0`.
    pub end: String,
    /// In how many runs.
    pub runs: u32,
}

/// What it comes down to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// 0: nothing left the enclosure, in enough pairs. 1: a canary was found. 2: not conclusive.
    pub exit: u8,
    /// The same as a word.
    pub verdict: Verdict,
    /// Why, in sentences for people.
    pub reasons: Vec<String>,
}

/// The outcome as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing left the enclosure for the triggers of this plan.
    NoFlowSeen,
    /// A secret, or what is made of one, left the enclosure.
    CanaryFound,
    /// Neither may be said.
    NotConclusive,
}

/// Something known, or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<T> {
    /// What is known, or why nothing is.
    #[serde(flatten)]
    pub known: Known<T>,
    /// Where the record shows it.
    #[serde(default)]
    pub pointers: Vec<Pointer>,
}

/// A value, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known<T> {
    /// What was seen.
    Value(T),
    /// Why it can't be said.
    Unknown(String),
}

/// A place in the bundle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pointer {
    /// The member.
    pub member: String,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
}

/// Where in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A line, from 1.
    Line(u64),
    /// A packet, from 1, as packet tools number them.
    Packet(u64),
    /// All of it.
    Whole(()),
}

/// What it collects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collects {
    /// Secrets of the documents that left.
    pub canaries: Answer<Vec<CanaryHit>>,
    /// With whom it spoke.
    pub endpoints: Answer<Vec<Endpoint>>,
    /// Values that name an installation: sent in every run of one, and different between two.
    pub identifiers: Answer<Vec<Identifier>>,
    /// The files that it read, by class.
    pub files_read: Answer<Vec<FileClass>>,
    /// The files that it wrote or changed.
    pub written: Answer<Vec<Written>>,
    /// The programs that it ran.
    pub executed: Answer<Vec<Executed>>,
    /// The privileged operations that it used.
    pub privileges: Answer<Vec<Privilege>>,
}

/// A secret that was found in what left the enclosure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryHit {
    /// The document's name.
    pub document: String,
    /// What of it: `content`, `name`, `digest of the file`, ….
    pub part: String,
    /// How it was encoded, outermost first; empty for plain bytes.
    pub encodings: Vec<String>,
    /// Where: `a stream`, `a datagram`, `names that were asked for`, ….
    pub carrier: String,
    /// To whom.
    pub remote: String,
    /// By which name.
    pub name: Option<String>,
    /// In which phase.
    pub phase: Option<String>,
    /// In how many runs.
    pub runs: u32,
    /// In how many places, at least.
    pub count: u64,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// With whom it spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Over what: `tcp`, `udp`, `icmp`, `dns`.
    pub protocol: String,
    /// The address; for `dns`, the resolver's.
    pub address: String,
    /// The port; 0 where there is none.
    pub port: u16,
    /// The names by which it was known: from DNS, TLS and HTTP.
    pub names: Vec<String>,
    /// Bytes out of the enclosure, over all runs.
    pub sent_bytes: u64,
    /// Bytes into it.
    pub received_bytes: u64,
    /// In how many runs.
    pub runs: u32,
    /// Whether what was said could be read: `plain`, `intercepted`, `pinned`, `encrypted`.
    pub protection: String,
    /// Programs that spoke, with the bytes that each sent.
    pub processes: Vec<ProcessBytes>,
    /// The requests that were made of it, bounded.
    pub requests: Vec<String>,
    /// Whether its maker declares it; unknown where nothing is declared.
    pub declared: Option<bool>,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// Bytes of one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessBytes {
    /// The program's path.
    pub program: Escaped,
    /// Bytes that it sent.
    pub sent_bytes: u64,
    /// Bytes that it got.
    pub received_bytes: u64,
}

/// A value that names an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifier {
    /// To whom it was sent.
    pub remote: String,
    /// Where in what was sent: the name of a header, a part of a path.
    pub place: String,
    /// One of its values.
    pub example: Escaped,
    /// How many different values there were.
    pub values: u32,
    /// In how many runs.
    pub runs: u32,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// Files of one sort that were read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileClass {
    /// `documents`, `home folders`, `system settings`, ….
    pub class: String,
    /// How many different files.
    pub files: u64,
    /// Bytes read over all runs, mapped lengths included.
    pub bytes: u64,
    /// Some of them.
    pub examples: Vec<Escaped>,
    /// Whether its maker declares to read them; unknown where nothing is declared.
    pub declared: Option<bool>,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// A file that is new, different or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Where.
    pub path: Escaped,
    /// `created`, `changed` or `deleted`.
    pub kind: String,
    /// In how many runs.
    pub runs: u32,
    /// The largest length.
    pub size_bytes: u64,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// A program that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// The program.
    pub path: Escaped,
    /// How often over all runs.
    pub times: u64,
    /// One of its command lines.
    pub example: Vec<Escaped>,
    /// Whether the file was written during the run that ran it.
    pub is_new: bool,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// A privileged operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privilege {
    /// Which.
    pub operation: String,
    /// How often over all runs.
    pub times: u64,
    /// One of its details.
    pub example: Escaped,
    /// Whether its maker declares it; unknown where nothing is declared.
    pub declared: Option<bool>,
    /// Where the record shows it.
    pub pointers: Vec<Pointer>,
}

/// What it could collect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouldCollect {
    /// The privilege that its processes had.
    pub privilege: Answer<String>,
    /// What that reaches, in a sentence.
    pub reach: String,
}

/// What can be changed by a command from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanBeChanged {
    /// What came of each update that was tried.
    pub updates: Vec<UpdateTried>,
    /// Whether a file that was written in an update was run as a program afterwards. Libraries and
    /// rules that a program loads are not seen by this.
    pub new_code_ran: Answer<bool>,
    /// What follows, in a sentence.
    pub consequence: String,
}

/// One sort of update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateTried {
    /// The phase.
    pub phase: String,
    /// What came of it.
    pub outcome: Answer<UpdateOutcome>,
}

/// What came of an update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateOutcome {
    /// What its command ended with, in words.
    pub command: String,
    /// The files that it wrote, bounded.
    pub files_written: Vec<Escaped>,
    /// How many.
    pub files: u64,
    /// Whether it took anything: a file outside of logs and temporary folders is different.
    pub changed_something: bool,
}

/// What controls there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controls {
    /// Whether it still did its work while no packet passed.
    pub works_without_network: Answer<bool>,
    /// Whether its encrypted speech can be read by who runs it.
    pub can_be_inspected: Answer<bool>,
    /// Which switches stop which flows.
    pub switches: Answer<Vec<String>>,
}

/// The maker's word beside what was seen; what was not declared comes first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredAgainstSeen {
    /// Flows that nobody declared.
    pub undeclared_flows: Answer<Vec<String>>,
    /// Classes of files read and privileges used that nobody declared.
    pub undeclared_other: Answer<Vec<String>>,
    /// Declared and not seen.
    pub not_seen: Vec<String>,
    /// Declared and seen.
    pub seen: Vec<String>,
    /// The maker's words about updates and data, which nothing here tested.
    pub untested_statements: Vec<String>,
}

/// Whether two observers agree about the files that were opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Files that both saw.
    pub both: u64,
    /// Files that the tracepoints alone saw.
    pub only_tracepoints: u64,
    /// Files that fanotify alone saw.
    pub only_fanotify: u64,
    /// Some of those that one alone saw.
    pub examples: Vec<String>,
}

/// Something that the record lacks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What is missing, and why.
    pub what: String,
    /// In how many runs.
    pub runs: u32,
}

impl<T> Answer<T> {
    /// Something known.
    #[must_use]
    pub fn value(value: T, pointers: Vec<Pointer>) -> Self {
        Self {
            known: Known::Value(value),
            pointers,
        }
    }

    /// Something that can't be said.
    #[must_use]
    pub fn unknown(reason: impl Into<String>) -> Self {
        Self {
            known: Known::Unknown(reason.into()),
            pointers: Vec::new(),
        }
    }

    /// The value, where there is one.
    #[must_use]
    pub fn as_value(&self) -> Option<&T> {
        match &self.known {
            Known::Value(value) => Some(value),
            Known::Unknown(_) => None,
        }
    }
}

impl Verdict {
    /// The exit status of `candor lab`.
    #[must_use]
    pub fn exit(self) -> u8 {
        match self {
            Self::NoFlowSeen => 0,
            Self::CanaryFound => 1,
            Self::NotConclusive => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_value_or_a_reason() {
        let pointer = Pointer {
            member: "runs/0001-a/trace.jsonl".to_owned(),
            place: Place::Line(7),
        };
        let known = Answer::value(true, vec![pointer]);
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(
            text,
            r#"{"value":true,"pointers":[{"member":"runs/0001-a/trace.jsonl","line":7}]}"#
        );
        assert_eq!(serde_json::from_str::<Answer<bool>>(&text).unwrap(), known);
        let unknown: Answer<bool> = Answer::unknown("events were lost");
        let text = serde_json::to_string(&unknown).unwrap();
        assert_eq!(text, r#"{"unknown":"events were lost","pointers":[]}"#);
        assert_eq!(
            serde_json::from_str::<Answer<bool>>(&text).unwrap(),
            unknown
        );
    }
}
