//! The second pass: everything about the rules that the first one triggered.
//!
//! All parts of these rules, and of those that have no anchor, go into a table that is built on the
//! spot, and the object is searched once more. With every rule triggered this pass is the whole
//! matcher, slow and plain: `two_passes` holds the first pass against it.

use std::ops::ControlFlow;

use proto::{Budget, Match, Reason};
use rules::body::{Gap, Literal};
use rules::pack::{SearchTable, small_search};
use unpack::Source;

use crate::body::Span;
use crate::chain::{Chains, Found};
use crate::hashes::Trouble;
use crate::hits::Hits;
use crate::logical::{Logicals, Patterns};
use crate::part::{Known, Subject};
use crate::reader::Reader;
use crate::search::Search;
use crate::triggered::Triggered;
use crate::window::Window;

/// What the pass shares with the first one.
pub(crate) struct Tools<'t> {
    pub(crate) reader: &'t mut Reader,
    pub(crate) search: &'t mut Search,
    pub(crate) span: &'t mut Span,
    pub(crate) chains: &'t mut Chains,
    pub(crate) patterns: &'t mut Patterns,
}

/// What it costs to enter a literal in the table, in steps of work.
const LITERAL_WORK: u64 = 32;

/// Decides the triggered rules for the first `total` bytes of an object.
pub(crate) fn decide<'a>(
    (subject, object): (Subject<'a>, (&dyn Source, u64)),
    (triggered, hits): (&Triggered, &mut Hits<'a>),
    tools: Tools<'_>,
    budget: &mut Budget,
) -> Result<(), Trouble> {
    tools.chains.clear();
    let mut logicals = Logicals::new(&subject, &triggered.logicals.sorted());
    let direct = triggered.bodies.sorted().into_iter();
    let literals = literals(&subject, direct.chain(logicals.bodies()));
    budget
        .spend_work((literals.len() as u64).saturating_mul(LITERAL_WORK))
        .map_err(Trouble::Limit)?;
    let section = small_search(&literals);
    // More parts than a table has room for are not looked for, so nothing may be said.
    let tables = SearchTable::read_all(&section).ok_or(Trouble::Limit(Reason::LimitMemory))?;
    let (span, chains) = (tools.span, tools.chains);
    let mut visit = |window: &Window<'_>, range, budget: &mut Budget| {
        let (places, work) = tools.search.block(&tables, window, range);
        budget.spend_work(work)?;
        for (literal, part) in places {
            budget.spend_work(1)?;
            let Some(known) = subject.part(part) else {
                continue;
            };
            if subject.is_there(&known, (window, literal), span, budget)?
                && let Some(place) = chain(&subject, (&known, part), (chains, span), budget)?
            {
                match known.body.logical {
                    Some(_) => logicals.found(known.record.body, place),
                    None => hits.add(known.body.rule, place),
                }
            }
        }
        Ok(if hits.are_enough() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    };
    if !tables.is_empty() {
        tools.reader.visit(object, budget, &mut visit)?;
    }
    // Regular expressions have the scan's own limit: they look at all of an object.
    budget.allow_work(u64::MAX);
    logicals.decide((&subject, object), (tools.patterns, hits), budget)
}

/// Adds a part that is there to those before it; gives the match that it completes.
fn chain(
    subject: &Subject<'_>,
    (known, number): (&Known<'_>, u32),
    (chains, span): (&mut Chains, &Span),
    budget: &mut Budget,
) -> Result<Option<Match>, Reason> {
    let next = number
        .checked_add(1)
        .filter(|_| known.index.saturating_add(1) < known.body.parts);
    let next_gap = next
        .and_then(|next| subject.pack.part(next))
        .map(|next| next.gap);
    let found = Found {
        body: known.record.body,
        index: known.index,
        parts: known.body.parts,
        gap: known.record.gap,
        next_gap: next_gap.unwrap_or(Gap {
            min: 0,
            max: u32::MAX,
        }),
        starts: &span.starts,
        ends: &span.ends,
    };
    chains.add(&found, budget)
}

/// The literal of each part of these bodies.
fn literals(subject: &Subject<'_>, bodies: impl Iterator<Item = u32>) -> Vec<(Literal, u32)> {
    let mut rows = Vec::new();
    for body in bodies {
        let Some(body) = subject.pack.body(body) else {
            continue;
        };
        for part in body.first_part..body.first_part.saturating_add(body.parts) {
            let part_record = subject.pack.part(part);
            if let Some(literal) = part_record.and_then(|part| part.program.literal()) {
                rows.push((literal, part));
            }
        }
    }
    rows
}
