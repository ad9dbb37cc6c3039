//! The published schemas of what is read, held to the keys and words that the readers know.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{acceptance, dossier, pack, system};

fn schema(name: &str) -> Value {
    let text = match name {
        "system" => include_str!("../../../docs/schema/system.schema.json"),
        "dossier" => include_str!("../../../docs/schema/dossier.schema.json"),
        "policy" => include_str!("../../../docs/schema/policy.schema.json"),
        _ => include_str!("../../../docs/schema/risk-acceptance.schema.json"),
    };
    serde_json::from_str(text).unwrap()
}

fn check_keys(schema: &Value, pointer: &str, known: &[&str]) {
    let place = schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer} is missing"));
    assert_eq!(
        place["additionalProperties"],
        Value::Bool(false),
        "{pointer}"
    );
    let said: BTreeSet<&str> = place["properties"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(said, known.iter().copied().collect(), "{pointer}");
}

fn check_words<T>(schema: &Value, pointer: &str, known: &[(&str, T)]) {
    let words = schema
        .pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer} is missing"));
    let said: BTreeSet<&str> = words
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!(
        said,
        known.iter().map(|(word, _)| *word).collect(),
        "{pointer}"
    );
}

#[test]
fn the_schemas_say_what_the_readers_know() {
    let of = schema("system");
    check_keys(&of, "", system::SYSTEM_KEYS);
    check_keys(&of, "/properties/installation", system::INSTALLATION_KEYS);
    check_keys(&of, "/properties/containment", system::CONTAINMENT_KEYS);
    check_keys(&of, "/properties/signer/items", system::SIGNER_KEYS);
    check_keys(&of, "/properties/risk_owner/items", pack::OWNER_KEYS);
    check_words(&of, "/properties/sector/enum", system::SECTORS);
    check_words(&of, "/properties/exposure/items/enum", system::EXPOSURES);
    let of = schema("dossier");
    check_keys(&of, "", dossier::DOSSIER_KEYS);
    check_keys(&of, "/properties/product", dossier::PRODUCT_KEYS);
    check_keys(&of, "/properties/sources/items", dossier::SOURCE_KEYS);
    check_keys(
        &of,
        "/properties/organisations/items",
        dossier::ORGANISATION_KEYS,
    );
    let places = "/properties/organisations/items/properties/places/items";
    check_keys(&of, places, dossier::PLACE_KEYS);
    check_keys(&of, "/properties/interests/items", dossier::INTEREST_KEYS);
    check_keys(&of, "/properties/control_points/items", dossier::POINT_KEYS);
    check_keys(&of, "/properties/statements/items", dossier::STATEMENT_KEYS);
    check_words(
        &of,
        &format!("{places}/properties/basis/enum"),
        dossier::BASES,
    );
    let kinds = "/properties/sources/items/properties/kind/enum";
    check_words(&of, kinds, dossier::SOURCE_KINDS);
    let kinds = "/properties/interests/items/properties/kind/enum";
    check_words(&of, kinds, dossier::INTEREST_KINDS);
    let points = "/properties/control_points/items/properties/point/enum";
    check_words(&of, points, dossier::POINTS);
    let of = schema("policy");
    check_keys(&of, "", pack::PACK_KEYS);
    check_keys(&of, "/properties/rule/items", pack::RULE_KEYS);
    check_keys(&of, "/properties/state/items", pack::STATE_KEYS);
    check_keys(&of, "/properties/named/items", pack::NAMED_KEYS);
    check_keys(&of, "/properties/must/items", pack::MUST_KEYS);
    check_keys(&schema("risk-acceptance"), "", acceptance::ACCEPTANCE_KEYS);
}
