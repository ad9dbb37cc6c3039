//! Values and dictionaries as slices of text: what a key says is read where it stands, so that
//! no tree is built of what an attacker wrote.

use crate::formats::pdf::lex::{Lexer, Token, name_is};

/// A value of a dictionary or an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Int(i64),
    Name(&'a [u8]),
    /// A string's token.
    Text(Token<'a>),
    /// A reference to the object of a number.
    Ref(u32),
    /// What is between the brackets.
    Array(&'a [u8]),
    /// What is between the double angle brackets.
    Dict(&'a [u8]),
    Word(&'a [u8]),
}

/// The next value of a text; closing brackets are passed over.
pub(super) fn next_value<'a>(lexer: &mut Lexer<'a>) -> Option<Value<'a>> {
    loop {
        let (_, token) = lexer.next()?;
        return Some(match token {
            Token::DictClose | Token::ArrayClose => continue,
            Token::DictOpen => Value::Dict(lexer.inside()),
            Token::ArrayOpen => Value::Array(lexer.inside()),
            Token::Literal(_) | Token::Hex(_) => Value::Text(token),
            Token::Name(raw) => Value::Name(raw),
            Token::Word(word) => Value::Word(word),
            Token::Int(number) => match reference(number, lexer) {
                Some(number) => Value::Ref(number),
                None => Value::Int(number),
            },
        });
    }
}

/// The only value of a text, or its first.
pub(super) fn value(text: &[u8]) -> Option<Value<'_>> {
    next_value(&mut Lexer::new(text))
}

/// The values of an array's inside.
pub(super) fn elements(inside: &[u8]) -> impl Iterator<Item = Value<'_>> {
    let mut lexer = Lexer::new(inside);
    std::iter::from_fn(move || next_value(&mut lexer))
}

/// The keys and values of a dictionary's inside, keys as they are spelled.
pub(super) fn entries(inside: &[u8]) -> impl Iterator<Item = (&[u8], Value<'_>)> {
    let mut lexer = Lexer::new(inside);
    std::iter::from_fn(move || {
        loop {
            if let (_, Token::Name(key)) = lexer.next()? {
                // A key that another key seems to be the value of: `/A /B` is a value.
                return next_value(&mut lexer).map(|value| (key, value));
            }
        }
    })
}

/// The last value of a key, which is the one that most readers take.
pub(super) fn entry<'a>(inside: &'a [u8], key: &[u8]) -> Option<Value<'a>> {
    let of_key = entries(inside).filter(|(name, _)| name_is(name, key));
    of_key.map(|(_, value)| value).last()
}

/// Whether an entry is a name, and this one.
pub(super) fn entry_is(inside: &[u8], key: &[u8], wanted: &[u8]) -> bool {
    matches!(entry(inside, key), Some(Value::Name(name)) if name_is(name, wanted))
}

/// An entry that is an integer.
pub(super) fn entry_int(inside: &[u8], key: &[u8]) -> Option<i64> {
    match entry(inside, key) {
        Some(Value::Int(number)) => Some(number),
        _ => None,
    }
}

fn reference(number: i64, lexer: &mut Lexer<'_>) -> Option<u32> {
    let number = u32::try_from(number).ok()?;
    let mut ahead = lexer.clone();
    let (_, Token::Int(_)) = ahead.next()? else {
        return None;
    };
    let (_, Token::Word(b"R")) = ahead.next()? else {
        return None;
    };
    *lexer = ahead;
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_are_read_where_they_stand() {
        let text = b"/A 1 /B [1 2 0 R/N] junk /#43 <</A 2>> /D 7 0 R /A 3 /E";
        assert_eq!(entry_int(text, b"A"), Some(3));
        assert_eq!(entry(text, b"C"), Some(Value::Dict(b"/A 2")));
        assert_eq!(entry(text, b"D"), Some(Value::Ref(7)));
        assert_eq!(entry(text, b"E"), None);
        let Some(Value::Array(inside)) = entry(text, b"B") else {
            panic!("an array");
        };
        let values: Vec<_> = elements(inside).collect();
        assert_eq!(values, [Value::Int(1), Value::Ref(2), Value::Name(b"N")]);
    }
}
