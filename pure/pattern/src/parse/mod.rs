//! The syntax of PCRE2 10.42 over bytes, into a tree. What PCRE2 refuses is refused here; what it
//! takes and we don't has a name. Depth and length are bounded, so that no pattern can exhaust the
//! stack.

mod class;
mod escape;
mod group;
mod resolve;

use std::collections::BTreeMap;

use crate::error::PatternError;
use crate::flags::{Flags, Options};
use crate::set::ByteSet;
use crate::tree::{Assertion, Mode, Node, Repeat, Target};

/// PCRE2's own limit, which keeps what it compiles to below 64 KiB.
const PATTERN_BYTES_MAX: usize = 65_535;
/// PCRE2's own limit.
const NESTING_MAX: usize = 250;
/// PCRE2's own limit, of repetitions and of groups.
const NUMBER_MAX: u32 = 65_535;

/// A parsed pattern.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) tree: Node,
    /// How many groups capture.
    pub(crate) groups: u32,
}

/// Parses a pattern.
pub(crate) fn parse(text: &[u8], flags: Flags) -> Result<Parsed, PatternError> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(PatternError::TooLarge("it has more than 65535 bytes"));
    }
    let mut parser = Parser {
        text,
        at: 0,
        options: Options::new(flags),
        flags,
        depth: 0,
        groups: 0,
        names: BTreeMap::new(),
        named: BTreeMap::new(),
        uses: Vec::new(),
        is_quoting: false,
    };
    let branches = parser.branches(Numbering::Sequential)?;
    if parser.peek().is_some() {
        return Err(parser.malformed("a closing parenthesis without an opening one"));
    }
    let mut tree = Node::alternate(branches);
    resolve::resolve(&mut tree, &parser)?;
    Ok(Parsed {
        tree,
        groups: parser.groups,
    })
}

/// How groups in branches are numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Sequential,
    /// Each branch starts from the same number: `(?|`.
    Reset,
}

struct Parser<'p> {
    text: &'p [u8],
    at: usize,
    options: Options,
    flags: Flags,
    depth: usize,
    /// The highest number of a group so far.
    groups: u32,
    names: BTreeMap<Vec<u8>, u32>,
    /// The numbers that have a name.
    named: BTreeMap<u32, Vec<u8>>,
    /// Groups that were referred to, and where.
    uses: Vec<(Target, usize)>,
    /// Between `\Q` and `\E`.
    is_quoting: bool,
}

/// What a part is for a quantifier that follows it.
enum Item {
    Repeatable(Node),
    Fixed(Node),
    /// The second is repeatable.
    After(Node, Node),
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, distance: usize) -> Option<u8> {
        self.text.get(self.at.saturating_add(distance)).copied()
    }

    fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.text.len());
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek();
        self.skip(1);
        byte
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Goes past these bytes where they come next.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let is_next = self.rest().starts_with(bytes);
        if is_next {
            self.skip(bytes.len());
        }
        is_next
    }

    /// Goes past the bytes for which this holds.
    fn take_while(&mut self, holds: impl Fn(u8) -> bool) -> Vec<u8> {
        let rest = self.rest();
        let taken: Vec<u8> = rest
            .iter()
            .copied()
            .take_while(|byte| holds(*byte))
            .collect();
        self.skip(taken.len());
        taken
    }

    fn malformed(&self, what: &'static str) -> PatternError {
        PatternError::Malformed {
            what,
            offset: self.at,
        }
    }

    fn unsupported(&self, what: &str) -> PatternError {
        PatternError::Unsupported {
            what: what.to_owned(),
            offset: self.at,
        }
    }

    /// Everything up to the end of a group: the branches between the bars.
    fn branches(&mut self, numbering: Numbering) -> Result<Vec<Node>, PatternError> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > NESTING_MAX.saturating_add(1) {
            return Err(PatternError::TooLarge("its groups nest deeper than 250"));
        }
        let first = self.groups;
        let mut highest = first;
        let mut branches = Vec::new();
        loop {
            branches.push(self.sequence()?);
            highest = highest.max(self.groups);
            if !self.take(b"|") {
                break;
            }
            if numbering == Numbering::Reset {
                self.groups = first;
            }
        }
        self.groups = highest;
        self.depth = self.depth.saturating_sub(1);
        Ok(branches)
    }

    fn sequence(&mut self) -> Result<Node, PatternError> {
        let mut parts = Vec::new();
        loop {
            self.skip_ignored()?;
            let is_end = matches!(self.peek(), None | Some(b'|' | b')'));
            if self.peek().is_none() || (is_end && !self.is_quoting) {
                break;
            }
            let item = self.item()?;
            self.skip_ignored()?;
            let last = match item {
                Item::Repeatable(node) => self.repeated(node)?,
                Item::After(first, node) => {
                    parts.push(first);
                    self.repeated(node)?
                }
                // A quantifier that follows is found to be one without anything to repeat.
                Item::Fixed(node) => node,
            };
            parts.push(last);
        }
        Ok(Node::concat(parts))
    }

    /// White space and comments where they mean nothing, and the ends of quotations.
    fn skip_ignored(&mut self) -> Result<(), PatternError> {
        loop {
            if self.is_quoting {
                if !self.take(b"\\E") {
                    return Ok(());
                }
                self.is_quoting = false;
            } else if self.take(b"\\Q") {
                self.is_quoting = true;
            } else if self.take(b"\\E") {
            } else if self.take(b"(?#") {
                self.take_while(|byte| byte != b')');
                if !self.take(b")") {
                    return Err(self.malformed("a comment without an end"));
                }
            } else if self.options.extended && self.peek() == Some(b'#') {
                self.take_while(|byte| byte != b'\n');
            } else if self.options.extended && self.peek().is_some_and(is_space) {
                self.skip(1);
            } else {
                return Ok(());
            }
        }
    }

    fn item(&mut self) -> Result<Item, PatternError> {
        let Some(byte) = self.peek() else {
            return Ok(Item::Fixed(Node::Empty));
        };
        if self.is_quoting {
            self.skip(1);
            return Ok(Item::Repeatable(self.literal(byte)));
        }
        match byte {
            b'*' | b'+' | b'?' => return Err(self.malformed(NOTHING_TO_REPEAT)),
            b'{' if self.bounds().is_some() => return Err(self.malformed(NOTHING_TO_REPEAT)),
            b'(' => return self.group(),
            b'\\' => return self.escape(),
            b'[' => return self.bracket(),
            _ => self.skip(1),
        }
        Ok(match byte {
            b'^' if self.options.multiline => Item::Fixed(Node::Assert(Assertion::LineStart)),
            b'^' => Item::Fixed(Node::Assert(Assertion::Start)),
            b'$' => Item::Fixed(Node::Assert(self.dollar())),
            b'.' if self.options.dot_all => Item::Repeatable(Node::Set(ByteSet::ALL)),
            b'.' => Item::Repeatable(Node::Set(not_line_feed())),
            _ => Item::Repeatable(self.literal(byte)),
        })
    }

    fn dollar(&self) -> Assertion {
        match self.options.multiline {
            true => Assertion::LineEnd,
            false if self.flags.contains(Flags::DOLLAR_END_ONLY) => Assertion::End,
            false => Assertion::EndOrLineFeed,
        }
    }

    fn literal(&self, byte: u8) -> Node {
        Node::Set(self.cased(ByteSet::of(&[byte])))
    }

    fn cased(&self, set: ByteSet) -> ByteSet {
        match self.options.caseless {
            true => set.folded(),
            false => set,
        }
    }

    /// The part with the quantifier that follows, if one does.
    fn repeated(&mut self, node: Node) -> Result<Node, PatternError> {
        if self.is_quoting {
            return Ok(node);
        }
        let (min, max, length) = match self.peek() {
            Some(b'*') => (0, None, 1),
            Some(b'+') => (1, None, 1),
            Some(b'?') => (0, Some(1), 1),
            Some(b'{') => match self.bounds() {
                Some(bounds) => self.checked(bounds)?,
                None => return Ok(node),
            },
            _ => return Ok(node),
        };
        self.skip(length);
        let mode = self.mode()?;
        Ok(Node::Repeat(Repeat {
            body: Box::new(node),
            min,
            max,
            mode,
        }))
    }

    /// What follows a quantifier and says how it is meant.
    fn mode(&mut self) -> Result<Mode, PatternError> {
        self.skip_ignored()?;
        let mark = self.peek().filter(|_| !self.is_quoting);
        let mode = match (mark, self.options.ungreedy) {
            (Some(b'+'), _) => Mode::Possessive,
            (Some(b'?'), true) => Mode::Greedy,
            (Some(b'?'), false) => Mode::Lazy,
            (_, false) => Mode::Greedy,
            (_, true) => Mode::Lazy,
        };
        if matches!(mark, Some(b'+' | b'?')) {
            self.skip(1);
        }
        Ok(mode)
    }

    /// The numbers in braces and the braces' length; nothing where the brace is a plain one.
    fn bounds(&self) -> Option<Bounds> {
        let inside = self.rest().strip_prefix(b"{")?;
        let is_part = |byte: &u8| byte.is_ascii_digit() || *byte == b',';
        let end = inside.iter().position(|byte| !is_part(byte))?;
        let (inside, rest) = inside.split_at_checked(end)?;
        if !rest.starts_with(b"}") {
            return None;
        }
        let (min, max) = match inside.iter().position(|byte| *byte == b',') {
            None => (inside, Some(inside)),
            Some(comma) => {
                let max = inside.get(comma.saturating_add(1)..)?;
                (inside.get(..comma)?, (!max.is_empty()).then_some(max))
            }
        };
        let is_number = |digits: &[u8]| digits.iter().all(u8::is_ascii_digit);
        if min.is_empty() || !is_number(min) || !max.is_none_or(is_number) {
            return None;
        }
        Some(Bounds {
            min: number(min),
            max: max.map(number),
            length: end.saturating_add(2),
        })
    }

    fn checked(&self, bounds: Bounds) -> Result<(u32, Option<u32>, usize), PatternError> {
        let max = bounds.max.unwrap_or(bounds.min);
        if bounds.min > NUMBER_MAX || max > NUMBER_MAX {
            return Err(self.malformed("a number of repetitions above 65535"));
        }
        if bounds.min > max {
            return Err(self.malformed("a number of repetitions out of order"));
        }
        Ok((bounds.min, bounds.max, bounds.length))
    }
}

/// The numbers in braces; above any that is allowed where they are.
struct Bounds {
    min: u32,
    max: Option<u32>,
    length: usize,
}

const NOTHING_TO_REPEAT: &str = "a quantifier without anything to repeat";

/// What digits say; above any number that is allowed where they say more.
fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0u32, |sum, digit| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        sum.saturating_mul(10).saturating_add(digit)
    })
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn not_line_feed() -> ByteSet {
    ByteSet::of(b"\n").negated()
}
