//! The data of a cabinet's folder: blocks of 32 KiB, stored, MSZIP or LZX. What came out before
//! damage is kept. It refuses Quantum, and what lies in another cabinet.

use proto::Budget;

use crate::Source;
use crate::decode::deflate::{Before, inflate_after};
use crate::decode::lzx::{FRAME_BYTES, Lzx};
use crate::fields::{u16_le, u32_le};
use crate::formats::cab::header::{Folder, take};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

const BLOCK_BYTES: usize = 8;
const MSZIP_MAGIC: &[u8] = b"CK";
const METHOD: u16 = 15;
const STORED: u16 = 0;
const MSZIP: u16 = 1;
const QUANTUM: u16 = 2;
const LZX: u16 = 3;

/// What a folder's blocks were read from, and what they were found to be.
pub(crate) struct Blocks<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) folder: Folder,
    pub(crate) reserve_bytes: usize,
    /// Where the blocks end, as far as they were read.
    pub(crate) end: u64,
    /// Whether a block's checksum did not match.
    pub(crate) is_damaged: bool,
}

/// A data block.
struct Block {
    bytes: Vec<u8>,
    size: usize,
    checksum_matches: bool,
}

/// Whether a folder of the cabinet that is the whole source begins with a block that is sound.
pub(crate) fn begins_well(source: &dyn Source, folder: Folder) -> bool {
    let mut input = Input::new(source, folder.offset, u64::MAX);
    let Ok(block) = Block::read(&mut input, 0) else {
        return false;
    };
    let is_sound = block.checksum_matches && block.size > 0;
    match folder.method & METHOD {
        STORED => is_sound && block.bytes.len() == block.size,
        MSZIP => is_sound && block.bytes.starts_with(MSZIP_MAGIC),
        QUANTUM | LZX => is_sound && !block.bytes.is_empty(),
        _ => false,
    }
}

impl Blocks<'_> {
    /// Whether its blocks are stored as they are.
    pub(crate) fn is_stored(&self) -> bool {
        self.folder.method & METHOD == STORED
    }

    /// Decodes all blocks that are here.
    pub(crate) fn decode(&mut self, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
        match self.folder.method & METHOD {
            STORED | MSZIP => self.each(None, output, budget),
            QUANTUM => {
                self.pass_over(budget)?;
                Err(Stop::unsupported(
                    "compression method quantum is not supported",
                ))
            }
            LZX => {
                let bits = u32::from(self.folder.method.wrapping_shr(8) & 31);
                let mut lzx = Lzx::new(bits, budget)?;
                let decoded = self.each(Some(&mut lzx), output, budget);
                lzx.discard(budget);
                decoded
            }
            _ => Err(Stop::unsupported(
                "compression method of a folder is unknown",
            )),
        }
    }

    /// Finds out where the blocks end.
    pub(crate) fn pass_over(&mut self, budget: &Budget) -> Result<(), Stop> {
        let mut input = Input::new(self.source, self.folder.offset, u64::MAX);
        for _ in 0..self.folder.blocks {
            budget.check_time()?;
            let head = take(&mut input, BLOCK_BYTES.saturating_add(self.reserve_bytes))?;
            let packed = u16_le(&head, 4).map_or(0, u64::from);
            input.seek(input.offset().saturating_add(packed));
            self.end = input.offset();
        }
        Ok(())
    }

    fn each(
        &mut self,
        mut lzx: Option<&mut Lzx>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let mut input = Input::new(self.source, self.folder.offset, u64::MAX);
        for _ in 0..self.folder.blocks {
            budget.check_time()?;
            let block = Block::read(&mut input, self.reserve_bytes)?;
            self.end = input.offset();
            self.is_damaged |= !block.checksum_matches;
            if block.size == 0 && !self.is_stored() {
                // The rest of the block is in the next cabinet: it was the last one here.
                return Ok(());
            }
            let consumed = input.consumed();
            match &mut lzx {
                Some(lzx) => {
                    let frame = lzx.frame(&block.bytes, block.size)?;
                    output.push(frame, budget, consumed)?;
                }
                None if self.is_stored() => output.push(&block.bytes, budget, consumed)?,
                None => mszip(&block, consumed, (output, budget))?,
            }
        }
        Ok(())
    }
}

impl Block {
    fn read(input: &mut Input<'_>, reserve_bytes: usize) -> Result<Self, Stop> {
        let head = take(input, BLOCK_BYTES.saturating_add(reserve_bytes))?;
        let stated = u32_le(&head, 0).unwrap_or(0);
        let packed = u16_le(&head, 4).map_or(0, usize::from);
        let size = u16_le(&head, 6).map_or(0, usize::from);
        if size > FRAME_BYTES {
            return Err(Stop::malformed("size of a block is damaged"));
        }
        let bytes = take(input, packed)?;
        let sizes = head.get(4..8).unwrap_or_default();
        let computed = checksum(sizes, checksum(&bytes, 0));
        Ok(Self {
            bytes,
            size,
            checksum_matches: stated == 0 || stated == computed,
        })
    }
}

/// One block of MSZIP: a deflate stream that may look back into the blocks before it.
fn mszip(
    block: &Block,
    input_bytes: u64,
    (output, budget): (&mut Output, &mut Budget),
) -> Result<(), Stop> {
    let packed = block.bytes.strip_prefix(MSZIP_MAGIC);
    let packed = packed.ok_or(Stop::malformed("block is no mszip block"))?;
    let begin = output.bytes().len();
    let end = begin.saturating_add(block.size);
    let before = Before {
        base: begin.saturating_sub(FRAME_BYTES),
        input_bytes,
    };
    let mut input = Input::whole(&packed);
    let decoded = inflate_after(before, &mut input, (output, budget));
    output.cut(end);
    decoded?;
    match output.bytes().len() == end {
        true => Ok(()),
        false => Err(Stop::malformed("size of a block does not match")),
    }
}

/// The exclusive or of all words; the last one is as long as what is left, and turned around.
fn checksum(bytes: &[u8], seed: u32) -> u32 {
    let mut words = bytes.chunks_exact(4);
    let sum = words
        .by_ref()
        .fold(seed, |sum, word| sum ^ u32_le(word, 0).unwrap_or(0));
    let rest = words.remainder().iter();
    sum ^ rest.fold(0u32, |word, byte| word.wrapping_shl(8) | u32::from(*byte))
}
