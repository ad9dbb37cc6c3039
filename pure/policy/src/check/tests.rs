//! Packs that break a property are refused, and the shipped ones break none.

use super::*;
use crate::date::Date;
use crate::shipped::shipped_packs;

fn day() -> Date {
    Date::parse("2026-11-23").unwrap()
}

#[test]
fn every_shipped_pack_holds_in_every_state() {
    for (name, text) in shipped_packs() {
        let pack = Pack::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(pack.id, *name);
        assert_eq!(pack.legal_reader, None, "{name}: who signed?");
        for days in [pack.effective_from, day()] {
            if let Err(breach) = model_check(&pack, days) {
                panic!("{name}: {breach}");
            }
        }
    }
}

/// A pack with these rules over a few facts.
fn pack(rules: &str) -> Pack {
    let text = format!(
        "id = \"t\"\ntitle = \"t\"\nversion = \"1\"\njurisdiction = \"GB\"\n\
         effective_from = \"2020-01-01\"\n\
         facts = [\"secret_or_above\", \"listed_state_control\", \"collects_content\", \
         \"update_mirror\"]\n{rules}"
    );
    Pack::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn rule(id: &str, when: &str, effect: &str) -> String {
    let conditions = match effect {
        "conditions" => "conditions = [\"x\"]\n",
        _ => "",
    };
    format!(
        "[[rule]]\nid = \"{id}\"\ntitle = \"t\"\nwhen = \"{when}\"\neffect = \"{effect}\"\n\
         authority = \"law\"\ncitation = \"c\"\nsourcing = \"original\"\n{conditions}"
    )
}

fn breach(rules: &[String]) -> Breach {
    model_check(&pack(&rules.concat()), day()).expect_err("a pack that breaks a property")
}

#[test]
fn a_pack_that_asks_for_evidence_that_could_not_matter_is_refused_with_the_state() {
    // `a or not a` is true in both cases, and the pack says no more than that it is unknown.
    let useless = breach(&[
        rule(
            "A",
            "secret_or_above or not secret_or_above",
            "advised-against",
        ),
        rule("B", "update_mirror", "no-objection"),
    ]);
    assert_eq!(useless.property, USELESS);
    assert!(useless.happens.contains("advised-against"), "{useless}");
}

#[test]
fn a_lab_result_may_not_outweigh_compulsion() {
    let outweighs = breach(&[
        rule(
            "A",
            "listed_state_control and collects_content",
            "prohibited",
        ),
        rule("B", "not listed_state_control", "no-objection"),
    ]);
    assert_eq!(outweighs.property, COMPULSION);
    assert!(
        outweighs.state.contains("listed_state_control=true"),
        "{outweighs}"
    );
    assert!(
        outweighs.state.contains("collects_content=true"),
        "{outweighs}"
    );
}

#[test]
fn a_broken_promise_of_the_pack_is_shown() {
    let must = "[[must]]\nwhen = \"secret_or_above\"\nat_least = \"advised-against\"\n";
    let broken = breach(&[
        rule(
            "A",
            "secret_or_above and listed_state_control",
            "prohibited",
        ),
        must.to_owned(),
    ]);
    assert_eq!(broken.property, PROMISE);
}

#[test]
fn what_could_still_turn_bad_is_seen_as_reassurance() {
    let reachable = |outcomes: &[Outcome]| outcomes.iter().fold(0, |all, one| all | one.bit());
    let property = |outcome, others: &[Outcome]| {
        broken(outcome, reachable(others)).map(|(property, _)| property)
    };
    use Outcome::{AdvisedAgainst, Conditions, NeedsEvidence, NoObjection, OutOfScope, Prohibited};
    assert_eq!(
        property(NoObjection, &[NoObjection, Conditions]),
        Some(REASSURANCE)
    );
    assert_eq!(property(Conditions, &[Conditions, NoObjection]), None);
    assert_eq!(
        property(Conditions, &[Conditions, OutOfScope]),
        Some(REASSURANCE)
    );
    assert_eq!(
        property(Conditions, &[AdvisedAgainst, NoObjection]),
        Some(REASSURANCE)
    );
    assert_eq!(
        property(AdvisedAgainst, &[AdvisedAgainst, Prohibited]),
        None
    );
    assert_eq!(
        property(AdvisedAgainst, &[AdvisedAgainst, Conditions]),
        Some(FIRM)
    );
    assert_eq!(
        property(Prohibited, &[Prohibited, AdvisedAgainst]),
        Some(FIRM)
    );
    assert_eq!(
        property(OutOfScope, &[OutOfScope, NoObjection]),
        Some(SILENCE)
    );
    assert_eq!(property(NeedsEvidence, &[Conditions]), Some(USELESS));
    assert_eq!(property(NeedsEvidence, &[NeedsEvidence]), None);
}

/// Every state of a pack, one at a time and with four values: the slow way.
#[test]
fn the_fast_check_sees_what_a_decision_would_say_in_all_four_values() {
    use crate::decide::outcome_of;
    use crate::logic::Truth;
    let (_, text) = shipped_packs()[2];
    let pack = Pack::parse(text).unwrap();
    let model = Model::new(&pack, day());
    let mut states = States::default();
    model.fill(&mut states).unwrap();
    let facts = pack.facts.len();
    for state in 0..4usize.pow(u32::try_from(facts).unwrap()) {
        let mut rest = state;
        let mut index = 0usize;
        let mut values = Vec::new();
        for place in 0..facts {
            let value = [
                Truth::False,
                Truth::True,
                Truth::Unknown,
                Truth::Contradicted,
            ][rest % 4];
            index += power(place) * (rest % 4).min(2);
            rest /= 4;
            values.push(value);
        }
        assert_eq!(states.outcomes[index], outcome_of(&pack, &values, day()));
    }
}

#[test]
fn a_pack_of_fifteen_facts_is_looked_at_in_full() {
    let facts = [
        "secret_or_above",
        "state_access_would_harm",
        "government",
        "antivirus",
        "deep_access",
        "listed_state_control",
        "listed_state_staff",
        "listed_state_can_push",
        "conduct_failed",
        "collects_content",
        "could_collect_content",
        "changed_from_outside",
        "update_mirror",
        "egress_relay",
        "air_gap",
    ];
    let list: Vec<String> = facts.iter().map(|fact| format!("\"{fact}\"")).collect();
    let all_good = "antivirus and not listed_state_control and not conduct_failed";
    let text = format!(
        "id = \"t\"\ntitle = \"t\"\nversion = \"1\"\njurisdiction = \"GB\"\n\
         effective_from = \"2020-01-01\"\nfacts = [{}]\n{}{}{}",
        list.join(", "),
        rule("A", "antivirus and listed_state_control", "advised-against"),
        rule("B", "antivirus and conduct_failed", "advised-against"),
        rule("C", all_good, "no-objection"),
    );
    let pack = Pack::parse(&text).unwrap();
    let start = std::time::Instant::now();
    assert_eq!(model_check(&pack, day()), Ok(()));
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
    println!("15 facts, 14,348,907 states: {:?}", start.elapsed());
    let sixteen = text.replace("\"air_gap\"]", "\"air_gap\", \"build_verified\"]");
    assert!(
        Pack::parse(&sixteen)
            .unwrap_err()
            .text
            .contains("from 1 to 15")
    );
}
