//! Digests of documents: a product that sends one says which file somebody has.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::Document;

/// What products take as a file's head.
const HEAD_BYTES: usize = 4096;

/// A digest and what it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// What it is, in a few words.
    pub part: String,
    /// Its bytes: 16, 20 or 32.
    pub bytes: Vec<u8>,
}

/// MD5, SHA-1 and SHA-256 of a document, of its head, of its name and of each of its secrets.
#[must_use]
pub fn digests(document: &Document) -> Vec<Digest> {
    let mut digests = of("the file", &document.bytes).to_vec();
    if let Some(head) = document.bytes.get(..HEAD_BYTES) {
        digests.extend(of("the file's head", head));
    }
    digests.extend(of("the file's name", document.name.as_bytes()));
    for secret in &document.secrets {
        digests.extend(of(secret.part, &secret.bytes));
    }
    digests
}

fn of(what: &str, bytes: &[u8]) -> [Digest; 3] {
    let digest = |name: &str, bytes: Vec<u8>| Digest {
        part: format!("{name} of {what}"),
        bytes,
    };
    [
        digest("MD5", Md5::digest(bytes).to_vec()),
        digest("SHA-1", Sha1::digest(bytes).to_vec()),
        digest("SHA-256", Sha256::digest(bytes).to_vec()),
    ]
}
