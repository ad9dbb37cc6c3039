//! Builds search tables: for a pack, and for a handful of literals when they are needed.

use std::collections::BTreeMap;

use simd::{ShapeMasks, context_bits, context_hash, fold, gram_hash};

use super::long::{self, Sizes, tag};
use super::short::{self, PAIR_BYTES, pair, pair_bucket};
use super::{DIRECTORY_RECORD_BYTES, DIRECTORY_START, Group, top};
use crate::anchors::{Literal, Place, places, statistics};

/// From how many of something on a table is of another kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    /// With so few literals a look at every place costs less than one by hashes.
    pub(super) few: usize,
    /// With more whole contexts, eight bytes are looked up at every fourth place, not four.
    pub(super) large: usize,
}

/// What was measured to do best: see `docs/engine.md`.
const THRESHOLDS: Thresholds = Thresholds {
    few: 48,
    large: 1 << 18,
};

/// The literals of one group while its tables are built.
#[derive(Debug, Default)]
pub(crate) struct SearchRows {
    rows: Vec<(Literal, u32)>,
}

impl SearchRows {
    pub(crate) fn push(&mut self, literal: Literal, part: u32) {
        self.rows.push((literal, part));
    }
}

/// A section with one small table, for a handful of literals that are known when they are needed.
#[must_use]
pub fn small_search(rows: &[(Literal, u32)]) -> Vec<u8> {
    let rows = SearchRows {
        rows: rows.to_vec(),
    };
    write_section(&BTreeMap::from([(Group::Any, rows)]))
}

/// Writes the section. A group with literals of its own gets a table, with those for any object
/// in it too.
pub(crate) fn write_section(groups: &BTreeMap<Group, SearchRows>) -> Vec<u8> {
    write_with(groups, THRESHOLDS)
}

pub(super) fn write_with(groups: &BTreeMap<Group, SearchRows>, thresholds: Thresholds) -> Vec<u8> {
    const ALIGNMENT: usize = 64;
    let used: Vec<_> = groups
        .iter()
        .filter(|(_, rows)| !rows.rows.is_empty())
        .collect();
    let any = groups.get(&Group::Any).map(|any| any.rows.as_slice());
    let count = u32::try_from(used.len()).unwrap_or(u32::MAX);
    let mut section = count.to_le_bytes().to_vec();
    let directory_bytes = used.len().saturating_mul(DIRECTORY_RECORD_BYTES);
    section.resize(DIRECTORY_START.saturating_add(directory_bytes), 0);
    let mut heads = Vec::with_capacity(directory_bytes);
    for (group, rows) in used {
        section.resize(section.len().next_multiple_of(ALIGNMENT), 0);
        let mut rows = rows.rows.clone();
        if *group != Group::Any {
            rows.extend_from_slice(any.unwrap_or_default());
        }
        let head = Table::of(rows, thresholds).write(*group, &mut section);
        heads.extend(head);
    }
    if let Some(directory) = section.get_mut(DIRECTORY_START..) {
        directory
            .iter_mut()
            .zip(heads)
            .for_each(|(to, from)| *to = from);
    }
    section
}

/// Everything that a table is written from.
#[derive(Default)]
struct Table {
    whole: Vec<long::Entry>,
    partial: Vec<long::Entry>,
    short: Vec<short::Entry>,
    parts: Vec<u32>,
    large: usize,
}

impl Table {
    fn of(mut rows: Vec<(Literal, u32)>, thresholds: Thresholds) -> Self {
        rows.sort_unstable();
        rows.dedup();
        let mut table = Self {
            large: thresholds.large,
            ..Self::default()
        };
        let literals = || rows.chunk_by(|(one, _), (other, _)| one == other);
        let few = literals().nth(thresholds.few).is_none();
        for same in literals() {
            // A count is 16 bits.
            for same in same.chunks(usize::from(u16::MAX)) {
                let Some((literal, _)) = same.first() else {
                    continue;
                };
                let parts = (
                    u32::try_from(table.parts.len()).unwrap_or(u32::MAX),
                    u16::try_from(same.len()).unwrap_or(u16::MAX),
                );
                table.parts.extend(same.iter().map(|(_, part)| *part));
                table.add(literal, parts, few);
            }
        }
        table
    }

    fn add(&mut self, literal: &Literal, (first, count): (u32, u16), few: bool) {
        let text = literal.as_bytes();
        match places(text) {
            Some(places) if !few => {
                for place in places {
                    self.add_place(&place, (first, count));
                }
            }
            _ => {
                let (offset, bytes) = rarest(text);
                let mut four = [0u8; 4];
                four.iter_mut()
                    .zip(bytes)
                    .for_each(|(to, from)| *to = *from | 0x20);
                self.short.push(short::Entry {
                    bytes: u32::from_le_bytes(four),
                    first,
                    count,
                    offset,
                    length: u8::try_from(bytes.len()).unwrap_or(4),
                });
            }
        }
    }

    fn add_place(&mut self, place: &Place, (first, count): (u32, u16)) {
        let entry = long::Entry {
            context: place.context,
            first,
            count,
            offset: place.offset,
            known: place.known,
        };
        if place.known == u8::MAX {
            self.whole.push(entry);
            return;
        }
        let first_gram_byte = 8u32;
        let outside = [(1u8, first_gram_byte), (4, 32)].into_iter();
        let outside =
            outside.filter(|(byte, _)| place.known.wrapping_shr(u32::from(*byte)) & 1 == 0);
        match outside.max() {
            None => self.partial.push(entry),
            // Each has a value of its own, so that only one of them fits.
            Some((byte, shift)) => {
                let values = (0..=u8::MAX).filter(|value| value & 0x20 != 0);
                self.partial.extend(values.map(|value| long::Entry {
                    context: entry.context | u64::from(value).wrapping_shl(shift),
                    known: entry.known | 1u8.wrapping_shl(u32::from(byte)),
                    ..entry
                }));
            }
        }
    }

    /// Appends the data; gives the record for the directory.
    fn write(mut self, group: Group, section: &mut Vec<u8>) -> [u8; DIRECTORY_RECORD_BYTES] {
        let offset = section.len() as u64;
        let sizes = self.sizes();
        let counts = [
            self.whole.len(),
            self.partial.len(),
            self.short.len(),
            self.parts.len(),
        ];
        if !self.whole.is_empty() || !self.partial.is_empty() {
            self.write_long(&sizes, section);
        }
        let short_bits = bits_for(self.short.len()).min(14);
        if !self.short.is_empty() {
            put_masks(section, &mut self.short);
            let by_pair = |entry: &short::Entry| pair_bucket(entry.bytes, short_bits);
            put_buckets(
                section,
                &mut self.short,
                (short_bits, by_pair),
                short::Entry::to_bytes,
            );
        }
        section.extend(self.parts.iter().flat_map(|part| part.to_le_bytes()));
        let bits = [
            sizes.bitmap_bits,
            sizes.word_bits,
            sizes.cell_bits,
            sizes.partial_word_bits,
            sizes.partial_bucket_bits,
            short_bits,
        ];
        let bits = bits.map(|bits| u8::try_from(bits).unwrap_or(u8::MAX));
        head(group, bits, counts, offset)
    }

    /// What was measured to do best: see `docs/engine.md`.
    fn sizes(&self) -> Sizes {
        let (whole, partial) = (bits_for(self.whole.len()), bits_for(self.partial.len()));
        let is_large = self.whole.len() > self.large;
        let in_bitmap = if is_large {
            partial
        } else {
            whole.max(partial)
        };
        Sizes {
            bitmap_bits: in_bitmap.saturating_add(4).clamp(10, 23),
            word_bits: if is_large {
                whole.saturating_sub(2).min(22)
            } else {
                0
            },
            cell_bits: whole.saturating_sub(3).clamp(1, 22),
            partial_word_bits: partial.saturating_add(1).clamp(1, 22),
            partial_bucket_bits: partial.min(22),
        }
    }

    fn write_long(&mut self, sizes: &Sizes, section: &mut Vec<u8>) {
        let mut grams = vec![0u8; 1usize.wrapping_shl(sizes.bitmap_bits).div_ceil(8)];
        let whole = if sizes.word_bits == 0 {
            self.whole.as_slice()
        } else {
            &[]
        };
        for entry in whole.iter().chain(&self.partial) {
            set_bit(&mut grams, top(gram_hash(entry.gram()), sizes.bitmap_bits));
        }
        section.append(&mut grams);
        if sizes.word_bits > 0 {
            let mut words = vec![0u32; 1usize.wrapping_shl(sizes.word_bits)];
            for entry in &self.whole {
                let (first, second) = context_hash(entry.context);
                if let Some(word) = words.get_mut(top(first, sizes.word_bits)) {
                    *word |= context_bits(second);
                }
            }
            section.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        put_cells(section, &mut self.whole, sizes.cell_bits);
        let mut words = vec![0u64; 1usize.wrapping_shl(sizes.partial_word_bits)];
        for entry in &self.partial {
            let word = top(gram_hash(entry.gram()), sizes.partial_word_bits);
            if let Some(word) = words.get_mut(word) {
                *word |= entry.word();
            }
        }
        section.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        let bits = sizes.partial_bucket_bits;
        let by_gram = |entry: &long::Entry| top(gram_hash(entry.gram()), bits);
        put_buckets(
            section,
            &mut self.partial,
            (bits, by_gram),
            long::Entry::to_bytes,
        );
    }
}

fn head(
    group: Group,
    bits: [u8; 6],
    counts: [usize; 4],
    offset: u64,
) -> [u8; DIRECTORY_RECORD_BYTES] {
    let counts = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
    let fields = [group as u8].into_iter().chain(bits).chain([0]);
    let fields = fields
        .chain(counts.into_iter().flatten())
        .chain(offset.to_le_bytes());
    let mut head = [0; DIRECTORY_RECORD_BYTES];
    head.iter_mut()
        .zip(fields)
        .for_each(|(to, from)| *to = from);
    head
}

/// The rarest four bytes of a literal and where they are, or all of a shorter one.
fn rarest(text: &[u8]) -> (u8, &[u8]) {
    let windows = (0u8..).zip(text.windows(4));
    let rarest = windows.min_by_key(|(offset, window)| (statistics::rate(window), *offset));
    rarest.unwrap_or((0, text))
}

/// So many bits tell that many things apart.
fn bits_for(count: usize) -> u32 {
    count.max(1).next_power_of_two().trailing_zeros()
}

fn set_bit(bits: &mut [u8], bit: usize) {
    if let Some(byte) = bits.get_mut(bit.wrapping_shr(3)) {
        *byte |= [1, 2, 4, 8, 16, 32, 64, 128]
            .get(bit & 7)
            .copied()
            .unwrap_or(0);
    }
}

/// Puts literals into eight buckets, those that are alike into the same.
fn put_masks(section: &mut Vec<u8>, entries: &mut [short::Entry]) {
    entries.sort_unstable_by_key(|entry| (entry.bytes.swap_bytes(), *entry));
    let mut masks = ShapeMasks::default();
    let mut pairs = [0u8; PAIR_BYTES];
    let in_each = entries.len().div_ceil(8).max(1);
    for (bucket, some) in (0u32..).zip(entries.chunks(in_each)) {
        let bit = 1u8.wrapping_shl(bucket);
        for entry in some {
            put_pair(&mut pairs, entry);
            let bytes = entry.bytes.to_le_bytes();
            for (index, (byte, [low, high])) in bytes.iter().zip(&mut masks).enumerate() {
                let is_open = index >= usize::from(entry.length);
                // Either case: the bit that tells them apart is the second of the high half.
                let highs = [byte.wrapping_shr(4), byte.wrapping_shr(4) & 0b1101];
                for (half, mask) in (0u8..).zip(low.iter_mut()) {
                    *mask |= if is_open || half == byte & 15 { bit } else { 0 };
                }
                for (half, mask) in (0u8..).zip(high.iter_mut()) {
                    *mask |= if is_open || highs.contains(&half) {
                        bit
                    } else {
                        0
                    };
                }
            }
        }
    }
    section.extend(masks.into_iter().flatten().flatten());
    section.extend(pairs);
}

fn put_pair(pairs: &mut [u8; PAIR_BYTES], entry: &short::Entry) {
    set_bit(pairs, pair(fold(entry.bytes)));
}

/// Writes cells, then the entries in their order.
fn put_cells(section: &mut Vec<u8>, entries: &mut [long::Entry], bits: u32) {
    let number = |entry: &long::Entry| top(context_hash(entry.context).0, bits);
    entries.sort_unstable_by_key(|entry| (number(entry), *entry));
    let mut left = &*entries;
    let mut first = 0usize;
    for cell in 0..=1usize.wrapping_shl(bits) {
        let count = left
            .iter()
            .take_while(|entry| number(entry) == cell)
            .count();
        let (own, rest) = left.split_at_checked(count).unwrap_or((left, &[]));
        let tags = own.iter().map(|entry| tag(context_hash(entry.context).1));
        section.extend(long::cell(u32::try_from(first).unwrap_or(u32::MAX), tags));
        first = first.saturating_add(count);
        left = rest;
    }
    section.extend(entries.iter().flat_map(|entry| entry.to_bytes()));
}

/// Writes where each bucket starts, then the entries in the order of their buckets.
fn put_buckets<T: Copy + Ord, const SIZE: usize>(
    section: &mut Vec<u8>,
    entries: &mut [T],
    (bits, bucket): (u32, impl Fn(&T) -> usize),
    to_bytes: impl Fn(T) -> [u8; SIZE],
) {
    entries.sort_unstable_by_key(|entry| (bucket(entry), *entry));
    let mut sorted = entries.iter().peekable();
    let mut index = 0u32;
    for number in 0..1usize.wrapping_shl(bits) {
        section.extend(index.to_le_bytes());
        while sorted.next_if(|entry| bucket(entry) == number).is_some() {
            index = index.saturating_add(1);
        }
    }
    section.extend(index.to_le_bytes());
    section.extend(entries.iter().flat_map(|entry| to_bytes(*entry)));
}
