//! Messages with descriptors over a socket pair that keeps message borders.
//!
//! Refuses what did not arrive whole: a message or a set of descriptors that was cut is an error,
//! never a shorter message.

use std::io;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use proto::{BATCH_ITEMS_MAX, MESSAGE_BYTES_MAX};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// Room for the control message of a full batch.
const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmRights(BATCH_ITEMS_MAX));

/// One end of a connection to another process of ours.
#[derive(Debug)]
pub struct Channel {
    socket: OwnedFd,
}

/// A message as it came.
#[derive(Debug)]
pub struct Received<'a> {
    /// The message.
    pub bytes: &'a [u8],
    /// The descriptors that came with it, in their order.
    pub files: Vec<OwnedFd>,
}

impl Channel {
    /// Two connected ends, neither of them inherited by programs that are started later.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self::from_fd(one)?, Self::from_fd(other)?))
    }

    /// An end that was handed over. Anything but a message socket is refused.
    pub fn from_fd(socket: OwnedFd) -> io::Result<Self> {
        if rustix::net::sockopt::socket_type(&socket)? != SocketType::SEQPACKET {
            return Err(not_a_socket());
        }
        // The longest message must fit at once. A system whose ceiling is lower says so when a
        // message that long is sent.
        let room_bytes = MESSAGE_BYTES_MAX.saturating_mul(2);
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, room_bytes)?;
        Ok(Self { socket })
    }

    /// Descriptor 0, where a pool hands a worker its end. From here on it is the channel's alone;
    /// standard input must not be used any more.
    pub fn from_stdin() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        if rustix::net::sockopt::socket_type(stdin)? != SocketType::SEQPACKET {
            return Err(not_a_socket());
        }
        // SAFETY: the descriptor is open, as was just seen, and the caller uses it nowhere else.
        Self::from_fd(unsafe { rustix::stdio::take_stdin() })
    }

    /// The socket, to hand it to a program that is started.
    #[must_use]
    pub fn into_fd(self) -> OwnedFd {
        self.socket
    }

    /// Sends one message, and waits while the other side is behind.
    pub fn send(&self, message: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.send_once(message, files, SendFlags::empty())
    }

    /// Sends one message, or gives up with [`io::ErrorKind::TimedOut`].
    pub fn send_by(
        &self,
        message: &[u8],
        files: &[BorrowedFd<'_>],
        deadline: Instant,
    ) -> io::Result<()> {
        loop {
            match self.send_once(message, files, SendFlags::DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::OUT, deadline)?;
                }
                done => return done,
            }
        }
    }

    /// The next message; `None` when the other side has closed. The buffer keeps its size between
    /// calls, so that a long run clears it once.
    pub fn receive<'a>(&self, buffer: &'a mut Vec<u8>) -> io::Result<Option<Received<'a>>> {
        let arrived = self.receive_once(buffer, RecvFlags::empty())?;
        Ok(arrived.map(|arrived| arrived.over(buffer)))
    }

    /// The next message, or [`io::ErrorKind::TimedOut`].
    pub fn receive_by<'a>(
        &self,
        buffer: &'a mut Vec<u8>,
        deadline: Instant,
    ) -> io::Result<Option<Received<'a>>> {
        loop {
            match self.receive_once(buffer, RecvFlags::DONTWAIT) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::IN, deadline)?;
                }
                Err(error) => return Err(error),
                Ok(arrived) => return Ok(arrived.map(|arrived| arrived.over(buffer))),
            }
        }
    }

    /// Ends the connection in both directions, also for whoever waits in another thread.
    pub fn cut(&self) -> io::Result<()> {
        Ok(rustix::net::shutdown(
            &self.socket,
            rustix::net::Shutdown::Both,
        )?)
    }

    /// Whether something waits to be received: a message, or the news that the other side closed.
    pub fn is_readable(&self) -> io::Result<bool> {
        match self.wait(PollFlags::IN, Instant::now()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn send_once(
        &self,
        message: &[u8],
        files: &[BorrowedFd<'_>],
        flags: SendFlags,
    ) -> io::Result<()> {
        if message.is_empty() || message.len() > MESSAGE_BYTES_MAX || files.len() > BATCH_ITEMS_MAX
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a message is empty, or longer than the protocol allows",
            ));
        }
        let flags = flags | SendFlags::NOSIGNAL;
        let sent = if files.is_empty() {
            // A jailed worker may only use this call: it has no way to pass a descriptor on.
            again(|| rustix::net::send(&self.socket, message, flags))?
        } else {
            let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(files)) {
                return Err(io::Error::from(Errno::MSGSIZE));
            }
            again(|| {
                let parts = [IoSlice::new(message)];
                rustix::net::sendmsg(&self.socket, &parts, &mut control, flags)
            })?
        };
        if sent == message.len() {
            Ok(())
        } else {
            Err(io::Error::from(Errno::MSGSIZE))
        }
    }

    fn receive_once(&self, buffer: &mut Vec<u8>, flags: RecvFlags) -> io::Result<Option<Arrived>> {
        if buffer.len() != MESSAGE_BYTES_MAX {
            buffer.resize(MESSAGE_BYTES_MAX, 0);
        }
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let message = again(|| {
            let mut parts = [IoSliceMut::new(buffer)];
            let flags = flags | RecvFlags::CMSG_CLOEXEC;
            let received = rustix::net::recvmsg(&self.socket, &mut parts, &mut control, flags);
            match received {
                // The kernel says once that the other side ended without reading all that we
                // sent. What it had said before that is still there, and counts.
                Err(Errno::CONNRESET) => Err(Errno::INTR),
                other => other,
            }
        })?;
        let mut files = Vec::new();
        for part in control.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = part {
                files.extend(passed);
            }
        }
        if message
            .flags
            .intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a message was longer than the protocol allows, or lost descriptors on the way",
            ));
        }
        // The sender refuses empty messages, so nothing is the end.
        if message.bytes == 0 {
            return Ok(None);
        }
        let length = message.bytes;
        Ok(Some(Arrived { length, files }))
    }

    fn wait(&self, events: PollFlags, deadline: Instant) -> io::Result<()> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = timespec(left);
            let mut waiting = [PollFd::new(&self.socket, events)];
            match poll(&mut waiting, Some(&left)) {
                Ok(0) if Instant::now() >= deadline => {
                    return Err(io::Error::from(io::ErrorKind::TimedOut));
                }
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

struct Arrived {
    length: usize,
    files: Vec<OwnedFd>,
}

impl Arrived {
    fn over(self, buffer: &[u8]) -> Received<'_> {
        Received {
            bytes: buffer.get(..self.length).unwrap_or_default(),
            files: self.files,
        }
    }
}

fn not_a_socket() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the descriptor is not a message socket",
    )
}

/// Repeats a call that a signal interrupted.
fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            done => return done,
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;
    use crate::file::memory_file;

    #[test]
    fn a_message_arrives_with_its_descriptors_in_order() {
        let (near, far) = Channel::pair().unwrap();
        let files: Vec<OwnedFd> = (0..BATCH_ITEMS_MAX)
            .map(|number| {
                let mut file = std::fs::File::from(memory_file("one").unwrap());
                write!(file, "{number}").unwrap();
                file.rewind().unwrap();
                file.into()
            })
            .collect();
        let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
        near.send(b"hello", &borrowed).unwrap();
        let mut buffer = Vec::new();
        let received = far.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(received.bytes, b"hello");
        assert_eq!(received.files.len(), BATCH_ITEMS_MAX);
        for (number, file) in received.files.into_iter().enumerate() {
            let flags = rustix::io::fcntl_getfd(&file).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            let mut text = String::new();
            std::fs::File::from(file).read_to_string(&mut text).unwrap();
            assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn the_longest_message_fits_and_a_longer_one_is_refused() {
        let (near, far) = Channel::pair().unwrap();
        let longest = vec![7u8; MESSAGE_BYTES_MAX];
        near.send(&longest, &[]).unwrap();
        let mut buffer = Vec::new();
        let received = far.receive(&mut buffer).unwrap().unwrap();
        assert_eq!(received.bytes, longest);
        let longer = vec![7u8; MESSAGE_BYTES_MAX + 1];
        assert_eq!(
            near.send(&longer, &[]).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert!(near.send(b"", &[]).is_err());
    }

    #[test]
    fn what_was_cut_is_an_error() {
        let (near, far) = Channel::pair().unwrap();
        let longer = vec![7u8; MESSAGE_BYTES_MAX + 1];
        rustix::net::send(near.as_fd(), &longer, SendFlags::empty()).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(
            far.receive(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );

        let file = memory_file("one").unwrap();
        let many = vec![file.as_fd(); BATCH_ITEMS_MAX + 8];
        let mut space =
            vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH_ITEMS_MAX + 8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&many)));
        let parts = [IoSlice::new(b"x")];
        rustix::net::sendmsg(near.as_fd(), &parts, &mut control, SendFlags::empty()).unwrap();
        assert_eq!(
            far.receive(&mut buffer).unwrap_err().kind(),
            io::ErrorKind::InvalidData
        );
    }

    #[test]
    fn the_end_is_none_and_waiting_has_an_end() {
        let (near, far) = Channel::pair().unwrap();
        let mut buffer = Vec::new();
        let soon = Instant::now() + Duration::from_millis(20);
        assert_eq!(
            far.receive_by(&mut buffer, soon).unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert!(Instant::now() >= soon);
        assert!(!far.is_readable().unwrap());
        near.send(b"last", &[]).unwrap();
        drop(near);
        assert!(far.is_readable().unwrap());
        assert_eq!(far.receive(&mut buffer).unwrap().unwrap().bytes, b"last");
        assert!(far.receive(&mut buffer).unwrap().is_none());
        assert!(far.send(b"x", &[]).is_err());
    }

    #[test]
    fn what_was_said_before_an_early_end_is_still_heard() {
        let (near, far) = Channel::pair().unwrap();
        far.send(b"one", &[]).unwrap();
        far.send(b"two", &[]).unwrap();
        near.send(b"never read", &[]).unwrap();
        drop(far);
        let mut buffer = Vec::new();
        assert_eq!(near.receive(&mut buffer).unwrap().unwrap().bytes, b"one");
        assert_eq!(near.receive(&mut buffer).unwrap().unwrap().bytes, b"two");
        assert!(near.receive(&mut buffer).unwrap().is_none());
    }

    #[test]
    fn a_full_socket_gives_up_in_time() {
        let (near, _far) = Channel::pair().unwrap();
        let message = vec![1u8; 1000];
        let soon = Instant::now() + Duration::from_millis(30);
        let error = loop {
            if let Err(error) = near.send_by(&message, &[], soon) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn only_a_message_socket_is_a_channel() {
        assert!(Channel::from_fd(memory_file("x").unwrap()).is_err());
        let (stream, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(Channel::from_fd(stream.into()).is_err());
    }
}
