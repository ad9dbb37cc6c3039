//! The rules that fired on one object, in the order in which they did.

use std::collections::BTreeMap;

use proto::{MATCHES_MAX, Match};
use rules::{Pack, RuleId};
use sha2::{Digest as _, Sha256};

use crate::scanner::{Hit, Options};

/// Gathers hits.
#[derive(Debug)]
pub(crate) struct Hits<'a> {
    pack: &'a Pack<'a>,
    options: Options,
    places: BTreeMap<RuleId, Vec<Match>>,
    order: Vec<RuleId>,
}

impl<'a> Hits<'a> {
    pub(crate) fn new(pack: &'a Pack<'a>, options: Options) -> Self {
        Self {
            pack,
            options,
            places: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// Whether nothing that is found from here on would be told.
    pub(crate) fn are_enough(&self) -> bool {
        !self.options.all_matches && !self.order.is_empty()
    }

    /// Whether another match of this rule would be told.
    pub(crate) fn wants(&self, rule: RuleId) -> bool {
        let full = self
            .places
            .get(&rule)
            .is_some_and(|places| places.len() >= MATCHES_MAX);
        !full && self.may_fire(rule)
    }

    /// Whether these options let the rule fire.
    pub(crate) fn may_fire(&self, rule: RuleId) -> bool {
        let is_pua = || self.pack.rule(rule).is_some_and(|rule| rule.kind.is_pua());
        self.options.pua || !is_pua()
    }

    pub(crate) fn add(&mut self, rule: RuleId, place: Match) {
        let places = self.places.entry(rule).or_default();
        if places.is_empty() {
            self.order.push(rule);
        }
        if places.len() < MATCHES_MAX && !places.contains(&place) {
            places.push(place);
        }
    }

    pub(crate) fn into_hits(mut self) -> Vec<Hit> {
        let hit = |rule: RuleId| {
            let text = self.pack.rule_text(rule).unwrap_or_default();
            let matches = self.places.remove(&rule).unwrap_or_default();
            Hit {
                rule,
                text_sha256: Sha256::digest(&text).into(),
                matches,
            }
        };
        self.order.into_iter().map(hit).collect()
    }
}
