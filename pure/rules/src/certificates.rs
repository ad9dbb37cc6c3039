//! Certificates that a database blocks, from `.crb` files:
//! `Name;Trusted;Subject;Serial;Pubkey;Exponent;CodeSign;TimeSign;CertSign;NotBefore;Comment`
//! `[;MinFL[;MaxFL]]`. A file that carries a blocked one is found, whether it is signed with it or
//! not, as the peer has it. Those that a database trusts are counted: trust would silence other
//! rules, and nothing here verifies a signature yet.

use crate::hash::{Digest, Levels, LineTrouble, decimal};
use crate::pack::{RuleId, le_u32, record};
use crate::{CompileError, passwords::from_hex};

const RECORD_BYTES: usize = 56;
const DIGEST_BYTES: usize = 20;

/// A line that blocks.
#[derive(Debug)]
pub(crate) struct CertificateLine<'a> {
    pub(crate) name: &'a [u8],
    subject: [u8; DIGEST_BYTES],
    serial: Option<[u8; DIGEST_BYTES]>,
    modulus: Vec<u8>,
}

/// Reads a line.
pub(crate) fn parse(line: &[u8]) -> Result<CertificateLine<'_>, LineTrouble> {
    const FIELDS: LineTrouble = LineTrouble::Dropped("not eleven to thirteen fields");
    let fields: Vec<&[u8]> = line.splitn(14, |byte| *byte == b';').collect();
    let [
        name,
        trusted,
        subject,
        serial,
        modulus,
        _exponent,
        signs @ ..,
    ] = fields.as_slice()
    else {
        return Err(FIELDS);
    };
    let [code, time, certificates, not_before, _comment, levels @ ..] = signs else {
        return Err(FIELDS);
    };
    if levels.len() > 2 {
        return Err(FIELDS);
    }
    let levels = levels.join(&b':');
    Levels::parse((!levels.is_empty()).then_some(&levels))?.check()?;
    for flag in [trusted, code, time, certificates] {
        if !matches!(*flag, b"0" | b"1") {
            return Err(LineTrouble::Dropped(
                "a flag of a certificate is neither 0 nor 1",
            ));
        }
    }
    if !not_before.is_empty() && decimal(not_before).is_none() {
        return Err(LineTrouble::Dropped("a certificate's time is not a number"));
    }
    let parsed = CertificateLine {
        name,
        subject: sha1(subject)?,
        serial: match serial.is_empty() {
            true => None,
            false => Some(sha1(serial)?),
        },
        modulus: key(modulus)?,
    };
    match *trusted {
        b"1" => Err(LineTrouble::Pending("certificates that are trusted")),
        _ if name.is_empty() => Err(LineTrouble::Dropped("no signature name")),
        _ => Ok(parsed),
    }
}

fn sha1(field: &[u8]) -> Result<[u8; DIGEST_BYTES], LineTrouble> {
    match Digest::from_hex(field) {
        Some(Digest::Sha1(digest)) => Ok(digest),
        _ => Err(LineTrouble::Dropped(
            "a certificate's subject or serial is no SHA-1 digest",
        )),
    }
}

fn key(field: &[u8]) -> Result<Vec<u8>, LineTrouble> {
    let bytes = from_hex(field).ok_or(LineTrouble::Dropped("a certificate's key is not hex"))?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    match bytes.get(zeros..) {
        Some(modulus) if !modulus.is_empty() => Ok(modulus.to_vec()),
        _ => Err(LineTrouble::Dropped("a certificate has no key")),
    }
}

/// The blocked certificates, as the pack has them: count u32, zero u32, records, keys. A record:
/// rule u32, whether the serial counts u32, two digests, key u32 and its length u32.
#[derive(Debug, Default)]
pub(crate) struct CertificateTable {
    records: Vec<u8>,
    keys: Vec<u8>,
}

impl CertificateTable {
    pub(crate) fn push(
        &mut self,
        rule: RuleId,
        line: &CertificateLine<'_>,
    ) -> Result<(), CompileError> {
        let start = u32::try_from(self.keys.len()).map_err(|_| CompileError::TooLarge)?;
        let length = u32::try_from(line.modulus.len()).map_err(|_| CompileError::TooLarge)?;
        self.keys.extend(&line.modulus);
        self.records.extend(rule.0.to_le_bytes());
        self.records
            .extend(u32::from(line.serial.is_some()).to_le_bytes());
        self.records.extend(line.subject);
        self.records.extend(line.serial.unwrap_or_default());
        self.records.extend(start.to_le_bytes());
        self.records.extend(length.to_le_bytes());
        Ok(())
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        let count = self.records.len().checked_div(RECORD_BYTES).unwrap_or(0);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let head = [count.to_le_bytes(), [0; 4]].concat();
        [head, self.records, self.keys].concat()
    }
}

/// A blocked certificate as it lies in the pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockedCertificate<'a> {
    /// The rule.
    pub rule: RuleId,
    /// The SHA-1 of the subject.
    pub subject: [u8; DIGEST_BYTES],
    /// That of the serial number, where it counts.
    pub serial: Option<[u8; DIGEST_BYTES]>,
    /// The key's modulus, without zeros in front.
    pub modulus: &'a [u8],
}

/// The blocked certificates of a pack's section; one that is damaged ends them.
pub(crate) fn read(bytes: &[u8]) -> impl Iterator<Item = BlockedCertificate<'_>> {
    let count = le_u32(bytes, 0).unwrap_or(0);
    (0..count).map_while(move |index| blocked(bytes, count, index))
}

fn blocked(bytes: &[u8], count: u32, index: u32) -> Option<BlockedCertificate<'_>> {
    let table = bytes.get(8..)?;
    let fields = record(table, index, RECORD_BYTES)?;
    let keys = table.get(usize::try_from(count).ok()?.checked_mul(RECORD_BYTES)?..)?;
    let start = usize::try_from(le_u32(fields, 48)?).ok()?;
    let length = usize::try_from(le_u32(fields, 52)?).ok()?;
    let digest = |at: usize| fields.get(at..)?.first_chunk().copied();
    let (subject, serial) = (digest(8)?, digest(28)?);
    Some(BlockedCertificate {
        rule: RuleId(le_u32(fields, 0)?),
        subject,
        serial: (le_u32(fields, 4)? != 0).then_some(serial),
        modulus: keys.get(start..start.checked_add(length)?)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(trusted: &str, subject: &str, serial: &str, rest: &str) -> String {
        format!("A;{trusted};{subject};{serial};00bb;010001;1;1;1;{rest}")
    }

    #[test]
    fn a_line_that_blocks_reads_back() {
        let subject = "ab".repeat(20);
        let text = line("0", &subject, "", ";c");
        let parsed = parse(text.as_bytes()).expect("it is right");
        let mut table = CertificateTable::default();
        table.push(RuleId(3), &parsed).expect("room");
        let bytes = table.into_bytes();
        let expected = BlockedCertificate {
            rule: RuleId(3),
            subject: [0xab; 20],
            serial: None,
            modulus: &[0xbb],
        };
        assert_eq!(read(&bytes).collect::<Vec<_>>(), [expected]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]).count(), 0, "cut at {cut}");
        }
    }

    #[test]
    fn trusted_ones_wait_and_wrong_lines_are_dropped() {
        let subject = "ab".repeat(20);
        let serial = "cd".repeat(20);
        let trusted = parse(line("1", &subject, &serial, "0;c").as_bytes()).map(|_| ());
        assert!(matches!(trusted, Err(LineTrouble::Pending(_))));
        let other = parse(line("0", &subject, &serial, "0;c;300").as_bytes()).map(|_| ());
        assert!(matches!(other, Err(LineTrouble::OtherEngine)));
        for wrong in [
            line("2", &subject, &serial, "0;c"),
            line("0", "abab", &serial, "0;c"),
            line("0", &subject, "00", "0;c"),
            line("0", &subject, &serial, "x;c"),
            line("0", &subject, &serial, "0"),
            line("0", &subject, &serial, "0;c;1;300;5"),
            line("0", &subject, &serial, "0;c").replacen("00bb", "00", 1),
            line("0", &subject, &serial, "0;c").replacen("00bb", "0x", 1),
            line("0", &subject, &serial, "0;c").replacen('A', "", 1),
        ] {
            let trouble = parse(wrong.as_bytes()).map(|_| ());
            assert!(matches!(trouble, Err(LineTrouble::Dropped(_))), "{wrong}");
        }
    }
}
