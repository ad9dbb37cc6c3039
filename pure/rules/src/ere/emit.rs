//! Writes the automaton of an expression.

use super::{
    ANY, BEGIN, BYTE, CLASS, CLASS_BYTES, Case, Class, END, MATCH, Node, SPLIT, STEP_BYTES,
};
use crate::hash::LineTrouble;

/// No sane expression needs more.
const STEPS_MAX: usize = 8_000;
/// Pieces visited on the way, those that need no step included.
const VISITS_MAX: u32 = 100_000;
const TOO_LARGE: LineTrouble = LineTrouble::Dropped("a regular expression is too large");

/// The automaton: head, needle, steps, classes.
pub(super) fn emit(node: &Node, case: Case) -> Result<Vec<u8>, LineTrouble> {
    let mut emitter = Emitter {
        steps: Vec::new(),
        classes: Vec::new(),
        visits: 0,
    };
    emitter.node(node)?;
    emitter.push(MATCH, 0, 0)?;
    let needle = needle(node);
    let count = |count: usize| u16::try_from(count).map_err(|_| TOO_LARGE);
    let mut out = vec![u8::try_from(needle.len()).unwrap_or(0), case as u8];
    out.extend(count(emitter.steps.len())?.to_le_bytes());
    out.extend(count(emitter.classes.len())?.to_le_bytes());
    out.extend(needle);
    for (kind, first, second) in emitter.steps {
        let (first, second) = (first.to_le_bytes(), second.to_le_bytes());
        let step: [u8; STEP_BYTES] = [kind, first[0], first[1], second[0], second[1]];
        out.extend(step);
    }
    for class in emitter.classes {
        out.extend(class);
    }
    Ok(out)
}

struct Emitter {
    steps: Vec<(u8, u16, u16)>,
    classes: Vec<Class>,
    visits: u32,
}

impl Emitter {
    fn push(&mut self, kind: u8, first: u16, second: u16) -> Result<usize, LineTrouble> {
        let place = self.steps.len();
        if place >= STEPS_MAX {
            return Err(TOO_LARGE);
        }
        self.steps.push((kind, first, second));
        Ok(place)
    }

    /// Where the next step will be.
    fn here(&self) -> u16 {
        u16::try_from(self.steps.len()).unwrap_or(u16::MAX)
    }

    fn set(&mut self, place: usize, first: u16, second: u16) {
        if let Some(step) = self.steps.get_mut(place) {
            *step = (SPLIT, first, second);
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), LineTrouble> {
        self.visits = self.visits.saturating_add(1);
        if self.visits > VISITS_MAX {
            return Err(TOO_LARGE);
        }
        match node {
            Node::Empty => Ok(()),
            Node::Byte(byte) => self.push(BYTE, u16::from(*byte), 0).map(|_| ()),
            Node::Letter(byte) => self.class(&both(*byte)),
            Node::Any => self.push(ANY, 0, 0).map(|_| ()),
            Node::Class(class) => self.class(class),
            Node::Begin => self.push(BEGIN, 0, 0).map(|_| ()),
            Node::End => self.push(END, 0, 0).map(|_| ()),
            Node::Sequence(nodes) => nodes.iter().try_for_each(|node| self.node(node)),
            Node::Choice(nodes) => self.choice(nodes),
            Node::Repeat { node, least, most } => self.repeat(node, *least, *most),
        }
    }

    fn class(&mut self, class: &Class) -> Result<(), LineTrouble> {
        let known = self.classes.iter().position(|known| known == class);
        let number = known.unwrap_or_else(|| {
            self.classes.push(*class);
            self.classes.len().saturating_sub(1)
        });
        let number = u16::try_from(number).map_err(|_| TOO_LARGE)?;
        self.push(CLASS, number, 0).map(|_| ())
    }

    fn choice(&mut self, nodes: &[Node]) -> Result<(), LineTrouble> {
        let mut ends = Vec::new();
        for (left, node) in (0..nodes.len()).rev().zip(nodes) {
            if left == 0 {
                self.node(node)?;
                break;
            }
            let split = self.push(SPLIT, 0, 0)?;
            let own = self.here();
            self.node(node)?;
            ends.push(self.push(SPLIT, 0, 0)?);
            let next = self.here();
            self.set(split, own, next);
        }
        let end = self.here();
        ends.into_iter().for_each(|place| self.set(place, end, end));
        Ok(())
    }

    fn repeat(&mut self, node: &Node, least: u16, most: Option<u16>) -> Result<(), LineTrouble> {
        for _ in 0..least {
            self.node(node)?;
        }
        let Some(most) = most else {
            let again = self.here();
            let split = self.push(SPLIT, 0, 0)?;
            let own = self.here();
            self.node(node)?;
            self.push(SPLIT, again, again)?;
            let end = self.here();
            self.set(split, own, end);
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in least..most {
            splits.push((self.push(SPLIT, 0, 0)?, self.here()));
            self.node(node)?;
        }
        let end = self.here();
        for (split, own) in splits {
            self.set(split, own, end);
        }
        Ok(())
    }
}

/// The longest run of bytes that every match holds, letters small where case is folded.
fn needle(node: &Node) -> Vec<u8> {
    let mut runs = Runs::default();
    runs.node(node);
    runs.end();
    let mut longest = runs.longest;
    longest.truncate(usize::from(u8::MAX));
    longest
}

#[derive(Default)]
struct Runs {
    longest: Vec<u8>,
    now: Vec<u8>,
}

impl Runs {
    fn node(&mut self, node: &Node) {
        match node {
            Node::Byte(byte) | Node::Letter(byte) => self.now.push(*byte),
            Node::Sequence(nodes) => nodes.iter().for_each(|node| self.node(node)),
            Node::Empty | Node::Begin | Node::End => {}
            Node::Any | Node::Class(_) | Node::Choice(_) | Node::Repeat { .. } => self.end(),
        }
    }

    fn end(&mut self) {
        if self.now.len() > self.longest.len() {
            self.longest = std::mem::take(&mut self.now);
        }
        self.now.clear();
    }
}

fn both(byte: u8) -> Class {
    let mut class = [0; CLASS_BYTES];
    for byte in [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()] {
        set(&mut class, byte);
    }
    class
}

fn set(class: &mut Class, byte: u8) {
    if let Some(bits) = class.get_mut(usize::from(byte / 8)) {
        *bits |= 1u8.wrapping_shl(u32::from(byte % 8));
    }
}
