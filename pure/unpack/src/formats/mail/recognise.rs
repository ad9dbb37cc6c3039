//! What is taken for mail: two of the usual fields at the beginning, or one that says what the
//! body is beside any other; or, in text of another kind, a header that only mail has. Other
//! scanners take these for mail as well.

use crate::formats::leaf::is_text;
use crate::formats::mail::header::field;
use crate::formats::mail::lines::{Line, LineEnds};
use crate::identify::Probe;

const HEAD_BYTES: usize = 8 << 10;
/// How far in a header is looked for.
const SEARCH_BYTES: usize = 36 << 10;
/// Lines of a header before the field that it is known by.
const LINES_BEFORE_MAX: usize = 200;
/// Fields that together make a message of a list of fields.
const FIELDS: [&[u8]; 15] = [
    b"received",
    b"return-path",
    b"delivered-to",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"x-mailer",
    b"reply-to",
    b"sender",
];

/// Fields that few other things have.
const IN_MAIL_ONLY: [&[u8]; 6] = [
    b"mime-version",
    b"from",
    b"to",
    b"subject",
    b"received",
    b"message-id",
];

/// Where a message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) offset: usize,
    /// Whether other text stands before it.
    pub(super) is_quoted: bool,
}

/// Whether an object is a mailbox.
pub(super) fn is_mailbox(probe: &Probe<'_>) -> bool {
    let head = probe.head.get(..HEAD_BYTES).unwrap_or(probe.head);
    let start = after_blanks(head);
    match Line::at(head, start, LineEnds::Feeds) {
        Some(line) => {
            line.of(head).starts_with(b"From ") && weight_at(head, line.next, LineEnds::Feeds) >= 1
        }
        None => false,
    }
}

/// Whether an object is a message.
pub(super) fn is_message(probe: &Probe<'_>) -> bool {
    let found = find_message(probe.head);
    found.is_some_and(|found| !found.is_quoted || is_open_text(probe.head, found.offset))
}

/// Where a message begins in what was recognised as one.
pub(super) fn message_start(bytes: &[u8]) -> Found {
    let head = bytes.get(..SEARCH_BYTES).unwrap_or(bytes);
    find_message(head).unwrap_or(Found {
        offset: after_blanks(head),
        is_quoted: false,
    })
}

/// Whether a message stands in text that is no document of another kind.
fn is_open_text(head: &[u8], offset: usize) -> bool {
    let start = head.get(..1024).unwrap_or(head);
    let before = head.get(..offset.saturating_add(80)).unwrap_or(head);
    let before: Vec<u8> = before.iter().copied().filter(|byte| *byte != 0).collect();
    is_text(&before)
        && !head.starts_with(b"{\\rt")
        && memchr::memmem::find(start, b"%PDF-").is_none()
}

fn find_message(head: &[u8]) -> Option<Found> {
    let offset = after_blanks(head);
    let start = head.get(..HEAD_BYTES).unwrap_or(head);
    let ways = [LineEnds::Feeds, LineEnds::Returns];
    if ways.iter().any(|ends| weight_at(start, offset, *ends) >= 2) {
        return Some(Found {
            offset,
            is_quoted: false,
        });
    }
    let quoted = if may_say_type(head) {
        quoted_message(head)
    } else {
        None
    };
    quoted.map(|offset| Found {
        offset,
        is_quoted: true,
    })
}

/// Whether one of the fields may be here without which no header in other text counts. Seen in one
/// pass, so that whatever is no mail need not be gone through line by line.
fn may_say_type(head: &[u8]) -> bool {
    memchr::memchr_iter(b'-', head).any(|at| {
        let rest = head.get(at..).unwrap_or_default();
        let mut word = rest.iter().filter(|byte| **byte != 0).skip(1);
        let mut next = || word.next().map(u8::to_ascii_lowercase);
        let start = [next(), next(), next(), next()];
        start == b"type".map(Some) || start == b"vers".map(Some)
    })
}

/// After a byte order mark and blank lines.
fn after_blanks(head: &[u8]) -> usize {
    let rest = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    // A blank at the beginning of a line continues the line before.
    let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
    head.len()
        .saturating_sub(rest.len())
        .saturating_add(blanks.count())
}

/// How many of the usual fields the header has that begins here. What says that there are parts
/// counts twice, and so does what says what the body is, where any other field is beside it.
fn weight_at(head: &[u8], at: usize, ends: LineEnds) -> usize {
    let (mut known, mut at, mut place) = (0usize, at, 0usize);
    let (mut fields, mut types) = (0usize, 0usize);
    while let Some(line) = Line::at(head, at, ends) {
        let said = line.of(head);
        at = line.next;
        if said.is_empty() {
            break;
        }
        // Folded lines continue a field; anything else ends the header, as mail programs see it,
        // and where it comes first there is none.
        let is_folded = place > 0 && (said.starts_with(b" ") || said.starts_with(b"\t"));
        match field_of(said) {
            _ if is_folded => {}
            Some((name, value)) => {
                let is_type = name.eq_ignore_ascii_case(b"content-type");
                let has_parts = is_type && starts_with(value.trim_ascii_start(), b"multipart");
                known = known.saturating_add(usize::from(is_one_of(&name, &FIELDS)));
                known = known.saturating_add(usize::from(has_parts));
                types = types.saturating_add(usize::from(is_type));
                fields = fields.saturating_add(1);
            }
            None if said.starts_with(b">From ") => {}
            None => break,
        }
        place = place.saturating_add(1);
    }
    match types > 0 && fields > 1 {
        true => known.saturating_add(1),
        false => known,
    }
}

fn starts_with(value: &[u8], word: &[u8]) -> bool {
    let start = value.get(..word.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// A header in the midst of text, known by a field that only mail has, or by one that mail begins
/// with beside one that says what the body is.
fn quoted_message(head: &[u8]) -> Option<usize> {
    let mut block: Option<Block> = None;
    let start = after_blanks(head);
    let mut starts_as_mail = false;
    let mut at = 0;
    while let Some(line) = Line::at(head, at, LineEnds::Feeds) {
        let said = line.of(head);
        at = line.next;
        if (said.starts_with(b" ") || said.starts_with(b"\t")) && block.is_some() {
            continue;
        }
        let Some((name, _)) = field_of(said) else {
            block = None;
            continue;
        };
        let block = block.get_or_insert(Block::at(line.begin));
        block.lines = block.lines.saturating_add(1);
        block.is_mail |= is_one_of(&name, &IN_MAIL_ONLY);
        block.has_type |= is_one_of(&name, &[b"content-type", b"mime-version"]);
        // A header that is broken off may go on further down.
        starts_as_mail |= block.is_mail && block.begin == start;
        if block.has_type && starts_as_mail {
            return Some(start);
        }
        if block.is_mail && block.has_type && block.lines <= LINES_BEFORE_MAX {
            return Some(block.begin);
        }
    }
    None
}

/// Lines that are fields, one after the other.
struct Block {
    begin: usize,
    lines: usize,
    is_mail: bool,
    has_type: bool,
}

impl Block {
    fn at(begin: usize) -> Self {
        Self {
            begin,
            lines: 0,
            is_mail: false,
            has_type: false,
        }
    }
}

/// A field's name and the beginning of its value; zeros are left out.
fn field_of(line: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let start = line.get(..200).unwrap_or(line);
    let plain: Vec<u8> = start.iter().copied().filter(|byte| *byte != 0).collect();
    field(&plain).map(|(name, value)| (name.to_vec(), value.to_vec()))
}

fn is_one_of(name: &[u8], known: &[&[u8]]) -> bool {
    known.iter().any(|known| name.eq_ignore_ascii_case(known))
}
