//! The bundle as it is written: members one after the other, each with its digest, the manifest
//! last.

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use lab::bundle::{ANSWERS, Detector, FORMAT, MANIFEST, Manifest, MemberEntry};
use lab::ustar;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::enclosure::hex;

/// A bundle that is being written.
#[derive(Debug)]
pub(crate) struct Writer {
    file: File,
    members: Vec<MemberEntry>,
}

impl Writer {
    /// Starts at the beginning of an empty file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let data = file.metadata()?;
        if !data.is_file() || data.len() > 0 {
            return Err(io::Error::other("the bundle goes to an empty regular file"));
        }
        Ok(Self {
            file,
            members: Vec::new(),
        })
    }

    /// Adds a member.
    pub(crate) fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.add_from(name, size(content.len()), &mut &content[..])
    }

    /// Adds a record as JSON, on one line.
    pub(crate) fn add_json<T: Serialize>(&mut self, name: &str, record: &T) -> io::Result<()> {
        self.add(name, &lab::lines::to_line(record)?)
    }

    /// Adds what a file holds.
    pub(crate) fn add_file(&mut self, name: &str, file: &File) -> io::Result<()> {
        let mut file = file;
        let length = file.metadata()?.len();
        file.rewind()?;
        self.add_from(name, length, &mut file)
    }

    /// Writes the manifest, and ends the file.
    pub(crate) fn finish(&mut self, exit: u8, detectors: Vec<Detector>) -> io::Result<()> {
        let manifest = Manifest {
            format: FORMAT,
            candor: env!("CARGO_PKG_VERSION").to_owned(),
            members: self.members.clone(),
            detectors,
            exit,
            outcome: outcome(exit).to_owned(),
        };
        self.add_json(MANIFEST, &manifest)?;
        self.members.pop();
        self.file.write_all(&ustar::end())?;
        self.file.flush()
    }

    /// Takes the manifest away again, from where the file ended when it was `length` long, and
    /// puts the answers in its place.
    pub(crate) fn answer(&mut self, length: u64, answers: &[u8]) -> io::Result<()> {
        self.file.set_len(length)?;
        self.file.seek(io::SeekFrom::Start(length))?;
        self.add(ANSWERS, answers)
    }

    /// How long it is by now.
    pub(crate) fn length(&mut self) -> io::Result<u64> {
        self.file.stream_position()
    }

    /// The file.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    fn add_from(&mut self, name: &str, length: u64, content: &mut dyn Read) -> io::Result<()> {
        let header = ustar::header(name, length).map_err(io::Error::other)?;
        self.file.write_all(&header)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        let mut left = content.take(length);
        let mut copied = 0;
        loop {
            let count = left.read(&mut buffer)?;
            let part = buffer.get(..count).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            hash.update(part);
            self.file.write_all(part)?;
            copied += size(count);
        }
        if copied != length {
            return Err(io::Error::other(format!(
                "{name} changed while it was copied"
            )));
        }
        self.file.write_all(&vec![0; ustar::padding(length)])?;
        self.members.push(MemberEntry {
            name: name.to_owned(),
            size_bytes: length,
            sha256: hex(&hash.finalize()),
        });
        Ok(())
    }
}

/// An outcome in words.
fn outcome(exit: u8) -> &'static str {
    match exit {
        0 => "no flow seen",
        1 => "a canary was found",
        _ => "not conclusive",
    }
}

fn size(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
