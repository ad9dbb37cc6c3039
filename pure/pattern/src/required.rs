//! A literal that every match holds: where it is not, nothing else needs to be looked for.

use memchr::memmem;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{MatchKind, Span};

use crate::measure::rarity;
use crate::set::ByteSet;

/// Where letters may have either case, so many of their bytes are looked for,
const CASED_BYTES_MAX: usize = 4;
/// in so many spellings.
const SPELLINGS_MAX: usize = 16;

/// Something that finds it.
#[derive(Debug)]
pub(crate) enum Required {
    Literal(Box<memmem::Finder<'static>>),
    Spellings(Prefilter),
}

impl Required {
    pub(crate) fn new(literal: &[ByteSet]) -> Option<Self> {
        let plain: Vec<u8> = literal.iter().filter_map(ByteSet::single).collect();
        if plain.len() == literal.len() {
            let finder = memmem::Finder::new(&plain).into_owned();
            return (!plain.is_empty()).then(|| Self::Literal(Box::new(finder)));
        }
        let part = rarest(literal)?;
        let spellings = spellings(part)?;
        Prefilter::new(MatchKind::LeftmostFirst, &spellings).map(Self::Spellings)
    }

    /// Where it is next.
    pub(crate) fn find(&self, bytes: &[u8], from: usize) -> Option<usize> {
        match self {
            Self::Literal(finder) => {
                let found = finder.find(bytes.get(from..)?)?;
                Some(from.saturating_add(found))
            }
            Self::Spellings(prefilter) => {
                let span = Span::from(from..bytes.len());
                prefilter.find(bytes, span).map(|found| found.start)
            }
        }
    }
}

/// The part of it that is expected to be found least.
fn rarest(literal: &[ByteSet]) -> Option<&[ByteSet]> {
    let length = literal.len().min(CASED_BYTES_MAX);
    if length == 0 {
        return None;
    }
    let parts = literal.windows(length);
    parts.max_by_key(|part| part.iter().map(rarity).sum::<u32>())
}

fn spellings(part: &[ByteSet]) -> Option<Vec<Vec<u8>>> {
    let mut spellings = vec![Vec::new()];
    for set in part {
        let longer = spellings.iter().flat_map(|spelling: &Vec<u8>| {
            set.iter().map(|byte| [&spelling[..], &[byte]].concat())
        });
        spellings = longer.collect();
        if spellings.len() > SPELLINGS_MAX {
            return None;
        }
    }
    Some(spellings)
}
