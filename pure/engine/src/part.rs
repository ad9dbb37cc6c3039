//! Checks the part of a signature whose literal was found.

use proto::{Budget, Reason};
use rules::Pack;
use rules::pack::{BodyRule, PartRecord};
use unpack::Facts;

use crate::body::Span;
use crate::offsets;
use crate::window::Window;

/// What parts are checked against.
#[derive(Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) pack: &'a Pack<'a>,
    pub(crate) facts: Option<&'a Facts>,
    /// How long the object is, looked at or not.
    pub(crate) size_bytes: u64,
    /// The formats that it lies in, the outermost first.
    pub(crate) containers: &'a [&'static str],
}

/// A part, and the body that it belongs to.
pub(crate) struct Known<'a> {
    pub(crate) record: PartRecord<'a>,
    pub(crate) body: BodyRule,
    /// The part's number in its body, from 0.
    pub(crate) index: u32,
}

impl<'a> Subject<'a> {
    /// The part with this number; `None` where the pack is damaged.
    pub(crate) fn part(&self, number: u32) -> Option<Known<'a>> {
        let record = self.pack.part(number)?;
        let body = self.pack.body(record.body)?;
        let index = number
            .checked_sub(body.first_part)
            .filter(|index| *index < body.parts)?;
        Some(Known {
            record,
            body,
            index,
        })
    }

    /// Whether a part is around its literal, and where: see the span.
    pub(crate) fn is_there(
        &self,
        known: &Known<'_>,
        (window, literal): (&Window<'_>, u64),
        span: &mut Span,
        budget: &mut Budget,
    ) -> Result<bool, Reason> {
        if !span.find(&known.record.program, window, literal, budget)? {
            return Ok(false);
        }
        if known.index > 0 {
            return Ok(true);
        }
        let Some((first, last)) = offsets::resolve(&known.body.offset, self.facts, self.size_bytes)
        else {
            return Ok(false);
        };
        span.starts.retain(|start| (first..=last).contains(start));
        Ok(!span.starts.is_empty())
    }
}
