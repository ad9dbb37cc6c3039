//! A network device whose other end is a descriptor.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

/// Makes the device of this name in the network that `device` (/dev/net/tun) was opened in. What
/// is read from the descriptor afterwards are packets, without any header of ours.
pub fn tun(device: OwnedFd, name: &str) -> io::Result<OwnedFd> {
    // SAFETY: all zeroes are a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = libc::c_char::from_ne_bytes([byte]);
    }
    request.ifr_ifru.ifru_flags =
        libc::c_short::try_from(libc::IFF_TUN | libc::IFF_NO_PI).map_err(io::Error::other)?;
    let number = device.as_fd().as_raw_fd();
    // SAFETY: the descriptor is open, and the kernel reads and writes one whole request.
    let status = unsafe { libc::ioctl(number, libc::TUNSETIFF, &raw mut request) };
    match status {
        0 => Ok(device),
        _ => Err(io::Error::last_os_error()),
    }
}
