//! What happens to files below a mark, told by fanotify: notifications only.
//!
//! It refuses to take part: it asks for no permission events, so that nobody who opens a file ever
//! waits for this process, and none waits for ever because it stopped.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// A bit for each thing that happened to a file; several may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct What(u64);

impl What {
    /// It was opened.
    pub const OPENED: Self = Self(libc::FAN_OPEN);
    /// It was opened to be executed.
    pub const EXECUTED: Self = Self(libc::FAN_OPEN_EXEC);
    /// It was read.
    pub const READ: Self = Self(libc::FAN_ACCESS);
    /// It was written.
    pub const WRITTEN: Self = Self(libc::FAN_MODIFY);
    /// It was open for writing, and was closed.
    pub const CLOSED_AFTER_WRITING: Self = Self(libc::FAN_CLOSE_WRITE);

    /// Whether it holds all of `other`.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// How far a mark reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// What goes through one mount.
    Mount,
    /// What happens to a file system, through whatever mount.
    FileSystem,
}

/// What happened.
#[derive(Debug)]
pub struct Notice {
    /// What.
    pub what: What,
    /// By which process; 0 for one that this process can't see.
    pub pid: u32,
    /// To which file.
    pub file: OwnedFd,
}

/// What came from one read.
#[derive(Debug, Default)]
pub struct Batch {
    /// What happened, in order.
    pub notices: Vec<Notice>,
    /// How often something was not told: the queue was full, or a file could not be opened.
    pub lost: u64,
}

/// The end at which notices arrive.
#[derive(Debug)]
pub struct Listener {
    group: OwnedFd,
}

/// One read holds as many notices, each of which is an open file until it is dropped.
const NOTICES_A_READ: usize = 128;

impl Listener {
    /// Opens a queue without a limit: a limit would drop what a busy product does.
    pub fn new() -> io::Result<Self> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_UNLIMITED_QUEUE
            | libc::FAN_UNLIMITED_MARKS;
        // Without O_NONBLOCK a named pipe would hold this process up when it is opened for a notice.
        let files = libc::O_RDONLY
            | libc::O_CLOEXEC
            | libc::O_NONBLOCK
            | libc::O_LARGEFILE
            | libc::O_NOATIME;
        // SAFETY: both arguments are numbers.
        let group = unsafe { libc::fanotify_init(flags, files.cast_unsigned()) };
        if group < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call above returned it as new, and nobody else has it.
        let group = unsafe { OwnedFd::from_raw_fd(group) };
        Ok(Self { group })
    }

    /// From here on what happens in `reach` of the place is told.
    pub fn mark(&self, place: impl AsFd, reach: Reach) -> io::Result<()> {
        let reach = match reach {
            Reach::Mount => libc::FAN_MARK_MOUNT,
            Reach::FileSystem => libc::FAN_MARK_FILESYSTEM,
        };
        let mask = What::OPENED.0
            | What::EXECUTED.0
            | What::READ.0
            | What::WRITTEN.0
            | What::CLOSED_AFTER_WRITING.0;
        // SAFETY: the descriptors are open while they are borrowed, and a null path means the
        // directory itself.
        let result = unsafe {
            libc::fanotify_mark(
                self.group.as_raw_fd(),
                libc::FAN_MARK_ADD | reach,
                mask,
                place.as_fd().as_raw_fd(),
                std::ptr::null(),
            )
        };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// What has happened since; nothing where nothing has. It never waits.
    pub fn read(&self) -> io::Result<Batch> {
        let mut buffer = [0; NOTICES_A_READ * RECORD_BYTES];
        let filled = match rustix::io::read(&self.group, &mut buffer) {
            Ok(filled) => filled,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => 0,
            // The kernel could not open the file for a notice, and dropped it.
            Err(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE | rustix::io::Errno::NXIO) => {
                return Ok(Batch {
                    notices: Vec::new(),
                    lost: 1,
                });
            }
            Err(error) => return Err(error.into()),
        };
        parsed(buffer.get(..filled).unwrap_or_default())
    }
}

/// `struct fanotify_event_metadata`: length, version, reserved, length again, what, file, process.
const RECORD_BYTES: usize = 24;
const VERSION: u8 = 3;

/// Takes each file out of a read's bytes; every one is closed again by whoever drops it.
fn parsed(mut bytes: &[u8]) -> io::Result<Batch> {
    let mut batch = Batch::default();
    while let Some((record, _)) = bytes.split_first_chunk::<RECORD_BYTES>() {
        let [a, b, c, d, version, ..] = *record;
        let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if version != VERSION || length < RECORD_BYTES {
            return Err(io::Error::other("fanotify speaks another version here"));
        }
        match told(record) {
            Some(notice) => batch.notices.push(notice),
            None => batch.lost = batch.lost.saturating_add(1),
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    Ok(batch)
}

/// The notice of a record; none where the queue overflowed or the file could not be opened.
fn told(record: &[u8; RECORD_BYTES]) -> Option<Notice> {
    let what = u64::from_ne_bytes(record.get(8..16)?.try_into().ok()?);
    let file = i32::from_ne_bytes(record.get(16..20)?.try_into().ok()?);
    let pid = i32::from_ne_bytes(record.get(20..24)?.try_into().ok()?);
    if file < 0 {
        return None;
    }
    // SAFETY: the kernel opened it for this record alone, and each record is looked at once.
    let file = unsafe { OwnedFd::from_raw_fd(file) };
    Some(Notice {
        what: What(what),
        pid: u32::try_from(pid).unwrap_or(0),
        file,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(what: u64, file: i32, pid: i32) -> Vec<u8> {
        let mut bytes = 24_u32.to_ne_bytes().to_vec();
        bytes.extend([VERSION, 0, 24, 0]);
        bytes.extend(what.to_ne_bytes());
        bytes.extend(file.to_ne_bytes());
        bytes.extend(pid.to_ne_bytes());
        bytes
    }

    #[test]
    fn a_queue_that_overflowed_counts_as_lost() {
        let batch = parsed(&record(libc::FAN_Q_OVERFLOW, -1, 0)).unwrap();
        assert_eq!((batch.notices.len(), batch.lost), (0, 1));
    }

    #[test]
    fn another_version_is_an_error_and_not_a_guess() {
        let mut bytes = record(libc::FAN_OPEN, -1, 7);
        bytes[4] = 9;
        assert!(parsed(&bytes).is_err());
        let mut short = record(libc::FAN_OPEN, -1, 7);
        short[0] = 0;
        assert!(parsed(&short).is_err());
    }

    #[test]
    fn what_happened_to_a_marked_file_system_is_told() {
        let Ok(listener) = Listener::new() else {
            println!("skipped: fanotify (this user may not listen)");
            return;
        };
        let directory = std::env::temp_dir().join(format!("candor-told-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let place = std::fs::File::open(&directory).unwrap();
        listener.mark(&place, Reach::Mount).unwrap();
        let path = directory.join("file");
        std::fs::write(&path, b"abc").unwrap();
        let mut is_told = false;
        for _ in 0..1000 {
            let batch = listener.read().unwrap();
            is_told |= batch.notices.iter().any(|notice| {
                let name = std::fs::read_link(format!("/proc/self/fd/{}", notice.file.as_raw_fd()));
                name.is_ok_and(|name| name == path) && notice.what.holds(What::WRITTEN)
            });
            if is_told {
                break;
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(is_told);
    }
}
