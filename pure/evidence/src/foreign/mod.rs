//! Other tools' evidence as records: what it says, how whoever says it could know, and no more.
//!
//! What is not signed by somebody independent is the vendor's word, whatever its form. What a
//! document says beyond what is read here is named, never guessed.

use crate::statement::Statement;
use crate::{Record, Signer};

/// What a document says.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// Its form: `cyclonedx`, `spdx`…
    pub kind: &'static str,
    /// What it says of its subject.
    pub records: Vec<Record>,
    /// What is worth knowing beside that.
    pub notes: Vec<String>,
}

/// The records of a statement whose predicate is somebody else's; `None` where it is not known.
#[must_use]
pub fn of_statement(_statement: &Statement, _signers: &[Signer]) -> Option<Result<Read, String>> {
    None
}

/// The records of a document that nobody signed.
pub fn of_document(_bytes: &[u8]) -> Result<Read, String> {
    Err("it is no document that is read here".to_owned())
}
