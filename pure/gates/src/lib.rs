//! Which YARA rules an object could match at all, so that the others need not be run on it.
//!
//! A rule's condition is read for what it needs: literals of its patterns, the object's size, bytes
//! at places that can be computed. One search over the object tells which literals are there; what
//! a condition needs is then decided with three values, and what is not understood counts as
//! perhaps true. So a gate may be open for nothing, and is never closed on a match. Refuses to
//! say that a rule matches: that is for the engine behind the gate.
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

mod chain;
mod condition;
mod cover;
mod formula;
mod literal;
mod pattern;
mod read;
mod regexp;
mod search;
mod words;
mod write;

pub use read::{Gates, Passage};
pub use write::{GateBuilder, RuleGate, Scope};
