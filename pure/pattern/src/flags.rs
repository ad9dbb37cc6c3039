//! The options that a pattern is compiled with, and those that it changes on its way.

use std::ops::{BitOr, BitOrAssign};

/// Options of a whole pattern; joined with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// `i`: letters match in either case.
    pub const CASELESS: Self = Self(1);
    /// `s`: a dot matches a line feed too.
    pub const DOT_ALL: Self = Self(2);
    /// `m`: `^` and `$` match at each line.
    pub const MULTILINE: Self = Self(4);
    /// `x`: white space and comments are left out.
    pub const EXTENDED: Self = Self(8);
    /// `A`: a match begins where the search does.
    pub const ANCHORED: Self = Self(16);
    /// `E`: `$` matches at the very end only.
    pub const DOLLAR_END_ONLY: Self = Self(32);
    /// `U`: a quantifier is lazy, and greedy with a question mark.
    pub const UNGREEDY: Self = Self(64);

    /// Whether all of these are among them.
    #[must_use]
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// The options that hold at a place of a pattern.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    pub(crate) caseless: bool,
    pub(crate) dot_all: bool,
    pub(crate) multiline: bool,
    pub(crate) extended: bool,
    /// White space is left out of classes too: `(?xx)`.
    pub(crate) extended_more: bool,
    pub(crate) ungreedy: bool,
    /// Groups without a name don't capture: `(?n)`.
    pub(crate) named_only: bool,
}

impl Options {
    pub(crate) fn new(flags: Flags) -> Self {
        Self {
            caseless: flags.contains(Flags::CASELESS),
            dot_all: flags.contains(Flags::DOT_ALL),
            multiline: flags.contains(Flags::MULTILINE),
            extended: flags.contains(Flags::EXTENDED),
            ungreedy: flags.contains(Flags::UNGREEDY),
            ..Self::default()
        }
    }

    /// Without those that `(?^)` takes away.
    pub(crate) fn reset(self) -> Self {
        Self {
            ungreedy: self.ungreedy,
            ..Self::default()
        }
    }
}
