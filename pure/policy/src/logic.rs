//! Four values, and conditions over a pack's facts.
//!
//! `true` and `false` are firm. `unknown` and `contradicted` are open: an open part makes the whole
//! open unless the other parts decide it alone. A contradiction shows through an unknown, so that
//! it is printed and never resolved by rank.

use std::fmt;

/// What is known of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Truth {
    /// It does not hold.
    False,
    /// It holds.
    True,
    /// Nobody showed either.
    Unknown,
    /// Both were shown.
    Contradicted,
}

impl Truth {
    /// Neither true nor false.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Unknown | Self::Contradicted)
    }

    /// Whether the opposite holds.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::True => Self::False,
            open => open,
        }
    }

    /// Whether both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, value) | (value, Self::True) => value,
            (Self::Contradicted, _) | (_, Self::Contradicted) => Self::Contradicted,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }

    /// Whether one of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.negated().and(other.negated()).negated()
    }

    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::False => "false",
            Self::True => "true",
            Self::Unknown => "unknown",
            Self::Contradicted => "contradicted",
        }
    }
}

impl fmt::Display for Truth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition over facts, which are named by their place in the pack's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Fact(usize),
    Not(Box<Condition>),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// Up to 64 states at once: where it is true, and where it is false. Elsewhere it is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sliced {
    pub(crate) is_true: u64,
    pub(crate) is_false: u64,
}

/// Deeper conditions are refused.
const DEPTH_MAX: u32 = 16;

/// A condition that names more facts is refused: every state of a pack is looked at.
const TERMS_MAX: usize = 512;

impl Condition {
    /// Reads `a and (b or not c)`. `place` gives the place of a fact's name.
    pub(crate) fn parse(text: &str, place: &dyn Fn(&str) -> Option<usize>) -> Result<Self, String> {
        let words = words(text)?;
        let terms = words.iter();
        let terms = terms
            .filter(|word| !["and", "or", "not", "(", ")"].contains(&word.as_str()))
            .count();
        if terms > TERMS_MAX {
            return Err(format!(
                "the condition names {terms} facts; more than {TERMS_MAX} are not read"
            ));
        }
        let mut reader = Reader {
            words: &words,
            place,
        };
        let condition = reader.any(0)?;
        match reader.words.first() {
            None => Ok(condition),
            Some(word) => Err(format!("`{word}` is not expected in the condition")),
        }
    }

    /// What the condition comes to.
    pub(crate) fn value(&self, facts: &[Truth]) -> Truth {
        match self {
            Self::Fact(place) => facts.get(*place).copied().unwrap_or(Truth::Unknown),
            Self::Not(inner) => inner.value(facts).negated(),
            Self::All(parts) => parts
                .iter()
                .fold(Truth::True, |all, part| all.and(part.value(facts))),
            Self::Any(parts) => parts
                .iter()
                .fold(Truth::False, |any, part| any.or(part.value(facts))),
        }
    }

    /// The same for many states at once.
    pub(crate) fn sliced(&self, facts: &[Sliced]) -> Sliced {
        match self {
            Self::Fact(place) => facts.get(*place).copied().unwrap_or_default(),
            Self::Not(inner) => {
                let inner = inner.sliced(facts);
                Sliced {
                    is_true: inner.is_false,
                    is_false: inner.is_true,
                }
            }
            Self::All(parts) => {
                let mut all = Sliced {
                    is_true: u64::MAX,
                    is_false: 0,
                };
                for part in parts {
                    let part = part.sliced(facts);
                    all.is_true &= part.is_true;
                    all.is_false |= part.is_false;
                }
                all
            }
            Self::Any(parts) => {
                let mut any = Sliced {
                    is_true: 0,
                    is_false: u64::MAX,
                };
                for part in parts {
                    let part = part.sliced(facts);
                    any.is_true |= part.is_true;
                    any.is_false &= part.is_false;
                }
                any
            }
        }
    }

    /// How often it names a fact.
    pub(crate) fn terms(&self) -> usize {
        match self {
            Self::Fact(_) => 1,
            Self::Not(inner) => inner.terms(),
            Self::All(parts) | Self::Any(parts) => parts
                .iter()
                .fold(0, |sum, part| sum.saturating_add(part.terms())),
        }
    }

    /// Adds the places of the facts that it names.
    pub(crate) fn facts(&self, found: &mut Vec<usize>) {
        match self {
            Self::Fact(place) => {
                if !found.contains(place) {
                    found.push(*place);
                }
            }
            Self::Not(inner) => inner.facts(found),
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.facts(found)),
        }
    }
}

fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for letter in text.chars() {
        match letter {
            'a'..='z' | '0'..='9' | '_' => word.push(letter),
            '(' | ')' | ' ' | '\n' | '\t' => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                if matches!(letter, '(' | ')') {
                    words.push(letter.to_string());
                }
            }
            other => return Err(format!("`{other}` is not expected in the condition")),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}

struct Reader<'w> {
    words: &'w [String],
    place: &'w dyn Fn(&str) -> Option<usize>,
}

impl Reader<'_> {
    fn take(&mut self, expected: &str) -> bool {
        match self.words.split_first() {
            Some((word, rest)) if word == expected => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }

    fn any(&mut self, depth: u32) -> Result<Condition, String> {
        let mut parts = vec![self.all(depth)?];
        while self.take("or") {
            parts.push(self.all(depth)?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn all(&mut self, depth: u32) -> Result<Condition, String> {
        let mut parts = vec![self.one(depth)?];
        while self.take("and") {
            parts.push(self.one(depth)?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn one(&mut self, depth: u32) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err("the condition is nested too deeply".to_owned());
        }
        let inner = depth.saturating_add(1);
        if self.take("not") {
            return Ok(Condition::Not(Box::new(self.one(inner)?)));
        }
        if self.take("(") {
            let condition = self.any(inner)?;
            return match self.take(")") {
                true => Ok(condition),
                false => Err("a `)` is missing in the condition".to_owned()),
            };
        }
        let Some((word, rest)) = self.words.split_first() else {
            return Err("the condition ends too early".to_owned());
        };
        let place =
            (self.place)(word).ok_or_else(|| format!("`{word}` is no fact of this pack's list"))?;
        self.words = rest;
        Ok(Condition::Fact(place))
    }
}

fn one_or(mut parts: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            many(parts)
        }
        None => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Truth; 4] = [
        Truth::False,
        Truth::True,
        Truth::Unknown,
        Truth::Contradicted,
    ];

    #[test]
    fn and_and_or_are_each_others_mirror() {
        for a in ALL {
            for b in ALL {
                assert_eq!(a.and(b), b.and(a));
                assert_eq!(a.or(b), b.or(a));
                assert_eq!(a.and(b).negated(), a.negated().or(b.negated()));
                for c in ALL {
                    assert_eq!(a.and(b).and(c), a.and(b.and(c)));
                }
            }
            assert_eq!(a.and(Truth::True), a);
            assert_eq!(a.or(Truth::False), a);
        }
    }

    #[test]
    fn a_contradiction_is_open_exactly_where_an_unknown_is() {
        let place = |name: &str| ["a", "b", "c"].iter().position(|fact| *fact == name);
        let condition = Condition::parse("a and (b or not c) or not (a or c)", &place).unwrap();
        for a in ALL {
            for b in ALL {
                for c in ALL {
                    let as_unknown = |value: Truth| match value {
                        Truth::Contradicted => Truth::Unknown,
                        other => other,
                    };
                    let four = condition.value(&[a, b, c]);
                    let three = condition.value(&[a, b, c].map(as_unknown));
                    assert_eq!(as_unknown(four), three);
                }
            }
        }
    }

    #[test]
    fn many_states_at_once_come_to_the_same() {
        let place = |name: &str| ["a", "b"].iter().position(|fact| *fact == name);
        let condition = Condition::parse("(a or b) and not (a and b)", &place).unwrap();
        for a in [Truth::False, Truth::True, Truth::Unknown] {
            for b in [Truth::False, Truth::True, Truth::Unknown] {
                let slice = |value| Sliced {
                    is_true: u64::from(value == Truth::True),
                    is_false: u64::from(value == Truth::False),
                };
                let sliced = condition.sliced(&[slice(a), slice(b)]);
                let sliced = (sliced.is_true & 1, sliced.is_false & 1);
                let expected = slice(condition.value(&[a, b]));
                assert_eq!(sliced, (expected.is_true, expected.is_false));
            }
        }
    }

    #[test]
    fn conditions_that_mean_nothing_are_refused() {
        let place = |name: &str| (name == "a").then_some(0);
        for text in ["", "a and", "b", "a a", "(a", "a)", "a & a", "not"] {
            assert!(Condition::parse(text, &place).is_err(), "{text}");
        }
        let deep = format!("{}a", "not ".repeat(1000));
        assert!(Condition::parse(&deep, &place).is_err());
    }

    #[test]
    fn a_condition_that_would_hold_a_decision_for_minutes_is_refused() {
        let place = |name: &str| (name == "a").then_some(0);
        let of = |terms: usize| vec!["a"; terms].join(" and ");
        assert!(Condition::parse(&of(TERMS_MAX), &place).is_ok());
        let refused = Condition::parse(&of(TERMS_MAX + 1), &place).unwrap_err();
        assert!(refused.contains("names 513 facts"), "{refused}");
    }
}
