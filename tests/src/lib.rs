//! What the acceptance tests share: the commands as people run them, harmless files that must be
//! detected, and a check of JSON against the published schemas.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "this crate only serves tests, which fail by panicking"
)]

pub mod archives;
pub mod attacks;
pub mod cli;
pub mod corpus;
pub mod guest;
pub mod lab;
pub mod lab_network;
pub mod logical;
pub mod markup;
pub mod outcome;
pub mod peer;
pub mod quine;
pub mod realise;
pub mod schema;
pub mod shared;
pub mod signatures;
pub mod tree;
pub mod watch;
pub mod wrapped;
