//! Logical rules in the pack.
//!
//! ```text
//! count u32, zero u32
//! for each rule, and once more behind the last: where its record begins u32
//! records: rule u32, group u8, zero u24, then what `crate::logical` writes
//! ```

use super::{Group, RuleId, le_u32, record};

const HEAD_BYTES: usize = 8;
const RECORD_HEAD_BYTES: usize = 8;
const UNANCHORED_BYTES: usize = 8;

/// A logical rule as it lies in the pack.
#[derive(Clone, Copy, Debug)]
pub struct LogicalEntry<'a> {
    /// Its rule.
    pub rule: RuleId,
    /// The objects that it is for.
    pub group: Group,
    /// What [`crate::logical`] wrote.
    pub bytes: &'a [u8],
}

/// The record with this number.
pub(super) fn read(section: &[u8], index: u32) -> Option<LogicalEntry<'_>> {
    let count = le_u32(section, 0)?;
    if index >= count {
        return None;
    }
    let table = section.get(HEAD_BYTES..)?;
    let start = usize::try_from(le_u32(record(table, index, 4)?, 0)?).ok()?;
    let next = record(table, index.checked_add(1)?, 4)?;
    let end = usize::try_from(le_u32(next, 0)?).ok()?;
    let table_bytes = usize::try_from(count.checked_add(1)?)
        .ok()?
        .checked_mul(4)?;
    let (head, bytes) = table
        .get(table_bytes..)?
        .get(start..end)?
        .split_at_checked(RECORD_HEAD_BYTES)?;
    Some(LogicalEntry {
        rule: RuleId(le_u32(head, 0)?),
        group: Group::of_target(*head.get(4)?)?,
        bytes,
    })
}

/// The rules without an anchor that are for objects of a group.
pub(super) fn unanchored(section: &[u8], group: Group) -> impl Iterator<Item = u32> {
    let entries = section.as_chunks::<UNANCHORED_BYTES>().0;
    let start = entries.partition_point(|entry| entry.first() < Some(&(group as u8)));
    let of_group = entries.get(start..).unwrap_or_default();
    of_group
        .iter()
        .take_while(move |entry| entry.first() == Some(&(group as u8)))
        .filter_map(|entry| le_u32(entry, 4))
}

/// Logical rules while a pack is built.
#[derive(Debug, Default)]
pub(crate) struct LogicalRows {
    starts: Vec<u32>,
    records: Vec<u8>,
    unanchored: Vec<(u8, u32)>,
}

impl LogicalRows {
    /// The number that the next rule gets.
    pub(crate) fn next_number(&self) -> Option<u32> {
        u32::try_from(self.starts.len()).ok()
    }

    /// Adds a rule; `None` where the section would pass four gigabytes.
    pub(crate) fn push(&mut self, rule: RuleId, group: Group, bytes: &[u8]) -> Option<()> {
        self.starts.push(u32::try_from(self.records.len()).ok()?);
        self.records.extend(rule.0.to_le_bytes());
        self.records.extend([group as u8, 0, 0, 0]);
        self.records.extend(bytes);
        u32::try_from(self.records.len()).ok().map(|_| ())
    }

    /// Says that nothing has to be found for a rule to be looked at.
    pub(crate) fn push_unanchored(&mut self, group: Group, logical: u32) {
        self.unanchored.push((group as u8, logical));
    }

    /// The two sections.
    pub(crate) fn into_sections(mut self) -> (Vec<u8>, Vec<u8>) {
        let count = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        let end = u32::try_from(self.records.len()).unwrap_or(u32::MAX);
        let mut section = count.to_le_bytes().to_vec();
        section.extend([0; 4]);
        let starts = self.starts.iter().chain([&end]);
        section.extend(starts.flat_map(|start| start.to_le_bytes()));
        section.append(&mut self.records);
        self.unanchored.sort_unstable();
        let entry = |(group, logical): &(u8, u32)| {
            let [a, b, c, d] = logical.to_le_bytes();
            [*group, 0, 0, 0, a, b, c, d]
        };
        (section, self.unanchored.iter().flat_map(entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_and_damage_is_no_record() {
        let mut rows = LogicalRows::default();
        rows.push(RuleId(7), Group::Pe, b"first").unwrap();
        rows.push(RuleId(9), Group::Any, b"").unwrap();
        rows.push_unanchored(Group::Pe, 0);
        rows.push_unanchored(Group::Any, 1);
        let (section, free) = rows.into_sections();
        let first = read(&section, 0).unwrap();
        assert_eq!(
            (first.rule, first.group, first.bytes),
            (RuleId(7), Group::Pe, b"first".as_slice())
        );
        assert_eq!(read(&section, 1).unwrap().bytes, b"");
        assert!(read(&section, 2).is_none());
        assert_eq!(unanchored(&free, Group::Pe).collect::<Vec<_>>(), [0]);
        assert_eq!(unanchored(&free, Group::Elf).count(), 0);
        for cut in 0..section.len() {
            assert!(read(&section[..cut], 1).is_none());
        }
    }
}
