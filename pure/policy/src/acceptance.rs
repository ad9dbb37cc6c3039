//! Somebody accepts a risk: signed by a key that the pack or the system names, for one product on
//! one system under one pack, until a day. Possible over advice, never over law.

use crate::date::Date;
use crate::decide::{Case, Decision, Outcome};
use crate::json;
use crate::node::{Fields, Node, ReadError};

/// An acceptance as it was read. Whoever reads it checks the signature first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The system's name.
    pub system: String,
    /// SHA-256 of the system's file.
    pub system_sha256: String,
    /// SHA-256 of the dossier.
    pub dossier_sha256: String,
    /// SHA-256 of the pack.
    pub pack_sha256: String,
    /// The outcome that is accepted.
    pub outcome: String,
    /// Why.
    pub reason: String,
    /// By whom: an office.
    pub accepted_by: String,
    /// From which day on.
    pub as_of: Date,
    /// The last day.
    pub expires: Date,
    /// The keys whose signatures over it were checked, in hexadecimal.
    pub signed_by: Vec<String>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AcceptanceState {
    /// It is in force, signed by this office, until this day.
    InForce(String, Date),
    /// It is not, for this reason.
    Refused(String),
}

pub(crate) const ACCEPTANCE_KEYS: &[&str] = &[
    "system",
    "system_sha256",
    "dossier_sha256",
    "pack_sha256",
    "outcome",
    "reason",
    "accepted_by",
    "as_of",
    "expires",
];

impl Acceptance {
    /// Reads the signed part; `signed_by` are the keys that were found to have signed it.
    pub fn parse(text: &str, signed_by: Vec<String>) -> Result<Self, ReadError> {
        Self::from_node(&json::parse(text)?, signed_by)
    }

    pub(crate) fn from_node(node: &Node, signed_by: Vec<String>) -> Result<Self, ReadError> {
        let fields = Fields::new(node, ACCEPTANCE_KEYS)?;
        Ok(Self {
            system: fields.text("system")?,
            system_sha256: fields.text("system_sha256")?,
            dossier_sha256: fields.text("dossier_sha256")?,
            pack_sha256: fields.text("pack_sha256")?,
            outcome: fields.text("outcome")?,
            reason: fields.text("reason")?,
            accepted_by: fields.text("accepted_by")?,
            as_of: fields.date("as_of")?,
            expires: fields.date("expires")?,
            signed_by,
        })
    }

    /// Whether it is in force for a decision.
    #[must_use]
    pub fn state(&self, case: &Case<'_>, decision: &Decision) -> AcceptanceState {
        match self.refusal(case, decision) {
            Some(why) => AcceptanceState::Refused(why),
            None => AcceptanceState::InForce(self.accepted_by.clone(), self.expires),
        }
    }

    fn refusal(&self, case: &Case<'_>, decision: &Decision) -> Option<String> {
        let owners = case.pack.risk_owners.iter().chain(&case.system.risk_owners);
        let named: Vec<&String> = owners.map(|(_, key)| key).collect();
        let is_named = self.signed_by.iter().any(|key| named.contains(&key));
        let days = self.expires.days_since(self.as_of);
        if !is_named {
            return Some("no risk owner that the pack or the system names signed it".to_owned());
        }
        if decision.by_law || decision.outcome == Outcome::Prohibited {
            return Some("law or order decided; no acceptance goes over that".to_owned());
        }
        if decision.may_be_prohibited {
            return Some("a rule may still prohibit it; that must be settled first".to_owned());
        }
        if self.system != case.system.name {
            return Some("it is for another system".to_owned());
        }
        if self.system_sha256 != case.system.sha256 {
            return Some("the system's file has changed since".to_owned());
        }
        if self.dossier_sha256 != case.dossier.sha256 || self.pack_sha256 != case.pack.sha256 {
            return Some("the dossier or the pack has changed since".to_owned());
        }
        if self.outcome != decision.outcome.as_str() {
            return Some(format!(
                "it accepts `{}`, and the outcome is `{}`",
                self.outcome, decision.outcome
            ));
        }
        if case.as_of < self.as_of || self.expires < case.as_of {
            return Some(format!("it holds from {} to {}", self.as_of, self.expires));
        }
        if self.expires < self.as_of || days > case.pack.risk_days_max {
            return Some(format!(
                "it is for {days} days, and the pack allows {}",
                case.pack.risk_days_max
            ));
        }
        None
    }
}
