//! Which format an object is in, by its content. The first match in the registry wins; what
//! nothing there recognises is a leaf: `empty`, `html`, `text` or `data`.

use std::borrow::Cow;
use std::ops::Range;

use proto::Budget;

use crate::formats::zip::directory::locate;
use crate::formats::{self, leaf};
use crate::input::part_of;
use crate::members::{Members, Trouble};
use crate::{Facts, ReadError, Source};

/// Enough for an ISO 9660 volume descriptor at 32 KiB.
const HEAD_BYTES: usize = 36 << 10;
/// Enough for the end of a zip's central directory with the longest comment.
const TAIL_BYTES: usize = 66 << 10;

/// What a format is recognised by.
#[derive(Clone, Copy)]
pub struct Probe<'a> {
    /// The first 36 KiB.
    pub head: &'a [u8],
    /// The last 66 KiB; may overlap the head.
    pub tail: &'a [u8],
    /// The whole length.
    pub size_bytes: u64,
    /// The object, for what lies elsewhere.
    pub source: &'a dyn Source,
}

/// One format.
pub struct Format {
    /// The name in verdicts.
    pub name: &'static str,
    /// Whether an object is in it.
    pub detect: fn(&Probe<'_>) -> bool,
    /// What can be done with it.
    pub role: Role,
}

/// Unpacks a container.
pub type UnpackFn = fn(&dyn Source, &mut Budget, &mut dyn Members) -> Vec<Trouble>;
/// Finds out the structure of an executable.
pub type FactsFn = fn(&dyn Source) -> (Option<Facts>, Vec<Trouble>);

/// What can be done with an object of a format.
#[derive(Clone, Copy)]
pub enum Role {
    /// It has members.
    Container(UnpackFn),
    /// It has structure facts.
    Executable(FactsFn),
    /// It has content that is not unpacked.
    Unsupported,
    /// Its bytes are all there is.
    Leaf,
}

/// Recognises an object's format.
pub fn identify(source: &dyn Source) -> Result<&'static Format, ReadError> {
    let Some(ends) = Ends::read(source)? else {
        return Ok(&leaf::EMPTY);
    };
    let probe = ends.probe(source);
    let known = registered().find(|format| (format.detect)(&probe));
    Ok(known.unwrap_or_else(|| leaf::of_unrecognised(&probe)))
}

impl Format {
    /// Whether an object in this format may be one in another too, since readers of this one pass
    /// over what else there is: other data stands before, between and behind what is its own.
    #[must_use]
    pub fn leaves_gaps(&self) -> bool {
        self.name == "pdf"
    }

    /// Whether an object in this format may begin with another one's magic.
    #[must_use]
    pub fn has_free_begin(&self) -> bool {
        matches!(self.name, "iso9660" | "udf" | "tar")
    }
}

/// What else an executable or a format with gaps is: containers that do not need the first bytes
/// for themselves, such as a zip behind it or a tar whose first member's name is its magic.
pub fn identify_beside(
    source: &dyn Source,
    known: &Format,
) -> Result<Vec<&'static Format>, ReadError> {
    let Some(ends) = Ends::read(source)? else {
        return Ok(Vec::new());
    };
    let probe = ends.probe(source);
    let has_members =
        |format: &&Format| matches!(format.role, Role::Container(_) | Role::Unsupported);
    Ok(registered()
        .filter(has_members)
        .filter(|format| format.name != known.name && (format.detect)(&probe))
        .collect())
}

/// Where the directories of zip archives lie whose end is found at an object's end, whatever it is
/// besides: readers of zip begin there, and pass over what lies before.
pub fn zip_directories(source: &dyn Source) -> Result<Vec<Range<u64>>, ReadError> {
    let located = locate(source)?;
    let found = located.directories.iter();
    let mut found: Vec<_> = found
        .filter(|found| found.begin < found.end.offset)
        .map(|found| found.begin..found.end.archive_end)
        .collect();
    if located.is_cut {
        found.push(0..source.size_bytes());
    }
    Ok(found)
}

fn registered() -> impl Iterator<Item = &'static Format> {
    formats::REGISTRY.iter().flat_map(|group| group.iter())
}

/// The first and the last bytes of an object that has some.
struct Ends<'s> {
    head: Cow<'s, [u8]>,
    /// `None` where the head is the whole object.
    tail: Option<Cow<'s, [u8]>>,
}

impl<'s> Ends<'s> {
    fn read(source: &'s dyn Source) -> Result<Option<Self>, ReadError> {
        let size_bytes = source.size_bytes();
        if size_bytes == 0 {
            return Ok(None);
        }
        let head = part_of(source, 0, HEAD_BYTES)?;
        let tail = match size_bytes.checked_sub(head.len() as u64) {
            Some(0) => None,
            _ => {
                let begin = size_bytes.saturating_sub(TAIL_BYTES as u64);
                Some(part_of(source, begin, TAIL_BYTES)?)
            }
        };
        Ok(Some(Self { head, tail }))
    }

    fn probe<'a>(&'a self, source: &'a dyn Source) -> Probe<'a> {
        Probe {
            head: &self.head,
            tail: self.tail.as_deref().unwrap_or(&self.head),
            size_bytes: source.size_bytes(),
            source,
        }
    }
}
