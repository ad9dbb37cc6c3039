//! cpio: newc, with and without checksums, odc, and the old binary form in both byte orders, one
//! archive or several. Members are parts of the archive where they lie, links' targets among them.
//! A damaged header doesn't hide what follows. It refuses the stripped form of packages with
//! files of more than 4 GiB, whose sizes are elsewhere.

mod header;

use proto::Budget;

use crate::Source;
use crate::formats::cpio::header::{HEADER_BYTES_MAX, Header, STRIPPED};
use crate::formats::damaged::{DAMAGED_PART, Headers, hand_over_part};
use crate::formats::streams::{AFTER_END, skip_zeros};
use crate::identify::{Format, Probe, Role};
use crate::input::{Input, read_part};
use crate::members::{Flow, Listed, Members, Stop, Trouble, Troubles};

/// No system takes longer paths.
const NAME_BYTES_MAX: u64 = 64 << 10;
const TRAILER: &[u8] = b"TRAILER!!!";
const ENDS_EARLY: &str = "archive ends early";

/// cpio archives.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "cpio",
    detect,
    role: Role::Container(unpack),
}];

const HEADERS: Headers = Headers {
    size_bytes: HEADER_BYTES_MAX,
    is_header: |bytes| Header::parse(bytes).is_some(),
};

/// The text forms have a magic that is long enough; the binary ones need a plausible header.
fn detect(probe: &Probe<'_>) -> bool {
    header::has_text_magic(probe.head) || Header::parse(probe.head).is_some()
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut archive = Archive {
        source,
        at: 0,
        entries: 0,
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
    /// Entries so far, files or not.
    entries: u64,
    troubles: Troubles,
}

impl Archive<'_> {
    fn walk(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        loop {
            budget.check_time()?;
            let head = read_part(self.source, self.at, HEADER_BYTES_MAX)?;
            let flow = match Header::parse(&head) {
                Some(header) => self.entry(&header, budget, members)?,
                None if head.starts_with(STRIPPED) => {
                    self.rest(DAMAGED_PART, members, budget);
                    return Err(Stop::unsupported("stripped cpio is not supported"));
                }
                None => self.damaged_part(&head, budget, members)?,
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
        let name_offset = begin.saturating_add(header.header_bytes);
        let name_bytes = header.name_bytes.min(NAME_BYTES_MAX);
        let name = read_part(
            self.source,
            name_offset,
            usize::try_from(name_bytes).unwrap_or(0),
        )?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let data_offset = header.data_offset(begin);
        let end = data_offset.saturating_add(header.size_bytes);
        let stored_end = end.min(self.source.size_bytes());
        if stored_end < end || data_offset > stored_end {
            let stop = Stop::malformed("member ends early");
            self.troubles.note_member(name, begin, stop);
        }
        let mut flow = Flow::Continue;
        self.entries = self.entries.saturating_add(1);
        if header.size_bytes > 0 || header.is_lone_file() && name != TRAILER {
            let begin = data_offset.min(stored_end);
            let listed = Listed {
                lister: header.lister,
                name,
                packed_bytes: header.size_bytes,
                size_bytes: header.size_bytes,
                is_encrypted: false,
                position: self.entries,
            };
            members.listed(&listed, budget);
            self.check_sum(header, name, (begin, stored_end), budget)?;
            flow = hand_over_part(name, (begin, stored_end), members, budget);
        }
        self.at = header.after_data(end);
        match name == TRAILER && flow == Flow::Continue {
            true => self.after_trailer(budget, members),
            false => Ok(flow),
        }
    }

    /// One form carries the sum of all bytes.
    fn check_sum(
        &mut self,
        header: &Header,
        name: &[u8],
        (begin, end): (u64, u64),
        budget: &Budget,
    ) -> Result<(), Stop> {
        let Some(stated) = header.sum else {
            return Ok(());
        };
        let mut input = Input::new(self.source, begin, end.saturating_sub(begin));
        let mut sum = 0u32;
        loop {
            budget.check_time()?;
            let chunk = input.peek()?;
            let count = chunk.len();
            if count == 0 {
                break;
            }
            let add = |sum: u32, byte: &u8| sum.wrapping_add(u32::from(*byte));
            sum = chunk.iter().fold(sum, add);
            input.consume(count);
        }
        if sum != stated {
            let stop = Stop::malformed("checksum does not match");
            self.troubles.note_member(name, begin, stop);
        }
        Ok(())
    }

    /// Archives follow each other with zeros between, and in the first files of a kernel one that
    /// is compressed is the last: whatever is there is handed over.
    fn after_trailer(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut input = Input::new(self.source, self.at, u64::MAX);
        let is_more = skip_zeros(&mut input, budget)?;
        if !is_more {
            return Ok(Flow::Stop);
        }
        self.at = input.offset();
        let head = input.at_least(HEADER_BYTES_MAX)?;
        if Header::parse(head).is_some() || header::may_be_cut(head) {
            return Ok(Flow::Continue);
        }
        self.rest(AFTER_END, members, budget);
        Ok(Flow::Stop)
    }

    /// Hands over the bytes up to the next header.
    fn damaged_part(
        &mut self,
        head: &[u8],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        if head.is_empty() {
            return Err(Stop::malformed(ENDS_EARLY));
        }
        let begin = self.at;
        self.troubles
            .note(begin, Stop::malformed("header is damaged"));
        self.at = HEADERS.next(self.source, begin.saturating_add(1), budget)?;
        Ok(hand_over_part(
            DAMAGED_PART,
            (begin, self.at),
            members,
            budget,
        ))
    }

    fn rest(&mut self, name: &[u8], members: &mut dyn Members, budget: &mut Budget) {
        let end = self.source.size_bytes();
        if self.at < end {
            hand_over_part(name, (self.at, end), members, budget);
        }
    }
}
