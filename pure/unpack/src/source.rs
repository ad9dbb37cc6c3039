//! The bytes of an object, wherever they are.

/// Why bytes could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The object is shorter now than it was when the scan began.
    Shrank,
    /// The system refused, in its own words.
    System(String),
}

/// An object's bytes. A file is read with `pread`, a member is a slice or a part of its container.
pub trait Source {
    /// How long it was when the scan began.
    fn size_bytes(&self) -> u64;

    /// All its bytes, where they are at hand.
    fn whole(&self) -> Option<&[u8]> {
        None
    }

    /// Fills as much of `buffer` as the object has from `offset` on; short only at its end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError>;
}

impl Source for [u8] {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn whole(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let tail = self.get(start..).unwrap_or_default();
        let count = tail.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), tail.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

impl Source for &[u8] {
    fn size_bytes(&self) -> u64 {
        (**self).size_bytes()
    }

    fn whole(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        (**self).read_at(offset, buffer)
    }
}

impl Source for Vec<u8> {
    fn size_bytes(&self) -> u64 {
        self.as_slice().size_bytes()
    }

    fn whole(&self) -> Option<&[u8]> {
        Some(self)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.as_slice().read_at(offset, buffer)
    }
}

/// A part of another source: a stored member, an overlay.
pub struct SubSource<'a> {
    parent: &'a dyn Source,
    start: u64,
    size_bytes: u64,
}

impl<'a> SubSource<'a> {
    /// The part from `start`, `size_bytes` long, cut to what the parent has.
    pub fn new(parent: &'a dyn Source, start: u64, size_bytes: u64) -> Self {
        let available = parent.size_bytes().saturating_sub(start);
        Self {
            parent,
            start,
            size_bytes: size_bytes.min(available),
        }
    }
}

impl Source for SubSource<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn whole(&self) -> Option<&[u8]> {
        let start = usize::try_from(self.start).ok()?;
        let end = start.checked_add(usize::try_from(self.size_bytes).ok()?)?;
        self.parent.whole()?.get(start..end)
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let left = usize::try_from(self.size_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = left.min(buffer.len());
        let Some(wanted) = buffer.get_mut(..count) else {
            return Ok(0);
        };
        self.parent
            .read_at(self.start.saturating_add(offset), wanted)
    }
}
