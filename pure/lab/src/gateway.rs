//! What the gateway says about the network that ended in it: the records of `gateway.jsonl`.

use serde::{Deserialize, Serialize};

use crate::escaped::Escaped;
use crate::trace::Protocol;

/// One record. Times are nanoseconds since the run's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A name was asked for.
    Dns {
        /// When.
        at: u64,
        /// Which.
        name: Escaped,
        /// `A`, `AAAA`, `TXT`, ….
        kind: String,
        /// What was answered.
        answer: String,
        /// `udp`, `tcp`, `tls` or `https`.
        transport: String,
    },
    /// A connection, or datagrams between two ports, when it was over.
    Flow {
        /// When it began.
        at: u64,
        /// Over what.
        protocol: Protocol,
        /// The address outside.
        remote: String,
        /// The port outside.
        port: u16,
        /// The port inside.
        local_port: u16,
        /// Bytes out of the enclosure.
        sent_bytes: u64,
        /// Bytes into it.
        received_bytes: u64,
        /// How it ended, in a word.
        end: String,
    },
    /// A TLS handshake.
    Tls {
        /// When.
        at: u64,
        /// The address outside.
        remote: String,
        /// The port outside.
        port: u16,
        /// The name that the client asked for.
        #[serde(default)]
        server_name: Option<Escaped>,
        /// The version agreed on.
        #[serde(default)]
        version: Option<String>,
        /// The protocols that the client offered.
        #[serde(default)]
        alpn: Vec<Escaped>,
        /// What came of it.
        outcome: TlsOutcome,
        /// The client's alert.
        #[serde(default)]
        alert: Option<String>,
    },
    /// A QUIC packet.
    Quic {
        /// When.
        at: u64,
        /// The address outside.
        remote: String,
        /// The port outside.
        port: u16,
        /// What came of it.
        outcome: QuicOutcome,
    },
    /// An ICMP message.
    Icmp {
        /// When.
        at: u64,
        /// The address outside.
        remote: String,
        /// Its type's number.
        kind: u8,
        /// Its length.
        bytes: u64,
    },
    /// A request, from a plain or an intercepted stream.
    Http {
        /// When.
        at: u64,
        /// The address outside.
        remote: String,
        /// The port outside.
        port: u16,
        /// The host asked.
        host: Escaped,
        /// The method.
        method: Escaped,
        /// The path, bounded.
        path: Escaped,
        /// What was answered.
        status: u16,
        /// The length of the request's body.
        request_bytes: u64,
    },
    /// The fake vendor answered from its script.
    Vendor {
        /// When.
        at: u64,
        /// Which answer of the plan, from 0; none where none fitted.
        #[serde(default)]
        script: Option<u32>,
        /// What was answered, in words.
        answer: String,
    },
    /// Something was not recorded. What depends on it is unknown.
    Lost {
        /// What, and which bound was reached.
        reason: String,
        /// How many bytes or packets, at least.
        count: u64,
    },
}

/// What came of a TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsOutcome {
    /// The plaintext is in the capture.
    Intercepted,
    /// The client would not have our certificate: it is pinned, or has stores of its own.
    RefusedByClient,
    /// It began like TLS and was not.
    NotTls,
}

/// What came of QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuicOutcome {
    /// Told that the port is unreachable, so that the client falls back to TCP.
    Refused,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines;

    #[test]
    fn records_come_back_from_their_lines() {
        let records = [
            Event::Dns {
                at: 1,
                name: "a.example".into(),
                kind: "A".to_owned(),
                answer: "198.18.0.1".to_owned(),
                transport: "udp".to_owned(),
            },
            Event::Tls {
                at: 2,
                remote: "198.18.0.1".to_owned(),
                port: 443,
                server_name: Some("a.example".into()),
                version: None,
                alpn: vec!["h2".into()],
                outcome: TlsOutcome::RefusedByClient,
                alert: Some("unknown_ca".to_owned()),
            },
            Event::Vendor {
                at: 3,
                script: None,
                answer: "404".to_owned(),
            },
            Event::Lost {
                reason: "the capture is full".to_owned(),
                count: 1,
            },
        ];
        let bytes: Vec<u8> = records
            .iter()
            .flat_map(|record| lines::to_line(record).unwrap())
            .collect();
        let again: Vec<Event> = lines::read(&bytes)
            .map(|(_, record)| record.unwrap())
            .collect();
        assert_eq!(again, records);
    }
}
