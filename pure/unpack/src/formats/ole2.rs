//! Compound files (MS-CFB): Office's binary documents, installers, mail in files, and whatever is
//! embedded in others. Every stream is a member, also one that no storage leads to. Besides, what
//! is inside certain streams: the text of Visual Basic modules, packaged files, a presentation's
//! objects. Encrypted documents are named, not decrypted.

mod directory;
mod encryption;
mod extents;
mod modules;
mod normal;
mod objects;
mod powerpoint;
mod sectors;
mod vba;

use std::collections::BTreeSet;

use proto::{Budget, Reason};

use crate::Source;
use crate::decode::ovba;
use crate::formats::ole2::directory::{Directory, Entry};
use crate::formats::ole2::extents::{Extents, Stream};
use crate::formats::ole2::sectors::{HEADER_BYTES, Header, MINI_CUTOFF_BYTES, Place, Sectors};
use crate::formats::streams::{AFTER_END, Decode, skip_zeros};
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

const MAGIC: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
/// How often the file's own size may be read as streams before they must share their sectors.
const READ_FACTOR_MAX: u64 = 4;
const READ_FREE_BYTES: u64 = 64 << 10;
/// What a stream counts at least, so that many short ones are not free.
const READ_BYTES_MIN: u64 = 128;
/// Texts that are found where no list of modules leads.
const FOUND_MAX: usize = 4_096;

/// Compound files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "ole2",
    detect: |probe| probe.head.starts_with(MAGIC),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    if let Err(stop) = unpack_noting(source, budget, members, &mut troubles) {
        troubles.note(0, stop);
    }
    troubles.into_vec()
}

fn unpack_noting(
    source: &dyn Source,
    budget: &mut Budget,
    members: &mut dyn Members,
    troubles: &mut Troubles,
) -> Result<(), Stop> {
    let head = read_part(source, 0, HEADER_BYTES)?;
    let header = Header::parse(&head, troubles).ok_or(Stop::malformed("header ends early"))?;
    let mut sectors = Sectors::new(source, header);
    let walked = match sectors.read_fat(&head, troubles, budget) {
        Ok(()) => unpack_sectors((&mut sectors, &header), (budget, members), troubles),
        Err(stop) => Err(stop),
    };
    sectors.release(budget);
    walked
}

/// Reads the directory, and holds its memory.
fn unpack_sectors(
    (sectors, header): (&mut Sectors<'_>, &Header),
    (budget, members): (&mut Budget, &mut dyn Members),
    troubles: &mut Troubles,
) -> Result<(), Stop> {
    let chain = sectors.whole_chain(header.directory, budget)?;
    if let Some(stop) = chain.stop {
        troubles.note(48, stop);
    }
    let held = chain.extents.size_bytes();
    if !held.is_multiple_of(header.sector_bytes) {
        troubles.note(48, Stop::malformed("directory ends early"));
    }
    let mut walked = budget.hold_memory(held).map_err(Stop::from);
    if walked.is_ok() {
        let stream = Stream {
            source: sectors.source(),
            extents: &chain.extents,
        };
        let count = usize::try_from(held).unwrap_or(usize::MAX);
        let bytes = read_part(&stream, 0, count).map_err(Stop::from);
        walked = bytes.and_then(|bytes| {
            unpack_directory(bytes, (sectors, header), (&mut *budget, members), troubles)
        });
        budget.release_memory(held);
    }
    chain.extents.release(budget);
    walked
}

fn unpack_directory(
    bytes: Vec<u8>,
    (sectors, header): (&mut Sectors<'_>, &Header),
    (budget, members): (&mut Budget, &mut dyn Members),
    troubles: &mut Troubles,
) -> Result<(), Stop> {
    let directory = Directory::new(bytes, budget)?;
    let mini = match directory.entry(0) {
        Some(root) => sectors.read_mini(root.start, troubles, budget),
        None => Err(Stop::malformed("directory is missing")),
    };
    let walked = mini.and_then(|()| {
        let mut document = Document {
            source: sectors.source(),
            header: *header,
            sectors,
            directory: &directory,
            tally: Tally::new(sectors.source().size_bytes()),
            read_bytes: 0,
            lists: Vec::new(),
            found: BTreeSet::new(),
            troubles,
        };
        document.all(budget, members)
    });
    directory.release(budget);
    walked
}

/// What of a document was looked at so far.
struct Document<'a> {
    source: &'a dyn Source,
    header: Header,
    sectors: &'a Sectors<'a>,
    directory: &'a Directory,
    tally: Tally,
    read_bytes: u64,
    /// Entries that list a project's modules.
    lists: Vec<usize>,
    /// Entries and offsets where a module's text seems to begin.
    found: BTreeSet<(usize, u64)>,
    troubles: &'a mut Troubles,
}

/// One stream's entry.
struct Found<'e> {
    index: usize,
    entry: &'e Entry,
    path: &'e [u8],
}

impl Document<'_> {
    fn all(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        for index in 1..self.directory.count() {
            budget.check_time()?;
            let Some(entry) = self.directory.entry(index).filter(Entry::is_stream) else {
                continue;
            };
            let path = self.directory.path(index);
            let found = Found {
                index,
                entry: &entry,
                path: path.as_bytes(),
            };
            if self.entry(&found, budget, members)? == Flow::Stop {
                return Ok(());
            }
        }
        if self.listed_modules(budget, members)? == Flow::Stop
            || self.found_modules(budget, members)? == Flow::Stop
        {
            return Ok(());
        }
        self.after_end(budget, members)
    }

    /// A stream, where it should be and, where the header draws the line between small and large
    /// ones elsewhere, also where it would be then.
    fn entry(
        &mut self,
        found: &Found<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let usual = self.place(found.entry, MINI_CUTOFF_BYTES);
        let stated = self.place(found.entry, self.header.mini_cutoff_bytes);
        let flow = self.stream(found, usual, (budget, &mut *members))?;
        if flow == Flow::Stop || stated == usual {
            return Ok(flow);
        }
        let stop = Stop::malformed("header says that the stream is elsewhere");
        self.trouble(found, stop);
        self.stream(found, stated, (budget, members))
    }

    fn place(&self, entry: &Entry, cutoff_bytes: u64) -> Place {
        match entry.size_bytes(self.header.sector_bytes) < cutoff_bytes {
            true => Place::Mini,
            false => Place::Sectors,
        }
    }

    fn stream(
        &mut self,
        found: &Found<'_>,
        place: Place,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let size_bytes = found.entry.size_bytes(self.header.sector_bytes);
        let chain = self
            .sectors
            .chain(found.entry.start, size_bytes, place, budget)?;
        if let Some(stop) = chain.stop {
            self.trouble(found, stop);
        }
        let stream = Stream {
            source: self.source,
            extents: &chain.extents,
        };
        let given = self.stream_at(found, &stream, budget, members);
        chain.extents.release(budget);
        given
    }

    fn stream_at(
        &mut self,
        found: &Found<'_>,
        stream: &Stream<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let size_bytes = stream.size_bytes();
        self.count_read(size_bytes)?;
        self.inside(found, stream, budget)?;
        let whole = (0, size_bytes);
        let flow = self.part(found.path, stream, whole, (budget, &mut *members))?;
        if flow == Flow::Stop {
            return Ok(flow);
        }
        self.objects(found, stream, (budget, members))
    }

    /// Notes what a stream tells of its document, and where modules are in it.
    fn inside(
        &mut self,
        found: &Found<'_>,
        stream: &Stream<'_>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let head = read_part(stream, 0, encryption::HEAD_BYTES)?;
        if encryption::is_told_by(found.entry, &head) {
            let stop = Stop {
                reason: Reason::Encrypted,
                text: "document is encrypted".into(),
            };
            self.trouble(found, stop);
        }
        if found.entry.is_named("dir") && ovba::begins(&head) {
            self.lists.push(found.index);
        }
        let mut input = Input::whole(stream);
        while let Some(offset) = vba::next_text(&mut input, budget)? {
            if self.found.len() >= FOUND_MAX {
                return Err(Stop::unsupported(
                    "there are more modules than are looked at",
                ));
            }
            self.found.insert((found.index, offset));
        }
        Ok(())
    }

    /// Hands over a part of a stream: where it lies if it is in one place, else as a copy.
    fn part(
        &mut self,
        name: &[u8],
        stream: &Stream<'_>,
        (begin, size_bytes): (u64, u64),
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let offset = match size_bytes {
            0 => Some(0),
            _ => stream.extents.contiguous(begin, size_bytes),
        };
        if let Some(offset) = offset {
            let content = Content::Range { offset, size_bytes };
            return Ok(members.member(Member { name, content }, budget));
        }
        let mut input = Input::new(stream, begin, size_bytes);
        self.decoded(name, &mut input, copy, (budget, members))
    }

    /// Decodes a member and hands over what came out.
    fn decoded(
        &mut self,
        name: &[u8],
        input: &mut Input<'_>,
        decode: Decode,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let mut output = Output::new(self.tally);
        let ended = decode(input, &mut output, budget);
        self.give(name, (output, ended), input.offset(), (budget, members))
    }

    /// Hands over what was decoded, and tells why it is not all.
    fn give(
        &mut self,
        name: &[u8],
        (output, ended): (Output, Result<(), Stop>),
        offset: u64,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let nothing = ended.is_err() && output.bytes().is_empty();
        let flow = match nothing {
            true => {
                self.tally = output.discard(budget);
                Flow::Continue
            }
            false => {
                let (flow, tally) = output.hand_over(name, members, budget);
                self.tally = tally;
                flow
            }
        };
        let Err(stop) = ended else {
            return Ok(flow);
        };
        // Past these, nothing else could be looked at either.
        let is_over = stop.is_limit();
        self.troubles.note_member(name, offset, stop);
        self.tally.add(0, budget)?;
        Ok(if is_over { Flow::Stop } else { flow })
    }

    /// The sectors of a stream whose troubles are told already.
    fn extents(&self, entry: &Entry, budget: &mut Budget) -> Result<Extents, Stop> {
        let size_bytes = entry.size_bytes(self.header.sector_bytes);
        let place = self.place(entry, MINI_CUTOFF_BYTES);
        let chain = self.sectors.chain(entry.start, size_bytes, place, budget)?;
        Ok(chain.extents)
    }

    /// Refuses to read the file over and over: then its streams share their sectors.
    fn count_read(&mut self, bytes: u64) -> Result<(), Stop> {
        let counted = bytes.max(READ_BYTES_MIN);
        self.read_bytes = self.read_bytes.saturating_add(counted);
        let size = self.source.size_bytes();
        let most = size.saturating_mul(READ_FACTOR_MAX);
        match self.read_bytes > most.saturating_add(READ_FREE_BYTES) {
            true => Err(Stop::malformed("streams overlap")),
            false => Ok(()),
        }
    }

    fn trouble(&mut self, found: &Found<'_>, stop: Stop) {
        self.troubles.note_member(found.path, 0, stop);
    }

    /// What lies behind the last sector in use; zeros are padding.
    fn after_end(&self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        let offset = self.sectors.end();
        let mut rest = Input::new(self.source, offset, u64::MAX);
        if skip_zeros(&mut rest, budget)? {
            let size_bytes = self.source.size_bytes().saturating_sub(offset);
            let content = Content::Range { offset, size_bytes };
            let name = AFTER_END;
            members.member(Member { name, content }, budget);
        }
        Ok(())
    }
}

fn copy(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    loop {
        let bytes_in = input.consumed();
        let chunk = input.peek()?;
        let count = chunk.len();
        if count == 0 {
            return Ok(());
        }
        output.push(chunk, budget, bytes_in.saturating_add(count as u64))?;
        input.consume(count);
    }
}
