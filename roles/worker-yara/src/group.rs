//! Rules into groups that are compiled each by itself, and the gates before them. A group holds,
//! beside its own rules, those that they name and the global ones of their namespaces, so that
//! they say in it what they would say among all.

use std::collections::{BTreeMap, BTreeSet};

use gates::{GateBuilder, RuleGate, Scope};
use proto::{Definition, DefinitionValue};
use worker::yara::merged;
use yara_x_parser::ast::{AST, Rule, WithSpan};

use crate::arrange::Arranged;
use crate::compile::USUAL;

/// Rules that are run only where a search has found something. A run of YARA-X costs the more the
/// more patterns it has: of 20 rules half of what 100 cost, and a tenth of 5,849. But 170 KB of
/// code are in every group.
const ANCHORED_MAX: usize = 64;
/// Rules without patterns, which cost next to nothing to run.
const PLAIN_MAX: usize = 96;
/// Rules with patterns that no search can vouch for, of which some run often.
const UNANCHORED_MAX: usize = 8;

/// A rule by its source and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) source: usize,
    pub(crate) rule: usize,
}

/// All rules, their gates, and the groups that they are in.
pub(crate) struct Grouped {
    pub(crate) gates: GateBuilder,
    /// Every rule in the order of all.
    pub(crate) rules: Vec<Place>,
    /// For each rule its group.
    pub(crate) group_of: Vec<u32>,
    /// For each group all that it is compiled of, in the order of all.
    pub(crate) groups: Vec<Vec<usize>>,
}

/// Puts the rules of these sources into groups.
pub(crate) fn group(sources: &[Arranged<'_>], definitions: &[Definition]) -> Grouped {
    let mut known = Known {
        texts: texts(definitions),
        names: BTreeMap::new(),
        globals: BTreeMap::new(),
        namespace: "",
    };
    let mut gates = GateBuilder::default();
    let mut rules = Vec::new();
    let mut needs: Vec<BTreeSet<usize>> = Vec::new();
    let mut classes = Vec::new();
    for (source_number, source) in sources.iter().enumerate() {
        known.namespace = &source.namespace;
        let tree = AST::from(source.code.as_ref());
        let parsed: BTreeMap<u32, &Rule<'_>> =
            tree.rules().map(|rule| (start(rule), rule)).collect();
        let first = rules.len();
        for (number, declared) in source.rules.iter().enumerate() {
            let own = rules.len();
            let range = parsed.range(declared.range.start..declared.range.end);
            let rule = range.map(|(_, rule)| *rule).next();
            let class = match rule {
                Some(rule) => class(gates.add(rule, &known), rule),
                None => class_unread(gates.add_open()),
            };
            classes.push(class);
            let mut before = known.needs(
                source.words.get(number).into_iter().flatten(),
                &declared.name,
            );
            // What was not parsed as a whole is compiled as a whole.
            if source.is_broken {
                before.extend(first..first + source.rules.len());
            }
            needs.push(before);
            rules.push(Place {
                source: source_number,
                rule: number,
            });
            known.declare(declared.name.clone(), own, declared.is_global);
        }
    }
    for (own, place) in rules.iter().enumerate() {
        let Some(source) = sources.get(place.source) else {
            continue;
        };
        if let (Some(globals), Some(needs)) = (
            known.globals.get(source.namespace.as_str()),
            needs.get_mut(own),
        ) {
            needs.extend(globals);
        }
    }
    let (group_of, members) = assign(&classes);
    let groups = members.iter().map(|members| closure(members, &needs));
    Grouped {
        gates,
        rules,
        group_of,
        groups: groups.collect(),
    }
}

/// What kind of group a rule belongs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Anchored,
    Plain,
    Unanchored,
}

fn class(gate: RuleGate, rule: &Rule<'_>) -> Class {
    let has_patterns = rule.patterns.as_ref().is_some_and(|list| !list.is_empty());
    match (gate, has_patterns) {
        (RuleGate::Anchored, _) => Class::Anchored,
        (RuleGate::Unanchored | RuleGate::Open, true) => Class::Unanchored,
        (RuleGate::Unanchored | RuleGate::Open, false) => Class::Plain,
    }
}

/// Of what is not there for this parser, nothing will be there to run.
fn class_unread(_: RuleGate) -> Class {
    Class::Plain
}

/// For each rule its group, and for each group its own rules.
fn assign(classes: &[Class]) -> (Vec<u32>, Vec<Vec<usize>>) {
    let mut group_of = vec![0; classes.len()];
    let mut groups = Vec::new();
    for (wanted, most) in [
        (Class::Anchored, ANCHORED_MAX),
        (Class::Plain, PLAIN_MAX),
        (Class::Unanchored, UNANCHORED_MAX),
    ] {
        let own = classes.iter().enumerate();
        let own = own
            .filter(|(_, class)| **class == wanted)
            .map(|(number, _)| number);
        for members in own.collect::<Vec<_>>().chunks(most) {
            let group = u32::try_from(groups.len()).unwrap_or(u32::MAX);
            for member in members {
                if let Some(place) = group_of.get_mut(*member) {
                    *place = group;
                }
            }
            groups.push(members.to_vec());
        }
    }
    (group_of, groups)
}

/// These rules and all that they need, in the order of all.
fn closure(members: &[usize], needs: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut all: BTreeSet<usize> = BTreeSet::new();
    let mut waiting = members.to_vec();
    while let Some(rule) = waiting.pop() {
        if all.insert(rule) {
            waiting.extend(needs.get(rule).into_iter().flatten());
        }
    }
    all.into_iter().collect()
}

fn start(rule: &Rule<'_>) -> u32 {
    u32::try_from(rule.identifier.span().start()).unwrap_or(u32::MAX)
}

/// Names from outside that are texts; a rule sees their values.
fn texts(definitions: &[Definition]) -> BTreeMap<String, Option<String>> {
    let mut texts: BTreeMap<String, Option<String>> = USUAL
        .iter()
        .map(|name| ((*name).to_string(), Some(String::new())))
        .collect();
    for definition in merged(definitions.iter().cloned()) {
        let value = match definition.value {
            DefinitionValue::Text(value) => Some(value),
            DefinitionValue::Integer(_)
            | DefinitionValue::Float(_)
            | DefinitionValue::Boolean(_) => None,
        };
        texts.insert(definition.name, value);
    }
    texts
}

/// What names mean where the rules have come to.
struct Known<'k> {
    texts: BTreeMap<String, Option<String>>,
    /// By namespace, the first rule of each name.
    names: BTreeMap<&'k str, BTreeMap<String, usize>>,
    globals: BTreeMap<&'k str, Vec<usize>>,
    namespace: &'k str,
}

impl Known<'_> {
    fn find(&self, name: &str) -> Option<usize> {
        self.names.get(self.namespace)?.get(name).copied()
    }

    /// The rules that these words name, and one of the same name, which comes first.
    fn needs<'w>(&self, words: impl Iterator<Item = &'w String>, own: &'w str) -> BTreeSet<usize> {
        words
            .map(String::as_str)
            .chain([own])
            .filter_map(|word| self.find(word))
            .collect()
    }

    fn declare(&mut self, name: String, number: usize, is_global: bool) {
        let names = self.names.entry(self.namespace).or_default();
        names.entry(name).or_insert(number);
        if is_global {
            self.globals.entry(self.namespace).or_default().push(number);
        }
    }
}

impl Scope for Known<'_> {
    fn rule_named(&self, name: &str) -> Option<u32> {
        // What a name from outside means is not for this to decide.
        if self.texts.contains_key(name) {
            return None;
        }
        self.find(name)
            .and_then(|number| u32::try_from(number).ok())
    }

    fn text_named(&self, name: &str) -> Option<&str> {
        // A rule of the same name, or none: either way nothing is known.
        if self.find(name).is_some() {
            return None;
        }
        self.texts.get(name)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrange::arrange;
    use worker::yara::YaraText;

    /// For each group the names of what it is compiled of.
    fn groups(sources: &[(&str, &str)]) -> Vec<Vec<String>> {
        let texts: Vec<_> = sources
            .iter()
            .map(|(label, text)| YaraText {
                label,
                bytes: text.as_bytes(),
            })
            .collect();
        let sources = arrange(&texts);
        let grouped = group(&sources, &[]);
        let name = |rule: &usize| {
            let place = grouped.rules[*rule];
            sources[place.source].rules[place.rule].name.clone()
        };
        let groups = grouped.groups.iter();
        groups
            .map(|group| group.iter().map(name).collect())
            .collect()
    }

    #[test]
    fn a_group_has_what_its_rules_need_and_the_global_ones_of_their_namespaces() {
        let word = "strings: $a = \"some-word\" condition:";
        let shared = format!(
            "rule base {{ {word} $a }}
             rule open {{ condition: true }}
             rule user {{ condition: open and filesize < 9 }}
             rule unsure {{ {word} not $a and base }}
             rule free {{ {word} not $a }}"
        );
        let own = format!("global rule gate {{ condition: true }} rule behind {{ {word} $a }}");
        let found = groups(&[("a", &shared), ("b", &own)]);
        let expected: [&[&str]; 3] = [
            &["base", "unsure", "gate", "behind"],
            &["open", "user", "gate"],
            &["free"],
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn rules_of_a_source_that_is_broken_stay_together() {
        let broken = "rule a { condition: true } rule b { condition: } rule c { condition: a }";
        let found = groups(&[("x", broken)]);
        assert!(found.iter().all(|group| group.len() > 1), "{found:?}");
    }
}
