//! ar: the System V, GNU and BSD spellings of names, and Debian packages, which are such archives.
//! Members are parts of the archive where they lie, tables of names and symbols among them. A
//! damaged header doesn't hide what follows.

use proto::Budget;

use crate::Source;
use crate::formats::damaged::{DAMAGED_PART, Headers, hand_over_part};
use crate::identify::{Format, Probe, Role};
use crate::input::read_part;
use crate::members::{Flow, Members, Stop, Trouble, Troubles};

const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;
const HEADER: u64 = 60;
const PACKAGE: &[u8] = b"debian-binary";
/// What is kept of the table of long names.
const NAMES_BYTES_MAX: u64 = 1 << 20;
const NAME_BYTES_MAX: u64 = 4 << 10;
const TABLE_NAME: &[u8] = b"//";

/// Debian packages, and other ar archives.
pub(super) static FORMATS: [Format; 2] = [
    Format {
        name: "deb",
        detect: |probe| is_archive(probe) && is_package(probe.head),
        role: Role::Container(unpack_package),
    },
    Format {
        name: "ar",
        detect: is_archive,
        role: Role::Container(unpack),
    },
];

const HEADERS: Headers = Headers {
    size_bytes: HEADER_BYTES,
    is_header: |bytes| Header::parse(bytes).is_some(),
};

fn is_archive(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(MAGIC)
}

fn is_package(head: &[u8]) -> bool {
    head.get(MAGIC.len()..)
        .is_some_and(|rest| rest.starts_with(PACKAGE))
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut archive = Archive::new(source);
    archive.unpack(budget, members);
    archive.troubles.into_vec()
}

/// An archive has no end mark, but a package has parts that it must have.
fn unpack_package(
    source: &dyn Source,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Vec<Trouble> {
    let mut archive = Archive::new(source);
    archive.unpack(budget, members);
    if !archive.is_stopped && !archive.has_data {
        let stop = Stop::malformed("package has no data");
        archive.troubles.note(archive.at, stop);
    }
    archive.troubles.into_vec()
}

struct Archive<'a> {
    source: &'a dyn Source,
    at: u64,
    /// The table of long names.
    names: Vec<u8>,
    /// Whether there was a member with a package's files.
    has_data: bool,
    is_stopped: bool,
    troubles: Troubles,
}

/// A header whose end mark and size are sound.
struct Header<'h> {
    name: &'h [u8],
    size_bytes: u64,
}

impl<'h> Header<'h> {
    fn parse(bytes: &'h [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let size_bytes = decimal(header.get(48..58)?)?;
        let is_sound = header.get(58..) == Some(b"`\n");
        is_sound.then_some(Self {
            name: header.get(..16)?.trim_ascii_end(),
            size_bytes,
        })
    }
}

impl<'a> Archive<'a> {
    fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            at: MAGIC.len() as u64,
            names: Vec::new(),
            has_data: false,
            is_stopped: false,
            troubles: Troubles::default(),
        }
    }

    fn unpack(&mut self, budget: &mut Budget, members: &mut dyn Members) {
        match self.walk(budget, members) {
            Ok(flow) => self.is_stopped = flow == Flow::Stop,
            Err(stop) => self.troubles.note(self.at, stop),
        }
    }

    fn walk(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<Flow, Stop> {
        while self.at < self.source.size_bytes() {
            budget.check_time()?;
            let head = read_part(self.source, self.at, HEADER_BYTES)?;
            let flow = match Header::parse(&head) {
                Some(header) => self.entry(&header, budget, members)?,
                None if head == b"\n" => break,
                None => self.damaged_part(budget, members)?,
            };
            if flow == Flow::Stop {
                return Ok(flow);
            }
        }
        Ok(Flow::Continue)
    }

    fn entry(
        &mut self,
        header: &Header<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let begin = self.at;
        let data_offset = begin.saturating_add(HEADER);
        let end = data_offset.saturating_add(header.size_bytes);
        let stored_end = end.min(self.source.size_bytes());
        let (name, skipped) = self.name(header, data_offset)?;
        if stored_end < end {
            let stop = Stop::malformed("member ends early");
            self.troubles.note_member(&name, begin, stop);
        }
        if header.name == TABLE_NAME {
            let size = header.size_bytes.min(NAMES_BYTES_MAX);
            let size = usize::try_from(size).unwrap_or(0);
            self.names = read_part(self.source, data_offset, size)?;
        }
        self.has_data |= name.starts_with(b"data.tar");
        let data_begin = data_offset.saturating_add(skipped).min(stored_end);
        self.at = self.next(end)?;
        Ok(hand_over_part(
            &name,
            (data_begin, stored_end),
            members,
            budget,
        ))
    }

    /// A member's name, and how much of its data that takes.
    fn name(&self, header: &Header<'_>, data_offset: u64) -> Result<(Vec<u8>, u64), Stop> {
        if let Some(size) = header.name.strip_prefix(b"#1/").and_then(decimal) {
            let size = size.min(header.size_bytes);
            let count = usize::try_from(size.min(NAME_BYTES_MAX)).unwrap_or(0);
            let name = read_part(self.source, data_offset, count)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            return Ok((name.to_vec(), size));
        }
        let long = header.name.strip_prefix(b"/").and_then(decimal);
        let long = long.and_then(|at| {
            let rest = self.names.get(usize::try_from(at).ok()?..)?;
            let name = rest.split(|byte| matches!(byte, b'\n' | 0)).next()?;
            Some(name.strip_suffix(b"/").unwrap_or(name))
        });
        let short = match header.name.strip_suffix(b"/") {
            Some(name) if !name.is_empty() && header.name != TABLE_NAME => name,
            _ => header.name,
        };
        Ok((long.unwrap_or(short).to_vec(), 0))
    }

    /// Headers are at even places, but for writers that don't pad.
    fn next(&self, end: u64) -> Result<u64, Stop> {
        let even = end.checked_next_multiple_of(2).unwrap_or(u64::MAX);
        if even != end {
            let there = read_part(self.source, even, HEADER_BYTES)?;
            let here = read_part(self.source, end, HEADER_BYTES)?;
            let is_padding = matches!(here.first(), None | Some(b'\n' | 0));
            if Header::parse(&there).is_none() && (Header::parse(&here).is_some() || !is_padding) {
                return Ok(end);
            }
        }
        Ok(even)
    }

    /// Hands over the bytes up to the next header.
    fn damaged_part(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
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
}

/// Digits, with blanks or zeros after them.
fn decimal(field: &[u8]) -> Option<u64> {
    let text = str::from_utf8(field).ok()?;
    let text = text.trim_matches([' ', '\0']);
    match text.starts_with('+') {
        true => None,
        false => text.parse().ok(),
    }
}
