//! The certificates that a PE file carries with its signature: who they name, and their keys.
//! Nothing is verified here, and nothing is trusted: a file may carry any certificate.

use proto::{Budget, Reason};

use super::{CERTIFICATES, Image};
use crate::fields::{u16_le, u32_le};
use crate::input::read_part;
use crate::{ReadError, Source};

/// The most that is read of the table; signatures with many timestamps have some tens of KiB.
const TABLE_BYTES_MAX: usize = 1 << 20;
/// Entries of the table, and certificates of one entry.
const ENTRIES_MAX: usize = 16;
const CERTIFICATES_MAX: usize = 256;
const ENTRY_BYTES: usize = 8;
/// An entry that holds PKCS #7.
const SIGNED_DATA: u16 = 2;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const OBJECT: u8 = 6;
/// The first field of its own kind, which is itself made of fields.
const FIRST: u8 = 0xa0;
/// 1.2.840.113549.1.7.2.
const SIGNED_DATA_OBJECT: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02";

/// A certificate with an RSA key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The name's content, in DER.
    pub subject: Vec<u8>,
    /// The serial number's content, in DER.
    pub serial: Vec<u8>,
    /// The key's modulus, without zeros in front.
    pub modulus: Vec<u8>,
}

/// Why the certificates could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateStop {
    /// A limit.
    Limit(Reason),
    /// The file.
    Read(ReadError),
}

/// The certificates that a PE file carries, as far as they can be read.
pub fn certificates(
    source: &dyn Source,
    budget: &mut Budget,
) -> Result<Vec<Certificate>, CertificateStop> {
    let mut found = Vec::new();
    let image = Image::read(source).map_err(CertificateStop::Read)?;
    let directory = image.and_then(|image| image.data_directory(CERTIFICATES));
    let Some((offset, size_bytes)) = directory else {
        return Ok(found);
    };
    let size = usize::try_from(size_bytes).unwrap_or(TABLE_BYTES_MAX);
    let held = size.min(TABLE_BYTES_MAX) as u64;
    budget.hold_memory(held).map_err(CertificateStop::Limit)?;
    let table = read_part(source, u64::from(offset), size.min(TABLE_BYTES_MAX));
    if let Ok(table) = &table {
        entries(table, &mut found);
    }
    budget.release_memory(held);
    table.map_err(CertificateStop::Read)?;
    Ok(found)
}

fn entries(mut table: &[u8], found: &mut Vec<Certificate>) {
    for _ in 0..ENTRIES_MAX {
        let (Some(length), Some(kind)) = (u32_le(table, 0), u16_le(table, 6)) else {
            return;
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let entry = table.get(..length).unwrap_or(table);
        if kind == SIGNED_DATA {
            let _ = signed_data(entry.get(ENTRY_BYTES..).unwrap_or_default(), found);
        }
        let next = length.checked_next_multiple_of(8).unwrap_or(usize::MAX);
        table = table.get(next.max(ENTRY_BYTES)..).unwrap_or_default();
    }
}

/// `None` where it ends early or is something else; what was found until then stays.
fn signed_data(bytes: &[u8], found: &mut Vec<Certificate>) -> Option<()> {
    let mut info = Der(Der(bytes).field(SEQUENCE)?);
    if info.field(OBJECT)? != SIGNED_DATA_OBJECT {
        return None;
    }
    let mut content = Der(info.field(FIRST)?);
    let mut signed = Der(content.field(SEQUENCE)?);
    signed.field(INTEGER)?;
    // Digest algorithms and what is signed.
    signed.any()?;
    signed.field(SEQUENCE)?;
    let mut list = Der(signed.field(FIRST)?);
    while let Some((tag, certificate)) = list.any() {
        if found.len() >= CERTIFICATES_MAX {
            return None;
        }
        if tag == SEQUENCE {
            found.extend(parse(certificate));
        }
    }
    Some(())
}

fn parse(certificate: &[u8]) -> Option<Certificate> {
    let mut fields = Der(Der(certificate).field(SEQUENCE)?);
    let (tag, first) = fields.any()?;
    let serial = match tag {
        FIRST => fields.field(INTEGER)?,
        INTEGER => first,
        _ => return None,
    };
    // The algorithm of the signature, who signed, and from when to when.
    fields.field(SEQUENCE)?;
    fields.field(SEQUENCE)?;
    fields.field(SEQUENCE)?;
    let subject = fields.field(SEQUENCE)?;
    let mut key = Der(fields.field(SEQUENCE)?);
    key.field(SEQUENCE)?;
    // The bits that are left over in the last byte are none.
    let bits = key.field(BIT_STRING)?.strip_prefix(&[0])?;
    let modulus = Der(Der(bits).field(SEQUENCE)?).field(INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    Some(Certificate {
        subject: subject.to_vec(),
        serial: serial.to_vec(),
        modulus: modulus.get(zeros..)?.to_vec(),
    })
}

/// Reads fields in DER: a tag, a length, the content.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next field's tag and content.
    fn any(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..0x80 => (usize::from(*first), rest),
            _ => {
                let digits = usize::from(first & 0x7f);
                let (digits, rest) = rest.split_at_checked(digits)?;
                let (0x81..=0x84, [_, ..]) = (*first, digits) else {
                    return None;
                };
                let length = digits.iter().fold(0usize, |length, digit| {
                    length.wrapping_shl(8) | usize::from(*digit)
                });
                (length, rest)
            }
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The next field's content, where it has this tag.
    fn field(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let (tag, content) = self.any()?;
        (tag == wanted).then_some(content)
    }
}
