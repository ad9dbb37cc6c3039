//! What a pattern says, as a tree. Its depth is bounded by the parser, so that walking it is safe.

use crate::set::ByteSet;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// Matches where it stands.
    Empty,
    /// Matches nowhere.
    Fail,
    /// One byte of a set.
    Set(ByteSet),
    Assert(Assertion),
    /// `\K`: the match begins here, as far as anybody is told.
    Keep,
    /// A group that captures.
    Group {
        number: u32,
        body: Box<Self>,
    },
    Concat(Vec<Self>),
    Alternate(Vec<Self>),
    Repeat(Repeat),
    /// Once it matched, it is not tried in another way.
    Atomic(Box<Self>),
    Around(Around),
    /// What a group captured, once more.
    Reference {
        to: Target,
        case: Case,
    },
    /// A group's pattern, once more.
    Call(Target),
    Condition(Box<Condition>),
}

/// A part, repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) body: Box<Node>,
    pub(crate) min: u32,
    /// No bound where there is none.
    pub(crate) max: Option<u32>,
    pub(crate) mode: Mode,
}

/// How much a repetition takes first, and whether it takes less or more where that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Greedy,
    Lazy,
    Possessive,
}

/// A condition on what is around a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) body: Box<Node>,
    pub(crate) side: Side,
    pub(crate) sense: Sense,
    /// Where it stands in the pattern.
    pub(crate) offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Ahead,
    Behind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    Positive,
    Negative,
}

/// A condition on a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Assertion {
    /// `\A`
    Start,
    /// `^` with the flag `m`: not at the very end, even after a line feed.
    LineStart,
    /// `\z`
    End,
    /// `\Z`: also before a line feed that ends everything.
    EndOrLineFeed,
    /// `$` with the flag `m`.
    LineEnd,
    WordEdge,
    NotWordEdge,
    /// `\G`
    SearchStart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    Exact,
    Folded,
}

/// A group, by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Number(u32),
    /// Resolved once all groups are known.
    Name(Vec<u8>),
}

/// `(?(test)yes|no)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) test: Test,
    pub(crate) yes: Node,
    pub(crate) no: Node,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    /// Whether the group captured something.
    Captured(Target),
    /// Whether a call is under way: to this group, or to any.
    Called(Option<Target>),
    /// Never: the branch is there to be called.
    Define,
    Around(Around),
}

impl Node {
    pub(crate) fn byte(byte: u8) -> Self {
        Self::Set(ByteSet::of(&[byte]))
    }

    pub(crate) fn concat(mut parts: Vec<Self>) -> Self {
        match parts.len() {
            0 => Self::Empty,
            1 => parts.pop().unwrap_or(Self::Empty),
            _ => Self::Concat(parts),
        }
    }

    pub(crate) fn alternate(mut branches: Vec<Self>) -> Self {
        match branches.len() {
            0 => Self::Fail,
            1 => branches.pop().unwrap_or(Self::Fail),
            _ => Self::Alternate(branches),
        }
    }

    /// The parts that it is directly made of.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Empty
            | Self::Fail
            | Self::Set(_)
            | Self::Assert(_)
            | Self::Keep
            | Self::Reference { .. }
            | Self::Call(_) => Vec::new(),
            Self::Group { body, .. } | Self::Atomic(body) => vec![body],
            Self::Concat(parts) | Self::Alternate(parts) => parts.iter().collect(),
            Self::Repeat(repeat) => vec![&repeat.body],
            Self::Around(around) => vec![&around.body],
            Self::Condition(condition) => {
                let mut parts = vec![&condition.yes, &condition.no];
                if let Test::Around(around) = &condition.test {
                    parts.push(&around.body);
                }
                parts
            }
        }
    }

    /// As [`Node::parts`], to be changed.
    pub(crate) fn parts_mut(&mut self) -> Vec<&mut Self> {
        match self {
            Self::Empty
            | Self::Fail
            | Self::Set(_)
            | Self::Assert(_)
            | Self::Keep
            | Self::Reference { .. }
            | Self::Call(_) => Vec::new(),
            Self::Group { body, .. } | Self::Atomic(body) => vec![body],
            Self::Concat(parts) | Self::Alternate(parts) => parts.iter_mut().collect(),
            Self::Repeat(repeat) => vec![&mut repeat.body],
            Self::Around(around) => vec![&mut around.body],
            Self::Condition(condition) => {
                let mut parts = vec![&mut condition.yes, &mut condition.no];
                if let Test::Around(around) = &mut condition.test {
                    parts.push(&mut around.body);
                }
                parts
            }
        }
    }
}
