//! Encoded words (RFC 2047) in names. UTF-8 and Latin-1 become UTF-8; other character sets stay
//! as their bytes.

use crate::decode::letters::hex;

/// Decodes the words of a name; what is none stays.
pub(crate) fn decoded_words(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut after_word = false;
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        let Some((decoded, after)) = word(from) else {
            let kept = at.saturating_add(2);
            out.extend(rest.get(..kept).unwrap_or(rest));
            rest = rest.get(kept..).unwrap_or_default();
            after_word = false;
            continue;
        };
        // Blanks between two words only keep the words apart.
        if !(after_word && before.trim_ascii().is_empty()) {
            out.extend(before);
        }
        out.extend(decoded);
        rest = after;
        after_word = true;
    }
    out.extend(rest);
    out
}

/// One word at the beginning of a text, and what follows it.
fn word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let inner = text.strip_prefix(b"=?")?;
    let mut fields = inner.splitn(3, |byte| *byte == b'?');
    let (charset, way, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let end = memchr::memmem::find(rest, b"?=")?;
    let data = rest.get(..end)?;
    let bytes = match way {
        b"B" | b"b" => base64_word(data),
        b"Q" | b"q" => quoted_word(data),
        _ => return None,
    };
    Some((in_utf8(bytes, charset), rest.get(end.checked_add(2)?..)?))
}

fn quoted_word(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = data.iter().copied();
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'_' => b' ',
            b'=' => {
                let mut ahead = rest.clone();
                let pair = ahead.next().and_then(hex).zip(ahead.next().and_then(hex));
                match pair {
                    Some((high, low)) => {
                        rest = ahead;
                        high.wrapping_shl(4) | low
                    }
                    None => b'=',
                }
            }
            other => other,
        });
    }
    out
}

fn base64_word(data: &[u8]) -> Vec<u8> {
    crate::decode::letters::base64_text(data)
}

fn in_utf8(bytes: Vec<u8>, charset: &[u8]) -> Vec<u8> {
    let charset = charset.to_ascii_lowercase();
    let is_latin = charset.starts_with(b"iso-8859-1") || charset.starts_with(b"windows-1252");
    match is_latin && bytes.iter().any(|byte| *byte > 127) {
        true => bytes
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .into(),
        false => bytes,
    }
}
