//! The enclosure's network: a loopback, one device that ends in the gateway, an address and a way
//! out of each version, and nothing else. Spoken to the kernel as route messages.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The device.
pub const DEVICE: &str = "lab0";
/// The enclosure's own address.
pub const ADDRESS_4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The same in version 6.
pub const ADDRESS_6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// The resolver that programs inside are told of; the gateway answers any address.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const PREFIX_4: u8 = 24;
const PREFIX_6: u8 = 64;

const NEW_LINK: u16 = 16;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const CREATE: u16 = 0x400;

const IS_UP: u32 = 1;
const IS_MULTICAST: u32 = 0x1000;

const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const OUT_DEVICE: u16 = 4;
const NO_DUPLICATE_CHECK: u8 = 2;

const MAIN_TABLE: u8 = 254;
const BY_ADMINISTRATOR: u8 = 4;
const EVERYWHERE: u8 = 0;
const UNICAST: u8 = 1;

/// Sets up the network that this process is in; the device is there already.
pub(super) fn set_up(device_index: u32) -> io::Result<()> {
    const LOOPBACK_INDEX: u32 = 1;
    let route = Route::open()?;
    route.link_up(LOOPBACK_INDEX)?;
    for (address, prefix) in [
        (IpAddr::from(ADDRESS_4), PREFIX_4),
        (IpAddr::from(ADDRESS_6), PREFIX_6),
    ] {
        route.add_address(device_index, address, prefix)?;
    }
    route.link_up(device_index)?;
    for address in [IpAddr::from(ADDRESS_4), IpAddr::from(ADDRESS_6)] {
        route.add_way_out(device_index, family(address))?;
    }
    Ok(())
}

struct Route {
    socket: OwnedFd,
}

impl Route {
    fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            // Route messages are protocol 0.
            None,
        )?;
        Ok(Self { socket })
    }

    /// Up, and without the chatter of multicast.
    fn link_up(&self, index: u32) -> io::Result<()> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(IS_UP.to_ne_bytes());
        body.extend((IS_UP | IS_MULTICAST).to_ne_bytes());
        self.ask(NEW_LINK, 0, &body)
    }

    fn add_address(&self, index: u32, address: IpAddr, prefix: u8) -> io::Result<()> {
        let mut body = vec![family(address), prefix, NO_DUPLICATE_CHECK, EVERYWHERE];
        body.extend(index.to_ne_bytes());
        for kind in [LOCAL, ADDRESS] {
            match address {
                IpAddr::V4(address) => attribute(&mut body, kind, &address.octets()),
                IpAddr::V6(address) => attribute(&mut body, kind, &address.octets()),
            }
        }
        self.ask(NEW_ADDRESS, CREATE, &body)
    }

    fn add_way_out(&self, index: u32, family: u8) -> io::Result<()> {
        let mut body = vec![family, 0, 0, 0];
        body.extend([MAIN_TABLE, BY_ADMINISTRATOR, EVERYWHERE, UNICAST]);
        body.extend([0; 4]);
        attribute(&mut body, OUT_DEVICE, &index.to_ne_bytes());
        self.ask(NEW_ROUTE, CREATE, &body)
    }

    fn ask(&self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        const HEADER_BYTES: u32 = 16;
        let length = u32::try_from(body.len()).map_err(io::Error::other)? + HEADER_BYTES;
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((REQUEST | ACKNOWLEDGE | flags).to_ne_bytes());
        message.extend([0; 8]);
        message.extend(body);
        rustix::net::send(&self.socket, &message, SendFlags::empty())?;
        let mut reply = [0; 4096];
        let (count, _) = rustix::net::recv(&self.socket, &mut reply, RecvFlags::empty())?;
        answer(reply.get(..count).unwrap_or_default())
    }
}

/// Whether the kernel did it.
fn answer(reply: &[u8]) -> io::Result<()> {
    let kind = reply.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let error = reply.get(16..20).and_then(|bytes| bytes.try_into().ok());
    match (kind.map(u16::from_ne_bytes), error.map(i32::from_ne_bytes)) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(number)) => Err(io::Error::from_raw_os_error(number.saturating_neg())),
        _ => Err(io::Error::other("the kernel's answer is not understood")),
    }
}

fn family(address: IpAddr) -> u8 {
    const INET: u8 = 2;
    const INET6: u8 = 10;
    match address {
        IpAddr::V4(_) => INET,
        IpAddr::V6(_) => INET6,
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    const HEADER_BYTES: usize = 4;
    let length = u16::try_from(value.len() + HEADER_BYTES).unwrap_or(u16::MAX);
    body.extend(length.to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}
