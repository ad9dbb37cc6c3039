//! A pattern into the literals that it can't match without. Refuses nothing: of a pattern that it
//! does not understand it says that nothing is known.

use yara_x_parser::ast::{HexSubPattern, HexToken, Pattern, PatternModifier, PatternModifiers};

use crate::literal::{Literal, Masked};
use crate::regexp;

/// More alternatives than this are not worth a search.
const ALTERNATIVES_MAX: usize = 1024;
/// So many literals of one pattern are searched for, the rarest.
const LITERALS_MAX: usize = 2;
/// A gap of so many bytes is a part of what is compared.
const JUMP_MAX: u32 = 16;
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
    let mut needs = Vec::new();
    let mut run = Vec::new();
    for token in tokens.iter() {
        match token {
            HexToken::Byte(byte) => run.push(Masked {
                value: byte.value,
                mask: byte.mask,
            }),
            HexToken::NotByte(_) => run.push(Masked::ANY),
            HexToken::Jump(jump) => match (jump.start, jump.end) {
                (Some(length), Some(end)) if length == end && length <= JUMP_MAX => {
                    run.extend((0..length).map(|_| Masked::ANY));
                }
                _ => needs.push(Need::bytes(&std::mem::take(&mut run))),
            },
            HexToken::Alternative(found) => {
                let branches = &found.alternatives;
                match in_common(branches) {
                    Some(bytes) => run.extend(bytes),
                    None => needs.push(Need::bytes(&std::mem::take(&mut run))),
                }
                let branches = branches
                    .iter()
                    .map(|branch| of_tokens(branch, depth.saturating_add(1)));
                needs.push(Need::any(branches.collect()));
            }
        }
    }
    needs.push(Need::bytes(&run));
    Need::all(needs)
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
    use yara_x_parser::ast::AST;

    fn need(pattern: &str) -> Need {
        let text = format!("rule a {{ strings: $a = {pattern} condition: $a }}");
        let ast = AST::from(text.as_str());
        let rule = ast.rules().next().unwrap();
        Need::of(&rule.patterns.as_ref().unwrap()[0])
    }

    fn literal(bytes: &[u8]) -> Need {
        let bytes = bytes.iter().copied().map(Masked::exact).collect();
        Need::Literal(Literal { bytes })
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
        let either = b"WXYZ".iter().copied().map(Masked::folded).collect();
        let expected = Need::Literal(Literal { bytes: either });
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
        assert_eq!(need("{ 01 02 03 04 [2-9] 41 }"), literal(&[1, 2, 3, 4]));
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
            need("{ 71 72 73 74 (75 76 77 78 | 79 7a 7b 7c 7d) [2-4] 80 81 }"),
            Need::All(vec![
                Need::Any(vec![literal(b"uvwx"), literal(b"yz{|}")]),
                literal(b"qrst"),
            ])
        );
        assert_eq!(need("{ 01 4? [1-2] 04 ~05 ?? 06 ?? ?? 08 }"), Need::Unknown);
    }
}
