//! Mail: an mbox, or a message that begins with RFC 5322 header fields. Recognised, not unpacked
//! yet.

use crate::formats::leaf::is_text;
use crate::identify::{Format, Probe, Role};

const HEAD_BYTES: usize = 8 << 10;
/// Fields that together make a message of a list of fields.
const FIELDS: [&[u8]; 12] = [
    b"received",
    b"return-path",
    b"delivered-to",
    b"message-id",
    b"mime-version",
    b"content-type",
    b"from",
    b"to",
    b"subject",
    b"date",
    b"x-mailer",
    b"reply-to",
];

/// Mail messages and mailboxes.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "mail",
    detect,
    role: Role::Unsupported,
}];

fn detect(probe: &Probe<'_>) -> bool {
    let head = probe.head.get(..HEAD_BYTES).unwrap_or(probe.head);
    if !is_text(head) {
        return false;
    }
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty())
        .peekable();
    let is_mbox = lines.next_if(|line| line.starts_with(b"From ")).is_some();
    let mut known = 0usize;
    for (place, line) in lines.enumerate() {
        if line.is_empty() {
            break;
        }
        match field_name(line) {
            Some(name) if FIELDS.iter().any(|field| name.eq_ignore_ascii_case(field)) => {
                known = known.saturating_add(1);
            }
            Some(_) => {}
            // Folded lines continue a field; anything else ends the header, as mail programs see
            // it, and where it comes first there is none.
            None if place > 0 && line.starts_with(b" ") || line.starts_with(b"\t") => {}
            None => break,
        }
    }
    known >= 2 || (is_mbox && known >= 1)
}

fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(|byte| matches!(byte, 33..=126));
    is_name.then_some(name)
}
