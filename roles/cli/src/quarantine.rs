//! Moves detected files into a private store, by descriptor. At every moment a file is where it
//! was, or whole in the store with its record; a name is removed only while it means that file.

use std::fs::DirBuilder;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kernel::file::FileStat;
use proto::Verdict;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::digest::Sha256Bytes;
use crate::escape::{escaped_path, hex};
use crate::failure::{Failure, plain};
use crate::partial::{Existing, Partial, open_directory, remove_stale};
use crate::sparse;
use crate::walk::FileId;

const XATTR_BYTES_MAX: usize = 64 * 1024;
const ID_DIGITS: usize = 24;

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// A quarantine directory.
#[derive(Debug)]
pub(crate) struct Store {
    directory: OwnedFd,
    id: FileId,
}

/// A detected file.
pub(crate) struct Suspect<'a> {
    pub(crate) path: &'a Path,
    /// The descriptor that was scanned.
    pub(crate) file: &'a OwnedFd,
    pub(crate) verdict: &'a Verdict,
}

/// A file that is in the store now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Its name in the store.
    pub(crate) id: String,
    /// Other names that still mean it.
    pub(crate) other_links: u64,
}

impl Store {
    /// Opens a directory for this, or makes it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let at = |error: io::Error| Failure::at(path, &error);
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(error)),
            _ => {}
        }
        let directory = open_directory(path).map_err(at)?;
        let stat = kernel::file::stat(&directory).map_err(at)?;
        let shown = escaped_path(path);
        if stat.uid != rustix::process::geteuid().as_raw() {
            return Err(Failure::said(format!(
                "{shown}: belongs to somebody else; name a directory of your own"
            )));
        }
        if stat.mode & 0o077 != 0 {
            return Err(Failure::said(format!(
                "{shown}: others can look into it; chmod 700 {shown}"
            )));
        }
        remove_stale(&directory).map_err(at)?;
        Ok(Self {
            directory,
            id: FileId::of(&stat),
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Copies a file, records it, and only then removes its name. On an error it stays.
    pub(crate) fn take(&self, suspect: &Suspect<'_>) -> Result<Moved, String> {
        let said = |error: io::Error| plain(&error);
        let before = kernel::file::stat(suspect.file).map_err(said)?;
        let name = Name::find(suspect.path, &before)?;
        let (copy, sha256) = self.copy(suspect.file, before.size_bytes).map_err(said)?;
        if kernel::file::stat(suspect.file).map_err(said)? != before {
            return Err("it changed while it was copied".to_owned());
        }
        let id = fresh_id(suspect.path, &before);
        let kept = self.keep(suspect, &before, copy, (&id, sha256));
        let detached = kept.map_err(said).and_then(|()| name.detach(&id));
        if let Err(why) = detached {
            self.forget(&id);
            return Err(why);
        }
        Ok(Moved {
            id,
            other_links: before.links.saturating_sub(1),
        })
    }

    fn copy(&self, file: &OwnedFd, size_bytes: u64) -> io::Result<(Partial, Option<Sha256Bytes>)> {
        let copy = Partial::create(&self.directory)?;
        let sha256 = sparse::copy(file, copy.file(), size_bytes)?;
        rustix::fs::fchmod(copy.file(), Mode::RUSR)?;
        Ok((copy, sha256))
    }

    fn keep(
        &self,
        suspect: &Suspect<'_>,
        stat: &FileStat,
        copy: Partial,
        (id, sha256): (&str, Option<Sha256Bytes>),
    ) -> io::Result<()> {
        let record = Partial::create(&self.directory)?;
        let text = serde_json::to_string_pretty(&RecordJson::new(suspect, stat, (id, sha256)))?;
        record.file().write_all(text.as_bytes())?;
        record.file().write_all(b"\n")?;
        copy.keep(copy_name(id), Existing::Refuse)?;
        record.keep(record_name(id), Existing::Refuse)
    }

    fn forget(&self, id: &str) {
        // Left behind it is a second copy, no loss.
        let _ = rustix::fs::unlinkat(&self.directory, copy_name(id), AtFlags::empty());
        let _ = rustix::fs::unlinkat(&self.directory, record_name(id), AtFlags::empty());
    }
}

fn copy_name(id: &str) -> String {
    format!("{id}.quarantined")
}

fn record_name(id: &str) -> String {
    format!("{id}.json")
}

/// Never the same twice in practice; the store refuses it if it were.
fn fresh_id(path: &Path, stat: &FileStat) -> String {
    let mut digest = Sha256::new();
    digest.update(format!(
        "{} {} {}\0",
        stat.device, stat.inode, stat.ctime_ns
    ));
    digest.update(path.as_os_str().as_bytes());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    digest.update(format!(
        "\0{} {serial} {}",
        std::process::id(),
        now.as_nanos()
    ));
    let full = hex(&digest.finalize());
    full.get(..ID_DIGITS).unwrap_or(&full).to_owned()
}

/// The name that a file was found under, in a directory that is held open.
struct Name {
    parent: OwnedFd,
    name: PathBuf,
    id: FileId,
}

impl Name {
    fn find(path: &Path, stat: &FileStat) -> Result<Self, String> {
        let id = FileId::of(stat);
        let direct = Self::of(path, id)?;
        if direct.means_it(&direct.name) {
            return Ok(direct);
        }
        // The scan may have followed a link: then the name to remove is the one it leads to.
        let resolved = std::fs::canonicalize(path).map_err(|error| plain(&error))?;
        let target = Self::of(&resolved, id)?;
        if target.means_it(&target.name) {
            return Ok(target);
        }
        Err("its name means another file by now".to_owned())
    }

    fn of(path: &Path, id: FileId) -> Result<Self, String> {
        let name = path
            .file_name()
            .ok_or("it has no name in a directory, so it can't be moved")?;
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Ok(Self {
            parent: open_directory(parent).map_err(|error| plain(&error))?,
            name: name.into(),
            id,
        })
    }

    fn means_it(&self, name: &Path) -> bool {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, name, flags, Mode::empty())
            .ok()
            .and_then(|file| kernel::file::stat(file).ok())
            .is_some_and(|stat| FileId::of(&stat) == self.id)
    }

    /// Renamed first, so that what is checked is what is removed: nobody else knows the new name.
    fn detach(&self, id: &str) -> Result<(), String> {
        let aside = PathBuf::from(format!(".candor-{id}.detached"));
        let said = |error: rustix::io::Errno| plain(&error.into());
        if !self.means_it(&self.name) {
            return Err("its name means another file by now".to_owned());
        }
        rename(self.parent.as_fd(), &self.name, &aside).map_err(said)?;
        if !self.means_it(&aside) {
            return Err(self.back(&aside, "another file took its name meanwhile"));
        }
        if let Err(error) = rustix::fs::unlinkat(&self.parent, &aside, AtFlags::empty()) {
            return Err(self.back(&aside, &said(error)));
        }
        // The file is gone from here; a directory that can't be synced brings it back at worst.
        let _ = rustix::fs::fsync(&self.parent);
        Ok(())
    }

    fn back(&self, aside: &Path, why: &str) -> String {
        match rename(self.parent.as_fd(), aside, &self.name) {
            Ok(()) => why.to_owned(),
            Err(error) => format!(
                "{why}; what was there is now called {} ({})",
                escaped_path(aside),
                plain(&error.into())
            ),
        }
    }
}

fn rename(parent: BorrowedFd<'_>, from: &Path, to: &Path) -> rustix::io::Result<()> {
    rustix::fs::renameat_with(parent, from, parent, to, RenameFlags::NOREPLACE)
}

/// What is kept about a file, enough to put it back by hand.
#[derive(Debug, Serialize)]
struct RecordJson<'a> {
    id: &'a str,
    path: String,
    path_bytes_hex: String,
    quarantined_at_unix: u64,
    size_bytes: u64,
    /// None where the holes are too long to digest.
    sha256: Option<String>,
    mode: String,
    uid: u32,
    gid: u32,
    links: u64,
    mtime_ns: i128,
    ctime_ns: i128,
    xattrs: Vec<XattrJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    xattrs_error: Option<String>,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Debug, Serialize)]
struct XattrJson {
    name: String,
    value_hex: String,
}

#[derive(Debug, Serialize)]
struct FindingJson<'a> {
    name: &'a str,
    source: &'a str,
    line: u32,
    rule_sha256: String,
}

impl<'a> RecordJson<'a> {
    fn new(
        suspect: &Suspect<'a>,
        stat: &FileStat,
        (id, sha256): (&'a str, Option<Sha256Bytes>),
    ) -> Self {
        let path = std::path::absolute(suspect.path).unwrap_or_else(|_| suspect.path.to_owned());
        let (xattrs, xattrs_error) = match xattrs(suspect.file) {
            Ok(found) => (found, None),
            Err(error) => (Vec::new(), Some(plain(&error))),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            id,
            path: path.to_string_lossy().into_owned(),
            path_bytes_hex: hex(path.as_os_str().as_bytes()),
            quarantined_at_unix: now.as_secs(),
            size_bytes: stat.size_bytes,
            sha256: sha256.map(|digest| hex(&digest)),
            mode: format!("{:04o}", stat.mode),
            uid: stat.uid,
            gid: stat.gid,
            links: stat.links,
            mtime_ns: stat.mtime_ns,
            ctime_ns: stat.ctime_ns,
            xattrs,
            xattrs_error,
            findings: suspect
                .verdict
                .findings
                .iter()
                .map(|finding| FindingJson {
                    name: &finding.name,
                    source: &finding.rule.source,
                    line: finding.rule.line,
                    rule_sha256: hex(&finding.rule.sha256),
                })
                .collect(),
        }
    }
}

fn xattrs(file: &OwnedFd) -> io::Result<Vec<XattrJson>> {
    let mut names = vec![0u8; XATTR_BYTES_MAX];
    let length = match rustix::fs::flistxattr(file, names.as_mut_slice()) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0u8; XATTR_BYTES_MAX];
    let mut found = Vec::new();
    let listed = names.get(..length).unwrap_or_default();
    for name in listed
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
        found.push(XattrJson {
            name: String::from_utf8_lossy(name).into_owned(),
            value_hex: hex(value.get(..length).unwrap_or_default()),
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;
    use std::fs::{self, File};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn verdict() -> Verdict {
        Verdict::default()
    }

    fn take(store: &Store, path: &Path) -> Result<Moved, String> {
        let file = File::open(path).unwrap().into();
        store.take(&Suspect {
            path,
            file: &file,
            verdict: &verdict(),
        })
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_moved_whole_and_can_be_put_back() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let path = dir.path().join("bad");
        fs::write(&path, "content").unwrap();
        let moved = take(&store, &path).unwrap();
        assert!(!path.exists());
        assert_eq!(moved.other_links, 0);
        let kept = dir.path().join("store").join(copy_name(&moved.id));
        assert_eq!(fs::read(&kept).unwrap(), b"content");
        assert_eq!(
            fs::metadata(&kept).unwrap().permissions().mode() & 0o777,
            0o400
        );
        let record = fs::read(dir.path().join("store").join(record_name(&moved.id))).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        assert_eq!(record["path"], path.to_str().unwrap());
        assert_eq!(record["sha256"], hex(&digest::of_bytes(b"content")));
        assert_eq!(names(dir.path()), ["store"]);
    }

    #[test]
    fn a_name_that_means_another_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        let path = dir.path().join("bad");
        fs::write(&path, "content").unwrap();
        let file = File::open(&path).unwrap().into();
        fs::rename(&path, dir.path().join("elsewhere")).unwrap();
        fs::write(&path, "innocent").unwrap();
        let verdict = verdict();
        let suspect = Suspect {
            path: &path,
            file: &file,
            verdict: &verdict,
        };
        let why = store.take(&suspect).unwrap_err();
        assert!(why.contains("another file"), "{why}");
        assert_eq!(fs::read(&path).unwrap(), b"innocent");
        assert!(names(&dir.path().join("store")).is_empty());
    }

    #[test]
    fn a_swap_after_the_check_is_undone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bad");
        fs::write(&path, "content").unwrap();
        let stat = kernel::file::stat(File::open(&path).unwrap()).unwrap();
        let mut name = Name::find(&path, &stat).unwrap();
        // As if the swap came between the check and the rename.
        name.id.inode = name.id.inode.wrapping_add(1);
        assert!(name.detach("1").is_err());
        let aside = Path::new("aside");
        rename(name.parent.as_fd(), &name.name, aside).unwrap();
        assert_eq!(name.back(aside, "why"), "why");
        assert_eq!(names(dir.path()), ["bad"]);
    }

    #[test]
    fn links_lead_to_the_file_and_hard_links_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        fs::write(dir.path().join("real"), "content").unwrap();
        fs::hard_link(dir.path().join("real"), dir.path().join("twin")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        let moved = take(&store, &dir.path().join("link")).unwrap();
        assert_eq!(moved.other_links, 1);
        assert_eq!(names(dir.path()), ["link", "store", "twin"]);
    }

    #[test]
    fn a_store_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
