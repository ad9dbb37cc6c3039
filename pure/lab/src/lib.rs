//! What the lab's processes agree on: products, plans, records, the bundle's layout, the answers.
//!
//! It reads the operator's own files and writes records. It parses nothing that a watched product
//! had a hand in beyond one JSON record at a time, and does no I/O.
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

pub mod answers;
pub mod bundle;
pub mod control;
pub mod escaped;
pub mod gateway;
pub mod lines;
pub mod plan;
pub mod product;
mod strict;
pub mod trace;
pub mod ustar;

pub use answers::Answers;
pub use escaped::Escaped;
pub use plan::Plan;
pub use product::Product;
pub use strict::Mistake;
