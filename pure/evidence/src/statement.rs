//! Records as an in-toto Statement v1, and back.
//!
//! One statement is about one subject and says many things of it. What is written is canonical, so
//! that two who say the same sign the same bytes.

use serde::{Deserialize, Serialize};

use crate::json::{self, Json};
use crate::record::Counter;
use crate::{
    Artifact, Confidence, Date, Fact, Method, Pointer, Predicate, Record, Sha256Digest, Subject,
    Value,
};

/// The type of every in-toto statement that is read.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// The older type, which provenance of 2021 to 2023 has.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// The type of our predicate.
pub const RECORDS_TYPE: &str = "urn:candor:evidence-records:1";
/// Records in one statement at most.
pub(crate) const RECORDS_MAX: usize = 65_536;

/// What a statement says it is, before its predicate is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The files that it is about, as far as they have a SHA-256.
    pub artifacts: Vec<Artifact>,
    /// What its predicate is.
    pub predicate_type: String,
    /// The predicate.
    pub predicate: Json,
}

impl Statement {
    /// Reads one.
    pub fn parse(payload: &[u8]) -> Result<Self, String> {
        let json = json::parse(payload).map_err(|error| error.to_string())?;
        match json.text_at("_type") {
            Some(STATEMENT_V1 | STATEMENT_V01) => {}
            Some(other) => return Err(format!("{other:?} is no in-toto statement")),
            None => return Err("it is no in-toto statement: `_type` is missing".to_owned()),
        }
        let predicate_type = json
            .text_at("predicateType")
            .ok_or("`predicateType` is missing")?
            .to_owned();
        let mut artifacts = Vec::new();
        for subject in json.items_at("subject") {
            let digest = subject
                .at("digest")
                .and_then(|digest| digest.text_at("sha256"));
            let Some(sha256) = digest.and_then(Sha256Digest::parse) else {
                continue;
            };
            let name = subject.text_at("name").unwrap_or_default();
            let name = if name.is_empty() { "unnamed" } else { name };
            artifacts.push(Artifact {
                name: name.to_owned(),
                sha256,
            });
        }
        if artifacts.is_empty() {
            return Err("its subject has no SHA-256, so that it is about nothing".to_owned());
        }
        let predicate = json.at("predicate").cloned().unwrap_or(Json::Null);
        Ok(Self {
            artifacts,
            predicate_type,
            predicate,
        })
    }

    /// The records of a statement of ours.
    pub fn records(&self) -> Result<Vec<Record>, String> {
        let bytes = self.predicate.canonical();
        let said: Said = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        if said.records.is_empty() || said.records.len() > RECORDS_MAX {
            return Err("it has no records, or too many".to_owned());
        }
        let subject = Subject {
            product: said.product,
            artifacts: self.artifacts.clone(),
            configuration: said.configuration,
            rule_release: said.rule_release,
            region: said.region,
        };
        let records = said.records.into_iter();
        records.map(|one| one.about(subject.clone())).collect()
    }
}

/// The canonical payload that says these records, which must be about the same subject.
pub fn payload_of(records: &[Record]) -> Result<Vec<u8>, String> {
    let first = records.first().ok_or("there is nothing to say")?;
    if records.iter().any(|record| record.subject != first.subject) {
        return Err("one statement is about one subject".to_owned());
    }
    for record in records {
        record.check().map_err(|error| error.to_string())?;
    }
    let subject = first.subject.clone();
    let said = Said {
        product: subject.product,
        configuration: subject.configuration,
        rule_release: subject.rule_release,
        region: subject.region,
        records: records.iter().map(One::of).collect(),
    };
    let artifacts = subject.artifacts.into_iter().map(|artifact| Written {
        name: artifact.name,
        digest: Digests {
            sha256: artifact.sha256,
        },
    });
    let whole = Whole {
        kind: STATEMENT_V1,
        subject: artifacts.collect(),
        predicate_type: RECORDS_TYPE,
        predicate: said,
    };
    json::canonical_of(&whole).map_err(|error| error.to_string())
}

#[derive(Serialize)]
struct Whole {
    #[serde(rename = "_type")]
    kind: &'static str,
    subject: Vec<Written>,
    #[serde(rename = "predicateType")]
    predicate_type: &'static str,
    predicate: Said,
}

#[derive(Serialize)]
struct Written {
    name: String,
    digest: Digests,
}

#[derive(Serialize)]
struct Digests {
    sha256: Sha256Digest,
}

/// Our predicate.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Said {
    product: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<Sha256Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_release: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    records: Vec<One>,
}

/// A record without its subject.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct One {
    predicate: Predicate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    organisation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<Fact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
    asserted_by: String,
    method: Method,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Pointer>,
    as_of: Date,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Date>,
    confidence: Confidence,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    counter: Vec<Counter>,
}

impl One {
    fn of(record: &Record) -> Self {
        let record = record.clone();
        let (value, unknown) = match record.value {
            Value::Known(fact) => (Some(fact), None),
            Value::Unknown(reason) => (None, Some(reason)),
        };
        Self {
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

    fn about(self, subject: Subject) -> Result<Record, String> {
        let value = match (self.value, self.unknown) {
            (Some(fact), None) => Value::Known(fact),
            (None, Some(reason)) => Value::Unknown(reason),
            _ => return Err(crate::RecordError::Value.to_string()),
        };
        let record = Record {
            subject,
            predicate: self.predicate,
            organisation: self.organisation,
            value,
            asserted_by: self.asserted_by,
            method: self.method,
            evidence: self.evidence,
            as_of: self.as_of,
            expires: self.expires,
            confidence: self.confidence,
            counter: self.counter,
        };
        record.check().map_err(|error| error.to_string())?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::record;

    #[test]
    fn records_come_back_from_their_statement() {
        let mut other = record("could_collect", Fact::List(vec!["files".to_owned()]));
        other.organisation = Some("lei:529900T8BM49AURSDO55".to_owned());
        let records = [record("canary_left", Fact::Flag(false)), other];
        let payload = payload_of(&records).unwrap();
        let statement = Statement::parse(&payload).unwrap();
        assert_eq!(statement.predicate_type, RECORDS_TYPE);
        assert_eq!(statement.records().unwrap(), records);
        assert_eq!(json::parse(&payload).unwrap().canonical(), payload);
    }

    #[test]
    fn two_subjects_need_two_statements() {
        let one = record("canary_left", Fact::Flag(false));
        let mut other = one.clone();
        other.subject.region = Some("GB".to_owned());
        assert!(payload_of(&[one, other]).is_err());
        assert!(payload_of(&[]).is_err());
    }

    #[test]
    fn a_statement_about_nothing_is_refused() {
        for (text, why) in [
            ("{}", "_type"),
            (
                r#"{"_type":"https://in-toto.io/Statement/v2"}"#,
                "no in-toto",
            ),
            (
                r#"{"_type":"https://in-toto.io/Statement/v1"}"#,
                "predicateType",
            ),
            (
                r#"{"_type":"https://in-toto.io/Statement/v1","predicateType":"x","subject":
                [{"name":"a","digest":{"sha1":"00"}}]}"#,
                "about nothing",
            ),
        ] {
            let error = Statement::parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
