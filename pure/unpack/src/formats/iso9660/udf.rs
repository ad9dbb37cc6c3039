//! UDF, alone or beside ISO 9660 in the same image, where each reader shows one of the two trees.
//! Files are parts of the image where they lie. It refuses partitions that are kept in files of
//! their own (metadata, virtual, sparable), and files with holes.

use std::collections::HashSet;

use proto::Budget;

use crate::fields::{array, u16_le, u32_le, u64_le};
use crate::formats::iso9660::{DONE_BYTES, Image};
use crate::input::read_part;
use crate::members::{Flow, Members, Stop};
use crate::output::Output;

const ANCHOR_BLOCK: u32 = 256;
const BLOCK_SIZES: [u64; 4] = [2048, 512, 4096, 1024];
/// Descriptors that are read of a sequence, which has a handful.
const DESCRIPTORS_MAX: u64 = 64;
const PARTITIONS_MAX: usize = 64;
/// Extents of extents that are followed for one file.
const CONTINUED_MAX: usize = 64;
const PARTS_MAX: usize = 64 << 10;
const PATH_BYTES_MAX: usize = 4 << 10;
const PENDING_BYTES: u64 = 64;
/// What a byte of a directory costs, in steps of work: directories may overlap.
const LISTING_WORK: u64 = 32;
const DESCRIPTOR_BYTES: usize = 512;
const NO_VOLUME: &str = "UDF volume is damaged";

/// What kinds of descriptors are told apart by.
mod tag {
    pub(super) const ANCHOR: u16 = 2;
    pub(super) const PARTITION: u16 = 5;
    pub(super) const VOLUME: u16 = 6;
    pub(super) const END: u16 = 8;
    pub(super) const FILE_SET: u16 = 256;
    pub(super) const NAME: u16 = 257;
    pub(super) const FILE: u16 = 261;
    pub(super) const EXTENDED_FILE: u16 = 266;
}

/// A volume: where its partitions begin, and its first directory.
struct Udf {
    block_bytes: u64,
    /// Begin of each partition in the order of the volume's map.
    partitions: Vec<Option<u64>>,
    root: u64,
}

/// A file or directory to look at.
struct Pending {
    offset: u64,
    path: Vec<u8>,
}

/// What a file's entry says.
struct Entry {
    is_directory: bool,
    size_bytes: u64,
    parts: Vec<(u64, u64)>,
    has_holes: bool,
}

impl Image<'_> {
    /// Hands over the files of the UDF tree.
    pub(super) fn udf(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let volume = match self.udf_volume()? {
            Ok(volume) => volume,
            Err(stop) => {
                self.troubles.note(0, stop);
                return Ok(Flow::Continue);
            }
        };
        let mut held = 0u64;
        let walked = self.udf_tree(&volume, &mut held, budget, members);
        budget.release_memory(held);
        walked
    }

    fn udf_tree(
        &mut self,
        volume: &Udf,
        held: &mut u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut seen = HashSet::new();
        let mut pending = vec![Pending {
            offset: volume.root,
            path: Vec::new(),
        }];
        while let Some(next) = pending.pop() {
            budget.check_time()?;
            if !seen.insert(next.offset) {
                continue;
            }
            let entry = match self.udf_entry(volume, next.offset, budget)? {
                Ok(entry) => entry,
                Err(stop) => {
                    self.troubles.note_member(&next.path, next.offset, stop);
                    continue;
                }
            };
            if entry.has_holes {
                let stop = Stop::unsupported("file with holes is not supported");
                self.troubles.note_member(&next.path, next.offset, stop);
            }
            if !entry.is_directory {
                if self.file(&next.path, &entry.parts, budget, members)? == Flow::Stop {
                    return Ok(Flow::Stop);
                }
                continue;
            }
            let mut found = self.udf_directory(volume, &next, &entry, budget)?;
            let cost = found.iter().map(|found| {
                let bytes = found.path.len() as u64;
                bytes
                    .saturating_add(PENDING_BYTES)
                    .saturating_add(DONE_BYTES)
            });
            let cost = cost.fold(0, u64::saturating_add);
            budget.hold_memory(cost)?;
            *held = held.saturating_add(cost);
            // The first one listed is the next one looked at.
            found.reverse();
            pending.append(&mut found);
        }
        Ok(Flow::Continue)
    }

    /// The volume that an anchor leads to.
    fn udf_volume(&self) -> Result<Result<Udf, Stop>, Stop> {
        let mut outcome = Err(Stop::malformed(NO_VOLUME));
        for block_bytes in BLOCK_SIZES {
            let blocks = self
                .source
                .size_bytes()
                .checked_div(block_bytes)
                .unwrap_or(0);
            let last = blocks.saturating_sub(1);
            let first = u64::from(ANCHOR_BLOCK);
            for block in [first, last, last.saturating_sub(first)] {
                let anchor = self.descriptor(block.saturating_mul(block_bytes))?;
                let is_here = u32_le(&anchor, 12).map(u64::from) == Some(block);
                if kind(&anchor) != tag::ANCHOR || !is_here {
                    continue;
                }
                for place in [16, 24] {
                    match self.udf_sequence(&anchor, place, block_bytes)? {
                        Ok(volume) => return Ok(Ok(volume)),
                        Err(stop) => outcome = Err(stop),
                    }
                }
            }
        }
        Ok(outcome)
    }

    /// The volume that a sequence of descriptors speaks of.
    fn udf_sequence(
        &self,
        anchor: &[u8],
        place: usize,
        block_bytes: u64,
    ) -> Result<Result<Udf, Stop>, Stop> {
        let damaged = || Stop::malformed(NO_VOLUME);
        let size = u32_le(anchor, place).map_or(0, u64::from);
        let block = u32_le(anchor, place.saturating_add(4)).map_or(0, u64::from);
        let mut partitions: Vec<(u16, u64)> = Vec::new();
        let mut volume = None;
        let blocks = size.checked_div(block_bytes).unwrap_or(0);
        for number in 0..blocks.min(DESCRIPTORS_MAX) {
            let offset = block.saturating_add(number).saturating_mul(block_bytes);
            let bytes = self.descriptor(offset)?;
            match kind(&bytes) {
                tag::PARTITION => {
                    let number = u16_le(&bytes, 22).unwrap_or(0);
                    let begin = u32_le(&bytes, 188).map_or(0, u64::from);
                    partitions.push((number, begin.saturating_mul(block_bytes)));
                }
                tag::VOLUME => volume = Some(bytes),
                tag::END => break,
                _ => {}
            }
        }
        let Some(volume) = volume else {
            return Ok(Err(damaged()));
        };
        let mut udf = Udf {
            block_bytes,
            partitions: mapped(&volume, &partitions),
            root: 0,
        };
        if udf.partitions.iter().any(Option::is_none) {
            let text = "UDF with a partition in a file is not supported";
            return Ok(Err(Stop::unsupported(text)));
        }
        let file_set = match udf.long_place(&volume, 248) {
            Some((offset, _)) => self.descriptor(offset)?,
            None => Vec::new(),
        };
        let root = udf.long_place(&file_set, 400);
        match root.filter(|_| kind(&file_set) == tag::FILE_SET) {
            Some((root, _)) => udf.root = root,
            None => return Ok(Err(damaged())),
        }
        Ok(Ok(udf))
    }

    fn descriptor(&self, offset: u64) -> Result<Vec<u8>, Stop> {
        Ok(read_part(self.source, offset, DESCRIPTOR_BYTES)?)
    }

    fn udf_entry(
        &self,
        volume: &Udf,
        offset: u64,
        budget: &mut Budget,
    ) -> Result<Result<Entry, Stop>, Stop> {
        let damaged = || Stop::malformed("UDF file entry is damaged");
        let count = usize::try_from(volume.block_bytes).unwrap_or(0);
        let bytes = read_part(self.source, offset, count)?;
        let fixed_bytes = match kind(&bytes) {
            tag::FILE => 176usize,
            tag::EXTENDED_FILE => 216,
            _ => return Ok(Err(damaged())),
        };
        let fields = (
            bytes.get(27).copied(),
            u16_le(&bytes, 34),
            u64_le(&bytes, 56),
            u32_le(&bytes, fixed_bytes.saturating_sub(8)),
            u32_le(&bytes, fixed_bytes.saturating_sub(4)),
        );
        let (Some(file_type), Some(flags), Some(size_bytes), Some(skipped), Some(listed)) = fields
        else {
            return Ok(Err(damaged()));
        };
        let begin = fixed_bytes.saturating_add(usize::try_from(skipped).unwrap_or(usize::MAX));
        let rest = bytes.get(begin..).unwrap_or_default();
        let listed = usize::try_from(listed).unwrap_or(usize::MAX);
        let Some(list) = rest.get(..listed) else {
            return Ok(Err(damaged()));
        };
        let mut entry = Entry {
            is_directory: file_type == 4,
            size_bytes,
            parts: Vec::new(),
            has_holes: false,
        };
        match flags & 7 {
            3 => entry
                .parts
                .push((offset.saturating_add(begin as u64), listed as u64)),
            form @ (0 | 1) => self.udf_parts(volume, form, list, (&mut entry, budget))?,
            _ => return Ok(Err(damaged())),
        }
        entry.cut();
        Ok(Ok(entry))
    }

    /// Where the parts of a file are, by its list and those that go on from it.
    fn udf_parts(
        &self,
        volume: &Udf,
        form: u16,
        list: &[u8],
        (entry, budget): (&mut Entry, &mut Budget),
    ) -> Result<(), Stop> {
        let step = if form == 0 { 8 } else { 16 };
        let mut list = list.to_vec();
        for _ in 0..CONTINUED_MAX {
            let mut goes_on = None;
            budget.spend_work(list.len() as u64)?;
            for extent in list.chunks_exact(step) {
                let word = u32_le(extent, 0).unwrap_or(0);
                let size = u64::from(word & 0x3fff_ffff);
                if size == 0 || entry.parts.len() >= PARTS_MAX {
                    break;
                }
                let place = match form {
                    0 => volume.place(0, u32_le(extent, 4).unwrap_or(0)),
                    _ => volume.long_place(extent, 0).map(|(offset, _)| offset),
                };
                match (word.wrapping_shr(30), place) {
                    (0, Some(offset)) => entry.parts.push((offset, size)),
                    (3, Some(offset)) => goes_on = Some(offset),
                    _ => entry.has_holes = true,
                }
            }
            let Some(offset) = goes_on else {
                return Ok(());
            };
            let count = usize::try_from(volume.block_bytes).unwrap_or(0);
            let bytes = read_part(self.source, offset, count)?;
            // A tag, where the list before this one is, and the length of this one.
            let length =
                u32_le(&bytes, 20).map_or(0, |length| usize::try_from(length).unwrap_or(0));
            let rest = bytes.get(24..).unwrap_or_default();
            list = rest.get(..length).unwrap_or(rest).to_vec();
        }
        entry.has_holes = true;
        Ok(())
    }

    fn udf_directory(
        &mut self,
        volume: &Udf,
        directory: &Pending,
        entry: &Entry,
        budget: &mut Budget,
    ) -> Result<Vec<Pending>, Stop> {
        let mut found = Vec::new();
        let mut output = Output::new(self.tally);
        let copied = self.copy(&entry.parts, &mut output, budget);
        let cost = (output.bytes().len() as u64).saturating_mul(LISTING_WORK);
        let spent = budget.spend_work(cost);
        let mut rest = output.bytes();
        let is_cut = (rest.len() as u64) < entry.size_bytes;
        let mut is_damaged = false;
        while !rest.is_empty() && spent.is_ok() {
            let Some((name, length)) = name_entry(rest) else {
                is_damaged = true;
                break;
            };
            rest = rest.get(length..).unwrap_or_default();
            if let Some((offset, _)) = volume.long_place(name.place, 0).filter(|_| !name.is_parent)
            {
                let path = joined(&directory.path, &spelled(name.name));
                found.push(Pending { offset, path });
            }
        }
        output.discard(budget);
        copied?;
        spent?;
        if is_cut || is_damaged {
            let stop = Stop::malformed("directory is damaged");
            self.troubles
                .note_member(&directory.path, directory.offset, stop);
        }
        Ok(found)
    }
}

impl Udf {
    fn place(&self, partition: u16, block: u32) -> Option<u64> {
        let begin = (*self.partitions.get(usize::from(partition))?)?;
        Some(begin.saturating_add(u64::from(block).saturating_mul(self.block_bytes)))
    }

    /// Where a long allocation descriptor leads to, and its size.
    fn long_place(&self, bytes: &[u8], at: usize) -> Option<(u64, u64)> {
        let size = u64::from(u32_le(bytes, at)? & 0x3fff_ffff);
        let block = u32_le(bytes, at.checked_add(4)?)?;
        let partition = u16_le(bytes, at.checked_add(8)?)?;
        Some((self.place(partition, block)?, size)).filter(|_| size > 0)
    }
}

impl Entry {
    /// Nobody reads past the stated size.
    fn cut(&mut self) {
        let mut left = self.size_bytes;
        for (_, size) in &mut self.parts {
            *size = left.min(*size);
            left = left.saturating_sub(*size);
        }
        self.parts.retain(|(_, size)| *size > 0);
    }
}

/// A name in a directory.
struct Name<'d> {
    name: &'d [u8],
    place: &'d [u8],
    is_parent: bool,
}

fn name_entry(bytes: &[u8]) -> Option<(Name<'_>, usize)> {
    if kind(bytes) != tag::NAME {
        return None;
    }
    let begin = usize::from(u16_le(bytes, 36)?).checked_add(38)?;
    let end = begin.checked_add(usize::from(*bytes.get(19)?))?;
    let name = Name {
        name: bytes.get(begin..end)?,
        place: bytes.get(20..36)?,
        is_parent: bytes.get(18)? & 8 != 0,
    };
    Some((name, end.checked_next_multiple_of(4)?))
}

/// The begin of each partition that the volume's map names; `None` for kinds that have none.
fn mapped(volume: &[u8], partitions: &[(u16, u64)]) -> Vec<Option<u64>> {
    let mut maps = volume.get(440..).unwrap_or_default();
    let count = u32_le(volume, 268).map_or(0, |count| usize::try_from(count).unwrap_or(0));
    let mut found = Vec::new();
    for _ in 0..count.min(PARTITIONS_MAX) {
        let Some(length) = maps.get(1).map(|length| usize::from(*length)) else {
            break;
        };
        let map = maps.get(..length).unwrap_or_default();
        let number = u16_le(map, 4).filter(|_| map.first() == Some(&1) && length == 6);
        let known = partitions.iter().find(|(known, _)| Some(*known) == number);
        found.push(known.map(|(_, begin)| *begin));
        if length < 2 {
            break;
        }
        maps = maps.get(length..).unwrap_or_default();
    }
    found
}

fn kind(bytes: &[u8]) -> u16 {
    u16_le(bytes, 0).unwrap_or(0)
}

/// A name of one or two bytes a character, as its first byte says.
fn spelled(name: &[u8]) -> Vec<u8> {
    let (Some(form), rest) = (name.first(), name.get(1..).unwrap_or_default()) else {
        return Vec::new();
    };
    let units: Vec<u16> = match form {
        16 | 255 => rest
            .chunks_exact(2)
            .filter_map(|unit| array(unit, 0).map(u16::from_be_bytes))
            .collect(),
        _ => rest.iter().map(|byte| u16::from(*byte)).collect(),
    };
    String::from_utf16_lossy(&units).into_bytes()
}

fn joined(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path.truncate(PATH_BYTES_MAX);
    path
}
