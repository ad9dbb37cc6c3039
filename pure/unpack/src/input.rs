//! The compressed side of a decoder: a part of a source, read forward through one buffer that
//! stays small until the decoder proves that it wants more.

use std::borrow::Cow;
use std::io;

use crate::{ReadError, Source};

const CHUNK_BYTES_MIN: usize = 4 << 10;
const CHUNK_BYTES_MAX: usize = 64 << 10;

/// Reads a part of a source from its first byte to its last.
pub(crate) struct Input<'a> {
    source: &'a dyn Source,
    begin: u64,
    end: u64,
    /// The offset of the byte after the buffer's last.
    next: u64,
    buffer: Vec<u8>,
    start: usize,
    chunk_bytes: usize,
}

impl<'a> Input<'a> {
    /// The part from `offset`, `size_bytes` long, cut to what the source has.
    pub(crate) fn new(source: &'a dyn Source, offset: u64, size_bytes: u64) -> Self {
        let end = offset.saturating_add(size_bytes).min(source.size_bytes());
        Self {
            source,
            begin: offset,
            end: end.max(offset),
            next: offset,
            buffer: Vec::new(),
            start: 0,
            chunk_bytes: CHUNK_BYTES_MIN,
        }
    }

    /// The whole source.
    pub(crate) fn whole(source: &'a dyn Source) -> Self {
        Self::new(source, 0, source.size_bytes())
    }

    /// Where the next byte lies in the source.
    pub(crate) fn offset(&self) -> u64 {
        self.next.saturating_sub(self.buffered().len() as u64)
    }

    /// Bytes taken so far.
    pub(crate) fn consumed(&self) -> u64 {
        self.offset().saturating_sub(self.begin)
    }

    /// Bytes that are left.
    pub(crate) fn left(&self) -> u64 {
        self.end.saturating_sub(self.offset())
    }

    /// Some of the next bytes; none at the end.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ReadError> {
        self.at_least(1)
    }

    /// At least `count` of the next bytes, fewer only at the end.
    pub(crate) fn at_least(&mut self, count: usize) -> Result<&[u8], ReadError> {
        if self.buffered().len() < count {
            self.refill(count)?;
        }
        Ok(self.buffered())
    }

    /// The next byte, if there is one.
    pub(crate) fn byte(&mut self) -> Result<Option<u8>, ReadError> {
        let byte = match self.buffer.get(self.start) {
            Some(byte) => Some(*byte),
            None => self.peek()?.first().copied(),
        };
        if byte.is_some() {
            self.start = self.start.saturating_add(1);
        }
        Ok(byte)
    }

    /// Passes over bytes that [`Input::peek`] showed.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
    }

    /// Goes to an offset of the source, forward or back, within the part.
    pub(crate) fn seek(&mut self, offset: u64) {
        let offset = offset.clamp(self.begin, self.end);
        let base = self.next.saturating_sub(self.buffer.len() as u64);
        match offset
            .checked_sub(base)
            .and_then(|ahead| usize::try_from(ahead).ok())
        {
            Some(ahead) if ahead <= self.buffer.len() => self.start = ahead,
            _ => {
                self.buffer.clear();
                self.start = 0;
                self.next = offset;
            }
        }
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn refill(&mut self, count: usize) -> Result<(), ReadError> {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.start = 0;
        let kept = self.buffer.len();
        let wanted = count.max(self.chunk_bytes).saturating_sub(kept);
        let left = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        self.buffer.resize(kept.saturating_add(wanted.min(left)), 0);
        let room = self.buffer.get_mut(kept..).unwrap_or_default();
        let read = match room.is_empty() {
            true => 0,
            false => self.source.read_at(self.next, room)?,
        };
        self.buffer.truncate(kept.saturating_add(read));
        self.next = self.next.saturating_add(read as u64);
        self.chunk_bytes = self.chunk_bytes.saturating_mul(2).min(CHUNK_BYTES_MAX);
        Ok(())
    }
}

impl io::Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.peek().map_err(|error| match error {
            ReadError::Shrank => io::Error::other("the file became shorter while it was read"),
            ReadError::System(words) => io::Error::other(words),
        })?;
        let count = bytes.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), bytes.get(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

/// A part of a source, cut to what the source has: where it lies, or a copy where it lies nowhere
/// that can be pointed at.
pub(crate) fn part_of(
    source: &dyn Source,
    offset: u64,
    count: usize,
) -> Result<Cow<'_, [u8]>, ReadError> {
    if let Some(whole) = source.whole() {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = whole.get(start..).unwrap_or_default();
        return Ok(rest.get(..count).unwrap_or(rest).into());
    }
    read_part(source, offset, count).map(Cow::Owned)
}

/// Reads up to `count` bytes at `offset`, fewer at the end.
pub(crate) fn read_part(
    source: &dyn Source,
    offset: u64,
    count: usize,
) -> Result<Vec<u8>, ReadError> {
    let left = source.size_bytes().saturating_sub(offset);
    let count = count.min(usize::try_from(left).unwrap_or(usize::MAX));
    let mut bytes = vec![0; count];
    if count > 0 {
        let read = source.read_at(offset, &mut bytes)?;
        bytes.truncate(read);
    }
    Ok(bytes)
}
