//! One thing that somebody says of one build, and how they know.
//!
//! A record is read whole or not at all: unknown keys, a value beside a reason for having none, or
//! a subject without a digest refuse it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Date, Predicate, Sha256Digest};

/// Artifacts of one subject at most; a product has a few hundred files.
pub(crate) const ARTIFACTS_MAX: usize = 65_536;
/// The longest text in a record.
pub(crate) const TEXT_BYTES_MAX: usize = 65_536;

/// A file of the product.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Its name: a file name or a package URL.
    pub name: String,
    /// Its digest.
    pub sha256: Sha256Digest,
}

/// What a record is about: a build, as it was configured, with its rules, where it was got.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// The product's name and version, for people. It binds nothing.
    pub product: String,
    /// The build: at least one file.
    pub artifacts: Vec<Artifact>,
    /// Digest of the configuration that was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Sha256Digest>,
    /// The rules that were in use, by their release or digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_release: Option<String>,
    /// Where it was obtained as a customer would, if that matters to what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// A known value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Fact {
    /// Yes or no.
    Flag(bool),
    /// A count.
    Number(i64),
    /// A name, a code, a sentence.
    Text(String),
    /// Several of them; empty says that there are none.
    List(Vec<String>),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(true) => f.write_str("yes"),
            Self::Flag(false) => f.write_str("no"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
            Self::List(list) if list.is_empty() => f.write_str("none"),
            Self::List(list) => f.write_str(&list.join(", ")),
        }
    }
}

/// What is said, or why nothing can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// It is this.
    Known(Fact),
    /// It is not known, for this reason.
    Unknown(String),
}

/// How whoever says it knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// They looked at the product at work.
    Observed,
    /// They did it again from scratch and came to the same.
    Reproduced,
    /// A document from somebody with a duty to be right says so: a register, a filing, a licence.
    Documented,
    /// The vendor says so.
    VendorStated,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observed => "observed",
            Self::Reproduced => "reproduced",
            Self::Documented => "documented",
            Self::VendorStated => "vendor-stated",
        })
    }
}

/// How sure they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// It could well be otherwise.
    Low,
    /// It is likely.
    Medium,
    /// They would be surprised to be wrong.
    High,
}

/// Something that the record rests on, by digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pointer {
    /// Its digest.
    pub sha256: Sha256Digest,
    /// What it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

/// Something that speaks against the record, from whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Counter {
    /// What speaks against it.
    pub text: String,
    /// What that rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Pointer>,
}

/// One thing said of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Record {
    /// What it is said of.
    pub subject: Subject,
    /// What is said.
    pub predicate: Predicate,
    /// Of which organisation it is said, where it is said of one: `lei:…`, `reg:GB-COH/…`, a name.
    pub organisation: Option<String>,
    /// The value, or why there is none.
    pub value: Value,
    /// Who says so.
    pub asserted_by: String,
    /// How they know.
    pub method: Method,
    /// What it rests on.
    pub evidence: Vec<Pointer>,
    /// The day for which it is said.
    pub as_of: Date,
    /// The last day on which it counts; it counts for ever without one.
    pub expires: Option<Date>,
    /// How sure they are.
    pub confidence: Confidence,
    /// What speaks against it.
    pub counter: Vec<Counter>,
}

/// Why a record can't be what it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The subject has no file with a digest, or too many.
    Subject,
    /// There is a value and a reason for having none, or neither.
    Value,
    /// It expires before it begins.
    Dates,
    /// A text is empty or too long; which.
    Text(&'static str),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str(
                "its subject is bound to nothing: `artifacts` needs a name and a SHA-256, and at \
                 most 65536 of them",
            ),
            Self::Value => f.write_str("it needs either `value` or `unknown`, not both"),
            Self::Dates => f.write_str("`expires` lies before `as_of`"),
            Self::Text(key) => write!(f, "`{key}` is empty or longer than 65536 bytes"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Whether it has begun and not ended on this day.
    #[must_use]
    pub fn counts_on(&self, day: Date) -> bool {
        self.as_of <= day && !self.is_expired_on(day)
    }

    /// Whether it has ended on this day.
    #[must_use]
    pub fn is_expired_on(&self, day: Date) -> bool {
        self.expires.is_some_and(|expires| expires < day)
    }

    /// Whether its method can answer its question at all.
    #[must_use]
    pub fn is_fit(&self) -> bool {
        let fit = self.predicate.about().fit_methods();
        fit.contains(&self.method)
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<(), RecordError> {
        if self.subject.artifacts.is_empty() || self.subject.artifacts.len() > ARTIFACTS_MAX {
            return Err(RecordError::Subject);
        }
        if self.expires.is_some_and(|expires| expires < self.as_of) {
            return Err(RecordError::Dates);
        }
        let is_text = |text: &str| !text.trim().is_empty() && text.len() <= TEXT_BYTES_MAX;
        let value_is_text = match &self.value {
            Value::Unknown(reason) => is_text(reason),
            Value::Known(Fact::Text(text)) => is_text(text),
            Value::Known(Fact::List(list)) => list.iter().all(|text| is_text(text)),
            Value::Known(Fact::Flag(_) | Fact::Number(_)) => true,
        };
        if !value_is_text {
            return Err(RecordError::Text("value"));
        }
        for (key, text) in [
            ("asserted_by", &self.asserted_by),
            ("product", &self.subject.product),
        ] {
            if !is_text(text) {
                return Err(RecordError::Text(key));
            }
        }
        if self
            .subject
            .artifacts
            .iter()
            .any(|artifact| !is_text(&artifact.name))
        {
            return Err(RecordError::Text("name"));
        }
        Ok(())
    }
}

/// A record as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    subject: Subject,
    predicate: Predicate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Fact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    asserted_by: String,
    method: Method,
    #[serde(default)]
    evidence: Vec<Pointer>,
    as_of: Date,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Date>,
    confidence: Confidence,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counter: Vec<Counter>,
}

impl TryFrom<Written> for Record {
    type Error = RecordError;

    fn try_from(written: Written) -> Result<Self, RecordError> {
        let value = match (written.value, written.unknown) {
            (Some(fact), None) => Value::Known(fact),
            (None, Some(reason)) => Value::Unknown(reason),
            _ => return Err(RecordError::Value),
        };
        let record = Self {
            subject: written.subject,
            predicate: written.predicate,
            organisation: written.organisation,
            value,
            asserted_by: written.asserted_by,
            method: written.method,
            evidence: written.evidence,
            as_of: written.as_of,
            expires: written.expires,
            confidence: written.confidence,
            counter: written.counter,
        };
        record.check()?;
        Ok(record)
    }
}

impl From<Record> for Written {
    fn from(record: Record) -> Self {
        let (value, unknown) = match record.value {
            Value::Known(fact) => (Some(fact), None),
            Value::Unknown(reason) => (None, Some(reason)),
        };
        Self {
            subject: record.subject,
            predicate: record.predicate,
            organisation: record.organisation,
            value,
            unknown,
            asserted_by: record.asserted_by,
            method: record.method,
            evidence: record.evidence,
            as_of: record.as_of,
            expires: record.expires,
            confidence: record.confidence,
            counter: record.counter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{
        "subject": {
            "product": "Candor 0.1.0",
            "artifacts": [{"name": "candor", "sha256":
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],
            "rule_release": "main 63", "region": "GB"
        },
        "predicate": "canary_left", "value": false,
        "asserted_by": "Lab A", "method": "observed",
        "evidence": [{"sha256":
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}],
        "as_of": "2026-11-24", "expires": "2027-05-24", "confidence": "high",
        "counter": [{"text": "one encrypted stream was not opened"}]
    }"#;

    fn changed(from: &str, to: &str) -> Result<Record, serde_json::Error> {
        assert!(WHOLE.contains(from), "{from}");
        serde_json::from_str(&WHOLE.replacen(from, to, 1))
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record: Record = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(record.value, Value::Known(Fact::Flag(false)));
        let again = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&again).unwrap(), record);
        assert!(record.is_fit());
    }

    #[test]
    fn what_is_not_a_whole_record_is_refused_and_says_why() {
        for (from, to, why) in [
            (
                "\"value\": false",
                "\"value\": false, \"unknown\": \"x\"",
                "either",
            ),
            ("\"value\": false,", "", "either"),
            ("\"value\": false", "\"value\": 0.5", "match"),
            ("canary_left", "nationality", "unknown predicate"),
            ("\"region\"", "\"regoin\"", "regoin"),
            ("2027-05-24", "2026-05-24", "before"),
            ("\"Lab A\"", "\" \"", "asserted_by"),
            ("e3b0c4", "zzzzzz", "SHA-256"),
            ("\"observed\"", "\"believed\"", "believed"),
        ] {
            let error = changed(from, to).unwrap_err().to_string();
            assert!(error.contains(why), "{to}: {error}");
        }
        let mut record: Record = serde_json::from_str(WHOLE).unwrap();
        record.subject.artifacts.clear();
        assert_eq!(record.check(), Err(RecordError::Subject));
    }

    #[test]
    fn a_record_counts_from_its_first_day_to_its_last() {
        let record: Record = serde_json::from_str(WHOLE).unwrap();
        let counts = |day: &str| record.counts_on(Date::parse(day).unwrap());
        assert!(!counts("2026-11-23"));
        assert!(counts("2026-11-24") && counts("2027-05-24"));
        assert!(!counts("2027-05-25"));
    }

    #[test]
    fn unknown_has_a_reason() {
        let unknown = changed("\"value\": false", "\"unknown\": \"not tested\"").unwrap();
        assert_eq!(unknown.value, Value::Unknown("not tested".to_owned()));
        assert!(changed("\"value\": false", "\"unknown\": \"\"").is_err());
    }
}
