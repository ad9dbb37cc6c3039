//! lzip files: LZMA members with a checksum, one after the other; one member named `(lzip)`.

use proto::Budget;

use crate::Source;
use crate::decode::lzma::Lzma;
use crate::decode::xz::ENDS_EARLY;
use crate::fields::{u32_le, u64_le};
use crate::formats::streams::Streams;
use crate::identify::{Format, Role};
use crate::input::Input;
use crate::members::{Members, Stop, Trouble};
use crate::output::Output;

const MAGIC: &[u8] = b"LZIP\x01";
const HEADER_BYTES: usize = 6;
const TRAILER_BYTES: usize = 20;
/// The only properties of the format.
const PROPERTIES: u8 = 0x5d;

/// lzip files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "lzip",
    detect: |probe| begins(probe.head),
    role: Role::Container(unpack),
}];

fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let streams = Streams {
        name: b"(lzip)",
        begins,
        decode: unlzip,
    };
    streams.unpack(source, budget, members)
}

fn unlzip(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let early = || Stop::malformed(ENDS_EARLY);
    let begin = (input.offset(), output.bytes().len());
    let code = *input.at_least(HEADER_BYTES)?.get(5).ok_or_else(early)?;
    input.consume(HEADER_BYTES);
    let power = 1u32.wrapping_shl(u32::from(code & 0x1f));
    let less = (power / 16).saturating_mul(u32::from(code.wrapping_shr(5)));
    let lzma = Lzma {
        properties: PROPERTIES,
        dictionary_bytes: power.saturating_sub(less),
        size_bytes: None,
    };
    lzma.decode(input, output, budget)?;
    let trailer = input.at_least(TRAILER_BYTES)?;
    let trailer = trailer.get(..TRAILER_BYTES).ok_or_else(early)?;
    let stated = (u32_le(trailer, 0), u64_le(trailer, 4), u64_le(trailer, 12));
    input.consume(TRAILER_BYTES);
    let bytes = output.bytes().get(begin.1..).unwrap_or_default();
    let packed = input.offset().saturating_sub(begin.0);
    let found = (
        Some(crc32fast::hash(bytes)),
        Some(bytes.len() as u64),
        Some(packed),
    );
    match stated == found {
        true => Ok(()),
        false => Err(Stop::malformed("checksum or size does not match")),
    }
}
