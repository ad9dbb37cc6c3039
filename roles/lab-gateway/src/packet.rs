//! Packets of the subject, read far enough to know what they are; and packets for it.
//!
//! What is cut, fragmented or of no known kind is named so, and answered with nothing.

use std::net::IpAddr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpAddress, IpProtocol, IpRepr, Ipv4Packet, Ipv4Repr, Ipv6ExtHeader, Ipv6Packet, Ipv6Repr,
    TcpControl, TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

/// How far a packet of ours travels.
const HOPS: u8 = 64;
/// More extension headers than honest packets have.
const EXTENSIONS_MAX: usize = 8;
/// How much of a packet an ICMP error quotes.
const QUOTED_BYTES_MAX: usize = 548;

/// The two ends of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Ends {
    /// Inside: the subject's address.
    pub(crate) local: IpAddr,
    /// The subject's port.
    pub(crate) local_port: u16,
    /// Outside: whom the subject means.
    pub(crate) remote: IpAddr,
    /// The port there.
    pub(crate) remote_port: u16,
}

/// A packet of the subject.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Inbound<'a> {
    /// Part of a TCP connection.
    Tcp { ends: Ends, segment: Segment },
    /// A datagram.
    Udp { ends: Ends, payload: &'a [u8] },
    /// An echo request, which wants this answer.
    Echo {
        remote: IpAddr,
        kind: u8,
        bytes: usize,
        answer: Vec<u8>,
    },
    /// Another ICMP message.
    Icmp {
        remote: IpAddr,
        kind: u8,
        bytes: usize,
    },
    /// A protocol that nobody here speaks, or a fragment.
    Other {
        local: IpAddr,
        remote: IpAddr,
        protocol: u8,
        bytes: usize,
    },
    /// No packet at all.
    Malformed,
}

/// What is to be known of a TCP segment before there is a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// It asks for a new connection.
    pub(crate) opens: bool,
    /// It ends one at once.
    pub(crate) resets: bool,
    sequence: i32,
    acknowledges: Option<i32>,
    length: usize,
}

/// The addresses, the protocol, and what it carries.
struct Carried<'a> {
    local: IpAddress,
    remote: IpAddress,
    protocol: u8,
    payload: &'a [u8],
    is_fragment: bool,
}

/// Reads one packet.
pub(crate) fn read(packet: &[u8]) -> Inbound<'_> {
    let carried = match packet.first().map(|first| first >> 4) {
        Some(4) => version_4(packet),
        Some(6) => version_6(packet),
        _ => None,
    };
    let Some(carried) = carried else {
        return Inbound::Malformed;
    };
    let other = Inbound::Other {
        local: carried.local.into(),
        remote: carried.remote.into(),
        protocol: carried.protocol,
        bytes: carried.payload.len(),
    };
    if carried.is_fragment {
        return other;
    }
    let read = match IpProtocol::from(carried.protocol) {
        IpProtocol::Tcp => tcp(&carried),
        IpProtocol::Udp => udp(&carried),
        IpProtocol::Icmp => icmp_4(&carried),
        IpProtocol::Icmpv6 => icmp_6(&carried),
        _ => None,
    };
    read.unwrap_or(other)
}

fn version_4(packet: &[u8]) -> Option<Carried<'_>> {
    let packet = Ipv4Packet::new_checked(packet).ok()?;
    Some(Carried {
        local: packet.src_addr().into(),
        remote: packet.dst_addr().into(),
        protocol: packet.next_header().into(),
        payload: packet.payload(),
        is_fragment: packet.more_frags() || packet.frag_offset() != 0,
    })
}

fn version_6(packet: &[u8]) -> Option<Carried<'_>> {
    let packet = Ipv6Packet::new_checked(packet).ok()?;
    let mut carried = Carried {
        local: packet.src_addr().into(),
        remote: packet.dst_addr().into(),
        protocol: packet.next_header().into(),
        payload: packet.payload(),
        is_fragment: false,
    };
    for _ in 0..EXTENSIONS_MAX {
        match IpProtocol::from(carried.protocol) {
            IpProtocol::HopByHop | IpProtocol::Ipv6Opts | IpProtocol::Ipv6Route => {
                let header = Ipv6ExtHeader::new_checked(carried.payload).ok()?;
                let length = usize::from(header.header_len())
                    .saturating_add(1)
                    .saturating_mul(8);
                carried.protocol = header.next_header().into();
                carried.payload = carried.payload.get(length..)?;
            }
            IpProtocol::Ipv6Frag => {
                carried.is_fragment = true;
                break;
            }
            _ => break,
        }
    }
    Some(carried)
}

fn tcp<'a>(carried: &Carried<'a>) -> Option<Inbound<'a>> {
    let packet = TcpPacket::new_checked(carried.payload).ok()?;
    let segment = Segment {
        opens: packet.syn() && !packet.ack() && !packet.rst() && !packet.fin(),
        resets: packet.rst(),
        sequence: packet.seq_number().0,
        acknowledges: packet.ack().then(|| packet.ack_number().0),
        length: packet.segment_len(),
    };
    Some(Inbound::Tcp {
        ends: ends(carried, packet.src_port(), packet.dst_port()),
        segment,
    })
}

fn udp<'a>(carried: &Carried<'a>) -> Option<Inbound<'a>> {
    let packet = UdpPacket::new_checked(carried.payload).ok()?;
    Some(Inbound::Udp {
        ends: ends(carried, packet.src_port(), packet.dst_port()),
        payload: carried.payload.get(8..usize::from(packet.len()))?,
    })
}

fn ends(carried: &Carried<'_>, local_port: u16, remote_port: u16) -> Ends {
    Ends {
        local: carried.local.into(),
        local_port,
        remote: carried.remote.into(),
        remote_port,
    }
}

fn icmp_4<'a>(carried: &Carried<'a>) -> Option<Inbound<'a>> {
    let packet = Icmpv4Packet::new_checked(carried.payload).ok()?;
    let (remote, kind) = (carried.remote.into(), u8::from(packet.msg_type()));
    let bytes = carried.payload.len();
    let checksums = ChecksumCapabilities::default();
    let Ok(Icmpv4Repr::EchoRequest {
        ident,
        seq_no,
        data,
    }) = Icmpv4Repr::parse(&packet, &checksums)
    else {
        return Some(Inbound::Icmp {
            remote,
            kind,
            bytes,
        });
    };
    let answer = Icmpv4Repr::EchoReply {
        ident,
        seq_no,
        data,
    };
    let answer = wrapped(
        carried.remote,
        carried.local,
        IpProtocol::Icmp,
        answer.buffer_len(),
        |into| {
            answer.emit(&mut Icmpv4Packet::new_unchecked(into), &checksums);
        },
    );
    Some(Inbound::Echo {
        remote,
        kind,
        bytes,
        answer,
    })
}

fn icmp_6<'a>(carried: &Carried<'a>) -> Option<Inbound<'a>> {
    let packet = Icmpv6Packet::new_checked(carried.payload).ok()?;
    let (remote, kind) = (carried.remote.into(), u8::from(packet.msg_type()));
    let bytes = carried.payload.len();
    let (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) = (carried.remote, carried.local) else {
        return None;
    };
    let checksums = ChecksumCapabilities::default();
    let Ok(Icmpv6Repr::EchoRequest {
        ident,
        seq_no,
        data,
    }) = Icmpv6Repr::parse(&to, &from, &packet, &checksums)
    else {
        return Some(Inbound::Icmp {
            remote,
            kind,
            bytes,
        });
    };
    let answer = Icmpv6Repr::EchoReply {
        ident,
        seq_no,
        data,
    };
    let answer = wrapped(
        carried.remote,
        carried.local,
        IpProtocol::Icmpv6,
        answer.buffer_len(),
        |into| {
            answer.emit(
                &from,
                &to,
                &mut Icmpv6Packet::new_unchecked(into),
                &checksums,
            );
        },
    );
    Some(Inbound::Echo {
        remote,
        kind,
        bytes,
        answer,
    })
}

/// A datagram from outside.
pub(crate) fn datagram(ends: &Ends, payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr {
        src_port: ends.remote_port,
        dst_port: ends.local_port,
    };
    let (from, to) = (ends.remote.into(), ends.local.into());
    let length = repr.header_len().saturating_add(payload.len());
    wrapped(from, to, IpProtocol::Udp, length, |into| {
        repr.emit(
            &mut UdpPacket::new_unchecked(into),
            &from,
            &to,
            payload.len(),
            |place| place.copy_from_slice(payload),
            &ChecksumCapabilities::default(),
        );
    })
}

/// Says that nobody listens on the port that this packet was for.
pub(crate) fn port_unreachable(packet: &[u8]) -> Option<Vec<u8>> {
    let checksums = ChecksumCapabilities::default();
    match packet.first()? >> 4 {
        4 => {
            let packet = Ipv4Packet::new_checked(packet).ok()?;
            let header = Ipv4Repr::parse(&packet, &checksums).ok()?;
            let data = packet.payload();
            let repr = Icmpv4Repr::DstUnreachable {
                reason: Icmpv4DstUnreachable::PortUnreachable,
                data: data.get(..QUOTED_BYTES_MAX).unwrap_or(data),
                header,
            };
            let (from, to) = (packet.dst_addr().into(), packet.src_addr().into());
            Some(wrapped(
                from,
                to,
                IpProtocol::Icmp,
                repr.buffer_len(),
                |into| {
                    repr.emit(&mut Icmpv4Packet::new_unchecked(into), &checksums);
                },
            ))
        }
        6 => {
            let packet = Ipv6Packet::new_checked(packet).ok()?;
            let header = Ipv6Repr::parse(&packet).ok()?;
            let data = packet.payload();
            let repr = Icmpv6Repr::DstUnreachable {
                reason: Icmpv6DstUnreachable::PortUnreachable,
                data: data.get(..QUOTED_BYTES_MAX).unwrap_or(data),
                header,
            };
            let (from, to) = (packet.dst_addr(), packet.src_addr());
            let length = repr.buffer_len();
            Some(wrapped(
                from.into(),
                to.into(),
                IpProtocol::Icmpv6,
                length,
                |into| {
                    repr.emit(
                        &from,
                        &to,
                        &mut Icmpv6Packet::new_unchecked(into),
                        &checksums,
                    );
                },
            ))
        }
        _ => None,
    }
}

/// Says that there is no such connection.
pub(crate) fn reset(ends: &Ends, segment: &Segment) -> Vec<u8> {
    let after = TcpSeqNumber(segment.sequence) + segment.length;
    let synthetic = Synthetic {
        control: TcpControl::Rst,
        sequence: segment.acknowledges.unwrap_or(0),
        acknowledges: segment.acknowledges.is_none().then_some(after.0),
        payload: &[],
    };
    synthetic.to_subject(ends)
}

/// A TCP segment that no stack sent.
pub(crate) struct Synthetic<'a> {
    pub(crate) control: TcpControl,
    pub(crate) sequence: i32,
    pub(crate) acknowledges: Option<i32>,
    pub(crate) payload: &'a [u8],
}

impl Synthetic<'_> {
    /// As if from outside.
    pub(crate) fn to_subject(&self, ends: &Ends) -> Vec<u8> {
        self.packet(
            (ends.remote, ends.remote_port),
            (ends.local, ends.local_port),
        )
    }

    /// As if from the subject.
    pub(crate) fn from_subject(&self, ends: &Ends) -> Vec<u8> {
        self.packet(
            (ends.local, ends.local_port),
            (ends.remote, ends.remote_port),
        )
    }

    fn packet(&self, from: (IpAddr, u16), to: (IpAddr, u16)) -> Vec<u8> {
        let repr = TcpRepr {
            src_port: from.1,
            dst_port: to.1,
            control: self.control,
            seq_number: TcpSeqNumber(self.sequence),
            ack_number: self.acknowledges.map(TcpSeqNumber),
            window_len: u16::MAX,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: self.payload,
        };
        let (from, to) = (from.0.into(), to.0.into());
        wrapped(from, to, IpProtocol::Tcp, repr.buffer_len(), |into| {
            let checksums = ChecksumCapabilities::default();
            repr.emit(&mut TcpPacket::new_unchecked(into), &from, &to, &checksums);
        })
    }
}

/// An IP packet whose content `fill` writes.
fn wrapped(
    from: IpAddress,
    to: IpAddress,
    protocol: IpProtocol,
    length: usize,
    fill: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = IpRepr::new(from, to, protocol, length, HOPS);
    let mut packet = vec![0; header.header_len().saturating_add(length)];
    header.emit(&mut packet[..], &ChecksumCapabilities::default());
    fill(&mut packet[header.header_len()..]);
    packet
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn ends(local: &str, remote: &str) -> Ends {
        Ends {
            local: local.parse().unwrap(),
            local_port: 40_000,
            remote: remote.parse().unwrap(),
            remote_port: 443,
        }
    }

    fn turned(ends: &Ends) -> Ends {
        Ends {
            local: ends.remote,
            local_port: ends.remote_port,
            remote: ends.local,
            remote_port: ends.local_port,
        }
    }

    #[test]
    fn datagrams_and_segments_come_back_from_their_packets() {
        for ends in [
            ends("198.18.0.2", "192.0.2.7"),
            ends("fd00::2", "2001:db8::7"),
        ] {
            let packet = datagram(&ends, b"payload");
            let Inbound::Udp {
                ends: found,
                payload,
            } = read(&packet)
            else {
                panic!("{:?}", read(&packet));
            };
            assert_eq!((found, payload), (turned(&ends), &b"payload"[..]));
            let refused = port_unreachable(&packet).unwrap();
            assert!(matches!(read(&refused), Inbound::Icmp { kind: 1 | 3, .. }));
            let opening = Synthetic {
                control: TcpControl::Syn,
                sequence: 1,
                acknowledges: None,
                payload: &[],
            };
            let packet = opening.from_subject(&ends);
            let Inbound::Tcp {
                ends: found,
                segment,
            } = read(&packet)
            else {
                panic!("{:?}", read(&packet));
            };
            assert!(found == ends && segment.opens && !segment.resets);
            assert!(matches!(
                read(&reset(&ends, &segment)),
                Inbound::Tcp {
                    segment: Segment {
                        resets: true,
                        acknowledges: Some(2),
                        ..
                    },
                    ..
                }
            ));
        }
    }

    #[test]
    fn no_prefix_and_no_flipped_byte_of_a_packet_is_trouble() {
        for ends in [
            ends("198.18.0.2", "192.0.2.7"),
            ends("fd00::2", "2001:db8::7"),
        ] {
            let packet = datagram(&ends, b"payload");
            for length in 0..packet.len() {
                assert_eq!(read(&packet[..length]), Inbound::Malformed, "{length}");
            }
            for place in 0..packet.len() {
                for bit in 0..8 {
                    let mut damaged = packet.clone();
                    damaged[place] ^= 1 << bit;
                    let _ = read(&damaged);
                    let _ = port_unreachable(&damaged);
                }
            }
        }
    }
}
