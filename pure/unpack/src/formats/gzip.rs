//! gzip (RFC 1952): members, header fields, checksum and size of each. The member is named as the
//! first header names it, else `(gzip)`.

use proto::Budget;

use crate::Source;
use crate::decode::deflate::inflate;
use crate::fields::{u16_le, u32_le};
use crate::formats::streams::{Streams, head};
use crate::identify::{Format, Role};
use crate::input::Input;
use crate::members::{Members, Stop, Trouble};
use crate::output::Output;

const HEADER_BYTES: usize = 10;
const HEADER_FIELD_MAX: u64 = 64 << 10;
const NAME_BYTES_MAX: usize = 4 << 10;
const HAS_HEADER_CRC: u8 = 2;
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HAS_COMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;
const ENDS_EARLY: &str = "compressed data ends early";

/// gzip files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "gzip",
    detect: |probe| begins(probe.head),
    role: Role::Container(unpack),
}];

/// What such a file is made of, where no header names it.
pub(crate) const STREAMS: Streams<'static> = Streams {
    name: b"(gzip)",
    begins,
    decode: member,
};

fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let head = head(source, NAME_BYTES_MAX).unwrap_or_default();
    let streams = Streams {
        name: first_name(&head).unwrap_or(STREAMS.name),
        ..STREAMS
    };
    streams.unpack(source, budget, members)
}

fn first_name(head: &[u8]) -> Option<&[u8]> {
    let flags = *head.get(3)?;
    if flags & HAS_NAME == 0 {
        return None;
    }
    let mut at = HEADER_BYTES;
    if flags & HAS_EXTRA != 0 {
        at = at
            .checked_add(2)?
            .checked_add(usize::from(u16_le(head, at)?))?;
    }
    let name = head.get(at..)?.split(|byte| *byte == 0).next()?;
    (!name.is_empty()).then_some(name)
}

fn member(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    header(input)?;
    let begin = output.bytes().len();
    inflate(input, output, budget)?;
    let trailer = input.at_least(8)?;
    let crc = u32_le(trailer, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    let size = u32_le(trailer, 4).ok_or(Stop::malformed(ENDS_EARLY))?;
    input.consume(8);
    let bytes = output.bytes().get(begin..).unwrap_or_default();
    let low = bytes.len() as u64 & u64::from(u32::MAX);
    if crc32fast::hash(bytes) != crc {
        return Err(Stop::malformed("checksum does not match"));
    }
    if low != u64::from(size) {
        return Err(Stop::malformed("size does not match"));
    }
    Ok(())
}

fn header(input: &mut Input<'_>) -> Result<(), Stop> {
    let head = input.at_least(HEADER_BYTES)?;
    let (method, flags) = match head.get(..HEADER_BYTES) {
        Some(head) if begins(head) => (head.get(2).copied(), head.get(3).copied().unwrap_or(0)),
        Some(_) => return Err(Stop::malformed("gzip header is damaged")),
        None => return Err(Stop::malformed(ENDS_EARLY)),
    };
    if method != Some(8) {
        return Err(Stop::unsupported("gzip method is unknown"));
    }
    if flags & RESERVED != 0 {
        return Err(Stop::malformed("gzip header is damaged"));
    }
    input.consume(HEADER_BYTES);
    if flags & HAS_EXTRA != 0 {
        let length = u16_le(input.at_least(2)?, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
        skip(input, u64::from(length).saturating_add(2))?;
    }
    if flags & HAS_NAME != 0 {
        skip_text(input)?;
    }
    if flags & HAS_COMMENT != 0 {
        skip_text(input)?;
    }
    if flags & HAS_HEADER_CRC != 0 {
        skip(input, 2)?;
    }
    Ok(())
}

fn skip(input: &mut Input<'_>, count: u64) -> Result<(), Stop> {
    if count > input.left() {
        return Err(Stop::malformed(ENDS_EARLY));
    }
    input.seek(input.offset().saturating_add(count));
    Ok(())
}

fn skip_text(input: &mut Input<'_>) -> Result<(), Stop> {
    for _ in 0..HEADER_FIELD_MAX {
        match input.byte()? {
            Some(0) => return Ok(()),
            Some(_) => {}
            None => return Err(Stop::malformed(ENDS_EARLY)),
        }
    }
    Err(Stop::malformed("gzip header is damaged"))
}
