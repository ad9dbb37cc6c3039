//! Logical rules: what their subsignatures matched, and what the expression makes of it.

use std::collections::{BTreeMap, BTreeSet};

use proto::{Budget, Match};
use rules::RuleId;
use rules::logical::{LogicalRecord, SubRecord, fires};
use unpack::Source;

use crate::hashes::Trouble;
use crate::hits::Hits;
use crate::part::Subject;

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
    record: LogicalRecord<'a>,
    subs: Vec<Sub>,
}

/// What a subsignature matched.
#[derive(Clone, Debug, Default)]
struct Sub {
    count: u64,
    places: Vec<Match>,
}

impl<'a> Logicals<'a> {
    /// The rules with these numbers.
    pub(crate) fn new(subject: &Subject<'a>, numbers: &BTreeSet<u32>) -> Self {
        let mut logicals = Self {
            rules: Vec::new(),
            owners: BTreeMap::new(),
        };
        for entry in numbers
            .iter()
            .filter_map(|number| subject.pack.logical(*number))
        {
            if let Some(record) = LogicalRecord::read(entry.bytes) {
                logicals.add(entry.rule, record);
            }
        }
        logicals
    }

    fn add(&mut self, id: RuleId, record: LogicalRecord<'a>) {
        let index = self.rules.len();
        for (sub, sub_record) in (0u8..).zip(record.subs()) {
            if let SubRecord::Fragments(first, count) = sub_record {
                let bodies = first..first.saturating_add(count);
                let owners = bodies.map(|body| (body, (index, sub)));
                self.owners.extend(owners);
            }
        }
        let subs = vec![Sub::default(); usize::from(record.sub_count())];
        self.rules.push(Rule { id, record, subs });
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
            if sub.places.len() < PLACES_MAX {
                sub.places.push(place);
            }
        }
    }

    /// Decides every rule.
    pub(crate) fn decide(
        &mut self,
        (_subject, _object): (&Subject<'a>, (&dyn Source, u64)),
        hits: &mut Hits<'a>,
        _budget: &mut Budget,
    ) -> Result<(), Trouble> {
        for rule in &self.rules {
            let count = |sub: u8| rule.subs.get(usize::from(sub)).map_or(0, |sub| sub.count);
            let program = rule.record.expression().collect_steps();
            if fires(&program, &count) {
                for place in rule.subs.iter().flat_map(|sub| sub.places.first()) {
                    hits.add(rule.id, *place);
                }
            }
        }
        Ok(())
    }
}
