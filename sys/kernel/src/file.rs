//! Files by descriptor: opened without side effects, read at a place, described.
//!
//! Refuses to wait: opening a pipe or a device that someone put where a file was expected neither
//! blocks nor starts anything, and a link is followed only where the caller says so.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

/// Whether the last part of a path may be a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// A link is opened as what it leads to.
    Links,
    /// A link is an error.
    Nothing,
}

/// What kind of object a descriptor leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A character or block device.
    Device,
    /// A named or unnamed pipe.
    Pipe,
    /// A socket.
    Socket,
    /// Something that the kernel has no name for.
    Other,
}

/// What the kernel says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Its kind.
    pub kind: FileKind,
    /// The file system it is on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length.
    pub size_bytes: u64,
    /// When its content changed, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// When anything about it changed, in nanoseconds since 1970.
    pub ctime_ns: i128,
    /// Its permission bits.
    pub mode: u32,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// How many names it has.
    pub links: u64,
}

/// What a file system is, as far as a walk cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Files that people keep: disks, memory, overlays, and whatever FUSE serves.
    Ordinary,
    /// The kernel's own: reading can block, never end, or change something.
    Kernel,
    /// Files that come over a network.
    Network,
}

/// Opens for reading, without waiting, without becoming a terminal's owner.
pub fn open_for_scan(path: impl AsRef<Path>, follow: Follow) -> io::Result<OwnedFd> {
    let path = path.as_ref();
    Ok(rustix::fs::open(path, scan_flags(follow), Mode::empty())?)
}

/// The same below an open directory, which a rename of its parents does not move.
pub fn open_for_scan_at(
    directory: impl AsFd,
    name: impl AsRef<Path>,
    follow: Follow,
) -> io::Result<OwnedFd> {
    let name = name.as_ref();
    let flags = scan_flags(follow);
    Ok(rustix::fs::openat(directory, name, flags, Mode::empty())?)
}

fn scan_flags(follow: Follow) -> OFlags {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    match follow {
        Follow::Links => flags,
        Follow::Nothing => flags | OFlags::NOFOLLOW,
    }
}

/// Fills the buffer from `offset` on; fewer bytes mean that the file ends there.
pub fn read_at(file: impl AsFd, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pread(&file, rest, place(offset, filled)?) {
            Ok(0) => break,
            Ok(count) => filled = filled.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(filled)
}

/// Writes all of it at `offset`.
pub fn write_all_at(file: impl AsFd, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match rustix::io::pwrite(&file, rest, place(offset, written)?) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(count) => written = written.saturating_add(count),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes all of it where the descriptor stands, a pipe or a file.
pub fn append_all(file: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::writev(&file, &[io::IoSlice::new(rest)]) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The place `done` bytes after `offset`; the kernel refuses places that it can't express.
fn place(offset: u64, done: usize) -> io::Result<u64> {
    u64::try_from(done)
        .ok()
        .and_then(|done| offset.checked_add(done))
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Describes what a descriptor leads to.
pub fn stat(file: impl AsFd) -> io::Result<FileStat> {
    Ok(described(&rustix::fs::fstat(file)?))
}

/// Describes what a name in an open directory leads to; a link is described itself.
pub fn stat_at(directory: impl AsFd, name: impl AsRef<Path>) -> io::Result<FileStat> {
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    let stat = rustix::fs::statat(directory, name.as_ref(), flags)?;
    Ok(described(&stat))
}

fn described(stat: &rustix::fs::Stat) -> FileStat {
    FileStat {
        kind: match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::Regular,
            FileType::Directory => FileKind::Directory,
            FileType::Symlink => FileKind::Link,
            FileType::CharacterDevice | FileType::BlockDevice => FileKind::Device,
            FileType::Fifo => FileKind::Pipe,
            FileType::Socket => FileKind::Socket,
            FileType::Unknown => FileKind::Other,
        },
        device: stat.st_dev,
        inode: stat.st_ino,
        size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
        mtime_ns: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        #[cfg_attr(
            target_arch = "x86_64",
            expect(
                clippy::useless_conversion,
                reason = "the field is narrower on other machines"
            )
        )]
        links: u64::from(stat.st_nlink),
    }
}

fn nanoseconds(seconds: i64, rest: impl Into<i128>) -> i128 {
    i128::from(seconds) * 1_000_000_000 + rest.into()
}

/// What kind of file system a descriptor lies on.
pub fn file_system(file: impl AsFd) -> io::Result<FileSystem> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    // Magic numbers have 32 bits; the field is signed and wider on some machines.
    let magic = u32::try_from(kind & 0xffff_ffff).unwrap_or(0);
    Ok(if KERNEL_MAGIC.contains(&magic) {
        FileSystem::Kernel
    } else if NETWORK_MAGIC.contains(&magic) {
        FileSystem::Network
    } else {
        FileSystem::Ordinary
    })
}

/// `statfs(2)` and the kernel's `magic.h`. `devtmpfs` reports the number of `tmpfs`; what is in it
/// are devices, which a scan skips one by one.
const KERNEL_MAGIC: [u32; 22] = [
    0x0000_9fa0, // proc
    0x6265_6572, // sysfs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0xcafe_4a11, // bpf
    0x0000_1cd1, // devpts
    0x6265_6570, // configfs
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0x4341_5d53, // smackfs
    0x5a3c_69f0, // apparmorfs
    0x1980_0202, // mqueue
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
    0x0000_0187, // autofs: looking inside mounts something
    0x6e73_6673, // nsfs
    0x0bad_1dea, // futexfs
    0x5346_414f, // kAFS's directory of cells
    0x6573_5543, // fusectl
];

const NETWORK_MAGIC: [u32; 11] = [
    0x0000_6969, // nfs
    0xff53_4d42, // cifs
    0xfe53_4d42, // smb2
    0x0000_517b, // smb
    0x0102_1997, // 9p
    0x6b41_4653, // afs
    0x00c3_6400, // ceph
    0x7375_7245, // coda
    0x0000_564c, // ncp
    0x0bd0_0bd0, // lustre
    0x4750_4653, // gpfs
];

/// A file in memory, nowhere in the file system, that can be sealed.
pub fn memory_file(name: &str) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(rustix::fs::memfd_create(name, flags)?)
}

/// From here on nobody can change the memory file, its owner included.
pub fn seal(file: impl AsFd) -> io::Result<()> {
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    Ok(rustix::fs::fcntl_add_seals(file, seals)?)
}

/// Makes reads from this descriptor return at once when there is nothing yet.
pub fn do_not_wait(file: impl AsFd) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&file)?;
    Ok(rustix::fs::fcntl_setfl(&file, flags | OFlags::NONBLOCK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> std::path::PathBuf {
        let directory = std::env::temp_dir().join(format!("candor-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    #[test]
    fn a_link_is_followed_only_on_request() {
        let directory = scratch("links");
        std::fs::write(directory.join("file"), b"x").unwrap();
        std::os::unix::fs::symlink("file", directory.join("link")).unwrap();
        let link = directory.join("link");
        assert!(open_for_scan(&link, Follow::Nothing).is_err());
        let file = open_for_scan(&link, Follow::Links).unwrap();
        assert_eq!(stat(&file).unwrap().kind, FileKind::Regular);
        let parent = open_for_scan(&directory, Follow::Nothing).unwrap();
        assert_eq!(stat_at(&parent, "link").unwrap().kind, FileKind::Link);
        assert!(open_for_scan_at(&parent, "file", Follow::Nothing).is_ok());
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_pipe_without_a_writer_does_not_block() {
        let directory = scratch("pipe");
        let path = directory.join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        let pipe = open_for_scan(&path, Follow::Nothing).unwrap();
        assert_eq!(stat(&pipe).unwrap().kind, FileKind::Pipe);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn reads_and_writes_go_where_they_are_told() {
        let file = memory_file("x").unwrap();
        write_all_at(&file, 3, b"abc").unwrap();
        let mut buffer = [9u8; 8];
        assert_eq!(read_at(&file, 0, &mut buffer).unwrap(), 6);
        assert_eq!(&buffer, b"\0\0\0abc\x09\x09");
        assert_eq!(read_at(&file, 6, &mut buffer).unwrap(), 0);
        assert!(read_at(&file, u64::MAX, &mut buffer).is_err());
        assert_eq!(stat(&file).unwrap().size_bytes, 6);
    }

    #[test]
    fn sealed_memory_stays_as_it_is() {
        let file = memory_file("x").unwrap();
        write_all_at(&file, 0, b"abc").unwrap();
        seal(&file).unwrap();
        assert!(write_all_at(&file, 0, b"d").is_err());
        assert!(rustix::fs::ftruncate(&file, 0).is_err());
    }

    #[test]
    fn the_kernels_own_file_systems_are_told_apart() {
        let proc = open_for_scan("/proc", Follow::Nothing).unwrap();
        assert_eq!(file_system(&proc).unwrap(), FileSystem::Kernel);
        let root = open_for_scan("/", Follow::Nothing).unwrap();
        assert_eq!(file_system(&root).unwrap(), FileSystem::Ordinary);
    }
}
