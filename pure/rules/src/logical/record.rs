//! A logical rule as it lies in the pack: written once, read in place.
//!
//! | what | how |
//! |---|---|
//! | target, subsignature count, intermediate count, container | u8 each; 0 is no container, else its code and 1 |
//! | which bounds follow | u8: bit 0 file size, 1 entry point, 2 section count |
//! | bounds | two u32 each |
//! | intermediates | u8 each |
//! | expression | a program |
//! | subsignatures | for each: length u16, kind u8, what it holds |
//!
//! A program is its count of steps as a u16, then the steps. Numbers are little-endian. A record
//! that no compiler wrote reads as nothing.

use super::compare::{ByteComparison, ByteOrder, Digits, Notation, NumberCondition};
use super::description::{Bounds, Description};
use super::expression::{Comparison, Condition, Step, TERMS_MAX};
use super::{Logical, MacroCall, PatternFlags, Subsignature};
use crate::hash::LineTrouble;
use crate::{Anchor, FileType, Offset};

/// A rule's record.
#[derive(Clone, Debug)]
pub struct LogicalRecord<'a> {
    /// Which objects it is for.
    pub description: Description,
    sub_count: u8,
    expression: Steps<'a>,
    subs: &'a [u8],
}

/// One subsignature.
#[derive(Clone, Copy, Debug)]
pub enum SubRecord<'a> {
    /// Fragments, by number: the first of them, and how many there are.
    Fragments(u32, u32),
    /// A macro subsignature.
    Macro(MacroCall),
    /// A regular expression.
    Pattern(PatternRecord<'a>),
    /// A comparison of bytes.
    Compare(ByteComparison),
    /// A picture's hash.
    Picture([u8; 8]),
}

/// A regular expression.
#[derive(Clone, Copy, Debug)]
pub struct PatternRecord<'a> {
    /// Where it may match.
    pub offset: Offset,
    /// What must hold before it is tried.
    pub trigger: Steps<'a>,
    /// The letters behind it.
    pub flags: PatternFlags,
    /// The expression.
    pub text: &'a [u8],
}

/// A program's steps, in order.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    left: u16,
    bytes: &'a [u8],
}

/// The longest regular expression; a record's parts have two bytes for their length.
const PATTERN_BYTES_MAX: usize = 32 * 1024;

impl<'a> LogicalRecord<'a> {
    /// Reads a record.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut left = Left(bytes);
        let [target, sub_count, intermediates, container, bounds] = left.array()?;
        let mut bound = |bit: u8| {
            if bounds & bit == 0 {
                return Some(None);
            }
            Some(Some(Bounds {
                min: left.u32()?,
                max: left.u32()?,
            }))
        };
        let (file_size, entry_point, section_count) = (bound(1)?, bound(2)?, bound(4)?);
        let intermediates = left.take(usize::from(intermediates))?;
        let description = Description {
            target,
            file_size,
            entry_point,
            section_count,
            container: match container.checked_sub(1) {
                None => None,
                Some(code) => Some(FileType::from_code(code)?),
            },
            intermediates: intermediates
                .iter()
                .map(|code| FileType::from_code(*code))
                .collect::<Option<_>>()?,
        };
        Some(Self {
            description,
            sub_count,
            expression: left.program()?,
            subs: left.0,
        })
    }

    /// The expression.
    #[must_use]
    pub fn expression(&self) -> Steps<'a> {
        self.expression
    }

    /// How many subsignatures there are.
    #[must_use]
    pub fn sub_count(&self) -> u8 {
        self.sub_count
    }

    /// The subsignatures, in order; ends early where the record is damaged.
    pub fn subs(&self) -> impl Iterator<Item = SubRecord<'a>> {
        let mut left = Left(self.subs);
        (0..self.sub_count).map_while(move |_| {
            let length = usize::from(left.u16()?);
            read_sub(Left(left.take(length)?))
        })
    }
}

impl Steps<'_> {
    /// The steps as a list, for [`super::fires`].
    #[must_use]
    pub fn collect_steps(self) -> Vec<Step> {
        self.collect()
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        self.left = self.left.checked_sub(1)?;
        let mut left = Left(self.bytes);
        let step = left.step()?;
        self.bytes = left.0;
        Some(step)
    }
}

/// Writes a rule's record. `fragments` gives the numbers that a subsignature's fragments have.
pub(crate) fn encode(
    rule: &Logical<'_>,
    fragments: &dyn Fn(u8) -> (u32, u32),
) -> Result<Vec<u8>, LineTrouble> {
    let description = &rule.description;
    let bounds = [
        description.file_size,
        description.entry_point,
        description.section_count,
    ];
    let present = bounds.iter().zip([1u8, 2, 4]);
    let present = present.fold(0, |all, (bounds, bit)| match bounds {
        Some(_) => all | bit,
        None => all,
    });
    let count = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let mut out = vec![
        description.target,
        count(rule.subsignatures.len()),
        count(description.intermediates.len()),
        description
            .container
            .map_or(0, |file_type| file_type.code().saturating_add(1)),
        present,
    ];
    for bounds in bounds.into_iter().flatten() {
        out.extend(bounds.min.to_le_bytes());
        out.extend(bounds.max.to_le_bytes());
    }
    out.extend(description.intermediates.iter().map(|kind| kind.code()));
    put_program(&mut out, &rule.expression);
    for (index, subsignature) in (0u8..).zip(&rule.subsignatures) {
        let sub = encode_sub(subsignature, index, fragments)?;
        out.extend(u16_of(sub.len()).to_le_bytes());
        out.extend(sub);
    }
    Ok(out)
}

fn encode_sub(
    subsignature: &Subsignature,
    index: u8,
    fragments: &dyn Fn(u8) -> (u32, u32),
) -> Result<Vec<u8>, LineTrouble> {
    let mut out = Vec::new();
    match subsignature {
        Subsignature::Hex(..) => {
            let (first, count) = fragments(index);
            out.push(HEX);
            out.extend(first.to_le_bytes());
            out.extend(count.to_le_bytes());
        }
        Subsignature::Macro(call) => {
            out.extend([MACRO, call.group]);
            out.extend(call.min.to_le_bytes());
            out.extend(call.max.to_le_bytes());
        }
        Subsignature::Pattern(pattern) => {
            if pattern.text.len() > PATTERN_BYTES_MAX {
                return Err(LineTrouble::Dropped(
                    "a regular expression is longer than 32 KiB",
                ));
            }
            out.push(PATTERN);
            out.extend(pattern.flags.bits().to_le_bytes());
            put_offset(&mut out, &pattern.offset);
            put_program(&mut out, &pattern.trigger);
            out.extend(&pattern.text);
        }
        Subsignature::Compare(comparison) => put_comparison(&mut out, comparison),
        Subsignature::Picture(hash) => {
            out.push(PICTURE);
            out.extend(hash);
        }
    }
    Ok(out)
}

const HEX: u8 = 1;
const MACRO: u8 = 2;
const PATTERN: u8 = 3;
const COMPARE: u8 = 4;
const PICTURE: u8 = 5;

fn read_sub(mut left: Left<'_>) -> Option<SubRecord<'_>> {
    Some(match left.u8()? {
        HEX => SubRecord::Fragments(left.u32()?, left.u32()?),
        MACRO => SubRecord::Macro(MacroCall {
            group: left.u8()?,
            min: left.u32()?,
            max: left.u32()?,
        }),
        PATTERN => SubRecord::Pattern(PatternRecord {
            flags: PatternFlags::from_bits(left.u16()?),
            offset: left.offset()?,
            trigger: left.program()?,
            text: left.0,
        }),
        COMPARE => SubRecord::Compare(left.byte_comparison()?),
        PICTURE => SubRecord::Picture(left.array()?),
        _ => return None,
    })
}

fn put_program(out: &mut Vec<u8>, program: &[Step]) {
    out.extend(u16_of(program.len()).to_le_bytes());
    for step in program {
        match step {
            Step::Leaf(sub, None) => out.extend([0, *sub]),
            Step::Leaf(sub, Some(condition)) => {
                out.extend([1, *sub]);
                put_condition(out, *condition);
            }
            Step::And => out.push(2),
            Step::Or => out.push(3),
            Step::Block(condition, distinct) => {
                out.push(4);
                put_condition(out, *condition);
                out.extend(distinct.to_le_bytes());
            }
        }
    }
}

fn put_condition(out: &mut Vec<u8>, condition: Condition) {
    out.push(condition.comparison as u8);
    out.extend(condition.count.to_le_bytes());
}

fn put_offset(out: &mut Vec<u8>, offset: &Offset) {
    out.push(offset.anchor as u8);
    out.extend(offset.section.to_le_bytes());
    out.extend(offset.distance.to_le_bytes());
    out.extend(offset.shift.to_le_bytes());
}

fn put_comparison(out: &mut Vec<u8>, made: &ByteComparison) {
    let conditions = [Some(made.first), made.second];
    let conditions = conditions.into_iter().flatten();
    out.extend([COMPARE, made.sub]);
    out.extend(made.offset.to_le_bytes());
    out.extend([
        made.notation as u8,
        made.order as u8,
        made.digits as u8,
        made.length,
    ]);
    for condition in conditions {
        out.push(condition.comparison as u8);
        out.extend(condition.value.to_le_bytes());
    }
}

/// A program has at most two steps for each of its terms, a part at most 32 KiB and little more.
fn u16_of(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// What is left to read.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    /// A program, looked through so that what follows it can be read.
    fn program(&mut self) -> Option<Steps<'a>> {
        let left = self.u16()?;
        if usize::from(left) > TERMS_MAX.saturating_mul(3) {
            return None;
        }
        let bytes = self.0;
        for _ in 0..left {
            self.step()?;
        }
        Some(Steps { left, bytes })
    }

    fn step(&mut self) -> Option<Step> {
        Some(match self.u8()? {
            0 => Step::Leaf(self.u8()?, None),
            1 => Step::Leaf(self.u8()?, Some(self.condition()?)),
            2 => Step::And,
            3 => Step::Or,
            4 => Step::Block(self.condition()?, self.u32()?),
            _ => return None,
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        match self.u8()? {
            0 => Some(Comparison::Equal),
            1 => Some(Comparison::More),
            2 => Some(Comparison::Fewer),
            _ => None,
        }
    }

    fn condition(&mut self) -> Option<Condition> {
        Some(Condition {
            comparison: self.comparison()?,
            count: self.u32()?,
        })
    }

    fn offset(&mut self) -> Option<Offset> {
        Some(Offset {
            anchor: Anchor::from_code(self.u8()?)?,
            section: self.u16()?,
            distance: self.i64()?,
            shift: self.u32()?,
        })
    }

    fn byte_comparison(&mut self) -> Option<ByteComparison> {
        let sub = self.u8()?;
        let offset = self.i64()?;
        let [notation, order, digits, length] = self.array()?;
        Some(ByteComparison {
            sub,
            offset,
            notation: match notation {
                0 => Notation::Hexadecimal,
                1 => Notation::Decimal,
                2 => Notation::Either,
                3 => Notation::Integer,
                _ => return None,
            },
            order: match order {
                0 => ByteOrder::Big,
                1 => ByteOrder::Little,
                2 => ByteOrder::Unsaid,
                _ => return None,
            },
            digits: match digits {
                0 => Digits::Some,
                1 => Digits::All,
                _ => return None,
            },
            length,
            first: self.number_condition()?,
            second: match self.0 {
                [] => None,
                _ => Some(self.number_condition()?),
            },
        })
    }

    fn number_condition(&mut self) -> Option<NumberCondition> {
        Some(NumberCondition {
            comparison: self.comparison()?,
            value: self.i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r"A;Engine:51-255,Target:1,FileSize:9-99,NumberOfSections:1-3,Container:CL_TYPE_ZIP,Intermediates:CL_TYPE_MAIL>CL_TYPE_ANY;(0|1)>2,2&2&3=0&4&5;6162;EP-4,2:6162::wa;S2+9,3:0&1/a+/gs;1(<<3#hle4#>5,<-2);${3-9}4$;fuzzy_img#af2ad01ed42993c7#0";

    fn record() -> Vec<u8> {
        let rule = super::super::parse(LINE.as_bytes()).unwrap();
        encode(&rule, &|sub| (100 + u32::from(sub), 1 + u32::from(sub))).unwrap()
    }

    #[test]
    fn a_record_reads_back() {
        let rule = super::super::parse(LINE.as_bytes()).unwrap();
        let bytes = record();
        let read = LogicalRecord::read(&bytes).unwrap();
        assert_eq!(read.description, rule.description);
        assert_eq!(read.expression().collect_steps(), rule.expression);
        let subs: Vec<_> = read.subs().collect();
        assert_eq!(subs.len(), 6);
        for (sub, parsed) in subs.iter().zip(&rule.subsignatures) {
            match (sub, parsed) {
                (SubRecord::Fragments(first, count), Subsignature::Hex(..)) => {
                    assert!([(100, 1), (101, 2)].contains(&(*first, *count)));
                }
                (SubRecord::Macro(read), Subsignature::Macro(call)) => assert_eq!(read, call),
                (SubRecord::Pattern(read), Subsignature::Pattern(pattern)) => {
                    assert_eq!(read.text, pattern.text);
                    assert_eq!(read.flags, pattern.flags);
                    assert_eq!(read.offset, pattern.offset);
                    assert_eq!(read.trigger.collect_steps(), pattern.trigger);
                }
                (SubRecord::Compare(read), Subsignature::Compare(made)) => assert_eq!(read, made),
                (SubRecord::Picture(read), Subsignature::Picture(hash)) => assert_eq!(read, hash),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_damaged_record_reads_as_less_and_never_panics() {
        let bytes = record();
        let look = |bytes: &[u8]| {
            let Some(read) = LogicalRecord::read(bytes) else {
                return 0;
            };
            let steps = read.expression().collect_steps();
            let _ = super::super::fires(&steps, &|_| 1);
            read.subs().count()
        };
        for cut in 0..bytes.len() {
            assert!(look(&bytes[..cut]) < 6);
        }
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                look(&damaged);
            }
        }
    }
}
