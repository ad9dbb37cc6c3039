//! One object against one pack.

use std::collections::BTreeMap;

use proto::{Budget, MATCHES_MAX, Match, Reason};
use rules::body::Gap;
use rules::pack::{BodyRule, Group, SearchTable};
use rules::{Pack, RuleId};
use sha2::{Digest as _, Sha256};
use unpack::{Facts, ReadError, Source};

use crate::body::Span;
use crate::chain::{Chains, Found};
use crate::digests::{Digesting, Wanted};
use crate::hashes::{self, Look, Trouble};
use crate::offsets;
use crate::window::Window;

/// An object to look at.
pub struct Object<'a> {
    /// Its bytes.
    pub source: &'a dyn Source,
    /// How many of them may be looked at; fewer than it has gives no digests.
    pub look_bytes: u64,
    /// What is known of its structure, for an executable.
    pub facts: Option<&'a Facts>,
    /// The groups of signatures that apply besides those for any object.
    pub groups: &'a [Group],
    /// Which hash signatures apply.
    pub hashing: Hashing,
}

/// Which hash signatures apply to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hashing {
    /// All of them.
    Everything,
    /// None: it is our own rendering of something else.
    Nothing,
}

/// What to look for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Potentially unwanted applications too.
    pub pua: bool,
    /// Always compute the SHA-256.
    pub sha256: bool,
    /// Every rule that fires, not only the first.
    pub all_matches: bool,
}

/// A rule that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The rule.
    pub rule: RuleId,
    /// The SHA-256 of its text.
    pub text_sha256: [u8; 32],
    /// Where.
    pub matches: Vec<Match>,
}

/// What came of looking at an object.
#[derive(Debug, Default)]
pub struct Examined {
    /// Rules that fired; none where the object is allowed.
    pub hits: Vec<Hit>,
    /// A rule says that this very object is good.
    pub allowed: bool,
    /// Its SHA-256, where it was asked for or needed.
    pub sha256: Option<[u8; 32]>,
    /// What stopped the look, if anything did.
    pub limit: Option<Reason>,
    /// The read error that stopped it, if one did.
    pub read_error: Option<ReadError>,
}

/// Bytes searched between two looks at the clock.
const STEP_BYTES: usize = 1 << 20;
/// Bytes searched before the places found are looked at, so that their list stays short.
const BLOCK_BYTES: usize = 64 << 10;

/// Looks at objects, one after another, with one set of buffers.
pub struct Scanner<'p> {
    pack: &'p Pack<'p>,
    margin: usize,
    buffer: Vec<u8>,
    places: Vec<Place>,
    span: Span,
    chains: Chains,
}

/// A place where a literal may begin, and the table that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: u64,
    table: u8,
    short: bool,
}

impl<'p> Scanner<'p> {
    /// A scanner for a pack.
    #[must_use]
    pub fn new(pack: &'p Pack<'p>) -> Self {
        let part = usize::try_from(pack.part_bytes_max()).unwrap_or(usize::MAX);
        Self {
            pack,
            // Room for the longest part on both sides of a literal, and for a neighbour's class.
            margin: part.min(rules::body::PART_BYTES_MAX).saturating_add(8),
            buffer: Vec::new(),
            places: Vec::new(),
            span: Span::default(),
            chains: Chains::default(),
        }
    }

    /// Looks at one object.
    pub fn examine(
        &mut self,
        object: &Object<'_>,
        options: Options,
        budget: &mut Budget,
    ) -> Examined {
        let mut examined = Examined::default();
        let trouble = self.look(object, options, budget, &mut examined).err();
        match trouble {
            Some(Trouble::Limit(reason)) => examined.limit = Some(reason),
            Some(Trouble::Read(error)) => examined.read_error = Some(error),
            None => {}
        }
        if examined.allowed {
            examined.hits.clear();
        } else if !options.all_matches {
            examined.hits.truncate(1);
        }
        examined
    }

    fn look(
        &mut self,
        object: &Object<'_>,
        options: Options,
        budget: &mut Budget,
        examined: &mut Examined,
    ) -> Result<(), Trouble> {
        let size_bytes = object.source.size_bytes();
        let wanted = match object.hashing {
            Hashing::Everything => hashes::wanted(self.pack, size_bytes, options),
            Hashing::Nothing => Wanted::default(),
        };
        let mut pass = Pass {
            digesting: wanted.any().then(|| Digesting::new(wanted)),
            bodies: Bodies::new(self.pack, object, options),
        };
        self.chains.clear();
        let searched = self.search(object, &mut pass, budget);
        let digests = match pass.digesting {
            // A part of the object has no digest that a rule could speak of.
            Some(digesting) if searched.is_ok() && object.look_bytes >= size_bytes => {
                digesting.finish()
            }
            _ => Default::default(),
        };
        examined.sha256 = digests.sha256;
        examined.allowed = hashes::is_allowed(self.pack, size_bytes, &digests);
        let mut look = Look {
            options,
            hits: &mut examined.hits,
        };
        hashes::whole(self.pack, size_bytes, &digests, &mut look);
        let structure = hashes::structure(self.pack, object, &mut look, budget);
        examined.hits.extend(pass.bodies.into_hits());
        searched.and(structure)
    }

    /// Reads the object window by window, from its first byte to its last.
    fn search(
        &mut self,
        object: &Object<'_>,
        pass: &mut Pass<'_>,
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        let total = object.look_bytes.min(object.source.size_bytes());
        self.buffer.clear();
        let mut base = 0u64;
        let mut at = 0u64;
        while at < total {
            budget.check_time().map_err(Trouble::Limit)?;
            let keep_from = at.saturating_sub(self.margin as u64);
            let stale = usize::try_from(keep_from.saturating_sub(base)).unwrap_or(usize::MAX);
            self.buffer.drain(..stale.min(self.buffer.len()));
            base = keep_from;
            let wanted = at.saturating_add((STEP_BYTES.saturating_add(self.margin)) as u64);
            self.fill(object, (base, wanted.min(total)), pass)?;
            let loaded = base.saturating_add(self.buffer.len() as u64);
            let end = if loaded >= total {
                total
            } else {
                loaded.saturating_sub(self.margin as u64)
            };
            if end <= at || !pass.goes_on() {
                break;
            }
            self.search_window((base, total), (at, end), &mut pass.bodies, budget)
                .map_err(Trouble::Limit)?;
            at = end;
        }
        Ok(())
    }

    /// Makes the buffer reach from `base` to `until`.
    fn fill(
        &mut self,
        object: &Object<'_>,
        (base, until): (u64, u64),
        pass: &mut Pass<'_>,
    ) -> Result<(), Trouble> {
        let have = self.buffer.len();
        let want = usize::try_from(until.saturating_sub(base)).unwrap_or(have);
        if want <= have {
            return Ok(());
        }
        self.buffer.resize(want, 0);
        let from = base.saturating_add(have as u64);
        let fresh = self.buffer.get_mut(have..).unwrap_or_default();
        let count = object.source.read_at(from, fresh).map_err(Trouble::Read)?;
        if count < fresh.len() {
            self.buffer.truncate(have.saturating_add(count));
            return Err(Trouble::Read(ReadError::Shrank));
        }
        if let Some(digesting) = &mut pass.digesting {
            digesting.update(fresh);
        }
        Ok(())
    }

    fn search_window(
        &mut self,
        (base, total): (u64, u64),
        (from, to): (u64, u64),
        bodies: &mut Bodies<'_>,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        if bodies.is_done() {
            return Ok(());
        }
        let buffer = std::mem::take(&mut self.buffer);
        let window = Window {
            bytes: &buffer,
            base,
            total,
        };
        let mut result = Ok(());
        let mut block = from;
        while block < to && result.is_ok() && !bodies.is_done() {
            let end = block.saturating_add(BLOCK_BYTES as u64).min(to);
            self.collect(&window, (block, end), bodies);
            result = self.visit(&window, bodies, budget);
            block = end;
        }
        self.buffer = buffer;
        result
    }

    /// Lists the places in a block where some literal may begin, in their order.
    fn collect(&mut self, window: &Window<'_>, (from, to): (u64, u64), bodies: &Bodies<'_>) {
        self.places.clear();
        let until = window.base.saturating_add(window.bytes.len() as u64);
        let slice = |behind: u64| {
            window
                .range(from, to.saturating_add(behind).min(until))
                .unwrap_or_default()
        };
        for (table, search) in (0u8..).zip(bodies.tables()) {
            let places = &mut self.places;
            search.for_each_long(slice(3), &mut |index| {
                let at = from.saturating_add(index as u64);
                places.push(Place {
                    at,
                    table,
                    short: false,
                });
            });
            search.for_each_short(slice(1), &mut |index| {
                let at = from.saturating_add(index as u64);
                places.push(Place {
                    at,
                    table,
                    short: true,
                });
            });
        }
        self.places.sort_unstable();
    }

    /// Looks closer at each place.
    fn visit(
        &mut self,
        window: &Window<'_>,
        bodies: &mut Bodies<'_>,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let mut parts = Vec::new();
        for place in std::mem::take(&mut self.places) {
            parts.clear();
            bodies.literals(window, place, &mut parts);
            budget.spend_work((parts.len() as u64).saturating_add(1))?;
            for part in &parts {
                self.check(window, place.at, *part, (bodies, budget))?;
            }
        }
        Ok(())
    }

    fn check(
        &mut self,
        window: &Window<'_>,
        literal: u64,
        number: u32,
        (bodies, budget): (&mut Bodies<'_>, &mut Budget),
    ) -> Result<(), Reason> {
        let Some(part) = self.pack.part(number) else {
            return Ok(());
        };
        let Some((rule, index)) = bodies.rule_of(part.body, number) else {
            return Ok(());
        };
        if !self.span.find(&part.program, window, literal, budget)? {
            return Ok(());
        }
        if index == 0 {
            let Some((first, last)) = bodies.range(&rule) else {
                return Ok(());
            };
            self.span
                .starts
                .retain(|start| (first..=last).contains(start));
            if self.span.starts.is_empty() {
                return Ok(());
            }
        }
        let next = number
            .checked_add(1)
            .filter(|_| index.saturating_add(1) < rule.parts);
        let next_gap = next
            .and_then(|next| self.pack.part(next))
            .map(|next| next.gap);
        let found = Found {
            body: part.body,
            index,
            parts: rule.parts,
            gap: part.gap,
            next_gap: next_gap.unwrap_or(Gap {
                min: 0,
                max: u32::MAX,
            }),
            starts: &self.span.starts,
            ends: &self.span.ends,
        };
        if let Some(place) = self.chains.add(&found, budget)? {
            bodies.hit(rule.rule, place);
        }
        Ok(())
    }
}

/// What one pass over an object gathers.
struct Pass<'a> {
    digesting: Option<Digesting>,
    bodies: Bodies<'a>,
}

impl Pass<'_> {
    /// Digests need every byte; body signatures only until one has fired.
    fn goes_on(&self) -> bool {
        self.digesting.is_some() || !self.bodies.is_done()
    }
}

/// The body signatures that apply to an object, and those that fired.
struct Bodies<'a> {
    pack: &'a Pack<'a>,
    facts: Option<&'a Facts>,
    total: u64,
    options: Options,
    tables: Vec<SearchTable<'a>>,
    hits: BTreeMap<RuleId, Vec<Match>>,
    /// In the order in which they fired.
    order: Vec<RuleId>,
}

impl<'a> Bodies<'a> {
    fn new(pack: &'a Pack<'a>, object: &Object<'a>, options: Options) -> Self {
        let applies = |table: &&SearchTable<'_>| {
            table.group == Group::Any || object.groups.contains(&table.group)
        };
        Self {
            pack,
            facts: object.facts,
            total: object.source.size_bytes(),
            options,
            tables: pack
                .search_tables()
                .iter()
                .filter(applies)
                .copied()
                .collect(),
            hits: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    fn tables(&self) -> impl Iterator<Item = SearchTable<'a>> {
        self.tables.iter().copied()
    }

    fn is_done(&self) -> bool {
        self.tables.is_empty() || (!self.options.all_matches && !self.order.is_empty())
    }

    /// The parts whose literal is at this place.
    fn literals(&self, window: &Window<'_>, place: Place, parts: &mut Vec<u32>) {
        let Some(table) = self.tables.get(usize::from(place.table)) else {
            return;
        };
        let mut found = |part| parts.push(part);
        let bytes = |count| window.range(place.at, place.at.saturating_add(count));
        if place.short {
            if let Some(bytes) = bytes(3).or_else(|| bytes(2)) {
                table.find_short(bytes, &mut found);
            }
        } else if let Some(gram) = bytes(4).and_then(|bytes| bytes.first_chunk().copied()) {
            table.find(u32::from_le_bytes(gram), &mut found);
        }
    }

    /// The rule of a part and the part's number in it, if the rule may still fire.
    fn rule_of(&self, body: u32, part: u32) -> Option<(BodyRule, u32)> {
        let rule = self.pack.body(body)?;
        let index = part
            .checked_sub(rule.first_part)
            .filter(|index| *index < rule.parts)?;
        let pua = || {
            self.pack
                .rule(rule.rule)
                .is_some_and(|rule| rule.kind.is_pua())
        };
        let full = self
            .hits
            .get(&rule.rule)
            .is_some_and(|places| places.len() >= MATCHES_MAX);
        (!full && (self.options.pua || !pua())).then_some((rule, index))
    }

    fn range(&self, rule: &BodyRule) -> Option<(u64, u64)> {
        offsets::resolve(&rule.offset, self.facts, self.total)
    }

    fn hit(&mut self, rule: RuleId, place: Match) {
        let places = self.hits.entry(rule).or_default();
        if places.is_empty() {
            self.order.push(rule);
        }
        if !places.contains(&place) {
            places.push(place);
        }
    }

    fn into_hits(mut self) -> Vec<Hit> {
        let hit = |rule: RuleId| {
            let text = self.pack.rule_text(rule).unwrap_or_default();
            let matches = self.hits.remove(&rule).unwrap_or_default();
            Hit {
                rule,
                text_sha256: Sha256::digest(&text).into(),
                matches,
            }
        };
        self.order.into_iter().map(hit).collect()
    }
}
