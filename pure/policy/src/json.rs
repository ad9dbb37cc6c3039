//! JSON in and out. Keeps lines, refuses keys that occur twice (two readers would see two values)
//! and nesting that no honest file has.

use std::fmt::Write as _;

use crate::node::{Entry, Node, ReadError, Value};

/// Deeper nesting is refused.
const DEPTH_MAX: u32 = 48;
/// Members of one table; beyond that the search for keys that occur twice would cost too much.
const KEYS_MAX: usize = 512;

/// Reads one value; anything after it is refused.
pub fn parse(text: &str) -> Result<Node, ReadError> {
    let mut reader = Reader {
        rest: text.strip_prefix('\u{feff}').unwrap_or(text),
        line: 1,
    };
    let node = reader.value(0)?;
    reader.skip_space();
    match reader.rest.is_empty() {
        true => Ok(node),
        false => Err(reader.error("the file goes on after its value")),
    }
}

/// Writes a value, indented, with keys in the order given.
#[must_use]
pub fn write(node: &Node) -> String {
    let mut text = String::new();
    put(&mut text, node, 0);
    text.push('\n');
    text
}

struct Reader<'t> {
    rest: &'t str,
    line: u32,
}

impl Reader<'_> {
    fn error(&self, text: &str) -> ReadError {
        ReadError::at(self.line, text)
    }

    fn skip_space(&mut self) {
        let kept = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
        let skipped = self.rest.len().saturating_sub(kept.len());
        let lines = self
            .rest
            .bytes()
            .take(skipped)
            .filter(|byte| *byte == b'\n')
            .count();
        self.line = self
            .line
            .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.rest = kept;
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: u32) -> Result<Node, ReadError> {
        self.skip_space();
        if depth > DEPTH_MAX {
            return Err(self.error("the values are nested too deeply"));
        }
        let line = self.line;
        let inner = depth.saturating_add(1);
        let value = match self.rest.bytes().next() {
            Some(b'{') => self.table(inner)?,
            Some(b'[') => self.list(inner)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ if self.take("true") => Value::Bool(true),
            _ if self.take("false") => Value::Bool(false),
            _ if self.take("null") => Value::Null,
            _ => return Err(self.error("this is no JSON value")),
        };
        Ok(Node { line, value })
    }

    fn table(&mut self, depth: u32) -> Result<Value, ReadError> {
        self.take("{");
        let mut entries: Vec<Entry> = Vec::new();
        self.skip_space();
        if self.take("}") {
            return Ok(Value::Table(entries));
        }
        loop {
            self.skip_space();
            let key = self.string()?;
            if entries.iter().any(|entry| entry.key == key) {
                return Err(self.error("a key occurs twice in one table"));
            }
            if entries.len() >= KEYS_MAX {
                return Err(self.error("a table has too many keys"));
            }
            self.skip_space();
            if !self.take(":") {
                return Err(self.error("`:` is expected after a key"));
            }
            let node = self.value(depth)?;
            entries.push(Entry { key, node });
            self.skip_space();
            if self.take("}") {
                return Ok(Value::Table(entries));
            }
            if !self.take(",") {
                return Err(self.error("`,` or `}` is expected here"));
            }
        }
    }

    fn list(&mut self, depth: u32) -> Result<Value, ReadError> {
        self.take("[");
        let mut items = Vec::new();
        self.skip_space();
        if self.take("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take("]") {
                return Ok(Value::List(items));
            }
            if !self.take(",") {
                return Err(self.error("`,` or `]` is expected here"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, ReadError> {
        let end = self
            .rest
            .find(|letter: char| !matches!(letter, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'))
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        if digits.parse::<f64>().is_err() || digits.len() > 64 {
            return Err(self.error("this is no number"));
        }
        let digits = digits.to_owned();
        self.rest = rest;
        Ok(Value::Number(digits))
    }

    fn string(&mut self) -> Result<String, ReadError> {
        if !self.take("\"") {
            return Err(self.error("text in double quotes is expected here"));
        }
        let mut text = String::new();
        let mut letters = self.rest.char_indices();
        loop {
            let Some((at, letter)) = letters.next() else {
                return Err(self.error("a text does not end"));
            };
            match letter {
                '"' => {
                    let end = at.saturating_add(1);
                    self.rest = self.rest.get(end..).unwrap_or_default();
                    return Ok(text);
                }
                '\\' => {
                    let Some(letter) = escaped(&mut letters) else {
                        return Err(self.error("an escape in a text means nothing"));
                    };
                    text.push(letter);
                }
                letter if letter < ' ' => {
                    return Err(self.error("a text holds a control character"));
                }
                letter => text.push(letter),
            }
        }
    }
}

fn escaped(letters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let (_, letter) = letters.next()?;
    Some(match letter {
        '"' | '\\' | '/' => letter,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let first = four_digits(letters)?;
            if !(0xd800..0xdc00).contains(&first) {
                return char::from_u32(first);
            }
            let follows = letters.next()?.1 == '\\' && letters.next()?.1 == 'u';
            let second = follows.then(|| four_digits(letters)).flatten()?;
            let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            let high = first.checked_sub(0xd800)?.checked_mul(0x400)?;
            return char::from_u32(high.checked_add(low)?.checked_add(0x1_0000)?);
        }
        _ => return None,
    })
}

fn four_digits(letters: &mut std::str::CharIndices<'_>) -> Option<u32> {
    let mut value = 0u32;
    for _ in 0..4 {
        let digit = letters.next()?.1.to_digit(16)?;
        value = value.checked_mul(16)?.checked_add(digit)?;
    }
    Some(value)
}

fn put(text: &mut String, node: &Node, depth: usize) {
    match &node.value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(digits) => text.push_str(digits),
        Value::Text(value) => quoted(text, value),
        Value::List(items) if items.is_empty() => text.push_str("[]"),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                text.push(if index == 0 { '[' } else { ',' });
                new_line(text, depth.saturating_add(1));
                put(text, item, depth.saturating_add(1));
            }
            new_line(text, depth);
            text.push(']');
        }
        Value::Table(entries) if entries.is_empty() => text.push_str("{}"),
        Value::Table(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                new_line(text, depth.saturating_add(1));
                quoted(text, &entry.key);
                text.push_str(": ");
                put(text, &entry.node, depth.saturating_add(1));
            }
            new_line(text, depth);
            text.push('}');
        }
    }
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    for _ in 0..depth {
        text.push_str("  ");
    }
}

fn quoted(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if letter < ' ' || ('\u{7f}'..='\u{9f}').contains(&letter) => {
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            letter => text.push(letter),
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let text =
            r#"{"a": [1, -2.5e3, true, false, null], "b\n": "\u00e9\ud83d\ude00\"\\", "c": {}}"#;
        let node = parse(text).unwrap();
        let written = write(&node);
        let again = parse(&written).unwrap();
        assert_eq!(write(&again), written);
        let peer: serde_json::Value = serde_json::from_str(text).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&written).unwrap();
        assert_eq!(peer, ours);
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        for (text, why) in [
            ("{\"a\":1,\"a\":2}", "twice"),
            ("{} {}", "goes on"),
            ("[1,]", "no JSON value"),
            ("\"a\nb\"", "control"),
            ("\"\\ud800\"", "escape"),
            ("1e", "no number"),
            ("", "no JSON value"),
            ("{\"a\"", "`:`"),
            ("\"a", "does not end"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.text.contains(why), "{text}: {refused}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse(&deep).unwrap_err().text.contains("deeply"));
    }

    #[test]
    fn every_truncation_is_refused_and_nothing_panics() {
        let text = r#"{"a": [1, {"b": "c\u00e9"}], "d": null}"#;
        for end in 0..text.len() {
            assert!(parse(&text[..end]).is_err(), "{end}");
        }
        assert!(parse(text).is_ok());
    }
}
