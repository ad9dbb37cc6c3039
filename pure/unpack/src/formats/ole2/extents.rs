//! A stream as the parts of the file that hold it, in order. Parts that lie side by side are one,
//! so that a stream which is not scattered costs nothing and is handed over where it lies.

use proto::{Budget, Reason};

use crate::{ReadError, Source};

/// What one part costs, with the room that a growing list keeps.
const PART_BYTES: u64 = 48;

/// Parts of a source, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Extents {
    parts: Vec<Part>,
    size_bytes: u64,
    held: u64,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    /// Where it begins in the stream.
    begin: u64,
    /// Where it begins in the source.
    offset: u64,
    size_bytes: u64,
}

impl Extents {
    /// How long the stream is.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Appends a part of the source.
    pub(crate) fn push(
        &mut self,
        offset: u64,
        size_bytes: u64,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        if size_bytes == 0 {
            return Ok(());
        }
        let begin = self.size_bytes;
        self.size_bytes = begin.saturating_add(size_bytes);
        if let Some(last) = self.parts.last_mut()
            && last.offset.saturating_add(last.size_bytes) == offset
        {
            last.size_bytes = last.size_bytes.saturating_add(size_bytes);
            return Ok(());
        }
        budget.hold_memory(PART_BYTES)?;
        self.held = self.held.saturating_add(PART_BYTES);
        self.parts.push(Part {
            begin,
            offset,
            size_bytes,
        });
        Ok(())
    }

    /// Where in the source the stream's byte at `at` lies, and how many follow it there.
    pub(crate) fn place(&self, at: u64) -> Option<(u64, u64)> {
        let after = self.parts.partition_point(|part| part.begin <= at);
        let part = self.parts.get(after.checked_sub(1)?)?;
        let inside = at.checked_sub(part.begin)?;
        let left = part.size_bytes.checked_sub(inside)?;
        (left > 0).then_some((part.offset.saturating_add(inside), left))
    }

    /// Where a range of the stream lies in the source, if it is all in one place.
    pub(crate) fn contiguous(&self, at: u64, size_bytes: u64) -> Option<u64> {
        let (offset, left) = self.place(at)?;
        (left >= size_bytes).then_some(offset)
    }

    /// Gives the memory back.
    pub(crate) fn release(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }
}

/// A stream that can be read.
pub(crate) struct Stream<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) extents: &'a Extents,
}

impl Source for Stream<'_> {
    fn size_bytes(&self) -> u64 {
        self.extents.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let mut filled = 0usize;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            let at = offset.saturating_add(filled as u64);
            let Some((place, left)) = self.extents.place(at) else {
                break;
            };
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(room.len());
            let Some(wanted) = room.get_mut(..count) else {
                break;
            };
            let read = self.source.read_at(place, wanted)?;
            filled = filled.saturating_add(read);
            if read < count {
                break;
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    #[test]
    fn parts_side_by_side_are_one_and_scattered_ones_read_in_order() {
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let mut extents = Extents::default();
        for (offset, size) in [(4, 2), (6, 2), (0, 2), (9, 1)] {
            extents.push(offset, size, &mut budget).expect("memory");
        }
        assert_eq!(extents.parts.len(), 3);
        assert_eq!(extents.contiguous(1, 3), Some(5));
        assert_eq!(extents.contiguous(3, 2), None);
        let source: &[u8] = b"0123456789";
        let stream = Stream {
            source: &source,
            extents: &extents,
        };
        let mut bytes = [0; 16];
        assert_eq!(stream.read_at(1, &mut bytes), Ok(6));
        assert_eq!(&bytes[..6], b"567019");
        extents.release(&mut budget);
        assert_eq!(budget.memory_left(), Limits::default().memory_bytes_max);
    }
}
