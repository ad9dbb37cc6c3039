//! One TCP connection: a stack of its own, with the one address and the one socket that the
//! subject meant.
//!
//! So a packet costs the same however many connections there are, and no connection can reach
//! into another one.

use std::collections::VecDeque;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr, IpListenEndpoint};

use lab::gateway::Event;
use lab::trace::Protocol;

use crate::packet::{Ends, Segment};
use crate::stream::{Stream, World};

/// What the stack holds each way.
const BUFFER_BYTES: usize = 64 << 10;
/// Packets that wait for the stack; what is more was lost on the way.
const WAITING_MAX: usize = 256;
/// How long a closing connection may take.
const CLOSING_NS: u64 = 2_000_000_000;
/// Steps at once; more would be a mistake of ours.
const STEPS_MAX: usize = 10_000;

/// How a connection is to be.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) mtu: u16,
    pub(crate) idle_ns: u64,
    /// Where its sequence numbers start from.
    pub(crate) seed: u64,
}

/// One connection.
pub(crate) struct Connection {
    ends: Ends,
    began_ns: u64,
    wire: Wire,
    stack: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    stream: Stream,
    sent_bytes: u64,
    received_bytes: u64,
    last_ns: u64,
    idle_ns: u64,
    wake_ns: u64,
    end: Option<&'static str>,
}

impl Connection {
    /// A connection that the subject asks for. Its opening packet comes next.
    pub(crate) fn new(ends: Ends, now_ns: u64, manner: Manner) -> Self {
        let mut wire = Wire::new(usize::from(manner.mtu));
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = manner.seed;
        let mut stack = Interface::new(config, &mut wire, instant(now_ns));
        let address = IpAddress::from(ends.remote);
        stack.update_ip_addrs(|addresses| {
            let host = if ends.remote.is_ipv4() { 32 } else { 128 };
            // There is room for more than one.
            let _ = addresses.push(IpCidr::new(address, host));
        });
        let routes = stack.routes_mut();
        // There is room for more than one.
        let _ = match address {
            IpAddress::Ipv4(address) => routes.add_default_ipv4_route(address).map(|_| ()),
            IpAddress::Ipv6(address) => routes.add_default_ipv6_route(address).map(|_| ()),
        };
        let buffer = || SocketBuffer::new(vec![0; BUFFER_BYTES]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_ack_delay(None);
        let listened = socket.listen(IpListenEndpoint {
            addr: Some(address),
            port: ends.remote_port,
        });
        debug_assert!(listened.is_ok(), "port 0 is not asked for");
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let socket = sockets.add(socket);
        Self {
            ends,
            began_ns: now_ns,
            wire,
            stack,
            sockets,
            socket,
            stream: Stream::new(ends),
            sent_bytes: 0,
            received_bytes: 0,
            last_ns: now_ns,
            idle_ns: manner.idle_ns,
            wake_ns: now_ns,
            end: None,
        }
    }

    /// A packet of the subject for this connection.
    pub(crate) fn receive(&mut self, packet: Vec<u8>, segment: &Segment) {
        if segment.resets {
            self.end.get_or_insert("reset by the client");
        }
        if self.wire.inward.len() < WAITING_MAX {
            self.wire.inward.push_back(packet);
        }
    }

    /// Goes on as far as it can; whether there is still a connection.
    pub(crate) fn advance(&mut self, now_ns: u64, world: &mut World<'_>) -> bool {
        for _ in 0..STEPS_MAX {
            self.stack
                .poll(instant(now_ns), &mut self.wire, &mut self.sockets);
            if !self.step(now_ns, world) {
                break;
            }
        }
        self.watch_time(now_ns);
        let state = self.sockets.get::<Socket<'_>>(self.socket).state();
        self.plan_wake(now_ns, state);
        // A socket that still listens did not like its opening packet.
        !matches!(state, State::Closed | State::TimeWait | State::Listen)
    }

    /// Packets for the subject.
    pub(crate) fn take_packets(&mut self) -> std::collections::vec_deque::Drain<'_, Vec<u8>> {
        self.wire.out.drain(..)
    }

    /// When it wants to go on though nothing happened.
    pub(crate) fn wake_ns(&self) -> u64 {
        self.wake_ns
    }

    /// The connection is gone, for this reason unless it has one already.
    pub(crate) fn end(mut self, why: &'static str, world: &mut World<'_>) {
        self.stream.end(world);
        world.recording.event(&Event::Flow {
            at: self.began_ns,
            protocol: Protocol::Tcp,
            remote: self.ends.remote.to_string(),
            port: self.ends.remote_port,
            local_port: self.ends.local_port,
            sent_bytes: self.sent_bytes,
            received_bytes: self.received_bytes,
            end: self.end.unwrap_or(why).to_owned(),
        });
    }

    /// Bytes move between the socket and the stream; whether any did.
    fn step(&mut self, now_ns: u64, world: &mut World<'_>) -> bool {
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        let (mut sent, mut received) = (0, 0);
        while socket.can_recv() && self.stream.has_room() {
            let stream = &mut self.stream;
            let taken = socket.recv(|bytes| {
                stream.receive(bytes, world);
                (bytes.len(), bytes.len())
            });
            sent += taken.unwrap_or(0);
        }
        let is_last = matches!(
            socket.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait | State::Closed
        );
        if is_last && !socket.can_recv() {
            self.stream.finish();
        }
        let next = self.stream.advance(world);
        let outbox = self.stream.outbox();
        if socket.can_send() && !outbox.is_empty() {
            let taken = socket.send_slice(outbox).unwrap_or(0);
            outbox.drain(..taken);
            received += taken;
        }
        let is_open = socket.may_send();
        if next.closes && outbox.is_empty() && is_open {
            self.end.get_or_insert(if is_last {
                "closed by the client"
            } else {
                "closed by the gateway"
            });
            socket.close();
        }
        if sent > 0 || received > 0 {
            self.last_ns = now_ns;
        }
        self.last_ns = self.last_ns.max(next.wake_ns.unwrap_or(0));
        self.wake_ns = next.wake_ns.unwrap_or(u64::MAX);
        self.sent_bytes += u64::try_from(sent).unwrap_or(0);
        self.received_bytes += u64::try_from(received).unwrap_or(0);
        sent > 0 || received > 0 || (next.closes && is_open)
    }

    /// Closes what was idle for too long, and ends what does not close.
    fn watch_time(&mut self, now_ns: u64) {
        let idle_ns = now_ns.saturating_sub(self.last_ns);
        let socket = self.sockets.get_mut::<Socket<'_>>(self.socket);
        let is_ending = self.end.is_some();
        if !is_ending && idle_ns >= self.idle_ns {
            self.end = Some("idle");
            self.last_ns = now_ns;
            socket.close();
            self.stack
                .poll(instant(now_ns), &mut self.wire, &mut self.sockets);
        } else if is_ending && idle_ns >= CLOSING_NS {
            socket.abort();
            self.stack
                .poll(instant(now_ns), &mut self.wire, &mut self.sockets);
        }
    }

    fn plan_wake(&mut self, now_ns: u64, state: State) {
        let timer = self.stack.poll_at(instant(now_ns), &self.sockets);
        let timer_ns = timer.map(|time| u64::try_from(time.total_micros()).unwrap_or(0) * 1000);
        let longest_ns = if self.end.is_some() {
            CLOSING_NS
        } else {
            self.idle_ns
        };
        let idle_ns = self.last_ns.saturating_add(longest_ns);
        let planned = self.wake_ns.min(timer_ns.unwrap_or(u64::MAX)).min(idle_ns);
        // A timer that is due was served a moment ago.
        self.wake_ns = match state {
            State::Closed => now_ns,
            _ => planned.max(now_ns.saturating_add(1_000_000)),
        };
    }
}

fn instant(now_ns: u64) -> Instant {
    Instant::from_micros(i64::try_from(now_ns / 1000).unwrap_or(i64::MAX))
}

/// The packets between a connection's stack and the gateway.
struct Wire {
    mtu: usize,
    inward: VecDeque<Vec<u8>>,
    out: VecDeque<Vec<u8>>,
}

impl Wire {
    fn new(mtu: usize) -> Self {
        Self {
            mtu,
            inward: VecDeque::new(),
            out: VecDeque::new(),
        }
    }
}

impl Device for Wire {
    type RxToken<'a> = Taken;
    type TxToken<'a> = Put<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Taken, Put<'_>)> {
        let packet = self.inward.pop_front()?;
        Some((Taken(packet), Put(&mut self.out)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Put<'_>> {
        (self.out.len() < WAITING_MAX).then_some(Put(&mut self.out))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        capabilities
    }
}

/// A packet of the subject.
struct Taken(Vec<u8>);

impl RxToken for Taken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

/// A place for a packet for the subject.
struct Put<'a>(&'a mut VecDeque<Vec<u8>>);

impl TxToken for Put<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push_back(packet);
        result
    }
}
