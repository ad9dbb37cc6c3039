//! The first look over a document: every object, wherever it lies, whatever the cross-reference
//! tables say of it. An attacker breaks the tables, since readers then look for objects too; and
//! an object that only a table leads to is found as well, since it begins like any other.

use std::sync::OnceLock;

use aho_corasick::packed::Searcher;
use proto::Budget;

use crate::Source;
use crate::embedded::window::{Window, searcher};
use crate::formats::pdf::effort::Effort;
use crate::formats::pdf::kept::Kept;
use crate::formats::pdf::lex::{Lexer, Token, is_space};
use crate::formats::pdf::object::{Outline, with_text};
use crate::formats::pdf::values::{Value, entry, entry_int, entry_is, value};
use crate::input::read_part;
use crate::members::Stop;

/// How far before the word `obj` its numbers are looked for.
const HEADER_BYTES: u64 = 256;
/// Dictionaries that speak of encryption, and are kept.
const SECURED_MAX: usize = 16;

/// An object of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Where its value begins.
    pub(super) offset: u64,
    /// Zero, which is no object's number, where it has none.
    pub(super) number: u32,
    pub(super) generation: u16,
    pub(super) kind: Kind,
    pub(super) has_script: bool,
    pub(super) has_files: bool,
    pub(super) has_text: bool,
}

/// What an object is to this format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Value,
    Stream,
    /// A stream of objects.
    Objects,
}

/// All that lies in a file.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) objects: Kept<Found>,
    /// Where streams end.
    pub(super) stream_ends: Kept<u64>,
    /// Dictionaries that speak of encryption.
    pub(super) secured: Vec<u64>,
    /// Whether a trailer speaks of none.
    pub(super) has_plain_trailer: bool,
    /// Where the last mark lies that ends a document.
    pub(super) last_end: Option<u64>,
    /// How long the file says that it is.
    pub(super) stated_bytes: Option<u64>,
}

impl Survey {
    /// Looks over the file; what was found before a limit stays.
    pub(super) fn look(
        &mut self,
        source: &dyn Source,
        effort: &Effort,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        static WORDS: OnceLock<Option<Searcher>> = OnceLock::new();
        // The ends of `endstream` and `startxref`: the search takes eight bytes at most.
        let words: [&[u8]; 5] = [b"obj", b"dstream", b"trailer", b"artxref", b"%%EOF"];
        let Some(words) = WORDS.get_or_init(|| searcher(&words)).as_ref() else {
            return Ok(());
        };
        let mut window = Window::new(source, source.size_bytes());
        let mut at = 0;
        while let Some(offset) = window.find(words, at, budget)? {
            at = offset.saturating_add(1);
            let mut near = [0; 16];
            let begin = offset.saturating_sub(3);
            let count = source.read_at(begin, &mut near)?;
            let near = near.get(..count).unwrap_or_default();
            let skipped = usize::try_from(offset.saturating_sub(begin)).unwrap_or(0);
            let (before, word) = near.split_at_checked(skipped).unwrap_or((near, &[]));
            if word.starts_with(b"obj") {
                if before != b"end" && !word.get(3).is_some_and(u8::is_ascii_alphabetic) {
                    self.object(offset, source, (effort, budget))?;
                }
            } else if word.starts_with(b"dstream") {
                if before.ends_with(b"en") {
                    self.stream_ends.push(offset.saturating_sub(2), budget)?;
                }
            } else if word.starts_with(b"trailer") {
                let text_offset = offset.saturating_add(7);
                with_text((source, effort), text_offset, budget, |text, _, _| {
                    self.secure(text_offset, text, Where::Trailer);
                })?;
            } else {
                self.last_end = Some(offset);
            }
        }
        Ok(())
    }

    fn object(
        &mut self,
        word: u64,
        source: &dyn Source,
        (effort, budget): (&Effort, &mut Budget),
    ) -> Result<(), Stop> {
        let begin = word.saturating_sub(HEADER_BYTES);
        let count = usize::try_from(word.saturating_sub(begin)).unwrap_or(0);
        let before = read_part(source, begin, count)?;
        let Some((number, generation)) = header(&before) else {
            return Ok(());
        };
        let offset = word.saturating_add(3);
        let found = with_text((source, effort), offset, budget, |text, outline, _| {
            if outline.stream.is_some() {
                self.secure(offset, text, Where::Stream);
            }
            if self.stated_bytes.is_none() {
                self.stated_bytes = stated_bytes(text);
            }
            Found {
                offset,
                number,
                generation,
                kind: kind(text, outline),
                has_script: outline.has_script,
                has_files: outline.has_files,
                has_text: outline.has_text,
            }
        })?;
        self.objects.push(found, budget)?;
        Ok(())
    }

    fn secure(&mut self, offset: u64, text: &[u8], place: Where) {
        let Some(Value::Dict(inside)) = value(text) else {
            return;
        };
        if entry(inside, b"Encrypt").is_some() {
            // The last ones are what readers look at.
            if self.secured.len() >= SECURED_MAX {
                self.secured.remove(0);
            }
            self.secured.push(offset);
        } else if place == Where::Trailer || entry_is(inside, b"Type", b"XRef") {
            self.has_plain_trailer = true;
        }
    }
}

/// What a dictionary belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    Trailer,
    Stream,
}

fn kind(text: &[u8], outline: &Outline) -> Kind {
    if outline.stream.is_none() {
        return Kind::Value;
    }
    let Some(Value::Dict(inside)) = value(text) else {
        return Kind::Stream;
    };
    // Readers that are led to it by a table don't look at its type.
    let has_both = entry(inside, b"N").is_some() && entry(inside, b"First").is_some();
    match has_both || entry_is(inside, b"Type", b"ObjStm") {
        true => Kind::Objects,
        false => Kind::Stream,
    }
}

/// How long a file is that is laid out for the web.
fn stated_bytes(text: &[u8]) -> Option<u64> {
    let Some(Value::Dict(inside)) = value(text) else {
        return None;
    };
    entry(inside, b"Linearized")?;
    entry_int(inside, b"L").and_then(|size| u64::try_from(size).ok())
}

/// The numbers before the word `obj`; zeros where there are none, `None` where it is part of
/// another word.
fn header(before: &[u8]) -> Option<(u32, u16)> {
    let simple = |text: &mut &[u8]| {
        let trimmed = trim_end(text, is_space);
        let rest = trim_end(trimmed, |byte| byte.is_ascii_digit());
        let digits = trimmed.get(rest.len()..).unwrap_or_default();
        *text = rest;
        std::str::from_utf8(digits).ok()?.parse::<u32>().ok()
    };
    let mut rest = before;
    let generation = simple(&mut rest);
    let number = simple(&mut rest);
    let last = before.last().copied().unwrap_or(b' ');
    match (number, generation) {
        (Some(number), Some(generation)) => {
            Some((number, u16::try_from(generation).unwrap_or(u16::MAX)))
        }
        _ if is_space(last) => Some(behind_comments(before).unwrap_or((0, 0))),
        _ => None,
    }
}

/// The same where comments stand between the numbers.
fn behind_comments(before: &[u8]) -> Option<(u32, u16)> {
    let mut lexer = Lexer::new(before);
    let (mut number, mut generation) = (None, None);
    while let Some((_, token)) = lexer.next() {
        number = generation;
        generation = match token {
            Token::Int(int) => u32::try_from(int).ok(),
            _ => None,
        };
    }
    let generation = u16::try_from(generation?).unwrap_or(u16::MAX);
    number.map(|number| (number, generation))
}

fn trim_end(text: &[u8], is: impl Fn(u8) -> bool) -> &[u8] {
    let count = text.iter().rev().take_while(|byte| is(**byte)).count();
    text.get(..text.len().saturating_sub(count))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_behind_space_and_comments() {
        assert_eq!(header(b"endobj\n12 3 "), Some((12, 3)));
        assert_eq!(header(b"12 3"), Some((12, 3)));
        assert_eq!(header(b"\n12%1 2\n3\0%\r\n"), Some((12, 3)));
        assert_eq!(header(b"99999999999 0 "), Some((0, 0)));
        assert_eq!(header(b"word "), Some((0, 0)));
        assert_eq!(header(b"word"), None);
        assert_eq!(header(b""), Some((0, 0)));
    }
}
