//! Refuses whatever says where a person comes from: nationality, citizenship, birth, ethnicity,
//! home. Country belongs to organisations and to control points, and nobody's name is a fact.

use crate::node::{Node, ReadError, Value};

/// Parts of keys that name a person's origin, compared without case and separators.
const PERSONAL: &[&str] = &[
    "nationalit",
    "citizen",
    "countryofbirth",
    "birthcountry",
    "birthplace",
    "placeofbirth",
    "dateofbirth",
    "birthdate",
    "ethnic",
    "race",
    "nativelanguage",
    "mothertongue",
    "placeofresidence",
    "personalresidence",
    "countryofresidence",
    "countryoforigin",
    "taxresidenc",
    "passport",
];
/// Keys that would be taken for the above and are not.
const INNOCENT: &[&str] = &["trace", "traces", "tracer", "embrace"];

/// Fails, with the place, where any key at any depth says where a person comes from.
pub(crate) fn refuse(node: &Node) -> Result<(), ReadError> {
    match &node.value {
        Value::Table(entries) => {
            for entry in entries {
                if is_personal(&entry.key) {
                    return Err(ReadError::at(
                        entry.node.line,
                        format!(
                            "`{}` says where a person comes from; Candor neither stores nor uses \
                             that: take it out, and name organisations and control points instead",
                            entry.key
                        ),
                    ));
                }
                refuse(&entry.node)?;
            }
            Ok(())
        }
        Value::List(items) => items.iter().try_for_each(refuse),
        _ => Ok(()),
    }
}

/// Whether a key names a person's origin.
pub(crate) fn is_personal(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    if INNOCENT.contains(&plain.as_str()) {
        return false;
    }
    PERSONAL.iter().any(|part| match *part {
        "race" => plain == "race",
        part => plain.contains(part),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_origin_is_refused_wherever_it_stands_and_however_it_is_spelt() {
        for key in [
            "nationality",
            "Nationalities",
            "citizenship",
            "country_of_birth",
            "countryOfBirth",
            "country-of-origin",
            "placeOfBirth",
            "ethnicity",
            "race",
            "birthDate",
            "taxResidencies",
        ] {
            let text = format!("{{\"a\": [\n{{\"x\": {{\"{key}\": \"XX\"}}}}]}}");
            let refused = refuse(&crate::json::parse(&text).unwrap()).unwrap_err();
            assert_eq!(refused.line, Some(2));
            assert!(refused.text.contains(key), "{refused}");
        }
    }

    #[test]
    fn organisations_have_countries() {
        for key in [
            "country",
            "headquarters",
            "registered_in",
            "trace",
            "staff_located_in",
        ] {
            assert!(!is_personal(key), "{key}");
        }
    }
}
