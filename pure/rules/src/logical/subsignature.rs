//! The subsignatures of a logical signature.

use ::pattern::{Flags, PatternError};

use super::compare::{self, ByteComparison};
use super::expression::{self, Step, highest};
use crate::Offset;
use crate::body::{self, Case, Part, Style, Width, Words};
use crate::hash::{LineTrouble, decimal, hex_digit};

/// One subsignature as it was parsed.
#[derive(Debug)]
pub(crate) enum Subsignature {
    /// Bytes, in one or two styles, each of them a fragment; their matches are counted together.
    Hex(Offset, Vec<Vec<Part>>),
    /// A member of a macro group, near a match of the subsignature before.
    Macro(MacroCall),
    /// A regular expression.
    Pattern(Pattern),
    /// A comparison of bytes near another match.
    Compare(ByteComparison),
    /// A picture's hash.
    Picture([u8; 8]),
}

/// `${min-max}group$`: a body signature of the group begins so far behind the begin of a match of
/// the subsignature before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MacroCall {
    /// The macro group.
    pub group: u8,
    /// At least so many bytes.
    pub min: u32,
    /// At most so many.
    pub max: u32,
}

/// `[offset:]trigger/expression/flags`.
#[derive(Debug)]
pub(crate) struct Pattern {
    pub(crate) offset: Offset,
    /// What must hold before it is tried.
    pub(crate) trigger: Vec<Step>,
    pub(crate) flags: PatternFlags,
    pub(crate) text: Vec<u8>,
}

/// The letters behind a regular expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PatternFlags(u16);

/// Their order is part of the pack's format.
const FLAG_LETTERS: [u8; 10] = *b"greismxAEU";

impl PatternFlags {
    /// Of bits in the pack; unknown ones are passed over.
    #[must_use]
    pub fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits in the pack.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether a letter is among them.
    #[must_use]
    pub fn has(self, letter: u8) -> bool {
        bit(letter).is_some_and(|bit| self.0 & bit != 0)
    }

    /// What they ask of the regular expression itself.
    #[must_use]
    pub fn options(self) -> Flags {
        let mut options = Flags::NONE;
        for (letter, option) in [
            (b'i', Flags::CASELESS),
            (b's', Flags::DOT_ALL),
            (b'm', Flags::MULTILINE),
            (b'x', Flags::EXTENDED),
            (b'A', Flags::ANCHORED),
            (b'E', Flags::DOLLAR_END_ONLY),
            (b'U', Flags::UNGREEDY),
        ] {
            if self.has(letter) {
                options |= option;
            }
        }
        options
    }

    fn parse(letters: &[u8]) -> Option<Self> {
        letters
            .iter()
            .try_fold(0u16, |bits, letter| Some(bits | bit(*letter)?))
            .map(Self)
    }
}

fn bit(letter: u8) -> Option<u16> {
    let index = FLAG_LETTERS.iter().position(|known| *known == letter)?;
    u32::try_from(index)
        .ok()
        .map(|index| 1u16.wrapping_shl(index))
}

/// What a subsignature's text is parsed for.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Its own number.
    pub(super) index: u8,
    /// How many there are.
    pub(super) count: u8,
    /// The rule's target type.
    pub(super) target: u8,
}

/// Parses one subsignature.
pub(super) fn parse(text: &[u8], place: Place) -> Result<Subsignature, LineTrouble> {
    if let Some(hash) = text.strip_prefix(b"fuzzy_img#") {
        return picture(hash).map(Subsignature::Picture);
    }
    if text.starts_with(b"$") {
        return macro_call(text, place).map(Subsignature::Macro);
    }
    if text.contains(&b'/') {
        return pattern(text, place).map(Subsignature::Pattern);
    }
    if text.contains(&b'#') {
        let made = compare::parse(text)?;
        // The peer loads the rule, which never fires.
        if made.sub == place.index || made.sub >= place.count {
            return Err(LineTrouble::Dropped(
                "a byte comparison counts from a subsignature that is not there",
            ));
        }
        return Ok(Subsignature::Compare(made));
    }
    hex(text, place.target)
}

/// `[offset:]hex[::modifiers]`.
fn hex(text: &[u8], target: u8) -> Result<Subsignature, LineTrouble> {
    let (text, modifiers) = match cut_modifiers(text) {
        None => (text, &[][..]),
        Some((bytes, modifiers)) if cut_modifiers(modifiers).is_none() => (bytes, modifiers),
        // Of a signature with several, the peer takes the bytes before the first, and no modifier.
        Some((bytes, _)) => (bytes, &[][..]),
    };
    let (offset, bytes) = split_offset(text, target)?;
    let fragments = styles(modifiers)?
        .into_iter()
        .map(|style| body::parse_styled(bytes, style));
    Ok(Subsignature::Hex(
        offset,
        fragments.collect::<Result<_, _>>()?,
    ))
}

/// Splits at the first `::`.
fn cut_modifiers(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.windows(2).position(|pair| pair == b"::")?;
    let (left, right) = text.split_at_checked(at)?;
    Some((left, right.get(2..)?))
}

fn split_offset(text: &[u8], target: u8) -> Result<(Offset, &[u8]), LineTrouble> {
    match text.iter().position(|byte| *byte == b':') {
        None => Ok((Offset::ANY, text)),
        Some(colon) => {
            let (offset, rest) = text.split_at_checked(colon).unwrap_or((text, &[]));
            let rest = rest.get(1..).unwrap_or_default();
            Ok((Offset::parse(offset, target)?, rest))
        }
    }
}

fn styles(modifiers: &[u8]) -> Result<Vec<Style>, LineTrouble> {
    let mut style = Style::default();
    let (mut wide, mut narrow) = (false, false);
    for modifier in modifiers {
        match modifier {
            b'i' => style.case = Case::Folded,
            b'f' => style.words = Words::Whole,
            b'w' => wide = true,
            b'a' => narrow = true,
            _ => return Err(LineTrouble::Dropped("an unknown modifier behind ::")),
        }
    }
    // The peer refuses a negated alternation under `a` too; nothing else changes.
    let widths = match (wide, narrow) {
        (false, _) => vec![Width::Narrow],
        (true, false) => vec![Width::Wide],
        (true, true) => vec![Width::Narrow, Width::Wide],
    };
    Ok(widths
        .into_iter()
        .map(|width| Style { width, ..style })
        .collect())
}

fn macro_call(text: &[u8], place: Place) -> Result<MacroCall, LineTrouble> {
    const WRONG: LineTrouble = LineTrouble::Dropped("a macro subsignature is not of a known form");
    let inner = text
        .strip_prefix(b"${")
        .and_then(|text| text.strip_suffix(b"$"));
    let mut halves = inner.ok_or(WRONG)?.splitn(2, |byte| *byte == b'}');
    let range = halves.next().unwrap_or_default();
    let mut ends = range.splitn(2, |byte| *byte == b'-');
    let mut bound = || {
        ends.next()
            .and_then(decimal)
            .and_then(|end| u32::try_from(end).ok())
    };
    let (min, max) = bound().zip(bound()).ok_or(WRONG)?;
    let group = halves.next().and_then(decimal).ok_or(WRONG)?;
    let group = u8::try_from(group).ok().filter(|group| *group < GROUPS_MAX);
    let group = group.ok_or(LineTrouble::Dropped("a macro group above 31"))?;
    if place.index == 0 {
        return Err(LineTrouble::Dropped(
            "a macro subsignature with no subsignature before it",
        ));
    }
    Ok(MacroCall { group, min, max })
}

/// Macro groups that there can be.
const GROUPS_MAX: u8 = 32;

fn pattern(text: &[u8], place: Place) -> Result<Pattern, LineTrouble> {
    const WRONG: LineTrouble = LineTrouble::Dropped("a regular expression is not of a known form");
    let slash = |byte: &u8| *byte == b'/';
    let first = text.iter().position(slash).ok_or(WRONG)?;
    let last = text.iter().rposition(slash).ok_or(WRONG)?;
    let inner = text.get(first.saturating_add(1)..last).ok_or(WRONG)?;
    let flags = text.get(last.saturating_add(1)..).unwrap_or_default();
    // The peer passes over modifiers here: real signatures have `/…/si::i`.
    let flags = cut_modifiers(flags).map_or(flags, |(flags, _)| flags);
    let head = text.get(..first).unwrap_or_default();
    if inner.is_empty() {
        return Err(WRONG);
    }
    let (offset, trigger) = split_offset(head, place.target)?;
    let trigger = expression::parse(trigger)?;
    match highest(&trigger) {
        Some(sub) if sub < place.count => {}
        _ => {
            return Err(LineTrouble::Dropped(
                "a regular expression's trigger is not there",
            ));
        }
    }
    if trigger
        .iter()
        .any(|step| matches!(step, Step::Leaf(sub, _) if *sub >= place.index))
    {
        return Err(LineTrouble::Dropped(
            "a regular expression is triggered by itself or by what follows it",
        ));
    }
    let flags = PatternFlags::parse(flags).ok_or(LineTrouble::Dropped(
        "an unknown flag behind a regular expression",
    ))?;
    check(inner, flags)?;
    Ok(Pattern {
        offset,
        trigger,
        flags,
        text: inner.to_vec(),
    })
}

/// Compiles an expression once, so that what can't be searched for is told now.
fn check(text: &[u8], flags: PatternFlags) -> Result<(), LineTrouble> {
    match ::pattern::Pattern::compile(text, flags.options()) {
        Ok(_) => Ok(()),
        Err(PatternError::Malformed { .. }) => Err(LineTrouble::Dropped(
            "a regular expression that PCRE refuses",
        )),
        Err(PatternError::Unsupported { .. }) => Err(LineTrouble::Pending(
            "regular expressions with rare constructs",
        )),
        Err(PatternError::TooLarge(_)) => {
            Err(LineTrouble::Dropped("a regular expression is too large"))
        }
    }
}

/// 16 hexadecimal digits, and a distance, which has to be 0.
fn picture(text: &[u8]) -> Result<[u8; 8], LineTrouble> {
    const WRONG: LineTrouble = LineTrouble::Dropped("a picture's hash is not 16 digits");
    let mut halves = text.splitn(2, |byte| *byte == b'#');
    let digits = halves.next().unwrap_or_default();
    if halves
        .next()
        .is_some_and(|distance| decimal(distance) != Some(0))
    {
        return Err(LineTrouble::Dropped(
            "a distance other than 0 from a picture's hash",
        ));
    }
    let mut hash = [0u8; 8];
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != hash.len() || !rest.is_empty() {
        return Err(WRONG);
    }
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        let (high, low) = hex_digit(*high).zip(hex_digit(*low)).ok_or(WRONG)?;
        *byte = high.wrapping_shl(4) | low;
    }
    Ok(hash)
}
