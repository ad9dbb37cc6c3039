//! What JSON and TOML have in common: values that know their line, and tables that refuse keys
//! that nobody knows, with the nearest one that somebody does.

use std::fmt;

use crate::date::Date;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Counted from one.
    pub line: u32,
    /// The value itself.
    pub value: Value,
}

/// A value of JSON or TOML.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// JSON's null.
    Null,
    /// True or false.
    Bool(bool),
    /// A number, as it is written.
    Number(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A table, in the order of the file, without keys that occur twice.
    Table(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Its value.
    pub node: Node,
}

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The line, where there is one.
    pub line: Option<u32>,
    /// What is wrong, and the remedy.
    pub text: String,
}

impl ReadError {
    pub(crate) fn at(line: u32, text: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            text: text.into(),
        }
    }

    pub(crate) fn whole(text: impl Into<String>) -> Self {
        Self {
            line: None,
            text: text.into(),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

impl std::error::Error for ReadError {}

impl Node {
    pub(crate) fn new(value: Value) -> Self {
        Self { line: 0, value }
    }

    /// The member of a table with this name.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Table(entries) => entries
                .iter()
                .find(|entry| entry.key == key)
                .map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The text, where it is one.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members of a list; none where it is no list.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }
}

/// A table whose keys are all known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'n> {
    entries: &'n [Entry],
    line: u32,
}

impl<'n> Fields<'n> {
    /// Refuses what is no table, and keys that are not in the list.
    pub(crate) fn new(node: &'n Node, known: &[&str]) -> Result<Self, ReadError> {
        let Value::Table(entries) = &node.value else {
            return Err(ReadError::at(node.line, "a table is expected here"));
        };
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                return Err(unknown_key(entry, known));
            }
        }
        Ok(Self {
            entries,
            line: node.line,
        })
    }

    pub(crate) fn line(&self) -> u32 {
        self.line
    }

    pub(crate) fn optional(&self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found
            .map(|entry| &entry.node)
            .filter(|node| node.value != Value::Null)
    }

    pub(crate) fn required(&self, key: &str) -> Result<&'n Node, ReadError> {
        self.optional(key)
            .ok_or_else(|| ReadError::at(self.line, format!("`{key}` is missing")))
    }

    pub(crate) fn text(&self, key: &str) -> Result<String, ReadError> {
        text(self.required(key)?)
    }

    pub(crate) fn optional_text(&self, key: &str) -> Result<Option<String>, ReadError> {
        self.optional(key).map(text).transpose()
    }

    pub(crate) fn date(&self, key: &str) -> Result<Date, ReadError> {
        date(self.required(key)?)
    }

    pub(crate) fn optional_date(&self, key: &str) -> Result<Option<Date>, ReadError> {
        self.optional(key).map(date).transpose()
    }

    pub(crate) fn optional_bool(&self, key: &str) -> Result<Option<bool>, ReadError> {
        self.optional(key).map(boolean).transpose()
    }

    pub(crate) fn optional_count(&self, key: &str) -> Result<Option<u32>, ReadError> {
        self.optional(key).map(count).transpose()
    }

    /// The members of a list; none where the key is absent.
    pub(crate) fn list(&self, key: &str) -> Result<&'n [Node], ReadError> {
        match self.optional(key) {
            None => Ok(&[]),
            Some(node) => list(node),
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Vec<String>, ReadError> {
        self.list(key)?.iter().map(text).collect()
    }

    /// One of a few words.
    pub(crate) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<T, ReadError> {
        word(self.required(key)?, words)
    }

    pub(crate) fn optional_word<T: Copy>(
        &self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, ReadError> {
        self.optional(key).map(|node| word(node, words)).transpose()
    }
}

pub(crate) fn text(node: &Node) -> Result<String, ReadError> {
    node.as_text()
        .map(str::to_owned)
        .ok_or_else(|| ReadError::at(node.line, "text is expected here"))
}

pub(crate) fn date(node: &Node) -> Result<Date, ReadError> {
    node.as_text()
        .and_then(Date::parse)
        .ok_or_else(|| ReadError::at(node.line, "a date is expected here, as in \"2026-11-23\""))
}

pub(crate) fn list(node: &Node) -> Result<&[Node], ReadError> {
    match &node.value {
        Value::List(items) => Ok(items),
        _ => Err(ReadError::at(node.line, "a list is expected here")),
    }
}

fn boolean(node: &Node) -> Result<bool, ReadError> {
    match node.value {
        Value::Bool(value) => Ok(value),
        _ => Err(ReadError::at(node.line, "true or false is expected here")),
    }
}

fn count(node: &Node) -> Result<u32, ReadError> {
    match &node.value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
    .ok_or_else(|| ReadError::at(node.line, "a whole number is expected here"))
}

pub(crate) fn word<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, ReadError> {
    let said = text(node)?;
    if let Some((_, meaning)) = words.iter().find(|(name, _)| *name == said) {
        return Ok(*meaning);
    }
    let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
    Err(ReadError::at(
        node.line,
        format!("`{said}` is none of {}", names.join(", ")),
    ))
}

fn unknown_key(entry: &Entry, known: &[&str]) -> ReadError {
    let nearest = known
        .iter()
        .map(|name| (distance(&entry.key, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 2).max(2));
    let remedy = match nearest {
        Some((_, name)) => format!("; did you mean `{name}`?"),
        None => format!("; known are {}", known.join(", ")),
    };
    let key: String = entry.key.chars().take(64).collect();
    ReadError::at(entry.node.line, format!("unknown key `{key}`{remedy}"))
}

/// Levenshtein's distance; a key that is longer than any name of ours is far from all of them.
fn distance(from: &str, to: &str) -> usize {
    if from.len() > 64 {
        return usize::MAX;
    }
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (other, cell) in to.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(letter != *other));
            diagonal = *cell;
            *cell = replaced
                .min(diagonal.saturating_add(1))
                .min(left.saturating_add(1));
            left = *cell;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        let node = crate::json::parse("{\n \"name\": 1,\n \"headquaters\": 2}").unwrap();
        let refused = Fields::new(&node, &["name", "headquarters"]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "line 3: unknown key `headquaters`; did you mean `headquarters`?"
        );
    }

    #[test]
    fn distances_are_levenshteins() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
