//! SHA-256 of files, read by descriptor.

use std::io;
use std::os::fd::AsFd;

use sha2::{Digest, Sha256};

const WINDOW_BYTES: usize = 256 * 1024;

/// A SHA-256.
pub(crate) type Sha256Bytes = [u8; 32];

/// The digest of a file, from its first byte to its last.
pub(crate) fn of_file(file: impl AsFd) -> io::Result<Sha256Bytes> {
    of_file_from(file, 0)
}

/// The digest of a file from a place on.
pub(crate) fn of_file_from(file: impl AsFd, start: u64) -> io::Result<Sha256Bytes> {
    let mut digest = Sha256::new();
    for_each_window(file, start, |window| digest.update(window))?;
    Ok(digest.finalize().into())
}

/// The digest of bytes.
#[cfg(test)]
pub(crate) fn of_bytes(bytes: &[u8]) -> Sha256Bytes {
    Sha256::digest(bytes).into()
}

/// Reads a file from a place to its end.
fn for_each_window(file: impl AsFd, start: u64, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut window = vec![0; WINDOW_BYTES];
    let mut offset = start;
    loop {
        let count = kernel::file::read_at(&file, offset, &mut window)?;
        if count == 0 {
            return Ok(());
        }
        take(window.get(..count).unwrap_or_default());
        offset = offset.saturating_add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::escape::hex;

    #[test]
    fn a_file_and_its_bytes_have_one_digest() {
        let bytes = vec![7; WINDOW_BYTES * 2 + 3];
        let file = tempfile::tempfile().unwrap();
        kernel::file::write_all_at(&file, 0, &bytes).unwrap();
        assert_eq!(of_file(&file).unwrap(), of_bytes(&bytes));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&of_bytes(b"")), empty);
    }
}
