//! What files contain: blocks one after the other, holes, and an end that shares a fragment with
//! other files. A content that several inodes have is handed over once.

use std::collections::{HashSet, VecDeque};

use proto::{Budget, Reason};
use sha2::{Digest, Sha256};

use crate::Source;
use crate::fields::{u32_le, u64_le};
use crate::formats::squashfs::Superblock;
use crate::formats::squashfs::compression::{Stored, decode, output};
use crate::formats::squashfs::inode::File;
use crate::formats::squashfs::metadata::{Metadata, Place};
use crate::members::{Flow, Members, Stop, Troubles};
use crate::output::{Output, Tally};

const ZEROS: [u8; 4096] = [0; 4096];
const IS_STORED: u32 = 1 << 24;
const FRAGMENTS_A_BLOCK: u64 = 512;
const FRAGMENT_BYTES: u64 = 16;
/// Fragments that are kept decoded.
const FRAGMENTS_KEPT: usize = 4;
const DONE_BYTES: u64 = 64;

/// The contents of an image.
pub(super) struct Contents<'a> {
    source: &'a dyn Source,
    superblock: Superblock,
    tally: Tally,
    /// Digests of where contents are.
    done: HashSet<[u8; 32]>,
    kept: VecDeque<Fragment>,
    /// Fragments that were decoded once.
    seen: HashSet<u32>,
    held: u64,
}

struct Fragment {
    index: u32,
    bytes: Vec<u8>,
    damage: Option<Stop>,
}

/// What reads the lists of blocks, and where what went wrong is noted.
type Reader<'r, 'a> = (&'r mut Metadata<'a>, &'r mut Troubles);

impl<'a> Contents<'a> {
    pub(super) fn new(source: &'a dyn Source, superblock: &Superblock) -> Self {
        Self {
            source,
            superblock: *superblock,
            tally: Tally::new(source.size_bytes()),
            done: HashSet::new(),
            kept: VecDeque::new(),
            seen: HashSet::new(),
            held: 0,
        }
    }

    /// Gives all memory back.
    pub(super) fn release(&mut self, budget: &mut Budget) {
        let kept = self.kept.drain(..);
        let kept = kept.fold(0u64, |sum, fragment| {
            sum.saturating_add(fragment.bytes.len() as u64)
        });
        budget.release_memory(kept.saturating_add(self.held));
        self.held = 0;
    }

    /// Hands over a file, as much of it as decodes.
    pub(super) fn file(
        &mut self,
        path: &[u8],
        file: &File,
        (metadata, troubles): Reader<'_, 'a>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        match digest(file, metadata, budget) {
            Ok(digest) => {
                budget.hold_memory(DONE_BYTES)?;
                self.held = self.held.saturating_add(DONE_BYTES);
                if !self.done.insert(digest) {
                    return Ok(Flow::Continue);
                }
            }
            // Damage shows again where the content is read, after what comes before it.
            Err(stop) if stop.reason == Reason::Malformed => {}
            Err(stop) => return Err(stop),
        }
        let mut output = Output::new(self.tally);
        let decoded = self.decode(file, metadata, &mut output, budget);
        let damage = match decoded {
            Ok(damage) => damage,
            Err(stop) => Some(stop),
        };
        let ends_all = damage
            .clone()
            .filter(|stop| !matches!(stop.reason, Reason::Malformed | Reason::Unsupported));
        if let Some(stop) = damage {
            troubles.note_member(path, file.start, stop);
        }
        let (flow, tally) = output.hand_over(path, members, budget);
        self.tally = tally;
        match ends_all {
            Some(stop) if flow == Flow::Continue => Err(stop),
            _ => Ok(flow),
        }
    }

    /// Decodes all of a file; gives the first damage that it could go on after.
    fn decode(
        &mut self,
        file: &File,
        metadata: &mut Metadata<'a>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<Option<Stop>, Stop> {
        let mut damage = None;
        let mut at = file.start;
        let mut left = file.size_bytes;
        let mut list = file.list;
        for _ in 0..file.blocks {
            let word: [u8; 4] = metadata.array(&mut list, budget)?;
            let word = u32::from_le_bytes(word);
            let expected = left.min(self.superblock.block_bytes);
            left = left.saturating_sub(expected);
            let size_bytes = u64::from(word & !IS_STORED);
            if size_bytes == 0 {
                self.zeros(expected, output, budget)?;
                continue;
            }
            let stored = self.stored(at, word);
            at = at.saturating_add(size_bytes);
            match self.block(stored, expected, output, budget) {
                Err(stop) if stop.reason == Reason::Malformed => damage = damage.or(Some(stop)),
                other => other?,
            }
        }
        if let Some((index, offset)) = file.fragment.filter(|_| left > 0) {
            let wanted = (u64::from(offset), left);
            match self.end(index, wanted, metadata, (output, budget)) {
                Err(stop) if stop.reason == Reason::Malformed => damage = damage.or(Some(stop)),
                other => other?,
            }
        }
        Ok(damage)
    }

    fn stored(&self, offset: u64, word: u32) -> Stored {
        Stored {
            offset,
            size_bytes: u64::from(word & !IS_STORED),
            is_compressed: word & IS_STORED == 0,
            bytes_max: usize::try_from(self.superblock.block_bytes).unwrap_or(0),
        }
    }

    fn block(
        &mut self,
        stored: Stored,
        expected: u64,
        file: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let mut block = output(self.tally);
        let compression = self.superblock.compression;
        let decoded = decode(self.source, compression, stored, (&mut block, &mut *budget));
        let pushed = file.push(block.bytes(), budget, self.source.size_bytes());
        let is_whole = block.bytes().len() as u64 == expected;
        block.discard(budget);
        pushed?;
        decoded?;
        match is_whole {
            true => Ok(()),
            false => Err(Stop::malformed("size of a block does not match")),
        }
    }

    fn zeros(&self, count: u64, file: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
        let mut left = count;
        while left > 0 {
            let now = usize::try_from(left).unwrap_or(usize::MAX).min(ZEROS.len());
            let zeros = ZEROS.get(..now).unwrap_or_default();
            file.push(zeros, budget, self.source.size_bytes())?;
            left = left.saturating_sub(now as u64);
        }
        Ok(())
    }

    /// The end of a file, which is a part of a fragment.
    fn end(
        &mut self,
        index: u32,
        (offset, size_bytes): (u64, u64),
        metadata: &mut Metadata<'a>,
        (file, budget): (&mut Output, &mut Budget),
    ) -> Result<(), Stop> {
        let bytes_in = self.source.size_bytes();
        let fragment = self.fragment(index, metadata, budget)?;
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        let count = usize::try_from(size_bytes).unwrap_or(usize::MAX);
        let rest = fragment.bytes.get(begin..).unwrap_or_default();
        let part = rest.get(..count).unwrap_or(rest);
        file.push(part, budget, bytes_in)?;
        match (&fragment.damage, part.len() == count) {
            (_, true) => Ok(()),
            (Some(stop), false) => Err(stop.clone()),
            (None, false) => Err(Stop::malformed("fragment is too short")),
        }
    }

    fn fragment(
        &mut self,
        index: u32,
        metadata: &mut Metadata<'a>,
        budget: &mut Budget,
    ) -> Result<&Fragment, Stop> {
        if let Some(place) = self.kept.iter().position(|kept| kept.index == index) {
            let missing = Stop::malformed("fragment is damaged");
            return self.kept.get(place).ok_or(missing);
        }
        let stored = self.fragment_place(index, metadata, budget)?;
        // Files that take turns with fragments make us decode each again and again.
        if self.seen.contains(&index) {
            budget.spend_work(self.superblock.block_bytes)?;
        } else {
            budget.hold_memory(DONE_BYTES)?;
            self.held = self.held.saturating_add(DONE_BYTES);
            self.seen.insert(index);
        }
        let mut block = output(self.tally);
        let compression = self.superblock.compression;
        let decoded = decode(self.source, compression, stored, (&mut block, &mut *budget));
        let bytes = block.bytes().to_vec();
        block.discard(budget);
        let damage = match decoded {
            Err(stop) if stop.reason != Reason::Malformed => return Err(stop),
            Err(stop) => Some(stop),
            Ok(()) => None,
        };
        self.keep(
            Fragment {
                index,
                bytes,
                damage,
            },
            budget,
        )
    }

    fn keep(&mut self, fragment: Fragment, budget: &mut Budget) -> Result<&Fragment, Stop> {
        if self.kept.len() >= FRAGMENTS_KEPT
            && let Some(oldest) = self.kept.pop_front()
        {
            budget.release_memory(oldest.bytes.len() as u64);
        }
        budget.hold_memory(fragment.bytes.len() as u64)?;
        self.kept.push_back(fragment);
        let missing = Stop::malformed("fragment is damaged");
        self.kept.back().ok_or(missing)
    }

    /// Where a fragment is stored, by two tables.
    fn fragment_place(
        &self,
        index: u32,
        metadata: &mut Metadata<'a>,
        budget: &mut Budget,
    ) -> Result<Stored, Stop> {
        let damaged = || Stop::malformed("table of fragments is damaged");
        if index >= self.superblock.fragment_count {
            return Err(damaged());
        }
        let index = u64::from(index);
        let (row, column) = (index / FRAGMENTS_A_BLOCK, index % FRAGMENTS_A_BLOCK);
        let pointer = self
            .superblock
            .fragments
            .saturating_add(row.saturating_mul(8));
        let pointer = crate::input::read_part(self.source, pointer, 8)?;
        let mut place = Place {
            block: u64_le(&pointer, 0).ok_or_else(damaged)?,
            offset: usize::try_from(column.saturating_mul(FRAGMENT_BYTES)).unwrap_or(0),
        };
        let entry: [u8; 16] = metadata.array(&mut place, budget)?;
        let start = u64_le(&entry, 0).ok_or_else(damaged)?;
        let word = u32_le(&entry, 8).ok_or_else(damaged)?;
        Ok(self.stored(start, word))
    }
}

/// What tells a content from others: where all its parts are.
fn digest(file: &File, metadata: &mut Metadata<'_>, budget: &mut Budget) -> Result<[u8; 32], Stop> {
    let (index, offset) = file.fragment.unwrap_or((u32::MAX, 0));
    let mut hasher = Sha256::new();
    hasher.update(file.start.to_le_bytes());
    hasher.update(file.size_bytes.to_le_bytes());
    hasher.update(index.to_le_bytes());
    hasher.update(offset.to_le_bytes());
    let mut place = file.list;
    let mut left = file.blocks.saturating_mul(4);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX);
        let bytes = metadata.some(&mut place, most, budget)?;
        hasher.update(bytes);
        let count = bytes.len() as u64;
        left = left.saturating_sub(count);
        // Lists may overlap.
        budget.spend_work(count)?;
    }
    Ok(hasher.finalize().into())
}
