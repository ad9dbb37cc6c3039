//! Sparse members: the stored segments put where they belong, with zeros between, as far as the
//! budget allows; otherwise the segments as they are stored.

use proto::{Budget, Reason};

use crate::ReadError;
use crate::Source;
use crate::fields::find;
use crate::formats::tar::header::{BLOCK, SEGMENTS_MAX, decimal};
use crate::input::read_part;
use crate::members::Stop;
use crate::output::Output;

const ZEROS: [u8; 4096] = [0; 4096];
/// A map of version 1.0 is read in pieces of this size.
const MAP_BYTES: usize = 4 << 20;

/// Where a sparse member's bytes are.
pub(crate) struct Layout {
    /// Where the first segment is stored.
    pub(crate) data_offset: u64,
    /// How much is stored.
    pub(crate) stored_bytes: u64,
    /// The size of the expanded file.
    pub(crate) real_bytes: u64,
    /// Offset and size of each segment in the expanded file.
    pub(crate) segments: Vec<(u64, u64)>,
}

impl Layout {
    /// Whether the segments leave nothing out of what is stored.
    pub(crate) fn uses_all(&self) -> bool {
        let sizes = self.segments.iter().map(|(_, size)| *size);
        sizes.fold(0, u64::saturating_add) == self.stored_bytes
    }
}

/// Offset and size of each segment, and the size of the map itself in the data.
pub(crate) type Map = (Vec<(u64, u64)>, u64);

/// Reads the map that version 1.0 keeps in front of the data: decimal lines, padded to a block.
/// Gives the segments and the map's padded size.
pub(crate) fn map_in_data(
    source: &dyn Source,
    offset: u64,
    stored_bytes: u64,
) -> Result<Option<Map>, ReadError> {
    let most = usize::try_from(stored_bytes)
        .unwrap_or(usize::MAX)
        .min(MAP_BYTES);
    let bytes = read_part(source, offset, most)?;
    Ok(parse_map(&bytes))
}

fn parse_map(bytes: &[u8]) -> Option<Map> {
    let mut at = 0;
    let mut line = || {
        let end = find(bytes, b"\n", at)?;
        let value = decimal(bytes.get(at..end)?)?;
        at = end.checked_add(1)?;
        Some((value, at))
    };
    let (count, mut end) = line()?;
    let count = usize::try_from(count).ok().filter(|n| *n <= SEGMENTS_MAX)?;
    let mut segments = Vec::new();
    for _ in 0..count {
        let (offset, _) = line()?;
        let (size, after) = line()?;
        segments.push((offset, size));
        end = after;
    }
    Some((segments, (end as u64).checked_next_multiple_of(BLOCK)?))
}

/// Whether the expanded file is in proportion to what is stored, and small enough.
pub(crate) fn affordable(layout: &Layout, budget: &Budget) -> Result<(), Reason> {
    budget.check_ratio(layout.stored_bytes, layout.real_bytes)?;
    if layout.real_bytes > budget.bytes_left() {
        return Err(Reason::LimitBytes);
    }
    if layout.real_bytes > budget.memory_left() {
        return Err(Reason::LimitMemory);
    }
    Ok(())
}

/// Expands a sparse member.
pub(crate) fn expand(
    source: &dyn Source,
    layout: &Layout,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut from = layout.data_offset;
    let end = layout.data_offset.saturating_add(layout.stored_bytes);
    for (offset, size) in &layout.segments {
        let gap = offset.checked_sub(output.bytes().len() as u64);
        let fits = offset
            .checked_add(*size)
            .is_some_and(|end| end <= layout.real_bytes);
        match gap {
            Some(gap) if fits => zeros(gap, layout.stored_bytes, output, budget)?,
            _ => return Err(Stop::malformed("sparse map is damaged")),
        }
        let until = from.saturating_add(*size);
        if until > end {
            return Err(Stop::malformed("sparse map is damaged"));
        }
        while from < until {
            let count = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
            let bytes = read_part(source, from, count.min(64 << 10))?;
            if bytes.is_empty() {
                return Err(Stop::malformed("archive ends early"));
            }
            output.push(&bytes, budget, layout.stored_bytes)?;
            from = from.saturating_add(bytes.len() as u64);
        }
    }
    let rest = layout
        .real_bytes
        .saturating_sub(output.bytes().len() as u64);
    zeros(rest, layout.stored_bytes, output, budget)
}

fn zeros(
    mut count: u64,
    bytes_in: u64,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    while count > 0 {
        let now = usize::try_from(count)
            .unwrap_or(usize::MAX)
            .min(ZEROS.len());
        output.push(ZEROS.get(..now).unwrap_or_default(), budget, bytes_in)?;
        count = count.saturating_sub(now as u64);
    }
    Ok(())
}
