//! One xz stream: header, blocks, index, footer, each check verified. Sizes in the index are
//! compared by running sums, so that a stream of a million empty blocks costs no memory.

use proto::Budget;

use crate::decode::xz_block::{BlockHeader, Check, Sizes, decode_block};
use crate::fields::u32_le;
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

pub(crate) const MAGIC: &[u8] = b"\xfd7zXZ\0";
pub(crate) const ENDS_EARLY: &str = "compressed data ends early";
pub(crate) const DAMAGED: &str = "compressed data is damaged";
const FOOTER_BYTES: usize = 12;

/// Decodes one stream, from its magic to its footer.
pub(crate) fn unxz(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let flags = stream_header(input)?;
    let check = Check::from_flags(flags)?;
    let mut blocks = Sums::default();
    loop {
        budget.check_time()?;
        match input.peek()?.first() {
            None => return Err(Stop::malformed(ENDS_EARLY)),
            Some(0) => break,
            Some(_) => {
                let header = BlockHeader::read(input)?;
                let sizes = decode_block(input, &header, check, (&mut *output, &mut *budget))?;
                blocks.add(sizes);
            }
        }
    }
    let index_bytes = index(input, &blocks, budget)?;
    footer(input, index_bytes, flags)
}

/// A variable-length integer: seven bits a byte, least significant first, at most nine bytes.
pub(crate) fn integer(bytes: &mut &[u8]) -> Result<u64, Stop> {
    let mut value = 0u64;
    for place in 0..9u32 {
        let (first, rest) = bytes.split_first().ok_or(Stop::malformed(DAMAGED))?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).wrapping_shl(place.wrapping_mul(7));
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Stop::malformed(DAMAGED))
}

fn stream_header(input: &mut Input<'_>) -> Result<[u8; 2], Stop> {
    let head = input.at_least(FOOTER_BYTES)?;
    let flags = match head.get(..FOOTER_BYTES) {
        None => return Err(Stop::malformed(ENDS_EARLY)),
        Some(head) if !head.starts_with(MAGIC) => {
            return Err(Stop::malformed("xz header is damaged"));
        }
        Some(head) => head.get(6..8).unwrap_or_default(),
    };
    if Some(crc32fast::hash(flags)) != u32_le(head, 8) {
        return Err(Stop::malformed("xz header is damaged"));
    }
    let flags = flags.try_into().unwrap_or_default();
    input.consume(FOOTER_BYTES);
    Ok(flags)
}

/// What identifies a list of block sizes without keeping it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    count: u64,
    unpadded: u64,
    uncompressed: u64,
    /// Depends on the order too.
    mix: u64,
}

impl Sums {
    fn add(&mut self, sizes: Sizes) {
        self.count = self.count.wrapping_add(1);
        self.unpadded = self.unpadded.wrapping_add(sizes.unpadded);
        self.uncompressed = self.uncompressed.wrapping_add(sizes.uncompressed);
        let pair = sizes.unpadded.rotate_left(32) ^ sizes.uncompressed;
        self.mix = (self.mix.rotate_left(5) ^ pair).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// Reads the index, compares it with the blocks, and returns its size.
fn index(input: &mut Input<'_>, blocks: &Sums, budget: &Budget) -> Result<u64, Stop> {
    let mut reader = IndexReader {
        input,
        crc: crc32fast::Hasher::new(),
        bytes: 0,
    };
    reader.byte()?;
    let count = reader.integer()?;
    let mut listed = Sums::default();
    for place in 0..count {
        if place & 0xfff == 0 {
            budget.check_time()?;
        }
        let unpadded = reader.integer()?;
        let uncompressed = reader.integer()?;
        listed.add(Sizes {
            unpadded,
            uncompressed,
        });
    }
    while reader.bytes & 3 != 0 {
        if reader.byte()? != 0 {
            return Err(Stop::malformed("xz index is damaged"));
        }
    }
    let size = reader.bytes.saturating_add(4);
    let crc = reader.crc.finalize();
    let stored = u32_le(input.at_least(4)?, 0).ok_or(Stop::malformed(ENDS_EARLY))?;
    input.consume(4);
    match stored == crc && listed == *blocks {
        true => Ok(size),
        false => Err(Stop::malformed("xz index does not match the blocks")),
    }
}

struct IndexReader<'i, 'a> {
    input: &'i mut Input<'a>,
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl IndexReader<'_, '_> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = self.input.byte()?.ok_or(Stop::malformed(ENDS_EARLY))?;
        self.crc.update(&[byte]);
        self.bytes = self.bytes.saturating_add(1);
        Ok(byte)
    }

    fn integer(&mut self) -> Result<u64, Stop> {
        let mut bytes = Vec::with_capacity(9);
        loop {
            let byte = self.byte()?;
            bytes.push(byte);
            if byte & 0x80 == 0 || bytes.len() >= 9 {
                return integer(&mut bytes.as_slice());
            }
        }
    }
}

fn footer(input: &mut Input<'_>, index_bytes: u64, flags: [u8; 2]) -> Result<(), Stop> {
    let foot = input.at_least(FOOTER_BYTES)?;
    let foot = foot
        .get(..FOOTER_BYTES)
        .ok_or(Stop::malformed(ENDS_EARLY))?;
    let covered = foot.get(4..10).unwrap_or_default();
    let backward = u32_le(foot, 4).map_or(0, |stored| {
        u64::from(stored).saturating_add(1).saturating_mul(4)
    });
    let fits = u32_le(foot, 0) == Some(crc32fast::hash(covered))
        && backward == index_bytes
        && covered.ends_with(&flags)
        && foot.ends_with(b"YZ");
    input.consume(FOOTER_BYTES);
    match fits {
        true => Ok(()),
        false => Err(Stop::malformed("xz footer is damaged")),
    }
}
