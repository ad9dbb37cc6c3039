//! Anchors: which bytes of a part the scanner searches for.
//!
//! An anchor is a stretch of up to 32 static bytes, its literal. The search looks at four bytes at
//! every fourth place, so each literal is entered four times, once for each alignment, at the place
//! in it that is rarest: see [`places`]. What is rare is told by a frozen table of [`statistics`],
//! and by nothing else, so that a signature has the same anchors whatever it is compiled with.

mod grams;
pub mod statistics;

pub(crate) use grams::{Place, places};

use crate::body::{Element, runs};

/// A literal that stands for its part in the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Literal {
    bytes: [u8; Self::BYTES_MAX],
    length: u8,
}

impl Literal {
    /// The longest literal; what is longer is cut.
    pub const BYTES_MAX: usize = 32;

    /// The literal of these bytes, of which it takes the first 32; `None` of fewer than two.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Self> {
        let text = text.get(..text.len().min(Self::BYTES_MAX))?;
        let mut bytes = [0; Self::BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        let length = u8::try_from(text.len()).ok()?;
        (length >= 2).then_some(Self { bytes, length })
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
            .get(..usize::from(self.length))
            .unwrap_or_default()
    }

    /// How much work it is expected to make for the search of 2^32 bytes, in second looks.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let text = self.as_bytes();
        match grams::places(text) {
            Some(places) => places
                .iter()
                .fold(0u64, |sum, place| sum.saturating_add(place.cost))
                .wrapping_shr(2),
            // A short one needs a search of every place, and each hit is checked at once.
            None => statistics::rate(text)
                .saturating_mul(8)
                .saturating_add(SHORT_PASS),
        }
    }
}

/// What the search of every place costs a literal that is alone in needing it: as much as a look
/// closer at one place of 64.
const SHORT_PASS: u64 = 1 << 26;

/// A chosen literal and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) literal: Literal,
    /// The element that holds it.
    pub(crate) element: usize,
    /// Its first byte there.
    pub(crate) start: usize,
    cost: u64,
}

impl Chosen {
    /// How much work it is expected to make: see [`Literal::cost`].
    pub(crate) fn cost(&self) -> u64 {
        self.cost
    }
}

/// From one literal that is tried to the next, in a run that holds several.
const STRIDE: usize = 8;
/// A longer run is not tried farther.
const TRIED_BYTES: usize = 1024;

/// Chooses the rarest literal of a part; `None` where it has no two static bytes in a row. Letters
/// in either case are in lower case in it.
pub(crate) fn choose(elements: &[Element]) -> Option<Chosen> {
    let mut best: Option<Chosen> = None;
    for run in runs(elements) {
        let bytes = run.bytes.get(..run.bytes.len().min(TRIED_BYTES));
        let bytes = bytes.unwrap_or_default();
        let last = bytes.len().saturating_sub(Literal::BYTES_MAX);
        let starts = (0..last).step_by(STRIDE).chain([last]);
        for start in starts {
            let Some(literal) = bytes.get(start..).and_then(Literal::new) else {
                continue;
            };
            let cost = literal.cost();
            if best.as_ref().is_none_or(|best| cost < best.cost) {
                let (element, start) = run.place(start);
                best = Some(Chosen {
                    literal,
                    element,
                    start,
                    cost,
                });
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rare_literal_wins_over_the_common_one() {
        let elements = [
            Element::Bytes(vec![0; 40]),
            Element::Any(3),
            Element::Bytes(vec![0xd3; 3]),
            Element::Any(1),
            Element::Bytes(b"\0\0\0\xd3\x9b\xae\xb1\xc9\x17\xe2\x5b\x88".to_vec()),
        ];
        let chosen = choose(&elements).unwrap();
        assert_eq!((chosen.element, chosen.start), (4, 0));
        assert!(chosen.cost() < Literal::new(&[0; 40]).unwrap().cost());
    }

    #[test]
    fn two_bytes_are_the_least() {
        assert!(choose(&[Element::Bytes(vec![1]), Element::Any(1)]).is_none());
        let chosen = choose(&[Element::Bytes(vec![1, 2])]).unwrap();
        assert_eq!(chosen.literal.as_bytes(), [1, 2]);
    }

    #[test]
    fn a_long_run_is_searched_by_its_rarest_stretch() {
        let mut run = vec![0; 300];
        run[200..216]
            .copy_from_slice(b"\xd3\x9b\xae\xb1\xc9\x17\xe2\x5b\x88\x31\xf7\x6a\x92\xbd\x4e\x86");
        let chosen = choose(&[Element::Bytes(run)]).unwrap();
        assert!((184..=200).contains(&chosen.start), "{chosen:?}");
    }

    #[test]
    fn a_literal_may_reach_over_a_joint() {
        let elements = [
            Element::Bytes(vec![0, 0, 0xd3]),
            Element::Folded(b"xyz".to_vec()),
        ];
        let chosen = choose(&elements).unwrap();
        assert_eq!((chosen.element, chosen.start), (0, 0));
        assert_eq!(chosen.literal.as_bytes(), b"\0\0\xd3xyz");
    }
}
