//! Byte comparison subsignatures: `0(>>4#hb2#=0xff)`.

use super::Comparison;
use crate::hash::{LineTrouble, hex_digit};

/// How the bytes are read as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Notation {
    /// `h`: hexadecimal digits.
    Hexadecimal = 0,
    /// `d`: decimal digits.
    Decimal = 1,
    /// `a`: hexadecimal digits where they begin with `0x`, else decimal ones.
    Either = 2,
    /// `i`: the bytes themselves.
    Integer = 3,
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ByteOrder {
    /// `b`.
    Big = 0,
    /// `l`.
    Little = 1,
    /// Nothing is said: the peer reads nothing but decimal digits then.
    Unsaid = 2,
}

/// Whether all of the digits must be digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Digits {
    /// As many as there are.
    Some = 0,
    /// `e`: exactly so many.
    All = 1,
}

/// A condition on a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberCondition {
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub value: i64,
}

/// A comparison of bytes near a match of another subsignature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteComparison {
    /// The subsignature whose match it counts from.
    pub sub: u8,
    /// Where the bytes are, from where the match begins.
    pub offset: i64,
    /// How they are read.
    pub notation: Notation,
    /// Which end comes first.
    pub order: ByteOrder,
    /// Whether all must be digits.
    pub digits: Digits,
    /// How many bytes.
    pub length: u8,
    /// What the number must fulfil.
    pub first: NumberCondition,
    /// What it must fulfil as well.
    pub second: Option<NumberCondition>,
}

const WRONG: LineTrouble = LineTrouble::Dropped("a byte comparison is not of a known form");

/// Parses a comparison of the rule's subsignatures; `index` is its own number.
pub(super) fn parse(text: &[u8]) -> Result<ByteComparison, LineTrouble> {
    let (mut left, inner) = cut(text, b'(').ok_or(WRONG)?;
    let sub = digits(&mut left).filter(|_| left.is_empty());
    let sub = sub.and_then(|sub| u8::try_from(sub).ok()).ok_or(WRONG)?;
    let inner = inner.strip_suffix(b")").ok_or(WRONG)?;
    let (place, rest) = cut(inner, b'#').ok_or(WRONG)?;
    let (options, conditions) = cut(rest, b'#').ok_or(WRONG)?;
    let mut conditions = conditions.split(|byte| *byte == b',');
    let first = condition(conditions.next().unwrap_or_default())?;
    let second = conditions.next().map(condition).transpose()?;
    if conditions.next().is_some() {
        return Err(WRONG);
    }
    let comparison = ByteComparison {
        sub,
        offset: offset(place).ok_or(WRONG)?,
        notation: Notation::Hexadecimal,
        order: ByteOrder::Unsaid,
        digits: Digits::Some,
        length: 0,
        first,
        second,
    };
    with_options(comparison, options)
}

fn offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'>', b'>', rest @ ..] => (1, rest),
        [b'<', b'<', rest @ ..] => (-1, rest),
        [] => (1, text),
        _ => return None,
    };
    // The peer takes an empty offset for none.
    let offset = if rest.is_empty() { 0 } else { number(rest)? };
    Some(offset.saturating_mul(sign))
}

fn with_options(mut made: ByteComparison, text: &[u8]) -> Result<ByteComparison, LineTrouble> {
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let (letters, mut rest) = text.split_at_checked(letters.count()).ok_or(WRONG)?;
    let (mut notations, mut orders) = (0u32, 0u32);
    for letter in letters {
        let notation = match letter {
            b'h' => Notation::Hexadecimal,
            b'd' => Notation::Decimal,
            b'a' => Notation::Either,
            b'i' => Notation::Integer,
            b'e' => {
                made.digits = Digits::All;
                continue;
            }
            b'l' => {
                orders = orders.saturating_add(1);
                made.order = ByteOrder::Little;
                continue;
            }
            b'b' => {
                orders = orders.saturating_add(1);
                made.order = ByteOrder::Big;
                continue;
            }
            _ => return Err(WRONG),
        };
        notations = notations.saturating_add(1);
        made.notation = notation;
    }
    let count = u8::try_from(radix(&mut rest).unwrap_or(0)).unwrap_or(0);
    if notations > 1 || orders > 1 || !rest.is_empty() || count == 0 {
        return Err(WRONG);
    }
    if made.notation == Notation::Decimal && made.order == ByteOrder::Little {
        return Err(WRONG);
    }
    let known = match made.notation {
        Notation::Integer => matches!(count, 1 | 2 | 4 | 8),
        Notation::Hexadecimal | Notation::Decimal | Notation::Either => count <= DIGITS_MAX,
    };
    if !known {
        return Err(LineTrouble::Dropped("a byte comparison of too many bytes"));
    }
    made.length = count;
    Ok(made)
}

const DIGITS_MAX: u8 = 18;

fn condition(text: &[u8]) -> Result<NumberCondition, LineTrouble> {
    let (sign, value) = text.split_first().ok_or(WRONG)?;
    let comparison = match sign {
        b'=' => Comparison::Equal,
        b'>' => Comparison::More,
        b'<' => Comparison::Fewer,
        _ => return Err(WRONG),
    };
    let value = number(value).ok_or(WRONG)?;
    Ok(NumberCondition { comparison, value })
}

/// A number with an optional sign, decimal or, behind `0x`, hexadecimal.
fn number(text: &[u8]) -> Option<i64> {
    let (sign, mut rest) = match text {
        [b'-', rest @ ..] => (-1i64, rest),
        _ => (1, text),
    };
    let number = radix(&mut rest).filter(|_| rest.is_empty())?;
    // As the peer: what is too large is the largest, for offsets past any object.
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    Some(number.saturating_mul(sign))
}

fn radix(text: &mut &[u8]) -> Option<u64> {
    let Some(mut hexadecimal) = text.strip_prefix(b"0x") else {
        return digits(text);
    };
    let mut value = None;
    while let Some((digit, rest)) = hexadecimal.split_first()
        && let Some(digit) = hex_digit(*digit)
    {
        value = Some(
            value
                .unwrap_or(0u64)
                .saturating_mul(16)
                .saturating_add(u64::from(digit)),
        );
        hexadecimal = rest;
    }
    *text = hexadecimal;
    value
}

/// The decimal digits at the front; moves past them.
fn digits(text: &mut &[u8]) -> Option<u64> {
    let mut value = None;
    while let Some((digit @ b'0'..=b'9', rest)) = text.split_first() {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        value = Some(
            value
                .unwrap_or(0u64)
                .saturating_mul(10)
                .saturating_add(digit),
        );
        *text = rest;
    }
    value
}

fn cut(text: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|byte| *byte == at)?;
    let (left, right) = text.split_at_checked(at)?;
    Some((left, right.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let made = parse(b"7(<<0x10#ile4#>5,<0xff)").unwrap();
        assert_eq!(
            made,
            ByteComparison {
                sub: 7,
                offset: -16,
                notation: Notation::Integer,
                order: ByteOrder::Little,
                digits: Digits::All,
                length: 4,
                first: NumberCondition {
                    comparison: Comparison::More,
                    value: 5
                },
                second: Some(NumberCondition {
                    comparison: Comparison::Fewer,
                    value: 255
                }),
            }
        );
        let made = parse(b"0(>>3#2#=-5)").unwrap();
        assert_eq!((made.offset, made.first.value), (3, -5));
        assert_eq!(made.notation, Notation::Hexadecimal);
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for text in [
            "0(>>1#hb2#=a)",
            "0(>>1#dl2#=5)",
            "0(>>1#al2e#=5)",
            "0(>>1#ib2#>5,<9,=7)",
            "0(>>1#ib2#!5)",
            "0(>>1#ib2#>=5)",
            "0(>>0#ib3#=5)",
            "0(>>0#ib9#=5)",
            "0(>>0#dle2#=5)",
            "0(>>0#hbe20#=5)",
            "0(>>0#ib0#=5)",
            "0(>>0#ib2#=5,)",
            "0(>>0#ib2#)",
            "0,1(>>0#ib2#=5)",
            "0 (>>0#ib2#=5)",
            "0(>>0#ib2#=5",
            "0(>0#ib2#=5)",
            "0(3#ib2#=5)",
            "0=2(>>0#ib2#=5)",
            "0(>>0#Ib2#=5)",
            "0(>>0#ilb2#=5)",
            "0",
            "0(",
            "(>>0#ib2#=5)",
            "0()",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
