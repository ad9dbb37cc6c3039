//! LZMA alone (`.lzma`): one stream, one member named `(lzma)`. It has no magic: the usual
//! properties are believed, others only where the first bytes decode.

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

/// A dictionary size that encoders write, a size that is unknown or bounded, and a range coder
/// that begins with zero.
fn detect(probe: &Probe<'_>) -> bool {
    let dictionary = u32_le(probe.head, 1);
    let size = u64_le(probe.head, 5);
    let is_plausible = dictionary.is_some_and(|bytes| {
        bytes == u32::MAX || (bytes >= DICTIONARY_BYTES_MIN && bytes.count_ones() <= 2)
    }) && size
        .is_some_and(|bytes| bytes == u64::MAX || bytes < 1u64.wrapping_shl(38))
        && probe.head.get(13) == Some(&0)
        && u32_be(probe.head, 14).is_some();
    let Some(properties) = probe.head.first().copied().filter(|_| is_plausible) else {
        return false;
    };
    properties == USUAL || (is_encoders(properties) && begins_well(probe.head))
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
