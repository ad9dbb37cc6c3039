//! What can be said of a product, by control point, and how each can be known at all.
//!
//! The list is closed: a predicate that is not in it is refused by name, never passed over. A
//! person's nationality or origin is not in it and never will be.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Method;

/// What kind of question a predicate answers, which decides what may answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// Who owns, votes, appoints, is subject to which law: registers and filings answer.
    Ownership,
    /// Who can sign, push, command, host, process, build: documents answer, and observation where
    /// it shows in the product.
    Control,
    /// What the product does: only looking at it answers.
    Behaviour,
    /// What it is made of and whether that is what it comes from: rebuilding and looking answer.
    Build,
}

impl About {
    /// The methods that may reassure about it.
    #[must_use]
    pub fn fit_methods(self) -> &'static [Method] {
        match self {
            Self::Ownership => &[Method::Documented],
            Self::Control => &[Method::Documented, Method::Observed, Method::Reproduced],
            Self::Behaviour | Self::Build => &[Method::Observed, Method::Reproduced],
        }
    }
}

/// Every predicate, what it is about, and what it says.
pub const KNOWN_PREDICATES: &[(&str, About, &str)] = &[
    ("owns", About::Ownership, "organisations that own it"),
    ("votes", About::Ownership, "organisations that hold votes"),
    (
        "appoints",
        About::Ownership,
        "organisations that appoint its management",
    ),
    (
        "subject_to_law_of",
        About::Ownership,
        "countries whose law binds the organisation",
    ),
    (
        "staff_located_in",
        About::Ownership,
        "countries in which the organisation has staff",
    ),
    (
        "licenses_engine_from",
        About::Control,
        "organisations whose engine is in it",
    ),
    (
        "signs_release",
        About::Control,
        "organisations whose key signs releases",
    ),
    (
        "signs_rules",
        About::Control,
        "organisations whose key signs rules",
    ),
    (
        "can_push_code",
        About::Control,
        "organisations that can change its code",
    ),
    (
        "can_push_rules",
        About::Control,
        "organisations that can change its rules",
    ),
    (
        "can_command",
        About::Control,
        "organisations that can give it commands",
    ),
    (
        "hosts_update",
        About::Control,
        "organisations that host its updates",
    ),
    (
        "hosts_telemetry",
        About::Control,
        "organisations that receive what it sends",
    ),
    (
        "processes_samples",
        About::Control,
        "organisations that process samples",
    ),
    (
        "builds_at",
        About::Control,
        "organisations where it is built",
    ),
    (
        "maintains_component",
        About::Control,
        "organisations that maintain a part of it",
    ),
    (
        "collects",
        About::Behaviour,
        "kinds of information that it was seen to collect",
    ),
    (
        "could_collect",
        About::Behaviour,
        "what its privilege reaches",
    ),
    (
        "canary_left",
        About::Behaviour,
        "whether content of canary documents left the machine",
    ),
    (
        "traffic_depends_on_content",
        About::Behaviour,
        "whether its traffic depends on documents",
    ),
    (
        "update_channel_authenticated",
        About::Behaviour,
        "whether changed, replayed and older updates were refused",
    ),
    (
        "update_ran_new_code",
        About::Behaviour,
        "whether an update brought new code",
    ),
    (
        "switch_stops_flow",
        About::Behaviour,
        "switches that were seen to stop a flow",
    ),
    (
        "works_without_network",
        About::Behaviour,
        "whether it works with no network",
    ),
    (
        "runs_as",
        About::Behaviour,
        "the privileges that it was seen to hold",
    ),
    (
        "jail_holds",
        About::Behaviour,
        "whether attacks from inside its jail were refused",
    ),
    (
        "detects",
        About::Behaviour,
        "whether it detected what it was given",
    ),
    (
        "reproducible_build",
        About::Build,
        "whether a second build gave the same bytes",
    ),
    ("built_from", About::Build, "the sources it was built from"),
    ("built_by", About::Build, "the system that built it"),
    ("component", About::Build, "parts that are in it"),
    ("component_licence", About::Build, "licences of its parts"),
    (
        "component_reviewed",
        About::Build,
        "parts that somebody reviewed, and by what criteria",
    ),
    (
        "affected_by",
        About::Build,
        "vulnerabilities that affect it",
    ),
    (
        "not_affected_by",
        About::Build,
        "vulnerabilities that do not affect it",
    ),
    (
        "under_investigation",
        About::Build,
        "vulnerabilities that may affect it",
    ),
    (
        "fixed",
        About::Build,
        "vulnerabilities that were fixed in it",
    ),
    ("tests_pass", About::Build, "whether its tests pass"),
    (
        "update_mirror",
        About::Behaviour,
        "whether updates reach a system only through its owner's mirror",
    ),
    (
        "egress_relay",
        About::Behaviour,
        "whether traffic leaves a system only through its owner's relay",
    ),
    (
        "air_gap",
        About::Behaviour,
        "whether a system has no connection to other networks",
    ),
    (
        "vendor_claim",
        About::Behaviour,
        "something that its maker says of it",
    ),
];

/// A predicate that is in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct Predicate(&'static str);

impl Predicate {
    /// The predicate with this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let mut known = KNOWN_PREDICATES.iter();
        known
            .find(|(known, ..)| *known == name)
            .map(|(known, ..)| Self(known))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0
    }

    /// What it is about.
    #[must_use]
    pub fn about(self) -> About {
        let mut known = KNOWN_PREDICATES.iter();
        known
            .find(|(known, ..)| *known == self.0)
            .map_or(About::Behaviour, |(_, about, _)| *about)
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Predicate {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        let name = String::deserialize(reader)?;
        Self::parse(&name).ok_or_else(|| D::Error::custom(format!("unknown predicate {name:?}")))
    }
}

impl From<Predicate> for String {
    fn from(predicate: Predicate) -> Self {
        predicate.0.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_predicate_stands_once_and_comes_back() {
        for (name, about, says) in KNOWN_PREDICATES {
            let predicate = Predicate::parse(name).unwrap();
            assert_eq!((predicate.name(), predicate.about()), (*name, *about));
            assert!(!says.is_empty());
            let named = KNOWN_PREDICATES.iter().filter(|(other, ..)| other == name);
            assert_eq!(named.count(), 1, "{name}");
        }
        assert_eq!(Predicate::parse("nationality"), None);
    }

    #[test]
    fn what_a_vendor_states_reassures_about_nothing() {
        for (_, about, _) in KNOWN_PREDICATES {
            assert!(!about.fit_methods().contains(&Method::VendorStated));
        }
    }
}
