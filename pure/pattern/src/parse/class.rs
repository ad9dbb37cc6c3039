//! Classes in brackets.

use super::{Item, Parser};
use crate::error::PatternError;
use crate::set::{self, ByteSet};
use crate::tree::{Around, Assertion, Node, Sense, Side};

/// A member of a class, as far as ranges are concerned.
enum Member {
    Byte(u8),
    Set(ByteSet),
}

impl Parser<'_> {
    pub(super) fn bracket(&mut self) -> Result<Item, PatternError> {
        if self.take(b"[[:<:]]") {
            return Ok(word_edge(Side::Ahead));
        }
        if self.take(b"[[:>:]]") {
            return Ok(word_edge(Side::Behind));
        }
        if self.posix_name().is_some() {
            return Err(self.malformed("a POSIX class outside brackets"));
        }
        self.skip(1);
        let is_negated = self.take(b"^");
        let set = self.members()?;
        let set = match is_negated {
            true => set.negated(),
            false => set,
        };
        Ok(Item::Repeatable(Node::Set(set)))
    }

    fn members(&mut self) -> Result<ByteSet, PatternError> {
        let mut set = ByteSet::EMPTY;
        let mut is_first = true;
        loop {
            self.skip_in_class();
            match self.peek() {
                None => return Err(self.malformed("a class without its closing bracket")),
                Some(b']') if !is_first && !self.is_quoting => {
                    self.skip(1);
                    return Ok(set);
                }
                Some(_) => {}
            }
            is_first = false;
            match self.member()? {
                Member::Set(more) => {
                    set = set.union(more);
                    self.refuse_range_after_set()?;
                }
                Member::Byte(low) => {
                    let range = match self.range_end()? {
                        Some(high) if high < low => {
                            return Err(self.malformed("a range out of order"));
                        }
                        Some(high) => ByteSet::range(low, high),
                        None => ByteSet::of(&[low]),
                    };
                    set = set.union(self.cased(range));
                }
            }
        }
    }

    fn skip_in_class(&mut self) {
        loop {
            if self.is_quoting {
                if !self.take(b"\\E") {
                    return;
                }
                self.is_quoting = false;
            } else if self.take(b"\\Q") {
                self.is_quoting = true;
            } else if self.take(b"\\E") {
            } else if self.options.extended_more && matches!(self.peek(), Some(b' ' | b'\t')) {
                self.skip(1);
            } else {
                return;
            }
        }
    }

    fn member(&mut self) -> Result<Member, PatternError> {
        if !self.is_quoting {
            if let Some((kind, name)) = self.posix_name() {
                return self.posix(kind, &name);
            }
            if self.take(b"\\") {
                return self.class_escape();
            }
        }
        match self.next() {
            Some(byte) => Ok(Member::Byte(byte)),
            None => Err(self.malformed("a class without its closing bracket")),
        }
    }

    /// The byte after a hyphen that makes a range.
    fn range_end(&mut self) -> Result<Option<u8>, PatternError> {
        self.skip_in_class();
        if self.is_quoting || self.peek() != Some(b'-') {
            return Ok(None);
        }
        let before = self.at;
        self.skip(1);
        self.skip_in_class();
        if self.peek() == Some(b']') && !self.is_quoting {
            self.at = before;
            return Ok(None);
        }
        match self.member()? {
            Member::Byte(high) => Ok(Some(high)),
            Member::Set(_) => Err(self.malformed(BAD_RANGE)),
        }
    }

    /// A hyphen after a set is literal only where it ends the class.
    fn refuse_range_after_set(&mut self) -> Result<(), PatternError> {
        self.skip_in_class();
        let is_range = self.peek() == Some(b'-') && self.peek_at(1) != Some(b']');
        if is_range && !self.is_quoting {
            return Err(self.malformed(BAD_RANGE));
        }
        Ok(())
    }

    /// What `[:name:]` says, and `[.name.]` and `[=name=]`, where one of them comes next.
    fn posix_name(&self) -> Option<(u8, Vec<u8>)> {
        let inside = self.rest().strip_prefix(b"[")?;
        let (kind, inside) = inside.split_first()?;
        if !matches!(kind, b':' | b'.' | b'=') {
            return None;
        }
        // Neither a bracket nor another beginning may come before its end.
        for (index, byte) in inside.iter().enumerate() {
            let next = inside.get(index.saturating_add(1));
            match byte {
                b'\\' if matches!(next, Some(b']' | b'\\')) => return None,
                b'[' if next == Some(kind) => return None,
                b']' => return None,
                byte if byte == kind && next == Some(&b']') => {
                    return Some((*kind, inside.get(..index)?.to_vec()));
                }
                _ => {}
            }
        }
        None
    }

    fn posix(&mut self, kind: u8, name: &[u8]) -> Result<Member, PatternError> {
        if kind != b':' {
            return Err(self.malformed("a POSIX collating element"));
        }
        let (is_negated, plain) = match name.strip_prefix(b"^") {
            Some(plain) => (true, plain),
            None => (false, name),
        };
        let folded = match plain {
            b"lower" | b"upper" if self.options.caseless => b"alpha",
            plain => plain,
        };
        let Some(set) = set::posix(folded) else {
            return Err(self.malformed("an unknown POSIX class"));
        };
        self.skip(name.len().saturating_add(4));
        Ok(Member::Set(match is_negated {
            true => set.negated(),
            false => set,
        }))
    }

    fn class_escape(&mut self) -> Result<Member, PatternError> {
        let Some(letter) = self.next() else {
            return Err(self.malformed("a backslash at the end"));
        };
        if let Some(set) = self.set_escape(letter) {
            return Ok(Member::Set(set));
        }
        match letter {
            b'b' => return Ok(Member::Byte(0x08)),
            b'8' | b'9' => return Ok(Member::Byte(letter)),
            b'1'..=b'7' => {
                self.at = self.at.saturating_sub(1);
                return self.octal(3).map(Member::Byte);
            }
            b'p' | b'P' => return Err(self.unsupported("a Unicode property")),
            _ => {}
        }
        match self.byte_escape(letter)? {
            Some(byte) => Ok(Member::Byte(byte)),
            None => Err(self.malformed("an escape that a class can't have")),
        }
    }
}

const BAD_RANGE: &str = "a range that is none";

/// A word's edge, and that there is a word on this side; a quantifier is one of the latter.
fn word_edge(side: Side) -> Item {
    let word = Node::Around(Around {
        body: Box::new(Node::Set(set::word())),
        side,
        sense: Sense::Positive,
        offset: 0,
    });
    Item::After(Node::Assert(Assertion::WordEdge), word)
}
