//! rpm packages: the payload, which is a compressed cpio archive, both headers, and each script in
//! them. What the payload is shows by its content; one that is nothing known is named.

use proto::Budget;

use crate::Source;
use crate::fields::{array, u32_be};
use crate::formats::damaged::hand_over_part;
use crate::identify::{Format, Role, identify};
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop, Trouble, Troubles};
use crate::source::SubSource;

const MAGIC: &[u8] = b"\xed\xab\xee\xdb";
const LEAD_BYTES: u64 = 96;
const HEADER_MAGIC: &[u8] = b"\x8e\xad\xe8\x01";
const HEADER_BYTES: usize = 16;
const ENTRY_BYTES: usize = 16;
/// rpm itself takes no larger headers.
const ENTRIES_MAX: u32 = 0xffff;
const STORE_BYTES_MAX: u32 = 256 << 20;
/// Texts that are handed over; packages have a handful.
const SCRIPTS_MAX: usize = 4 << 10;
const PIECE_BYTES: usize = 4 << 10;

/// Tags of the signatures that state the size of what follows them.
const SIZE: u32 = 1000;
const LONG_SIZE: u32 = 270;

const SIGNATURES: &[u8] = b"(signatures)";
const HEADER: &[u8] = b"(header)";
const PAYLOAD: &[u8] = b"(payload)";
const ENDS_EARLY: &str = "package ends early";

/// rpm packages.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "rpm",
    detect: |probe| probe.head.starts_with(MAGIC),
    role: Role::Container(unpack),
}];

/// Tags whose texts an installation runs, or what it runs them with.
const SCRIPTS: [(u32, &str); 24] = [
    (1023, "(pre)"),
    (1024, "(post)"),
    (1025, "(preun)"),
    (1026, "(postun)"),
    (1065, "(trigger)"),
    (1079, "(verify)"),
    (1085, "(pre interpreter)"),
    (1086, "(post interpreter)"),
    (1087, "(preun interpreter)"),
    (1088, "(postun interpreter)"),
    (1091, "(verify interpreter)"),
    (1092, "(trigger interpreter)"),
    (1151, "(pretrans)"),
    (1152, "(posttrans)"),
    (1153, "(pretrans interpreter)"),
    (1154, "(posttrans interpreter)"),
    (5066, "(file trigger)"),
    (5067, "(file trigger interpreter)"),
    (5076, "(transaction file trigger)"),
    (5077, "(transaction file trigger interpreter)"),
    (5104, "(preuntrans)"),
    (5105, "(postuntrans)"),
    (5106, "(preuntrans interpreter)"),
    (5107, "(postuntrans interpreter)"),
];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut package = Package {
        source,
        at: LEAD_BYTES,
        stated_bytes: None,
        troubles: Troubles::default(),
    };
    if let Err(stop) = package.walk(budget, members) {
        package.troubles.note(package.at, stop);
    }
    package.troubles.into_vec()
}

struct Package<'a> {
    source: &'a dyn Source,
    at: u64,
    /// What the signatures say of the size of header and payload.
    stated_bytes: Option<u64>,
    troubles: Troubles,
}

/// Where a header's parts are.
#[derive(Clone, Copy)]
struct Layout {
    index: u64,
    store: u64,
    end: u64,
    is_signatures: bool,
}

/// A text in a header.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Script {
    offset: u64,
    tag: u32,
    count: u32,
}

impl Package<'_> {
    fn walk(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        for name in [SIGNATURES, HEADER] {
            let header = match self.header(name) {
                Ok(header) => header,
                Err(stop) => {
                    self.payload(PAYLOAD, budget, members)?;
                    return Err(stop);
                }
            };
            let end = header.end.min(self.source.size_bytes());
            let flow = hand_over_part(name, (self.at, end), members, budget);
            if flow == Flow::Stop || self.scripts(header, budget, members)? == Flow::Stop {
                return Ok(());
            }
            self.at = end;
            if header.end > end {
                return Err(Stop::malformed(ENDS_EARLY));
            }
            if name == SIGNATURES {
                self.at = end.checked_next_multiple_of(8).unwrap_or(end);
                self.check_size();
            }
        }
        self.payload(PAYLOAD, budget, members)
    }

    fn header(&self, name: &[u8]) -> Result<Layout, Stop> {
        let head = read_part(self.source, self.at, HEADER_BYTES)?;
        let early = || Stop::malformed(ENDS_EARLY);
        let (entries, store_bytes) = (u32_be(&head, 8), u32_be(&head, 12));
        let (entries, store_bytes) = entries.zip(store_bytes).ok_or_else(early)?;
        let is_sane = entries <= ENTRIES_MAX && store_bytes <= STORE_BYTES_MAX;
        if !head.starts_with(HEADER_MAGIC) || !is_sane {
            return Err(Stop::malformed("header is damaged"));
        }
        let index = self.at.saturating_add(HEADER_BYTES as u64);
        let index_bytes = u64::from(entries).saturating_mul(ENTRY_BYTES as u64);
        let store = index.saturating_add(index_bytes);
        let end = store.saturating_add(u64::from(store_bytes));
        Ok(Layout {
            index,
            store,
            end,
            is_signatures: name == SIGNATURES,
        })
    }

    /// Hands over the texts that a header names, each part of it once.
    fn scripts(
        &mut self,
        header: Layout,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut scripts = self.listed(header, budget)?;
        scripts.sort_unstable();
        let mut covered = header.store;
        for script in scripts {
            if script.offset < covered || script.offset >= header.end {
                let stop = Stop::malformed("entries of the header overlap");
                self.troubles
                    .note_member(name_of(script.tag), script.offset, stop);
                continue;
            }
            let mut text = Input::new(
                self.source,
                script.offset,
                header.end.saturating_sub(script.offset),
            );
            for _ in 0..script.count.min(ENTRIES_MAX) {
                let begin = text.offset();
                let Some(end) = end_of_text(&mut text, budget)? else {
                    break;
                };
                covered = text.offset();
                let name = name_of(script.tag);
                if begin < end && hand_over_part(name, (begin, end), members, budget) == Flow::Stop
                {
                    return Ok(Flow::Stop);
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn listed(&mut self, header: Layout, budget: &Budget) -> Result<Vec<Script>, Stop> {
        let mut scripts = Vec::new();
        let index_bytes = header.store.saturating_sub(header.index);
        let mut index = Input::new(self.source, header.index, index_bytes);
        loop {
            budget.check_time()?;
            let at = index.offset();
            let Some((tag, place, count)) = entry(index.at_least(ENTRY_BYTES)?) else {
                return Ok(scripts);
            };
            index.consume(ENTRY_BYTES);
            let offset = header.store.saturating_add(u64::from(place));
            if matches!(tag, SIZE | LONG_SIZE) && header.is_signatures {
                self.stated_bytes = self.number(tag, offset)?;
            }
            if !SCRIPTS.iter().any(|(known, _)| *known == tag) {
                continue;
            }
            if scripts.len() >= SCRIPTS_MAX {
                let stop = Stop::unsupported("header has too many texts");
                self.troubles.note(at, stop);
                return Ok(scripts);
            }
            scripts.push(Script { offset, tag, count });
        }
    }

    fn number(&self, tag: u32, offset: u64) -> Result<Option<u64>, Stop> {
        let bytes = read_part(self.source, offset, 8)?;
        Ok(match tag {
            LONG_SIZE => array(&bytes, 0).map(u64::from_be_bytes),
            _ => u32_be(&bytes, 0).map(u64::from),
        })
    }

    /// The signatures state how long all that follows them is.
    fn check_size(&mut self) {
        let left = self.source.size_bytes().saturating_sub(self.at);
        let stop = match self.stated_bytes {
            Some(stated) if stated > left => Stop::malformed(ENDS_EARLY),
            Some(stated) if stated < left => Stop::malformed("data after the end"),
            _ => return,
        };
        self.troubles.note(self.at, stop);
    }

    /// Hands over what follows the headers. It is an archive, or nobody could install it.
    fn payload(
        &mut self,
        name: &[u8],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(), Stop> {
        let begin = self.at.min(self.source.size_bytes());
        let payload = SubSource::new(self.source, begin, u64::MAX);
        let format = identify(&payload)?;
        if format.name == "empty" {
            return Err(Stop::malformed(ENDS_EARLY));
        }
        if !matches!(format.role, Role::Container(_) | Role::Unsupported) {
            let stop = Stop::malformed("payload is in no known format");
            self.troubles.note_member(name, begin, stop);
        }
        hand_over_part(name, (begin, self.source.size_bytes()), members, budget);
        Ok(())
    }
}

/// Tag, place in the store and count of an entry of the index.
fn entry(bytes: &[u8]) -> Option<(u32, u32, u32)> {
    Some((u32_be(bytes, 0)?, u32_be(bytes, 8)?, u32_be(bytes, 12)?))
}

fn name_of(tag: u32) -> &'static [u8] {
    let known = SCRIPTS.iter().find(|(known, _)| *known == tag);
    known.map_or(HEADER, |(_, name)| name.as_bytes())
}

/// Where the text ends that begins here, and passes over its zero; `None` where there is none.
fn end_of_text(input: &mut Input<'_>, budget: &Budget) -> Result<Option<u64>, Stop> {
    if input.left() == 0 {
        return Ok(None);
    }
    loop {
        budget.check_time()?;
        let piece = input.at_least(PIECE_BYTES)?;
        let count = piece.len();
        match piece.iter().position(|byte| *byte == 0) {
            Some(zero) => {
                input.consume(zero);
                let end = input.offset();
                input.consume(1);
                return Ok(Some(end));
            }
            None if count == 0 => return Ok(Some(input.offset())),
            None => input.consume(count),
        }
    }
}
