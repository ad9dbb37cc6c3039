//! One budget per scan. Every loop over input spends from it, and what runs out has a name.

use crate::Reason;

/// The bounds of one scan of one file, members and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes looked at: the file and everything that comes out of it.
    pub bytes_max: u64,
    /// Objects: the file and every member, at any depth.
    pub objects_max: u64,
    /// Containers inside containers.
    pub depth_max: u64,
    /// Bytes out for one byte in, once more than [`Budget::RATIO_FREE_BYTES`] came out.
    pub ratio_max: u64,
    /// Matching work, in verification steps.
    pub work_max: u64,
    /// Wall-clock time.
    pub time_ms_max: u64,
    /// Private memory for members and decoder state.
    pub memory_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes_max: 2 << 30,
            objects_max: 100_000,
            depth_max: 16,
            ratio_max: 1_000,
            work_max: 2_000_000_000,
            time_ms_max: 120_000,
            memory_bytes_max: 256 << 20,
        }
    }
}

/// What is left of a scan's [`Limits`]. A refused amount is not spent.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    clock_ms: fn() -> u64,
    started_ms: u64,
    bytes: u64,
    objects: u64,
    depth: u64,
    work: u64,
    work_end: u64,
    memory: u64,
}

/// A clock that stands still, for callers that bound time elsewhere.
#[derive(Debug)]
pub struct Unlimited;

impl Unlimited {
    /// Always zero.
    #[must_use]
    pub fn clock_ms() -> u64 {
        0
    }
}

impl Budget {
    /// Output below this is never called a bomb, whatever its ratio: short runs compress well.
    pub const RATIO_FREE_BYTES: u64 = 8 << 20;

    /// A fresh budget; `clock_ms` is any monotonic clock.
    #[must_use]
    pub fn new(limits: Limits, clock_ms: fn() -> u64) -> Self {
        Self {
            work_end: limits.work_max,
            limits,
            clock_ms,
            started_ms: clock_ms(),
            bytes: 0,
            objects: 0,
            depth: 0,
            work: 0,
            memory: 0,
        }
    }

    /// The limits it started with.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Objects looked at so far.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.objects
    }

    /// Bytes that may still be looked at.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.limits.bytes_max.saturating_sub(self.bytes)
    }

    /// Private memory that may still be held.
    #[must_use]
    pub fn memory_left(&self) -> u64 {
        self.limits.memory_bytes_max.saturating_sub(self.memory)
    }

    /// Spends bytes looked at.
    pub fn spend_bytes(&mut self, bytes: u64) -> Result<(), Reason> {
        spend(
            &mut self.bytes,
            bytes,
            self.limits.bytes_max,
            Reason::LimitBytes,
        )
    }

    /// Spends matching work.
    pub fn spend_work(&mut self, steps: u64) -> Result<(), Reason> {
        spend(&mut self.work, steps, self.work_end, Reason::LimitWork)
    }

    /// Matching work so far.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.work
    }

    /// From here on allows no more than so many steps of matching work, until this is said again;
    /// the scan's own limit stands. A small object must not spend what a large one may.
    pub fn allow_work(&mut self, steps: u64) {
        self.work_end = self.work.saturating_add(steps).min(self.limits.work_max);
    }

    /// Counts one more object.
    pub fn spend_object(&mut self) -> Result<(), Reason> {
        spend(
            &mut self.objects,
            1,
            self.limits.objects_max,
            Reason::LimitObjects,
        )
    }

    /// Goes one container deeper; [`Budget::leave`] comes back.
    pub fn enter(&mut self) -> Result<(), Reason> {
        spend(
            &mut self.depth,
            1,
            self.limits.depth_max,
            Reason::LimitDepth,
        )
    }

    /// Comes back from one container.
    pub fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Takes memory; [`Budget::release_memory`] gives it back.
    pub fn hold_memory(&mut self, bytes: u64) -> Result<(), Reason> {
        spend(
            &mut self.memory,
            bytes,
            self.limits.memory_bytes_max,
            Reason::LimitMemory,
        )
    }

    /// Gives memory back.
    pub fn release_memory(&mut self, bytes: u64) {
        self.memory = self.memory.saturating_sub(bytes);
    }

    /// Refuses output that is out of proportion to its input.
    pub fn check_ratio(&self, bytes_in: u64, bytes_out: u64) -> Result<(), Reason> {
        let allowed = bytes_in.max(1).saturating_mul(self.limits.ratio_max);
        if bytes_out > Self::RATIO_FREE_BYTES && bytes_out > allowed {
            return Err(Reason::LimitRatio);
        }
        Ok(())
    }

    /// Refuses to go on past the time limit.
    pub fn check_time(&self) -> Result<(), Reason> {
        let elapsed_ms = (self.clock_ms)().saturating_sub(self.started_ms);
        if elapsed_ms > self.limits.time_ms_max {
            return Err(Reason::LimitTime);
        }
        Ok(())
    }
}

fn spend(spent: &mut u64, amount: u64, max: u64, reason: Reason) -> Result<(), Reason> {
    match spent.checked_add(amount) {
        Some(total) if total <= max => {
            *spent = total;
            Ok(())
        }
        _ => Err(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_amount_is_not_spent() {
        let limits = Limits {
            bytes_max: 10,
            ..Limits::default()
        };
        let mut budget = Budget::new(limits, Unlimited::clock_ms);
        assert_eq!(budget.spend_bytes(8), Ok(()));
        assert_eq!(budget.spend_bytes(3), Err(Reason::LimitBytes));
        assert_eq!(budget.spend_bytes(u64::MAX), Err(Reason::LimitBytes));
        assert_eq!(budget.bytes_left(), 2);
        assert_eq!(budget.spend_bytes(2), Ok(()));
    }

    #[test]
    fn the_ratio_counts_only_past_the_free_bytes() {
        let budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        assert_eq!(budget.check_ratio(1, Budget::RATIO_FREE_BYTES), Ok(()));
        assert_eq!(
            budget.check_ratio(1, Budget::RATIO_FREE_BYTES + 1),
            Err(Reason::LimitRatio)
        );
    }
}
