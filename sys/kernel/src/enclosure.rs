//! What is unsafe about an enclosure: the process that is the first in it, the walls around each
//! program that is started in it, and the network device that ends outside.
//!
//! The root of an enclosure is root in a user namespace of its own, in which every user number
//! means itself: it owns what root owns, and has no power over the kernel. What it shares with the
//! machine is the kernel itself, the clock and the processors.

mod filter;
mod first;
mod tun;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, LinkNameSpaceType, UnshareFlags};
use seccompiler::BpfProgram;

pub use first::FirstProcess;
pub use tun::tun;

/// Leaves the machine's tree of mounts for a copy of it, and the numbers of its processes for the
/// children that are started from now on. Needs a process with a single thread.
pub fn leave(what: Leave) -> io::Result<()> {
    let flags = match what {
        Leave::Mounts => UnshareFlags::NEWNS,
        Leave::ProcessNumbers => UnshareFlags::NEWPID,
    };
    // SAFETY: only namespaces are unshared, never the table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(Into::into)
}

/// What is left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// The machine's mounts.
    Mounts,
    /// The machine's process numbers, for children.
    ProcessNumbers,
}

/// Moves this process into the network of an enclosure, to set it up.
pub fn enter_network(namespace: impl AsFd) -> io::Result<()> {
    let kind = Some(LinkNameSpaceType::Network);
    rustix::thread::move_into_link_name_space(namespace.as_fd(), kind).map_err(Into::into)
}

/// The namespaces of an enclosure, by the links in /proc.
#[derive(Debug)]
pub struct Namespaces {
    /// `user`, which comes first: it gives the rights for the others.
    pub user: OwnedFd,
    /// `mnt`.
    pub mounts: OwnedFd,
    /// `net`.
    pub network: OwnedFd,
    /// `uts`.
    pub names: OwnedFd,
    /// `ipc`.
    pub messages: OwnedFd,
    /// `cgroup`.
    pub control_groups: OwnedFd,
}

/// What stands around each program of an enclosure.
#[derive(Clone, Debug)]
pub struct Walls {
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    /// `cgroup.procs` of each control group.
    groups: Vec<OwnedFd>,
    namespaces: Namespaces,
    filter: BpfProgram,
}

/// Capabilities that nobody in an enclosure has. In a user namespace most of them mean nothing
/// already; without them in the bounding set, a kernel that forgot to ask which namespace is meant
/// refuses all the same.
pub const DROPPED: [(CapabilitySet, &str); 14] = [
    (
        CapabilitySet::SYS_MODULE,
        "it would load code into the kernel",
    ),
    (CapabilitySet::SYS_BOOT, "it would restart the machine"),
    (CapabilitySet::SYS_RAWIO, "it would reach the hardware"),
    (CapabilitySet::SYS_TIME, "the clock is the machine's"),
    (
        CapabilitySet::MKNOD,
        "a device node is a way to the hardware",
    ),
    (CapabilitySet::SYSLOG, "the kernel's log is the machine's"),
    (CapabilitySet::BPF, "it would run code in the kernel"),
    (CapabilitySet::PERFMON, "it would watch the kernel"),
    (
        CapabilitySet::MAC_ADMIN,
        "the machine's policy is not the product's",
    ),
    (
        CapabilitySet::MAC_OVERRIDE,
        "the machine's policy is not the product's",
    ),
    (
        CapabilitySet::AUDIT_CONTROL,
        "the audit log is the machine's",
    ),
    (CapabilitySet::AUDIT_READ, "the audit log is the machine's"),
    (CapabilitySet::WAKE_ALARM, "it would wake the machine"),
    (
        CapabilitySet::BLOCK_SUSPEND,
        "it would keep the machine awake",
    ),
];

/// No core file, and no program of the machine's that takes one: for the kernel one byte means
/// neither.
const CORE_BYTES: u64 = 1;

impl Walls {
    /// Walls of these control groups and namespaces, and of the filter.
    pub fn new(groups: Vec<OwnedFd>, namespaces: Namespaces) -> io::Result<Self> {
        let filter = filter::denying()?;
        Ok(Self {
            inside: Arc::new(Inside {
                groups,
                namespaces,
                filter,
            }),
        })
    }

    /// Starts a command behind the walls, in this directory of the enclosure. Its descriptors are
    /// 0, 1 and 2 alone. The process that calls has a single thread and is in the enclosure's
    /// numbering of processes.
    pub fn around(&self, command: &mut Command, directory: CString) {
        let inside = Arc::clone(&self.inside);
        let enter = move || inside.enter(&directory);
        // SAFETY: the process has a single thread, so that its child may do what it may do.
        unsafe { command.pre_exec(enter) };
    }
}

impl Inside {
    fn enter(&self, directory: &CString) -> io::Result<()> {
        rustix::process::setsid()?;
        let cores = Rlimit {
            current: Some(CORE_BYTES),
            maximum: Some(CORE_BYTES),
        };
        rustix::process::setrlimit(Resource::Core, cores)?;
        let Namespaces {
            user,
            mounts,
            network,
            names,
            messages,
            control_groups,
        } = &self.namespaces;
        use LinkNameSpaceType as Kind;
        for (namespace, kind) in [
            (user, Kind::User),
            (mounts, Kind::Mount),
            (network, Kind::Network),
            (names, Kind::HostNameAndNISDomainName),
            (messages, Kind::InterProcessCommunication),
            (control_groups, Kind::ControlGroup),
        ] {
            rustix::thread::move_into_link_name_space(namespace.as_fd(), Some(kind))?;
        }
        rustix::process::chdir(directory)?;
        for (capability, _) in DROPPED {
            rustix::thread::remove_capability_from_bounding_set(capability)?;
        }
        close_others_at_exec()?;
        // Late, so that whoever watches the group sees the product's doing and not ours.
        for group in &self.groups {
            rustix::io::write(group, b"0")?;
        }
        filter::load(&self.filter)
    }
}

/// Whatever else is open is not inherited.
fn close_others_at_exec() -> io::Result<()> {
    const FIRST: u32 = 3;
    // SAFETY: descriptors are only marked, and only in a process that is about to become another.
    let status = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            FIRST,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
