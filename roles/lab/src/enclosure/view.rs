//! What of the machine is seen inside: programs and settings, and nothing that is somebody's. What
//! is hidden or put in place is written into the layer of changes before the product starts, and
//! remembered, so that it is not taken for the product's doing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use sha2::{Digest, Sha256};

use super::OwnedFile;
use super::network;
use super::order::Tree;
use super::sockets;

/// What of the machine's root is seen as it is.
const SEEN: [&str; 10] = [
    "bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", "var",
];
/// Folders that are there and empty, and their permissions.
const EMPTY: [(&str, u32); 29] = [
    ("/boot", 0o755),
    ("/dev", 0o755),
    ("/home", 0o755),
    ("/media", 0o755),
    ("/mnt", 0o755),
    ("/proc", 0o555),
    ("/root", 0o700),
    ("/run", 0o755),
    ("/run/lock", 0o1777),
    ("/srv", 0o755),
    ("/sys", 0o555),
    ("/tmp", 0o1777),
    ("/etc/NetworkManager/system-connections", 0o700),
    ("/etc/letsencrypt", 0o755),
    ("/etc/ssl/private", 0o710),
    ("/etc/wireguard", 0o700),
    ("/var/backups", 0o755),
    ("/var/lib/containerd", 0o700),
    ("/var/lib/containers", 0o700),
    ("/var/lib/docker", 0o700),
    ("/var/lib/libvirt", 0o700),
    ("/var/lib/mysql", 0o700),
    ("/var/lib/postgresql", 0o755),
    ("/var/lib/private", 0o700),
    ("/var/lib/sudo", 0o700),
    ("/var/mail", 0o2775),
    ("/var/spool/cron", 0o755),
    ("/var/spool/postfix", 0o755),
    ("/var/tmp", 0o1777),
];
/// Those that are there in any case; the others only where the machine has them.
const NEEDED: [&str; 10] = [
    "/dev",
    "/home",
    "/proc",
    "/root",
    "/run",
    "/run/lock",
    "/sys",
    "/tmp",
    "/var/tmp",
    "/mnt",
];
/// Files that are somebody's.
const GONE: [&str; 5] = [
    "/etc/gshadow-",
    "/etc/krb5.keytab",
    "/etc/shadow-",
    "/etc/sudoers",
    "/var/lib/dbus/machine-id",
];
/// The same number for every enclosure, so that it names none.
const MACHINE_ID: &str = "00112233445566778899aabbccddeeff\n";
/// The mark of a folder that hides what is below it.
pub(super) const OPAQUE: &str = "trusted.overlay.opaque";
/// How deep file systems that are mounted below the root may lie for their being seen.
const TREES_MAX: usize = 16;

/// The machine as it is seen by one enclosure.
#[derive(Debug)]
pub(super) struct View {
    pub(super) trees: Vec<Tree>,
    /// What was put in place: files by their digest, folders and holes without.
    pub(super) prepared: BTreeMap<PathBuf, Prepared>,
}

/// Something that was there before the product started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Prepared {
    /// A hole in the machine's tree.
    Hole,
    /// A folder.
    Folder,
    /// A file with this digest.
    File([u8; 32]),
}

impl View {
    /// Prepares the layers below `folder`.
    pub(super) fn prepare(folder: &Path, places: &[PathBuf], host_name: &str) -> io::Result<Self> {
        let mut trees = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let upper = folder.join(format!("upper-{number}"));
            let work = folder.join(format!("work-{number}"));
            let like = fs::metadata(place)?;
            fs::create_dir(&upper)?;
            alike(&upper, &like)?;
            fs::create_dir(&work)?;
            let place = place.clone();
            trees.push(Tree { place, upper, work });
        }
        let mut view = Self {
            trees,
            prepared: BTreeMap::new(),
        };
        view.hide()?;
        view.settle(host_name)?;
        Ok(view)
    }

    /// Puts a file in place; folders on the way are made.
    pub(super) fn put(&mut self, path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
        let place = self.at(path)?;
        fs::write(&place, content)?;
        fs::set_permissions(&place, Permissions::from_mode(mode))?;
        let digest = Sha256::digest(content).into();
        self.prepared
            .insert(path.to_owned(), Prepared::File(digest));
        Ok(())
    }

    /// Puts a file of somebody in place; folders that are made for it are the owner's too.
    pub(super) fn put_owned(&mut self, file: &OwnedFile) -> io::Result<()> {
        let above: Vec<PathBuf> = file.path.ancestors().skip(1).map(Path::to_owned).collect();
        let made: Vec<PathBuf> = above
            .into_iter()
            .filter(|folder| !self.prepared.contains_key(folder))
            .filter(|folder| self.is_hidden(folder) || fs::symlink_metadata(folder).is_err())
            .collect();
        self.put(&file.path, &file.content, file.mode)?;
        let (user, group) = file.owner;
        for path in made.iter().chain([&file.path]) {
            let place = self.at(path)?;
            std::os::unix::fs::lchown(place, Some(user), Some(group))?;
        }
        Ok(())
    }

    /// Makes an empty folder, which hides what the machine has there.
    pub(super) fn put_folder(&mut self, path: &Path, mode: u32) -> io::Result<()> {
        let place = self.at(path)?;
        match fs::create_dir(&place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => done?,
        }
        fs::set_permissions(&place, Permissions::from_mode(mode))?;
        rustix::fs::setxattr(&place, OPAQUE, b"y", XattrFlags::empty())?;
        self.prepared.insert(path.to_owned(), Prepared::Folder);
        Ok(())
    }

    fn hide(&mut self) -> io::Result<()> {
        for (path, mode) in EMPTY {
            let path = Path::new(path);
            let is_there = fs::symlink_metadata(path).is_ok_and(|data| data.is_dir());
            if is_there || NEEDED.iter().any(|needed| Path::new(needed) == path) {
                self.put_folder(path, mode)?;
            }
        }
        for entry in fs::read_dir("/")? {
            let entry = entry?;
            let path = entry.path();
            let is_seen = SEEN.iter().any(|seen| entry.file_name() == *seen);
            if !is_seen && !self.prepared.contains_key(&path) {
                self.put_hole(&path)?;
            }
        }
        let keys = fs::read_dir("/etc/ssh").into_iter().flatten().flatten();
        let keys: Vec<PathBuf> = keys
            .filter(|entry| entry.file_name().to_string_lossy().starts_with("ssh_host_"))
            .map(|entry| entry.path())
            .collect();
        let gone = GONE.iter().map(PathBuf::from);
        let sockets: BTreeSet<PathBuf> = sockets::bound();
        for path in keys.into_iter().chain(gone).chain(sockets) {
            if path.is_absolute() && fs::symlink_metadata(&path).is_ok() && !self.is_hidden(&path) {
                self.put_hole(&path)?;
            }
        }
        Ok(())
    }

    /// What a machine of no importance says of itself.
    fn settle(&mut self, host_name: &str) -> io::Result<()> {
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let names = users.lines().filter_map(|line| line.split(':').next());
        let locked: String = names
            .map(|name| format!("{name}:*:19000:0:99999:7:::\n"))
            .collect();
        let hosts = format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {host_name}\n");
        let resolver = format!("nameserver {}\n", network::RESOLVER);
        for (path, text, mode) in [
            ("/etc/shadow", locked, 0o640),
            ("/etc/gshadow", String::new(), 0o640),
            ("/etc/hostname", format!("{host_name}\n"), 0o644),
            ("/etc/hosts", hosts, 0o644),
            ("/etc/resolv.conf", resolver, 0o644),
            ("/etc/machine-id", MACHINE_ID.to_owned(), 0o444),
        ] {
            self.put(Path::new(path), text.as_bytes(), mode)?;
        }
        Ok(())
    }

    fn put_hole(&mut self, path: &Path) -> io::Result<()> {
        let place = self.at(path)?;
        match rustix::fs::mknodat(CWD, &place, FileType::CharacterDevice, Mode::empty(), 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.prepared.insert(path.to_owned(), Prepared::Hole);
        Ok(())
    }

    /// Whether something above it hides it.
    fn is_hidden(&self, path: &Path) -> bool {
        path.ancestors().any(|above| self.is_opaque(above))
    }

    fn is_opaque(&self, path: &Path) -> bool {
        match self.prepared.get(path) {
            Some(Prepared::Hole) => true,
            Some(Prepared::Folder) => EMPTY.iter().any(|(empty, _)| Path::new(empty) == path),
            Some(Prepared::File(_)) | None => false,
        }
    }

    /// Where a path lies in the layers; the folders that lead there are made, like the machine's.
    fn at(&mut self, path: &Path) -> io::Result<PathBuf> {
        let tree = self
            .trees
            .iter()
            .filter(|tree| path.starts_with(&tree.place));
        let tree = tree.max_by_key(|tree| tree.place.components().count());
        let tree = tree
            .ok_or_else(|| io::Error::other("the path is not absolute"))?
            .clone();
        let below = path.strip_prefix(&tree.place).map_err(io::Error::other)?;
        let mut outside = tree.place.clone();
        let mut place = tree.upper.clone();
        let above = below.parent().unwrap_or(Path::new(""));
        for part in above.components() {
            outside.push(part);
            place.push(part);
            if fs::symlink_metadata(&place).is_ok() {
                continue;
            }
            match fs::symlink_metadata(&outside) {
                Ok(like) if like.is_dir() && !self.is_hidden(&outside) => {
                    fs::create_dir(&place)?;
                    alike(&place, &like)?;
                }
                _ => DirBuilder::new().mode(0o755).create(&place)?,
            }
            self.prepared.insert(outside.clone(), Prepared::Folder);
        }
        Ok(tree.upper.join(below))
    }
}

/// The places of the machine whose file systems are seen: the root, and what is mounted in those
/// of its folders that are seen.
pub(super) fn places() -> io::Result<Vec<PathBuf>> {
    const ORDINARY: [&str; 9] = [
        "bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "xfs", "zfs",
    ];
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let mut places = vec![PathBuf::from("/")];
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(place), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        let path = Path::new(place);
        let first = path.components().nth(1).map(|part| part.as_os_str());
        let is_seen = SEEN.iter().any(|seen| first == Some((*seen).as_ref()));
        // A name with a space or the like is written with an escape, and not looked for.
        if is_seen && path.is_dir() && !place.contains('\\') && ORDINARY.contains(&kind) {
            places.push(path.to_owned());
        }
    }
    places.sort();
    places.dedup();
    places.truncate(TREES_MAX);
    Ok(places)
}

/// The same owner and permissions.
fn alike(place: &Path, like: &fs::Metadata) -> io::Result<()> {
    std::os::unix::fs::chown(place, Some(like.uid()), Some(like.gid()))?;
    fs::set_permissions(place, Permissions::from_mode(like.mode() & 0o7777))
}
