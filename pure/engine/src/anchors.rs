//! The first pass: of each rule only the rarest literals are searched for, its anchors.
//!
//! A rule can fire only where one of its anchors is. Where an anchor is the whole rule, it fires
//! right here; any other rule is triggered, and the second pass decides.

use proto::{Budget, Match, Reason};
use rules::pack::{PlacedAnchor, SearchTable};

use crate::body::Span;
use crate::hits::Hits;
use crate::neighbours;
use crate::part::Subject;
use crate::search::Search;
use crate::triggered::Triggered;
use crate::window::Window;

/// What it costs to keep a part that is there, in steps of work.
const FIRED_WORK: u64 = 64;

/// The pass over one object.
pub(crate) struct AnchorPass<'a, 'b> {
    pub(crate) subject: Subject<'a>,
    pub(crate) tables: &'b [SearchTable<'a>],
    /// Anchors at one place, in the order of their places.
    pub(crate) placed: &'b [PlacedAnchor],
    pub(crate) hits: &'b mut Hits<'a>,
    pub(crate) triggered: &'b mut Triggered,
}

impl AnchorPass<'_, '_> {
    /// Whether there is anything left to find.
    pub(crate) fn goes_on(&self) -> bool {
        (!self.tables.is_empty() || !self.placed.is_empty()) && !self.hits.are_enough()
    }

    /// Looks at one block.
    pub(crate) fn block(
        &mut self,
        (window, range): (&Window<'_>, (u64, u64)),
        (search, span): (&mut Search, &mut Span),
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let (places, work) = search.block(self.tables, window, range);
        budget.spend_work(work)?;
        for (literal, part) in places {
            budget.spend_work(1)?;
            self.anchor((window, literal), part, span, budget)?;
        }
        self.placed((window, range), span, budget)
    }

    /// Looks at the places of a block where an anchor must be if it is anywhere.
    fn placed(
        &mut self,
        (window, (from, to)): (&Window<'_>, (u64, u64)),
        span: &mut Span,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let placed = self.placed;
        let start = placed.partition_point(|anchor| u64::from(anchor.place) < from);
        let in_block = placed.get(start..).unwrap_or_default().iter();
        for anchor in in_block.take_while(|anchor| u64::from(anchor.place) < to) {
            let place = u64::from(anchor.place);
            let end = place.saturating_add(4).min(window.end());
            if anchor.may_be(window.range(place, end).unwrap_or_default()) {
                budget.spend_work(1)?;
                self.anchor((window, place), anchor.part, span, budget)?;
            }
        }
        Ok(())
    }

    fn anchor(
        &mut self,
        place: (&Window<'_>, u64),
        part: u32,
        span: &mut Span,
        budget: &mut Budget,
    ) -> Result<(), Reason> {
        let Some(known) = self.subject.part(part) else {
            return Ok(());
        };
        let body = known.body;
        let decided = match body.logical {
            Some(logical) => self.triggered.logicals.contains(logical),
            None => self.triggered.bodies.contains(known.record.body),
        };
        if decided
            || !self.subject.is_there(&known, place, span, budget)?
            || !self.hits.wants(body.rule)
        {
            return Ok(());
        }
        let beside = (place.0, &*span);
        if body.parts > 1 && !neighbours::could_be(&self.subject, (&known, part), beside, budget)? {
            return Ok(());
        }
        budget.spend_work(FIRED_WORK)?;
        match body.logical {
            Some(logical) => {
                self.triggered.logical(self.subject.pack, logical);
            }
            None if body.parts > 1 => {
                self.triggered.bodies.insert(known.record.body);
            }
            None => {
                let start = span.starts.first().copied().unwrap_or(place.1);
                let end = span.ends.first().copied().unwrap_or(start);
                let length = end.saturating_sub(start);
                self.hits.add(
                    body.rule,
                    Match {
                        offset: start,
                        length,
                    },
                );
            }
        }
        Ok(())
    }
}
