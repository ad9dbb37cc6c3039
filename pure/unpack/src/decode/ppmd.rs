//! PPMd: variant H as 7z has it, variant I as zip has it. The memory that a header names is held
//! before it is taken. It refuses orders that the variants do not have.

use std::io::{ErrorKind, Read};

use ppmd_rust::{Error, Ppmd7Decoder, Ppmd8Decoder, RestoreMethod};
use proto::{Budget, Reason};

use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::fields::{u16_le, u32_le};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

const PROPERTIES_BYTES: usize = 5;
/// What a model keeps beside its memory.
const STATE_BYTES: u64 = 64 << 10;
const RESTORE_METHODS: u16 = 2;

/// Decodes what 7z packs: the order and the memory are properties.
pub(crate) fn unppmd_7z(
    properties: &[u8],
    size_bytes: u64,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let properties = properties.get(..PROPERTIES_BYTES);
    let properties = properties.ok_or(Stop::malformed(DAMAGED))?;
    let order = properties.first().map_or(0, |order| u32::from(*order));
    let memory = u32_le(properties, 1).unwrap_or(0);
    let held = u64::from(memory).saturating_add(STATE_BYTES);
    budget.hold_memory(held)?;
    let decoded = match Ppmd7Decoder::new(&mut *input, order, memory) {
        Ok(decoder) => read_all(decoder, Some(size_bytes), (output, budget)),
        Err(error) => Err(refused(&error)),
    };
    budget.release_memory(held);
    decoded
}

/// Decodes what zip packs: the first two bytes hold the order, the memory in mebibytes and what
/// to do when it is used up. A marker ends what has no known size.
pub(crate) fn unppmd_zip(
    size_bytes: Option<u64>,
    input: &mut Input<'_>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let word = u16_le(input.at_least(2)?, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    input.consume(2);
    let order = u32::from(word & 15).saturating_add(1);
    let memory = u32::from(word.wrapping_shr(4) & 0xff).saturating_add(1) << 20;
    let restore = word.wrapping_shr(12);
    if restore >= RESTORE_METHODS {
        return Err(Stop::malformed(DAMAGED));
    }
    let held = u64::from(memory).saturating_add(STATE_BYTES);
    budget.hold_memory(held)?;
    let restore = RestoreMethod::from(restore);
    let decoded = match Ppmd8Decoder::new(&mut *input, order, memory, restore) {
        Ok(mut decoder) => {
            let decoded = read_all(&mut decoder, size_bytes, (output, budget));
            // Writers put the marker behind what has a known size too; that it is missing is no
            // fault, and that something else is there shows by what is left of the input.
            if decoded.is_ok() {
                let _ = decoder.read(&mut [0]);
            }
            decoded
        }
        Err(error) => Err(refused(&error)),
    };
    budget.release_memory(held);
    decoded
}

fn refused(error: &Error) -> Stop {
    match error {
        Error::MemoryAllocation => Reason::LimitMemory.into(),
        Error::RangeDecoderInitialization | Error::InvalidParameter | Error::IoError(_) => {
            Stop::malformed(DAMAGED)
        }
    }
}

/// Takes a number of bytes from a decoder, or all up to its end.
pub(crate) fn read_all(
    mut decoder: impl Read,
    size_bytes: Option<u64>,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let mut left = size_bytes.unwrap_or(u64::MAX);
    while left > 0 {
        // The container's own size bounds what may come out: the decoder hides what it took.
        let room = output.room(budget, u64::MAX)?;
        let count = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let given = decoder.read(room.get_mut(..count).unwrap_or_default());
        match given {
            Ok(0) if size_bytes.is_none() => return Ok(()),
            Ok(0) => return Err(Stop::malformed(ENDS_EARLY)),
            Ok(given) => {
                output.commit(given);
                left = left.saturating_sub(given as u64);
            }
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Err(Stop::malformed(ENDS_EARLY));
            }
            Err(_) => return Err(Stop::malformed(DAMAGED)),
        }
    }
    Ok(())
}
