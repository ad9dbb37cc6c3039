//! Encrypted and otherwise closed parts: named, not opened.

use proto::Reason;

use crate::formats::mail::part::Body;
use crate::formats::mail::{Desk, Letter};
use crate::members::Stop;

const ARMOUR: &[u8] = b"-----BEGIN PGP MESSAGE-----";
/// The object identifiers of CMS content (RFC 5652 and 3274), as DER spells them.
const SIGNED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";
const ENVELOPED: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
const AUTH_ENVELOPED: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17";
const COMPRESSED: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x09";
/// Where the identifier stands: after the outermost tag and its length.
const CMS_HEAD_BYTES: usize = 32;

/// Notes what the header says.
pub(super) fn note_by_header(body: &Body<'_>, desk: &mut Desk<'_>) {
    let header = body.header;
    let offset = header.body_start();
    if header.has_too_many {
        let stop = Stop::malformed("more fields of one kind than are looked at");
        desk.note(&body.letter.path, offset, stop);
    }
    if header.has_type(b"message/partial") {
        let stop = Stop::unsupported("a fragment of a message that was split is not put together");
        desk.note(&body.name, offset, stop);
    }
    let is_cms = header.type_says(b"pkcs7-mime");
    if is_cms && header.type_says(b"enveloped-data") {
        desk.note(&body.name, offset, encrypted());
    }
}

/// Notes what the content shows.
pub(super) fn note_by_content(content: &Letter<'_>, body: &Body<'_>, desk: &mut Desk<'_>) {
    let text = content.text;
    let is_armoured = memchr::memmem::find_iter(text, ARMOUR)
        .take(100)
        .any(|at| at == 0 || at.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'\n'));
    let head = text.get(..CMS_HEAD_BYTES).unwrap_or(text);
    let is_cms = head.starts_with(b"\x30");
    let says = |identifier: &[u8]| is_cms && memchr::memmem::find(head, identifier).is_some();
    if is_armoured || says(ENVELOPED) || says(AUTH_ENVELOPED) {
        desk.note(&body.name, 0, encrypted());
    } else if says(COMPRESSED) {
        let stop = Stop::unsupported("compressed S/MIME content is not unpacked");
        desk.note(&body.name, 0, stop);
    } else if says(SIGNED) && body.header.type_says(b"pkcs7-mime") {
        let stop = Stop::unsupported("content inside an S/MIME signature is not unpacked");
        desk.note(&body.name, 0, stop);
    }
}

fn encrypted() -> Stop {
    Stop {
        reason: Reason::Encrypted,
        text: "encrypted".into(),
    }
}
