//! The directory of a compound file (MS-CFB 2.6). Every entry that can have bytes is given, also
//! one that no storage leads to: the tree is only asked for the names of the storages around it.

use std::cmp::Ordering;

use proto::{Budget, Reason};

use crate::fields::{array, u16_le, u32_le, u64_le};

pub(crate) const ENTRY_BYTES: usize = 128;
/// What the tree costs for each entry: the parent, and twice a place on the stack.
const NODE_BYTES: u64 = 24;
const NONE: u32 = u32::MAX;
const DEPTH_MAX: usize = 32;
const ORPHANED: &str = "(orphaned)";

const STORAGE: u8 = 1;
const ROOT: u8 = 5;

/// What an entry says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// UTF-16, without what follows its end.
    units: [u16; 32],
    length: usize,
    kind: u8,
    siblings: [u32; 2],
    child: u32,
    pub(crate) start: u32,
    size_bytes: u64,
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let raw: [u8; 64] = array(bytes, 0)?;
        let (pairs, _) = raw.as_chunks::<2>();
        let mut units = [0; 32];
        for (unit, pair) in units.iter_mut().zip(pairs) {
            *unit = u16::from_le_bytes(*pair);
        }
        // The length counts the zero at the end; some writers get it wrong, so zeros end it too.
        let stated = usize::from(u16_le(bytes, 64)?) / 2;
        let zero = units.iter().position(|unit| *unit == 0);
        let length = match stated {
            0 => zero.unwrap_or(units.len()),
            _ => zero.unwrap_or(units.len()).min(stated),
        };
        Some(Self {
            units,
            length,
            kind: *bytes.get(66)?,
            siblings: [u32_le(bytes, 68)?, u32_le(bytes, 72)?],
            child: u32_le(bytes, 76)?,
            start: u32_le(bytes, 116)?,
            size_bytes: u64_le(bytes, 120)?,
        })
    }

    /// Whether it has bytes of its own: what is neither free, nor a storage, nor the root.
    pub(crate) fn is_stream(&self) -> bool {
        !matches!(self.kind, 0 | STORAGE)
    }

    /// How long it says that it is; the upper half is noise where sectors are small.
    pub(crate) fn size_bytes(&self, sector_bytes: u64) -> u64 {
        match sector_bytes {
            0..=512 => self.size_bytes & 0xffff_ffff,
            _ => self.size_bytes,
        }
    }

    pub(crate) fn units(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or_default()
    }

    /// Whether its name is this one, as Windows compares them.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        compare(self.units(), name.encode_utf16()) == Ordering::Equal
    }

    /// Its name as text: control characters as `[1]`, the names of installers' tables in clear.
    pub(crate) fn name(&self) -> String {
        let mut name = String::new();
        for unit in char::decode_utf16(self.units().iter().copied()) {
            match unit.unwrap_or(char::REPLACEMENT_CHARACTER) {
                control @ '\0'..='\x1f' => {
                    name.push_str(&format!("[{}]", u32::from(control)));
                }
                mangled @ '\u{3800}'..='\u{4840}' => unmangle(mangled, &mut name),
                letter => name.push(letter),
            }
        }
        name
    }
}

/// A name with the case folded, to compare and to look up.
pub(crate) fn folded(units: impl Iterator<Item = u16>) -> impl Iterator<Item = u16> {
    units.map(|unit| match u8::try_from(unit) {
        Ok(byte) => u16::from(byte.to_ascii_uppercase()),
        Err(_) => unit,
    })
}

fn compare(left: &[u16], right: impl Iterator<Item = u16>) -> Ordering {
    folded(left.iter().copied()).cmp(folded(right))
}

/// Windows Installer packs two characters of 64 into one unit, and marks tables with a unit.
fn unmangle(mangled: char, name: &mut String) {
    let value = u32::from(mangled).saturating_sub(0x3800);
    let mut digit = |value: u32| {
        let place = usize::try_from(value & 0x3f).unwrap_or(0);
        let letters = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._";
        name.extend(letters.get(place).copied().map(char::from));
    };
    match value {
        0x1040 => name.push('!'),
        0x1000.. => digit(value),
        _ => {
            digit(value);
            digit(value >> 6);
        }
    }
}

/// The entries, and which storage each is in.
pub(crate) struct Directory {
    bytes: Vec<u8>,
    parents: Vec<u32>,
    held: u64,
}

impl Directory {
    /// Takes the directory's bytes, whose memory the caller keeps account of.
    pub(crate) fn new(bytes: Vec<u8>, budget: &mut Budget) -> Result<Self, Reason> {
        let count = bytes.len() / ENTRY_BYTES;
        let held = (count as u64).saturating_mul(NODE_BYTES);
        budget.hold_memory(held)?;
        let mut directory = Self {
            bytes,
            parents: vec![NONE; count],
            held,
        };
        directory.find_parents();
        Ok(directory)
    }

    /// How many entries there are.
    pub(crate) fn count(&self) -> usize {
        self.parents.len()
    }

    /// One of them.
    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        let begin = index.checked_mul(ENTRY_BYTES)?;
        Entry::parse(self.bytes.get(begin..begin.checked_add(ENTRY_BYTES)?)?)
    }

    /// The storage that it is in.
    pub(crate) fn parent(&self, index: usize) -> Option<u32> {
        self.parents.get(index).copied()
    }

    /// Its name, behind those of the storages around it.
    pub(crate) fn path(&self, index: usize) -> String {
        let mut parts = Vec::new();
        let mut at = index;
        while parts.len() < DEPTH_MAX {
            let Some(entry) = self.entry(at).filter(|_| at != 0 || parts.is_empty()) else {
                break;
            };
            parts.push(entry.name());
            match self.parent(at) {
                Some(NONE) if at != 0 => {
                    parts.push(ORPHANED.to_owned());
                    break;
                }
                Some(parent) => at = usize::try_from(parent).unwrap_or(usize::MAX),
                None => break,
            }
        }
        parts.reverse();
        parts.join("/")
    }

    /// Gives the memory back.
    pub(crate) fn release(self, budget: &mut Budget) {
        budget.release_memory(self.held);
    }

    /// Each entry is visited once: the first storage that leads to it has it.
    fn find_parents(&mut self) {
        let mut open = Vec::new();
        let root = self.entry(0).map_or(NONE, |root| root.child);
        open.push((root, 0));
        while let Some((index, parent)) = open.pop() {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let Some(entry) = self.entry(place).filter(|_| index != 0) else {
                continue;
            };
            match self.parents.get_mut(place) {
                Some(known) if *known == NONE => *known = parent,
                _ => continue,
            }
            open.extend(entry.siblings.map(|sibling| (sibling, parent)));
            if matches!(entry.kind, STORAGE | ROOT) {
                open.push((entry.child, index));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u16]) -> Entry {
        let mut bytes = [0; ENTRY_BYTES];
        for (at, unit) in name.iter().enumerate() {
            bytes[at * 2..at * 2 + 2].copy_from_slice(&unit.to_le_bytes());
        }
        bytes[64] = u8::try_from(name.len() * 2 + 2).expect("short");
        Entry::parse(&bytes).expect("an entry")
    }

    #[test]
    fn names_are_spelled_in_clear() {
        let plain: Vec<u16> = "\u{1}Ole10Native".encode_utf16().collect();
        assert_eq!(entry(&plain).name(), "[1]Ole10Native");
        // As msitools writes the table of columns.
        let columns = [0x4840, 0x3b3f, 0x43f2, 0x4438, 0x45b1];
        assert_eq!(entry(&columns).name(), "!_Columns");
        assert!(entry(&plain).is_named("\u{1}OLE10NATIVE"));
    }
}
