//! Cabinets: each folder is decoded once and cut into its files. Of a set of several cabinets the
//! part that is here is looked at, and the missing cabinet named. What no folder takes is a member
//! of its own.

mod folder;
mod header;

use proto::{Budget, Reason};

use crate::fields::u32_le;
use crate::formats::cab::folder::Blocks;
pub(crate) use crate::formats::cab::header::MAGIC;
use crate::formats::cab::header::{File, Folder, Header};
use crate::formats::uncovered::Covered;
use crate::identify::{Format, Probe, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Listed, Lister, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};
use crate::{ReadError, Source, SubSource};

/// How often the cabinet's own size may be read as folders' data, and a folder's as files', before
/// they must overlap.
const READ_FACTOR_MAX: u64 = 3;
const READ_FREE_BYTES: u64 = 64 << 10;
/// Enough for the first folder.
const HEAD_BYTES: usize = 64;
const REST: &[u8] = b"(rest of a folder)";

/// Cabinets.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "cab",
    detect,
    role: Role::Container(unpack),
}];

/// What is cut off right behind the magic is a cabinet too, where the words that should be zero
/// are; writers leave them so.
fn detect(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"MSCF\0\0\0\0") || header::is_plausible(probe.head, probe.size_bytes)
}

/// The length of the cabinet that begins at a place inside other data, as far as it says. One that
/// no writer made but some reader opens counts where its first folder begins as it should.
#[expect(
    clippy::option_option,
    reason = "whether it is one, and whether it says where it ends, are two questions"
)]
pub(crate) fn inside(source: &dyn Source, offset: u64) -> Result<Option<Option<u64>>, ReadError> {
    let rest = SubSource::new(source, offset, u64::MAX);
    let head = read_part(&rest, 0, HEAD_BYTES)?;
    let left = rest.size_bytes();
    if header::is_usual(&head, left) {
        return Ok(Some(u32_le(&head, 8).map(u64::from)));
    }
    let folder = header::first_folder(&head).filter(|_| header::is_plausible(&head, left));
    let is_sound = folder.is_some_and(|folder| folder::begins_well(&rest, folder));
    Ok(is_sound.then_some(None))
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut cabinet = Cabinet {
        source,
        tally: Tally::new(source.size_bytes()),
        covered: Covered::default(),
        read_bytes: 0,
        troubles: Troubles::default(),
    };
    let mut files = Vec::new();
    let mut held = 0;
    match cabinet.all((&mut files, &mut held), budget, members) {
        Ok(Flow::Continue) => {
            if let Err(stop) = cabinet.covered.hand_over_rest(source, budget, members) {
                cabinet.troubles.note(0, stop);
            }
        }
        Ok(Flow::Stop) => {}
        Err(stop) => cabinet.troubles.note(0, stop),
    }
    budget.release_memory(held);
    cabinet.covered.discard(budget);
    cabinet.troubles.into_vec()
}

struct Cabinet<'a> {
    source: &'a dyn Source,
    tally: Tally,
    covered: Covered,
    read_bytes: u64,
    troubles: Troubles,
}

impl Cabinet<'_> {
    fn all(
        &mut self,
        (files, held): (&mut Vec<File>, &mut u64),
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut input = Input::whole(self.source);
        let header = Header::read(&mut input)?;
        self.covered.add(0, input.offset(), budget)?;
        if header.size_bytes > self.source.size_bytes() {
            self.troubles.note(0, Stop::malformed("cabinet ends early"));
        }
        self.list(&header, &mut input, (files, held), budget)?;
        for (position, file) in (0u64..).zip(files.iter()) {
            let listed = Listed {
                lister: Lister::Cabinet,
                name: &file.name,
                packed_bytes: 0,
                size_bytes: file.size_bytes,
                is_encrypted: false,
                position,
            };
            members.listed(&listed, budget);
        }
        // Those of one folder together, in the order of the list.
        files.sort_by_key(|file| file.folder);
        for own in files.chunk_by(|one, next| one.folder == next.folder) {
            let index = own.first().map_or(0, |file| file.folder);
            let flow = match header.folders.get(index) {
                Some(folder) => self.folder((&header, *folder), own, budget, members)?,
                None => {
                    let name = own.first().map_or(REST, |file| &file.name);
                    let stop = Stop::malformed("folder is missing");
                    self.troubles.note_member(name, 0, stop);
                    Flow::Continue
                }
            };
            if flow == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Reads the list of files; what was read before damage counts.
    fn list(
        &mut self,
        header: &Header,
        input: &mut Input<'_>,
        (files, held): (&mut Vec<File>, &mut u64),
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        input.seek(header.files_offset);
        for _ in 0..header.files {
            match File::read(input, header.folders.len(), budget) {
                Ok(file) => {
                    let bytes = file.memory_bytes();
                    budget.hold_memory(bytes)?;
                    *held = held.saturating_add(bytes);
                    files.push(file);
                }
                Err(stop) => {
                    self.troubles.note(input.offset(), stop);
                    break;
                }
            }
        }
        let size_bytes = input.offset().saturating_sub(header.files_offset);
        self.covered.add(header.files_offset, size_bytes, budget)?;
        Ok(())
    }

    fn folder(
        &mut self,
        (header, folder): (&Header, Folder),
        files: &[File],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut blocks = Blocks {
            source: self.source,
            folder,
            reserve_bytes: header.block_reserve_bytes,
            end: folder.offset,
            is_damaged: false,
        };
        let continued = files.iter().find(|file| file.is_continued);
        if let Some(file) = continued {
            self.missing(file, header.previous.as_deref(), "begins");
        }
        if let Some(file) = files.iter().find(|file| file.goes_on && !file.is_continued) {
            self.missing(file, header.next.as_deref(), "goes on");
        }
        let mut output = Output::new(self.tally);
        let ended = match continued {
            // What packs it looks back into what is not here.
            Some(_) if !blocks.is_stored() => blocks.pass_over(budget),
            _ => blocks.decode(&mut output, budget),
        };
        let read_bytes = blocks.end.saturating_sub(folder.offset);
        let counted = self.count_read(read_bytes);
        let covered = self.covered.add(folder.offset, read_bytes, budget);
        if blocks.is_damaged {
            let stop = Stop::malformed("checksum of a block does not match");
            self.troubles.note(folder.offset, stop);
        }
        let flow = match continued {
            Some(file) => {
                let content = Content::Bytes(output.bytes());
                let name = &file.name;
                match output.bytes().is_empty() {
                    true => Ok(Flow::Continue),
                    false => Ok(members.member(Member { name, content }, budget)),
                }
            }
            None => self.cut((output.bytes(), ended), files, budget, members),
        };
        let size_bytes = output.bytes().len() as u64;
        output.discard(budget);
        counted?;
        covered?;
        self.tally.add(size_bytes, budget)?;
        flow
    }

    /// Names the cabinet that has the rest of a file.
    fn missing(&mut self, file: &File, cabinet: Option<&[u8]>, verb: &str) {
        let cabinet = String::from_utf8_lossy(cabinet.unwrap_or(b"another cabinet"));
        let stop = Stop::unsupported(format!("member {verb} in {cabinet}, which is another file"));
        self.troubles.note_member(&file.name, 0, stop);
    }

    /// Refuses to read the cabinet over and over: then its folders share their data.
    fn count_read(&mut self, bytes: u64) -> Result<(), Stop> {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        match self.read_bytes > most(self.source.size_bytes()) {
            true => Err(Stop::malformed("folders overlap")),
            false => Ok(()),
        }
    }

    /// Cuts what a folder gave into its files.
    fn cut(
        &mut self,
        (bytes, ended): (&[u8], Result<(), Stop>),
        files: &[File],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut stop = ended.err();
        let mut handed_bytes = 0u64;
        let mut end = 0usize;
        for file in files {
            budget.check_time()?;
            let begin = usize::try_from(file.offset).unwrap_or(usize::MAX);
            let size = usize::try_from(file.size_bytes).unwrap_or(usize::MAX);
            let rest = bytes.get(begin..).unwrap_or_default();
            let own = rest.get(..size).unwrap_or(rest);
            if own.len() < size && !file.goes_on {
                let why = stop.take();
                let why = why.unwrap_or_else(|| Stop::malformed("member ends early"));
                self.troubles.note_member(&file.name, file.offset, why);
            }
            if own.is_empty() && size > 0 {
                continue;
            }
            handed_bytes = handed_bytes.saturating_add(own.len() as u64);
            if handed_bytes > most(bytes.len() as u64) {
                return Err(Stop::malformed("members overlap"));
            }
            end = end.max(begin.saturating_add(own.len()));
            let content = Content::Bytes(own);
            let name = &file.name;
            if members.member(Member { name, content }, budget) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        if let Some(stop) = stop {
            let is_over = stop.is_limit() || stop.reason == Reason::LimitRatio;
            self.troubles.note(0, stop);
            if is_over {
                return Ok(Flow::Stop);
            }
        }
        let rest = bytes.get(end..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Flow::Continue);
        }
        self.troubles
            .note(0, Stop::malformed("folder holds more than its members"));
        let content = Content::Bytes(rest);
        let name = REST;
        Ok(members.member(Member { name, content }, budget))
    }
}

/// What may be read of so many bytes.
fn most(size_bytes: u64) -> u64 {
    size_bytes
        .saturating_mul(READ_FACTOR_MAX)
        .saturating_add(READ_FREE_BYTES)
}
