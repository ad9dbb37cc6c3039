//! Zip archives, with all that readers ask for and nothing that differs between two machines.

use miniz_oxide::deflate::compress_to_vec;

use crate::random::Random;
use crate::{Body, Secret, texts};

/// What begins a deflated text: code lengths and the text before the secret, which other documents
/// have too.
pub(crate) const TEXT_HEAD_BYTES: usize = 192;
/// The same of an Office document's part.
pub(crate) const OFFICE_HEAD_BYTES: usize = 360;
/// The same for its end, where the markup closes.
const TAIL_BYTES: usize = 64;
/// 1 January 2024, as zips count days.
const DATE: u16 = 0x5821;

/// How members are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// As they are.
    Stored,
    /// By deflate.
    Deflated,
}

/// An archive.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    /// The file.
    pub(crate) bytes: Vec<u8>,
    /// What its members are stored as, in order.
    pub(crate) packed: Vec<Vec<u8>>,
}

/// Writes an archive.
pub(crate) fn zip(members: &[(&str, Vec<u8>)], method: Method) -> Archive {
    let mut archive = Archive::default();
    let mut directory = Vec::new();
    for (name, bytes) in members {
        let packed = match method {
            Method::Stored => bytes.clone(),
            Method::Deflated => compress_to_vec(bytes, 6),
        };
        let offset = u32_of(archive.bytes.len());
        let fields = fields(name, bytes, &packed, method);
        archive.bytes.extend(b"PK\x03\x04");
        archive.bytes.extend(&fields);
        archive.bytes.extend(name.as_bytes());
        archive.bytes.extend(&packed);
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(&fields);
        // No comment, first disk, binary, an ordinary file that its owner may write.
        directory.extend([0; 6]);
        directory.extend(0o100_644_u32.wrapping_shl(16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
        archive.packed.push(packed);
    }
    let count = u16_of(members.len());
    let start = u32_of(archive.bytes.len());
    archive.bytes.extend(&directory);
    archive.bytes.extend(b"PK\x05\x06\0\0\0\0");
    archive.bytes.extend(count.to_le_bytes());
    archive.bytes.extend(count.to_le_bytes());
    archive.bytes.extend(u32_of(directory.len()).to_le_bytes());
    archive.bytes.extend(start.to_le_bytes());
    archive.bytes.extend([0, 0]);
    archive
}

/// What a member is stored as, where that is long enough to be told from others.
pub(crate) fn packed_secret(packed: &[u8], head_bytes: usize) -> Option<Secret> {
    let end = packed.len().checked_sub(TAIL_BYTES)?;
    let middle = packed.get(head_bytes..end)?;
    (middle.len() >= crate::WINDOW_BYTES).then(|| Secret {
        part: "packed content",
        bytes: middle.to_vec(),
    })
}

/// An archive in an archive, as people send them.
pub(crate) fn zip_in_zip(banner: &str, random: &mut Random) -> Body {
    let secret = texts::secret(9, random);
    let note = format!("{banner}\n\n{secret}\n");
    let inner = zip(&[("report.txt", note.into_bytes())], Method::Deflated);
    let mut secrets = vec![texts::content(secret)];
    secrets.extend(
        inner
            .packed
            .iter()
            .filter_map(|packed| packed_secret(packed, TEXT_HEAD_BYTES)),
    );
    let readme = b"The report is in report.zip.\n".to_vec();
    let outer = zip(
        &[("readme.txt", readme), ("report.zip", inner.bytes)],
        Method::Deflated,
    );
    Body {
        bytes: outer.bytes,
        secrets,
        extension: "zip",
    }
}

/// The fields that a member's two headers share.
fn fields(name: &str, bytes: &[u8], packed: &[u8], method: Method) -> Vec<u8> {
    let method: u16 = match method {
        Method::Stored => 0,
        Method::Deflated => 8,
    };
    let mut fields = Vec::new();
    fields.extend(20_u16.to_le_bytes());
    fields.extend([0, 0]);
    fields.extend(method.to_le_bytes());
    fields.extend([0, 0]);
    fields.extend(DATE.to_le_bytes());
    fields.extend(crc32fast::hash(bytes).to_le_bytes());
    fields.extend(u32_of(packed.len()).to_le_bytes());
    fields.extend(u32_of(bytes.len()).to_le_bytes());
    fields.extend(u16_of(name.len()).to_le_bytes());
    fields.extend([0, 0]);
    fields
}

fn u32_of(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}

fn u16_of(size: usize) -> u16 {
    u16::try_from(size).unwrap_or(u16::MAX)
}
