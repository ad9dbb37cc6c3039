//! LZMA alone (`.lzma`): one stream, one member named `(lzma)`. It has no magic: the usual
//! header is believed, others that some reader takes only where the first bytes decode.

use proto::Budget;

use crate::Source;
use crate::decode::lzma::{begins_well, unlzma};
use crate::fields::{u32_be, u32_le, u64_le};
use crate::formats::streams::Streams;
use crate::identify::{Format, Probe, Role};
use crate::members::{Members, Trouble};

/// LZMA files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "lzma",
    detect,
    role: Role::Container(unpack),
}];

const USUAL: u8 = 0x5d;
const DICTIONARY_BYTES_MIN: u32 = 4096;
/// No encoder writes more literal bits than these, together.
const LITERAL_BITS_MAX: u8 = 4;

fn detect(probe: &Probe<'_>) -> bool {
    let head = probe.head;
    let (Some(properties), Some(dictionary), Some(size), Some(code)) = (
        head.first().copied(),
        u32_le(head, 1),
        u64_le(head, 5),
        u32_be(head, 14),
    ) else {
        return false;
    };
    // The range coder begins with zero.
    if head.get(13) != Some(&0) || !is_encoders(properties) {
        return false;
    }
    let is_usual = is_written(dictionary, size);
    (is_usual && properties == USUAL)
        // Zeros decode to zeros: what is full of them is no stream for that.
        || ((is_usual || (code != 0 && is_read(size))) && begins_well(head))
}

/// A dictionary size that encoders write, and a size that is unknown or bounded.
fn is_written(dictionary: u32, size: u64) -> bool {
    let is_round = dictionary >= DICTIONARY_BYTES_MIN && dictionary.count_ones() <= 2;
    (is_round || dictionary == u32::MAX) && (size == u64::MAX || size < 1u64.wrapping_shl(38))
}

/// Readers take any dictionary size, and any size but the most absurd.
fn is_read(size: u64) -> bool {
    size == u64::MAX || size < 1u64.wrapping_shl(56)
}

fn is_encoders(properties: u8) -> bool {
    let rest = properties % 45;
    properties < 225 && (rest % 9).saturating_add(rest / 9) <= LITERAL_BITS_MAX
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let streams = Streams {
        name: b"(lzma)",
        // Nothing follows but by accident or on purpose: then it is a member of its own.
        begins: |_| false,
        decode: unlzma,
    };
    streams.unpack(source, budget, members)
}
