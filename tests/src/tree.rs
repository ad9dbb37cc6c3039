//! Directories of very many files: where they are made, and what is in them afterwards.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const IN_MEMORY: &str = "/dev/shm";
const ROOM_KIB: u64 = 4 << 20;

/// Makes this process's temporary directories in memory, where there is room: a disk takes a
/// minute for what memory takes seconds for, and it is not the disk that is tested.
pub fn make_in_memory() {
    let room = Command::new("df")
        .args(["--output=avail", "-k", IN_MEMORY])
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let room_kib: u64 = room
        .lines()
        .nth(1)
        .and_then(|line| line.trim().parse().ok())
        .unwrap_or(0);
    if room_kib > ROOM_KIB {
        // Another test of this process may have been first, with the same answer.
        let _ = tempfile::env::override_temp_dir(Path::new(IN_MEMORY));
    }
}

/// Every path below a directory, with its length and the time it was changed.
#[must_use]
pub fn listing(directory: &Path) -> BTreeMap<PathBuf, (u64, Option<std::time::SystemTime>)> {
    let mut all = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a directory").flatten() {
            let facts = entry.metadata().expect("an entry");
            if facts.is_dir() {
                left.push(entry.path());
            }
            all.insert(entry.path(), (facts.len(), facts.modified().ok()));
        }
    }
    all
}
