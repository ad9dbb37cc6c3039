//! Regular expressions of logical rules: compiled when a trigger holds, and kept for a while.
//!
//! What an offset means for one was measured from clamscan 1.4.6. The search sees the object from
//! the offset on, and nothing before. Without a shift a match begins just there (each of them,
//! where all are counted), or anywhere behind it with `r`; with a shift it begins up to so many
//! bytes later, and lies wholly within them with `e`.

use std::collections::BTreeMap;

use pattern::{Flags, Pattern, Stop};
use proto::{Budget, Match, Reason};
use rules::logical::PatternRecord;
use rules::{Anchor, RuleId};

use crate::offsets;
use crate::part::Subject;

/// Compiled expressions that are kept; past that all are let go.
const KEPT_MAX: usize = 128;
/// What compiling costs, for each byte of the text.
const STEPS_PER_BYTE: u64 = 64;

/// A scanner's compiled expressions, by rule and subsignature. One that no compiler should have let
/// through is remembered too.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    kept: BTreeMap<(RuleId, u8), Option<Pattern>>,
}

/// What an expression matched.
#[derive(Debug, Default)]
pub(crate) struct PatternMatches {
    pub(crate) count: u64,
    /// The first of them.
    pub(crate) places: Vec<Match>,
}

impl Patterns {
    /// Looks for a rule's expression in an object's bytes; keeps up to so many places.
    pub(crate) fn find(
        &mut self,
        (key, record): ((RuleId, u8), &PatternRecord<'_>),
        (subject, bytes): (&Subject<'_>, &[u8]),
        places_max: usize,
        budget: &mut Budget,
    ) -> Result<PatternMatches, Reason> {
        let Some(range) = Range::of(record, subject, bytes) else {
            return Ok(PatternMatches::default());
        };
        let Some(compiled) = self.compiled(key, record, budget)? else {
            return Ok(PatternMatches::default());
        };
        let mut found = PatternMatches::default();
        let mut refused = Reason::LimitWork;
        let mut search = compiled.search(range.bytes);
        loop {
            let next = search.next_match(&mut |steps| {
                let spent = budget.spend_work(steps).and_then(|()| budget.check_time());
                spent.map_err(|reason| {
                    refused = reason;
                    Stop::Steps
                })
            });
            match next {
                Ok(Some(place)) if place.start <= range.last_start => {
                    found.count = found.count.saturating_add(1);
                    if found.places.len() < places_max {
                        found.places.push(range.absolute(place));
                    }
                }
                Ok(_) => return Ok(found),
                Err(Stop::Steps) => return Err(refused),
                Err(Stop::Memory) => return Err(Reason::LimitMemory),
            }
            budget.spend_work(1)?;
            if !record.flags.has(b'g') {
                return Ok(found);
            }
        }
    }

    fn compiled(
        &mut self,
        key: (RuleId, u8),
        record: &PatternRecord<'_>,
        budget: &mut Budget,
    ) -> Result<Option<&Pattern>, Reason> {
        if !self.kept.contains_key(&key) {
            budget.spend_work((record.text.len() as u64).saturating_mul(STEPS_PER_BYTE))?;
            if self.kept.len() >= KEPT_MAX {
                self.kept.clear();
            }
            let compiled = Pattern::compile(record.text, flags(record)).ok();
            self.kept.insert(key, compiled);
        }
        Ok(self.kept.get(&key).and_then(Option::as_ref))
    }
}

/// What of an object a search sees, and where a match may begin there.
struct Range<'b> {
    bytes: &'b [u8],
    /// Where that is in the object.
    base: u64,
    last_start: usize,
}

impl<'b> Range<'b> {
    fn of(record: &PatternRecord<'_>, subject: &Subject<'_>, bytes: &'b [u8]) -> Option<Self> {
        let all = Self {
            bytes,
            base: 0,
            last_start: usize::MAX,
        };
        if record.offset.anchor == Anchor::Any {
            return Some(all);
        }
        let (first, last) = offsets::resolve(&record.offset, subject.facts, subject.size_bytes)?;
        let from = bytes.get(usize::try_from(first).ok()?..)?;
        let reach = usize::try_from(last.checked_sub(first)?).unwrap_or(usize::MAX);
        let shifts = has_shift(record);
        let end = match shifts && record.flags.has(b'e') {
            true => reach.min(from.len()),
            false => from.len(),
        };
        Some(Self {
            bytes: from.get(..end)?,
            base: first,
            last_start: if shifts { reach } else { usize::MAX },
        })
    }

    fn absolute(&self, found: pattern::Match) -> Match {
        Match {
            offset: self.base.saturating_add(found.start as u64),
            length: found.end.saturating_sub(found.start) as u64,
        }
    }
}

/// Whether a match may begin behind its offset without `r`.
fn has_shift(record: &PatternRecord<'_>) -> bool {
    record.offset.shift > 0 || record.offset.anchor == Anchor::WithinSection
}

fn flags(record: &PatternRecord<'_>) -> Flags {
    let mut flags = record.flags.options();
    let exact = record.offset.anchor != Anchor::Any && !has_shift(record);
    if exact && !record.flags.has(b'r') {
        flags |= Flags::ANCHORED;
    }
    flags
}
