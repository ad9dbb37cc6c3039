//! A bundle's bytes in; answers out: captures, traces and records that a watched product had a hand
//! in.
//!
//! Everything here is hostile. Every loop is bounded by bytes, by count or by a budget, and what
//! was not looked at becomes a gap that makes answers unknown. It does no I/O, and gives the same
//! answers to the same bytes on any machine.
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

mod answers;
mod bundle;
mod flows;
mod html;
mod layers;
mod needles;
mod packet;
mod pcapng;
mod run;
mod search;

pub use answers::{answer, detectors};
pub use bundle::{Bundle, Refused};
pub use html::html;
pub use needles::{Disguise, Match, Needle, Needles};
pub use search::{Found, Searched, search};
