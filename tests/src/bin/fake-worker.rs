//! A worker that misbehaves on purpose. What its pack says, it does at the start; what a file
//! says, it does when it comes to that file.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::Duration;

use kernel::channel::Channel;
use proto::{
    Decode, Encode, Finding, JailReport, PackSummary, Probe, ProbeResult, Reply, Request, RuleRef,
    ScanItem, THREATS, Verdict,
};

const LONG: Duration = Duration::from_secs(600);
const EPERM: i32 = 1;

fn main() -> ExitCode {
    let Ok(channel) = Channel::from_stdin() else {
        eprintln!("fake-worker is started by a test");
        return ExitCode::from(2);
    };
    let manner = text_of(std::io::stdout().as_fd());
    match manner.as_str() {
        "dead-at-start" => {
            eprintln!("no reason at all");
            return ExitCode::from(7);
        }
        "silent-at-start" => std::thread::sleep(LONG),
        "refuses" => say(
            &channel,
            &Reply::Refused("the pack is of another age".to_string()),
        ),
        "hasty" => say(&channel, &verdict(0)),
        "unjailed" => ready(&channel, kernel::jail::self_test()),
        "garbage-at-start" => drop(channel.send(b"\xff\xff\xff", &[])),
        // The first one of a pool is well, and all that follow it are dead at the start.
        "only-once" => {
            let marker = text_of_path();
            if std::fs::create_dir(&marker).is_err() {
                return ExitCode::from(7);
            }
            ready(&channel, refusals());
        }
        _ => ready(&channel, refusals()),
    }
    serve(&channel)
}

/// A folder that all workers of one test share: the parent of them all names it.
fn text_of_path() -> std::path::PathBuf {
    let parent = std::os::unix::process::parent_id();
    std::env::temp_dir().join(format!("candor-only-once-{parent}"))
}

fn serve(channel: &Channel) -> ExitCode {
    let mut buffer = Vec::new();
    while let Ok(Some(received)) = channel.receive(&mut buffer) {
        match Request::from_message(received.bytes) {
            Ok(Request::Scan { items, .. }) => {
                for (item, file) in items.into_iter().zip(received.files) {
                    if let Some(code) = look(channel, item, file.as_fd()) {
                        return code;
                    }
                }
            }
            Ok(Request::CompileSources(_)) => {}
            Ok(Request::CompileInto(_)) => {
                let summary = PackSummary::default();
                let (pack_bytes, yara_bytes) = (42, 0);
                say(
                    channel,
                    &Reply::Compiled {
                        pack_bytes,
                        yara_bytes,
                        summary,
                    },
                );
            }
            Ok(Request::Describe(_)) => {
                say(channel, &Reply::Text(vec!["one".into(), "two".into()]));
                say(channel, &Reply::Text(vec!["three".into()]));
                say(channel, &Reply::TextEnd(None));
            }
            Ok(Request::CompileYara(_)) => say(channel, &Reply::YaraCompiled(43)),
            Ok(Request::UseYara) => say(channel, &Reply::YaraReady),
            Ok(Request::Judge(_)) | Err(_) => return ExitCode::FAILURE,
        }
    }
    ExitCode::SUCCESS
}

/// Answers as the file's text says; a status means that the process ends.
fn look(channel: &Channel, item: ScanItem, file: BorrowedFd<'_>) -> Option<ExitCode> {
    match text_of(file).as_str() {
        "dies" => {
            eprintln!("first line\nlast \x1b[31mwords");
            return Some(ExitCode::from(3));
        }
        "dies-of-memory" => {
            eprintln!("memory allocation of 123456 bytes failed");
            std::process::abort();
        }
        early if early.starts_with("says-so-far-") => return look_twice(channel, item, early),
        "aborts" => std::process::abort(),
        "stalls" => std::thread::sleep(LONG),
        "garbage" => drop(channel.send(b"\x02garbage", &[])),
        "wrong-ticket" => say(channel, &verdict(item.ticket ^ 0x8000)),
        "unasked-text" => say(channel, &Reply::TextEnd(None)),
        "descriptors" => drop(channel.send(&verdict(item.ticket).to_message(), &[file])),
        "too-many-findings" => say(channel, &boastful(item.ticket)),
        "oversize" => {
            let bytes = vec![2u8; proto::MESSAGE_BYTES_MAX + 5];
            if let Ok(socket) = channel.as_fd().try_clone_to_owned() {
                let _ = std::os::unix::net::UnixStream::from(socket).write(&bytes);
            }
        }
        "boasts-of-its-size" => {
            let verdict = Verdict {
                size_bytes: u64::MAX,
                objects: u64::MAX,
                elapsed_us: u64::MAX,
                findings_omitted: u64::MAX,
                ..Verdict::default()
            };
            let ticket = item.ticket;
            say(channel, &Reply::Verdict { ticket, verdict });
        }
        "answers-twice" => {
            say(channel, &verdict(item.ticket));
            say(channel, &verdict(item.ticket));
        }
        "floods" => loop {
            if channel
                .send(&verdict(item.ticket).to_message(), &[])
                .is_err()
            {
                return Some(ExitCode::FAILURE);
            }
        },
        "shouts" => {
            let line = [b'x'; 1 << 16];
            for _ in 0..8 {
                let _ = std::io::stderr().write_all(&line);
            }
            say(channel, &verdict(item.ticket));
        }
        "answers-then-dies" => {
            say(channel, &verdict(item.ticket));
            return Some(ExitCode::from(9));
        }
        "process-number" => {
            let verdict = Verdict {
                kind: std::process::id().to_string(),
                ..Verdict::default()
            };
            let ticket = item.ticket;
            say(channel, &Reply::Verdict { ticket, verdict });
        }
        _ => say(channel, &verdict(item.ticket)),
    }
    None
}

/// Says first what is known so far, as a worker does before it runs what may take too long.
fn look_twice(channel: &Channel, item: ScanItem, text: &str) -> Option<ExitCode> {
    match text {
        "says-so-far-and-dies" => {
            say(channel, &so_far(item.ticket));
            return Some(ExitCode::from(3));
        }
        "says-so-far-and-stalls" => {
            say(channel, &so_far(item.ticket));
            std::thread::sleep(LONG);
        }
        "says-so-far-for-ever" => loop {
            if channel
                .send(&so_far(item.ticket).to_message(), &[])
                .is_err()
            {
                return Some(ExitCode::FAILURE);
            }
        },
        "says-so-far-of-another" => say(channel, &so_far(item.ticket ^ 0x8000)),
        _ => {
            say(channel, &so_far(item.ticket));
            say(channel, &verdict(item.ticket));
        }
    }
    None
}

fn say(channel: &Channel, reply: &Reply) {
    let _ = channel.send(&reply.to_message(), &[]);
}

fn ready(channel: &Channel, probes: Vec<Probe>) {
    let layers = Vec::new();
    let jail = JailReport { layers, probes };
    let pack = Some(PackSummary {
        signatures: 1,
        ..PackSummary::default()
    });
    say(channel, &Reply::Ready { jail, pack });
}

fn refusals() -> Vec<Probe> {
    THREATS
        .map(|threat| Probe {
            threat,
            attempt: "pretended".to_string(),
            result: ProbeResult::Refused(EPERM),
        })
        .to_vec()
}

fn verdict(ticket: u64) -> Reply {
    let verdict = Verdict::default();
    Reply::Verdict { ticket, verdict }
}

fn finding(name: &str) -> Finding {
    Finding {
        name: name.to_string(),
        rule: RuleRef::default(),
        member: Vec::new(),
        matches: Vec::new(),
        match_bytes: Vec::new(),
    }
}

fn so_far(ticket: u64) -> Reply {
    let verdict = Verdict {
        findings: vec![finding("Found.So.Far")],
        ..Verdict::default()
    };
    Reply::SoFar { ticket, verdict }
}

fn boastful(ticket: u64) -> Reply {
    let verdict = Verdict {
        findings: vec![finding("Boast"); proto::FINDINGS_MAX + 1],
        ..Verdict::default()
    };
    Reply::Verdict { ticket, verdict }
}

fn text_of(file: BorrowedFd<'_>) -> String {
    let mut bytes = [0; 64];
    let length = kernel::file::read_at(file, 0, &mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}
