//! Checks a part around a literal that was found.
//!
//! A part may have pieces of variable length, so a check follows a set of positions rather than
//! one. The set stays small (a gap inside a part spans at most 32 bytes), and every step is spent
//! from the budget: no input makes a check run away.

use proto::{Budget, Reason};
use rules::body::{
    Choices, Class, Direction, Instruction, MaskedByte, Position, Program, Sense, Steps,
};

use crate::window::Window;

/// Where a part begins and ends around one literal.
#[derive(Debug, Default)]
pub(crate) struct Span {
    /// Positions of its first byte.
    pub(crate) starts: Vec<u64>,
    /// Positions behind its last byte.
    pub(crate) ends: Vec<u64>,
    spare: Vec<u64>,
}

impl Span {
    /// Looks for the part whose literal begins at `literal`; says whether it is there.
    pub(crate) fn find(
        &mut self,
        program: &Program<'_>,
        window: &Window<'_>,
        literal: u64,
        budget: &mut Budget,
    ) -> Result<bool, Reason> {
        let after = Walk {
            window,
            direction: Direction::After,
        };
        if !after.run(program, literal, (&mut self.ends, &mut self.spare), budget)? {
            return Ok(false);
        }
        let before = Walk {
            window,
            direction: Direction::Before,
        };
        before.run(
            program,
            literal,
            (&mut self.starts, &mut self.spare),
            budget,
        )
    }
}

/// Where an instruction leads from one position.
enum Alone {
    /// To this one.
    At(u64),
    /// To none.
    Nowhere,
    /// To none or several; it takes a set.
    InSeveralWays,
}

/// One direction of a check.
struct Walk<'a> {
    window: &'a Window<'a>,
    direction: Direction,
}

impl Walk<'_> {
    fn run(
        &self,
        program: &Program<'_>,
        from: u64,
        (positions, spare): (&mut Vec<u64>, &mut Vec<u64>),
        budget: &mut Budget,
    ) -> Result<bool, Reason> {
        positions.clear();
        let mut steps = program.steps(self.direction);
        let mut at = from;
        while let Some(step) = steps.next_step() {
            // A damaged pack is a missed match, never more.
            let Ok(instruction) = step else {
                return Ok(false);
            };
            budget.spend_work(cost(&instruction))?;
            match self.alone(&instruction, at) {
                Alone::At(next) => at = next,
                Alone::Nowhere => return Ok(false),
                Alone::InSeveralWays => {
                    self.apply(&instruction, at, positions);
                    return self.run_set(steps, (positions, spare), budget);
                }
            }
        }
        positions.push(at);
        Ok(true)
    }

    /// Goes on from a set of positions.
    fn run_set(
        &self,
        mut steps: Steps<'_>,
        (positions, spare): (&mut Vec<u64>, &mut Vec<u64>),
        budget: &mut Budget,
    ) -> Result<bool, Reason> {
        positions.sort_unstable();
        positions.dedup();
        while !positions.is_empty()
            && let Some(step) = steps.next_step()
        {
            let Ok(instruction) = step else {
                return Ok(false);
            };
            budget.spend_work((positions.len() as u64).saturating_mul(cost(&instruction)))?;
            spare.clear();
            for at in positions.iter() {
                self.apply(&instruction, *at, spare);
            }
            spare.sort_unstable();
            spare.dedup();
            std::mem::swap(positions, spare);
        }
        Ok(!positions.is_empty())
    }

    /// The one position that an instruction leads to; most lead to no other.
    fn alone(&self, instruction: &Instruction<'_>, at: u64) -> Alone {
        let next = match instruction {
            Instruction::Bytes(bytes) => self
                .ahead(at, bytes.len() as u64)
                .filter(|(found, _)| found == bytes)
                .map(|(_, next)| next),
            Instruction::Folded(bytes) => self
                .ahead(at, bytes.len() as u64)
                .filter(|(found, _)| found.eq_ignore_ascii_case(bytes))
                .map(|(_, next)| next),
            Instruction::Masked(masked) => match self.ahead(at, 1) {
                Some((&[byte], next)) if masked.fits(byte) => Some(next),
                _ => None,
            },
            Instruction::Any(count) => self.moved(at, u64::from(*count)),
            _ => return Alone::InSeveralWays,
        };
        next.map_or(Alone::Nowhere, Alone::At)
    }

    fn apply(&self, instruction: &Instruction<'_>, at: u64, out: &mut Vec<u64>) {
        match instruction {
            Instruction::Bytes(_)
            | Instruction::Folded(_)
            | Instruction::Masked(_)
            | Instruction::Any(_) => {
                if let Alone::At(next) = self.alone(instruction, at) {
                    out.push(next);
                }
            }
            Instruction::Skip(min, max) => {
                let reach = u64::from(*min)..=u64::from(*max);
                out.extend(reach.filter_map(|count| self.moved(at, count)));
            }
            Instruction::OneOf(choices) => self.one_of(*choices, at, out),
            Instruction::NoneOf(choices) => self.none_of(*choices, at, out),
            Instruction::Class(class, Position::Inner, sense) => {
                self.inner_class(*class, *sense, at, out);
            }
            Instruction::Class(class, position, sense) => {
                if self.edge_class(*class, *position, *sense, at) {
                    out.push(at);
                }
            }
        }
    }

    /// The next bytes in this direction, and the position behind them.
    fn ahead(&self, at: u64, count: u64) -> Option<(&[u8], u64)> {
        let next = self.moved(at, count)?;
        let bytes = self.window.range(at.min(next), at.max(next))?;
        Some((bytes, next))
    }

    fn moved(&self, at: u64, count: u64) -> Option<u64> {
        match self.direction {
            Direction::After => at
                .checked_add(count)
                .filter(|next| *next <= self.window.total),
            Direction::Before => at.checked_sub(count),
        }
    }

    fn one_of(&self, choices: Choices<'_>, at: u64, out: &mut Vec<u64>) {
        for choice in choices.iter() {
            if let Some((bytes, next)) = self.ahead(at, choice.len() as u64)
                && fits(choice, bytes)
            {
                out.push(next);
            }
        }
    }

    fn none_of(&self, choices: Choices<'_>, at: u64, out: &mut Vec<u64>) {
        let length = choices.iter().next().map_or(0, <[_]>::len);
        if let Some((bytes, next)) = self.ahead(at, length as u64)
            && !choices.iter().any(|choice| fits(choice, bytes))
        {
            out.push(next);
        }
    }

    /// Inside a part a class takes the byte that it looks at.
    fn inner_class(&self, class: Class, sense: Sense, at: u64, out: &mut Vec<u64>) {
        let Some((&[byte], next)) = self.ahead(at, 1) else {
            return;
        };
        if class == Class::LineEnd && sense == Sense::Is {
            self.line_end(byte, at, next, out);
            return;
        }
        let holds = match class {
            Class::Boundary => is_inner_boundary(byte),
            Class::NonWord | Class::WideNonWord => !byte.is_ascii_alphanumeric(),
            Class::LineEnd => byte == b'\n',
        };
        if holds == (sense == Sense::Is) {
            out.push(next);
        }
    }

    /// LF, or CR LF.
    fn line_end(&self, byte: u8, at: u64, next: u64, out: &mut Vec<u64>) {
        if byte == b'\n' {
            out.push(next);
        }
        if let Some((b"\r\n", next)) = self.ahead(at, 2) {
            out.push(next);
        }
    }

    /// At an edge a class looks at the neighbour and takes nothing; the object's edges count.
    fn edge_class(&self, class: Class, position: Position, sense: Sense, at: u64) -> bool {
        let leading = position == Position::Leading;
        let neighbour = if leading {
            at.checked_sub(1)
                .and_then(|before| self.window.byte(before))
        } else {
            self.window.byte(at)
        };
        let wanted = sense == Sense::Is;
        let Some(byte) = neighbour else { return wanted };
        let holds = match class {
            // What is forbidden before a part is the union of the two sets.
            Class::Boundary if leading && wanted => is_leading_boundary(byte),
            Class::Boundary if leading => is_inner_boundary(byte),
            Class::Boundary => is_trailing_boundary(byte),
            Class::NonWord => !byte.is_ascii_alphanumeric(),
            Class::WideNonWord => !self.wide_word(position, at),
            Class::LineEnd if leading => byte == b'\n',
            Class::LineEnd => {
                byte == b'\n'
                    || self.window.range(at, at.saturating_add(2)) == Some(b"\r\n".as_slice())
            }
        };
        holds == wanted
    }
}

impl Walk<'_> {
    /// Whether a wide letter or digit is the neighbour. At the object's start it needs both of its
    /// bytes; at its end the letter is enough.
    fn wide_word(&self, position: Position, at: u64) -> bool {
        if position == Position::Leading {
            let pair = at.checked_sub(2).map(|start| self.window.range(start, at));
            return matches!(pair, Some(Some(&[letter, 0])) if letter.is_ascii_alphanumeric());
        }
        let zero = self.window.byte(at.saturating_add(1)).unwrap_or(0) == 0;
        let letter = self.window.byte(at);
        zero && letter.is_some_and(|byte| byte.is_ascii_alphanumeric())
    }
}

fn cost(instruction: &Instruction<'_>) -> u64 {
    match instruction {
        Instruction::Bytes(bytes) | Instruction::Folded(bytes) => {
            (bytes.len() as u64).wrapping_shr(5).saturating_add(1)
        }
        Instruction::OneOf(choices) | Instruction::NoneOf(choices) => {
            (choices.iter().count() as u64).saturating_add(1)
        }
        Instruction::Skip(..) => 8,
        _ => 1,
    }
}

fn fits(choice: &[[u8; 2]], bytes: &[u8]) -> bool {
    choice.len() == bytes.len()
        && choice.iter().zip(bytes).all(|([value, mask], byte)| {
            MaskedByte {
                value: *value,
                mask: *mask,
            }
            .fits(*byte)
        })
}

// The three sets were measured from clamscan 1.4.6, byte by byte: they differ by position.

fn is_leading_boundary(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.' | b'/' | b'<' | b'@' | b'_')
}

fn is_trailing_boundary(byte: u8) -> bool {
    matches!(
        byte,
        b'\n' | b'\r' | b' ' | b'"' | b'\'' | b'-' | b'/' | b'=' | b'>' | b'_'
    )
}

fn is_inner_boundary(byte: u8) -> bool {
    matches!(
        byte,
        b'\n' | b'\r' | b' ' | b'"' | b'\'' | b'-' | b'.' | b'/' | b'<' | b'=' | b'>' | b'@' | b'_'
    )
}
