//! A gate table in place, and an object's way through it. The layout is in `write.rs`. A damaged
//! table opens too many gates or too few, and no more than that.

use crate::chain::{self, Chain};
use crate::literal::SEED_BYTES;
use crate::search::{Candidate, Search};
use crate::words::{Facts, Words};
use crate::write::MAGIC;

const HEAD_WORDS: usize = 10;
const LITERAL_BYTES: usize = 12;
const RULE_BYTES: usize = 8;
const HAS_LINKS: u32 = 0x100;
const IS_NOT_SEARCHED: u32 = 0x200;
/// Steps along links that an object may cost for each of its bytes, and at least. What is not
/// followed further counts as there.
const STEPS_EACH: u64 = 8;
const STEPS_LEAST: u64 = 1 << 16;

/// The table.
#[derive(Clone, Copy, Debug)]
pub struct Gates<'g> {
    search: Search<'g>,
    literals: &'g [[u8; LITERAL_BYTES]],
    bytes: &'g [u8],
    anchors: &'g [[u8; 4]],
    rules: &'g [[u8; RULE_BYTES]],
    formulas: &'g [u8],
    unanchored: &'g [[u8; 4]],
}

/// What an object has shown on its way; kept from one to the next.
#[derive(Debug, Default)]
pub struct Passage {
    /// One bit for each literal.
    seen: Vec<u64>,
    found: Vec<u32>,
    /// Literals that no search looks for and that are not there.
    missed: Vec<u32>,
    /// Rules whose formula is to be looked at.
    waiting: Vec<u32>,
    states: Vec<State>,
    decided: Vec<u32>,
    open: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    New,
    Waiting,
    Closed,
    Open,
}

impl<'g> Gates<'g> {
    /// The table in these bytes.
    #[must_use]
    pub fn open(table: &'g [u8]) -> Option<Self> {
        let (head, rest) = table.split_at_checked(HEAD_WORDS.checked_mul(4)?)?;
        let mut head = head
            .as_chunks::<4>()
            .0
            .iter()
            .copied()
            .map(u32::from_le_bytes);
        let mut next = || head.next();
        if next()? != MAGIC {
            return None;
        }
        let sizes = (next()?, next()?, next()?);
        let mut count = || usize::try_from(head.next()?).ok();
        let (literals, bytes, anchors) = (count()?, count()?, count()?);
        let (rules, formulas, unanchored) = (count()?, count()?, count()?);
        let (search, mut rest) = Search::read(rest, sizes)?;
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at_checked(bytes)?;
            rest = left;
            Some(taken)
        };
        Some(Self {
            search,
            literals: take(literals.checked_add(1)?.checked_mul(LITERAL_BYTES)?)?
                .as_chunks()
                .0,
            bytes: take(bytes)?,
            anchors: take(anchors.checked_mul(4)?)?.as_chunks().0,
            rules: take(rules.checked_add(1)?.checked_mul(RULE_BYTES)?)?
                .as_chunks()
                .0,
            formulas: take(formulas.checked_mul(4)?)?,
            unanchored: take(unanchored.checked_mul(4)?)?.as_chunks().0,
        })
    }

    /// The groups that hold a rule which may match the object, in order.
    pub fn groups<'p>(&self, object: &[u8], passage: &'p mut Passage) -> &'p [u32] {
        passage.begin(self.literals.len(), self.rules.len());
        let size_bytes = u64::try_from(object.len()).unwrap_or(u64::MAX);
        let mut steps = size_bytes
            .saturating_mul(STEPS_EACH)
            .saturating_add(STEPS_LEAST);
        self.search.run(object, &mut |candidate| {
            if !passage.has_seen(candidate.literal) && self.is_there(object, candidate, &mut steps)
            {
                passage.note_literal(candidate.literal);
                for rule in self.anchors_of(candidate.literal) {
                    passage.wait(u32::from_le_bytes(*rule));
                }
            }
        });
        for rule in self.unanchored {
            passage.wait(u32::from_le_bytes(*rule));
        }
        let mut look = Look {
            gates: self,
            object,
            passage,
            steps,
        };
        while let Some(rule) = look.passage.waiting.pop() {
            if look.decide(rule)
                && let Some(group) = self.group_of(rule)
            {
                look.passage.open.push(group);
            }
        }
        passage.open.sort_unstable();
        passage.open.dedup();
        &passage.open
    }

    /// Whether a literal lies at a place, with all that must stand around it.
    fn is_there(&self, object: &[u8], candidate: Candidate, steps: &mut u64) -> bool {
        let Some((start, detail, _)) = self.literal(candidate.literal) else {
            return false;
        };
        let length = usize::try_from(detail & 0xff).unwrap_or(0);
        let own = self.bytes.get(start..).unwrap_or_default();
        let Some((values, own)) = own.split_at_checked(length) else {
            return false;
        };
        let Some((masks, links)) = own.split_at_checked(length) else {
            return false;
        };
        let place = candidate.place;
        let end = place.saturating_add(length);
        chain::matches_at(object, place, (values, masks))
            && (detail & HAS_LINKS == 0 || Chain::new(links).holds(object, (place, end), steps))
    }

    /// Looks for a literal that no search looks for.
    fn look_for(&self, object: &[u8], literal: u32, steps: &mut u64) -> bool {
        let seed = self
            .literal(literal)
            .and_then(|(start, _, _)| self.bytes.get(start..)?.get(..SEED_BYTES));
        let Some(seed) = seed else { return false };
        let finder = memchr::memmem::Finder::new(seed);
        let mut places = finder.find_iter(object);
        places.any(|place| self.is_there(object, Candidate { literal, place }, steps))
    }

    fn literal(&self, number: u32) -> Option<(usize, u32, usize)> {
        let record = self.literals.get(usize::try_from(number).ok()?)?;
        let words = record.as_chunks::<4>().0;
        let word = |index: usize| words.get(index).copied().map(u32::from_le_bytes);
        let place = |index| usize::try_from(word(index)?).ok();
        Some((place(0)?, word(1)?, place(2)?))
    }

    fn anchors_of(&self, literal: u32) -> &'g [[u8; 4]] {
        let bounds = (
            self.literal(literal),
            self.literal(literal.saturating_add(1)),
        );
        let (Some((_, _, first)), Some((_, _, end))) = bounds else {
            return &[];
        };
        self.anchors.get(first..end).unwrap_or_default()
    }

    fn rule(&self, number: u32) -> Option<(usize, u32)> {
        let record = self.rules.get(usize::try_from(number).ok()?)?;
        let [a, b, c, d, e, f, g, h] = *record;
        let start = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        Some((start.checked_mul(4)?, u32::from_le_bytes([e, f, g, h])))
    }

    fn group_of(&self, rule: u32) -> Option<u32> {
        self.rule(rule).map(|(_, group)| group)
    }

    fn formula(&self, rule: u32) -> Option<Words<'g>> {
        let (start, _) = self.rule(rule)?;
        let (end, _) = self.rule(rule.checked_add(1)?)?;
        Some(Words::new(self.formulas.get(start..end)?))
    }
}

impl Passage {
    fn begin(&mut self, literals: usize, rules: usize) {
        self.seen.resize(literals.div_ceil(64), 0);
        self.states.resize(rules, State::New);
        for literal in self.found.drain(..) {
            if let Some(word) = self.seen.get_mut(word_of(literal)) {
                *word = 0;
            }
        }
        for rule in self.decided.drain(..) {
            if let Some(state) = self.states.get_mut(place(rule)) {
                *state = State::New;
            }
        }
        self.missed.clear();
        self.waiting.clear();
        self.open.clear();
    }

    #[inline]
    fn has_seen(&self, literal: u32) -> bool {
        let word = self.seen.get(word_of(literal)).copied().unwrap_or(0);
        word.wrapping_shr(literal & 63) & 1 != 0
    }

    fn note_literal(&mut self, literal: u32) {
        if let Some(word) = self.seen.get_mut(word_of(literal)) {
            *word |= 1u64.wrapping_shl(literal & 63);
            self.found.push(literal);
        }
    }

    /// Puts a rule among those to be looked at, once.
    fn wait(&mut self, rule: u32) {
        if let Some(state @ State::New) = self.states.get_mut(place(rule)) {
            *state = State::Waiting;
            self.decided.push(rule);
            self.waiting.push(rule);
        }
    }
}

fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn word_of(literal: u32) -> usize {
    place(literal.wrapping_shr(6))
}

/// An object before the formulas.
struct Look<'l, 'g> {
    gates: &'l Gates<'g>,
    object: &'l [u8],
    passage: &'l mut Passage,
    steps: u64,
}

impl Look<'_, '_> {
    fn decide(&mut self, rule: u32) -> bool {
        let state = self.passage.states.get(place(rule)).copied();
        match state {
            Some(State::Open) | None => return true,
            Some(State::Closed) => return false,
            Some(State::New) => self.passage.decided.push(rule),
            Some(State::Waiting) => {}
        }
        // A rule that asks for itself, which only a damaged table has, may match.
        self.set(rule, State::Open);
        let formula = self.gates.formula(rule);
        let is_open = formula.is_none_or(|words| words.may_hold(self));
        if !is_open {
            self.set(rule, State::Closed);
        }
        is_open
    }

    fn set(&mut self, rule: u32, state: State) {
        if let Some(own) = self.passage.states.get_mut(place(rule)) {
            *own = state;
        }
    }
}

impl Facts for Look<'_, '_> {
    fn has_literal(&mut self, number: u32) -> bool {
        let is_searched = self
            .gates
            .literal(number)
            .is_none_or(|(_, detail, _)| detail & IS_NOT_SEARCHED == 0);
        if is_searched || self.passage.has_seen(number) {
            return self.passage.has_seen(number);
        }
        if self.passage.missed.contains(&number) {
            return false;
        }
        let is_there = self.gates.look_for(self.object, number, &mut self.steps);
        if is_there {
            self.passage.note_literal(number);
        } else {
            self.passage.missed.push(number);
        }
        is_there
    }

    fn may_match(&mut self, rule: u32) -> bool {
        self.decide(rule)
    }

    fn bytes(&self) -> &[u8] {
        self.object
    }
}
