//! Logical rules: what their subsignatures matched, and what the expression makes of it.
//!
//! Bytes are found by the second pass. What depends on them is decided here, in the order of
//! subsignatures: regular expressions where their trigger holds, comparisons of bytes near a match,
//! and in the end the expression. Rules that are for other objects are not looked at at all.

mod bytes;
mod compare;
mod description;
mod patterns;

use std::collections::BTreeMap;

use proto::{Budget, Match};
use rules::RuleId;
use rules::logical::{LogicalRecord, PatternRecord, Step, SubRecord, fires, may_fire};
use unpack::Source;

use crate::hashes::Trouble;
use crate::hits::Hits;
use crate::part::Subject;
use bytes::Bytes;

pub(crate) use patterns::Patterns;

/// Places kept of one subsignature; all are counted.
const PLACES_MAX: usize = 16;

/// Rules under way for one object.
pub(crate) struct Logicals<'a> {
    rules: Vec<Rule<'a>>,
    /// Which rule and subsignature a body belongs to.
    owners: BTreeMap<u32, (usize, u8)>,
}

struct Rule<'a> {
    id: RuleId,
    program: Vec<Step>,
    subs: Vec<Sub<'a>>,
}

/// A subsignature, and what it matched.
#[derive(Clone, Debug)]
struct Sub<'a> {
    record: SubRecord<'a>,
    count: u64,
    /// The first of its matches.
    places: Vec<Match>,
    /// Where the last one begins.
    last: Option<u64>,
}

impl<'a> Logicals<'a> {
    /// Those of the rules with these numbers that are for the object.
    pub(crate) fn new(subject: &Subject<'a>, numbers: &[u32]) -> Self {
        let mut logicals = Self {
            rules: Vec::new(),
            owners: BTreeMap::new(),
        };
        for entry in numbers
            .iter()
            .filter_map(|number| subject.pack.logical(*number))
        {
            if let Some(record) = LogicalRecord::read(entry.bytes)
                && description::applies(&record.description, subject)
            {
                logicals.add(entry.rule, &record);
            }
        }
        logicals
    }

    fn add(&mut self, id: RuleId, record: &LogicalRecord<'a>) {
        let index = self.rules.len();
        for (sub, sub_record) in (0u8..).zip(record.subs()) {
            if let SubRecord::Fragments(first, count) = sub_record {
                let bodies = first..first.saturating_add(count);
                let owners = bodies.map(|body| (body, (index, sub)));
                self.owners.extend(owners);
            }
        }
        let nothing = |record| Sub {
            record,
            count: 0,
            places: Vec::new(),
            last: None,
        };
        self.rules.push(Rule {
            id,
            program: record.expression().collect_steps(),
            subs: record.subs().map(nothing).collect(),
        });
    }

    /// Every body of these rules.
    pub(crate) fn bodies(&self) -> impl Iterator<Item = u32> {
        self.owners.keys().copied()
    }

    /// Takes the match of a body.
    pub(crate) fn found(&mut self, body: u32, place: Match) {
        let owner = self.owners.get(&body);
        let sub = owner.and_then(|(rule, sub)| {
            let rule = self.rules.get_mut(*rule)?;
            rule.subs.get_mut(usize::from(*sub))
        });
        if let Some(sub) = sub {
            sub.count = sub.count.saturating_add(1);
            sub.last = sub.last.max(Some(place.offset));
            if sub.places.len() < PLACES_MAX {
                sub.places.push(place);
            }
        }
    }

    /// Decides every rule.
    pub(crate) fn decide(
        &mut self,
        (subject, object): (&Subject<'a>, (&dyn Source, u64)),
        (patterns, hits): (&mut Patterns, &mut Hits<'a>),
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        let mut bytes = Bytes::new(object);
        let mut decided = Ok(());
        for rule in &mut self.rules {
            if hits.are_enough() {
                break;
            }
            if !hits.may_fire(rule.id) {
                continue;
            }
            decided = rule.decide((subject, &mut bytes), (patterns, hits), budget);
            if decided.is_err() {
                break;
            }
        }
        bytes.discard(budget);
        decided
    }
}

impl Rule<'_> {
    fn decide(
        &mut self,
        (subject, bytes): (&Subject<'_>, &mut Bytes<'_>),
        (patterns, hits): (&mut Patterns, &mut Hits<'_>),
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        budget
            .spend_work(self.program.len() as u64)
            .map_err(Trouble::Limit)?;
        // Most rules have one of many parts here: no expression is run for them.
        let known = |sub: u8| match self.subs.get(usize::from(sub)) {
            Some(Sub {
                record: SubRecord::Fragments(..),
                count,
                ..
            }) => Some(*count),
            _ => None,
        };
        if !may_fire(&self.program, &known) {
            return Ok(());
        }
        for index in 0..self.subs.len() {
            self.look((index, subject), bytes, patterns, budget)?;
        }
        if fires(&self.program, &|sub| self.count(sub)) {
            self.hit(hits);
        }
        Ok(())
    }

    /// Decides a subsignature that depends on others.
    fn look(
        &mut self,
        (index, subject): (usize, &Subject<'_>),
        bytes: &mut Bytes<'_>,
        patterns: &mut Patterns,
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        let Some(record) = self.subs.get(index).map(|sub| sub.record) else {
            return Ok(());
        };
        let matched = match record {
            // Macros and pictures are not compiled: only a damaged pack has them.
            SubRecord::Fragments(..) | SubRecord::Macro(_) | SubRecord::Picture(_) => {
                return Ok(());
            }
            SubRecord::Pattern(pattern) if !self.triggers(&pattern) => return Ok(()),
            SubRecord::Pattern(pattern) => {
                let key = (self.id, u8::try_from(index).unwrap_or(u8::MAX));
                let bytes = bytes.all(budget)?;
                let found = patterns
                    .find((key, &pattern), (subject, bytes), PLACES_MAX, budget)
                    .map_err(Trouble::Limit)?;
                (found.count, found.places)
            }
            SubRecord::Compare(made) => {
                let at = self.subs.get(usize::from(made.sub));
                match at.and_then(|sub| sub.last) {
                    Some(at)
                        if compare::holds(&made, bytes.object(), at).map_err(Trouble::Read)? =>
                    {
                        (1, Vec::new())
                    }
                    _ => return Ok(()),
                }
            }
        };
        if let Some(sub) = self.subs.get_mut(index) {
            (sub.count, sub.places) = matched;
        }
        Ok(())
    }

    fn triggers(&self, pattern: &PatternRecord<'_>) -> bool {
        let trigger = pattern.trigger.collect_steps();
        fires(&trigger, &|sub| self.count(sub))
    }

    fn count(&self, sub: u8) -> u64 {
        self.subs.get(usize::from(sub)).map_or(0, |sub| sub.count)
    }

    /// A rule that fires because something is not there matched nowhere, which is said as no bytes
    /// at the object's start.
    fn hit(&self, hits: &mut Hits<'_>) {
        let firsts = self.subs.iter().filter_map(|sub| sub.places.first());
        let nowhere = Match {
            offset: 0,
            length: 0,
        };
        let mut places: Vec<Match> = firsts.copied().collect();
        if places.is_empty() {
            places.push(nowhere);
        }
        for place in places {
            hits.add(self.id, place);
        }
    }
}
