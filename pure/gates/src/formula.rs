//! What a rule's condition needs, as a formula. Says nothing that is not certain: what is unknown
//! may be true and may be false.

use crate::literal::Masked;

/// Deeper formulas are not kept.
pub(crate) const DEPTH_MAX: u32 = 24;

/// A part of a condition that is true or false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Formula {
    /// Nothing is known.
    Unknown,
    /// May be true only where the object holds the literal with this number.
    Literal(u32),
    /// True where so many of these are.
    AtLeast { count: u32, of: Vec<Formula> },
    /// True only where this is not.
    Not(Box<Formula>),
    /// May be true only where the rule with this number may.
    Rule(u32),
    /// True only where these bytes stand at a place from the lowest to the highest.
    Stands {
        bytes: Vec<Masked>,
        low: Number,
        high: Number,
    },
    /// Decided by the object's bytes; false where a side has no value.
    Compare {
        how: Comparison,
        left: Number,
        right: Number,
    },
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Comparison {
    Equal = 0,
    NotEqual = 1,
    Less = 2,
    LessOrEqual = 3,
}

/// A number that can be computed from the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    Constant(i64),
    FileSize,
    /// What stands at a place.
    Read(Reading, Box<Number>),
    Compute(Arithmetic, Box<Number>, Box<Number>),
}

/// How bytes are read as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// One, two or four.
    pub(crate) width_bytes: u8,
    pub(crate) is_signed: bool,
    pub(crate) is_big_endian: bool,
}

/// What is computed of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Arithmetic {
    Add = 0,
    Subtract = 1,
    Multiply = 2,
    And = 3,
    Or = 4,
    ExclusiveOr = 5,
    ShiftLeft = 6,
    ShiftRight = 7,
}

impl Formula {
    /// True where all are. What is unknown takes nothing away from the others.
    pub(crate) fn all(of: Vec<Self>) -> Self {
        let count = u32::try_from(of.len()).unwrap_or(u32::MAX);
        Self::at_least(count, of)
    }

    /// True where one is.
    pub(crate) fn any(of: Vec<Self>) -> Self {
        Self::at_least(1, of)
    }

    /// True where so many are; of nothing, or if none is enough, nothing is known.
    pub(crate) fn at_least(count: u32, mut of: Vec<Self>) -> Self {
        if count == 0 || of.iter().all(|one| *one == Self::Unknown) {
            return Self::Unknown;
        }
        if count == 1 && of.len() == 1 {
            return of.pop().unwrap_or(Self::Unknown);
        }
        Self::AtLeast { count, of }
    }

    /// True only where this is not; unless the object's bytes decide it, nothing is known.
    pub(crate) fn not(formula: Self) -> Self {
        match formula.can_be_certain() {
            true => Self::Not(Box::new(formula)),
            false => Self::Unknown,
        }
    }

    /// The same where it stands for what must be true: unknown parts are counted as true.
    pub(crate) fn required(self) -> Self {
        let Self::AtLeast { count, of } = self else {
            return self;
        };
        let total = of.len();
        let known: Vec<_> = of
            .into_iter()
            .map(Self::required)
            .filter(|one| *one != Self::Unknown)
            .collect();
        let unknown = u32::try_from(total.saturating_sub(known.len())).unwrap_or(u32::MAX);
        Self::at_least(count.saturating_sub(unknown), known)
    }

    /// Whether it can ever be certainly true.
    fn can_be_certain(&self) -> bool {
        match self {
            Self::Compare { .. } => true,
            Self::AtLeast { count, of } => {
                let certain = of.iter().filter(|one| one.can_be_certain());
                certain.count() as u64 >= u64::from(*count)
            }
            Self::Unknown
            | Self::Literal(_)
            | Self::Not(_)
            | Self::Rule(_)
            | Self::Stands { .. } => false,
        }
    }

    /// Puts what is decided at once before what takes a look at the object; what a literal takes is
    /// for the caller to say.
    pub(crate) fn sort(&mut self, literal_work: &dyn Fn(u32) -> u64) {
        match self {
            Self::AtLeast { of, .. } => {
                of.iter_mut().for_each(|one| one.sort(literal_work));
                of.sort_by_cached_key(|one| one.work(literal_work));
            }
            Self::Not(inner) => inner.sort(literal_work),
            Self::Unknown
            | Self::Literal(_)
            | Self::Rule(_)
            | Self::Stands { .. }
            | Self::Compare { .. } => {}
        }
    }

    fn work(&self, literal_work: &dyn Fn(u32) -> u64) -> u64 {
        match self {
            Self::Unknown | Self::Compare { .. } => 0,
            Self::Literal(number) => literal_work(*number),
            Self::Stands { .. } => 2,
            Self::Rule(_) => 4,
            Self::Not(inner) => inner.work(literal_work),
            Self::AtLeast { of, .. } => {
                let most = of.iter().map(|one| one.work(literal_work)).max();
                most.unwrap_or(0).max(3)
            }
        }
    }

    /// Whether it is false of whatever does not begin as a program for Windows or DOS does. What
    /// rules need is for the caller to say.
    pub(crate) fn needs_program(&self, rule_needs: &dyn Fn(u32) -> bool) -> bool {
        match self {
            Self::AtLeast { count, of } => {
                let others = of.iter().filter(|one| !one.needs_program(rule_needs));
                (others.count() as u64) < u64::from(*count)
            }
            Self::Rule(number) => rule_needs(*number),
            Self::Compare { how, left, right } => {
                let sides = [(left, right), (right, left)];
                *how == Comparison::Equal && sides.into_iter().any(is_program)
            }
            Self::Stands { bytes, low, high } => {
                let begins = [b'M', b'Z'].map(Masked::exact);
                *low == Number::Constant(0) && *high == *low && bytes.starts_with(&begins)
            }
            Self::Unknown | Self::Literal(_) | Self::Not(_) => false,
        }
    }

    /// The literals that it asks for.
    pub(crate) fn literals(&self, found: &mut Vec<u32>) {
        match self {
            Self::Literal(number) => found.push(*number),
            Self::AtLeast { of, .. } => of.iter().for_each(|one| one.literals(found)),
            Self::Not(inner) => inner.literals(found),
            Self::Unknown | Self::Rule(_) | Self::Stands { .. } | Self::Compare { .. } => {}
        }
    }

    /// How deep it is nested.
    pub(crate) fn depth(&self) -> u32 {
        let deepest = match self {
            Self::AtLeast { of, .. } => of.iter().map(Self::depth).max().unwrap_or(0),
            Self::Not(inner) => inner.depth(),
            Self::Stands { low, high, .. } => low.depth().max(high.depth()),
            Self::Compare { left, right, .. } => left.depth().max(right.depth()),
            Self::Unknown | Self::Literal(_) | Self::Rule(_) => 0,
        };
        deepest.saturating_add(1)
    }
}

/// What a program for Windows or DOS begins with, as a number.
const PROGRAM: [u8; 2] = *b"MZ";

/// Whether a number that is read is compared with what a program begins with.
fn is_program((read, value): (&Number, &Number)) -> bool {
    let (Number::Read(reading, place), Number::Constant(value)) = (read, value) else {
        return false;
    };
    let wanted = match reading.is_big_endian {
        true => u16::from_be_bytes(PROGRAM),
        false => u16::from_le_bytes(PROGRAM),
    };
    reading.width_bytes == 2 && **place == Number::Constant(0) && *value == i64::from(wanted)
}

impl Number {
    fn depth(&self) -> u32 {
        let deepest = match self {
            Self::Constant(_) | Self::FileSize => 0,
            Self::Read(_, place) => place.depth(),
            Self::Compute(_, left, right) => left.depth().max(right.depth()),
        };
        deepest.saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Formula {
        Formula::Compare {
            how: Comparison::Less,
            left: Number::FileSize,
            right: Number::Constant(9),
        }
    }

    #[test]
    fn what_is_unknown_counts_as_true_where_truth_is_required() {
        let of = vec![Formula::Unknown, Formula::Literal(1), Formula::Literal(2)];
        let expected = Formula::any(vec![Formula::Literal(1), Formula::Literal(2)]);
        assert_eq!(Formula::at_least(2, of.clone()).required(), expected);
        assert_eq!(Formula::any(of).required(), Formula::Unknown);
    }

    #[test]
    fn only_what_can_be_certain_is_worth_a_not() {
        assert_eq!(Formula::not(Formula::Literal(1)), Formula::Unknown);
        assert_eq!(Formula::not(Formula::not(small())), Formula::Unknown);
        assert_eq!(Formula::not(small()), Formula::Not(Box::new(small())));
        let both = Formula::all(vec![small(), Formula::Literal(1)]);
        assert_eq!(Formula::not(both), Formula::Unknown);
    }

    #[test]
    fn what_only_a_program_can_be_is_known() {
        let begins = |is_big_endian, value| Formula::Compare {
            how: Comparison::Equal,
            left: Number::Constant(value),
            right: Number::Read(
                Reading {
                    width_bytes: 2,
                    is_signed: false,
                    is_big_endian,
                },
                Box::new(Number::Constant(0)),
            ),
        };
        let needs = |formula: &Formula| formula.needs_program(&|rule| rule == 7);
        assert!(needs(&begins(false, 0x5a4d)) && needs(&begins(true, 0x4d5a)));
        assert!(!needs(&begins(false, 0x4d5a)) && !needs(&small()));
        let with = |other| vec![begins(false, 0x5a4d), other];
        assert!(needs(&Formula::all(with(Formula::Literal(1)))));
        assert!(!needs(&Formula::any(with(Formula::Literal(1)))));
        assert!(needs(&Formula::any(with(Formula::Rule(7)))));
        assert!(!needs(&Formula::not(begins(false, 0x5a4d))));
    }
}
