//! lz4: one frame of the current format, one of the legacy format, or a frame to skip. Checksums
//! are verified. It refuses frames that need a dictionary.

use std::hash::Hasher;

use proto::Budget;
use twox_hash::XxHash32;

use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::fields::{u16_le, u32_le};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

pub(crate) const MAGIC: u32 = 0x184d_2204;
pub(crate) const LEGACY: u32 = 0x184c_2102;
const SKIPPABLE: u32 = 0x184d_2a50;
const LEGACY_BLOCK_BYTES: usize = 8 << 20;
/// The most that an incompressible legacy block may take.
const LEGACY_PACKED_BYTES_MAX: usize = LEGACY_BLOCK_BYTES + LEGACY_BLOCK_BYTES / 255 + 16;
const STORED: u32 = 1 << 31;

/// Whether these bytes begin a frame.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    u32_le(bytes, 0).is_some_and(is_magic)
}

/// Decodes one frame; leaves the input after it.
pub(crate) fn unlz4(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    match take_u32(input)? {
        MAGIC => frame(input, output, budget),
        LEGACY => legacy_frame(input, output, budget),
        magic if is_magic(magic) => {
            let size = u64::from(take_u32(input)?);
            if size > input.left() {
                input.seek(u64::MAX);
                return Err(Stop::malformed(ENDS_EARLY));
            }
            input.seek(input.offset().saturating_add(size));
            Ok(())
        }
        _ => Err(Stop::malformed("lz4 header is damaged")),
    }
}

/// What a block is held to.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// Where in the output matches may reach back to.
    pub(crate) begin: usize,
    /// What may come out.
    pub(crate) block_bytes_max: usize,
}

/// Decodes one block of sequences; file systems have it without a frame around it.
pub(crate) fn unlz4_block(
    packed: &[u8],
    limits: Limits,
    bytes_in: u64,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let damaged = || Stop::malformed(DAMAGED);
    let end = output.bytes().len().saturating_add(limits.block_bytes_max);
    let mut rest = packed;
    while let Some((token, after)) = rest.split_first() {
        rest = after;
        let literals = length(usize::from(token.wrapping_shr(4)), &mut rest).ok_or_else(damaged)?;
        let (bytes, after) = rest.split_at_checked(literals).ok_or_else(damaged)?;
        if output.bytes().len().saturating_add(literals) > end {
            return Err(damaged());
        }
        output.push(bytes, budget, bytes_in)?;
        rest = after;
        if rest.is_empty() {
            break;
        }
        let (distance, after) = rest.split_at_checked(2).ok_or_else(damaged)?;
        rest = after;
        let distance = usize::from(u16_le(distance, 0).unwrap_or(0));
        let count = length(usize::from(token & 15), &mut rest).ok_or_else(damaged)?;
        let count = count.saturating_add(4);
        let filled = output.bytes().len();
        let reach = filled.saturating_sub(limits.begin);
        if distance == 0 || distance > reach || filled.saturating_add(count) > end {
            return Err(damaged());
        }
        output.repeat(distance, count, budget, bytes_in)?;
    }
    Ok(())
}

fn is_magic(magic: u32) -> bool {
    magic == MAGIC || magic == LEGACY || magic & !0xf == SKIPPABLE
}

/// What a frame's header says.
#[derive(Clone, Copy)]
struct Header {
    has_block_checksums: bool,
    has_content_checksum: bool,
    size_bytes: Option<u64>,
    block_bytes_max: usize,
}

impl Header {
    fn read(input: &mut Input<'_>) -> Result<Self, Stop> {
        let early = || Stop::malformed(ENDS_EARLY);
        let damaged = || Stop::malformed("lz4 header is damaged");
        let head = input.at_least(15)?;
        let flags = *head.first().ok_or_else(early)?;
        let block = *head.get(1).ok_or_else(early)?;
        if flags & 0xc2 != 0x40 || block & 0x8f != 0 {
            return Err(damaged());
        }
        let (has_size, has_dictionary) = (flags & 8 != 0, flags & 1 != 0);
        let size_field = if has_size { 8usize } else { 0 };
        let dictionary_field = if has_dictionary { 4usize } else { 0 };
        let covered = size_field
            .saturating_add(dictionary_field)
            .saturating_add(2);
        let stated = *head.get(covered).ok_or_else(early)?;
        let computed = XxHash32::oneshot(0, head.get(..covered).unwrap_or_default());
        if computed.to_le_bytes().get(1) != Some(&stated) {
            return Err(damaged());
        }
        if has_dictionary {
            return Err(Stop::unsupported("lz4 frame needs a dictionary"));
        }
        let exponent = u32::from(block.wrapping_shr(4));
        let header = Self {
            has_block_checksums: flags & 0x10 != 0,
            has_content_checksum: flags & 4 != 0,
            size_bytes: crate::fields::u64_le(head, 2).filter(|_| has_size),
            block_bytes_max: match exponent {
                4..=7 => 1usize.wrapping_shl(exponent.wrapping_mul(2).wrapping_add(8)),
                _ => return Err(damaged()),
            },
        };
        input.consume(covered.saturating_add(1));
        Ok(header)
    }
}

fn frame(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let header = Header::read(input)?;
    let begin = output.bytes().len();
    let mut hasher = XxHash32::with_seed(0);
    loop {
        budget.check_time()?;
        let word = take_u32(input)?;
        if word == 0 {
            break;
        }
        let size = usize::try_from(word & !STORED).unwrap_or(usize::MAX);
        if size > header.block_bytes_max {
            return Err(Stop::malformed(DAMAGED));
        }
        let packed = take(input, size)?;
        if header.has_block_checksums {
            let stated = take_u32(input)?;
            if XxHash32::oneshot(0, &packed) != stated {
                return Err(Stop::malformed("checksum of a block does not match"));
            }
        }
        let from = output.bytes().len();
        if word & STORED != 0 {
            output.push(&packed, budget, input.consumed())?;
        } else {
            let limits = Limits {
                begin,
                block_bytes_max: header.block_bytes_max,
            };
            unlz4_block(&packed, limits, input.consumed(), (output, budget))?;
        }
        hasher.write(output.bytes().get(from..).unwrap_or_default());
    }
    if header.has_content_checksum && u64::from(take_u32(input)?) != hasher.finish() {
        return Err(Stop::malformed("checksum does not match"));
    }
    let size = (output.bytes().len() as u64).saturating_sub(begin as u64);
    match header.size_bytes {
        Some(stated) if stated != size => Err(Stop::malformed("size does not match")),
        _ => Ok(()),
    }
}

/// Blocks up to the end of the file or the next frame: nothing says where it ends.
fn legacy_frame(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    loop {
        budget.check_time()?;
        let head = input.at_least(4)?;
        if head.is_empty() || begins(head) {
            return Ok(());
        }
        let size = usize::try_from(take_u32(input)?).unwrap_or(usize::MAX);
        if size > LEGACY_PACKED_BYTES_MAX {
            return Err(Stop::malformed(DAMAGED));
        }
        let packed = take(input, size)?;
        let limits = Limits {
            begin: output.bytes().len(),
            block_bytes_max: LEGACY_BLOCK_BYTES,
        };
        unlz4_block(&packed, limits, input.consumed(), (output, budget))?;
    }
}

/// A length of four bits that goes on in bytes while they are full.
fn length(first: usize, rest: &mut &[u8]) -> Option<usize> {
    let mut length = first;
    if first == 15 {
        loop {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            length = length.saturating_add(usize::from(*byte));
            if *byte != u8::MAX {
                break;
            }
        }
    }
    Some(length)
}

fn take(input: &mut Input<'_>, count: usize) -> Result<Vec<u8>, Stop> {
    let bytes = input.at_least(count)?;
    let taken = bytes.get(..count).map(<[u8]>::to_vec);
    let all = bytes.len();
    match taken {
        Some(taken) => {
            input.consume(count);
            Ok(taken)
        }
        None => {
            input.consume(all);
            Err(Stop::malformed(ENDS_EARLY))
        }
    }
}

fn take_u32(input: &mut Input<'_>) -> Result<u32, Stop> {
    let word = u32_le(input.at_least(4)?, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    input.consume(4);
    Ok(word)
}

#[cfg(test)]
mod tests {
    use proto::{Limits as BudgetLimits, Unlimited};

    use super::*;
    use crate::output::Tally;

    fn decoded(packed: &[u8], block_bytes_max: usize) -> (bool, Vec<u8>) {
        let mut budget = Budget::new(BudgetLimits::default(), Unlimited::clock_ms);
        let mut output = Output::new(Tally::new(packed.len() as u64));
        let limits = Limits {
            begin: 0,
            block_bytes_max,
        };
        let size_bytes = packed.len() as u64;
        let ended = unlz4_block(packed, limits, size_bytes, (&mut output, &mut budget));
        (ended.is_ok(), output.bytes().to_vec())
    }

    #[test]
    fn matches_may_overlap_what_they_write() {
        // "ab" once, then eight bytes from two back, then the literals "xyzzy".
        let packed = b"\x24ab\x02\0\x50xyzzy";
        assert_eq!(decoded(packed, 100), (true, b"abababababxyzzy".to_vec()));
    }

    #[test]
    fn what_is_too_long_or_looks_too_far_back_is_damage() {
        let repeated = b"ababababab".to_vec();
        assert_eq!(decoded(b"\x24ab\x02\0\x50xyzzy", 14), (false, repeated));
        let before = (false, b"ab".to_vec());
        assert_eq!(decoded(b"\x24ab\x03\0\x50xyzzy", 100), before);
        assert_eq!(decoded(b"\x24ab\0\0\x50xyzzy", 100), before);
        assert_eq!(decoded(b"\xf0\xff\xff", 100), (false, Vec::new()));
    }
}
