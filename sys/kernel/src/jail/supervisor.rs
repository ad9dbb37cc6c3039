//! The process that stays outside the process namespace and waits.
//!
//! A new process namespace holds the children of whoever asked for it, so the jailed process is a
//! child. Its parent keeps two rights, waiting and ending, and ends as soon as either side of
//! the worker's socket is gone: then the kernel ends the jailed process with it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus};

use super::{JailError, Layers, filter, privileges};
use crate::process;

/// An end by signal is told as an exit status above this, as shells do.
const SIGNAL_STATUS_BASE: i32 = 128;
/// What the supervisor ends with when it ends the worker.
const GIVEN_UP: u8 = 1;

/// Splits the process in two and returns in the new one.
pub(super) fn stay_behind() -> Result<(), JailError> {
    let failed = |error: Errno| JailError::Fork(error.into());
    let (alive, holds_alive) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(failed)?;
    // SAFETY: there is a single thread, so no lock is held by one that the child does not have.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(JailError::Fork(io::Error::last_os_error())),
        0 => {
            drop(holds_alive);
            die_with_parent();
            if is_orphan(alive) {
                process::end(GIVEN_UP);
            }
            Ok(())
        }
        child => {
            drop(alive);
            // Kept open until the end, since its closing says that we are gone.
            std::mem::forget(holds_alive);
            supervise(child)
        }
    }
}

/// From here on the kernel ends this process when its parent ends.
pub(super) fn die_with_parent() {
    let asked = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    debug_assert!(asked.is_ok());
}

/// Whether the parent ended before the kernel was asked to tell. Process numbers don't say in a
/// namespace of our own.
fn is_orphan(alive: OwnedFd) -> bool {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut ends = [PollFd::new(&alive, PollFlags::empty())];
    !matches!(poll(&mut ends, Some(&now)), Ok(0))
}

fn supervise(child: i32) -> ! {
    let Some(child) = Pid::from_raw(child) else {
        process::end(GIVEN_UP)
    };
    // Without it, an older kernel, the end of the socket is left to the worker itself to notice.
    let ended = rustix::process::pidfd_open(child, PidfdFlags::empty()).ok();
    privileges::close_outputs();
    let mut layers = Layers::default();
    privileges::drop_capabilities(&mut layers);
    privileges::forbid_new(&mut layers);
    privileges::forbid_dumps(&mut layers);
    if let Ok(filter) = filter::supervisor() {
        filter::load(&filter, &mut layers);
    }
    if let Some(ended) = ended {
        wait_for_either(ended.as_fd());
    }
    loop {
        match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => process::end(code_of(status)),
            Ok(None) | Err(Errno::INTR) => {}
            Err(_) => process::end(GIVEN_UP),
        }
    }
}

/// How long a worker whose socket is gone may take to end by itself. One that waits for a request
/// ends at once, and what it cost is then told to whoever waits for this process.
const END_BY_ITSELF: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 40_000_000,
};

/// Waits for the end of the worker or of its socket; in the second case it ends soon.
fn wait_for_either(ended: BorrowedFd<'_>) {
    let stdin = rustix::stdio::stdin();
    loop {
        let mut ends = [
            PollFd::from_borrowed_fd(ended, PollFlags::IN),
            PollFd::from_borrowed_fd(stdin, PollFlags::empty()),
        ];
        match poll(&mut ends, None) {
            Err(Errno::INTR) => {}
            Err(_) => return,
            Ok(_) if ends[0].revents().is_empty() => {
                let mut end = [PollFd::from_borrowed_fd(ended, PollFlags::IN)];
                match poll(&mut end, Some(&END_BY_ITSELF)) {
                    Ok(count) if count > 0 => return,
                    // The worker is busy: ending takes it along.
                    _ => process::end(GIVEN_UP),
                }
            }
            Ok(_) => return,
        }
    }
}

fn code_of(status: WaitStatus) -> u8 {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => SIGNAL_STATUS_BASE.saturating_add(signal),
        (None, None) => return GIVEN_UP,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}
