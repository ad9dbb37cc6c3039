//! A volume's tree: every directory once, and the parts that files are made of.

use std::collections::HashSet;

use proto::Budget;

use crate::formats::damaged::hand_over_part;
use crate::formats::iso9660::record::{Extent, Record};
use crate::formats::iso9660::{DONE_BYTES, Image, SECTOR, Volume};
use crate::formats::zisofs;
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop};
use crate::output::Output;

const RECORD_BYTES_MAX: usize = 255;
const PATH_BYTES_MAX: usize = 4 << 10;
const PENDING_BYTES: u64 = 64;
/// What a byte of a directory costs, in steps of work: directories may overlap.
const LISTING_WORK: u64 = 32;
/// Parts of one file; 4 GiB each, where they are made as they should be.
const PARTS_MAX: usize = 4 << 10;
const COPY_BYTES: usize = 64 << 10;

/// A directory to look at.
struct Pending {
    begin: u64,
    size_bytes: u64,
    path: Vec<u8>,
}

/// A file whose parts are collected.
#[derive(Default)]
struct Parts {
    path: Vec<u8>,
    little: Vec<(u64, u64)>,
    big: Vec<(u64, u64)>,
}

/// A tree under way.
struct Tree<'v> {
    volume: &'v Volume,
    pending: Vec<Pending>,
    /// The file at hand, as far as its parts are known.
    parts: Parts,
    seen: HashSet<(u64, u64)>,
    held: u64,
}

impl Image<'_> {
    /// Hands over a volume's files.
    pub(super) fn tree(
        &mut self,
        volume: &Volume,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut tree = Tree {
            volume,
            pending: Vec::new(),
            parts: Parts::default(),
            seen: HashSet::new(),
            held: 0,
        };
        let walked = self.walk(&mut tree, budget, members);
        budget.release_memory(tree.held);
        walked
    }

    fn walk(
        &mut self,
        tree: &mut Tree<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let volume = tree.volume;
        self.found_directory(tree, &volume.root, &[], budget)?;
        while let Some(directory) = tree.pending.pop() {
            let before = tree.pending.len();
            if self.directory(&directory, tree, budget, members)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
            // The first one listed is the next one looked at.
            if let Some(added) = tree.pending.get_mut(before..) {
                added.reverse();
            }
        }
        Ok(Flow::Continue)
    }

    fn directory(
        &mut self,
        directory: &Pending,
        tree: &mut Tree<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut input = Input::new(self.source, directory.begin, directory.size_bytes);
        if input.left() < directory.size_bytes {
            let stop = Stop::malformed("directory ends early");
            self.troubles
                .note_member(&directory.path, directory.begin, stop);
        }
        loop {
            budget.check_time()?;
            let offset = input.offset();
            let bytes = input.at_least(RECORD_BYTES_MAX)?;
            let Some(first) = bytes.first() else {
                break;
            };
            let is_padding = *first == 0;
            let parsed = Record::parse(bytes);
            let Some((record, length)) = parsed else {
                if !is_padding {
                    let stop = Stop::malformed("directory is damaged");
                    self.troubles.note_member(&directory.path, offset, stop);
                }
                let next = next_sector(directory.begin, offset);
                budget.spend_work(next.saturating_sub(offset))?;
                input.seek(next);
                continue;
            };
            input.consume(length);
            budget.spend_work((length as u64).saturating_mul(LISTING_WORK))?;
            if record.is_self_or_parent() && record.is_directory() {
                continue;
            }
            let flow = self.record(&record, directory, tree, (&mut *budget, &mut *members))?;
            if flow == Flow::Stop {
                return Ok(flow);
            }
        }
        self.finish(std::mem::take(&mut tree.parts), budget, members)
    }

    fn record(
        &mut self,
        record: &Record,
        directory: &Pending,
        tree: &mut Tree<'_>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let volume = tree.volume;
        let rock_ridge = record.rock_ridge(self.source, volume.block_bytes, budget)?;
        let name = match rock_ridge.name.is_empty() || volume.is_joliet {
            true => record.spelled(volume.is_joliet),
            false => rock_ridge.name,
        };
        let path = joined(&directory.path, &name);
        if record.is_directory() {
            self.found_directory(tree, record, &path, budget)?;
            return Ok(Flow::Continue);
        }
        if let Some(block) = rock_ridge.moved_to {
            let begin = u64::from(block).saturating_mul(volume.block_bytes);
            let own = read_part(self.source, begin, RECORD_BYTES_MAX)?;
            if let Some((own, _)) = Record::parse(&own) {
                self.found_directory(tree, &own, &path, budget)?;
            }
        }
        if record.is_interleaved {
            let stop = Stop::unsupported("interleaved file is not supported");
            self.troubles.note_member(&path, directory.begin, stop);
        }
        if rock_ridge.is_compressed {
            self.check_compressed(&path, place(record, record.little, volume).0)?;
        }
        let parts = &mut tree.parts;
        let is_of_other = !parts.little.is_empty() && parts.path != path;
        parts.path = path;
        if is_of_other {
            // Some readers go on with the next record whatever its name is, some don't.
            let stop = Stop::malformed("parts of a file have two names");
            self.troubles
                .note_member(&parts.path, directory.begin, stop);
            let alone = [place(record, record.little, volume)];
            if self.file(&parts.path, &alone, budget, members)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        parts.little.push(place(record, record.little, volume));
        parts.big.push(place(record, record.big, volume));
        if record.goes_on() && parts.little.len() < PARTS_MAX {
            return Ok(Flow::Continue);
        }
        self.finish(std::mem::take(&mut tree.parts), budget, members)
    }

    /// A compressed file is known by how it begins; the kernel takes the record's word for it.
    fn check_compressed(&mut self, path: &[u8], begin: u64) -> Result<(), Stop> {
        let head = read_part(self.source, begin, zisofs::MAGIC.len())?;
        if head != zisofs::MAGIC {
            let stop = Stop::unsupported("compressed file is in no known form");
            self.troubles.note_member(path, begin, stop);
        }
        Ok(())
    }

    /// Notes a directory as one to look at, unless it was; both ways, where it is stated in two.
    fn found_directory(
        &mut self,
        tree: &mut Tree<'_>,
        record: &Record,
        path: &[u8],
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if record.little != record.big {
            self.differs(path);
        }
        for extent in [record.little, record.big] {
            let (begin, size_bytes) = place(record, extent, tree.volume);
            if begin < self.source.size_bytes() && tree.seen.insert((begin, size_bytes)) {
                let cost = PENDING_BYTES.saturating_add(DONE_BYTES);
                let cost = cost.saturating_add(path.len() as u64);
                budget.hold_memory(cost)?;
                tree.held = tree.held.saturating_add(cost);
                tree.pending.push(Pending {
                    begin,
                    size_bytes,
                    path: path.to_vec(),
                });
            } else if begin >= self.source.size_bytes() {
                let stop = Stop::malformed("directory lies past the end");
                self.troubles.note_member(path, begin, stop);
            }
        }
        Ok(())
    }

    fn differs(&mut self, path: &[u8]) {
        let stop = Stop::malformed("place is stated in two ways");
        self.troubles.note_member(path, 0, stop);
    }

    /// Hands over a file whose parts are known.
    fn finish(
        &mut self,
        parts: Parts,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        if parts.little == parts.big {
            return self.file(&parts.path, &parts.little, budget, members);
        }
        self.differs(&parts.path);
        match self.file(&parts.path, &parts.little, budget, members)? {
            Flow::Continue => self.file(&parts.path, &parts.big, budget, members),
            Flow::Stop => Ok(Flow::Stop),
        }
    }

    pub(super) fn file(
        &mut self,
        path: &[u8],
        parts: &[(u64, u64)],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for (begin, size) in parts {
            let available = self.source.size_bytes().saturating_sub(*begin);
            let stored = available.min(*size);
            if stored < *size {
                let stop = Stop::malformed("member ends early");
                self.troubles.note_member(path, *begin, stop);
            }
            match joined.last_mut() {
                Some((last, length)) if last.saturating_add(*length) == *begin => {
                    *length = length.saturating_add(stored);
                }
                _ if stored > 0 => joined.push((*begin, stored)),
                _ => {}
            }
        }
        if let [_, _, ..] = joined.as_slice()
            && self.scattered(path, &joined, budget, members)? == Flow::Stop
        {
            return Ok(Flow::Stop);
        }
        if joined.len() == 1 {
            for (begin, size) in joined {
                if self.is_new((begin, size), budget)? {
                    let part = (begin, begin.saturating_add(size));
                    return Ok(hand_over_part(path, part, members, budget));
                }
            }
        }
        Ok(Flow::Continue)
    }

    /// A file whose parts don't follow each other is put together.
    fn scattered(
        &mut self,
        path: &[u8],
        parts: &[(u64, u64)],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut output = Output::new(self.tally);
        let copied = self.copy(parts, &mut output, budget);
        let (flow, tally) = output.hand_over(path, members, budget);
        self.tally = tally;
        copied.map(|()| flow)
    }

    pub(super) fn copy(
        &self,
        parts: &[(u64, u64)],
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        for (begin, size) in parts {
            let mut input = Input::new(self.source, *begin, *size);
            while input.left() > 0 {
                let bytes = input.at_least(COPY_BYTES)?;
                let count = bytes.len();
                output.push(bytes, budget, self.source.size_bytes())?;
                input.consume(count);
            }
        }
        Ok(())
    }
}

/// Records don't cross the border of a sector.
fn next_sector(begin: u64, offset: u64) -> u64 {
    let within = offset.saturating_sub(begin);
    let next = (within / SECTOR).saturating_add(1).saturating_mul(SECTOR);
    begin.saturating_add(next)
}

fn place(record: &Record, extent: Extent, volume: &Volume) -> (u64, u64) {
    let block = u64::from(extent.block).saturating_add(u64::from(record.attribute_blocks));
    let begin = block.saturating_mul(volume.block_bytes);
    (begin, u64::from(extent.size_bytes))
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
