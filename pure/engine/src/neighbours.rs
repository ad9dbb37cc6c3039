//! Whether the parts beside one that was found could be there too.
//!
//! A part whose literal is common (`function`) would have the second pass search most objects for
//! the rest of its signature. Where a neighbour lies within a short reach, its literal is looked
//! for right there instead. What can't be seen from here may be there: nothing is ruled out that
//! could match.

use proto::{Budget, Reason};
use rules::body::{Direction, Gap, Program};

use crate::body::Span;
use crate::part::{Known, Subject};
use crate::window::Window;

/// A neighbour farther away, or anywhere in more bytes, is left to the second pass.
const REACH_BYTES: u64 = 512;
/// So many bytes are compared in one step of work.
const BYTES_A_STEP: u64 = 8;

/// Whether both neighbours of a part that lies as the span says could be there.
pub(crate) fn could_be(
    subject: &Subject<'_>,
    (known, number): (&Known<'_>, u32),
    (window, span): (&Window<'_>, &Span),
    budget: &mut Budget,
) -> Result<bool, Reason> {
    let is_last = known.index.saturating_add(1) >= known.body.parts;
    let next = number.checked_add(1).filter(|_| !is_last);
    if let Some(next) = next.and_then(|next| subject.part(next)) {
        let range = behind(&span.ends, next.record.gap, &next.record.program);
        if !may_hold(&next.record.program, range, window, budget)? {
            return Ok(false);
        }
    }
    let previous = number.checked_sub(1).filter(|_| known.index > 0);
    if let Some(previous) = previous.and_then(|previous| subject.part(previous)) {
        let range = before(&span.starts, known.record.gap, &previous.record.program);
        return may_hold(&previous.record.program, range, window, budget);
    }
    Ok(true)
}

/// Where the literal of the next part must lie.
fn behind(ends: &[u64], gap: Gap, next: &Program<'_>) -> Option<(u64, u64)> {
    let (first, last) = (ends.iter().min()?, ends.iter().max()?);
    let from = first.checked_add(u64::from(gap.min))?;
    let latest = last.checked_add(u64::from(bounded(gap)?))?;
    let to = latest.checked_add(next.reach(Direction::Before)?)?;
    let literal = next.literal()?.as_bytes().len() as u64;
    Some((from, to.checked_add(literal)?))
}

/// Where the literal of the part before must lie.
fn before(starts: &[u64], gap: Gap, previous: &Program<'_>) -> Option<(u64, u64)> {
    let (first, last) = (starts.iter().min()?, starts.iter().max()?);
    let to = last.saturating_sub(u64::from(gap.min));
    let earliest = first.saturating_sub(u64::from(bounded(gap)?));
    let from = earliest.saturating_sub(previous.reach(Direction::After)?);
    Some((from, to))
}

fn bounded(gap: Gap) -> Option<u32> {
    (gap.max != u32::MAX).then_some(gap.max)
}

/// Whether a part's literal, in either case, may be among the bytes of a range.
fn may_hold(
    part: &Program<'_>,
    range: Option<(u64, u64)>,
    window: &Window<'_>,
    budget: &mut Budget,
) -> Result<bool, Reason> {
    let Some((from, to)) = range else {
        return Ok(true);
    };
    let to = to.min(window.total);
    let length = to.saturating_sub(from);
    if length > REACH_BYTES {
        return Ok(true);
    }
    let (Some(literal), Some(bytes)) = (part.literal(), window.range(from, to.max(from))) else {
        return Ok(true);
    };
    budget.spend_work(length.div_ceil(BYTES_A_STEP).saturating_add(1))?;
    let literal = literal.as_bytes();
    Ok(bytes.windows(literal.len()).any(|bytes| {
        let mut pairs = bytes.iter().zip(literal);
        pairs.all(|(one, other)| one | 0x20 == other | 0x20)
    }))
}
