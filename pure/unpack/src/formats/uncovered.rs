//! What of a container belongs to none of its members: between them, and after the end. In honest
//! archives nothing or zeros; elsewhere what somebody hid. It is handed over as it is.

use proto::{Budget, Reason};

use crate::Source;
use crate::formats::streams::{AFTER_END, skip_zeros};
use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop};

const GAP: &[u8] = b"(gap)";
const PART_BYTES: u64 = 16;

/// Parts of a container that belong to something.
#[derive(Debug, Default)]
pub(super) struct Covered {
    parts: Vec<(u64, u64)>,
    held: u64,
}

impl Covered {
    /// Adds a part; its memory is held until [`Covered::discard`].
    pub(super) fn add(
        &mut self,
        offset: u64,
        size_bytes: u64,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        budget.hold_memory(PART_BYTES)?;
        self.held = self.held.saturating_add(PART_BYTES);
        self.parts.push((offset, offset.saturating_add(size_bytes)));
        Ok(())
    }

    /// Gives the memory back.
    pub(super) fn discard(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }

    /// Hands over what no part covers.
    pub(super) fn hand_over_rest(
        &mut self,
        source: &dyn Source,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(), Stop> {
        let size = source.size_bytes();
        self.parts.sort_unstable();
        let end = self.parts.iter().map(|(_, end)| *end).max();
        let end = end.unwrap_or(size).min(size);
        let mut at = 0;
        for (begin, after) in &self.parts {
            let gap = begin.min(&end).saturating_sub(at);
            if hand_over(source, (GAP, at, gap), budget, members)? == Flow::Stop {
                return Ok(());
            }
            at = at.max(*after);
        }
        let behind = size.saturating_sub(end);
        hand_over(source, (AFTER_END, end, behind), budget, members)?;
        Ok(())
    }
}

fn hand_over(
    source: &dyn Source,
    (name, offset, size_bytes): (&[u8], u64, u64),
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Result<Flow, Stop> {
    let mut input = Input::new(source, offset, size_bytes);
    if size_bytes == 0 || !skip_zeros(&mut input, budget)? {
        return Ok(Flow::Continue);
    }
    let content = Content::Range { offset, size_bytes };
    Ok(members.member(Member { name, content }, budget))
}
