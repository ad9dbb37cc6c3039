//! What can be said of a pattern without running it: the lengths of what it matches, and a literal
//! that every match holds.

use std::cmp::Reverse;

use crate::set::ByteSet;
use crate::tree::{Node, Repeat, Sense, Side, Target};

/// Groups that refer to each other are followed so far; no length is known beyond.
const DEPTH_MAX: u32 = 500;
/// Longer literals find nothing sooner.
const LITERAL_BYTES_MAX: usize = 64;
/// So many of them are looked for.
const LITERALS_MAX: usize = 3;

/// How many bytes a part matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Length {
    pub(crate) min: usize,
    pub(crate) max: Option<usize>,
}

impl Length {
    const NONE: Self = Self::exactly(0);
    const ANY: Self = Self { min: 0, max: None };

    const fn exactly(bytes: usize) -> Self {
        Self {
            min: bytes,
            max: Some(bytes),
        }
    }

    fn then(self, next: Self) -> Self {
        Self {
            min: self.min.saturating_add(next.min),
            max: self
                .max
                .zip(next.max)
                .map(|(one, other)| one.saturating_add(other)),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            min: self.min.min(other.min),
            max: self.max.zip(other.max).map(|(one, other)| one.max(other)),
        }
    }
}

/// The groups of a tree by their numbers, and what is known of their lengths.
#[derive(Debug)]
pub(crate) struct Groups<'t> {
    /// Several where branches share a number.
    bodies: Vec<Vec<&'t Node>>,
    lengths: Vec<Option<Length>>,
    depth: u32,
}

impl<'t> Groups<'t> {
    pub(crate) fn new(tree: &'t Node, count: u32) -> Self {
        let count = usize::try_from(count).unwrap_or(0).saturating_add(1);
        let mut bodies = vec![Vec::new(); count];
        collect(tree, &mut bodies);
        let mut groups = Self {
            bodies,
            lengths: vec![None; count],
            depth: 0,
        };
        // In this order a reference finds most groups measured.
        for number in 1..count {
            groups.of_group(number);
        }
        groups
    }

    pub(crate) fn bodies(&self, target: &Target) -> &[&'t Node] {
        let bodies = index(target).and_then(|number| self.bodies.get(number));
        bodies.map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn length(&mut self, node: &Node) -> Length {
        match node {
            Node::Empty | Node::Fail | Node::Assert(_) | Node::Keep | Node::Around(_) => {
                Length::NONE
            }
            Node::Set(_) => Length::exactly(1),
            Node::Group { body, .. } | Node::Atomic(body) => self.length(body),
            Node::Concat(parts) => parts.iter().fold(Length::NONE, |sum, part| {
                let length = self.length(part);
                sum.then(length)
            }),
            Node::Alternate(branches) => {
                let lengths = branches.iter().map(|branch| self.length(branch));
                lengths.reduce(Length::or).unwrap_or(Length::NONE)
            }
            Node::Repeat(repeat) => self.of_repeat(repeat),
            Node::Reference { to, .. } | Node::Call(to) => match index(to) {
                Some(number) => self.of_group(number),
                None => Length::ANY,
            },
            Node::Condition(condition) => {
                let yes = self.length(&condition.yes);
                yes.or(self.length(&condition.no))
            }
        }
    }

    fn of_repeat(&mut self, repeat: &Repeat) -> Length {
        let once = self.length(&repeat.body);
        let times = |bytes: usize, count: u32| {
            bytes.saturating_mul(usize::try_from(count).unwrap_or(usize::MAX))
        };
        Length {
            min: times(once.min, repeat.min),
            max: match (once.max, repeat.max) {
                (Some(bytes), Some(count)) => Some(times(bytes, count)),
                (Some(0), None) => Some(0),
                _ => None,
            },
        }
    }

    fn of_group(&mut self, number: usize) -> Length {
        if let Some(Some(known)) = self.lengths.get(number) {
            return *known;
        }
        if self.depth > DEPTH_MAX || number == 0 {
            return Length::ANY;
        }
        // A group that refers to itself finds that any length is possible.
        self.set(number, Length::ANY);
        self.depth = self.depth.saturating_add(1);
        let bodies = self.bodies.get(number).cloned().unwrap_or_default();
        let lengths = bodies.iter().map(|body| self.length(body));
        let length = lengths.reduce(Length::or).unwrap_or(Length::ANY);
        self.depth = self.depth.saturating_sub(1);
        self.set(number, length);
        length
    }

    fn set(&mut self, number: usize, length: Length) {
        if let Some(place) = self.lengths.get_mut(number) {
            *place = Some(length);
        }
    }
}

fn index(target: &Target) -> Option<usize> {
    match target {
        Target::Number(number) => usize::try_from(*number).ok(),
        Target::Name(_) => None,
    }
}

fn collect<'t>(node: &'t Node, bodies: &mut [Vec<&'t Node>]) {
    if let Node::Group { number, body } = node {
        let place = usize::try_from(*number).ok();
        if let Some(place) = place.and_then(|number| bodies.get_mut(number)) {
            place.push(body);
        }
    }
    for part in node.parts() {
        collect(part, bodies);
    }
}

/// The best literals that lie in every match, or right behind it, the best first; each byte is one
/// of a small set.
pub(crate) fn required(tree: &Node) -> Vec<Vec<ByteSet>> {
    let mut literals = Literals::default();
    literals.look_at(tree);
    literals.end();
    let mut found = literals.found;
    found.sort_by_key(|literal| Reverse(worth(literal)));
    found.dedup();
    found.truncate(LITERALS_MAX);
    found
}

/// How rare these bytes are in what is scanned, roughly.
pub(crate) fn worth(literal: &[ByteSet]) -> u32 {
    literal.iter().map(rarity).fold(0, u32::saturating_add)
}

fn rarity(set: &ByteSet) -> u32 {
    let common = |byte: u8| matches!(byte, 0 | 0xff | b' ' | b'\n' | b'\r' | b'\t' | b'0');
    match set.iter().next().map(|byte| byte.to_ascii_lowercase()) {
        None => 0,
        Some(byte) if common(byte) => 1,
        Some(b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r') => 2,
        Some(b'j' | b'k' | b'q' | b'v' | b'w' | b'x' | b'y' | b'z') => 5,
        Some(b'a'..=b'z') => 3,
        Some(_) if set.single().is_none() => 2,
        Some(_) => 4,
    }
}

#[derive(Default)]
struct Literals {
    run: Vec<ByteSet>,
    found: Vec<Vec<ByteSet>>,
}

impl Literals {
    fn end(&mut self) {
        let run = std::mem::take(&mut self.run);
        if !run.is_empty() {
            self.found.push(run);
        }
    }

    fn look_at(&mut self, node: &Node) {
        match node {
            Node::Set(set) if (1..=2).contains(&set.len()) => {
                if self.run.len() < LITERAL_BYTES_MAX {
                    self.run.push(*set);
                }
            }
            Node::Group { body, .. } | Node::Atomic(body) => self.look_at(body),
            Node::Concat(parts) => {
                for part in parts {
                    self.look_at(part);
                }
            }
            Node::Around(around)
                if around.side == Side::Ahead && around.sense == Sense::Positive =>
            {
                let run = std::mem::take(&mut self.run);
                self.look_at(&around.body);
                self.end();
                self.run = run;
            }
            Node::Empty | Node::Assert(_) | Node::Keep | Node::Around(_) => {}
            Node::Repeat(repeat) if repeat.min > 0 => {
                self.end();
                self.look_at(&repeat.body);
                self.end();
            }
            Node::Fail
            | Node::Set(_)
            | Node::Repeat(_)
            | Node::Alternate(_)
            | Node::Reference { .. }
            | Node::Call(_)
            | Node::Condition(_) => self.end(),
        }
    }
}
