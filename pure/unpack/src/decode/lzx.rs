//! LZX as cabinets have it: frames of 32 KiB, each from the bytes of its own data block, matches
//! into a window that all frames share. It refuses windows that cabinets do not have.

use proto::Budget;

use crate::decode::xz::{DAMAGED, ENDS_EARLY};
use crate::fields::u32_le;
use crate::members::Stop;

pub(crate) const FRAME_BYTES: usize = 32 << 10;
const WINDOW_BITS_MIN: u32 = 15;
const WINDOW_BITS_MAX: u32 = 21;
const LITERALS: usize = 256;
const LENGTHS: usize = 249;
const ALIGNED: usize = 8;
const PRETREE: usize = 20;
const MATCH_BYTES_MIN: usize = 2;
/// Frames past this are not translated.
const TRANSLATED_FRAMES_MAX: u64 = 32_768;
/// Tables and the frame at hand.
const STATE_BYTES: u64 = 96 << 10;

/// Why a frame could not be decoded.
type Outcome<T> = Result<T, Stop>;

/// A decoder between two frames.
pub(crate) struct Lzx {
    window: Vec<u8>,
    /// Bytes decoded so far, before translation.
    position: u64,
    repeated: [usize; 3],
    block: Block,
    left: usize,
    main: Vec<u8>,
    lengths: Vec<u8>,
    trees: Trees,
    /// The size of the program that calls are translated for; `None` before the first frame.
    translation: Option<i32>,
    frames: u64,
    frame: Vec<u8>,
    /// Where each slot of distances begins, and how many bits tell those in it apart.
    slots: Vec<(usize, u32)>,
    held: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Verbatim,
    Aligned,
    Stored { is_odd: bool },
}

#[derive(Default)]
struct Trees {
    main: Tree,
    length: Tree,
    aligned: Tree,
}

impl Lzx {
    /// A decoder for a window of so many bits; its memory is held until [`Lzx::discard`].
    pub(crate) fn new(window_bits: u32, budget: &mut Budget) -> Outcome<Self> {
        let slots = match window_bits {
            WINDOW_BITS_MIN..=19 => window_bits.saturating_mul(2),
            20 => 42,
            WINDOW_BITS_MAX => 50,
            _ => return Err(Stop::malformed("size of the lzx window is damaged")),
        };
        let window_bytes = 1usize.wrapping_shl(window_bits);
        let held = (window_bytes as u64).saturating_add(STATE_BYTES);
        budget.hold_memory(held)?;
        let slots = usize::try_from(slots).unwrap_or(0);
        Ok(Self {
            window: vec![0; window_bytes],
            position: 0,
            repeated: [1; 3],
            block: Block::Verbatim,
            left: 0,
            main: vec![0; LITERALS.saturating_add(slots.saturating_mul(8))],
            lengths: vec![0; LENGTHS],
            trees: Trees::default(),
            translation: None,
            frames: 0,
            frame: Vec::new(),
            slots: (0..slots).map(slot_base).collect(),
            held,
        })
    }

    /// Gives the memory back.
    pub(crate) fn discard(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }

    /// Decodes a frame from the bytes of its block.
    pub(crate) fn frame(&mut self, bytes: &[u8], size: usize) -> Outcome<&[u8]> {
        let mut bits = Bits::new(bytes);
        if self.translation.is_none() {
            let is_translated = bits.take(1)? == 1;
            let size = match is_translated {
                true => bits.take(16)?.wrapping_shl(16) | bits.take(16)?,
                false => 0,
            };
            self.translation = Some(size.cast_signed());
        }
        let begin = self.position;
        let end = begin.saturating_add(size.min(FRAME_BYTES) as u64);
        while self.position < end {
            if self.left == 0 {
                self.block_header(&mut bits)?;
            }
            let wanted = usize::try_from(end.saturating_sub(self.position)).unwrap_or(0);
            let run = wanted.min(self.left);
            let before = self.position;
            match self.block {
                Block::Stored { is_odd } => {
                    let run = bits.raw(run)?;
                    run.iter().for_each(|byte| self.put(*byte));
                    // An odd number of bytes is followed by one that fills the word.
                    if is_odd && run.len() == self.left {
                        bits.skip_byte();
                    }
                }
                Block::Verbatim | Block::Aligned => self.symbols(&mut bits, run)?,
            }
            let done = usize::try_from(self.position.saturating_sub(before)).unwrap_or(0);
            // A match that goes on past its block is damage.
            let left = self.left.checked_sub(done);
            self.left = left.ok_or(Stop::malformed(DAMAGED))?;
        }
        self.finish_frame(begin);
        Ok(&self.frame)
    }

    /// Copies the frame out of the window and undoes what was done to the calls in it.
    fn finish_frame(&mut self, begin: u64) {
        let mask = self.window.len().saturating_sub(1);
        let count = usize::try_from(self.position.saturating_sub(begin)).unwrap_or(0);
        let start = usize::try_from(begin).unwrap_or(0) & mask;
        let first = self.window.get(start..).unwrap_or_default();
        let first = first.get(..count).unwrap_or(first);
        let rest = count.saturating_sub(first.len());
        self.frame.clear();
        self.frame.extend_from_slice(first);
        let second = self.window.get(..rest).unwrap_or_default();
        self.frame.extend_from_slice(second);
        let translation = self.translation.unwrap_or(0);
        if translation != 0 && self.frames < TRANSLATED_FRAMES_MAX {
            translate(&mut self.frame, begin, translation);
        }
        self.frames = self.frames.saturating_add(1);
    }

    fn put(&mut self, byte: u8) {
        let mask = self.window.len().saturating_sub(1);
        let at = usize::try_from(self.position).unwrap_or(0) & mask;
        if let Some(slot) = self.window.get_mut(at) {
            *slot = byte;
        }
        self.position = self.position.saturating_add(1);
    }

    fn block_header(&mut self, bits: &mut Bits<'_>) -> Outcome<()> {
        let kind = bits.take(3)?;
        let size = bits.take(16)?.wrapping_shl(8) | bits.take(8)?;
        self.left = usize::try_from(size).unwrap_or(0);
        if self.left == 0 {
            return Err(Stop::malformed(DAMAGED));
        }
        self.block = match kind {
            1 => Block::Verbatim,
            2 => {
                let mut lengths = [0u8; ALIGNED];
                for length in &mut lengths {
                    *length = u8::try_from(bits.take(3)?).unwrap_or(0);
                }
                self.trees.aligned = Tree::new(&lengths)?;
                Block::Aligned
            }
            3 => {
                bits.align()?;
                let words = bits.raw(12)?;
                for (place, repeated) in self.repeated.iter_mut().enumerate() {
                    let word = u32_le(words, place.saturating_mul(4)).unwrap_or(0);
                    *repeated = usize::try_from(word).unwrap_or(usize::MAX);
                }
                self.block = Block::Stored {
                    is_odd: size & 1 == 1,
                };
                return Ok(());
            }
            _ => return Err(Stop::malformed(DAMAGED)),
        };
        let (literals, matches) = self.main.split_at_mut(LITERALS);
        path_lengths(literals, bits)?;
        path_lengths(matches, bits)?;
        self.trees.main = Tree::new(&self.main)?;
        path_lengths(&mut self.lengths, bits)?;
        self.trees.length = Tree::new(&self.lengths)?;
        Ok(())
    }

    /// Literals and matches, `run` bytes or a little more.
    fn symbols(&mut self, bits: &mut Bits<'_>, run: usize) -> Outcome<()> {
        let end = self.position.saturating_add(run as u64);
        while self.position < end {
            let symbol = self.trees.main.symbol(bits)?;
            match u8::try_from(symbol) {
                Ok(byte) => self.put(byte),
                Err(_) => self.one_match(symbol.saturating_sub(LITERALS), bits)?,
            }
        }
        Ok(())
    }

    fn one_match(&mut self, symbol: usize, bits: &mut Bits<'_>) -> Outcome<()> {
        let mut length = symbol & 7;
        if length == 7 {
            length = length.saturating_add(self.trees.length.symbol(bits)?);
        }
        let length = length.saturating_add(MATCH_BYTES_MIN);
        let distance = self.distance(symbol >> 3, bits)?;
        let reach = self.position.min(self.window.len() as u64);
        if distance == 0 || distance as u64 > reach {
            return Err(Stop::malformed(DAMAGED));
        }
        let mask = self.window.len().saturating_sub(1);
        for _ in 0..length {
            let from = self.position.saturating_sub(distance as u64);
            let from = usize::try_from(from).unwrap_or(0) & mask;
            let byte = self.window.get(from).copied().unwrap_or(0);
            self.put(byte);
        }
        Ok(())
    }

    fn distance(&mut self, slot: usize, bits: &mut Bits<'_>) -> Outcome<usize> {
        let [first, second, third] = self.repeated;
        match slot {
            0 => return Ok(first),
            1 => {
                self.repeated = [second, first, third];
                return Ok(second);
            }
            2 => {
                self.repeated = [third, second, first];
                return Ok(third);
            }
            _ => {}
        }
        let slot = self.slots.get(slot).copied();
        let (base, extra) = slot.ok_or(Stop::malformed(DAMAGED))?;
        let low = if self.block == Block::Aligned && extra >= 3 {
            let high = bits.take(extra.saturating_sub(3))?.wrapping_shl(3);
            let aligned = self.trees.aligned.symbol(bits)?;
            high | u32::try_from(aligned).unwrap_or(0)
        } else {
            bits.take(extra)?
        };
        let low = usize::try_from(low).unwrap_or(0);
        let distance = base.saturating_add(low).saturating_sub(2);
        self.repeated = [distance, first, second];
        Ok(distance)
    }
}

/// The first distance of a slot, moved by two, and the bits that follow it.
fn slot_base(slot: usize) -> (usize, u32) {
    let extra = |slot: usize| (slot >> 1).saturating_sub(1).min(17);
    let mut base = 0usize;
    for before in 0..slot {
        base = base.saturating_add(1usize << extra(before));
    }
    (base, u32::try_from(extra(slot)).unwrap_or(0))
}

/// Undoes the translation of the calls in a frame that begins at `begin`.
fn translate(frame: &mut [u8], begin: u64, size: i32) {
    let last = frame.len().saturating_sub(10);
    let mut at = 0usize;
    while at < last {
        if frame.get(at) != Some(&0xe8) {
            at = at.saturating_add(1);
            continue;
        }
        let place = at.saturating_add(1)..at.saturating_add(5);
        let here = begin.saturating_add(at as u64);
        let here = i32::try_from(here).unwrap_or(i32::MAX);
        let operand = frame.get(place.clone()).and_then(|bytes| u32_le(bytes, 0));
        let absolute = operand.unwrap_or(0).cast_signed();
        if absolute >= here.wrapping_neg() && absolute < size {
            let relative = match absolute >= 0 {
                true => absolute.wrapping_sub(here),
                false => absolute.wrapping_add(size),
            };
            if let Some(bytes) = frame.get_mut(place) {
                bytes.copy_from_slice(&relative.to_le_bytes());
            }
        }
        at = at.saturating_add(5);
    }
}

/// Reads the lengths of codes, as differences from those before, themselves in a code.
fn path_lengths(lengths: &mut [u8], bits: &mut Bits<'_>) -> Outcome<()> {
    let mut own = [0u8; PRETREE];
    for length in &mut own {
        *length = u8::try_from(bits.take(4)?).unwrap_or(0);
    }
    let tree = Tree::new(&own)?;
    let mut at = 0usize;
    while at < lengths.len() {
        let symbol = tree.symbol(bits)?;
        let (count, difference) = match symbol {
            17 => (bits.take(4)?.saturating_add(4), None),
            18 => (bits.take(5)?.saturating_add(20), None),
            19 => {
                let count = bits.take(1)?.saturating_add(4);
                (count, Some(tree.symbol(bits)?))
            }
            _ => (1, Some(symbol)),
        };
        let before = lengths.get(at).copied().unwrap_or(0);
        let value = match difference {
            None => 0,
            Some(difference @ 0..=16) => {
                let difference = u8::try_from(difference).unwrap_or(0);
                before.wrapping_add(17).wrapping_sub(difference) % 17
            }
            Some(_) => return Err(Stop::malformed(DAMAGED)),
        };
        let end = at.saturating_add(usize::try_from(count).unwrap_or(0));
        let part = lengths.get_mut(at..end).ok_or(Stop::malformed(DAMAGED))?;
        part.fill(value);
        at = end;
    }
    Ok(())
}

const FAST_BITS: u32 = 9;
const CODE_BITS_MAX: usize = 16;

/// A canonical code: short codes by one look, long ones by their length.
struct Tree {
    /// Symbol and length; a length of zero is no short code.
    fast: Vec<(u16, u8)>,
    /// For each length: the first code past it, left-aligned in 16 bits, and what must be added
    /// to a code for its place among the symbols.
    limits: [(u32, i32); CODE_BITS_MAX + 1],
    symbols: Vec<u16>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            fast: Vec::new(),
            limits: [(0, 0); CODE_BITS_MAX + 1],
            symbols: Vec::new(),
        }
    }
}

impl Tree {
    /// From the lengths of the codes of all symbols.
    fn new(lengths: &[u8]) -> Outcome<Self> {
        let mut counts = [0u32; CODE_BITS_MAX + 1];
        for length in lengths.iter().filter(|length| **length > 0) {
            if let Some(count) = counts.get_mut(usize::from(*length)) {
                *count = count.saturating_add(1);
            }
        }
        let mut tree = Self::default();
        let mut code = 0u32;
        let mut place = 0u32;
        for (length, count) in (1u32..).zip(counts.iter().skip(1)) {
            code = code.wrapping_shl(1);
            let offset = place.cast_signed().wrapping_sub(code.cast_signed());
            code = code.saturating_add(*count);
            place = place.saturating_add(*count);
            let aligned = code.wrapping_shl(16u32.saturating_sub(length));
            if aligned > 1 << 16 {
                return Err(Stop::malformed(DAMAGED));
            }
            if let Some(limit) = tree.limits.get_mut(usize::try_from(length).unwrap_or(0)) {
                *limit = (aligned, offset);
            }
        }
        tree.sort(lengths, counts);
        tree.fill_fast();
        Ok(tree)
    }

    /// Symbols in the order of their codes.
    fn sort(&mut self, lengths: &[u8], counts: [u32; CODE_BITS_MAX + 1]) {
        let mut next = [0usize; CODE_BITS_MAX + 1];
        let mut total = 0usize;
        for (slot, count) in next.iter_mut().zip(counts) {
            *slot = total;
            total = total.saturating_add(usize::try_from(count).unwrap_or(0));
        }
        self.symbols = vec![0; total];
        for (symbol, length) in (0u16..).zip(lengths).filter(|(_, length)| **length > 0) {
            if let Some(next) = next.get_mut(usize::from(*length)) {
                if let Some(slot) = self.symbols.get_mut(*next) {
                    *slot = symbol;
                }
                *next = next.saturating_add(1);
            }
        }
    }

    fn fill_fast(&mut self) {
        if self.symbols.is_empty() {
            return;
        }
        let mut fast = vec![(0, 0); 1usize.wrapping_shl(FAST_BITS)];
        for (prefix, slot) in (0u32..).zip(&mut fast) {
            let bits = prefix.wrapping_shl(16u32.saturating_sub(FAST_BITS));
            if let Some((symbol, length)) = self.find(bits)
                && length <= FAST_BITS
            {
                *slot = (symbol, u8::try_from(length).unwrap_or(0));
            }
        }
        self.fast = fast;
    }

    /// The symbol whose code begins 16 bits, and its length.
    fn find(&self, bits: u32) -> Option<(u16, u32)> {
        let mut lengths = (1u32..).zip(self.limits.iter().skip(1));
        let (length, (_, offset)) = lengths.find(|(_, (limit, _))| bits < *limit)?;
        let code = bits
            .wrapping_shr(16u32.saturating_sub(length))
            .cast_signed();
        let place = usize::try_from(code.wrapping_add(*offset)).ok()?;
        Some((*self.symbols.get(place)?, length))
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Outcome<usize> {
        let next = bits.peek16();
        let prefix = usize::try_from(next.wrapping_shr(16u32.saturating_sub(FAST_BITS)));
        let (symbol, length) = match self.fast.get(prefix.unwrap_or(usize::MAX)) {
            Some((symbol, length)) if *length > 0 => (*symbol, u32::from(*length)),
            _ => self.find(next).ok_or(Stop::malformed(DAMAGED))?,
        };
        bits.drop(length)?;
        Ok(usize::from(symbol))
    }
}

/// Bits of little-endian words of 16, the most significant first.
struct Bits<'a> {
    bytes: &'a [u8],
    /// Where the next word is.
    at: usize,
    buffer: u64,
    count: u32,
}

/// Zeros that a decoder may see behind the end, since it looks ahead.
const SLACK_BYTES: usize = 4;

impl<'a> Bits<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: 0,
            buffer: 0,
            count: 0,
        }
    }

    fn fill(&mut self) {
        while self.count <= 32 {
            let byte = |at: usize| self.bytes.get(at).copied().unwrap_or(0);
            let word = u16::from_le_bytes([byte(self.at), byte(self.at.saturating_add(1))]);
            self.buffer = self.buffer.wrapping_shl(16) | u64::from(word);
            self.at = self.at.saturating_add(2);
            self.count = self.count.saturating_add(16);
        }
    }

    fn peek16(&mut self) -> u32 {
        self.fill();
        let bits = self.buffer.wrapping_shr(self.count.saturating_sub(16));
        u32::try_from(bits & 0xffff).unwrap_or(0)
    }

    fn drop(&mut self, count: u32) -> Outcome<()> {
        self.fill();
        self.count = self.count.saturating_sub(count);
        match self.used_bytes() > self.bytes.len().saturating_add(SLACK_BYTES) {
            true => Err(Stop::malformed(ENDS_EARLY)),
            false => Ok(()),
        }
    }

    /// Up to 17 bits.
    fn take(&mut self, count: u32) -> Outcome<u32> {
        self.fill();
        let bits = self.buffer.wrapping_shr(self.count.saturating_sub(count));
        let mask = 1u64.wrapping_shl(count).wrapping_sub(1);
        self.drop(count)?;
        Ok(u32::try_from(bits & mask).unwrap_or(0))
    }

    /// Bytes of which a bit was used.
    fn used_bytes(&self) -> usize {
        let unused = usize::try_from(self.count / 8).unwrap_or(0);
        self.at.saturating_sub(unused)
    }

    /// Passes over 1 to 16 bits, to the next word.
    fn align(&mut self) -> Outcome<()> {
        let pad = self.count % 16;
        self.drop(if pad == 0 { 16 } else { pad })
    }

    /// Bytes as they are, from the word that is next.
    fn raw(&mut self, count: usize) -> Outcome<&'a [u8]> {
        let begin = self.used_bytes();
        let end = begin.saturating_add(count);
        let bytes = self.bytes.get(begin..end);
        self.restart(end);
        bytes.ok_or(Stop::malformed(ENDS_EARLY))
    }

    fn skip_byte(&mut self) {
        let next = self.used_bytes().saturating_add(1);
        self.restart(next);
    }

    fn restart(&mut self, at: usize) {
        self.at = at;
        self.buffer = 0;
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_of_distances_follow_each_other() {
        assert_eq!(slot_base(3), (3, 0));
        assert_eq!(slot_base(4), (4, 1));
        assert_eq!(slot_base(5), (6, 1));
        assert_eq!(slot_base(6), (8, 2));
        assert_eq!(slot_base(36), (0x4_0000, 17));
        assert_eq!(slot_base(37), (0x6_0000, 17));
        assert_eq!(slot_base(49), (0x1e_0000, 17));
    }

    #[test]
    fn codes_of_all_lengths_are_found() {
        let mut lengths = [0u8; 17];
        for (place, length) in lengths.iter_mut().enumerate() {
            *length = u8::try_from((place + 1).min(16)).expect("small");
        }
        let tree = Tree::new(&lengths).expect("a whole code");
        for (symbol, length) in lengths.iter().enumerate() {
            let mut code = if symbol == 0 {
                0u32
            } else {
                (0xffff_u32 << (16 - symbol)) & 0xffff
            };
            if symbol == 16 {
                code = 0xffff;
            }
            let found = tree.find(code).expect("a code");
            assert_eq!(
                found,
                (u16::try_from(symbol).expect("small"), u32::from(*length))
            );
        }
        assert!(Tree::new(&[1, 1, 1]).is_err());
    }
}
