//! One object's text: where it ends, what in it asks for a closer look, and its scripts and
//! attached files.

use proto::Budget;

use crate::Source;
use crate::formats::pdf::effort::Effort;
use crate::formats::pdf::lex::{Lexer, Token, name_is, string_bytes};
use crate::formats::pdf::values::{Value, entries, entry, next_value};
use crate::input::read_part;
use crate::members::Stop;

/// What is read of an object at first; more where it does not end there.
const TEXT_BYTES: usize = 1 << 10;
/// Dictionaries inside each other of which the keys of the outer ones are still known.
const DEPTH_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 1 << 10;

/// Where an object's value ends and what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Where the word begins that ends the value.
    pub(super) end: usize,
    /// Where the word `stream` ends, if that is the word.
    pub(super) stream: Option<usize>,
    /// Whether a key speaks of a script.
    pub(super) has_script: bool,
    /// Whether a key speaks of attached files.
    pub(super) has_files: bool,
    /// Whether there is a string.
    pub(super) has_text: bool,
}

/// A script: its text, or the number of the object that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Script {
    Text(Vec<u8>),
    Object(u32),
}

/// Reads the text of the object whose value begins at `offset`, and looks at it. The text is
/// memory held from the budget as long as it is looked at.
pub(super) fn with_text<T>(
    (source, effort): (&dyn Source, &Effort),
    offset: u64,
    budget: &mut Budget,
    look: impl FnOnce(&[u8], &Outline, &mut Budget) -> T,
) -> Result<T, Stop> {
    let mut count = TEXT_BYTES;
    loop {
        budget.check_time()?;
        budget.hold_memory(count as u64)?;
        let looked = read_part(source, offset, count)
            .map_err(Stop::from)
            .and_then(|bytes| {
                let is_last = bytes.len() < count;
                let outline = outline(&bytes, is_last, effort)?;
                Ok(outline.map(|outline| (bytes, outline)))
            });
        if let Ok(Some((bytes, outline))) = &looked {
            let text = bytes.get(..outline.end).unwrap_or_default();
            let found = look(text, outline, budget);
            budget.release_memory(count as u64);
            return Ok(found);
        }
        budget.release_memory(count as u64);
        looked?;
        count = count.saturating_mul(4);
    }
}

/// The outline of a text that begins with an object's value; `None` where more of it is needed.
pub(super) fn outline(
    text: &[u8],
    is_last: bool,
    effort: &Effort,
) -> Result<Option<Outline>, Stop> {
    let mut lexer = Lexer::new(text);
    let mut outline = Outline::default();
    // Where the last two tokens begin, as long as they are numbers.
    let mut numbers: [Option<usize>; 2] = [None; 2];
    let ended = loop {
        let Some((begin, token)) = lexer.next() else {
            outline.end = text.len();
            break is_last;
        };
        if lexer.is_at_end() && !is_last {
            break false;
        }
        match token {
            Token::Int(_) => {
                numbers = [numbers[1], Some(begin)];
                continue;
            }
            Token::Word(word) if word.starts_with(b"stream") => {
                outline.end = begin;
                outline.stream = Some(begin.saturating_add(b"stream".len()));
                break true;
            }
            Token::Word(b"obj") => {
                // Another object begins, and the numbers before are its own.
                outline.end = numbers[0].unwrap_or(begin);
                break true;
            }
            Token::Word(word) if is_end(word) => {
                outline.end = begin;
                break true;
            }
            Token::Name(raw) if name_is(raw, b"JS") => outline.has_script = true,
            Token::Name(raw) if name_is(raw, b"EF") => outline.has_files = true,
            Token::Literal(_) | Token::Hex(_) => outline.has_text = true,
            _ => {}
        }
        numbers = [None; 2];
    };
    effort.spend(lexer.at())?;
    Ok(ended.then_some(outline))
}

/// The scripts in a text, at any depth.
pub(super) fn scripts(text: &[u8]) -> impl Iterator<Item = Script> + '_ {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(move || {
        loop {
            let (_, Token::Name(raw)) = lexer.next()? else {
                continue;
            };
            if !name_is(raw, b"JS") {
                continue;
            }
            match next_value(&mut lexer.clone()) {
                Some(Value::Text(token)) => return string_bytes(token).map(Script::Text),
                Some(Value::Ref(number)) => return Some(Script::Object(number)),
                _ => {}
            }
        }
    })
}

/// The strings in a text, at any depth.
pub(super) fn strings(text: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let mut lexer = Lexer::new(text);
    std::iter::from_fn(move || {
        loop {
            if let Some(bytes) = string_bytes(lexer.next()?.1) {
                return Some(bytes);
            }
        }
    })
}

/// The attached files that a text speaks of: the number of each one's stream, and its name
/// as it stands.
pub(super) fn files(text: &[u8], effort: &Effort) -> Result<Vec<(u32, Vec<u8>)>, Stop> {
    let mut found = Vec::new();
    // Where each dictionary begins that is open.
    let mut open = vec![0usize];
    let mut lexer = Lexer::new(text);
    while let Some((_, token)) = lexer.next() {
        match token {
            Token::DictOpen if open.len() < DEPTH_MAX => open.push(lexer.at()),
            Token::DictClose if open.len() > 1 => {
                open.pop();
            }
            Token::Name(raw) if name_is(raw, b"EF") => {
                let begin = open.last().copied().unwrap_or(0);
                let mut around = Lexer::new(text.get(begin..).unwrap_or_default());
                let specification = around.inside();
                effort.spend(around.at())?;
                let streams = match next_value(&mut lexer.clone()) {
                    Some(Value::Dict(inside)) => inside,
                    _ => continue,
                };
                let name = file_name(specification);
                for (_, value) in entries(streams) {
                    if let Value::Ref(number) = value {
                        found.push((number, name.clone()));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn file_name(specification: &[u8]) -> Vec<u8> {
    let named = [b"UF".as_slice(), b"F", b"Unix", b"DOS", b"Mac"];
    let mut names = named
        .iter()
        .filter_map(|key| match entry(specification, key) {
            Some(Value::Text(token)) => string_bytes(token),
            _ => None,
        });
    let mut name = names.next().unwrap_or_default();
    name.truncate(NAME_BYTES_MAX);
    name
}

/// A text string as UTF-8, where it says that it is in UTF-16 or UTF-8; else as it is.
pub(super) fn plain_text(bytes: Vec<u8>) -> Vec<u8> {
    let units = |of: fn([u8; 2]) -> u16| {
        let pairs = bytes.get(2..).unwrap_or_default().chunks_exact(2);
        let units: Vec<u16> = pairs
            .filter_map(|pair| pair.try_into().ok().map(of))
            .collect();
        String::from_utf16_lossy(&units).into_bytes()
    };
    match bytes.as_slice() {
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] => text.to_vec(),
        _ => bytes,
    }
}

fn is_end(word: &[u8]) -> bool {
    let ends: [&[u8]; 4] = [b"endobj", b"startxref", b"trailer", b"xref"];
    ends.iter().any(|end| word.starts_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlined(text: &[u8]) -> Outline {
        outline(text, true, &Effort::new(1 << 20))
            .expect("enough")
            .expect("the text is all there is")
    }

    #[test]
    fn an_object_ends_at_its_word_or_where_the_next_begins() {
        let cases: [(&[u8], usize, Option<usize>); 5] = [
            (b"<</A 1>>endobj", 8, None),
            (b"<</A (endobj)>>stream\nx", 15, Some(21)),
            (b"<</A 1 7 0 obj<<>>", 7, None),
            (b"12endobj", 2, None),
            (b"(", 1, None),
        ];
        for (text, end, stream) in cases {
            let found = outlined(text);
            assert_eq!((found.end, found.stream), (end, stream), "{text:?}");
        }
    }

    #[test]
    fn a_text_that_is_cut_asks_for_more() {
        let text = b"<</A (endobj)>>stream\nx";
        for length in 0..text.len() - 1 {
            let found = outline(&text[..length], false, &Effort::new(1 << 20));
            assert_eq!(found, Ok(None), "{length}");
        }
    }

    #[test]
    fn scripts_and_files_are_found_at_any_depth() {
        let text = b"<</A<</J#53 (a\\)b)>>/B[<</JS 4 0 R>>]/JS<feff0041>";
        let found: Vec<Script> = scripts(text).collect();
        let wide = Script::Text(b"\xfe\xff\0A".to_vec());
        assert_eq!(
            found,
            [Script::Text(b"a)b".to_vec()), Script::Object(4), wide]
        );
        assert_eq!(plain_text(b"\xfe\xff\0A\0B".to_vec()), b"AB");
        let text = b"[<</F(a)/EF<</F 3 0 R/UF 3 0 R>>>><</EF<</F 5 0 R>>/UF<feff0062>/F(x)>>]";
        let found = files(text, &Effort::new(1 << 20)).expect("enough");
        let a = b"a".to_vec();
        assert_eq!(
            found,
            [(3, a.clone()), (3, a), (5, b"\xfe\xff\0b".to_vec())]
        );
    }
}
