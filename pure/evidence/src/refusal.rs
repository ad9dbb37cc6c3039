//! Why evidence is refused: a name that never changes, the place, and a sentence.

use serde::Serialize;

/// Reasons that are told at most; the number of all is told too.
const REFUSALS_MAX: usize = 1_000;

/// The names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Named {
    /// It can't be read as what it claims to be.
    Malformed,
    /// A member is not the one that the manifest lists.
    DigestMismatch,
    /// The manifest lists a member that is not there.
    MemberMissing,
    /// A member is not in the manifest.
    MemberUnlisted,
    /// Nobody signed it.
    Unsigned,
    /// Nobody whom the policy knows signed it.
    UnknownSigner,
    /// It names a key that the policy knows, and that key did not sign it.
    BadSignature,
    /// Whoever signed it may not say this.
    NotEntitled,
    /// It is of a type, or says something, that is not known here.
    UnknownPredicate,
    /// It is about another build, configuration, rule release or region.
    WrongSubject,
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYet,
    /// What it rests on is not there.
    EvidenceMissing,
    /// It is known, and not what the policy asks for.
    WrongValue,
    /// Two whom the policy knows say different things.
    Contradicted,
    /// Something that the policy asks for was not shown.
    MissingStep,
    /// There were more reasons than are told.
    TooMany,
}

impl Named {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::DigestMismatch => "digest-mismatch",
            Self::MemberMissing => "member-missing",
            Self::MemberUnlisted => "member-unlisted",
            Self::Unsigned => "unsigned",
            Self::UnknownSigner => "unknown-signer",
            Self::BadSignature => "bad-signature",
            Self::NotEntitled => "not-entitled",
            Self::UnknownPredicate => "unknown-predicate",
            Self::WrongSubject => "wrong-subject",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::EvidenceMissing => "evidence-missing",
            Self::WrongValue => "wrong-value",
            Self::Contradicted => "contradicted",
            Self::MissingStep => "missing-step",
            Self::TooMany => "too-many",
        }
    }
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its name.
    pub name: Named,
    /// Where: a file, a member, a step.
    pub place: String,
    /// Why.
    pub text: String,
}

impl Refusal {
    /// Adds one, or says once that there are too many.
    pub(crate) fn add(list: &mut Vec<Self>, name: Named, place: &str, text: String) {
        match list.len() {
            0..REFUSALS_MAX => list.push(Self {
                name,
                place: place.to_owned(),
                text,
            }),
            REFUSALS_MAX => list.push(Self {
                name: Named::TooMany,
                place: place.to_owned(),
                text: "the rest of what is wrong is not told".to_owned(),
            }),
            _ => {}
        }
    }
}
