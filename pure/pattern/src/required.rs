//! Literals that every match holds: where one is not, nothing else needs to be looked for.

use memchr::memmem;
use regex_automata::util::prefilter::Prefilter;
use regex_automata::{MatchKind, Span};

use crate::error::Stop;
use crate::measure::worth;
use crate::meter::Meter;
use crate::set::ByteSet;

/// Where letters may have either case, so many of their bytes are looked for,
const CASED_BYTES_MAX: usize = 4;
/// in so many spellings.
const SPELLINGS_MAX: usize = 16;
/// So many bytes that are only passed over cost one step.
const BYTES_PER_STEP: usize = 64;

/// Something that finds one.
#[derive(Debug)]
pub(crate) enum Required {
    Literal(Box<memmem::Finder<'static>>),
    Spellings(Spellings),
}

/// A part of a literal in every spelling, and the whole to be compared where it is.
#[derive(Debug)]
pub(crate) struct Spellings {
    part: Prefilter,
    whole: Vec<ByteSet>,
    /// Where the part is in the whole.
    offset: usize,
}

impl Required {
    pub(crate) fn new(literal: Vec<ByteSet>) -> Option<Self> {
        let plain: Vec<u8> = literal.iter().filter_map(ByteSet::single).collect();
        if plain.len() == literal.len() {
            let finder = memmem::Finder::new(&plain).into_owned();
            return (!plain.is_empty()).then(|| Self::Literal(Box::new(finder)));
        }
        let length = literal.len().min(CASED_BYTES_MAX);
        let parts = literal.windows(length.max(1)).enumerate();
        let (offset, part) = parts.max_by_key(|(_, part)| worth(part))?;
        let part = Prefilter::new(MatchKind::LeftmostFirst, &spellings(part)?)?;
        Some(Self::Spellings(Spellings {
            part,
            whole: literal,
            offset,
        }))
    }

    /// Where it is next.
    pub(crate) fn find(
        &self,
        bytes: &[u8],
        from: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<usize>, Stop> {
        let found = match self {
            Self::Literal(finder) => {
                let rest = bytes.get(from..).unwrap_or_default();
                finder.find(rest).map(|found| from.saturating_add(found))
            }
            Self::Spellings(spellings) => spellings.find(bytes, from, meter)?,
        };
        let end = found.unwrap_or(bytes.len());
        meter.pass(end.saturating_sub(from), BYTES_PER_STEP)?;
        Ok(found)
    }
}

impl Spellings {
    fn find(
        &self,
        bytes: &[u8],
        from: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<usize>, Stop> {
        let mut next = from.saturating_add(self.offset);
        while next < bytes.len() {
            let span = Span::from(next..bytes.len());
            let Some(part) = self.part.find(bytes, span) else {
                return Ok(None);
            };
            meter.step()?;
            let start = part.start.saturating_sub(self.offset);
            if self.is_at(bytes, start) {
                return Ok(Some(start));
            }
            next = part.start.saturating_add(1);
        }
        Ok(None)
    }

    fn is_at(&self, bytes: &[u8], start: usize) -> bool {
        let end = start.saturating_add(self.whole.len());
        let here = bytes
            .get(start..end)
            .map(|here| here.iter().zip(&self.whole));
        here.is_some_and(|mut pairs| pairs.all(|(byte, set)| set.contains(*byte)))
    }
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
