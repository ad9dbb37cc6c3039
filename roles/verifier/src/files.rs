//! Files that came with a question: read at a place, never mapped, by what they are for.

use std::os::fd::OwnedFd;

use evidence::Source;
use kernel::file::{FileKind, read_at, stat};
use proto::Question;

/// The longest policy, key or list of records.
const SMALL_BYTES_MAX: u64 = 16 << 20;

/// A file of the question.
pub(crate) struct File {
    /// What it is for.
    pub(crate) part: String,
    /// What it is called.
    pub(crate) label: String,
    file: OwnedFd,
    size_bytes: u64,
}

impl Source for File {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, String> {
        read_at(&self.file, offset, buffer).map_err(|error| format!("it can't be read: {error}"))
    }
}

/// The files, each with its name.
pub(crate) fn named(question: &Question, files: Vec<OwnedFd>) -> Result<Vec<File>, String> {
    if question.files.len() != files.len() {
        return Err("a question came with too many or too few files".to_owned());
    }
    let named = question.files.iter().zip(files);
    named
        .map(|(name, file)| {
            let stat = stat(&file).map_err(|error| format!("{}: {error}", name.label))?;
            if stat.kind != FileKind::Regular {
                return Err(format!("{}: it is no plain file", name.label));
            }
            Ok(File {
                part: name.part.clone(),
                label: name.label.clone(),
                file,
                size_bytes: stat.size_bytes,
            })
        })
        .collect()
}

/// The bytes of the one file that is for this; `None` where there is none.
pub(crate) fn small(files: &[File], part: &str) -> Result<Option<Vec<u8>>, String> {
    let mut found = files.iter().filter(|file| file.part == part);
    let Some(file) = found.next() else {
        return Ok(None);
    };
    if found.next().is_some() {
        return Err(format!("there are two files for {part}"));
    }
    let label = &file.label;
    if file.size_bytes > SMALL_BYTES_MAX {
        return Err(format!("{label}: it is longer than 16 MiB"));
    }
    let length = usize::try_from(file.size_bytes).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; length];
    let count = file.read_at(0, &mut bytes);
    let count = count.map_err(|why| format!("{label}: {why}"))?;
    bytes.truncate(count);
    Ok(Some(bytes))
}
