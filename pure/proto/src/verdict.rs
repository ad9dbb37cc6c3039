//! What we say about an object: findings, what was not looked at, and why.

use alloc::string::String;
use alloc::vec::Vec;

/// Findings kept for one file; more are counted, not kept.
pub const FINDINGS_MAX: usize = 64;
/// Bytes shown of a match.
pub const MATCH_BYTES_MAX: usize = 64;
/// Matches kept for one finding.
pub const MATCHES_MAX: usize = 16;
/// Details kept for one file.
pub const DETAILS_MAX: usize = 64;

/// Why an object was not wholly looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// Containers nested deeper than allowed.
    LimitDepth = 0,
    /// More bytes than allowed.
    LimitBytes = 1,
    /// More objects than allowed.
    LimitObjects = 2,
    /// Output out of proportion to its input.
    LimitRatio = 3,
    /// More matching work than allowed.
    LimitWork = 4,
    /// More time than allowed.
    LimitTime = 5,
    /// More memory than allowed.
    LimitMemory = 6,
    /// Encrypted content.
    Encrypted = 7,
    /// The container is broken.
    Malformed = 8,
    /// A recognised container, or a part of one, that we can't unpack.
    Unsupported = 9,
    /// The worker that held the file died.
    WorkerDied = 10,
    /// The file changed while it was read.
    ChangedWhileRead = 11,
    /// Only the starter pack was there to look with.
    StarterSignaturesOnly = 12,
}

impl Reason {
    /// Every reason, in the order of their codes.
    pub const ALL: [Self; 13] = [
        Self::LimitDepth,
        Self::LimitBytes,
        Self::LimitObjects,
        Self::LimitRatio,
        Self::LimitWork,
        Self::LimitTime,
        Self::LimitMemory,
        Self::Encrypted,
        Self::Malformed,
        Self::Unsupported,
        Self::WorkerDied,
        Self::ChangedWhileRead,
        Self::StarterSignaturesOnly,
    ];

    /// The word that people and machines read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LimitDepth => "limit-depth",
            Self::LimitBytes => "limit-bytes",
            Self::LimitObjects => "limit-objects",
            Self::LimitRatio => "limit-ratio",
            Self::LimitWork => "limit-work",
            Self::LimitTime => "limit-time",
            Self::LimitMemory => "limit-memory",
            Self::Encrypted => "encrypted",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::WorkerDied => "worker-died",
            Self::ChangedWhileRead => "changed-while-read",
            Self::StarterSignaturesOnly => "starter-signatures-only",
        }
    }

    /// The reason with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reasons(pub(crate) u16);

impl Reasons {
    /// Adds one.
    pub fn insert(&mut self, reason: Reason) {
        self.0 |= 1u16.wrapping_shl(u32::from(reason as u8));
    }

    /// Whether it holds this one.
    #[must_use]
    pub fn contains(self, reason: Reason) -> bool {
        self.0 & 1u16.wrapping_shl(u32::from(reason as u8)) != 0
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The reasons it holds, in the order of their codes.
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL
            .into_iter()
            .filter(move |reason| self.contains(*reason))
    }
}

/// Bytes that a rule matched, in the object that the finding's member path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Where, from the object's first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// The rule behind a finding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleRef {
    /// The kind, as its file is named: `ndb`, `hdb`, `mdb`…
    pub kind: String,
    /// The source file's label in the pack.
    pub source: String,
    /// The line there, from 1.
    pub line: u32,
    /// The SHA-256 of the line's text.
    pub sha256: [u8; 32],
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The signature's name.
    pub name: String,
    /// The rule.
    pub rule: RuleRef,
    /// The names of the members that lead to the object, outermost first; empty for the file.
    pub member: Vec<Vec<u8>>,
    /// Where it matched.
    pub matches: Vec<Match>,
    /// The first bytes of each match, at most [`MATCH_BYTES_MAX`], where they were asked for.
    pub match_bytes: Vec<Vec<u8>>,
}

/// One thing that was not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The named reason.
    pub reason: Reason,
    /// The names of the members that lead to the object.
    pub member: Vec<Vec<u8>>,
    /// What stood in the way, in the user's words.
    pub text: String,
}

/// What is said of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Wholly looked at, and nothing found.
    Clean,
    /// A rule fired.
    Detected,
    /// Not wholly looked at, and nothing found in what was.
    Incomplete,
    /// Could not be opened or read.
    Error,
}

impl Outcome {
    /// The word that people and machines read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Detected => "detected",
            Self::Incomplete => "incomplete",
            Self::Error => "error",
        }
    }
}

/// A worker's answer about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The file's type by content: `zip`, `pe`, `text`…
    pub kind: String,
    /// Rules that fired, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// Findings beyond those, counted and not kept.
    pub findings_omitted: u64,
    /// Why it is incomplete, if it is.
    pub incomplete: Reasons,
    /// The same in detail, at most [`DETAILS_MAX`].
    pub details: Vec<Detail>,
    /// The file and every member that was looked at.
    pub objects: u64,
    /// Bytes of the file that were read.
    pub size_bytes: u64,
    /// The file's SHA-256, where a rule or the caller asked for it.
    pub sha256: Option<[u8; 32]>,
    /// Time from opening to answer in the worker.
    pub elapsed_us: u64,
    /// The read error, where the file could not be read.
    pub read_error: Option<String>,
}

impl Verdict {
    /// Detected wins, then error, then incomplete; clean is what is left.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if !self.findings.is_empty() || self.findings_omitted > 0 {
            Outcome::Detected
        } else if self.read_error.is_some() {
            Outcome::Error
        } else if !self.incomplete.is_empty() {
            Outcome::Incomplete
        } else {
            Outcome::Clean
        }
    }

    /// Records that something was not looked at.
    pub fn note(&mut self, detail: Detail) {
        self.incomplete.insert(detail.reason);
        if self.details.len() < DETAILS_MAX {
            self.details.push(detail);
        }
    }
}
