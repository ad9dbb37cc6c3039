//! One object against one pack.

use std::ops::ControlFlow;

use proto::{Budget, Match, Reason};
use rules::pack::{Group, SearchTable};
use rules::{Pack, RuleId};
use unpack::{Facts, ReadError, Source};

use crate::ahead::Begun;
use crate::anchors::AnchorPass;
use crate::body::Span;
use crate::chain::Chains;
use crate::digests::{Digesting, Wanted};
use crate::exact::{self, Tools};
use crate::hashes::{self, Look, Trouble};
use crate::hits::Hits;
use crate::logical::Patterns;
use crate::part::Subject;
use crate::reader::Reader;
use crate::search::Search;
use crate::triggered::Triggered;

/// How much of a scan's matching work the two passes may spend on an object of this size: one that
/// is small must not take as long as one that is large.
fn work_allowed(work_max: u64, size_bytes: u64) -> u64 {
    let share = u128::from(size_bytes).saturating_mul(u128::from(work_max));
    let of_bytes = share.checked_div(STEP_A_BYTE_WORK).unwrap_or(share);
    let free = work_max.checked_div(FREE_WORK_SHARE).unwrap_or(0);
    free.saturating_add(u64::try_from(of_bytes).unwrap_or(u64::MAX))
}

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
    /// The formats that it lies in, the outermost first.
    pub containers: &'a [&'static str],
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

/// The share of a scan's matching work that the two passes may spend on any object.
const FREE_WORK_SHARE: u64 = 512;
/// With this limit they may spend one step more for each of its bytes. A step takes 20 ns at most,
/// so what makes them slower than 50 MB/s ends; a higher limit allows for slower ones.
const STEP_A_BYTE_WORK: u128 = 2_000_000_000;

/// Looks at objects, one after another, with one set of buffers.
pub struct Scanner<'p> {
    pack: &'p Pack<'p>,
    begun: Option<Begun>,
    reader: Reader,
    search: Search,
    span: Span,
    chains: Chains,
    patterns: Patterns,
    triggered: Triggered,
}

impl<'p> Scanner<'p> {
    /// A scanner for a pack.
    #[must_use]
    pub fn new(pack: &'p Pack<'p>) -> Self {
        let part = usize::try_from(pack.part_bytes_max()).unwrap_or(usize::MAX);
        // Room for the longest part on both sides of a literal, and for a neighbour's class.
        let margin = part.min(rules::body::PART_BYTES_MAX).saturating_add(8);
        Self {
            pack,
            begun: None,
            reader: Reader::new(margin),
            search: Search::default(),
            span: Span::default(),
            chains: Chains::default(),
            patterns: Patterns::default(),
            triggered: Triggered::default(),
        }
    }

    /// The next object's MD5, as far as it was computed ahead.
    pub fn begin(&mut self, begun: Option<Begun>) {
        self.begun = begun;
    }

    /// Looks at one object.
    pub fn examine(
        &mut self,
        object: &Object<'_>,
        options: Options,
        budget: &mut Budget,
    ) -> Examined {
        let mut examined = Examined::default();
        budget.allow_work(work_allowed(budget.limits().work_max, object.look_bytes));
        let trouble = self.look(object, options, budget, &mut examined).err();
        budget.allow_work(u64::MAX);
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

    fn look<'a>(
        &mut self,
        object: &Object<'a>,
        options: Options,
        budget: &mut Budget,
        examined: &mut Examined,
    ) -> Result<(), Trouble>
    where
        'p: 'a,
    {
        let size_bytes = object.source.size_bytes();
        let wanted = match object.hashing {
            Hashing::Everything => hashes::wanted(self.pack, size_bytes, options),
            Hashing::Nothing => Wanted::default(),
        };
        let begun = self.begun.take();
        let mut digesting = wanted.any().then(|| Digesting::after(wanted, begun));
        let mut hits = Hits::new(self.pack, options);
        let searched = self.search(object, (&mut digesting, &mut hits), budget);
        let digests = match digesting {
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
        examined.hits.extend(hits.into_hits());
        searched.and(structure)
    }

    /// Both passes over the object.
    fn search<'a>(
        &mut self,
        object: &Object<'a>,
        (digesting, hits): (&mut Option<Digesting>, &mut Hits<'a>),
        budget: &mut Budget,
    ) -> Result<(), Trouble>
    where
        'p: 'a,
    {
        let subject = Subject {
            pack: self.pack,
            facts: object.facts,
            size_bytes: object.source.size_bytes(),
            containers: object.containers,
        };
        let bytes = (object.source, object.look_bytes);
        let mut triggered = std::mem::take(&mut self.triggered);
        triggered.clear();
        let passed = self.first_pass(
            object,
            (digesting, hits, &mut triggered),
            (&subject, budget),
        );
        let decided = passed.and_then(|()| {
            if triggered.is_empty() || hits.are_enough() {
                return Ok(());
            }
            exact::decide((subject, bytes), (&triggered, hits), self.tools(), budget)
        });
        self.triggered = triggered;
        decided
    }

    /// Looks for the anchors of all rules.
    fn first_pass<'a>(
        &mut self,
        object: &Object<'a>,
        (digesting, hits, triggered): (&mut Option<Digesting>, &mut Hits<'a>, &mut Triggered),
        (subject, budget): (&Subject<'a>, &mut Budget),
    ) -> Result<(), Trouble>
    where
        'p: 'a,
    {
        let tables = self.tables(object);
        let groups = [Group::Any].iter().chain(object.groups);
        for group in groups.clone() {
            for logical in self.pack.unanchored(*group) {
                triggered.logical(self.pack, logical);
            }
        }
        let mut placed: Vec<_> = groups
            .clone()
            .flat_map(|group| self.pack.placed(*group))
            .collect();
        placed.sort_unstable();
        let mut pass = AnchorPass {
            subject: *subject,
            tables: &tables,
            placed: &placed,
            hits,
            triggered,
        };
        let (search, span) = (&mut self.search, &mut self.span);
        let bytes = (object.source, object.look_bytes);
        self.reader
            .visit(bytes, budget, &mut |window, (from, to), budget| {
                if let (Some(digesting), Some(bytes)) = (&mut *digesting, window.range(from, to)) {
                    digesting.update(bytes);
                }
                if pass.goes_on() {
                    pass.block((window, (from, to)), (search, span), budget)?;
                }
                // Digests need every byte; signatures only until one has fired.
                Ok(if digesting.is_some() || pass.goes_on() {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                })
            })
    }

    /// What the second pass takes over from the first.
    pub(crate) fn tools(&mut self) -> Tools<'_> {
        Tools {
            reader: &mut self.reader,
            search: &mut self.search,
            span: &mut self.span,
            chains: &mut self.chains,
            patterns: &mut self.patterns,
        }
    }

    /// The tables of an object's groups. Each has the signatures for any object in it, so the one
    /// for those alone is searched only where there is no other.
    fn tables(&self, object: &Object<'_>) -> Vec<SearchTable<'p>> {
        let tables = self.pack.search_tables().iter();
        let mut own = tables
            .clone()
            .filter(|table| object.groups.contains(&table.group))
            .peekable();
        if own.peek().is_some() {
            return own.copied().collect();
        }
        let any = tables.filter(|table| table.group == Group::Any);
        any.copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    /// A pack of many signatures that share their first bytes, and an object made of those bytes.
    fn hostile() -> (Vec<u8>, Vec<u8>) {
        let mut compiler = rules::Compiler::new(rules::IgnoreList::default());
        let same = "3a343a383a3c3a403a443a483a4c3a50";
        let line = |index: u32| format!("Same.{index}:0:*:{same}{index:08x}\n");
        let lines: String = (0..400).map(line).collect();
        compiler.add("same.ndb", lines.as_bytes()).unwrap();
        let mut pack = Vec::new();
        let written = compiler.finish::<()>(&mut |piece| {
            pack.extend_from_slice(piece);
            Ok(())
        });
        written.unwrap();
        let piece = b":4:8:<:@:D:H:L:P".iter().copied();
        (pack, piece.cycle().take(1 << 20).collect())
    }

    #[test]
    fn a_small_object_may_not_spend_the_work_of_a_large_one() {
        let (pack, bytes) = hostile();
        let pack = Pack::open(&pack).unwrap();
        let object = Object {
            source: &bytes.as_slice(),
            look_bytes: bytes.len() as u64,
            facts: None,
            groups: &[],
            hashing: Hashing::Nothing,
            containers: &[],
        };
        let mut scanner = Scanner::new(&pack);
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let examined = scanner.examine(&object, Options::default(), &mut budget);
        assert_eq!(examined.limit, Some(Reason::LimitWork));
        let allowed = work_allowed(Limits::default().work_max, object.look_bytes);
        assert!(budget.work() <= allowed, "{} steps", budget.work());
        // The scan itself goes on.
        assert_eq!(budget.spend_work(allowed), Ok(()));
    }
}
