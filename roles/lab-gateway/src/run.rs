//! One run: the device, everything that is open on it, and its records.
//!
//! Everything that the subject can make grow has a bound, and what goes beyond one is counted as
//! lost.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use kernel::tun::{self, PACKET_BYTES_MAX};
use lab::control::{Bounds, Slow, Summary};
use lab::gateway::{Event, QuicOutcome};
use lab::plan::Network;
use lab::trace::Protocol;

use crate::condition::Link;
use crate::connection::{Connection, Manner};
use crate::packet::{self, Ends, Inbound, Segment};
use crate::pcapng::Way;
use crate::recording::Recording;
use crate::stream::{Shared, World};

/// Conversations in datagrams that are counted at once; then they are told and counted anew.
const DATAGRAMS_MAX: usize = 8192;
/// How often timers are looked at.
const TICK_NS: u64 = 1_000_000;
/// The longest wait, for whatever was not foreseen.
const LONGEST_NS: u64 = 500_000_000;
/// How long what waits at the end is taken.
const DRAIN_NS: u64 = 5_000_000_000;
const DNS_PORT: u16 = 53;
const QUIC_PORT: u16 = 443;
/// The shortest first packet of QUIC (RFC 9000, 14.1).
const QUIC_BYTES_MIN: usize = 1200;

/// How a run is to be.
pub(crate) struct Settings {
    pub(crate) bounds: Bounds,
    pub(crate) slow: Slow,
    pub(crate) mtu: u16,
    pub(crate) seed: u64,
}

/// One run.
pub(crate) struct Run {
    device: Option<OwnedFd>,
    recording: Recording,
    link: Link,
    connections: HashMap<Ends, Connection>,
    datagrams: HashMap<Ends, Datagrams>,
    settings: Settings,
    opened: u64,
    next_tick_ns: u64,
    buffer: Vec<u8>,
}

/// What passed between two ports.
struct Datagrams {
    began_ns: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Run {
    pub(crate) fn new(device: OwnedFd, recording: Recording, settings: Settings) -> Self {
        Self {
            device: Some(device),
            recording,
            link: Link::new(settings.slow.clone()),
            connections: HashMap::new(),
            datagrams: HashMap::new(),
            settings,
            opened: 0,
            next_tick_ns: 0,
            buffer: vec![0; PACKET_BYTES_MAX],
        }
    }

    /// The device; none once it is gone.
    pub(crate) fn device(&self) -> Option<&OwnedFd> {
        self.device.as_ref()
    }

    /// How long nothing needs to be done where no packet comes.
    pub(crate) fn quiet(&self) -> Duration {
        let now_ns = self.recording.at();
        let connections = self.connections.values().map(Connection::wake_ns);
        let next_ns = connections.chain(self.link.next_ns()).min();
        let wait_ns = next_ns.map_or(LONGEST_NS, |next_ns| next_ns.saturating_sub(now_ns));
        Duration::from_nanos(wait_ns.min(LONGEST_NS))
    }

    /// Hands what is recorded to the kernel.
    pub(crate) fn flush(&mut self) {
        self.recording.flush();
    }

    /// The network changes.
    pub(crate) fn set(&mut self, condition: Network) {
        self.link.set(condition);
    }

    /// Takes a packet from the device, and says whether one waited.
    pub(crate) fn take_packet(&mut self) -> bool {
        let Some(device) = &self.device else {
            return false;
        };
        match tun::receive(device, &mut self.buffer) {
            Ok(Some(length)) => {
                let packet = self.buffer.get(..length).unwrap_or_default();
                self.recording.packet(Way::Out, packet);
                self.link.send_out(packet.to_vec(), self.recording.at());
                return true;
            }
            Ok(None) => {}
            // Its network namespace is gone: nobody can say anything any more.
            Err(_) => self.device = None,
        }
        false
    }

    /// Does whatever is due.
    pub(crate) fn advance(&mut self, shared: &mut Shared) {
        let now_ns = self.recording.at();
        while let Some(packet) = self.link.arrived(now_ns) {
            self.handle(packet, now_ns, shared);
        }
        if now_ns >= self.next_tick_ns {
            self.next_tick_ns = now_ns.saturating_add(TICK_NS);
            self.serve_timers(now_ns, shared);
        }
        while let Some(packet) = self.link.arrives(now_ns) {
            self.deliver(&packet);
        }
    }

    /// The run is over.
    pub(crate) fn end(mut self, shared: &mut Shared) -> Summary {
        // What was sent last may wait in the device yet.
        let deadline_ns = self.recording.at().saturating_add(DRAIN_NS);
        while self.take_packet() {
            self.advance(shared);
            if self.recording.at() >= deadline_ns {
                self.recording
                    .lost("packets that waited at the run's end, at least", 1);
                break;
            }
        }
        self.link.clear();
        let mut connections: Vec<(Ends, Connection)> = self.connections.drain().collect();
        connections.sort_by_key(|(ends, _)| (ends.remote, ends.remote_port, ends.local_port));
        for (_, connection) in connections {
            let recording = &mut self.recording;
            connection.end("open at the run's end", &mut World { shared, recording });
        }
        self.tell_datagrams();
        self.recording.end()
    }

    fn handle(&mut self, bytes: Vec<u8>, now_ns: u64, shared: &mut Shared) {
        match packet::read(&bytes) {
            Inbound::Tcp { ends, segment } => self.tcp(ends, segment, (bytes, now_ns), shared),
            Inbound::Udp { ends, payload } => {
                let reply = self.udp(&ends, payload, (&bytes, now_ns), shared);
                if let Some(reply) = reply {
                    self.link.send_in(reply, now_ns);
                }
            }
            Inbound::Echo {
                remote,
                kind,
                bytes,
                answer,
            } => {
                self.icmp((remote, kind, bytes), now_ns);
                self.link.send_in(answer, now_ns);
            }
            Inbound::Icmp {
                remote,
                kind,
                bytes,
            } => self.icmp((remote, kind, bytes), now_ns),
            Inbound::Other {
                local,
                remote,
                protocol,
                bytes,
            } => {
                // No ports: the protocol's number stands in their place.
                let ends = Ends {
                    local,
                    local_port: 0,
                    remote,
                    remote_port: u16::from(protocol),
                };
                self.count(&ends, (bytes, 0), now_ns);
            }
            Inbound::Malformed => {}
        }
    }

    fn tcp(
        &mut self,
        ends: Ends,
        segment: Segment,
        (packet, now_ns): (Vec<u8>, u64),
        shared: &mut Shared,
    ) {
        let is_known = self.connections.contains_key(&ends);
        if !is_known && !segment.opens {
            if !segment.resets {
                self.link.send_in(packet::reset(&ends, &segment), now_ns);
            }
            return;
        }
        if !is_known {
            let most = usize::try_from(self.settings.bounds.connections).unwrap_or(usize::MAX);
            if self.connections.len() >= most {
                return self
                    .recording
                    .lost("connections beyond the bound, in packets", 1);
            }
            // Port 0 and addresses that are no host's can't be listened on.
            if ends.remote_port == 0 || is_nobody(&ends) {
                return;
            }
            self.opened = self.opened.wrapping_add(1);
            self.recording.connection();
            let manner = Manner {
                mtu: self.settings.mtu,
                idle_ns: self.settings.bounds.idle_ms.saturating_mul(1_000_000),
                seed: self.settings.seed.wrapping_add(self.opened),
            };
            self.connections
                .insert(ends, Connection::new(ends, now_ns, manner));
        }
        if let Some(connection) = self.connections.get_mut(&ends) {
            connection.receive(packet, &segment);
        }
        self.go_on(&ends, now_ns, shared);
    }

    /// One connection does what it can.
    fn go_on(&mut self, ends: &Ends, now_ns: u64, shared: &mut Shared) {
        let Some(connection) = self.connections.get_mut(ends) else {
            return;
        };
        let recording = &mut self.recording;
        let mut world = World { shared, recording };
        let is_open = connection.advance(now_ns, &mut world);
        for packet in connection.take_packets() {
            self.link.send_in(packet, now_ns);
        }
        if !is_open && let Some(connection) = self.connections.remove(ends) {
            connection.end("closed by the client", &mut world);
        }
    }

    fn serve_timers(&mut self, now_ns: u64, shared: &mut Shared) {
        let due: Vec<Ends> = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.wake_ns() <= now_ns)
            .map(|(ends, _)| *ends)
            .collect();
        for ends in due {
            self.go_on(&ends, now_ns, shared);
        }
    }

    fn udp(
        &mut self,
        ends: &Ends,
        payload: &[u8],
        (packet, now_ns): (&[u8], u64),
        shared: &mut Shared,
    ) -> Option<Vec<u8>> {
        let is_long = payload.first().is_some_and(|first| first & 0xc0 == 0xc0);
        let is_quic = ends.remote_port == QUIC_PORT || payload.len() >= QUIC_BYTES_MIN;
        if is_long && is_quic && ends.remote_port != DNS_PORT {
            self.count(ends, (payload.len(), 0), now_ns);
            self.recording.event(&Event::Quic {
                at: now_ns,
                remote: ends.remote.to_string(),
                port: ends.remote_port,
                outcome: QuicOutcome::Refused,
            });
            return packet::port_unreachable(packet);
        }
        let recording = &mut self.recording;
        let reply = match ends.remote_port {
            DNS_PORT => World { shared, recording }.dns(payload, "udp"),
            _ => None,
        };
        let answered = reply.as_ref().map_or(0, Vec::len);
        self.count(ends, (payload.len(), answered), now_ns);
        reply.map(|reply| packet::datagram(ends, &reply))
    }

    fn icmp(&mut self, (remote, kind, bytes): (std::net::IpAddr, u8, usize), now_ns: u64) {
        self.recording.event(&Event::Icmp {
            at: now_ns,
            remote: remote.to_string(),
            kind,
            bytes: u64::try_from(bytes).unwrap_or(0),
        });
    }

    fn count(&mut self, ends: &Ends, (sent, received): (usize, usize), now_ns: u64) {
        if self.datagrams.len() >= DATAGRAMS_MAX && !self.datagrams.contains_key(ends) {
            self.tell_datagrams();
        }
        let entry = self.datagrams.entry(*ends).or_insert(Datagrams {
            began_ns: now_ns,
            sent_bytes: 0,
            received_bytes: 0,
        });
        entry.sent_bytes += u64::try_from(sent).unwrap_or(0);
        entry.received_bytes += u64::try_from(received).unwrap_or(0);
    }

    fn tell_datagrams(&mut self) {
        let mut told: Vec<(Ends, Datagrams)> = self.datagrams.drain().collect();
        told.sort_by_key(|(ends, datagrams)| (datagrams.began_ns, ends.remote, ends.local_port));
        for (ends, datagrams) in told {
            // Without a port inside it was no UDP.
            let is_udp = ends.local_port != 0;
            self.recording.event(&Event::Flow {
                at: datagrams.began_ns,
                protocol: if is_udp {
                    Protocol::Udp
                } else {
                    Protocol::Other
                },
                remote: ends.remote.to_string(),
                port: ends.remote_port,
                local_port: ends.local_port,
                sent_bytes: datagrams.sent_bytes,
                received_bytes: datagrams.received_bytes,
                end: "datagrams".to_owned(),
            });
        }
    }

    fn deliver(&mut self, packet: &[u8]) {
        let Some(device) = &self.device else {
            return;
        };
        self.recording.packet(Way::In, packet);
        match tun::send(device, packet) {
            Ok(_) => {}
            Err(error) => {
                if error.kind() != io::ErrorKind::Interrupted {
                    self.device = None;
                }
            }
        }
    }
}

/// Whether no host can have one of these addresses.
fn is_nobody(ends: &Ends) -> bool {
    [ends.local, ends.remote]
        .iter()
        .any(|address| match address {
            std::net::IpAddr::V4(address) => {
                address.is_multicast() || address.is_broadcast() || address.is_unspecified()
            }
            std::net::IpAddr::V6(address) => address.is_multicast() || address.is_unspecified(),
        })
}
