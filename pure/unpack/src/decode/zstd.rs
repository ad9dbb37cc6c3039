//! Zstandard: one frame, skippable or not. It refuses windows that the memory budget can't hold
//! and frames that need a dictionary.

use std::io::Read;

use proto::{Budget, Reason};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder, errors::FrameDecoderError};

use crate::fields::{u32_le, u64_le};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// Tables, literals and the block that is being decoded.
const STATE_BYTES: u64 = 1 << 20;
/// No block decodes to more (RFC 8878, 3.1.1.2.4).
const BLOCK_BYTES_MAX: u64 = 128 << 10;
/// A damaged block is noticed after one match or run of literals too many.
const STEP_BYTES_MAX: u64 = 4 * BLOCK_BYTES_MAX;
const RING_SLACK_BYTES: u64 = 2 * BLOCK_BYTES_MAX;
/// The longest frame header, magic included.
const HEADER_BYTES_MAX: usize = 18;
const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;
const WINDOW_LOG_MAX: u32 = 41;

const ENDS_EARLY: &str = "compressed data ends early";
const DAMAGED: &str = "compressed data is damaged";

/// Decodes one frame.
pub(crate) fn unzstd(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let head = input.at_least(HEADER_BYTES_MAX)?;
    let magic = u32_le(head, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    if magic & !0xf == SKIPPABLE {
        let length = u32_le(head, 4).ok_or(Stop::malformed(ENDS_EARLY))?;
        return skip(input, u64::from(length).saturating_add(8));
    }
    if magic != MAGIC {
        return Err(Stop::malformed("zstd header is damaged"));
    }
    let window = window_bytes(head)?;
    let mut ring = Ring::new(window);
    if window > budget.memory_left() {
        return Err(Reason::LimitMemory.into());
    }
    budget.hold_memory(STATE_BYTES)?;
    let decoded = frame(input, &mut ring, output, budget);
    budget.release_memory(ring.held.saturating_add(STATE_BYTES));
    decoded
}

/// What the decoder's window takes. It grows with what was decoded, to powers of two and some
/// slack, and while it moves both the old one and the new one are there.
struct Ring {
    window: u64,
    decoded_at_most: u64,
    held: u64,
}

impl Ring {
    fn new(window: u64) -> Self {
        Self {
            window,
            decoded_at_most: 0,
            held: 0,
        }
    }

    /// Holds memory for one more block; gives what is free again once that is decoded.
    fn grow(&mut self, budget: &mut Budget) -> Result<u64, Reason> {
        let content = self.decoded_at_most.min(self.window);
        let needed = content.saturating_add(STEP_BYTES_MAX);
        let capacity = needed.next_power_of_two().saturating_add(RING_SLACK_BYTES);
        self.decoded_at_most = self.decoded_at_most.saturating_add(BLOCK_BYTES_MAX);
        if capacity <= self.held {
            return Ok(0);
        }
        budget.hold_memory(capacity)?;
        let old = self.held;
        self.held = capacity;
        Ok(old)
    }
}

fn skip(input: &mut Input<'_>, length: u64) -> Result<(), Stop> {
    if length > input.left() {
        return Err(Stop::malformed(ENDS_EARLY));
    }
    input.seek(input.offset().saturating_add(length));
    Ok(())
}

/// The window that the header asks for (RFC 8878, 3.1.1.1).
fn window_bytes(head: &[u8]) -> Result<u64, Stop> {
    let early = || Stop::malformed(ENDS_EARLY);
    let descriptor = *head.get(4).ok_or_else(early)?;
    let dictionary_bytes = match descriptor & 3 {
        3 => 4,
        other => usize::from(other),
    };
    let single_segment = descriptor & 0x20 != 0;
    let dictionary_at = if single_segment { 5 } else { 6usize };
    let size_at = dictionary_at.saturating_add(dictionary_bytes);
    let dictionary = head.get(dictionary_at..size_at).ok_or_else(early)?;
    if dictionary.iter().any(|byte| *byte != 0) {
        return Err(Stop::unsupported("zstd frame needs a dictionary"));
    }
    if single_segment {
        let size = head.get(size_at..).unwrap_or_default();
        let size = match descriptor.wrapping_shr(6) {
            0 => size.first().map(|byte| u64::from(*byte)),
            1 => crate::fields::u16_le(size, 0).map(|size| u64::from(size).saturating_add(256)),
            2 => u32_le(size, 0).map(u64::from),
            _ => u64_le(size, 0),
        };
        return size.ok_or_else(early);
    }
    let window = *head.get(5).ok_or_else(early)?;
    let log = u32::from(window.wrapping_shr(3)).saturating_add(10);
    if log > WINDOW_LOG_MAX {
        return Err(Stop::malformed(DAMAGED));
    }
    let base = 1u64.wrapping_shl(log);
    let eighth = base.wrapping_shr(3);
    Ok(base.saturating_add(eighth.saturating_mul(u64::from(window & 7))))
}

fn frame(
    input: &mut Input<'_>,
    ring: &mut Ring,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(ring.window);
    if decoder.init(&mut *input).is_err() {
        return Err(Stop::malformed("zstd header is damaged"));
    }
    let stated = decoder.content_size();
    let mut given = 0u64;
    let ended = loop {
        let old = match ring.grow(budget) {
            Ok(old) => old,
            Err(reason) => break Err(reason.into()),
        };
        let step = decoder.decode_blocks(&mut *input, BlockDecodingStrategy::UptoBlocks(1));
        budget.release_memory(old);
        given = given.saturating_add(drain(&mut decoder, input, output, budget)?);
        match step {
            Ok(true) => break Ok(()),
            Ok(false) => {}
            Err(error) => break Err(blocks_failed(input, &error)),
        }
    };
    if let Err(stop) = ended {
        release_window(&mut decoder);
        drain(&mut decoder, input, output, budget)?;
        return Err(stop);
    }
    let stored = decoder.get_checksum_from_data();
    if stored.is_some() && stored != decoder.get_calculated_checksum() {
        return Err(Stop::malformed("checksum does not match"));
    }
    // A size of zero may also mean that the header states none.
    if stated != 0 && stated != given {
        return Err(Stop::malformed("size does not match"));
    }
    Ok(())
}

fn blocks_failed(input: &mut Input<'_>, error: &FrameDecoderError) -> Stop {
    if input.left() == 0 {
        return Stop::malformed(ENDS_EARLY);
    }
    match error {
        FrameDecoderError::DictNotProvided { .. } => {
            Stop::unsupported("zstd frame needs a dictionary")
        }
        _ => Stop::malformed(DAMAGED),
    }
}

/// Moves what the decoder is ready to give; it keeps its window until the frame ends.
fn drain(
    decoder: &mut FrameDecoder,
    input: &Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<u64, Reason> {
    let mut given = 0u64;
    while decoder.can_collect() > 0 {
        let room = output.room(budget, input.consumed())?;
        let count = decoder.read(room).unwrap_or(0);
        if count == 0 {
            break;
        }
        output.commit(count);
        given = given.saturating_add(count as u64);
    }
    Ok(given)
}

/// Ends a frame that broke off with an empty last block (and a checksum, in case it wants one), so
/// that the decoder lets go of what it decoded.
fn release_window(decoder: &mut FrameDecoder) {
    let last_block = [1u8, 0, 0, 0, 0, 0, 0];
    let ended = decoder.decode_blocks(last_block.as_slice(), BlockDecodingStrategy::UptoBlocks(1));
    debug_assert!(ended.is_ok(), "an empty raw block always decodes");
}
