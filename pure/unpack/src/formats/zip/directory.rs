//! The central directory: where it is, whatever a prefix or a lie did to the offsets, and its
//! entries one at a time, however many it claims.

use crate::formats::zip::records::{CENTRAL, CENTRAL_BYTES, END_BYTES, End, Entry, end_places};
use crate::input::{Input, part_of};
use crate::members::Stop;
use crate::{ReadError, Source};

/// The end record and the longest comment, and as much again as trailing bytes.
pub(crate) const TAIL_BYTES: usize = 66 << 10;
/// The longest central header.
const CENTRAL_BYTES_MAX: usize = CENTRAL_BYTES + 3 * 0xffff;

/// A central directory that was found.
pub(crate) struct Directory {
    pub(crate) begin: u64,
    pub(crate) end: End,
    /// What offsets in it must be moved by, wrapping: forward past a prefix that they don't know
    /// of, or back where they count from before the archive.
    pub(crate) shift: u64,
}

/// The directories of an archive.
#[derive(Default)]
pub(crate) struct Located {
    pub(crate) directories: Vec<Directory>,
    /// There were more end records than are read, so that there may be more directories.
    pub(crate) is_cut: bool,
}

/// End records that are read, of those whose comment ends with the file and of the others.
const ENDS_MAX: usize = 64;

/// Finds the central directory by its end record: the last that leads to one with entries, else
/// the last that leads to an empty one. Readers differ in which record they believe: one whose
/// comment ends exactly where the file ends counts too. Where a record leads to two places, both
/// are given.
pub(crate) fn locate(source: &dyn Source) -> Result<Located, ReadError> {
    let size = source.size_bytes();
    let tail_offset = size.saturating_sub(TAIL_BYTES as u64);
    let tail = part_of(source, tail_offset, TAIL_BYTES)?;
    locate_in(source, &tail, tail_offset)
}

/// The same, with the tail at hand.
pub(crate) fn locate_in(
    source: &dyn Source,
    tail: &[u8],
    tail_offset: u64,
) -> Result<Located, ReadError> {
    let mut located = Located::default();
    let mut empty = Vec::new();
    let mut tried = [0usize; 2];
    for at in end_places(tail) {
        let Some(end) = End::parse(tail, at, tail_offset) else {
            continue;
        };
        let is_exact = end.archive_end == source.size_bytes();
        if !located.directories.is_empty() && !is_exact {
            continue;
        }
        let [others, exact] = &mut tried;
        let tries = if is_exact { exact } else { others };
        *tries = tries.saturating_add(1);
        if *tries > ENDS_MAX {
            located.is_cut = true;
            continue;
        }
        let end = end.widened(source)?;
        let found = at_end(source, end)?;
        match found.first() {
            Some(first) if first.begin < end.offset => located.add(found),
            Some(_) if empty.is_empty() => empty = found,
            _ => {}
        }
    }
    if located.directories.is_empty() {
        located.directories = empty;
    }
    Ok(located)
}

impl Located {
    fn add(&mut self, found: Vec<Directory>) {
        for directory in found {
            let is_known = self
                .directories
                .iter()
                .any(|known| known.begin == directory.begin);
            if !is_known {
                self.directories.push(directory);
            }
        }
    }
}

/// The directories that an end record leads to.
pub(crate) fn at_end(source: &dyn Source, end: End) -> Result<Vec<Directory>, ReadError> {
    if end.entries == 0 && end.directory_bytes == 0 {
        let shift = end.offset.wrapping_sub(end.directory_offset);
        let begin = end.offset;
        return Ok(vec![Directory { begin, end, shift }]);
    }
    // Some programs look right before the end record, some where it says.
    let adjacent = end.offset.checked_sub(end.directory_bytes);
    let stated = Some(end.directory_offset).filter(|begin| Some(*begin) != adjacent);
    let mut found = Vec::new();
    for begin in [adjacent, stated].into_iter().flatten() {
        if begin < end.offset && *part_of(source, begin, CENTRAL.len())? == *CENTRAL {
            let shift = begin.wrapping_sub(end.directory_offset);
            found.push(Directory { begin, end, shift });
        }
    }
    Ok(found)
}

/// Reads the entries of a directory.
pub(crate) struct Entries<'a> {
    input: Input<'a>,
    seen: u64,
    claimed: u64,
}

impl<'a> Entries<'a> {
    pub(crate) fn new(source: &'a dyn Source, directory: &Directory) -> Self {
        let size = directory.end.offset.saturating_sub(directory.begin);
        Self {
            input: Input::new(source, directory.begin, size),
            seen: 0,
            claimed: directory.end.entries,
        }
    }

    /// Where the next entry is.
    pub(crate) fn offset(&self) -> u64 {
        self.input.offset()
    }

    /// The next entry, as long as there are headers; the claimed count is only compared.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Stop> {
        if !self.input.at_least(CENTRAL.len())?.starts_with(CENTRAL) {
            // Counts of old archives with many members are cut to sixteen bits.
            let matches = self.seen == self.claimed || self.seen & 0xffff == self.claimed;
            return match matches {
                true => Ok(None),
                false if self.seen < self.claimed => {
                    Err(Stop::malformed("central directory ends early"))
                }
                false => Err(Stop::malformed(
                    "central directory has more members than it says",
                )),
            };
        }
        let parsed = match Entry::central(self.input.at_least(CENTRAL_BYTES)?) {
            // Names and fields make it longer than the fixed part.
            None => Entry::central(self.input.at_least(CENTRAL_BYTES_MAX)?),
            parsed => parsed,
        };
        let (entry, length) = parsed.ok_or(Stop::malformed("central directory ends early"))?;
        let next = self.input.offset().saturating_add(length as u64);
        match length <= self.input.at_least(length)?.len() {
            true => self.input.consume(length),
            false => self.input.seek(next),
        }
        self.seen = self.seen.saturating_add(1);
        Ok(Some(entry))
    }
}

/// Whether an end record in the tail leads to a directory, or is one of an empty archive.
pub(crate) fn is_plausible(source: &dyn Source, tail: &[u8], size_bytes: u64) -> bool {
    let tail_offset = size_bytes.saturating_sub(tail.len() as u64);
    let found = locate_in(source, tail, tail_offset).unwrap_or_default();
    found.is_cut
        || found
            .directories
            .iter()
            .any(|found| found.begin < found.end.offset || size_bytes == END_BYTES as u64)
}
