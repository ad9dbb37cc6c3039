//! What signs, and what is signed: Ed25519 keys and their files, DSSE's bytes to sign, base64 and
//! hexadecimal.
//!
//! Links no reader of documents, so that the process that holds a private key parses nothing from
//! outside. It knows no clock and no source of random numbers.
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

pub mod base64;
pub mod hex;
mod key;
mod pae;

pub use key::{KeyError, KeyId, PublicKey, SEED_BYTES, SIGNATURE_BYTES, SigningKey};
pub use pae::pae;
