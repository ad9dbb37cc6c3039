//! Rules on their way into a gate table.
//!
//! ```text
//! head        magic; for programs, which begin with MZ, and for other objects: bucket bits, entries,
//!             the length of the runs' search; then how many literals, literals' bytes, anchors,
//!             rules, formulas' words, rules without anchors: each u32
//! searches    for programs and for others, whose rules ask for less: a search as in `search.rs`,
//!             and a section as in a pack, whose part numbers are literals
//! literals    for each: where its bytes start u32; its length u8; 1 if it has links, 2 if no search
//!             looks for it and 4 if it can't be looked for u8; where in it those bytes lie that are
//!             looked for u8; zero u8; its first anchor u32; and one more that ends the last
//! bytes       the literals': of each first the values, then the masks, then its links
//! anchors     rules u32, that a literal lets through to their formula
//! rules       for each: where its formula starts u32, in words, and its group u32; and one more
//! formulas    see `words.rs`
//! unanchored  rules u32, whose formula is looked at for each object
//! ```

use rules::pack::small_search;
use yara_x_parser::ast::Rule;

use crate::chain;
use crate::condition::{Known, Reader};
use crate::cover::{self, Cover};
use crate::formula::{DEPTH_MAX, Formula};
use crate::literal::{Literal, Literals, Way};
use crate::pattern::{Need, beginnings};
use crate::search::{self, LITERALS_MAX};
use crate::words;

pub(crate) const MAGIC: u32 = 0x3167_6163;
/// A literal that only confirms is searched for if it takes so few entries.
const ENTRIES_FEW: usize = 16;
/// A rule behind a longer chain of others is not decided by them.
const CHAIN_MAX: u32 = 8;
/// A formula with more words is not kept.
const WORDS_MAX: usize = 1 << 16;

/// What names in a condition mean.
pub trait Scope {
    /// The number of the rule, added before, that a name stands for.
    fn rule_named(&self, name: &str) -> Option<u32>;

    /// The text that a name from outside stands for.
    fn text_named(&self, name: &str) -> Option<&str>;
}

/// Names, but for rules behind too long a chain.
struct Names<'n> {
    scope: &'n dyn Scope,
    chains: &'n [u32],
}

impl Scope for Names<'_> {
    fn rule_named(&self, name: &str) -> Option<u32> {
        let number = self.scope.rule_named(name)?;
        let chain = self.chains.get(usize::try_from(number).ok()?)?;
        (*chain < CHAIN_MAX).then_some(number)
    }

    fn text_named(&self, name: &str) -> Option<&str> {
        self.scope.text_named(name)
    }
}

/// What is known of a rule that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleGate {
    /// It is looked at only where one of its literals is found.
    Anchored,
    /// What it needs of an object is decided for each, without a search.
    Unanchored,
    /// Nothing is known: it may always match.
    Open,
}

/// Gathers rules.
#[derive(Debug, Default)]
pub struct GateBuilder {
    literals: Literals,
    formulas: Vec<Formula>,
    covers: Vec<Option<Cover>>,
    chains: Vec<u32>,
    /// Rules that match nothing but programs for Windows or DOS.
    programs: Vec<bool>,
}

impl GateBuilder {
    /// Takes a rule; rules are numbered from zero in the order in which they come.
    pub fn add(&mut self, rule: &Rule<'_>, scope: &dyn Scope) -> RuleGate {
        let patterns = rule.patterns.iter().flatten().map(|pattern| Known {
            formula: self.formula_of(Need::of(pattern)),
            beginnings: beginnings(pattern),
        });
        let patterns: Vec<_> = patterns.collect();
        let names = Names {
            scope,
            chains: &self.chains,
        };
        let formula = Reader::new(rule, &patterns, &names).condition().required();
        let formula = match formula.depth() > DEPTH_MAX {
            true => Formula::Unknown,
            false => formula,
        };
        self.push(formula)
    }

    /// Takes a rule of which nothing is known.
    pub fn add_open(&mut self) -> RuleGate {
        self.push(Formula::Unknown)
    }

    fn push(&mut self, mut formula: Formula) -> RuleGate {
        let list = self.literals.list();
        formula.sort(&|number| {
            let literal = list.get(usize::try_from(number).unwrap_or(usize::MAX));
            literal.map_or(0, Literal::work)
        });
        let is_program = |number: u32| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            self.programs.get(number) == Some(&true)
        };
        let is_program = formula.needs_program(&is_program);
        self.programs.push(is_program);
        let known = cover::Known {
            literals: self.literals.list(),
            rules: &self.covers,
        };
        let cover = known.cover(&formula);
        let gate = match (&cover, &formula) {
            (Some(_), _) => RuleGate::Anchored,
            (None, Formula::Unknown) => RuleGate::Open,
            (None, _) => RuleGate::Unanchored,
        };
        self.chains.push(self.chain(&formula));
        self.covers.push(cover);
        self.formulas.push(formula);
        gate
    }

    /// How many rules stand one behind the other.
    fn chain(&self, formula: &Formula) -> u32 {
        match formula {
            Formula::Rule(number) => {
                let behind = usize::try_from(*number).ok();
                let behind = behind.and_then(|number| self.chains.get(number)).copied();
                behind.unwrap_or(0).saturating_add(1)
            }
            Formula::AtLeast { of, .. } => of.iter().map(|one| self.chain(one)).max().unwrap_or(0),
            Formula::Not(inner) => self.chain(inner),
            Formula::Unknown
            | Formula::Literal(_)
            | Formula::Stands { .. }
            | Formula::Compare { .. } => 0,
        }
    }

    fn formula_of(&mut self, need: Need) -> Formula {
        match need {
            Need::Unknown => Formula::Unknown,
            Need::Literal(literal) => {
                if self.literals.list().len() >= LITERALS_MAX {
                    return Formula::Unknown;
                }
                Formula::Literal(self.literals.number(literal))
            }
            Need::Any(needs) => {
                let of = needs.into_iter().map(|need| self.formula_of(need));
                Formula::any(of.collect())
            }
            Need::All(needs) => {
                let of = needs.into_iter().map(|need| self.formula_of(need));
                Formula::all(of.collect())
            }
        }
    }

    /// The table, with the group of each rule.
    #[must_use]
    pub fn finish(self, groups: &[u32]) -> Vec<u8> {
        let mut rules = Vec::new();
        let mut formulas = Vec::new();
        let mut unanchored = Vec::new();
        let mut anchors: Vec<(u32, u32)> = Vec::new();
        let parts = self.formulas.iter().zip(&self.covers);
        for ((number, (formula, cover)), group) in (0u32..).zip(parts).zip(groups) {
            rules.extend([count(formulas.len()), *group]);
            let start = formulas.len();
            words::write(formula, &mut formulas);
            if formulas.len().saturating_sub(start) > WORDS_MAX {
                formulas.truncate(start);
                words::write(&Formula::Unknown, &mut formulas);
            }
            match cover {
                Some(cover) => anchors.extend(cover.literals.iter().map(|one| (*one, number))),
                None => unanchored.push(number),
            }
        }
        rules.extend([count(formulas.len()), 0]);
        anchors.sort_unstable();
        let list = self.literals.list();
        let plan = Plan::of(list, &anchors);
        let elsewhere = self.elsewhere();
        let mut heads = Vec::new();
        let mut searches = Vec::new();
        for plan in [&plan, &plan.only(&elsewhere)] {
            let ((bucket_bits, entries), grams) = search::write(&plan.grams);
            let mut runs = small_search(&plan.runs);
            runs.resize(runs.len().next_multiple_of(4), 0);
            heads.extend([bucket_bits, entries, count(runs.len())]);
            searches.extend(grams);
            searches.extend(runs);
        }
        let (literals, bytes) = literals(list, &plan, &anchors);
        let anchors: Vec<u32> = anchors.into_iter().map(|(_, rule)| rule).collect();
        let mut table = to_bytes(&[MAGIC]);
        table.extend(to_bytes(&heads));
        let counts = [
            list.len(),
            bytes.len(),
            anchors.len(),
            self.formulas.len(),
            formulas.len(),
            unanchored.len(),
        ];
        table.extend(to_bytes(&counts.map(count)));
        table.extend(searches);
        table.extend(to_bytes(&literals));
        table.extend(bytes);
        for words in [anchors, rules, formulas, unanchored] {
            table.extend(to_bytes(&words));
        }
        table
    }
}

impl GateBuilder {
    /// For each literal whether any rule asks for it in an object that is no program.
    fn elsewhere(&self) -> Vec<bool> {
        let mut asked = Vec::new();
        for (formula, is_program) in self.formulas.iter().zip(&self.programs) {
            if !is_program {
                formula.literals(&mut asked);
            }
        }
        let mut elsewhere = vec![false; self.literals.list().len()];
        for number in asked {
            if let Some(own) = elsewhere.get_mut(usize::try_from(number).unwrap_or(usize::MAX)) {
                *own = true;
            }
        }
        elsewhere
    }
}

/// How each literal is looked for.
#[derive(Default)]
struct Plan<'p> {
    /// For the search for all.
    runs: Vec<(rules::anchors::Literal, u32)>,
    /// For the search at every place: as few as can be.
    grams: Vec<(u32, &'p Literal)>,
    /// What its record says beside its length.
    details: Vec<u32>,
}

impl<'p> Plan<'p> {
    fn of(list: &'p [Literal], anchors: &[(u32, u32)]) -> Self {
        let mut plan = Self::default();
        for (number, literal) in (0u32..).zip(list) {
            let is_anchor = anchors
                .binary_search_by_key(&number, |(owner, _)| *owner)
                .is_ok();
            let detail = match (literal.way(), literal.seed()) {
                (Way::Run { start, length }, _) => plan.run(literal, number, (start, length)),
                (Way::Gram, None) => plan.gram(literal, number),
                (Way::Gram, _) if is_anchor || literal.grams().1.len() <= ENTRIES_FEW => {
                    plan.gram(literal, number)
                }
                (Way::Gram | Way::Seed, Some((place, _))) => {
                    IS_NOT_SEARCHED | count(place).wrapping_shl(16)
                }
                (Way::Seed, None) => IS_NOT_SEARCHED | HAS_NO_SEED,
            };
            plan.details.push(detail);
        }
        plan
    }

    /// What of it is for these literals.
    fn only(&self, literals: &[bool]) -> Self {
        let is_wanted = |number: u32| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            literals.get(number) == Some(&true)
        };
        let runs = self.runs.iter().copied();
        let grams = self.grams.iter().copied();
        Self {
            runs: runs.filter(|(_, number)| is_wanted(*number)).collect(),
            grams: grams.filter(|(number, _)| is_wanted(*number)).collect(),
            details: Vec::new(),
        }
    }

    fn run(&mut self, literal: &Literal, number: u32, (start, length): (usize, usize)) -> u32 {
        let bytes = literal.bytes.get(start..).unwrap_or_default();
        let values: Vec<u8> = bytes.iter().take(length).map(|byte| byte.value).collect();
        self.runs
            .extend(rules::anchors::Literal::new(&values).map(|literal| (literal, number)));
        count(start).wrapping_shl(16)
    }

    fn gram(&mut self, literal: &'p Literal, number: u32) -> u32 {
        self.grams.push((number, literal));
        0
    }
}

/// In a literal's record: it has links.
pub(crate) const HAS_LINKS: u32 = 0x100;
/// No search looks for it.
pub(crate) const IS_NOT_SEARCHED: u32 = 0x200;
/// Nor can it be looked for by itself: it counts as there.
pub(crate) const HAS_NO_SEED: u32 = 0x400;

/// The records of literals, and their bytes.
fn literals(list: &[Literal], plan: &Plan<'_>, anchors: &[(u32, u32)]) -> (Vec<u32>, Vec<u8>) {
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    for ((number, literal), detail) in (0u32..).zip(list).zip(&plan.details) {
        let first = anchors.partition_point(|(owner, _)| *owner < number);
        let length = count(literal.bytes.len());
        let has_links = !literal.before.is_empty() || !literal.behind.is_empty();
        let detail = detail | length | if has_links { HAS_LINKS } else { 0 };
        records.extend([count(bytes.len()), detail, count(first)]);
        bytes.extend(literal.bytes.iter().map(|byte| byte.value));
        bytes.extend(literal.bytes.iter().map(|byte| byte.mask));
        if has_links {
            bytes.extend(chain::write(&literal.before, &literal.behind));
        }
    }
    records.extend([count(bytes.len()), 0, count(anchors.len())]);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    (records, bytes)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn to_bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
