//! What a scan said of each file, from its JSON, held to what must be true of every scan.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cli::Ran;

/// What was said of one file.
#[derive(Debug)]
pub struct Said {
    /// `clean`, `detected`, `incomplete` or `error`.
    pub outcome: String,
    /// The reasons why it is incomplete.
    pub incomplete: Vec<String>,
    /// The names of the signatures that fired.
    pub findings: Vec<String>,
    /// The whole line.
    pub line: Value,
}

impl Said {
    /// Whether this is among the reasons.
    #[must_use]
    pub fn names(&self, reason: &str) -> bool {
        self.incomplete.iter().any(|named| named == reason)
    }

    /// Fails unless it is incomplete, and only for this reason.
    pub fn assert_incomplete(&self, reason: &str) {
        assert_eq!(self.outcome, "incomplete", "{}", self.line);
        assert_eq!(self.incomplete, [reason], "{}", self.line);
    }
}

/// What was said of each file, by the last part of its path.
pub type AllSaid = BTreeMap<String, Said>;

/// What a run said. Fails where the summary and the lines disagree, the exit code is not what they
/// call for, a worker died, or an outcome contradicts what else is said.
#[must_use]
pub fn said(ran: &Ran) -> AllSaid {
    let mut lines = ran.json();
    let last = lines.pop().unwrap_or_else(|| panic!("no output: {ran:?}"));
    let summary = &last["summary"];
    let mut all = AllSaid::new();
    let mut counts = BTreeMap::new();
    let files = lines.len();
    for line in lines {
        let path = line["path"].as_str().expect("a path");
        let name = path.rsplit('/').next().unwrap_or(path).to_string();
        let said = read(line);
        hold_to_rules(&said);
        *counts.entry(said.outcome.clone()).or_insert(0) += 1;
        let twice = all.insert(name, said);
        assert!(twice.is_none(), "two files have one name: {twice:?}");
    }
    let count = |name: &str| counts.get(name).copied().unwrap_or(0);
    for (field, outcome) in [
        ("clean", "clean"),
        ("detected", "detected"),
        ("errors", "error"),
    ] {
        assert_eq!(summary[field], count(outcome), "{field} in {summary}");
    }
    // A file that could not be opened has a line and is not among the files that were scanned.
    let opened = usize::try_from(summary["files"].as_u64().unwrap_or(0)).unwrap_or(0);
    let unopened = files.checked_sub(opened).expect("a line for each file");
    assert!(unopened <= count("error"), "{summary}");
    assert!(summary["trouble"].is_null(), "{summary}");
    let expected = match (count("detected"), count("incomplete") + count("error")) {
        (1.., _) => 1,
        (_, 1..) => 2,
        _ => 0,
    };
    assert_eq!(ran.code, Some(expected), "{summary}\n{}", ran.err);
    all
}

fn hold_to_rules(said: &Said) {
    let line = &said.line;
    assert!(!said.names("worker-died"), "{line}");
    match said.outcome.as_str() {
        "detected" => assert!(!said.findings.is_empty(), "{line}"),
        "incomplete" => assert!(!said.incomplete.is_empty(), "{line}"),
        "clean" => assert!(
            said.incomplete.is_empty() && said.findings.is_empty() && line.get("error").is_none(),
            "{line}"
        ),
        _ => assert!(line["error"].is_string(), "{line}"),
    }
}

fn read(line: Value) -> Said {
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(|item| item.as_str().map(str::to_string))
            .collect()
    };
    let findings = line["findings"].as_array().into_iter().flatten();
    Said {
        outcome: line["outcome"].as_str().expect("an outcome").to_string(),
        incomplete: texts(&line["incomplete"]),
        findings: findings
            .map(|finding| finding["name"].as_str().expect("a name").to_string())
            .collect(),
        line,
    }
}
