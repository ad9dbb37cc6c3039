//! Inodes: what is a file's content, what is a directory's listing, and where the next one is.

use proto::Budget;

use crate::fields::{u16_le, u32_le, u64_le};
use crate::formats::squashfs::metadata::{Metadata, Place};
use crate::members::Stop;

const NO_FRAGMENT: u32 = u32::MAX;

/// An inode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode {
    pub(super) number: u32,
    pub(super) kind: Kind,
    /// Where what was read of it ends; a file's list of blocks is still to come.
    pub(super) end: Place,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Directory(Listing),
    File(File),
    Other,
}

/// Where a directory's listing is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing {
    /// From the begin of the table of directories.
    pub(super) block: u32,
    pub(super) offset: u16,
    pub(super) size_bytes: u64,
}

/// Where a file's content is.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    pub(super) start: u64,
    pub(super) size_bytes: u64,
    /// Which fragment has its end, and where in it.
    pub(super) fragment: Option<(u32, u32)>,
    pub(super) blocks: u64,
    /// Where the sizes of its blocks are listed.
    pub(super) list: Place,
}

impl Inode {
    /// Reads an inode.
    pub(super) fn read(
        metadata: &mut Metadata<'_>,
        mut place: Place,
        block_bytes: u64,
        budget: &mut Budget,
    ) -> Result<Self, Stop> {
        let head: [u8; 16] = metadata.array(&mut place, budget)?;
        let at = &mut place;
        let kind = match u16_le(&head, 0).unwrap_or(0) {
            1 => Kind::Directory(Listing::basic(&metadata.array(at, budget)?)),
            8 => extended_directory(metadata, at, budget)?,
            2 => {
                let fields: [u8; 16] = metadata.array(at, budget)?;
                let fields = basic_file(&fields).unwrap_or_default();
                Kind::File(File::new(fields, block_bytes, *at))
            }
            9 => {
                let fields: [u8; 40] = metadata.array(at, budget)?;
                let fields = extended_file(&fields).unwrap_or_default();
                Kind::File(File::new(fields, block_bytes, *at))
            }
            kind @ (3 | 10) => {
                let fields: [u8; 8] = metadata.array(at, budget)?;
                let target_bytes = u64::from(u32_le(&fields, 4).unwrap_or(0));
                metadata.skip(at, target_bytes, budget)?;
                metadata.skip(at, if kind == 10 { 4 } else { 0 }, budget)?;
                Kind::Other
            }
            kind @ (4 | 5 | 6 | 7 | 11 | 12 | 13 | 14) => {
                let size = match kind {
                    4 | 5 | 13 | 14 => 8,
                    6 | 7 => 4,
                    _ => 12,
                };
                metadata.skip(at, size, budget)?;
                Kind::Other
            }
            _ => return Err(Stop::malformed("inode is damaged")),
        };
        Ok(Self {
            number: u32_le(&head, 12).unwrap_or(0),
            kind,
            end: place,
        })
    }
}

impl Listing {
    fn basic(fields: &[u8; 16]) -> Self {
        Self {
            block: u32_le(fields, 0).unwrap_or(0),
            size_bytes: listing_bytes(u16_le(fields, 8).map(u64::from)),
            offset: u16_le(fields, 10).unwrap_or(0),
        }
    }
}

/// The stated size counts two entries that are not there.
fn listing_bytes(stated: Option<u64>) -> u64 {
    stated.unwrap_or(0).saturating_sub(3)
}

fn extended_directory(
    metadata: &mut Metadata<'_>,
    place: &mut Place,
    budget: &mut Budget,
) -> Result<Kind, Stop> {
    let fields: [u8; 24] = metadata.array(place, budget)?;
    let listing = Listing {
        size_bytes: listing_bytes(u32_le(&fields, 4).map(u64::from)),
        block: u32_le(&fields, 8).unwrap_or(0),
        offset: u16_le(&fields, 18).unwrap_or(0),
    };
    for _ in 0..u16_le(&fields, 16).unwrap_or(0) {
        let entry: [u8; 12] = metadata.array(place, budget)?;
        let name_bytes = u64::from(u32_le(&entry, 8).unwrap_or(0)).saturating_add(1);
        metadata.skip(place, name_bytes, budget)?;
    }
    Ok(Kind::Directory(listing))
}

/// What both kinds of files state.
#[derive(Default)]
struct FileFields {
    start: u64,
    size_bytes: u64,
    fragment: u32,
    fragment_offset: u32,
}

fn basic_file(fields: &[u8]) -> Option<FileFields> {
    Some(FileFields {
        start: u64::from(u32_le(fields, 0)?),
        fragment: u32_le(fields, 4)?,
        fragment_offset: u32_le(fields, 8)?,
        size_bytes: u64::from(u32_le(fields, 12)?),
    })
}

fn extended_file(fields: &[u8]) -> Option<FileFields> {
    Some(FileFields {
        start: u64_le(fields, 0)?,
        size_bytes: u64_le(fields, 8)?,
        fragment: u32_le(fields, 28)?,
        fragment_offset: u32_le(fields, 32)?,
    })
}

impl File {
    fn new(fields: FileFields, block_bytes: u64, list: Place) -> Self {
        let FileFields {
            start,
            size_bytes,
            fragment,
            fragment_offset,
        } = fields;
        let fragment = (fragment != NO_FRAGMENT).then_some((fragment, fragment_offset));
        let whole = size_bytes.checked_div(block_bytes).unwrap_or(0);
        let blocks = match fragment {
            Some(_) => whole,
            None => size_bytes.div_ceil(block_bytes.max(1)),
        };
        Self {
            start,
            size_bytes,
            fragment,
            blocks,
            list,
        }
    }
}
