//! Records for tests.

use seal::{SigningKey, pae};

use crate::envelope::IN_TOTO;
use crate::statement::payload_of;
use crate::{
    Artifact, Confidence, Date, Fact, Method, Pointer, Predicate, Record, Sha256Digest, Subject,
    Value,
};

/// What every example is about.
pub(crate) const BUILD: &[u8] = b"the program";
/// What every example rests on.
pub(crate) const RECORDING: &[u8] = b"the recording";

/// A record of an independent lab.
pub(crate) fn record(predicate: &str, fact: Fact) -> Record {
    Record {
        subject: Subject {
            product: "Example 1.0".to_owned(),
            artifacts: vec![Artifact {
                name: "example".to_owned(),
                sha256: Sha256Digest::of(BUILD),
            }],
            configuration: None,
            rule_release: None,
            region: None,
        },
        predicate: Predicate::parse(predicate).unwrap(),
        organisation: None,
        value: Value::Known(fact),
        asserted_by: "Lab A".to_owned(),
        method: Method::Observed,
        evidence: vec![Pointer {
            sha256: Sha256Digest::of(RECORDING),
            name: Some("recording".to_owned()),
            uri: None,
        }],
        as_of: Date::parse("2026-11-01").unwrap(),
        expires: Date::parse("2027-05-01"),
        confidence: Confidence::High,
        counter: Vec::new(),
    }
}

/// A key for each letter.
pub(crate) fn key(letter: u8) -> SigningKey {
    SigningKey::from_seed(&[letter; 32])
}

/// An envelope's JSON around a payload.
pub(crate) fn sealed(payload_type: &str, payload: &[u8], keys: &[SigningKey]) -> String {
    let message = pae(payload_type, payload);
    let signatures: Vec<String> = keys
        .iter()
        .map(|key| {
            format!(
                r#"{{"keyid":"{}","sig":"{}"}}"#,
                key.public().id(),
                seal::base64::encode(&key.sign(&message))
            )
        })
        .collect();
    format!(
        r#"{{"payload":"{}","payloadType":"{payload_type}","signatures":[{}]}}"#,
        seal::base64::encode(payload),
        signatures.join(",")
    )
}

/// These records, signed.
pub(crate) fn signed(records: &[Record], keys: &[SigningKey]) -> String {
    sealed(IN_TOTO, &payload_of(records).unwrap(), keys)
}
