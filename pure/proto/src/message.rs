//! The messages between a pool and its workers. One message is one `SOCK_SEQPACKET` datagram.
//!
//! Descriptors travel beside a request, in the order of its items: the files of a scan, the
//! sources of a compilation.

use alloc::string::String;
use alloc::vec::Vec;

use crate::{Definition, JailReport, Limits, Question, Verdict};

/// No message is longer.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// No request has more items, since one message carries at most 253 descriptors.
pub const BATCH_ITEMS_MAX: usize = 64;

/// What a scan looks for, and how far it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ScanOptions {
    /// The bounds.
    pub limits: Limits,
    /// Potentially unwanted applications too.
    pub pua: bool,
    /// Always compute the file's SHA-256.
    pub sha256: bool,
    /// Report every rule that fires, not only the first in each object.
    pub all_matches: bool,
    /// Show the first bytes of each match.
    pub match_bytes: bool,
    /// The pack is the starter pack: what is not detected is incomplete.
    pub starter: bool,
}

/// One file of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanItem {
    /// The caller's number for it.
    pub ticket: u64,
}

/// One source of a compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileSource {
    /// Its name in the pack: a file name, never a path of this machine.
    pub label: String,
}

/// A question about a pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Describe {
    /// What was compiled and what was not.
    Show,
    /// Each line that was dropped, with its reason.
    Dropped,
    /// The text and provenance of the rules with this name.
    Explain(String),
}

/// What a pool asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Scan these files; one verdict comes back for each, in order.
    Scan {
        /// Options for all of them.
        options: ScanOptions,
        /// The files; as many descriptors come with it.
        items: Vec<ScanItem>,
    },
    /// More sources for the compilation; as many descriptors come with it.
    CompileSources(Vec<CompileSource>),
    /// Compile what was sent, with these values for YARA rules, into the descriptors that come
    /// with it: the pack, and where there is a second one what its YARA rules are compiled to.
    CompileInto(Vec<Definition>),
    /// Answer a question about the worker's pack, or about the one that comes with it.
    Describe(Describe),
    /// Compile the YARA rules of the worker's pack into the one descriptor that comes with it;
    /// these values go before the pack's own.
    CompileYara(Vec<Definition>),
    /// The descriptor that comes with it holds what the pack's YARA rules are compiled to.
    UseYara,
    /// Do this with the files that come with it; the answer comes as pieces of one text.
    Judge(Question),
}

/// What was not compiled yet, by source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingKind {
    /// The source file's label.
    pub source: String,
    /// How many of its lines are waiting for an engine that can run them.
    pub count: u64,
    /// What they wait for.
    pub why: String,
}

/// What a scan says of its pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackSummary {
    /// Signatures that can fire, PUA ones included.
    pub signatures: u64,
    /// YARA rules, private ones included: to scan, what they are compiled to is needed too.
    pub yara_rules: u64,
    /// Lines not compiled yet, by source and reason, at most 256 rows.
    pub pending: Vec<PendingKind>,
    /// Lines dropped as wrong.
    pub dropped: u64,
    /// Containers whose publisher's signature is not good, each with why, at most 64.
    pub unverified: Vec<String>,
}

/// What a worker answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The jail stands; the first message of every worker.
    Ready {
        /// The jail.
        jail: JailReport,
        /// The pack, where it was started with one.
        pack: Option<PackSummary>,
    },
    /// The worker can't serve, and why; it ends after that.
    Refused(String),
    /// One file's verdict.
    Verdict {
        /// The caller's number.
        ticket: u64,
        /// The verdict.
        verdict: Verdict,
    },
    /// The compilation is done; what came of it.
    Compiled {
        /// The pack's length.
        pack_bytes: u64,
        /// The length of what its YARA rules are compiled to; zero where there are none, or where
        /// nobody asked.
        yara_bytes: u64,
        /// The pack's summary.
        summary: PackSummary,
    },
    /// The compilation failed, and why.
    CompileFailed(String),
    /// Some lines of an answer to [`Request::Describe`], or pieces of one to [`Request::Judge`];
    /// more follow.
    Text(Vec<String>),
    /// The answer is complete, or why it is not.
    TextEnd(Option<String>),
    /// The YARA rules are compiled; how long the result is.
    YaraCompiled(u64),
    /// The compiled YARA rules are loaded.
    YaraReady,
    /// What is known of a file before something looks at it that may take too long, or die. The
    /// verdict still follows; where it does not, this counts.
    SoFar {
        /// The caller's number.
        ticket: u64,
        /// The verdict as it stands.
        verdict: Verdict,
    },
}
