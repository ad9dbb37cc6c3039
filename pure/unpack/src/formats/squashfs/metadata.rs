//! Metadata: inodes, listings and tables, in blocks of at most 8 KiB that follow each other. Every
//! block is decoded once and kept, as far as the memory allows.

use std::collections::BTreeMap;

use proto::Budget;

use crate::Source;
use crate::fields::u16_le;
use crate::formats::squashfs::compression::{Compression, Stored, decode, output};
use crate::input::read_part;
use crate::members::Stop;
use crate::output::Tally;

const BLOCK_BYTES: usize = 8 << 10;
const IS_STORED: u16 = 1 << 15;
/// What a block takes beside its bytes.
const ENTRY_BYTES: u64 = 64;
/// Blocks that are damaged are not kept: what each further try costs, in steps of work.
const DAMAGE_WORK: u64 = 64 << 10;

/// A place in metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Where the block begins in the image.
    pub(super) block: u64,
    /// The place in its decoded bytes.
    pub(super) offset: usize,
}

impl Place {
    /// What a reference (a block from the table's begin on and a place in it) leads to.
    pub(super) fn of_reference(table: u64, reference: u64) -> Self {
        Self {
            block: table.saturating_add(reference.wrapping_shr(16)),
            offset: usize::try_from(reference & 0xffff).unwrap_or(0),
        }
    }
}

pub(super) struct Metadata<'a> {
    source: &'a dyn Source,
    compression: Compression,
    tally: Tally,
    blocks: BTreeMap<u64, Block>,
    held: u64,
}

struct Block {
    bytes: Vec<u8>,
    /// Where the next one begins.
    next: u64,
}

impl<'a> Metadata<'a> {
    pub(super) fn new(source: &'a dyn Source, compression: Compression) -> Self {
        Self {
            source,
            compression,
            tally: Tally::new(source.size_bytes()),
            blocks: BTreeMap::new(),
            held: 0,
        }
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, budget: &mut Budget) {
        self.blocks.clear();
        budget.release_memory(self.held);
        self.held = 0;
    }

    /// Reads `N` bytes and goes on behind them.
    pub(super) fn array<const N: usize>(
        &mut self,
        place: &mut Place,
        budget: &mut Budget,
    ) -> Result<[u8; N], Stop> {
        let mut array = [0; N];
        let mut filled = 0usize;
        while filled < N {
            let left = N.saturating_sub(filled);
            let bytes = self.some(place, left, budget)?;
            let end = filled.saturating_add(bytes.len());
            if let Some(room) = array.get_mut(filled..end) {
                room.copy_from_slice(bytes);
            }
            filled = end;
        }
        Ok(array)
    }

    /// Gives between one byte and `most` bytes, all in one block, and goes on behind them.
    pub(super) fn some(
        &mut self,
        place: &mut Place,
        most: usize,
        budget: &mut Budget,
    ) -> Result<&[u8], Stop> {
        let (length, next) = self.block(place.block, budget)?;
        let mut block = place.block;
        let mut offset = place.offset;
        let mut end = length;
        let mut after = next;
        if offset >= length {
            // Right behind its last byte a block goes on in the next one.
            if offset > length || length == 0 {
                return Err(Stop::malformed("metadata is damaged"));
            }
            (block, offset) = (next, 0);
            (end, after) = self.block(next, budget)?;
            if end == 0 {
                return Err(Stop::malformed("metadata is damaged"));
            }
        }
        let stop = offset.saturating_add(most).min(end);
        *place = match stop == end {
            true => Place {
                block: after,
                offset: 0,
            },
            false => Place {
                block,
                offset: stop,
            },
        };
        let bytes = self.blocks.get(&block).map(|block| block.bytes.as_slice());
        Ok(bytes
            .and_then(|bytes| bytes.get(offset..stop))
            .unwrap_or_default())
    }

    /// Goes on `count` bytes.
    pub(super) fn skip(
        &mut self,
        place: &mut Place,
        count: u64,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let mut left = count;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let skipped = self.some(place, most, budget)?.len();
            left = left.saturating_sub(skipped as u64);
        }
        Ok(())
    }

    /// Length of the block at `offset`, and where the next one begins.
    fn block(&mut self, offset: u64, budget: &mut Budget) -> Result<(usize, u64), Stop> {
        budget.check_time()?;
        if !self.blocks.contains_key(&offset) {
            let block = self.decode(offset, budget)?;
            let held = (block.bytes.len() as u64).saturating_add(ENTRY_BYTES);
            budget.hold_memory(held)?;
            self.held = self.held.saturating_add(held);
            self.blocks.insert(offset, block);
        }
        let block = self.blocks.get(&offset);
        let block = block.map(|block| (block.bytes.len(), block.next));
        block.ok_or(Stop::malformed("metadata is damaged"))
    }

    fn decode(&mut self, offset: u64, budget: &mut Budget) -> Result<Block, Stop> {
        let head = read_part(self.source, offset, 2)?;
        let head = u16_le(&head, 0).ok_or(Stop::malformed(super::ENDS_EARLY))?;
        let begin = offset.saturating_add(2);
        let stored = Stored {
            offset: begin,
            size_bytes: u64::from(head & !IS_STORED),
            is_compressed: head & IS_STORED == 0,
            bytes_max: BLOCK_BYTES,
        };
        let mut output = output(self.tally);
        let decoded = decode(
            self.source,
            self.compression,
            stored,
            (&mut output, &mut *budget),
        );
        let bytes = output.bytes().to_vec();
        output.discard(budget);
        if let Err(stop) = decoded {
            budget.spend_work(DAMAGE_WORK)?;
            return Err(stop);
        }
        self.tally.add(bytes.len() as u64, budget)?;
        Ok(Block {
            bytes,
            next: begin.saturating_add(stored.size_bytes),
        })
    }
}
