//! Namespaces, and the empty root of the mount namespace.
//!
//! Everything at once is what a normal system grants; a container or an old kernel may refuse
//! one, and then the others are still worth having.

use std::io;

use proto::Layer;
use rustix::fs::Mode;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::UnshareFlags;

use super::Layers;

/// Each namespace but the user's, which comes first since it grants the others.
const KINDS: [(UnshareFlags, Layer); 6] = [
    (UnshareFlags::NEWNS, Layer::MountNamespace),
    (UnshareFlags::NEWPID, Layer::PidNamespace),
    (UnshareFlags::NEWNET, Layer::NetworkNamespace),
    (UnshareFlags::NEWIPC, Layer::IpcNamespace),
    (UnshareFlags::NEWUTS, Layer::UtsNamespace),
    (UnshareFlags::NEWCGROUP, Layer::CgroupNamespace),
];

/// Where the empty root may be mounted; any directory that exists will do.
const MOUNT_POINTS: [&str; 7] = ["/tmp", "/proc", "/dev", "/etc", "/usr", "/var", "/mnt"];

/// Leaves the system's namespaces, all at once or one by one.
pub(super) fn enter(layers: &mut Layers) {
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    let others = KINDS
        .iter()
        .fold(UnshareFlags::empty(), |all, (kind, _)| all | *kind);
    if unshare(UnshareFlags::NEWUSER | others).is_ok() {
        layers.active(Layer::UserNamespace);
        map_ids(user, group);
        record_others(layers, |_| Ok(()));
        return;
    }
    let alone = unshare(UnshareFlags::NEWUSER);
    if alone.is_ok() {
        map_ids(user, group);
    }
    layers.record(Layer::UserNamespace, alone.map_err(explained));
    if unshare(others).is_ok() {
        record_others(layers, |_| Ok(()));
    } else {
        record_others(layers, unshare);
    }
}

fn record_others(layers: &mut Layers, get: impl Fn(UnshareFlags) -> rustix::io::Result<()>) {
    for (kind, layer) in KINDS {
        let entered = get(kind).map_err(explained);
        let entered = match layer {
            Layer::MountNamespace => entered.and_then(|()| empty_root()),
            _ => entered,
        };
        layers.record(layer, entered);
    }
}

fn unshare(kinds: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: only namespaces are unshared, never the table of descriptors, which is what makes
    // the call unsafe.
    unsafe { rustix::thread::unshare_unsafe(kinds) }
}

/// The worker is itself in its user namespace, and nobody else exists there. Where /proc is
/// missing the IDs stay unmapped, which grants nothing more.
fn map_ids(user: u32, group: u32) {
    let _ = std::fs::write("/proc/self/setgroups", "deny");
    let _ = std::fs::write("/proc/self/uid_map", format!("{user} {user} 1\n"));
    let _ = std::fs::write("/proc/self/gid_map", format!("{group} {group} 1\n"));
}

/// Replaces the root by an empty directory that nobody can write, and lets go of the old one.
fn empty_root() -> io::Result<()> {
    let quiet = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", quiet)
        .map_err(|error| refused("making mounts private", error))?;
    mount_empty().map_err(|error| refused("mounting an empty root", error))?;
    // The first entry moves the old root on top of the new one, where it is unmounted.
    match rustix::process::pivot_root(".", ".") {
        Ok(()) => {
            rustix::mount::unmount(".", UnmountFlags::DETACH)
                .map_err(|error| refused("leaving the old root", error))?;
        }
        // The root of a system without an initial file system can't be moved.
        Err(_) => {
            rustix::process::chroot(".").map_err(|error| refused("changing the root", error))?;
        }
    }
    rustix::process::chdir("/").map_err(|error| refused("entering the new root", error))?;
    still_empty()
}

fn mount_empty() -> rustix::io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let mut last = Errno::NOENT;
    for point in MOUNT_POINTS {
        let options = Some(c"size=4k,nr_inodes=2,mode=0555");
        match rustix::mount::mount("none", point, "tmpfs", flags, options) {
            Ok(()) => return rustix::process::chdir(point),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The root that we see now has nothing in it, or the layer does not count.
fn still_empty() -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty())?;
    for entry in rustix::fs::Dir::new(root)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            return Err(io::Error::other("the new root is not empty"));
        }
    }
    Ok(())
}

fn refused(step: &str, error: Errno) -> io::Error {
    io::Error::new(error.kind(), format!("{step}: {error}"))
}

/// The reasons that people meet, with what they can do about it.
fn explained(error: Errno) -> io::Error {
    let why = match error {
        Errno::PERM => {
            "not permitted: the system or its container forbids new namespaces without privilege"
        }
        Errno::NOSPC | Errno::USERS => "the limit in /proc/sys/user is reached or zero",
        Errno::INVAL | Errno::NOSYS => "the kernel was built without it",
        _ => return error.into(),
    };
    io::Error::new(error.kind(), why)
}
