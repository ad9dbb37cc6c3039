//! Signature files, found by their extension and opened; their bytes are for a worker to read.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use kernel::file::{FileKind, FileStat, Follow};

use crate::escape::{escaped_path, visible};
use crate::failure::{Failure, plain};
use crate::program;

/// The kinds that a worker can be asked to read.
const EXTENSIONS: &[&str] = &[
    "cat", "cbc", "cdb", "cfg", "cld", "crb", "cud", "cvd", "db", "fp", "ftm", "gdb", "hdb", "hdu",
    "hsb", "hsu", "idb", "ign", "ign2", "imp", "info", "ioc", "ldb", "ldu", "mdb", "mdu", "msb",
    "msu", "ndb", "ndu", "pdb", "pwdb", "rmd", "sdb", "sfp", "wdb", "yar", "yara", "zmd",
];

/// The signatures inside this program.
const STARTER: [(&str, &str); 2] = [
    (
        "starter.hdb",
        include_str!("../../../../rules/starter/starter.hdb"),
    ),
    (
        "starter.ndb",
        include_str!("../../../../rules/starter/starter.ndb"),
    ),
];

/// One signature file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Its name in the pack.
    pub(crate) label: String,
    /// Where it is, resolved; none for what is inside this program.
    pub(crate) path: Option<PathBuf>,
    pub(crate) file: OwnedFd,
    pub(crate) stat: FileStat,
}

/// Signature files, by name.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) files: Vec<SourceFile>,
    /// Files of no known kind in the same directories.
    pub(crate) ignored: Vec<PathBuf>,
}

impl Sources {
    /// The signature files that the paths name or hold.
    pub(crate) fn collect(paths: &[PathBuf]) -> Result<Self, Failure> {
        let mut found = Self {
            files: Vec::new(),
            ignored: Vec::new(),
        };
        for path in paths {
            let data = fs::metadata(path).map_err(|error| Failure::at(path, &error))?;
            if data.is_dir() {
                found.add_directory(path)?;
            } else if is_known(path) {
                found.files.push(SourceFile::open(path)?);
            } else {
                return Err(unknown_kind(path));
            }
        }
        found
            .files
            .sort_by(|a, b| (&a.label, &a.path).cmp(&(&b.label, &b.path)));
        found.ignored.sort();
        Ok(found)
    }

    /// The signatures inside this program.
    pub(crate) fn starter() -> Result<Self, Failure> {
        let made = |error: std::io::Error| {
            Failure::said(format!("no memory for the starter pack: {}", plain(&error)))
        };
        let mut files = Vec::new();
        for (label, text) in STARTER {
            let file = kernel::file::memory_file(label).map_err(made)?;
            kernel::file::write_all_at(&file, 0, text.as_bytes()).map_err(made)?;
            files.push(SourceFile {
                label: label.to_owned(),
                path: None,
                stat: kernel::file::stat(&file).map_err(made)?,
                file,
            });
        }
        Ok(Self {
            files,
            ignored: Vec::new(),
        })
    }

    /// Labels and descriptors for a worker.
    pub(crate) fn reopened(&self) -> Result<Vec<(String, OwnedFd)>, Failure> {
        let reopened = |source: &SourceFile| {
            let file = source.file.try_clone()?;
            Ok((source.label.clone(), file))
        };
        self.files
            .iter()
            .map(reopened)
            .collect::<std::io::Result<_>>()
            .map_err(|error| {
                Failure::said(format!(
                    "{} signature files can't be open at once: {}",
                    self.files.len(),
                    plain(&error)
                ))
            })
    }

    /// Whether any is a file of YARA rules.
    pub(crate) fn hold_yara(&self) -> bool {
        self.hold_any(&["yar", "yara"])
    }

    /// The program that compiles them. What is in a container only a worker can tell.
    pub(crate) fn compiler(&self) -> Result<PathBuf, Failure> {
        match self.hold_yara() || self.hold_any(&["cvd", "cld", "cud"]) {
            true => program::yara_worker(),
            false => program::worker(),
        }
    }

    fn hold_any(&self, extensions: &[&str]) -> bool {
        self.files.iter().any(|file| {
            let extension = file.label.rsplit_once('.').map(|(_, extension)| extension);
            extension.is_some_and(|extension| extensions.contains(&extension))
        })
    }

    /// Whether all of them are what they were when they were opened, and old enough to tell.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.files.iter().all(|source| {
            source.path.is_none()
                || kernel::file::stat(&source.file)
                    .is_ok_and(|now| now == source.stat && super::cache::is_settled(&source.stat))
        })
    }

    fn add_directory(&mut self, directory: &Path) -> Result<(), Failure> {
        let at = |error: std::io::Error| Failure::at(directory, &error);
        let before = self.files.len();
        for entry in fs::read_dir(directory).map_err(at)? {
            let path = entry.map_err(at)?.path();
            if path.is_dir() {
                continue;
            }
            if is_known(&path) {
                self.files.push(SourceFile::open(&path)?);
            } else {
                self.ignored.push(path);
            }
        }
        if self.files.len() == before {
            let shown = escaped_path(directory);
            return Err(Failure::said(format!(
                "{shown}: no signature files in this directory (such as main.cvd, local.ndb or \
                 rules.yar); fill it, for example: freshclam --datadir={shown}"
            )));
        }
        Ok(())
    }
}

impl SourceFile {
    fn open(path: &Path) -> Result<Self, Failure> {
        let at = |error: std::io::Error| Failure::at(path, &error);
        let file = kernel::file::open_for_scan(path, Follow::Links).map_err(at)?;
        let stat = kernel::file::stat(&file).map_err(at)?;
        if stat.kind != FileKind::Regular {
            let shown = escaped_path(path);
            return Err(Failure::said(format!("{shown}: not a regular file")));
        }
        let name = path.file_name().unwrap_or(path.as_os_str());
        Ok(Self {
            label: visible(&name.to_string_lossy()),
            path: Some(fs::canonicalize(path).map_err(at)?),
            file,
            stat,
        })
    }
}

/// Whether a directory has any signature file.
pub(crate) fn holds_any(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| {
        entries.any(|entry| entry.is_ok_and(|entry| is_known(&entry.path())))
    })
}

fn is_known(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| EXTENSIONS.contains(&extension))
}

fn unknown_kind(path: &Path) -> Failure {
    let shown = escaped_path(path);
    if path.extension() == Some(OsStr::new("pack")) {
        return Failure::said(format!(
            "{shown}: a compiled pack; use it with --pack {shown}"
        ));
    }
    Failure::said(format!(
        "{shown}: not a kind of signature file that is known; the kinds are {}",
        EXTENSIONS.join(" ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_gives_its_signatures_in_order_and_names_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.ndb", "a.ldb", "README.txt", "c.yar"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        fs::create_dir(dir.path().join("sub.ndb")).unwrap();
        let sources = Sources::collect(&[dir.path().to_owned()]).unwrap();
        let labels: Vec<_> = sources
            .files
            .iter()
            .map(|file| file.label.as_str())
            .collect();
        assert_eq!(labels, ["a.ldb", "b.ndb", "c.yar"]);
        assert_eq!(sources.ignored, [dir.path().join("README.txt")]);
        assert!(holds_any(dir.path()));
    }

    #[test]
    fn nothing_to_compile_is_an_error_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let error = Sources::collect(&[dir.path().to_owned()])
            .unwrap_err()
            .to_string();
        assert!(error.contains("freshclam --datadir="), "{error}");
        let file = dir.path().join("x.exe");
        fs::write(&file, "x").unwrap();
        let error = Sources::collect(&[file]).unwrap_err().to_string();
        assert!(error.contains("not a kind"), "{error}");
    }

    #[test]
    fn the_starter_pack_is_inside() {
        let starter = Sources::starter().unwrap();
        assert!(starter.files.iter().all(|file| file.stat.size_bytes > 0));
        assert!(starter.is_unchanged());
    }
}
