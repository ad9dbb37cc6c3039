//! Anchors that can be at one place only: they are looked for there, and not searched for.
//!
//! A record: group u8, how many bytes u8, zero u16, place u32, bytes u32 (the literal's first ones,
//! with the bit set that tells small letters from capitals), part u32; in the order of groups and
//! places.

use super::{Group, le_u32};
use crate::anchors::Literal;

const RECORD_BYTES: usize = 16;
const CASE: u32 = 0x2020_2020;

/// An anchor and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlacedAnchor {
    /// Where in the object its literal is.
    pub place: u32,
    /// Which bytes are looked at.
    mask: u32,
    bytes: u32,
    /// The part that it stands for.
    pub part: u32,
}

impl PlacedAnchor {
    /// Whether the bytes at its place may be its literal: more than four are not compared.
    #[must_use]
    pub fn may_be(&self, there: &[u8]) -> bool {
        let mut four = [0u8; 4];
        four.iter_mut()
            .zip(there)
            .for_each(|(to, from)| *to = *from);
        (u32::from_le_bytes(four) | CASE) & self.mask == self.bytes & self.mask
    }
}

/// The anchors for objects of a group, in the order of their places.
pub(super) fn read(section: &[u8], group: Group) -> impl Iterator<Item = PlacedAnchor> {
    let records = section.as_chunks::<RECORD_BYTES>().0;
    let start = records.partition_point(|record| record.first() < Some(&(group as u8)));
    let of_group = records.get(start..).unwrap_or_default();
    of_group
        .iter()
        .take_while(move |record| record.first() == Some(&(group as u8)))
        .filter_map(|record| {
            let length = u32::from(*record.get(1)?).min(4);
            Some(PlacedAnchor {
                place: le_u32(record, 4)?,
                mask: u32::MAX.checked_shr(32u32.saturating_sub(length.saturating_mul(8)))?,
                bytes: le_u32(record, 8)?,
                part: le_u32(record, 12)?,
            })
        })
}

/// The anchors while a pack is built.
#[derive(Debug, Default)]
pub(crate) struct PlacedRows {
    rows: Vec<(u8, u32, u32, [u8; 4], u8)>,
}

impl PlacedRows {
    pub(crate) fn push(&mut self, group: Group, place: u32, (literal, part): (&Literal, u32)) {
        let mut four = [0u8; 4];
        let text = literal.as_bytes();
        four.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
        let length = u8::try_from(text.len().min(4)).unwrap_or(4);
        self.rows.push((group as u8, place, part, four, length));
    }

    pub(crate) fn into_section(mut self) -> Vec<u8> {
        self.rows.sort_unstable();
        let record = |(group, place, part, four, length): (u8, u32, u32, [u8; 4], u8)| {
            let bytes = u32::from_le_bytes(four) | CASE;
            let mut record = vec![group, length, 0, 0];
            record.extend([place, bytes, part].into_iter().flat_map(u32::to_le_bytes));
            record
        };
        self.rows.into_iter().flat_map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_read_back_in_the_order_of_their_places() {
        let mut rows = PlacedRows::default();
        rows.push(Group::Any, 9, (&Literal::new(b"PK").unwrap(), 5));
        rows.push(Group::Any, 0, (&Literal::new(b"abcdefg").unwrap(), 6));
        rows.push(Group::Pe, 4, (&Literal::new(b"xyz").unwrap(), 7));
        let section = rows.into_section();
        let any: Vec<_> = read(&section, Group::Any).collect();
        let parts: Vec<_> = any
            .iter()
            .map(|anchor| (anchor.place, anchor.part))
            .collect();
        assert_eq!(parts, [(0, 6), (9, 5)]);
        assert!(any[0].may_be(b"ABCDxyz") && !any[0].may_be(b"abcx") && !any[0].may_be(b"abc"));
        assert!(any[1].may_be(b"PK") && any[1].may_be(b"pk\x03\x04") && !any[1].may_be(b"P"));
        assert_eq!(read(&section, Group::Pe).count(), 1);
        assert_eq!(read(&section, Group::Elf).count(), 0);
        assert_eq!(read(&section[..20], Group::Pe).count(), 0);
    }
}
