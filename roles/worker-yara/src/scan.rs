//! Compiled rules, opened once and run on one object after another: those groups whose gates an
//! object opens.

use std::collections::BTreeMap;
use std::rc::Rc;

use gates::{Gates, Passage};
use kernel::map::Map;
use proto::{MATCHES_MAX, Match};
use worker::yara::{YaraHit, YaraScan};
use yara_x::{Rules, Scanner};

use crate::bundle::Bundle;

/// Groups that stay ready to run until the process ends: those that were wanted first this often.
const READY_MAX: usize = 24;
/// How often a group is wanted before it stays.
const WANTED_MIN: u32 = 3;
/// Groups that are kept for a while, without what a run needs beside them.
const KEPT_MAX: usize = 8;

/// Rules that are open.
pub(crate) struct Loaded {
    bundle: Bundle<'static>,
    gates: Gates<'static>,
    passage: Passage,
    groups: Vec<Group>,
    ready: usize,
    /// The last groups that were run and did not stay, the latest at the end.
    kept: Vec<(usize, Rc<Rules>)>,
}

#[derive(Default)]
struct Group {
    wanted: u32,
    /// By namespace and name, the place in the order of all rules; known once it was loaded.
    places: BTreeMap<(String, String), u32>,
    ready: Option<Scanner<'static>>,
}

/// A match and its place in the order of all rules.
struct Found {
    place: u32,
    /// Its namespace and its name.
    name: (String, String),
    matches: Vec<Match>,
}

impl Loaded {
    /// Opens what the bytes from here on hold.
    pub(crate) fn new(file: Map, start: usize) -> Result<Self, String> {
        let broken = || "the compiled YARA rules can't be read; delete them".to_string();
        // They serve until the process ends.
        let file: &'static Map = Box::leak(Box::new(file));
        let bundle = Bundle::open(file.get(start..).unwrap_or_default()).ok_or_else(broken)?;
        Ok(Self {
            gates: Gates::open(bundle.gates).ok_or_else(broken)?,
            passage: Passage::default(),
            groups: (0..bundle.groups()).map(|_| Group::default()).collect(),
            ready: 0,
            kept: Vec::new(),
            bundle,
        })
    }

    fn run(&mut self, number: usize, bytes: &[u8], found: &mut Vec<Found>) -> Result<(), String> {
        let Some(group) = self.groups.get_mut(number) else {
            return Ok(());
        };
        group.wanted = group.wanted.saturating_add(1);
        if let Some(scanner) = &mut group.ready {
            return scan(scanner, bytes, (&group.places, found));
        }
        let at = self.kept.iter().position(|(kept, _)| *kept == number);
        if group.wanted >= WANTED_MIN && self.ready < READY_MAX {
            if let Some(at) = at {
                self.kept.remove(at);
            }
            let rules: &'static Rules = Box::leak(Box::new(group.load(&self.bundle, number)?));
            self.ready = self.ready.saturating_add(1);
            let scanner = group.ready.insert(Scanner::new(rules));
            return scan(scanner, bytes, (&group.places, found));
        }
        let rules = match at {
            Some(at) => self.kept.remove(at).1,
            None => Rc::new(group.load(&self.bundle, number)?),
        };
        let outcome = scan(&mut Scanner::new(&rules), bytes, (&group.places, found));
        if self.kept.len() >= KEPT_MAX {
            self.kept.remove(0);
        }
        self.kept.push((number, rules));
        outcome
    }
}

impl Group {
    fn load(&mut self, bundle: &Bundle<'_>, number: usize) -> Result<Rules, String> {
        let own = bundle
            .group(number)
            .ok_or("a group of YARA rules is missing")?;
        let rules = Rules::deserialize(own.code)
            .map_err(|error| format!("the compiled YARA rules can't be loaded: {error}"))?;
        if self.places.is_empty() {
            let names = rules.iter().enumerate().map(|(at, rule)| {
                let name = (rule.namespace().to_string(), rule.identifier().to_string());
                (name, own.place(at).unwrap_or(u32::MAX))
            });
            self.places = names.collect();
        }
        Ok(rules)
    }
}

fn scan(
    scanner: &mut Scanner<'_>,
    bytes: &[u8],
    (places, found): (&BTreeMap<(String, String), u32>, &mut Vec<Found>),
) -> Result<(), String> {
    let results = scanner.scan(bytes).map_err(|error| error.to_string())?;
    for rule in results.matching_rules() {
        let name = (rule.namespace().to_string(), rule.identifier().to_string());
        found.push(Found {
            place: places.get(&name).copied().unwrap_or(u32::MAX),
            matches: matches_of(&rule),
            name,
        });
    }
    Ok(())
}

impl YaraScan for Loaded {
    fn look(&mut self, bytes: &[u8], hit: &mut dyn FnMut(YaraHit<'_>)) -> Result<(), String> {
        let open: Vec<u32> = self.gates.groups(bytes, &mut self.passage).to_vec();
        let mut found = Vec::new();
        let mut outcome = Ok(());
        for number in open {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            let ran = self.run(number, bytes, &mut found);
            outcome = outcome.and(ran);
        }
        // A rule that others need is in their groups too.
        found.sort_by(|one, other| (one.place, &one.name).cmp(&(other.place, &other.name)));
        found.dedup_by(|one, other| one.name == other.name);
        for found in found {
            hit(YaraHit {
                namespace: &found.name.0,
                name: &found.name.1,
                matches: found.matches,
            });
        }
        outcome
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
