//! The places of a block at which a literal of some table begins.

use rules::body::Literal;
use rules::pack::{Block, Buffers, Found, SearchTable};

use crate::window::Window;

/// A look at an entry or a place takes an eighth of a step of work.
const LOOKS_A_STEP_BITS: u32 = 3;

/// Lists places, block by block, in one set of buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    buffers: Buffers,
    found: Vec<Found>,
    places: Vec<(Found, u8)>,
}

impl Search {
    /// Each position in the block where a literal may begin, with the number of its part, in the
    /// order of positions; and how much was looked at to know it.
    ///
    /// One literal may stand for very many parts, so they are told one by one.
    pub(crate) fn block<'s>(
        &'s mut self,
        tables: &'s [SearchTable<'_>],
        window: &Window<'_>,
        (from, to): (u64, u64),
    ) -> (impl Iterator<Item = (u64, u32)> + use<'s>, u64) {
        let work = self.collect(tables, window, (from, to));
        let base = around(window, (from, to)).0;
        let parts = self.places.iter().flat_map(move |(found, table)| {
            let at = base.saturating_add(u64::from(found.at));
            let table = tables.get(usize::from(*table)).into_iter();
            table.flat_map(move |table| table.parts(found).map(move |part| (at, part)))
        });
        (parts, work)
    }

    fn collect(
        &mut self,
        tables: &[SearchTable<'_>],
        window: &Window<'_>,
        (from, to): (u64, u64),
    ) -> u64 {
        let (low, high) = around(window, (from, to));
        let bytes = window.range(low, high).unwrap_or_default();
        let inner = |at: u64| usize::try_from(at.saturating_sub(low)).unwrap_or(bytes.len());
        let block = Block {
            bytes,
            from: inner(from),
            to: inner(to),
        };
        self.places.clear();
        let mut work = 0u64;
        for (number, table) in (0u8..).zip(tables) {
            self.found.clear();
            let looks = table.find(&block, &mut self.buffers, &mut self.found);
            self.places
                .extend(self.found.iter().map(|found| (*found, number)));
            let steps = looks.wrapping_shr(LOOKS_A_STEP_BITS);
            work = work.saturating_add(steps.saturating_add(self.found.len() as u64));
        }
        if tables.len() > 1 {
            self.places.sort_unstable();
        }
        work
    }
}

/// A block with what the search needs around it, as far as it is in the window.
fn around(window: &Window<'_>, (from, to): (u64, u64)) -> (u64, u64) {
    let margin = Literal::BYTES_MAX as u64;
    let end = window.base.saturating_add(window.bytes.len() as u64);
    (
        from.saturating_sub(margin).max(window.base),
        to.saturating_add(margin).min(end),
    )
}
