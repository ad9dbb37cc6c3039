//! Names of hash rules: a few thousand stems, and a number for each rule.
//!
//! Millions of rules are called `Win.Trojan.Agent-5000123-0` and end in `:73`. What they share is
//! kept once, as a stem: the text before a number, the text after it, and what follows the name in
//! the rule's line. A name has at most one number of its own, the longest row of digits in it.
//!
//! A stem is: head's length u16, tail's length u16, suffix's length u16, whether there is a number
//! u16, and the three texts. It is known by where it begins.

use std::collections::HashMap;

use super::le_u16;

/// Digits that any u32 has room for.
const DIGITS_MAX: usize = 9;
/// Stems are known by offsets of 32 bits.
const STEMS_BYTES_MAX: usize = 1 << 31;

/// A name taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SplitName<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) number: Option<u32>,
    pub(crate) tail: &'a [u8],
}

impl<'a> SplitName<'a> {
    /// Takes a name apart so that it can be put together again, to the byte.
    pub(crate) fn of(name: &'a [u8]) -> Self {
        let whole = Self {
            head: name,
            number: None,
            tail: &[],
        };
        let (start, end) = longest_digits(name);
        let digits = name.get(start..end).unwrap_or_default();
        // Leading zeros belong to the text, and so do more digits than fit.
        let begin = digits.len().saturating_sub(DIGITS_MAX);
        let zeros = digits
            .get(begin..)
            .unwrap_or_default()
            .iter()
            .take_while(|digit| **digit == b'0')
            .count();
        let begin = begin.saturating_add(zeros);
        let number = crate::hash::decimal(digits.get(begin..).unwrap_or_default());
        let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else {
            return whole;
        };
        let start = start.saturating_add(begin);
        match (name.get(..start), name.get(end..)) {
            (Some(head), Some(tail)) => Self {
                head,
                number: Some(number),
                tail,
            },
            _ => whole,
        }
    }
}

/// Where the longest row of digits is, the first of them; nothing where there is none.
fn longest_digits(name: &[u8]) -> (usize, usize) {
    let mut best = (0usize, 0usize);
    let mut start = 0usize;
    for (at, byte) in (1usize..).zip(name) {
        if !byte.is_ascii_digit() {
            start = at;
        } else if at.saturating_sub(start) > best.1.saturating_sub(best.0) {
            best = (start, at);
        }
    }
    best
}

/// A stem, read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stem<'a> {
    head: &'a [u8],
    tail: &'a [u8],
    /// What follows the name in the line, with its colon.
    pub(crate) suffix: &'a [u8],
    is_numbered: bool,
}

const STEM_HEAD_BYTES: usize = 8;

impl<'a> Stem<'a> {
    /// The stem that begins here.
    pub(crate) fn at(stems: &'a [u8], offset: u32) -> Option<Self> {
        let bytes = stems.get(usize::try_from(offset).ok()?..)?;
        let length = |field| le_u16(bytes, field).map(usize::from);
        let text = bytes.get(STEM_HEAD_BYTES..)?;
        let (head, text) = text.split_at_checked(length(0)?)?;
        let (tail, text) = text.split_at_checked(length(2)?)?;
        Some(Self {
            head,
            tail,
            suffix: text.get(..length(4)?)?,
            is_numbered: length(6)? != 0,
        })
    }

    /// The name that this stem makes with a number.
    pub(crate) fn name(&self, number: u32) -> Vec<u8> {
        let digits = match self.is_numbered {
            true => number.to_string(),
            false => String::new(),
        };
        [self.head, digits.as_bytes(), self.tail].concat()
    }

    /// Whether this stem makes this name with a number.
    pub(crate) fn makes(&self, name: SplitName<'_>, number: u32) -> bool {
        let same_number = match name.number {
            Some(wanted) => self.is_numbered && number == wanted,
            None => !self.is_numbered,
        };
        same_number && self.head == name.head && self.tail == name.tail
    }
}

/// Stems while a pack is built, numbered in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct StemRows {
    numbers: HashMap<Box<[u8]>, u32>,
    size_bytes: usize,
    scratch: Vec<u8>,
}

impl StemRows {
    /// The stem's number; `None` where a text is too long for one, or there is no more room.
    pub(crate) fn add(&mut self, name: SplitName<'_>, suffix: &[u8]) -> Option<u32> {
        let numbered = u16::from(name.number.is_some());
        self.scratch.clear();
        for text in [name.head, name.tail, suffix] {
            let length = u16::try_from(text.len()).ok()?;
            self.scratch.extend(length.to_le_bytes());
        }
        self.scratch.extend(numbered.to_le_bytes());
        for text in [name.head, name.tail, suffix] {
            self.scratch.extend(text);
        }
        if let Some(number) = self.numbers.get(self.scratch.as_slice()) {
            return Some(*number);
        }
        let number = u32::try_from(self.numbers.len()).ok()?;
        let size_bytes = self.size_bytes.saturating_add(self.scratch.len());
        if size_bytes > STEMS_BYTES_MAX {
            return None;
        }
        self.size_bytes = size_bytes;
        self.numbers.insert(self.scratch.as_slice().into(), number);
        Some(number)
    }

    /// The stems in an order of their own, so that it does not matter which came first; and for
    /// each number where its stem begins.
    pub(crate) fn into_bytes(self) -> (Vec<u8>, Vec<u32>) {
        let mut stems: Vec<_> = self.numbers.into_iter().collect();
        stems.sort_unstable();
        let mut bytes = Vec::with_capacity(self.size_bytes);
        let mut offsets = vec![0; stems.len()];
        for (stem, number) in stems {
            let place = usize::try_from(number).ok();
            let slot = place.and_then(|place| offsets.get_mut(place));
            if let (Some(slot), Ok(offset)) = (slot, u32::try_from(bytes.len())) {
                *slot = offset;
            }
            bytes.extend(stem);
        }
        (bytes, offsets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_put_together_again_to_the_byte() {
        for (name, number) in [
            (&b"Win.Trojan.Agent-5000123-0"[..], Some(5_000_123)),
            (b"CVE_2020_1381", Some(2020)),
            (b"Eicar", None),
            (b"", None),
            (b"0", None),
            (b"7", Some(7)),
            (b"a0007", Some(7)),
            (b"a000-5", None),
            (b"123456789012345", Some(789_012_345)),
            (b"x99999999999", Some(999_999_999)),
            (b"12.34.56", Some(12)),
            (b"\xff1\x00", Some(1)),
        ] {
            let split = SplitName::of(name);
            assert_eq!(split.number, number, "{}", String::from_utf8_lossy(name));
            let mut stems = StemRows::default();
            assert_eq!(stems.add(split, b":73"), Some(0));
            let (bytes, offsets) = stems.into_bytes();
            let stem = Stem::at(&bytes, offsets[0]).unwrap();
            assert_eq!(stem.name(number.unwrap_or(0)), name);
            assert_eq!(stem.suffix, b":73");
            assert!(stem.makes(split, number.unwrap_or(0)));
        }
    }

    #[test]
    fn stems_lie_in_an_order_that_depends_on_them_alone() {
        let names = [&b"B-1-0"[..], b"A-2-0", b"B-3-0", b"C"];
        let build = |order: &[usize]| {
            let mut stems = StemRows::default();
            for index in order {
                stems.add(SplitName::of(names[*index]), b"").unwrap();
            }
            stems.into_bytes().0
        };
        assert_eq!(build(&[0, 1, 2, 3]), build(&[3, 2, 1, 0, 0]));
    }
}
