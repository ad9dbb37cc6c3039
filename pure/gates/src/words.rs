//! Formulas as words of 32 bits, and what they come to for an object. Reading is bounded by the
//! words that are there, whatever they say.
//!
//! ```text
//! each part     its kind u8 and a detail in the 24 bits above, then its length in words with these
//!               two, then its own words
//! ```

use crate::formula::{Arithmetic, Comparison, DEPTH_MAX, Formula, Number, Reading};
use crate::literal::Masked;

const UNKNOWN: u32 = 0;
const LITERAL: u32 = 1;
const AT_LEAST: u32 = 2;
const NOT: u32 = 3;
const RULE: u32 = 4;
const COMPARE: u32 = 5;
const CONSTANT: u32 = 6;
const FILE_SIZE: u32 = 7;
const READ: u32 = 8;
const COMPUTE: u32 = 9;
const STANDS: u32 = 10;
/// Bytes are not looked for at more places than this.
const PLACES_MAX: usize = 1 << 16;

/// A formula's words.
pub(crate) fn write(formula: &Formula, words: &mut Vec<u32>) {
    match formula {
        Formula::Unknown => part(words, (UNKNOWN, 0), |_| {}),
        Formula::Literal(number) => part(words, (LITERAL, 0), |words| words.push(*number)),
        Formula::AtLeast { count, of } => part(words, (AT_LEAST, 0), |words| {
            words.push(*count);
            words.push(u32::try_from(of.len()).unwrap_or(u32::MAX));
            of.iter().for_each(|one| write(one, words));
        }),
        Formula::Not(inner) => part(words, (NOT, 0), |words| write(inner, words)),
        Formula::Rule(number) => part(words, (RULE, 0), |words| words.push(*number)),
        Formula::Stands { bytes, low, high } => part(words, (STANDS, 0), |words| {
            write_number(low, words);
            write_number(high, words);
            let word = |byte: &Masked| u32::from(u16::from_le_bytes([byte.value, byte.mask]));
            words.extend(bytes.iter().map(word));
        }),
        Formula::Compare { how, left, right } => part(words, (COMPARE, *how as u32), |words| {
            write_number(left, words);
            write_number(right, words);
        }),
    }
}

fn write_number(number: &Number, words: &mut Vec<u32>) {
    match number {
        Number::Constant(value) => part(words, (CONSTANT, 0), |words| {
            let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
            words.push(u32::from_le_bytes([a, b, c, d]));
            words.push(u32::from_le_bytes([e, f, g, h]));
        }),
        Number::FileSize => part(words, (FILE_SIZE, 0), |_| {}),
        Number::Read(reading, place) => {
            let detail = u32::from(reading.width_bytes)
                | u32::from(reading.is_signed).wrapping_shl(8)
                | u32::from(reading.is_big_endian).wrapping_shl(9);
            part(words, (READ, detail), |words| write_number(place, words));
        }
        Number::Compute(how, left, right) => part(words, (COMPUTE, *how as u32), |words| {
            write_number(left, words);
            write_number(right, words);
        }),
    }
}

fn part(words: &mut Vec<u32>, (kind, detail): (u32, u32), own: impl FnOnce(&mut Vec<u32>)) {
    let start = words.len();
    words.extend([kind | detail.wrapping_shl(8), 0]);
    own(words);
    let length = words.len().saturating_sub(start);
    if let Some(word) = words.get_mut(start.saturating_add(1)) {
        *word = u32::try_from(length).unwrap_or(u32::MAX);
    }
}

/// What formulas are asked about.
pub(crate) trait Facts {
    /// Whether the literal with this number was found.
    fn has_literal(&mut self, number: u32) -> bool;
    /// Whether the rule with this number may match.
    fn may_match(&mut self, rule: u32) -> bool;
    /// The object.
    fn bytes(&self) -> &[u8];
}

/// A formula's words in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words<'w> {
    bytes: &'w [[u8; 4]],
}

/// One part, and where its own words lie.
struct Part<'w> {
    kind: u32,
    detail: u32,
    own: Words<'w>,
}

/// What a number comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Known(i64),
    /// It has none.
    Undefined,
    /// It can't be told here.
    Unclear,
}

impl<'w> Words<'w> {
    pub(crate) fn new(bytes: &'w [u8]) -> Self {
        Self {
            bytes: bytes.as_chunks::<4>().0,
        }
    }

    /// Whether it may be true. What can't be read may be.
    pub(crate) fn may_hold(mut self, facts: &mut dyn Facts) -> bool {
        self.next_part()
            .is_none_or(|part| may_hold(part, facts, DEPTH_MAX.saturating_add(2)))
    }

    fn word(&mut self) -> Option<u32> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(u32::from_le_bytes(*first))
    }

    fn next_part(&mut self) -> Option<Part<'w>> {
        let whole = self.bytes;
        let head = self.word()?;
        let length = usize::try_from(self.word()?).ok()?;
        let own = whole.get(2..length)?;
        self.bytes = whole.get(length..)?;
        Some(Part {
            kind: head & 0xff,
            detail: head.wrapping_shr(8),
            own: Words { bytes: own },
        })
    }
}

fn may_hold(part: Part<'_>, facts: &mut dyn Facts, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    let mut own = part.own;
    match part.kind {
        LITERAL => own.word().is_none_or(|number| facts.has_literal(number)),
        RULE => own.word().is_none_or(|number| facts.may_match(number)),
        NOT => own
            .next_part()
            .is_none_or(|inner| may_fail(inner, facts, depth)),
        AT_LEAST => at_least(own, &mut |one| may_hold(one, facts, depth)),
        STANDS => stands(own, facts.bytes(), depth) != Some(false),
        COMPARE => compare(part.detail, own, facts.bytes(), depth) != Some(false),
        _ => true,
    }
}

/// Whether as many of the parts are true as are wanted; no more are asked than it takes to know.
fn at_least(mut own: Words<'_>, is_true: &mut dyn FnMut(Part<'_>) -> bool) -> bool {
    let mut missing = own.word().unwrap_or(0);
    let mut left = own.word().unwrap_or(0);
    while missing > 0 {
        let Some(part) = own.next_part().filter(|_| missing <= left) else {
            return false;
        };
        missing = missing.saturating_sub(u32::from(is_true(part)));
        left = left.saturating_sub(1);
    }
    true
}

/// Whether bytes stand between two places, if that can be told.
fn stands(mut own: Words<'_>, bytes: &[u8], depth: u32) -> Option<bool> {
    let low = value(own.next_part()?, bytes, depth);
    let high = value(own.next_part()?, bytes, depth);
    let (low, high) = match (low, high) {
        (Value::Known(low), Value::Known(high)) => (low, high),
        (Value::Undefined, _) | (_, Value::Undefined) => return Some(false),
        (Value::Unclear, _) | (_, Value::Unclear) => return None,
    };
    let Ok(high) = usize::try_from(high) else {
        return Some(false);
    };
    let low = usize::try_from(low).unwrap_or(0);
    let last = high.min(bytes.len());
    if last.saturating_sub(low) > PLACES_MAX {
        return None;
    }
    let is_at = |start: usize| {
        let found = bytes.get(start..).unwrap_or_default();
        found.len() >= own.bytes.len()
            && found.iter().zip(own.bytes).all(|(found, word)| {
                let [value, mask, _, _] = *word;
                found & mask == value
            })
    };
    Some((low..=last).any(is_at))
}

fn may_fail(part: Part<'_>, facts: &mut dyn Facts, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else {
        return true;
    };
    let own = part.own;
    match part.kind {
        AT_LEAST => !at_least(own, &mut |one| !may_fail(one, facts, depth)),
        COMPARE => compare(part.detail, own, facts.bytes(), depth) != Some(true),
        _ => true,
    }
}

/// Whether a comparison holds, if that can be told. It does not where a side has no value.
fn compare(how: u32, mut sides: Words<'_>, bytes: &[u8], depth: u32) -> Option<bool> {
    let left = value(sides.next_part()?, bytes, depth);
    let right = value(sides.next_part()?, bytes, depth);
    match (left, right) {
        (Value::Known(left), Value::Known(right)) => match how {
            how if how == Comparison::Equal as u32 => Some(left == right),
            how if how == Comparison::NotEqual as u32 => Some(left != right),
            how if how == Comparison::Less as u32 => Some(left < right),
            how if how == Comparison::LessOrEqual as u32 => Some(left <= right),
            _ => None,
        },
        (Value::Undefined, _) | (_, Value::Undefined) => Some(false),
        (Value::Unclear, _) | (_, Value::Unclear) => None,
    }
}

fn value(part: Part<'_>, bytes: &[u8], depth: u32) -> Value {
    let Some(depth) = depth.checked_sub(1) else {
        return Value::Unclear;
    };
    let mut own = part.own;
    match part.kind {
        CONSTANT => match (own.word(), own.word()) {
            (Some(low), Some(high)) => {
                let joined = u64::from(low) | u64::from(high).wrapping_shl(32);
                Value::Known(i64::from_le_bytes(joined.to_le_bytes()))
            }
            _ => Value::Unclear,
        },
        FILE_SIZE => i64::try_from(bytes.len()).map_or(Value::Unclear, Value::Known),
        READ => {
            let reading = Reading {
                width_bytes: part.detail.to_le_bytes().first().copied().unwrap_or(0),
                is_signed: part.detail & 0x100 != 0,
                is_big_endian: part.detail & 0x200 != 0,
            };
            match own.next_part().map(|place| value(place, bytes, depth)) {
                Some(Value::Known(place)) => read(bytes, reading, place),
                Some(other) => other,
                None => Value::Unclear,
            }
        }
        COMPUTE => {
            let sides = (own.next_part(), own.next_part());
            let (Some(left), Some(right)) = sides else {
                return Value::Unclear;
            };
            compute(
                part.detail,
                value(left, bytes, depth),
                value(right, bytes, depth),
            )
        }
        _ => Value::Unclear,
    }
}

fn read(bytes: &[u8], reading: Reading, place: i64) -> Value {
    let Ok(place) = usize::try_from(place) else {
        return Value::Undefined;
    };
    let width = usize::from(reading.width_bytes);
    let Some(found) = bytes.get(place..).and_then(|rest| rest.get(..width)) else {
        return Value::Undefined;
    };
    let add = |sum: i64, byte: &u8| sum.wrapping_shl(8) | i64::from(*byte);
    let sum = match reading.is_big_endian {
        true => found.iter().fold(0, add),
        false => found.iter().rev().fold(0, add),
    };
    let unused = 64u32.saturating_sub(u32::from(reading.width_bytes).saturating_mul(8));
    match reading.is_signed {
        true => Value::Known(sum.wrapping_shl(unused).wrapping_shr(unused)),
        false => Value::Known(sum),
    }
}

fn compute(how: u32, left: Value, right: Value) -> Value {
    let (Value::Known(left), Value::Known(right)) = (left, right) else {
        // Whichever has no value, neither has the result.
        let is_undefined = left == Value::Undefined || right == Value::Undefined;
        return if is_undefined {
            Value::Undefined
        } else {
            Value::Unclear
        };
    };
    let result = match how {
        how if how == Arithmetic::Add as u32 => left.checked_add(right),
        how if how == Arithmetic::Subtract as u32 => left.checked_sub(right),
        how if how == Arithmetic::Multiply as u32 => left.checked_mul(right),
        how if how == Arithmetic::And as u32 => Some(left & right),
        how if how == Arithmetic::Or as u32 => Some(left | right),
        how if how == Arithmetic::ExclusiveOr as u32 => Some(left ^ right),
        how if how == Arithmetic::ShiftLeft as u32 => shift(left, right, i64::wrapping_shl),
        how if how == Arithmetic::ShiftRight as u32 => shift(left, right, i64::wrapping_shr),
        _ => None,
    };
    result.map_or(Value::Unclear, Value::Known)
}

/// Only what cannot be read in two ways.
fn shift(left: i64, right: i64, by: fn(i64, u32) -> i64) -> Option<i64> {
    let bits = u32::try_from(right).ok().filter(|bits| *bits < 32)?;
    (0..1 << 32).contains(&left).then(|| by(left, bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Object<'o> {
        bytes: &'o [u8],
        literals: Vec<u32>,
    }

    impl Facts for Object<'_> {
        fn has_literal(&mut self, number: u32) -> bool {
            self.literals.contains(&number)
        }
        fn may_match(&mut self, rule: u32) -> bool {
            rule == 1
        }
        fn bytes(&self) -> &[u8] {
            self.bytes
        }
    }

    fn holds(formula: &Formula, bytes: &[u8], literals: &[u32]) -> bool {
        let mut words = Vec::new();
        write(formula, &mut words);
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut object = Object {
            bytes,
            literals: literals.to_vec(),
        };
        for cut in 0..words.len() {
            let _ = Words::new(&words[..cut]).may_hold(&mut object);
        }
        Words::new(&words).may_hold(&mut object)
    }

    fn word_at(place: Number) -> Number {
        let reading = Reading {
            width_bytes: 2,
            is_signed: false,
            is_big_endian: false,
        };
        Number::Read(reading, Box::new(place))
    }

    fn equal(left: Number, value: i64) -> Formula {
        Formula::Compare {
            how: Comparison::Equal,
            left,
            right: Number::Constant(value),
        }
    }

    #[test]
    fn literals_and_rules_are_asked_for() {
        let two = Formula::at_least(2, (0..3).map(Formula::Literal).collect());
        assert!(holds(&two, b"", &[0, 2]));
        assert!(!holds(&two, b"", &[1]));
        assert!(holds(&Formula::Rule(1), b"", &[]));
        assert!(!holds(&Formula::Rule(0), b"", &[]));
        assert!(holds(&Formula::Unknown, b"", &[]));
    }

    #[test]
    fn numbers_come_from_the_object_and_what_is_not_there_compares_with_nothing() {
        let magic = equal(word_at(Number::Constant(0)), 0x5a4d);
        assert!(holds(&magic, b"MZ", &[]));
        assert!(!holds(&magic, b"ZM", &[]));
        assert!(!holds(&magic, b"M", &[]));
        let behind = equal(word_at(word_at(Number::Constant(0))), 0x4241);
        assert!(holds(&behind, b"\x03\0xAB", &[]));
        assert!(!holds(&behind, b"\xff\0xAB", &[]));
        let size = |how| Formula::Compare {
            how,
            left: Number::FileSize,
            right: Number::Constant(3),
        };
        assert!(holds(&size(Comparison::LessOrEqual), b"abc", &[]));
        assert!(!holds(&size(Comparison::Less), b"abc", &[]));
    }

    #[test]
    fn a_not_is_closed_only_by_what_is_certain() {
        let magic = || equal(word_at(Number::Constant(0)), 0x5a4d);
        let not = Formula::not(magic());
        assert!(!holds(&not, b"MZ", &[]));
        assert!(holds(&not, b"ZM", &[]));
        // A comparison without a value is not true, and its opposite is not certain either.
        assert!(holds(&not, b"", &[]));
        let either = Formula::not(Formula::any(vec![magic(), Formula::Literal(0)]));
        assert!(!holds(&either, b"MZ", &[]));
        assert!(holds(&either, b"ZM", &[0]));
    }
}
