//! Runs an automaton where it lies. Hostile ones end too: each step is taken once at each place.

use memchr::memmem;

use super::{
    ANY, BEGIN, BYTE, CLASS, CLASS_BYTES, Case, END, HEAD_BYTES, MATCH, SPLIT, STEP_BYTES,
};

/// A compiled expression.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'p> {
    needle: &'p [u8],
    case: Case,
    steps: &'p [u8],
    count: u16,
    classes: &'p [u8],
}

/// The steps that are under way, kept from one text to the next.
#[derive(Debug, Default)]
pub struct Threads {
    now: Vec<u16>,
    next: Vec<u16>,
    stack: Vec<u16>,
    /// The place at which each step was added last.
    seen: Vec<usize>,
}

impl<'p> Pattern<'p> {
    /// The expression that was compiled to these bytes.
    #[must_use]
    pub fn read(bytes: &'p [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let [
            needle,
            case,
            steps_low,
            steps_high,
            classes_low,
            classes_high,
        ] = *head;
        let count = u16::from_le_bytes([steps_low, steps_high]);
        let classes = usize::from(u16::from_le_bytes([classes_low, classes_high]));
        let (needle, rest) = rest.split_at_checked(usize::from(needle))?;
        let (steps, rest) = rest.split_at_checked(usize::from(count).checked_mul(STEP_BYTES)?)?;
        Some(Self {
            needle,
            case: match case {
                0 => Case::AsWritten,
                _ => Case::Either,
            },
            steps,
            count,
            classes: rest.get(..classes.checked_mul(CLASS_BYTES)?)?,
        })
    }

    /// Steps that matching with a text of this length takes at most.
    #[must_use]
    pub fn steps_max(&self, text_bytes: usize) -> u64 {
        (text_bytes as u64)
            .saturating_add(1)
            .saturating_mul(u64::from(self.count))
    }

    /// Whether the text holds what every match holds: cheap, and mostly the answer.
    #[must_use]
    pub fn may_match(&self, text: &[u8]) -> bool {
        match self.case {
            Case::AsWritten => memmem::find(text, self.needle).is_some(),
            Case::Either => {
                let length = self.needle.len();
                length == 0
                    || text
                        .windows(length)
                        .any(|part| part.eq_ignore_ascii_case(self.needle))
            }
        }
    }

    /// Whether some part of the text matches.
    #[must_use]
    pub fn is_match(&self, text: &[u8], threads: &mut Threads) -> bool {
        threads.seen.clear();
        threads.seen.resize(usize::from(self.count), usize::MAX);
        threads.now.clear();
        for at in 0..=text.len() {
            if self.add(0, (at, text.len()), threads) {
                return true;
            }
            let Some(byte) = text.get(at) else { break };
            let after = at.saturating_add(1);
            let now = std::mem::take(&mut threads.now);
            threads.now = std::mem::take(&mut threads.next);
            threads.now.clear();
            let mut is_match = false;
            for step in &now {
                is_match = is_match
                    || self.takes(*step, *byte)
                        && self.add(step.saturating_add(1), (after, text.len()), threads);
            }
            threads.next = now;
            if is_match {
                return true;
            }
        }
        false
    }

    fn step(&self, number: u16) -> Option<(u8, u16, u16)> {
        let start = usize::from(number).checked_mul(STEP_BYTES)?;
        let bytes = self.steps.get(start..)?.first_chunk::<STEP_BYTES>()?;
        let [kind, first_low, first_high, second_low, second_high] = *bytes;
        Some((
            kind,
            u16::from_le_bytes([first_low, first_high]),
            u16::from_le_bytes([second_low, second_high]),
        ))
    }

    fn takes(&self, step: u16, byte: u8) -> bool {
        match self.step(step) {
            Some((BYTE, wanted, _)) => wanted == u16::from(byte),
            Some((ANY, ..)) => true,
            Some((CLASS, number, _)) => {
                let start = usize::from(number).saturating_mul(CLASS_BYTES);
                let bits = self
                    .classes
                    .get(start.saturating_add(usize::from(byte / 8)));
                bits.is_some_and(|bits| bits & 1u8.wrapping_shl(u32::from(byte % 8)) != 0)
            }
            _ => false,
        }
    }

    /// Adds a step and those that follow without a byte; whether the end is among them.
    fn add(&self, first: u16, (at, end): (usize, usize), threads: &mut Threads) -> bool {
        threads.stack.clear();
        threads.stack.push(first);
        while let Some(number) = threads.stack.pop() {
            match threads.seen.get_mut(usize::from(number)) {
                Some(seen) if *seen != at => *seen = at,
                _ => continue,
            }
            let after = number.saturating_add(1);
            match self.step(number) {
                Some((MATCH, ..)) => return true,
                Some((SPLIT, one, other)) => threads.stack.extend([one, other]),
                Some((BEGIN, ..)) if at == 0 => threads.stack.push(after),
                Some((END, ..)) if at == end => threads.stack.push(after),
                Some((BYTE | ANY | CLASS, ..)) => threads.now.push(number),
                _ => {}
            }
        }
        false
    }
}
