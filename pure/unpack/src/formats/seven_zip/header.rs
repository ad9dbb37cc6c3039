//! The header of a 7z archive: where packed streams lie, how folders are coded, what the members
//! are called. Every count is held against the bytes that must describe what it counts, and every
//! list against the memory limit, before it is made.

use proto::Budget;

use crate::fields::{u32_le, u64_le};
use crate::members::Stop;

const END: u8 = 0;
pub(crate) const HEADER: u8 = 1;
const ARCHIVE_PROPERTIES: u8 = 2;
const ADDITIONAL_STREAMS: u8 = 3;
const MAIN_STREAMS: u8 = 4;
const FILES: u8 = 5;
const PACKED: u8 = 6;
const UNPACKED: u8 = 7;
const SUBSTREAMS: u8 = 8;
const SIZE: u8 = 9;
const CRC: u8 = 10;
const FOLDER: u8 = 11;
const FOLDER_SIZES: u8 = 12;
const SUBSTREAM_COUNTS: u8 = 13;
const EMPTY_STREAM: u8 = 14;
const EMPTY_FILE: u8 = 15;
const NAMES: u8 = 17;
pub(crate) const ENCODED_HEADER: u8 = 23;

/// The most coders of one folder, as in the reference reader.
const CODERS_MAX: u64 = 32;
const STREAMS_MAX: u64 = 32;
/// The method that encrypts.
pub(crate) const AES: &[u8] = &[6, 0xf1, 7, 1];
const DAMAGED: &str = "7z header is damaged";

/// One step of a folder's decoding.
#[derive(Debug)]
pub(crate) struct Coder<'h> {
    pub(crate) method: &'h [u8],
    pub(crate) properties: &'h [u8],
    /// The first of its inputs, among those of all coders.
    pub(crate) first_input: usize,
    pub(crate) inputs: usize,
    pub(crate) size_bytes: u64,
}

/// Packed streams that are decoded together.
#[derive(Debug, Default)]
pub(crate) struct Folder<'h> {
    pub(crate) coders: Vec<Coder<'h>>,
    /// Inputs that take a coder's output: input, coder.
    pub(crate) bound: Vec<(usize, usize)>,
    /// Inputs that take a packed stream, in the order of these.
    pub(crate) packed: Vec<usize>,
    /// The first of its packed streams.
    pub(crate) first_packed: usize,
    pub(crate) crc: Option<u32>,
    /// How many members it holds, and the first of these.
    pub(crate) substreams: usize,
    pub(crate) first_substream: usize,
}

impl Folder<'_> {
    /// The coder whose output no other takes, and that output's size.
    pub(crate) fn main(&self) -> Option<(usize, u64)> {
        let is_bound = |coder: usize| self.bound.iter().any(|(_, bound)| *bound == coder);
        let main = (0..self.coders.len())
            .rev()
            .find(|coder| !is_bound(*coder))?;
        Some((main, self.coders.get(main)?.size_bytes))
    }

    /// Whether a password guards it.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.coders.iter().any(|coder| coder.method == AES)
    }
}

/// A member's share of its folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Substream {
    pub(crate) size_bytes: u64,
    pub(crate) crc: Option<u32>,
}

/// What is packed where.
#[derive(Debug, Default)]
pub(crate) struct Streams<'h> {
    /// Offset and size of each packed stream, from the end of the start header.
    pub(crate) packed: Vec<(u64, u64)>,
    pub(crate) folders: Vec<Folder<'h>>,
    pub(crate) substreams: Vec<Substream>,
}

/// The members' names and kinds, still as they are stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Files<'h> {
    pub(crate) count: u64,
    names: &'h [u8],
    empty_streams: &'h [u8],
    empty_files: &'h [u8],
}

/// A member, apart from its content.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    pub(crate) has_stream: bool,
    /// Without a stream: whether it is a file all the same, not a directory.
    pub(crate) is_file: bool,
}

impl<'h> Files<'h> {
    /// The members in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = File> + use<'h> {
        let files = *self;
        let (mut names, mut place, mut empty) = (files.names, 0u64, 0u64);
        std::iter::from_fn(move || {
            if place >= files.count {
                return None;
            }
            let has_stream = !bit(files.empty_streams, place);
            let is_file = has_stream || bit(files.empty_files, empty);
            empty = empty.saturating_add(u64::from(!has_stream));
            place = place.saturating_add(1);
            Some(File {
                name: next_name(&mut names),
                has_stream,
                is_file,
            })
        })
    }
}

/// The next name of a list in UTF-16 that zeros end, in UTF-8.
fn next_name(names: &mut &[u8]) -> Vec<u8> {
    let units = names.chunks_exact(2).map(|unit| match unit {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    let mut length = 0usize;
    let mut name = String::new();
    let ended = units.inspect(|_| length = length.saturating_add(2));
    for unit in char::decode_utf16(ended.take_while(|unit| *unit != 0)) {
        name.push(unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    *names = names.get(length..).unwrap_or_default();
    if name.is_empty() {
        name.push_str("(unnamed)");
    }
    name.into_bytes()
}

/// A bit of a vector, most significant first.
fn bit(bits: &[u8], place: u64) -> bool {
    let byte = usize::try_from(place / 8).ok().and_then(|at| bits.get(at));
    let mask = 0x80u8.wrapping_shr(u32::try_from(place % 8).unwrap_or(0));
    byte.is_some_and(|byte| byte & mask != 0)
}

/// Reads a header; what it held in memory is `held` until the caller gives it back.
pub(crate) struct Reader<'h, 'b> {
    rest: &'h [u8],
    budget: &'b mut Budget,
    pub(crate) held: u64,
}

impl<'h, 'b> Reader<'h, 'b> {
    pub(crate) fn new(bytes: &'h [u8], budget: &'b mut Budget) -> Self {
        Self {
            rest: bytes,
            budget,
            held: 0,
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Stop> {
        Ok(self.take(1)?.first().copied().unwrap_or(0))
    }

    /// A whole header after its first byte. What was read before damage counts.
    pub(crate) fn header(&mut self, into: &mut (Streams<'h>, Files<'h>)) -> Result<(), Stop> {
        loop {
            match self.byte()? {
                END => return Ok(()),
                ARCHIVE_PROPERTIES => self.archive_properties()?,
                ADDITIONAL_STREAMS => {
                    return Err(Stop::unsupported("names of members are stored elsewhere"));
                }
                MAIN_STREAMS => self.streams(&mut into.0)?,
                FILES => self.files(&mut into.1)?,
                _ => return Err(Stop::malformed(DAMAGED)),
            }
        }
    }

    /// The packed streams, the folders and their members' sizes.
    pub(crate) fn streams(&mut self, streams: &mut Streams<'h>) -> Result<(), Stop> {
        let mut has_substreams = false;
        loop {
            match self.byte()? {
                END => break,
                PACKED => self.packed(streams)?,
                UNPACKED => self.unpacked(streams)?,
                SUBSTREAMS => {
                    has_substreams = true;
                    self.substreams(streams)?;
                }
                _ => return Err(Stop::malformed(DAMAGED)),
            }
        }
        if !has_substreams {
            for folder in &mut streams.folders {
                folder.first_substream = streams.substreams.len();
                folder.substreams = 1;
                streams.substreams.push(Substream {
                    size_bytes: folder.main().map_or(0, |(_, size)| size),
                    crc: folder.crc,
                });
            }
        }
        Ok(())
    }

    fn archive_properties(&mut self) -> Result<(), Stop> {
        while self.byte()? != END {
            let size = self.number()?;
            self.take(usize::try_from(size).unwrap_or(usize::MAX))?;
        }
        Ok(())
    }

    fn packed(&mut self, streams: &mut Streams<'h>) -> Result<(), Stop> {
        let mut offset = self.number()?;
        let count = self.count()?;
        let mut sizes = self.list(count)?;
        loop {
            match self.byte()? {
                END => break,
                SIZE => {
                    for _ in 0..count {
                        let size = self.number()?;
                        sizes.push((offset, size));
                        offset = offset.saturating_add(size);
                    }
                }
                CRC => {
                    self.digests(count)?;
                }
                _ => return Err(Stop::malformed(DAMAGED)),
            }
            if sizes.len() > count {
                return Err(Stop::malformed(DAMAGED));
            }
        }
        streams.packed = sizes;
        Ok(())
    }

    fn unpacked(&mut self, streams: &mut Streams<'h>) -> Result<(), Stop> {
        self.expect(FOLDER)?;
        let count = self.count()?;
        self.not_external()?;
        let mut folders = self.list(count)?;
        let mut first_packed = 0usize;
        for _ in 0..count {
            let folder = self.folder(first_packed)?;
            first_packed = first_packed.saturating_add(folder.packed.len());
            folders.push(folder);
        }
        self.expect(FOLDER_SIZES)?;
        for folder in &mut folders {
            for coder in &mut folder.coders {
                coder.size_bytes = self.number()?;
            }
        }
        loop {
            match self.byte()? {
                END => break,
                CRC => {
                    for (folder, crc) in folders.iter_mut().zip(self.digests(count)?) {
                        folder.crc = crc;
                    }
                }
                _ => return Err(Stop::malformed(DAMAGED)),
            }
        }
        streams.folders = folders;
        Ok(())
    }

    fn folder(&mut self, first_packed: usize) -> Result<Folder<'h>, Stop> {
        let count = self.number()?;
        if count == 0 || count > CODERS_MAX {
            return Err(Stop::malformed(DAMAGED));
        }
        let mut folder = Folder {
            first_packed,
            ..Folder::default()
        };
        let mut inputs = 0usize;
        for _ in 0..count {
            let coder = self.coder(inputs)?;
            inputs = inputs.saturating_add(coder.inputs);
            self.hold(size_of::<Coder<'_>>().saturating_add(64))?;
            folder.coders.push(coder);
        }
        if inputs as u64 > STREAMS_MAX {
            return Err(Stop::malformed(DAMAGED));
        }
        for _ in 1..count {
            let (input, coder) = (self.number()?, self.number()?);
            if input >= inputs as u64 || coder >= count {
                return Err(Stop::malformed(DAMAGED));
            }
            let index = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            folder.bound.push((index(input), index(coder)));
        }
        let is_bound = |input: usize| folder.bound.iter().any(|(bound, _)| *bound == input);
        let free: Vec<usize> = (0..inputs).filter(|input| !is_bound(*input)).collect();
        folder.packed = match free.len() {
            0 => return Err(Stop::malformed(DAMAGED)),
            1 => free,
            count => {
                let mut packed = Vec::new();
                for _ in 0..count {
                    packed.push(usize::try_from(self.number()?).unwrap_or(usize::MAX));
                }
                packed
            }
        };
        Ok(folder)
    }

    fn coder(&mut self, first_input: usize) -> Result<Coder<'h>, Stop> {
        let flags = self.byte()?;
        if flags & 0xc0 != 0 {
            return Err(Stop::unsupported("7z coder has unknown flags"));
        }
        let method = self.take(usize::from(flags & 15))?;
        let (inputs, outputs) = match flags & 0x10 {
            0 => (1, 1),
            _ => (self.number()?, self.number()?),
        };
        if inputs > STREAMS_MAX || outputs != 1 {
            return Err(Stop::unsupported("7z coder has several outputs"));
        }
        let properties = match flags & 0x20 {
            0 => &[],
            _ => {
                let size = self.number()?;
                self.take(usize::try_from(size).unwrap_or(usize::MAX))?
            }
        };
        Ok(Coder {
            method,
            properties,
            first_input,
            inputs: usize::try_from(inputs).unwrap_or(0),
            size_bytes: 0,
        })
    }

    fn substreams(&mut self, streams: &mut Streams<'h>) -> Result<(), Stop> {
        let mut kind = self.byte()?;
        for folder in &mut streams.folders {
            folder.substreams = 1;
        }
        if kind == SUBSTREAM_COUNTS {
            for folder in &mut streams.folders {
                folder.substreams = self.count_of_sizes()?;
            }
            kind = self.byte()?;
        }
        let total = streams.folders.iter().fold(0usize, |total, folder| {
            total.saturating_add(folder.substreams)
        });
        // All sizes but a folder's last are there.
        let most = self.rest.len().saturating_add(streams.folders.len());
        if total > most {
            return Err(Stop::malformed(DAMAGED));
        }
        self.hold(total.saturating_mul(size_of::<Substream>()))?;
        let mut all = Vec::new();
        for folder in &mut streams.folders {
            folder.first_substream = all.len();
            let mut left = folder.main().map_or(0, |(_, size)| size);
            for place in 0..folder.substreams {
                let is_last = place.saturating_add(1) == folder.substreams;
                let size_bytes = match kind == SIZE && !is_last {
                    true => self.number()?,
                    false => left,
                };
                left = left.saturating_sub(size_bytes);
                let crc = folder.crc.filter(|_| folder.substreams == 1);
                all.push(Substream { size_bytes, crc });
            }
        }
        if kind == SIZE {
            kind = self.byte()?;
        }
        streams.substreams = all;
        while kind != END {
            if kind != CRC {
                return Err(Stop::malformed(DAMAGED));
            }
            self.substream_digests(streams)?;
            kind = self.byte()?;
        }
        Ok(())
    }

    /// Checksums of those members that are not a whole folder with one.
    fn substream_digests(&mut self, streams: &mut Streams<'h>) -> Result<(), Stop> {
        let is_known = |folder: &Folder<'_>| folder.substreams == 1 && folder.crc.is_some();
        let count = streams
            .folders
            .iter()
            .filter(|folder| !is_known(folder))
            .fold(0usize, |sum, folder| sum.saturating_add(folder.substreams));
        let mut digests = self.digests(count)?.into_iter();
        for folder in streams.folders.iter().filter(|folder| !is_known(folder)) {
            let end = folder.first_substream.saturating_add(folder.substreams);
            let own = streams.substreams.get_mut(folder.first_substream..end);
            for substream in own.unwrap_or_default() {
                substream.crc = digests.next().flatten();
            }
        }
        Ok(())
    }

    fn files(&mut self, files: &mut Files<'h>) -> Result<(), Stop> {
        files.count = self.number()?;
        // Without a name a member costs nothing here: the receiver counts them.
        if files.count > self.rest.len() as u64 {
            files.count = 0;
            return Err(Stop::malformed(DAMAGED));
        }
        loop {
            let kind = self.byte()?;
            if kind == END {
                return Ok(());
            }
            let size = usize::try_from(self.number()?).unwrap_or(usize::MAX);
            let body = self.take(size)?;
            match kind {
                EMPTY_STREAM => files.empty_streams = body,
                EMPTY_FILE => files.empty_files = body,
                NAMES => match body.split_first() {
                    Some((0, names)) => files.names = names,
                    _ => return Err(Stop::unsupported("names of members are stored elsewhere")),
                },
                _ => {}
            }
        }
    }

    /// Checksums, of which some may be missing.
    fn digests(&mut self, count: usize) -> Result<Vec<Option<u32>>, Stop> {
        let all = self.byte()? != 0;
        let defined = match all {
            true => &[],
            false => self.take(count.div_ceil(8))?,
        };
        let most = self.rest.len().saturating_div(4);
        let there = match all {
            true => count,
            false => defined.iter().fold(0usize, |sum, byte| {
                sum.saturating_add(usize::try_from(byte.count_ones()).unwrap_or(0))
            }),
        };
        if there > most.saturating_add(8) {
            return Err(Stop::malformed(DAMAGED));
        }
        let mut digests = self.list(count)?;
        for place in 0..count {
            let is_there = all || bit(defined, place as u64);
            digests.push(match is_there {
                true => u32_le(self.take(4)?, 0),
                false => None,
            });
        }
        Ok(digests)
    }

    fn expect(&mut self, kind: u8) -> Result<(), Stop> {
        match self.byte()? == kind {
            true => Ok(()),
            false => Err(Stop::malformed(DAMAGED)),
        }
    }

    fn not_external(&mut self) -> Result<(), Stop> {
        match self.byte()? {
            0 => Ok(()),
            _ => Err(Stop::unsupported("folders are described elsewhere")),
        }
    }

    /// A count of things of which each takes a byte at least.
    fn count(&mut self) -> Result<usize, Stop> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        match count <= self.rest.len() {
            true => Ok(count),
            false => Err(Stop::malformed(DAMAGED)),
        }
    }

    /// The same of things of which the last takes none.
    fn count_of_sizes(&mut self) -> Result<usize, Stop> {
        let count = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        match count <= self.rest.len().saturating_add(1) {
            true => Ok(count),
            false => Err(Stop::malformed(DAMAGED)),
        }
    }

    fn list<T>(&mut self, count: usize) -> Result<Vec<T>, Stop> {
        self.hold(count.saturating_mul(size_of::<T>()))?;
        Ok(Vec::with_capacity(count))
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Stop> {
        self.budget.hold_memory(bytes as u64)?;
        self.held = self.held.saturating_add(bytes as u64);
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'h [u8], Stop> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Stop::malformed(DAMAGED))?;
        self.rest = rest;
        Ok(taken)
    }

    /// A number whose first byte's leading ones say how many bytes follow.
    fn number(&mut self) -> Result<u64, Stop> {
        let first = self.byte()?;
        let follow = usize::try_from(first.leading_ones()).unwrap_or(8);
        let low = self.take(follow)?;
        let mut wide = [0u8; 8];
        for (to, from) in wide.iter_mut().zip(low) {
            *to = *from;
        }
        let value = u64_le(&wide, 0).unwrap_or(0);
        if follow >= 7 {
            return Ok(value);
        }
        let mask = 0x7fu8.wrapping_shr(u32::try_from(follow).unwrap_or(0));
        let shift = u32::try_from(follow).unwrap_or(0).wrapping_mul(8);
        Ok(value | u64::from(first & mask).wrapping_shl(shift))
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    #[test]
    fn numbers_are_as_long_as_their_first_byte_says() {
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        for (bytes, number) in [
            (&b"\x7f"[..], 0x7f),
            (b"\x80\x80", 0x80),
            (b"\x9f\x12", 0x1f12),
            (b"\xc1\x34\x12", 0x1_1234),
            (b"\xfe\x01\x02\x03\x04\x05\x06\x07", 0x7_0605_0403_0201),
            (
                b"\xff\x01\x02\x03\x04\x05\x06\x07\x08",
                0x0807_0605_0403_0201,
            ),
        ] {
            let mut reader = Reader::new(bytes, &mut budget);
            assert_eq!(reader.number().ok(), Some(number), "{bytes:?}");
            assert!(reader.rest.is_empty());
        }
    }

    #[test]
    fn names_end_at_zeros_and_may_be_missing() {
        let files = Files {
            count: 3,
            names: b"a\0\xfc\0\0\0b\0\0\0",
            empty_streams: &[0x40],
            empty_files: &[0x80],
        };
        let files: Vec<File> = files.iter().collect();
        assert_eq!(files[0].name, "aü".as_bytes());
        assert_eq!(files[1].name, b"b");
        assert_eq!(files[2].name, b"(unnamed)");
        assert!(files[0].has_stream && !files[1].has_stream && files[1].is_file);
    }
}
