//! A message between processes: what is understood is written again as it was read.

use proto::{
    Decode, Describe, Detail, Encode, Finding, JailReport, Layer, LayerState, MESSAGE_BYTES_MAX,
    Match, PackSummary, PendingKind, Probe, ProbeResult, Reason, Reply, Request, RuleRef, ScanItem,
    ScanOptions, THREATS, Verdict,
};

use super::Target;

/// Reads the input as a request and as a reply.
pub(super) fn check(_: &Target, input: &[u8]) {
    let input = input.get(..MESSAGE_BYTES_MAX).unwrap_or(input);
    read_again::<Request>(input);
    read_again::<Reply>(input);
}

fn read_again<T: Encode + Decode + PartialEq>(input: &[u8]) {
    let Ok(first) = T::from_message(input) else {
        return;
    };
    let second = T::from_message(&first.to_message());
    assert!(
        second.is_ok_and(|second| second == first),
        "a message means something else once it is written again"
    );
}

/// One message of each kind, with something in each list.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let word = || "word".to_owned();
    let summary = PackSummary {
        signatures: 7,
        yara_rules: 3,
        pending: vec![PendingKind {
            source: word(),
            count: 2,
            why: word(),
        }],
        dropped: 1,
        unverified: vec![word()],
    };
    let requests = [
        Request::Scan {
            options: ScanOptions::default(),
            items: vec![ScanItem { ticket: 1 }, ScanItem { ticket: 2 }],
        },
        Request::CompileSources(vec![proto::CompileSource { label: word() }]),
        Request::CompileInto(vec![proto::Definition {
            name: word(),
            value: proto::DefinitionValue::Integer(-1),
        }]),
        Request::Describe(Describe::Explain(word())),
        Request::Judge(proto::Question {
            task: word(),
            settings: vec![proto::Setting {
                key: word(),
                value: word(),
            }],
            files: vec![proto::NamedFile {
                part: word(),
                label: word(),
            }],
        }),
    ];
    let replies = [
        Reply::Ready {
            jail: jail(),
            pack: Some(summary.clone()),
        },
        Reply::Refused(word()),
        Reply::Verdict {
            ticket: 1,
            verdict: verdict(),
        },
        Reply::Compiled {
            pack_bytes: 4_096,
            yara_bytes: 512,
            summary,
        },
        Reply::YaraCompiled(512),
        Reply::YaraReady,
        Reply::CompileFailed(word()),
        Reply::Text(vec![word(), word()]),
        Reply::TextEnd(Some(word())),
    ];
    let requests = requests.iter().map(Encode::to_message);
    requests
        .chain(replies.iter().map(Encode::to_message))
        .collect()
}

fn jail() -> JailReport {
    let layers = Layer::ALL.into_iter().zip([
        LayerState::Active,
        LayerState::Missing("the kernel lacks it".to_owned()),
    ]);
    JailReport {
        layers: layers.collect(),
        probes: THREATS
            .into_iter()
            .map(|threat| Probe {
                threat,
                attempt: "open".to_owned(),
                result: ProbeResult::Refused(1),
            })
            .collect(),
    }
}

fn verdict() -> Verdict {
    let mut verdict = Verdict {
        kind: "zip".to_owned(),
        sha256: Some([7; 32]),
        ..Verdict::default()
    };
    verdict.findings.push(Finding {
        name: "Test".to_owned(),
        rule: RuleRef::default(),
        member: vec![b"a\0\xff".to_vec()],
        match_bytes: vec![vec![1, 2]],
        matches: vec![Match {
            offset: 5,
            length: 68,
        }],
    });
    verdict.note(Detail {
        reason: Reason::Encrypted,
        member: vec![b"b".to_vec()],
        text: "one member is encrypted".to_owned(),
    });
    verdict
}
