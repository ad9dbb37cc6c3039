//! JSON Lines, as `docs/schema/scan.schema.json` says.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

use proto::{Finding, Verdict};
use serde::Serialize;

use super::{End, Look, PackFacts, Record, Tally};
use crate::escape::{hex, misleads};
use crate::packs;
use crate::quarantine::Moved;

/// One file's line.
pub(super) fn record(record: &Record<'_>, pack: &PackFacts) -> String {
    let quarantine = record.quarantine;
    let mut file = FileJson {
        path: record.path.to_string_lossy().into_owned(),
        path_bytes_hex: bytes_if_lossy(record.path.as_os_str().as_bytes()),
        outcome: record.outcome().as_str(),
        pack: PackJson {
            sha256: hex(&pack.sha256),
            signatures: pack.summary.signatures,
        },
        quarantined: quarantine
            .and_then(|done| done.as_ref().ok())
            .map(QuarantinedJson::new),
        quarantine_error: quarantine.and_then(|done| done.as_ref().err()).cloned(),
        ..FileJson::default()
    };
    match record.look {
        Look::Failed(why) => file.error = Some(why.to_owned()),
        Look::Answered(verdict) => file.fill(verdict),
    }
    line(&file)
}

/// The last line.
pub(super) fn summary(tally: &Tally, pack: &PackFacts, end: End) -> String {
    let skipped = tally.skipped.iter();
    line(&SummaryLine {
        summary: SummaryJson {
            files: tally.files,
            clean: tally.clean,
            detected: tally.detected,
            incomplete: tally.incomplete,
            incomplete_by_reason: &tally.reasons,
            errors: tally.errors,
            skipped: skipped
                .map(|(skip, count)| (skip.as_str(), *count))
                .collect(),
            quarantined: tally.quarantined,
            not_quarantined: tally.not_quarantined,
            bytes: tally.bytes,
            elapsed_ms: end.elapsed_ms,
            pack: SummaryPackJson::new(pack),
            trouble: tally.trouble.as_deref(),
            exit_code: end.exit_code,
        },
    })
}

#[derive(Debug, Default, Serialize)]
struct FileJson {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes_hex: Option<String>,
    outcome: &'static str,
    findings: Vec<FindingJson>,
    #[serde(skip_serializing_if = "is_zero")]
    findings_omitted: u64,
    incomplete: Vec<&'static str>,
    incomplete_details: Vec<DetailJson>,
    r#type: Option<String>,
    size_bytes: Option<u64>,
    objects: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    elapsed_us: u64,
    pack: PackJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined: Option<QuarantinedJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine_error: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl FileJson {
    fn fill(&mut self, verdict: &Verdict) {
        self.findings = verdict.findings.iter().map(FindingJson::new).collect();
        self.findings_omitted = verdict.findings_omitted;
        self.incomplete = verdict
            .incomplete
            .iter()
            .map(|reason| reason.as_str())
            .collect();
        self.incomplete_details = verdict
            .details
            .iter()
            .map(|detail| DetailJson {
                reason: detail.reason.as_str(),
                member: lossy(&detail.member),
                member_hex: hex_if_lossy(&detail.member),
                text: detail.text.clone(),
            })
            .collect();
        self.r#type = Some(verdict.kind.clone());
        self.size_bytes = Some(verdict.size_bytes);
        self.objects = verdict.objects;
        self.sha256 = verdict.sha256.map(|digest| hex(&digest));
        self.elapsed_us = verdict.elapsed_us;
        self.error = verdict.read_error.clone();
    }
}

#[derive(Debug, Serialize)]
struct FindingJson {
    name: String,
    rule: RuleJson,
    member: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_hex: Option<Vec<String>>,
    matches: Vec<MatchJson>,
}

impl FindingJson {
    fn new(finding: &Finding) -> Self {
        let matches = finding.matches.iter().enumerate();
        Self {
            name: finding.name.clone(),
            rule: RuleJson {
                kind: finding.rule.kind.clone(),
                source: finding.rule.source.clone(),
                line: finding.rule.line,
                sha256: hex(&finding.rule.sha256),
            },
            member: lossy(&finding.member),
            member_hex: hex_if_lossy(&finding.member),
            matches: matches
                .map(|(index, found)| MatchJson {
                    offset: found.offset,
                    length: found.length,
                    bytes_hex: finding.match_bytes.get(index).map(|bytes| hex(bytes)),
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct RuleJson {
    kind: String,
    source: String,
    line: u32,
    sha256: String,
}

#[derive(Debug, Serialize)]
struct MatchJson {
    offset: u64,
    length: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_hex: Option<String>,
}

#[derive(Debug, Serialize)]
struct DetailJson {
    reason: &'static str,
    member: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member_hex: Option<Vec<String>>,
    text: String,
}

#[derive(Debug, Default, Serialize)]
struct PackJson {
    sha256: String,
    signatures: u64,
}

#[derive(Debug, Serialize)]
struct QuarantinedJson {
    id: String,
    other_links: u64,
}

impl QuarantinedJson {
    fn new(moved: &Moved) -> Self {
        Self {
            id: moved.id.clone(),
            other_links: moved.other_links,
        }
    }
}

#[derive(Debug, Serialize)]
struct SummaryLine<'a> {
    summary: SummaryJson<'a>,
}

#[derive(Debug, Serialize)]
struct SummaryJson<'a> {
    files: u64,
    clean: u64,
    detected: u64,
    incomplete: u64,
    incomplete_by_reason: &'a BTreeMap<&'static str, u64>,
    errors: u64,
    skipped: BTreeMap<&'static str, u64>,
    quarantined: u64,
    not_quarantined: u64,
    bytes: u64,
    elapsed_ms: u64,
    pack: SummaryPackJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
    exit_code: u8,
}

#[derive(Debug, Serialize)]
struct SummaryPackJson<'a> {
    sha256: String,
    signatures: u64,
    origin: String,
    starter: bool,
    pending: Vec<PendingJson<'a>>,
    dropped: u64,
    unverified: Vec<String>,
    ignored: &'a [String],
}

impl<'a> SummaryPackJson<'a> {
    fn new(pack: &'a PackFacts) -> Self {
        let pending = pack.summary.pending.iter();
        Self {
            sha256: hex(&pack.sha256),
            signatures: pack.summary.signatures,
            origin: pack.origin.to_string(),
            starter: pack.origin.is_starter(),
            pending: pending
                .map(|row| PendingJson {
                    source: &row.source,
                    count: row.count,
                    why: &row.why,
                })
                .collect(),
            dropped: pack.summary.dropped,
            unverified: packs::unverified(&pack.summary)
                .iter()
                .map(|found| format!("{}: {}", found.container, found.why))
                .collect(),
            ignored: &pack.ignored,
        }
    }
}

#[derive(Debug, Serialize)]
struct PendingJson<'a> {
    source: &'a str,
    count: u64,
    why: &'a str,
}

fn lossy(members: &[Vec<u8>]) -> Vec<String> {
    members
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

fn hex_if_lossy(members: &[Vec<u8>]) -> Option<Vec<String>> {
    let is_lossy = members
        .iter()
        .any(|name| std::str::from_utf8(name).is_err());
    is_lossy.then(|| members.iter().map(|name| hex(name)).collect())
}

fn bytes_if_lossy(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| hex(bytes))
}

fn line(value: &impl Serialize) -> String {
    // These types hold nothing that JSON can't say.
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut text = String::with_capacity(json.len().saturating_add(1));
    for letter in json.chars() {
        if misleads(letter) {
            // Only a string can hold it, and there this means the same.
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            text.push(letter);
        }
    }
    text.push('\n');
    text
}
