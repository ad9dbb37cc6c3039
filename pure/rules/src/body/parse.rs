//! The grammar of hexadecimal body signatures.

use super::PART_BYTES_MAX;
use super::style::Style;
use crate::anchors::Chosen;
use crate::hash::{LineTrouble, decimal, hex_digit};

/// A byte of which only the bits under the mask count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaskedByte {
    /// The bits.
    pub value: u8,
    /// Which of them count.
    pub mask: u8,
}

impl MaskedByte {
    /// Whether a byte fits.
    #[must_use]
    pub fn fits(self, byte: u8) -> bool {
        byte & self.mask == self.value
    }
}

/// One choice of an alternation.
pub(crate) type Alternative = Vec<MaskedByte>;

/// A character class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Class {
    /// `(B)`: a word boundary.
    Boundary = 0,
    /// `(L)`: a line's end.
    LineEnd = 1,
    /// `(W)`: not a letter or digit.
    NonWord = 2,
    /// Not a letter or digit in two bytes, the second of them zero. Stands at edges only: it is
    /// what a whole word (`::f`) means for a wide string.
    WideNonWord = 3,
}

/// Where a class stands in its part: at an edge it looks, inside it consumes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Position {
    /// Before the part's first byte.
    Leading = 0,
    /// After the part's last byte.
    Trailing = 1,
    /// Between bytes.
    Inner = 2,
}

/// One piece of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Exactly these bytes.
    Bytes(Vec<u8>),
    /// These bytes, with letters in either case; held in lower case.
    Folded(Vec<u8>),
    /// One byte under a mask.
    Masked(MaskedByte),
    /// This many bytes, whatever they are.
    Any(u16),
    /// Between so many and so many bytes (`[x-y]`).
    Skip(u8, u8),
    /// One of these.
    Alternatives(Vec<Alternative>),
    /// None of these, which all have one length.
    NoneOf(Vec<Alternative>),
    /// A character class, negated or not.
    Class(Class, Position, Sense),
}

/// Whether a class is asked for or forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sense {
    /// Asked for.
    Is = 0,
    /// `!`: forbidden.
    IsNot = 1,
}

/// How far two parts may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// At least so many bytes.
    pub min: u32,
    /// At most so many; `u32::MAX` is any number.
    pub max: u32,
}

/// A stretch of a signature between two gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// How far from the part before; the first part's is not used.
    pub gap: Gap,
    /// Its pieces, in order.
    pub elements: Vec<Element>,
}

impl Part {
    /// The most bytes that it can cover.
    #[must_use]
    pub(crate) fn bytes_max(&self) -> usize {
        self.elements.iter().fold(0usize, |total, element| {
            total.saturating_add(element.bytes_max())
        })
    }
}

impl Part {
    /// How far its chosen literal is from its first byte, if that is always the same.
    pub(crate) fn bytes_before(&self, chosen: &Chosen) -> Option<u64> {
        let before = self.elements.iter().take(chosen.element);
        let total = before.map(Element::bytes_exact).sum::<Option<usize>>()?;
        u64::try_from(total.checked_add(chosen.start)?).ok()
    }
}

impl Element {
    /// How many bytes it covers, if that is always the same.
    fn bytes_exact(&self) -> Option<usize> {
        match self {
            Self::Bytes(_) | Self::Folded(_) | Self::Masked(_) | Self::Any(_) => {
                Some(self.bytes_max())
            }
            Self::Class(_, Position::Leading | Position::Trailing, _) => Some(0),
            _ => None,
        }
    }

    fn bytes_max(&self) -> usize {
        match self {
            Self::Bytes(bytes) | Self::Folded(bytes) => bytes.len(),
            Self::Masked(_) => 1,
            Self::Any(count) => usize::from(*count),
            Self::Skip(_, max) => usize::from(*max),
            Self::Alternatives(choices) | Self::NoneOf(choices) => {
                choices.iter().map(Vec::len).max().unwrap_or(0)
            }
            Self::Class(..) => 2,
        }
    }
}

/// `{n}` below this is that many wildcards; from it on it cuts the signature.
const INNER_GAP_MAX: u64 = 128;
/// `[x-y]` may not reach further.
const SKIP_MAX: u64 = 32;
/// Choices in one alternation, nested ones multiplied out.
const ALTERNATIVES_MAX: usize = 1024;
const ALTERNATIVE_DEPTH_MAX: u32 = 8;

const ANY_GAP: Gap = Gap {
    min: 0,
    max: u32::MAX,
};

type Parsed<T> = Result<T, LineTrouble>;

/// Parses a hexadecimal signature into its parts.
pub(crate) fn parse(text: &[u8]) -> Parsed<Vec<Part>> {
    parse_styled(text, Style::default())
}

/// Parses a hexadecimal signature that is to be read in a style.
pub(crate) fn parse_styled(text: &[u8], style: Style) -> Parsed<Vec<Part>> {
    let mut parser = Parser {
        left: text,
        style,
        parts: Vec::new(),
        gap: ANY_GAP,
        elements: Vec::new(),
    };
    while let Some(next) = parser.left.first().copied() {
        parser.step(next)?;
    }
    parser.end_part()?;
    style.bound_words(&mut parser.parts);
    for part in &parser.parts {
        if part.bytes_max() > PART_BYTES_MAX {
            return Err(LineTrouble::Dropped("a part is longer than 16 KiB"));
        }
    }
    Ok(parser.parts)
}

struct Parser<'a> {
    left: &'a [u8],
    style: Style,
    parts: Vec<Part>,
    gap: Gap,
    elements: Vec<Element>,
}

impl<'a> Parser<'a> {
    fn step(&mut self, next: u8) -> Parsed<()> {
        match next {
            b'*' => {
                self.skip(1);
                self.cut(ANY_GAP)
            }
            b'{' => self.curly(),
            b'[' => self.square(),
            b'!' => {
                self.skip(1);
                self.parenthesis(Sense::IsNot)
            }
            b'(' => self.parenthesis(Sense::Is),
            _ => {
                let byte = take_masked(&mut self.left)?;
                self.style.push(&mut self.elements, byte);
                Ok(())
            }
        }
    }

    fn skip(&mut self, count: usize) {
        self.left = self.left.get(count..).unwrap_or_default();
    }

    /// Ends a part at a gap.
    fn cut(&mut self, gap: Gap) -> Parsed<()> {
        self.end_part()?;
        self.gap = gap;
        Ok(())
    }

    fn end_part(&mut self) -> Parsed<()> {
        if self.elements.is_empty() {
            return Err(LineTrouble::Dropped("a gap with no bytes on one side"));
        }
        let mut elements = std::mem::take(&mut self.elements);
        elements.iter_mut().for_each(Element::settle);
        let last = elements.len().saturating_sub(1);
        for (index, element) in elements.iter_mut().enumerate() {
            if let Element::Class(_, position, _) = element {
                *position = match index {
                    0 => Position::Leading,
                    _ if index == last => Position::Trailing,
                    _ => Position::Inner,
                };
            }
        }
        self.parts.push(Part {
            gap: self.gap,
            elements,
        });
        Ok(())
    }

    /// `{n}`, `{-n}`, `{n-}`, `{n-m}`.
    fn curly(&mut self) -> Parsed<()> {
        const WRONG: LineTrouble = LineTrouble::Dropped("a {} gap is not of a known form");
        let inner = self.enclosed(b'}').ok_or(WRONG)?;
        let Some(dash) = inner.iter().position(|byte| *byte == b'-') else {
            let count = decimal(inner).ok_or(WRONG)?;
            if count < INNER_GAP_MAX {
                push_any(&mut self.elements, u16::try_from(count).map_err(|_| WRONG)?);
                return Ok(());
            }
            let count = u32::try_from(count).map_err(|_| WRONG)?;
            return self.cut(Gap {
                min: count,
                max: count,
            });
        };
        let bound = |text: &[u8], open: u32| {
            if text.is_empty() {
                Some(open)
            } else {
                decimal(text).and_then(|number| u32::try_from(number).ok())
            }
        };
        let (low, high) = inner.split_at_checked(dash).ok_or(WRONG)?;
        let min = bound(low, 0).ok_or(WRONG)?;
        let max = bound(high.get(1..).unwrap_or_default(), u32::MAX).ok_or(WRONG)?;
        if low.is_empty() && max == u32::MAX {
            return Err(WRONG);
        }
        // An empty range: the peer loads it and it never matches.
        self.cut(Gap { min, max })
    }

    /// `[x-y]`.
    fn square(&mut self) -> Parsed<()> {
        const WRONG: LineTrouble = LineTrouble::Dropped("a [x-y] gap is not of a known form");
        let inner = self.enclosed(b']').ok_or(WRONG)?;
        let mut ends = inner.splitn(2, |byte| *byte == b'-');
        let low = ends.next().and_then(decimal).ok_or(WRONG)?;
        let high = ends.next().map_or(Some(low), decimal).ok_or(WRONG)?;
        if low > high || high > SKIP_MAX {
            return Err(LineTrouble::Dropped(
                "a [x-y] gap reaches further than 32 bytes",
            ));
        }
        let bound = |number| u8::try_from(number).map_err(|_| WRONG);
        self.elements.push(Element::Skip(bound(low)?, bound(high)?));
        Ok(())
    }

    fn parenthesis(&mut self, sense: Sense) -> Parsed<()> {
        const WRONG: LineTrouble = LineTrouble::Dropped("an alternation is not closed");
        if self.left.first() != Some(&b'(') {
            return Err(LineTrouble::Dropped("! without an alternation"));
        }
        let end = closing(self.left).ok_or(WRONG)?;
        let inner = self.left.get(1..end).ok_or(WRONG)?;
        self.skip(end.saturating_add(1));
        let class = match inner {
            b"B" => Some(Class::Boundary),
            b"L" => Some(Class::LineEnd),
            b"W" => Some(Class::NonWord),
            _ => None,
        };
        if let Some(class) = class {
            self.elements
                .push(Element::Class(class, Position::Inner, sense));
            return Ok(());
        }
        let choices = alternatives(inner, self.style, ALTERNATIVE_DEPTH_MAX)?;
        self.elements.push(match sense {
            Sense::Is => Element::Alternatives(choices),
            Sense::IsNot if self.style != Style::default() => {
                return Err(LineTrouble::Dropped("a negated alternation with modifiers"));
            }
            Sense::IsNot => {
                let length = choices.first().map_or(0, Vec::len);
                let plain = |choice: &Alternative| choice.iter().all(|byte| byte.mask == 0xff);
                if length == 0 || !choices.iter().all(|c| c.len() == length && plain(c)) {
                    return Err(LineTrouble::Dropped(
                        "a negated alternation needs choices of one length without wildcards",
                    ));
                }
                Element::NoneOf(choices)
            }
        });
        Ok(())
    }

    /// What is between the bracket at the front and its end; moves past it.
    fn enclosed(&mut self, end: u8) -> Option<&'a [u8]> {
        let close = self.left.iter().position(|byte| *byte == end)?;
        let inner = self.left.get(1..close)?;
        self.skip(close.saturating_add(1));
        Some(inner)
    }
}

/// Where the parenthesis at the front closes.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 0u32;
    for (index, byte) in text.iter().enumerate() {
        match byte {
            b'(' => depth = depth.saturating_add(1),
            b')' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// The choices between the outer bars, nested alternations multiplied out.
fn alternatives(inner: &[u8], style: Style, depth_left: u32) -> Parsed<Vec<Alternative>> {
    const TOO_MANY: LineTrouble = LineTrouble::Dropped("an alternation has over 1,024 choices");
    let mut choices: Vec<Alternative> = Vec::new();
    let mut left = inner;
    loop {
        let mut current: Vec<Alternative> = vec![Vec::new()];
        loop {
            match left.first().copied() {
                None | Some(b'|') => break,
                Some(b'(') => {
                    let (nested, rest) = nested(left, style, depth_left)?;
                    left = rest;
                    current = product(&current, &nested);
                }
                Some(b'{') => {
                    let count = inner_gap(&mut left)?;
                    let wildcard = MaskedByte { value: 0, mask: 0 };
                    let length = |choice: &Alternative| choice.len().saturating_add(count);
                    current
                        .iter_mut()
                        .for_each(|choice| choice.resize(length(choice), wildcard));
                }
                Some(_) => {
                    let byte = take_masked(&mut left)?;
                    let choices = current.iter_mut();
                    choices.for_each(|choice| style.push_choice(choice, byte));
                }
            }
            if current.len() > ALTERNATIVES_MAX {
                return Err(TOO_MANY);
            }
        }
        choices.append(&mut current);
        if choices.len() > ALTERNATIVES_MAX {
            return Err(TOO_MANY);
        }
        match left.split_first() {
            None => return Ok(choices),
            Some((_, rest)) => left = rest,
        }
    }
}

fn nested(text: &[u8], style: Style, depth_left: u32) -> Parsed<(Vec<Alternative>, &[u8])> {
    const WRONG: LineTrouble = LineTrouble::Dropped("an alternation is not closed");
    let depth_left = depth_left
        .checked_sub(1)
        .ok_or(LineTrouble::Dropped("alternations are nested too deep"))?;
    let end = closing(text).ok_or(WRONG)?;
    let inner = text.get(1..end).ok_or(WRONG)?;
    if matches!(inner, b"B" | b"L" | b"W") {
        return Err(LineTrouble::Dropped(
            "a character class inside an alternation",
        ));
    }
    let choices = alternatives(inner, style, depth_left)?;
    Ok((
        choices,
        text.get(end.saturating_add(1)..).unwrap_or_default(),
    ))
}

fn product(heads: &[Alternative], tails: &[Alternative]) -> Vec<Alternative> {
    let pairs = heads
        .iter()
        .flat_map(|head| tails.iter().map(move |tail| (head, tail)));
    // One past the bound is enough for the caller to refuse it.
    pairs
        .take(ALTERNATIVES_MAX.saturating_add(1))
        .map(|(head, tail)| head.iter().chain(tail).copied().collect())
        .collect()
}

/// `{n}` inside an alternation: a fixed run of wildcards, and nothing else.
fn inner_gap(left: &mut &[u8]) -> Parsed<usize> {
    const WRONG: LineTrouble =
        LineTrouble::Dropped("an alternation may hold only fixed gaps below 128 bytes");
    let close = left.iter().position(|byte| *byte == b'}').ok_or(WRONG)?;
    let count = left
        .get(1..close)
        .and_then(decimal)
        .filter(|count| *count < INNER_GAP_MAX);
    *left = left.get(close.saturating_add(1)..).unwrap_or_default();
    count
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(WRONG)
}

/// Two hexadecimal digits, either of which may be `?`.
fn take_masked(left: &mut &[u8]) -> Parsed<MaskedByte> {
    const WRONG: LineTrouble = LineTrouble::Dropped("not hexadecimal digits");
    let (pair, rest) = left.split_at_checked(2).ok_or(WRONG)?;
    let &[high, low] = pair else {
        return Err(WRONG);
    };
    let nibble = |digit: u8| match digit {
        b'?' => Some((0, 0)),
        _ => hex_digit(digit).map(|value| (value, 0xf)),
    };
    let (high, high_mask) = nibble(high).ok_or(WRONG)?;
    let (low, low_mask) = nibble(low).ok_or(WRONG)?;
    *left = rest;
    Ok(MaskedByte {
        value: high.wrapping_shl(4) | low,
        mask: u8::wrapping_shl(high_mask, 4) | low_mask,
    })
}

/// Adds wildcards, to those before them if there are any.
pub(super) fn push_any(elements: &mut Vec<Element>, count: u16) {
    match elements.last_mut() {
        Some(Element::Any(total)) => *total = total.saturating_add(count),
        _ => elements.push(Element::Any(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(text: &str) -> Vec<Element> {
        let mut parts = parse(text.as_bytes()).unwrap();
        assert_eq!(parts.len(), 1, "{text}");
        parts.remove(0).elements
    }

    fn plain(bytes: &[u8]) -> Alternative {
        bytes
            .iter()
            .map(|value| MaskedByte {
                value: *value,
                mask: 0xff,
            })
            .collect()
    }

    #[test]
    fn bytes_nibbles_and_wildcards() {
        assert_eq!(
            elements("6162??{3}6?63"),
            [
                Element::Bytes(b"ab".to_vec()),
                Element::Any(4),
                Element::Masked(MaskedByte {
                    value: 0x60,
                    mask: 0xf0
                }),
                Element::Bytes(b"c".to_vec()),
            ]
        );
    }

    #[test]
    fn gaps_cut_and_say_how_far() {
        let parts = parse(b"6162*6364{4-}6566{-7}6768{2-9}6970{200}7172").unwrap();
        let gaps: Vec<_> = parts
            .iter()
            .skip(1)
            .map(|part| (part.gap.min, part.gap.max))
            .collect();
        assert_eq!(
            gaps,
            [(0, u32::MAX), (4, u32::MAX), (0, 7), (2, 9), (200, 200)]
        );
    }

    #[test]
    fn alternations_nest_and_negate() {
        assert_eq!(
            elements("61(62|63(64|65))66"),
            [
                Element::Bytes(b"a".to_vec()),
                Element::Alternatives(vec![plain(b"b"), plain(b"cd"), plain(b"ce")]),
                Element::Bytes(b"f".to_vec()),
            ]
        );
        assert_eq!(
            elements("!(6162|6364)65"),
            [
                Element::NoneOf(vec![plain(b"ab"), plain(b"cd")]),
                Element::Bytes(b"e".to_vec())
            ]
        );
    }

    #[test]
    fn a_class_knows_where_it_stands() {
        let positions: Vec<_> = elements("(B)6162(W)6364(L)")
            .into_iter()
            .filter_map(|element| match element {
                Element::Class(class, position, _) => Some((class, position)),
                _ => None,
            })
            .collect();
        assert_eq!(
            positions,
            [
                (Class::Boundary, Position::Leading),
                (Class::NonWord, Position::Inner),
                (Class::LineEnd, Position::Trailing),
            ]
        );
    }

    #[test]
    fn what_the_peer_refuses_is_dropped() {
        for text in [
            "*6162",
            "6162*",
            "616",
            "61zz",
            "6162[1-33]6364",
            "6162(63*64|65)",
            "6162(63{0-1}|64)",
            "6162!(63|6465)66",
            "6162(63",
            "6162{}",
            "6162!63",
            "6162{-}63",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_small_text_cannot_make_a_large_signature() {
        let nested = "(61|62)".repeat(16);
        let text = format!("6162({nested})63");
        assert_eq!(
            parse(text.as_bytes()),
            Err(LineTrouble::Dropped(
                "an alternation has over 1,024 choices"
            ))
        );
    }
}
