//! The bundle's layout: which members, in which order, and what those that are not records hold.
//!
//! A bundle is one uncompressed ustar ([`crate::ustar`]): `plan.toml`, `product.toml`,
//! `environment.json`, `canaries.json`, then for each run, in order, the members of
//! [`RUN_MEMBERS`] below `runs/NNNN-a/` and `runs/NNNN-b/`, then `answers.json`, and last the
//! manifest, `bundle.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::escaped::Escaped;
use crate::plan::{DocumentKind, Marking};
use crate::trace::Observer;

/// The layout that this code writes.
pub const FORMAT: u32 = 1;
/// The plan.
pub const PLAN: &str = "plan.toml";
/// The product.
pub const PRODUCT: &str = "product.toml";
/// [`Environment`].
pub const ENVIRONMENT: &str = "environment.json";
/// An array of [`RunCanaries`].
pub const CANARIES: &str = "canaries.json";
/// [`crate::Answers`].
pub const ANSWERS: &str = "answers.json";
/// [`Manifest`].
pub const MANIFEST: &str = "bundle.json";

/// What the observer at tracepoints saw: [`crate::trace::Event`]s.
pub const TRACE: &str = "trace.jsonl";
/// What fanotify saw: [`crate::trace::Event`]s.
pub const OPENS: &str = "opens.jsonl";
/// All packets, and the plaintext of intercepted streams.
pub const CAPTURE: &str = "capture.pcapng";
/// [`crate::gateway::Event`]s.
pub const GATEWAY: &str = "gateway.jsonl";
/// [`Change`]s.
pub const CHANGES: &str = "changes.jsonl";
/// [`PhaseRecord`]s.
pub const PHASES: &str = "phases.jsonl";
/// What the product printed.
pub const OUTPUT: &str = "output.txt";

/// The members of a run, in order. Those of an observer that was not there are absent.
pub const RUN_MEMBERS: [&str; 7] = [TRACE, OPENS, CAPTURE, GATEWAY, CHANGES, PHASES, OUTPUT];

/// One run of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunName {
    /// From 1.
    pub pair: u32,
    /// Which of the two.
    pub side: Side,
}

/// The two runs of a pair, which differ in their secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl RunName {
    /// All runs of so many pairs, in order.
    pub fn all(pairs: u32) -> impl Iterator<Item = Self> {
        (1..=pairs).flat_map(|pair| [Side::A, Side::B].map(|side| Self { pair, side }))
    }

    /// Reads `NNNN-a`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (pair, side) = text.split_once('-')?;
        let side = match side {
            "a" => Side::A,
            "b" => Side::B,
            _ => return None,
        };
        let name = Self {
            pair: pair.parse().ok().filter(|pair| *pair > 0)?,
            side,
        };
        (name.to_string() == text).then_some(name)
    }

    /// Where a member of this run stands in the bundle.
    #[must_use]
    pub fn member(self, member: &str) -> String {
        format!("runs/{self}/{member}")
    }
}

impl fmt::Display for RunName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::A => 'a',
            Side::B => 'b',
        };
        write!(formatter, "{:04}-{side}", self.pair)
    }
}

/// `bundle.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of Candor that recorded.
    pub candor: String,
    /// Every other member, in the bundle's order.
    pub members: Vec<MemberEntry>,
    /// What looked for leaks.
    pub detectors: Vec<Detector>,
    /// The exit status that `candor lab run` gave: 0, 1 or 2.
    pub exit: u8,
    /// The same in words.
    pub outcome: String,
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberEntry {
    /// Its name in the bundle.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What looks for leaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detector {
    /// Its name.
    pub name: String,
    /// Its version: another may find something else.
    pub version: String,
}

/// `environment.json`: where and with what the recording was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// `uname -sr`.
    pub kernel: String,
    /// How many processors.
    pub processors: u32,
    /// `PRETTY_NAME` of os-release.
    pub distribution: String,
    /// The version of Candor.
    pub candor: String,
    /// When the recording began, in seconds since 1970.
    pub began: u64,
    /// The observers that were there.
    pub observers: Vec<Observer>,
    /// The observers and walls that were not, and why.
    pub missing: Vec<Missing>,
    /// What the product printed as its version.
    #[serde(default)]
    pub product_version: Option<String>,
    /// The product's own files.
    #[serde(default)]
    pub product_files: Vec<MemberEntry>,
    /// The privilege that the product was started with.
    #[serde(default)]
    pub granted: Granted,
    /// The folder of the documents, as the product sees it.
    #[serde(default)]
    pub documents_path: Escaped,
    /// The process that starts the product's, as traces number it; its own work is not the
    /// product's.
    #[serde(default)]
    pub driver_pid: Option<u32>,
}

/// A layer that was not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Which.
    pub layer: String,
    /// Why.
    pub reason: String,
}

/// What the product was allowed from the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The user that its commands run as.
    #[serde(default)]
    pub user: Option<String>,
    /// The capabilities that they have, as `CAP_…`.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// The documents of one run, in `canaries.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCanaries {
    /// `NNNN-a` or `NNNN-b`.
    pub run: String,
    /// 64 hexadecimal digits, from which `canary` makes the same documents again.
    pub seed: String,
    /// What was planted.
    pub documents: Vec<Planted>,
}

/// A document in the folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Its file's name.
    pub name: String,
    /// Its kind.
    pub kind: DocumentKind,
    /// Its protective marking, if any.
    #[serde(default)]
    pub marking: Option<Marking>,
    /// Its length.
    pub size_bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// A difference between the file system before and after: `changes.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where.
    pub path: Escaped,
    /// What happened.
    pub kind: ChangeKind,
    /// The phase after which it was seen, where the recorder looked between phases.
    #[serde(default)]
    pub phase: Option<String>,
    /// `file`, `directory`, `link`, `socket`, `pipe` or `device`.
    #[serde(default)]
    pub what: String,
    /// The new length.
    #[serde(default)]
    pub size_bytes: u64,
    /// The new SHA-256, of files.
    #[serde(default)]
    pub sha256: Option<String>,
    /// The new permissions, in octal.
    #[serde(default)]
    pub mode: String,
    /// `UID:GID`.
    #[serde(default)]
    pub owner: String,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was not there before.
    Created,
    /// Its content or its rights are new.
    Changed,
    /// It is gone.
    Deleted,
}

/// What became of a phase: `phases.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Its name in the plan.
    pub name: String,
    /// When it began, in nanoseconds since the run's start.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// The command that it ran, if any.
    #[serde(default)]
    pub command: Vec<Escaped>,
    /// How that ended.
    pub end_state: EndState,
    /// Where its output begins in `output.txt`.
    #[serde(default)]
    pub output_offset: u64,
}

/// How a phase ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndState {
    /// Its command ended with this status.
    Exited(i32),
    /// Its command was ended by this signal.
    Signalled(i32),
    /// Its time was over: for a phase that waits, as it should be.
    Elapsed,
    /// Its command was stopped since its time was over.
    TimedOut,
    /// It was not run, and why.
    NotRun(String),
    /// It could not be run, and why: the run is not complete.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_by_pair_and_side() {
        let names: Vec<String> = RunName::all(2).map(|name| name.to_string()).collect();
        assert_eq!(names, ["0001-a", "0001-b", "0002-a", "0002-b"]);
        for name in RunName::all(2) {
            assert_eq!(RunName::parse(&name.to_string()), Some(name));
        }
        for text in ["", "0001", "0001-c", "1-a", "0000-a", "+001-a", "00001-a"] {
            assert_eq!(RunName::parse(text), None, "{text}");
        }
        let name = RunName::parse("0060-b").unwrap();
        assert_eq!(name.member(TRACE), "runs/0060-b/trace.jsonl");
    }

    #[test]
    fn a_manifest_comes_back() {
        let manifest = Manifest {
            format: FORMAT,
            candor: "0.1.0".to_owned(),
            members: vec![MemberEntry {
                name: PLAN.to_owned(),
                size_bytes: 3,
                sha256: "00".repeat(32),
            }],
            detectors: Vec::new(),
            exit: 2,
            outcome: "not conclusive".to_owned(),
        };
        let text = serde_json::to_string(&manifest).unwrap();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
    }

    #[test]
    fn ends_of_phases_are_words() {
        for (state, expected) in [
            (EndState::Exited(0), r#"{"exited":0}"#),
            (EndState::Elapsed, r#""elapsed""#),
            (
                EndState::NotRun("no command".to_owned()),
                r#"{"not-run":"no command"}"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&state).unwrap(), expected);
        }
    }
}
