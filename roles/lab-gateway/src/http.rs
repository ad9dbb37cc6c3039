//! HTTP/1 from the server's side: requests in, the fake vendor's answers out, one after another.
//!
//! Bodies of requests are counted and let go of: the capture has them. What is no HTTP gets a
//! 400 and the end of the connection.

use lab::Escaped;
use lab::gateway::Event;

use crate::stream::{Io, Next, World};
use crate::vendor::{Answer, Asked, Body};

/// A longer head is refused.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// A longer line before a chunk is refused.
const CHUNK_LINE_BYTES_MAX: usize = 1024;
/// How much of a path is in an event.
const PATH_BYTES_MAX: usize = 2048;
/// How much of a file is read at once.
const PIECE_BYTES: usize = 32 << 10;

const METHODS: &[&str] = &[
    "GET ",
    "HEAD ",
    "POST ",
    "PUT ",
    "DELETE ",
    "OPTIONS ",
    "PATCH ",
    "CONNECT ",
    "TRACE ",
    "PROPFIND ",
    "REPORT ",
    "MKCOL ",
];

/// Whether bytes start a request; `None` where more are needed to tell.
pub(crate) fn starts_request(bytes: &[u8]) -> Option<bool> {
    let mut may_become = false;
    for method in METHODS {
        let method = method.as_bytes();
        if bytes.starts_with(method) {
            return Some(true);
        }
        may_become |= method.starts_with(bytes);
    }
    if may_become { None } else { Some(false) }
}

/// One connection.
pub(crate) struct Http {
    state: State,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            state: State::Head(0),
        }
    }
}

enum State {
    /// Waits for a head; so many bytes were looked through for its end.
    Head(usize),
    Body(Request, Left),
    Answering(Answering),
    Over,
}

/// A request's head, as far as it matters.
struct Request {
    method: String,
    path: String,
    host: String,
    range: Option<(u64, Option<u64>)>,
    keeps_open: bool,
    body_bytes: u64,
}

/// What is left of a request's body.
enum Left {
    Length(u64),
    ChunkLine,
    Chunk(u64),
    ChunkEnd,
    Trailer,
}

/// An answer on its way.
struct Answering {
    from_ns: u64,
    head: Vec<u8>,
    body: Body,
    place: u64,
    end: u64,
    keeps_open: bool,
}

/// What one step came to.
enum Step {
    Again,
    Wait,
    Until(u64),
}

impl Http {
    /// Goes on as far as it can.
    pub(crate) fn advance(&mut self, io: &mut Io<'_>, world: &mut World<'_>) -> Next {
        loop {
            let step = match &mut self.state {
                State::Head(_) => self.head(io),
                State::Body(..) => self.body(io, world),
                State::Answering(answering) => match answering.advance(io, world) {
                    Some(step) => step,
                    None => self.answered(),
                },
                State::Over => return Next::close(),
            };
            match step {
                Step::Again => {}
                Step::Wait => return Next::wait(),
                Step::Until(time_ns) => return Next::until(time_ns),
            }
        }
    }

    fn head(&mut self, io: &mut Io<'_>) -> Step {
        let State::Head(searched) = &mut self.state else {
            return Step::Again;
        };
        let Some(length) = head_length(io.inbox, *searched) else {
            *searched = io.inbox.len().saturating_sub(3);
            if io.inbox.len() > HEAD_BYTES_MAX {
                return self.refuse(io);
            }
            if io.is_last {
                self.state = State::Over;
                return Step::Again;
            }
            return Step::Wait;
        };
        let head: Vec<u8> = io.inbox.drain(..length).collect();
        let Some((request, left, expects)) = parse(&head) else {
            return self.refuse(io);
        };
        if expects {
            io.outbox.extend(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        self.state = State::Body(request, left);
        Step::Again
    }

    fn body(&mut self, io: &mut Io<'_>, world: &mut World<'_>) -> Step {
        let State::Body(request, left) = &mut self.state else {
            return Step::Again;
        };
        match consume(left, io.inbox) {
            Consumed::All(bytes) => {
                request.body_bytes = request.body_bytes.saturating_add(bytes);
                let answering = answered(request, io, world);
                self.state = State::Answering(answering);
                Step::Again
            }
            Consumed::Some(bytes) => {
                request.body_bytes = request.body_bytes.saturating_add(bytes);
                if !io.is_last {
                    return Step::Wait;
                }
                // A client that left in the middle gets no answer, and is recorded.
                told(request, (0, None), io, world);
                self.state = State::Over;
                Step::Again
            }
            Consumed::Wrong => self.refuse(io),
        }
    }

    fn answered(&mut self) -> Step {
        let keeps_open = match &self.state {
            State::Answering(answering) => answering.keeps_open,
            State::Head(_) | State::Body(..) | State::Over => false,
        };
        self.state = if keeps_open {
            State::Head(0)
        } else {
            State::Over
        };
        Step::Again
    }

    fn refuse(&mut self, io: &mut Io<'_>) -> Step {
        io.outbox
            .extend(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        self.state = State::Over;
        Step::Again
    }
}

impl Answering {
    /// Goes on; `None` once all of it is on its way.
    fn advance(&mut self, io: &mut Io<'_>, world: &mut World<'_>) -> Option<Step> {
        if world.recording.at() < self.from_ns {
            return Some(Step::Until(self.from_ns));
        }
        io.outbox.append(&mut self.head);
        while self.place < self.end {
            if !io.has_room() {
                return Some(Step::Wait);
            }
            let left = usize::try_from(self.end - self.place).unwrap_or(usize::MAX);
            let sent = match &self.body {
                Body::Bytes(bytes) => {
                    let from = usize::try_from(self.place).unwrap_or(usize::MAX);
                    let rest = bytes.get(from..).unwrap_or_default();
                    let part = rest.get(..left.min(PIECE_BYTES)).unwrap_or(rest);
                    io.outbox.extend(part);
                    part.len()
                }
                Body::File(served) => {
                    let mut piece = vec![0; left.min(PIECE_BYTES)];
                    let read = kernel::file::read_at(&served.file, self.place, &mut piece);
                    let length = read.unwrap_or(0);
                    io.outbox.extend(piece.get(..length).unwrap_or_default());
                    length
                }
            };
            if sent == 0 {
                // The file is shorter than it was: the client must notice.
                self.keeps_open = false;
                return None;
            }
            self.place = self
                .place
                .saturating_add(u64::try_from(sent).unwrap_or(u64::MAX));
        }
        None
    }
}

/// How long the head is, its empty line included.
fn head_length(bytes: &[u8], searched: usize) -> Option<usize> {
    let bytes = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let rest = bytes.get(searched..)?;
    let crlf = find(rest, b"\r\n\r\n").map(|place| searched + place + 4);
    let bare = find(rest, b"\n\n").map(|place| searched + place + 2);
    match (crlf, bare) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// The request, what its body is, and whether the client waits for a word before it sends it.
fn parse(head: &[u8]) -> Option<(Request, Left, bool)> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target, version) = (first.next()?, first.next()?, first.next()?);
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    let (host, path) = match target.split_once("://") {
        // To a proxy.
        Some((_, rest)) => {
            let slash = rest.find('/').unwrap_or(rest.len());
            let (host, path) = rest.split_at(slash);
            (Some(host), if path.is_empty() { "/" } else { path })
        }
        None => (None, target),
    };
    let mut request = Request {
        method: method.to_owned(),
        path: path.to_owned(),
        host: host.unwrap_or_default().to_owned(),
        range: None,
        keeps_open: version != "HTTP/1.0",
        body_bytes: 0,
    };
    let mut left = Left::Length(0);
    let mut expects = false;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "host" if request.host.is_empty() => request.host = value.to_owned(),
            "content-length" if matches!(left, Left::Length(_)) => {
                left = Left::Length(value.parse().ok()?);
            }
            "transfer-encoding" if value.to_ascii_lowercase().contains("chunked") => {
                left = Left::ChunkLine;
            }
            "expect" => expects = value.eq_ignore_ascii_case("100-continue"),
            "range" => request.range = range(value),
            "connection" => {
                let value = value.to_ascii_lowercase();
                request.keeps_open &= !value.contains("close");
                request.keeps_open |= value.contains("keep-alive");
            }
            _ => {}
        }
    }
    Some((request, left, expects))
}

/// The first and the last byte of a single range.
fn range(value: &str) -> Option<(u64, Option<u64>)> {
    let (from, to) = value.strip_prefix("bytes=")?.split_once('-')?;
    let to = match to {
        "" => None,
        to => Some(to.parse().ok()?),
    };
    Some((from.parse().ok()?, to))
}

/// How much of a body was there.
enum Consumed {
    All(u64),
    Some(u64),
    Wrong,
}

/// Lets go of what there is of a body.
fn consume(left: &mut Left, inbox: &mut Vec<u8>) -> Consumed {
    let mut total = 0u64;
    let mut used = 0usize;
    let consumed = loop {
        let rest = inbox.get(used..).unwrap_or_default();
        match left {
            Left::Length(bytes) | Left::Chunk(bytes) => {
                let there = u64::try_from(rest.len()).unwrap_or(u64::MAX).min(*bytes);
                used += usize::try_from(there).unwrap_or(0);
                total = total.saturating_add(there);
                *bytes -= there;
                match (*bytes, &*left) {
                    (0, Left::Length(_)) => break Consumed::All(total),
                    (0, _) => *left = Left::ChunkEnd,
                    _ => break Consumed::Some(total),
                }
            }
            Left::ChunkLine | Left::ChunkEnd | Left::Trailer => {
                let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                    break match rest.len() > CHUNK_LINE_BYTES_MAX {
                        true => Consumed::Wrong,
                        false => Consumed::Some(total),
                    };
                };
                let line = rest.get(..end).unwrap_or_default().trim_ascii();
                let next = after_line(left, line);
                used += end + 1;
                match next {
                    Some(Some(next)) => *left = next,
                    Some(None) => break Consumed::All(total),
                    None => break Consumed::Wrong,
                }
            }
        }
    };
    inbox.drain(..used);
    consumed
}

/// What follows this line in a chunked body; the inner `None` is its end.
fn after_line(left: &Left, line: &[u8]) -> Option<Option<Left>> {
    match left {
        Left::ChunkEnd => line.is_empty().then_some(Some(Left::ChunkLine)),
        Left::Trailer => Some((!line.is_empty()).then_some(Left::Trailer)),
        Left::ChunkLine => {
            let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
            let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
            Some(Some(if size == 0 {
                Left::Trailer
            } else {
                Left::Chunk(size)
            }))
        }
        Left::Length(_) | Left::Chunk(_) => None,
    }
}

/// Asks the vendor and puts the answer together.
fn answered(request: &Request, io: &Io<'_>, world: &mut World<'_>) -> Answering {
    let answer = world.shared.vendor.answer(&Asked {
        host: host_alone(&request.host),
        method: &request.method,
        path: &request.path,
    });
    let size = match &answer.body {
        Body::Bytes(bytes) => u64::try_from(bytes.len()).unwrap_or(0),
        Body::File(served) => served.size_bytes,
    };
    let (status, place, end) = part(request, &answer, size);
    told(request, (status, answer.script), io, world);
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let has_body = !matches!(status, 100..200 | 204 | 304);
    if has_body {
        head.push_str(&format!("Content-Length: {}\r\n", end - place));
    }
    if status == 206 {
        let last = end.saturating_sub(1);
        head.push_str(&format!("Content-Range: bytes {place}-{last}/{size}\r\n"));
    }
    let keeps_open = request.keeps_open && !io.is_last;
    head.push_str(if keeps_open {
        "\r\n"
    } else {
        "Connection: close\r\n\r\n"
    });
    let is_sent = has_body && request.method != "HEAD";
    let delay_ns = answer.delay_ms.saturating_mul(1_000_000);
    Answering {
        from_ns: world.recording.at().saturating_add(delay_ns),
        head: head.into_bytes(),
        body: answer.body,
        place,
        end: if is_sent { end } else { place },
        keeps_open,
    }
}

/// The status, and which part of the body is sent.
fn part(request: &Request, answer: &Answer, size: u64) -> (u16, u64, u64) {
    match request.range {
        Some((from, to)) if answer.status == 200 && request.method == "GET" && from < size => {
            let end = to.map_or(size, |to| to.saturating_add(1).min(size));
            (206, from, end.max(from))
        }
        _ => (answer.status, 0, size),
    }
}

/// The records of one request.
fn told(
    request: &Request,
    (status, script): (u16, Option<u32>),
    io: &Io<'_>,
    world: &mut World<'_>,
) {
    let path = request.path.as_bytes();
    let at = world.recording.at();
    world.recording.event(&Event::Http {
        at,
        remote: io.ends.remote.to_string(),
        port: io.ends.remote_port,
        host: Escaped::new(request.host.as_bytes()),
        method: Escaped::new(request.method.as_bytes()),
        path: Escaped::new(path.get(..PATH_BYTES_MAX).unwrap_or(path)),
        status,
        request_bytes: request.body_bytes,
    });
    if status != 0 {
        world.recording.event(&Event::Vendor {
            at,
            script,
            answer: format!("{status} {}", reason(status)),
        });
    }
}

fn host_alone(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Answer",
    }
}
