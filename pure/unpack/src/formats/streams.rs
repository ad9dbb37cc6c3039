//! What gzip, bzip2, xz and zstd files share: streams one after the other, decoded into one
//! member as the usual tools would, so that nothing hides across the border of two streams; and
//! each of the first ones alone, since a known file may be one of them.

use std::ops::Range;

use proto::{Budget, Reason};

use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};
use crate::{ReadError, Source};

/// Decodes one stream; leaves the input after it.
pub(crate) type Decode = fn(&mut Input<'_>, &mut Output, &mut Budget) -> Result<(), Stop>;

/// Streams that are members of their own too; the member that all of them make holds the others.
const STREAMS_MAX: usize = 16;

/// The name of data after a container's end.
pub(super) const AFTER_END: &[u8] = b"(after end)";

/// One format of that shape.
pub(crate) struct Streams<'n> {
    /// The member's name.
    pub(super) name: &'n [u8],
    /// Whether these bytes begin a stream.
    pub(crate) begins: fn(&[u8]) -> bool,
    /// Decodes one.
    pub(crate) decode: Decode,
}

impl Streams<'_> {
    /// Unpacks a file of streams.
    pub(super) fn unpack(
        &self,
        source: &dyn Source,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Vec<Trouble> {
        let mut troubles = Troubles::default();
        let mut input = Input::whole(source);
        let mut output = Output::new(Tally::new(source.size_bytes()));
        let mut streams = Vec::new();
        let decoded = (&mut output, &mut streams);
        let finished = self.decode_all(&mut input, decoded, budget, &mut troubles);
        let is_several = streams.len() > 1;
        let nothing = finished.is_err() && output.bytes().is_empty();
        let mut flow = match nothing {
            true => Flow::Continue,
            false => output.show(self.name, 0..usize::MAX, members, budget),
        };
        if is_several && flow == Flow::Continue {
            flow = show_each(&output, streams, members, (budget, &mut troubles));
        }
        output.discard(budget);
        match finished {
            Err(stop) => troubles.note(input.offset(), stop),
            Ok(()) if flow == Flow::Continue => {
                after_end(&mut input, budget, members, &mut troubles);
            }
            Ok(()) => {}
        }
        troubles.into_vec()
    }

    /// Decodes one stream after the other; notes where each that has bytes lies in the output.
    fn decode_all(
        &self,
        input: &mut Input<'_>,
        (output, streams): (&mut Output, &mut Vec<Range<usize>>),
        budget: &mut Budget,
        troubles: &mut Troubles,
    ) -> Result<(), Stop> {
        loop {
            let begin = input.offset();
            let stream = output.bytes().len();
            let decoded = (self.decode)(input, output, budget);
            let stream = stream..output.bytes().len();
            if !stream.is_empty() && streams.len() < STREAMS_MAX {
                streams.push(stream);
            }
            let again = skip_zeros(input, budget)? && (self.begins)(input.at_least(8)?);
            match decoded {
                Ok(()) if !again => return Ok(()),
                Ok(()) => {}
                // A stream that is whole but fails its check doesn't hide the ones after it.
                Err(stop)
                    if again && stop.reason == Reason::Malformed && input.offset() > begin =>
                {
                    troubles.note(begin, stop);
                }
                Err(stop) => return Err(stop),
            }
        }
    }
}

/// Hands each stream over alone, as far as its bytes may be looked at once more.
fn show_each(
    output: &Output,
    streams: Vec<Range<usize>>,
    members: &mut dyn Members,
    (budget, troubles): (&mut Budget, &mut Troubles),
) -> Flow {
    for (index, stream) in streams.into_iter().enumerate() {
        let name = format!("(stream {})", index.saturating_add(1));
        if stream.len() as u64 > budget.bytes_left() {
            troubles.note_member(name.as_bytes(), 0, Reason::LimitBytes);
            return Flow::Stop;
        }
        if output.show(name.as_bytes(), stream, members, budget) == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::Continue
}

/// Passes over zeros; whether anything is left.
pub(super) fn skip_zeros(input: &mut Input<'_>, budget: &Budget) -> Result<bool, Stop> {
    loop {
        budget.check_time()?;
        let chunk = input.peek()?;
        let (zeros, length) = (
            chunk.iter().take_while(|byte| **byte == 0).count(),
            chunk.len(),
        );
        if length == 0 {
            return Ok(false);
        }
        input.consume(zeros);
        if zeros < length {
            return Ok(true);
        }
    }
}

fn after_end(
    input: &mut Input<'_>,
    budget: &mut Budget,
    members: &mut dyn Members,
    troubles: &mut Troubles,
) {
    let offset = input.offset();
    if input.left() == 0 {
        return;
    }
    troubles.note(offset, Stop::malformed("data after the end"));
    let content = Content::Range {
        offset,
        size_bytes: input.left(),
    };
    let name = AFTER_END;
    members.member(Member { name, content }, budget);
}

/// The first bytes of a source, for what must be known before decoding.
pub(super) fn head(source: &dyn Source, count: usize) -> Result<Vec<u8>, ReadError> {
    crate::input::read_part(source, 0, count)
}
