//! The part of an object that is in memory, seen by absolute position.

/// Some bytes of an object, and where they are from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    /// The bytes.
    pub(crate) bytes: &'a [u8],
    /// Where the first of them is in the object.
    pub(crate) base: u64,
    /// How long the object is.
    pub(crate) total: u64,
}

impl<'a> Window<'a> {
    /// The bytes from one position to another, if they are in the window.
    pub(crate) fn range(&self, from: u64, to: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(from.checked_sub(self.base)?).ok()?;
        let end = usize::try_from(to.checked_sub(self.base)?).ok()?;
        self.bytes.get(start..end)
    }

    /// Where its last byte ends.
    pub(crate) fn end(&self) -> u64 {
        self.base.saturating_add(self.bytes.len() as u64)
    }

    /// The byte at a position, if it is in the window.
    pub(crate) fn byte(&self, at: u64) -> Option<u8> {
        let index = usize::try_from(at.checked_sub(self.base)?).ok()?;
        self.bytes.get(index).copied()
    }
}
