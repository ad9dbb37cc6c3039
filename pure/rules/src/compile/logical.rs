//! Logical signatures: fragments, an expression over them, and the anchors that stand for both.

use super::bodies::{Fragment, with_literals};
use super::{Added, CompileError, Compiler, Place};
use crate::hash::LineTrouble;
use crate::logical::{self, Logical, Subsignature};
use crate::pack::Group;

impl Compiler {
    /// `Name;TargetDescriptionBlock;LogicalExpression;Subsignature0;…`.
    pub(super) fn add_logical(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let parsed = logical::parse_supported(line).and_then(|rule| {
            let fragments = Fragments::of(&rule)?;
            logical::encode(&rule, &|_| (0, 0))?;
            Ok((rule, fragments))
        });
        let (rule, fragments) = match parsed {
            Ok(parsed) => parsed,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(rule.name, line) {
            return Ok(Added::Ignored);
        }
        let text = self.texts.push_long(line)?;
        let id = self.add_rule(place, rule.name, (text, 0))?;
        let number = self.logicals.next_number().ok_or(CompileError::TooLarge)?;
        let mut placed = Vec::new();
        for of_sub in &fragments.of_subs {
            let first_body = self.body_count;
            let mut first_parts = Vec::new();
            for fragment in of_sub {
                first_parts.push(self.add_fragment((id, Some(number)), fragment)?);
            }
            placed.push((first_body, first_parts));
        }
        let numbers = |sub: u8| {
            placed
                .get(usize::from(sub))
                .map_or((0, 0), |(first, parts)| {
                    (*first, u32::try_from(parts.len()).unwrap_or(u32::MAX))
                })
        };
        let Ok(record) = logical::encode(&rule, &numbers) else {
            return Err(CompileError::TooLarge);
        };
        let pushed = self.logicals.push(id, fragments.group, &record);
        pushed.ok_or(CompileError::TooLarge)?;
        match rule.cover(&|sub| fragments.cost(sub)) {
            Some(cover) => {
                for sub in cover.into_iter().map(usize::from) {
                    let of_sub = fragments.of_subs.get(sub).into_iter().flatten();
                    let first_parts = placed.get(sub).into_iter().flat_map(|(_, parts)| parts);
                    for (fragment, first_part) in of_sub.zip(first_parts) {
                        self.add_anchor(fragments.group, (fragment, *first_part));
                    }
                }
            }
            None => self.logicals.push_unanchored(fragments.group, number),
        }
        Ok(Added::Rule)
    }
}

/// What there is to search for of a rule.
struct Fragments {
    group: Group,
    /// For each subsignature its fragments: one of them has to be there.
    of_subs: Vec<Vec<Fragment>>,
}

impl Fragments {
    fn of(rule: &Logical<'_>) -> Result<Self, LineTrouble> {
        let group = Group::of_target(rule.description.target)
            .ok_or(LineTrouble::Pending("a target type of no known format"))?;
        let of_subs = rule.subsignatures.iter().map(|sub| match sub {
            Subsignature::Hex(offset, styles) => styles
                .iter()
                .map(|parts| {
                    Ok(Fragment {
                        group,
                        offset: *offset,
                        parts: with_literals(parts.clone())?,
                    })
                })
                .collect(),
            _ => Ok(Vec::new()),
        });
        Ok(Self {
            group,
            of_subs: of_subs.collect::<Result<_, LineTrouble>>()?,
        })
    }

    /// What searching for a subsignature costs: all of its fragments.
    fn cost(&self, sub: u8) -> Option<u64> {
        let fragments = self.of_subs.get(usize::from(sub))?;
        let total = |total: u64, fragment: &Fragment| total.saturating_add(fragment.cost());
        (!fragments.is_empty()).then(|| fragments.iter().fold(0, total))
    }
}
