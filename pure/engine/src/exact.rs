//! The second pass: everything about the rules that the first one triggered.
//!
//! All parts of these rules, and of those that have no anchor, go into a table that is built on the
//! spot, and the object is searched once more. With every rule triggered this pass is the whole
//! matcher, slow and plain: tests hold the first pass against it.

use std::ops::ControlFlow;

use proto::{Budget, Match, Reason};
use rules::body::{Gap, Literal};
use rules::pack::{SearchTable, small_search};
use unpack::Source;

use crate::anchors::Triggered;
use crate::body::Span;
use crate::chain::{Chains, Found};
use crate::hashes::Trouble;
use crate::hits::Hits;
use crate::part::{Known, Subject};
use crate::reader::Reader;
use crate::search::Search;

/// The buffers of the pass.
#[derive(Debug, Default)]
pub(crate) struct Exact {
    chains: Chains,
}

/// What the pass shares with the first one.
pub(crate) struct Tools<'t> {
    pub(crate) reader: &'t mut Reader,
    pub(crate) search: &'t mut Search,
    pub(crate) span: &'t mut Span,
}

impl Exact {
    /// Decides the triggered rules for the first `total` bytes of an object.
    pub(crate) fn run<'a>(
        &mut self,
        (subject, object): (Subject<'a>, (&dyn Source, u64)),
        (triggered, hits): (&Triggered, &mut Hits<'a>),
        tools: Tools<'_>,
        budget: &mut Budget,
    ) -> Result<(), Trouble> {
        self.chains.clear();
        let section = small_search(&literals(&subject, triggered));
        let tables = SearchTable::read_all(&section).unwrap_or_default();
        let Tools {
            reader,
            search,
            span,
        } = tools;
        reader.visit(object, budget, &mut |window, range, budget| {
            for (literal, part) in search.block(&tables, window, range) {
                budget.spend_work(1)?;
                if let Some(known) = subject.part(*part)
                    && subject.is_there(&known, (window, *literal), span, budget)?
                    && let Some(place) = self.chain(&subject, (&known, *part), span, budget)?
                {
                    hits.add(known.body.rule, place);
                }
            }
            Ok(if hits.are_enough() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })
    }

    /// Adds a part that is there to those before it; gives the match that it completes.
    fn chain(
        &mut self,
        subject: &Subject<'_>,
        (known, number): (&Known<'_>, u32),
        span: &Span,
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
        self.chains.add(&found, budget)
    }
}

/// The literal of each part of the triggered rules.
fn literals(subject: &Subject<'_>, triggered: &Triggered) -> Vec<(Literal, u32)> {
    let mut rows = Vec::new();
    for body in &triggered.bodies {
        let Some(body) = subject.pack.body(*body) else {
            continue;
        };
        for part in body.first_part..body.first_part.saturating_add(body.parts) {
            if let Some(literal) = subject
                .pack
                .part(part)
                .and_then(|part| part.program.literal())
            {
                rows.push((literal, part));
            }
        }
    }
    rows
}
