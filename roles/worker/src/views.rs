//! The normalised views of one object: looked at beside the object itself, under names of ours.
//! A view holds nothing that is not in the object, so it is no object of its own to the limits;
//! what `data:` links hold is.

use std::collections::BTreeSet;

use engine::{Hashing, Object, Options};
use proto::Budget;
use rules::pack::Group;
use rules::{Pack, RuleId};
use unpack::Source;
use unpack::normalise::{self, HtmlViews, Normal, NormalisedText, TextStop, names};

use crate::scan::FileScan;

/// Looks at the views of the object that a scan is at.
pub(crate) struct Views<'v, 's, 'p> {
    /// The scan.
    pub(crate) scan: &'v mut FileScan<'s, 'p>,
    /// Rules that fired on the object: a view of it tells nothing new of them.
    pub(crate) fired: BTreeSet<RuleId>,
}

impl Views<'_, '_, '_> {
    /// Whether a rule of the pack could match in a view, or asks for data that is not text.
    pub(crate) fn are_wanted(pack: &Pack<'_>) -> bool {
        let reaches =
            |group| matches!(group, Group::Any | Group::Html | Group::Text | Group::Other);
        let mut groups = Group::ALL.into_iter().filter(|group| reaches(*group));
        groups.any(|group| pack.has_rules_for(group))
    }

    /// What an object of this format is to normalisation.
    pub(crate) fn kind(
        scan: &mut FileScan<'_, '_>,
        source: &dyn Source,
        format: &str,
        budget: &Budget,
    ) -> Normal {
        match normalise::normal(source, format, budget) {
            Ok(normal) if scan.wants_views => normal,
            // Whatever the rules: what `data:` links hold is a part of the object.
            Ok(Normal::Html | Normal::Both) => Normal::Html,
            Ok(Normal::Text | Normal::Neither) => Normal::Neither,
            Err(stop) => {
                stopped(scan, stop);
                Normal::Neither
            }
        }
    }

    /// Looks at the views of an object.
    pub(crate) fn object(&mut self, source: &dyn Source, normal: Normal, budget: &mut Budget) {
        match normal {
            Normal::Neither => {}
            Normal::Text => self.text(source, budget),
            Normal::Html => self.html(source, budget),
            Normal::Both => {
                self.text(source, budget);
                self.html(source, budget);
            }
        }
    }

    fn text(&mut self, source: &dyn Source, budget: &mut Budget) {
        match NormalisedText::new(source, budget) {
            Ok(text) => self.view(
                &text,
                names::TEXT,
                (&[Group::Text], Hashing::Nothing),
                budget,
            ),
            Err(stop) => stopped(self.scan, stop),
        }
    }

    fn html(&mut self, source: &dyn Source, budget: &mut Budget) {
        let (views, stop) = normalise::html(source, budget);
        let hashed = Hashing::Everything;
        for (bytes, name, groups) in [
            (
                views.without_comments(),
                names::WITHOUT_COMMENTS,
                [Group::Html].as_slice(),
            ),
            (views.without_tags(), names::WITHOUT_TAGS, &[Group::Html]),
            (views.scripts(), names::SCRIPTS, &[Group::Html, Group::Text]),
        ] {
            if !bytes.is_empty() {
                self.view(&bytes, name, (groups, hashed), budget);
            }
        }
        if let Some((reason, text)) = stop {
            self.scan.note(reason, &text);
        }
        if views.links().next().is_some() {
            self.links(source, &views, budget);
        }
        views.discard(budget);
    }

    fn view(
        &mut self,
        view: &dyn Source,
        name: &[u8],
        (groups, hashing): (&[Group], Hashing),
        budget: &mut Budget,
    ) {
        if !self.scan.options.all_matches && !self.fired.is_empty() {
            return;
        }
        let containers = std::mem::take(&mut self.scan.formats);
        let object = Object {
            source: view,
            look_bytes: view.size_bytes(),
            facts: None,
            groups,
            hashing,
            // A view lies where the object does, not in it.
            containers: containers.split_last().map_or(&[], |(_, outer)| outer),
        };
        let options = Options {
            sha256: false,
            ..self.scan.options
        };
        let mut examined = self.scan.scanner.examine(&object, options, budget);
        self.scan.formats = containers;
        examined.hits.retain(|hit| self.fired.insert(hit.rule));
        self.scan.path.push(name.to_vec());
        self.scan.take(view, &examined);
        self.scan.path.pop();
    }

    fn links(&mut self, source: &dyn Source, views: &HtmlViews, budget: &mut Budget) {
        self.scan.unpacked(source, budget, |members, budget| {
            normalise::links(views, members, budget)
        });
    }
}

fn stopped(scan: &mut FileScan<'_, '_>, stop: TextStop) {
    match stop {
        TextStop::Limit(reason) => {
            scan.note(reason, "normalising takes longer than the limit allows");
        }
        TextStop::Read(error) => scan.read_error(&error),
    }
}
