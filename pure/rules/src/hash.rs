//! Lines that hold a digest: whole files, PE sections, PE import tables, and files to allow.
//!
//! `Hash:Size:Name[:MinFL[:MaxFL]]`, with size and hash swapped for sections. The digest's length
//! tells its kind.

use crate::{FUNCTIONALITY_LEVEL, Kind};

/// A digest algorithm. The codes are part of the pack's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum DigestKind {
    /// 16 bytes.
    Md5 = 0,
    /// 20 bytes.
    Sha1 = 1,
    /// 32 bytes.
    Sha256 = 2,
}

impl DigestKind {
    /// Every algorithm, in the order of their codes.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha1, Self::Sha256];

    /// How many bytes it gives.
    #[must_use]
    pub fn size_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Digest {
    /// MD5.
    Md5([u8; 16]),
    /// SHA-1.
    Sha1([u8; 20]),
    /// SHA-256.
    Sha256([u8; 32]),
}

impl Digest {
    /// Reads hexadecimal digits; the length tells the kind.
    #[must_use]
    pub fn from_hex(text: &[u8]) -> Option<Self> {
        match text.len() {
            32 => hex_array(text).map(Self::Md5),
            40 => hex_array(text).map(Self::Sha1),
            64 => hex_array(text).map(Self::Sha256),
            _ => None,
        }
    }

    /// Its algorithm.
    #[must_use]
    pub fn kind(&self) -> DigestKind {
        match self {
            Self::Md5(_) => DigestKind::Md5,
            Self::Sha1(_) => DigestKind::Sha1,
            Self::Sha256(_) => DigestKind::Sha256,
        }
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Md5(bytes) => bytes,
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }
}

/// The size field that means any size.
pub(crate) const SIZE_ANY: u32 = u32::MAX;

/// A parsed line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HashLine<'a> {
    pub(crate) digest: Digest,
    /// [`SIZE_ANY`] for `*`.
    pub(crate) size_bytes: u32,
    pub(crate) name: &'a [u8],
    /// What follows the name, with its colon.
    pub(crate) suffix: &'a [u8],
    /// Whether digest and size are written as we would write them.
    pub(crate) is_canonical: bool,
}

/// Why a line gives no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineTrouble {
    /// It is wrong.
    Dropped(&'static str),
    /// It is for another engine, as its functionality levels say.
    OtherEngine,
    /// It is left out for good; why.
    Never(&'static str),
    /// It waits for something that is not built yet.
    Pending(&'static str),
}

/// The wildcard size needs this functionality level, or the peer refuses the whole file.
const WILDCARD_LEVEL_MIN: u32 = 73;

/// Parses a line of a hash file of this kind.
pub(crate) fn parse(kind: Kind, line: &[u8]) -> Result<HashLine<'_>, LineTrouble> {
    let mut fields = line.splitn(4, |byte| *byte == b':');
    let (Some(first), Some(second), Some(name)) = (fields.next(), fields.next(), fields.next())
    else {
        return Err(LineTrouble::Dropped("fewer than three fields"));
    };
    let (hash, size) = if has_size_first(kind) {
        (second, first)
    } else {
        (first, second)
    };
    let digest = Digest::from_hex(hash)
        .ok_or(LineTrouble::Dropped("not an MD5, SHA-1 or SHA-256 digest"))?;
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    let levels = Levels::parse(fields.next())?;
    let size_bytes = parse_size(size, &levels)?;
    levels.check()?;
    let used = [first, second, name]
        .iter()
        .map(|field| field.len())
        .sum::<usize>();
    let suffix = line.get(used.saturating_add(2)..).unwrap_or_default();
    Ok(HashLine {
        digest,
        size_bytes,
        name,
        suffix,
        is_canonical: !hash.iter().any(u8::is_ascii_uppercase) && size.first() != Some(&b'0'),
    })
}

/// Whether lines of this kind have the size before the digest.
pub(crate) fn has_size_first(kind: Kind) -> bool {
    matches!(kind, Kind::Mdb | Kind::Msb | Kind::Mdu | Kind::Msu)
}

fn parse_size(field: &[u8], levels: &Levels) -> Result<u32, LineTrouble> {
    if field == b"*" {
        return match levels.min {
            Some(level) if level >= WILDCARD_LEVEL_MIN => Ok(SIZE_ANY),
            _ => Err(LineTrouble::Dropped(
                "size * needs a functionality level of at least 73",
            )),
        };
    }
    match decimal(field) {
        Some(0) | None => Err(LineTrouble::Dropped("the size is not a number above 0")),
        Some(size) if size < u64::from(SIZE_ANY) => {
            u32::try_from(size).map_err(|_| LineTrouble::Dropped("the size is over 4 GiB"))
        }
        Some(_) => Err(LineTrouble::Dropped("the size is over 4 GiB")),
    }
}

/// The engine versions that a line is for.
#[derive(Debug, Default)]
pub(crate) struct Levels {
    min: Option<u32>,
    max: Option<u32>,
}

impl Levels {
    /// Reads `MinFL[:MaxFL]`, what follows a line's other fields.
    pub(crate) fn parse(field: Option<&[u8]>) -> Result<Self, LineTrouble> {
        let Some(field) = field else {
            return Ok(Self::default());
        };
        let mut parts = field.split(|byte| *byte == b':');
        let level = |part: Option<&[u8]>| match part {
            None | Some(b"") => Ok(None),
            Some(text) => decimal(text)
                .and_then(|level| u32::try_from(level).ok())
                .map(Some)
                .ok_or(LineTrouble::Dropped(
                    "a functionality level is not a number",
                )),
        };
        let levels = Self {
            min: level(parts.next())?,
            max: level(parts.next())?,
        };
        if parts.next().is_some() {
            return Err(LineTrouble::Dropped("too many fields"));
        }
        Ok(levels)
    }

    /// Refuses a line that is for other engines.
    pub(crate) fn check(&self) -> Result<(), LineTrouble> {
        let too_old = self.min.is_some_and(|level| level > FUNCTIONALITY_LEVEL);
        let too_new = self.max.is_some_and(|level| level < FUNCTIONALITY_LEVEL);
        if too_old || too_new {
            Err(LineTrouble::OtherEngine)
        } else {
            Ok(())
        }
    }
}

/// Reads decimal digits, and nothing else.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |total, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        total.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// The value of one hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    let digit = HEX.get(usize::from(byte)).copied()?;
    (digit < 16).then_some(digit)
}

/// The value of each digit; 255 for what is none. Millions of digests are read through it.
const HEX: [u8; 256] = hex_table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, where neither can go unnoticed"
)]
const fn hex_table() -> [u8; 256] {
    let mut table = [255; 256];
    let mut value = 0u8;
    while value < 16 {
        let digit = b"0123456789abcdef"[value as usize];
        table[digit as usize] = value;
        table[digit.to_ascii_uppercase() as usize] = value;
        value += 1;
    }
    table
}

fn hex_array<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0u8; N];
    let mut seen = 0u8;
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        let digit = |letter: u8| HEX.get(usize::from(letter)).copied().unwrap_or(255);
        let (high, low) = (digit(*high), digit(*low));
        seen |= high | low;
        *byte = high.wrapping_shl(4) | (low & 15);
    }
    (seen < 16).then_some(bytes)
}

/// Writes bytes as lower-case hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('?');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MD5: &str = "44d88612fea8a8f36de82e1278abb02f";

    #[test]
    fn a_file_line_and_a_section_line_swap_two_fields() {
        let text = format!("{MD5}:68:Name:73:200");
        assert_eq!(
            parse(Kind::Hdb, text.as_bytes()),
            Err(LineTrouble::OtherEngine)
        );
        let text = format!("{MD5}:68:Name:73");
        let line = parse(Kind::Hdb, text.as_bytes()).unwrap();
        assert_eq!(
            (line.size_bytes, line.name, line.suffix),
            (68, &b"Name"[..], &b":73"[..])
        );
        let text = format!("68:{MD5}:Name");
        let line = parse(Kind::Mdb, text.as_bytes()).unwrap();
        assert_eq!((line.size_bytes, line.suffix), (68, &b""[..]));
        assert_eq!(line.digest.kind(), DigestKind::Md5);
    }

    #[test]
    fn wrong_lines_say_why() {
        for (text, why) in [
            (
                format!("{MD5}0:68:Name"),
                "not an MD5, SHA-1 or SHA-256 digest",
            ),
            (format!("{MD5}:0:Name"), "the size is not a number above 0"),
            (
                format!("{MD5}:*:Name:72"),
                "size * needs a functionality level of at least 73",
            ),
            (format!("{MD5}:68"), "fewer than three fields"),
            (format!("{MD5}:68:"), "no signature name"),
            (format!("{MD5}:4294967295:Name"), "the size is over 4 GiB"),
        ] {
            assert_eq!(
                parse(Kind::Hdb, text.as_bytes()),
                Err(LineTrouble::Dropped(why)),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wildcard_size_needs_its_level() {
        let text = format!("{MD5}:*:Name:73");
        assert_eq!(
            parse(Kind::Hsb, text.as_bytes()).unwrap().size_bytes,
            SIZE_ANY
        );
    }
}
