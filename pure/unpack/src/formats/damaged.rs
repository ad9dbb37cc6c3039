//! What archives made of headers and data share where a header is damaged: the next one is looked
//! for, and the bytes up to it are a member of their own, so that nothing hides behind the damage.

use proto::Budget;

use crate::Source;
use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop};

/// The name of what lies between a damaged header and the next good one.
pub(super) const DAMAGED_PART: &[u8] = b"(damaged part)";

/// Places that are tried at once.
const STEP_BYTES: usize = 4 << 10;

/// How a format's headers are told from data.
#[derive(Clone, Copy)]
pub(super) struct Headers {
    /// The most bytes that decide.
    pub(super) size_bytes: usize,
    /// Whether these bytes, of which there may be more or fewer, begin with a header.
    pub(super) is_header: fn(&[u8]) -> bool,
}

impl Headers {
    /// Where the next header begins at or after `from`; the end of the source where none does.
    pub(super) fn next(self, source: &dyn Source, from: u64, budget: &Budget) -> Result<u64, Stop> {
        let wanted = self.size_bytes.saturating_add(STEP_BYTES);
        let mut input = Input::new(source, from, u64::MAX);
        loop {
            budget.check_time()?;
            let bytes = input.at_least(wanted)?;
            let is_last = bytes.len() < wanted;
            let places = match is_last {
                true => bytes.len(),
                false => STEP_BYTES,
            };
            let found = (0..places).find(|place| {
                let candidate = bytes.get(*place..).unwrap_or_default();
                (self.is_header)(candidate)
            });
            match found {
                Some(place) => return Ok(input.offset().saturating_add(place as u64)),
                None if is_last => return Ok(source.size_bytes()),
                None => input.consume(places),
            }
        }
    }
}

/// Hands over a part of an archive where it lies.
pub(super) fn hand_over_part(
    name: &[u8],
    (begin, end): (u64, u64),
    members: &mut dyn Members,
    budget: &mut Budget,
) -> Flow {
    let content = Content::Range {
        offset: begin,
        size_bytes: end.saturating_sub(begin),
    };
    members.member(Member { name, content }, budget)
}
