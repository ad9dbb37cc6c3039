//! What a taken-over worker would try, for the tests that take one over.
//!
//! Every call here does little harm where it succeeds by mistake: it concerns the process itself,
//! or a name that is not there. The program that ships does not contain this module.

use proto::Threat::{Exec, File, Network, Ptrace, Signal};
use proto::{Probe, ProbeResult};

use crate::attempt::Argument::{Bytes, NoStrings, Number, Page, Text};
use crate::attempt::Attempt;

const PAGE_BYTES: i64 = 4096;
const CWD: i64 = libc::AT_FDCWD as i64;
const EMPTY_PATH: i64 = libc::AT_EMPTY_PATH as i64;
const CREATE: i64 = (libc::O_CREAT | libc::O_WRONLY) as i64;
const ALL_RIGHTS: i64 = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as i64;
const READ: i64 = libc::PROT_READ as i64;
const PRIVATE_MEMORY: i64 = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as i64;
const SHARED_MEMORY: i64 = (libc::MAP_SHARED | libc::MAP_ANONYMOUS) as i64;
const CHILD_SIGNAL: i64 = libc::SIGCHLD as i64;
/// Without shared memory, which a thread needs, so that none runs on this one's stack.
const NEW_THREAD: i64 = libc::CLONE_THREAD as i64;
const READ_IMPLIES_EXEC: i64 = 0x0040_0000;
const X32: i64 = 0x4000_0000;
const UNIX_ADDRESS: &[u8] = b"\x01\0\0c";
const FILE_HANDLE: &[u8] = &[8, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0];
const BPF_MAP: &[u8] = &[2, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0];
/// One instruction, "allow", behind a length; the pointer is null, so it can't be loaded.
const NO_FILTER: &[u8] = &[0; 16];

/// Tries everything, in order, in this process.
pub fn all() -> impl Iterator<Item = Probe> {
    [
        FILES, OLD_FILES, NETWORK, EXEC, OLD_EXEC, SIGNALS, RIGHTS, RESOURCES,
    ]
    .into_iter()
    .flatten()
    .map(Attempt::make)
}

#[rustfmt::skip]
const FILES: &[Attempt] = &[
    Attempt::new(File, "openat /etc/passwd", libc::SYS_openat, &[Number(CWD), Text(c"/etc/passwd"), Number(0)]),
    Attempt::new(File, "openat .", libc::SYS_openat, &[Number(CWD), Text(c"."), Number(0)]),
    Attempt::new(File, "openat ../../../etc/passwd", libc::SYS_openat, &[Number(CWD), Text(c"../../../etc/passwd"), Number(0)]),
    Attempt::new(File, "openat /proc/1/mem", libc::SYS_openat, &[Number(CWD), Text(c"/proc/1/mem"), Number(2)]),
    Attempt::new(File, "openat /proc/self/mem", libc::SYS_openat, &[Number(CWD), Text(c"/proc/self/mem"), Number(2)]),
    Attempt::new(File, "openat /dev/mem", libc::SYS_openat, &[Number(CWD), Text(c"/dev/mem"), Number(0)]),
    Attempt::new(File, "openat a new file", libc::SYS_openat, &[Number(CWD), Text(c"/x"), Number(CREATE), Number(0o600)]),
    Attempt::new(File, "openat below descriptor 0", libc::SYS_openat, &[Number(0), Text(c"x"), Number(0)]),
    Attempt::new(File, "openat2 /", libc::SYS_openat2, &[Number(CWD), Text(c"/"), Bytes(&[0; 24]), Number(24)]),
    Attempt::new(File, "open_by_handle_at", libc::SYS_open_by_handle_at, &[Number(CWD), Bytes(FILE_HANDLE), Number(0)]),
    Attempt::new(File, "name_to_handle_at", libc::SYS_name_to_handle_at, &[Number(CWD), Text(c"/"), Page, Page, Number(0)]),
    Attempt::new(File, "linkat", libc::SYS_linkat, &[Number(CWD), Text(c"/etc/passwd"), Number(CWD), Text(c"/x"), Number(0)]),
    Attempt::new(File, "linkat a descriptor", libc::SYS_linkat, &[Number(2), Text(c""), Number(CWD), Text(c"/x"), Number(EMPTY_PATH)]),
    Attempt::new(File, "symlinkat", libc::SYS_symlinkat, &[Text(c"/etc/passwd"), Number(CWD), Text(c"/x")]),
    Attempt::new(File, "renameat2", libc::SYS_renameat2, &[Number(CWD), Text(c"/x"), Number(CWD), Text(c"/y"), Number(0)]),
    Attempt::new(File, "mkdirat", libc::SYS_mkdirat, &[Number(CWD), Text(c"/x"), Number(0o700)]),
    Attempt::new(File, "mknodat", libc::SYS_mknodat, &[Number(CWD), Text(c"/x"), Number(0o010_600), Number(0)]),
    Attempt::new(File, "unlinkat", libc::SYS_unlinkat, &[Number(CWD), Text(c"/x"), Number(0)]),
    Attempt::new(File, "newfstatat", libc::SYS_newfstatat, &[Number(CWD), Text(c"/"), Page, Number(0)]),
    Attempt::new(File, "statx", libc::SYS_statx, &[Number(CWD), Text(c"/"), Number(0), Number(0x7ff), Page]),
    Attempt::new(File, "faccessat", libc::SYS_faccessat, &[Number(CWD), Text(c"/"), Number(0)]),
    Attempt::new(File, "readlinkat /proc/self/exe", libc::SYS_readlinkat, &[Number(CWD), Text(c"/proc/self/exe"), Page, Number(100)]),
    Attempt::new(File, "statfs", libc::SYS_statfs, &[Text(c"/"), Page]),
    Attempt::new(File, "getcwd", libc::SYS_getcwd, &[Page, Number(PAGE_BYTES)]),
    Attempt::new(File, "chdir /", libc::SYS_chdir, &[Text(c"/")]),
    Attempt::new(File, "chdir ..", libc::SYS_chdir, &[Text(c"..")]),
    Attempt::new(File, "fchdir", libc::SYS_fchdir, &[Number(0)]),
    Attempt::new(File, "chroot", libc::SYS_chroot, &[Text(c".")]),
    Attempt::new(File, "mount proc", libc::SYS_mount, &[Text(c"none"), Text(c"/x"), Text(c"proc"), Number(0), Number(0)]),
    Attempt::new(File, "umount2", libc::SYS_umount2, &[Text(c"/x"), Number(2)]),
    Attempt::new(File, "pivot_root", libc::SYS_pivot_root, &[Text(c"."), Text(c".")]),
    Attempt::new(File, "fsopen", libc::SYS_fsopen, &[Text(c"tmpfs"), Number(0)]),
    Attempt::new(File, "open_tree", libc::SYS_open_tree, &[Number(CWD), Text(c"/"), Number(0)]),
    Attempt::new(File, "move_mount", libc::SYS_move_mount, &[Number(CWD), Text(c"/"), Number(CWD), Text(c"/"), Number(0)]),
    Attempt::new(File, "memfd_create", libc::SYS_memfd_create, &[Text(c"x"), Number(0)]),
    Attempt::new(File, "memfd_secret", 447, &[Number(0)]),
    Attempt::new(File, "inotify_init1", libc::SYS_inotify_init1, &[Number(0)]),
    Attempt::new(File, "fanotify_init", libc::SYS_fanotify_init, &[Number(0), Number(0)]),
    Attempt::new(File, "fchmod", libc::SYS_fchmod, &[Number(2), Number(0o777)]),
    Attempt::new(File, "fchown", libc::SYS_fchown, &[Number(2), Number(0), Number(0)]),
    Attempt::new(File, "utimensat", libc::SYS_utimensat, &[Number(CWD), Text(c"/"), Number(0), Number(0)]),
    Attempt::new(File, "ftruncate", libc::SYS_ftruncate, &[Number(2), Number(0)]),
    Attempt::new(File, "fallocate", libc::SYS_fallocate, &[Number(2), Number(0), Number(0), Number(1)]),
    Attempt::new(File, "pwrite64", libc::SYS_pwrite64, &[Number(2), Text(c"x"), Number(1), Number(0)]),
    Attempt::new(File, "write to descriptor 1", libc::SYS_write, &[Number(1), Text(c"x"), Number(1)]),
    Attempt::new(File, "splice", libc::SYS_splice, &[Number(0), Number(0), Number(1), Number(0), Number(1), Number(0)]),
    Attempt::new(File, "sendfile", libc::SYS_sendfile, &[Number(1), Number(2), Number(0), Number(1)]),
    Attempt::new(File, "copy_file_range", libc::SYS_copy_file_range, &[Number(2), Number(0), Number(1), Number(0), Number(1), Number(0)]),
    Attempt::new(File, "io_uring_setup", libc::SYS_io_uring_setup, &[Number(1), Page]),
    Attempt::new(File, "io_uring_enter", libc::SYS_io_uring_enter, &[Number(0), Number(1), Number(0), Number(0), Number(0)]),
    Attempt::new(File, "io_setup", libc::SYS_io_setup, &[Number(1), Page]),
    Attempt::new(File, "fcntl F_DUPFD", libc::SYS_fcntl, &[Number(0), Number(0), Number(10)]),
    Attempt::new(File, "dup", libc::SYS_dup, &[Number(0)]),
];

#[cfg(not(target_arch = "x86_64"))]
const OLD_FILES: &[Attempt] = &[];
#[cfg(not(target_arch = "x86_64"))]
const OLD_EXEC: &[Attempt] = &[];

/// The older names of calls, and the second convention of x86-64 processes.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_FILES: &[Attempt] = &[
    Attempt::new(File, "open", libc::SYS_open, &[Text(c"/etc/passwd"), Number(0)]),
    Attempt::new(File, "creat", libc::SYS_creat, &[Text(c"/x"), Number(0o600)]),
    Attempt::new(File, "link", libc::SYS_link, &[Text(c"/x"), Text(c"/y")]),
    Attempt::new(File, "rename", libc::SYS_rename, &[Text(c"/x"), Text(c"/y")]),
    Attempt::new(File, "mkdir", libc::SYS_mkdir, &[Text(c"/x"), Number(0o700)]),
    Attempt::new(File, "stat", libc::SYS_stat, &[Text(c"/"), Page]),
    Attempt::new(File, "x32 openat", X32 | libc::SYS_openat, &[Number(CWD), Text(c"/etc/passwd"), Number(0)]),
    Attempt::new(File, "x32 open", X32 | libc::SYS_open, &[Text(c"/etc/passwd"), Number(0)]),
    Attempt::new(Network, "x32 socket", X32 | libc::SYS_socket, &[Number(1), Number(1), Number(0)]),
];

#[rustfmt::skip]
const NETWORK: &[Attempt] = &[
    Attempt::new(Network, "socket AF_UNIX", libc::SYS_socket, &[Number(1), Number(1), Number(0)]),
    Attempt::new(Network, "socket AF_INET stream", libc::SYS_socket, &[Number(2), Number(1), Number(0)]),
    Attempt::new(Network, "socket AF_INET datagram", libc::SYS_socket, &[Number(2), Number(2), Number(0)]),
    Attempt::new(Network, "socket AF_INET raw", libc::SYS_socket, &[Number(2), Number(3), Number(1)]),
    Attempt::new(Network, "socket AF_INET6", libc::SYS_socket, &[Number(10), Number(1), Number(0)]),
    Attempt::new(Network, "socket AF_NETLINK", libc::SYS_socket, &[Number(16), Number(3), Number(0)]),
    Attempt::new(Network, "socket AF_PACKET", libc::SYS_socket, &[Number(17), Number(3), Number(768)]),
    Attempt::new(Network, "socket AF_ALG", libc::SYS_socket, &[Number(38), Number(5), Number(0)]),
    Attempt::new(Network, "socket AF_VSOCK", libc::SYS_socket, &[Number(40), Number(1), Number(0)]),
    Attempt::new(Network, "socket AF_XDP", libc::SYS_socket, &[Number(44), Number(3), Number(0)]),
    Attempt::new(Network, "socketpair", libc::SYS_socketpair, &[Number(1), Number(1), Number(0), Page]),
    Attempt::new(Network, "connect", libc::SYS_connect, &[Number(0), Bytes(UNIX_ADDRESS), Number(4)]),
    Attempt::new(Network, "bind", libc::SYS_bind, &[Number(0), Bytes(UNIX_ADDRESS), Number(4)]),
    Attempt::new(Network, "listen", libc::SYS_listen, &[Number(0), Number(1)]),
    Attempt::new(Network, "accept4", libc::SYS_accept4, &[Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Network, "sendto with an address", libc::SYS_sendto, &[Number(0), Text(c"x"), Number(1), Number(0), Bytes(UNIX_ADDRESS), Number(4)]),
    Attempt::new(Network, "sendto another descriptor", libc::SYS_sendto, &[Number(1), Text(c"x"), Number(1), Number(0), Number(0), Number(0)]),
    Attempt::new(Network, "sendmsg", libc::SYS_sendmsg, &[Number(0), Bytes(&[0; 56]), Number(0)]),
    Attempt::new(Network, "sendmmsg", libc::SYS_sendmmsg, &[Number(0), Page, Number(1), Number(0)]),
    Attempt::new(Network, "recvfrom", libc::SYS_recvfrom, &[Number(0), Page, Number(1), Number(0x40), Number(0), Number(0)]),
    Attempt::new(Network, "setsockopt", libc::SYS_setsockopt, &[Number(0), Number(1), Number(7), Page, Number(4)]),
    Attempt::new(Network, "getpeername", libc::SYS_getpeername, &[Number(0), Page, Page]),
    Attempt::new(Network, "shutdown", libc::SYS_shutdown, &[Number(1), Number(0)]),
];

#[rustfmt::skip]
const EXEC: &[Attempt] = &[
    Attempt::new(Exec, "execve /bin/sh", libc::SYS_execve, &[Text(c"/bin/sh"), NoStrings, NoStrings]),
    Attempt::new(Exec, "execve /proc/self/exe", libc::SYS_execve, &[Text(c"/proc/self/exe"), NoStrings, NoStrings]),
    Attempt::new(Exec, "execveat a descriptor", libc::SYS_execveat, &[Number(2), Text(c""), NoStrings, NoStrings, Number(EMPTY_PATH)]),
    Attempt::new(Exec, "clone a process", libc::SYS_clone, &[Number(CHILD_SIGNAL)]),
    Attempt::new(Exec, "clone a thread", libc::SYS_clone, &[Number(NEW_THREAD)]),
    Attempt::new(Exec, "clone3", libc::SYS_clone3, &[Bytes(&[0; 88]), Number(88)]),
    Attempt::new(Exec, "mmap with all rights", libc::SYS_mmap, &[Number(0), Number(PAGE_BYTES), Number(ALL_RIGHTS), Number(PRIVATE_MEMORY), Number(-1)]),
    Attempt::new(Exec, "mmap shared with all rights", libc::SYS_mmap, &[Number(0), Number(PAGE_BYTES), Number(ALL_RIGHTS), Number(SHARED_MEMORY), Number(-1)]),
    Attempt::new(Exec, "mmap execute-only", libc::SYS_mmap, &[Number(0), Number(PAGE_BYTES), Number(4), Number(PRIVATE_MEMORY), Number(-1)]),
    Attempt::new(Exec, "mprotect executable", libc::SYS_mprotect, &[Page, Number(PAGE_BYTES), Number(ALL_RIGHTS)]),
    Attempt::new(Exec, "mprotect", libc::SYS_mprotect, &[Page, Number(PAGE_BYTES), Number(3)]),
    Attempt::new(Exec, "pkey_mprotect", libc::SYS_pkey_mprotect, &[Page, Number(PAGE_BYTES), Number(ALL_RIGHTS), Number(-1)]),
    Attempt::new(Exec, "remap_file_pages", libc::SYS_remap_file_pages, &[Page, Number(PAGE_BYTES), Number(READ), Number(0), Number(0)]),
    Attempt::new(Exec, "personality READ_IMPLIES_EXEC", libc::SYS_personality, &[Number(READ_IMPLIES_EXEC)]),
    Attempt::new(Exec, "init_module", libc::SYS_init_module, &[Page, Number(PAGE_BYTES), Text(c"")]),
    Attempt::new(Exec, "finit_module", libc::SYS_finit_module, &[Number(2), Text(c""), Number(0)]),
    Attempt::new(Exec, "kexec_load", libc::SYS_kexec_load, &[Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "bpf", libc::SYS_bpf, &[Number(0), Bytes(BPF_MAP), Number(16)]),
    Attempt::new(Exec, "perf_event_open", libc::SYS_perf_event_open, &[Page, Number(0), Number(-1), Number(-1), Number(0)]),
    Attempt::new(Exec, "userfaultfd", libc::SYS_userfaultfd, &[Number(1)]),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const OLD_EXEC: &[Attempt] = &[
    Attempt::new(Exec, "fork", libc::SYS_fork, &[]),
    Attempt::new(Exec, "vfork", libc::SYS_vfork, &[]),
    Attempt::new(Exec, "x32 execve", X32 | 520, &[Text(c"/bin/sh"), NoStrings, NoStrings]),
    Attempt::new(Exec, "x32 clone", X32 | libc::SYS_clone, &[Number(CHILD_SIGNAL)]),
    Attempt::new(Exec, "modify_ldt", libc::SYS_modify_ldt, &[Number(0), Page, Number(16)]),
    Attempt::new(Exec, "arch_prctl", libc::SYS_arch_prctl, &[Number(0x1003), Page]),
    Attempt::new(Exec, "ioperm", libc::SYS_ioperm, &[Number(0x80), Number(1), Number(0)]),
    Attempt::new(Exec, "iopl", libc::SYS_iopl, &[Number(0)]),
    Attempt::new(Exec, "uselib", libc::SYS_uselib, &[Text(c"/x")]),
];

#[rustfmt::skip]
const SIGNALS: &[Attempt] = &[
    Attempt::new(Signal, "kill everybody", libc::SYS_kill, &[Number(-1), Number(0)]),
    Attempt::new(Signal, "kill the process group", libc::SYS_kill, &[Number(0), Number(0)]),
    Attempt::new(Signal, "kill process 1", libc::SYS_kill, &[Number(1), Number(0)]),
    Attempt::new(Signal, "tkill", libc::SYS_tkill, &[Number(1), Number(0)]),
    Attempt::new(Signal, "tgkill", libc::SYS_tgkill, &[Number(1), Number(1), Number(0)]),
    Attempt::new(Signal, "rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, &[Number(1), Number(0), Page]),
    Attempt::new(Signal, "pidfd_open", libc::SYS_pidfd_open, &[Number(1), Number(0)]),
    Attempt::new(Signal, "pidfd_send_signal", libc::SYS_pidfd_send_signal, &[Number(2), Number(0), Number(0), Number(0)]),
    Attempt::new(Signal, "fcntl F_SETOWN", libc::SYS_fcntl, &[Number(0), Number(8), Number(1)]),
    Attempt::new(Ptrace, "pidfd_getfd", libc::SYS_pidfd_getfd, &[Number(2), Number(0), Number(0)]),
    Attempt::new(Ptrace, "ptrace TRACEME", libc::SYS_ptrace, &[Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Ptrace, "ptrace ATTACH", libc::SYS_ptrace, &[Number(16), Number(1), Number(0), Number(0)]),
    Attempt::new(Ptrace, "ptrace SEIZE", libc::SYS_ptrace, &[Number(0x4206), Number(1), Number(0), Number(0)]),
    Attempt::new(Ptrace, "process_vm_readv", libc::SYS_process_vm_readv, &[Number(1)]),
    Attempt::new(Ptrace, "process_vm_writev", libc::SYS_process_vm_writev, &[Number(1)]),
    Attempt::new(Ptrace, "process_madvise", libc::SYS_process_madvise, &[Number(2), Page, Number(0), Number(0), Number(0)]),
    Attempt::new(Ptrace, "kcmp", libc::SYS_kcmp, &[Number(1), Number(1), Number(0), Number(0), Number(0)]),
];

#[rustfmt::skip]
const RIGHTS: &[Attempt] = &[
    Attempt::new(Exec, "unshare a user namespace", libc::SYS_unshare, &[Number(0x1000_0000)]),
    Attempt::new(Exec, "unshare a mount namespace", libc::SYS_unshare, &[Number(0x0002_0000)]),
    Attempt::new(Exec, "setns", libc::SYS_setns, &[Number(2), Number(0)]),
    Attempt::new(Exec, "setuid", libc::SYS_setuid, &[Number(0)]),
    Attempt::new(Exec, "setresuid", libc::SYS_setresuid, &[Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "setgid", libc::SYS_setgid, &[Number(0)]),
    Attempt::new(Exec, "setgroups", libc::SYS_setgroups, &[Number(0), Number(0)]),
    Attempt::new(Exec, "capset", libc::SYS_capset, &[Bytes(&[0x22, 5, 8, 0x20, 0, 0, 0, 0]), Page]),
    Attempt::new(Exec, "seccomp", libc::SYS_seccomp, &[Number(1), Number(0), Bytes(NO_FILTER)]),
    Attempt::new(Exec, "prctl PR_SET_SECCOMP", libc::SYS_prctl, &[Number(22), Number(2), Bytes(NO_FILTER)]),
    Attempt::new(Exec, "prctl PR_SET_NO_NEW_PRIVS", libc::SYS_prctl, &[Number(38), Number(1), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "prctl PR_SET_DUMPABLE", libc::SYS_prctl, &[Number(4), Number(1), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "prctl PR_SET_PDEATHSIG", libc::SYS_prctl, &[Number(1), Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "prctl PR_SET_MDWE", libc::SYS_prctl, &[Number(65), Number(1), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "landlock_create_ruleset", libc::SYS_landlock_create_ruleset, &[Number(0), Number(0), Number(1)]),
    Attempt::new(File, "keyctl", libc::SYS_keyctl, &[Number(0), Number(-3), Number(1)]),
    Attempt::new(File, "add_key", libc::SYS_add_key, &[Text(c"user"), Text(c"x"), Text(c"x"), Number(1), Number(-2)]),
    Attempt::new(File, "request_key", libc::SYS_request_key, &[Text(c"user"), Text(c"x"), Number(0), Number(0)]),
];

#[rustfmt::skip]
const RESOURCES: &[Attempt] = &[
    Attempt::new(Exec, "prlimit64", libc::SYS_prlimit64, &[Number(0), Number(7), Number(0), Page]),
    Attempt::new(Exec, "sched_setaffinity", libc::SYS_sched_setaffinity, &[Number(0), Number(8), Page]),
    Attempt::new(Exec, "setpriority", libc::SYS_setpriority, &[Number(0), Number(0), Number(19)]),
    Attempt::new(File, "ioctl TIOCSTI", libc::SYS_ioctl, &[Number(2), Number(0x5412), Text(c"x")]),
    Attempt::new(File, "ioctl FIONREAD", libc::SYS_ioctl, &[Number(0), Number(0x541b), Page]),
    Attempt::new(File, "shmget", libc::SYS_shmget, &[Number(0), Number(PAGE_BYTES), Number(0o1600)]),
    Attempt::new(File, "msgget", libc::SYS_msgget, &[Number(0), Number(0o1600)]),
    Attempt::new(File, "semget", libc::SYS_semget, &[Number(0), Number(1), Number(0o1600)]),
    Attempt::new(File, "mq_open", libc::SYS_mq_open, &[Text(c"x"), Number(CREATE), Number(0o600), Number(0)]),
    Attempt::new(File, "pipe2", libc::SYS_pipe2, &[Page, Number(0)]),
    Attempt::new(File, "eventfd2", libc::SYS_eventfd2, &[Number(0), Number(0)]),
    Attempt::new(File, "epoll_create1", libc::SYS_epoll_create1, &[Number(0)]),
    Attempt::new(File, "timerfd_create", libc::SYS_timerfd_create, &[Number(1), Number(0)]),
    Attempt::new(Signal, "timer_create", libc::SYS_timer_create, &[Number(1), Number(0), Page]),
    Attempt::new(Signal, "setitimer", libc::SYS_setitimer, &[Number(0), Bytes(&[0; 32]), Number(0)]),
    Attempt::new(Network, "sethostname", libc::SYS_sethostname, &[Text(c"x"), Number(65)]),
    Attempt::new(File, "uname", libc::SYS_uname, &[Page]),
    Attempt::new(File, "sysinfo", libc::SYS_sysinfo, &[Page]),
    Attempt::new(File, "syslog", libc::SYS_syslog, &[Number(10), Number(0), Number(0)]),
    Attempt::new(File, "acct", libc::SYS_acct, &[Text(c"/x")]),
    Attempt::new(File, "swapon", libc::SYS_swapon, &[Text(c"/x"), Number(0)]),
    Attempt::new(Exec, "reboot with a wrong magic", libc::SYS_reboot, &[Number(0), Number(0), Number(0), Number(0)]),
    Attempt::new(Exec, "clock_settime", libc::SYS_clock_settime, &[Number(0), Number(0)]),
    Attempt::new(File, "mlockall", libc::SYS_mlockall, &[Number(1)]),
];

/// A call by the convention of 32-bit code: `getpid` there, and `writev` here. The filter ends
/// the process; where it does not, this says what came of it.
#[cfg(target_arch = "x86_64")]
#[must_use]
pub fn by_interrupt() -> Probe {
    let number: i64 = 20;
    let returned: i64;
    // SAFETY: interrupt 0x80 takes its number in rax, changes rax and r8 to r11 at most, and
    // number 20 has no arguments.
    unsafe {
        std::arch::asm!(
            "int 0x80",
            inlateout("rax") number => returned,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
            options(nostack),
        );
    }
    let result = match returned {
        0.. => ProbeResult::Succeeded,
        error => ProbeResult::Refused(i32::try_from(-error).unwrap_or(0)),
    };
    Probe {
        threat: Exec,
        attempt: "32-bit call".to_string(),
        result,
    }
}
