//! `--define NAME=VALUE`: values for YARA rules, with the type that a value looks like.

use proto::{Definition, DefinitionValue, Encode, MESSAGE_BYTES_MAX};

use crate::failure::Failure;

/// Reads one; the value's type is inferred as YARA's own command does it.
pub(crate) fn parse(text: &str) -> Result<Definition, String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("a definition is NAME=VALUE, such as --define owner=root")?;
    let is_name = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !is_name || name.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(format!("{name:?} is no name that a YARA rule can use"));
    }
    Ok(Definition {
        name: name.to_owned(),
        value: value_of(value),
    })
}

/// Refuses more than one message to a worker can carry.
pub(crate) fn check(definitions: &[Definition]) -> Result<(), Failure> {
    if definitions.to_vec().to_message().len() > MESSAGE_BYTES_MAX / 2 {
        return Err(Failure::said(
            "the values of --define are longer than 64 KiB together",
        ));
    }
    Ok(())
}

fn value_of(text: &str) -> DefinitionValue {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let looks_like_number =
        digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if let Ok(value) = text.parse::<i64>() {
        return DefinitionValue::Integer(value);
    }
    if looks_like_number
        && text.contains('.')
        && let Ok(value) = text.parse::<f64>()
    {
        return DefinitionValue::float(value);
    }
    match text {
        "true" => DefinitionValue::Boolean(true),
        "false" => DefinitionValue::Boolean(false),
        _ => DefinitionValue::Text(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_values_type_is_what_it_looks_like() {
        let value = |text: &str| parse(text).unwrap().value;
        assert_eq!(value("a=3"), DefinitionValue::Integer(3));
        assert_eq!(value("a=-3"), DefinitionValue::Integer(-3));
        assert_eq!(value("a=0.5"), DefinitionValue::float(0.5));
        assert_eq!(value("a=true"), DefinitionValue::Boolean(true));
        for text in ["", "x=y", "inf", "1.2.3", "True", "../a", "0x10"] {
            let defined = parse(&format!("a={text}")).unwrap();
            assert_eq!(defined.value, DefinitionValue::Text(text.to_owned()));
        }
    }

    #[test]
    fn a_name_is_one_that_rules_can_use() {
        for text in ["a", "=1", "a b=1", "1a=1", "a-b=1"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("_a1=").unwrap().name, "_a1");
    }
}
