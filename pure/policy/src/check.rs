//! The model check: every state of a pack's facts, and what must hold in each.
//!
//! Facts are true, false or open here: `unknown` and `contradicted` are open in the same places
//! (shown in `logic`), so 3^n states stand for all 4^n. A pack that breaks a property is refused
//! with the state that shows it.

use std::fmt;

use crate::catalogue::Area;
use crate::date::Date;
use crate::decide::{Outcome, in_force};
use crate::logic::{Condition, Sliced};
use crate::pack::{Effect, Pack, Sourcing};

/// States that are looked at in one step: those of the first three facts.
const SLICE_FACTS: usize = 3;

/// A state of the facts, and the property that it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// What should hold.
    pub property: &'static str,
    /// The facts that are known in the state; the others are unknown.
    pub state: String,
    /// What happens there instead.
    pub happens: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}; but with {}, {}",
            self.property, self.state, self.happens
        )
    }
}

/// No unknown is read as reassurance.
const REASSURANCE: &str = "no unknown is ever read as reassurance";
/// No silence is read as reassurance.
const SILENCE: &str = "no silence of the rules is read as reassurance";
/// A firm outcome stays.
const FIRM: &str = "resolving an unknown never overturns a firm outcome";
/// Nothing useless is asked for.
const USELESS: &str = "no evidence is asked for that could not matter";
/// No lab result outweighs compulsion.
const COMPULSION: &str =
    "no lab result turns a firm adverse outcome on compulsion into a better one";
/// What the pack itself promises.
const PROMISE: &str = "the pack's own `must` holds";

/// Looks at every state under the rules that hold on a day; gives the first that breaks a property.
pub fn model_check(pack: &Pack, as_of: Date) -> Result<(), Breach> {
    let model = Model::new(pack, as_of);
    let mut states = States::default();
    model.fill(&mut states)?;
    model.resolve(&states)?;
    model.hold_compulsion(&states)
}

/// The outcome of each state, and the firm effect of its rules on compulsion.
#[derive(Default)]
struct States {
    outcomes: Vec<Outcome>,
    compelled: Vec<u8>,
}

struct Model<'p> {
    pack: &'p Pack,
    rules: Vec<ModelRule<'p>>,
}

struct ModelRule<'p> {
    when: &'p Condition,
    effect: Effect,
    is_press: bool,
    is_on_compulsion: bool,
}

impl<'p> Model<'p> {
    fn new(pack: &'p Pack, as_of: Date) -> Self {
        let rules = pack.rules.iter().filter(|rule| in_force(rule, as_of));
        let rules = rules.map(|rule| {
            let mut places = Vec::new();
            rule.when.facts(&mut places);
            let areas = places.iter().filter_map(|place| pack.facts.get(*place));
            ModelRule {
                when: &rule.when,
                effect: rule.effect,
                is_press: rule.sourcing == Sourcing::PressReport,
                is_on_compulsion: areas
                    .into_iter()
                    .any(|fact| fact.area() == Area::Compulsion),
            }
        });
        Self {
            pack,
            rules: rules.collect(),
        }
    }

    /// Computes each state's outcome, and looks at what concerns one state alone.
    fn fill(&self, states: &mut States) -> Result<(), Breach> {
        let facts = self.pack.facts.len();
        let low = facts.min(SLICE_FACTS);
        let width = power(low);
        let total = power(facts);
        states.outcomes = Vec::with_capacity(total);
        states.compelled = Vec::with_capacity(total);
        let mut sliced = vec![Sliced::default(); facts];
        let mut first = 0usize;
        while first < total {
            self.set_facts(&mut sliced, (first, low));
            let tally = self.tally(&sliced);
            for bit in 0..width {
                let mask = 1u64
                    .checked_shl(u32::try_from(bit).unwrap_or(63))
                    .unwrap_or(0);
                let outcome = tally.outcome(mask);
                let at = first.saturating_add(bit);
                if outcome == Outcome::NoObjection && tally.certain_none & mask == 0 {
                    return Err(self.breach(
                        SILENCE,
                        at,
                        "no rule says that there is no objection",
                    ));
                }
                states.outcomes.push(outcome);
                states.compelled.push(tally.compelled(mask));
            }
            self.hold_musts(&sliced, (first, width), &states.outcomes)?;
            first = first.saturating_add(width);
        }
        Ok(())
    }

    /// The first facts in all their states at once, the others in one.
    fn set_facts(&self, sliced: &mut [Sliced], (first, low): (usize, usize)) {
        let mut rest = first;
        for (place, fact) in sliced.iter_mut().enumerate() {
            let digit = rest.checked_rem(3).unwrap_or(0);
            rest /= 3;
            *fact = if place < low {
                low_fact(place, power(low))
            } else {
                Sliced {
                    is_true: if digit == 1 { u64::MAX } else { 0 },
                    is_false: if digit == 0 { u64::MAX } else { 0 },
                }
            };
        }
    }

    fn tally(&self, sliced: &[Sliced]) -> Tally {
        let mut tally = Tally::default();
        for rule in &self.rules {
            let value = rule.when.sliced(sliced);
            let certain = if rule.is_press { 0 } else { value.is_true };
            tally.add(rule, (certain, !value.is_false));
        }
        tally
    }

    fn hold_musts(
        &self,
        sliced: &[Sliced],
        (first, width): (usize, usize),
        outcomes: &[Outcome],
    ) -> Result<(), Breach> {
        for must in &self.pack.musts {
            let wanted = must.when.sliced(sliced).is_true;
            for bit in 0..width {
                let mask = 1u64
                    .checked_shl(u32::try_from(bit).unwrap_or(63))
                    .unwrap_or(0);
                let at = first.saturating_add(bit);
                let outcome = outcomes.get(at).copied().unwrap_or(Outcome::OutOfScope);
                if wanted & mask != 0 && !outcome.is_at_least(must.at_least) {
                    let happens = format!(
                        "which is `{}`, the outcome is {outcome} and not at least {}",
                        must.when_text, must.at_least
                    );
                    return Err(self.breach(PROMISE, at, &happens));
                }
            }
        }
        Ok(())
    }

    /// Collects for each state which outcomes it may still come to, and compares.
    fn resolve(&self, states: &States) -> Result<(), Breach> {
        let mut reachable: Vec<u8> = Vec::with_capacity(states.outcomes.len());
        for (at, outcome) in states.outcomes.iter().enumerate() {
            let Some(weight) = first_open(at, self.pack.facts.len()) else {
                reachable.push(outcome.bit());
                continue;
            };
            let with = |value: usize| {
                let back = weight.saturating_mul(2usize.saturating_sub(value));
                let state = at.saturating_sub(back);
                reachable.get(state).copied().unwrap_or(0)
            };
            let all = with(0) | with(1);
            if let Some((property, happens)) = broken(*outcome, all) {
                return Err(self.breach(property, at, &happens));
            }
            reachable.push(all);
        }
        Ok(())
    }

    /// What is firm about compulsion does not depend on a lab's facts.
    fn hold_compulsion(&self, states: &States) -> Result<(), Breach> {
        let labs = self.pack.facts.iter().enumerate();
        let labs = labs.filter(|(_, fact)| fact.area() == Area::Lab);
        for (place, fact) in labs {
            let weight = power(place);
            for (at, worst) in states.compelled.iter().enumerate() {
                let digit = at
                    .checked_div(weight)
                    .unwrap_or(0)
                    .checked_rem(3)
                    .unwrap_or(0);
                if *worst == 0 {
                    continue;
                }
                let base = at.saturating_sub(weight.saturating_mul(digit));
                let others = [0usize, 1, 2].map(|value| {
                    let state = base.saturating_add(weight.saturating_mul(value));
                    states.compelled.get(state).copied().unwrap_or(0)
                });
                if others.iter().any(|other| other < worst) {
                    let happens = format!(
                        "which is adverse because of who can be compelled, another value of `{}` \
                         makes it better",
                        fact.id()
                    );
                    return Err(self.breach(COMPULSION, at, &happens));
                }
            }
        }
        Ok(())
    }

    fn breach(&self, property: &'static str, at: usize, happens: &str) -> Breach {
        let mut rest = at;
        let mut known = Vec::new();
        for fact in &self.pack.facts {
            match rest.checked_rem(3) {
                Some(0) => known.push(format!("{}=false", fact.id())),
                Some(1) => known.push(format!("{}=true", fact.id())),
                _ => {}
            }
            rest /= 3;
        }
        let state = match known.is_empty() {
            true => "nothing known".to_owned(),
            false => known.join(", "),
        };
        Breach {
            property,
            state,
            happens: happens.to_owned(),
        }
    }
}

/// What an outcome breaks, given all that it may still become.
fn broken(outcome: Outcome, reachable: u8) -> Option<(&'static str, String)> {
    let others: Vec<Outcome> = Outcome::ALL
        .into_iter()
        .filter(|other| reachable & other.bit() != 0 && *other != outcome)
        .collect();
    let becomes = |other: &Outcome| format!("{outcome} would become {other}");
    match outcome {
        Outcome::NoObjection | Outcome::Conditions => others
            .iter()
            .find(|other| outcome == Outcome::NoObjection || !other.is_better_than(outcome))
            .map(|other| (REASSURANCE, becomes(other))),
        Outcome::AdvisedAgainst | Outcome::Prohibited => others
            .iter()
            .find(|other| other.is_better_than(outcome))
            .map(|other| (FIRM, becomes(other))),
        Outcome::OutOfScope => others.first().map(|other| (SILENCE, becomes(other))),
        Outcome::NeedsEvidence => {
            let only: Vec<_> = Outcome::ALL
                .into_iter()
                .filter(|other| reachable & other.bit() != 0)
                .collect();
            match only.as_slice() {
                [one] if *one != Outcome::NeedsEvidence => Some((
                    USELESS,
                    format!("evidence is asked for and the outcome can only be {one}"),
                )),
                _ => None,
            }
        }
    }
}

/// Masks over the states of a slice: which effects are certain, and which possible.
#[derive(Default)]
struct Tally {
    certain_none: u64,
    possible_none: u64,
    certain_conditions: u64,
    possible_conditions: u64,
    certain_against: u64,
    certain_prohibited: u64,
    possible_adverse: u64,
    compelled_against: u64,
    compelled_prohibited: u64,
}

impl Tally {
    fn add(&mut self, rule: &ModelRule<'_>, (certain, possible): (u64, u64)) {
        let compelled = if rule.is_on_compulsion { certain } else { 0 };
        match rule.effect {
            Effect::NoObjection => {
                self.certain_none |= certain;
                self.possible_none |= possible;
            }
            Effect::Conditions => {
                self.certain_conditions |= certain;
                self.possible_conditions |= possible;
            }
            Effect::AdvisedAgainst => {
                self.certain_against |= certain;
                self.possible_adverse |= possible;
                self.compelled_against |= compelled;
            }
            Effect::Prohibited => {
                self.certain_prohibited |= certain;
                self.possible_adverse |= possible;
                self.compelled_prohibited |= compelled;
            }
        }
    }

    fn outcome(&self, mask: u64) -> Outcome {
        let has = |bits: u64| bits & mask != 0;
        Outcome::of(&crate::decide::Weights {
            prohibited: has(self.certain_prohibited),
            against: has(self.certain_against),
            adverse_possible: has(self.possible_adverse),
            conditions: has(self.certain_conditions),
            conditions_possible: has(self.possible_conditions),
            none: has(self.certain_none),
            none_possible: has(self.possible_none),
        })
    }

    fn compelled(&self, mask: u64) -> u8 {
        match (
            self.compelled_prohibited & mask != 0,
            self.compelled_against & mask != 0,
        ) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }
}

/// Where a fact of the slice is true and false: its digit in each bit's number.
fn low_fact(place: usize, width: usize) -> Sliced {
    let mut sliced = Sliced::default();
    for bit in 0..width {
        let mask = 1u64
            .checked_shl(u32::try_from(bit).unwrap_or(63))
            .unwrap_or(0);
        let digit = bit
            .checked_div(power(place))
            .and_then(|rest| rest.checked_rem(3));
        match digit {
            Some(0) => sliced.is_false |= mask,
            Some(1) => sliced.is_true |= mask,
            _ => {}
        }
    }
    sliced
}

/// The weight of the first fact that is open in a state.
fn first_open(state: usize, facts: usize) -> Option<usize> {
    let mut rest = state;
    let mut weight = 1usize;
    for _ in 0..facts {
        if rest.checked_rem(3) == Some(2) {
            return Some(weight);
        }
        rest /= 3;
        weight = weight.saturating_mul(3);
    }
    None
}

fn power(facts: usize) -> usize {
    3usize.saturating_pow(u32::try_from(facts).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests;
