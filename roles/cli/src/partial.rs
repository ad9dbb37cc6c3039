//! Files that stand at their final name only when they are whole: written aside, synced, renamed.
//! What a crash leaves behind is recognised by its lock, which nobody holds any more. Refuses to
//! replace anything but a regular file: a device, a pipe or a link is somebody's, and stays.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use kernel::file::FileKind;
use rustix::fs::{AtFlags, Dir, FlockOperation, Mode, OFlags, RenameFlags};

const SUFFIX: &str = ".partial";
const ATTEMPTS_MAX: usize = 16;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A file that is being written. Dropped before it is kept, it disappears.
#[derive(Debug)]
pub(crate) struct Partial {
    directory: OwnedFd,
    name: String,
    file: File,
    is_kept: bool,
}

/// What becomes of a file that already has the final name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// A regular file is replaced; anything else is an error.
    Replace,
    Refuse,
}

impl Partial {
    /// Starts a file in a directory.
    pub(crate) fn create(directory: impl AsFd) -> io::Result<Self> {
        let directory = directory.as_fd().try_clone_to_owned()?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..ATTEMPTS_MAX {
            let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
            let name = format!(".{}-{serial}{SUFFIX}", std::process::id());
            let opened = rustix::fs::openat(&directory, &name, flags, Mode::RUSR | Mode::WUSR);
            let file = match opened {
                Ok(file) => file,
                Err(rustix::io::Errno::EXIST) => continue,
                Err(error) => return Err(error.into()),
            };
            // Somebody who tidies up may have taken it between its creation and its lock.
            let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
            if locked && kernel::file::stat(&file)?.links > 0 {
                return Ok(Self {
                    directory,
                    name,
                    file: File::from(file),
                    is_kept: false,
                });
            }
        }
        Err(io::Error::from(io::ErrorKind::AlreadyExists))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// A second descriptor of it, read-only, for those who may not change it.
    pub(crate) fn reopen(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(
            &self.directory,
            &self.name,
            flags,
            Mode::empty(),
        )?)
    }

    /// Syncs it and gives it its name.
    pub(crate) fn keep(mut self, name: impl AsRef<Path>, existing: Existing) -> io::Result<()> {
        self.file.sync_all()?;
        if existing == Existing::Replace {
            check_replaceable(&self.directory, &name)?;
        }
        let flags = match existing {
            Existing::Replace => RenameFlags::empty(),
            Existing::Refuse => RenameFlags::NOREPLACE,
        };
        let (from, to) = (self.name.as_str(), name.as_ref());
        rustix::fs::renameat_with(&self.directory, from, &self.directory, to, flags)?;
        self.is_kept = true;
        Ok(rustix::fs::fsync(&self.directory)?)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_kept {
            // Nobody can do anything about a failure here; the next run tidies up.
            let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Refuses a name that means anything but a regular file: a rename would destroy what it means.
pub(crate) fn check_replaceable(directory: impl AsFd, name: impl AsRef<Path>) -> io::Result<()> {
    let kind = match kernel::file::stat_at(directory, name) {
        Ok(stat) => stat.kind,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let what = match kind {
        FileKind::Regular => return Ok(()),
        FileKind::Directory => "a directory",
        FileKind::Link => "a symbolic link, which is not followed",
        FileKind::Device => "a device",
        FileKind::Pipe => "a named pipe",
        FileKind::Socket => "a socket",
        FileKind::Other => "no regular file",
    };
    Err(io::Error::other(format!(
        "is {what}, and only a regular file is replaced; name another file"
    )))
}

/// Opens a directory, to work in it whatever becomes of its path.
pub(crate) fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Removes what interrupted runs left in a directory.
pub(crate) fn remove_stale(directory: impl AsFd) -> io::Result<()> {
    let directory = directory.as_fd();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let bytes = name.to_bytes();
        if !bytes.starts_with(b".") || !bytes.ends_with(SUFFIX.as_bytes()) {
            continue;
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(directory, name, flags, Mode::empty()) else {
            continue;
        };
        if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            rustix::fs::unlinkat(directory, name, AtFlags::empty())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn only_whole_files_get_their_name() {
        let dir = tempfile::tempdir().unwrap();
        let fd = open_directory(dir.path()).unwrap();
        let partial = Partial::create(&fd).unwrap();
        partial.file().write_all(b"half").unwrap();
        drop(partial);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let partial = Partial::create(&fd).unwrap();
        partial.file().write_all(b"whole").unwrap();
        partial.keep("name", Existing::Refuse).unwrap();
        assert_eq!(fs::read(dir.path().join("name")).unwrap(), b"whole");
        let second = Partial::create(&fd).unwrap();
        assert!(second.keep("name", Existing::Refuse).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_but_a_regular_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let fd = open_directory(dir.path()).unwrap();
        fs::write(dir.path().join("file"), "old").unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        std::os::unix::fs::symlink("file", dir.path().join("link")).unwrap();
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        for name in ["directory", "link", "pipe"] {
            let before = kernel::file::stat_at(&fd, name).unwrap();
            let partial = Partial::create(&fd).unwrap();
            let error = partial.keep(name, Existing::Replace).unwrap_err();
            assert!(error.to_string().contains("only a regular file"), "{error}");
            assert_eq!(kernel::file::stat_at(&fd, name).unwrap(), before);
        }
        let partial = Partial::create(&fd).unwrap();
        partial.file().write_all(b"new").unwrap();
        partial.keep("file", Existing::Replace).unwrap();
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"new");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
    }

    #[test]
    fn what_a_crash_left_is_removed_and_what_is_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let fd = open_directory(dir.path()).unwrap();
        fs::write(dir.path().join(".1-0.partial"), "left").unwrap();
        let used = Partial::create(&fd).unwrap();
        remove_stale(&fd).unwrap();
        assert!(!dir.path().join(".1-0.partial").exists());
        assert!(dir.path().join(&used.name).exists());
    }
}
