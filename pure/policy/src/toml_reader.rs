//! TOML to the values of this crate, with lines.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::node::{Entry, Node, ReadError, Value};

/// Reads a file.
pub(crate) fn parse(text: &str) -> Result<Node, ReadError> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| ReadError {
        line: error.span().map(|span| lines.of(span.start)),
        text: error.message().replace('\n', "; "),
    })?;
    Ok(Node {
        line: 1,
        value: entries(table.get_ref(), &lines),
    })
}

/// Where lines start, so that a place costs a search and not a walk.
struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate();
        Self {
            starts: ends
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at)
                .collect(),
        }
    }

    fn of(&self, at: usize) -> u32 {
        let before = self.starts.partition_point(|end| *end < at);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }
}

fn entries(table: &DeTable<'_>, lines: &Lines) -> Value {
    let mut found: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let mut node = node(value, lines);
            node.line = lines.of(key.span().start);
            let key_text = key.get_ref().to_string();
            (
                key.span().start,
                Entry {
                    key: key_text,
                    node,
                },
            )
        })
        .collect();
    found.sort_by_key(|(at, _)| *at);
    Value::Table(found.into_iter().map(|(_, entry)| entry).collect())
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Node {
    let line = lines.of(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(date) => Value::Text(date.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, lines)).collect()),
        DeValue::Table(table) => entries(table, lines),
    };
    Node { line, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_know_their_lines() {
        let node = parse("a = 1\n[b]\nc = [\"x\",\n \"y\"]\nd = 2026-01-02\n").unwrap();
        assert_eq!(node.member("a").unwrap().line, 1);
        let table = node.member("b").unwrap();
        assert_eq!(table.member("c").unwrap().line, 3);
        assert_eq!(table.member("d").unwrap().as_text(), Some("2026-01-02"));
        let refused = parse("a = 1\nb = \n").unwrap_err();
        assert_eq!(refused.line, Some(2), "{refused}");
    }
}
