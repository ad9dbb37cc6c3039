//! Copies a file byte for byte, holes as holes, so that a few bytes on disk stay a few bytes.
//! Reads by descriptor; who calls checks afterwards that the file did not change meanwhile.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::SeekFrom;
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::digest::Sha256Bytes;

const WINDOW_BYTES: usize = 256 * 1024;
/// Holes cost time to digest, and no room: a file that claims exabytes of them is not digested.
const HOLE_BYTES_MAX: u64 = 64 << 30;

/// Bytes that are really there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    end: u64,
}

/// Copies a file of this size into an empty one. Answers the digest, unless its holes are too long
/// for that.
pub(crate) fn copy(
    from: impl AsFd,
    to: impl AsFd,
    size_bytes: u64,
) -> io::Result<Option<Sha256Bytes>> {
    let mut copying = Copying {
        from: from.as_fd(),
        to: to.as_fd(),
        sha256: Sha256::new(),
        window: vec![0; WINDOW_BYTES],
        hole_bytes: 0,
    };
    let mut done = 0;
    while let Some(extent) = next_extent(copying.from, done, size_bytes)? {
        copying.hole(extent.start.saturating_sub(done));
        copying.extent(extent)?;
        done = extent.end;
    }
    copying.hole(size_bytes.saturating_sub(done));
    rustix::fs::ftruncate(copying.to, size_bytes)?;
    let is_digested = copying.hole_bytes <= HOLE_BYTES_MAX;
    Ok(is_digested.then(|| copying.sha256.finalize().into()))
}

/// The first extent from this place on. Where a file system knows no holes all is one extent.
fn next_extent(file: BorrowedFd<'_>, from: u64, size_bytes: u64) -> io::Result<Option<Extent>> {
    if from >= size_bytes {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(from)) {
        Ok(start) => start.max(from),
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => from,
        Err(error) => return Err(error.into()),
    };
    if start >= size_bytes {
        return Ok(None);
    }
    let end = match rustix::fs::seek(file, SeekFrom::Hole(start)) {
        Ok(end) if end > start => end.min(size_bytes),
        Ok(_) | Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NXIO) => size_bytes,
        Err(error) => return Err(error.into()),
    };
    Ok(Some(Extent { start, end }))
}

struct Copying<'a> {
    from: BorrowedFd<'a>,
    to: BorrowedFd<'a>,
    sha256: Sha256,
    window: Vec<u8>,
    hole_bytes: u64,
}

impl Copying<'_> {
    fn extent(&mut self, extent: Extent) -> io::Result<()> {
        let mut at = extent.start;
        while at < extent.end {
            let wanted = window_bytes(extent.end.saturating_sub(at));
            let window = self.window.get_mut(..wanted).unwrap_or_default();
            let count = kernel::file::read_at(self.from, at, window)?;
            if count == 0 {
                return Err(io::Error::other("it became shorter while it was copied"));
            }
            let bytes = window.get(..count).unwrap_or_default();
            self.sha256.update(bytes);
            kernel::file::write_all_at(self.to, at, bytes)?;
            at = at.saturating_add(count as u64);
        }
        Ok(())
    }

    /// A hole reads as zeros.
    fn hole(&mut self, length: u64) {
        self.hole_bytes = self.hole_bytes.saturating_add(length);
        if length == 0 || self.hole_bytes > HOLE_BYTES_MAX {
            return;
        }
        self.window.fill(0);
        let mut left = length;
        while left > 0 {
            let zeros = self.window.get(..window_bytes(left)).unwrap_or_default();
            self.sha256.update(zeros);
            left = left.saturating_sub(zeros.len() as u64);
        }
    }
}

fn window_bytes(length: u64) -> usize {
    usize::try_from(length).map_or(WINDOW_BYTES, |length| length.min(WINDOW_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use std::fs::File;
    use std::os::unix::fs::MetadataExt;

    fn disk_bytes(file: &File) -> u64 {
        file.metadata().unwrap().blocks() * 512
    }

    type Place<'a> = (u64, &'a [u8]);

    fn sparse(places: &[Place<'_>], size_bytes: u64) -> File {
        let file = tempfile::tempfile().unwrap();
        for (at, bytes) in places {
            kernel::file::write_all_at(&file, *at, bytes).unwrap();
        }
        file.set_len(size_bytes).unwrap();
        file
    }

    #[test]
    fn bytes_and_holes_are_copied_as_they_are() {
        const MIB: u64 = 1 << 20;
        let cases: [(&[Place<'_>], u64); 5] = [
            (&[], 0),
            (&[], 40 * MIB),
            (&[(0, b"start")], 5),
            (&[(0, b"start"), (20 * MIB + 7, b"middle")], 40 * MIB + 3),
            (&[(40 * MIB - 3, b"end")], 40 * MIB),
        ];
        for (places, size_bytes) in cases {
            let from = sparse(places, size_bytes);
            let to = tempfile::tempfile().unwrap();
            let sha256 = copy(&from, &to, size_bytes).unwrap().unwrap();
            assert_eq!(to.metadata().unwrap().len(), size_bytes);
            assert_eq!(digest::of_file(&to).unwrap(), sha256);
            assert_eq!(digest::of_file(&from).unwrap(), sha256);
            assert!(disk_bytes(&to) <= disk_bytes(&from) + MIB);
        }
    }

    #[test]
    fn holes_of_exabytes_end_without_a_digest() {
        let from = tempfile::tempfile().unwrap();
        kernel::file::write_all_at(&from, 0, b"start").unwrap();
        // Where the file system allows no such length there is no such file either.
        let size_bytes = [1 << 62, 8 << 40, 100 << 30]
            .into_iter()
            .find(|size_bytes| from.set_len(*size_bytes).is_ok())
            .unwrap();
        let to = tempfile::tempfile().unwrap();
        assert_eq!(copy(&from, &to, size_bytes).unwrap(), None);
        assert_eq!(to.metadata().unwrap().len(), size_bytes);
        assert!(disk_bytes(&to) < 1 << 20);
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let from = sparse(&[(0, b"12345678")], 8);
        let to = tempfile::tempfile().unwrap();
        from.set_len(4).unwrap();
        let extent = Extent { start: 4, end: 8 };
        let mut copying = Copying {
            from: from.as_fd(),
            to: to.as_fd(),
            sha256: Sha256::new(),
            window: vec![0; WINDOW_BYTES],
            hole_bytes: 0,
        };
        assert!(copying.extent(extent).is_err());
    }
}
