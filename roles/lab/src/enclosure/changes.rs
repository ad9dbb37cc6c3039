//! What is different after a run: read from the layer of changes, once nothing runs any more.
//! Names and contents are the product's; they are hashed and escaped, never interpreted.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use lab::Escaped;
use lab::bundle::{Change, ChangeKind};
use sha2::{Digest, Sha256};

use super::view::{OPAQUE, Prepared, View};

/// More differences than a report can hold; a run with more is not complete.
const CHANGES_MAX: usize = 200_000;

/// The differences, by path.
pub(super) fn of(view: &View) -> io::Result<Vec<Change>> {
    let mut found = Found {
        view,
        changes: BTreeMap::new(),
    };
    for tree in &view.trees {
        found.walk(&tree.upper, &tree.place, Below::Seen)?;
    }
    for (path, prepared) in &view.prepared {
        if *prepared != Prepared::Hole && !found.changes.contains_key(path) && !found.is_there(path)
        {
            found.add(path, gone(path))?;
        }
    }
    Ok(found.changes.into_values().collect())
}

/// Whether the machine's own files show through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    Seen,
    Hidden,
}

struct Found<'a> {
    view: &'a View,
    changes: BTreeMap<PathBuf, Change>,
}

impl Found<'_> {
    fn walk(&mut self, layer: &Path, place: &Path, below: Below) -> io::Result<()> {
        for entry in fs::read_dir(layer)? {
            let entry = entry?;
            let at = entry.path();
            let path = place.join(entry.file_name());
            // A file system of its own has a layer of its own.
            if self.view.trees.iter().any(|tree| tree.place == path) {
                continue;
            }
            let data = entry.metadata()?;
            if data.is_dir() {
                let below = self.folder(&at, &path, (&data, below))?;
                self.walk(&at, &path, below)?;
            } else {
                self.other(&at, &path, (&data, below))?;
            }
        }
        Ok(())
    }

    fn folder(
        &mut self,
        at: &Path,
        path: &Path,
        (data, below): (&Metadata, Below),
    ) -> io::Result<Below> {
        let mut value = [0; 1];
        let is_opaque = rustix::fs::lgetxattr(at, OPAQUE, &mut value)
            .is_ok_and(|length| length == 1 && value == *b"y");
        let inner = match is_opaque {
            true => Below::Hidden,
            false => below,
        };
        if self.view.prepared.get(path) == Some(&Prepared::Folder) {
            return Ok(inner);
        }
        let before = before(path, below).filter(Metadata::is_dir);
        let kind = match before {
            None => ChangeKind::Created,
            Some(before) if is_opaque || !same_rights(&before, data) => ChangeKind::Changed,
            // It is here only since something below it is different.
            Some(_) => return Ok(inner),
        };
        self.add(path, described(path, kind, data))?;
        Ok(inner)
    }

    fn other(
        &mut self,
        at: &Path,
        path: &Path,
        (data, below): (&Metadata, Below),
    ) -> io::Result<()> {
        let prepared = self.view.prepared.get(path);
        let is_hole = data.file_type().is_char_device() && data.rdev() == 0;
        if is_hole {
            return match prepared {
                Some(Prepared::Hole) => Ok(()),
                _ => self.add(path, gone(path)),
            };
        }
        let digest = match data.is_file() {
            true => Some(digest(at)?),
            false => None,
        };
        let before = before(path, below);
        let kind = match prepared {
            Some(Prepared::File(known)) if digest.as_ref() == Some(known) => return Ok(()),
            Some(Prepared::File(_)) => ChangeKind::Changed,
            Some(Prepared::Hole) => ChangeKind::Created,
            Some(Prepared::Folder) => ChangeKind::Changed,
            None if before.is_none() => ChangeKind::Created,
            None => ChangeKind::Changed,
        };
        let is_copy = before.is_some_and(|before| {
            before.is_file()
                && same_rights(&before, data)
                && before.len() == data.len()
                && digest.is_some()
                && self::digest(path).ok() == digest
        });
        if prepared.is_none() && is_copy {
            return Ok(());
        }
        let sha256 = digest.map(|digest| hex(&digest));
        self.add(
            path,
            Change {
                sha256,
                ..described(path, kind, data)
            },
        )
    }

    fn add(&mut self, path: &Path, change: Change) -> io::Result<()> {
        if self.changes.len() >= CHANGES_MAX {
            return Err(io::Error::other(format!(
                "more than {CHANGES_MAX} files were changed"
            )));
        }
        self.changes.insert(path.to_owned(), change);
        Ok(())
    }

    fn is_there(&self, path: &Path) -> bool {
        let trees = self.view.trees.iter();
        let tree = trees
            .filter(|tree| path.starts_with(&tree.place))
            .max_by_key(|tree| tree.place.components().count());
        tree.is_some_and(|tree| {
            let below = path.strip_prefix(&tree.place).unwrap_or(path);
            fs::symlink_metadata(tree.upper.join(below)).is_ok()
        })
    }
}

/// What the machine has there, where that shows through.
fn before(path: &Path, below: Below) -> Option<Metadata> {
    match below {
        Below::Hidden => None,
        Below::Seen => fs::symlink_metadata(path).ok(),
    }
}

fn same_rights(one: &Metadata, other: &Metadata) -> bool {
    (one.mode(), one.uid(), one.gid()) == (other.mode(), other.uid(), other.gid())
}

fn gone(path: &Path) -> Change {
    Change {
        path: Escaped::new(path.as_os_str().as_bytes()),
        kind: ChangeKind::Deleted,
        phase: None,
        what: String::new(),
        size_bytes: 0,
        sha256: None,
        mode: String::new(),
        owner: String::new(),
    }
}

fn described(path: &Path, kind: ChangeKind, data: &Metadata) -> Change {
    let file_type = data.file_type();
    let what = if file_type.is_dir() {
        "directory"
    } else if file_type.is_symlink() {
        "link"
    } else if file_type.is_socket() {
        "socket"
    } else if file_type.is_fifo() {
        "pipe"
    } else if file_type.is_file() {
        "file"
    } else {
        "device"
    };
    Change {
        kind,
        what: what.to_owned(),
        size_bytes: match file_type.is_file() {
            true => data.len(),
            false => 0,
        },
        mode: format!("{:04o}", data.mode() & 0o7777),
        owner: format!("{}:{}", data.uid(), data.gid()),
        ..gone(path)
    }
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(hash.finalize().into());
        }
        hash.update(buffer.get(..count).unwrap_or_default());
    }
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
