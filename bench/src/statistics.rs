//! Makes the frozen table of byte statistics that anchors are chosen by.
//!
//! Files are of three classes, by their first bytes: programs, text, and whatever else (documents,
//! pictures, archives). Each class counts as much as its share says, however many bytes there are
//! of it. Only every other file is taken, by a hash of its path: the others are for measuring.

use std::fs;
use std::path::{Path, PathBuf};

use rules::anchors::statistics::Counts;

/// Of a longer file, only so much is counted.
const FILE_BYTES_MAX: usize = 4 << 20;
/// Shares of programs, text and the rest, in hundredths.
const SHARES: [u64; 3] = [60, 20, 20];

/// Counts the files below some paths and writes the table.
pub(crate) fn run(output: &Path, roots: &[&str]) -> Result<(), String> {
    let mut classes: [Vec<PathBuf>; 3] = Default::default();
    let mut sizes = [0u64; 3];
    for root in roots {
        for path in files(Path::new(root)) {
            if is_for_measuring(&path) {
                continue;
            }
            let Some(bytes) = read(&path) else { continue };
            let class = class(&bytes);
            sizes[class] += bytes.len() as u64;
            classes[class].push(path);
        }
    }
    println!("programs, text, other: {sizes:?} bytes");
    let mut counts = Counts::default();
    for ((paths, size), share) in classes.iter().zip(sizes).zip(SHARES) {
        let weight = (share << 33) / size.max(1);
        for path in paths {
            counts.add(&read(path).unwrap_or_default(), weight.max(1));
        }
    }
    fs::write(output, counts.table()).map_err(|error| format!("{}: {error}", output.display()))
}

/// Whether a file is in the half that nothing is learnt from.
pub(crate) fn is_for_measuring(path: &Path) -> bool {
    let bytes = path.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    });
    hash >> 40 & 1 == 1
}

/// Every regular file below a path, in the order of their names.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let Ok(kind) = fs::symlink_metadata(&path).map(|metadata| metadata.file_type()) else {
            continue;
        };
        if kind.is_file() {
            found.push(path);
        } else if kind.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(entries.map(|entry| entry.path()));
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    bytes.truncate(FILE_BYTES_MAX);
    Some(bytes)
}

fn class(bytes: &[u8]) -> usize {
    const PROGRAMS: [&[u8]; 5] = [
        b"\x7fELF",
        b"MZ",
        b"!<arch>",
        b"\xcf\xfa\xed\xfe",
        b"\xca\xfe\xba\xbe",
    ];
    if PROGRAMS.iter().any(|magic| bytes.starts_with(magic)) {
        return 0;
    }
    let head = &bytes[..bytes.len().min(4096)];
    if head.contains(&0) || String::from_utf8_lossy(head).matches('\u{fffd}').count() > 3 {
        2
    } else {
        1
    }
}
