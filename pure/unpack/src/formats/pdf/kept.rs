//! Lists whose memory is held from the budget.

use proto::{Budget, Reason};

const GROWTH_MIN: usize = 64;

/// A list that grows within the budget.
#[derive(Debug)]
pub(super) struct Kept<T> {
    list: Vec<T>,
    held: u64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            list: Vec::new(),
            held: 0,
        }
    }
}

impl<T> Kept<T> {
    pub(super) fn list(&self) -> &[T] {
        &self.list
    }

    pub(super) fn list_mut(&mut self) -> &mut [T] {
        &mut self.list
    }

    pub(super) fn push(&mut self, item: T, budget: &mut Budget) -> Result<(), Reason> {
        if self.list.len() == self.list.capacity() {
            let more = self.list.len().max(GROWTH_MIN);
            let size = (size_of::<T>() as u64).saturating_mul(more as u64);
            budget.hold_memory(size)?;
            self.held = self.held.saturating_add(size);
            let reserved = self.list.try_reserve_exact(more);
            reserved.map_err(|_| Reason::LimitMemory)?;
        }
        self.list.push(item);
        Ok(())
    }

    /// Holds what an item keeps elsewhere.
    pub(super) fn hold(&mut self, bytes: usize, budget: &mut Budget) -> Result<(), Reason> {
        budget.hold_memory(bytes as u64)?;
        self.held = self.held.saturating_add(bytes as u64);
        Ok(())
    }

    /// Gives the memory back.
    pub(super) fn release(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }
}
