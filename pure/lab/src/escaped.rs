//! Bytes that are mostly text, as a string that can be read, sorted and turned back.
//!
//! Paths, arguments and names of hosts are bytes. In a record, printable text stands as it is, a
//! backslash is doubled, and every other byte is `\xNN`. Nothing is lost and no control character
//! reaches a terminal.

use std::fmt;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// Escaped bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Escaped(String);

impl Escaped {
    /// Escapes `bytes`.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            for letter in chunk.valid().chars() {
                push(&mut text, letter);
            }
            for byte in chunk.invalid() {
                push_byte(&mut text, *byte);
            }
        }
        Self(text)
    }

    /// The escaped text, safe to print.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes that were escaped; a backslash that starts no escape stands for itself.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            let (byte, used) = match unescaped(rest) {
                Some(found) => found,
                None => (*first, 1),
            };
            bytes.push(byte);
            rest = rest.get(used..).unwrap_or(after);
        }
        bytes
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<&str> for Escaped {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes())
    }
}

fn push(text: &mut String, letter: char) {
    match letter {
        '\\' => text.push_str("\\\\"),
        letter if is_shown(letter) => text.push(letter),
        letter => {
            let mut buffer = [0; 4];
            for byte in letter.encode_utf8(&mut buffer).bytes() {
                push_byte(text, byte);
            }
        }
    }
}

/// Whether a letter may stand as it is: no control, nothing that turns the direction of a line.
fn is_shown(letter: char) -> bool {
    let turns = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !letter.is_control() && !turns
}

fn push_byte(text: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(text, "\\x{byte:02x}");
}

/// The byte that an escape at the start stands for, and the escape's length.
fn unescaped(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [b'\\', b'\\', ..] => Some((b'\\', 2)),
        [b'\\', b'x', high, low, ..] => {
            let high = char::from(*high).to_digit(16)?;
            let low = char::from(*low).to_digit(16)?;
            let byte = high.checked_mul(16)?.checked_add(low)?;
            Some((u8::try_from(byte).ok()?, 4))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(Escaped::new(&all).to_bytes(), all);
        for text in ["/home/é/\\x41", "a\nb", "\u{202e}cod", "", "\\", "\\\\x"] {
            assert_eq!(Escaped::from(text).to_bytes(), text.as_bytes(), "{text}");
        }
    }

    #[test]
    fn nothing_that_moves_a_cursor_is_left() {
        let escaped = Escaped::new(b"a\x1b[2J\r\n\xe2\x80\xaeb\xff");
        assert_eq!(escaped.as_str(), "a\\x1b[2J\\x0d\\x0a\\xe2\\x80\\xaeb\\xff");
    }
}
