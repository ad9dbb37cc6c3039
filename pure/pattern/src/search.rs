//! Searching: what must be there is looked for first, then the automaton, then the backtracker.

use regex_automata::{Anchored, Input};

use crate::Pattern;
use crate::backtrack::{Machine, Stacks};
use crate::error::Stop;
use crate::filter::Caches;
use crate::loosen::Likeness;
use crate::meter::{Meter, Spend};

/// Bytes that a pattern matches. Where the pattern has `\K`, the start is where that stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The first of them.
    pub start: usize,
    /// The one after the last.
    pub end: usize,
}

/// A pattern that is searched for in some bytes, and the memory that this takes.
#[derive(Debug)]
pub struct Search<'s> {
    pattern: &'s Pattern,
    bytes: &'s [u8],
    caches: Option<Caches>,
    stacks: Stacks,
    /// Where the literals that every match holds were seen last.
    required_at: Vec<Option<usize>>,
    /// Where [`Search::next_match`] goes on; nowhere once there is nothing left.
    next: Option<usize>,
}

impl<'s> Search<'s> {
    /// No search holds more: 12 MiB of the backtracker, twice where they grow, and four caches of
    /// the automaton. Most take a hundredth of it.
    pub const MEMORY_BYTES_MAX: u64 = 32 << 20;

    pub(crate) fn new(pattern: &'s Pattern, bytes: &'s [u8]) -> Self {
        Self {
            pattern,
            bytes,
            caches: None,
            stacks: Stacks::default(),
            required_at: vec![None; pattern.required.len()],
            next: Some(0),
        }
    }

    /// The first match that begins at this byte or later. What lies before is seen by `\b`, `^` and
    /// looks behind. A step is what the backtracker does at once; it is asked for by the thousand.
    pub fn find_at(&mut self, from: usize, spend: Spend<'_>) -> Result<Option<Match>, Stop> {
        let mut meter = Meter::new(spend);
        let found = self.find(from, &mut meter)?;
        meter.settle()?;
        Ok(found)
    }

    /// The next of the matches that don't overlap, from the first byte on. One that is empty is
    /// followed by one that begins later.
    pub fn next_match(&mut self, spend: Spend<'_>) -> Result<Option<Match>, Stop> {
        let Some(from) = self.next else {
            return Ok(None);
        };
        let found = self.find_at(from, spend)?;
        self.next = found.map(|found| {
            let least = match found.end > found.start {
                true => from,
                false => from.max(found.end).saturating_add(1),
            };
            found.end.max(least)
        });
        Ok(found)
    }

    fn find(&mut self, from: usize, meter: &mut Meter<'_>) -> Result<Option<Match>, Stop> {
        if from > self.bytes.len() || !self.holds_required(from, meter)? {
            return Ok(None);
        }
        match &self.pattern.filter {
            Some(filter) if filter.likeness() == Likeness::Same => self.filtered(from, meter),
            Some(_) => {
                let mut at = from;
                while let Some(candidate) = self.filtered(at, meter)? {
                    let found = self.match_at(candidate.start, from, meter)?;
                    if found.is_some() || self.pattern.is_anchored() {
                        return Ok(found);
                    }
                    at = candidate.start.saturating_add(1);
                    if at > self.bytes.len() {
                        break;
                    }
                }
                Ok(None)
            }
            None if self.pattern.is_anchored() => self.match_at(from, from, meter),
            None => {
                for at in from..=self.bytes.len() {
                    let found = self.match_at(at, from, meter)?;
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                Ok(None)
            }
        }
    }

    fn holds_required(&mut self, from: usize, meter: &mut Meter<'_>) -> Result<bool, Stop> {
        for (required, seen) in self.pattern.required.iter().zip(&mut self.required_at) {
            if seen.is_none_or(|at| at < from) {
                *seen = required.find(self.bytes, from, meter)?;
            }
            if seen.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first match of the looser pattern.
    fn filtered(&mut self, from: usize, meter: &mut Meter<'_>) -> Result<Option<Match>, Stop> {
        let Some(filter) = &self.pattern.filter else {
            return Ok(None);
        };
        let caches = self.caches.get_or_insert_with(|| filter.caches());
        let anchored = match self.pattern.is_anchored() {
            true => Anchored::Yes,
            false => Anchored::No,
        };
        let input = Input::new(self.bytes)
            .range(from..self.bytes.len())
            .anchored(anchored);
        filter.find(caches, &input, meter)
    }

    fn match_at(
        &mut self,
        at: usize,
        search_start: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Match>, Stop> {
        let mut machine = Machine {
            program: &self.pattern.program,
            bytes: self.bytes,
            search_start,
            stacks: &mut self.stacks,
            meter,
        };
        machine.match_at(at)
    }
}
