//! What is answered about recordings that are made here.

use lab::bundle::{Granted, Manifest, MemberEntry, PhaseRecord, Planted, RunName};
use lab::trace::{Access, FileId, Observer};
use lab::ustar;
use lab::{Escaped, lines};
use sha2::{Digest, Sha256};

use super::*;
use crate::flows::tests::{tcp, udp};
use crate::pcapng;

const PAIRS: u32 = 59;

/// What a run's files are, before they are bytes.
struct Made {
    packets: Vec<(bool, Vec<u8>)>,
    is_made: bool,
    phase: EndState,
    opens_documents: usize,
    operation: Option<&'static str>,
    lost: u64,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            packets: Vec::new(),
            is_made: true,
            phase: EndState::Exited(0),
            opens_documents: usize::MAX,
            operation: None,
            lost: 0,
        }
    }
}

fn seed_of(run: &str) -> [u8; 32] {
    canary::derived_seed(&[1; 32], run)
}

/// A bundle of so many pairs, each run as `make` has it.
fn bundle(pairs: u32, make: &dyn Fn(&str, &[canary::Document]) -> Made) -> Vec<u8> {
    let mut plan = Plan::scan_only().unwrap();
    plan.pairs = pairs;
    let mut product =
        Product::of_command(&["reader".to_owned(), "{documents}".to_owned()]).unwrap();
    product.declares.endpoints = vec!["update.example:443".to_owned()];
    let environment = Environment {
        observers: vec![Observer::Tracepoints, Observer::Fanotify],
        documents_path: "/documents/".into(),
        granted: Granted {
            user: Some("root".to_owned()),
            capabilities: Vec::new(),
        },
        ..Environment::default()
    };
    let (mut canaries, mut runs) = (Vec::new(), Vec::new());
    for name in RunName::all(pairs) {
        let run = name.to_string();
        let documents = canary::documents(&seed_of(&run), &plan.documents);
        let made = make(&run, &documents);
        canaries.push(RunCanaries {
            seed: seed_of(&run)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            documents: documents.iter().map(planted).collect(),
            run,
        });
        if made.is_made {
            runs.extend(members_of(name, &made, &documents));
        }
    }
    let mut members = vec![
        (
            bundle::PLAN.to_owned(),
            plan.to_toml().unwrap().into_bytes(),
        ),
        (
            bundle::PRODUCT.to_owned(),
            product.to_toml().unwrap().into_bytes(),
        ),
        (
            bundle::ENVIRONMENT.to_owned(),
            serde_json::to_vec(&environment).unwrap(),
        ),
        (
            bundle::CANARIES.to_owned(),
            serde_json::to_vec(&canaries).unwrap(),
        ),
    ];
    members.extend(runs);
    written(&members)
}

fn planted(document: &canary::Document) -> Planted {
    Planted {
        name: document.name.clone(),
        kind: document.kind,
        marking: document.marking,
        size_bytes: document.bytes.len() as u64,
        sha256: hex(&document.bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn trace_of(made: &Made, documents: &[canary::Document]) -> Vec<u8> {
    use lab::trace::Event;
    let file = |inode| FileId {
        device: "0:1".to_owned(),
        inode,
    };
    let mut events = vec![Event::Exec {
        at: 1,
        pid: 7,
        path: "/usr/bin/reader".into(),
        arguments: Vec::new(),
        file: Some(file(1)),
    }];
    for (document, inode) in documents.iter().take(made.opens_documents).zip(2..) {
        let path = format!("/documents/{}", document.name);
        events.push(Event::Open {
            at: 2,
            pid: 7,
            path: Escaped::from(path.as_str()),
            file: Some(file(inode)),
            access: Access::Read,
        });
    }
    if made.opens_documents > 0 {
        events.push(Event::Read(lab::trace::Transfer {
            pid: 7,
            file: file(2),
            bytes: 10,
            calls: 1,
            first: 2,
            last: 3,
            how: lab::trace::How::Read,
        }));
    }
    if let Some(detail) = made.operation {
        events.push(Event::Privileged {
            at: 3,
            pid: 7,
            operation: "raw-socket".to_owned(),
            detail: detail.into(),
        });
    }
    if made.lost > 0 {
        events.push(Event::Lost {
            observer: Observer::Tracepoints,
            count: made.lost,
        });
    }
    events
        .iter()
        .flat_map(|event| lines::to_line(event).unwrap())
        .collect()
}

fn members_of(
    name: RunName,
    made: &Made,
    documents: &[canary::Document],
) -> Vec<(String, Vec<u8>)> {
    let trace = trace_of(made, documents);
    let phase = PhaseRecord {
        name: "scan".to_owned(),
        start: 0,
        end: 100,
        command: Vec::new(),
        end_state: made.phase.clone(),
        output_offset: 0,
    };
    vec![
        (name.member(bundle::TRACE), trace.clone()),
        (name.member(bundle::OPENS), trace),
        (
            name.member(bundle::CAPTURE),
            pcapng::tests::written(&made.packets),
        ),
        (name.member(bundle::GATEWAY), Vec::new()),
        (name.member(bundle::CHANGES), Vec::new()),
        (name.member(bundle::PHASES), lines::to_line(&phase).unwrap()),
        (name.member(bundle::OUTPUT), b"printed\n".to_vec()),
    ]
}

fn written(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let entries = members.iter().map(|(name, bytes)| MemberEntry {
        name: name.clone(),
        size_bytes: bytes.len() as u64,
        sha256: hex(bytes),
    });
    let manifest = Manifest {
        format: 1,
        candor: "0.1.0".to_owned(),
        members: entries.collect(),
        detectors: detectors(),
        exit: 0,
        outcome: String::new(),
    };
    let mut all = members.to_vec();
    all.push((
        bundle::MANIFEST.to_owned(),
        serde_json::to_vec(&manifest).unwrap(),
    ));
    let mut tar = Vec::new();
    for (name, bytes) in all {
        tar.extend(ustar::header(&name, bytes.len() as u64).unwrap());
        tar.extend(&bytes);
        tar.resize(tar.len() + ustar::padding(bytes.len() as u64), 0);
    }
    tar.extend(ustar::end());
    tar
}

fn answers_about(bytes: &[u8]) -> Answers {
    answer(&Bundle::open(bytes).unwrap()).unwrap()
}

#[test]
fn silence_in_59_pairs_is_no_flow_seen_and_never_more() {
    let answers = answers_about(&bundle(PAIRS, &|_, _| Made::default()));
    assert_eq!(answers.outcome.exit, 0, "{:?}", answers.outcome);
    assert!(answers.outcome.reasons[0].contains("says nothing about dormant"));
    assert_eq!(answers.complete_runs, 2 * PAIRS);
    assert_eq!(answers.triggers, ["scan"]);
    let class = &answers.collects.files_read.as_value().unwrap()[0];
    assert_eq!(
        (class.class.as_str(), class.files, class.bytes),
        ("documents", 1, 10 * 2 * u64::from(PAIRS))
    );
    let page = crate::html(&answers);
    assert!(!page.to_lowercase().contains("does not leak") && !page.contains("<script"));
}

#[test]
fn what_would_make_silence_worthless_is_not_conclusive() {
    type Case = (&'static str, u32, fn() -> Made);
    let cases: [Case; 9] = [
        ("too few", PAIRS - 1, Made::default),
        ("not complete", PAIRS, || Made {
            phase: EndState::Failed("no such program".to_owned()),
            ..Made::default()
        }),
        ("could not be started", PAIRS, || Made {
            phase: EndState::Exited(127),
            ..Made::default()
        }),
        ("documents were never opened", PAIRS, || Made {
            opens_documents: 0,
            ..Made::default()
        }),
        ("lost events", PAIRS, || Made {
            lost: 1,
            ..Made::default()
        }),
        ("sockets that the enclosure refuses", PAIRS, || Made {
            operation: Some("2, 3, 1 refused: Operation not permitted"),
            ..Made::default()
        }),
        ("sockets that the enclosure refuses", PAIRS, || Made {
            operation: Some("40, 1, 0 refused: Address family not supported by protocol"),
            ..Made::default()
        }),
        // Nobody but the first document's reader was seen.
        ("run 0003-b: ", PAIRS, || Made {
            opens_documents: 1,
            ..Made::default()
        }),
        ("packets left", PAIRS, || Made {
            packets: vec![(false, udp(b"hello"))],
            ..Made::default()
        }),
    ];
    for (expected, pairs, make) in cases {
        let answers = answers_about(&bundle(pairs, &|run, _| {
            if run == "0003-b" || pairs < PAIRS {
                make()
            } else {
                Made::default()
            }
        }));
        assert_eq!(answers.outcome.exit, 2, "{expected}");
        let reasons = answers.outcome.reasons.join(" ");
        assert!(reasons.contains(expected), "{expected}: {reasons}");
    }
}

#[test]
fn a_scanner_that_read_next_to_nothing_is_not_conclusive_and_told() {
    let answers = answers_about(&bundle(PAIRS, &|_, _| Made {
        phase: EndState::Exited(70),
        opens_documents: 1,
        ..Made::default()
    }));
    assert_eq!(answers.outcome.exit, 2);
    let all = canary::documents(&seed_of("0001-a"), &Plan::scan_only().unwrap().documents).len();
    let reason = &answers.outcome.reasons[0];
    let expected = format!(
        "run 0001-a: {} of {all} documents were never opened",
        all - 1
    );
    assert!(reason.starts_with(&expected), "{reason}");
    let expected = "(scan: status 70); what it printed is in runs/0001-a/output.txt: tar -xOf BUNDLE runs/0001-a/output.txt";
    assert!(reason.ends_with(expected), "{reason}");
    assert_eq!(answers.phases[0].phase, "scan");
    let end = &answers.phases[0].ends[0];
    assert_eq!((end.end.as_str(), end.runs), ("status 70", 2 * PAIRS));
}

#[test]
fn sockets_within_the_machine_are_no_attempt_to_leave() {
    let details = [
        "16, 3, 9 refused: Protocol not supported",
        "16, 3, 0 = 3",
        "17, 3, 768 = 4",
    ];
    for detail in details {
        let answers = answers_about(&bundle(PAIRS, &|run, _| Made {
            operation: (run == "0003-b").then_some(detail),
            ..Made::default()
        }));
        assert_eq!(answers.outcome.exit, 0, "{:?}", answers.outcome);
    }
}

#[test]
fn runs_that_were_not_made_are_not_told_as_damaged() {
    let answers = answers_about(&bundle(PAIRS, &|run, _| Made {
        phase: EndState::Failed("no such program".to_owned()),
        is_made: run == "0001-a",
        ..Made::default()
    }));
    let reasons = answers.outcome.reasons.join("\n");
    assert_eq!(answers.outcome.exit, 2);
    assert!(
        reasons.contains("run 0001-b: it was not made, since 0001-a failed"),
        "{reasons}"
    );
    assert!(!reasons.contains("missing"), "{reasons}");
    let gap = &answers.gaps[0];
    assert_eq!(gap.runs, 2 * PAIRS - 1, "{:?}", answers.gaps);
}

#[test]
fn a_canary_in_one_run_decides() {
    let bytes = bundle(1, &|run, documents| {
        let mut made = Made::default();
        if run == "0001-b" {
            let secret = &documents[0].secrets[0].bytes[10..60];
            let (first, second) = secret.split_at(20);
            made.packets = vec![
                (false, tcp(true, 99, 2, b"")),
                (false, tcp(true, 100, 0x10, first)),
                (false, tcp(true, 120, 0x10, second)),
            ];
        }
        made
    });
    let answers = answers_about(&bytes);
    assert_eq!(answers.outcome.exit, 1);
    let hits = answers.collects.canaries.as_value().unwrap();
    assert_eq!(hits.len(), 1);
    assert_eq!(
        (hits[0].remote.as_str(), hits[0].runs),
        ("198.18.0.9:80", 1)
    );
    assert_eq!(
        hits[0].pointers[0],
        Pointer {
            member: "runs/0001-b/capture.pcapng".to_owned(),
            place: Place::Packet(2)
        }
    );
    assert_eq!(hits[0].phase.as_deref(), Some("scan"));
    let flows = answers.declared.undeclared_flows.as_value().unwrap();
    assert!(flows[0].starts_with("tcp 198.18.0.9:80"), "{flows:?}");
}

#[test]
fn lost_events_make_what_depends_on_them_unknown() {
    let answers = answers_about(&bundle(1, &|_, _| Made {
        lost: 3,
        ..Made::default()
    }));
    assert!(answers.collects.files_read.as_value().is_none());
    assert!(answers.collects.executed.as_value().is_none());
    assert!(answers.collects.privileges.as_value().is_none());
    assert!(answers.collects.endpoints.as_value().is_some());
    assert!(
        answers
            .gaps
            .iter()
            .any(|gap| gap.what.contains("lost events") && gap.runs == 2)
    );
}

#[test]
fn the_same_bytes_give_the_same_answers() {
    let bytes = bundle(2, &|_, documents| Made {
        packets: vec![(false, udp(documents[0].name.as_bytes()))],
        ..Made::default()
    });
    let once = serde_json::to_string(&answers_about(&bytes)).unwrap();
    assert_eq!(once, serde_json::to_string(&answers_about(&bytes)).unwrap());
    let again: Answers = serde_json::from_str(&once).unwrap();
    assert_eq!(again, answers_about(&bytes));
}

#[test]
fn a_bundle_that_is_cut_or_changed_anywhere_is_refused() {
    let bytes = bundle(1, &|_, _| Made::default());
    assert!(Bundle::open(&bytes).is_ok());
    for length in (0..bytes.len()).step_by(97) {
        assert!(Bundle::open(&bytes[..length]).is_err(), "{length}");
    }
    for place in (0..bytes.len()).step_by(101) {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        if let Ok(bundle) = Bundle::open(&changed) {
            // The manifest vouches for all but itself.
            let manifest = bytes
                .windows(11)
                .rposition(|window| window == b"bundle.json")
                .unwrap();
            assert!(place > manifest, "{place}");
            drop(bundle);
        }
    }
}
