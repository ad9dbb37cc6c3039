//! A file mapped for reading. For files of ours that nobody changes any more: rule packs.
//!
//! Refuses to map for writing. Scanned files are never mapped: whoever holds one open could cut
//! it short and kill the reader.

use std::io;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file's bytes, as long as it lives.
#[derive(Debug)]
pub struct Map {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is read-only and belongs to nobody else; reading it needs no lock.
unsafe impl Send for Map {}
// SAFETY: as above, shared reads of memory that nobody writes do not race.
unsafe impl Sync for Map {}

impl Map {
    /// Maps a whole file. The caller vouches that it stays as it is: a rule pack is written once,
    /// under a temporary name or into sealed memory, and then only read or replaced by rename.
    pub fn read_only(file: impl AsFd) -> io::Result<Self> {
        let file = file.as_fd();
        let stat = rustix::fs::fstat(file)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "only a regular file can be mapped",
            ));
        }
        let length = usize::try_from(stat.st_size)
            .map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        if length == 0 {
            // The kernel maps no empty range.
            let start = NonNull::dangling();
            return Ok(Self { start, length });
        }
        // Shared, not private: a descriptor that can't write then can't be made writable later.
        let flags = MapFlags::SHARED;
        // SAFETY: the kernel chooses a range that is free; no address of ours is replaced.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ,
                flags,
                file,
                0,
            )
        }?;
        let start = NonNull::new(start.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped the file at no address"))?;
        Ok(Self { start, length })
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `read_only` mapped `length` bytes at `start`, or the length is zero and the
        // pointer dangles as an empty slice may; they stay mapped until `drop`, and the caller of
        // `read_only` vouches that nobody writes them.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if self.length > 0 {
            // SAFETY: the range came from mmap with this length and no slice outlives `self`.
            let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
            debug_assert!(unmapped.is_ok());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::file::memory_file;

    #[test]
    fn a_map_reads_what_the_file_holds() {
        let mut file = std::fs::File::from(memory_file("pack").unwrap());
        file.write_all(b"some bytes").unwrap();
        let map = Map::read_only(&file).unwrap();
        drop(file);
        assert_eq!(&*map, b"some bytes");
    }

    #[test]
    fn an_empty_file_is_an_empty_map() {
        let map = Map::read_only(memory_file("pack").unwrap()).unwrap();
        assert!(map.is_empty());
    }

    #[test]
    fn only_regular_files_are_mapped() {
        assert!(Map::read_only(std::fs::File::open("/dev/null").unwrap()).is_err());
        assert!(Map::read_only(std::fs::File::open("/").unwrap()).is_err());
    }
}
