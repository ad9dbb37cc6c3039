//! A pattern into the literals that it can't match without. Refuses nothing: of a pattern that it
//! does not understand it says that nothing is known.

use yara_x_parser::ast::{HexSubPattern, HexToken, Pattern, PatternModifier, PatternModifiers};

use crate::chain::GAP_MAX;
use crate::literal::{Literal, Masked, Piece};
use crate::regexp;

/// More alternatives than this are not worth a search.
const ALTERNATIVES_MAX: usize = 1024;
/// So many literals of one pattern are searched for, the rarest.
const LITERALS_MAX: usize = 2;
/// A gap of so many bytes is a part of what is compared.
const JUMP_MAX: u32 = 16;
/// How much of a match's beginning is compared at a place.
const BEGINNING_MAX: usize = 16;
/// A pattern is never nested deeper than this, or nothing is known of what is.
const DEPTH_MAX: u32 = 16;

/// What must be in an object for a pattern to match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing that is known.
    Unknown,
    Literal(Literal),
    Any(Vec<Need>),
    All(Vec<Need>),
}

impl Need {
    pub(crate) fn of(pattern: &Pattern<'_>) -> Self {
        match pattern {
            Pattern::Text(text) => of_text(&text.text.value, &text.modifiers),
            Pattern::Hex(hex) => of_tokens(&hex.sub_patterns, 0),
            Pattern::Regexp(found) => {
                let forms = forms(&found.modifiers).into_iter();
                let needs = forms.map(|form| {
                    let nocase = found.modifiers.nocase().is_some();
                    regexp::need(&found.regexp, form, nocase)
                });
                Self::any(needs.collect())
            }
        }
    }

    /// Bytes that must be there, where they are worth a search.
    pub(crate) fn bytes(bytes: &[Masked]) -> Self {
        Literal::of(bytes).map_or(Self::Unknown, Self::Literal)
    }

    fn text(bytes: &[u8]) -> Self {
        let exact: Vec<_> = bytes.iter().copied().map(Masked::exact).collect();
        Self::bytes(&exact)
    }

    /// One of these, if something is known of each.
    pub(crate) fn any(mut needs: Vec<Self>) -> Self {
        needs.dedup();
        if needs.contains(&Self::Unknown) || needs.len() > ALTERNATIVES_MAX {
            return Self::Unknown;
        }
        match needs.len() {
            0 => Self::Unknown,
            1 => needs.pop().unwrap_or(Self::Unknown),
            _ => Self::Any(needs),
        }
    }

    /// All of these, of which the rarest are enough.
    pub(crate) fn all(mut needs: Vec<Self>) -> Self {
        needs.retain(|need| *need != Self::Unknown);
        needs.sort_by_key(|need| std::cmp::Reverse(need.rarity()));
        needs.dedup();
        needs.truncate(LITERALS_MAX);
        match needs.len() {
            0 => Self::Unknown,
            1 => needs.pop().unwrap_or(Self::Unknown),
            _ => Self::All(needs),
        }
    }

    pub(crate) fn rarity(&self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Literal(literal) => literal.rarity(),
            Self::Any(needs) => needs.iter().map(Self::rarity).min().unwrap_or(0),
            Self::All(needs) => needs.iter().map(Self::rarity).max().unwrap_or(0),
        }
    }
}

/// Bytes with one of which each match of a pattern begins, as far as they are known.
pub(crate) fn beginnings(pattern: &Pattern<'_>) -> Vec<Vec<Masked>> {
    let modifiers = pattern.modifiers();
    let is_coded = modifiers.xor().is_some()
        || modifiers.base64().is_some()
        || modifiers.base64wide().is_some();
    let first = |mut bytes: Vec<Masked>| {
        bytes.truncate(BEGINNING_MAX);
        bytes
    };
    match pattern {
        Pattern::Text(text) if !is_coded => {
            let nocase = modifiers.nocase().is_some();
            let byte = if nocase {
                Masked::folded
            } else {
                Masked::exact
            };
            let bytes: Vec<_> = text.text.value.iter().copied().map(byte).collect();
            let forms = forms(modifiers).into_iter();
            forms.map(|form| first(form.apply_masked(&bytes))).collect()
        }
        Pattern::Hex(hex) => {
            let bytes = hex.sub_patterns.iter().map_while(|token| match token {
                HexToken::Byte(byte) => Some(Masked {
                    value: byte.value,
                    mask: byte.mask,
                }),
                HexToken::NotByte(_) | HexToken::Alternative(_) | HexToken::Jump(_) => None,
            });
            vec![first(bytes.collect())]
        }
        Pattern::Text(_) | Pattern::Regexp(_) => Vec::new(),
    }
}

/// How a pattern's characters lie in the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ascii,
    /// Each byte is followed by a zero.
    Wide,
}

impl Form {
    fn apply(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Ascii => bytes.to_vec(),
            Self::Wide => bytes.iter().flat_map(|byte| [*byte, 0]).collect(),
        }
    }

    pub(crate) fn apply_masked(self, bytes: &[Masked]) -> Vec<Masked> {
        match self {
            Self::Ascii => bytes.to_vec(),
            Self::Wide => {
                let zero = Masked::exact(0);
                bytes.iter().flat_map(|byte| [*byte, zero]).collect()
            }
        }
    }
}

fn forms(modifiers: &PatternModifiers<'_>) -> Vec<Form> {
    match (modifiers.wide().is_some(), modifiers.ascii().is_some()) {
        (true, true) => vec![Form::Ascii, Form::Wide],
        (true, false) => vec![Form::Wide],
        (false, _) => vec![Form::Ascii],
    }
}

fn of_text(text: &[u8], modifiers: &PatternModifiers<'_>) -> Need {
    let nocase = modifiers.nocase().is_some();
    let mut needs = Vec::new();
    for form in forms(modifiers) {
        let bytes = form.apply(text);
        let mut coded = false;
        for modifier in modifiers.iter() {
            match modifier {
                PatternModifier::Xor { start, end, .. } => {
                    coded = true;
                    needs.extend((*start..=*end).map(|key| {
                        let bytes: Vec<u8> = bytes.iter().map(|byte| byte ^ key).collect();
                        Need::text(&bytes)
                    }));
                }
                PatternModifier::Base64 { alphabet, .. } => {
                    coded = true;
                    let alphabet = alphabet.as_ref().map(|text| text.value.as_ref().as_ref());
                    needs.extend(of_base64(&bytes, alphabet, Form::Ascii));
                }
                PatternModifier::Base64Wide { alphabet, .. } => {
                    coded = true;
                    let alphabet = alphabet.as_ref().map(|text| text.value.as_ref().as_ref());
                    needs.extend(of_base64(&bytes, alphabet, Form::Wide));
                }
                PatternModifier::Ascii { .. }
                | PatternModifier::Wide { .. }
                | PatternModifier::Nocase { .. }
                | PatternModifier::Private { .. }
                | PatternModifier::Fullword { .. } => {}
            }
        }
        if !coded {
            let byte = if nocase {
                Masked::folded
            } else {
                Masked::exact
            };
            let bytes: Vec<_> = bytes.iter().copied().map(byte).collect();
            needs.push(Need::bytes(&bytes));
        }
    }
    Need::any(needs)
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// For each of the three places in a group that bytes can have, the characters of their base64 that
/// no neighbour has a part in.
fn of_base64(bytes: &[u8], alphabet: Option<&[u8]>, form: Form) -> Vec<Need> {
    let Ok(alphabet) = <&[u8; 64]>::try_from(alphabet.unwrap_or(BASE64)) else {
        return vec![Need::Unknown];
    };
    let of_place = |lead: usize| {
        let mut bits = vec![false; lead.saturating_mul(8)];
        let own = bytes.iter().flat_map(|byte| {
            let bit = move |at: u32| byte.wrapping_shr(7u32.wrapping_sub(at)) & 1 != 0;
            (0..8).map(bit)
        });
        bits.extend(own);
        let skipped = lead.saturating_mul(8).div_ceil(6);
        let sextets = bits.as_chunks::<6>().0.iter().skip(skipped);
        let character = |sextet: &[bool; 6]| {
            let index = sextet
                .iter()
                .fold(0u8, |sum, bit| sum.wrapping_shl(1) | u8::from(*bit));
            alphabet.get(usize::from(index)).copied().unwrap_or(b'A')
        };
        let text: Vec<u8> = sextets.map(character).collect();
        Need::text(&form.apply(&text))
    };
    (0..3).map(of_place).collect()
}

fn of_tokens(tokens: &HexSubPattern, depth: u32) -> Need {
    if depth > DEPTH_MAX {
        return Need::Unknown;
    }
    let mut pieces = Pieces::default();
    for token in tokens.iter() {
        match token {
            HexToken::Byte(byte) => pieces.push(Masked {
                value: byte.value,
                mask: byte.mask,
            }),
            HexToken::NotByte(_) => pieces.push(Masked::ANY),
            HexToken::Jump(jump) => pieces.gap(Some(jump.start.unwrap_or(0)), jump.end),
            HexToken::Alternative(found) => {
                let branches = &found.alternatives;
                match in_common(branches) {
                    Some(bytes) => bytes.into_iter().for_each(|byte| pieces.push(byte)),
                    None => {
                        let (least, most) = lengths(branches);
                        pieces.gap(least, most);
                    }
                }
                let branches = branches
                    .iter()
                    .map(|branch| of_tokens(branch, depth.saturating_add(1)));
                pieces.needs.push(Need::any(branches.collect()));
            }
        }
    }
    pieces.into_need()
}

/// A pattern's pieces as far as the gaps between them are bounded.
#[derive(Default)]
struct Pieces {
    needs: Vec<Need>,
    list: Vec<Piece>,
    /// The gap before the bytes that come now.
    gap: (u16, u16),
    run: Vec<Masked>,
}

impl Pieces {
    fn push(&mut self, byte: Masked) {
        self.run.push(byte);
    }

    fn gap(&mut self, least: Option<u32>, most: Option<u32>) {
        let bounds = least.zip(most);
        if let Some((length, most)) = bounds
            && length == most
            && length <= JUMP_MAX
        {
            self.run.extend((0..length).map(|_| Masked::ANY));
            return;
        }
        self.end_run();
        let least = least.and_then(|least| u16::try_from(least).ok());
        let most = most.and_then(|most| u16::try_from(most).ok());
        let wider = least.zip(most).and_then(|(least, most)| {
            Some((
                self.gap.0.checked_add(least)?,
                self.gap.1.checked_add(most)?,
            ))
        });
        match wider.filter(|(_, most)| *most <= GAP_MAX) {
            Some(gap) => self.gap = gap,
            None => self.end_chain(),
        }
    }

    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        self.list.push(Piece {
            least: self.gap.0,
            most: self.gap.1,
            bytes: std::mem::take(&mut self.run),
        });
        self.gap = (0, 0);
    }

    fn end_chain(&mut self) {
        self.end_run();
        let pieces = std::mem::take(&mut self.list);
        let literal = Literal::of_pieces(&pieces);
        self.needs
            .push(literal.map_or(Need::Unknown, Need::Literal));
        self.gap = (0, 0);
    }

    fn into_need(mut self) -> Need {
        self.end_chain();
        Need::all(self.needs)
    }
}

/// The least and the greatest length of branches, as far as they are bounded.
fn lengths(branches: &[HexSubPattern]) -> (Option<u32>, Option<u32>) {
    let of = |branch: &HexSubPattern| {
        branch
            .iter()
            .try_fold((0u32, 0u32), |(least, most), token| {
                let (shortest, longest) = match token {
                    HexToken::Byte(_) | HexToken::NotByte(_) => (1, 1),
                    HexToken::Jump(jump) => (jump.start.unwrap_or(0), jump.end?),
                    HexToken::Alternative(_) => return None,
                };
                Some((least.checked_add(shortest)?, most.checked_add(longest)?))
            })
    };
    let all: Option<Vec<(u32, u32)>> = branches.iter().map(of).collect();
    let all = all.unwrap_or_default();
    let least = all.iter().map(|(least, _)| *least).min();
    (least, all.iter().map(|(_, most)| *most).max())
}

/// What branches of the same length have in common at each place.
fn in_common(branches: &[HexSubPattern]) -> Option<Vec<Masked>> {
    let mut common: Option<Vec<Masked>> = None;
    for branch in branches {
        let bytes = branch.iter().map(|token| match token {
            HexToken::Byte(byte) => Some(Masked {
                value: byte.value,
                mask: byte.mask,
            }),
            HexToken::NotByte(_) => Some(Masked::ANY),
            HexToken::Alternative(_) | HexToken::Jump(_) => None,
        });
        let bytes: Vec<Masked> = bytes.collect::<Option<_>>()?;
        common = match common {
            None => Some(bytes),
            Some(before) if before.len() == bytes.len() => {
                let pairs = before.into_iter().zip(bytes);
                Some(pairs.map(|(one, other)| one.joined(other)).collect())
            }
            Some(_) => return None,
        };
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Link;
    use crate::literal::Way;
    use yara_x_parser::ast::AST;

    fn need(pattern: &str) -> Need {
        let text = format!("rule a {{ strings: $a = {pattern} condition: $a }}");
        let ast = AST::from(text.as_str());
        let rule = ast.rules().next().unwrap();
        Need::of(&rule.patterns.as_ref().unwrap()[0])
    }

    fn literal(bytes: &[u8]) -> Need {
        let bytes: Vec<_> = bytes.iter().copied().map(Masked::exact).collect();
        Need::bytes(&bytes)
    }

    #[test]
    fn text_is_needed_in_each_form_that_counts() {
        assert_eq!(need("\"secret\""), literal(b"secret"));
        assert_eq!(need("\"secret\" wide"), literal(b"s\0e\0c\0r\0e\0t\0"));
        assert_eq!(
            need("\"secret\" wide ascii"),
            Need::Any(vec![literal(b"secret"), literal(b"s\0e\0c\0r\0e\0t\0")])
        );
        assert_eq!(need("\"abc\""), Need::Unknown);
        let either: Vec<_> = b"WXYZ".iter().copied().map(Masked::folded).collect();
        let expected = Need::bytes(&either);
        assert_eq!(need("\"wXyZ\" nocase"), expected);
        assert_eq!(
            need("\"secret\" xor(1-2)"),
            Need::Any(vec![literal(b"rdbsdu"), literal(b"qgapgv")])
        );
    }

    #[test]
    fn base64_is_needed_at_one_of_three_places() {
        assert_eq!(
            need("\"ipsum dolor\" base64"),
            Need::Any(vec![
                literal(b"aXBzdW0gZG9sb3"),
                literal(b"lwc3VtIGRvbG9y"),
                literal(b"pcHN1bSBkb2xvc"),
            ])
        );
        assert_eq!(need("\"ip\" base64"), Need::Unknown);
    }

    #[test]
    fn hex_is_needed_in_its_rarest_runs() {
        assert_eq!(need("{ 01 02 03 04 [2-] 41 }"), literal(&[1, 2, 3, 4]));
        let expected = Literal::of(&[
            Masked::exact(0x81),
            Masked::ANY,
            Masked {
                value: 0x50,
                mask: 0xf0,
            },
            Masked::ANY,
            Masked::ANY,
            Masked::exact(0x74),
            Masked::exact(0x70),
            Masked {
                value: 0x70,
                mask: 0xfb,
            },
        ]);
        let found = need("{ 81 ?? 5? [2] 74 70 (70 | 74) }");
        assert_eq!(found, Need::Literal(expected.unwrap()));
        assert_eq!(
            need("{ 71 72 73 74 [300] (75 76 77 78 | 79 7a 7b 7c 7d) [-] [2-] 80 81 }"),
            Need::All(vec![
                Need::Any(vec![literal(b"uvwx"), literal(b"yz{|}")]),
                literal(b"qrst"),
            ])
        );
        assert_eq!(need("{ 01 4? [1-2] 04 ~05 ?? 06 ?? ?? 08 }"), Need::Unknown);
    }

    #[test]
    fn what_stands_at_a_bounded_distance_is_needed_there() {
        let exact = |bytes: &[u8]| bytes.iter().copied().map(Masked::exact).collect::<Vec<_>>();
        let link = |least, most, bytes: &[u8]| Link {
            least,
            most,
            bytes: exact(bytes),
        };
        let found = need("{ 40 [1-3] (41 | 42 43) 44 45 46 47 [2-9] 48 [20] 49 [999-1000] 50 }");
        let expected = Literal {
            bytes: exact(b"DEFG"),
            before: vec![link(2, 5, b"@")],
            behind: vec![link(2, 9, b"H"), link(20, 20, b"I")],
        };
        assert_eq!(found, Need::Literal(expected));
        let Need::Literal(seed) = need("{ 0F B? [1-16] 4D 5A [1-32] 3C [16-64] 50 45 }") else {
            unreachable!()
        };
        assert_eq!(seed.way(), Way::Seed);
        assert_eq!(seed.bytes, exact(b"MZ"));
        assert_eq!((seed.before.len(), seed.behind.len()), (1, 2));
    }
}
