//! What an observer in the kernel saw: the records of `trace.jsonl` and `opens.jsonl`.
//!
//! Times are nanoseconds since the run's start, by CLOCK_MONOTONIC.

use serde::{Deserialize, Serialize};

use crate::escaped::Escaped;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A process or thread began.
    Fork {
        /// When.
        at: u64,
        /// The new one.
        pid: u32,
        /// Who began it.
        parent: u32,
    },
    /// A process became another program.
    Exec {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// What it became.
        path: Escaped,
        /// Its arguments, the program's name first; bounded.
        #[serde(default)]
        arguments: Vec<Escaped>,
        /// The program's file, where it is known.
        #[serde(default)]
        file: Option<FileId>,
    },
    /// A process ended.
    Exit {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// As wait(2) gives it.
        status: i32,
    },
    /// A file was opened.
    Open {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// By which path.
        path: Escaped,
        /// Which file, where it is known.
        #[serde(default)]
        file: Option<FileId>,
        /// For what.
        access: Access,
    },
    /// Bytes of a file came into a process, added up by process, file and way.
    Read(Transfer),
    /// Bytes of a process went into a file, added up likewise.
    Write(Transfer),
    /// A socket was connected or a datagram addressed.
    Connect {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// Over what.
        protocol: Protocol,
        /// To whom: an address, or a path for sockets of the unix kind.
        address: Escaped,
        /// Which port; 0 where there is none.
        port: u16,
    },
    /// Bytes of a connection, added up by process.
    Traffic {
        /// Who.
        pid: u32,
        /// Over what.
        protocol: Protocol,
        /// `address:port`; `[address]:port` for version 6.
        local: String,
        /// The same for the other end.
        remote: String,
        /// Bytes out.
        sent_bytes: u64,
        /// Bytes in.
        received_bytes: u64,
        /// When the first passed.
        first: u64,
        /// When the last did.
        last: u64,
    },
    /// An operation that needs a privilege or weakens a wall.
    Privileged {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// Which: the system call's name, or `raw-socket`.
        operation: String,
        /// Arguments and outcome, in words.
        #[serde(default)]
        detail: Escaped,
    },
    /// A ring that hides reads was asked for.
    Uring {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// What came of it.
        outcome: UringOutcome,
    },
    /// What a process gave a TLS library or got from one.
    Plaintext {
        /// When.
        at: u64,
        /// Who.
        pid: u32,
        /// Which library.
        library: String,
        /// Which way.
        direction: Direction,
        /// The bytes, in hexadecimal; bounded.
        data_hex: String,
    },
    /// A phase of the plan began or ended.
    Phase {
        /// When.
        at: u64,
        /// Which.
        name: String,
        /// Its start or its end.
        edge: Edge,
    },
    /// Events that were not recorded. What depends on them is unknown.
    Lost {
        /// Whose.
        observer: Observer,
        /// How many, at least.
        count: u64,
    },
}

/// Which file, whatever it is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId {
    /// `MAJOR:MINOR`, in decimal.
    pub device: String,
    /// The inode's number.
    pub inode: u64,
}

/// Bytes between a process and a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// Who.
    pub pid: u32,
    /// Which file.
    pub file: FileId,
    /// How many bytes; for maps, the length that was mapped.
    pub bytes: u64,
    /// In how many calls.
    pub calls: u64,
    /// When the first was.
    pub first: u64,
    /// When the last was.
    pub last: u64,
    /// Which way.
    pub how: How,
}

/// How bytes passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// read(2), write(2) and their kin.
    Read,
    /// The same, for writing.
    Write,
    /// A memory map.
    Map,
    /// From descriptor to descriptor: splice, sendfile, `copy_file_range`.
    Splice,
    /// Through a ring.
    Uring,
}

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading.
    Read,
    /// Writing.
    Write,
    /// Either.
    Both,
}

/// Over what a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP of either version.
    Icmp,
    /// Raw packets.
    Raw,
    /// Sockets of this machine.
    Unix,
    /// The kernel's own.
    Netlink,
    /// A virtual machine's host.
    Vsock,
    /// Something else.
    Other,
}

/// What came of asking for a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UringOutcome {
    /// It was refused, and nothing is hidden.
    Denied,
    /// It was granted and watched.
    Hooked,
}

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Out of the enclosure.
    Sent,
    /// Into it.
    Received,
}

/// Of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// Its start.
    Start,
    /// Its end.
    End,
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Observer {
    /// Programs in the kernel at its tracepoints: `trace.jsonl`.
    Tracepoints,
    /// Notifications about files: `opens.jsonl`.
    Fanotify,
    /// Programs at the functions of TLS libraries: in `trace.jsonl`.
    TlsLibraries,
    /// The network's end: `capture.pcapng` and `gateway.jsonl`.
    Gateway,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines;

    fn records() -> Vec<Event> {
        let file = FileId {
            device: "0:31".to_owned(),
            inode: 7,
        };
        let transfer = Transfer {
            pid: 2,
            file: file.clone(),
            bytes: 9,
            calls: 1,
            first: 3,
            last: 4,
            how: How::Map,
        };
        vec![
            Event::Fork {
                at: 1,
                pid: 2,
                parent: 1,
            },
            Event::Exec {
                at: 2,
                pid: 2,
                path: "/bin/true".into(),
                arguments: vec!["true".into()],
                file: Some(file.clone()),
            },
            Event::Open {
                at: 3,
                pid: 2,
                path: Escaped::new(b"/d/\xff"),
                file: Some(file),
                access: Access::Both,
            },
            Event::Read(transfer.clone()),
            Event::Write(transfer),
            Event::Connect {
                at: 4,
                pid: 2,
                protocol: Protocol::Tcp,
                address: "198.18.0.1".into(),
                port: 443,
            },
            Event::Uring {
                at: 5,
                pid: 2,
                outcome: UringOutcome::Denied,
            },
            Event::Lost {
                observer: Observer::Fanotify,
                count: 3,
            },
            Event::Exit {
                at: 6,
                pid: 2,
                status: -1,
            },
        ]
    }

    #[test]
    fn records_come_back_from_their_lines() {
        let records = records();
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|record| lines::to_line(record).unwrap())
            .collect();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(
            text.contains(
                r#"{"event":"read","pid":2,"file":{"device":"0:31","inode":7},"bytes":9"#
            ),
            "{text}"
        );
        let again: Vec<Event> = lines::read(&bytes)
            .map(|(_, record)| record.unwrap())
            .collect();
        assert_eq!(again, records);
    }

    #[test]
    fn a_line_that_is_no_record_is_named_and_the_others_go_on() {
        let bytes =
            b"{\"event\":\"fork\",\"at\":1,\"pid\":2,\"parent\":1}\nnonsense\n{\"event\":\"exit\"";
        let read: Vec<_> = lines::read::<Event>(bytes).collect();
        assert!(read[0].1.is_ok());
        assert_eq!(read[1].1.as_ref().unwrap_err().line, 2);
        assert_eq!(
            read[2].1.as_ref().unwrap_err().reason,
            "the file ends inside a line"
        );
    }
}
