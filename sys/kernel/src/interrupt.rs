//! Ctrl-C and its kin as a question that a loop asks, for programs that must tidy up before they
//! end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Signals by which people and systems ask a program to end.
const SIGNALS: [i32; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// From now on those signals end nothing: [`is_asked`] tells of them, and calls that wait return.
pub fn watch() -> io::Result<()> {
    for signal in SIGNALS {
        // SAFETY: all zeroes are a valid action: no flag, no signal masked.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = note as *const () as usize;
        // SAFETY: the action is whole, its handler only stores a flag, and the old one is not asked
        // for.
        let status = unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether somebody asked this program to end.
#[must_use]
pub fn is_asked() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn note(_signal: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}
