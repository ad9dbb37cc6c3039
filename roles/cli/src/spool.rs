//! Puts a stream's bytes where a worker can read them at any place: into a temporary file without
//! a name, on disk, so that a long stream takes no memory. Refuses more than it is told to hold.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// What is held in memory where no temporary file can be made.
pub(crate) const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// Where temporary files go that nobody else says the place of: to disk, unlike `/tmp`.
const DIRECTORY: &str = "/var/tmp";

/// Spools a stream, at most so many bytes and one more, so that a limit shows.
pub(crate) fn spool(input: impl Read, bytes_max: u64) -> io::Result<OwnedFd> {
    let named = std::env::var_os("TMPDIR");
    spool_in(&directories(named), input, bytes_max)
}

fn directories(named: Option<OsString>) -> Vec<PathBuf> {
    let named = named.map(PathBuf::from).filter(|path| path.is_absolute());
    named.into_iter().chain([DIRECTORY.into()]).collect()
}

fn spool_in(directories: &[PathBuf], input: impl Read, bytes_max: u64) -> io::Result<OwnedFd> {
    let mut input = input.take(bytes_max.saturating_add(1));
    let made = directories
        .iter()
        .find_map(|directory| nameless_file(directory).ok());
    if let Some(file) = made {
        io::copy(&mut input, &mut &file).map_err(with_remedy)?;
        return Ok(read_only(file));
    }
    let memory = File::from(kernel::file::memory_file("standard-input")?);
    let held = io::copy(&mut (&mut input).take(MEMORY_BYTES_MAX), &mut &memory)?;
    if held == MEMORY_BYTES_MAX && input.read(&mut [0])? > 0 {
        let why = "no temporary file can be made for standard input, and it is too long for \
                   memory; set TMPDIR to a directory with room";
        return Err(io::Error::other(why));
    }
    kernel::file::seal(&memory)?;
    Ok(memory.into())
}

fn with_remedy(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => io::Error::other(
            "no room for a temporary file of standard input; set TMPDIR to a directory with room",
        ),
        _ => error,
    }
}

fn nameless_file(directory: &Path) -> io::Result<File> {
    // Exclusive: nobody can give it a name later.
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR)?;
    Ok(file.into())
}

/// The same file for those who may not change it; where that can't be had, the one there is.
fn read_only(file: File) -> OwnedFd {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).unwrap_or_else(|_| file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_bytes(file: &OwnedFd) -> u64 {
        kernel::file::stat(file).unwrap().size_bytes
    }

    #[test]
    fn standard_input_is_bounded() {
        let spooled = spool(io::repeat(7), 100).unwrap();
        assert_eq!(size_bytes(&spooled), 101);
    }

    #[test]
    fn a_long_input_takes_no_memory() {
        let dir = tempfile::tempdir().unwrap();
        let spooled = spool_in(&[dir.path().to_owned()], io::repeat(7), 1 << 20).unwrap();
        let device = |file: &OwnedFd| kernel::file::stat(file).unwrap().device;
        let directory = crate::partial::open_directory(dir.path()).unwrap();
        assert_eq!(device(&spooled), device(&directory));
        assert!(kernel::file::write_all_at(&spooled, 0, b"x").is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn without_a_temporary_file_memory_is_bounded() {
        let nowhere = [PathBuf::from("/nonexistent")];
        let short = spool_in(&nowhere, &b"abc"[..], 100).unwrap();
        assert_eq!(size_bytes(&short), 3);
        let whole = spool_in(&nowhere, io::repeat(7).take(MEMORY_BYTES_MAX), u64::MAX).unwrap();
        assert_eq!(size_bytes(&whole), MEMORY_BYTES_MAX);
        drop(whole);
        let error = spool_in(&nowhere, io::repeat(7), u64::MAX).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn only_an_absolute_directory_is_taken_from_outside() {
        assert_eq!(directories(Some("x".into())), [PathBuf::from(DIRECTORY)]);
        assert_eq!(directories(Some("/x".into())).len(), 2);
    }
}
