//! One block of an xz stream: its header, its filters, LZMA2, its check.

use std::io::ErrorKind;

use lzma_rust2::filter::StreamFilter;
use lzma_rust2::{Action, FilterConfig, FilterType, Lzma2Stream, Status};
use proto::{Budget, Reason};
use sha2::{Digest, Sha256};

use crate::decode::crc64::crc64;
use crate::decode::xz::{DAMAGED, ENDS_EARLY, integer};
use crate::fields::u32_le;
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// Decoder state beside the dictionary, filters included.
const STATE_BYTES: u64 = 160 << 10;
const LZMA2: u64 = 0x21;

/// The check that every block of a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    None,
    Crc32,
    Crc64,
    Sha256,
}

impl Check {
    pub(crate) fn from_flags(flags: [u8; 2]) -> Result<Self, Stop> {
        match flags {
            [0, 0] => Ok(Self::None),
            [0, 1] => Ok(Self::Crc32),
            [0, 4] => Ok(Self::Crc64),
            [0, 10] => Ok(Self::Sha256),
            _ => Err(Stop::unsupported("xz stream has an unknown check")),
        }
    }

    fn size_bytes(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc32 => 4,
            Self::Crc64 => 8,
            Self::Sha256 => 32,
        }
    }

    fn matches(self, bytes: &[u8], stored: &[u8]) -> bool {
        match self {
            Self::None => true,
            Self::Crc32 => stored == crc32fast::hash(bytes).to_le_bytes(),
            Self::Crc64 => stored == crc64(bytes).to_le_bytes(),
            Self::Sha256 => stored == Sha256::digest(bytes).as_slice(),
        }
    }
}

/// What the index says of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) unpadded: u64,
    pub(crate) uncompressed: u64,
}

/// What a block's header says.
pub(crate) struct BlockHeader {
    size_bytes: u64,
    compressed: Option<u64>,
    uncompressed: Option<u64>,
    /// Outermost first: the order of encoding.
    filters: Vec<FilterConfig>,
    dictionary_bytes: u32,
}

impl BlockHeader {
    pub(crate) fn read(input: &mut Input<'_>) -> Result<Self, Stop> {
        let early = || Stop::malformed(ENDS_EARLY);
        let first = *input.peek()?.first().ok_or_else(early)?;
        let size = usize::from(first).saturating_add(1).saturating_mul(4);
        let header = input.at_least(size)?.get(..size).ok_or_else(early)?;
        let (body, crc) = header
            .split_at_checked(size.saturating_sub(4))
            .ok_or_else(early)?;
        if Some(crc32fast::hash(body)) != u32_le(crc, 0) {
            return Err(Stop::malformed("xz block header is damaged"));
        }
        let parsed = Self::parse(body, size as u64)?;
        input.consume(size);
        Ok(parsed)
    }

    fn parse(body: &[u8], size_bytes: u64) -> Result<Self, Stop> {
        let flags = *body.get(1).ok_or(Stop::malformed(DAMAGED))?;
        if flags & 0x3c != 0 {
            return Err(Stop::unsupported("xz block header has unknown flags"));
        }
        let mut rest = body.get(2..).unwrap_or_default();
        let compressed = optional(flags & 0x40, &mut rest)?;
        let uncompressed = optional(flags & 0x80, &mut rest)?;
        let mut filters = Vec::new();
        for _ in 0..flags & 3 {
            let (id, properties) = filter(&mut rest)?;
            filters.push(prefilter(id, properties)?);
        }
        let (id, properties) = filter(&mut rest)?;
        if id != LZMA2 {
            return Err(Stop::unsupported(format!("xz filter {id:#x} is unknown")));
        }
        if rest.iter().any(|byte| *byte != 0) {
            return Err(Stop::unsupported("xz block header has unknown fields"));
        }
        Ok(Self {
            size_bytes,
            compressed,
            uncompressed,
            filters,
            dictionary_bytes: dictionary_bytes(properties)?,
        })
    }
}

/// Decodes a block and verifies its sizes and its check.
pub(crate) fn decode_block(
    input: &mut Input<'_>,
    header: &BlockHeader,
    check: Check,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<Sizes, Stop> {
    let begin = input.offset();
    let output_begin = output.bytes().len();
    let held = u64::from(header.dictionary_bytes).saturating_add(STATE_BYTES);
    budget.hold_memory(held)?;
    let decoded = decode_data(input, header, output, budget);
    budget.release_memory(held);
    decoded?;
    let compressed = input.offset().saturating_sub(begin);
    let bytes = output.bytes().get(output_begin..).unwrap_or_default();
    let uncompressed = bytes.len() as u64;
    let sizes_match = header.compressed.is_none_or(|stated| stated == compressed)
        && header
            .uncompressed
            .is_none_or(|stated| stated == uncompressed);
    if !sizes_match {
        return Err(Stop::malformed("size of a block does not match"));
    }
    let padding = usize::try_from(compressed.wrapping_neg() & 3).unwrap_or(0);
    let wanted = padding.saturating_add(check.size_bytes());
    let tail = input.at_least(wanted)?;
    let tail = tail.get(..wanted).ok_or(Stop::malformed(ENDS_EARLY))?;
    let (zeros, stored) = tail
        .split_at_checked(padding)
        .ok_or(Stop::malformed(ENDS_EARLY))?;
    if zeros.iter().any(|byte| *byte != 0) {
        return Err(Stop::malformed(DAMAGED));
    }
    if !check.matches(bytes, stored) {
        return Err(Stop::malformed("checksum of a block does not match"));
    }
    input.consume(wanted);
    Ok(Sizes {
        unpadded: header
            .size_bytes
            .saturating_add(compressed)
            .saturating_add(check.size_bytes() as u64),
        uncompressed,
    })
}

/// A size that is there where its flag is set.
fn optional(flag: u8, rest: &mut &[u8]) -> Result<Option<u64>, Stop> {
    match flag {
        0 => Ok(None),
        _ => integer(rest).map(Some),
    }
}

fn filter<'h>(rest: &mut &'h [u8]) -> Result<(u64, &'h [u8]), Stop> {
    let id = integer(rest)?;
    let length = usize::try_from(integer(rest)?).unwrap_or(usize::MAX);
    let (properties, after) = rest
        .split_at_checked(length)
        .ok_or(Stop::malformed(DAMAGED))?;
    *rest = after;
    Ok((id, properties))
}

fn prefilter(id: u64, properties: &[u8]) -> Result<FilterConfig, Stop> {
    let unknown = || Stop::unsupported(format!("xz filter {id:#x} is unknown"));
    let filter_type = FilterType::try_from(id).map_err(|()| unknown())?;
    let property = match (filter_type, properties) {
        (FilterType::Lzma2, _) => return Err(unknown()),
        (FilterType::Delta, [distance]) => u32::from(*distance).saturating_add(1),
        (FilterType::Delta, _) => return Err(Stop::malformed(DAMAGED)),
        (_, []) => 0,
        (_, start) => u32_le(start, 0).ok_or(Stop::malformed(DAMAGED))?,
    };
    Ok(FilterConfig {
        filter_type,
        property,
    })
}

fn dictionary_bytes(properties: &[u8]) -> Result<u32, Stop> {
    match properties {
        [40] => Ok(u32::MAX),
        [code @ 0..=39] => {
            let mantissa = 2u32 | u32::from(code & 1);
            let exponent = u32::from(code.wrapping_shr(1)).saturating_add(11);
            Ok(mantissa.wrapping_shl(exponent))
        }
        _ => Err(Stop::malformed(DAMAGED)),
    }
}

fn decode_data(
    input: &mut Input<'_>,
    header: &BlockHeader,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let mut chain = Chain::new(&header.filters)?;
    let mut stream = Lzma2Stream::new(header.dictionary_bytes);
    let mut scratch = vec![
        0u8;
        if header.filters.is_empty() {
            0
        } else {
            16 << 10
        }
    ];
    loop {
        let consumed = input.consumed();
        let room = match scratch.is_empty() {
            true => output.room(budget, consumed)?,
            false => {
                budget.check_time()?;
                scratch.as_mut_slice()
            }
        };
        let chunk = input.peek()?;
        let at_end = chunk.is_empty();
        let action = if at_end { Action::Finish } else { Action::Run };
        let before = (stream.total_in(), stream.total_out());
        let step = stream.process(chunk, room, action);
        let taken = stream.total_in().saturating_sub(before.0);
        let given = usize::try_from(stream.total_out().saturating_sub(before.1)).unwrap_or(0);
        input.consume(usize::try_from(taken).unwrap_or(0));
        match scratch.get(..given) {
            Some(raw) if !header.filters.is_empty() => {
                output.push(chain.decode(raw), budget, consumed)?;
            }
            _ => output.commit(given),
        }
        let ended = match step {
            Ok(result) if result.status == Status::StreamEnd => Ok(()),
            Ok(_) if at_end && given == 0 => Err(Stop::malformed(ENDS_EARLY)),
            Ok(_) => continue,
            // The data is not to blame where the process is given less than the budget allows.
            Err(error) if error.kind() == ErrorKind::OutOfMemory => Err(Reason::LimitMemory.into()),
            Err(_) if at_end => Err(Stop::malformed(ENDS_EARLY)),
            Err(_) => Err(Stop::malformed(DAMAGED)),
        };
        output.push(chain.finish(), budget, consumed)?;
        return ended;
    }
}

/// The filters before LZMA2, undone innermost first. Each may hold a few bytes back until it
/// knows what follows them.
struct Chain {
    links: Vec<Link>,
    ready: Vec<u8>,
}

struct Link {
    filter: StreamFilter,
    pending: Vec<u8>,
}

impl Chain {
    fn new(filters: &[FilterConfig]) -> Result<Self, Stop> {
        let mut links = Vec::new();
        for config in filters.iter().rev() {
            let filter = StreamFilter::new(config)
                .map_err(|_| Stop::unsupported("xz filter is not supported"))?;
            links.push(Link {
                filter,
                pending: Vec::new(),
            });
        }
        Ok(Self {
            links,
            ready: Vec::new(),
        })
    }

    /// Puts bytes in; gives what came through all filters.
    fn decode(&mut self, bytes: &[u8]) -> &[u8] {
        self.ready.clear();
        self.ready.extend_from_slice(bytes);
        for link in &mut self.links {
            link.pending.append(&mut self.ready);
            let settled = link.filter.decode(&mut link.pending);
            let settled = settled.min(link.pending.len());
            self.ready.extend(link.pending.drain(..settled));
        }
        &self.ready
    }

    /// Gives what the filters still hold: nothing follows it.
    fn finish(&mut self) -> &[u8] {
        self.ready.clear();
        for link in &mut self.links {
            link.pending.append(&mut self.ready);
            link.filter.decode(&mut link.pending);
            link.filter.finish();
            self.ready.append(&mut link.pending);
        }
        &self.ready
    }
}
