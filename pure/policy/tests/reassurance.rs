//! What must not reassure: what has expired or is yet to come, what the vendor says of itself, what
//! is spelt a little differently, and what was left out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail as tests do"
)]

use policy::{Case, Date, Dossier, FactName, Outcome, Pack, System, Truth, decide};

fn shipped<'t>(list: &'t [(&'t str, &'t str)], name: &str) -> &'t str {
    list.iter().find(|(known, _)| *known == name).expect(name).1
}

fn albion() -> String {
    shipped(policy::shipped_dossiers(), "fictional-albion-shield").to_owned()
}

/// The text with something else in it, which must have been there.
fn with(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

fn on(dossier: &str, system: &str, pack: &str) -> policy::Decision {
    let dossier = Dossier::parse(dossier).unwrap();
    let system = System::parse(system).unwrap();
    let pack = Pack::parse(shipped(policy::shipped_packs(), pack)).unwrap();
    decide(&Case {
        system: &system,
        dossier: &dossier,
        evidence: &[],
        evidence_notes: &[],
        pack: &pack,
        acceptance: None,
        as_of: Date::parse("2026-11-24").unwrap(),
    })
}

fn truth(dossier: &str, pack: &str, fact: FactName) -> Truth {
    let system = shipped(policy::shipped_systems(), "agency-us");
    on(dossier, system, pack).fact(fact).unwrap().truth
}

/// The dossier, with the row of this control point changed.
fn point(text: &str, point: &str, change: impl Fn(&mut serde_json::Value)) -> String {
    let mut dossier: serde_json::Value = serde_json::from_str(text).unwrap();
    let rows = dossier["control_points"].as_array_mut().unwrap();
    rows.iter_mut()
        .filter(|row| row["point"] == point)
        .for_each(change);
    dossier.to_string()
}

#[test]
fn a_dossier_that_has_expired_or_is_of_a_later_day_reassures_nobody() {
    let system = shipped(policy::shipped_systems(), "ministry-nl");
    let outcome = |dossier: &str| on(dossier, system, "nl-2018").outcome;
    assert_eq!(outcome(&albion()), Outcome::NoObjection);
    let expired = with(&albion(), "\"2027-02-01\"", "\"2020-01-01\"");
    assert_eq!(outcome(&expired), Outcome::NeedsEvidence);
    let later = with(&albion(), "\"2026-11-01\"", "\"2031-01-01\"");
    let later = with(&later, "\"2027-02-01\"", "\"2032-01-01\"");
    assert_eq!(outcome(&later), Outcome::NeedsEvidence);
    let rows = with(
        &later,
        "\"as_of\": \"2031-01-01\",\n  \"expires\"",
        "\"as_of\": \"2026-11-01\",\n  \"expires\"",
    );
    assert_eq!(
        outcome(&rows),
        Outcome::NeedsEvidence,
        "rows of a later day"
    );
}

#[test]
fn a_dossier_that_has_expired_still_speaks_against_the_product() {
    let name = "kaspersky-endpoint-security-linux";
    let text = shipped(policy::shipped_dossiers(), name);
    let expired = with(text, "\"2027-02-23\"", "\"2026-11-23\"");
    assert_eq!(
        truth(&expired, "us-2024", FactName::NamedInOrder),
        Truth::True
    );
}

#[test]
fn a_vendors_word_on_whose_engine_is_in_it_reassures_nobody() {
    let fact = FactName::NamedInOrder;
    assert_eq!(truth(&albion(), "us-2024", fact), Truth::False);
    let vendors = "{\"id\": \"v\", \"title\": \"Brochure\", \"kind\": \"vendor\", \
                   \"date\": \"2026-11-01\"}, {\n      \"id\": \"f\"";
    let dossier = with(&albion(), "{\n      \"id\": \"f\"", vendors);
    for by in ["nobody", "albion"] {
        let dossier = point(&dossier, "licenses_engine_from", |row| {
            row["by"] = by.into();
            row["source"] = "v".into();
        });
        assert_eq!(truth(&dossier, "us-2024", fact), Truth::Unknown, "{by}");
    }
    let expired = point(&albion(), "licenses_engine_from", |row| {
        row["expires"] = "2026-11-20".into();
    });
    assert_eq!(truth(&expired, "us-2024", fact), Truth::Unknown, "expired");
}

#[test]
fn a_named_entity_does_not_escape_by_its_spelling() {
    for (name, expected) in [
        ("Albion Shield plc", Truth::False),
        ("Kaspersky ", Truth::True),
        ("KASPERSKY LAB", Truth::True),
        ("AO Kaspersky Lab", Truth::True),
        ("Kaspersky Lab Switzerland GmbH", Truth::Unknown),
        ("kaspersky-lab", Truth::Unknown),
        ("AO Something Else", Truth::False),
    ] {
        let dossier = with(&albion(), "Albion Shield plc", name);
        assert_eq!(
            truth(&dossier, "us-2024", FactName::NamedInOrder),
            expected,
            "{name}"
        );
    }
    let dossier = with(
        &albion(),
        "Albion Shield plc",
        "Kaspersky Lab Switzerland GmbH",
    );
    let system = shipped(policy::shipped_systems(), "agency-us");
    assert_eq!(
        on(&dossier, system, "us-2024").outcome,
        Outcome::NeedsEvidence
    );
}

#[test]
fn an_exposure_that_is_left_out_is_not_read_as_none() {
    let system = shipped(policy::shipped_systems(), "home-computer");
    let fact = |system: &str| {
        let decision = on(&albion(), system, "uk-ncsc-2022");
        decision.fact(FactName::WidenedScopeBody).unwrap().truth
    };
    assert_eq!(fact(system), Truth::False);
    let left_out = with(system, "exposure = []\n", "");
    assert_eq!(fact(&left_out), Truth::Unknown);
    let said = with(system, "exposure = []", "exposure = [\"defence\"]");
    assert_eq!(fact(&said), Truth::True);
}

#[test]
fn a_complete_list_of_staff_with_nobody_on_it_reassures_nobody() {
    let mut dossier: serde_json::Value = serde_json::from_str(&albion()).unwrap();
    let system = shipped(policy::shipped_systems(), "treaty-desk");
    let fact = |dossier: &serde_json::Value| {
        let decision = on(&dossier.to_string(), system, "uk-ncsc-2022");
        let found = decision.fact(FactName::ListedStateStaff).map(|it| it.truth);
        found.expect("the pack asks for it")
    };
    assert_eq!(fact(&dossier), Truth::False);
    dossier["organisations"][0]["places"]
        .as_array_mut()
        .unwrap()
        .retain(|place| place["basis"] != "staff");
    assert_eq!(fact(&dossier), Truth::Unknown);
}

#[test]
fn a_pack_whose_conditions_would_take_minutes_is_refused() {
    let text = shipped(policy::shipped_packs(), "us-2024");
    let long = vec!["government"; 500].join(" and ");
    let mut pack = text.to_owned();
    for number in 0..5 {
        pack.push_str(&format!(
            "\n[[rule]]\nid = \"X{number}\"\ntitle = \"t\"\nwhen = \"{long}\"\n\
             effect = \"advised-against\"\nauthority = \"department-default\"\n\
             citation = \"c\"\nsourcing = \"original\"\n"
        ));
    }
    let refused = Pack::parse(&pack).unwrap_err().to_string();
    assert!(refused.contains("more than 2048 are not read"), "{refused}");
}

#[test]
fn no_shipped_dossier_is_older_than_its_sources() {
    for (name, text) in policy::shipped_dossiers() {
        let dossier = Dossier::parse(text).unwrap();
        for source in &dossier.sources {
            assert!(source.date <= dossier.as_of, "{name}: {}", source.id);
        }
    }
}
