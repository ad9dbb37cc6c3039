//! What counts as text, and what as HTML.

use proto::Budget;

use super::text::TextStop;
use crate::Source;
use crate::input::part_of;

/// How much of an object decides whether it is text, and how much of data may call it HTML.
const HEAD_BYTES: usize = 1024;
const CHUNK_BYTES: usize = 64 << 10;
/// No mark is longer, but for the one with a gap.
const MARK_BYTES_MAX: usize = 8;

/// What an object is to normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    /// Neither text nor HTML.
    Neither,
    /// Text.
    Text,
    /// HTML.
    Html,
    /// HTML to browsers, text to the peer.
    Both,
}

/// Finds out what an object of this format is.
pub fn normal(source: &dyn Source, format: &str, budget: &Budget) -> Result<Normal, TextStop> {
    if !matches!(format, "text" | "html" | "data" | "gif") {
        return Ok(Normal::Neither);
    }
    let head = part_of(source, 0, HEAD_BYTES).map_err(TextStop::Read)?;
    let is_text = format != "gif" && is_text(&head);
    let mut marks = Marks::default();
    let look_bytes = match format {
        "data" if !is_text => head.len() as u64,
        _ => source.size_bytes(),
    };
    let mut at = 0u64;
    while at < look_bytes && marks.found != Mark::Exact {
        budget.check_time().map_err(TextStop::Limit)?;
        let left = usize::try_from(look_bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let chunk = part_of(source, at, CHUNK_BYTES.min(left)).map_err(TextStop::Read)?;
        if chunk.is_empty() {
            break;
        }
        marks.push(&chunk);
        at = at.saturating_add(chunk.len() as u64);
    }
    Ok(match (is_text, marks.found) {
        (_, Mark::Exact) => Normal::Html,
        (true, Mark::AnyCase) => Normal::Both,
        (true, Mark::None) => Normal::Text,
        (false, _) => Normal::Neither,
    })
}

/// Text has no control characters that texts don't have, or is UTF-16 of such, high byte first;
/// the first pair may be a mark, and is not looked at.
fn is_text(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let is_control = |byte: u8| matches!(byte, 0..=6 | 11 | 14..=26 | 28..=31 | 127);
    if !head.iter().any(|byte| is_control(*byte)) {
        return true;
    }
    let pairs = head.as_chunks::<2>().0;
    pairs.iter().skip(1).all(|pair| match pair {
        [0, low] => !is_control(*low),
        pair => pair != b"\xff\xfe",
    })
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    #[default]
    None,
    /// In a mixture of cases, which only browsers take for what it is.
    AnyCase,
    /// As the peer looks for it.
    Exact,
}

/// Looks for the tags that make a text HTML.
#[derive(Debug, Default)]
struct Marks {
    found: Mark,
    /// An `<a ` came by, and no `href` yet.
    has_link: bool,
    /// The last bytes of the chunk before.
    rest: Vec<u8>,
}

/// Each in lower case, and whether with only its first letter in upper case it counts too.
const TAGS: [(&[u8], bool); 7] = [
    (b"<html>", true),
    (b"<head>", true),
    (b"<script", true),
    (b"<iframe", false),
    (b"<img", true),
    (b"<table", false),
    (b"<object", true),
];

impl Marks {
    fn push(&mut self, chunk: &[u8]) {
        let mut bytes = std::mem::take(&mut self.rest);
        bytes.extend(chunk);
        // UTF-16 has zeros between the letters.
        if bytes.contains(&0) {
            bytes.retain(|byte| *byte != 0);
        }
        let mut at = 0usize;
        while let Some(rest) = bytes.get(at..) {
            let wanted =
                |byte: &u8| *byte == b'<' || (self.has_link && matches!(byte, b'h' | b'H'));
            let Some(step) = rest.iter().position(wanted) else {
                break;
            };
            at = at.saturating_add(step);
            self.look(bytes.get(at..).unwrap_or_default());
            at = at.saturating_add(1);
        }
        let keep = bytes.len().saturating_sub(MARK_BYTES_MAX);
        self.rest = bytes.split_off(keep);
    }

    fn look(&mut self, bytes: &[u8]) {
        if self.has_link && starts_in_any_case(bytes, b"href") {
            self.found = Mark::Exact;
        }
        if starts_in_any_case(bytes, b"<a ") {
            self.has_link = true;
        }
        for (tag, takes_title) in TAGS {
            if !starts_in_any_case(bytes, tag) {
                continue;
            }
            let name = bytes.get(1..tag.len()).unwrap_or_default();
            let is_lower = |name: &[u8]| !name.iter().any(u8::is_ascii_uppercase);
            let is_upper = !name.iter().any(u8::is_ascii_lowercase);
            let is_title = takes_title && is_lower(name.get(1..).unwrap_or_default());
            let mark = match is_lower(name) || is_upper || is_title {
                true => Mark::Exact,
                false => Mark::AnyCase,
            };
            self.found = self.found.max(mark);
        }
    }
}

fn starts_in_any_case(bytes: &[u8], lower: &[u8]) -> bool {
    bytes
        .get(..lower.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    fn kind(bytes: &[u8]) -> Normal {
        let budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let format = crate::identify(&bytes).unwrap();
        normal(&bytes, format.name, &budget).unwrap()
    }

    #[test]
    fn text_is_what_the_peer_calls_text() {
        for (bytes, expected) in [
            (&b"hello world"[..], Normal::Text),
            (b"hello \x01 world", Normal::Text),
            (b"hello world \0 more", Normal::Text),
            (b"hello world xx\0\x01\x02\n", Normal::Neither),
            (b"hello world!\0\0more", Normal::Neither),
            (b"\0\x01hello", Normal::Text),
            (b"ab\0\x0bhello", Normal::Neither),
            (b"\xff\xfe\0\0\0\0\0\0", Normal::Text),
            (b"h\0e\0l\0l\0o\0", Normal::Text),
            (b"\x80\x81\x82abc", Normal::Text),
            (b"MZ hello", Normal::Neither),
        ] {
            assert_eq!(kind(bytes), expected, "{bytes:?}");
        }
        let late = [&b"word ".repeat(300), &b"\0\0\0\0"[..]].concat();
        assert_eq!(kind(&late), Normal::Text);
    }

    #[test]
    fn html_is_what_the_peer_calls_html_and_what_browsers_do() {
        for (bytes, expected) in [
            (&b"x <html> y"[..], Normal::Html),
            (b"x <Script src=y>", Normal::Html),
            (b"x <hTmL> y", Normal::Both),
            (b"x <Table> y", Normal::Both),
            (b"x <html lang=en> <p>", Normal::Text),
            (b"<a name=x> <b hrEF", Normal::Html),
            (b"<b href=x>", Normal::Text),
            (b"\xff\xfe<\0h\0e\0a\0d\0>\0", Normal::Html),
            (b"\0\0\0\0<head>", Normal::Html),
            (b"\0\0\0\0<hEad>", Normal::Neither),
        ] {
            assert_eq!(kind(bytes), expected, "{bytes:?}");
        }
        for distance in (CHUNK_BYTES - 10)..(CHUNK_BYTES + 2) {
            let late = [vec![b'x'; distance], b"<script".to_vec()].concat();
            assert_eq!(kind(&late), Normal::Html, "{distance}");
        }
        let far = [vec![0; 2000], b"<html>".to_vec()].concat();
        assert_eq!(kind(&far), Normal::Neither);
    }
}
