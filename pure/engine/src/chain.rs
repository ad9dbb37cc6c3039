//! Puts the parts of a signature together, in the order in which they are found.
//!
//! A part lies wholly before the next one, so its literal is found first, and one pass is enough:
//! for each part the chain remembers where it ended with everything before it in place. Across an
//! open gap only the earliest end matters; across a bounded one, those that are still in reach.

use std::collections::BTreeMap;

use proto::{Budget, Match, Reason};
use rules::body::Gap;

/// Ends remembered for one part; a file that needs more ends as `limit-work`.
const ENDS_MAX: usize = 4096;

/// Ends remembered for all parts together; a file that needs more ends as `limit-memory`.
const ENDS_IN_ALL_MAX: usize = 1 << 20;

/// So many ends are compared in one step of work.
const ENDS_A_STEP: u64 = 8;

/// Where a part ended, and where the first part began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

/// A part that was found, and the gaps on its two sides.
pub(crate) struct Found<'a> {
    /// The body rule's number.
    pub(crate) body: u32,
    /// The part's number in the rule, from 0.
    pub(crate) index: u32,
    /// How many parts the rule has.
    pub(crate) parts: u32,
    /// The gap before this part.
    pub(crate) gap: Gap,
    /// The gap after it.
    pub(crate) next_gap: Gap,
    pub(crate) starts: &'a [u64],
    pub(crate) ends: &'a [u64],
}

/// The chains of one object.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    ends: BTreeMap<(u32, u32), Vec<End>>,
    /// How many of them there are.
    count: usize,
}

impl Chains {
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
        self.count = 0;
    }

    /// Adds a part; gives the match where it completes its rule.
    pub(crate) fn add(
        &mut self,
        found: &Found<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Match>, Reason> {
        let Some(start) = self.reach(found, budget)? else {
            return Ok(None);
        };
        if found.index.saturating_add(1) >= found.parts {
            let end = found.ends.first().copied().unwrap_or(start);
            return Ok(Some(Match {
                offset: start,
                length: end.saturating_sub(start),
            }));
        }
        for end in found.ends {
            self.remember(found, End { start, end: *end }, budget)?;
        }
        Ok(None)
    }

    /// Where the first part began, if this one is in reach of those before it.
    fn reach(&self, found: &Found<'_>, budget: &mut Budget) -> Result<Option<u64>, Reason> {
        let Some(previous) = found.index.checked_sub(1) else {
            return Ok(found.starts.first().copied());
        };
        let Some(ends) = self.ends.get(&(found.body, previous)) else {
            return Ok(None);
        };
        let pairs = (ends.len() as u64).saturating_mul(found.starts.len() as u64);
        budget.spend_work(pairs.div_ceil(ENDS_A_STEP))?;
        let within = |start: u64, end: &End| {
            start.checked_sub(end.end).is_some_and(|gap| {
                gap >= u64::from(found.gap.min)
                    && (found.gap.max == u32::MAX || gap <= u64::from(found.gap.max))
            })
        };
        Ok(found
            .starts
            .iter()
            .find_map(|start| ends.iter().find(|end| within(*start, end)))
            .map(|end| end.start))
    }

    fn remember(&mut self, found: &Found<'_>, end: End, budget: &mut Budget) -> Result<(), Reason> {
        let ends = self.ends.entry((found.body, found.index)).or_default();
        if found.next_gap.max == u32::MAX {
            match ends.first_mut() {
                Some(earliest) if earliest.end <= end.end => {}
                Some(earliest) => *earliest = end,
                None => {
                    self.count = self.count.saturating_add(1);
                    ends.push(end);
                }
            }
            return if self.count > ENDS_IN_ALL_MAX {
                Err(Reason::LimitMemory)
            } else {
                Ok(())
            };
        }
        budget.spend_work((ends.len() as u64).div_ceil(ENDS_A_STEP))?;
        if ends.iter().any(|known| known.end == end.end) {
            return Ok(());
        }
        if ends.len() >= ENDS_MAX {
            let slack = rules::body::PART_BYTES_MAX as u64;
            let reach = u64::from(found.next_gap.max).saturating_add(slack);
            let before = ends.len();
            ends.retain(|known| known.end.saturating_add(reach) >= end.end);
            let gone = before.saturating_sub(ends.len());
            self.count = self.count.saturating_sub(gone);
            if ends.len() >= ENDS_MAX {
                return Err(Reason::LimitWork);
            }
        }
        ends.push(end);
        self.count = self.count.saturating_add(1);
        if self.count > ENDS_IN_ALL_MAX {
            return Err(Reason::LimitMemory);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    const OPEN: Gap = Gap {
        min: 0,
        max: u32::MAX,
    };

    fn found<'a>(index: u32, gap: Gap, next_gap: Gap, span: &'a [u64; 2]) -> Found<'a> {
        let (starts, ends) = span.split_at(1);
        Found {
            body: 0,
            index,
            parts: 2,
            gap,
            next_gap,
            starts,
            ends,
        }
    }

    #[test]
    fn a_bounded_gap_looks_at_every_end_in_reach() {
        let mut chains = Chains::default();
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let gap = Gap { min: 2, max: 4 };
        for span in [[0, 4], [10, 14]] {
            assert_eq!(
                chains.add(&found(0, OPEN, gap, &span), &mut budget),
                Ok(None)
            );
        }
        let mut try_at = |start: u64| {
            chains
                .add(&found(1, gap, OPEN, &[start, start + 2]), &mut budget)
                .unwrap()
        };
        assert_eq!(try_at(15), None);
        assert_eq!(
            try_at(16),
            Some(Match {
                offset: 10,
                length: 8
            })
        );
        assert_eq!(
            try_at(18),
            Some(Match {
                offset: 10,
                length: 10
            })
        );
        assert_eq!(try_at(19), None);
    }

    #[test]
    fn more_ends_than_are_kept_is_a_limit_not_a_miss() {
        let mut chains = Chains::default();
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let gap = Gap {
            min: 0,
            max: 1_000_000,
        };
        let mut result = Ok(None);
        for at in 0..5000u64 {
            result = chains.add(&found(0, OPEN, gap, &[at, at + 2]), &mut budget);
            if result.is_err() {
                break;
            }
        }
        assert_eq!(result, Err(Reason::LimitWork));
    }
}
