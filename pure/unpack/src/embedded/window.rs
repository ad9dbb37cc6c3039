//! Looks for byte strings in a part of a source, at memory speed and with little memory.

use aho_corasick::packed::{Config, MatchKind, Searcher};
use proto::Budget;

use crate::Source;
use crate::members::Stop;

const BUFFER_BYTES: usize = 64 << 10;
/// No pattern is longer.
const PATTERN_BYTES_MAX: usize = 8;

/// A searcher for these patterns; `None` only for patterns that it doesn't take, which tests rule
/// out.
pub(crate) fn searcher(patterns: &[&[u8]]) -> Option<Searcher> {
    Config::new()
        .match_kind(MatchKind::LeftmostFirst)
        .builder()
        .extend(patterns)
        .build()
}

/// The bytes of a source up to an end, of which some are at hand.
pub(crate) struct Window<'a> {
    source: &'a dyn Source,
    end: u64,
    whole: Option<&'a [u8]>,
    buffer: Vec<u8>,
    /// Where the buffer begins.
    begin: u64,
}

impl<'a> Window<'a> {
    pub(crate) fn new(source: &'a dyn Source, end: u64) -> Self {
        let end = end.min(source.size_bytes());
        let count = usize::try_from(end).unwrap_or(usize::MAX);
        Self {
            source,
            end,
            whole: source.whole().and_then(|whole| whole.get(..count)),
            buffer: Vec::new(),
            begin: 0,
        }
    }

    /// Where a pattern next occurs at or after `from`.
    pub(crate) fn find(
        &mut self,
        searcher: &Searcher,
        from: u64,
        budget: &Budget,
    ) -> Result<Option<u64>, Stop> {
        budget.check_time()?;
        if let Some(whole) = self.whole {
            return Ok(find_in(searcher, whole, from, 0));
        }
        let mut at = from;
        while at < self.end {
            budget.check_time()?;
            self.fill(at)?;
            if let Some(found) = find_in(searcher, &self.buffer, at, self.begin) {
                return Ok(Some(found));
            }
            let after = self.begin.saturating_add(self.buffer.len() as u64);
            if after >= self.end || self.buffer.is_empty() {
                break;
            }
            // A pattern may lie across the border of two pieces.
            let kept = (PATTERN_BYTES_MAX as u64).saturating_sub(1);
            at = after.saturating_sub(kept).max(at.saturating_add(1));
        }
        Ok(None)
    }

    /// Has the bytes from `at` on in the buffer, as many as fit.
    fn fill(&mut self, at: u64) -> Result<(), Stop> {
        let after = self.begin.saturating_add(self.buffer.len() as u64);
        let enough = at.saturating_add(PATTERN_BYTES_MAX as u64).min(self.end);
        if self.begin <= at && enough <= after {
            return Ok(());
        }
        let left = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        self.buffer.resize(left.min(BUFFER_BYTES), 0);
        let read = self.source.read_at(at, &mut self.buffer)?;
        self.buffer.truncate(read);
        self.begin = at;
        Ok(())
    }
}

fn find_in(searcher: &Searcher, bytes: &[u8], from: u64, begin: u64) -> Option<u64> {
    let start = usize::try_from(from.saturating_sub(begin)).ok()?;
    let rest = bytes.get(start..)?;
    let found = searcher.find(rest)?;
    from.max(begin).checked_add(found.start() as u64)
}
