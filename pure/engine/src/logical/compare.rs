//! Byte comparisons: bytes near a match, read as a number.
//!
//! How text is read was measured from clamscan 1.4.6: decimal and big-endian hexadecimal text as C
//! reads it (blanks, a sign, `0x`, up to the first character that is no digit), little-endian
//! hexadecimal text pair by pair.

use rules::logical::{ByteComparison, ByteOrder, Comparison, Digits, Notation, NumberCondition};
use unpack::{ReadError, Source};

/// Where the bytes are for a match that begins at this place, if an object of this size has them.
fn place(made: &ByteComparison, at: u64, total: u64) -> Option<u64> {
    let start = at.checked_add_signed(made.offset)?;
    let end = start.checked_add(u64::from(made.length))?;
    (end <= total).then_some(start)
}

/// Whether the bytes fulfil what is asked of them.
pub(crate) fn holds(
    made: &ByteComparison,
    (source, total): (&dyn Source, u64),
    at: u64,
) -> Result<bool, ReadError> {
    let mut buffer = [0u8; u8::MAX as usize];
    let Some(start) = place(made, at, total) else {
        return Ok(false);
    };
    let Some(bytes) = buffer.get_mut(..usize::from(made.length)) else {
        return Ok(false);
    };
    if source.read_at(start, bytes)? < bytes.len() {
        return Err(ReadError::Shrank);
    }
    let Some(number) = number(made, bytes) else {
        return Ok(false);
    };
    let conditions = [Some(made.first), made.second];
    Ok(conditions
        .into_iter()
        .flatten()
        .all(|condition| fulfils(condition, number)))
}

fn fulfils(condition: NumberCondition, number: i64) -> bool {
    match condition.comparison {
        Comparison::Equal => number == condition.value,
        Comparison::More => number > condition.value,
        Comparison::Fewer => number < condition.value,
    }
}

fn number(made: &ByteComparison, bytes: &[u8]) -> Option<i64> {
    match (made.notation, made.order) {
        (Notation::Integer, ByteOrder::Big) => Some(integer(bytes.iter())),
        (Notation::Integer, ByteOrder::Little) => Some(integer(bytes.iter().rev())),
        (Notation::Decimal, _) => number_of(bytes, made.digits, 10),
        (Notation::Hexadecimal, ByteOrder::Big) => number_of(bytes, made.digits, 16),
        (Notation::Hexadecimal, ByteOrder::Little) => pairs(bytes, made.digits),
        (Notation::Either, order) => {
            let text = trim(bytes);
            // The peer looks for `0x` and a digit, and reads nothing where they have no room.
            if text.len() < 3 {
                return None;
            }
            let is_hexadecimal = text.starts_with(b"0x");
            match (is_hexadecimal, order) {
                (_, ByteOrder::Unsaid) | (false, ByteOrder::Little) => None,
                (true, ByteOrder::Little) => pairs(bytes, made.digits),
                (true, ByteOrder::Big) => number_of(bytes, made.digits, 16),
                (false, ByteOrder::Big) => number_of(bytes, made.digits, 10),
            }
        }
        (Notation::Integer | Notation::Hexadecimal, ByteOrder::Unsaid) => None,
    }
}

/// The bytes, the most significant first; eight of them have a sign.
fn integer<'b>(bytes: impl Iterator<Item = &'b u8>) -> i64 {
    bytes.fold(0i64, |number, byte| {
        number.wrapping_shl(8) | i64::from(*byte)
    })
}

/// Text as C's `strtoll` reads it. All of it must be digits where that is asked for.
fn number_of(bytes: &[u8], digits: Digits, radix: u32) -> Option<i64> {
    let trimmed = trim(bytes);
    if digits == Digits::All && trimmed.len() < bytes.len() {
        return None;
    }
    let (sign, rest) = match trimmed {
        [b'-', rest @ ..] => (-1i64, rest),
        [b'+', rest @ ..] => (1, rest),
        rest => (1, rest),
    };
    let prefixed = match rest {
        [b'0', b'x' | b'X', digits @ ..] if radix == 16 => Some(digits),
        _ => None,
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(radix);
    // A prefix without a digit behind it is a zero and a letter.
    let rest = match prefixed {
        Some(digits) if digits.first().and_then(digit).is_some() => digits,
        _ => rest,
    };
    let values = rest.iter().map_while(digit);
    let count = values.clone().count();
    if digits == Digits::All && (count == 0 || count < rest.len()) {
        return None;
    }
    let number = values.fold(0i64, |number, value| {
        number
            .saturating_mul(i64::from(radix))
            .saturating_add(i64::from(value))
    });
    Some(number.saturating_mul(sign))
}

/// Pairs of digits, the least significant pair first, up to the first that is none. An odd number
/// of characters has a zero before them.
fn pairs(bytes: &[u8], digits: Digits) -> Option<i64> {
    let trimmed = trim(bytes);
    let stripped = trimmed.strip_prefix(b"0x").unwrap_or(trimmed);
    if digits == Digits::All && stripped.len() < bytes.len() {
        return None;
    }
    let padding = match stripped.len() & 1 {
        1 => Some(&b'0'),
        _ => None,
    };
    let mut characters = padding.into_iter().chain(stripped);
    let mut number = 0i64;
    let mut shift = 0u32;
    while let Some((high, low)) = characters.next().zip(characters.next()) {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let Some((high, low)) = digit(high).zip(digit(low)) else {
            break;
        };
        let byte = i64::from(high.wrapping_shl(4) | low);
        number |= byte.checked_shl(shift).unwrap_or(0);
        shift = shift.saturating_add(8);
    }
    Some(number)
}

/// Without the blanks that C's `isspace` knows.
fn trim(bytes: &[u8]) -> &[u8] {
    let blanks = bytes
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r'));
    bytes.get(blanks.count()..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(options: &str) -> ByteComparison {
        let length = options.trim_start_matches(|c: char| c.is_ascii_alphabetic());
        let notation = match options.as_bytes()[0] {
            b'h' => Notation::Hexadecimal,
            b'd' => Notation::Decimal,
            b'a' => Notation::Either,
            _ => Notation::Integer,
        };
        let order = if options.contains('l') {
            ByteOrder::Little
        } else if options.contains('b') {
            ByteOrder::Big
        } else {
            ByteOrder::Unsaid
        };
        let digits = if options.contains('e') {
            Digits::All
        } else {
            Digits::Some
        };
        ByteComparison {
            sub: 0,
            offset: 0,
            notation,
            order,
            digits,
            length: length.parse().unwrap(),
            first: NumberCondition {
                comparison: Comparison::Equal,
                value: 0,
            },
            second: None,
        }
    }

    /// As clamscan 1.4.6 read them.
    #[test]
    fn text_is_read_as_the_peer_reads_it() {
        for (options, text, expected) in [
            ("db4", "1234", Some(1234)),
            ("d4", "1z34", Some(1)),
            ("d4", "zz12", Some(0)),
            ("d4", "  12", Some(12)),
            ("d4", "-012", Some(-12)),
            ("de4", "12zz", None),
            ("de4", "+012", Some(12)),
            ("de4", "  12", None),
            ("d4", "0x12", Some(0)),
            ("hb4", "1234", Some(0x1234)),
            ("hb4", "0x12", Some(0x12)),
            ("hb4", "ffFF", Some(0xffff)),
            ("hb4", "x123", Some(0)),
            ("hbe4", "0x12", Some(0x12)),
            ("hbe4", "12zz", None),
            ("h4", "1234", None),
            ("hl4", "1234", Some(0x3412)),
            ("hl4", "0x12", Some(0x12)),
            ("hl4", "12zz", Some(0x12)),
            ("hl4", "zz12", Some(0)),
            ("hl4", "0012", Some(0x1200)),
            ("hl3", "123", Some(0x2301)),
            ("hle4", "0x12", None),
            ("hle4", "12zz", Some(0x12)),
            ("ab4", "1234", Some(1234)),
            ("ab4", "0xff", Some(0xff)),
            ("ab2", "12", None),
            ("ab4", "  12", None),
            ("ab4", "ffff", Some(0)),
            ("al4", "0x12", Some(0x12)),
            ("al4", "1234", None),
            ("a4", "1234", None),
        ] {
            assert_eq!(
                number(&made(options), text.as_bytes()),
                expected,
                "{options} {text}"
            );
        }
    }

    #[test]
    fn integers_have_an_order_and_eight_bytes_a_sign() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(number(&made("ib2"), &bytes[..2]), Some(0x0102));
        assert_eq!(number(&made("il4"), &bytes[..4]), Some(0x0403_0201));
        assert_eq!(number(&made("ib8"), &bytes), Some(0x0102_0304_0506_0708));
        assert_eq!(number(&made("ib4"), &[0xff; 4]), Some(0xffff_ffff));
        assert_eq!(number(&made("ib8"), &[0xff; 8]), Some(-1));
        assert_eq!(number(&made("i2"), &bytes[..2]), None);
    }

    #[test]
    fn bytes_beyond_the_object_fulfil_nothing() {
        let source: &[u8] = b"ABC1";
        let mut made = made("db1");
        made.first.value = 1;
        let holds = |made: &ByteComparison| holds(made, (&source, 4), 0).unwrap();
        for (offset, expected) in [(3, true), (4, false), (-1, false), (i64::MIN, false)] {
            made.offset = offset;
            assert_eq!(holds(&made), expected, "{offset}");
        }
    }
}
