//! What an opening parenthesis may begin.

use super::{Item, NUMBER_MAX, Numbering, Parser};
use crate::error::PatternError;
use crate::flags::Options;
use crate::tree::{Around, Condition, Node, Sense, Side, Target, Test};

impl Parser<'_> {
    pub(super) fn group(&mut self) -> Result<Item, PatternError> {
        let start = self.at;
        self.skip(1);
        if self.peek() == Some(b'*') && self.peek_at(1).is_some_and(begins_verb) {
            return self.verb();
        }
        if !self.take(b"?") {
            return match self.options.named_only {
                true => self.plain(Numbering::Sequential),
                false => self.capturing(None),
            };
        }
        if let Some((side, sense)) = self.around_mark() {
            return self
                .around(side, sense)
                .map(|around| Item::Repeatable(Node::Around(around)));
        }
        let byte = self.next();
        match byte {
            Some(b':') => self.plain(Numbering::Sequential),
            Some(b'|') => self.plain(Numbering::Reset),
            Some(b'>') => self.atomic(),
            Some(b'<') => self.named(b'>'),
            Some(b'\'') => self.named(b'\''),
            Some(b'P') => self.python(start),
            Some(b'(') => self.condition(),
            Some(b'&') => {
                let name = self.name_until(b')')?;
                Ok(self.call(Target::Name(name), start))
            }
            Some(b'R') if self.take(b")") => Ok(Item::Repeatable(Node::Call(Target::Number(0)))),
            Some(b'C') => Err(self.unsupported("a callout, (?C),")),
            _ => {
                self.at = self.at.saturating_sub(1);
                self.call_or_options(start)
            }
        }
    }

    fn call_or_options(&mut self, start: usize) -> Result<Item, PatternError> {
        match self.signed_number()? {
            Some(group) if self.take(b")") => Ok(self.call(Target::Number(group), start)),
            Some(_) => Err(self.malformed(UNCLOSED)),
            None => self.inline_options(),
        }
    }

    /// The branches up to the closing parenthesis; options that change in there end with it.
    fn inside(&mut self, numbering: Numbering) -> Result<Vec<Node>, PatternError> {
        let options = self.options;
        let branches = self.branches(numbering)?;
        self.options = options;
        match self.take(b")") {
            true => Ok(branches),
            false => Err(self.malformed(UNCLOSED)),
        }
    }

    fn plain(&mut self, numbering: Numbering) -> Result<Item, PatternError> {
        let branches = self.inside(numbering)?;
        Ok(Item::Repeatable(Node::alternate(branches)))
    }

    fn atomic(&mut self) -> Result<Item, PatternError> {
        let branches = self.inside(Numbering::Sequential)?;
        let body = Box::new(Node::alternate(branches));
        Ok(Item::Repeatable(Node::Atomic(body)))
    }

    fn named(&mut self, end: u8) -> Result<Item, PatternError> {
        let name = self.name_until(end)?;
        self.capturing(Some(name))
    }

    fn capturing(&mut self, name: Option<Vec<u8>>) -> Result<Item, PatternError> {
        self.groups = self.groups.saturating_add(1);
        let number = self.groups;
        if number > NUMBER_MAX {
            return Err(PatternError::TooLarge("it has more than 65535 groups"));
        }
        if let Some(name) = name {
            self.remember(name, number)?;
        }
        let branches = self.inside(Numbering::Sequential)?;
        let body = Box::new(Node::alternate(branches));
        Ok(Item::Repeatable(Node::Group { number, body }))
    }

    fn remember(&mut self, name: Vec<u8>, number: u32) -> Result<(), PatternError> {
        match (self.names.get(&name), self.named.get(&number)) {
            (Some(known), _) if *known != number => {
                return Err(self.unsupported("a second group of the same name"));
            }
            (_, Some(known)) if *known != name => {
                return Err(self.malformed("a second name for a group"));
            }
            _ => {}
        }
        self.named.insert(number, name.clone());
        self.names.insert(name, number);
        Ok(())
    }

    /// What follows `(?P`.
    fn python(&mut self, start: usize) -> Result<Item, PatternError> {
        match self.next() {
            Some(b'<') => self.named(b'>'),
            Some(b'=') => {
                let name = self.name_until(b')')?;
                Ok(self.reference(Target::Name(name), start))
            }
            Some(b'>') => {
                let name = self.name_until(b')')?;
                Ok(self.call(Target::Name(name), start))
            }
            _ => Err(self.malformed("an unknown kind of group")),
        }
    }

    /// Which look around begins here, after the question mark.
    fn around_mark(&mut self) -> Option<(Side, Sense)> {
        const MARKS: [(&[u8], Side, Sense); 4] = [
            (b"=", Side::Ahead, Sense::Positive),
            (b"!", Side::Ahead, Sense::Negative),
            (b"<=", Side::Behind, Sense::Positive),
            (b"<!", Side::Behind, Sense::Negative),
        ];
        let found = MARKS
            .iter()
            .find(|(mark, ..)| self.rest().starts_with(mark));
        let (mark, side, sense) = *found?;
        self.skip(mark.len());
        Some((side, sense))
    }

    fn around(&mut self, side: Side, sense: Sense) -> Result<Around, PatternError> {
        let offset = self.at;
        let branches = self.inside(Numbering::Sequential)?;
        Ok(Around {
            body: Box::new(Node::alternate(branches)),
            side,
            sense,
            offset,
        })
    }

    /// What follows `(?(`.
    fn condition(&mut self) -> Result<Item, PatternError> {
        let test = self.test()?;
        let mut branches = self.inside(Numbering::Sequential)?.into_iter();
        let yes = branches.next().unwrap_or(Node::Empty);
        let no = branches.next();
        if branches.next().is_some() {
            return Err(self.malformed("a condition with more than two branches"));
        }
        if test == Test::Define && no.is_some() {
            return Err(self.malformed("a definition with more than one branch"));
        }
        Ok(Item::Repeatable(Node::Condition(Box::new(Condition {
            test,
            yes,
            no: no.unwrap_or(Node::Empty),
        }))))
    }

    fn test(&mut self) -> Result<Test, PatternError> {
        let start = self.at;
        if self.take(b"?") {
            return match self.around_mark() {
                Some((side, sense)) => self.around(side, sense).map(Test::Around),
                None => Err(self.unsupported("this condition")),
            };
        }
        if self.take(b"DEFINE)") {
            return Ok(Test::Define);
        }
        if self.rest().starts_with(b"VERSION") || self.peek() == Some(b'*') {
            return Err(self.unsupported("this condition"));
        }
        if let Some(test) = self.call_test(start)? {
            return Ok(test);
        }
        let target = match self.peek() {
            Some(b'<') => {
                self.skip(1);
                let name = self.name_until(b'>')?;
                self.closed(Target::Name(name))?
            }
            Some(b'\'') => {
                self.skip(1);
                let name = self.name_until(b'\'')?;
                self.closed(Target::Name(name))?
            }
            _ => self.target_until(b')')?,
        };
        self.uses.push((target.clone(), start));
        Ok(Test::Captured(target))
    }

    fn closed(&mut self, target: Target) -> Result<Target, PatternError> {
        match self.take(b")") {
            true => Ok(target),
            false => Err(self.malformed(UNCLOSED)),
        }
    }

    /// A test for a call that is under way: `R`, `R1`, `R&name`.
    fn call_test(&mut self, start: usize) -> Result<Option<Test>, PatternError> {
        if self.take(b"R)") {
            return Ok(Some(Test::Called(None)));
        }
        let target = if self.take(b"R&") {
            Target::Name(self.name_until(b')')?)
        } else if self.peek() == Some(b'R') && self.peek_at(1).is_some_and(|b| b.is_ascii_digit()) {
            self.skip(1);
            self.target_until(b')')?
        } else {
            return Ok(None);
        };
        self.uses.push((target.clone(), start));
        Ok(Some(Test::Called(Some(target))))
    }

    /// Letters that change options: up to the end of the group around, or for a group of their own.
    fn inline_options(&mut self) -> Result<Item, PatternError> {
        let around = self.options;
        let mut options = self.options;
        let mut is_on = true;
        if self.take(b"^") {
            options = options.reset();
        }
        loop {
            match self.next() {
                Some(b')') => {
                    self.options = options;
                    return Ok(Item::Fixed(Node::Empty));
                }
                Some(b':') => {
                    self.options = options;
                    let item = self.plain(Numbering::Sequential);
                    self.options = around;
                    return item;
                }
                Some(b'-') if is_on => is_on = false,
                Some(b'J') => return Err(self.unsupported("the option J")),
                Some(letter) => match option(&mut options, letter) {
                    Some(option) => {
                        *option = is_on;
                        if letter == b'x' {
                            options.extended_more = is_on && self.take(b"x");
                        }
                    }
                    None => return Err(self.malformed("an unknown kind of group")),
                },
                None => return Err(self.malformed(UNCLOSED)),
            }
        }
    }

    /// `(*NAME)` and `(*name:...)`, of which those are known that have another spelling too.
    fn verb(&mut self) -> Result<Item, PatternError> {
        if self.take(b"*FAIL)") || self.take(b"*F)") {
            return Ok(Item::Fixed(Node::Fail));
        }
        let start = self.at;
        self.skip(1);
        let name = self.take_while(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let (side, sense) = match (&name[..], self.take(b":")) {
            (b"atomic", true) => return self.atomic(),
            (b"pla" | b"positive_lookahead", true) => (Side::Ahead, Sense::Positive),
            (b"nla" | b"negative_lookahead", true) => (Side::Ahead, Sense::Negative),
            (b"plb" | b"positive_lookbehind", true) => (Side::Behind, Sense::Positive),
            (b"nlb" | b"negative_lookbehind", true) => (Side::Behind, Sense::Negative),
            _ => {
                self.at = start;
                let name = String::from_utf8_lossy(&name).into_owned();
                return Err(self.unsupported(&format!("the verb (*{name})")));
            }
        };
        self.around(side, sense)
            .map(|around| Item::Repeatable(Node::Around(around)))
    }
}

const UNCLOSED: &str = "a group without its closing parenthesis";

fn begins_verb(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b':'
}

/// The option that a letter stands for.
fn option(options: &mut Options, letter: u8) -> Option<&mut bool> {
    Some(match letter {
        b'i' => &mut options.caseless,
        b'm' => &mut options.multiline,
        b'n' => &mut options.named_only,
        b's' => &mut options.dot_all,
        b'x' => &mut options.extended,
        b'U' => &mut options.ungreedy,
        _ => return None,
    })
}
