//! Identity, capabilities, and what a process inherits.

use std::io;

use proto::Layer;
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::Layers;

/// The user and group that own nothing.
const NOBODY: u32 = 65534;
/// The kernel's sets have this many bits.
const CAPABILITY_BITS: u32 = 64;

/// Forgets what the caller's environment says, for the parts of the C library that read it later.
pub(super) fn empty_environment() {
    // SAFETY: there is a single thread, so nobody reads the environment meanwhile, and the caller
    // holds no pointer into it: the standard library copies what it reads.
    let status = unsafe { libc::clearenv() };
    debug_assert_eq!(status, 0);
}

/// Closes every descriptor from `first` on.
pub(super) fn close_descriptors_from(first: u32) -> io::Result<()> {
    // SAFETY: `enter` is called before anything that owns such a descriptor was opened, or, in the
    // supervisor, in a process that uses none of them again.
    let status = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if status == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOSYS) {
        return close_one_by_one(first);
    }
    Err(error)
}

/// For kernels before 5.9.
fn close_one_by_one(first: u32) -> io::Result<()> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let last = limit.maximum.unwrap_or(1 << 20).min(1 << 20);
    for number in u64::from(first)..last {
        let number = i32::try_from(number).map_err(io::Error::other)?;
        // SAFETY: as in `close_descriptors_from`; a number that is not open is refused.
        unsafe { libc::close(number) };
    }
    Ok(())
}

/// Closes descriptors 1 and 2, for a process that never writes.
pub(super) fn close_outputs() {
    for number in [1, 2] {
        // SAFETY: only the supervisor calls this, and it neither prints nor panics with a message.
        unsafe { libc::close(number) };
    }
}

/// A fault ends the process at once. The standard library's handler needs calls that the filter
/// refuses, and would fault again on the way back.
pub(super) fn die_of_faults() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: the default action runs no code of ours.
        let before = unsafe { libc::signal(signal, libc::SIG_DFL) };
        debug_assert_ne!(before, libc::SIG_ERR);
    }
}

/// The superuser's worker goes on as nobody, so that whatever is left of a broken jail is not
/// root's. The capabilities stay until the namespaces are there.
pub(super) fn become_nobody() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // Each step that a container forbids is a right that it took away before.
    let _ = rustix::thread::set_thread_groups(&[]);
    let _ = rustix::thread::set_keep_capabilities(true);
    let group = Gid::from_raw(NOBODY);
    let _ = rustix::thread::set_thread_res_gid(group, group, group);
    let user = Uid::from_raw(NOBODY);
    let _ = rustix::thread::set_thread_res_uid(user, user, user);
    if let Ok(sets) = rustix::thread::capabilities(None) {
        let kept = CapabilitySets {
            effective: sets.permitted,
            ..sets
        };
        let _ = rustix::thread::set_capabilities(None, kept);
    }
    // The change made this process's own files in /proc root's; the ID maps are written there.
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable);
}

/// Empties every set.
pub(super) fn drop_capabilities(layers: &mut Layers) {
    match try_drop() {
        Ok(0) => layers.active(Layer::Capabilities),
        Ok(bounding) => layers.missing(
            Layer::Capabilities,
            format!(
                "none is held, but the bounding set keeps {bounding}, since taking them out needs \
                 a user namespace or root; no-new-privileges keeps them out of reach"
            ),
        ),
        Err(error) => layers.missing(Layer::Capabilities, error.to_string()),
    }
}

/// How many capabilities are left in the bounding set.
fn try_drop() -> io::Result<u32> {
    let bounding = empty_bounding_set()?;
    match rustix::thread::clear_ambient_capability_set() {
        // Before 4.3 there are no ambient capabilities.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none)?;
    if rustix::thread::capabilities(None)? == none {
        Ok(bounding)
    } else {
        Err(io::Error::other("the kernel kept some capabilities"))
    }
}

/// Takes out what can be taken out, and counts the rest.
fn empty_bounding_set() -> io::Result<u32> {
    let mut left = 0;
    for bit in 0..CAPABILITY_BITS {
        let capability = CapabilitySet::from_bits_retain(1u64.wrapping_shl(bit));
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            Err(Errno::PERM) => {
                if let Ok(true) = rustix::thread::capability_is_in_bounding_set(capability) {
                    left += 1;
                }
            }
            // The kernel knows no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(left)
}

/// No program that is started gains a right, and filters can be loaded without one.
pub(super) fn forbid_new(layers: &mut Layers) {
    let result = rustix::thread::set_no_new_privs(true);
    layers.record(Layer::NoNewPrivileges, result.map_err(Into::into));
}

/// No core file, and no tracing by the same user.
pub(super) fn forbid_dumps(layers: &mut Layers) {
    let result = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    layers.record(Layer::NonDumpable, result.map_err(Into::into));
}
