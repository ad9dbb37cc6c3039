//! Visual Basic's compression (MS-OVBA 2.4.1): a signature, then chunks of at most 4 KiB, each
//! with its own window. What a chunk says beyond that is decoded all the same.

use proto::Budget;

use crate::fields::{u16_le, u32_le};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// The first byte of a container.
pub(crate) const SIGNATURE: u8 = 1;
const CHUNK_BYTES: usize = 4096;
const HEADER_BYTES: usize = 2;
/// A chunk with the largest size that its header can say.
const CHUNK_PACKED_BYTES_MAX: usize = 0xfff + 3;
const DAMAGED: &str = "compressed text is damaged";

/// Whether these bytes begin a container: a signature, and the header of a chunk.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SIGNATURE) && u16_le(bytes, 1).is_some_and(is_header)
}

/// Decodes one container, as far as its chunks go.
pub(crate) fn decompress(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    if input.byte()? != Some(SIGNATURE) {
        return Err(Stop::malformed(DAMAGED));
    }
    let mut chunk = Vec::new();
    loop {
        let bytes = input.at_least(CHUNK_PACKED_BYTES_MAX)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let header = u16_le(bytes, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
        if !is_header(header) {
            // Zeros and leftovers after the last chunk are no part of the text.
            return Ok(());
        }
        let is_packed = header & 0x8000 != 0;
        let stated = usize::from(header & 0xfff).saturating_add(3);
        let length = match is_packed {
            true => stated,
            false => CHUNK_BYTES.saturating_add(HEADER_BYTES),
        };
        let body = bytes.get(HEADER_BYTES..length.min(bytes.len()));
        let body = body.unwrap_or_default();
        let available = bytes.len();
        chunk.clear();
        let decoded = match is_packed {
            true => unpack_chunk(body, &mut chunk),
            false => {
                chunk.extend_from_slice(body);
                Ok(())
            }
        };
        let is_cut = available < length && (is_packed || available < stated);
        input.consume(length.min(available));
        output.push(&chunk, budget, input.consumed())?;
        if is_cut {
            return Err(Stop::malformed(ENDS_EARLY));
        }
        decoded?;
    }
}

const ENDS_EARLY: &str = "compressed text ends early";
/// Copies past a chunk's size are followed this far: no honest chunk has any.
const CHUNK_BYTES_MAX: usize = 64 << 10;

fn is_header(header: u16) -> bool {
    header >> 12 & 7 == 3
}

fn unpack_chunk(mut body: &[u8], chunk: &mut Vec<u8>) -> Result<(), Stop> {
    while let Some((flags, rest)) = body.split_first() {
        body = rest;
        for bit in 0..8 {
            let Some(first) = body.first() else {
                return Ok(());
            };
            if flags >> bit & 1 == 0 {
                chunk.push(*first);
                body = body.get(1..).unwrap_or_default();
                continue;
            }
            let token = u16_le(body, 0).ok_or(Stop::malformed(DAMAGED))?;
            body = body.get(2..).unwrap_or_default();
            copy(token, chunk)?;
        }
    }
    Ok(())
}

/// The further into the chunk, the more of a token's bits say how far back, the fewer how many.
fn copy(token: u16, chunk: &mut Vec<u8>) -> Result<(), Stop> {
    let at = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
    let distance_bits =
        (u32::BITS.saturating_sub(at.saturating_sub(1).leading_zeros())).clamp(4, 12);
    let length_bits = 16u32.saturating_sub(distance_bits);
    let length_mask = u16::MAX.wrapping_shr(distance_bits);
    let length = usize::from(token & length_mask).saturating_add(3);
    let distance = usize::from(token.wrapping_shr(length_bits)).saturating_add(1);
    let from = chunk.len().checked_sub(distance);
    let from = from.ok_or(Stop::malformed(DAMAGED))?;
    if chunk.len().saturating_add(length) > CHUNK_BYTES_MAX {
        return Err(Stop::malformed(DAMAGED));
    }
    // A copy may reach into what it writes itself.
    let mut left = length;
    while left > 0 {
        let count = left.min(chunk.len().saturating_sub(from));
        chunk.extend_from_within(from..from.saturating_add(count));
        left = left.saturating_sub(count);
    }
    Ok(())
}

/// One record of the stream that lists a project's modules.
pub(crate) struct Record<'a> {
    pub(crate) kind: u16,
    pub(crate) data: &'a [u8],
}

/// The record at the head of these bytes, and what follows it.
pub(crate) fn record(bytes: &[u8]) -> Option<(Record<'_>, &[u8])> {
    const PROJECT_VERSION: u16 = 9;
    let kind = u16_le(bytes, 0)?;
    let size = usize::try_from(u32_le(bytes, 2)?).ok()?;
    // The version says four bytes and has six.
    let size = match kind {
        PROJECT_VERSION => 6,
        _ => size,
    };
    let end = size.checked_add(6)?;
    let data = bytes.get(6..end)?;
    Some((Record { kind, data }, bytes.get(end..)?))
}

#[cfg(test)]
mod tests {
    use proto::{Budget, Limits, Reason, Unlimited};

    use super::*;
    use crate::output::Tally;

    fn decoded(bytes: &[u8]) -> (Result<(), Stop>, Vec<u8>) {
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let mut output = Output::new(Tally::new(bytes.len() as u64));
        let mut input = Input::whole(&bytes);
        let ended = decompress(&mut input, &mut output, &mut budget);
        let given = output.bytes().to_vec();
        output.discard(&mut budget);
        (ended, given)
    }

    #[test]
    fn the_examples_of_the_specification_decode() {
        // MS-OVBA 3.2: one that does not compress, one that does, and one that compresses most.
        let none = b"\x01\x19\xb0\0abcdefgh\0ijklmnop\0qrstuv.";
        assert_eq!(decoded(none), (Ok(()), b"abcdefghijklmnopqrstuv.".to_vec()));
        let normal = b"\x01\x2f\xb0\x00\x23\x61\x61\x61\x62\x63\x64\x65\x82\x66\x00\x70\x61\x67\x68\x69\x6a\x01\x38\x08\x61\x6b\x6c\x00\x30\x6d\x6e\x6f\x70\x06\x71\x02\x70\x04\x10\x72\x73\x74\x75\x76\x10\x77\x78\x79\x7a\x00\x3c";
        let text = b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa";
        assert_eq!(decoded(normal), (Ok(()), text.to_vec()));
        let most = b"\x01\x03\xb0\x02aE\0";
        assert_eq!(decoded(most), (Ok(()), vec![b'a'; 73]));
    }

    #[test]
    fn a_copy_from_before_the_chunk_is_damage() {
        let (ended, given) = decoded(b"\x01\x03\xb0\x02a\x45\x10");
        assert_eq!(ended.map_err(|stop| stop.reason), Err(Reason::Malformed));
        assert_eq!(given, b"a");
    }
}
