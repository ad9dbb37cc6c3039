//! A regular expression that matches wherever the pattern does, and maybe elsewhere: what is not
//! regular in it is left out or replaced by anything. Where nothing had to be, it is the pattern.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look, Repetition};

use crate::measure::Groups;
use crate::set::ByteSet;
use crate::tree::{Assertion, Case, Mode, Node, Repeat, Sense, Side, Target, Test};

/// Repetitions of more states than this lose their upper bound.
const STATES_MAX: usize = 1_500;
/// References are replaced by what they refer to, so deep; then by anything.
const REFERENCES_MAX: u32 = 3;
/// The same for groups of more states than this.
const REFERRED_STATES_MAX: usize = 200;

/// The same once all references together were replaced by so many parts.
const PARTS_MAX: usize = 20_000;

/// Whether a looser pattern still is the pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// It matches the same, from the same place to the same place.
    Same,
    /// It matches more: where it matches from the earliest place, the pattern can't from an earlier.
    Looser,
}

/// The looser pattern, and how it is like the pattern.
pub(crate) fn loosen(tree: &Node, groups: &mut Groups<'_>) -> (Hir, Likeness) {
    let mut loosener = Loosener {
        groups,
        likeness: Likeness::Same,
        references: 0,
        fuel: PARTS_MAX,
        case: Case::Exact,
    };
    let part = loosener.whole(tree);
    (part.hir, loosener.likeness)
}

struct Loosener<'g, 't> {
    groups: &'g mut Groups<'t>,
    likeness: Likeness,
    references: u32,
    /// Parts that references may still be replaced by.
    fuel: usize,
    /// Whether what is looked at was referred to in either case.
    case: Case,
}

/// A part, and about how many states it takes.
struct Part {
    hir: Hir,
    states: usize,
}

impl Part {
    fn empty() -> Self {
        Self {
            hir: Hir::empty(),
            states: 0,
        }
    }
}

impl Loosener<'_, '_> {
    /// As [`Self::part`]; a look ahead at the very end may be matched there.
    fn whole(&mut self, tree: &Node) -> Part {
        let (last, before) = match tree {
            Node::Concat(parts) => match parts.split_last() {
                Some((last, before)) => (last, before),
                None => return Part::empty(),
            },
            tree => (tree, &[][..]),
        };
        match last {
            Node::Around(around)
                if around.side == Side::Ahead && around.sense == Sense::Positive =>
            {
                self.likeness = Likeness::Looser;
                let mut parts: Vec<Part> = before.iter().map(|part| self.part(part)).collect();
                parts.push(self.part(&around.body));
                joined(parts)
            }
            _ => self.part(tree),
        }
    }

    fn part(&mut self, node: &Node) -> Part {
        if self.references > 0 {
            match self.fuel.checked_sub(1) {
                Some(fuel) => self.fuel = fuel,
                None => return self.anything(),
            }
        }
        match node {
            Node::Empty => Part::empty(),
            Node::Fail => self.set(ByteSet::EMPTY),
            Node::Set(set) => self.set(*set),
            Node::Assert(assertion) => self.assertion(*assertion),
            Node::Group { body, .. } => self.part(body),
            Node::Concat(parts) => joined(parts.iter().map(|part| self.part(part)).collect()),
            Node::Alternate(branches) => {
                either(branches.iter().map(|part| self.part(part)).collect())
            }
            Node::Repeat(repeat) => self.repeat(repeat),
            Node::Atomic(body) => {
                self.likeness = Likeness::Looser;
                self.part(body)
            }
            Node::Keep | Node::Around(_) => {
                self.likeness = Likeness::Looser;
                Part::empty()
            }
            Node::Reference { to, case } => self.reference(to, *case),
            Node::Call(_) => self.anything(),
            Node::Condition(condition) => {
                self.likeness = Likeness::Looser;
                let no = self.part(&condition.no);
                match condition.test {
                    Test::Define => no,
                    Test::Captured(_) | Test::Called(_) | Test::Around(_) => {
                        let yes = self.part(&condition.yes);
                        either(vec![yes, no])
                    }
                }
            }
        }
    }

    fn set(&mut self, set: ByteSet) -> Part {
        let set = match self.case {
            Case::Exact => set,
            Case::Folded => set.folded(),
        };
        Part {
            hir: class(set),
            states: 1,
        }
    }

    fn assertion(&mut self, assertion: Assertion) -> Part {
        // What was captured is repeated as bytes, wherever it was captured.
        if self.references > 0 {
            return Part::empty();
        }
        let look = match assertion {
            Assertion::Start => Look::Start,
            Assertion::End => Look::End,
            Assertion::LineEnd => Look::EndLF,
            Assertion::WordEdge => Look::WordAscii,
            Assertion::NotWordEdge => Look::WordAsciiNegate,
            // Not at the very end, which can't be said.
            Assertion::LineStart => {
                self.likeness = Likeness::Looser;
                Look::StartLF
            }
            Assertion::EndOrLineFeed => {
                self.likeness = Likeness::Looser;
                Look::EndLF
            }
            Assertion::SearchStart => {
                self.likeness = Likeness::Looser;
                return Part::empty();
            }
        };
        Part {
            hir: Hir::look(look),
            states: 1,
        }
    }

    fn repeat(&mut self, repeat: &Repeat) -> Part {
        let length = self.groups.length(&repeat.body);
        let once = self.part(&repeat.body);
        let times = repeat.max.unwrap_or(repeat.min).max(1);
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        let states = once.states.saturating_mul(times);
        // What an empty round means differs between engines.
        if repeat.mode == Mode::Possessive || (length.min == 0 && repeat.max != Some(1)) {
            self.likeness = Likeness::Looser;
        }
        let (min, max, states) = match states <= STATES_MAX {
            true => (repeat.min, repeat.max, states),
            false => {
                self.likeness = Likeness::Looser;
                (repeat.min.min(1), None, once.states)
            }
        };
        Part {
            hir: Hir::repetition(Repetition {
                min,
                max,
                greedy: repeat.mode != Mode::Lazy,
                sub: Box::new(once.hir),
            }),
            states,
        }
    }

    /// What a group captured is something that it matches.
    fn reference(&mut self, to: &Target, case: Case) -> Part {
        self.likeness = Likeness::Looser;
        if self.references >= REFERENCES_MAX {
            return self.anything();
        }
        let bodies = self.groups.bodies(to).to_vec();
        let around = self.case;
        if case == Case::Folded {
            self.case = Case::Folded;
        }
        self.references = self.references.saturating_add(1);
        let bodies: Vec<Part> = bodies.iter().map(|body| self.part(body)).collect();
        self.references = self.references.saturating_sub(1);
        self.case = around;
        let part = either(bodies);
        match part.states <= REFERRED_STATES_MAX {
            true => part,
            false => self.anything(),
        }
    }

    fn anything(&mut self) -> Part {
        self.likeness = Likeness::Looser;
        Part {
            hir: Hir::repetition(Repetition {
                min: 0,
                max: None,
                greedy: true,
                sub: Box::new(class(ByteSet::ALL)),
            }),
            states: 1,
        }
    }
}

fn class(set: ByteSet) -> Hir {
    let ranges = set.iter().map(|byte| ClassBytesRange::new(byte, byte));
    Hir::class(Class::Bytes(ClassBytes::new(ranges)))
}

fn joined(parts: Vec<Part>) -> Part {
    let states = sum(&parts);
    Part {
        hir: Hir::concat(parts.into_iter().map(|part| part.hir).collect()),
        states,
    }
}

fn either(parts: Vec<Part>) -> Part {
    let states = sum(&parts);
    Part {
        hir: Hir::alternation(parts.into_iter().map(|part| part.hir).collect()),
        states,
    }
}

fn sum(parts: &[Part]) -> usize {
    parts
        .iter()
        .fold(0, |sum, part| sum.saturating_add(part.states))
}
