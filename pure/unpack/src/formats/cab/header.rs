//! The headers of a cabinet: its own, its folders', its files'.

use proto::Budget;

use crate::fields::{u16_le, u32_le};
use crate::input::Input;
use crate::members::Stop;

/// Four bytes follow that should be zero, and that no reader looks at.
pub(crate) const MAGIC: &[u8] = b"MSCF";
const HEADER_BYTES: usize = 36;
const FOLDER_BYTES: usize = 8;
const FILE_BYTES: usize = 16;
const HAS_PREVIOUS: u16 = 1;
const HAS_NEXT: u16 = 2;
const HAS_RESERVE: u16 = 4;
/// The most that readers take for a name.
const NAME_BYTES_MAX: usize = 1024;
const ENDS_EARLY: &str = "cabinet ends early";

const FROM_PREVIOUS: u16 = 0xfffd;
const TO_NEXT: u16 = 0xfffe;
const FROM_PREVIOUS_TO_NEXT: u16 = 0xffff;

/// What a cabinet says of itself.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) size_bytes: u64,
    pub(crate) files_offset: u64,
    pub(crate) files: u16,
    /// Bytes before each data block's own that programs may use.
    pub(crate) block_reserve_bytes: usize,
    pub(crate) previous: Option<Vec<u8>>,
    pub(crate) next: Option<Vec<u8>>,
    pub(crate) folders: Vec<Folder>,
}

/// How a folder's data are packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Folder {
    pub(crate) offset: u64,
    pub(crate) blocks: u16,
    pub(crate) method: u16,
}

/// A file's share of its folder.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    pub(crate) folder: usize,
    pub(crate) offset: u64,
    pub(crate) size_bytes: u64,
    /// Whether it begins in the cabinet before this one.
    pub(crate) is_continued: bool,
    /// Whether it goes on in the next cabinet.
    pub(crate) goes_on: bool,
}

/// Whether a cabinet begins here, of which there are `left` bytes. Its version, the length that it
/// states and the words that are kept free are not asked: readers pass over them.
pub(crate) fn is_plausible(head: &[u8], left: u64) -> bool {
    let files_offset = u32_le(head, 16).map_or(0, u64::from);
    let counts = [u16_le(head, 26), u16_le(head, 28)];
    head.starts_with(MAGIC)
        && (HEADER_BYTES as u64..left).contains(&files_offset)
        && counts
            .iter()
            .all(|count| count.is_some_and(|count| count > 0))
}

/// Whether all is there that writers put into a header, down to the words that are kept free.
pub(crate) fn is_usual(head: &[u8], left: u64) -> bool {
    let size = u32_le(head, 8).map_or(0, u64::from);
    let files_offset = u32_le(head, 16).map_or(0, u64::from);
    let reserved = (u32_le(head, 4), u32_le(head, 12), u32_le(head, 20));
    is_plausible(head, left)
        && reserved == (Some(0), Some(0), Some(0))
        && head.get(24..26) == Some(&[3, 1])
        && u16_le(head, 30).is_some_and(|flags| flags <= 7)
        && files_offset < size
        && size <= left
}

/// The first folder, where nothing stands before it.
pub(crate) fn first_folder(head: &[u8]) -> Option<Folder> {
    let flags = u16_le(head, 30)?;
    let is_next = flags & (HAS_PREVIOUS | HAS_NEXT | HAS_RESERVE) == 0;
    Folder::parse(head.get(HEADER_BYTES..)?).filter(|_| is_next)
}

impl Folder {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            offset: u64::from(u32_le(bytes, 0)?),
            blocks: u16_le(bytes, 4)?,
            method: u16_le(bytes, 6)?,
        })
    }
}

impl Header {
    /// Reads the header and the folders; leaves the input after them.
    pub(crate) fn read(input: &mut Input<'_>) -> Result<Self, Stop> {
        let fixed = take(input, HEADER_BYTES)?;
        let word = |at| u16_le(&fixed, at).unwrap_or(0);
        let long = |at| u64::from(u32_le(&fixed, at).unwrap_or(0));
        let (folders, flags) = (word(26), word(30));
        let (mut folder_reserve, mut block_reserve_bytes) = (0usize, 0usize);
        if flags & HAS_RESERVE != 0 {
            let sizes = take(input, 4)?;
            let own = u64::from(u16_le(&sizes, 0).unwrap_or(0));
            folder_reserve = sizes.get(2).copied().map_or(0, usize::from);
            block_reserve_bytes = sizes.get(3).copied().map_or(0, usize::from);
            input.seek(input.offset().saturating_add(own));
        }
        let mut names = [None, None];
        for (name, flag) in names.iter_mut().zip([HAS_PREVIOUS, HAS_NEXT]) {
            if flags & flag != 0 {
                *name = Some(text(input)?);
                // The disk that it is on.
                text(input)?;
            }
        }
        let [previous, next] = names;
        let mut header = Self {
            size_bytes: long(8),
            files_offset: long(16),
            files: word(28),
            block_reserve_bytes,
            previous,
            next,
            folders: Vec::new(),
        };
        for _ in 0..folders {
            let bytes = take(input, FOLDER_BYTES.saturating_add(folder_reserve))?;
            header.folders.extend(Folder::parse(&bytes));
        }
        Ok(header)
    }
}

impl File {
    /// What is held for one.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (size_of::<Self>() as u64).saturating_add(self.name.len() as u64)
    }

    /// Reads the next file's entry.
    pub(crate) fn read(
        input: &mut Input<'_>,
        folders: usize,
        budget: &Budget,
    ) -> Result<Self, Stop> {
        budget.check_time()?;
        let fixed = take(input, FILE_BYTES)?;
        let index = u16_le(&fixed, 8).unwrap_or(0);
        let is_continued = index == FROM_PREVIOUS || index == FROM_PREVIOUS_TO_NEXT;
        let goes_on = index == TO_NEXT || index == FROM_PREVIOUS_TO_NEXT;
        let folder = match index {
            _ if is_continued => 0,
            _ if goes_on => folders.saturating_sub(1),
            index => usize::from(index),
        };
        let mut name = text(input)?;
        if name.is_empty() {
            name = b"(unnamed)".to_vec();
        }
        Ok(Self {
            name,
            folder,
            offset: u64::from(u32_le(&fixed, 4).unwrap_or(0)),
            size_bytes: u64::from(u32_le(&fixed, 0).unwrap_or(0)),
            is_continued,
            goes_on,
        })
    }
}

pub(crate) fn take(input: &mut Input<'_>, count: usize) -> Result<Vec<u8>, Stop> {
    let bytes = input.at_least(count)?;
    let taken = bytes.get(..count).map(<[u8]>::to_vec);
    let taken = taken.ok_or(Stop::malformed(ENDS_EARLY))?;
    input.consume(count);
    Ok(taken)
}

/// Bytes up to a zero.
fn text(input: &mut Input<'_>) -> Result<Vec<u8>, Stop> {
    let mut text = Vec::new();
    while let Some(byte) = input.byte()? {
        if byte == 0 {
            return Ok(text);
        }
        text.push(byte);
        if text.len() > NAME_BYTES_MAX {
            return Err(Stop::malformed("name in a cabinet is too long"));
        }
    }
    Err(Stop::malformed(ENDS_EARLY))
}
