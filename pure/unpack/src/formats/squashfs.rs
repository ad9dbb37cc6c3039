//! squashfs 4: every file that the directories lead to, and every one in the table of inodes that
//! they don't, each content once. It refuses older versions, and lzo in this one.

mod compression;
mod content;
mod inode;
mod metadata;

use std::collections::HashSet;

use proto::Budget;

use crate::Source;
use crate::fields::{u16_le, u32_le, u64_le};
use crate::formats::damaged::hand_over_part;
use crate::formats::squashfs::compression::Compression;
use crate::formats::squashfs::content::Contents;
use crate::formats::squashfs::inode::{Inode, Kind, Listing};
use crate::formats::squashfs::metadata::{Metadata, Place};
use crate::formats::streams::{AFTER_END, skip_zeros};
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop, Trouble, Troubles};

const MAGIC: &[u8] = b"hsqs";
const BIG_ENDIAN_MAGIC: &[u8] = b"sqsh";
const SUPERBLOCK_BYTES: usize = 96;
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;
/// Longer paths are cut; systems take no longer ones.
const PATH_BYTES_MAX: usize = 4 << 10;
/// What an inode costs that is remembered as done, and one that is to do beside its path.
const DONE_BYTES: u64 = 32;
const PENDING_BYTES: u64 = 64;
/// What a byte of a directory's listing costs, in steps of work: listings may overlap.
const LISTING_WORK: u64 = 32;
const ENDS_EARLY: &str = "image ends early";

/// squashfs images.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "squashfs",
    detect: |probe| probe.head.starts_with(MAGIC) || probe.head.starts_with(BIG_ENDIAN_MAGIC),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    let superblock = match Superblock::read(source) {
        Ok(superblock) => superblock,
        Err(stop) => {
            troubles.note(0, stop);
            return troubles.into_vec();
        }
    };
    let mut image = Image {
        source,
        metadata: Metadata::new(source, superblock.compression),
        contents: Contents::new(source, &superblock),
        superblock,
        done: HashSet::new(),
        held: 0,
        troubles,
    };
    if let Err(stop) = image.all(budget, members) {
        image.troubles.note(0, stop);
    }
    image.contents.release(budget);
    image.metadata.release(budget);
    budget.release_memory(image.held);
    image.troubles.into_vec()
}

/// What the image says of itself.
#[derive(Clone, Copy, Debug)]
struct Superblock {
    compression: Compression,
    block_bytes: u64,
    bytes_used: u64,
    root: u64,
    inodes: u64,
    directories: u64,
    fragments: u64,
    fragment_count: u32,
}

impl Superblock {
    fn read(source: &dyn Source) -> Result<Self, Stop> {
        let bytes = read_part(source, 0, SUPERBLOCK_BYTES)?;
        if bytes.starts_with(BIG_ENDIAN_MAGIC) {
            return Err(Stop::unsupported(
                "squashfs of an old version is not supported",
            ));
        }
        match u16_le(&bytes, 28) {
            Some(4) => {}
            Some(version) => {
                let text = format!("squashfs version {version} is not supported");
                return Err(Stop::unsupported(text));
            }
            None => return Err(Stop::malformed(ENDS_EARLY)),
        }
        Self::parse(&bytes).ok_or(Stop::malformed(ENDS_EARLY))?
    }

    fn parse(bytes: &[u8]) -> Option<Result<Self, Stop>> {
        let compression = match Compression::from_number(u16_le(bytes, 20)?) {
            Ok(compression) => compression,
            Err(stop) => return Some(Err(stop)),
        };
        let log = u16_le(bytes, 22)?;
        let block_bytes = u64::from(u32_le(bytes, 12)?);
        if !BLOCK_LOGS.contains(&log) || block_bytes != 1u64.wrapping_shl(u32::from(log)) {
            return Some(Err(Stop::malformed("superblock is damaged")));
        }
        Some(Ok(Self {
            compression,
            block_bytes,
            fragment_count: u32_le(bytes, 16)?,
            root: u64_le(bytes, 32)?,
            bytes_used: u64_le(bytes, 40)?,
            inodes: u64_le(bytes, 64)?,
            directories: u64_le(bytes, 72)?,
            fragments: u64_le(bytes, 80)?,
        }))
    }
}

struct Image<'a> {
    source: &'a dyn Source,
    superblock: Superblock,
    metadata: Metadata<'a>,
    contents: Contents<'a>,
    /// References of inodes that are done.
    done: HashSet<u64>,
    held: u64,
    troubles: Troubles,
}

/// An inode to look at.
struct Pending {
    reference: u64,
    path: Vec<u8>,
}

/// What of a listing is not read yet.
struct Rest {
    place: Place,
    size_bytes: u64,
}

impl Image<'_> {
    fn all(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        if self.superblock.bytes_used > self.source.size_bytes() {
            self.troubles.note(0, Stop::malformed(ENDS_EARLY));
        }
        let root = Pending {
            reference: self.superblock.root,
            path: Vec::new(),
        };
        if self.tree(root, budget, members)? == Flow::Stop
            || self.unlisted(budget, members)? == Flow::Stop
        {
            return Ok(());
        }
        let end = self.superblock.bytes_used.max(SUPERBLOCK_BYTES as u64);
        let mut rest = Input::new(self.source, end, u64::MAX);
        if rest.left() > 0 && skip_zeros(&mut rest, budget)? {
            let part = (rest.offset(), self.source.size_bytes());
            hand_over_part(AFTER_END, part, members, budget);
        }
        Ok(())
    }

    /// Everything from an inode down.
    fn tree(
        &mut self,
        from: Pending,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut pending = vec![from];
        let mut held = 0u64;
        let mut outcome = Ok(Flow::Continue);
        while let Some(next) = pending.pop() {
            let cost = pending_bytes(&next.path);
            budget.release_memory(cost.min(held));
            held = held.saturating_sub(cost);
            let before = pending.len();
            outcome = self.inode(&next, &mut pending, budget, members);
            let added = pending.get(before..).unwrap_or_default();
            let cost = added.iter().map(|added| pending_bytes(&added.path));
            let cost = cost.fold(0, u64::saturating_add);
            if let Err(reason) = budget.hold_memory(cost) {
                outcome = Err(reason.into());
                break;
            }
            held = held.saturating_add(cost);
            if !matches!(outcome, Ok(Flow::Continue)) {
                break;
            }
        }
        budget.release_memory(held);
        outcome
    }

    /// Looks at one inode, unless it was done; adds what a directory lists.
    fn inode(
        &mut self,
        next: &Pending,
        pending: &mut Vec<Pending>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        if self.done.contains(&next.reference) {
            return Ok(Flow::Continue);
        }
        budget.hold_memory(DONE_BYTES)?;
        self.held = self.held.saturating_add(DONE_BYTES);
        self.done.insert(next.reference);
        let place = Place::of_reference(self.superblock.inodes, next.reference);
        let block_bytes = self.superblock.block_bytes;
        let read = Inode::read(&mut self.metadata, place, block_bytes, budget);
        let stop = match read.map(|inode| inode.kind) {
            Ok(Kind::Other) => return Ok(Flow::Continue),
            Ok(Kind::File(file)) => {
                let reader = (&mut self.metadata, &mut self.troubles);
                return self
                    .contents
                    .file(&next.path, &file, reader, (budget, members));
            }
            Ok(Kind::Directory(listing)) => match self.listing(next, listing, pending, budget) {
                Ok(()) => return Ok(Flow::Continue),
                Err(stop) => stop,
            },
            Err(stop) => stop,
        };
        self.damage(&next.path, place.block, stop)
    }

    /// What is damaged is noted; a limit ends all.
    fn damage(&mut self, path: &[u8], offset: u64, stop: Stop) -> Result<Flow, Stop> {
        if stop.reason != proto::Reason::Malformed && stop.reason != proto::Reason::Unsupported {
            return Err(stop);
        }
        self.troubles.note_member(path, offset, stop);
        Ok(Flow::Continue)
    }

    /// The entries of a directory, last first, since the last added is the next done.
    fn listing(
        &mut self,
        directory: &Pending,
        listing: Listing,
        pending: &mut Vec<Pending>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let block = u64::from(listing.block);
        let mut rest = Rest {
            place: Place {
                block: self.superblock.directories.saturating_add(block),
                offset: usize::from(listing.offset),
            },
            size_bytes: listing.size_bytes,
        };
        let before = pending.len();
        let mut read = Ok(());
        while rest.size_bytes > 0 && read.is_ok() {
            read = self.group(directory, &mut rest, pending, budget);
        }
        if let Some(added) = pending.get_mut(before..) {
            added.reverse();
        }
        read
    }

    /// A header of a listing, and its entries: they share a block of inodes.
    fn group(
        &mut self,
        directory: &Pending,
        rest: &mut Rest,
        pending: &mut Vec<Pending>,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let place = &mut rest.place;
        let head: [u8; 12] = self.metadata.array(place, budget)?;
        let mut spent = head.len() as u64;
        let count = u32_le(&head, 0).unwrap_or(0);
        let block = u64::from(u32_le(&head, 4).unwrap_or(0));
        for _ in 0..=count {
            if spent >= rest.size_bytes {
                break;
            }
            let entry: [u8; 8] = self.metadata.array(place, budget)?;
            let name_bytes = usize::from(u16_le(&entry, 6).unwrap_or(0)).saturating_add(1);
            let name = self.name(place, name_bytes, budget)?;
            let cost = (name_bytes as u64).saturating_add(entry.len() as u64);
            spent = spent.saturating_add(cost);
            budget.spend_work(cost.saturating_mul(LISTING_WORK))?;
            let offset = u64::from(u16_le(&entry, 0).unwrap_or(0));
            let reference = block.wrapping_shl(16) | offset;
            if !self.done.contains(&reference) {
                let path = joined(&directory.path, &name);
                pending.push(Pending { reference, path });
            }
        }
        rest.size_bytes = rest.size_bytes.saturating_sub(spent);
        Ok(())
    }

    fn name(
        &mut self,
        place: &mut Place,
        count: usize,
        budget: &mut Budget,
    ) -> Result<Vec<u8>, Stop> {
        let mut name = Vec::new();
        while name.len() < count {
            let left = count.saturating_sub(name.len());
            name.extend_from_slice(self.metadata.some(place, left, budget)?);
        }
        Ok(name)
    }

    /// Inodes in their table that no directory leads to.
    fn unlisted(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<Flow, Stop> {
        let mut place = Place {
            block: self.superblock.inodes,
            offset: 0,
        };
        while place.block < self.superblock.directories {
            budget.check_time()?;
            let block_bytes = self.superblock.block_bytes;
            let begin = place;
            let inode = Inode::read(&mut self.metadata, place, block_bytes, budget);
            let inode = match inode {
                Ok(inode) => inode,
                Err(stop) => return self.damage(b"(inodes)", begin.block, stop),
            };
            place = inode.end;
            if let Kind::File(file) = inode.kind {
                let list_bytes = file.blocks.saturating_mul(4);
                if let Err(stop) = self.metadata.skip(&mut place, list_bytes, budget) {
                    return self.damage(b"(inodes)", begin.block, stop);
                }
            }
            let block = begin.block.saturating_sub(self.superblock.inodes);
            let next = Pending {
                reference: block.wrapping_shl(16) | begin.offset as u64,
                path: format!("(inode {})", inode.number).into_bytes(),
            };
            if self.tree(next, budget, members)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }
}

fn pending_bytes(path: &[u8]) -> u64 {
    PENDING_BYTES.saturating_add(path.len() as u64)
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
