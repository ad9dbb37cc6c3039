//! What is printed: lines, escapes, colours and sums.

use super::human::{Human, Paint};
use super::*;
use proto::{Finding, Reason, RuleRef};

fn facts(origin: Origin) -> PackFacts {
    PackFacts {
        sha256: [0xab; 32],
        origin,
        summary: PackSummary {
            yara_rules: 0,
            signatures: 284_000,
            pending: vec![proto::PendingKind {
                source: "main.ldb".into(),
                count: 38_889,
                why: "logical signatures".into(),
            }],
            dropped: 2,
            unverified: vec!["daily.cvd: signature NOT verified: another body".into()],
        },
        ignored: vec!["README".into()],
        notes: Vec::new(),
    }
}

fn human(detail: Detail) -> Human {
    Human {
        detail,
        paint: Paint::Plain,
    }
}

fn detected() -> Verdict {
    Verdict {
        kind: "zip".into(),
        findings: vec![Finding {
            name: "Eicar\x1b[2J".into(),
            rule: RuleRef {
                kind: "ndb".into(),
                source: "a.ndb".into(),
                line: 7,
                sha256: [1; 32],
            },
            member: vec![b"in\xff".to_vec()],
            matches: vec![proto::Match {
                offset: 3,
                length: 4,
            }],
            match_bytes: Vec::new(),
        }],
        ..Verdict::default()
    }
}

fn incomplete(reason: Reason, text: &str) -> Verdict {
    let mut verdict = Verdict::default();
    verdict.note(proto::Detail {
        reason,
        member: Vec::new(),
        text: text.into(),
    });
    verdict
}

fn lines(detail: Detail, path: &str, verdict: &Verdict) -> String {
    human(detail).record(&Record {
        path: Path::new(path),
        look: Look::Answered(verdict),
        quarantine: None,
    })
}

#[test]
fn each_outcome_has_its_line() {
    let found = lines(Detail::Normal, "a\nb", &detected());
    assert_eq!(found, "a\\nb: Eicar\\u{1b}[2J FOUND\n    in in\\xff\n");
    let encrypted = incomplete(Reason::Encrypted, "member \"a.txt\" is encrypted");
    assert_eq!(
        lines(Detail::Normal, "z.zip", &encrypted),
        "z.zip: incomplete: encrypted (member \"a.txt\" is encrypted)\n"
    );
    assert_eq!(lines(Detail::Normal, "c", &Verdict::default()), "");
    assert!(lines(Detail::Verbose, "c", &Verdict::default()).starts_with("c: clean\n"));
    let failed = human(Detail::Quiet).record(&Record {
        path: Path::new("d"),
        look: Look::Failed("permission denied"),
        quarantine: Some(&Err("read-only file system".into())),
    });
    assert_eq!(
        failed,
        "d: error: permission denied\nd: error: not quarantined: read-only file system\n"
    );
}

#[test]
fn the_starter_pack_speaks_in_the_summary() {
    let only = incomplete(Reason::StarterSignaturesOnly, "starter");
    assert_eq!(lines(Detail::Normal, "a", &only), "");
    assert!(lines(Detail::Verbose, "a", &only).contains("starter-signatures-only"));
    let end = End {
        elapsed_ms: 1_234,
        exit_code: 2,
    };
    let mut tally = Tally::default();
    tally.add(&Record {
        path: Path::new("a"),
        look: Look::Answered(&only),
        quarantine: None,
    });
    tally.skip(Skip::Pipe);
    let text = human(Detail::Normal).summary(&tally, &facts(Origin::Starter), end);
    for part in [
        "Scanned: 1 file\n",
        "Incomplete: 1\n  starter-signatures-only: 1\n",
        "Skipped: 1 named pipe\n",
        "in 1.234 s",
        "284,000 from the starter pack (pack abababababab)",
        "not yet compiled: 38,889 lines of main.ldb (logical signatures)",
        "Dropped: 2 lines",
        "\nNot verified: daily.cvd (another body)\n",
        "candor scan --db DIRECTORY PATH",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert_eq!(
        human(Detail::Quiet).summary(&tally, &facts(Origin::Starter), end),
        ""
    );
    assert!(
        human(Detail::Quiet)
            .quiet_warning(&facts(Origin::Starter))
            .is_some()
    );
}

#[test]
fn colours_change_no_line_start() {
    let colourful = Human {
        detail: Detail::Normal,
        paint: Paint::Colours,
    };
    let text = colourful.record(&Record {
        path: Path::new("a"),
        look: Look::Answered(&detected()),
        quarantine: None,
    });
    assert!(
        text.starts_with("a: Eicar\\u{1b}[2J \x1b[1;31mFOUND\x1b[0m\n"),
        "{text:?}"
    );
}

#[test]
fn exit_codes_follow_from_the_counts() {
    let count = |verdicts: &[Verdict]| {
        let mut tally = Tally::default();
        for verdict in verdicts {
            tally.add(&Record {
                path: Path::new("a"),
                look: Look::Answered(verdict),
                quarantine: None,
            });
        }
        tally
    };
    let encrypted = incomplete(Reason::Encrypted, "x");
    let starter = incomplete(Reason::StarterSignaturesOnly, "x");
    let (fail, report) = (IncompletePolicy::Fail, IncompletePolicy::Report);
    assert_eq!(count(&[]).exit_code(fail), 0);
    assert_eq!(count(&[Verdict::default()]).exit_code(fail), 0);
    assert_eq!(count(std::slice::from_ref(&encrypted)).exit_code(fail), 2);
    assert_eq!(count(std::slice::from_ref(&encrypted)).exit_code(report), 0);
    assert_eq!(count(&[starter]).exit_code(report), 2);
    assert_eq!(count(&[encrypted, detected()]).exit_code(fail), 1);
    let mut failed = Tally::default();
    failed.add(&Record {
        path: Path::new("a"),
        look: Look::Failed("gone"),
        quarantine: None,
    });
    assert_eq!(failed.exit_code(report), 2);
}

#[test]
fn sizes_that_a_worker_made_up_do_not_overflow() {
    let boast = Verdict {
        size_bytes: u64::MAX,
        objects: u64::MAX,
        elapsed_us: u64::MAX,
        findings_omitted: u64::MAX,
        ..detected()
    };
    let mut tally = Tally::default();
    for _ in 0..3 {
        tally.add(&Record {
            path: Path::new("a"),
            look: Look::Answered(&boast),
            quarantine: None,
        });
    }
    assert_eq!((tally.bytes, tally.files), (u64::MAX, 3));
    let mut pack = facts(Origin::Starter);
    let row = pack.summary.pending[0].clone();
    pack.summary.pending = vec![
        proto::PendingKind {
            count: u64::MAX,
            ..row
        };
        9
    ];
    pack.summary.dropped = u64::MAX;
    let end = End {
        elapsed_ms: u64::MAX,
        exit_code: 1,
    };
    let text = human(Detail::Normal).summary(&tally, &pack, end);
    let most = "18,446,744,073,709,551,615";
    let rest = format!("not yet compiled: {most} lines of other files");
    assert!(text.contains(&rest), "{text}");
    assert!(lines(Detail::Verbose, "a", &boast).contains(most));
}

#[test]
fn json_names_the_containers_that_are_not_verified() {
    let end = End {
        elapsed_ms: 1,
        exit_code: 0,
    };
    let text = json::summary(&Tally::default(), &facts(Origin::Starter), end);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let unverified = &value["summary"]["pack"]["unverified"];
    assert_eq!(*unverified, serde_json::json!(["daily.cvd: another body"]));
}

#[test]
fn json_keeps_names_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;
    let path = Path::new(std::ffi::OsStr::from_bytes(b"x\xff\xc2\x9b"));
    let moved = Ok(Moved {
        id: "00ff".into(),
        other_links: 1,
    });
    let text = json::record(
        &Record {
            path,
            look: Look::Answered(&detected()),
            quarantine: Some(&moved),
        },
        &facts(Origin::Starter),
    );
    assert!(text.is_ascii() || !text.contains('\u{9b}'), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["path"], "x\u{fffd}\u{9b}");
    assert_eq!(value["path_bytes_hex"], "78ffc29b");
    assert_eq!(value["outcome"], "detected");
    assert_eq!(value["findings"][0]["member_hex"][0], "696eff");
    assert_eq!(value["findings"][0]["rule"]["line"], 7);
    assert_eq!(value["quarantined"]["id"], "00ff");
    assert_eq!(value["pack"]["signatures"], 284_000);
}
