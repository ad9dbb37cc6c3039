//! What the recorder orders the gateway to do, and what the gateway answers: one JSON object a
//! message, each order answered by one reply.
//!
//! Descriptors travel beside an order, in the order in which it names them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::plan::{Network, PhaseName, VendorAnswer};

/// How many descriptors one [`Order::Files`] may bring.
pub const FILES_PER_ORDER_MAX: usize = 32;
/// How many files the fake vendor may serve.
pub const FILES_MAX: usize = 512;

/// The name of the gateway's authority.
pub const AUTHORITY_NAME: &str = "Candor lab, this run only";
/// The hash by which OpenSSL finds an authority of that name in a folder.
pub const AUTHORITY_HASH: &str = "baee8016";

/// An order of the recorder. The first is [`Order::Settings`], once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// How everything is to be; answered by [`Reply::Ready`].
    Settings(Box<Settings>),
    /// Files that the fake vendor serves, a descriptor for each.
    Files {
        /// What each of them is for.
        files: Vec<VendorFile>,
    },
    /// A run begins. Four descriptors come with it: the TUN device, and `capture.pcapng`,
    /// `gateway.jsonl` and the key log to write.
    Begin {
        /// The run's name.
        run: String,
        /// When it began, on the kernel's monotonic clock. Every time in its records counts from
        /// here.
        start_ns: u64,
    },
    /// The plan's next phase begins; some answers of the vendor belong to a phase.
    Phase {
        /// Which.
        name: PhaseName,
    },
    /// The network is now like this.
    Condition {
        /// Which.
        network: Network,
    },
    /// The run is over: what is open is closed, and the records are written to their end.
    /// Answered by [`Reply::Ended`].
    End,
    /// The gateway ends, and so does the socket.
    Stop,
}

/// How the gateway is to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// 64 hexadecimal digits, from which the authority's key comes. The same seed gives the same
    /// certificates.
    pub seed: String,
    /// The longest packet of the device.
    #[serde(default = "mtu")]
    pub mtu: u16,
    /// Each of the bounds.
    #[serde(default)]
    pub bounds: Bounds,
    /// What a slow network is.
    #[serde(default)]
    pub slow: Slow,
    /// DNS answers of the plan's own.
    #[serde(default)]
    pub dns: Vec<DnsAnswer>,
    /// What the fake vendor answers: the first that fits.
    #[serde(default)]
    pub vendor: Vec<VendorAnswer>,
}

/// What a run may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// The capture's length.
    pub capture_bytes: u64,
    /// The length of the events, and of the key log.
    pub event_bytes: u64,
    /// Connections at once; further ones are not answered.
    pub connections: u32,
    /// After how long without a byte a connection is closed.
    pub idle_ms: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            capture_bytes: 4 << 30,
            event_bytes: 64 << 20,
            connections: 1024,
            idle_ms: 30_000,
        }
    }
}

/// A slow network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Slow {
    /// How much passes each way.
    pub bytes_per_second: u64,
    /// How late each packet is.
    pub delay_ms: u64,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            bytes_per_second: 16 << 10,
            delay_ms: 300,
        }
    }
}

/// A DNS record that stands in place of the gateway's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DnsAnswer {
    /// The name.
    pub name: String,
    /// `A`, `AAAA` or `TXT`.
    pub kind: String,
    /// The address or the text.
    pub value: String,
}

/// A file that the fake vendor serves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorFile {
    /// Which answer of the script it belongs to, from 0.
    pub script: u32,
    /// Its path below the answer's folder, without a slash at its start; absent where the answer
    /// is this one file.
    #[serde(default)]
    pub path: Option<String>,
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// It is in its jail and knows its settings.
    Ready {
        /// The certificate of its authority, in PEM, for the enclosure's trust stores.
        certificate: String,
        /// What its jail is made of.
        jail: Jail,
    },
    /// The order was carried out.
    Done,
    /// The run's records are whole.
    Ended(Summary),
    /// The order was not carried out, and the gateway ends.
    Refused {
        /// Why.
        reason: String,
    },
}

/// A jail, as its process found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jail {
    /// Whether every threat was tried and refused.
    pub holds: bool,
    /// The layers by name: `active`, or why it is missing.
    pub layers: BTreeMap<String, String>,
    /// What was attempted, and what came of it.
    pub attempts: BTreeMap<String, String>,
}

/// A run in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The run's name.
    pub run: String,
    /// Packets out of the enclosure.
    pub packets_out: u64,
    /// Packets into it.
    pub packets_in: u64,
    /// TCP connections.
    pub connections: u64,
    /// What was not recorded, by reason, each with how many bytes or packets. Where there is
    /// something, answers that depend on the record are unknown.
    pub lost: BTreeMap<String, u64>,
}

fn mtu() -> u16 {
    1500
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_replies_come_back() {
        let order = Order::Begin {
            run: "0001-a".to_owned(),
            start_ns: 5,
        };
        let text = serde_json::to_string(&order).unwrap();
        assert_eq!(text, r#"{"order":"begin","run":"0001-a","start_ns":5}"#);
        assert_eq!(serde_json::from_str::<Order>(&text).unwrap(), order);
        let ended = Reply::Ended(Summary::default());
        let text = serde_json::to_string(&ended).unwrap();
        assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), ended);
    }

    #[test]
    fn settings_need_a_seed_and_have_no_unknown_key() {
        let parse = |text: &str| serde_json::from_str::<Order>(text);
        let settings = parse(r#"{"order":"settings","seed":"00","slow":{"delay_ms":5}}"#).unwrap();
        let Order::Settings(settings) = settings else {
            panic!("{settings:?}");
        };
        assert_eq!((settings.mtu, settings.slow.delay_ms), (1500, 5));
        assert_eq!(settings.slow.bytes_per_second, 16 << 10);
        assert!(parse(r#"{"order":"settings"}"#).is_err());
        assert!(parse(r#"{"order":"settings","seed":"00","sped":1}"#).is_err());
    }
}
