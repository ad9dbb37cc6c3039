//! The one crate with `unsafe`: descriptors over sockets, mapped files, and the jail.
//!
//! Everything it offers is safe to call. It decides nothing about content and parses nothing; it
//! refuses to hide what the kernel said: a layer that could not be entered is reported as missing.

#[cfg(feature = "attacks")]
pub mod attack;
mod attempt;
pub mod channel;
pub mod clock;
pub mod enclosure;
pub mod fanotify;
pub mod file;
pub mod interrupt;
pub mod jail;
pub mod map;
pub mod process;
pub mod tun;

/// The numbers of system calls, for the generated lists of the roles.
pub use libc;
