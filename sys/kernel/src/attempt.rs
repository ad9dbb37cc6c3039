//! One attempt at what a jail forbids: a bare system call, as an attacker would make it.

use std::ffi::CStr;
use std::io;

use proto::{Probe, ProbeResult, Threat};

use crate::process;

/// A system call with its arguments, and the threat that it stands for.
pub(crate) struct Attempt {
    threat: Threat,
    what: &'static str,
    number: i64,
    arguments: &'static [Argument],
}

/// An argument of a system call.
pub(crate) enum Argument {
    /// A number, never one that the kernel takes for an address.
    Number(i64),
    /// A string that the kernel only reads.
    Text(&'static CStr),
    /// An empty list of strings, which the kernel only reads.
    NoStrings,
    /// Bytes that the kernel only reads.
    Bytes(&'static [u8]),
    /// A page of memory that the kernel may write to, or change the protection of.
    Page,
}

use Argument::{Bytes, NoStrings, Number, Page, Text};

/// Longer than anything that an attempted call writes.
const PAGE_BYTES: usize = 4096;

#[repr(align(4096))]
struct Aligned([u8; PAGE_BYTES]);

impl Attempt {
    /// For the tables of attempts. The table's author vouches that the arguments fit the call:
    /// no number stands where the kernel expects an address, but for zero where it may be null.
    pub(crate) const fn new(
        threat: Threat,
        what: &'static str,
        number: i64,
        arguments: &'static [Argument],
    ) -> Self {
        Self {
            threat,
            what,
            number,
            arguments,
        }
    }

    /// Makes the call.
    pub(crate) fn make(&self) -> Probe {
        let mut page = Aligned([0; PAGE_BYTES]);
        let no_strings = [std::ptr::null::<libc::c_char>()];
        let mut values = [0i64; 6];
        for (value, argument) in values.iter_mut().zip(self.arguments) {
            *value = match argument {
                Number(number) => *number,
                Text(text) => address(text.as_ptr()),
                NoStrings => address(no_strings.as_ptr()),
                Bytes(bytes) => address(bytes.as_ptr()),
                Page => address(page.0.as_mut_ptr()),
            };
        }
        let [a, b, c, d, e, f] = values;
        // SAFETY: the tables pass strings and bytes that the kernel only reads, and a page that
        // is longer than what it writes there; all outlive the call. Numbers are no addresses, as
        // the tables' authors vouch.
        let returned = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        let error = io::Error::last_os_error();
        if SPLITTING_CALLS.contains(&self.number) {
            match i32::try_from(returned) {
                // A process that was split off has nothing to do here.
                Ok(0) => process::end(0),
                Ok(child @ 1..) => process::wait_for(child),
                _ => {}
            }
        }
        let result = if returned == -1 {
            ProbeResult::Refused(error.raw_os_error().unwrap_or(0))
        } else {
            ProbeResult::Succeeded
        };
        Probe {
            threat: self.threat,
            attempt: self.what.to_string(),
            result,
        }
    }
}

/// Calls that return twice.
const SPLITTING_CALLS: &[i64] = &[
    libc::SYS_clone,
    libc::SYS_clone3,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// A pointer as the kernel's call convention passes it.
fn address<T>(pointer: *const T) -> i64 {
    i64::from_ne_bytes((pointer as usize as u64).to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_was_split_off_is_gone_and_can_no_longer_signal() {
        const SIGNAL: i64 = libc::SIGCHLD as i64;
        for _ in 0..100 {
            let arguments = &[Number(SIGNAL), Number(0), Number(0), Number(0), Number(0)];
            let attempt = Attempt::new(Threat::Exec, "clone", libc::SYS_clone, arguments);
            assert_eq!(attempt.make().result, ProbeResult::Succeeded);
            let options = libc::WNOHANG | libc::__WALL;
            // SAFETY: the status is not asked for; no other test here has children.
            let left = unsafe { libc::waitpid(-1, std::ptr::null_mut(), options) };
            let error = io::Error::last_os_error().raw_os_error();
            assert_eq!((left, error), (-1, Some(libc::ECHILD)));
        }
    }
}
