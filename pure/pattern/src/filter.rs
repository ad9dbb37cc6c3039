//! Finds where a looser pattern matches, in linear time: an automaton that is built while it runs,
//! in memory of a fixed size.

use std::sync::OnceLock;

use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, Config, DFA};
use regex_automata::nfa::thompson::{self, NFA};
use regex_automata::util::prefilter::Prefilter;
use regex_automata::util::start;
use regex_automata::{Anchored, HalfMatch, Input, MatchKind};
use regex_syntax::hir::Hir;

use crate::error::Stop;
use crate::loosen::Likeness;
use crate::meter::Meter;
use crate::search::Match;

const NFA_BYTES_MAX: usize = 2 << 20;
const CACHE_BYTES_MAX: usize = 1 << 20;
/// The automaton takes this many bytes at the price of one step of the backtracker.
const BYTES_PER_STEP: usize = 8;
const BYTES_PER_STEP_WATCHED: usize = 4;
/// Building one state of it looks at every state of the expression, so many for one step.
const STATES_PER_STEP: usize = 8;
/// What a state takes beside its row, at least.
const STATE_BYTES_MIN: usize = 64;
/// A cache that was emptied so often is watched from then on.
const CLEARS_UNWATCHED: usize = 3;
/// Bytes between two looks at what was built.
const WATCH_BYTES: usize = 256;

/// The looser pattern, ready to be searched for.
#[derive(Debug)]
pub(crate) struct Filter {
    forward: Direction,
    backward: Direction,
    likeness: Likeness,
}

/// One direction of searching.
#[derive(Debug)]
struct Direction {
    dfa: DFA,
    nfa: NFA,
    config: Config,
    /// The same, which does not give up where its cache is emptied over and over.
    patient: OnceLock<Option<DFA>>,
}

/// What is built of the automata while they run.
#[derive(Debug)]
pub(crate) struct Caches {
    forward: Cached,
    backward: Cached,
}

#[derive(Debug)]
struct Cached {
    cache: Cache,
    patient: Option<Cache>,
}

impl Filter {
    /// Nothing where the automaton would be too large, or would find something everywhere.
    pub(crate) fn new(hir: &Hir, likeness: Likeness) -> Option<Self> {
        let is_anywhere = hir.properties().minimum_len() == Some(0);
        if likeness == Likeness::Looser && is_anywhere {
            return None;
        }
        let prefilter = Prefilter::from_hir_prefix(MatchKind::LeftmostFirst, hir);
        let forward = DFA::config()
            .match_kind(MatchKind::LeftmostFirst)
            .specialize_start_states(prefilter.is_some())
            .prefilter(prefilter);
        let backward = DFA::config().match_kind(MatchKind::All);
        Some(Self {
            forward: Direction::new(hir, forward, thompson::Config::new())?,
            backward: Direction::new(hir, backward, thompson::Config::new().reverse(true))?,
            likeness,
        })
    }

    pub(crate) fn likeness(&self) -> Likeness {
        self.likeness
    }

    pub(crate) fn caches(&self) -> Caches {
        Caches {
            forward: Cached::new(&self.forward),
            backward: Cached::new(&self.backward),
        }
    }

    /// The first match from here on, or only here.
    pub(crate) fn find(
        &self,
        caches: &mut Caches,
        input: &Input<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Match>, Stop> {
        let end = self.forward.search(&mut caches.forward, input, meter)?;
        let Some(end) = end else {
            return Ok(None);
        };
        let start = input.start();
        if input.get_anchored().is_anchored() || start == end {
            return Ok(Some(Match { start, end }));
        }
        let before = Input::new(input.haystack())
            .range(start..end)
            .anchored(Anchored::Yes);
        let found = self.backward.search(&mut caches.backward, &before, meter)?;
        Ok(Some(Match {
            start: found.unwrap_or(start),
            end,
        }))
    }
}

impl Direction {
    fn new(hir: &Hir, config: Config, thompson: thompson::Config) -> Option<Self> {
        let thompson = thompson
            .utf8(false)
            .nfa_size_limit(Some(NFA_BYTES_MAX))
            .which_captures(thompson::WhichCaptures::None);
        let nfa = thompson::Compiler::new()
            .configure(thompson)
            .build_from_hir(hir)
            .ok()?;
        let config = config
            .cache_capacity(CACHE_BYTES_MAX)
            .skip_cache_capacity_check(true);
        // Building a state takes about as long as the states that it is made of are many.
        let bytes_per_state = nfa.states().len().checked_div(8).unwrap_or(0).max(16);
        let hasty = config
            .clone()
            .minimum_cache_clear_count(Some(CLEARS_UNWATCHED))
            .minimum_bytes_per_state(Some(bytes_per_state));
        let dfa = DFA::builder().configure(hasty).build_from_nfa(nfa.clone());
        Some(Self {
            dfa: dfa.ok()?,
            nfa,
            config,
            patient: OnceLock::new(),
        })
    }

    fn is_backward(&self) -> bool {
        self.nfa.is_reverse()
    }

    /// Where a match ends, as seen in this direction.
    fn search(
        &self,
        cached: &mut Cached,
        input: &Input<'_>,
        meter: &mut Meter<'_>,
    ) -> Result<Option<usize>, Stop> {
        if cached.patient.is_none() {
            let cache = &mut cached.cache;
            let (before, searched) = (built_bytes(cache), cache.search_total_len());
            let found = match self.is_backward() {
                true => self.dfa.try_search_rev(cache, input),
                false => self.dfa.try_search_fwd(cache, input),
            };
            // The count of bytes begins anew where the cache is emptied.
            let passed = match cache.search_total_len().checked_sub(searched) {
                Some(passed) if found.is_ok() => passed,
                _ => input.get_span().len(),
            };
            meter.pass(passed, BYTES_PER_STEP)?;
            meter.steps(self.price(built_bytes(cache).saturating_sub(before)))?;
            if let Ok(found) = found {
                return Ok(found.as_ref().map(HalfMatch::offset));
            }
        }
        let patient = self.patient.get_or_init(|| {
            let mut builder = DFA::builder();
            builder.configure(self.config.clone());
            builder.build_from_nfa(self.nfa.clone()).ok()
        });
        match patient {
            Some(dfa) => {
                let cache = cached.patient.get_or_insert_with(|| dfa.create_cache());
                let mut walk = Walk {
                    direction: self,
                    dfa,
                    cache,
                    meter,
                };
                walk.search(input)
            }
            None => Err(Stop::Memory),
        }
    }

    /// The steps that building this much of the automaton took, and one.
    fn price(&self, built_bytes: usize) -> u64 {
        let row_bytes = self.dfa.byte_classes().alphabet_len().saturating_mul(4);
        let state_bytes = row_bytes.saturating_add(STATE_BYTES_MIN);
        let states = built_bytes.checked_div(state_bytes).unwrap_or(0);
        let each = self.nfa.states().len() / STATES_PER_STEP;
        let steps = states.saturating_mul(each.saturating_add(1));
        u64::try_from(steps).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Cached {
    fn new(direction: &Direction) -> Self {
        Self {
            cache: direction.dfa.create_cache(),
            patient: None,
        }
    }
}

/// Everything that was ever built in this cache.
fn built_bytes(cache: &Cache) -> usize {
    let emptied = cache.clear_count().saturating_mul(CACHE_BYTES_MAX);
    emptied.saturating_add(cache.memory_usage())
}

/// A search byte by byte, which pays for each state that it builds.
struct Walk<'w, 'm> {
    direction: &'w Direction,
    dfa: &'w DFA,
    cache: &'w mut Cache,
    meter: &'w mut Meter<'m>,
}

impl Walk<'_, '_> {
    fn search(&mut self, input: &Input<'_>) -> Result<Option<usize>, Stop> {
        let bytes = input.haystack();
        let span = input.get_span();
        let range = bytes.get(span.start..span.end).unwrap_or_default();
        let before = span.start.checked_sub(1).and_then(|at| bytes.get(at));
        let after = bytes.get(span.end);
        let is_backward = self.direction.is_backward();
        let (beside, behind) = match is_backward {
            true => (after, before),
            false => (before, after),
        };
        let config = start::Config::new()
            .look_behind(beside.copied())
            .anchored(input.get_anchored());
        let state = self.dfa.start_state(self.cache, &config);
        let state = state.map_err(|_| Stop::Memory)?;
        let taken = match is_backward {
            true => self.walk(state, range.iter().rev(), behind)?,
            false => self.walk(state, range.iter(), behind)?,
        };
        Ok(taken.map(|taken| match is_backward {
            true => span.end.saturating_sub(taken),
            false => span.start.saturating_add(taken),
        }))
    }

    /// How many bytes the match takes. It is known one byte late, so that the byte behind them is
    /// looked at too.
    fn walk<'b>(
        &mut self,
        mut state: LazyStateID,
        bytes: impl Iterator<Item = &'b u8>,
        behind: Option<&u8>,
    ) -> Result<Option<usize>, Stop> {
        let mut last = None;
        let mut passed = 0usize;
        let mut built = built_bytes(self.cache);
        for byte in bytes {
            let next = self.dfa.next_state(self.cache, state, *byte);
            state = next.map_err(|_| Stop::Memory)?;
            if state.is_match() {
                last = Some(passed);
            } else if state.is_dead() {
                return Ok(last);
            }
            passed = passed.saturating_add(1);
            if passed.is_multiple_of(WATCH_BYTES) {
                let now = built_bytes(self.cache);
                let price = self.direction.price(now.saturating_sub(built));
                self.meter.steps(price)?;
                self.meter.pass(WATCH_BYTES, BYTES_PER_STEP_WATCHED)?;
                built = now;
            }
        }
        let state = match behind {
            Some(byte) => self.dfa.next_state(self.cache, state, *byte),
            None => self.dfa.next_eoi_state(self.cache, state),
        };
        match state.map_err(|_| Stop::Memory)?.is_match() {
            true => Ok(Some(passed)),
            false => Ok(last),
        }
    }
}
