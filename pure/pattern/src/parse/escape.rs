//! Escapes: bytes, sets, assertions and references.

use super::{Item, NUMBER_MAX, Parser, not_line_feed, number};
use crate::error::PatternError;
use crate::set::{self, ByteSet};
use crate::tree::{Assertion, Case, Node, Target};

impl Parser<'_> {
    pub(super) fn escape(&mut self) -> Result<Item, PatternError> {
        self.skip(1);
        let Some(letter) = self.next() else {
            return Err(self.malformed("a backslash at the end"));
        };
        if let Some(set) = self.set_escape(letter) {
            return Ok(Item::Repeatable(Node::Set(set)));
        }
        if let Some(assertion) = assertion(letter) {
            return Ok(Item::Fixed(Node::Assert(assertion)));
        }
        match letter {
            b'N' if self.peek() == Some(b'{') && self.bounds().is_none() => {
                return Err(self.malformed("a character by its name"));
            }
            b'N' => return Ok(Item::Repeatable(Node::Set(not_line_feed()))),
            b'C' => return Ok(Item::Repeatable(Node::Set(ByteSet::ALL))),
            b'R' => return Ok(Item::Repeatable(newline())),
            b'K' => return Ok(Item::Fixed(Node::Keep)),
            b'X' => return Err(self.unsupported("\\X, a grapheme cluster,")),
            b'p' | b'P' => return Err(self.unsupported("a Unicode property")),
            b'1'..=b'9' => return self.number_escape(),
            b'g' => return self.group_escape(),
            b'k' => return self.name_escape(),
            _ => {}
        }
        match self.byte_escape(letter)? {
            Some(byte) => Ok(Item::Repeatable(self.literal(byte))),
            None => Err(self.malformed("an unknown escape")),
        }
    }

    /// A set that is spelt with one letter, in or outside of a class.
    pub(super) fn set_escape(&self, letter: u8) -> Option<ByteSet> {
        let set = match letter.to_ascii_lowercase() {
            b'd' => set::digits(),
            b'h' => set::horizontal_space(),
            b's' => set::space(),
            b'v' => set::vertical_space(),
            b'w' => set::word(),
            _ => return None,
        };
        Some(match letter.is_ascii_uppercase() {
            true => set.negated(),
            false => set,
        })
    }

    /// A byte that is spelt with an escape, in or outside of a class.
    pub(super) fn byte_escape(&mut self, letter: u8) -> Result<Option<u8>, PatternError> {
        Ok(Some(match letter {
            b'a' => 0x07,
            b'e' => 0x1b,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => self.octal(2)?,
            b'o' => self.braced(8)?,
            b'x' if self.peek() == Some(b'{') => self.braced(16)?,
            b'x' => self.hexadecimal(),
            b'c' => match self.next() {
                Some(byte @ b' '..=b'~') => byte.to_ascii_uppercase() ^ 0x40,
                _ => return Err(self.malformed("a control character that is none")),
            },
            letter if letter.is_ascii_alphanumeric() => return Ok(None),
            letter => letter,
        }))
    }

    /// Up to so many octal digits.
    pub(super) fn octal(&mut self, digits_max: usize) -> Result<u8, PatternError> {
        let mut value = 0u32;
        for _ in 0..digits_max {
            match self.peek() {
                Some(digit @ b'0'..=b'7') => {
                    value = value.saturating_mul(8).saturating_add(digit_value(digit));
                }
                _ => break,
            }
            self.skip(1);
        }
        u8::try_from(value).map_err(|_| self.malformed(TOO_LARGE))
    }

    fn hexadecimal(&mut self) -> u8 {
        let mut value = 0u8;
        for _ in 0..2 {
            let Some(digit) = self.peek().filter(u8::is_ascii_hexdigit) else {
                break;
            };
            let digit = u8::try_from(digit_value(digit)).unwrap_or(0);
            value = value.wrapping_mul(16).wrapping_add(digit);
            self.skip(1);
        }
        value
    }

    /// A number in braces.
    fn braced(&mut self, base: u32) -> Result<u8, PatternError> {
        if !self.take(b"{") {
            return Err(self.malformed("an opening brace is missing"));
        }
        let digits = self.take_while(|byte| char::from(byte).is_digit(base));
        if digits.is_empty() || !self.take(b"}") {
            return Err(self.malformed("a number in braces that is none"));
        }
        let value = digits.iter().fold(0u32, |sum, digit| {
            sum.saturating_mul(base).saturating_add(digit_value(*digit))
        });
        u8::try_from(value).map_err(|_| self.malformed(TOO_LARGE))
    }

    /// A reference, or an octal number where there are not that many groups yet.
    fn number_escape(&mut self) -> Result<Item, PatternError> {
        self.at = self.at.saturating_sub(1);
        let start = self.at;
        let first = self.peek().unwrap_or(b'0');
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let group = number(&digits);
        if group < 10 || first >= b'8' || group <= self.groups {
            return Ok(self.reference(Target::Number(group), start));
        }
        self.at = start;
        let byte = self.octal(3)?;
        Ok(Item::Repeatable(self.literal(byte)))
    }

    /// What follows `\g`.
    fn group_escape(&mut self) -> Result<Item, PatternError> {
        let start = self.at;
        match self.peek() {
            Some(b'<') => {
                self.skip(1);
                let target = self.target_until(b'>')?;
                Ok(self.call(target, start))
            }
            Some(b'\'') => {
                self.skip(1);
                let target = self.target_until(b'\'')?;
                Ok(self.call(target, start))
            }
            Some(b'{') => {
                self.skip(1);
                let target = self.target_until(b'}')?;
                Ok(self.reference(target, start))
            }
            _ => match self.signed_number()? {
                Some(group) => Ok(self.reference(Target::Number(group), start)),
                None => Err(self.malformed("a group's number is missing")),
            },
        }
    }

    /// What follows `\k`.
    fn name_escape(&mut self) -> Result<Item, PatternError> {
        let start = self.at;
        let end = match self.next() {
            Some(b'<') => b'>',
            Some(b'\'') => b'\'',
            Some(b'{') => b'}',
            _ => return Err(self.malformed("a group's name is missing")),
        };
        let name = self.name_until(end)?;
        Ok(self.reference(Target::Name(name), start))
    }

    /// A group's number or name, up to this byte.
    pub(super) fn target_until(&mut self, end: u8) -> Result<Target, PatternError> {
        match self.signed_number()? {
            Some(group) if self.take(&[end]) => Ok(Target::Number(group)),
            Some(_) => Err(self.malformed("a group's number has no end")),
            None => self.name_until(end).map(Target::Name),
        }
    }

    /// A number of a group, counted from here where it has a sign; nothing where there is no number.
    pub(super) fn signed_number(&mut self) -> Result<Option<u32>, PatternError> {
        let sign = self.peek().filter(|byte| matches!(byte, b'+' | b'-'));
        let start = usize::from(sign.is_some());
        if !self
            .peek_at(start)
            .is_some_and(|byte| byte.is_ascii_digit())
        {
            return Ok(None);
        }
        self.skip(start);
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        let value = number(&digits);
        if value > NUMBER_MAX {
            return Err(self.malformed("a group's number above 65535"));
        }
        let group = match sign {
            None => return Ok(Some(value)),
            Some(b'+') => self.groups.checked_add(value),
            Some(_) => self.groups.checked_sub(value.saturating_sub(1)),
        };
        match group.filter(|group| *group > 0 && value > 0) {
            Some(group) => Ok(Some(group)),
            None => Err(self.malformed(NO_SUCH_GROUP)),
        }
    }

    pub(super) fn name_until(&mut self, end: u8) -> Result<Vec<u8>, PatternError> {
        let name = self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || name.len() > 32 || name.first().is_some_and(u8::is_ascii_digit) {
            return Err(self.malformed("a group's name that is none"));
        }
        match self.take(&[end]) {
            true => Ok(name),
            false => Err(self.malformed("a group's name without an end")),
        }
    }

    pub(super) fn reference(&mut self, to: Target, offset: usize) -> Item {
        self.uses.push((to.clone(), offset));
        let case = match self.options.caseless {
            true => Case::Folded,
            false => Case::Exact,
        };
        Item::Repeatable(Node::Reference { to, case })
    }

    pub(super) fn call(&mut self, to: Target, offset: usize) -> Item {
        if to != Target::Number(0) {
            self.uses.push((to.clone(), offset));
        }
        Item::Repeatable(Node::Call(to))
    }
}

pub(super) const NO_SUCH_GROUP: &str = "a reference to a group that does not exist";
const TOO_LARGE: &str = "a character above 255";

fn assertion(letter: u8) -> Option<Assertion> {
    Some(match letter {
        b'A' => Assertion::Start,
        b'Z' => Assertion::EndOrLineFeed,
        b'z' => Assertion::End,
        b'b' => Assertion::WordEdge,
        b'B' => Assertion::NotWordEdge,
        b'G' => Assertion::SearchStart,
        _ => return None,
    })
}

/// `\R`, which is atomic.
fn newline() -> Node {
    Node::Atomic(Box::new(Node::Alternate(vec![
        Node::Concat(vec![Node::byte(b'\r'), Node::byte(b'\n')]),
        Node::Set(set::vertical_space()),
    ])))
}

fn digit_value(digit: u8) -> u32 {
    char::from(digit).to_digit(16).unwrap_or(0)
}
