//! The canary search: secrets in bytes, plain and under up to three encodings, one on the other.
//!
//! It finds what is 16 bytes or longer. It does not find shorter pieces, pieces that are put in
//! another order, what is encrypted, or a repeating key over something that is encoded already.

use crate::layers::{self, More, Starts};
use crate::needles::{Disguise, Needles};

/// Encodings one on the other.
const DEPTH_MAX: usize = 3;
/// Decoded bytes that are looked at, for each byte that was given, and at least.
const DECODED_RATIO_MAX: usize = 32;
const DECODED_BYTES_MIN: usize = 64 << 20;
/// What a result costs beside its bytes, so that a million tiny ones end too.
const RESULT_COST_BYTES: usize = 256;
/// Findings that are kept for one buffer.
const FOUND_MAX: usize = 256;
/// Longer buffers are not turned around.
const REVERSED_BYTES_MAX: usize = 4 << 20;

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// The document's name.
    pub document: String,
    /// What of it.
    pub part: String,
    /// How it was encoded, outermost first.
    pub encodings: Vec<String>,
    /// Where it, or the outermost encoding, begins in what was searched.
    pub offset: usize,
    /// How many bytes of it.
    pub length: usize,
}

/// What came of a search.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searched {
    /// Secrets, in the order of the search; bounded.
    pub found: Vec<Found>,
    /// How many there were.
    pub count: u64,
    /// Whether a bound was reached before everything was decoded.
    pub is_cut: bool,
}

/// Searches one buffer. `starts` are places, in order, where something begins: a segment, a body.
#[must_use]
pub fn search(needles: &Needles, bytes: &[u8], starts: &[usize]) -> Searched {
    let allowed = bytes.len().saturating_mul(DECODED_RATIO_MAX);
    let mut search = Search {
        needles,
        left: allowed.max(DECODED_BYTES_MIN),
        result: Searched::default(),
        names: Vec::new(),
        origin: None,
    };
    search.layer(bytes, Starts::Many(starts));
    search.result
}

struct Search<'n> {
    needles: &'n Needles,
    left: usize,
    result: Searched,
    /// The layers that were taken off.
    names: Vec<&'static str>,
    /// Where the outermost was.
    origin: Option<usize>,
}

impl Search<'_> {
    fn layer(&mut self, bytes: &[u8], starts: Starts<'_>) {
        self.look(bytes);
        if self.names.len() >= DEPTH_MAX {
            return;
        }
        let is_reversed = self.names.contains(&"reversed");
        layers::peel(bytes, starts, &mut |name, at, decoded| {
            self.deeper(name, at, &decoded)
        });
        if !is_reversed && self.names.len() <= 1 && bytes.len() <= REVERSED_BYTES_MAX {
            self.turned(bytes);
        }
    }

    fn deeper(&mut self, name: &'static str, at: usize, decoded: &[u8]) -> More {
        let cost = decoded.len().saturating_add(RESULT_COST_BYTES);
        let Some(left) = self.left.checked_sub(cost) else {
            self.left = 0;
            self.result.is_cut = true;
            return More::No;
        };
        self.left = left;
        let is_outermost = self.origin.is_none();
        if is_outermost {
            self.origin = Some(at);
        }
        self.names.push(name);
        self.layer(decoded, Starts::First);
        self.names.pop();
        if is_outermost {
            self.origin = None;
        }
        More::Yes
    }

    /// Encodings that were written last byte first. Plain secrets are found so without this.
    fn turned(&mut self, bytes: &[u8]) {
        let mut reversed = bytes.to_vec();
        reversed.reverse();
        let last = bytes.len();
        let is_outermost = self.origin.is_none();
        self.names.push("reversed");
        layers::peel_text(&reversed, &mut |name, at, decoded| {
            if is_outermost {
                self.origin = Some(last.saturating_sub(at).saturating_sub(1));
            }
            self.deeper(name, at, &decoded)
        });
        self.names.pop();
        if is_outermost {
            self.origin = None;
        }
    }

    fn look(&mut self, bytes: &[u8]) {
        let (names, origin, result) = (&self.names, self.origin, &mut self.result);
        self.needles.find(bytes, &mut |one| {
            result.count = result.count.saturating_add(1);
            if result.found.len() >= FOUND_MAX {
                return;
            }
            let mut encodings: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            encodings.extend(disguise(&one.disguise));
            let found = Found {
                document: one.needle.document.clone(),
                part: one.needle.part.clone(),
                encodings,
                offset: origin.unwrap_or(one.offset),
                length: one.length,
            };
            if !result.found.contains(&found) {
                result.found.push(found);
            }
        });
    }
}

fn disguise(disguise: &Disguise) -> Option<String> {
    let hex = |key: &[u8]| -> String { key.iter().map(|byte| format!("{byte:02x}")).collect() };
    match disguise {
        Disguise::None => None,
        Disguise::Reversed => Some("reversed".to_owned()),
        Disguise::Xor(key) => Some(format!("xor with {}", hex(key))),
        Disguise::Add(key) => Some(format!("add {}", hex(key))),
    }
}

#[cfg(test)]
mod tests;
