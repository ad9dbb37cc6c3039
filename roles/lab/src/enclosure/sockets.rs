//! Sockets that have a path on the machine. Through an overlay such a path would still lead to the
//! program that listens, so each of them is taken out of what is seen inside.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The paths of all bound sockets, in every network of the machine.
pub(super) fn bound() -> BTreeSet<PathBuf> {
    let mut networks = BTreeSet::new();
    let mut paths = BTreeSet::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_process = entry.file_name().as_bytes().iter().all(u8::is_ascii_digit);
        if !is_process {
            continue;
        }
        let Ok(network) = fs::read_link(entry.path().join("ns/net")) else {
            continue;
        };
        if networks.insert(network)
            && let Ok(table) = fs::read(entry.path().join("net/unix"))
        {
            paths.extend(listed(&table));
        }
    }
    paths
}

/// The paths in the kernel's table; a name that begins with `@` is no path.
fn listed(table: &[u8]) -> impl Iterator<Item = PathBuf> + '_ {
    let lines = table.split(|byte| *byte == b'\n').skip(1);
    lines.filter_map(|line| {
        // The eighth field may hold spaces; it begins at the line's first slash.
        let at = line.iter().position(|byte| *byte == b'/')?;
        let path = std::ffi::OsStr::from_bytes(line.get(at..)?);
        Some(PathBuf::from(path))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_other_names_are_not() {
        let table = b"Num RefCount Protocol Flags Type St Inode Path\n\
            0000: 00000002 00000000 00010000 0001 01 1 /run/a b.sock\n\
            0000: 00000002 00000000 00010000 0001 01 1 @/abstract\n\
            0000: 00000003 00000000 00000000 0001 03 2\n";
        let found: Vec<PathBuf> = listed(&table[..]).collect();
        // A name that the kernel writes with @ is not told apart by the slash alone, and a path
        // too many is only looked for in vain.
        assert!(found.contains(&PathBuf::from("/run/a b.sock")));
    }

    #[test]
    fn a_socket_of_this_process_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.sock");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(bound().contains(&path));
    }
}
