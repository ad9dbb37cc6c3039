//! Packets of a capture, put together: each connection's bytes in each direction, each pair of
//! ports' datagrams, and whatever else passed.
//!
//! Who sent a packet is what the capture says of it, since whoever is inside may write any address
//! into it. Only where a capture says nothing, it is told by who spoke first: the gateway never
//! does. What is searched is every byte, whoever seems to have sent it.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use lab::trace::Direction;

use crate::packet::{self, Content, Headers, Segment};
use crate::pcapng::Packet;

/// Flows of one run; further ones are a gap.
const FLOWS_MAX: usize = 100_000;
/// A hole in a stream that is longer is not left open: what follows is appended.
const HOLE_BYTES_MAX: usize = 1 << 20;
/// The same for the holes of all streams.
const HOLES_BYTES_MAX: usize = 128 << 20;

/// Everything of one run that passed.
#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) flows: BTreeMap<Key, Flow>,
    /// The first packet that came from inside, whatever it was.
    pub(crate) first_left: Option<u64>,
    pub(crate) trouble: BTreeSet<String>,
    outside: BTreeSet<IpAddr>,
    holes_bytes: usize,
}

/// What tells one flow from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) protocol: Transport,
    pub(crate) remote: IpAddr,
    pub(crate) port: u16,
    pub(crate) local_port: u16,
    /// Whether it is the plaintext of an intercepted stream.
    pub(crate) is_plaintext: bool,
}

/// Over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Tcp,
    Udp,
    Icmp,
    Other(u8),
}

/// One flow.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(crate) sent: Stream,
    pub(crate) received: Stream,
}

/// The bytes of one direction, in order.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    /// Where each packet's payload begins in `bytes`, with the packet's number and time.
    pub(crate) pieces: Vec<Piece>,
    /// The sequence number of `bytes`' first byte.
    base: Option<u32>,
}

/// One packet's share of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: usize,
    pub(crate) packet: u64,
    pub(crate) at: u64,
}

impl Transport {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Tcp => "tcp".to_owned(),
            Self::Udp => "udp".to_owned(),
            Self::Icmp => "icmp".to_owned(),
            Self::Other(number) => format!("ip protocol {number}"),
        }
    }
}

impl Network {
    /// Puts packets together.
    pub(crate) fn assemble(packets: &[Packet<'_>]) -> Self {
        let mut network = Self::default();
        for packet in packets {
            network.add(packet);
        }
        network
    }

    fn add(&mut self, packet: &Packet<'_>) {
        if !packet.is_whole {
            self.trouble
                .insert("a packet was not captured whole".to_owned());
        }
        let Some(headers) = packet::read(packet.bytes) else {
            if packet.is_outbound != Some(false) {
                self.left(packet);
            }
            self.trouble.insert("a packet is not IP".to_owned());
            return;
        };
        let direction = match packet.is_outbound {
            Some(true) => Direction::Sent,
            Some(false) => Direction::Received,
            None => self.guessed(&headers),
        };
        if !packet.is_plaintext && direction == Direction::Sent {
            self.left(packet);
        }
        let key = key(&headers, direction, packet.is_plaintext);
        if self.flows.len() >= FLOWS_MAX && !self.flows.contains_key(&key) {
            self.trouble
                .insert(format!("there are more than {FLOWS_MAX} flows"));
            return;
        }
        let flow = self.flows.entry(key).or_default();
        let stream = match direction {
            Direction::Sent => &mut flow.sent,
            Direction::Received => &mut flow.received,
        };
        match headers.content {
            Content::Tcp(segment) => {
                let left = HOLES_BYTES_MAX.saturating_sub(self.holes_bytes);
                let hole = stream.place(&segment, packet, left);
                self.holes_bytes = self.holes_bytes.saturating_add(hole);
            }
            Content::Udp { payload, .. }
            | Content::Icmp { payload, .. }
            | Content::Other { payload, .. } => stream.append(payload, packet),
        }
    }

    fn left(&mut self, packet: &Packet<'_>) {
        self.first_left.get_or_insert(packet.number);
    }

    fn guessed(&mut self, headers: &Headers<'_>) -> Direction {
        if self.outside.contains(&headers.source) {
            return Direction::Received;
        }
        self.outside.insert(headers.destination);
        Direction::Sent
    }
}

impl Stream {
    /// When a place of the stream passed, and in which packet.
    pub(crate) fn piece_at(&self, offset: usize) -> Option<Piece> {
        // Packets that came again or out of order are not sorted; the last that covers it counts.
        let before = self.pieces.iter().filter(|piece| piece.offset <= offset);
        before.max_by_key(|piece| piece.offset).copied()
    }

    /// Where packets begin, in order.
    pub(crate) fn starts(&self) -> Vec<usize> {
        let mut starts: Vec<usize> = self.pieces.iter().map(|piece| piece.offset).collect();
        starts.sort_unstable();
        starts.dedup();
        starts
    }

    fn append(&mut self, payload: &[u8], packet: &Packet<'_>) {
        self.note(self.bytes.len(), packet);
        self.bytes.extend_from_slice(payload);
    }

    /// Puts a segment where its number says. What overlaps with other content is kept too, at the
    /// end: a receiver may take either.
    /// Returns the length of the hole that it left.
    fn place(&mut self, segment: &Segment<'_>, packet: &Packet<'_>, holes_left: usize) -> usize {
        let first = segment.sequence.wrapping_add(u32::from(segment.is_syn));
        if segment.is_syn || self.base.is_none() {
            // A connection that uses the ports again goes on behind the one before.
            let used = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
            self.base = Some(first.wrapping_sub(used));
        }
        if segment.payload.is_empty() {
            return 0;
        }
        let place = first.wrapping_sub(self.base.unwrap_or_default());
        let offset = usize::try_from(place).unwrap_or(usize::MAX);
        let end = offset.saturating_add(segment.payload.len());
        let hole = offset.saturating_sub(self.bytes.len());
        let known = self.bytes.get(offset..).unwrap_or_default();
        let agrees = known
            .iter()
            .zip(segment.payload)
            .all(|(old, new)| old == new || *old == 0);
        if hole > HOLE_BYTES_MAX.min(holes_left) || !agrees {
            self.append(segment.payload, packet);
            return 0;
        }
        if self.bytes.get(offset..end) == Some(segment.payload) {
            return 0;
        }
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        if let Some(room) = self.bytes.get_mut(offset..end) {
            room.copy_from_slice(segment.payload);
        }
        self.note(offset, packet);
        hole
    }

    fn note(&mut self, offset: usize, packet: &Packet<'_>) {
        self.pieces.push(Piece {
            offset,
            packet: packet.number,
            at: packet.at,
        });
    }
}

fn key(headers: &Headers<'_>, direction: Direction, is_plaintext: bool) -> Key {
    let (protocol, ports) = match headers.content {
        Content::Tcp(segment) => (Transport::Tcp, (segment.source, segment.destination)),
        Content::Udp {
            source,
            destination,
            ..
        } => (Transport::Udp, (source, destination)),
        Content::Icmp { .. } => (Transport::Icmp, (0, 0)),
        Content::Other { protocol, .. } => (Transport::Other(protocol), (0, 0)),
    };
    let (remote, port, local_port) = match direction {
        Direction::Sent => (headers.destination, ports.1, ports.0),
        Direction::Received => (headers.source, ports.0, ports.1),
    };
    Key {
        protocol,
        remote,
        port,
        local_port,
        is_plaintext,
    }
}

#[cfg(test)]
pub(crate) mod tests;
