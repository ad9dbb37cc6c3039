//! Repetition of one byte of a set, the step that patterns spend their time in: whole stretches are
//! looked at, and one choice stands for all the places where such a run may end.

use memchr::{memchr, memrchr};

use super::{BYTES_PER_STEP, Machine, Onward, Way, after, holds};
use crate::error::Stop;
use crate::program::{Pc, Run, Step};
use crate::tree::Mode;

impl Machine<'_, '_> {
    pub(super) fn run(&mut self, run: &Run, pc: Pc, at: usize) -> Result<Onward, Stop> {
        let next = pc.saturating_add(1);
        if run.mode == Mode::Lazy {
            let first = self.run_end(run, at, run.min)?;
            let low = at.saturating_add(run.min);
            if first < low {
                return Ok(None);
            }
            let bound = at.saturating_add(run.max).min(self.bytes.len());
            let found = match self.may_follow(run, low) {
                true => Some(low),
                false => self.longer(run, low, bound)?,
            };
            if let Some(found) = found {
                if found < bound {
                    self.choose(Way::Longer, pc, found, bound)?;
                }
                return Ok(Some((next, found)));
            }
            return Ok(None);
        }
        let end = self.run_end(run, at, run.max)?;
        let low = at.saturating_add(run.min);
        if end < low {
            return Ok(None);
        }
        if run.mode == Mode::Possessive {
            return Ok(Some((next, end)));
        }
        let Some(found) = self.last_of(run, low, end)? else {
            return Ok(None);
        };
        if found > low {
            self.choose(Way::Shorter, pc, found, low)?;
        }
        Ok(Some((next, found)))
    }

    /// The end of a run of at most so many bytes.
    fn run_end(&mut self, run: &Run, at: usize, max: usize) -> Result<usize, Stop> {
        let end = at.saturating_add(max).min(self.bytes.len());
        if self.program.full.get(run.set) == Some(&true) {
            return Ok(end);
        }
        let Some(table) = self.program.sets.get(run.set) else {
            return Ok(at);
        };
        let rest = self.bytes.get(at..end).unwrap_or_default();
        let length = rest.iter().position(|byte| !holds(table, *byte));
        let length = length.unwrap_or(rest.len());
        self.meter.pass(length, BYTES_PER_STEP)?;
        Ok(at.saturating_add(length))
    }

    fn may_follow(&self, run: &Run, at: usize) -> bool {
        match &run.next {
            None => true,
            Some(next) => {
                let byte = self.bytes.get(at);
                byte.is_some_and(|byte| holds(&next.table, *byte))
            }
        }
    }

    pub(super) fn last_before(
        &mut self,
        pc: Pc,
        low: usize,
        to: usize,
    ) -> Result<Option<usize>, Stop> {
        match self.program.steps.get(pc) {
            Some(Step::Run(run)) => self.last_of(run, low, to),
            _ => Ok(None),
        }
    }

    /// The last place between these two, both included, where what follows a run may begin.
    fn last_of(&mut self, run: &Run, low: usize, to: usize) -> Result<Option<usize>, Stop> {
        let Some(next) = &run.next else {
            return Ok(Some(to));
        };
        let end = after(to).min(self.bytes.len());
        let range = self.bytes.get(low..end).unwrap_or_default();
        let index = match next.single {
            Some(byte) => memrchr(byte, range),
            None => range.iter().rposition(|byte| holds(&next.table, *byte)),
        };
        let passed = range.len().saturating_sub(index.unwrap_or(0));
        self.meter.pass(passed, BYTES_PER_STEP)?;
        Ok(index.map(|index| low.saturating_add(index)))
    }

    pub(super) fn next_longer(
        &mut self,
        pc: Pc,
        at: usize,
        bound: usize,
    ) -> Result<Option<usize>, Stop> {
        match self.program.steps.get(pc) {
            Some(Step::Run(run)) => self.longer(run, at, bound),
            _ => Ok(None),
        }
    }

    /// The first place after this one where what follows a run may begin, if the run reaches there.
    fn longer(&mut self, run: &Run, at: usize, bound: usize) -> Result<Option<usize>, Stop> {
        let Some(table) = self.program.sets.get(run.set) else {
            return Ok(None);
        };
        let rest = self.bytes.get(at..bound).unwrap_or_default();
        let is_full = self.program.full.get(run.set) == Some(&true);
        if let (true, Some(byte)) = (is_full, run.next.as_ref().and_then(|next| next.single)) {
            let follow = self
                .bytes
                .get(after(at)..after(bound).min(self.bytes.len()));
            let index = memchr(byte, follow.unwrap_or_default());
            self.meter
                .pass(index.unwrap_or(rest.len()), BYTES_PER_STEP)?;
            return Ok(index.map(|index| after(at).saturating_add(index)));
        }
        for (index, byte) in rest.iter().enumerate() {
            if !holds(table, *byte) {
                self.meter.pass(index, BYTES_PER_STEP)?;
                return Ok(None);
            }
            let place = after(at).saturating_add(index);
            if self.may_follow(run, place) {
                self.meter.pass(index, BYTES_PER_STEP)?;
                return Ok(Some(place));
            }
        }
        self.meter.pass(rest.len(), BYTES_PER_STEP)?;
        Ok(None)
    }
}
