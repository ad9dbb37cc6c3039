//! What would change a decision: the smallest sets of things that could be shown or put in place,
//! or that nothing would.
//!
//! Only what could change is offered: what is open, and what the system's owner can put in place.
//! A company's owners are not offered as something that evidence could change.

use crate::catalogue::{Changer, FactName, Side};
use crate::date::Date;
use crate::decide::{Outcome, in_force, weights};
use crate::logic::Truth;
use crate::pack::{Pack, Sourcing};

/// Larger sets are no advice to anybody.
const SET_MAX: usize = 4;
/// Sets that are printed of each kind.
const SETS_MAX: usize = 6;
/// Sets that are tried at all.
const TRIES_MAX: u32 = 200_000;

/// One thing of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A fact is shown to be so, or made so.
    Fact(FactName, Side),
    /// The original text of a rule that is known from the press is read, and says what the press
    /// says.
    ReadOriginal(usize),
}

/// A set and what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeSet {
    /// What would have to be shown or put in place, all of it.
    pub changes: Vec<Change>,
    /// What the outcome would be.
    pub outcome: Outcome,
}

/// What would change the outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counterfactuals {
    /// The smallest sets after which there is less to worry about.
    pub better: Vec<ChangeSet>,
    /// The smallest sets after which there is more.
    pub worse: Vec<ChangeSet>,
}

/// Looks for the smallest sets in both directions.
pub(crate) fn search(
    pack: &Pack,
    (values, outcome): (&[Truth], Outcome),
    as_of: Date,
) -> Counterfactuals {
    let mut search = Search {
        pack,
        values,
        as_of,
        outcome,
        options: options(pack, values, as_of),
        tries: 0,
        found: Counterfactuals::default(),
    };
    for size in 1..=SET_MAX {
        let open = (
            search.found.better.is_empty(),
            search.found.worse.is_empty(),
        );
        if open == (false, false) {
            break;
        }
        search.sets_of(size, 0, &mut Vec::new(), open);
    }
    search.found
}

/// Everything that could change, one at a time.
fn options(pack: &Pack, values: &[Truth], as_of: Date) -> Vec<Change> {
    let mut options = Vec::new();
    for (fact, value) in pack.facts.iter().zip(values) {
        if value.is_open() {
            options.push(Change::Fact(*fact, Side::Holds));
            options.push(Change::Fact(*fact, Side::Fails));
        } else if *value == Truth::False && fact.changer() == Changer::You {
            options.push(Change::Fact(*fact, Side::Holds));
        }
    }
    for (place, rule) in pack.rules.iter().enumerate() {
        let is_press = rule.sourcing == Sourcing::PressReport;
        if is_press && in_force(rule, as_of) && rule.when.value(values) != Truth::False {
            options.push(Change::ReadOriginal(place));
        }
    }
    options
}

struct Search<'p> {
    pack: &'p Pack,
    values: &'p [Truth],
    as_of: Date,
    outcome: Outcome,
    options: Vec<Change>,
    tries: u32,
    found: Counterfactuals,
}

impl Search<'_> {
    fn sets_of(&mut self, size: usize, from: usize, chosen: &mut Vec<Change>, open: (bool, bool)) {
        if chosen.len() == size {
            self.try_set(chosen, open);
            return;
        }
        for place in from..self.options.len() {
            let Some(change) = self.options.get(place).copied() else {
                return;
            };
            if chosen.iter().any(|other| is_same_fact(*other, change)) {
                continue;
            }
            if self.tries > TRIES_MAX {
                return;
            }
            chosen.push(change);
            self.sets_of(size, place.saturating_add(1), chosen, open);
            chosen.pop();
        }
    }

    fn try_set(&mut self, chosen: &[Change], (better, worse): (bool, bool)) {
        self.tries = self.tries.saturating_add(1);
        let mut values = self.values.to_vec();
        let mut read = Vec::new();
        for change in chosen {
            match change {
                Change::Fact(fact, side) => {
                    let place = self.pack.place(*fact);
                    if let Some(value) = place.and_then(|place| values.get_mut(place)) {
                        *value = match side {
                            Side::Holds => Truth::True,
                            Side::Fails => Truth::False,
                        };
                    }
                }
                Change::ReadOriginal(rule) => read.push(*rule),
            }
        }
        let outcome = Outcome::of(&weights(self.pack, (&values, &read), self.as_of));
        let set = || ChangeSet {
            changes: chosen.to_vec(),
            outcome,
        };
        if better && is_better(outcome, self.outcome) && self.found.better.len() < SETS_MAX {
            let set = set();
            self.found.better.push(set);
        } else if worse && self.outcome.is_better_than(outcome) && self.found.worse.len() < SETS_MAX
        {
            let set = set();
            self.found.worse.push(set);
        }
    }
}

/// Falling out of a pack's scope is no improvement on anything that could be accepted.
fn is_better(outcome: Outcome, than: Outcome) -> bool {
    outcome.is_better_than(than) && outcome != Outcome::NeedsEvidence
}

fn is_same_fact(one: Change, other: Change) -> bool {
    match (one, other) {
        (Change::Fact(one, _), Change::Fact(other, _)) => one == other,
        _ => false,
    }
}
