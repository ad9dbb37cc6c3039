//! Evidence: what somebody says of a product, how they know, until when, and who signed it.
//!
//! A record says one thing of one build and is bound to it by digest. Records travel as in-toto
//! statements in DSSE envelopes, many of them in one bundle. This crate reads all of that, and
//! what other tools write, and judges it by a policy. It trusts nobody by itself: what is not
//! signed by a key that the policy names counts as unknown.
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

mod archive;
pub mod collect;
mod date;
mod digest;
pub mod envelope;
#[cfg(test)]
mod examples;
pub mod foreign;
mod held;
pub mod json;
mod predicate;
mod record;
mod refusal;
mod source;
pub mod statement;
pub mod trust;
pub mod verify;

pub use date::Date;
pub use digest::Sha256Digest;
pub use held::{Held, Party, Signer, Standing};
pub use predicate::{About, KNOWN_PREDICATES, Predicate};
pub use record::{
    Artifact, Confidence, Counter, Fact, Method, Pointer, Record, RecordError, Subject, Value,
};
pub use refusal::{Named, Refusal};
pub use source::{Range, Source};
