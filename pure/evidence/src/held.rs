//! A record with what was checked of it: who signed it, and whether it may be counted.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Record;

/// Whoever signed, as the policy knows them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// The name that the policy gives them.
    pub name: String,
    /// Their key.
    pub key_id: String,
    /// What they are to the product's maker.
    pub party: Party,
}

/// What somebody is to the product's maker. The policy says so, not they.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The maker, or somebody that the maker pays or owns.
    Vendor,
    /// Nobody that the maker could tell what to say.
    Independent,
    /// Whoever judges: their own look counts as independent.
    Evaluator,
}

/// Whether a record may be counted. Everything but [`Standing::Counts`] is as good as unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Signed by a known key, about this subject, and in its time.
    Counts,
    /// Nobody signed it.
    Unsigned,
    /// Signed by nobody that the policy knows.
    UnknownSigner,
    /// Somebody that the policy knows may not say this, or not by this method.
    NotEntitled,
    /// About another build, configuration, rule release or region.
    WrongSubject,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYet,
    /// What it rests on is not in the bundle: no attached file has that digest.
    EvidenceMissing,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counts => "counts",
            Self::Unsigned => "unsigned",
            Self::UnknownSigner => "unknown-signer",
            Self::NotEntitled => "not-entitled",
            Self::WrongSubject => "wrong-subject",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::EvidenceMissing => "evidence-missing",
        })
    }
}

/// A record and what was checked of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The record.
    pub record: Record,
    /// Whether it counts.
    pub standing: Standing,
    /// Who signed it; several parties may sign one statement.
    pub signers: Vec<Signer>,
    /// The member of the bundle, or the file, that it was found in.
    pub found_in: String,
    /// What it was written as: `candor`, `slsa`, `cyclonedx`, `spdx`, `openvex`, `cargo-vet`.
    pub written_as: String,
}

impl Held {
    /// Whether it may reassure: it counts, its method is fit for its question, and somebody who is
    /// independent of the maker signed it.
    #[must_use]
    pub fn may_reassure(&self) -> bool {
        let independent = |signer: &Signer| signer.party != Party::Vendor;
        self.standing == Standing::Counts
            && self.record.is_fit()
            && self.signers.iter().any(independent)
    }
}
