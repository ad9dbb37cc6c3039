//! LZMA without a container around it: alone (`.lzma`), in zip, in lzip, in 7z; and the LZMA2 of
//! 7z. The dictionary that a header names is held only as far as output has filled it, so that a
//! small file may name a large one. It refuses properties that no decoder takes.

use std::io::{self, ErrorKind};

use lzma_rust2::{Action, Lzma2Stream, LzmaStream, Status, StreamResult};
use proto::{Budget, Reason};

use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::fields::{u16_le, u32_le, u64_le};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// The header of a file that is LZMA alone.
pub(crate) const HEADER_BYTES: usize = 13;
/// What a zip member's data begins with: a version and the length of the properties.
const ZIP_HEADER_BYTES: usize = 9;
/// One properties byte and the size of the dictionary.
const PROPERTIES_BYTES: u16 = 5;
const PROPERTIES_MAX: u8 = 224;
/// The most that any decoder takes, and the least that it makes of less.
const DICTIONARY_BYTES_MAX: u32 = !15;
const DICTIONARY_BYTES_MIN: u32 = 4096;
/// Decoder state beside the dictionary and the literal probabilities.
const STATE_BYTES: u64 = 64 << 10;
/// What the dictionary may be ahead of the output.
const AHEAD_BYTES: u64 = 64 << 10;

/// How a stream of LZMA was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lzma {
    /// Literal context, literal position and position bits.
    pub(crate) properties: u8,
    pub(crate) dictionary_bytes: u32,
    /// `None` where an end marker ends it.
    pub(crate) size_bytes: Option<u64>,
}

impl Lzma {
    /// From five bytes of properties.
    pub(crate) fn from_properties(bytes: &[u8], size_bytes: Option<u64>) -> Option<Self> {
        let properties = *bytes.first()?;
        Some(Self {
            properties,
            dictionary_bytes: u32_le(bytes, 1)?,
            size_bytes,
        })
        .filter(|_| properties <= PROPERTIES_MAX)
    }

    /// Decodes the stream; leaves the input after it.
    pub(crate) fn decode(
        self,
        input: &mut Input<'_>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if self.size_bytes == Some(0) {
            // Nothing but the range coder's first bytes, which some encoders leave out.
            input.at_least(5)?;
            input.consume(5);
            return Ok(());
        }
        let literals = literal_bytes(self.properties);
        // Setting up costs what the properties say: many small streams must not hide that.
        budget.spend_work(literals / 8).map_err(|reason| Stop {
            reason,
            text: "unpacking takes more work than the limit allows".into(),
        })?;
        let dictionary_bytes = self.dictionary_bytes.min(DICTIONARY_BYTES_MAX);
        let stream = LzmaStream::new_with_props(
            self.size_bytes.unwrap_or(u64::MAX),
            self.properties,
            dictionary_bytes,
            None,
        )
        .map_err(|_| Stop::malformed(DAMAGED))?;
        let mut held = Held {
            bytes: 0,
            state_bytes: STATE_BYTES.saturating_add(literals),
            dictionary_bytes: dictionary_bytes.max(DICTIONARY_BYTES_MIN),
        };
        let limit_bytes = self.size_bytes;
        let decoded = run(stream, limit_bytes, &mut held, input, (output, budget));
        budget.release_memory(held.bytes);
        decoded
    }
}

/// Decodes a file that is LZMA alone.
pub(crate) fn unlzma(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let head = input.at_least(HEADER_BYTES)?;
    let size = u64_le(head, 5).ok_or(Stop::malformed(ENDS_EARLY))?;
    let size_bytes = (size != u64::MAX).then_some(size);
    let lzma = Lzma::from_properties(head, size_bytes).ok_or(Stop::malformed(DAMAGED))?;
    input.consume(HEADER_BYTES);
    lzma.decode(input, output, budget)
}

/// Decodes LZMA as zip members have it. Its size is the member's, where no marker ends it.
pub(crate) fn unlzma_zip(
    size_bytes: Option<u64>,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let head = input.at_least(ZIP_HEADER_BYTES)?;
    let count = u16_le(head, 2).ok_or(Stop::malformed(ENDS_EARLY))?;
    let properties = head.get(4..).unwrap_or_default();
    let lzma = Lzma::from_properties(properties, size_bytes);
    let lzma = lzma.filter(|_| count == PROPERTIES_BYTES);
    let lzma = lzma.ok_or(Stop::malformed(DAMAGED))?;
    input.consume(ZIP_HEADER_BYTES);
    lzma.decode(input, output, budget)
}

/// Decodes LZMA2 up to its end marker or to a size, whichever comes first.
pub(crate) fn unlzma2(
    dictionary_bytes: u32,
    size_bytes: u64,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    // No match reaches further back than there is output.
    let most = u32::try_from(size_bytes).unwrap_or(u32::MAX);
    let most = most.clamp(DICTIONARY_BYTES_MIN, DICTIONARY_BYTES_MAX);
    let dictionary_bytes = dictionary_bytes.min(most);
    let mut held = Held {
        bytes: 0,
        state_bytes: STATE_BYTES,
        dictionary_bytes,
    };
    let stream = Lzma2Stream::new(dictionary_bytes);
    let decoded = run(stream, Some(size_bytes), &mut held, input, (output, budget));
    budget.release_memory(held.bytes);
    decoded
}

/// Whether the first bytes of a stream decode: what tells LZMA alone from chance.
pub(crate) fn begins_well(head: &[u8]) -> bool {
    let size = u64_le(head, 5).filter(|size| *size != u64::MAX);
    let Some(lzma) = Lzma::from_properties(head, size) else {
        return false;
    };
    let stream = LzmaStream::new_with_props(
        size.unwrap_or(u64::MAX),
        lzma.properties,
        lzma.dictionary_bytes.min(TRIAL_DICTIONARY_BYTES),
        None,
    );
    let Ok(mut stream) = stream else {
        return false;
    };
    let mut room = [0; TRIAL_BYTES];
    let data = head.get(HEADER_BYTES..).unwrap_or_default();
    let data = data.get(..TRIAL_BYTES).unwrap_or(data);
    stream.process(data, &mut room, Action::Run).is_ok() && stream.total_out() > 0
}

const TRIAL_BYTES: usize = 2048;
const TRIAL_DICTIONARY_BYTES: u32 = 64 << 10;

/// Probabilities of literals: 768 of two bytes for each context.
fn literal_bytes(properties: u8) -> u64 {
    let rest = u32::from(properties % 45);
    let contexts = (rest % 9).saturating_add(rest / 9);
    1536u64.wrapping_shl(contexts)
}

/// Memory held for one stream.
struct Held {
    bytes: u64,
    state_bytes: u64,
    dictionary_bytes: u32,
}

impl Held {
    /// The dictionary doubles as output fills it.
    fn reach(&mut self, output_bytes: u64, budget: &mut Budget) -> Result<(), Reason> {
        let reached = output_bytes.saturating_add(AHEAD_BYTES).saturating_mul(2);
        let dictionary = reached.min(u64::from(self.dictionary_bytes));
        let wanted = dictionary.saturating_add(self.state_bytes);
        if let Some(more) = wanted.checked_sub(self.bytes) {
            budget.hold_memory(more)?;
            self.bytes = wanted;
        }
        Ok(())
    }
}

/// What both decoders have in common.
trait Decoder {
    fn step(&mut self, bytes: &[u8], room: &mut [u8], action: Action) -> io::Result<StreamResult>;
    /// Bytes taken and given so far, also by a step that failed.
    fn totals(&self) -> (u64, u64);
    /// Bytes that were taken and are no part of the stream.
    fn unused_bytes(&self) -> u64;
}

impl Decoder for LzmaStream {
    fn step(&mut self, bytes: &[u8], room: &mut [u8], action: Action) -> io::Result<StreamResult> {
        self.process(bytes, room, action)
    }

    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }

    fn unused_bytes(&self) -> u64 {
        self.unused_input().len() as u64
    }
}

impl Decoder for Lzma2Stream {
    fn step(&mut self, bytes: &[u8], room: &mut [u8], action: Action) -> io::Result<StreamResult> {
        self.process(bytes, room, action)
    }

    fn totals(&self) -> (u64, u64) {
        (self.total_in(), self.total_out())
    }

    fn unused_bytes(&self) -> u64 {
        0
    }
}

fn run(
    mut stream: impl Decoder,
    limit_bytes: Option<u64>,
    held: &mut Held,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    loop {
        let (taken, given) = stream.totals();
        let left = limit_bytes.map_or(u64::MAX, |limit| limit.saturating_sub(given));
        let room = output.room(budget, input.consumed())?;
        let count = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        held.reach(given.saturating_add(count as u64), budget)?;
        let room = output.room(budget, input.consumed())?;
        let room = room.get_mut(..count).unwrap_or_default();
        let chunk = input.peek()?;
        let at_end = chunk.is_empty();
        let action = if at_end { Action::Finish } else { Action::Run };
        let step = stream.step(chunk, room, action);
        let (taken_now, given_now) = stream.totals();
        let count = |now: u64, before| usize::try_from(now.saturating_sub(before)).unwrap_or(0);
        input.consume(count(taken_now, taken));
        output.commit(count(given_now, given));
        let is_full = limit_bytes.is_some_and(|limit| given_now >= limit);
        let is_stuck = (taken_now, given_now) == (taken, given);
        match step {
            Ok(result) if result.status == Status::StreamEnd => break,
            Ok(_) if is_full && (at_end || is_stuck) => break,
            Ok(_) if at_end && given_now == given => return Err(Stop::malformed(ENDS_EARLY)),
            Ok(_) => {}
            // The data is not to blame where the process is given less than the budget allows.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => {
                return Err(Reason::LimitMemory.into());
            }
            Err(_) if at_end => return Err(Stop::malformed(ENDS_EARLY)),
            Err(_) => return Err(Stop::malformed(DAMAGED)),
        }
    }
    let back = stream.unused_bytes();
    input.seek(input.offset().saturating_sub(back));
    Ok(())
}
