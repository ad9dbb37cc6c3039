//! Compiled packs, kept by content and found again by what their sources were.
//!
//! The directory belongs to the caller alone. Who controls it can give the caller another pack,
//! that is: hide a detection. So it is refused where anybody else could write.

use std::fs::{self, DirBuilder};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kernel::file::{FileKind, FileStat};
use proto::{Definition, Encode};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Sources;
use crate::digest::{self, Sha256Bytes};
use crate::escape::{escaped_path, hex};
use crate::failure::{Failure, plain};
use crate::partial::{Existing, Partial, open_directory, remove_stale};
use crate::walk::FileId;

/// Permission bits of the group and of everybody.
const OTHERS_WRITE: u32 = 0o022;
const PACKS_KEPT: usize = 4;
const NOTES_KEPT: usize = 64;
const NOTE_BYTES_MAX: u64 = 64 * 1024;
/// A file that changed this recently may change again within the same tick of the clock.
const SETTLED_AFTER: Duration = Duration::from_millis(50);

/// The cache of one user.
#[derive(Debug)]
pub(crate) struct Cache {
    path: PathBuf,
    id: FileId,
    packs: OwnedFd,
    notes: OwnedFd,
    yara: OwnedFd,
}

/// What a pack was made of, or which file it is, as a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(String);

/// What is noted under a key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    sha256: String,
    size_bytes: u64,
}

impl Key {
    /// Of sources, and of the program that compiles them.
    pub(crate) fn of_sources(
        sources: &Sources,
        definitions: &[Definition],
        worker: &Path,
    ) -> Result<Self, Failure> {
        let mut digest = Sha256::new();
        digest.update("candor pack 1\n");
        if !definitions.is_empty() {
            digest.update(definitions.to_vec().to_message());
        }
        let program = fs::File::open(worker)
            .and_then(kernel::file::stat)
            .map_err(|error| Failure::at(worker, &error))?;
        add_file(&mut digest, worker, &program);
        for source in &sources.files {
            digest.update(source.label.as_bytes());
            digest.update([0]);
            match &source.path {
                Some(path) => add_file(&mut digest, path, &source.stat),
                None => {
                    let content = digest::of_file(&source.file)
                        .map_err(|error| Failure::at(Path::new(&source.label), &error))?;
                    digest.update(content);
                }
            }
        }
        Ok(Self(format!("sources-{}", hex(&digest.finalize()))))
    }

    /// Of a pack that somebody else made.
    pub(crate) fn of_file(path: &Path, stat: &FileStat) -> Self {
        let mut digest = Sha256::new();
        let absolute = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        add_file(&mut digest, &absolute, stat);
        Self(format!("file-{}", hex(&digest.finalize())))
    }

    fn file_name(&self) -> String {
        format!("{}.json", self.0)
    }
}

pub(super) fn add_file(digest: &mut Sha256, path: &Path, stat: &FileStat) {
    digest.update(path.as_os_str().as_bytes());
    let identity = format!(
        "\0{} {} {} {} {}\n",
        stat.device, stat.inode, stat.size_bytes, stat.mtime_ns, stat.ctime_ns
    );
    digest.update(identity);
}

/// Whether a later change would show in its times.
pub(crate) fn is_settled(stat: &FileStat) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let settled = now.saturating_sub(SETTLED_AFTER).as_nanos();
    i128::try_from(settled).is_ok_and(|settled| stat.ctime_ns.max(stat.mtime_ns) < settled)
}

impl Cache {
    /// Opens the caller's cache, or says why there is none.
    pub(crate) fn open() -> Result<Self, String> {
        Self::open_at(&directory()?)
    }

    pub(super) fn open_at(path: &Path) -> Result<Self, String> {
        let at = |error: io::Error| format!("{}: {}", escaped_path(path), plain(&error));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(at)?;
        }
        let own = open_private(path)?;
        Ok(Self {
            packs: open_private(&path.join("packs"))?,
            notes: open_private(&path.join("notes"))?,
            yara: open_private(&path.join("yara"))?,
            id: FileId::of(&kernel::file::stat(&own).map_err(at)?),
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where compiled YARA rules are.
    pub(super) fn yara(&self) -> BorrowedFd<'_> {
        self.yara.as_fd()
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// The pack that was made of these sources.
    pub(crate) fn find(&self, key: &Key) -> Option<(OwnedFd, Sha256Bytes)> {
        let note = self.note(key)?;
        let sha256 = from_hex(&note.sha256)?;
        let file = self.open_pack(&sha256).ok()?;
        let stat = kernel::file::stat(&file).ok()?;
        if stat.size_bytes != note.size_bytes {
            return None;
        }
        self.mark_used(&sha256);
        Some((file, sha256))
    }

    /// The digest of a file that did not change since.
    pub(crate) fn digest(&self, key: &Key) -> Option<Sha256Bytes> {
        from_hex(&self.note(key)?.sha256)
    }

    /// Notes a digest.
    pub(crate) fn remember_digest(&self, key: &Key, sha256: Sha256Bytes) -> io::Result<()> {
        self.write_note(key, &sha256, 0)
    }

    /// Starts a pack.
    pub(crate) fn partial(&self) -> io::Result<Partial> {
        remove_stale(&self.packs)?;
        remove_stale(&self.notes)?;
        Partial::create(&self.packs)
    }

    /// Keeps a pack under its digest, to be found by the key where there is one.
    pub(crate) fn keep(
        &self,
        partial: Partial,
        key: Option<&Key>,
    ) -> io::Result<(OwnedFd, Sha256Bytes)> {
        let sha256 = digest::of_file(partial.file())?;
        rustix::fs::fchmod(partial.file(), Mode::RUSR)?;
        partial.keep(pack_name(&sha256), Existing::Replace)?;
        let file = self.open_pack(&sha256)?;
        if let Some(key) = key {
            self.write_note(key, &sha256, kernel::file::stat(&file)?.size_bytes)?;
        }
        keep_newest(self.packs.as_fd(), PACKS_KEPT)?;
        keep_newest(self.notes.as_fd(), NOTES_KEPT)?;
        Ok((file, sha256))
    }

    fn open_pack(&self, sha256: &Sha256Bytes) -> io::Result<OwnedFd> {
        open_own(&self.packs, &pack_name(sha256))
    }

    fn mark_used(&self, sha256: &Sha256Bytes) {
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        // Only the order of deletion suffers where this fails.
        let _ = rustix::fs::utimensat(&self.packs, pack_name(sha256), &times, AtFlags::empty());
    }

    fn note(&self, key: &Key) -> Option<Note> {
        let opened = open_own(&self.notes, &key.file_name()).ok()?;
        let mut text = String::new();
        fs::File::from(opened)
            .take(NOTE_BYTES_MAX)
            .read_to_string(&mut text)
            .ok()?;
        serde_json::from_str(&text).ok()
    }

    fn write_note(&self, key: &Key, sha256: &Sha256Bytes, size_bytes: u64) -> io::Result<()> {
        let note = Note {
            sha256: hex(sha256),
            size_bytes,
        };
        let partial = Partial::create(&self.notes)?;
        serde_json::to_writer(partial.file(), &note)?;
        partial.keep(key.file_name(), Existing::Replace)
    }
}

fn directory() -> Result<PathBuf, String> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    if let Some(base) = absolute("XDG_CACHE_HOME") {
        return Ok(base.join("candor"));
    }
    if rustix::process::geteuid().is_root() {
        return Ok("/var/cache/candor".into());
    }
    absolute("HOME")
        .map(|home| home.join(".cache/candor"))
        .ok_or_else(|| "neither XDG_CACHE_HOME nor HOME names a directory".to_owned())
}

/// Opens a directory, or makes it; refuses one that anybody else could write.
fn open_private(path: &Path) -> Result<OwnedFd, String> {
    let shown = escaped_path(path);
    let at = |error: io::Error| format!("{shown}: {}", plain(&error));
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(at(error)),
        _ => {}
    }
    let directory = open_directory(path).map_err(at)?;
    let stat = kernel::file::stat(&directory).map_err(at)?;
    if stat.uid != rustix::process::geteuid().as_raw() {
        return Err(format!("{shown}: belongs to somebody else"));
    }
    if stat.mode & OTHERS_WRITE != 0 {
        return Err(format!(
            "{shown}: others can write there; chmod 700 {shown}, and delete what is in it"
        ));
    }
    Ok(directory)
}

/// Opens what this user put there. What somebody else did, while others could write, is not
/// believed.
pub(super) fn open_own(directory: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())?;
    let stat = kernel::file::stat(&file)?;
    let is_own = stat.uid == rustix::process::geteuid().as_raw() && stat.mode & OTHERS_WRITE == 0;
    if is_own && stat.kind == FileKind::Regular {
        return Ok(file);
    }
    Err(io::Error::from(io::ErrorKind::PermissionDenied))
}

fn pack_name(sha256: &Sha256Bytes) -> String {
    format!("{}.pack", hex(sha256))
}

fn from_hex(text: &str) -> Option<Sha256Bytes> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digits = std::str::from_utf8(digits).ok()?;
        *byte = u8::from_str_radix(digits, 16).ok()?;
    }
    Some(bytes)
}

pub(super) fn keep_newest(directory: BorrowedFd<'_>, kept: usize) -> io::Result<()> {
    let mut found = Vec::new();
    for entry in Dir::read_from(directory)? {
        let name = entry?.file_name().to_owned();
        if name.to_bytes().starts_with(b".") {
            continue;
        }
        let stat = kernel::file::stat_at(directory, std::ffi::OsStr::from_bytes(name.to_bytes()));
        // One that is gone by now was deleted by somebody who does the same.
        if let Ok(stat) = stat {
            found.push((stat.mtime_ns, name));
        }
    }
    found.sort_by(|a, b| b.cmp(a));
    for (_, name) in found.into_iter().skip(kept) {
        let _ = rustix::fs::unlinkat(directory, &name, AtFlags::empty());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn keep(cache: &Cache, content: &[u8], key: &str) -> Sha256Bytes {
        let partial = cache.partial().unwrap();
        partial.file().write_all(content).unwrap();
        cache.keep(partial, Some(&Key(key.to_owned()))).unwrap().1
    }

    #[test]
    fn a_pack_is_found_by_what_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let key = Key("sources-1".to_owned());
        assert!(cache.find(&key).is_none());
        let sha256 = keep(&cache, b"pack", "sources-1");
        let (file, found) = cache.find(&key).unwrap();
        assert_eq!(found, sha256);
        assert_eq!(digest::of_file(&file).unwrap(), sha256);
        assert!(kernel::file::write_all_at(&file, 0, b"x").is_err());
    }

    #[test]
    fn a_pack_of_another_length_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let sha256 = keep(&cache, b"pack", "sources-1");
        let path = dir.path().join("candor/packs").join(pack_name(&sha256));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "cut").unwrap();
        assert!(cache.find(&Key("sources-1".to_owned())).is_none());
        let note = dir.path().join("candor/notes/sources-1.json");
        fs::write(note, "{").unwrap();
        assert!(cache.find(&Key("sources-1".to_owned())).is_none());
    }

    #[test]
    fn only_the_newest_packs_stay() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        for number in 0..7u8 {
            keep(&cache, &[number], &format!("sources-{number}"));
        }
        let packs = fs::read_dir(dir.path().join("candor/packs"))
            .unwrap()
            .count();
        assert_eq!(packs, PACKS_KEPT);
        assert!(cache.find(&Key("sources-6".to_owned())).is_some());
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("candor");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        let error = Cache::open_at(&path).unwrap_err();
        assert!(error.contains("chmod 700"), "{error}");
    }

    #[test]
    fn the_directories_inside_are_held_to_the_same() {
        for part in ["packs", "notes", "yara"] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("candor");
            Cache::open_at(&path).unwrap();
            let part = path.join(part);
            fs::set_permissions(&part, fs::Permissions::from_mode(0o770)).unwrap();
            let error = Cache::open_at(&path).unwrap_err();
            let expected = format!("chmod 700 {}", part.display());
            assert!(error.contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_pack_or_a_note_that_others_can_write_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open_at(&dir.path().join("candor")).unwrap();
        let sha256 = keep(&cache, b"pack", "sources-1");
        let key = Key("sources-1".to_owned());
        let note = dir.path().join("candor/notes/sources-1.json");
        let pack = dir.path().join("candor/packs").join(pack_name(&sha256));
        for path in [note, pack] {
            let before = fs::metadata(&path).unwrap().permissions();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
            assert!(cache.find(&key).is_none(), "{}", path.display());
            fs::set_permissions(&path, before).unwrap();
            assert!(cache.find(&key).is_some());
        }
    }

    #[test]
    fn digests_are_read_back_exactly() {
        let digest = digest::of_bytes(b"x");
        assert_eq!(from_hex(&hex(&digest)), Some(digest));
        assert_eq!(from_hex("12"), None);
        assert_eq!(from_hex(&"zz".repeat(32)), None);
    }
}
