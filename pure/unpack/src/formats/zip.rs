//! zip: the central directory first, then every local header that it doesn't list, then what lies
//! before and after the archive. A member is never skipped because two places disagree on it: it
//! is unpacked both ways. Members that no password at hand opens and unknown methods are named and
//! passed over.

pub(crate) mod directory;
mod encryption;
pub(crate) mod records;
mod walk;

use std::collections::BTreeSet;

use proto::{Budget, Reason};

use crate::Source;
use crate::decode::{
    bzip2::bunzip2, deflate, lzma::unlzma_zip, ppmd::unppmd_zip, xz::unxz, zstd::unzstd,
};
use crate::formats::ooxml;
use crate::formats::streams::{AFTER_END, Decode, skip_zeros};
use crate::formats::zip::directory::{Directory, Entries, is_plausible, locate};
use crate::formats::zip::encryption::{Encrypted, closed};
use crate::formats::zip::records::{DESCRIPTOR, END, Entry, LOCAL, method_name};
use crate::identify::{Format, Probe, Role};
use crate::input::Input;
use crate::members::{Content, Flow, Listed, Lister, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

const BEFORE_START: &[u8] = b"(before start)";
const GAP: &[u8] = b"(gap)";
/// A descriptor with its signature and wide sizes.
const DESCRIPTOR_BYTES_MAX: u64 = 24;
/// How often the archive's own size may be read as members' data before they must overlap.
const READ_FACTOR_MAX: u64 = 3;
const READ_FREE_BYTES: u64 = 64 << 10;
const MARKER_BYTES: u64 = 4;
/// The flag of LZMA that a marker ends.
const LZMA_MARKER: u16 = 2;

/// zip files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "zip",
    detect: is_zip,
    role: Role::Container(ooxml::unpack),
}];

/// Whether an object is a zip, from its first byte or behind something else.
pub(super) fn is_zip(probe: &Probe<'_>) -> bool {
    let head = probe.head;
    // Spanned archives begin with a descriptor's signature, or one that says they needed no span.
    let spanned = |marker: &[u8]| {
        head.strip_prefix(marker)
            .is_some_and(|rest| rest.starts_with(LOCAL))
    };
    head.starts_with(LOCAL)
        || spanned(DESCRIPTOR)
        || spanned(b"PK00")
        || head.starts_with(END)
        || is_plausible(probe.source, probe.tail, probe.size_bytes)
}

pub(super) fn unpack(
    source: &dyn Source,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Vec<Trouble> {
    let mut archive = Archive {
        source,
        tally: Tally::new(source.size_bytes()),
        covered: Vec::new(),
        done: BTreeSet::new(),
        read_bytes: 0,
        listed: 0,
        held: 0,
        troubles: Troubles::default(),
    };
    if let Err(stop) = archive.all(budget, members) {
        archive.troubles.note(0, stop);
    }
    budget.release_memory(archive.held);
    archive.troubles.into_vec()
}

/// What of an archive was looked at so far.
struct Archive<'a> {
    source: &'a dyn Source,
    tally: Tally,
    /// Parts of the file that belong to a member or to the directory.
    covered: Vec<(u64, u64)>,
    /// Local header, method and packed size of every member done.
    done: BTreeSet<(u64, u16, u64)>,
    read_bytes: u64,
    /// Members that were told of.
    listed: u64,
    held: u64,
    troubles: Troubles,
}

/// Memory that one member costs in `covered` and `done`.
const MEMBER_STATE_BYTES: u64 = 96;

impl Archive<'_> {
    fn all(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        let located = locate(self.source)?;
        let directories = located.directories;
        if located.is_cut {
            let stop = Stop::malformed("there are more end records than are read");
            self.troubles.note(0, stop);
        }
        let mut end = self.source.size_bytes();
        let wrong = match directories.as_slice() {
            [] => Some("central directory is missing"),
            [_] => None,
            _ => Some("there is more than one central directory"),
        };
        if let Some(wrong) = wrong {
            self.troubles.note(0, Stop::malformed(wrong));
        }
        for directory in &directories {
            if self.listed(directory, budget, members)? == Flow::Stop {
                return Ok(());
            }
            end = directory.end.archive_end.min(end);
        }
        let start = match self.unlisted(end, budget, members)? {
            Some(start) => start,
            None => return Ok(()),
        };
        if self.gaps(end, budget, members)? == Flow::Continue {
            self.around(start, end, budget, members);
        }
        Ok(())
    }

    /// Members that the central directory lists.
    fn listed(
        &mut self,
        directory: &Directory,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        if directory.end.is_spanned {
            let stop = Stop::unsupported("archive is spread over several files");
            self.troubles.note(directory.end.offset, stop);
        }
        let mut entries = Entries::new(self.source, directory);
        loop {
            budget.check_time()?;
            let entry = match entries.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(stop) => {
                    self.troubles.note(entries.offset(), stop);
                    break;
                }
            };
            self.listed = self.listed.saturating_add(1);
            members.listed(&self.told(&entry), budget);
            if self.listed_member(entry, directory.shift, budget, members)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        self.covered.push((directory.begin, entries.offset()));
        let end = directory.end;
        self.covered.push((end.offset, end.archive_end));
        Ok(Flow::Continue)
    }

    fn listed_member(
        &mut self,
        entry: Entry,
        shift: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let stated = entry.header_offset;
        let mut found = Entry::local(self.source, stated.wrapping_add(shift))?;
        if found.is_none() && shift != 0 {
            found = Entry::local(self.source, stated)?;
        }
        let Some((local, data_offset)) = found else {
            let stop = Stop::malformed("local header is missing");
            self.troubles.note_member(&entry.name, stated, stop);
            return Ok(Flow::Continue);
        };
        if local.tells_otherwise(&entry) {
            members.listed(&self.told(&local), budget);
        }
        let sizes_agree = local.sizes_follow()
            || (local.packed_bytes == entry.packed_bytes && local.size_bytes == entry.size_bytes);
        let agree = sizes_agree
            && local.method == entry.method
            && local.is_encrypted() == entry.is_encrypted();
        let entry = Entry {
            header_offset: local.header_offset,
            ..entry
        };
        if entry.is_empty() && local.sizes_follow() && local.method != 0 {
            // Those who read archives as streams find data where the directory says there is none.
            let size = self.source.size_bytes();
            let found = self.unlisted_member(local.header_offset, size, budget, members)?;
            return Ok(found.0);
        }
        let flow = self.member(&entry, data_offset, budget, members)?;
        if agree || flow == Flow::Stop {
            return Ok(flow);
        }
        let stop = Stop::malformed("local header and central directory disagree");
        self.troubles
            .note_member(&entry.name, local.header_offset, stop);
        self.member(&local, data_offset, budget, members)
    }

    fn told<'e>(&self, entry: &'e Entry) -> Listed<'e> {
        Listed {
            lister: Lister::Zip,
            name: &entry.name,
            packed_bytes: entry.packed_bytes,
            size_bytes: entry.size_bytes,
            is_encrypted: entry.is_encrypted(),
            position: self.listed,
        }
    }

    /// Unpacks one member whose packed size is known.
    fn member(
        &mut self,
        entry: &Entry,
        data_offset: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let key = (entry.header_offset, entry.method, entry.packed_bytes);
        if !self.remember(key, data_offset, budget)? {
            let stop = Stop::malformed("members overlap");
            self.troubles
                .note_member(&entry.name, entry.header_offset, stop);
            return Ok(Flow::Continue);
        }
        if entry.is_directory() {
            return Ok(Flow::Continue);
        }
        if entry.is_encrypted() {
            return self.encrypted(entry, data_offset, budget, members);
        }
        let available = self.source.size_bytes().saturating_sub(data_offset);
        if entry.packed_bytes > available {
            let stop = Stop::malformed("member ends early");
            self.troubles.note_member(&entry.name, data_offset, stop);
        }
        self.count_read(entry.packed_bytes.min(available))?;
        match Decoder::of(entry) {
            _ if entry.method == 0 || entry.is_empty() => {
                self.stored(entry, data_offset, budget, members)
            }
            None => {
                let stop = Stop::unsupported(method_name(entry.method));
                self.troubles
                    .note_member(&entry.name, entry.header_offset, stop);
                Ok(Flow::Continue)
            }
            Some(decoder) => {
                let input = Input::new(self.source, data_offset, entry.packed_bytes);
                let (flow, decoded) = self.packed(entry, input, decoder, (budget, members))?;
                let packed = entry.packed_bytes.min(available);
                let slack = packed.saturating_sub(decoded.packed_bytes);
                if flow == Flow::Stop || !decoded.is_whole || slack == 0 {
                    return Ok(flow);
                }
                let offset = data_offset.saturating_add(decoded.packed_bytes);
                let stop = Stop::malformed("data after the member's end");
                self.troubles.note_member(&entry.name, offset, stop);
                let content = Content::Range {
                    offset,
                    size_bytes: slack,
                };
                Ok(members.member(Member { name: GAP, content }, budget))
            }
        }
    }

    /// Opens a member with the first password that fits; names it where none does.
    fn encrypted(
        &mut self,
        entry: &Entry,
        data_offset: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let encrypted = Encrypted {
            source: self.source,
            entry,
            offset: data_offset,
        };
        let plain = Entry {
            method: entry.aes.map_or(entry.method, |aes| aes.method),
            ..entry.clone()
        };
        let count = match entry.opens_by_password() {
            true => members.passwords().len(),
            false => 0,
        };
        for place in 0..count {
            let password = members.passwords().get(place).copied().unwrap_or_default();
            let opened = match encrypted.open(password, self.tally, budget) {
                Ok(opened) => opened,
                Err(stop) => {
                    self.troubles
                        .note_member(&entry.name, entry.header_offset, stop);
                    break;
                }
            };
            let Some(packed) = opened else {
                continue;
            };
            let Some((output, stop)) = self.decrypted(&plain, packed, budget) else {
                continue;
            };
            let (flow, tally) = output.hand_over(&entry.name, members, budget);
            self.tally = tally;
            if let Some(stop) = stop {
                self.troubles
                    .note_member(&entry.name, entry.header_offset, stop);
            }
            self.tally.add(0, budget)?;
            return Ok(flow);
        }
        self.troubles
            .note_member(&entry.name, entry.header_offset, closed());
        Ok(Flow::Continue)
    }

    /// What a decrypted member holds, and what kept more from coming out; `None` where it shows
    /// that it was not the right password.
    fn decrypted(
        &self,
        entry: &Entry,
        packed: Output,
        budget: &mut Budget,
    ) -> Option<(Output, Option<Stop>)> {
        let (output, decoded) = if entry.method == 0 {
            (packed, Ok(()))
        } else {
            let mut output = Output::new(self.tally);
            let bytes = packed.bytes();
            let mut input = Input::whole(&bytes);
            let decoded = match Decoder::of(entry) {
                Some(decoder) => decoder.decode(&mut input, &mut output, budget),
                None => Err(Stop::unsupported(method_name(entry.method))),
            };
            packed.discard(budget);
            (output, decoded)
        };
        // AES members have a code of their own, which was compared; some leave the checksum out.
        let is_authentic = entry.aes.is_some();
        let fits = match &decoded {
            Ok(()) => is_authentic || crc32fast::hash(output.bytes()) == entry.crc,
            // Only what was packed can run into a limit: noise is damage at once.
            Err(stop) => is_authentic || stop.reason != Reason::Malformed,
        };
        if fits {
            return Some((output, decoded.err()));
        }
        output.discard(budget);
        None
    }

    /// False where the very same member was done before.
    fn remember(
        &mut self,
        key: (u64, u16, u64),
        data_offset: u64,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        let (begin, _, packed_bytes) = key;
        self.cover(begin, data_offset.saturating_add(packed_bytes), budget)?;
        Ok(self.done.insert(key))
    }

    fn cover(&mut self, begin: u64, end: u64, budget: &mut Budget) -> Result<(), Stop> {
        budget.hold_memory(MEMBER_STATE_BYTES)?;
        self.held = self.held.saturating_add(MEMBER_STATE_BYTES);
        self.covered.push((begin, end));
        Ok(())
    }

    /// Refuses to read the archive over and over: then its members share their data.
    fn count_read(&mut self, bytes: u64) -> Result<(), Stop> {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        let size = self.source.size_bytes();
        let most = size
            .saturating_mul(READ_FACTOR_MAX)
            .saturating_add(READ_FREE_BYTES);
        match self.read_bytes > most {
            true => Err(Stop::malformed("members overlap")),
            false => Ok(()),
        }
    }

    fn stored(
        &mut self,
        entry: &Entry,
        data_offset: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let data_offset = data_offset.min(self.source.size_bytes());
        let available = self.source.size_bytes().saturating_sub(data_offset);
        let size_bytes = entry.packed_bytes.max(entry.size_bytes).min(available);
        self.tally.add(size_bytes, budget)?;
        if entry.packed_bytes != entry.size_bytes {
            let stop = Stop::malformed("size does not match");
            self.troubles.note_member(&entry.name, data_offset, stop);
        } else if self.crc(data_offset, size_bytes, budget)? != entry.crc {
            let stop = Stop::malformed("checksum does not match");
            self.troubles.note_member(&entry.name, data_offset, stop);
        }
        let content = Content::Range {
            offset: data_offset,
            size_bytes,
        };
        let name = &entry.name;
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

    /// Decodes one member; also gives what it took of the input and its checksum and size.
    fn packed(
        &mut self,
        entry: &Entry,
        mut input: Input<'_>,
        decoder: Decoder,
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Result<(Flow, Decoded), Stop> {
        let begin = input.offset();
        let mut output = Output::new(self.tally);
        let ended = decoder.decode(&mut input, &mut output, budget);
        let decoded = Decoded {
            packed_bytes: input.consumed(),
            size_bytes: output.bytes().len() as u64,
            crc: crc32fast::hash(output.bytes()),
            is_whole: ended.is_ok(),
        };
        let stop = match ended {
            Err(stop) => Some(stop),
            // What the sizes after the data say is compared by whoever finds them.
            Ok(()) if entry.sizes_follow() && entry.size_bytes == 0 => None,
            Ok(()) if decoded.size_bytes != entry.size_bytes => {
                Some(Stop::malformed("size does not match"))
            }
            Ok(()) if decoded.crc != entry.crc => Some(Stop::malformed("checksum does not match")),
            Ok(()) => None,
        };
        let (flow, tally) = output.hand_over(&entry.name, members, budget);
        self.tally = tally;
        let Some(stop) = stop else {
            return Ok((flow, decoded));
        };
        // Past these, no other member could be looked at either.
        let is_over = stop.is_limit();
        self.troubles.note_member(&entry.name, begin, stop);
        self.tally.add(0, budget)?;
        match is_over {
            true => Ok((Flow::Stop, decoded)),
            false => Ok((flow, decoded)),
        }
    }

    /// What lies between members, and between them and the directory: signing blocks and padding
    /// in honest archives, a member with a spoilt header in others. Zeros hold nothing, and what
    /// is no longer than a descriptor holds nothing that the archive's own bytes don't show.
    fn gaps(
        &mut self,
        end: u64,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let mut covered = std::mem::take(&mut self.covered);
        covered.sort_unstable();
        covered.push((end, end));
        let mut at = covered.first().map_or(end, |(begin, _)| *begin);
        for (begin, after) in covered {
            let gap = begin.min(end).saturating_sub(at);
            if gap > DESCRIPTOR_BYTES_MAX && !self.is_zeros(at, gap, budget)? {
                let content = Content::Range {
                    offset: at,
                    size_bytes: gap,
                };
                if members.member(Member { name: GAP, content }, budget) == Flow::Stop {
                    return Ok(Flow::Stop);
                }
            }
            at = at.max(after);
        }
        Ok(Flow::Continue)
    }

    fn is_zeros(&self, offset: u64, size_bytes: u64, budget: &Budget) -> Result<bool, Stop> {
        let mut gap = Input::new(self.source, offset, size_bytes);
        Ok(!skip_zeros(&mut gap, budget)?)
    }

    /// What lies before the first member and after the archive's end.
    fn around(&mut self, start: u64, end: u64, budget: &mut Budget, members: &mut dyn Members) {
        let size = self.source.size_bytes();
        let parts = [
            (BEFORE_START, 0, start),
            (AFTER_END, end, size.saturating_sub(end)),
        ];
        for (name, offset, size_bytes) in parts {
            // The marker of a spanned archive is part of it.
            let is_marker = offset == 0 && size_bytes <= MARKER_BYTES;
            if size_bytes == 0 || is_marker {
                continue;
            }
            let content = Content::Range { offset, size_bytes };
            if members.member(Member { name, content }, budget) == Flow::Stop {
                return;
            }
        }
    }
}

/// What came of decoding a member.
struct Decoded {
    packed_bytes: u64,
    size_bytes: u64,
    crc: u32,
    is_whole: bool,
}

/// How a member is decoded.
#[derive(Clone, Copy)]
pub(crate) enum Decoder {
    /// By a stream that says itself where it ends.
    Stream(Decode),
    /// LZMA, which ends at a marker or at a size.
    Lzma { size_bytes: Option<u64> },
    /// PPMd, which does the same.
    Ppmd { size_bytes: Option<u64> },
}

impl Decoder {
    /// That of a member's method, if there is one.
    pub(crate) fn of(entry: &Entry) -> Option<Self> {
        let unknown = entry.sizes_follow() && entry.size_bytes == 0;
        let size_bytes = (!unknown).then_some(entry.size_bytes);
        match entry.method {
            8 => Some(Self::Stream(deflate::inflate)),
            9 => Some(Self::Stream(deflate::inflate64)),
            12 => Some(Self::Stream(bunzip2)),
            14 => {
                let is_marked = entry.flags & LZMA_MARKER != 0;
                let size_bytes = size_bytes.filter(|_| !is_marked);
                Some(Self::Lzma { size_bytes })
            }
            93 => Some(Self::Stream(unzstd)),
            95 => Some(Self::Stream(unxz)),
            98 => Some(Self::Ppmd { size_bytes }),
            _ => None,
        }
    }

    /// Decodes a member; leaves the input after it.
    pub(crate) fn decode(
        self,
        input: &mut Input<'_>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        match self {
            Self::Stream(decode) => decode(input, output, budget),
            Self::Lzma { size_bytes } => unlzma_zip(size_bytes, input, (output, budget)),
            Self::Ppmd { size_bytes } => unppmd_zip(size_bytes, input, (output, budget)),
        }
    }
}
