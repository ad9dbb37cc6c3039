//! `candor evidence show`: what evidence says, and nothing about whether it is so.

use evidence::collect::{Input, collect};
use evidence::verify::read_unverified;
use serde::Serialize;

use crate::answer::Answer;
use crate::files::File;
use crate::verify::Row;

#[derive(Serialize)]
struct Report {
    format: &'static str,
    verified: bool,
    signatures: Vec<String>,
    records: Vec<Row>,
    notes: Vec<String>,
    troubles: Vec<String>,
}

/// Reads, and says what is there.
pub(crate) fn show(files: &[File]) -> Result<String, String> {
    let inputs: Vec<Input<'_>> = files
        .iter()
        .map(|file| Input {
            label: &file.label,
            source: file,
        })
        .collect();
    let found = collect(&inputs);
    let signatures = found.envelopes.iter().flat_map(|found| {
        let signatures = found.envelope.signatures.iter();
        signatures.map(|one| {
            let key: String = one.key_hint.chars().take(128).collect();
            format!("{}: claims to be signed by {key:?}", found.place)
        })
    });
    let signatures: Vec<String> = signatures.take(1_000).collect();
    let unverified = read_unverified(&found);
    let rows = unverified.records.iter().take(10_000).map(Row::of);
    let report = Report {
        format: "candor-evidence-show-1",
        verified: false,
        signatures,
        records: rows.collect(),
        notes: unverified.notes,
        troubles: unverified.troubles,
    };
    let mut text = vec!["not verified: this is what it says, not what is so".to_owned()];
    text.extend(report.signatures.iter().cloned());
    text.extend(report.records.iter().map(Row::line));
    text.extend(report.notes.iter().map(|note| format!("note: {note}")));
    text.extend(report.troubles.iter().map(|why| format!("not read: {why}")));
    let exit = u8::from(!report.troubles.is_empty());
    Answer { exit, text, report }.to_json()
}
