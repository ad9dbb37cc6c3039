//! Which bytes of a part the scanner searches for.
//!
//! The rarer the literal, the fewer places need a closer look. Rarity is judged by how common each
//! byte is in programs, documents and text; runs of one byte are common everywhere.

use super::parse::Element;

/// A literal that stands for its part in the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Literal {
    /// Its bytes, the first `length` of them.
    pub bytes: [u8; Self::BYTES_MAX],
    /// 2, 3 or 4.
    pub length: u8,
}

impl Literal {
    /// The longest literal.
    pub const BYTES_MAX: usize = 4;
}

/// A chosen literal and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) literal: Literal,
    /// The element that holds it.
    pub(crate) element: usize,
    /// Its first byte there.
    pub(crate) start: usize,
    /// How common it is, on a logarithmic scale.
    commonness: u32,
}

impl Chosen {
    /// How often it is expected: a longer literal is rarer than a shorter one.
    pub(crate) fn cost(&self) -> u64 {
        let missing = Literal::BYTES_MAX.saturating_sub(usize::from(self.literal.length)) as u64;
        missing
            .saturating_mul(1 << 16)
            .saturating_add(u64::from(self.commonness))
    }
}

/// Chooses the rarest literal of a part, a longer one before a shorter one.
pub(crate) fn choose(elements: &[Element]) -> Option<Chosen> {
    for length in [4usize, 3, 2] {
        let windows = elements.iter().enumerate().flat_map(|(element, piece)| {
            let bytes: &[u8] = match piece {
                Element::Bytes(bytes) => bytes,
                _ => &[],
            };
            bytes
                .windows(length)
                .enumerate()
                .map(move |(start, window)| (element, start, window))
        });
        let best =
            windows.min_by_key(|(element, start, window)| (commonness(window), *element, *start));
        if let Some((element, start, window)) = best {
            let mut bytes = [0u8; Literal::BYTES_MAX];
            bytes
                .iter_mut()
                .zip(window)
                .for_each(|(to, from)| *to = *from);
            let length = u8::try_from(length).ok()?;
            return Some(Chosen {
                literal: Literal { bytes, length },
                element,
                start,
                commonness: commonness(window),
            });
        }
    }
    None
}

/// How common a window is, on a logarithmic scale.
fn commonness(window: &[u8]) -> u32 {
    let bytes = window
        .iter()
        .fold(0u32, |total, byte| total.saturating_add(weight(*byte)));
    let repeats = window
        .iter()
        .zip(window.iter().skip(1))
        .filter(|(a, b)| a == b)
        .count();
    let repeats = u32::try_from(repeats).unwrap_or(0);
    bytes.saturating_add(repeats.saturating_mul(REPEAT_WEIGHT))
}

/// A repeated byte says little: runs are everywhere.
const REPEAT_WEIGHT: u32 = 24;

/// Four times the binary logarithm of a byte's frequency in programs, documents and text, coarse
/// on purpose: it ranks literals of one part, and nothing else depends on it.
fn weight(byte: u8) -> u32 {
    match byte {
        0x00 => 40,
        0xff | b' ' => 32,
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 28,
        0x01 | 0x48 | 0x8b | 0x0f | 0x24 | 0x89 | 0xe8 => 26,
        b'l' | b'd' | b'c' | b'u' | b'p' | b'm' | b'h' | b'f' | b'_' | b'.' => 25,
        b'0'..=b'9' | b'/' | b'-' | b'=' | b'"' | b',' | b'\n' | b'\r' => 24,
        b'a'..=b'z' => 23,
        b'A'..=b'Z' | 0x02..=0x10 | 0x83..=0x85 | 0xc0..=0xc7 => 22,
        0x20..=0x7e => 21,
        _ => 18,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rare_window_wins_over_the_common_one() {
        let elements = [
            Element::Bytes(vec![0, 0, 0, 0, 0]),
            Element::Any(3),
            Element::Bytes(vec![0xd3; 3]),
            Element::Bytes(b"\0\0\0\xd3\x9b\xae\xb1".to_vec()),
        ];
        let chosen = choose(&elements).unwrap();
        assert_eq!((chosen.element, chosen.start), (3, 3));
    }

    #[test]
    fn two_bytes_are_the_least() {
        assert!(choose(&[Element::Bytes(vec![1]), Element::Any(1)]).is_none());
        let chosen = choose(&[Element::Bytes(vec![1, 2])]).unwrap();
        assert_eq!(chosen.literal.length, 2);
    }
}
