//! Before signing: records that somebody wrote become the bytes that are signed. The key stays with
//! `candor`, which never reads the records.

use evidence::json;
use evidence::statement::payload_of;
use evidence::trust::TrustPolicy;
use evidence::{Record, Sha256Digest};
use serde::Serialize;

use crate::answer::Answer;
use crate::files::{self, File};

#[derive(Serialize)]
struct Prepared {
    payload_type: &'static str,
    /// Each payload in base64.
    payloads: Vec<String>,
    /// What the records rest on.
    evidence: Vec<Sha256Digest>,
}

/// Checks what is to be signed, and writes it in its one form.
pub(crate) fn prepare(files: &[File]) -> Result<String, String> {
    if let Some(policy) = files::small(files, "policy")? {
        return policy_payload(&policy);
    }
    let bytes = files::small(files, "records")?.ok_or("there are no records")?;
    let records = records(&bytes)?;
    let mut payloads = Vec::new();
    let mut rest = records.as_slice();
    // Records about the same subject that stand together make one statement.
    while let Some(first) = rest.first() {
        let same = rest
            .iter()
            .take_while(|record| record.subject == first.subject);
        let (group, after) = rest.split_at(same.count());
        payloads.push(seal::base64::encode(&payload_of(group)?));
        rest = after;
    }
    let mut evidence: Vec<Sha256Digest> = records
        .iter()
        .flat_map(|record| record.evidence.iter().map(|pointer| pointer.sha256))
        .collect();
    evidence.sort();
    evidence.dedup();
    let text = records.iter().map(|record| {
        let value = match &record.value {
            evidence::Value::Known(fact) => fact.to_string(),
            evidence::Value::Unknown(reason) => format!("unknown ({reason})"),
        };
        format!(
            "{}: {} is {value}",
            record.subject.product, record.predicate
        )
    });
    Answer {
        exit: 0,
        text: text.collect(),
        report: Prepared {
            payload_type: evidence::envelope::IN_TOTO,
            payloads,
            evidence,
        },
    }
    .to_json()
}

fn policy_payload(bytes: &[u8]) -> Result<String, String> {
    let json = json::parse(bytes).map_err(|error| error.to_string())?;
    // Only what is a policy is signed as one.
    let policy: TrustPolicy = json::parse_into(bytes).map_err(|error| error.to_string())?;
    Answer {
        exit: 0,
        text: vec![format!("the policy {:?}", policy.name)],
        report: Prepared {
            payload_type: evidence::envelope::TRUST_POLICY,
            payloads: vec![seal::base64::encode(&json.canonical())],
            evidence: Vec::new(),
        },
    }
    .to_json()
}

fn records(bytes: &[u8]) -> Result<Vec<Record>, String> {
    let one = json::parse_into::<Record>(bytes);
    let Err(why) = one else {
        return Ok(one.into_iter().collect());
    };
    let is_list = bytes.trim_ascii_start().starts_with(b"[");
    if !is_list {
        return Err(why.to_string());
    }
    let list: Vec<Record> = json::parse_into(bytes).map_err(|error| error.to_string())?;
    match list.is_empty() {
        true => Err("the list of records is empty".to_owned()),
        false => Ok(list),
    }
}
