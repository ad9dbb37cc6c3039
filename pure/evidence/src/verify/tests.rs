//! Every way in which evidence does not count, and the one in which it does.

use super::*;
use crate::collect::tests::bundle;
use crate::collect::{Input, collect};
use crate::examples::{BUILD, RECORDING, key, record, sealed, signed};
use crate::{Counter, Method};

/// A policy that asks Lab A or Lab B whether canaries left.
pub(crate) fn policy() -> String {
    let digits = |letter| seal::hex::encode(&key(letter).public().to_bytes());
    format!(
        r#"{{
        "format": "candor-trust-1",
        "name": "example",
        "subject": {{"artifacts": [{{"name": "example", "sha256": "{}"}}]}},
        "signers": [
            {{"name": "Lab A", "keys": ["{}"], "party": "independent"}},
            {{"name": "Lab B", "keys": ["{}"], "party": "independent",
              "predicates": ["canary_left"]}},
            {{"name": "Maker", "keys": ["{}"], "party": "vendor"}}
        ],
        "steps": [{{"name": "nothing leaves", "predicate": "canary_left", "value": false,
            "signers": ["Lab A"], "at_least": 1}}],
        "attachments": "required"
        }}"#,
        Sha256Digest::of(BUILD),
        digits(b'A'),
        digits(b'B'),
        digits(b'M'),
    )
}

fn day() -> Date {
    Date::parse("2026-11-24").unwrap()
}

fn judged(policy: &str, day: Date, envelopes: &[String]) -> Verified {
    let names: Vec<String> = (0..envelopes.len())
        .map(|at| format!("statements/{at:04}.json"))
        .collect();
    let mut members: Vec<(&str, &[u8])> = Vec::new();
    for (name, envelope) in names.iter().zip(envelopes) {
        members.push((name, envelope.as_bytes()));
    }
    members.push(("blobs/recording", RECORDING));
    let bundle = bundle(&members);
    let trust = Trust::read(policy.as_bytes(), None, day).unwrap();
    let input = Input {
        label: "bundle",
        source: &bundle.as_slice(),
    };
    verify(&trust, day, &collect(&[input]))
}

fn refused(verified: &Verified) -> Vec<&'static str> {
    assert_eq!(verified.satisfied, verified.refusals.is_empty());
    let refusals = verified.refusals.iter();
    refusals.map(|one| one.name.as_str()).collect()
}

fn honest() -> Record {
    record("canary_left", Fact::Flag(false))
}

#[test]
fn what_was_asked_for_and_shown_is_enough() {
    let verified = judged(&policy(), day(), &[signed(&[honest()], &[key(b'A')])]);
    assert!(verified.satisfied, "{:?}", verified.refusals);
    assert_eq!(verified.steps[0].shown_by, ["Lab A (observed)"]);
    assert!(verified.records[0].may_reassure());
}

#[test]
fn an_unknown_signer_is_refused_and_may_be_ignored() {
    let by_nobody = signed(&[honest()], &[key(b'X')]);
    let verified = judged(&policy(), day(), std::slice::from_ref(&by_nobody));
    assert_eq!(
        refused(&verified),
        ["unknown-signer", "missing-step", "unknown-signer"]
    );
    let lenient = policy().replacen("{", "{\"unknown_signers\": \"ignore\",", 1);
    let both = [by_nobody, signed(&[honest()], &[key(b'A')])];
    assert!(judged(&lenient, day(), &both).satisfied);
    assert!(!judged(&policy(), day(), &both).satisfied);
}

#[test]
fn a_signature_that_is_not_by_the_key_it_names_is_refused() {
    let good = signed(&[honest()], &[key(b'A')]);
    let other = signed(&[record("canary_left", Fact::Flag(true))], &[key(b'A')]);
    let start = |text: &str| text.find("\"payloadType\"").unwrap();
    let forged = format!("{}{}", &good[..start(&good)], &other[start(&other)..]);
    let verified = judged(&policy(), day(), &[forged]);
    assert!(refused(&verified).starts_with(&["bad-signature", "unknown-signer"]));
}

#[test]
fn another_build_rule_release_or_region_is_the_wrong_subject() {
    let mut other = honest();
    other.subject.artifacts[0].sha256 = Sha256Digest::of(b"another program");
    let verified = judged(&policy(), day(), &[signed(&[other], &[key(b'A')])]);
    assert_eq!(refused(&verified), ["missing-step", "wrong-subject"]);
    let wanted = |key: &str, value: &str| {
        let subject = format!("\"subject\": {{\"{key}\": \"{value}\",");
        policy().replacen("\"subject\": {", &subject, 1)
    };
    let digest = Sha256Digest::of(b"configuration").to_string();
    for (key_name, value) in [
        ("region", "GB"),
        ("rule_release", "main 63"),
        ("configuration", digest.as_str()),
    ] {
        let policy = wanted(key_name, value);
        let verified = judged(&policy, day(), &[signed(&[honest()], &[key(b'A')])]);
        assert_eq!(refused(&verified), ["missing-step", "wrong-subject"]);
        let mut right = honest();
        right.subject.region = (key_name == "region").then(|| value.to_owned());
        right.subject.rule_release = (key_name == "rule_release").then(|| value.to_owned());
        right.subject.configuration = Sha256Digest::parse(value);
        assert!(judged(&policy, day(), &[signed(&[right], &[key(b'A')])]).satisfied);
    }
}

#[test]
fn evidence_counts_in_its_time_only() {
    let envelope = [signed(&[honest()], &[key(b'A')])];
    for (day, wanted) in [
        ("2026-10-31", vec!["missing-step", "not-yet"]),
        ("2026-11-01", vec![]),
        ("2027-05-01", vec![]),
        ("2027-05-02", vec!["missing-step", "expired"]),
    ] {
        let verified = judged(&policy(), Date::parse(day).unwrap(), &envelope);
        assert_eq!(refused(&verified), wanted, "{day}");
    }
    let young = policy().replacen("\"at_least\": 1", "\"age_days_max\": 20", 1);
    assert_eq!(refused(&judged(&young, day(), &envelope)), ["missing-step"]);
}

#[test]
fn evidence_that_is_not_attached_is_missed() {
    let mut record = honest();
    record.evidence[0].sha256 = Sha256Digest::of(b"something else");
    let envelope = [signed(&[record], &[key(b'A')])];
    let verified = judged(&policy(), day(), &envelope);
    assert_eq!(refused(&verified), ["missing-step", "evidence-missing"]);
    let lenient = policy().replace("\"required\"", "\"optional\"");
    assert!(judged(&lenient, day(), &envelope).satisfied);
}

#[test]
fn a_conflict_is_named_and_never_resolved() {
    let leaks = record("canary_left", Fact::Flag(true));
    for other in [b'B', b'A'] {
        let both = [
            signed(&[honest()], &[key(b'A')]),
            signed(std::slice::from_ref(&leaks), &[key(other)]),
        ];
        let verified = judged(&policy(), day(), &both);
        let names = refused(&verified);
        assert!(names.contains(&"contradicted") && names.contains(&"missing-step"));
    }
    // The maker's own admission counts too.
    let mut admission = leaks;
    admission.method = Method::VendorStated;
    let both = [
        signed(&[honest()], &[key(b'A')]),
        signed(&[admission], &[key(b'M')]),
    ];
    assert!(refused(&judged(&policy(), day(), &both)).contains(&"contradicted"));
}

#[test]
fn every_attestor_is_evaluated_wherever_the_bad_one_stands() {
    let good = signed(&[honest()], &[key(b'A')]);
    let bad = signed(&[record("canary_left", Fact::Flag(true))], &[key(b'B')]);
    for at in 0..5 {
        let mut envelopes = vec![good.clone(); 4];
        envelopes.insert(at, bad.clone());
        let verified = judged(&policy(), day(), &envelopes);
        assert!(refused(&verified).contains(&"contradicted"), "{at}");
    }
}

#[test]
fn the_maker_reassures_about_nothing() {
    let of_vendor = policy().replace("\"signers\": [\"Lab A\"]", "\"signers\": [\"Maker\"]");
    let mut stated = honest();
    stated.method = Method::VendorStated;
    let verified = judged(&of_vendor, day(), &[signed(&[stated], &[key(b'M')])]);
    assert_eq!(refused(&verified), ["missing-step"]);
    assert!(!verified.records[0].may_reassure());
    // Nor by calling its word an observation.
    let verified = judged(&of_vendor, day(), &[signed(&[honest()], &[key(b'M')])]);
    assert_eq!(refused(&verified), ["missing-step"]);
    assert!(!verified.records[0].may_reassure());
    // Nor by signing what a lab observed.
    let verified = judged(
        &of_vendor,
        day(),
        &[signed(&[honest()], &[key(b'A'), key(b'M')])],
    );
    assert_eq!(refused(&verified), ["missing-step"]);
}

#[test]
fn an_admission_that_the_maker_calls_an_observation_is_not_lost() {
    let leaks = record("canary_left", Fact::Flag(true));
    for method in [Method::Observed, Method::Reproduced] {
        let mut leaks = leaks.clone();
        leaks.method = method;
        let envelopes = [
            signed(&[honest()], &[key(b'A')]),
            signed(&[leaks], &[key(b'M')]),
        ];
        let stated = policy().replacen(
            "\"party\": \"vendor\"",
            "\"party\": \"vendor\", \"methods\": [\"vendor-stated\"]",
            1,
        );
        for policy in [policy(), stated] {
            let verified = judged(&policy, day(), &envelopes);
            assert_eq!(
                refused(&verified),
                ["contradicted", "wrong-value", "missing-step"]
            );
            assert_eq!(verified.records[1].record.method, Method::VendorStated);
        }
    }
}

#[test]
fn what_does_not_count_is_told_where_the_step_is_met() {
    let mut ended = record("canary_left", Fact::Flag(true));
    ended.expires = Some(Date::parse("2026-11-20").unwrap());
    let envelopes = [
        signed(&[honest()], &[key(b'A')]),
        signed(&[ended], &[key(b'A')]),
    ];
    let verified = judged(&policy(), day(), &envelopes);
    assert!(verified.satisfied, "{:?}", verified.refusals);
    let note = &verified.notes[0];
    assert!(
        note.contains("its time is over") && note.contains("canary_left is yes"),
        "{note}"
    );
}

#[test]
fn who_may_speak_of_one_thing_may_not_of_another() {
    let mut step = policy().replace("\"signers\": [\"Lab A\"]", "\"signers\": [\"Lab B\"]");
    step = step.replace(
        "\"predicate\": \"canary_left\"",
        "\"predicate\": \"jail_holds\"",
    );
    let said = record("jail_holds", Fact::Flag(false));
    let verified = judged(&step, day(), &[signed(&[said], &[key(b'B')])]);
    assert_eq!(refused(&verified), ["missing-step", "not-entitled"]);
}

#[test]
fn two_that_are_asked_for_are_two_parties() {
    let two = policy()
        .replace(
            "\"signers\": [\"Lab A\"]",
            "\"signers\": [\"Lab A\", \"Lab B\"]",
        )
        .replace("\"at_least\": 1", "\"at_least\": 2");
    let once = signed(&[honest()], &[key(b'A')]);
    let twice = [once.clone(), once];
    assert_eq!(refused(&judged(&two, day(), &twice)), ["missing-step"]);
    let both = [signed(&[honest()], &[key(b'A'), key(b'B')])];
    assert!(judged(&two, day(), &both).satisfied);
}

#[test]
fn what_is_not_understood_is_refused() {
    let statement = |kind: &str, predicate: &str| {
        format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"{kind}",
            "subject":[{{"name":"x","digest":{{"sha256":"{}"}}}}],"predicate":{predicate}}}"#,
            Sha256Digest::of(BUILD)
        )
    };
    let unknown_type = statement("https://example.org/new/v9", "{}");
    let unknown_predicate = String::from_utf8(crate::statement::payload_of(&[honest()]).unwrap())
        .unwrap()
        .replace("canary_left", "canary_flew");
    for payload in [unknown_type, unknown_predicate] {
        let envelope = sealed(IN_TOTO, payload.as_bytes(), &[key(b'A')]);
        let verified = judged(&policy(), day(), std::slice::from_ref(&envelope));
        assert_eq!(refused(&verified), ["unknown-predicate", "missing-step"]);
        let lenient = policy().replacen("{", "{\"unknown_predicates\": \"ignore\",", 1);
        let good = signed(&[honest()], &[key(b'A')]);
        assert!(judged(&lenient, day(), &[envelope, good]).satisfied);
    }
}

#[test]
fn unknown_is_no_reassurance_and_counter_evidence_is_told() {
    let mut unknown = honest();
    unknown.value = Value::Unknown("the capture was lost".to_owned());
    let verified = judged(&policy(), day(), &[signed(&[unknown], &[key(b'A')])]);
    assert_eq!(refused(&verified), ["missing-step"]);
    assert!(verified.notes[0].contains("the capture was lost"));
    let mut doubted = honest();
    doubted.counter.push(Counter {
        text: "one stream was not opened".to_owned(),
        evidence: Vec::new(),
    });
    let verified = judged(&policy(), day(), &[signed(&[doubted], &[key(b'A')])]);
    assert!(verified.satisfied);
    assert!(verified.notes[0].contains("one stream was not opened"));
}

#[test]
fn nothing_signed_is_nothing_shown() {
    let verified = judged(&policy(), day(), &[]);
    assert_eq!(refused(&verified), ["unsigned", "missing-step"]);
}

#[test]
fn no_changed_byte_of_a_bundle_is_let_through() {
    let envelope = signed(&[honest()], &[key(b'A')]);
    let whole = bundle(&[
        ("statements/0001.json", envelope.as_bytes()),
        ("blobs/recording", RECORDING),
    ]);
    let trust = Trust::read(policy().as_bytes(), None, day()).unwrap();
    let satisfied = |bytes: &[u8]| {
        let input = Input {
            label: "bundle",
            source: &bytes,
        };
        verify(&trust, day(), &collect(&[input])).satisfied
    };
    assert!(satisfied(&whole));
    let ends = whole.len() - 1024;
    let mut let_through = Vec::new();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        // Padding is part of no member; what lies there is read by nobody.
        if satisfied(&changed) && !is_padding(&whole, at) {
            let_through.push(at);
        }
        if at % 64 == 0 {
            assert!(!satisfied(&whole[..at]), "{at}");
        }
    }
    assert!(ends > 0 && let_through.is_empty(), "{let_through:?}");
}

/// Whether a byte lies between a member's end and the next block.
fn is_padding(archive: &[u8], at: usize) -> bool {
    let members = crate::archive::members(&archive).unwrap();
    members.iter().any(|member| {
        let end = usize::try_from(member.range.offset + member.range.size_bytes).unwrap();
        (end..end.next_multiple_of(512)).contains(&at)
    })
}
