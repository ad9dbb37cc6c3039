//! Counts steps, and asks the caller for more of them by the thousand.

use crate::error::Stop;

/// So many steps are asked for at a time.
const STEPS_AT_ONCE: u64 = 4_096;

/// What a caller gives steps with; it refuses with [`Stop::Steps`].
pub type Spend<'m> = &'m mut dyn FnMut(u64) -> Result<(), Stop>;

/// Steps taken since the caller last knew of them.
pub(crate) struct Meter<'m> {
    taken: u64,
    spend: Spend<'m>,
}

impl<'m> Meter<'m> {
    pub(crate) fn new(spend: Spend<'m>) -> Self {
        Self { taken: 0, spend }
    }

    pub(crate) fn step(&mut self) -> Result<(), Stop> {
        self.steps(1)
    }

    pub(crate) fn steps(&mut self, count: u64) -> Result<(), Stop> {
        self.taken = self.taken.saturating_add(count);
        match self.taken < STEPS_AT_ONCE {
            true => Ok(()),
            false => self.settle(),
        }
    }

    /// Takes one step for so many of these.
    pub(crate) fn pass(&mut self, count: usize, per_step: usize) -> Result<(), Stop> {
        let steps = count.checked_div(per_step).unwrap_or(count);
        self.steps(u64::try_from(steps).unwrap_or(u64::MAX))
    }

    /// Tells the caller of the steps that it does not know of.
    pub(crate) fn settle(&mut self) -> Result<(), Stop> {
        let taken = std::mem::take(&mut self.taken);
        (self.spend)(taken)
    }
}
