//! A part's instructions, as they lie in the pack.
//!
//! A program is `before_length: u32`, the instructions before the literal, from it outward, then
//! those from the literal's first byte on. An instruction is a code and its operands:
//!
//! | code | operands | matches |
//! |---|---|---|
//! | 1 | length u16, bytes | these bytes |
//! | 2 | value, mask | one byte under a mask |
//! | 3 | count u16 | so many bytes |
//! | 4 | min, max | between so many and so many bytes |
//! | 5, 6 | size u32, then for each choice: length u16, (value, mask)… | one, or none, of these |
//! | 7 | class, position, sense | a character class |
//! | 8 | length u16, bytes in lower case | these bytes, with letters in either case |

use super::parse::{Class, Element, MaskedByte, Position, Sense};
use crate::anchors::{Chosen, Literal};

/// Which way to read from the literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the literal's first byte to the part's start.
    Before,
    /// From the literal's first byte to the part's end.
    After,
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// These bytes, which are in lower case; letters match in either case.
    Folded(&'a [u8]),
    /// One byte under a mask.
    Masked(MaskedByte),
    /// So many bytes.
    Any(u16),
    /// Between so many and so many bytes.
    Skip(u8, u8),
    /// One of these choices.
    OneOf(Choices<'a>),
    /// None of these choices.
    NoneOf(Choices<'a>),
    /// A character class.
    Class(Class, Position, Sense),
}

/// The choices of an alternation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Each choice as pairs of value and mask.
    pub fn iter(self) -> impl Iterator<Item = &'a [[u8; 2]]> {
        let mut left = self.bytes;
        std::iter::from_fn(move || {
            let length = usize::from(take_u16(&mut left)?);
            let bytes = take(&mut left, length.checked_mul(2)?)?;
            Some(bytes.as_chunks::<2>().0)
        })
    }
}

/// A part's program.
#[derive(Clone, Copy, Debug)]
pub struct Program<'a> {
    before: &'a [u8],
    after: &'a [u8],
}

/// The instructions of one direction, in order.
pub struct Steps<'a> {
    left: &'a [u8],
}

impl<'a> Program<'a> {
    /// Reads a program; `None` where its lengths do not fit.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (before, after) = rest.split_at_checked(length)?;
        Some(Self { before, after })
    }

    /// The literal that the part is searched by: as much as there is of the static bytes there.
    #[must_use]
    pub fn literal(&self) -> Option<Literal> {
        let mut found = Vec::new();
        let mut steps = self.steps(Direction::After);
        while found.len() < Literal::BYTES_MAX
            && let Some(Ok(instruction)) = steps.next_step()
        {
            match instruction {
                Instruction::Bytes(text) | Instruction::Folded(text) => {
                    found.extend_from_slice(text);
                }
                Instruction::Class(_, Position::Leading | Position::Trailing, _) => {}
                _ => break,
            }
        }
        Literal::new(&found)
    }

    /// The instructions of one direction.
    #[must_use]
    pub fn steps(&self, direction: Direction) -> Steps<'a> {
        match direction {
            Direction::Before => Steps { left: self.before },
            Direction::After => Steps { left: self.after },
        }
    }
}

impl Program<'_> {
    /// How far the part goes from its literal's first byte, at most; `None` where the pack is
    /// damaged.
    #[must_use]
    pub fn reach(&self, direction: Direction) -> Option<u64> {
        let mut steps = self.steps(direction);
        let mut reach = 0u64;
        while let Some(step) = steps.next_step() {
            reach = reach.checked_add(step.ok()?.bytes_max())?;
        }
        Some(reach)
    }
}

impl Instruction<'_> {
    fn bytes_max(&self) -> u64 {
        match self {
            Self::Bytes(bytes) | Self::Folded(bytes) => bytes.len() as u64,
            Self::Masked(_) => 1,
            Self::Any(count) => u64::from(*count),
            Self::Skip(_, max) => u64::from(*max),
            Self::OneOf(choices) | Self::NoneOf(choices) => {
                choices.iter().map(<[_]>::len).max().unwrap_or(0) as u64
            }
            Self::Class(..) => 2,
        }
    }
}

impl<'a> Steps<'a> {
    /// The next instruction: `None` at the end, an error where the pack is damaged.
    pub fn next_step(&mut self) -> Option<Result<Instruction<'a>, Damaged>> {
        if self.left.is_empty() {
            None
        } else {
            Some(self.read().ok_or(Damaged))
        }
    }

    fn read(&mut self) -> Option<Instruction<'a>> {
        let left = &mut self.left;
        match take_u8(left)? {
            code @ (1 | 8) => {
                let length = usize::from(take_u16(left)?);
                let bytes = take(left, length)?;
                Some(if code == 1 {
                    Instruction::Bytes(bytes)
                } else {
                    Instruction::Folded(bytes)
                })
            }
            2 => Some(Instruction::Masked(MaskedByte {
                value: take_u8(left)?,
                mask: take_u8(left)?,
            })),
            3 => take_u16(left).map(Instruction::Any),
            4 => Some(Instruction::Skip(take_u8(left)?, take_u8(left)?)),
            code @ (5 | 6) => {
                let size = usize::try_from(take_u32(left)?).ok()?;
                let choices = Choices {
                    bytes: take(left, size)?,
                };
                Some(if code == 5 {
                    Instruction::OneOf(choices)
                } else {
                    Instruction::NoneOf(choices)
                })
            }
            7 => {
                let class = match take_u8(left)? {
                    0 => Class::Boundary,
                    1 => Class::LineEnd,
                    2 => Class::NonWord,
                    3 => Class::WideNonWord,
                    _ => return None,
                };
                let position = match take_u8(left)? {
                    0 => Position::Leading,
                    1 => Position::Trailing,
                    2 => Position::Inner,
                    _ => return None,
                };
                let sense = match take_u8(left)? {
                    0 => Sense::Is,
                    1 => Sense::IsNot,
                    _ => return None,
                };
                Some(Instruction::Class(class, position, sense))
            }
            _ => None,
        }
    }
}

/// A program that no compiler wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

/// Writes the program of a part around its chosen literal.
pub(crate) fn encode(elements: &[Element], chosen: &Chosen) -> Vec<u8> {
    let mut before = Vec::new();
    let mut after = Vec::new();
    let (head, tail) = elements
        .split_at_checked(chosen.element)
        .unwrap_or((elements, &[]));
    let mut tail = tail.iter();
    if let Some(element @ (Element::Bytes(bytes) | Element::Folded(bytes))) = tail.next() {
        let code = match element {
            Element::Folded(_) => FOLDED,
            _ => BYTES,
        };
        let (left, right) = bytes.split_at_checked(chosen.start).unwrap_or((bytes, &[]));
        put_bytes(&mut before, code, left);
        put_bytes(&mut after, code, right);
    }
    head.iter()
        .rev()
        .for_each(|element| put(&mut before, element));
    tail.for_each(|element| put(&mut after, element));
    let mut program = size_of_bytes(before.len()).to_le_bytes().to_vec();
    program.append(&mut before);
    program.append(&mut after);
    program
}

fn put(out: &mut Vec<u8>, element: &Element) {
    match element {
        Element::Bytes(bytes) => put_bytes(out, BYTES, bytes),
        Element::Folded(bytes) => put_bytes(out, FOLDED, bytes),
        Element::Masked(byte) => out.extend([2, byte.value, byte.mask]),
        Element::Any(count) => {
            out.push(3);
            out.extend(count.to_le_bytes());
        }
        Element::Skip(min, max) => out.extend([4, *min, *max]),
        Element::Alternatives(choices) => put_choices(out, 5, choices),
        Element::NoneOf(choices) => put_choices(out, 6, choices),
        Element::Class(class, position, sense) => {
            out.extend([7, *class as u8, *position as u8, *sense as u8]);
        }
    }
}

const BYTES: u8 = 1;
const FOLDED: u8 = 8;

fn put_bytes(out: &mut Vec<u8>, code: u8, bytes: &[u8]) {
    for run in bytes.chunks(usize::from(u16::MAX)) {
        out.push(code);
        out.extend(u16::try_from(run.len()).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(run);
    }
}

fn put_choices(out: &mut Vec<u8>, code: u8, choices: &[Vec<MaskedByte>]) {
    let mut body = Vec::new();
    for choice in choices {
        body.extend(
            u16::try_from(choice.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        body.extend(choice.iter().flat_map(|byte| [byte.value, byte.mask]));
    }
    out.push(code);
    out.extend(size_of_bytes(body.len()).to_le_bytes());
    out.append(&mut body);
}

/// Parts are at most 16 KiB and alternations at most 1,024 choices of a signature line.
fn size_of_bytes(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn take<'a>(left: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = left.split_at_checked(count)?;
    *left = rest;
    Some(taken)
}

fn take_u8(left: &mut &[u8]) -> Option<u8> {
    take(left, 1)?.first().copied()
}

fn take_u16(left: &mut &[u8]) -> Option<u16> {
    take(left, 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn take_u32(left: &mut &[u8]) -> Option<u32> {
    take(left, 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{choose, parse};
    use super::*;

    #[test]
    fn a_program_reads_back_in_both_directions() {
        let part = parse(b"(B)61[1-2]626364d39baeb1(65|6667)6?")
            .unwrap()
            .remove(0);
        let chosen = choose(&part.elements).unwrap();
        let bytes = encode(&part.elements, &chosen);
        let program = Program::new(&bytes).unwrap();
        let read = |direction| {
            let mut steps = program.steps(direction);
            std::iter::from_fn(move || steps.next_step())
                .collect::<Result<Vec<_>, _>>()
                .unwrap()
        };
        assert_eq!(
            read(Direction::Before),
            [
                Instruction::Skip(1, 2),
                Instruction::Bytes(b"a"),
                Instruction::Class(Class::Boundary, Position::Leading, Sense::Is),
            ]
        );
        let after = read(Direction::After);
        assert_eq!(after[0], Instruction::Bytes(b"bcd\xd3\x9b\xae\xb1"));
        let Instruction::OneOf(choices) = after[1] else {
            panic!("{after:?}")
        };
        assert_eq!(choices.iter().map(<[_]>::len).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn folded_bytes_split_around_their_literal() {
        let elements = [Element::Folded([&[0; 40][..], b"\xd3abc"].concat())];
        let bytes = encode(&elements, &choose(&elements).unwrap());
        let program = Program::new(&bytes).unwrap();
        let first = |direction| program.steps(direction).next_step().unwrap().unwrap();
        let [Instruction::Folded(before), Instruction::Folded(after)] =
            [Direction::Before, Direction::After].map(first)
        else {
            panic!("{program:?}")
        };
        assert!(before.iter().all(|byte| *byte == 0) && !before.is_empty());
        assert!(after.ends_with(b"\xd3abc"));
        assert_eq!(before.len() + after.len(), 44);
    }

    #[test]
    fn a_damaged_program_ends_in_an_error_not_a_panic() {
        let part = parse(b"61[1-2]626364d39baeb1(65|6667)6?")
            .unwrap()
            .remove(0);
        let bytes = encode(&part.elements, &choose(&part.elements).unwrap());
        for cut in 0..bytes.len() {
            let Some(program) = Program::new(&bytes[..cut]) else {
                continue;
            };
            let mut steps = program.steps(Direction::After);
            while let Some(Ok(_)) = steps.next_step() {}
        }
        let mut steps = Steps { left: &[99] };
        assert_eq!(steps.next_step(), Some(Err(Damaged)));
    }
}
