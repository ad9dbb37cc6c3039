//! Finds the files to look at. Opens each once, relative to its directory, and never follows a
//! link, crosses a mount or opens a device that it was not told to. Decides nothing about content.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use kernel::file::{FileKind, FileStat, FileSystem, Follow};
use rustix::fs::{AtFlags, CWD, Dir, DirEntry, FileType};
use rustix::io::Errno;

use crate::failure::plain;
use crate::filter::Filter;

/// Directories inside directories that are held open at once; deeper ones are named, not walked.
pub(crate) const DEPTH_MAX: usize = 1024;

/// Directories that are remembered while links are followed; those beyond are named, not walked.
pub(crate) const VISITED_MAX: usize = 1 << 22;

/// What the walk is told.
pub(crate) struct Rules {
    /// Whether symbolic links met on the way are followed.
    pub(crate) links: Follow,
    pub(crate) mounts: Mounts,
    pub(crate) filter: Filter,
    /// Directories of ours, left out wherever they turn up.
    pub(crate) left_out: Vec<FileId>,
    pub(crate) depth_max: usize,
    pub(crate) visited_max: usize,
    /// What kind of file system a descriptor is on.
    pub(crate) classify: fn(BorrowedFd<'_>) -> io::Result<FileSystem>,
}

/// Whether other ordinary file systems are entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mounts {
    Stay,
    Cross,
}

/// A file, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl FileId {
    pub(crate) fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.device,
            inode: stat.inode,
        }
    }
}

/// Why something that was met is not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Skip {
    Device,
    Socket,
    Pipe,
    Link,
    /// A link, or a mount, of a directory that is being walked already.
    Loop,
    /// A directory that was walked under another name, while links are followed.
    Repeat,
    KernelFilesystem,
    NetworkMount,
    OtherFilesystem,
    Excluded,
    OwnDirectory,
}

/// A file to look at.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) file: OwnedFd,
    pub(crate) size_bytes: u64,
}

/// What the walk hands over. A break ends it.
pub(crate) trait Visitor {
    /// A file, open.
    fn file(&mut self, found: Found) -> ControlFlow<()>;
    /// Something that could not be opened or read.
    fn failed(&mut self, path: &Path, why: &str) -> ControlFlow<()>;
    /// Something that is not looked at.
    fn skipped(&mut self, path: &Path, skip: Skip) -> ControlFlow<()>;
}

/// A walk over any number of arguments.
pub(crate) struct Walk<'a, V> {
    rules: &'a Rules,
    visitor: &'a mut V,
    filesystems: BTreeMap<u64, FileSystem>,
    open: Vec<Open>,
    root_device: u64,
    /// Directories walked so far, where links are followed: each once, or links upon links would
    /// lead to every one of them in more ways than there is time for.
    visited: HashSet<FileId>,
}

/// A directory that is being read.
struct Open {
    stream: Dir,
    id: FileId,
}

/// A name in a directory.
struct Entry<'a> {
    path: &'a Path,
    name: &'a OsStr,
    /// Whether the name itself may be a link.
    links: Follow,
}

impl<'a, V: Visitor> Walk<'a, V> {
    pub(crate) fn new(rules: &'a Rules, visitor: &'a mut V) -> Self {
        Self {
            rules,
            visitor,
            filesystems: BTreeMap::new(),
            open: Vec::new(),
            root_device: 0,
            visited: HashSet::new(),
        }
    }

    /// Looks at one argument and everything below it. A link that is named is followed.
    pub(crate) fn argument(&mut self, path: &Path) -> ControlFlow<()> {
        // Before it is opened: opening a device or a pipe can already do something.
        let stat = match rustix::fs::statat(CWD, path, AtFlags::empty()) {
            Ok(stat) => stat,
            Err(error) => return self.visitor.failed(path, &plain(&error.into())),
        };
        self.root_device = stat.st_dev;
        let entry = Entry {
            path,
            name: path.as_os_str(),
            links: Follow::Links,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                self.directory(&entry)?;
                self.below(path)
            }
            FileType::RegularFile => self.regular(&entry),
            other => self.visitor.failed(path, special_argument(other)),
        }
    }

    fn below(&mut self, argument: &Path) -> ControlFlow<()> {
        let mut here = argument.to_owned();
        while let Some(top) = self.open.last_mut() {
            match top.stream.read() {
                Some(Ok(entry)) => {
                    let depth = self.open.len();
                    self.named(&here, &entry)?;
                    if self.open.len() > depth {
                        here.push(OsStr::from_bytes(entry.file_name().to_bytes()));
                    }
                }
                Some(Err(error)) => {
                    self.visitor.failed(&here, &plain(&error.into()))?;
                    self.leave(&mut here);
                }
                None => self.leave(&mut here),
            }
        }
        ControlFlow::Continue(())
    }

    fn leave(&mut self, here: &mut PathBuf) {
        self.open.pop();
        if !self.open.is_empty() {
            here.pop();
        }
    }

    fn named(&mut self, here: &Path, entry: &DirEntry) -> ControlFlow<()> {
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            return ControlFlow::Continue(());
        }
        let path = here.join(name);
        let entry_of = |links| Entry {
            path: &path,
            name,
            links,
        };
        let mut kind = entry.file_type();
        if kind == FileType::Unknown {
            match self.kind_of(name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(known) => kind = known,
                Err(error) => return self.visitor.failed(&path, &plain(&error)),
            }
        }
        if kind != FileType::Symlink {
            return self.of_kind(&entry_of(Follow::Nothing), kind);
        }
        if self.rules.links == Follow::Nothing {
            return self.visitor.skipped(&path, Skip::Link);
        }
        match self.kind_of(name, AtFlags::empty()) {
            Ok(target) => self.of_kind(&entry_of(Follow::Links), target),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.visitor.skipped(&path, Skip::Link)
            }
            Err(error) => self.visitor.failed(&path, &plain(&error)),
        }
    }

    fn kind_of(&self, name: &OsStr, flags: AtFlags) -> io::Result<FileType> {
        let stat = rustix::fs::statat(self.here(), name, flags)?;
        Ok(FileType::from_raw_mode(stat.st_mode))
    }

    fn of_kind(&mut self, entry: &Entry<'_>, kind: FileType) -> ControlFlow<()> {
        match kind {
            FileType::Directory => self.directory(entry),
            FileType::RegularFile => self.regular(entry),
            other => self.visitor.skipped(entry.path, skip_of(other)),
        }
    }

    /// Opens a directory and puts it on top of the stack, if it is to be walked.
    fn directory(&mut self, entry: &Entry<'_>) -> ControlFlow<()> {
        if self.rules.filter.excludes(entry.path) {
            return self.visitor.skipped(entry.path, Skip::Excluded);
        }
        if self.open.len() >= self.rules.depth_max {
            let why = format!(
                "nested deeper than {} directories; scan it by a path of its own",
                self.rules.depth_max
            );
            return self.visitor.failed(entry.path, &why);
        }
        if self.visited.len() >= self.rules.visited_max {
            let why = format!(
                "more than {} directories while links are followed; scan it by a path of its own",
                self.rules.visited_max
            );
            return self.visitor.failed(entry.path, &why);
        }
        let (file, stat) = match self.open_entry(entry) {
            Ok(opened) => opened,
            Err(error) => return self.visitor.failed(entry.path, &self.why_closed(&error)),
        };
        if stat.kind != FileKind::Directory {
            let why = "became something else while it was opened";
            return self.visitor.failed(entry.path, why);
        }
        let id = FileId::of(&stat);
        if self.rules.left_out.contains(&id) {
            return self.visitor.skipped(entry.path, Skip::OwnDirectory);
        }
        if self.open.iter().any(|open| open.id == id) {
            return self.visitor.skipped(entry.path, Skip::Loop);
        }
        if self.visited.contains(&id) {
            return self.visitor.skipped(entry.path, Skip::Repeat);
        }
        match self.skip_for_mount(file.as_fd(), &stat) {
            Ok(None) => {}
            Ok(Some(skip)) => return self.visitor.skipped(entry.path, skip),
            Err(error) => return self.visitor.failed(entry.path, &plain(&error)),
        }
        match Dir::new(file) {
            Ok(stream) => self.open.push(Open { stream, id }),
            Err(error) => return self.visitor.failed(entry.path, &plain(&error.into())),
        }
        if self.rules.links == Follow::Links {
            self.visited.insert(id);
        }
        ControlFlow::Continue(())
    }

    fn regular(&mut self, entry: &Entry<'_>) -> ControlFlow<()> {
        if !self.rules.filter.wants(entry.path) {
            return self.visitor.skipped(entry.path, Skip::Excluded);
        }
        let (file, stat) = match self.open_entry(entry) {
            Ok(opened) => opened,
            Err(error) => return self.visitor.failed(entry.path, &self.why_closed(&error)),
        };
        if stat.kind != FileKind::Regular {
            let why = "became something else while it was opened";
            return self.visitor.failed(entry.path, why);
        }
        match self.skip_for_mount(file.as_fd(), &stat) {
            // A file mounted on its own, or one of an overlay's lower layers: look at it.
            Ok(None | Some(Skip::OtherFilesystem)) => {}
            Ok(Some(Skip::KernelFilesystem)) if self.open.is_empty() => {
                let why = "is made up by the kernel as it is read, and can't be scanned";
                return self.visitor.failed(entry.path, why);
            }
            Ok(Some(skip)) => return self.visitor.skipped(entry.path, skip),
            Err(error) => return self.visitor.failed(entry.path, &plain(&error)),
        }
        self.visitor.file(Found {
            path: entry.path.to_owned(),
            file,
            size_bytes: stat.size_bytes,
        })
    }

    fn open_entry(&self, entry: &Entry<'_>) -> io::Result<(OwnedFd, FileStat)> {
        let file = kernel::file::open_for_scan_at(self.here(), entry.name, entry.links)?;
        let stat = kernel::file::stat(&file)?;
        Ok((file, stat))
    }

    /// Why a name could not be opened: one that was just listed was there a moment ago.
    fn why_closed(&self, error: &io::Error) -> String {
        let became_link = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
        match error.kind() {
            io::ErrorKind::NotFound if !self.open.is_empty() => {
                "it vanished before it could be opened".to_owned()
            }
            _ if became_link && !self.open.is_empty() => {
                "it became a symbolic link before it could be opened".to_owned()
            }
            _ => plain(error),
        }
    }

    fn here(&self) -> BorrowedFd<'_> {
        match self.open.last().map(|open| open.stream.fd()) {
            Some(Ok(fd)) => fd,
            _ => CWD,
        }
    }

    /// An argument may be on a network mount, since its user said so; what is met may not.
    fn skip_for_mount(
        &mut self,
        file: BorrowedFd<'_>,
        stat: &FileStat,
    ) -> io::Result<Option<Skip>> {
        let is_argument = self.open.is_empty();
        if !is_argument && stat.device == self.root_device {
            return Ok(None);
        }
        let filesystem = match self.filesystems.get(&stat.device) {
            Some(known) => *known,
            None => {
                let found = (self.rules.classify)(file)?;
                self.filesystems.insert(stat.device, found);
                found
            }
        };
        Ok(match filesystem {
            FileSystem::Kernel => Some(Skip::KernelFilesystem),
            FileSystem::Network | FileSystem::Ordinary if is_argument => None,
            FileSystem::Network => Some(Skip::NetworkMount),
            FileSystem::Ordinary if self.rules.mounts == Mounts::Stay => {
                Some(Skip::OtherFilesystem)
            }
            FileSystem::Ordinary => None,
        })
    }
}

fn skip_of(kind: FileType) -> Skip {
    match kind {
        FileType::Socket => Skip::Socket,
        FileType::Fifo => Skip::Pipe,
        FileType::Symlink => Skip::Link,
        _ => Skip::Device,
    }
}

fn special_argument(kind: FileType) -> &'static str {
    match kind {
        FileType::Socket => "is a socket, which can't be scanned",
        FileType::Fifo => {
            "is a named pipe, which can't be scanned; to scan its bytes: candor scan - < PIPE"
        }
        _ => "is a device, which can't be scanned; to scan its bytes: candor scan - < DEVICE",
    }
}

#[cfg(test)]
mod tests;
