//! Writes a bundle: an uncompressed ustar archive of plain files with its manifest last, the same
//! bytes for the same members. Reads nothing back.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use kernel::file::{FileKind, Follow, open_for_scan, read_at, stat};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::escape::{escaped_path, hex};
use crate::failure::Failure;

const BLOCK_BYTES: usize = 512;
const WINDOW_BYTES: usize = 1 << 20;
/// What eleven octal digits hold.
const OCTAL_MAX: u64 = (1 << 33) - 1;
const NAME_BYTES_MAX: usize = 80;

/// A bundle that is being written.
pub(super) struct Bundle<'a> {
    file: &'a File,
    members: Vec<Member>,
    digests: BTreeSet<String>,
}

#[derive(Serialize)]
struct Member {
    name: String,
    sha256: String,
    size_bytes: u64,
}

#[derive(Serialize)]
struct Manifest<'a> {
    format: u32,
    candor: &'static str,
    members: &'a [Member],
}

impl<'a> Bundle<'a> {
    pub(super) fn new(file: &'a File) -> Self {
        Self {
            file,
            members: Vec::new(),
            digests: BTreeSet::new(),
        }
    }

    /// Adds a member from memory.
    pub(super) fn add(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.write_plain(name, bytes)?;
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.list(name, &Sha256::digest(bytes), size_bytes);
        Ok(())
    }

    /// Copies a file in, under its own name.
    pub(super) fn attach(&mut self, path: &Path) -> Result<(), Failure> {
        let at = |error: io::Error| Failure::at(path, &error);
        let source = open_for_scan(path, Follow::Links).map_err(at)?;
        let before = stat(&source).map_err(at)?;
        if before.kind != FileKind::Regular {
            let path = escaped_path(path);
            return Err(Failure::said(format!("{path}: it is no plain file")));
        }
        let number = self.members.len();
        let name = format!("blobs/{number:04}-{}", plain_name(path));
        self.write_headers(&name, before.size_bytes)?;
        let mut digest = Sha256::new();
        let mut window = vec![0; WINDOW_BYTES];
        let mut offset = 0u64;
        loop {
            let count = read_at(&source, offset, &mut window).map_err(at)?;
            let part = window.get(..count).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            digest.update(part);
            self.write(part)?;
            offset = offset.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        }
        if offset != before.size_bytes {
            let path = escaped_path(path);
            return Err(Failure::said(format!(
                "{path}: it changed while it was read"
            )));
        }
        self.pad(before.size_bytes)?;
        self.list(&name, &digest.finalize(), before.size_bytes);
        Ok(())
    }

    /// Whether a member has this digest.
    pub(super) fn holds(&self, digest: &str) -> bool {
        self.digests.contains(digest)
    }

    /// Writes the manifest and the end.
    pub(super) fn finish(self) -> io::Result<()> {
        let manifest = Manifest {
            format: 1,
            candor: env!("CARGO_PKG_VERSION"),
            members: &self.members,
        };
        let mut text = serde_json::to_string(&manifest)?;
        text.push('\n');
        self.write_plain("bundle.json", text.as_bytes())?;
        self.write(&[0; BLOCK_BYTES * 2])
    }

    fn list(&mut self, name: &str, digest: &[u8], size_bytes: u64) {
        let sha256 = hex(digest);
        self.digests.insert(sha256.clone());
        self.members.push(Member {
            name: name.to_owned(),
            sha256,
            size_bytes,
        });
    }

    fn write_plain(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let size_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.write_headers(name, size_bytes)?;
        self.write(bytes)?;
        self.pad(size_bytes)
    }

    /// The header; before it one more where the size is too large for it.
    fn write_headers(&self, name: &str, size_bytes: u64) -> io::Result<()> {
        let mut told = size_bytes;
        if size_bytes > OCTAL_MAX {
            let line = size_line(size_bytes);
            let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
            self.write(&header("size", length, b'x'))?;
            self.write(line.as_bytes())?;
            self.pad(length)?;
            told = 0;
        }
        self.write(&header(name, told, b'0'))
    }

    fn pad(&self, size_bytes: u64) -> io::Result<()> {
        let over = usize::try_from(size_bytes % 512).unwrap_or(0);
        match over {
            0 => Ok(()),
            over => {
                let rest = [0; BLOCK_BYTES];
                self.write(rest.get(over..).unwrap_or_default())
            }
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.file;
        file.write_all(bytes)
    }
}

/// `LENGTH size=NUMBER\n`, whose length counts itself.
fn size_line(size_bytes: u64) -> String {
    let rest = format!(" size={size_bytes}\n");
    let mut length = rest.len();
    loop {
        let line = format!("{length}{rest}");
        if line.len() == length {
            return line;
        }
        length = line.len();
    }
}

fn header(name: &str, size_bytes: u64, kind: u8) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let mut put = |from: usize, text: &[u8]| {
        for (place, byte) in block.iter_mut().skip(from).zip(text) {
            *place = *byte;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size_bytes:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in block
        .iter_mut()
        .skip(148)
        .zip(format!("{sum:06o}\0 ").bytes())
    {
        *place = byte;
    }
    block
}

/// A file's name with nothing in it that another system could mind.
fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.unwrap_or_default();
    let plain = |sign: char| match sign {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => sign,
        _ => '_',
    };
    name.chars().map(plain).take(NAME_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_needs_a_line_counts_itself() {
        assert_eq!(size_line(8_589_934_592), "19 size=8589934592\n");
        assert_eq!(size_line(1), "9 size=1\n");
        assert_eq!(size_line(100), "12 size=100\n");
    }

    #[test]
    fn names_are_plain() {
        assert_eq!(plain_name(Path::new("/a/b c\n.bundle")), "b_c_.bundle");
        assert_eq!(plain_name(Path::new("..")), "");
    }
}
