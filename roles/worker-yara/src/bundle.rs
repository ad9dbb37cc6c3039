//! What a set of YARA rules compiles to: gates, and groups of rules behind them. Its reader is
//! handed bytes that this program wrote; whatever they are, it looks at none outside them.
//!
//! ```text
//! head        magic u32, groups u32, rules u32, the gates' length u32
//! groups      for each: where its code starts u64, in the bundle, the code's length u32, how many
//!             rules it has u32
//! places      for each group's rules, in its own order, the place in the order of all u32
//! gates       see the crate `gates`
//! codes       YARA-X's own form
//! ```

const MAGIC: u32 = 0x3270_7961;
const HEAD_BYTES: usize = 16;
const GROUP_BYTES: usize = 16;

/// One group on its way into a bundle.
#[derive(Debug)]
pub(crate) struct GroupCode {
    pub(crate) code: Vec<u8>,
    /// For each of its rules the place in the order of all.
    pub(crate) places: Vec<u32>,
}

/// The bundle's bytes.
pub(crate) fn write(groups: &[GroupCode], rules: u32, gates: &[u8]) -> Vec<u8> {
    let places: usize = groups.iter().map(|group| group.places.len()).sum();
    let mut start = HEAD_BYTES + groups.len() * GROUP_BYTES + places * 4 + gates.len();
    let mut bytes = Vec::new();
    for word in [MAGIC, count(groups.len()), rules, count(gates.len())] {
        bytes.extend(word.to_le_bytes());
    }
    for group in groups {
        bytes.extend((start as u64).to_le_bytes());
        bytes.extend(count(group.code.len()).to_le_bytes());
        bytes.extend(count(group.places.len()).to_le_bytes());
        start += group.code.len();
    }
    for group in groups {
        bytes.extend(group.places.iter().flat_map(|place| place.to_le_bytes()));
    }
    bytes.extend(gates);
    for group in groups {
        bytes.extend(&group.code);
    }
    bytes
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// A bundle in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bundle<'b> {
    bytes: &'b [u8],
    groups: &'b [[u8; GROUP_BYTES]],
    places: &'b [[u8; 4]],
    /// The gates' table.
    pub(crate) gates: &'b [u8],
}

/// A group in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group<'b> {
    pub(crate) code: &'b [u8],
    places: &'b [[u8; 4]],
}

impl<'b> Bundle<'b> {
    pub(crate) fn open(bytes: &'b [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
        if word(head, 0)? != MAGIC {
            return None;
        }
        let length = |at| usize::try_from(word(head, at)?).ok();
        let (groups, gates) = (length(1)?, length(3)?);
        let (groups, rest) = rest.split_at_checked(groups.checked_mul(GROUP_BYTES)?)?;
        let groups = groups.as_chunks().0;
        let mut places = 0usize;
        for group in groups {
            places = places.checked_add(usize::try_from(word(group, 3)?).ok()?)?;
        }
        let (places, rest) = rest.split_at_checked(places.checked_mul(4)?)?;
        Some(Self {
            bytes,
            groups,
            places: places.as_chunks().0,
            gates: rest.get(..gates)?,
        })
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn group(&self, number: usize) -> Option<Group<'b>> {
        let own = self.groups.get(number)?;
        let before = self.groups.get(..number)?.iter();
        let first: u64 = before
            .map(|group| u64::from(word(group, 3).unwrap_or(0)))
            .sum();
        let first = usize::try_from(first).ok()?;
        let end = first.checked_add(usize::try_from(word(own, 3)?).ok()?)?;
        let start = u64::from(word(own, 0)?) | u64::from(word(own, 1)?) << 32;
        let code = self.bytes.get(usize::try_from(start).ok()?..)?;
        Some(Group {
            code: code.get(..usize::try_from(word(own, 2)?).ok()?)?,
            places: self.places.get(first..end)?,
        })
    }
}

impl Group<'_> {
    /// The place in the order of all rules of this group's rule with that number.
    pub(crate) fn place(&self, rule: usize) -> Option<u32> {
        self.places.get(rule).copied().map(u32::from_le_bytes)
    }
}

fn word(bytes: &[u8], index: usize) -> Option<u32> {
    bytes
        .as_chunks::<4>()
        .0
        .get(index)
        .copied()
        .map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_what_is_cut_is_not() {
        let groups = [
            GroupCode {
                code: b"first".to_vec(),
                places: vec![0, 2],
            },
            GroupCode {
                code: b"second one".to_vec(),
                places: vec![1],
            },
        ];
        let bytes = write(&groups, 3, b"gates");
        let bundle = Bundle::open(&bytes).unwrap();
        assert_eq!((bundle.groups(), bundle.gates), (2, &b"gates"[..]));
        for (number, group) in groups.iter().enumerate() {
            let found = bundle.group(number).unwrap();
            assert_eq!(found.code, group.code);
            let places = (0..group.places.len()).map(|rule| found.place(rule).unwrap());
            assert_eq!(places.collect::<Vec<_>>(), group.places);
            assert_eq!(found.place(group.places.len()), None);
        }
        assert!(bundle.group(2).is_none());
        for cut in 0..bytes.len() {
            if let Some(bundle) = Bundle::open(&bytes[..cut]) {
                let _ = bundle.group(1);
            }
        }
    }
}
