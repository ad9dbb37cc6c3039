//! Body signatures: fragments, and the anchors that stand for them in the search.

use super::{Added, CompileError, Compiler, Place};
use crate::body::{self, PART_BYTES_MAX};
use crate::hash::{Levels, LineTrouble, decimal};
use crate::pack::{Group, NO_LOGICAL, RuleId};
use crate::{Anchor, Offset};

impl Compiler {
    /// `Name:Target:Offset:Hex[:MinFL[:MaxFL]]`.
    pub(super) fn add_body(&mut self, place: Place, line: &[u8]) -> Result<Added, CompileError> {
        let mut fields = line.splitn(5, |byte| *byte == b':');
        let (Some(name), Some(target), Some(offset), Some(hex)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Ok(Added::Not(LineTrouble::Dropped("fewer than four fields")));
        };
        let body = match parse_body(name, target, offset, (hex, fields.next())) {
            Ok(body) => body,
            Err(trouble) => return Ok(Added::Not(trouble)),
        };
        if self.ignores.covers(name, line) {
            return Ok(Added::Ignored);
        }
        let text = self.texts.push_long(line)?;
        let rule = self.add_rule(place, name, (text, 0))?;
        let first_part = self.add_fragment((rule, None), &body)?;
        self.add_anchor(body.group, (&body, first_part));
        Ok(Added::Rule)
    }

    /// Adds a fragment, of a logical rule or one that fires by itself; gives its first part's
    /// number.
    pub(super) fn add_fragment(
        &mut self,
        (rule, logical): (RuleId, Option<u32>),
        fragment: &Fragment,
    ) -> Result<u32, CompileError> {
        let index = self.body_count;
        self.body_count = index.checked_add(1).ok_or(CompileError::TooLarge)?;
        let first_part = self.part_count;
        let parts = u32::try_from(fragment.parts.len()).map_err(|_| CompileError::TooLarge)?;
        let offset = &fragment.offset;
        let record = &mut self.bodies;
        record.extend(rule.0.to_le_bytes());
        record.extend([fragment.group as u8, offset.anchor as u8]);
        record.extend(offset.section.to_le_bytes());
        record.extend(offset.distance.to_le_bytes());
        record.extend(offset.shift.to_le_bytes());
        record.extend(first_part.to_le_bytes());
        record.extend(parts.to_le_bytes());
        record.extend(logical.unwrap_or(NO_LOGICAL).to_le_bytes());
        for (part, chosen) in &fragment.parts {
            self.part_count = self
                .part_count
                .checked_add(1)
                .ok_or(CompileError::TooLarge)?;
            self.part_bytes_max = self
                .part_bytes_max
                .max(part.bytes_max())
                .min(PART_BYTES_MAX);
            let program = body::encode(&part.elements, chosen);
            let start = self.programs.push_raw(&program)?;
            let length = u32::try_from(program.len()).map_err(|_| CompileError::TooLarge)?;
            for field in [index, part.gap.min, part.gap.max, start, length] {
                self.parts.extend(field.to_le_bytes());
            }
        }
        Ok(first_part)
    }

    /// Lets the search of a group look for a fragment: for the rarest of its parts.
    pub(super) fn add_anchor(&mut self, group: Group, (fragment, first_part): (&Fragment, u32)) {
        let parts = (first_part..).zip(&fragment.parts);
        let rarest = parts.min_by_key(|(_, (_, chosen))| chosen.cost());
        let Some((number, (_, chosen))) = rarest else {
            return;
        };
        match fragment.place() {
            Some((place, placed)) if chosen.cost() > PLACED_COST => {
                let anchor = (&placed.literal, first_part);
                self.placed.push(group, place, anchor);
            }
            _ => {
                let rows = self.search.entry(group).or_default();
                rows.push(chosen.literal, number);
            }
        }
    }
}

/// What a look at one place costs, in the measure of literals: one object of some 100 kB in three
/// passes it. A literal that is rarer than that is better searched for.
const PLACED_COST: u64 = 12_884;

/// One stretch of hexadecimal signature, and where it may begin.
pub(super) struct Fragment {
    pub(super) group: Group,
    pub(super) offset: Offset,
    pub(super) parts: Vec<(body::Part, body::Chosen)>,
}

impl Fragment {
    /// What searching for the rarest of its parts costs, or looking for it at its place.
    pub(super) fn cost(&self) -> u64 {
        let costs = self.parts.iter().map(|(_, chosen)| chosen.cost());
        let searched = costs.min().unwrap_or(u64::MAX);
        match self.place() {
            Some(_) => searched.min(PLACED_COST),
            None => searched,
        }
    }

    /// Where its first part's literal must be, if that is one place counted from the object's
    /// start.
    fn place(&self) -> Option<(u32, &body::Chosen)> {
        if self.offset.anchor != Anchor::Start || self.offset.shift > 0 {
            return None;
        }
        let (part, chosen) = self.parts.first()?;
        let start = u64::try_from(self.offset.distance).ok()?;
        let place = start.checked_add(part.bytes_before(chosen)?)?;
        Some((u32::try_from(place).ok()?, chosen))
    }
}

/// Chooses a literal for each part.
pub(super) fn with_literals(
    parts: Vec<body::Part>,
) -> Result<Vec<(body::Part, body::Chosen)>, LineTrouble> {
    let chosen = parts.into_iter().map(|part| {
        let chosen = body::choose(&part.elements).ok_or(LineTrouble::Dropped(
            "a part has no two static bytes in a row",
        ))?;
        Ok((part, chosen))
    });
    chosen.collect()
}

fn parse_body(
    name: &[u8],
    target: &[u8],
    offset: &[u8],
    (hex, levels): (&[u8], Option<&[u8]>),
) -> Result<Fragment, LineTrouble> {
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    let target = decimal(target)
        .and_then(|target| u8::try_from(target).ok())
        .ok_or(LineTrouble::Dropped("the target type is not a number"))?;
    Levels::parse(levels)?.check()?;
    let group =
        Group::of_target(target).ok_or(LineTrouble::Pending("a target type of no known format"))?;
    let offset = Offset::parse(offset, target)?;
    let parts = with_literals(body::parse(hex)?)?;
    Ok(Fragment {
        group,
        offset,
        parts,
    })
}
