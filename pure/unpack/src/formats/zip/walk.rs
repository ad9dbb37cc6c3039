//! Local headers that no central directory lists: in a damaged archive all of them, in others
//! what somebody hid. The parts of the file that no member covers are searched for their
//! signature.

use proto::Budget;

use crate::fields::{find, u16_le};
use crate::formats::zip::records::{
    CENTRAL, DESCRIPTOR, Entry, LOCAL, LOCAL_BYTES, descriptor, is_method,
};
use crate::formats::zip::{Archive, Decoded, Decoder};
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop};

const SEARCH_BYTES_MIN: usize = 1 << 10;
const SEARCH_BYTES_MAX: usize = 64 << 10;

impl Archive<'_> {
    /// Unpacks members that lie in parts of the file that nothing covers, up to `end`. Gives where
    /// the first member of all begins, or `None` when no more members are wanted.
    pub(super) fn unlisted(
        &mut self,
        end: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Option<u64>, Stop> {
        let mut covered = self.covered.clone();
        covered.sort_unstable();
        covered.push((end, end));
        let mut first = covered.first().map_or(end, |(begin, _)| *begin);
        let mut search = Input::new(self.source, 0, end);
        let mut found_any = !self.covered.is_empty();
        let mut at = 0;
        for (begin, after) in covered {
            let to = begin.min(end);
            while let Some(found) = find_local(&mut search, at, to, budget)? {
                self.tell_unlisted(found, budget, members)?;
                let (flow, next) = self.unlisted_member(found, to, budget, members)?;
                if flow == Flow::Stop {
                    return Ok(None);
                }
                if next.is_member {
                    first = first.min(found);
                    found_any = true;
                }
                at = next.offset;
            }
            at = at.max(after);
        }
        // Where nothing was found, the whole is no prefix of anything.
        Ok(Some(if found_any { first } else { 0 }))
    }

    fn tell_unlisted(
        &mut self,
        offset: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(), Stop> {
        if let Some((entry, _)) = Entry::local(self.source, offset)? {
            self.listed = self.listed.saturating_add(1);
            members.listed(&self.told(&entry), budget);
        }
        Ok(())
    }

    pub(super) fn unlisted_member(
        &mut self,
        offset: u64,
        to: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(Flow, Next), Stop> {
        let no_member = Next {
            offset: offset.saturating_add(LOCAL.len() as u64),
            is_member: false,
        };
        let Some((mut entry, data_offset)) = Entry::local(self.source, offset)? else {
            return Ok((Flow::Continue, no_member));
        };
        if data_offset > self.source.size_bytes() {
            let stop = Stop::malformed("local header ends early");
            self.troubles.note_member(&entry.name, offset, stop);
            return Ok((Flow::Continue, no_member));
        }
        let size_known = !entry.sizes_follow() || entry.packed_bytes > 0;
        if size_known {
            let flow = self.member(&entry, data_offset, budget, members)?;
            return Ok((flow, next(data_offset, entry.packed_bytes)));
        }
        match Decoder::of(&entry) {
            Some(decoder) if !entry.is_encrypted() => {
                let room = to.saturating_sub(data_offset);
                let input = Input::new(self.source, data_offset, room);
                let (flow, decoded) = self.packed(&entry, input, decoder, (budget, members))?;
                self.count_read(decoded.packed_bytes)?;
                let after = self.check_descriptor(&entry, data_offset, &decoded)?;
                let taken = decoded.packed_bytes.saturating_add(after);
                let next = next(data_offset, taken);
                self.cover(offset, next.offset, budget)?;
                Ok((flow, next))
            }
            _ => {
                let packed = self.stored_until(data_offset, to, budget)?;
                entry.packed_bytes = packed.bytes;
                entry.size_bytes = packed.bytes;
                entry.crc = packed.crc.unwrap_or(entry.crc);
                let flow = self.member(&entry, data_offset, budget, members)?;
                Ok((flow, next(data_offset, packed.bytes)))
            }
        }
    }

    /// Compares a decoded member with the descriptor after it; gives the descriptor's length.
    fn check_descriptor(
        &mut self,
        entry: &Entry,
        data_offset: u64,
        decoded: &Decoded,
    ) -> Result<u64, Stop> {
        let offset = data_offset.saturating_add(decoded.packed_bytes);
        if !decoded.is_whole {
            return Ok(0);
        }
        let bytes = read_part(self.source, offset, 24)?;
        let (stop, length) = match descriptor(&bytes, decoded.packed_bytes, decoded.size_bytes) {
            Some((crc, length)) if crc == decoded.crc => return Ok(length),
            Some((_, length)) => ("checksum does not match", length),
            None => ("size after the data does not match", 0),
        };
        let stop = Stop::malformed(stop);
        self.troubles.note_member(&entry.name, offset, stop);
        Ok(length)
    }

    /// The length of stored data whose size nobody says: up to a descriptor that fits, else up to
    /// the next header.
    fn stored_until(&self, from: u64, to: u64, budget: &Budget) -> Result<Stored, Stop> {
        let mut at = from;
        // Small at first: many members that are a few bytes apart must not cost a piece each.
        let mut piece_bytes = SEARCH_BYTES_MIN;
        while at < to {
            budget.check_time()?;
            let count = usize::try_from(to.saturating_sub(at)).unwrap_or(usize::MAX);
            let bytes = read_part(self.source, at, count.min(piece_bytes))?;
            piece_bytes = piece_bytes.saturating_mul(2).min(SEARCH_BYTES_MAX);
            let mut place = 0;
            while let Some(found) = find(&bytes, b"PK", place) {
                let rest = bytes.get(found..).unwrap_or_default();
                let offset = at.saturating_add(found as u64);
                let length = offset.saturating_sub(from);
                let fitting = rest
                    .starts_with(DESCRIPTOR)
                    .then(|| descriptor(rest, length, length))
                    .flatten();
                if fitting.is_some() || rest.starts_with(LOCAL) || rest.starts_with(CENTRAL) {
                    return Ok(Stored {
                        bytes: length,
                        crc: fitting.map(|(crc, _)| crc),
                    });
                }
                place = found.saturating_add(1);
            }
            // A descriptor may lie across the border of two pieces.
            let step = bytes.len().saturating_sub(24);
            match step {
                0 => break,
                step => at = at.saturating_add(step as u64),
            }
        }
        Ok(Stored {
            bytes: to.saturating_sub(from),
            crc: None,
        })
    }
}

/// Where the next plausible local header begins.
fn find_local(
    search: &mut Input<'_>,
    from: u64,
    to: u64,
    budget: &Budget,
) -> Result<Option<u64>, Stop> {
    search.seek(from);
    while search.offset().saturating_add(LOCAL_BYTES as u64) <= to {
        let bytes = search.at_least(LOCAL_BYTES)?;
        if bytes.len() < LOCAL_BYTES {
            break;
        }
        // A signature may lie across the border of two pieces.
        let step = find(bytes, LOCAL, 0);
        let step = step.unwrap_or(bytes.len().saturating_sub(LOCAL.len().saturating_sub(1)));
        search.consume(step);
        let bytes = search.at_least(LOCAL_BYTES)?;
        if is_plausible(bytes) {
            let found = search.offset();
            return Ok((found < to).then_some(found));
        }
        if bytes.starts_with(LOCAL) {
            search.consume(1);
        }
        budget.check_time()?;
    }
    Ok(None)
}

/// What tells a local header from a signature that stands there by chance.
fn is_plausible(header: &[u8]) -> bool {
    header.starts_with(LOCAL) && u16_le(header, 8).is_some_and(is_method)
}

/// Where the search goes on.
pub(super) struct Next {
    offset: u64,
    is_member: bool,
}

/// Stored data whose end was searched for.
struct Stored {
    bytes: u64,
    crc: Option<u32>,
}

fn next(data_offset: u64, packed_bytes: u64) -> Next {
    Next {
        offset: data_offset.saturating_add(packed_bytes),
        is_member: true,
    }
}
