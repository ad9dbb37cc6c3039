//! IP packets: addresses, protocol, ports, payload. Extension headers of version 6 are walked; a
//! fragment other than the first has no ports.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Extension headers that are walked.
const EXTENSIONS_MAX: usize = 16;

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Headers<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) content: Content<'a>,
}

/// What it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Tcp(Segment<'a>),
    Udp {
        source: u16,
        destination: u16,
        payload: &'a [u8],
    },
    Icmp {
        kind: u8,
        payload: &'a [u8],
    },
    /// Another protocol, or a fragment.
    Other {
        protocol: u8,
        payload: &'a [u8],
    },
}

/// A TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub(crate) source: u16,
    pub(crate) destination: u16,
    pub(crate) sequence: u32,
    pub(crate) is_syn: bool,
    pub(crate) payload: &'a [u8],
}

/// Reads a packet; nothing where it is none.
pub(crate) fn read(bytes: &[u8]) -> Option<Headers<'_>> {
    match bytes.first()?.wrapping_shr(4) {
        4 => version_4(bytes),
        6 => version_6(bytes),
        _ => None,
    }
}

fn version_4(bytes: &[u8]) -> Option<Headers<'_>> {
    let words = usize::from(bytes.first()? & 15);
    let total = usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?));
    // What stands behind the packet's own length is captured, so it is looked at too.
    let end = if total < words.saturating_mul(4) {
        bytes.len()
    } else {
        bytes.len().max(total)
    };
    let body = bytes.get(words.saturating_mul(4)..end.min(bytes.len()))?;
    let fragment = u16::from_be_bytes(*bytes.get(6..)?.first_chunk()?) & 0x1fff;
    let source: [u8; 4] = *bytes.get(12..)?.first_chunk()?;
    let destination: [u8; 4] = *bytes.get(16..)?.first_chunk()?;
    Some(Headers {
        source: IpAddr::V4(Ipv4Addr::from(source)),
        destination: IpAddr::V4(Ipv4Addr::from(destination)),
        content: content(*bytes.get(9)?, body, fragment),
    })
}

fn version_6(bytes: &[u8]) -> Option<Headers<'_>> {
    let source: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
    let destination: [u8; 16] = *bytes.get(24..)?.first_chunk()?;
    let mut protocol = *bytes.get(6)?;
    let mut body = bytes.get(40..)?;
    let mut fragment = 0;
    for _ in 0..EXTENSIONS_MAX {
        let length = match protocol {
            0 | 43 | 60 => usize::from(*body.get(1)?)
                .saturating_mul(8)
                .saturating_add(8),
            44 => {
                fragment = u16::from_be_bytes(*body.get(2..)?.first_chunk()?).wrapping_shr(3);
                8
            }
            _ => break,
        };
        protocol = *body.first()?;
        body = body.get(length..)?;
    }
    Some(Headers {
        source: IpAddr::V6(Ipv6Addr::from(source)),
        destination: IpAddr::V6(Ipv6Addr::from(destination)),
        content: content(protocol, body, fragment),
    })
}

fn content(protocol: u8, body: &[u8], fragment: u16) -> Content<'_> {
    let other = Content::Other {
        protocol,
        payload: body,
    };
    if fragment != 0 {
        return other;
    }
    match protocol {
        6 => segment(body).map_or(other, Content::Tcp),
        17 => datagram(body).unwrap_or(other),
        1 | 58 => match body.split_first() {
            Some((kind, _)) => Content::Icmp {
                kind: *kind,
                payload: body.get(4..).unwrap_or_default(),
            },
            None => other,
        },
        _ => other,
    }
}

fn segment(body: &[u8]) -> Option<Segment<'_>> {
    let words = usize::from(body.get(12)?.wrapping_shr(4));
    Some(Segment {
        source: u16::from_be_bytes(*body.first_chunk()?),
        destination: u16::from_be_bytes(*body.get(2..)?.first_chunk()?),
        sequence: u32::from_be_bytes(*body.get(4..)?.first_chunk()?),
        is_syn: body.get(13)? & 2 != 0,
        payload: body.get(words.saturating_mul(4)..)?,
    })
}

fn datagram(body: &[u8]) -> Option<Content<'_>> {
    Some(Content::Udp {
        source: u16::from_be_bytes(*body.first_chunk()?),
        destination: u16::from_be_bytes(*body.get(2..)?.first_chunk()?),
        payload: body.get(8..)?,
    })
}
