//! Character references: `&lt;`, `&#60;`, `&#x3c;`.
//!
//! The names are those that clamscan 1.4.6 resolves of the 2,125 that HTML 5 has. A name that it
//! does not know stays as it is.

/// Names with their characters, in the order of the names.
static TABLE: &str = include_str!("entities.txt");

/// Bytes of a reference that are kept while it is read; a longer one is none.
pub(super) const REFERENCE_BYTES_MAX: usize = 64;

/// The character with this name.
fn named(name: &[u8]) -> Option<u32> {
    let names = names();
    let at = names
        .binary_search_by(|(known, _)| known.as_bytes().cmp(name))
        .ok()?;
    names.get(at).map(|(_, character)| *character)
}

fn names() -> &'static [(&'static str, u32)] {
    static NAMES: std::sync::OnceLock<Vec<(&str, u32)>> = std::sync::OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names: Vec<_> = TABLE
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, hex)| Some((name, u32::from_str_radix(hex, 16).ok()?)))
            .collect();
        names.sort_unstable();
        names
    })
}

/// Writes the character with this number: as a byte where it fits one, else as a reference.
fn push_character(number: u32, out: &mut Vec<u8>) {
    match u8::try_from(number) {
        Ok(byte) if byte < 255 => out.push(byte),
        _ if number < 0x1_0000 => out.extend(format!("&#x{number:04x};").into_bytes()),
        _ => {}
    }
}

/// Resolves `&name;`; false where the name is not known.
pub(super) fn push_named(name: &[u8], out: &mut Vec<u8>) -> bool {
    match named(name) {
        Some(number) => {
            push_character(number, out);
            true
        }
        None => false,
    }
}

/// Whether a reference by name may have this byte.
pub(super) fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// Whether a reference by number has hexadecimal digits.
pub(super) fn is_hex(reference: &[u8]) -> bool {
    matches!(reference.get(2), Some(b'x' | b'X'))
}

/// The number of a reference by number, and how many of its bytes make it.
pub(super) fn number(reference: &[u8]) -> Option<(u64, usize)> {
    let digits = reference.strip_prefix(b"&#")?;
    let (digits, radix) = match digits.first() {
        Some(b'x' | b'X') => (digits.get(1..).unwrap_or_default(), 16),
        _ => (digits, 10),
    };
    let values = digits
        .iter()
        .map_while(|digit| char::from(*digit).to_digit(radix));
    let (mut number, mut count) = (0u64, reference.len().saturating_sub(digits.len()));
    for value in values {
        number = number
            .wrapping_mul(u64::from(radix))
            .wrapping_add(u64::from(value));
        count = count.saturating_add(1);
    }
    Some((number, count))
}

/// What ends a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// A semicolon, which belongs to it.
    Semicolon,
    /// Something that does not belong to it.
    Other,
}

impl Closing {
    /// What this byte is to a reference that it ends.
    pub(super) fn of(byte: u8) -> Self {
        match byte {
            b';' => Self::Semicolon,
            _ => Self::Other,
        }
    }

    /// The semicolon, where there is one.
    pub(super) fn bytes(self) -> &'static [u8] {
        match self {
            Self::Semicolon => b";",
            Self::Other => b"",
        }
    }
}

/// Past 16 bits only the low ones count, and none of them is no character.
pub(super) fn push_number(number: u64, closing: Closing, out: &mut Vec<u8>) {
    let low = u16::try_from(number & 0xffff).unwrap_or_default();
    let is_wide = number > 0xffff;
    if is_wide && low == 0 {
        return;
    }
    match u8::try_from(low) {
        Ok(byte) if closing == Closing::Semicolon && !is_wide => {
            push_character(u32::from(byte.to_ascii_lowercase()), out);
        }
        _ => push_character(u32::from(low), out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(name: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        push_named(name, &mut out).then_some(out)
    }

    #[test]
    fn names_resolve_as_the_peer_does_it() {
        assert_eq!(resolved(b"lt"), Some(b"<".to_vec()));
        assert_eq!(resolved(b"eacute"), Some(b"\xe9".to_vec()));
        assert_eq!(resolved(b"yuml"), Some(b"&#x00ff;".to_vec()));
        assert_eq!(resolved(b"hellip"), Some(b"&#x2026;".to_vec()));
        assert_eq!(resolved(b"LT"), None);
        assert_eq!(names().len(), 662);
    }
}
