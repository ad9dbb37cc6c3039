//! A run's records: the capture, the events and the key log, each with its bound.
//!
//! What does not fit, or can't be written, is counted with its reason, and is never passed over.

use std::io;
use std::mem;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use lab::control::{Bounds, Summary};
use lab::gateway::Event;
use rustls::KeyLog;

use crate::pcapng::{self, Packet, Way};

/// Written in pieces of about this length.
const PIECE_BYTES: usize = 256 << 10;
/// Kept free at the end of the events, for the words that something was lost.
const LAST_WORDS_BYTES: u64 = 4096;
/// More secrets than handshakes leave between two looks.
const SECRETS_BYTES_MAX: usize = 1 << 20;

/// One run's records.
pub(crate) struct Recording {
    start_ns: u64,
    capture: Output,
    events: Output,
    keys: Output,
    secrets: Arc<Secrets>,
    summary: Summary,
}

/// The files of a run, as they were handed over.
pub(crate) struct Files {
    pub(crate) capture: OwnedFd,
    pub(crate) events: OwnedFd,
    pub(crate) keys: OwnedFd,
}

impl Recording {
    /// A run that began at `start_ns`.
    pub(crate) fn new(
        (run, start_ns): (String, u64),
        files: Files,
        bounds: &Bounds,
        secrets: Arc<Secrets>,
    ) -> Self {
        let mut capture = Output::new(files.capture, bounds.capture_bytes);
        // It is far shorter than a piece, so nothing is written yet.
        pcapng::head(&mut capture.buffer);
        capture.left_bytes = capture.left_bytes.saturating_sub(length(&capture.buffer));
        Self {
            start_ns,
            capture,
            events: Output::new(files.events, bounds.event_bytes),
            keys: Output::new(files.keys, bounds.event_bytes),
            secrets,
            summary: Summary {
                run,
                ..Summary::default()
            },
        }
    }

    /// Nanoseconds since the run's start.
    pub(crate) fn at(&self) -> u64 {
        kernel::clock::monotonic_ns().saturating_sub(self.start_ns)
    }

    /// A packet that passed the device.
    pub(crate) fn packet(&mut self, way: Way, bytes: &[u8]) {
        let count = match way {
            Way::Out => &mut self.summary.packets_out,
            Way::In => &mut self.summary.packets_in,
        };
        *count += 1;
        self.capture(pcapng::TUN, way, bytes);
    }

    /// A packet of an intercepted stream, as it would have been in plain.
    pub(crate) fn plaintext(&mut self, way: Way, bytes: &[u8]) {
        self.capture(pcapng::PLAINTEXT, way, bytes);
    }

    /// A new connection.
    pub(crate) fn connection(&mut self) {
        self.summary.connections += 1;
    }

    /// What was seen.
    pub(crate) fn event(&mut self, event: &Event) {
        let Ok(line) = lab::lines::to_line(event) else {
            return self.lost("an event could not be written", 1);
        };
        if self.events.left_bytes < length(&line) + LAST_WORDS_BYTES {
            return self.lost("the bound of the events was reached, in events", 1);
        }
        if let Err(error) = self.events.add(&line) {
            self.lost(&format!("events can't be written: {error}"), 1);
        }
    }

    /// What was not recorded.
    pub(crate) fn lost(&mut self, reason: &str, count: u64) {
        // Reasons are ours, and few.
        let entry = self.summary.lost.entry(reason.to_owned()).or_insert(0);
        *entry = entry.saturating_add(count);
    }

    /// The secrets that were logged since the last look. They stand before the packets that they
    /// open.
    pub(crate) fn take_secrets(&mut self) {
        let lines = self.secrets.take();
        if lines.is_empty() {
            return;
        }
        if self.keys.left_bytes < length(&lines) {
            return self.lost(
                "the bound of the key log was reached, in bytes",
                length(&lines),
            );
        }
        if let Err(error) = self.keys.add(&lines) {
            self.lost(
                &format!("the key log can't be written: {error}"),
                length(&lines),
            );
        }
        let mut block = Vec::new();
        pcapng::secrets(&mut block, &lines);
        self.add_block(&block);
    }

    /// Hands what is gathered to the kernel.
    pub(crate) fn flush(&mut self) {
        for (name, output) in [
            ("the capture", &mut self.capture),
            ("the events", &mut self.events),
            ("the key log", &mut self.keys),
        ] {
            if let Err(error) = output.flush() {
                let reason = format!("{name} can't be written: {error}");
                *self.summary.lost.entry(reason).or_insert(0) += 1;
            }
        }
    }

    /// Writes everything to its end.
    pub(crate) fn end(mut self) -> Summary {
        self.take_secrets();
        for (reason, count) in &self.summary.lost {
            let event = Event::Lost {
                reason: reason.clone(),
                count: *count,
            };
            if let Ok(line) = lab::lines::to_line(&event) {
                // Where it fails, the summary says so all the same.
                let _ = self.events.add(&line);
            }
        }
        self.flush();
        self.summary
    }

    fn capture(&mut self, interface: u32, way: Way, bytes: &[u8]) {
        self.take_secrets();
        let at_ns = self.at();
        let room = bytes.len().saturating_add(pcapng::PACKET_OVERHEAD_BYTES);
        if !self.capture.has_room(room) {
            return self.lost(
                "the bound of the capture was reached, in bytes",
                length(bytes),
            );
        }
        let start = self.capture.buffer.len();
        let packet = Packet {
            interface,
            at_ns,
            way,
            bytes,
        };
        pcapng::packet(&mut self.capture.buffer, &packet);
        if let Err(error) = self.capture.grown_from(start) {
            self.lost(
                &format!("the capture can't be written: {error}"),
                length(bytes),
            );
        }
    }

    fn add_block(&mut self, block: &[u8]) {
        if !self.capture.has_room(block.len()) {
            return self.lost(
                "the bound of the capture was reached, in bytes",
                length(block),
            );
        }
        if let Err(error) = self.capture.add(block) {
            self.lost(
                &format!("the capture can't be written: {error}"),
                length(block),
            );
        }
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// One file that grows.
struct Output {
    file: OwnedFd,
    buffer: Vec<u8>,
    left_bytes: u64,
}

impl Output {
    fn new(file: OwnedFd, left_bytes: u64) -> Self {
        Self {
            file,
            buffer: Vec::new(),
            left_bytes,
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        u64::try_from(bytes).is_ok_and(|bytes| bytes <= self.left_bytes)
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        let start = self.buffer.len();
        self.buffer.extend(bytes);
        self.grown_from(start)
    }

    /// The buffer grew, since it had this length.
    fn grown_from(&mut self, start: usize) -> io::Result<()> {
        let grown = u64::try_from(self.buffer.len().saturating_sub(start)).unwrap_or(u64::MAX);
        self.left_bytes = self.left_bytes.saturating_sub(grown);
        if self.buffer.len() < PIECE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = kernel::file::append_all(&self.file, &self.buffer);
        self.buffer.clear();
        result
    }
}

/// Session secrets on their way from TLS to the records.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    lines: Mutex<Vec<u8>>,
}

impl Secrets {
    fn take(&self) -> Vec<u8> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *lines)
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < SECRETS_BYTES_MAX {
            let random = hex(client_random);
            lines.extend(format!("{label} {random} {}\n", hex(secret)).into_bytes());
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (Files, OwnedFd) {
        let file = || kernel::file::memory_file("record").unwrap();
        let events = file();
        let again = events.try_clone().unwrap();
        let files = Files {
            capture: file(),
            events,
            keys: file(),
        };
        (files, again)
    }

    #[test]
    fn what_does_not_fit_is_counted_and_said() {
        let (files, events) = files();
        let bounds = Bounds {
            capture_bytes: 1000,
            ..Bounds::default()
        };
        let run = ("0001-a".to_owned(), 0);
        let mut recording = Recording::new(run, files, &bounds, Arc::default());
        for _ in 0..10 {
            recording.packet(Way::Out, &[0x45; 200]);
        }
        assert_eq!(recording.summary.lost.len(), 1);
        let summary = recording.end();
        assert_eq!(summary.packets_out, 10);
        let lost: u64 = summary.lost.values().sum();
        // What the capture begins with takes room too; how much is up to the machine's names.
        assert!(
            lost.is_multiple_of(200) && (5..10).contains(&(lost / 200)),
            "{lost}"
        );
        let mut text = vec![0; 4096];
        let length = kernel::file::read_at(&events, 0, &mut text).unwrap();
        assert!(String::from_utf8_lossy(&text[..length]).contains("\"lost\""));
    }
}
