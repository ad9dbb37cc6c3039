//! What the programs in the kernel hand over, taken apart: the layout of `bpf/records.h`.
//!
//! The kernel made these bytes; names and arguments in them are the product's, and are only
//! escaped. What is shorter than its layout is no record, and the caller counts it as lost.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lab::Escaped;
use lab::trace::{Access, Event, FileId, How, Protocol, Transfer};

use super::calls;

/// Kinds of records in the ring.
const FORK: u32 = 1;
const EXIT: u32 = 2;
const EXEC: u32 = 3;
const OPEN: u32 = 4;
const CONNECT: u32 = 5;
const CALL: u32 = 6;
const TOUCH: u32 = 7;
const TRAFFIC: u32 = 8;

/// Bytes of a key and a sum in the map of files.
pub(super) const TOUCHED_BYTES: usize = 24;
pub(super) const SUMS_BYTES: usize = 32;
/// The same in the map of connections.
pub(super) const ENDS_BYTES: usize = 44;
pub(super) const PASSED_BYTES: usize = 32;

/// Turns the kernel's time since the machine's start into time since the run's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// When the run started, by CLOCK_MONOTONIC.
    pub(super) started_ns: u64,
}

impl Clock {
    fn since(self, at: u64) -> u64 {
        at.saturating_sub(self.started_ns)
    }
}

/// Takes little-endian numbers from the front.
#[derive(Clone, Copy, Debug)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N)?.try_into().ok()
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

/// The events of one record of the ring; none where it is not one.
pub(super) fn record(bytes: &[u8], clock: Clock) -> Option<Event> {
    let mut fields = Fields(bytes);
    let kind = fields.u32()?;
    let pid = fields.u32()?;
    let at = clock.since(fields.u64()?);
    match kind {
        FORK => Some(Event::Fork {
            at,
            pid: fields.u32()?,
            parent: pid,
        }),
        EXIT => Some(Event::Exit {
            at,
            pid,
            status: fields.u32()?.cast_signed(),
        }),
        EXEC => exec(fields, at, pid),
        OPEN => open(fields, at, pid),
        CONNECT => connect(fields, at, pid),
        CALL => call(fields, at, pid),
        TOUCH => touch(fields, at),
        TRAFFIC => traffic(fields, at),
        _ => None,
    }
}

/// A sum of the map of files.
pub(super) fn touched(
    key: &[u8; TOUCHED_BYTES],
    sums: &[u8; SUMS_BYTES],
    clock: Clock,
) -> Option<Event> {
    let mut sums = Fields(sums);
    let (bytes, calls) = (sums.u64()?, sums.u64()?);
    let first = clock.since(sums.u64()?);
    let last = clock.since(sums.u64()?);
    transfer(
        Fields(key),
        Amount {
            bytes,
            calls,
            first,
            last,
        },
    )
}

/// A sum of the map of connections.
pub(super) fn passed(
    ends: &[u8; ENDS_BYTES],
    sums: &[u8; PASSED_BYTES],
    clock: Clock,
) -> Option<Event> {
    let mut sums = Fields(sums);
    Some(Ends::take(&mut Fields(ends))?.traffic(Passed {
        sent: sums.u64()?,
        received: sums.u64()?,
        first: clock.since(sums.u64()?),
        last: clock.since(sums.u64()?),
    }))
}

fn exec(mut fields: Fields<'_>, at: u64, pid: u32) -> Option<Event> {
    let file = file(&mut fields)?;
    let text = usize::try_from(fields.u32()?).ok()?;
    let arguments = usize::try_from(fields.u32()?).ok()?;
    let path = spelled(fields.bytes(text)?);
    let arguments = fields.bytes(arguments)?;
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(arguments);
    Some(Event::Exec {
        at,
        pid,
        path,
        arguments: arguments
            .split(|byte| *byte == 0)
            .map(Escaped::new)
            .collect(),
        file: Some(file),
    })
}

fn open(mut fields: Fields<'_>, at: u64, pid: u32) -> Option<Event> {
    let file = file(&mut fields)?;
    let flags = fields.u32()?;
    let text = usize::try_from(fields.u32()?).ok()?;
    Some(Event::Open {
        at,
        pid,
        path: spelled(fields.bytes(text)?),
        file: Some(file),
        access: match flags & 3 {
            0 => Access::Read,
            1 => Access::Write,
            _ => Access::Both,
        },
    })
}

fn connect(mut fields: Fields<'_>, at: u64, pid: u32) -> Option<Event> {
    let _result = fields.u64()?;
    let ends = Ends::take(&mut fields)?;
    let _zero = fields.u32()?;
    let address = match ends.protocol() {
        Protocol::Unix => unix_name(fields.bytes(112)?),
        _ => ends.remote_address().as_str().into(),
    };
    Some(Event::Connect {
        at,
        pid,
        protocol: ends.protocol(),
        address,
        port: ends.remote_port,
    })
}

fn call(mut fields: Fields<'_>, at: u64, pid: u32) -> Option<Event> {
    let result = fields.u64()?.cast_signed();
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = fields.u64()?;
    }
    let number = fields.u32()?;
    let _zero = fields.u32()?;
    let texts = [fields.bytes(256)?, fields.bytes(256)?];
    calls::told(
        &calls::Call {
            number,
            arguments,
            result,
            texts,
        },
        at,
        pid,
    )
}

fn touch(mut fields: Fields<'_>, at: u64) -> Option<Event> {
    let key = fields.bytes(TOUCHED_BYTES)?;
    let amount = Amount {
        bytes: fields.u64()?,
        calls: 1,
        first: at,
        last: at,
    };
    transfer(Fields(key), amount)
}

fn traffic(mut fields: Fields<'_>, at: u64) -> Option<Event> {
    let ends = Ends::take(&mut fields)?;
    let _zero = fields.u32()?;
    Some(ends.traffic(Passed {
        sent: fields.u64()?,
        received: fields.u64()?,
        first: at,
        last: at,
    }))
}

/// Device, inode and mode, of which the last was needed in the kernel only.
fn file(fields: &mut Fields<'_>) -> Option<FileId> {
    let inode = fields.u64()?;
    let device = fields.u32()?;
    let _mode = fields.u32()?;
    Some(FileId {
        device: device_name(device),
        inode,
    })
}

/// The kernel's own number of a device: twenty bits of minor.
fn device_name(device: u32) -> String {
    format!("{}:{}", device >> 20, device & 0x000f_ffff)
}

struct Amount {
    bytes: u64,
    calls: u64,
    first: u64,
    last: u64,
}

fn transfer(mut key: Fields<'_>, amount: Amount) -> Option<Event> {
    let inode = key.u64()?;
    let device = key.u32()?;
    let way = key.u32()?;
    let pid = key.u32()?;
    let of = |how| Transfer {
        pid,
        file: FileId {
            device: device_name(device),
            inode,
        },
        bytes: amount.bytes,
        calls: amount.calls,
        first: amount.first,
        last: amount.last,
        how,
    };
    match way {
        1 => Some(Event::Read(of(How::Read))),
        2 => Some(Event::Write(of(How::Write))),
        3 => Some(Event::Read(of(How::Map))),
        4 => Some(Event::Write(of(How::Map))),
        5 => Some(Event::Read(of(How::Splice))),
        6 => Some(Event::Write(of(How::Splice))),
        _ => None,
    }
}

/// A name that came leaf first, each part ended by a zero byte.
fn spelled(parts: &[u8]) -> Escaped {
    let parts = parts.strip_suffix(b"\0").unwrap_or(parts);
    let mut path = Vec::with_capacity(parts.len() + 1);
    for part in parts.rsplit(|byte| *byte == 0) {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    Escaped::new(&path)
}

/// The path in an address of the unix kind; a name without a file starts with `@`.
pub(super) fn unix_name(address: &[u8]) -> Escaped {
    let name = address.get(2..).unwrap_or_default();
    let (mark, name): (&[u8], _) = match name {
        [0, rest @ ..] => (b"@", rest),
        whole => (b"", whole),
    };
    let end = name.iter().position(|byte| *byte == 0);
    let name = name.get(..end.unwrap_or(name.len())).unwrap_or_default();
    Escaped::new(&[mark, name].concat())
}

/// Both ends of a socket, as the kernel has them.
#[derive(Clone, Copy, Debug)]
struct Ends {
    local: [u8; 16],
    remote: [u8; 16],
    local_port: u16,
    remote_port: u16,
    family: u16,
    protocol: u16,
    pid: u32,
}

struct Passed {
    sent: u64,
    received: u64,
    first: u64,
    last: u64,
}

impl Ends {
    fn take(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            local: fields.array()?,
            remote: fields.array()?,
            local_port: fields.u16()?,
            remote_port: fields.u16()?,
            family: fields.u16()?,
            protocol: fields.u16()?,
            pid: fields.u32()?,
        })
    }

    fn protocol(&self) -> Protocol {
        match (self.family, self.protocol) {
            (FAMILY_UNIX, _) => Protocol::Unix,
            (16, _) => Protocol::Netlink,
            (17, _) => Protocol::Raw,
            (40, _) => Protocol::Vsock,
            (FAMILY_INET | FAMILY_INET6, 6) => Protocol::Tcp,
            (FAMILY_INET | FAMILY_INET6, 17) => Protocol::Udp,
            (FAMILY_INET | FAMILY_INET6, 1 | 58) => Protocol::Icmp,
            (FAMILY_INET | FAMILY_INET6, 255) => Protocol::Raw,
            _ => Protocol::Other,
        }
    }

    fn remote_address(&self) -> String {
        match self.ip(self.remote) {
            Some(address) => address.to_string(),
            None => String::new(),
        }
    }

    fn ip(&self, bytes: [u8; 16]) -> Option<IpAddr> {
        let [a, b, c, d, ..] = bytes;
        match self.family {
            FAMILY_INET => Some(Ipv4Addr::new(a, b, c, d).into()),
            FAMILY_INET6 => Some(Ipv6Addr::from(bytes).into()),
            _ => None,
        }
    }

    fn end(&self, bytes: [u8; 16], port: u16) -> String {
        match self.ip(bytes) {
            Some(IpAddr::V4(address)) => format!("{address}:{port}"),
            Some(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            None => String::new(),
        }
    }

    fn traffic(&self, passed: Passed) -> Event {
        Event::Traffic {
            pid: self.pid,
            protocol: self.protocol(),
            local: self.end(self.local, self.local_port),
            remote: self.end(self.remote, self.remote_port),
            sent_bytes: passed.sent,
            received_bytes: passed.received,
            first: passed.first,
            last: passed.last,
        }
    }
}

/// Families of sockets, by the kernel's numbers.
const FAMILY_UNIX: u16 = 1;
pub(super) const FAMILY_INET: u16 = 2;
pub(super) const FAMILY_INET6: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { started_ns: 100 };

    fn head(kind: u32) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(7_u32.to_le_bytes());
        bytes.extend(150_u64.to_le_bytes());
        bytes
    }

    fn open_record(text: &[u8]) -> Vec<u8> {
        let mut bytes = head(OPEN);
        bytes.extend(9_u64.to_le_bytes());
        bytes.extend(((8_u32 << 20) | 1).to_le_bytes());
        bytes.extend(0o100_644_u32.to_le_bytes());
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text);
        bytes
    }

    #[test]
    fn a_name_is_turned_round_and_escaped() {
        let event = record(&open_record(b"b\nc\0dir\0srv\0"), CLOCK);
        let expected = Event::Open {
            at: 50,
            pid: 7,
            path: Escaped::new(b"/srv/dir/b\nc"),
            file: Some(FileId {
                device: "8:1".to_owned(),
                inode: 9,
            }),
            access: Access::Both,
        };
        assert_eq!(event, Some(expected));
    }

    #[test]
    fn a_record_that_is_cut_short_is_none() {
        let whole = open_record(b"a\0");
        for length in 0..whole.len() {
            assert_eq!(record(&whole[..length], CLOCK), None, "{length}");
        }
        assert_eq!(record(&head(99), CLOCK), None);
    }

    #[test]
    fn both_ends_of_a_connection_are_named() {
        let mut ends = [0; ENDS_BYTES];
        ends[..4].copy_from_slice(&[127, 0, 0, 1]);
        ends[16..20].copy_from_slice(&[192, 0, 2, 1]);
        ends[32..34].copy_from_slice(&5000_u16.to_le_bytes());
        ends[34..36].copy_from_slice(&443_u16.to_le_bytes());
        ends[36..38].copy_from_slice(&2_u16.to_le_bytes());
        ends[38..40].copy_from_slice(&6_u16.to_le_bytes());
        let mut sums = [0; PASSED_BYTES];
        sums[0] = 3;
        let Some(Event::Traffic {
            protocol,
            local,
            remote,
            sent_bytes,
            ..
        }) = passed(&ends, &sums, CLOCK)
        else {
            panic!("no traffic");
        };
        assert_eq!((protocol, sent_bytes), (Protocol::Tcp, 3));
        assert_eq!(
            (local.as_str(), remote.as_str()),
            ("127.0.0.1:5000", "192.0.2.1:443")
        );
    }

    #[test]
    fn a_socket_without_a_file_is_marked() {
        assert_eq!(unix_name(b"\x01\0/run/x\0\0"), "/run/x".into());
        assert_eq!(unix_name(b"\x01\0\0bus\0"), "@bus".into());
        assert_eq!(unix_name(b""), "".into());
    }
}
