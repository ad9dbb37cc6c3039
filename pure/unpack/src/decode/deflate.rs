//! Deflate and Deflate64, one raw stream each.

use deflate64::InflaterManaged;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};
use proto::Budget;

use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// What a Deflate64 decoder keeps: its window of 256 KiB, tables and state.
const INFLATE64_STATE_BYTES: u64 = 320 << 10;

const ENDS_EARLY: &str = "compressed data ends early";
const DAMAGED: &str = "compressed data is damaged";

/// Decodes one raw deflate stream.
pub(crate) fn inflate(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    // What this stream may look back into begins where it begins.
    inflate_after(output.bytes().len(), input, (output, budget))
}

/// Decodes one raw deflate stream that may look back to `base` in the output.
pub(crate) fn inflate_after(
    base: usize,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let mut state = Box::<DecompressorOxide>::default();
    loop {
        let consumed = input.consumed();
        let (bytes, filled) = output.history_and_room(budget, consumed)?;
        let chunk = input.peek()?;
        let mut flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF
            | inflate_flags::TINFL_FLAG_IGNORE_ADLER32;
        if !chunk.is_empty() {
            flags |= inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        }
        let own = bytes.get_mut(base..).unwrap_or_default();
        let at = filled.saturating_sub(base);
        let (status, taken, given) = decompress(&mut state, chunk, own, at, flags);
        input.consume(taken);
        output.commit(given);
        match status {
            TINFLStatus::Done => return Ok(()),
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput => {}
            TINFLStatus::FailedCannotMakeProgress => return Err(Stop::malformed(ENDS_EARLY)),
            _ => return Err(Stop::malformed(DAMAGED)),
        }
    }
}

/// Decodes a deflate stream with the two bytes of zlib before it. Nobody looks at the checksum
/// behind it.
pub(crate) fn unzlib(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let head = input.at_least(2)?;
    if head.first().is_none_or(|method| method & 15 != 8) {
        return Err(Stop::malformed(DAMAGED));
    }
    input.consume(2);
    inflate(input, output, budget)
}

/// Decodes one raw Deflate64 stream.
pub(crate) fn inflate64(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    budget.hold_memory(INFLATE64_STATE_BYTES)?;
    let decoded = inflate64_held(input, output, budget);
    budget.release_memory(INFLATE64_STATE_BYTES);
    decoded
}

fn inflate64_held(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut state = Box::new(InflaterManaged::new());
    loop {
        let room = output.room(budget, input.consumed())?;
        let chunk = input.peek()?;
        let at_end = chunk.is_empty();
        let result = state.inflate(chunk, room);
        input.consume(result.bytes_consumed);
        output.commit(result.bytes_written);
        if result.data_error || state.errored() {
            return Err(Stop::malformed(DAMAGED));
        }
        if state.finished() {
            return Ok(());
        }
        if at_end && result.bytes_written == 0 {
            return Err(Stop::malformed(ENDS_EARLY));
        }
    }
}
