//! The decoded side of a decoder: a buffer that grows only as decoded bytes fill it, and only
//! within the budget. It refuses to grow past the bytes that may still be looked at, the memory
//! that may still be held, the time, and a sane proportion to what went in.

use std::ops::Range;

use proto::{Budget, Reason};

use crate::members::{Content, Flow, Member, Members};

const ROOM_BYTES_MIN: usize = 4 << 10;
const ROOM_BYTES_MAX: usize = 256 << 10;

/// What went into a container and came out of it so far, all members together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    bytes_in: u64,
    bytes_out: u64,
}

impl Tally {
    /// Nothing came out yet of a container of this size.
    pub(crate) fn new(container_bytes: u64) -> Self {
        Self {
            bytes_in: container_bytes,
            bytes_out: 0,
        }
    }

    /// Counts bytes that came out, and refuses them when they are out of proportion.
    pub(crate) fn add(&mut self, bytes: u64, budget: &Budget) -> Result<(), Reason> {
        self.bytes_out = self.bytes_out.saturating_add(bytes);
        budget.check_ratio(self.bytes_in, self.bytes_out)
    }
}

/// Decoded bytes of one member.
#[derive(Debug)]
pub(crate) struct Output {
    tally: Tally,
    bytes: Vec<u8>,
    filled: usize,
    held: u64,
}

impl Output {
    /// An empty one, within the container that `tally` counts.
    pub(crate) fn new(tally: Tally) -> Self {
        Self {
            tally,
            bytes: Vec::new(),
            filled: 0,
            held: 0,
        }
    }

    /// The bytes decoded so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    /// The same, for filters that work in place.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.filled).unwrap_or_default()
    }

    /// Forgets what was decoded past a size.
    pub(crate) fn cut(&mut self, size: usize) {
        self.filled = self.filled.min(size);
    }

    /// Room for the next bytes, never empty; `bytes_in` is what the decoder took so far.
    pub(crate) fn room(&mut self, budget: &mut Budget, bytes_in: u64) -> Result<&mut [u8], Reason> {
        let filled = self.filled;
        let (bytes, _) = self.history_and_room(budget, bytes_in)?;
        Ok(bytes.get_mut(filled..).unwrap_or_default())
    }

    /// The bytes decoded so far with room after them, and where the room begins: for decoders
    /// that look back into what they wrote.
    pub(crate) fn history_and_room(
        &mut self,
        budget: &mut Budget,
        bytes_in: u64,
    ) -> Result<(&mut [u8], usize), Reason> {
        budget.check_time()?;
        let filled = self.filled as u64;
        budget.check_ratio(bytes_in, filled)?;
        let total = self.tally.bytes_out.saturating_add(filled);
        budget.check_ratio(self.tally.bytes_in, total)?;
        let left = budget.bytes_left().saturating_sub(filled);
        if left == 0 {
            return Err(Reason::LimitBytes);
        }
        let wanted = self.filled.clamp(ROOM_BYTES_MIN, ROOM_BYTES_MAX);
        let wanted = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.bytes.len().saturating_sub(self.filled) == 0 {
            self.grow(wanted, budget)?;
        }
        Ok((&mut self.bytes, self.filled))
    }

    /// Counts bytes that the decoder wrote into the room.
    pub(crate) fn commit(&mut self, count: usize) {
        self.filled = self.filled.saturating_add(count).min(self.bytes.len());
    }

    /// Appends bytes that were decoded elsewhere.
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        budget: &mut Budget,
        bytes_in: u64,
    ) -> Result<(), Reason> {
        while !bytes.is_empty() {
            self.some_room(budget, bytes_in)?;
            let room = self.bytes.get_mut(self.filled..).unwrap_or_default();
            let count = room.len().min(bytes.len());
            let (now, later) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
            if let Some(room) = room.get_mut(..count) {
                room.copy_from_slice(now);
            }
            self.commit(count);
            bytes = later;
        }
        Ok(())
    }

    /// Appends a copy of what was decoded `distance` bytes ago, itself included where it reaches
    /// that far. The distance is at least one and within what was decoded.
    pub(crate) fn repeat(
        &mut self,
        distance: usize,
        mut count: usize,
        budget: &mut Budget,
        bytes_in: u64,
    ) -> Result<(), Reason> {
        while count > 0 {
            self.some_room(budget, bytes_in)?;
            let at = self.filled;
            let from = at.saturating_sub(distance);
            let most = count.min(self.bytes.len().saturating_sub(at));
            let mut done = 0usize;
            // What was copied is a part of the pattern, which so grows with each step.
            while done < most {
                let pattern = distance.max(1).saturating_add(done);
                let now = most.saturating_sub(done).min(pattern);
                let to = at.saturating_add(done);
                self.bytes.copy_within(from..from.saturating_add(now), to);
                done = done.saturating_add(now);
            }
            self.commit(most);
            count = count.saturating_sub(most);
        }
        Ok(())
    }

    /// Hands some of the bytes over as a member, and keeps them.
    pub(crate) fn show(
        &self,
        name: &[u8],
        part: Range<usize>,
        members: &mut dyn Members,
        budget: &mut Budget,
    ) -> Flow {
        let end = part.end.min(self.filled);
        let bytes = self.bytes.get(part.start..end).unwrap_or_default();
        let content = Content::Bytes(bytes);
        members.member(Member { name, content }, budget)
    }

    /// Hands the bytes over as a member, then gives the memory back.
    pub(crate) fn hand_over(
        mut self,
        name: &[u8],
        members: &mut dyn Members,
        budget: &mut Budget,
    ) -> (Flow, Tally) {
        self.bytes.truncate(self.filled);
        let content = Content::Bytes(&self.bytes);
        let flow = members.member(Member { name, content }, budget);
        let filled = self.filled as u64;
        self.tally.bytes_out = self.tally.bytes_out.saturating_add(filled);
        (flow, self.discard(budget))
    }

    /// Gives the memory back without a member.
    pub(crate) fn discard(self, budget: &mut Budget) -> Tally {
        budget.release_memory(self.held);
        self.tally
    }

    /// Room that was granted is used without asking again: each grant is small.
    fn some_room(&mut self, budget: &mut Budget, bytes_in: u64) -> Result<(), Reason> {
        match self.bytes.len() > self.filled {
            true => Ok(()),
            false => self.history_and_room(budget, bytes_in).map(|_| ()),
        }
    }

    fn grow(&mut self, wanted: usize, budget: &mut Budget) -> Result<(), Reason> {
        let needed = self.filled.saturating_add(wanted);
        if needed > self.bytes.capacity() {
            // Half as much again, so that copying stays linear; less where memory is short.
            let half = self.bytes.capacity() / 2;
            let roomy = self.bytes.capacity().saturating_add(half).max(needed);
            let affordable = self.held.saturating_add(budget.memory_left());
            let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
            let capacity = roomy.min(affordable);
            if capacity <= self.filled {
                return Err(Reason::LimitMemory);
            }
            budget.hold_memory((capacity as u64).saturating_sub(self.held))?;
            self.held = capacity as u64;
            let more = capacity.saturating_sub(self.bytes.len());
            self.bytes
                .try_reserve_exact(more)
                .map_err(|_| Reason::LimitMemory)?;
            self.bytes.resize(needed.min(capacity), 0);
        } else {
            self.bytes.resize(needed, 0);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    fn budget(limits: Limits) -> Budget {
        Budget::new(limits, Unlimited::clock_ms)
    }

    #[test]
    fn it_stops_at_the_bytes_that_may_be_looked_at() {
        let mut budget = budget(Limits {
            bytes_max: 10_000,
            ..Limits::default()
        });
        let mut output = Output::new(Tally::new(10_000));
        assert_eq!(
            output.push(&[7; 20_000], &mut budget, 10_000),
            Err(Reason::LimitBytes)
        );
        assert_eq!(output.bytes().len(), 10_000);
        output.discard(&mut budget);
        assert_eq!(budget.memory_left(), Limits::default().memory_bytes_max);
    }

    #[test]
    fn it_uses_all_the_memory_it_may_hold_and_no_more() {
        let mut budget = budget(Limits {
            memory_bytes_max: 50_000,
            ..Limits::default()
        });
        let mut output = Output::new(Tally::new(10_000));
        assert_eq!(
            output.push(&[7; 60_000], &mut budget, 10_000),
            Err(Reason::LimitMemory)
        );
        assert_eq!(output.bytes().len(), 50_000);
        assert!(output.bytes.capacity() <= 50_000);
        output.discard(&mut budget);
        assert_eq!(budget.memory_left(), 50_000);
    }

    #[test]
    fn the_ratio_counts_the_container_in_total() {
        let mut budget = budget(Limits::default());
        let free = usize::try_from(Budget::RATIO_FREE_BYTES).expect("fits");
        let mut tally = Tally::new(1_000);
        tally.bytes_out = Budget::RATIO_FREE_BYTES;
        let mut output = Output::new(tally);
        let refused = output.push(&vec![0; free], &mut budget, u64::MAX);
        assert_eq!(refused, Err(Reason::LimitRatio));
        assert!(output.bytes().len() < 8 << 10);
        output.discard(&mut budget);
    }
}
