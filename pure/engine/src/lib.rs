//! Object bytes and a pack in, findings out.
//!
//! One pass over an object computes the digests that some signature of its size could need and
//! searches for the literals of body signatures; what a literal finds is then checked in full.
//! An object is read in windows, so that its size does not decide how much memory a scan takes.
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

mod ahead;
mod anchors;
mod body;
mod certificates;
mod chain;
mod digests;
mod exact;
mod hashes;
mod hits;
mod listings;
mod logical;
mod md5;
mod neighbours;
mod offsets;
mod part;
mod reader;
mod scanner;
mod search;
mod targets;
mod triggered;
#[cfg(test)]
mod two_passes;
mod window;

pub use ahead::{Begun, begin_digests};
pub use certificates::{CertificateTrouble, blocked_certificates};
pub use listings::Listings;
pub use scanner::{Examined, Hashing, Hit, Object, Options, Scanner};
pub use targets::groups_of;
