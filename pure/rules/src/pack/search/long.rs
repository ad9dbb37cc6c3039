//! Literals of five bytes and more.
//!
//! 1. A bitmap of the first bits of grams' hashes, looked at for every fourth place: 2^bits bits.
//! 2. In a large table, 2^bits words u32, looked at for every fourth place: the first hash of a
//!    context chooses the word, the second two bits of it. Then the bitmap holds the grams of
//!    partial contexts only; without the words it holds those of all.
//! 3. For whole contexts, those whose eight bytes are all known: 2^bits + 1 cells of 32 bytes, and
//!    entries in the order of their cells, which are chosen by the first hash. A cell is the number
//!    of its first entry u32 and, for each of its first 14 entries, a tag u16 from the second hash,
//!    never zero. An entry is the context u64, the first of its part numbers u32 and their count
//!    u16, the gram's place in the literal i8, and which bytes are known u8. The cell is the
//!    second look: it is one line of a cache, where a bitmap and a bucket's start were two.
//! 4. For partial contexts u64 words, chosen by the first bits of the gram's hash: of the word, the
//!    bit that the byte before the gram and the two after it choose. An entry that does not know
//!    one of those has the bits for all its values. Then 2^bits + 1 starts u32 and entries as
//!    above, in buckets by the gram's hash.

use simd::{Contexts, GRAM_STEP, Grams, Level, ask_for, context_hash, gram_hash};

use super::{Block, Buckets, Buffers, Data, Found, low, top};
use crate::anchors::Literal;

pub(super) const ENTRY_BYTES: usize = 16;
pub(super) const CELL_BYTES: usize = 32;
/// Entries of a cell that it has tags for.
const TAGS: usize = 14;

/// Bytes looked at before what was found is looked at closer, so that lists stay in the nearest
/// cache.
const STEP_BYTES: usize = 8 << 10;

/// The tables of long literals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    grams: Grams<'a>,
    contexts: Option<Contexts<'a>>,
    whole: Whole<'a>,
    partial: Partial<'a>,
}

/// Contexts all of whose bytes are known.
#[derive(Clone, Copy, Debug)]
struct Whole<'a> {
    cells: &'a [[u8; CELL_BYTES]],
    bits: u32,
    entries: &'a [[u8; ENTRY_BYTES]],
}

/// Contexts with bytes that are not known.
#[derive(Clone, Copy, Debug)]
struct Partial<'a> {
    words: &'a [[u8; 8]],
    word_bits: u32,
    buckets: Buckets<'a, ENTRY_BYTES>,
    bucket_bits: u32,
}

/// The binary logarithms of the tables' sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) bitmap_bits: u32,
    /// Zero where there are no words.
    pub(super) word_bits: u32,
    pub(super) cell_bits: u32,
    pub(super) partial_word_bits: u32,
    pub(super) partial_bucket_bits: u32,
}

impl<'a> Long<'a> {
    pub(super) fn read(
        data: &mut Data<'a>,
        sizes: &Sizes,
        (whole, partial): (usize, usize),
    ) -> Option<Self> {
        let bitmap = 1usize.checked_shl(sizes.bitmap_bits.checked_sub(3)?)?;
        let grams = Grams::new(data.bytes(bitmap)?, sizes.bitmap_bits)?;
        let contexts = match sizes.word_bits {
            0 => None,
            bits => {
                let words = data.records(1usize.checked_shl(bits)?)?;
                Some(Contexts::new(words, bits)?)
            }
        };
        let cells = 1usize.checked_shl(sizes.cell_bits)?.checked_add(1)?;
        let whole = Whole {
            cells: data.records(cells)?,
            bits: sizes.cell_bits,
            entries: data.records(whole)?,
        };
        let partial = Partial {
            words: data.records(1usize.checked_shl(sizes.partial_word_bits)?)?,
            word_bits: sizes.partial_word_bits,
            buckets: data.buckets(sizes.partial_bucket_bits, partial)?,
            bucket_bits: sizes.partial_bucket_bits,
        };
        Some(Self {
            grams,
            contexts,
            whole,
            partial,
        })
    }

    pub(super) fn find(
        &self,
        block: &Block<'_>,
        buffers: &mut Buffers,
        found: &mut Vec<Found>,
    ) -> u64 {
        let bytes = block.bytes;
        // A gram may begin one byte before its literal, and lies within it else.
        let mut from = block.from.saturating_sub(1);
        let behind = block.to.saturating_add(Literal::BYTES_MAX);
        let to = behind.min(bytes.len());
        let mut work = 0u64;
        while from < to {
            let next = from.saturating_add(STEP_BYTES).min(to);
            work = work.saturating_add(self.find_step(block, (from, next), buffers, found));
            from = next;
        }
        work
    }

    fn find_step(
        &self,
        block: &Block<'_>,
        (from, to): (usize, usize),
        buffers: &mut Buffers,
        found: &mut Vec<Found>,
    ) -> u64 {
        let Buffers { places, left } = buffers;
        let mut seen = 0u64;
        let mut compared = 0u64;
        let has_grams = self.contexts.is_none();
        if let Some(contexts) = &self.contexts {
            places.clear();
            contexts_at(contexts, block.bytes, (from, to), places);
            seen = seen.saturating_add(places.len() as u64);
            self.whole.look(block.bytes, places, left);
            compared = compared.saturating_add(self.whole.find(block, left, found));
        }
        if has_grams || !self.partial.buckets.entries.is_empty() {
            places.clear();
            grams_at(&self.grams, block.bytes, (from, to), places);
            seen = seen.saturating_add(places.len() as u64);
        }
        if has_grams {
            self.whole.look(block.bytes, places, left);
            compared = compared.saturating_add(self.whole.find(block, left, found));
        }
        if !self.partial.buckets.entries.is_empty() {
            self.partial.look(block.bytes, places, left);
            compared = compared.saturating_add(self.partial.find(block, left, found));
        }
        compared.saturating_add(seen.wrapping_shr(2))
    }
}

/// Appends where contexts begin whose grams lie between two places.
fn contexts_at(
    contexts: &Contexts<'_>,
    bytes: &[u8],
    (from, to): (usize, usize),
    places: &mut Vec<u32>,
) {
    // A whole context is within the object, with the byte before its gram and the three after.
    let (skipped, start) = match from.checked_sub(1) {
        Some(start) => (0, start),
        None => (GRAM_STEP, GRAM_STEP.saturating_sub(1)),
    };
    let end = to.saturating_add(3).min(bytes.len());
    let base = from.saturating_add(skipped);
    shifted(base, places, |places| {
        let step = bytes.get(start..end).unwrap_or_default();
        contexts.search(step, Level::best(), places);
    });
}

/// Appends where grams begin between two places. The end of an object may hold a part of one; what
/// is behind it is entered as any byte.
fn grams_at(grams: &Grams<'_>, bytes: &[u8], (from, to): (usize, usize), places: &mut Vec<u32>) {
    let step = bytes.get(from..to).unwrap_or_default();
    shifted(from, places, |places| {
        grams.search(step, Level::best(), places);
        let (whole, rest) = step.as_chunks::<GRAM_STEP>();
        if rest.is_empty() {
            return;
        }
        let mut gram = [0; GRAM_STEP];
        gram.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        let place = whole.len().saturating_mul(GRAM_STEP);
        if grams.has(u32::from_le_bytes(gram))
            && let Ok(place) = u32::try_from(place)
        {
            places.push(place);
        }
    });
}

/// Moves the places that a search of a step finds to where they are in the block.
fn shifted(base: usize, places: &mut Vec<u32>, search: impl FnOnce(&mut Vec<u32>)) {
    let before = places.len();
    search(places);
    let base = u32::try_from(base).unwrap_or(u32::MAX);
    for place in places.iter_mut().skip(before) {
        *place = place.saturating_add(base);
    }
}

/// Leaves those places whose context passes. There is no branch to guess: what is kept is written
/// over unless it passes.
#[inline]
fn passing(bytes: &[u8], places: &[u32], left: &mut Vec<u32>, passes: impl Fn(u64) -> u32) {
    left.clear();
    left.resize(places.len(), 0);
    let mut count = 0usize;
    for at in places {
        let context = folded(context(bytes, *at as usize));
        if let Some(slot) = left.get_mut(count) {
            *slot = *at;
        }
        count = count.wrapping_add(passes(context) as usize);
    }
    left.truncate(count);
}

/// The places with the contexts there.
fn with_contexts<'p>(bytes: &'p [u8], places: &'p [u32]) -> impl Iterator<Item = (usize, u64)> {
    let places = places.iter().map(|at| *at as usize);
    places.map(|at| (at, folded(context(bytes, at))))
}

impl Whole<'_> {
    /// Leaves the places with a context that an entry may have. The tables are larger than the
    /// caches: everything is asked for before it is used.
    fn look(&self, bytes: &[u8], places: &[u32], left: &mut Vec<u32>) {
        for (_, context) in with_contexts(bytes, places) {
            ask_for(self.cells, self.number(context));
        }
        passing(bytes, places, left, |context| self.bit(context));
    }

    /// Appends the literals that have their contexts at these places.
    fn find(&self, block: &Block<'_>, places: &[u32], found: &mut Vec<Found>) -> u64 {
        for (_, context) in with_contexts(block.bytes, places) {
            let (first, second) = context_hash(context);
            let cell = self.cells.get(top(first, self.bits));
            let entry = cell.map_or(0, |cell| {
                let tags = tags(cell).position(|known| known == tag(second));
                first_entry(cell).saturating_add(tags.unwrap_or(0))
            });
            ask_for(self.entries, entry);
        }
        with_contexts(block.bytes, places).fold(0u64, |work, place| {
            work.saturating_add(self.compare(place, block, found))
        })
    }

    /// Compares the entries of a cell whose tag is this context's, and those without a tag.
    fn compare(&self, place: (usize, u64), block: &Block<'_>, found: &mut Vec<Found>) -> u64 {
        let (first, second) = context_hash(place.1);
        let number = top(first, self.bits);
        let next = self.cells.get(number.wrapping_add(1));
        let (Some(cell), Some(next)) = (self.cells.get(number), next) else {
            return 1;
        };
        let range = first_entry(cell)..first_entry(next);
        let entries = self.entries.get(range).unwrap_or_default();
        let tagged = entries.iter().zip(tags(cell));
        let same = tagged.filter(|(_, known)| *known == tag(second));
        for (entry, _) in same {
            found.extend(Entry::read(entry).fits(place, block));
        }
        let rest = entries.get(TAGS..).unwrap_or_default();
        for entry in rest {
            found.extend(Entry::read(entry).fits(place, block));
        }
        (rest.len() as u64).saturating_add(1)
    }

    #[inline]
    fn number(&self, context: u64) -> usize {
        top(context_hash(context).0, self.bits)
    }

    /// 1 where an entry may have this context, else 0.
    #[inline]
    fn bit(&self, context: u64) -> u32 {
        let (first, second) = context_hash(context);
        let Some(cell) = self.cells.get(top(first, self.bits)) else {
            return 0;
        };
        let same = tags(cell).map(|known| u32::from(known == tag(second)));
        same.fold(0, |any, same| any | same) | is_full(cell)
    }
}

impl Partial<'_> {
    /// Leaves the places with a context that an entry may have.
    fn look(&self, bytes: &[u8], places: &[u32], left: &mut Vec<u32>) {
        for (_, context) in with_contexts(bytes, places) {
            let word = top(gram_hash(gram(context)), self.word_bits);
            ask_for(self.words, word);
        }
        passing(bytes, places, left, |context| self.bit(context));
    }

    /// Appends the literals that have their contexts at these places.
    fn find(&self, block: &Block<'_>, places: &[u32], found: &mut Vec<Found>) -> u64 {
        let mut work = 0u64;
        for (at, context) in with_contexts(block.bytes, places) {
            let number = top(gram_hash(gram(context)), self.bucket_bits);
            let entries = self.buckets.bucket(number);
            for entry in entries {
                found.extend(Entry::read(entry).fits((at, context), block));
            }
            work = work.saturating_add(entries.len() as u64).saturating_add(1);
        }
        work
    }

    #[inline]
    fn bit(&self, context: u64) -> u32 {
        let word = top(gram_hash(gram(context)), self.word_bits);
        let word = self.words.get(word).copied().map_or(0, u64::from_le_bytes);
        low(word.wrapping_shr(second(context)) & 1)
    }
}

/// A cell: the number of its first entry, and the tags of all.
pub(super) fn cell(first: u32, tags: impl Iterator<Item = u16>) -> [u8; CELL_BYTES] {
    let mut cell = [0; CELL_BYTES];
    let tags = tags.take(TAGS).flat_map(u16::to_le_bytes);
    let bytes = first.to_le_bytes().into_iter().chain(tags);
    cell.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    cell
}

/// What a cell keeps of a context's second hash.
#[inline]
pub(super) fn tag(hash: u32) -> u16 {
    let [low, high, ..] = hash.to_le_bytes();
    u16::from_le_bytes([low, high]) | 1
}

#[inline]
fn tags(cell: &[u8; CELL_BYTES]) -> impl Iterator<Item = u16> {
    let (halves, _) = cell.as_chunks::<2>();
    halves.iter().skip(2).map(|tag| u16::from_le_bytes(*tag))
}

#[inline]
fn first_entry(cell: &[u8; CELL_BYTES]) -> usize {
    let [a, b, c, d, ..] = *cell;
    u32::from_le_bytes([a, b, c, d]) as usize
}

/// 1 where a cell may have more entries than tags, else 0.
#[inline]
fn is_full(cell: &[u8; CELL_BYTES]) -> u32 {
    let [.., low, high] = *cell;
    u32::from((low | high) != 0)
}

/// A context of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) context: u64,
    pub(super) first: u32,
    pub(super) count: u16,
    pub(super) offset: i8,
    pub(super) known: u8,
}

impl Entry {
    #[inline]
    fn read(bytes: &[u8; ENTRY_BYTES]) -> Self {
        let [
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
            f0,
            f1,
            f2,
            f3,
            n0,
            n1,
            offset,
            known,
        ] = *bytes;
        Self {
            context: u64::from_le_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
            first: u32::from_le_bytes([f0, f1, f2, f3]),
            count: u16::from_le_bytes([n0, n1]),
            offset: offset.cast_signed(),
            known,
        }
    }

    /// Where its literal begins, if this is its context and the literal begins in the block.
    #[inline]
    fn fits(&self, (at, context): (usize, u64), block: &Block<'_>) -> Option<Found> {
        if (self.context ^ context) & mask(self.known) != 0 {
            return None;
        }
        let start = at.wrapping_add_signed(isize::from(self.offset).wrapping_neg());
        let is_in_block = (block.from..block.to).contains(&start);
        is_in_block.then_some(Found {
            at: u32::try_from(start).ok()?,
            first: self.first,
            count: u32::from(self.count),
        })
    }

    pub(super) fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let high = u64::from(self.first)
            | u64::from(self.count).wrapping_shl(32)
            | u64::from(self.offset.cast_unsigned()).wrapping_shl(48)
            | u64::from(self.known).wrapping_shl(56);
        (u128::from(self.context) | u128::from(high).wrapping_shl(64)).to_le_bytes()
    }

    /// Its gram.
    pub(super) fn gram(&self) -> u32 {
        gram(self.context)
    }

    /// The bits of its word for the second look.
    pub(super) fn word(&self) -> u64 {
        let unknown = !self.known;
        let mut word = 1u64.wrapping_shl(second(self.context));
        // Each of the three bytes chooses two bits of the number; both take every value.
        for (byte, bit) in [(0u32, 0u32), (5, 2), (6, 4)] {
            if unknown.wrapping_shr(byte) & 1 != 0 {
                word = with_either(with_either(word, bit), bit.wrapping_add(1));
            }
        }
        word
    }
}

/// The bits of a word, and those whose numbers differ from theirs in one binary digit.
fn with_either(word: u64, digit: u32) -> u64 {
    const LOW: [u64; 6] = [
        0x5555_5555_5555_5555,
        0x3333_3333_3333_3333,
        0x0f0f_0f0f_0f0f_0f0f,
        0x00ff_00ff_00ff_00ff,
        0x0000_ffff_0000_ffff,
        0x0000_0000_ffff_ffff,
    ];
    let low = LOW.get(digit as usize).copied().unwrap_or(0);
    let apart = 1u32.wrapping_shl(digit);
    let lower = (word & low) | (word.wrapping_shr(apart) & low);
    lower | lower.wrapping_shl(apart)
}

/// The eight bytes around a gram, from the one before it; zero for those that are not there.
#[inline]
fn context(bytes: &[u8], at: usize) -> u64 {
    let whole = at
        .checked_sub(1)
        .and_then(|start| bytes.get(start..)?.first_chunk::<8>());
    match whole {
        Some(context) => u64::from_le_bytes(*context),
        None => edge_context(bytes, at),
    }
}

#[cold]
fn edge_context(bytes: &[u8], at: usize) -> u64 {
    let mut context = [0u8; 8];
    for (index, byte) in context.iter_mut().enumerate() {
        let place = at.wrapping_add(index).checked_sub(1);
        let there = place.and_then(|place| bytes.get(place));
        *byte = there.copied().unwrap_or(0);
    }
    u64::from_le_bytes(context)
}

#[inline]
fn folded(context: u64) -> u64 {
    context | 0x2020_2020_2020_2020
}

#[inline]
fn gram(context: u64) -> u32 {
    low(context.wrapping_shr(8))
}

/// The number of the bit for the bytes around a gram: of each of three, all bits but the fourth
/// and the fifth (which tells small letters from capitals), folded to two.
#[inline]
fn second(context: u64) -> u32 {
    let pairs = context ^ context.wrapping_shr(2) ^ context.wrapping_shr(6);
    let number = (pairs & 0x03) | (pairs.wrapping_shr(38) & 0x0c) | (pairs.wrapping_shr(44) & 0x30);
    low(number)
}

/// The bits of the bytes that are known.
#[inline]
fn mask(known: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const OWN: u64 = 0x8040_2010_0804_0201;
    let spread = u64::from(known).wrapping_mul(EACH) & OWN;
    // Any bit of a byte sets its highest, and that fills the byte.
    let highest = (spread.wrapping_add(0x7f7f_7f7f_7f7f_7f7f) | spread) & 0x8080_8080_8080_8080;
    highest.wrapping_shr(7).wrapping_mul(0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_has_the_bytes_that_are_known() {
        assert_eq!(mask(0), 0);
        assert_eq!(mask(0xff), u64::MAX);
        for bit in 0..8 {
            assert_eq!(mask(1 << bit), 0xff << (8 * bit));
        }
        assert_eq!(mask(0b0110_0001), 0x00ff_ff00_0000_00ff);
    }

    #[test]
    fn the_second_look_passes_every_value_of_what_is_not_known() {
        let base = u64::from_le_bytes(*b"xGRAMyzw");
        for known in 0..=255u8 {
            let entry = Entry {
                context: base & mask(known),
                first: 0,
                count: 1,
                offset: 0,
                known,
            };
            for value in 0..=255u64 {
                let other = value * 0x0101_0101_0101_0101;
                let seen = (base & mask(known)) | (other & !mask(known));
                assert!(
                    entry.word() >> second(seen) & 1 == 1,
                    "{known:08b}, {value}"
                );
                assert!(entry.word() >> second(folded(seen)) & 1 == 1);
            }
        }
        assert_eq!(
            Entry {
                context: base,
                first: 0,
                count: 1,
                offset: 0,
                known: 0xff
            }
            .word()
            .count_ones(),
            1
        );
    }

    #[test]
    fn an_entry_reads_back() {
        let entry = Entry {
            context: 0x0123_4567_89ab_cdef,
            first: 77,
            count: 5,
            offset: -1,
            known: 0xf1,
        };
        assert_eq!(Entry::read(&entry.to_bytes()), entry);
    }
}
