//! The self-test: what the jail forbids is attempted, by the bare system calls that an attacker
//! would use, and reported with what the kernel said.
//!
//! Every attempt is one that succeeds in a process without a jail, or as near to it as can be had
//! without harm; so a refusal means something.

use proto::Threat::{Exec, File, Network, Ptrace, Signal};
use proto::{Probe, ProbeResult};

use crate::attempt::Argument::{Bytes, NoStrings, Number, Page, Text};
use crate::attempt::Attempt;

const PAGE_BYTES: i64 = 4096;
const CWD: i64 = libc::AT_FDCWD as i64;
const DIRECTORY: i64 = libc::O_DIRECTORY as i64;
const NEW_FILE: i64 = (libc::O_TMPFILE | libc::O_RDWR) as i64;
const EXECUTABLE: i64 = (libc::PROT_READ | libc::PROT_EXEC) as i64;
const PRIVATE_MEMORY: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;
const INET: i64 = libc::AF_INET as i64;
const INET6: i64 = libc::AF_INET6 as i64;
const UNIX: i64 = libc::AF_UNIX as i64;
const NETLINK: i64 = libc::AF_NETLINK as i64;
const STREAM: i64 = libc::SOCK_STREAM as i64;
const RAW: i64 = libc::SOCK_RAW as i64;
const CHILD_SIGNAL: i64 = libc::SIGCHLD as i64;
const TRACEME: i64 = libc::PTRACE_TRACEME as i64;
const SEIZE: i64 = libc::PTRACE_SEIZE as i64;

/// The abstract Unix address "c": the family in the machine's order, a zero, the name.
const UNIX_ADDRESS: [u8; 4] = {
    let family = libc::AF_UNIX.to_ne_bytes();
    #[cfg(target_endian = "little")]
    let family = [family[0], family[1]];
    #[cfg(target_endian = "big")]
    let family = [family[2], family[3]];
    [family[0], family[1], 0, b'c']
};
/// A `struct file_handle`: eight bytes of handle, type one, the root of many file systems.
const FILE_HANDLE: [u8; 16] = [8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];

#[rustfmt::skip]
const ATTEMPTS: &[Attempt] = &[
    Attempt::new(File, "openat /etc/passwd", libc::SYS_openat,
        &[Number(CWD), Text(c"/etc/passwd"), Number(0), Number(0)]),
    Attempt::new(File, "openat /", libc::SYS_openat,
        &[Number(CWD), Text(c"/"), Number(DIRECTORY), Number(0)]),
    Attempt::new(File, "openat a new file in /tmp", libc::SYS_openat,
        &[Number(CWD), Text(c"/tmp"), Number(NEW_FILE), Number(0o600)]),
    Attempt::new(File, "openat2 /", libc::SYS_openat2,
        &[Number(CWD), Text(c"/"), Bytes(&[0; 24]), Number(24)]),
    Attempt::new(File, "open_by_handle_at", libc::SYS_open_by_handle_at,
        &[Number(CWD), Bytes(&FILE_HANDLE), Number(0)]),
    Attempt::new(File, "newfstatat /", libc::SYS_newfstatat,
        &[Number(CWD), Text(c"/"), Page, Number(0)]),
    Attempt::new(File, "io_uring_setup", libc::SYS_io_uring_setup,
        &[Number(1), Page]),
    Attempt::new(Network, "socket AF_INET", libc::SYS_socket,
        &[Number(INET), Number(STREAM), Number(0)]),
    Attempt::new(Network, "socket AF_INET6", libc::SYS_socket,
        &[Number(INET6), Number(STREAM), Number(0)]),
    Attempt::new(Network, "socket AF_UNIX", libc::SYS_socket,
        &[Number(UNIX), Number(STREAM), Number(0)]),
    Attempt::new(Network, "socket AF_NETLINK", libc::SYS_socket,
        &[Number(NETLINK), Number(RAW), Number(0)]),
    Attempt::new(Network, "connect", libc::SYS_connect,
        &[Number(0), Bytes(&UNIX_ADDRESS), Number(4)]),
    Attempt::new(Exec, "mmap executable memory", libc::SYS_mmap,
        &[Number(0), Number(PAGE_BYTES), Number(EXECUTABLE), Number(PRIVATE_MEMORY), Number(-1)]),
    Attempt::new(Exec, "clone a process", libc::SYS_clone,
        &[Number(CHILD_SIGNAL), Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Signal, "kill the process group", libc::SYS_kill,
        &[Number(0), Number(0)]),
    Attempt::new(Signal, "kill process 1", libc::SYS_kill,
        &[Number(1), Number(0)]),
    Attempt::new(Signal, "tgkill process 1", libc::SYS_tgkill,
        &[Number(1), Number(1), Number(0)]),
    Attempt::new(Ptrace, "ptrace TRACEME", libc::SYS_ptrace,
        &[Number(TRACEME), Number(0), Number(0), Number(0)]),
    Attempt::new(Ptrace, "ptrace SEIZE process 1", libc::SYS_ptrace,
        &[Number(SEIZE), Number(1), Number(0), Number(0)]),
    Attempt::new(Ptrace, "process_vm_readv nothing of process 1", libc::SYS_process_vm_readv,
        &[Number(1), Number(0), Number(0), Number(0), Number(0), Number(0)]),
];

/// Tried last: where one succeeds, this process is no more, and nobody takes that for a jail.
#[rustfmt::skip]
const LAST_ATTEMPTS: &[Attempt] = &[
    Attempt::new(Exec, "execveat /proc/self/exe", libc::SYS_execveat,
        &[Number(CWD), Text(c"/proc/self/exe"), NoStrings, NoStrings, Number(0)]),
    Attempt::new(Exec, "execve /bin/true", libc::SYS_execve,
        &[Text(c"/bin/true"), NoStrings, NoStrings]),
];

/// Attempts what a jailed process must not be able to do. Starting a program is attempted only
/// where everything else was refused; a report without it does not hold.
#[must_use]
pub fn self_test() -> Vec<Probe> {
    let mut probes: Vec<Probe> = ATTEMPTS.iter().map(Attempt::make).collect();
    if probes
        .iter()
        .all(|probe| probe.result != ProbeResult::Succeeded)
    {
        probes.extend(LAST_ATTEMPTS.iter().map(Attempt::make));
    } else {
        // Refused executable memory alone must not make that threat look tried and met.
        probes.retain(|probe| probe.threat != Exec || probe.result == ProbeResult::Succeeded);
    }
    probes
}
