//! Reads an object block by block, each with enough of what lies around it to look at.
//!
//! An object that is in memory is looked at where it lies; any other goes through one buffer.

use std::ops::ControlFlow;

use proto::{Budget, Reason};
use unpack::{ReadError, Source};

use crate::hashes::Trouble;
use crate::window::Window;

/// Bytes looked at between two looks at the clock; a block stays in the processor's caches.
pub(crate) const BLOCK_BYTES: usize = 64 << 10;
/// Bytes read at once.
const STEP_BYTES: usize = 1 << 20;

/// What is done with each block: it lies in the window, from one position to another.
pub(crate) type Visit<'v> =
    dyn FnMut(&Window<'_>, (u64, u64), &mut Budget) -> Result<ControlFlow<()>, Reason> + 'v;

/// Reads objects, one after another, through one buffer.
#[derive(Debug)]
pub(crate) struct Reader {
    /// What a block's window has on both sides, where the object has it.
    margin: usize,
    buffer: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(margin: usize) -> Self {
        Self {
            margin,
            buffer: Vec::new(),
        }
    }

    /// Visits the first `total` bytes of an object, block by block, until a visit breaks off.
    pub(crate) fn visit(
        &mut self,
        (source, total): (&dyn Source, u64),
        budget: &mut Budget,
        visit: &mut Visit<'_>,
    ) -> Result<(), Trouble> {
        let total = total.min(source.size_bytes());
        if let Some(bytes) = source.whole() {
            let end = usize::try_from(total).unwrap_or(usize::MAX);
            let window = Window {
                bytes: bytes.get(..end).unwrap_or(bytes),
                base: 0,
                total,
            };
            return blocks(&window, (0, total), budget, visit).map(|_| ());
        }
        self.visit_windows((source, total), budget, visit)
    }

    fn visit_windows(
        &mut self,
        (source, total): (&dyn Source, u64),
        budget: &mut Budget,
        visit: &mut Visit<'_>,
    ) -> Result<(), Trouble> {
        self.buffer.clear();
        let mut base = 0u64;
        let mut at = 0u64;
        while at < total {
            let keep_from = at.saturating_sub(self.margin as u64);
            let stale = usize::try_from(keep_from.saturating_sub(base)).unwrap_or(usize::MAX);
            self.buffer.drain(..stale.min(self.buffer.len()));
            base = keep_from;
            let wanted = at.saturating_add((STEP_BYTES.saturating_add(self.margin)) as u64);
            self.fill(source, (base, wanted.min(total)))?;
            let loaded = base.saturating_add(self.buffer.len() as u64);
            let end = if loaded >= total {
                total
            } else {
                loaded.saturating_sub(self.margin as u64)
            };
            let window = Window {
                bytes: &self.buffer,
                base,
                total,
            };
            if end <= at || blocks(&window, (at, end), budget, visit)?.is_break() {
                break;
            }
            at = end;
        }
        Ok(())
    }

    /// Makes the buffer reach from `base` to `until`.
    fn fill(&mut self, source: &dyn Source, (base, until): (u64, u64)) -> Result<(), Trouble> {
        let have = self.buffer.len();
        let want = usize::try_from(until.saturating_sub(base)).unwrap_or(have);
        if want <= have {
            return Ok(());
        }
        self.buffer.resize(want, 0);
        let from = base.saturating_add(have as u64);
        let fresh = self.buffer.get_mut(have..).unwrap_or_default();
        let count = source.read_at(from, fresh).map_err(Trouble::Read)?;
        if count < fresh.len() {
            self.buffer.truncate(have.saturating_add(count));
            return Err(Trouble::Read(ReadError::Shrank));
        }
        Ok(())
    }
}

fn blocks(
    window: &Window<'_>,
    (from, to): (u64, u64),
    budget: &mut Budget,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, Trouble> {
    let mut at = from;
    while at < to {
        budget.check_time().map_err(Trouble::Limit)?;
        let end = at.saturating_add(BLOCK_BYTES as u64).min(to);
        if visit(window, (at, end), budget)
            .map_err(Trouble::Limit)?
            .is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        at = end;
    }
    Ok(ControlFlow::Continue(()))
}
