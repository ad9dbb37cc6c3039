//! Regular expressions with the syntax and the meaning of PCRE2 over bytes, for hostile patterns
//! and hostile bytes.
//!
//! What is regular in a pattern is searched for in linear time. The rest (references, looks around,
//! atomic groups, conditions, calls) is decided by a backtracker of our own, from where the regular
//! part matches. Both count their steps and bound their memory: a search that takes too long ends
//! with [`Stop`], never with an answer that it does not know. No UTF-8 mode, no Unicode properties,
//! no callouts, no verbs but `(*FAIL)`: such a pattern is refused by name.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod backtrack;
mod error;
mod filter;
mod flags;
mod loosen;
mod measure;
mod meter;
mod parse;
mod program;
mod required;
mod search;
mod set;
mod tree;

pub use error::{PatternError, Stop};
pub use flags::Flags;
pub use meter::Spend;
pub use search::{Match, Search};

use filter::Filter;
use loosen::Likeness;
use measure::Groups;
use program::Program;
use required::Required;

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    flags: Flags,
    program: Program,
    filter: Option<Filter>,
    required: Vec<Required>,
}

/// How a pattern is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// In linear time.
    Linear,
    /// In linear time up to where it may match, then by backtracking.
    Filtered,
    /// By backtracking from everywhere.
    Backtracking,
}

impl Pattern {
    /// Compiles a pattern, given without delimiters.
    pub fn compile(pattern: &[u8], flags: Flags) -> Result<Self, PatternError> {
        let parsed = parse::parse(pattern, flags)?;
        let mut groups = Groups::new(&parsed.tree, parsed.groups);
        let program = program::compile(&parsed.tree, &mut groups, parsed.groups)?;
        let (hir, likeness) = loosen::loosen(&parsed.tree, &mut groups);
        let required = measure::required(&parsed.tree);
        Ok(Self {
            flags,
            program,
            filter: Filter::new(&hir, likeness),
            required: required.into_iter().filter_map(Required::new).collect(),
        })
    }

    /// The same without the automaton: for comparisons of one engine with the other.
    #[doc(hidden)]
    #[must_use]
    pub fn without_filter(mut self) -> Self {
        self.filter = None;
        self.required.clear();
        self
    }

    /// How it is searched for.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match self.filter.as_ref().map(Filter::likeness) {
            Some(Likeness::Same) => Engine::Linear,
            Some(Likeness::Looser) => Engine::Filtered,
            None => Engine::Backtracking,
        }
    }

    /// Begins a search in these bytes.
    #[must_use]
    pub fn search<'s>(&'s self, bytes: &'s [u8]) -> Search<'s> {
        Search::new(self, bytes)
    }

    /// The first match that begins at this byte or later, in a search of its own.
    pub fn find_at(
        &self,
        bytes: &[u8],
        from: usize,
        spend: Spend<'_>,
    ) -> Result<Option<Match>, Stop> {
        self.search(bytes).find_at(from, spend)
    }

    fn is_anchored(&self) -> bool {
        self.flags.contains(Flags::ANCHORED)
    }
}
