//! Builds the section of hash tables.

use super::hashes::{
    DIRECTORY_RECORD_BYTES, HASH_RULE, HEAD_BYTES, HashRole, Origin, SOURCE_BYTES, STORED,
};
use super::origins::{PackedOrigin, Widths};
use super::stems::{SplitName, StemRows};
use crate::CompileError;
use crate::hash::{Digest, DigestKind};

/// Every table while a pack is built.
#[derive(Debug, Default)]
pub(crate) struct HashRows {
    sets: Vec<Set>,
    stems: StemRows,
    sources: SourceRows,
    count: u32,
    number_max: u32,
}

/// Lines counted through all sources that have entries.
#[derive(Debug, Default)]
struct SourceRows {
    /// The number of each, and what its lines are counted from.
    sources: Vec<(u16, u32)>,
    /// Behind the last line so far.
    next: u32,
}

/// What a row tells besides where it comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashKey {
    pub(crate) role: HashRole,
    pub(crate) pua: bool,
    pub(crate) size_bytes: u32,
    pub(crate) digest: Digest,
}

/// The three tables of one role and side.
#[derive(Debug)]
struct Set {
    role: HashRole,
    pua: bool,
    md5: Vec<Row<16>>,
    sha1: Vec<Row<20>>,
    sha256: Vec<Row<32>>,
}

/// One entry. The order of the fields is the order of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row<const N: usize> {
    size_bytes: u32,
    digest: [u8; N],
    /// Counted through all sources.
    line: u32,
    stem: u32,
    number: u32,
}

impl SourceRows {
    /// The number of a line among those of all sources. Sources come one after the other, and
    /// their lines in order.
    fn line_of(&mut self, source: u16, line: u32) -> Result<u32, CompileError> {
        let from = match self.sources.last() {
            Some((last, from)) if *last == source => *from,
            _ => {
                self.sources.push((source, self.next));
                self.next
            }
        };
        let line = from.checked_add(line).ok_or(CompileError::TooLarge)?;
        self.next = line.checked_add(1).ok_or(CompileError::TooLarge)?;
        Ok(line)
    }

    fn into_bytes(self) -> Vec<u8> {
        let record = |(source, from): (u16, u32)| [u32::from(source), from].map(u32::to_le_bytes);
        let records = self.sources.into_iter().map(record);
        records.flatten().flatten().collect()
    }
}

impl HashRows {
    /// The stem and the number of a rule with this name and with this behind it in its line;
    /// `None` where its text has to be stored.
    pub(crate) fn stem(&mut self, name: &[u8], suffix: &[u8]) -> Option<(u32, u32)> {
        let split = SplitName::of(name);
        let stem = self.stems.add(split, suffix)?;
        Some((stem, split.number.unwrap_or(0)))
    }

    /// Adds a rule.
    pub(crate) fn push(&mut self, key: &HashKey, mut origin: Origin) -> Result<(), CompileError> {
        origin.line = self.sources.line_of(origin.source, origin.line)?;
        self.count = self.count.checked_add(1).ok_or(CompileError::TooLarge)?;
        if self.count >= HASH_RULE {
            return Err(CompileError::TooLarge);
        }
        self.number_max = self.number_max.max(origin.number);
        let set = set_of(&mut self.sets, key);
        match key.digest {
            Digest::Md5(digest) => set.md5.push(row(key, digest, origin)),
            Digest::Sha1(digest) => set.sha1.push(row(key, digest, origin)),
            Digest::Sha256(digest) => set.sha256.push(row(key, digest, origin)),
        }
        Ok(())
    }

    /// The section, in pieces.
    pub(crate) fn into_section(mut self) -> Vec<Vec<u8>> {
        let (stems, offsets) = self.stems.into_bytes();
        let packing = Packing {
            widths: Widths::for_greatest(PackedOrigin {
                stem: u32::try_from(stems.len()).unwrap_or(u32::MAX),
                number: self.number_max,
                line: self.sources.next,
            }),
            offsets,
        };
        self.sets.sort_by_key(|set| (set.role, set.pua));
        let mut tables = Vec::new();
        for set in self.sets {
            let head = |digest| (set.role, digest, set.pua);
            tables.push((head(DigestKind::Md5), arrays(set.md5, &packing)));
            tables.push((head(DigestKind::Sha1), arrays(set.sha1, &packing)));
            tables.push((head(DigestKind::Sha256), arrays(set.sha256, &packing)));
        }
        tables.retain(|(_, arrays)| arrays.entries > 0);
        write(tables, (stems, self.sources.into_bytes()), packing.widths)
    }
}

fn row<const N: usize>(key: &HashKey, digest: [u8; N], origin: Origin) -> Row<N> {
    Row {
        size_bytes: key.size_bytes,
        digest,
        line: origin.line,
        stem: origin.stem,
        number: origin.number,
    }
}

fn set_of<'s>(sets: &'s mut Vec<Set>, key: &HashKey) -> &'s mut Set {
    let index = sets
        .iter()
        .position(|set| set.role == key.role && set.pua == key.pua);
    let index = index.unwrap_or_else(|| {
        sets.push(Set {
            role: key.role,
            pua: key.pua,
            md5: Vec::new(),
            sha1: Vec::new(),
            sha256: Vec::new(),
        });
        sets.len().saturating_sub(1)
    });
    #[expect(
        clippy::indexing_slicing,
        reason = "the index was found or made just now"
    )]
    &mut sets[index]
}

/// How entries are written.
struct Packing {
    widths: Widths,
    /// Where each stem begins.
    offsets: Vec<u32>,
}

/// A table's arrays as they are written.
#[derive(Debug)]
struct Arrays {
    size_count: u32,
    entries: u32,
    /// Sizes, starts, digests, origins.
    bytes: [Vec<u8>; 4],
}

fn arrays<const N: usize>(mut rows: Vec<Row<N>>, packing: &Packing) -> Arrays {
    rows.sort_unstable();
    let mut sizes = Vec::new();
    let mut starts = Vec::new();
    let mut digests = Vec::with_capacity(rows.len().saturating_mul(N));
    let mut origins = Vec::with_capacity(rows.len().saturating_mul(packing.widths.record_bytes()));
    let mut last = None;
    let mut size_count = 0u32;
    for (index, row) in (0u32..).zip(&rows) {
        if last != Some(row.size_bytes) {
            last = Some(row.size_bytes);
            size_count = size_count.saturating_add(1);
            sizes.extend(row.size_bytes.to_le_bytes());
            starts.extend(index.to_le_bytes());
        }
        let stem = usize::try_from(row.stem).ok();
        let stem = stem.and_then(|stem| packing.offsets.get(stem));
        digests.extend_from_slice(&row.digest);
        let origin = PackedOrigin {
            stem: stem.copied().unwrap_or(STORED),
            number: row.number,
            line: row.line,
        };
        packing.widths.write(origin, &mut origins);
    }
    Arrays {
        size_count,
        entries: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        bytes: [sizes, starts, digests, origins],
    }
}

/// Writes the section from its tables, which come in the order of (role, side, digest).
fn write(
    tables: Vec<((HashRole, DigestKind, bool), Arrays)>,
    (mut stems, mut sources): (Vec<u8>, Vec<u8>),
    widths: Widths,
) -> Vec<Vec<u8>> {
    let source_count = sources.len().wrapping_div(SOURCE_BYTES);
    let stem_bytes = u32::try_from(stems.len()).unwrap_or(u32::MAX);
    let directory_bytes = tables.len().saturating_mul(DIRECTORY_RECORD_BYTES);
    let mut offset = HEAD_BYTES.saturating_add(directory_bytes);
    let mut head = Vec::with_capacity(offset);
    head.extend(
        u32::try_from(tables.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    head.extend(stem_bytes.to_le_bytes());
    head.extend((offset as u64).to_le_bytes());
    stems.resize(stems.len().next_multiple_of(16), 0);
    offset = offset.saturating_add(stems.len());
    head.extend(
        u32::try_from(source_count)
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    head.extend(widths.bytes());
    head.push(0);
    head.extend((offset as u64).to_le_bytes());
    sources.resize(sources.len().next_multiple_of(16), 0);
    offset = offset.saturating_add(sources.len());
    let mut pieces = vec![stems, sources];
    let mut first = 0u32;
    for ((role, digest, pua), arrays) in tables {
        head.extend([role as u8, digest as u8, u8::from(pua), 0]);
        head.extend(arrays.size_count.to_le_bytes());
        head.extend(arrays.entries.to_le_bytes());
        head.extend(first.to_le_bytes());
        first = first.saturating_add(arrays.entries);
        for mut array in arrays.bytes {
            head.extend((offset as u64).to_le_bytes());
            array.resize(array.len().next_multiple_of(16), 0);
            offset = offset.saturating_add(array.len());
            pieces.push(array);
        }
    }
    pieces.insert(0, head);
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::hashes::HashTable;
    use super::*;
    use crate::RuleId;
    use crate::hash::SIZE_ANY;

    fn section(rows: &[(u32, [u8; 16], u32)]) -> Vec<u8> {
        let mut built = HashRows::default();
        for (size_bytes, digest, line) in rows {
            let key = HashKey {
                role: HashRole::File,
                pua: false,
                size_bytes: *size_bytes,
                digest: Digest::Md5(*digest),
            };
            let name = format!("Name-{line}-0");
            let (stem, number) = built.stem(name.as_bytes(), b":73").unwrap();
            let origin = Origin {
                source: 0,
                line: *line,
                stem,
                number,
            };
            built.push(&key, origin).unwrap();
        }
        built.into_section().concat()
    }

    #[test]
    fn entries_are_found_by_size_and_digest_and_no_other() {
        let digest_of = |line: u32| {
            let mut digest = [0; 16];
            digest[..4].copy_from_slice(&line.wrapping_mul(2_654_435_761).to_le_bytes());
            digest
        };
        let mut rows: Vec<_> = (0..2000u32)
            .map(|line| (100 + line % 7, digest_of(line), line))
            .collect();
        rows.push((SIZE_ANY, [9; 16], 5000));
        let bytes = section(&rows);
        let table = HashTable::read_all(&bytes).unwrap().remove(0);
        assert!(table.has_any_size());
        let find = |size, digest: &[u8]| {
            let mut found = Vec::new();
            table.find(size, digest, &mut |rule| {
                let entry = table.entry(rule).unwrap();
                assert_eq!(entry.digest().unwrap().as_bytes(), digest);
                assert!(
                    entry.size() == Some(SIZE_ANY) || entry.size().map(u64::from) == Some(size)
                );
                assert_eq!(entry.origin.line, entry.origin.number);
                found.push(entry.origin.line);
            });
            found
        };
        for line in 0..2000u32 {
            let size = u64::from(100 + line % 7);
            assert_eq!(find(size, &digest_of(line)), [line]);
            assert!(find(size + 1, &digest_of(line)).is_empty());
        }
        assert_eq!(find(123_456_789_000, &[9; 16]), [5000]);
        let named: Vec<_> = table.named(b"Name-77-0").collect();
        assert_eq!(named.len(), 1);
        assert_eq!(table.entry(named[0]).unwrap().origin.line, 77);
        assert_eq!(table.named(b"Name-77-1").count(), 0);
    }

    #[test]
    fn a_damaged_section_is_refused_or_finds_nothing() {
        let bytes = section(&[(5, [1; 16], 0), (6, [2; 16], 1)]);
        for cut in 0..bytes.len() {
            let _ = HashTable::read_all(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let Some(tables) = HashTable::read_all(&damaged) else {
                continue;
            };
            for table in tables {
                table.find(5, &[1; 16], &mut |_| {});
                table.named(b"Name-1-0").for_each(drop);
                let entry = table.entry(RuleId(HASH_RULE | 1));
                entry.map(|entry| (entry.digest(), entry.size(), entry.stem()));
            }
        }
    }
}
