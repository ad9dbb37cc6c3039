//! Reads a TOML file of the operator's; an unknown key is a mistake with its line and a suggestion.

use std::fmt;

use serde::de::DeserializeOwned;

/// What is wrong with a file, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name, as the operator knows it.
    pub file: String,
    /// From 1; `None` where it is about the whole file.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}, line {line}: {}", self.file, self.message),
            None => write!(formatter, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Mistake {}

/// Reads `text`.
pub(crate) fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Mistake> {
    toml::from_str(text).map_err(|error| Mistake {
        file: file.to_owned(),
        line: error.span().map(|span| line_of(text, span.start)),
        message: explained(error.message()),
    })
}

fn line_of(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before
        .filter(|byte| **byte == b'\n')
        .count()
        .saturating_add(1)
}

/// serde's words for an unknown key, with the nearest known one first.
fn explained(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let is_unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let (true, Some(unknown)) = (is_unknown, quoted.next()) else {
        return message.lines().next().unwrap_or(message).to_owned();
    };
    let word = if message.starts_with("unknown field") {
        "key"
    } else {
        "word"
    };
    let known: Vec<&str> = quoted.collect();
    let nearest = known.iter().min_by_key(|name| distance(unknown, name));
    match nearest {
        Some(nearest) if distance(unknown, nearest) <= 3 => {
            format!("unknown {word} \"{unknown}\"; did you mean \"{nearest}\"?")
        }
        _ => format!(
            "unknown {word} \"{unknown}\"; known here: {}",
            known.join(", ")
        ),
    }
}

/// How many letters must change to make one word of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for letter in left.chars() {
        let mut next = vec![row.first().map_or(1, |first| first.saturating_add(1))];
        for (other, pair) in right.iter().zip(row.windows(2)) {
            let [diagonal, above] = pair else { continue };
            let before = next.last().copied().unwrap_or_default();
            let changed = diagonal.saturating_add(usize::from(letter != *other));
            let moved = before.min(*above).saturating_add(1);
            next.push(changed.min(moved));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_as_far_apart_as_letters_differ() {
        for (left, right, expected) in [
            ("scan", "scan", 0),
            ("scna", "scan", 2),
            ("", "abc", 3),
            ("update", "updates", 1),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
    }
}
