//! The decision: what a pack's rules come to over a system, a dossier and evidence, on a day.

use std::fmt;

use crate::acceptance::{Acceptance, AcceptanceState};
use crate::catalogue::FactName;
use crate::counterfactual::{self, Counterfactuals};
use crate::date::Date;
use crate::dossier::Dossier;
use crate::facts::{FactFinding, derive};
use crate::logic::Truth;
use crate::pack::{Authority, Effect, Pack, Rule, Sourcing};
use crate::system::System;
use evidence::Held;

/// What is said about running the product on the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A rule says that nothing speaks against it.
    NoObjection,
    /// Only with conditions.
    Conditions,
    /// What is not known could speak against it.
    NeedsEvidence,
    /// Advice speaks against it.
    AdvisedAgainst,
    /// It is not allowed.
    Prohibited,
    /// No rule says anything: that is no reassurance.
    OutOfScope,
}

/// Which effects are certain and which possible.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weights {
    pub(crate) prohibited: bool,
    pub(crate) against: bool,
    pub(crate) adverse_possible: bool,
    pub(crate) conditions: bool,
    pub(crate) conditions_possible: bool,
    pub(crate) none: bool,
    pub(crate) none_possible: bool,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoObjection,
        Self::Conditions,
        Self::NeedsEvidence,
        Self::AdvisedAgainst,
        Self::Prohibited,
        Self::OutOfScope,
    ];

    /// The one function from rules to outcome; the model check uses it too.
    pub(crate) fn of(weights: &Weights) -> Self {
        if weights.prohibited {
            return Self::Prohibited;
        }
        if weights.against {
            return Self::AdvisedAgainst;
        }
        if weights.adverse_possible {
            return Self::NeedsEvidence;
        }
        // A condition that may be needed is asked for, where the rest speaks for it already.
        if weights.conditions || (weights.conditions_possible && weights.none) {
            return Self::Conditions;
        }
        if weights.none && !weights.conditions_possible {
            return Self::NoObjection;
        }
        if weights.conditions_possible || weights.none_possible {
            return Self::NeedsEvidence;
        }
        Self::OutOfScope
    }

    /// What `candor decide` exits with.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::NoObjection => 0,
            Self::Conditions => 3,
            Self::NeedsEvidence => 4,
            Self::AdvisedAgainst => 5,
            Self::Prohibited => 6,
            Self::OutOfScope => 7,
        }
    }

    /// The word that is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoObjection => "no-objection",
            Self::Conditions => "conditions",
            Self::NeedsEvidence => "needs-evidence",
            Self::AdvisedAgainst => "advised-against",
            Self::Prohibited => "prohibited",
            Self::OutOfScope => "out-of-scope",
        }
    }

    pub(crate) fn bit(self) -> u8 {
        match self {
            Self::NoObjection => 1,
            Self::Conditions => 2,
            Self::NeedsEvidence => 4,
            Self::AdvisedAgainst => 8,
            Self::Prohibited => 16,
            Self::OutOfScope => 32,
        }
    }

    /// Silence is better than nothing: what no rule covers never counts as an improvement on an
    /// acceptance, and always as one on a refusal.
    fn rank(self) -> u8 {
        match self {
            Self::NoObjection => 0,
            Self::Conditions => 1,
            Self::OutOfScope => 2,
            Self::NeedsEvidence => 3,
            Self::AdvisedAgainst => 4,
            Self::Prohibited => 5,
        }
    }

    /// Whether the official has less to worry about.
    #[must_use]
    pub fn is_better_than(self, other: Self) -> bool {
        self.rank() < other.rank()
    }

    /// Whether it asks for at least what another asks for. Silence never does.
    pub(crate) fn is_at_least(self, wanted: Self) -> bool {
        self != Self::OutOfScope && self.rank() >= wanted.rank()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is to be decided.
#[derive(Clone, Copy, Debug)]
pub struct Case<'c> {
    /// The system.
    pub system: &'c System,
    /// The product's dossier.
    pub dossier: &'c Dossier,
    /// Evidence, with what was checked of it.
    pub evidence: &'c [Held],
    /// What was found wrong with the evidence as a whole.
    pub evidence_notes: &'c [String],
    /// The rules.
    pub pack: &'c Pack,
    /// Somebody accepts the risk.
    pub acceptance: Option<&'c Acceptance>,
    /// The day for which it is decided.
    pub as_of: Date,
}

/// A rule and what it came to.
#[derive(Clone, Debug)]
pub struct FiredRule {
    /// Its place in the pack.
    pub place: usize,
    /// What its condition came to.
    pub value: Truth,
    /// Whether it holds on that day.
    pub in_force: bool,
    /// Whether it decided.
    pub decided: bool,
}

/// A decision and its reasons.
#[derive(Clone, Debug)]
pub struct Decision {
    /// What is said.
    pub outcome: Outcome,
    /// Whether a rule of law or order may still prohibit it.
    pub may_be_prohibited: bool,
    /// Whether law or order decided it.
    pub by_law: bool,
    /// Every rule.
    pub rules: Vec<FiredRule>,
    /// Every fact of the pack.
    pub facts: Vec<FactFinding>,
    /// What must be put in place.
    pub conditions: Vec<String>,
    /// The last day on which it holds.
    pub expires: Date,
    /// What would change it.
    pub counterfactuals: Counterfactuals,
    /// What became of a risk acceptance.
    pub acceptance: Option<AcceptanceState>,
    /// The day for which it was decided.
    pub as_of: Date,
}

/// Decides.
#[must_use]
pub fn decide(case: &Case<'_>) -> Decision {
    let facts: Vec<FactFinding> = case
        .pack
        .facts
        .iter()
        .map(|fact| derive(*fact, case))
        .collect();
    let values: Vec<Truth> = facts.iter().map(|fact| fact.truth).collect();
    let outcome = outcome_of(case.pack, &values, case.as_of);
    let rules = fired(case, &values, outcome);
    let may_be_prohibited = outcome != Outcome::Prohibited
        && rules.iter().any(|fired| {
            fired.in_force
                && fired.value != Truth::False
                && rule_at(case.pack, fired.place)
                    .is_some_and(|rule| rule.effect == Effect::Prohibited)
        });
    let by_law = rules
        .iter()
        .any(|fired| fired.decided && rule_at(case.pack, fired.place).is_some_and(is_binding));
    let mut decision = Decision {
        outcome,
        may_be_prohibited,
        by_law,
        conditions: conditions(case.pack, &rules, outcome),
        expires: expires(case, &facts),
        counterfactuals: counterfactual::search(case.pack, (&values, outcome), case.as_of),
        rules,
        facts,
        acceptance: None,
        as_of: case.as_of,
    };
    decision.acceptance = case
        .acceptance
        .map(|acceptance| acceptance.state(case, &decision));
    decision
}

/// Only what the rules come to: for tables of many systems.
#[must_use]
pub(crate) fn outcome_of(pack: &Pack, values: &[Truth], as_of: Date) -> Outcome {
    Outcome::of(&weights(pack, (values, &[]), as_of))
}

/// The weights, with some rules of press reports taken as read in the original.
pub(crate) fn weights(pack: &Pack, (values, read): (&[Truth], &[usize]), as_of: Date) -> Weights {
    let mut weights = Weights::default();
    for (place, rule) in pack.rules.iter().enumerate() {
        if !in_force(rule, as_of) {
            continue;
        }
        let value = rule.when.value(values);
        let is_read = rule.sourcing == Sourcing::Original || read.contains(&place);
        let certain = value == Truth::True && is_read;
        let possible = value != Truth::False;
        match rule.effect {
            Effect::NoObjection => {
                weights.none |= certain;
                weights.none_possible |= possible;
            }
            Effect::Conditions => {
                weights.conditions |= certain;
                weights.conditions_possible |= possible;
            }
            Effect::AdvisedAgainst => {
                weights.against |= certain;
                weights.adverse_possible |= possible;
            }
            Effect::Prohibited => {
                weights.prohibited |= certain;
                weights.adverse_possible |= possible;
            }
        }
    }
    weights
}

/// Whether a rule holds on a day.
pub(crate) fn in_force(rule: &Rule, as_of: Date) -> bool {
    rule.effective_from.is_none_or(|from| from <= as_of)
        && rule.effective_to.is_none_or(|to| as_of <= to)
}

/// No acceptance of risk goes over it.
pub(crate) fn is_binding(rule: &Rule) -> bool {
    match rule.authority {
        Authority::Law | Authority::Order => rule.effect >= Effect::AdvisedAgainst,
        Authority::NationalAdvice | Authority::DepartmentDefault => false,
    }
}

fn fired(case: &Case<'_>, values: &[Truth], outcome: Outcome) -> Vec<FiredRule> {
    let rules = case.pack.rules.iter().enumerate();
    let adverse = weights(case.pack, (values, &[]), case.as_of).adverse_possible;
    rules
        .map(|(place, rule)| {
            let value = rule.when.value(values);
            let in_force = in_force(rule, case.as_of);
            FiredRule {
                place,
                value,
                in_force,
                decided: in_force && decides(rule, value, (outcome, adverse)),
            }
        })
        .collect()
}

/// Whether a rule with this value is why the outcome is what it is.
fn decides(rule: &Rule, value: Truth, (outcome, adverse): (Outcome, bool)) -> bool {
    let is_true = value == Truth::True;
    let is_press = rule.sourcing == Sourcing::PressReport;
    let is_adverse = rule.effect >= Effect::AdvisedAgainst;
    match outcome {
        Outcome::Prohibited => is_true && rule.effect == Effect::Prohibited,
        Outcome::AdvisedAgainst => is_true && rule.effect == Effect::AdvisedAgainst,
        Outcome::NeedsEvidence => {
            // Where something adverse is open, the rest can wait.
            (value.is_open() || (is_true && is_press)) && (is_adverse || !adverse)
        }
        Outcome::Conditions => value != Truth::False && rule.effect == Effect::Conditions,
        Outcome::NoObjection => is_true && rule.effect == Effect::NoObjection,
        Outcome::OutOfScope => false,
    }
}

fn conditions(pack: &Pack, rules: &[FiredRule], outcome: Outcome) -> Vec<String> {
    if !matches!(outcome, Outcome::Conditions) {
        return Vec::new();
    }
    let mut conditions: Vec<String> = Vec::new();
    for fired in rules.iter().filter(|fired| fired.decided) {
        for condition in rule_at(pack, fired.place)
            .into_iter()
            .flat_map(|rule| &rule.conditions)
        {
            if !conditions.contains(condition) {
                conditions.push(condition.clone());
            }
        }
    }
    conditions
}

/// The pack's term, or the first day on which something that was used expires.
fn expires(case: &Case<'_>, facts: &[FactFinding]) -> Date {
    let term = case.as_of.plus_days(case.pack.decision_days);
    let used = facts.iter().filter_map(|fact| fact.expires);
    let rules = case.pack.rules.iter().filter_map(|rule| rule.effective_to);
    let future = rules.filter(|to| *to >= case.as_of);
    used.chain(future)
        .chain(case.dossier.expires.filter(|day| *day >= case.as_of))
        .chain([term])
        .min()
        .unwrap_or(term)
}

pub(crate) fn rule_at(pack: &Pack, place: usize) -> Option<&Rule> {
    pack.rules.get(place)
}

impl Decision {
    /// A fact of the decision.
    #[must_use]
    pub fn fact(&self, name: FactName) -> Option<&FactFinding> {
        self.facts.iter().find(|fact| fact.name == name)
    }
}
