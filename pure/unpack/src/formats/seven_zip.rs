//! 7z: the header, packed or not, then each folder once, cut into its members. Folders that are
//! only stored are handed over where they lie. What no folder takes is a member of its own, so
//! that nothing hides between the packed streams. It refuses what is encrypted.

mod folder;
mod header;

use proto::{Budget, Reason};

use crate::Source;
use crate::fields::{u32_le, u64_le};
use crate::formats::seven_zip::folder::{Decoding, Stage};
use crate::formats::seven_zip::header::{
    ENCODED_HEADER, File, Files, Folder, HEADER, Reader, Streams, Substream,
};
use crate::formats::uncovered::Covered;
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Listed, Lister, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

const MAGIC: &[u8] = b"7z\xbc\xaf\x27\x1c";
/// Magic, version, checksum, and where the header is.
pub(crate) const START_BYTES: u64 = 32;
/// Headers packed in headers: writers make one.
const HEADERS_MAX: u32 = 4;
const UNNAMED: &[u8] = b"(unnamed)";
const REST: &[u8] = b"(rest of a folder)";

/// 7z files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "7z",
    detect: |probe| probe.head.starts_with(MAGIC),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut archive = Archive {
        source,
        tally: Tally::new(source.size_bytes()),
        covered: Covered::default(),
        troubles: Troubles::default(),
    };
    match archive.all(budget, members) {
        Ok(Flow::Continue) => {
            if let Err(stop) = archive.covered.hand_over_rest(source, budget, members) {
                archive.troubles.note(0, stop);
            }
        }
        Ok(Flow::Stop) => {}
        Err(stop) => archive.troubles.note(0, stop),
    }
    archive.covered.discard(budget);
    archive.troubles.into_vec()
}

struct Archive<'a> {
    source: &'a dyn Source,
    tally: Tally,
    covered: Covered,
    troubles: Troubles,
}

impl Archive<'_> {
    fn all(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<Flow, Stop> {
        let mut header = match self.stored_header(budget)? {
            Some(header) => header,
            None => return Ok(Flow::Continue),
        };
        for _ in 0..HEADERS_MAX {
            match header.bytes().first() {
                Some(&ENCODED_HEADER) => {
                    let unpacked = self.packed_header(&header, budget);
                    header.discard(budget);
                    header = unpacked?;
                }
                Some(&HEADER) => {
                    let listed = self.listed(header.bytes(), budget, members);
                    header.discard(budget);
                    return listed;
                }
                _ => {
                    header.discard(budget);
                    return Err(Stop::malformed("7z header is damaged"));
                }
            }
        }
        header.discard(budget);
        Err(Stop::malformed("7z header is packed over and over"))
    }

    /// The header as it is stored; `None` in an archive without members.
    fn stored_header(&mut self, budget: &mut Budget) -> Result<Option<Output>, Stop> {
        let start = read_part(self.source, 0, 32)?;
        let fields = start
            .get(12..32)
            .ok_or(Stop::malformed("archive ends early"))?;
        if u32_le(&start, 8) != Some(crc32fast::hash(fields)) {
            let stop = Stop::malformed("checksum of the 7z start header does not match");
            self.troubles.note(0, stop);
        }
        let offset = u64_le(fields, 0).unwrap_or(0).saturating_add(START_BYTES);
        let size_bytes = u64_le(fields, 8).unwrap_or(0);
        self.covered.add(0, START_BYTES, budget)?;
        self.covered.add(offset, size_bytes, budget)?;
        if size_bytes == 0 {
            if self.source.size_bytes() > START_BYTES {
                let stop = Stop::malformed("archive holds data and lists no members");
                self.troubles.note(START_BYTES, stop);
            }
            return Ok(None);
        }
        let mut input = Input::new(self.source, offset, size_bytes);
        if input.left() < size_bytes || offset > self.source.size_bytes() {
            return Err(Stop::malformed("archive ends early"));
        }
        let mut header = Output::new(self.tally);
        let read = read_whole(&mut input, &mut header, budget);
        if let Err(stop) = read {
            header.discard(budget);
            return Err(stop);
        }
        if u32_le(fields, 16) != Some(crc32fast::hash(header.bytes())) {
            let stop = Stop::malformed("checksum of the 7z header does not match");
            self.troubles.note(offset, stop);
        }
        Ok(Some(header))
    }

    /// A header that is packed as a folder of its own.
    fn packed_header(&mut self, header: &Output, budget: &mut Budget) -> Result<Output, Stop> {
        let mut streams = Streams::default();
        let mut reader = Reader::new(header.bytes().get(1..).unwrap_or_default(), budget);
        let parsed = reader.streams(&mut streams);
        let held = reader.held;
        let covered = self.cover(&streams, budget);
        let stage = match streams.folders.first() {
            Some(folder) => Decoding::new(self.source, &streams, folder, self.tally).all(budget),
            None => Stage {
                output: Output::new(self.tally),
                ended: parsed.and(Err(Stop::malformed("7z header is damaged"))),
            },
        };
        budget.release_memory(held);
        let Stage { mut output, ended } = stage;
        let ended = ended.and(covered.map_err(Stop::from));
        let folder = streams.folders.first();
        let size = folder.and_then(Folder::main).map_or(0, |(_, size)| size);
        output.cut(usize::try_from(size).unwrap_or(usize::MAX));
        let crc = folder.and_then(|folder| folder.crc);
        match ended {
            Err(stop) if stop.reason == Reason::Encrypted => {
                output.discard(budget);
                Err(Stop {
                    reason: Reason::Encrypted,
                    text: "list of members is encrypted".into(),
                })
            }
            Err(stop) if output.bytes().is_empty() => {
                output.discard(budget);
                Err(stop)
            }
            Err(stop) => {
                self.troubles.note(0, stop);
                Ok(output)
            }
            Ok(()) => {
                if crc.is_some_and(|crc| crc != crc32fast::hash(output.bytes())) {
                    let stop = Stop::malformed("checksum of the 7z header does not match");
                    self.troubles.note(0, stop);
                }
                Ok(output)
            }
        }
    }

    /// Members that a header lists.
    fn listed(
        &mut self,
        header: &[u8],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut parsed = (Streams::default(), Files::default());
        let mut reader = Reader::new(header.get(1..).unwrap_or_default(), budget);
        let ended = reader.header(&mut parsed);
        let held = reader.held;
        let (streams, files) = parsed;
        let flow = match self.cover(&streams, budget) {
            Ok(()) => self.members(&streams, &files, budget, members),
            Err(reason) => Err(reason.into()),
        };
        budget.release_memory(held);
        let flow = flow?;
        ended.map(|()| flow)
    }

    fn cover(&mut self, streams: &Streams<'_>, budget: &mut Budget) -> Result<(), Reason> {
        for (offset, size_bytes) in &streams.packed {
            let begin = offset.saturating_add(START_BYTES);
            self.covered.add(begin, *size_bytes, budget)?;
        }
        Ok(())
    }

    fn members(
        &mut self,
        streams: &Streams<'_>,
        files: &Files<'_>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        tell(streams, files, budget, members)?;
        let mut names = Names {
            files: &mut files.iter(),
        };
        for folder in &streams.folders {
            budget.check_time()?;
            let begin = folder.first_substream;
            let end = begin.saturating_add(folder.substreams);
            let substreams = streams.substreams.get(begin..end).unwrap_or_default();
            let decoding = Decoding::new(self.source, streams, folder, self.tally);
            let flow = match decoding.stored() {
                Some(part) => {
                    self.stored_folder(part, substreams, &mut names, (&mut *budget, &mut *members))?
                }
                None => self.folder(
                    decoding,
                    substreams,
                    &mut names,
                    (&mut *budget, &mut *members),
                )?,
            };
            if flow == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        let Some(name) = names.next(budget, members)? else {
            return Ok(Flow::Stop);
        };
        if let Some(name) = name {
            let stop = Stop::malformed("more members are listed than are packed");
            self.troubles.note_member(&name, 0, stop);
        }
        Ok(Flow::Continue)
    }

    /// Members that lie in the archive as they are.
    fn stored_folder(
        &mut self,
        (offset, size_bytes): (u64, u64),
        substreams: &[Substream],
        names: &mut Names<'_>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let end = offset
            .saturating_add(size_bytes)
            .min(self.source.size_bytes());
        let mut at = offset.min(end);
        for substream in substreams {
            let Some(name) = names.next_or_unnamed(budget, members)? else {
                return Ok(Flow::Stop);
            };
            let size_bytes = substream.size_bytes.min(end.saturating_sub(at));
            self.tally.add(size_bytes, budget)?;
            if size_bytes < substream.size_bytes {
                self.troubles
                    .note_member(&name, at, Stop::malformed("member ends early"));
            } else if let Some(stated) = substream.crc
                && stated != self.crc(at, size_bytes, budget)?
            {
                let stop = Stop::malformed("checksum does not match");
                self.troubles.note_member(&name, at, stop);
            }
            let content = Content::Range {
                offset: at,
                size_bytes,
            };
            let name = &name;
            if members.member(Member { name, content }, budget) == Flow::Stop {
                return Ok(Flow::Stop);
            }
            at = at.saturating_add(size_bytes);
        }
        let content = Content::Range {
            offset: at,
            size_bytes: end.saturating_sub(at),
        };
        self.rest(content, end.saturating_sub(at), budget, members)
    }

    /// Members that are decoded together.
    fn folder(
        &mut self,
        mut decoding: Decoding<'_>,
        substreams: &[Substream],
        names: &mut Names<'_>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let Stage { output, ended } = decoding.all(budget);
        let cut = self.cut(
            (output.bytes(), ended),
            substreams,
            names,
            (&mut *budget, &mut *members),
        );
        let size_bytes = output.bytes().len() as u64;
        output.discard(budget);
        let flow = cut?;
        self.tally.add(size_bytes, budget)?;
        Ok(flow)
    }

    /// Cuts what a folder gave into its members.
    fn cut(
        &mut self,
        (bytes, ended): (&[u8], Result<(), Stop>),
        substreams: &[Substream],
        names: &mut Names<'_>,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<Flow, Stop> {
        let mut left = bytes;
        let is_whole = ended.is_ok();
        let mut stop = ended.err();
        for substream in substreams {
            let Some(name) = names.next_or_unnamed(budget, members)? else {
                return Ok(Flow::Stop);
            };
            let size = usize::try_from(substream.size_bytes).unwrap_or(usize::MAX);
            let own = left.get(..size).unwrap_or(left);
            left = left.get(own.len()..).unwrap_or_default();
            let is_there = own.len() == size;
            if !is_there {
                let missing = stop.take();
                let missing = missing.or(is_whole.then(|| Stop::malformed("member ends early")));
                if let Some(missing) = missing {
                    self.troubles.note_member(&name, START_BYTES, missing);
                }
                if own.is_empty() {
                    continue;
                }
            } else if substream.crc.is_some_and(|crc| crc != crc32fast::hash(own)) {
                let stop = Stop::malformed("checksum does not match");
                self.troubles.note_member(&name, START_BYTES, stop);
            }
            let content = Content::Bytes(own);
            let name = &name;
            if members.member(Member { name, content }, budget) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        if let Some(stop) = stop {
            self.troubles.note(START_BYTES, stop);
        }
        self.rest(Content::Bytes(left), left.len() as u64, budget, members)
    }

    /// What a folder holds past its members.
    fn rest(
        &mut self,
        content: Content<'_>,
        size_bytes: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        if size_bytes == 0 {
            return Ok(Flow::Continue);
        }
        let stop = Stop::malformed("folder holds more than its members");
        self.troubles.note(START_BYTES, stop);
        let name = REST;
        Ok(members.member(Member { name, content }, budget))
    }

    fn crc(&self, offset: u64, size_bytes: u64, budget: &Budget) -> Result<u32, Stop> {
        let mut input = Input::new(self.source, offset, size_bytes);
        let mut hasher = crc32fast::Hasher::new();
        while input.left() > 0 {
            budget.check_time()?;
            let chunk = input.peek()?;
            let length = chunk.len();
            if length == 0 {
                break;
            }
            hasher.update(chunk);
            input.consume(length);
        }
        Ok(hasher.finalize())
    }
}

/// Tells of every member that is a file. The position counts directories too.
fn tell(
    streams: &Streams<'_>,
    files: &Files<'_>,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Result<(), Stop> {
    let mut contents = streams.folders.iter().flat_map(|folder| {
        let end = folder.first_substream.saturating_add(folder.substreams);
        let own = streams.substreams.get(folder.first_substream..end);
        let is_encrypted = folder.is_encrypted();
        let size = move |substream: &Substream| (substream.size_bytes, is_encrypted);
        own.unwrap_or_default().iter().map(size)
    });
    for (position, file) in (0u64..).zip(files.iter()) {
        budget.check_time()?;
        let content = file.has_stream.then(|| contents.next()).flatten();
        let (size_bytes, is_encrypted) = content.unwrap_or_default();
        let listed = Listed {
            lister: Lister::SevenZip,
            name: &file.name,
            packed_bytes: 0,
            size_bytes,
            is_encrypted,
            position,
        };
        if file.is_file {
            members.listed(&listed, budget);
        }
    }
    Ok(())
}

/// The names of members with content, in their order; those without are handed over on the way.
struct Names<'f> {
    files: &'f mut dyn Iterator<Item = File>,
}

impl Names<'_> {
    /// The next name, if there is one; `None` when nothing more is wanted.
    #[expect(
        clippy::option_option,
        reason = "whether more is wanted, and whether there is more, are two questions"
    )]
    fn next(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Option<Option<Vec<u8>>>, Stop> {
        for file in &mut *self.files {
            if file.has_stream {
                return Ok(Some(Some(file.name)));
            }
            budget.check_time()?;
            let content = Content::Bytes(&[]);
            let name = &file.name;
            if file.is_file && members.member(Member { name, content }, budget) == Flow::Stop {
                return Ok(None);
            }
        }
        Ok(Some(None))
    }

    fn next_or_unnamed(
        &mut self,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Option<Vec<u8>>, Stop> {
        let next = self.next(budget, members)?;
        Ok(next.map(|name| name.unwrap_or_else(|| UNNAMED.to_vec())))
    }
}

fn read_whole(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    while input.left() > 0 {
        let consumed = input.consumed();
        let chunk = input.peek()?;
        let length = chunk.len();
        if length == 0 {
            return Err(Stop::malformed("archive ends early"));
        }
        output.push(chunk, budget, consumed)?;
        input.consume(length);
    }
    Ok(())
}
