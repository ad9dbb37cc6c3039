//! What tells that a document is encrypted (MS-OFFCRYPTO): the streams of the modern ways, and
//! one flag or record in the old formats. Nothing is decrypted.

use crate::fields::{u16_le, u32_le};
use crate::formats::ole2::directory::Entry;

/// How much of a stream is looked at for the record or flag.
pub(crate) const HEAD_BYTES: usize = 4 << 10;

/// Whether a stream says that its document is encrypted; `head` are its first bytes.
pub(crate) fn is_told_by(entry: &Entry, head: &[u8]) -> bool {
    let is_named = |names: &[&str]| names.iter().any(|name| entry.is_named(name));
    if is_named(&["EncryptedPackage", "EncryptedSummary", "\u{9}DRMContent"]) {
        return true;
    }
    if is_named(&["WordDocument"]) {
        return is_word(head);
    }
    if is_named(&["Workbook", "Book"]) {
        return is_excel(head);
    }
    is_named(&["Current User"]) && is_powerpoint(head)
}

/// The flag in the file information block.
fn is_word(head: &[u8]) -> bool {
    const ENCRYPTED: u16 = 0x100;
    let is_document = matches!(u16_le(head, 0), Some(0xa5ec | 0xa5dc | 0xa59b | 0xa59c));
    is_document && u16_le(head, 10).is_some_and(|flags| flags & ENCRYPTED != 0)
}

/// A record right after the first, or a few behind it.
fn is_excel(head: &[u8]) -> bool {
    const FILE_PASS: u16 = 0x2f;
    const END: u16 = 0x0a;
    let mut at = 0usize;
    while let (Some(kind), Some(size)) = (u16_le(head, at), u16_le(head, at.saturating_add(2))) {
        match kind {
            FILE_PASS => return true,
            END => return false,
            _ => at = at.saturating_add(usize::from(size)).saturating_add(4),
        }
    }
    false
}

/// The token that says how the document is stored.
fn is_powerpoint(head: &[u8]) -> bool {
    u32_le(head, 12) == Some(0xf3d1_c4df)
}
