//! Why a pattern can't be used, and why a search ended early.

use std::fmt;

/// Why a pattern can't be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// PCRE refuses it too.
    Malformed {
        /// What is wrong.
        what: &'static str,
        /// Where, in bytes.
        offset: usize,
    },
    /// PCRE takes it, and we don't.
    Unsupported {
        /// The construct.
        what: String,
        /// Where, in bytes.
        offset: usize,
    },
    /// It is longer or deeper than a pattern may be.
    TooLarge(&'static str),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { what, offset } => {
                write!(f, "not a regular expression: {what} at byte {offset}")
            }
            Self::Unsupported { what, offset } => {
                write!(f, "not supported: {what} at byte {offset}")
            }
            Self::TooLarge(what) => write!(f, "the regular expression is too large: {what}"),
        }
    }
}

impl std::error::Error for PatternError {}

/// Why a search ended before it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The caller let it take no more steps.
    Steps,
    /// It would need more memory than a search may.
    Memory,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "the regular expression took too many steps",
            Self::Memory => "the regular expression asked for too much memory",
        })
    }
}

impl std::error::Error for Stop {}
