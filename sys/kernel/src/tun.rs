//! A network device whose other end is a descriptor: whole IP packets in and out.
//!
//! It looks into no packet and keeps none. Who holds the descriptor is the network of whoever
//! has the device.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::channel::Channel;

/// Longer than any IP packet.
pub const PACKET_BYTES_MAX: usize = 65_536;
/// The longest name, without the zero at its end.
const NAME_BYTES_MAX: usize = libc::IFNAMSIZ - 1;

/// What the kernel reads of a `struct ifreq` for this request.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    rest: [u8; 22],
}

/// Makes a device of this name in the network namespace of the calling process. It carries bare
/// IP packets, is down, has no address, and is gone when the descriptor is closed.
pub fn open(name: &str) -> io::Result<OwnedFd> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(io::Error::from(Errno::INVAL));
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let device = rustix::fs::open("/dev/net/tun", flags, Mode::empty())?;
    let kind = libc::IFF_TUN | libc::IFF_NO_PI;
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        flags: libc::c_short::try_from(kind).map_err(io::Error::other)?,
        rest: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    let place: *mut Request = &raw mut request;
    // SAFETY: the request is as long as the kernel's `struct ifreq` and outlives the call.
    let status = unsafe { libc::ioctl(device.as_raw_fd(), libc::TUNSETIFF, place) };
    if status == 0 {
        Ok(device)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The next packet's length; `None` where none waits. A device that is down or gone is an error.
pub fn receive(device: impl AsFd, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        let mut parts = [io::IoSliceMut::new(buffer)];
        match rustix::io::readv(&device, &mut parts) {
            Ok(length) => return Ok(Some(length)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends one packet; whether the device took it. It takes none while it is down or full.
pub fn send(device: impl AsFd, packet: &[u8]) -> io::Result<bool> {
    loop {
        match rustix::io::writev(&device, &[io::IoSlice::new(packet)]) {
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::IO | Errno::INVAL) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// What has something to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// The channel has a message, or its other side is gone.
    pub orders: bool,
    /// The device has a packet, or an error to tell.
    pub packets: bool,
}

/// Waits until either has something, or the time is over. Without a device it waits for the
/// channel alone.
pub fn wait(channel: &Channel, device: Option<&OwnedFd>, longest: Duration) -> io::Result<Ready> {
    let longest = Timespec {
        tv_sec: i64::try_from(longest.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(longest.subsec_nanos()),
    };
    let orders = channel.as_fd();
    let mut ends = [
        PollFd::from_borrowed_fd(orders, PollFlags::IN),
        PollFd::from_borrowed_fd(device.map_or(orders, AsFd::as_fd), PollFlags::IN),
    ];
    match poll(&mut ends, Some(&longest)) {
        Ok(_) => Ok(Ready {
            orders: !ends[0].revents().is_empty(),
            packets: device.is_some() && !ends[1].revents().is_empty(),
        }),
        Err(Errno::INTR) => Ok(Ready::default()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Request>(), size_of::<libc::ifreq>());
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert!(open("").is_err());
        assert!(open("a-name-of-sixteen").is_err());
    }

    #[test]
    fn waiting_ends_with_a_message_or_with_the_time() {
        let (near, far) = Channel::pair().unwrap();
        let soon = Duration::from_millis(5);
        assert_eq!(wait(&near, None, soon).unwrap(), Ready::default());
        far.send(b"x", &[]).unwrap();
        let ready = wait(&near, None, Duration::from_secs(5)).unwrap();
        assert!(ready.orders && !ready.packets);
    }
}
