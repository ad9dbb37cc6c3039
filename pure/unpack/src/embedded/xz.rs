//! xz inside other data: a stream header with its checksum, and the footer that leads back to it.

use std::sync::OnceLock;

use aho_corasick::packed::Searcher;
use proto::Budget;

use crate::Source;
use crate::decode::xz::integer;
use crate::embedded::window::{Window, searcher};
use crate::fields::{array, u32_le};
use crate::input::read_part;
use crate::members::Stop;

const HEADER_BYTES: u64 = 12;
const FOOTER_BYTES: u64 = 12;
/// An index of some hundred thousand blocks.
const INDEX_BYTES_MAX: u64 = 1 << 20;
/// Marks and sound footers that are tried for one stream. A gigabyte has some 16,000 marks by
/// chance.
const MARKS_MAX: usize = 1 << 17;
const FOOTERS_MAX: usize = 256;

/// Whether a stream header's checksum holds.
pub(crate) fn is_header(head: &[u8]) -> bool {
    let flags = head.get(6..8);
    flags.is_some_and(|flags| Some(crc32fast::hash(flags)) == u32_le(head, 8))
}

/// Where the stream at `offset` ends, if a footer behind it leads back.
pub(crate) fn end(source: &dyn Source, offset: u64, budget: &Budget) -> Result<Option<u64>, Stop> {
    static MARKS: OnceLock<Option<Searcher>> = OnceLock::new();
    let Some(marks) = MARKS.get_or_init(|| searcher(&[b"YZ"])).as_ref() else {
        return Ok(None);
    };
    let flags: Option<[u8; 2]> = array(&read_part(source, offset.saturating_add(6), 2)?, 0);
    let mut window = Window::new(source, source.size_bytes());
    let mut at = offset.saturating_add(HEADER_BYTES);
    let mut tried = 0usize;
    for _ in 0..MARKS_MAX {
        let Some(mark) = window.find(marks, at, budget)? else {
            break;
        };
        at = mark.saturating_add(1);
        let footer_offset = mark.saturating_sub(FOOTER_BYTES.saturating_sub(2));
        let footer = read_part(source, footer_offset, 12)?;
        let sound = footer
            .get(4..10)
            .is_some_and(|bytes| Some(crc32fast::hash(bytes)) == u32_le(&footer, 0));
        if !sound || array(&footer, 8) != flags {
            continue;
        }
        let index_bytes = u32_le(&footer, 4).map_or(0, u64::from);
        let index_bytes = index_bytes.saturating_add(1).saturating_mul(4);
        let index_offset = footer_offset.saturating_sub(index_bytes);
        let blocks = blocks_bytes(source, index_offset, index_bytes)?;
        let begin = blocks
            .and_then(|blocks| index_offset.checked_sub(blocks))
            .and_then(|begin| begin.checked_sub(HEADER_BYTES));
        if begin == Some(offset) {
            return Ok(Some(mark.saturating_add(2)));
        }
        tried = tried.saturating_add(1);
        if tried >= FOOTERS_MAX {
            break;
        }
    }
    Ok(None)
}

/// How long all the blocks are together that an index lists, padding included.
fn blocks_bytes(source: &dyn Source, offset: u64, size_bytes: u64) -> Result<Option<u64>, Stop> {
    if size_bytes > INDEX_BYTES_MAX {
        return Ok(None);
    }
    let count = usize::try_from(size_bytes).unwrap_or(0);
    let index = read_part(source, offset, count)?;
    Ok(sum(&index))
}

fn sum(index: &[u8]) -> Option<u64> {
    let (body, crc) = index.split_at_checked(index.len().checked_sub(4)?)?;
    if crc32fast::hash(body) != u32_le(crc, 0)? {
        return None;
    }
    let mut rest = body.strip_prefix(b"\0")?;
    let count = integer(&mut rest).ok()?;
    let mut sum = 0u64;
    for _ in 0..count {
        let unpadded = integer(&mut rest).ok()?;
        integer(&mut rest).ok()?;
        sum = sum.checked_add(unpadded.checked_next_multiple_of(4)?)?;
    }
    Some(sum)
}
