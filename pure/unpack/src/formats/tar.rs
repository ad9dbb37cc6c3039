//! tar: v7, ustar, GNU, pax and star. Members are parts of the archive where they lie; sparse
//! ones are expanded. A damaged header doesn't hide what follows: the next valid one is looked
//! for, and the bytes up to it are a member of their own.

mod header;
mod sparse;

use proto::{Budget, Reason};

use crate::Source;
use crate::formats::streams::{AFTER_END, skip_zeros};
use crate::formats::tar::header::{BLOCK, Header, Pax, gnu_segments};
use crate::formats::tar::sparse::{Layout, affordable, expand, map_in_data};
use crate::identify::{Format, Probe, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Listed, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

const BLOCK_BYTES: usize = 512;
/// The most that a long name or a pax header may take.
const EXTENSION_BYTES_MAX: u64 = 1 << 20;
const DAMAGED_PART: &[u8] = b"(damaged part)";
const ENDS_EARLY: &str = "archive ends early";

/// tar files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "tar",
    detect,
    role: Role::Container(unpack),
}];

/// A valid checksum is needed, and a magic or (v7 has none) a plausible name, mode and type.
fn detect(probe: &Probe<'_>) -> bool {
    let Some(header) = Header::parse(probe.head) else {
        return false;
    };
    let magic = header.block.get(257..262) == Some(b"ustar");
    let mode_is_number = header.block.get(100..108).and_then(header::number);
    let plausible = matches!(header.kind, 0 | b'0'..=b'7')
        && !header.name.is_empty()
        && mode_is_number.is_some();
    magic || plausible
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut archive = Archive {
        source,
        at: 0,
        files: 0,
        tally: Tally::new(source.size_bytes()),
        global: Pax::default(),
        next: Pax::default(),
        troubles: Troubles::default(),
    };
    if let Err(stop) = archive.walk(budget, members) {
        archive.troubles.note(archive.at, stop);
    }
    archive.troubles.into_vec()
}

struct Archive<'a> {
    source: &'a dyn Source,
    at: u64,
    /// Files so far.
    files: u64,
    tally: Tally,
    /// What pax headers say of all members after them.
    global: Pax,
    /// What extension headers say of the next member.
    next: Pax,
    troubles: Troubles,
}

impl Archive<'_> {
    fn walk(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        loop {
            budget.check_time()?;
            let block = read_part(self.source, self.at, BLOCK_BYTES)?;
            if block.len() < BLOCK_BYTES {
                return self.end_without_mark(&block, members, budget);
            }
            if block.iter().all(|byte| *byte == 0) {
                match self.end_mark(members, budget)? {
                    Flow::Continue => continue,
                    Flow::Stop => return Ok(()),
                }
            }
            let flow = match Header::parse(&block) {
                Some(header) => self.entry(&header, budget, members)?,
                None => self.damaged_part(budget, members)?,
            };
            if flow == Flow::Stop {
                return Ok(());
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let begin = self.at;
        self.at = self.at.saturating_add(BLOCK);
        match header.kind {
            b'L' | b'K' | b'x' | b'X' | b'g' => {
                let size = self.size(header, begin);
                self.extension(header.kind, size)?;
                self.at = padded(self.at, size);
                return Ok(Flow::Continue);
            }
            _ if !header.is_file() => {
                self.next = Pax::default();
                return Ok(Flow::Continue);
            }
            _ => {}
        }
        let pax = std::mem::take(&mut self.next);
        let size = pax
            .size_bytes
            .or(self.global.size_bytes)
            .unwrap_or_else(|| self.size(header, begin));
        let name = pax.sparse.name.as_ref().or(pax.name.as_ref());
        let name = name.unwrap_or(&header.name).clone();
        self.files = self.files.saturating_add(1);
        let listed = Listed {
            lister: header.lister(),
            name: &name,
            packed_bytes: size,
            size_bytes: size,
            is_encrypted: false,
            position: self.files,
        };
        members.listed(&listed, budget);
        let segments = match header.kind {
            b'S' => Some(self.gnu_sparse(header)?),
            _ => None,
        };
        let stored = size.min(self.source.size_bytes().saturating_sub(self.at));
        if stored < size {
            self.troubles
                .note_member(&name, begin, Stop::malformed("member ends early"));
        }
        let data_offset = self.at;
        self.at = padded(self.at, size);
        let layout = self.layout(segments, pax, data_offset, stored)?;
        match layout {
            Some(layout) => self.sparse_member(&name, &layout, budget, members),
            None => {
                let content = Content::Range {
                    offset: data_offset,
                    size_bytes: stored,
                };
                Ok(members.member(
                    Member {
                        name: &name,
                        content,
                    },
                    budget,
                ))
            }
        }
    }

    fn size(&mut self, header: &Header, begin: u64) -> u64 {
        header.size_bytes.unwrap_or_else(|| {
            let stop = Stop::malformed("size of a member is no number");
            self.troubles.note_member(&header.name, begin, stop);
            0
        })
    }

    /// A header that speaks of the next member.
    fn extension(&mut self, kind: u8, size: u64) -> Result<(), Stop> {
        if size > EXTENSION_BYTES_MAX {
            let stop = Stop::malformed("extended header is too long");
            self.troubles.note(self.at, stop);
            return Ok(());
        }
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        let bytes = read_part(self.source, self.at, count)?;
        let whole = bytes.len() as u64 == size;
        let sound = match kind {
            b'L' => {
                let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                self.next.name = Some(name.to_vec());
                true
            }
            b'K' => true,
            b'g' => self.global.read(&bytes),
            _ => self.next.read(&bytes),
        };
        if !whole || !sound {
            let stop = Stop::malformed("extended header is damaged");
            self.troubles.note(self.at, stop);
        }
        Ok(())
    }

    /// The map of an old GNU sparse member, and its real size; passes over extension blocks.
    fn gnu_sparse(&mut self, header: &Header) -> Result<(Vec<(u64, u64)>, u64), Stop> {
        let block = &header.block;
        let mut segments = gnu_segments(block.get(386..482).unwrap_or_default());
        let real = block.get(483..495).and_then(header::number).unwrap_or(0);
        let mut extended = block.get(482) == Some(&1);
        while extended && segments.len() < header::SEGMENTS_MAX {
            let block = read_part(self.source, self.at, BLOCK_BYTES)?;
            if block.len() < BLOCK_BYTES {
                return Err(Stop::malformed(ENDS_EARLY));
            }
            segments.extend(gnu_segments(block.get(..504).unwrap_or_default()));
            extended = block.get(504) == Some(&1);
            self.at = self.at.saturating_add(BLOCK);
        }
        Ok((segments, real))
    }

    /// The layout of a member, where it is sparse.
    fn layout(
        &self,
        gnu: Option<(Vec<(u64, u64)>, u64)>,
        pax: Pax,
        data_offset: u64,
        stored_bytes: u64,
    ) -> Result<Option<Layout>, Stop> {
        let layout = |segments, real_bytes, skipped| Layout {
            data_offset: data_offset.saturating_add(skipped),
            stored_bytes: stored_bytes.saturating_sub(skipped),
            real_bytes,
            segments,
        };
        if let Some((segments, real)) = gnu {
            return Ok(Some(layout(segments, real, 0)));
        }
        let Some(real) = pax.sparse.real_bytes else {
            return Ok(None);
        };
        if pax.sparse.major != Some(1) {
            return Ok(Some(layout(pax.sparse.segments, real, 0)));
        }
        let map = map_in_data(self.source, data_offset, stored_bytes)?;
        // A map that can't be read leaves the member as it is stored.
        Ok(map.map(|(segments, skipped)| layout(segments, real, skipped.min(stored_bytes))))
    }

    fn sparse_member(
        &mut self,
        name: &[u8],
        layout: &Layout,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let stored = Content::Range {
            offset: layout.data_offset,
            size_bytes: layout.stored_bytes,
        };
        let name_and = |content| Member { name, content };
        if let Err(reason) = affordable(layout, budget) {
            self.troubles.note_member(name, layout.data_offset, reason);
            return Ok(members.member(name_and(stored), budget));
        }
        let mut output = Output::new(self.tally);
        match expand(self.source, layout, &mut output, budget) {
            Ok(()) => {
                let (flow, tally) = output.hand_over(name, members, budget);
                self.tally = tally;
                if flow == Flow::Stop || layout.uses_all() {
                    return Ok(flow);
                }
                // Those who don't know sparse members see what the map leaves out.
                let stop = Stop::malformed("sparse map leaves stored data out");
                self.troubles.note_member(name, layout.data_offset, stop);
                Ok(members.member(name_and(stored), budget))
            }
            Err(stop) => {
                self.tally = output.discard(budget);
                let over = stop.is_limit() || stop.reason == Reason::LimitRatio;
                self.troubles
                    .note_member(name, layout.data_offset, stop.clone());
                match members.member(name_and(stored), budget) {
                    Flow::Continue if over => Err(stop),
                    flow => Ok(flow),
                }
            }
        }
    }

    /// Hands over the bytes up to the next valid header.
    fn damaged_part(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let begin = self.at;
        let stop = Stop::malformed("header is damaged");
        self.troubles.note(begin, stop);
        let size = self.source.size_bytes();
        let mut input = Input::new(self.source, begin, size);
        input.seek(begin.saturating_add(BLOCK));
        while input.left() > 0 && Header::parse(input.at_least(BLOCK_BYTES)?).is_none() {
            input.consume(BLOCK_BYTES);
            budget.check_time()?;
        }
        self.at = input.offset();
        let content = Content::Range {
            offset: begin,
            size_bytes: self.at.saturating_sub(begin),
        };
        let name = DAMAGED_PART;
        Ok(members.member(Member { name, content }, budget))
    }

    /// After a block of zeros: the end, or (some archives were glued together) a lone block.
    fn end_mark(&mut self, members: &mut dyn Members, budget: &mut Budget) -> Result<Flow, Stop> {
        let size = self.source.size_bytes();
        let begin = self.at;
        let mut input = Input::new(self.source, begin, size);
        let more = skip_zeros(&mut input, budget)?;
        let blocks = input.offset().saturating_sub(begin) & !BLOCK.wrapping_sub(1);
        self.at = begin.saturating_add(blocks);
        if blocks == BLOCK {
            return Ok(Flow::Continue);
        }
        if more {
            let content = Content::Range {
                offset: self.at,
                size_bytes: size.saturating_sub(self.at),
            };
            let name = AFTER_END;
            members.member(Member { name, content }, budget);
        }
        Ok(Flow::Stop)
    }

    fn end_without_mark(
        &mut self,
        rest: &[u8],
        members: &mut dyn Members,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        if !rest.is_empty() {
            let content = Content::Range {
                offset: self.at,
                size_bytes: rest.len() as u64,
            };
            let name = DAMAGED_PART;
            members.member(Member { name, content }, budget);
        }
        Err(Stop::malformed(ENDS_EARLY))
    }
}

/// Where the block after `size` bytes from `at` begins.
fn padded(at: u64, size: u64) -> u64 {
    at.saturating_add(size.checked_next_multiple_of(BLOCK).unwrap_or(u64::MAX))
}
