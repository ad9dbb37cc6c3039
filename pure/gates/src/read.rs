//! A gate table in place, and an object's way through it. The layout is in `write.rs`. A damaged
//! table opens too many gates or too few, and no more than that.

use rules::anchors::Literal as AnchorLiteral;
use rules::pack::{Block, Buffers, Found, SearchTable};

use crate::chain::{self, Chain};
use crate::literal::SEED_BYTES;
use crate::search::{Candidate, Search};
use crate::words::{Facts, Words};
use crate::write::{HAS_LINKS, HAS_NO_SEED, IS_NOT_SEARCHED, MAGIC};

const HEAD_WORDS: usize = 13;
/// An object is searched in pieces of this size.
const BLOCK_BYTES: usize = 256 << 10;
/// So often an object may be read for literals that no search looks for, or so many bytes. What is
/// not looked for then counts as there.
const READS_MAX: usize = 32;
const READ_BYTES_MAX: usize = 1 << 30;
const LITERAL_BYTES: usize = 12;
const RULE_BYTES: usize = 8;
/// Steps along links that an object may cost for each of its bytes, and at least. What is not
/// followed further counts as there.
const STEPS_EACH: u64 = 8;
const STEPS_LEAST: u64 = 1 << 16;

/// The table.
#[derive(Clone, Copy, Debug)]
pub struct Gates<'g> {
    /// What is searched for in an object that begins as a program for Windows or DOS does.
    programs: Searches<'g>,
    /// And in others.
    others: Searches<'g>,
    literals: &'g [[u8; LITERAL_BYTES]],
    bytes: &'g [u8],
    anchors: &'g [[u8; 4]],
    rules: &'g [[u8; RULE_BYTES]],
    formulas: &'g [u8],
    unanchored: &'g [[u8; 4]],
}

/// The searches for one kind of object.
#[derive(Clone, Copy, Debug)]
struct Searches<'g> {
    grams: Search<'g>,
    runs: Option<SearchTable<'g>>,
}

impl<'g> Searches<'g> {
    /// The searches at the beginning of these bytes, and what follows them.
    fn read(
        bytes: &'g [u8],
        (bucket_bits, entries, runs): (u32, u32, u32),
    ) -> Option<(Self, &'g [u8])> {
        let (grams, rest) = Search::read(bytes, (bucket_bits, entries))?;
        let (runs, rest) = rest.split_at_checked(usize::try_from(runs).ok()?)?;
        let runs = SearchTable::read_all(runs)?.first().copied();
        Some((Self { grams, runs }, rest))
    }
}

/// What an object has shown on its way; kept from one to the next.
#[derive(Debug, Default)]
pub struct Passage {
    /// One bit for each literal.
    seen: Vec<u64>,
    found: Vec<u32>,
    /// Literals that no search looks for and that are not there.
    missed: Vec<u32>,
    places: Vec<Found>,
    buffers: Buffers,
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
        let programs = (next()?, next()?, next()?);
        let others = (next()?, next()?, next()?);
        let mut count = || usize::try_from(head.next()?).ok();
        let (literals, bytes, anchors) = (count()?, count()?, count()?);
        let (rules, formulas, unanchored) = (count()?, count()?, count()?);
        let (programs, rest) = Searches::read(rest, programs)?;
        let (others, mut rest) = Searches::read(rest, others)?;
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at_checked(bytes)?;
            rest = left;
            Some(taken)
        };
        Some(Self {
            programs,
            others,
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
        let searches = match object.starts_with(b"MZ") {
            true => &self.programs,
            false => &self.others,
        };
        if let Some(runs) = &searches.runs {
            self.find_runs(object, (runs, passage), &mut steps);
        }
        if !searches.grams.is_empty() {
            searches.grams.run(object, &mut |candidate| {
                self.take(object, candidate, passage, &mut steps);
            });
        }
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

    fn find_runs(
        &self,
        object: &[u8],
        (table, passage): (&SearchTable<'_>, &mut Passage),
        steps: &mut u64,
    ) {
        let mut found = std::mem::take(&mut passage.places);
        let mut from = 0usize;
        while from < object.len() {
            let to = from.saturating_add(BLOCK_BYTES).min(object.len());
            let low = from.saturating_sub(AnchorLiteral::BYTES_MAX);
            let high = to
                .saturating_add(AnchorLiteral::BYTES_MAX)
                .min(object.len());
            let block = Block {
                bytes: object.get(low..high).unwrap_or_default(),
                from: from.saturating_sub(low),
                to: to.saturating_sub(low),
            };
            found.clear();
            table.find(&block, &mut passage.buffers, &mut found);
            for run in &found {
                let at = low.saturating_add(usize::try_from(run.at).unwrap_or(usize::MAX));
                for literal in table.parts(run) {
                    let offset = self
                        .literal(literal)
                        .map_or(0, |(_, detail, _)| offset(detail));
                    if let Some(place) = at.checked_sub(offset) {
                        self.take(object, Candidate { literal, place }, passage, steps);
                    }
                }
            }
            from = to;
        }
        passage.places = found;
    }

    /// Notes a literal where it lies, the first time.
    #[inline]
    fn take(&self, object: &[u8], candidate: Candidate, passage: &mut Passage, steps: &mut u64) {
        if passage.has_seen(candidate.literal) || !self.is_there(object, candidate, steps) {
            return;
        }
        passage.note_literal(candidate.literal);
        for rule in self.anchors_of(candidate.literal) {
            passage.wait(u32::from_le_bytes(*rule));
        }
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
        let Some((start, detail, _)) = self.literal(literal) else {
            return false;
        };
        if detail & HAS_NO_SEED != 0 {
            return true;
        }
        let offset = offset(detail);
        let seed = start
            .checked_add(offset)
            .and_then(|start| self.bytes.get(start..)?.get(..SEED_BYTES));
        let Some(seed) = seed else { return false };
        let finder = memchr::memmem::Finder::new(seed);
        let places = finder.find_iter(object);
        places
            .filter_map(|place| place.checked_sub(offset))
            .any(|place| self.is_there(object, Candidate { literal, place }, steps))
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

/// Where in a literal those bytes lie that are looked for.
fn offset(detail: u32) -> usize {
    place(detail.wrapping_shr(16) & 0xff)
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
        let reads = self.passage.missed.len();
        if reads >= READS_MAX && reads.saturating_mul(self.object.len()) > READ_BYTES_MAX {
            return true;
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
