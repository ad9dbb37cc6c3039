//! The compiled pack: one file of little-endian tables that are read in place.
//!
//! ```text
//! header    magic "CANDORPK", version u32, section count u32, file length u64, zeros to 64 bytes
//! sections  for each: id u32, zero u32, offset u64, length u64
//! …         the sections, each at a multiple of 64 bytes, in the order of their ids
//! ```
//!
//! Opening checks the header and that every section lies inside the file; nothing is copied, and
//! nothing is read before it is needed. Every index found in a table is checked when it is used:
//! a damaged or hostile pack gives an error or a missed match, and nothing worse.

mod hash_rows;
mod hashes;
mod logicals;
mod origins;
mod placed;
mod read;
mod search;
mod stems;
mod write;
mod yara;

pub use hashes::{HashRole, HashTable};
pub use logicals::LogicalEntry;
pub use placed::PlacedAnchor;
pub use read::{BodyRule, Pack, PackError, PartRecord, RuleId, RuleRecord};
pub use search::{Block, Buffers, Found, Group, SearchTable, small_search};
pub use yara::YaraSource;

pub(crate) use hash_rows::{HashKey, HashRows};
pub(crate) use hashes::{Origin, STORED};
pub(crate) use logicals::LogicalRows;
pub(crate) use placed::PlacedRows;
pub(crate) use search::{SearchRows, write_section as write_search};
pub(crate) use write::{Arena, write_image};
pub(crate) use yara::{YaraPlace, YaraTables};

/// The layout's version; a pack of another version is refused.
pub const VERSION: u32 = 4;

pub(crate) const MAGIC: &[u8; 8] = b"CANDORPK";
pub(crate) const HEADER_BYTES: usize = 64;
pub(crate) const SECTION_RECORD_BYTES: usize = 24;
pub(crate) const ALIGNMENT: usize = 64;

/// The sections, by the id that the file has for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum SectionId {
    /// Counts: signatures u64, dropped lines u64, longest part u32, zero u32.
    Info = 1,
    /// Source labels: offset u32 into the texts.
    Sources = 2,
    /// What became of each source's lines: see `report`.
    Report = 3,
    /// Rules but those with digests: name u32, text u32, line u32, source u16, kind u8, flags u8.
    Rules = 4,
    /// Names: length u16, bytes.
    Names = 5,
    /// Texts: length u32, bytes.
    Texts = 6,
    /// Hash tables: see `hashes`.
    Hashes = 7,
    /// Body rules: rule u32, target u8, anchor u8, section u16, distance i64, shift u32,
    /// first part u32, parts u32, logical rule u32 (all bits set: none).
    Bodies = 8,
    /// Parts: body u32, least gap u32, most gap u32, program u32, program's length u32.
    Parts = 9,
    /// Programs: see [`crate::body::Program`].
    Programs = 10,
    /// Search tables: see `search`.
    Search = 11,
    /// Dropped lines: source u16, zero u16, line u32, reason u32 into the texts.
    Dropped = 12,
    /// Passwords of archives: length u16, bytes.
    Passwords = 13,
    /// YARA rules: see `yara`.
    Yara = 14,
    /// Logical rules: see `logicals`.
    Logicals = 15,
    /// Logical rules without an anchor, in the order of their groups: group u8, zero u24, logical
    /// rule u32.
    Unanchored = 16,
    /// Rules about what containers say of their members: see `metadata`.
    Metadata = 17,
    /// Anchors at one place: see `placed`.
    Placed = 18,
    /// Blocked certificates: see `certificates`.
    Certificates = 19,
}

impl SectionId {
    pub(crate) const COUNT: usize = 19;
}

pub(crate) const RULE_BYTES: usize = 16;
pub(crate) const BODY_BYTES: usize = 32;
pub(crate) const PART_BYTES: usize = 20;
/// The logical rule of a body that fires by itself.
pub(crate) const NO_LOGICAL: u32 = u32::MAX;
pub(crate) const DROPPED_BYTES: usize = 12;

/// A rule's text is that of the YARA rule with this number.
pub(crate) const RULE_TEXT_IN_YARA: u8 = 2;

pub(crate) fn le_u16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

pub(crate) fn le_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

pub(crate) fn le_u64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u64::from_le_bytes)
}

/// The record with this number in a table of records of one size.
pub(crate) fn record(table: &[u8], index: u32, size_bytes: usize) -> Option<&[u8]> {
    let start = usize::try_from(index).ok()?.checked_mul(size_bytes)?;
    table.get(start..start.checked_add(size_bytes)?)
}
