//! The blocks that an image is made of, each compressed on its own or stored.

use proto::Budget;

use crate::Source;
use crate::decode::deflate::unzlib;
use crate::decode::lz4::{Limits, unlz4_block};
use crate::decode::{lzma::unlzma, xz::unxz, zstd::unzstd};
use crate::input::{Input, read_part};
use crate::members::Stop;
use crate::output::{Output, Tally};

/// How an image's blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Deflate,
    Lzma,
    Xz,
    Lz4,
    Zstd,
}

impl Compression {
    pub(super) fn from_number(number: u16) -> Result<Self, Stop> {
        match number {
            1 => Ok(Self::Deflate),
            2 => Ok(Self::Lzma),
            3 => Err(Stop::unsupported("squashfs with lzo is not supported")),
            4 => Ok(Self::Xz),
            5 => Ok(Self::Lz4),
            6 => Ok(Self::Zstd),
            _ => Err(Stop::malformed("squashfs compression is unknown")),
        }
    }
}

/// Where a block is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) offset: u64,
    pub(super) size_bytes: u64,
    pub(super) is_compressed: bool,
    /// What it may decode to; it is never stored in more.
    pub(super) bytes_max: usize,
}

/// Decodes a block; the output has what came before any damage.
pub(super) fn decode(
    source: &dyn Source,
    compression: Compression,
    block: Stored,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    if block.size_bytes > block.bytes_max as u64 {
        return Err(Stop::malformed("block is too large"));
    }
    let mut input = Input::new(source, block.offset, block.size_bytes);
    if input.left() < block.size_bytes {
        return Err(Stop::malformed(super::ENDS_EARLY));
    }
    if !block.is_compressed {
        return stored(source, block, output, budget);
    }
    match compression {
        Compression::Deflate => unzlib(&mut input, output, budget)?,
        Compression::Lzma => unlzma(&mut input, output, budget)?,
        Compression::Xz => unxz(&mut input, output, budget)?,
        Compression::Zstd => unzstd(&mut input, output, budget)?,
        Compression::Lz4 => unlz4(source, block, output, budget)?,
    }
    match output.bytes().len() <= block.bytes_max {
        true => Ok(()),
        false => Err(Stop::malformed("block is too large")),
    }
}

/// An output of its own for a block, so that its proportion is no other's.
pub(super) fn output(tally: Tally) -> Output {
    Output::new(tally)
}

fn stored(
    source: &dyn Source,
    block: Stored,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    let count = usize::try_from(block.size_bytes).unwrap_or(0);
    let bytes = read_part(source, block.offset, count)?;
    Ok(output.push(&bytes, budget, block.size_bytes)?)
}

fn unlz4(
    source: &dyn Source,
    block: Stored,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    budget.hold_memory(block.size_bytes)?;
    let count = usize::try_from(block.size_bytes).unwrap_or(0);
    let limits = Limits {
        begin: output.bytes().len(),
        block_bytes_max: block.bytes_max,
    };
    let decoded = match read_part(source, block.offset, count) {
        Ok(packed) => unlz4_block(&packed, limits, block.size_bytes, (output, budget)),
        Err(error) => Err(error.into()),
    };
    budget.release_memory(block.size_bytes);
    decoded
}
