//! `%XX` and `+` of addresses, `=XX` of mails. What is between escapes stays as it is.

use super::{More, Name, Sink, give};

/// Bytes without an escape after which a part ends: a secret that needs none is found plain.
const GAP_BYTES_MAX: usize = 64;

pub(super) fn peel(bytes: &[u8], sink: &mut Sink<'_>) {
    if peel_one("url", bytes, url, sink) == More::Yes {
        peel_one("quoted-printable", bytes, quoted, sink);
    }
}

/// Reads an escape at the start: what it stands for, if anything, and its length.
type Escape = fn(&[u8]) -> Option<(Option<u8>, usize)>;

fn peel_one(name: Name, bytes: &[u8], escape: Escape, sink: &mut Sink<'_>) -> More {
    let mut decoded = Vec::new();
    let mut part: Option<(usize, usize)> = None;
    let mut at = 0_usize;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let is_over = part.is_some_and(|(_, last)| at.saturating_sub(last) > GAP_BYTES_MAX);
        if is_over
            && let Some((start, _)) = part.take()
            && give(name, start, std::mem::take(&mut decoded), sink) == More::No
        {
            return More::No;
        }
        match escape(rest) {
            Some((value, length)) => {
                if part.is_none() {
                    let from = at.saturating_sub(GAP_BYTES_MAX);
                    decoded = bytes.get(from..at).unwrap_or_default().to_vec();
                }
                let start = part.map_or(at, |(start, _)| start);
                part = Some((start, at));
                decoded.extend(value);
                at = at.saturating_add(length);
            }
            None => {
                if part.is_some() {
                    decoded.push(*byte);
                }
                at = at.saturating_add(1);
            }
        }
    }
    match part {
        Some((start, _)) => give(name, start, decoded, sink),
        None => More::Yes,
    }
}

fn url(bytes: &[u8]) -> Option<(Option<u8>, usize)> {
    match bytes {
        [b'%', high, low, ..] => Some((Some(pair(*high, *low)?), 3)),
        [b'+', ..] => Some((Some(b' '), 1)),
        _ => None,
    }
}

fn quoted(bytes: &[u8]) -> Option<(Option<u8>, usize)> {
    match bytes {
        [b'=', b'\r', b'\n', ..] => Some((None, 3)),
        [b'=', b'\n', ..] => Some((None, 2)),
        [b'=', high, low, ..] => Some((Some(pair(*high, *low)?), 3)),
        _ => None,
    }
}

fn pair(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high.wrapping_shl(4) | low).ok()
}
