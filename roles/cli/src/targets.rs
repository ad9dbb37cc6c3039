//! What is to be scanned, one path after another: arguments, then a list that is read as it goes,
//! so that a list of any length costs no memory. A closed standard input is no empty one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags};

use crate::args::ScanArguments;
use crate::failure::{Failure, plain};
use crate::walk::FileId;

/// What standard input is called in a report.
pub(crate) const STANDARD_INPUT: &str = "(standard input)";

const PATH_BYTES_MAX: u64 = 64 * 1024;

/// One thing to scan.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Path(PathBuf),
    StandardInput,
    /// The list could not be read on, and why.
    BrokenList(String),
}

/// All of them.
pub(crate) struct Targets {
    arguments: std::vec::IntoIter<PathBuf>,
    list: Option<List>,
}

struct List {
    reader: Box<dyn BufRead + Send>,
    end: u8,
}

impl Targets {
    pub(crate) fn new(arguments: &ScanArguments) -> Result<Self, Failure> {
        let dash = Path::new("-");
        let reads_bytes = arguments.paths.iter().any(|path| path == dash);
        let list = match &arguments.selection.files_from {
            None => None,
            Some(path) if path == dash && reads_bytes => {
                let why = "standard input can be the bytes to scan or the list of paths, not both";
                return Err(Failure::said(why));
            }
            Some(path) => Some(List {
                reader: open_list(path)?,
                end: if arguments.selection.null { 0 } else { b'\n' },
            }),
        };
        Ok(Self {
            arguments: arguments.paths.clone().into_iter(),
            list,
        })
    }
}

impl Iterator for Targets {
    type Item = Target;

    fn next(&mut self) -> Option<Target> {
        if let Some(path) = self.arguments.next() {
            return Some(match path.as_os_str() == "-" {
                true => Target::StandardInput,
                false => Target::Path(path),
            });
        }
        match self.list.as_mut()?.next_path() {
            Ok(Some(path)) => Some(Target::Path(path)),
            Ok(None) => None,
            Err(error) => {
                self.list = None;
                Some(Target::BrokenList(plain(&error)))
            }
        }
    }
}

impl List {
    fn next_path(&mut self) -> io::Result<Option<PathBuf>> {
        loop {
            let mut path = Vec::new();
            let mut bounded = (&mut self.reader).take(PATH_BYTES_MAX);
            if bounded.read_until(self.end, &mut path)? == 0 {
                return Ok(None);
            }
            if path.len() as u64 == PATH_BYTES_MAX {
                return Err(io::Error::other("a path in the list is longer than 64 KiB"));
            }
            if path.last() == Some(&self.end) {
                path.pop();
            }
            if !path.is_empty() {
                return Ok(Some(OsString::from_vec(path).into()));
            }
        }
    }
}

fn open_list(path: &Path) -> Result<Box<dyn BufRead + Send>, Failure> {
    if path.as_os_str() == "-" {
        let input = standard_input()
            .map_err(|error| Failure::said(format!("the list of paths: {}", plain(&error))))?;
        return Ok(Box::new(BufReader::new(input)));
    }
    let file = File::open(path).map_err(|error| Failure::at(path, &error))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Standard input, as a file of ours: through the standard library's own, one that can't be read
/// would look like an empty one.
pub(crate) fn standard_input() -> io::Result<File> {
    let input = io::stdin();
    if stands_in(input.as_fd())? {
        let why =
            "standard input is closed; give it what is to be read, such as: candor scan - < FILE";
        return Err(io::Error::other(why));
    }
    Ok(input.as_fd().try_clone_to_owned()?.into())
}

/// Whether a descriptor is the null device, open for reading and writing: what takes the place of
/// a standard descriptor that was closed when this program started. `< /dev/null` is read-only.
fn stands_in(file: BorrowedFd<'_>) -> io::Result<bool> {
    let mode = rustix::fs::fcntl_getfl(file)? & OFlags::ACCMODE;
    let null = kernel::file::stat_at(CWD, "/dev/null");
    let stat = kernel::file::stat(file)?;
    let is_null = null.is_ok_and(|null| FileId::of(&null) == FileId::of(&stat));
    Ok(is_null && mode == OFlags::RDWR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Arguments, Command};
    use clap::Parser;

    fn targets(words: &[&str]) -> Result<Targets, Failure> {
        let parsed = Arguments::try_parse_from(["candor", "scan"].iter().chain(words)).unwrap();
        match parsed.command {
            Command::Scan(scan) => Targets::new(&scan),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn lists_end_their_paths_as_told() {
        let dir = tempfile::tempdir().unwrap();
        let list = dir.path().join("list");
        std::fs::write(&list, "a\0b\nc\0\0").unwrap();
        let list = list.to_str().unwrap();
        let found: Vec<_> = targets(&["x", "--null", "--files-from", list])
            .unwrap()
            .collect();
        let paths = ["x", "a", "b\nc"].map(|path| Target::Path(path.into()));
        assert_eq!(found, paths);
    }

    #[test]
    fn an_endless_path_breaks_the_list() {
        let mut list = List {
            reader: Box::new(BufReader::new(io::repeat(b'a'))),
            end: b'\n',
        };
        assert!(list.next_path().is_err());
    }

    #[test]
    fn standard_input_is_one_thing_at_a_time() {
        assert!(targets(&["-", "--files-from", "-"]).is_err());
        let found: Vec<_> = targets(&["-", "./-"]).unwrap().collect();
        assert_eq!(found, [Target::StandardInput, Target::Path("./-".into())]);
    }

    #[test]
    fn the_stand_in_for_a_closed_input_is_recognised() {
        let open = |write: bool| {
            let mut options = File::options();
            options.read(true).write(write).open("/dev/null").unwrap()
        };
        assert!(stands_in(open(true).as_fd()).unwrap());
        assert!(!stands_in(open(false).as_fd()).unwrap());
        let file = tempfile::tempfile().unwrap();
        assert!(!stands_in(file.as_fd()).unwrap());
    }
}
