//! What the processes say to each other: requests, verdicts, budgets, and their bounded encoding.
//!
//! Every role links this crate, so it stays small: no I/O, no dependency, nothing that looks at
//! the bytes of a scanned object. A message never holds a local path: it can travel.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

extern crate alloc;

mod budget;
mod codec;
mod definition;
mod jail;
mod message;
mod question;
mod verdict;

pub use budget::{Budget, Limits, Unlimited};
pub use codec::{CodecError, Decode, Encode, Reader, Writer};
pub use definition::{Definition, DefinitionValue, YARA_HEADER_BYTES};
pub use jail::{JailReport, Layer, LayerState, Probe, ProbeResult, THREATS, Threat};
pub use message::{
    BATCH_ITEMS_MAX, CompileSource, Describe, MESSAGE_BYTES_MAX, PackSummary, PendingKind, Reply,
    Request, ScanItem, ScanOptions,
};
pub use question::{NamedFile, Question, Setting};
pub use verdict::{
    DETAILS_MAX, Detail, FINDINGS_MAX, Finding, MATCH_BYTES_MAX, MATCHES_MAX, Match, Outcome,
    Reason, Reasons, RuleRef, Verdict,
};
