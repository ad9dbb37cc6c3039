//! Parameters of header fields: boundaries, read in every way in which a reader might, and the
//! names of attachments (RFC 2231 and RFC 2047, and what real programs write).

use crate::decode::letters::hex;
use crate::formats::mail::words::decoded_words;

/// Boundaries that one field may give.
const BOUNDARIES_MAX: usize = 8;
/// Longer ones separate nothing that we could tell.
const BOUNDARY_BYTES_MAX: usize = 1000;
/// Pieces that a parameter may come in.
const PIECES_MAX: usize = 100;
const BOUNDARY: &[u8] = b"boundary";

/// A value without its comments in parentheses.
pub(crate) fn uncommented(value: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in value {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth = depth.saturating_add(1),
            b')' if depth > 0 => {
                depth = depth.saturating_sub(1);
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            plain.push(*byte);
        }
    }
    plain
}

/// What a content type may mean by its boundary: wherever the word stands, each of the ways in
/// which its value can be read, the likeliest first.
pub(crate) fn boundaries(value: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut add = |boundary: &[u8]| {
        let boundary = boundary.trim_ascii_end();
        let known = all.iter().any(|known| known == boundary);
        if boundary.len() <= BOUNDARY_BYTES_MAX && !known && all.len() < BOUNDARIES_MAX {
            all.push(boundary.to_vec());
        }
    };
    if let Some(joined) = parameter(value, BOUNDARY) {
        add(&joined);
    }
    let lower = value.to_ascii_lowercase();
    for at in memchr::memmem::find_iter(&lower, BOUNDARY) {
        let rest = value.get(at.saturating_add(BOUNDARY.len())..);
        let rest = rest.unwrap_or_default().trim_ascii_start();
        if let Some(rest) = rest.strip_prefix(b"=") {
            read_every_way(rest.trim_ascii_start(), &mut add);
        }
    }
    all
}

fn read_every_way(rest: &[u8], add: &mut impl FnMut(&[u8])) {
    let until = |ends: &[u8]| {
        let end = rest.iter().position(|byte| ends.contains(byte));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    };
    if let Some(inner) = rest.strip_prefix(b"\"") {
        let (unescaped, raw) = quoted(inner);
        add(&unescaped);
        add(raw);
        return;
    }
    // An empty one would make every line of two dashes a separator.
    for read in [until(b"; \t\r\n"), until(b";\r\n"), until(b"; \t\r\n(\"")] {
        if !read.trim_ascii().is_empty() {
            add(read);
        }
    }
    if let Some(inner) = rest.strip_prefix(b"'") {
        add(inner
            .split(|byte| *byte == b'\'')
            .next()
            .unwrap_or_default());
    }
}

/// The rest of a quoted text, with its escapes undone and as it stands.
fn quoted(inner: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut unescaped = Vec::new();
    let mut escaped = false;
    for (place, byte) in inner.iter().enumerate() {
        match byte {
            b'\\' if !escaped => {
                escaped = true;
                continue;
            }
            b'"' if !escaped => return (unescaped, inner.get(..place).unwrap_or_default()),
            _ => escaped = false,
        }
        unescaped.push(*byte);
    }
    (unescaped, inner)
}

/// The name of a file in a field's parameter.
pub(crate) fn file_name(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let name = decoded_words(&parameter(value, wanted)?);
    let name = name.trim_ascii();
    (!name.is_empty()).then(|| name.to_vec())
}

/// A parameter's value: plain, in pieces, with a character set, or all of these.
fn parameter(value: &[u8], wanted: &[u8]) -> Option<Vec<u8>> {
    let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
    for (name, value) in split(value) {
        let name = name.to_ascii_lowercase();
        let Some(rest) = name.strip_prefix(wanted) else {
            continue;
        };
        let (number, extended) = match rest.strip_suffix(b"*") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let number = match number.strip_prefix(b"*") {
            Some(digits) => std::str::from_utf8(digits)
                .ok()
                .and_then(|d| d.parse().ok()),
            None => number.is_empty().then_some(0),
        };
        let Some(number) = number else {
            continue;
        };
        let value = match extended {
            true => percent_decoded(&value, number == 0),
            false => value,
        };
        if pieces.len() < PIECES_MAX {
            pieces.push((number, value));
        }
    }
    pieces.sort_by_key(|(number, _)| *number);
    // The same parameter twice is no continuation.
    pieces.dedup_by_key(|(number, _)| *number);
    let whole: Vec<u8> = pieces.into_iter().flat_map(|(_, value)| value).collect();
    (!whole.is_empty()).then_some(whole)
}

/// Names and values between semicolons outside quotes.
fn split(value: &[u8]) -> Vec<(&[u8], Vec<u8>)> {
    let mut all = Vec::new();
    let (mut start, mut in_quotes, mut escaped) = (0usize, false, false);
    for (place, byte) in value.iter().chain(b";").enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_quotes,
            b'"' => in_quotes = !in_quotes,
            b';' if !in_quotes || place == value.len() => {
                all.extend(value.get(start..place).and_then(named));
                start = place.saturating_add(1);
            }
            _ => {}
        }
    }
    // A quote that is never closed hides no parameter after it.
    if in_quotes {
        all.extend(value.get(start..).and_then(named));
    }
    all
}

fn named(part: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let equals = memchr::memchr(b'=', part)?;
    let name = part.get(..equals)?.trim_ascii();
    let value = part.get(equals.checked_add(1)?..)?.trim_ascii();
    Some((
        name,
        match value.strip_prefix(b"\"") {
            Some(inner) => quoted(inner).0,
            None => value.to_vec(),
        },
    ))
}

/// Undoes percent escapes; the first piece says the character set and the language before it.
fn percent_decoded(value: &[u8], first: bool) -> Vec<u8> {
    let mut value = value;
    if first && let [_, _, text] = *value.splitn(3, |byte| *byte == b'\'').collect::<Vec<_>>() {
        value = text;
    }
    let mut out = Vec::new();
    let mut at = 0usize;
    while let Some(byte) = value.get(at) {
        let escape = value.get(at..at.saturating_add(3));
        let decoded = match escape {
            Some([b'%', high, low]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match decoded {
            Some((high, low)) => {
                out.push(high.wrapping_shl(4) | low);
                at = at.saturating_add(3);
            }
            None => {
                out.push(*byte);
                at = at.saturating_add(1);
            }
        }
    }
    out
}
