//! An open file as a source of bytes. It is read with `pread` into private memory and never mapped:
//! its owner can change or cut it while we look.

use std::os::fd::OwnedFd;

use unpack::{ReadError, Source};

/// An open file.
pub(crate) struct FileSource<'a> {
    pub(crate) file: &'a OwnedFd,
    pub(crate) size_bytes: u64,
}

impl Source for FileSource<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let left = usize::try_from(self.size_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let Some(room) = buffer.get_mut(..wanted) else {
            return Ok(0);
        };
        let count = kernel::file::read_at(self.file, offset, room)
            .map_err(|error| ReadError::System(error.to_string()))?;
        if count < wanted {
            Err(ReadError::Shrank)
        } else {
            Ok(count)
        }
    }
}
