//! The lab's gateway around a network namespace, as the recorder starts it, and what it recorded.

use std::fs::File;
use std::io::{Read, Seek};
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use lab::control::{Jail, Order, Reply, Settings, Summary};
use lab::gateway::Event;
use tempfile::TempDir;

use crate::cli::built_folder;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A namespace, its gateway, and a run between them.
pub struct Enclosed {
    gateway: Child,
    namespace: Child,
    orders: Channel,
    keeper: Option<Channel>,
    /// The records, to be read at the end.
    records: [File; 3],
    /// A folder of the test's own, which the clients see too.
    pub folder: TempDir,
    /// What the gateway says of its jail.
    pub jail: Jail,
}

/// What a run left.
pub struct Records {
    /// The figures.
    pub summary: Summary,
    /// What was seen.
    pub events: Vec<Event>,
    /// The capture, whole.
    pub capture: Vec<u8>,
    /// The key log.
    pub keys: String,
}

/// Why the tests of this file can't run here, where they can't.
#[must_use]
pub fn missing() -> Option<&'static str> {
    let tool = |path: &str| Path::new(path).exists();
    if !kernel_says_root() {
        Some("a network namespace with a TUN device needs root")
    } else if !tool("/dev/net/tun") {
        Some("there is no /dev/net/tun")
    } else if !tool("/usr/sbin/ip") && !tool("/sbin/ip") && !tool("/usr/bin/ip") {
        Some("the device is set up with ip, from iproute2")
    } else {
        None
    }
}

fn kernel_says_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:\t0\t0"))
}

/// Settings with nothing special.
#[must_use]
pub fn settings() -> Settings {
    let seed = "2a".repeat(32);
    let text = format!("{{\"seed\":\"{seed}\"}}");
    serde_json::from_str(&text).expect("settings")
}

impl Enclosed {
    /// Starts both, and a run.
    #[must_use]
    pub fn start(settings: Settings) -> Self {
        Self::start_under(&[], settings)
    }

    /// The same with the gateway under another program, such as strace.
    #[must_use]
    pub fn start_under(launcher: &[&str], settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (gateway, orders) = start_gateway(launcher);
        let (namespace, keeper, device) = start_namespace(folder.path());
        let record = || tempfile::tempfile().expect("record");
        let records = [record(), record(), record()];
        let mut enclosed = Self {
            gateway,
            namespace,
            orders,
            keeper: Some(keeper),
            records,
            folder,
            jail: Jail::default(),
        };
        let ready = enclosed.order(&Order::Settings(Box::new(settings)), &[]);
        let Reply::Ready { certificate, jail } = ready else {
            panic!("{ready:?}");
        };
        enclosed.jail = jail;
        std::fs::write(enclosed.authority(), certificate).expect("certificate");
        enclosed.begin(device);
        enclosed
    }

    fn begin(&self, device: OwnedFd) {
        let begin = Order::Begin {
            run: "0001-a".to_owned(),
            start_ns: kernel::clock::monotonic_ns(),
        };
        let [capture, events, keys] = &self.records;
        let files = [
            device.as_fd(),
            capture.as_fd(),
            events.as_fd(),
            keys.as_fd(),
        ];
        assert_eq!(self.order(&begin, &files), Reply::Done);
    }

    /// The certificate of the gateway's authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Gives an order, and hears the reply.
    pub fn order(&self, order: &Order, files: &[BorrowedFd<'_>]) -> Reply {
        let message = serde_json::to_vec(order).expect("order");
        self.orders
            .send(&message, files)
            .expect("the gateway lives");
        let mut buffer = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        let reply = self
            .orders
            .receive_by(&mut buffer, deadline)
            .expect("a reply");
        let reply = reply.expect("the gateway lives");
        serde_json::from_slice(reply.bytes).expect("a reply that can be read")
    }

    /// A program inside, by `sh`, with `$CA` as the certificate's path and `$FOLDER` as the
    /// test's folder.
    #[must_use]
    pub fn inside(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--net", "--mount", "--target"])
            .arg(self.namespace.id().to_string())
            .args(["timeout", "60", "sh", "-c"])
            // Entering a mount namespace leaves the folder that one was in.
            .arg(format!("cd \"$FOLDER\" || exit 99\n{script}"))
            .env_remove("SSL_CERT_FILE")
            .env("CA", self.authority())
            .env("FOLDER", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// What such a program put out; its exit code must be this one.
    #[must_use]
    pub fn says(&self, code: i32, script: &str) -> String {
        let output = self.inside(script).output().expect("nsenter starts");
        let Output { stdout, stderr, .. } = &output;
        let (out, err) = (
            String::from_utf8_lossy(stdout),
            String::from_utf8_lossy(stderr),
        );
        assert_eq!(output.status.code(), Some(code), "{script}\n{out}\n{err}");
        out.into_owned()
    }

    /// Waits until the gateway has ended by itself.
    pub fn wait(&mut self) {
        let _ = self.gateway.wait().expect("the gateway ends");
    }

    /// The run's end, and its records.
    #[must_use]
    pub fn end(mut self) -> Records {
        let ended = self.order(&Order::End, &[]);
        let Reply::Ended(summary) = ended else {
            panic!("{ended:?}");
        };
        let [capture, events, keys] = &mut self.records;
        let events = whole(events);
        let events = lab::lines::read(&events).map(|(_, event)| event.expect("an event"));
        Records {
            summary,
            events: events.collect(),
            capture: whole(capture),
            keys: String::from_utf8(whole(keys)).expect("a key log"),
        }
    }

    /// Orders the gateway to stop, and waits for it.
    pub fn stop(&mut self) {
        let message = serde_json::to_vec(&Order::Stop).expect("order");
        self.orders.send(&message, &[]).expect("the gateway lives");
        let status = self.gateway.wait().expect("the gateway ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Enclosed {
    fn drop(&mut self) {
        // After a failed test too, nothing stays behind.
        self.keeper = None;
        let _ = self.namespace.kill();
        let _ = self.namespace.wait();
        let _ = self.orders.cut();
        let _ = self.gateway.kill();
        let _ = self.gateway.wait();
    }
}

fn whole(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().expect("record");
    file.read_to_end(&mut bytes).expect("record");
    bytes
}

fn start_gateway(launcher: &[&str]) -> (Child, Channel) {
    let program = built_folder().join("candor-lab-gateway");
    assert!(
        program.exists(),
        "{} is not there; build it first: cargo build -p candor-lab-gateway",
        program.display()
    );
    let (ours, theirs) = Channel::pair().expect("channel");
    let mut command = match launcher {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    let child = command
        .env_clear()
        .stdin(Stdio::from(theirs.into_fd()))
        .stdout(Stdio::null())
        .spawn()
        .expect("the gateway starts");
    (child, ours)
}

fn start_namespace(folder: &Path) -> (Child, Channel, OwnedFd) {
    let resolvers = folder.join("resolv.conf");
    std::fs::write(&resolvers, "nameserver 198.18.0.1\n").expect("resolv.conf");
    let (ours, theirs) = Channel::pair().expect("channel");
    let child = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private"])
        .arg(built_folder().join("lab-namespace"))
        .arg(&resolvers)
        .stdin(Stdio::from(theirs.into_fd()))
        .spawn()
        .expect("unshare starts");
    let mut buffer = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let ready = ours.receive_by(&mut buffer, deadline).expect("a namespace");
    let mut ready = ready.expect("a namespace without an uplink");
    let device = ready.files.pop().expect("a device");
    (child, ours, device)
}

/// The packets of one of the capture's interfaces: the time, whether it left the subject, and
/// the bytes.
#[must_use]
pub fn packets<'a>(capture: &'a [u8], interface: &str) -> Vec<(u64, bool, &'a [u8])> {
    let mut names = Vec::new();
    let mut packets = Vec::new();
    let mut rest = capture;
    while !rest.is_empty() {
        let (kind, length) = (word(rest, 0), word(rest, 4) as usize);
        assert_eq!(word(rest, length - 4) as usize, length, "a block's length");
        match kind {
            1 => {
                let name = usize::from(rest[18]);
                names.push(String::from_utf8_lossy(&rest[20..20 + name]).into_owned());
            }
            6 if names[word(rest, 8) as usize] == interface => {
                let at = u64::from(word(rest, 12)) << 32 | u64::from(word(rest, 16));
                let bytes = word(rest, 20) as usize;
                let flags = word(rest, 28 + bytes.next_multiple_of(4) + 4);
                packets.push((at, flags == 2, &rest[28..28 + bytes]));
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    packets
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// What a TCP stream carried out of the namespace to a port, as far as it is in the capture.
#[must_use]
pub fn sent(capture: &[u8], interface: &str, port: u16) -> Vec<u8> {
    let mut pieces: Vec<(u32, &[u8])> = Vec::new();
    let mut start = None;
    for (_, is_out, packet) in packets(capture, interface) {
        let Some(segment) = segment(packet).filter(|_| is_out) else {
            continue;
        };
        if u16::from_be_bytes([segment[2], segment[3]]) != port {
            continue;
        }
        let sequence = u32::from_be_bytes(segment[4..8].try_into().expect("four bytes"));
        if segment[13] & 2 != 0 {
            start = Some(sequence.wrapping_add(1));
            continue;
        }
        let header = usize::from(segment[12] >> 4) * 4;
        if let Some(start) = start {
            pieces.push((sequence.wrapping_sub(start), &segment[header..]));
        }
    }
    pieces.sort_by_key(|(place, _)| *place);
    let mut bytes = Vec::new();
    for (place, piece) in pieces {
        let skip = bytes.len().saturating_sub(place as usize);
        if place as usize <= bytes.len() {
            bytes.extend_from_slice(piece.get(skip..).unwrap_or_default());
        }
    }
    bytes
}

/// The TCP segment in an IP packet without options or extension headers.
fn segment(packet: &[u8]) -> Option<&[u8]> {
    match packet.first()? >> 4 {
        4 if packet[9] == 6 => packet.get(usize::from(packet[0] & 15) * 4..),
        6 if packet[6] == 6 => packet.get(40..),
        _ => None,
    }
}

/// Whether an address is one that the gateway gives to names.
#[must_use]
pub fn is_given(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V4(address)) => {
            address.octets()[0] == 198 && matches!(address.octets()[1], 18 | 19)
        }
        Ok(IpAddr::V6(address)) => address.segments()[0] == 0xfdca,
        Err(_) => false,
    }
}
