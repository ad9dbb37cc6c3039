//! Checks a value against a JSON Schema (2020-12), for the keywords that our schemas use. Another
//! keyword is refused, so that no promise in a schema goes unchecked.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A published schema.
#[derive(Debug)]
pub struct Schema {
    root: Value,
}

impl Schema {
    /// `docs/schema/NAME.schema.json`.
    #[must_use]
    pub fn published(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/schema")
            .join(format!("{name}.schema.json"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            root: serde_json::from_str(&text).expect("a schema is JSON"),
        }
    }

    /// Fails the test, naming the place, where the value is not as the schema says.
    pub fn check(&self, value: &Value) {
        if let Err(why) = self.test(&self.root, value, "$") {
            panic!("{why}\nin {value}");
        }
    }

    /// Whether the value is as the schema says.
    #[must_use]
    pub fn allows(&self, value: &Value) -> bool {
        self.test(&self.root, value, "$").is_ok()
    }

    fn test(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let rules = schema.as_object().expect("a schema is an object");
        for (keyword, rule) in rules {
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => {}
                "additionalProperties" => self.test_others(schema, value, place)?,
                "$ref" => self.test(self.definition(rule), value, place)?,
                "oneOf" => self.test_one_of(rule, value, place)?,
                "properties" => self.test_properties(rule, value, place)?,
                "items" => {
                    for (index, item) in list(value).iter().enumerate() {
                        self.test(rule, item, &format!("{place}[{index}]"))?;
                    }
                }
                "required" => {
                    for name in list(rule) {
                        let name = name.as_str().expect("names are text");
                        ensure(value.get(name).is_some(), place, || format!("no {name}"))?;
                    }
                }
                "type" => ensure(has_type(rule, value), place, || format!("not {rule}"))?,
                "enum" => ensure(list(rule).contains(value), place, || {
                    format!("not in {rule}")
                })?,
                "minimum" => ensure(
                    value.is_null() || value.as_f64() >= rule.as_f64(),
                    place,
                    || format!("less than {rule}"),
                )?,
                "pattern" => ensure(has_pattern(rule, value), place, || format!("not {rule}"))?,
                other => panic!("the schema says {other}, which is not checked"),
            }
        }
        Ok(())
    }

    fn definition(&self, reference: &Value) -> &Value {
        let path = reference.as_str().and_then(|text| text.strip_prefix('#'));
        path.and_then(|path| self.root.pointer(path))
            .unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    fn test_one_of(&self, choices: &Value, value: &Value, place: &str) -> Result<(), String> {
        let results: Vec<_> = list(choices)
            .iter()
            .map(|choice| self.test(choice, value, place))
            .collect();
        match results.iter().filter(|result| result.is_ok()).count() {
            1 => Ok(()),
            _ => Err(format!(
                "{place}: not exactly one of the choices: {results:?}"
            )),
        }
    }

    fn test_properties(&self, rules: &Value, value: &Value, place: &str) -> Result<(), String> {
        for (name, rule) in rules.as_object().expect("properties are an object") {
            if let Some(inner) = value.get(name) {
                self.test(rule, inner, &format!("{place}.{name}"))?;
            }
        }
        Ok(())
    }

    fn test_others(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let rule = schema.get("additionalProperties").unwrap_or(&Value::Null);
        let known = schema.get("properties");
        for (name, inner) in value.as_object().into_iter().flatten() {
            if known.is_some_and(|known| known.get(name).is_some()) {
                continue;
            }
            let place = format!("{place}.{name}");
            ensure(*rule != Value::Bool(false), &place, || {
                "not in the schema".into()
            })?;
            self.test(rule, inner, &place)?;
        }
        Ok(())
    }
}

fn ensure(holds: bool, place: &str, why: impl Fn() -> String) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{place}: {}", why()))
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn has_type(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::String(name) => match name.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("the schema names the type {other}, which is not checked"),
        },
        choices => list(choices).iter().any(|choice| has_type(choice, value)),
    }
}

/// The two patterns that our schemas use: whole bytes in hexadecimal, and 32 of them.
fn has_pattern(rule: &Value, value: &Value) -> bool {
    let text = value.as_str().unwrap_or("not text");
    let is_hex = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    match rule.as_str() {
        Some("^([0-9a-f]{2})*$") => is_hex && text.len().is_multiple_of(2),
        Some("^[0-9a-f]{64}$") => is_hex && text.len() == 64,
        other => panic!("the schema has the pattern {other:?}, which is not checked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_schema_does_not_say_is_refused() {
        let schema = Schema::published("doctor");
        let good = json!({
            "version": "1", "kernel": "6", "worker": {"path": null}, "pack": "x",
            "starter": true, "cache": {"path": "/c"}, "open_files_max": 1024,
            "layers": [], "threats": [{"name": "file", "holds": true, "attempts": []}],
            "holds": true
        });
        schema.check(&good);
        let wrong = [
            ("holds", json!("yes")),
            ("open_files_max", json!(-1)),
            ("surprise", json!(1)),
            (
                "threats",
                json!([{"name": "weather", "holds": true, "attempts": []}]),
            ),
            ("worker", json!({})),
        ];
        for (name, value) in wrong {
            let mut changed = good.clone();
            changed[name] = value;
            assert!(!schema.allows(&changed), "{name}");
        }
    }
}
