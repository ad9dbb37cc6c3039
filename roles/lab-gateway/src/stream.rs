//! A TCP stream's content: what it is, as its first bytes tell, and who answers it here.
//!
//! What nobody here speaks is taken in and answered with nothing; the capture has it.

use std::mem;

use lab::gateway::Event;

use crate::authority::Authority;
use crate::dns::{self, Fixed};
use crate::http::{self, Http};
use crate::names::Names;
use crate::packet::Ends;
use crate::recording::Recording;
use crate::smtp::Smtp;
use crate::tls::{Intercepted, Session};
use crate::vendor::Vendor;

/// What waits to be sent, before answers pause.
const OUTBOX_BYTES: usize = 64 << 10;
/// What waits to be looked at, before the subject must wait.
const INBOX_BYTES: usize = 128 << 10;

/// Where the server speaks first.
const MAIL_PORTS: &[u16] = &[25, 587, 2525];
const MAIL_PORT_TLS: u16 = 465;
const DNS_PORT: u16 = 53;
const DNS_PORT_TLS: u16 = 853;

/// What every stream of a process shares.
pub(crate) struct Shared {
    pub(crate) authority: Authority,
    pub(crate) vendor: Vendor,
    pub(crate) names: Names,
    pub(crate) fixed: Vec<Fixed>,
}

/// All that a stream may touch beyond itself.
pub(crate) struct World<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) recording: &'a mut Recording,
}

impl World<'_> {
    /// Answers a DNS message, and records it.
    pub(crate) fn dns(&mut self, message: &[u8], transport: &str) -> Option<Vec<u8>> {
        let answered = dns::answer(message, &mut self.shared.names, &self.shared.fixed)?;
        self.recording.event(&Event::Dns {
            at: self.recording.at(),
            name: lab::Escaped::new(&answered.name),
            kind: answered.kind,
            answer: answered.answer,
            transport: transport.to_owned(),
        });
        Some(answered.message)
    }
}

/// What an answering protocol sees of its stream.
pub(crate) struct Io<'a> {
    /// What the subject sent and nobody looked at yet.
    pub(crate) inbox: &'a mut Vec<u8>,
    /// What is to be sent to it.
    pub(crate) outbox: &'a mut Vec<u8>,
    pub(crate) ends: &'a Ends,
    /// The subject will send nothing more.
    pub(crate) is_last: bool,
}

impl Io<'_> {
    /// Whether more may be said before something of it was sent.
    pub(crate) fn has_room(&self) -> bool {
        self.outbox.len() < OUTBOX_BYTES
    }
}

/// What a protocol waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// Nothing: it is over.
    pub(crate) closes: bool,
    /// The time, in the run's nanoseconds.
    pub(crate) wake_ns: Option<u64>,
}

impl Next {
    pub(crate) fn wait() -> Self {
        Self::default()
    }

    pub(crate) fn until(time_ns: u64) -> Self {
        Self {
            wake_ns: Some(time_ns),
            ..Self::default()
        }
    }

    pub(crate) fn close() -> Self {
        Self {
            closes: true,
            ..Self::default()
        }
    }
}

/// One stream.
pub(crate) struct Stream {
    ends: Ends,
    outer: Outer,
    app: App,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    is_last: bool,
    next: Next,
}

/// What is around the content.
enum Outer {
    Undecided,
    Plain,
    Tls(Box<Session>),
}

/// Who answers.
enum App {
    Undecided,
    Http(Http),
    Smtp(Smtp),
    Dns,
    Silent,
}

impl Stream {
    pub(crate) fn new(ends: Ends) -> Self {
        Self {
            ends,
            outer: Outer::Undecided,
            app: App::Undecided,
            inbox: Vec::new(),
            outbox: Vec::new(),
            is_last: false,
            next: Next::wait(),
        }
    }

    /// Whether the subject may send more now.
    pub(crate) fn has_room(&self) -> bool {
        self.inbox.len() < INBOX_BYTES && self.outbox.len() < OUTBOX_BYTES
    }

    /// Bytes from the subject.
    pub(crate) fn receive(&mut self, bytes: &[u8], world: &mut World<'_>) {
        match &mut self.outer {
            Outer::Undecided | Outer::Plain => self.inbox.extend(bytes),
            Outer::Tls(session) => {
                let mut rest = Intercepted {
                    ends: &self.ends,
                    plain: &mut self.inbox,
                    outbox: &mut self.outbox,
                };
                session.receive(bytes, &mut rest, world);
            }
        }
    }

    /// The subject sends nothing more.
    pub(crate) fn finish(&mut self) {
        self.is_last = true;
    }

    /// Goes on as far as it can. Gives what it waits for.
    pub(crate) fn advance(&mut self, world: &mut World<'_>) -> Next {
        if matches!(self.outer, Outer::Undecided) {
            self.decide(world);
        }
        self.next = match &mut self.outer {
            Outer::Undecided if self.is_last => Next::close(),
            Outer::Undecided => Next::wait(),
            Outer::Plain => self.plain(world),
            Outer::Tls(_) => self.tls(world),
        };
        self.next
    }

    /// What is to be sent to the subject.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// The connection is gone.
    pub(crate) fn end(&mut self, world: &mut World<'_>) {
        if let Outer::Tls(session) = &mut self.outer {
            session.end(&self.ends, world);
        }
    }

    fn decide(&mut self, world: &mut World<'_>) {
        let is_mail = MAIL_PORTS.contains(&self.ends.remote_port);
        match self.inbox.as_slice() {
            _ if is_mail => self.outer = Outer::Plain,
            // A handshake record of some version of TLS.
            [0x16, 0x03, ..] => {
                let at = world.recording.at();
                self.outer = Outer::Tls(Box::new(Session::new(at)));
                let bytes = mem::take(&mut self.inbox);
                self.receive(&bytes, world);
            }
            [] => {}
            [0x16] if !self.is_last => {}
            _ => self.outer = Outer::Plain,
        }
    }

    fn plain(&mut self, world: &mut World<'_>) -> Next {
        let mut io = Io {
            inbox: &mut self.inbox,
            outbox: &mut self.outbox,
            ends: &self.ends,
            is_last: self.is_last,
        };
        self.app.advance(&mut io, world, DNS_PORT)
    }

    fn tls(&mut self, world: &mut World<'_>) -> Next {
        let Outer::Tls(session) = &mut self.outer else {
            return Next::wait();
        };
        if session.is_over() {
            return Next::close();
        }
        if !session.is_open() {
            return if self.is_last {
                Next::close()
            } else {
                Next::wait()
            };
        }
        if self.outbox.len() >= OUTBOX_BYTES {
            return Next::wait();
        }
        let mut said = Vec::new();
        let mut io = Io {
            inbox: &mut self.inbox,
            outbox: &mut said,
            ends: &self.ends,
            is_last: self.is_last || session.is_finished(),
        };
        let next = self.app.advance(&mut io, world, DNS_PORT_TLS);
        let mut rest = Intercepted {
            ends: &self.ends,
            plain: &mut self.inbox,
            outbox: &mut self.outbox,
        };
        session.send(&said, &mut rest, world);
        if next.closes {
            session.close(&mut self.outbox);
        }
        next
    }
}

impl App {
    fn advance(&mut self, io: &mut Io<'_>, world: &mut World<'_>, dns_port: u16) -> Next {
        if matches!(self, Self::Undecided) {
            self.decide(io, dns_port);
        }
        match self {
            Self::Undecided if io.is_last => Next::close(),
            Self::Undecided => Next::wait(),
            Self::Http(http) => http.advance(io, world),
            Self::Smtp(smtp) => smtp.advance(io),
            Self::Dns => dns_messages(io, world, dns_port),
            Self::Silent => {
                io.inbox.clear();
                if io.is_last {
                    Next::close()
                } else {
                    Next::wait()
                }
            }
        }
    }

    fn decide(&mut self, io: &Io<'_>, dns_port: u16) {
        let is_tls = dns_port == DNS_PORT_TLS;
        let port = io.ends.remote_port;
        if port == dns_port {
            *self = Self::Dns;
        } else if MAIL_PORTS.contains(&port) || is_tls && port == MAIL_PORT_TLS {
            *self = Self::Smtp(Smtp::default());
        } else if !io.inbox.is_empty() {
            match http::starts_request(io.inbox) {
                Some(true) => *self = Self::Http(Http::default()),
                Some(false) => *self = Self::Silent,
                None => {}
            }
        }
    }
}

/// Messages with their length before them (RFC 1035, 4.2.2).
fn dns_messages(io: &mut Io<'_>, world: &mut World<'_>, dns_port: u16) -> Next {
    let transport = if dns_port == DNS_PORT { "tcp" } else { "tls" };
    while let [high, low, rest @ ..] = io.inbox.as_slice() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some(message) = rest.get(..length) else {
            break;
        };
        if let Some(reply) = world.dns(message, transport) {
            let length = u16::try_from(reply.len()).unwrap_or(0);
            io.outbox.extend(length.to_be_bytes());
            io.outbox.extend(reply);
        }
        io.inbox.drain(..length + 2);
        if !io.has_room() {
            return Next::wait();
        }
    }
    if io.is_last {
        Next::close()
    } else {
        Next::wait()
    }
}
