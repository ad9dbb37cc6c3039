//! JSON as evidence needs it: read so that two readers can't see two things, written in one way
//! only (RFC 8785).
//!
//! Refuses an object with the same key twice, depth beyond 128, and more values than were asked
//! for: memory is bounded by the input's length.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// Values in one document at most.
pub const VALUES_MAX: usize = 4_000_000;
/// The largest integer that every reader of JSON holds exactly.
const EXACT_MAX: u64 = 1 << 53;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A whole number that every reader holds exactly.
    Integer(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object; each key once.
    Object(BTreeMap<String, Json>),
}

/// Why a text is not JSON that is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Reads a document.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonError> {
    let mut left = VALUES_MAX;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Values { left: &mut left }.deserialize(&mut reader);
    let value = value.map_err(|error| JsonError(error.to_string()))?;
    reader.end().map_err(|error| JsonError(error.to_string()))?;
    Ok(value)
}

/// Reads a document into a type of ours, with each key once everywhere in it.
pub fn parse_into<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    parse(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| JsonError(error.to_string()))
}

/// The canonical bytes (RFC 8785) of anything that is written as JSON; `None` where it holds a
/// number that is not finite.
pub fn canonical_of<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, JsonError> {
    let plain = serde_json::to_vec(value).map_err(|error| JsonError(error.to_string()))?;
    Ok(parse(&plain)?.canonical())
}

impl Json {
    /// Its canonical bytes, by RFC 8785.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let mut text = String::new();
        self.write(&mut text);
        text.into_bytes()
    }

    /// The value at a key of an object.
    #[must_use]
    pub fn at(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(members) => members.get(key),
            _ => None,
        }
    }

    /// The text at a key of an object.
    #[must_use]
    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.at(key).and_then(Self::text)
    }

    /// The items of a list at a key of an object; none where there is no list.
    pub fn items_at(&self, key: &str) -> impl Iterator<Item = &Json> {
        let items: &[Json] = match self.at(key) {
            Some(Self::List(items)) => items,
            _ => &[],
        };
        items.iter()
    }

    /// Its text, where it is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    // Recursion is bounded by the depth that the parser lets in.
    fn write(&self, text: &mut String) {
        match self {
            Self::Null => text.push_str("null"),
            Self::Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
            Self::Integer(number) => text.push_str(&number.to_string()),
            Self::Float(number) => text.push_str(&es6(*number)),
            Self::Text(string) => quote(string, text),
            Self::List(items) => {
                text.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        text.push(',');
                    }
                    item.write(text);
                }
                text.push(']');
            }
            Self::Object(members) => write_object(members, text),
        }
    }
}

fn write_object(members: &BTreeMap<String, Json>, text: &mut String) {
    let mut sorted: Vec<_> = members.iter().collect();
    // By UTF-16 code units, as the RFC says, which differs from the order of code points.
    sorted.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    text.push('{');
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        quote(key, text);
        text.push(':');
        value.write(text);
    }
    text.push('}');
}

fn quote(string: &str, text: &mut String) {
    text.push('"');
    for sign in string.chars() {
        match sign {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            '\0'..='\u{1f}' => text.push_str(&format!("\\u{:04x}", u32::from(sign))),
            _ => text.push(sign),
        }
    }
    text.push('"');
}

/// A number as ECMAScript writes it (ECMA-262, Number::toString), from the shortest digits that
/// come back to the same number.
fn es6(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = shortest(number);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|sign| *sign != '.').collect();
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    // The decimal point stands after this many digits.
    let point = exponent.saturating_add(1);
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    let body = match point {
        point if point >= count && point <= 21 => {
            format!("{digits}{}", zeros(point.saturating_sub(count)))
        }
        1..=21 => {
            let (whole, part) = digits
                .split_at_checked(usize::try_from(point).unwrap_or(0))
                .unwrap_or((&digits, ""));
            format!("{whole}.{part}")
        }
        -5..=0 => format!("0.{}{digits}", zeros(point.saturating_neg())),
        _ => {
            let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
            let dot = if rest.is_empty() { "" } else { "." };
            let plus = if exponent > 0 { "+" } else { "" };
            format!("{first}{dot}{rest}e{plus}{exponent}")
        }
    };
    format!("{sign}{body}")
}

/// The fewest digits that come back to the same number, and of those the nearest: where two are
/// equally near, the even one, as ECMAScript's note says.
fn shortest(number: f64) -> String {
    let any = format!("{number:e}");
    let mantissa = any.split('e').next().unwrap_or_default();
    let places = mantissa.split_once('.').map_or(0, |(_, part)| part.len());
    let nearest = format!("{number:.places$e}");
    match nearest.parse::<f64>() {
        Ok(again) if number == again => nearest,
        _ => any,
    }
}

/// Reads values and counts them.
struct Values<'a> {
    left: &'a mut usize,
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom("there are too many values in it"))?;
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        if number.unsigned_abs() > EXACT_MAX {
            return Ok(float(number));
        }
        Ok(Json::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        match i64::try_from(number) {
            Ok(small) if number <= EXACT_MAX => Ok(Json::Integer(small)),
            _ => Ok(float(number)),
        }
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Json, E> {
        if number.is_finite() {
            return Ok(Json::Float(number));
        }
        Err(E::custom("a number in it is too large"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Values { left: self.left })? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(key) = members.next_key::<String>()? {
            if object.contains_key(&key) {
                let key: String = key.chars().take(64).collect();
                return Err(A::Error::custom(format!("the key {key:?} stands twice")));
            }
            let value = members.next_value_seed(Values { left: self.left })?;
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    }
}

/// An integer that only a double can hold, as every reader by RFC 8785 does.
fn float(number: impl fmt::Display) -> Json {
    Json::Float(number.to_string().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str) -> String {
        String::from_utf8(parse(text.as_bytes()).unwrap().canonical()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8785_is_written_as_it_says() {
        let given = r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#;
        let wanted = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(canonical(given), wanted);
    }

    #[test]
    fn keys_are_sorted_by_utf_16() {
        // RFC 8785, 3.2.3.
        let given =
            r#"{"\u20ac":1,"\r":2,"\ufb33":3,"1":4,"\ud83d\ude00":5,"\u0080":6,"\u00f6":7}"#;
        let wanted = "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"\u{f6}\":7,\"\u{20ac}\":1,\"\u{1f600}\":5,\"\u{fb33}\":3}";
        assert_eq!(canonical(given), wanted);
    }

    #[test]
    fn numbers_are_written_as_ecmascript_does() {
        // RFC 8785, appendix B.
        for (bits, wanted) in [
            (0x0000_0000_0000_0000u64, "0"),
            (0x8000_0000_0000_0000, "0"),
            (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"),
            (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"),
            (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
            (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
            (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
            (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ] {
            assert_eq!(es6(f64::from_bits(bits)), wanted, "{bits:x}");
        }
        assert_eq!(
            canonical("[9007199254740993,1.0,-0]"),
            "[9007199254740992,1,0]"
        );
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"x":[{"a":1,"\u0061":2}]}"#, "twice"),
            ("{} {}", "trailing"),
            ("1e999", "range"),
            ("\"\\ud800\"", "hex escape"),
            ("", "EOF"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse("[".repeat(200).as_bytes()).is_err());
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
    }

    #[test]
    fn what_is_canonical_stays_as_it_is() {
        let text = canonical(r#"{"b":[1.5e300,{}],"a":"é"}"#);
        assert_eq!(canonical(&text), text);
    }
}
