//! Small acts of a process on itself.

/// Ends the process at once: no destructor, no exit handler, one system call.
pub fn end(code: u8) -> ! {
    // SAFETY: `_exit` takes any number, touches no memory of ours and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Waits until a process that was split off is gone, and its signal with it: one that came after
/// this process asked to be traced would stop it for good.
pub(crate) fn wait_for(child: i32) {
    // SAFETY: the kernel writes nowhere, since the status is not asked for.
    unsafe { libc::waitpid(child, std::ptr::null_mut(), libc::__WALL) };
}

/// The processor time of every child that has ended and was waited for, user's and kernel's.
#[must_use]
pub fn children_cpu() -> std::time::Duration {
    let usage = rusage_of_children();
    let part = |time: libc::timeval| {
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let micros = u64::try_from(time.tv_usec).unwrap_or(0);
        std::time::Duration::from_secs(seconds) + std::time::Duration::from_micros(micros)
    };
    part(usage.ru_utime) + part(usage.ru_stime)
}

fn rusage_of_children() -> libc::rusage {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a whole, writable `rusage`, which the kernel fills.
    unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) };
    // SAFETY: it was zeroed, which is a valid `rusage`, before the kernel filled it.
    unsafe { usage.assume_init() }
}
