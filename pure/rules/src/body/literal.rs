//! Which bytes of a part the scanner searches for.
//!
//! The rarer the literal, the fewer places need a closer look. Rarity is judged by how common each
//! byte is in programs, documents and text; runs of one byte are common everywhere.

use super::parse::{Element, Position};

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

/// Bytes in a row that are fixed but for the case of letters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The bytes. Letters that match in either case are in lower case.
    pub(crate) bytes: Vec<u8>,
    /// The element in which it begins, at that element's first byte.
    pub(crate) element: usize,
    /// Where each further element that it spans begins in it.
    joints: Vec<usize>,
}

impl Run {
    /// The element that holds one of the run's bytes, and the byte's place there.
    pub(crate) fn place(&self, index: usize) -> (usize, usize) {
        let before = self.joints.iter().take_while(|joint| **joint <= index);
        let (count, start) = before.fold((0usize, 0usize), |(count, _), joint| {
            (count.saturating_add(1), *joint)
        });
        (
            self.element.saturating_add(count),
            index.saturating_sub(start),
        )
    }
}

/// The runs of a part, in order.
pub(crate) fn runs(elements: &[Element]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut goes_on = false;
    for (element, piece) in elements.iter().enumerate() {
        let bytes = match piece {
            Element::Bytes(bytes) | Element::Folded(bytes) => bytes,
            // Looks, and takes nothing.
            Element::Class(_, Position::Leading | Position::Trailing, _) => continue,
            _ => {
                goes_on = false;
                continue;
            }
        };
        match runs.last_mut().filter(|_| goes_on) {
            Some(run) => {
                run.joints.push(run.bytes.len());
                run.bytes.extend(bytes);
            }
            None => runs.push(Run {
                bytes: bytes.clone(),
                element,
                joints: Vec::new(),
            }),
        }
        goes_on = true;
    }
    runs
}

/// Chooses the rarest literal of a part, a longer one before a shorter one. Its bytes are as the
/// signature has them, which for letters in either case means lower case.
pub(crate) fn choose(elements: &[Element]) -> Option<Chosen> {
    let runs = runs(elements);
    for length in [4usize, 3, 2] {
        let windows = runs.iter().flat_map(|run| {
            let windows = run.bytes.windows(length).enumerate();
            windows.map(move |(start, window)| (run.place(start), window))
        });
        let best = windows.min_by_key(|(place, window)| (commonness(window), *place));
        if let Some(((element, start), window)) = best {
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
    fn a_run_knows_the_element_of_each_of_its_bytes() {
        let elements = [
            Element::Bytes(b"AB".to_vec()),
            Element::Folded(b"cd".to_vec()),
            Element::Bytes(b"EFG".to_vec()),
            Element::Any(1),
            Element::Bytes(b"H".to_vec()),
        ];
        let runs = runs(&elements);
        let texts: Vec<&[u8]> = runs.iter().map(|run| run.bytes.as_slice()).collect();
        assert_eq!(texts, [&b"ABcdEFG"[..], b"H"]);
        let places: Vec<_> = (0..7).map(|index| runs[0].place(index)).collect();
        assert_eq!(
            places,
            [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (2, 2)]
        );
        assert_eq!(runs[1].place(0), (4, 0));
    }

    #[test]
    fn a_literal_may_reach_over_a_joint() {
        let elements = [
            Element::Bytes(vec![0, 0, 0xd3]),
            Element::Folded(b"xyz".to_vec()),
        ];
        let chosen = choose(&elements).unwrap();
        assert_eq!((chosen.element, chosen.start), (0, 2));
        assert_eq!(&chosen.literal.bytes, b"\xd3xyz");
    }

    #[test]
    fn two_bytes_are_the_least() {
        assert!(choose(&[Element::Bytes(vec![1]), Element::Any(1)]).is_none());
        let chosen = choose(&[Element::Bytes(vec![1, 2])]).unwrap();
        assert_eq!(chosen.literal.length, 2);
    }
}
