//! zip inside other data: a local header that a directory leads to, or whose member decodes.

use std::sync::OnceLock;

use aho_corasick::packed::Searcher;
use proto::{Budget, Reason};

use crate::Source;
use crate::embedded::window::{Window, searcher};
use crate::fields::u16_le;
use crate::formats::zip::Decoder;
use crate::formats::zip::directory::{Directory, Entries, at_end};
use crate::formats::zip::records::{END, END_BYTES, End, Entry, descriptor, is_method};
use crate::input::{Input, read_part};
use crate::members::Stop;
use crate::output::{Output, Tally};

/// End records that are read in one object, and members that are decoded on trial.
const ENDS_MAX: usize = 64;
const TRIALS_MAX: usize = 256;
/// The versions of the format that there are, times ten.
const VERSION_MAX: u16 = 63;

/// The zip archives of one object, as their end records describe them.
pub(crate) struct Zips<'a> {
    source: &'a dyn Source,
    /// Where each begins and ends; read once the first local header asks.
    archives: Option<Archives>,
    trials: usize,
}

struct Archives {
    parts: Vec<(u64, u64)>,
    /// Whether there were more end records than are read.
    is_cut: bool,
}

impl<'a> Zips<'a> {
    pub(crate) fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            archives: None,
            trials: 0,
        }
    }

    /// `None` where no archive begins at this local header; else where it ends, if a directory
    /// says so.
    #[expect(
        clippy::option_option,
        reason = "whether it is one, and whether it says where it ends, are two questions"
    )]
    pub(crate) fn end(
        &mut self,
        offset: u64,
        budget: &mut Budget,
    ) -> Result<Option<Option<u64>>, Stop> {
        let fixed = read_part(self.source, offset, 30)?;
        let is_sane = u16_le(&fixed, 4).is_some_and(|version| version & 0xff <= VERSION_MAX)
            && u16_le(&fixed, 8).is_some_and(is_method)
            && u16_le(&fixed, 26).is_some_and(|name_bytes| name_bytes > 0);
        // What a directory leads to is an archive, whatever its local header says.
        if self.archives.is_none() {
            self.archives = Some(archives(self.source, offset, budget)?);
        }
        let mut known = self.archives.iter().flat_map(|archives| &archives.parts);
        if let Some((_, end)) = known.find(|(begin, _)| *begin == offset) {
            return Ok(Some(Some(*end)));
        }
        if !is_sane {
            return Ok(None);
        }
        self.trials = self.trials.saturating_add(1);
        if self.trials > TRIALS_MAX {
            return Err(Stop {
                reason: Reason::Unsupported,
                text: "too many broken archives inside other data".into(),
            });
        }
        let Some((entry, data_offset)) = Entry::local(self.source, offset)? else {
            return Ok(None);
        };
        let is_encrypted = entry.flags & 1 != 0;
        if is_encrypted || (entry.method != 0 && Decoder::of(&entry).is_none()) {
            // No trial can tell, and the directory may be one of those that were not read.
            let is_cut = |archives: &Archives| archives.is_cut;
            return Ok(self.archives.as_ref().is_some_and(is_cut).then_some(None));
        }
        Ok(self.decodes(&entry, data_offset, budget)?.then_some(None))
    }

    /// Whether the member of this local header decodes to what its checksum says.
    fn decodes(&self, entry: &Entry, data_offset: u64, budget: &mut Budget) -> Result<bool, Stop> {
        if data_offset >= self.source.size_bytes() {
            return Ok(false);
        }
        let decoder = Decoder::of(entry);
        let size_known = entry.packed_bytes > 0;
        let packed_bytes = if size_known {
            entry.packed_bytes
        } else {
            u64::MAX
        };
        let mut input = Input::new(self.source, data_offset, packed_bytes);
        match decoder {
            None if size_known => crc_of_stored(&mut input, entry, budget),
            None => Ok(false),
            Some(decoder) => {
                let mut output = Output::new(Tally::new(self.source.size_bytes()));
                let decoded = decoder.decode(&mut input, &mut output, budget);
                let (crc, size) = (crc32fast::hash(output.bytes()), output.bytes().len() as u64);
                output.discard(budget);
                match decoded {
                    // Whoever unpacks it says which limit it is.
                    Err(stop) if stop.reason != Reason::Malformed => Ok(true),
                    Err(_) => Ok(false),
                    Ok(()) if !entry.sizes_follow() => Ok(size > 0 && crc == entry.crc),
                    Ok(()) => {
                        let after = read_part(self.source, input.offset(), 24)?;
                        let found = descriptor(&after, input.consumed(), size);
                        Ok(found.is_some_and(|(stated, _)| stated == crc))
                    }
                }
            }
        }
    }
}

fn crc_of_stored(input: &mut Input<'_>, entry: &Entry, budget: &Budget) -> Result<bool, Stop> {
    let fits = input.left() == entry.packed_bytes && entry.packed_bytes == entry.size_bytes;
    if !fits {
        return Ok(false);
    }
    let mut hasher = crc32fast::Hasher::new();
    while input.left() > 0 {
        budget.check_time()?;
        let chunk = input.peek()?;
        let length = chunk.len();
        if length == 0 {
            return Ok(false);
        }
        hasher.update(chunk);
        input.consume(length);
    }
    Ok(hasher.finalize() == entry.crc)
}

/// The archives whose end record lies after `from`.
fn archives(source: &dyn Source, from: u64, budget: &Budget) -> Result<Archives, Stop> {
    static ENDS: OnceLock<Option<Searcher>> = OnceLock::new();
    let Some(ends) = ENDS.get_or_init(|| searcher(&[END])).as_ref() else {
        return Ok(Archives {
            parts: Vec::new(),
            is_cut: false,
        });
    };
    let mut window = Window::new(source, source.size_bytes());
    let mut parts = Vec::new();
    let mut tried = 0usize;
    let mut at = from;
    while let Some(offset) = window.find(ends, at, budget)? {
        at = offset.saturating_add(1);
        tried = tried.saturating_add(1);
        if tried > ENDS_MAX {
            break;
        }
        let record = read_part(source, offset, END_BYTES)?;
        let Some(end) = End::parse(&record, 0, offset) else {
            continue;
        };
        for directory in at_end(source, end.widened(source)?)? {
            if let Some(begin) = first_member(source, &directory, budget)? {
                parts.push((begin, end.archive_end));
            }
        }
    }
    Ok(Archives {
        parts,
        is_cut: tried > ENDS_MAX,
    })
}

/// Where the first of the members lies that a directory lists.
fn first_member(
    source: &dyn Source,
    directory: &Directory,
    budget: &Budget,
) -> Result<Option<u64>, Stop> {
    let mut entries = Entries::new(source, directory);
    let mut first = None;
    while let Ok(Some(entry)) = entries.next() {
        budget.check_time()?;
        let offset = entry.header_offset.wrapping_add(directory.shift);
        first = Some(first.map_or(offset, |first: u64| first.min(offset)));
    }
    Ok(first)
}
