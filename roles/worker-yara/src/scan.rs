//! Compiled rules, loaded once and run on one object after another.

use proto::{MATCHES_MAX, Match};
use worker::yara::{YaraHit, YaraScan};
use yara_x::{Rules, Scanner};

/// Rules that are loaded.
pub(crate) struct Loaded {
    scanner: Scanner<'static>,
}

impl Loaded {
    pub(crate) fn new(code: &[u8]) -> Result<Self, String> {
        let rules = Rules::deserialize(code)
            .map_err(|error| format!("the compiled YARA rules can't be loaded: {error}"))?;
        // They serve until the process ends; taking them apart then would only take time.
        let rules: &'static Rules = Box::leak(Box::new(rules));
        Ok(Self {
            scanner: Scanner::new(rules),
        })
    }
}

impl YaraScan for Loaded {
    fn look(&mut self, bytes: &[u8], hit: &mut dyn FnMut(YaraHit<'_>)) -> Result<(), String> {
        let results = self
            .scanner
            .scan(bytes)
            .map_err(|error| error.to_string())?;
        for rule in results.matching_rules() {
            hit(YaraHit {
                namespace: rule.namespace(),
                name: rule.identifier(),
                matches: matches_of(&rule),
            });
        }
        Ok(())
    }
}

/// The first of a rule's matches, each pattern's in turn.
fn matches_of(rule: &yara_x::Rule<'_, '_>) -> Vec<Match> {
    let matches = rule.patterns().flat_map(|pattern| pattern.matches());
    let place = |found: yara_x::Match<'_, '_>| {
        let range = found.range();
        Match {
            offset: range.start as u64,
            length: range.len() as u64,
        }
    };
    matches.take(MATCHES_MAX).map(place).collect()
}
