//! Where a signature may begin in one object.

use rules::{Anchor, Offset};
use unpack::Facts;

/// The first and the last position at which it may begin; `None` where it can't at all.
pub(crate) fn resolve(offset: &Offset, facts: Option<&Facts>, total: u64) -> Option<(u64, u64)> {
    let base = match offset.anchor {
        Anchor::Any => return Some((0, u64::MAX)),
        Anchor::Start => 0,
        Anchor::End => {
            let back = u64::try_from(offset.distance).ok()?;
            return Some(shifted(total.checked_sub(back)?, offset.shift));
        }
        Anchor::EntryPoint => facts?.entry_point?,
        Anchor::Section => section(facts?, offset.section)?.raw_offset,
        Anchor::WithinSection => {
            let section = section(facts?, offset.section)?;
            let end = section.raw_offset.checked_add(section.raw_size_bytes)?;
            return Some((section.raw_offset, end));
        }
        Anchor::LastSection => facts?.sections.last()?.raw_offset,
    };
    Some(shifted(
        base.checked_add_signed(offset.distance)?,
        offset.shift,
    ))
}

fn section(facts: &Facts, number: u16) -> Option<&unpack::Section> {
    facts.sections.get(usize::from(number))
}

fn shifted(first: u64, shift: u32) -> (u64, u64) {
    (first, first.saturating_add(u64::from(shift)))
}

#[cfg(test)]
mod tests {
    use unpack::{Section, Structure};

    use super::*;

    #[test]
    fn each_anchor_gives_its_range() {
        let section = |raw_offset| Section {
            raw_offset,
            raw_size_bytes: 100,
            ..Section::default()
        };
        let facts = Facts {
            structure: Structure::Pe,
            entry_point: Some(64),
            sections: vec![section(512), section(1024)],
            import_text: None,
            overlay_offset: None,
        };
        let at = |anchor, section, distance, shift| {
            let offset = Offset {
                anchor,
                section,
                distance,
                shift,
            };
            resolve(&offset, Some(&facts), 2000)
        };
        assert_eq!(at(Anchor::Any, 0, 0, 0), Some((0, u64::MAX)));
        assert_eq!(at(Anchor::Start, 0, 7, 3), Some((7, 10)));
        assert_eq!(at(Anchor::End, 0, 40, 10), Some((1960, 1970)));
        assert_eq!(at(Anchor::End, 0, 2001, 10), None);
        assert_eq!(at(Anchor::EntryPoint, 0, -4, 4), Some((60, 64)));
        assert_eq!(at(Anchor::EntryPoint, 0, -65, 4), None);
        assert_eq!(at(Anchor::Section, 1, 6, 0), Some((1030, 1030)));
        assert_eq!(at(Anchor::Section, 2, 6, 0), None);
        assert_eq!(at(Anchor::WithinSection, 0, 0, 0), Some((512, 612)));
        assert_eq!(at(Anchor::LastSection, 0, 1, 0), Some((1025, 1025)));
        let offset = Offset {
            anchor: Anchor::EntryPoint,
            section: 0,
            distance: 0,
            shift: 0,
        };
        assert_eq!(resolve(&offset, None, 2000), None);
    }
}
