//! TLS with the subject, as whatever server it asked for, so that the plaintext can be recorded.
//!
//! A client that will not have our certificate is recorded as such, and nothing is forced on it.

use std::io::{self, Read, Write};

use lab::Escaped;
use lab::gateway::{Event, TlsOutcome};
use rustls::server::{Accepted, Acceptor, ServerConnection};
use rustls::{Error, ProtocolVersion};
use smoltcp::wire::TcpControl;

use crate::authority::Server;
use crate::packet::{Ends, Synthetic};
use crate::pcapng::Way;
use crate::stream::World;

/// How much plaintext is in one packet of the capture.
const PIECE_BYTES: usize = 16 << 10;
/// Protocols inside that we would have to speak in frames: they are not agreed to.
const FRAMED: &[&[u8]] = &[b"h2", b"h3"];
const HTTP: &[u8] = b"http/1.1";

/// The places that a session reads to and writes from.
pub(crate) struct Intercepted<'a> {
    pub(crate) ends: &'a Ends,
    /// What the subject said, in plain.
    pub(crate) plain: &'a mut Vec<u8>,
    /// What is to be sent to it, encrypted.
    pub(crate) outbox: &'a mut Vec<u8>,
}

/// One connection's TLS.
pub(crate) struct Session {
    state: State,
    at: u64,
    server_name: Option<Escaped>,
    offered: Vec<Escaped>,
    was_told: bool,
    is_finished: bool,
    plaintext: Plaintext,
}

enum State {
    Hello(Acceptor),
    Open(Box<ServerConnection>),
    Over,
}

impl Session {
    pub(crate) fn new(at: u64) -> Self {
        Self {
            state: State::Hello(Acceptor::default()),
            at,
            server_name: None,
            offered: Vec::new(),
            was_told: false,
            is_finished: false,
            plaintext: Plaintext::default(),
        }
    }

    /// Whether it failed.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether the handshake is done.
    pub(crate) fn is_open(&self) -> bool {
        matches!(&self.state, State::Open(connection) if !connection.is_handshaking())
    }

    /// Whether the subject said that it sends nothing more.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished
    }

    /// Encrypted bytes from the subject.
    pub(crate) fn receive(
        &mut self,
        bytes: &[u8],
        places: &mut Intercepted<'_>,
        world: &mut World<'_>,
    ) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let before = rest.len();
            match &mut self.state {
                State::Hello(_) => self.hello(&mut rest, places, world),
                State::Open(_) => self.open(&mut rest, places, world),
                State::Over => return,
            }
            if rest.len() == before {
                // A record that is never whole.
                return self.fail("the records are too long", places, world);
            }
        }
    }

    /// Bytes for the subject, in plain.
    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        places: &mut Intercepted<'_>,
        world: &mut World<'_>,
    ) {
        let State::Open(connection) = &mut self.state else {
            return;
        };
        for piece in bytes.chunks(PIECE_BYTES) {
            if connection.writer().write_all(piece).is_err() {
                break;
            }
            drain(connection, places.outbox);
            self.plaintext.write(Way::In, piece, places.ends, world);
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn close(&mut self, outbox: &mut Vec<u8>) {
        if let State::Open(connection) = &mut self.state {
            connection.send_close_notify();
            drain(connection, outbox);
        }
    }

    /// The connection is gone: what was not told yet is told.
    pub(crate) fn end(&mut self, ends: &Ends, world: &mut World<'_>) {
        match &self.state {
            State::Hello(_) => {
                self.tell(
                    TlsOutcome::NotTls,
                    Some("closed within its first message"),
                    ends,
                    world,
                );
            }
            State::Open(connection) => {
                let why = if connection.is_handshaking() {
                    "closed within the handshake"
                } else {
                    "closed after the handshake without a byte"
                };
                self.tell(TlsOutcome::RefusedByClient, Some(why), ends, world);
            }
            State::Over => {}
        }
        self.plaintext.end(ends, world);
    }

    fn hello(&mut self, rest: &mut &[u8], places: &mut Intercepted<'_>, world: &mut World<'_>) {
        let State::Hello(acceptor) = &mut self.state else {
            return;
        };
        if let Err(error) = acceptor.read_tls(rest) {
            return self.fail(&error.to_string(), places, world);
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(accepted)) => self.accept(accepted, places, world),
            Err((error, mut alert)) => {
                // Writing to memory does not fail.
                let _ = alert.write_all(places.outbox);
                self.wrong(&error, places.ends, world);
            }
        }
    }

    fn accept(&mut self, accepted: Accepted, places: &mut Intercepted<'_>, world: &mut World<'_>) {
        let hello = accepted.client_hello();
        self.server_name = hello.server_name().map(Escaped::from);
        let offered: Vec<Vec<u8>> = hello
            .alpn()
            .into_iter()
            .flatten()
            .map(<[u8]>::to_vec)
            .collect();
        self.offered = offered.iter().map(|name| Escaped::new(name)).collect();
        let server = Server {
            name: match hello.server_name() {
                Some(name) => name.to_ascii_lowercase(),
                None => places.ends.remote.to_string(),
            },
            protocol: protocol(&offered),
        };
        let config = match world.shared.authority.config(&server) {
            Ok(config) => config,
            Err(why) => return self.fail(&why, places, world),
        };
        match accepted.into_connection(config) {
            Ok(mut connection) => {
                connection.set_buffer_limit(None);
                drain(&mut connection, places.outbox);
                self.state = State::Open(Box::new(connection));
            }
            Err((error, mut alert)) => {
                let _ = alert.write_all(places.outbox);
                self.wrong(&error, places.ends, world);
            }
        }
    }

    fn open(&mut self, rest: &mut &[u8], places: &mut Intercepted<'_>, world: &mut World<'_>) {
        let State::Open(connection) = &mut self.state else {
            return;
        };
        let read = connection.read_tls(rest);
        let processed = match read {
            Ok(_) => connection.process_new_packets().map(|_| ()),
            Err(error) => return self.fail(&error.to_string(), places, world),
        };
        let start = places.plain.len();
        match connection.reader().read_to_end(places.plain) {
            Ok(_) => self.is_finished = true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.is_finished = true,
        }
        drain(connection, places.outbox);
        let said = places.plain.get(start..).unwrap_or_default();
        if !said.is_empty() {
            for piece in said.chunks(PIECE_BYTES) {
                self.plaintext.write(Way::Out, piece, places.ends, world);
            }
            self.tell(TlsOutcome::Intercepted, None, places.ends, world);
        }
        if let Err(error) = processed {
            self.wrong(&error, places.ends, world);
        }
    }

    /// TLS says that something is wrong.
    fn wrong(&mut self, error: &Error, ends: &Ends, world: &mut World<'_>) {
        let is_early = matches!(self.state, State::Hello(_));
        match error {
            Error::AlertReceived(alert) => {
                let alert = format!("{alert:?}");
                self.tell(TlsOutcome::RefusedByClient, Some(&alert), ends, world);
            }
            Error::PeerIncompatible(_) | Error::NoApplicationProtocol => {
                world
                    .recording
                    .lost("a TLS client that nothing could be agreed on with", 1);
                self.tell(TlsOutcome::NotTls, Some(&error.to_string()), ends, world);
            }
            _ if is_early => self.tell(TlsOutcome::NotTls, Some(&error.to_string()), ends, world),
            _ => self.tell(
                TlsOutcome::RefusedByClient,
                Some(&error.to_string()),
                ends,
                world,
            ),
        }
        self.state = State::Over;
    }

    fn fail(&mut self, why: &str, places: &mut Intercepted<'_>, world: &mut World<'_>) {
        world
            .recording
            .lost("a TLS connection that the gateway could not hold", 1);
        self.tell(TlsOutcome::NotTls, Some(why), places.ends, world);
        self.state = State::Over;
    }

    fn tell(
        &mut self,
        outcome: TlsOutcome,
        alert: Option<&str>,
        ends: &Ends,
        world: &mut World<'_>,
    ) {
        if self.was_told {
            return;
        }
        self.was_told = true;
        let version = match &self.state {
            State::Open(connection) => connection.protocol_version().map(version_name),
            State::Hello(_) | State::Over => None,
        };
        world.recording.event(&Event::Tls {
            at: self.at,
            remote: ends.remote.to_string(),
            port: ends.remote_port,
            server_name: self.server_name.clone(),
            version,
            alpn: self.offered.clone(),
            outcome,
            alert: alert.map(str::to_owned),
        });
    }
}

/// What waits in the connection goes to the outbox.
fn drain(connection: &mut ServerConnection, outbox: &mut Vec<u8>) {
    while connection.wants_write() {
        if connection.write_tls(outbox).is_err() {
            break;
        }
    }
}

/// The protocol to agree on: HTTP/1.1 where offered, else the first that is not framed; none
/// where there is none, and the client then finds that the server knows no such negotiation.
fn protocol(offered: &[Vec<u8>]) -> Option<Vec<u8>> {
    let is_http = |name: &&Vec<u8>| name.as_slice() == HTTP;
    let is_plain = |name: &&Vec<u8>| !FRAMED.contains(&name.as_slice());
    let found = offered.iter().find(is_http);
    found.or_else(|| offered.iter().find(is_plain)).cloned()
}

fn version_name(version: ProtocolVersion) -> String {
    match version {
        ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
        ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
        other => format!("{other:?}"),
    }
}

/// The stream as it would have been without TLS, packet by packet.
#[derive(Default)]
struct Plaintext {
    is_open: bool,
    is_over: bool,
    out: i32,
    inward: i32,
}

impl Plaintext {
    fn write(&mut self, way: Way, bytes: &[u8], ends: &Ends, world: &mut World<'_>) {
        if !self.is_open {
            self.is_open = true;
            self.put(Way::Out, (TcpControl::Syn, &[]), ends, world);
            self.put(Way::In, (TcpControl::Syn, &[]), ends, world);
            self.put(Way::Out, (TcpControl::None, &[]), ends, world);
        }
        self.put(way, (TcpControl::Psh, bytes), ends, world);
    }

    fn end(&mut self, ends: &Ends, world: &mut World<'_>) {
        if self.is_open && !self.is_over {
            self.is_over = true;
            self.put(Way::Out, (TcpControl::Fin, &[]), ends, world);
            self.put(Way::In, (TcpControl::Fin, &[]), ends, world);
        }
    }

    fn put(
        &mut self,
        way: Way,
        (control, payload): (TcpControl, &[u8]),
        ends: &Ends,
        world: &mut World<'_>,
    ) {
        let (mine, other) = match way {
            Way::Out => (&mut self.out, self.inward),
            Way::In => (&mut self.inward, self.out),
        };
        let is_first = control == TcpControl::Syn && way == Way::Out;
        let segment = Synthetic {
            control,
            sequence: *mine,
            acknowledges: (!is_first).then_some(other),
            payload,
        };
        let packet = match way {
            Way::Out => segment.from_subject(ends),
            Way::In => segment.to_subject(ends),
        };
        let length =
            payload.len() + usize::from(matches!(control, TcpControl::Syn | TcpControl::Fin));
        *mine = mine.wrapping_add(i32::try_from(length).unwrap_or(0));
        world.recording.plaintext(way, &packet);
    }
}
