//! Where fanotify listens: the mounts of a process, which are those of the enclosure that it is in.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;

use kernel::fanotify::Reach;

/// A place and how far around it is listened.
#[derive(Debug)]
pub struct Place {
    /// A directory or file there.
    pub at: OwnedFd,
    /// How far.
    pub reach: Reach,
}

/// File systems whose files are kept by somebody. Those of the kernel itself, and devices, are
/// left alone: a notice opens the file that it is about.
const KEPT: &[&str] = &[
    "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "squashfs", "tmpfs", "xfs",
    "zfs", "erofs", "fuseblk", "vfat",
];
/// A folder of devices is one of these too, by its kind.
const DEVICES: &str = "/dev";

/// The places of a process, as `/proc/PID/mountinfo` lists them. To be asked before the product
/// runs, since a product may mount under names of its choice.
///
/// An overlay belongs to the enclosure alone and is listened to as a whole, so that a mount of it
/// that a product makes for itself hides nothing; of the machine's file systems only the mounts.
///
/// # Errors
/// Where the list can't be read or a place can't be opened.
pub fn places_of(pid: u32) -> io::Result<Vec<Place>> {
    let list = fs::read_to_string(format!("/proc/{pid}/mountinfo"))?;
    let mut places = Vec::new();
    for (path, reach) in list.lines().filter_map(listed) {
        let path = format!("/proc/{pid}/root{path}");
        match File::open(&path) {
            Ok(at) => places.push(Place {
                at: at.into(),
                reach,
            }),
            // Another mount lies over it: nobody inside reaches it by a name either.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io::Error::other(format!("{path}: {error}"))),
        }
    }
    Ok(places)
}

/// `36 35 98:0 /root /place options - type source …`, where blanks in names are octal.
fn listed(line: &str) -> Option<(String, Reach)> {
    let (before, after) = line.split_once(" - ")?;
    let place = before.split(' ').nth(4)?;
    let kind = after.split(' ').next()?;
    let is_device = place
        .strip_prefix(DEVICES)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if !KEPT.contains(&kind) || is_device {
        return None;
    }
    let reach = match kind {
        "overlay" => Reach::FileSystem,
        _ => Reach::Mount,
    };
    Some((unescaped(place), reach))
}

fn unescaped(place: &str) -> String {
    let names = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    names
        .iter()
        .fold(place.to_owned(), |text, (escape, letter)| {
            text.replace(escape, letter)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_file_systems_are_listened_to_and_the_kernels_own_are_not() {
        let line = |place: &str, kind: &str| {
            let line = format!("36 35 98:0 / {place} rw,relatime shared:1 - {kind} source rw");
            listed(&line)
        };
        let root = Some(("/".to_owned(), Reach::FileSystem));
        assert_eq!(line("/", "overlay"), root);
        let spaced = Some(("/my files".to_owned(), Reach::Mount));
        assert_eq!(line("/my\\040files", "ext4"), spaced);
        assert_eq!(line("/proc", "proc"), None);
        assert_eq!(line("/dev", "tmpfs"), None);
        assert_eq!(line("/dev/pts", "devpts"), None);
        assert!(line("/developers", "ext4").is_some());
        assert_eq!(listed("nonsense"), None);
    }
}
