//! Text in lower case without control characters, its white space collapsed: what signatures for
//! target type 7 are written against. Bytes above 127 and zeros go too, which is what makes UTF-16
//! readable.

use std::cell::RefCell;

use proto::{Budget, Reason};

use crate::{ReadError, Source};

const CHUNK_BYTES: usize = 64 << 10;

/// What becomes of a byte.
const DROP: u8 = 0;
const TABLE: [u8; 256] = table();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, where neither can go unnoticed"
)]
const fn table() -> [u8; 256] {
    let mut table = [DROP; 256];
    let mut byte = 32usize;
    while byte < 128 {
        #[expect(clippy::cast_possible_truncation, reason = "below 128")]
        let letter = byte as u8;
        table[byte] = letter.to_ascii_lowercase();
        byte += 1;
    }
    let mut space = 9usize;
    while space < 14 {
        table[space] = b' ';
        space += 1;
    }
    table
}

#[derive(Clone, Copy, Debug, Default)]
struct Normaliser {
    after_space: bool,
}

impl Normaliser {
    /// Normalises a chunk. Every byte is written and kept or not without a branch, since text
    /// goes through here whole.
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) {
        let begin = out.len();
        out.resize(begin.saturating_add(chunk.len()), 0);
        let room = out.get_mut(begin..).unwrap_or_default();
        let mut kept = 0usize;
        let mut after_space = self.after_space;
        for byte in chunk {
            let byte = TABLE.get(usize::from(*byte)).copied().unwrap_or(DROP);
            if let Some(slot) = room.get_mut(kept) {
                *slot = byte;
            }
            let is_space = byte == b' ';
            let is_dropped = byte == DROP;
            kept = kept.wrapping_add(usize::from(!is_dropped & !(is_space & after_space)));
            after_space = is_space | (after_space & is_dropped);
        }
        self.after_space = after_space;
        out.truncate(begin.saturating_add(kept));
    }
}

/// The normalised form of a text, read from its first byte to its last.
pub struct NormalisedText<'a> {
    source: &'a dyn Source,
    size_bytes: u64,
    state: RefCell<Forward>,
}

/// How far the reading has come.
#[derive(Debug, Default)]
struct Forward {
    normaliser: Normaliser,
    /// What was read of the source.
    taken: u64,
    /// Where the first byte of `ready` lies in the normalised form.
    base: u64,
    ready: Vec<u8>,
    chunk: Vec<u8>,
}

impl<'a> NormalisedText<'a> {
    /// Finds out how long the normalised form is, and keeps it where it is short.
    pub fn new(source: &'a dyn Source, budget: &Budget) -> Result<Self, TextStop> {
        let mut forward = Forward::default();
        let mut size_bytes = 0u64;
        let keeps_all = source.size_bytes() <= KEPT_BYTES_MAX;
        while forward.step(source).map_err(TextStop::Read)? {
            budget.check_time().map_err(TextStop::Limit)?;
            if !keeps_all {
                size_bytes = size_bytes.saturating_add(forward.ready.len() as u64);
                forward.ready.clear();
            }
        }
        if keeps_all {
            size_bytes = forward.ready.len() as u64;
        } else {
            forward = Forward::default();
        }
        Ok(Self {
            source,
            size_bytes,
            state: RefCell::new(forward),
        })
    }
}

/// Texts up to this size are normalised once.
const KEPT_BYTES_MAX: u64 = 4 << 20;

/// Why a text could not be normalised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextStop {
    /// The budget ran out.
    Limit(Reason),
    /// It could not be read.
    Read(ReadError),
}

impl Forward {
    /// Normalises the next chunk; false at the end.
    fn step(&mut self, source: &dyn Source) -> Result<bool, ReadError> {
        self.chunk.resize(CHUNK_BYTES, 0);
        let count = source.read_at(self.taken, &mut self.chunk)?;
        let chunk = self.chunk.get(..count).unwrap_or_default();
        self.normaliser.push(chunk, &mut self.ready);
        self.taken = self.taken.saturating_add(count as u64);
        Ok(count > 0)
    }

    /// Begins again where something before `ready` is asked for.
    fn read(
        &mut self,
        source: &dyn Source,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, ReadError> {
        if offset < self.base {
            *self = Self::default();
        }
        let wanted = offset.saturating_add(buffer.len() as u64);
        loop {
            let have = self.base.saturating_add(self.ready.len() as u64);
            if have >= wanted || !self.step(source)? {
                break;
            }
            let stale = offset
                .saturating_sub(self.base)
                .min(self.ready.len() as u64);
            if stale >= CHUNK_BYTES as u64 {
                self.ready
                    .drain(..usize::try_from(stale).unwrap_or(usize::MAX));
                self.base = self.base.saturating_add(stale);
            }
        }
        self.ready.read_at(offset.saturating_sub(self.base), buffer)
    }
}

impl Source for NormalisedText<'_> {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.state.borrow_mut().read(self.source, offset, buffer)
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;

    fn normalised(text: &[u8]) -> Vec<u8> {
        let budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let text = NormalisedText::new(&text, &budget).unwrap();
        let mut bytes = vec![0; usize::try_from(text.size_bytes()).unwrap()];
        assert_eq!(text.read_at(0, &mut bytes), Ok(bytes.len()));
        bytes
    }

    #[test]
    fn case_white_space_and_control_characters_go() {
        assert_eq!(
            normalised(b"Foo \t\r\n  BAR\x0b\x0cbaz\x00\x01\x1b\x80\xff\x7f"),
            b"foo bar baz\x7f"
        );
        assert_eq!(normalised(b"\xff\xfeH\0i\0 \0 \0x\0"), b"hi x");
        assert_eq!(normalised(b""), b"");
    }

    #[test]
    fn a_long_text_reads_the_same_in_any_pieces() {
        let mut text = Vec::new();
        for number in 0..600_000u32 {
            text.extend(format!("Line  {number}\r\n").into_bytes());
        }
        assert!(text.len() as u64 > KEPT_BYTES_MAX);
        let budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let bytes = text.as_slice();
        let long = NormalisedText::new(&bytes, &budget).unwrap();
        let mut expected = Vec::new();
        Normaliser::default().push(&text, &mut expected);
        assert_eq!(long.size_bytes(), expected.len() as u64);
        for (at, count) in [
            (0usize, 100usize),
            (3_000_000, 200_000),
            (5, 70_000),
            (6_000_000, 10),
        ] {
            let mut piece = vec![0; count];
            assert_eq!(long.read_at(at as u64, &mut piece), Ok(count));
            assert_eq!(piece, expected[at..at + count]);
        }
    }
}
