//! Four cases from life, and how evidence is counted.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use evidence::{Held, Party, Record, Signer, Standing};
use policy::{
    Case, Date, Decision, Dossier, FactName, Outcome, Pack, System, Truth, decide, to_html,
    to_json, to_text, write_json,
};

fn shipped<'t>(list: &'t [(&'t str, &'t str)], name: &str) -> &'t str {
    list.iter().find(|(known, _)| *known == name).expect(name).1
}

fn system(name: &str) -> System {
    System::parse(shipped(policy::shipped_systems(), name)).unwrap()
}

fn dossier(name: &str) -> Dossier {
    Dossier::parse(shipped(policy::shipped_dossiers(), name)).unwrap()
}

fn pack(name: &str) -> Pack {
    Pack::parse(shipped(policy::shipped_packs(), name)).unwrap()
}

fn day() -> Date {
    Date::parse("2026-11-24").unwrap()
}

fn decided(names: (&str, &str, &str), evidence: &[Held]) -> Decision {
    let (system, dossier, pack) = (system(names.0), dossier(names.1), pack(names.2));
    decide(&case((&system, &dossier, &pack), evidence))
}

fn case<'c>(of: (&'c System, &'c Dossier, &'c Pack), evidence: &'c [Held]) -> Case<'c> {
    Case {
        system: of.0,
        dossier: of.1,
        evidence,
        evidence_notes: &[],
        pack: of.2,
        acceptance: None,
        as_of: day(),
    }
}

/// A record about the build with this digest, as an independent lab would sign it.
fn held(digest: &str, predicate: &str, value: &str) -> Held {
    let record = format!(
        "{{\"subject\": {{\"product\": \"P\", \"artifacts\": [{{\"name\": \"p\", \
         \"sha256\": \"{digest}\"}}]}}, \"predicate\": \"{predicate}\", \"value\": {value}, \
         \"asserted_by\": \"Lab Y\", \"method\": \"observed\", \"evidence\": [], \
         \"as_of\": \"2026-11-01\", \"expires\": \"2026-12-31\", \"confidence\": \"high\"}}"
    );
    let record: Record = serde_json::from_str(&record).unwrap();
    Held {
        record,
        standing: Standing::Counts,
        signers: vec![signer(Party::Independent)],
        found_in: "a bundle".to_owned(),
        written_as: "candor".to_owned(),
    }
}

fn signer(party: Party) -> Signer {
    Signer {
        name: "Lab Y".to_owned(),
        key_id: "k".to_owned(),
        party,
    }
}

fn polder() -> String {
    "e".repeat(64)
}

fn truth(evidence: &[Held], fact: FactName) -> Truth {
    let decision = decided(
        ("treaty-desk", "fictional-polder", "department-template"),
        evidence,
    );
    decision.fact(fact).unwrap().truth
}

#[test]
fn an_updater_that_installs_another_product_answers_the_third_question() {
    let decision = decided(
        (
            "treaty-desk",
            "kaspersky-endpoint-security-linux",
            "department-template",
        ),
        &[],
    );
    let changed = decision.fact(FactName::ChangedFromOutside).unwrap();
    assert_eq!(changed.truth, Truth::True);
    assert!(
        changed
            .because
            .iter()
            .any(|reason| reason.text.contains("UltraAV"))
    );
    assert_eq!(decision.outcome, Outcome::AdvisedAgainst);
}

#[test]
fn a_build_that_only_labs_get_reassures_nobody() {
    let other = "9".repeat(64);
    assert_eq!(
        truth(
            &[held(&other, "canary_left", "false")],
            FactName::CollectsContent
        ),
        Truth::Unknown
    );
    assert_eq!(
        truth(
            &[held(&polder(), "canary_left", "false")],
            FactName::CollectsContent
        ),
        Truth::False
    );
}

#[test]
fn a_nice_flag_does_not_help_updates_that_are_not_authenticated() {
    let evidence = [held(&polder(), "update_channel_authenticated", "false")];
    let decision = decided(
        ("home-computer", "fictional-polder", "department-template"),
        &evidence,
    );
    assert_eq!(decision.outcome, Outcome::AdvisedAgainst);
    let decided: Vec<_> = decision
        .rules
        .iter()
        .filter(|fired| fired.decided)
        .collect();
    assert_eq!(decided.len(), 1, "T2 alone");
}

#[test]
fn an_order_that_names_a_company_counts_whatever_its_flag() {
    let text = shipped(policy::shipped_dossiers(), "fictional-albion-shield");
    let swiss = text
        .replace("Albion Shield plc", "Acronis")
        .replace("\"GB\"", "\"CH\"");
    let dossier = Dossier::parse(&swiss).unwrap();
    let pack = pack("us-2024");
    for (name, outcome) in [
        ("agency-us", Outcome::Prohibited),
        ("company-us", Outcome::Conditions),
    ] {
        let system = system(name);
        let decision = decide(&case((&system, &dossier, &pack), &[]));
        assert_eq!(decision.outcome, outcome, "{name}");
    }
}

#[test]
fn history_differs_where_the_packs_do() {
    let kaspersky = "kaspersky-endpoint-security-linux";
    let outcome = |system, pack| decided((system, kaspersky, pack), &[]).outcome;
    assert_eq!(
        outcome("treaty-desk", "uk-ncsc-2017"),
        Outcome::NeedsEvidence,
        "press only"
    );
    assert_eq!(
        outcome("council-office", "uk-ncsc-2017"),
        Outcome::Conditions
    );
    assert_eq!(
        outcome("council-office", "uk-ncsc-2022"),
        Outcome::AdvisedAgainst
    );
    assert_eq!(outcome("ministry-nl", "nl-2018"), Outcome::AdvisedAgainst);
    assert_eq!(outcome("agency-us", "us-2024"), Outcome::Prohibited);
    assert_eq!(
        outcome("waterworks-de", "de-bsi-2022"),
        Outcome::AdvisedAgainst
    );
    assert_eq!(outcome("treaty-desk", "nl-2018"), Outcome::OutOfScope);
}

#[test]
fn a_press_report_does_not_decide_alone_and_the_original_would_change_it() {
    let decision = decided(
        (
            "treaty-desk",
            "kaspersky-endpoint-security-linux",
            "uk-ncsc-2017",
        ),
        &[],
    );
    assert!(
        decision.counterfactuals.better.is_empty(),
        "nothing makes it acceptable"
    );
    let worse = &decision.counterfactuals.worse;
    assert!(
        worse
            .iter()
            .any(|set| set.outcome == Outcome::AdvisedAgainst
                && matches!(set.changes.as_slice(), [policy::Change::ReadOriginal(_)]))
    );
}

#[test]
fn only_evidence_that_counts_reassures() {
    let whole = held(&polder(), "canary_left", "false");
    let spoilt = [
        (
            "unsigned",
            Held {
                standing: Standing::Unsigned,
                ..whole.clone()
            },
        ),
        (
            "unknown signer",
            Held {
                standing: Standing::UnknownSigner,
                ..whole.clone()
            },
        ),
        (
            "vendor's own",
            Held {
                signers: vec![signer(Party::Vendor)],
                ..whole.clone()
            },
        ),
        ("stated", {
            let mut held = whole.clone();
            held.record.method = evidence::Method::VendorStated;
            held
        }),
        ("expired", {
            let mut held = whole.clone();
            held.record.expires = evidence::Date::parse("2026-11-23");
            held
        }),
        ("not yet", {
            let mut held = whole.clone();
            held.record.as_of = evidence::Date::parse("2026-11-25").unwrap();
            held
        }),
    ];
    for (why, held) in spoilt {
        assert_eq!(
            truth(&[held], FactName::CollectsContent),
            Truth::Unknown,
            "{why}"
        );
    }
    assert_eq!(truth(&[whole], FactName::CollectsContent), Truth::False);
}

#[test]
fn a_conflict_is_contradicted_printed_and_resolved_by_no_rank() {
    let mut other = held(&polder(), "canary_left", "true");
    other.record.asserted_by = "Lab Z".to_owned();
    other.signers = vec![signer(Party::Vendor)];
    let evidence = [held(&polder(), "canary_left", "false"), other];
    assert_eq!(
        truth(&evidence, FactName::CollectsContent),
        Truth::Contradicted
    );
    let (system, dossier, pack) = (
        system("treaty-desk"),
        dossier("fictional-polder"),
        pack("department-template"),
    );
    let case = case((&system, &dossier, &pack), &evidence);
    let text = to_text(&case, &decide(&case)).join("\n");
    assert!(
        text.contains("Contradicted\n  whether it sends content of files away"),
        "{text}"
    );
    assert!(text.contains("Lab Y") && text.contains("Lab Z"));
}

#[test]
fn no_lab_result_helps_where_a_listed_state_controls() {
    let names = (
        "treaty-desk",
        "kaspersky-endpoint-security-linux",
        "uk-ncsc-2022",
    );
    let decision = decided(names, &[]);
    assert_eq!(decision.outcome, Outcome::AdvisedAgainst);
    assert!(decision.counterfactuals.better.is_empty());
}

#[test]
fn a_containment_that_is_only_claimed_is_unknown_and_evidence_of_it_is_bound_to_the_system() {
    let fact = FactName::EgressRelay;
    assert_eq!(truth(&[], fact), Truth::Unknown, "claimed");
    let name = system("treaty-desk").name_sha256();
    assert_eq!(
        truth(&[held(&name, "egress_relay", "true")], fact),
        Truth::True
    );
    assert_eq!(
        truth(&[held(&polder(), "egress_relay", "true")], fact),
        Truth::Unknown
    );
}

#[test]
fn everything_that_is_printed_says_that_no_legal_reader_signed() {
    for (name, text) in policy::shipped_packs() {
        let pack = Pack::parse(text).unwrap();
        let (system, dossier) = (system("treaty-desk"), dossier("fictional-polder"));
        let case = case((&system, &dossier, &pack), &[]);
        let decision = decide(&case);
        assert!(
            to_text(&case, &decision)
                .concat()
                .contains("No legal reader"),
            "{name}"
        );
        let html = to_html(&case, &decision);
        assert!(
            html.contains("No legal reader") && !html.contains("<script"),
            "{name}"
        );
        let json = write_json(&to_json(&case, &decision));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["pack"]["legal_reader"].is_null(), "{name}");
    }
}

#[test]
fn a_risk_can_be_accepted_over_advice_and_never_over_law() {
    let key = "ab".repeat(32);
    let accept = |system_name: &str, pack_name: &str, until: &str, signed: Vec<String>| {
        let mut system = system(system_name);
        system
            .risk_owners
            .push(("Permanent secretary".to_owned(), key.clone()));
        let dossier = dossier("kaspersky-endpoint-security-linux");
        let pack = pack(pack_name);
        let outcome = decide(&case((&system, &dossier, &pack), &[])).outcome;
        let text = format!(
            "{{\"system\": \"{}\", \"system_sha256\": \"{}\", \"dossier_sha256\": \"{}\", \
             \"pack_sha256\": \"{}\", \
             \"outcome\": \"{outcome}\", \"reason\": \"r\", \"accepted_by\": \"Permanent secretary\", \
             \"as_of\": \"2026-11-20\", \"expires\": \"{until}\"}}",
            system.name, system.sha256, dossier.sha256, pack.sha256
        );
        let acceptance = policy::Acceptance::parse(&text, signed).unwrap();
        let mut case = case((&system, &dossier, &pack), &[]);
        case.acceptance = Some(&acceptance);
        let decision = decide(&case);
        assert_eq!(decision.outcome, outcome, "the outcome stays");
        decision.acceptance.unwrap()
    };
    let signed = vec![key.clone()];
    let refused = |state: policy::AcceptanceState, why: &str| match state {
        policy::AcceptanceState::Refused(text) => assert!(text.contains(why), "{text}"),
        policy::AcceptanceState::InForce(..) => panic!("in force"),
    };
    assert!(matches!(
        accept("treaty-desk", "uk-ncsc-2022", "2027-01-31", signed.clone()),
        policy::AcceptanceState::InForce(..)
    ));
    refused(
        accept("treaty-desk", "uk-ncsc-2022", "2027-01-31", Vec::new()),
        "risk owner",
    );
    refused(
        accept("treaty-desk", "uk-ncsc-2022", "2026-11-21", signed.clone()),
        "holds from",
    );
    refused(
        accept("treaty-desk", "uk-ncsc-2022", "2027-11-21", signed.clone()),
        "pack allows 90",
    );
    refused(
        accept("agency-us", "us-2024", "2027-01-31", signed.clone()),
        "law or order",
    );
    refused(
        accept("ministry-nl", "nl-2018", "2027-01-31", signed),
        "law or order",
    );
}

#[test]
fn an_acceptance_does_not_outlive_a_change_of_the_systems_file() {
    let mut system = system("treaty-desk");
    let key = "ab".repeat(32);
    system.risk_owners.push(("Owner".to_owned(), key.clone()));
    let (dossier, pack) = (
        dossier("kaspersky-endpoint-security-linux"),
        pack("uk-ncsc-2022"),
    );
    let text = format!(
        "{{\"system\": \"{}\", \"system_sha256\": \"{}\", \"dossier_sha256\": \"{}\", \
         \"pack_sha256\": \"{}\", \"outcome\": \"advised-against\", \"reason\": \"r\", \
         \"accepted_by\": \"Owner\", \"as_of\": \"2026-11-20\", \"expires\": \"2027-01-31\"}}",
        system.name, system.sha256, dossier.sha256, pack.sha256
    );
    let acceptance = policy::Acceptance::parse(&text, vec![key]).unwrap();
    let state = |system: &System| {
        let mut case = case((system, &dossier, &pack), &[]);
        case.acceptance = Some(&acceptance);
        decide(&case).acceptance.unwrap()
    };
    assert!(matches!(
        state(&system),
        policy::AcceptanceState::InForce(..)
    ));
    system.sha256 = "0".repeat(64);
    assert_eq!(
        state(&system),
        policy::AcceptanceState::Refused("the system's file has changed since".to_owned())
    );
}

#[test]
fn a_thousand_systems_and_twenty_products_are_decided_in_a_second() {
    let mut list = String::new();
    for number in 0..1000 {
        let text = shipped(policy::shipped_systems(), "council-office");
        let text = text.replace("[installation]", "[system.installation]");
        let text = text.replace("[containment]", "[system.containment]");
        list.push_str(&format!(
            "[[system]]\n{}\n",
            text.replace("Council office", &format!("Office {number}"))
        ));
    }
    let start = std::time::Instant::now();
    let systems = System::parse_list(&list).unwrap();
    let dossiers: Vec<Dossier> = (0..20)
        .map(|n| dossier(policy::shipped_dossiers()[n % 9].0))
        .collect();
    let pack = pack("uk-ncsc-2022");
    let grounds = policy::Grounds {
        dossiers: &dossiers,
        evidence: &[],
        pack: &pack,
        as_of: day(),
    };
    let rows = policy::portfolio(&systems, &grounds);
    let took = start.elapsed();
    println!("1000 systems, 20 products: {took:?}");
    assert_eq!(
        rows.iter().map(|row| row.outcomes.len()).sum::<usize>(),
        20_000
    );
    for (row, dossier) in rows[0].outcomes.iter().zip(&dossiers) {
        assert_eq!(
            *row,
            decide(&case((&systems[0], dossier, &pack), &[])).outcome
        );
    }
    let reopened = policy::reopened(&systems, (&rows, &grounds), &|system, product| {
        (system == "Office 7" && product == "ClamAV").then(|| "no-objection".to_owned())
    });
    assert_eq!(
        reopened.len(),
        dossiers
            .iter()
            .filter(|one| one.product == "ClamAV")
            .count()
    );
    assert!(took.as_secs() < 5, "{took:?}");
}
