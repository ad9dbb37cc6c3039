//! The filter of an enclosure: a list of what is refused, since nobody knows what a product needs.
//!
//! It holds what reaches the kernel itself and not the enclosure, what makes an observer blind, and
//! what would take a write out of the recorded tree. A call by another machine's convention
//! (32-bit code) ends the process.

use std::collections::BTreeMap;
use std::io;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

#[cfg(target_arch = "x86_64")]
const MACHINE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const MACHINE: TargetArch = TargetArch::aarch64;

/// On x86-64, the same calls by another convention have this bit.
const X32_BIT: i64 = 0x4000_0000;

/// Calls that are refused with any argument.
const DENIED: &[i64] = &[
    // Reads and writes that no tracepoint of a system call sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    // Code in the kernel, another kernel, the end of this one.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    // A file by its number instead of a path: out of any root.
    libc::SYS_open_by_handle_at,
    // Mounts: what is written to a new one is not in the record, and a locked one may not go.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    // The machine's own books: swap, quotas, accounting, log, keys, clock.
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    // Faults that a program handles itself widen every race in the kernel.
    libc::SYS_userfaultfd,
];

/// Families of sockets that end in the enclosure. Others lead to the hypervisor, to hardware, or
/// make the kernel load a module.
const FAMILIES: [i32; 5] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
    libc::AF_PACKET,
];

/// The filter, compiled.
pub(super) fn denying() -> io::Result<BpfProgram> {
    let mut rules = BTreeMap::new();
    for number in DENIED {
        insert(&mut rules, *number, Vec::new());
    }
    for number in [libc::SYS_socket, libc::SYS_socketpair] {
        insert(&mut rules, number, vec![other_families()?]);
    }
    let refusal = SeccompAction::Errno(u32::try_from(libc::EPERM).map_err(io::Error::other)?);
    SeccompFilter::new(rules, SeccompAction::Allow, refusal, MACHINE)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

/// Loads it for this process and all that it starts. The process has the right to, so that it
/// need not give up the right to gain others, which products with helpers of the set-user-ID kind
/// live on.
pub(super) fn load(filter: &BpfProgram) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(io::Error::other)?,
        filter: filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: the program outlives the call, its length is its own, and the kernel only reads it.
    let status = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match status {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn insert(rules: &mut BTreeMap<i64, Vec<SeccompRule>>, number: i64, when: Vec<SeccompRule>) {
    if cfg!(target_arch = "x86_64") {
        rules.insert(number | X32_BIT, when.clone());
    }
    rules.insert(number, when);
}

/// Fits every family but those.
fn other_families() -> io::Result<SeccompRule> {
    let mut conditions = Vec::new();
    for family in FAMILIES {
        let family = u64::try_from(family).map_err(io::Error::other)?;
        let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, family);
        conditions.push(condition.map_err(io::Error::other)?);
    }
    SeccompRule::new(conditions).map_err(io::Error::other)
}
