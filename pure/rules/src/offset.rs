//! Where a body signature may begin: `*`, `n`, `EOF-n`, `EP±n`, `Sx+n`, `SEx`, `SL+n`, each with
//! an optional `,MaxShift`.

use crate::hash::{LineTrouble, decimal};

/// What an offset counts from. The codes are part of the pack's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Anchor {
    /// Anywhere.
    Any = 0,
    /// The object's first byte.
    Start = 1,
    /// The object's end, counted back.
    End = 2,
    /// The entry point.
    EntryPoint = 3,
    /// The start of the section with the offset's number.
    Section = 4,
    /// Within the section with the offset's number.
    WithinSection = 5,
    /// The start of the last section.
    LastSection = 6,
}

impl Anchor {
    /// The anchor with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        [
            Self::Any,
            Self::Start,
            Self::End,
            Self::EntryPoint,
            Self::Section,
            Self::WithinSection,
            Self::LastSection,
        ]
        .get(usize::from(code))
        .copied()
    }

    fn needs_structure(self) -> bool {
        !matches!(self, Self::Any | Self::Start | Self::End)
    }
}

/// Where a signature may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// What it counts from.
    pub anchor: Anchor,
    /// The section's number, for the anchors that name one.
    pub section: u16,
    /// Bytes from the anchor; counted back from [`Anchor::End`].
    pub distance: i64,
    /// It may begin up to this many bytes later.
    pub shift: u32,
}

impl Offset {
    /// Anywhere.
    pub const ANY: Self = Self {
        anchor: Anchor::Any,
        section: 0,
        distance: 0,
        shift: 0,
    };

    /// Parses the offset field of a signature for this target type.
    pub(crate) fn parse(text: &[u8], target: u8) -> Result<Self, LineTrouble> {
        let mut halves = text.splitn(2, |byte| *byte == b',');
        let base = halves.next().unwrap_or_default();
        let shift = match halves.next() {
            None => 0,
            Some(shift) => decimal(shift)
                .and_then(|shift| u32::try_from(shift).ok())
                .ok_or(LineTrouble::Dropped("the offset's shift is not a number"))?,
        };
        let offset = Self {
            shift,
            ..parse_base(base)?
        };
        // The peer refuses these for every other target.
        if offset.anchor.needs_structure() && !matches!(target, 1 | 6 | 9) {
            return Err(LineTrouble::Dropped(
                "the offset needs an executable target type",
            ));
        }
        Ok(offset)
    }
}

fn parse_base(base: &[u8]) -> Result<Offset, LineTrouble> {
    const WRONG: LineTrouble = LineTrouble::Dropped("the offset is not of a known form");
    let at = |anchor, section, distance| {
        Ok(Offset {
            anchor,
            section,
            distance,
            shift: 0,
        })
    };
    if base == b"*" {
        return Ok(Offset::ANY);
    }
    if base.starts_with(b"VI") {
        return Err(LineTrouble::Pending("offsets into version information"));
    }
    if base.starts_with(b"$") {
        return Err(LineTrouble::Pending("macro offsets"));
    }
    if let Some(rest) = base.strip_prefix(b"EOF-") {
        return at(Anchor::End, 0, signed(rest).ok_or(WRONG)?);
    }
    if let Some(rest) = base.strip_prefix(b"EP+") {
        return at(Anchor::EntryPoint, 0, signed(rest).ok_or(WRONG)?);
    }
    if let Some(rest) = base.strip_prefix(b"EP-") {
        let distance = signed(rest).and_then(i64::checked_neg).ok_or(WRONG)?;
        return at(Anchor::EntryPoint, 0, distance);
    }
    if let Some(rest) = base.strip_prefix(b"SL+") {
        return at(Anchor::LastSection, 0, signed(rest).ok_or(WRONG)?);
    }
    if let Some(rest) = base.strip_prefix(b"SE") {
        return at(Anchor::WithinSection, section(rest).ok_or(WRONG)?, 0);
    }
    if let Some(rest) = base.strip_prefix(b"S") {
        let mut halves = rest.splitn(2, |byte| *byte == b'+');
        let number = halves.next().and_then(section).ok_or(WRONG)?;
        let distance = halves.next().and_then(signed).ok_or(WRONG)?;
        return at(Anchor::Section, number, distance);
    }
    at(Anchor::Start, 0, signed(base).ok_or(WRONG)?)
}

fn signed(text: &[u8]) -> Option<i64> {
    decimal(text)
        .and_then(|number| i64::try_from(number).ok())
        .filter(|number| *number < 1 << 48)
}

fn section(text: &[u8]) -> Option<u16> {
    decimal(text).and_then(|number| u16::try_from(number).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        let parse = |text: &str| Offset::parse(text.as_bytes(), 1).unwrap();
        let offset = |anchor, section, distance, shift| Offset {
            anchor,
            section,
            distance,
            shift,
        };
        assert_eq!(parse("*"), Offset::ANY);
        assert_eq!(parse("12"), offset(Anchor::Start, 0, 12, 0));
        assert_eq!(parse("12,5"), offset(Anchor::Start, 0, 12, 5));
        assert_eq!(parse("EOF-40"), offset(Anchor::End, 0, 40, 0));
        assert_eq!(parse("EP+0,15"), offset(Anchor::EntryPoint, 0, 0, 15));
        assert_eq!(parse("EP-3"), offset(Anchor::EntryPoint, 0, -3, 0));
        assert_eq!(parse("S2+16"), offset(Anchor::Section, 2, 16, 0));
        assert_eq!(parse("SE1"), offset(Anchor::WithinSection, 1, 0, 0));
        assert_eq!(parse("SL+4,9"), offset(Anchor::LastSection, 0, 4, 9));
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for text in ["EP", "S1", "SL-3", "12,", "x", ""] {
            assert!(Offset::parse(text.as_bytes(), 1).is_err(), "{text}");
        }
        assert!(Offset::parse(b"EP+0", 0).is_err());
    }
}
