//! The places of a block at which a literal of some table begins.

use rules::pack::SearchTable;

use crate::window::Window;

/// Lists places, block by block, in one set of buffers.
#[derive(Debug, Default)]
pub(crate) struct Search {
    places: Vec<Place>,
    found: Vec<(u64, u32)>,
}

/// A place where a literal may begin, and the table that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: u64,
    table: u8,
    short: bool,
}

impl Search {
    /// Each position in the block where a literal begins, with the number of its part, in the
    /// order of positions.
    pub(crate) fn block(
        &mut self,
        tables: &[SearchTable<'_>],
        window: &Window<'_>,
        (from, to): (u64, u64),
    ) -> &[(u64, u32)] {
        self.collect(tables, window, (from, to));
        self.found.clear();
        for place in &self.places {
            let Some(table) = tables.get(usize::from(place.table)) else {
                continue;
            };
            let mut found = |part| self.found.push((place.at, part));
            let bytes = |count| window.range(place.at, place.at.saturating_add(count));
            if place.short {
                if let Some(bytes) = bytes(3).or_else(|| bytes(2)) {
                    table.find_short(bytes, &mut found);
                }
            } else if let Some(gram) = bytes(4).and_then(|bytes| bytes.first_chunk().copied()) {
                table.find(u32::from_le_bytes(gram), &mut found);
            }
        }
        &self.found
    }

    fn collect(&mut self, tables: &[SearchTable<'_>], window: &Window<'_>, (from, to): (u64, u64)) {
        self.places.clear();
        let until = window.base.saturating_add(window.bytes.len() as u64);
        let slice = |behind: u64| {
            window
                .range(from, to.saturating_add(behind).min(until))
                .unwrap_or_default()
        };
        for (table, search) in (0u8..).zip(tables) {
            let places = &mut self.places;
            let mut place = |index: usize, short| {
                let at = from.saturating_add(index as u64);
                places.push(Place { at, table, short });
            };
            search.for_each_long(slice(3), &mut |index| place(index, false));
            search.for_each_short(slice(1), &mut |index| place(index, true));
        }
        self.places.sort_unstable();
    }
}
