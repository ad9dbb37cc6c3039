//! PE: entry point, sections as the loader rounds them, imports, overlay. It takes what the
//! headers say as far as they go: a damaged field loses that fact and no other.

pub(crate) mod certificates;
mod imports;

use crate::fields::{array, u16_le, u32_le};
use crate::identify::{Format, Probe, Role};
use crate::input::read_part;
use crate::members::{Stop, Trouble, Troubles};
use crate::packers;
use crate::{Facts, ReadError, Section, Source, Structure};

const SECTIONS_MAX: usize = 96;
const SECTION_HEADER_BYTES: usize = 40;
const COFF_BYTES: u64 = 24;
/// The optional header with all its directories, in the wider of its two forms.
const OPTIONAL_BYTES_MAX: usize = 240;
/// What places in the file are rounded to where the header's own alignment can't be meant.
const SECTOR_BYTES: u64 = 512;
const WIDE: u16 = 0x20b;
const NARROW: u16 = 0x10b;
const IMPORTS: usize = 1;
const CERTIFICATES: usize = 4;

/// PE executables.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "pe",
    detect,
    role: Role::Executable(facts),
}];

fn detect(probe: &Probe<'_>) -> bool {
    probe.head.starts_with(b"MZ")
        && u32_le(probe.head, 60)
            .map(|offset| read_part(probe.source, u64::from(offset), 4))
            .is_some_and(|signature| signature.is_ok_and(|bytes| bytes == b"PE\0\0"))
}

fn facts(source: &dyn Source) -> (Option<Facts>, Vec<Trouble>) {
    let mut troubles = Troubles::default();
    let facts = match Image::read(source) {
        Ok(Some(image)) => {
            if image.sections.len() < image.sections_claimed.min(SECTIONS_MAX) {
                let stop = Stop::malformed("section headers end early");
                troubles.note(image.sections_offset, stop);
            }
            Some(image.facts(source, &mut troubles))
        }
        Ok(None) => None,
        Err(error) => {
            troubles.note(0, error);
            None
        }
    };
    (facts, troubles.into_vec())
}

/// What the headers say.
struct Image {
    optional: Vec<u8>,
    sections_offset: u64,
    sections_claimed: usize,
    sections: Vec<SectionHeader>,
    packer: Option<&'static str>,
}

struct SectionHeader {
    /// As in the header; [`Section`] has them rounded.
    raw_offset: u64,
    raw_size_bytes: u64,
    rounded: Section,
}

impl Image {
    fn read(source: &dyn Source) -> Result<Option<Self>, ReadError> {
        let dos = read_part(source, 0, 64)?;
        let Some(header) = u32_le(&dos, 60).map(u64::from) else {
            return Ok(None);
        };
        let coff = read_part(source, header, 24)?;
        let (Some(claimed), Some(optional_bytes)) = (u16_le(&coff, 6), u16_le(&coff, 20)) else {
            return Ok(None);
        };
        let optional_offset = header.saturating_add(COFF_BYTES);
        let optional = read_part(source, optional_offset, OPTIONAL_BYTES_MAX)?;
        let sections_offset = optional_offset.saturating_add(u64::from(optional_bytes));
        let claimed = usize::from(claimed);
        let table_bytes = claimed
            .min(SECTIONS_MAX)
            .saturating_mul(SECTION_HEADER_BYTES);
        let table = read_part(source, sections_offset, table_bytes)?;
        let alignment = alignment(&optional, &table);
        let sections = table
            .chunks_exact(SECTION_HEADER_BYTES)
            .filter_map(|header| SectionHeader::parse(header, alignment, source.size_bytes()))
            .collect();
        let packer = table
            .chunks_exact(SECTION_HEADER_BYTES)
            .find_map(|header| packers::by_section(header.get(..8)?));
        Ok(Some(Self {
            packer,
            optional,
            sections_offset,
            sections_claimed: claimed,
            sections,
        }))
    }

    fn facts(&self, source: &dyn Source, troubles: &mut Troubles) -> Facts {
        if let Some(packer) = self.packer {
            troubles.note(
                self.sections_offset,
                Stop::unsupported(packers::words(packer)),
            );
        }
        let entry = u32_le(&self.optional, 16).filter(|address| *address != 0);
        let import_text = imports::text(source, self).unwrap_or_else(|error| {
            troubles.note(0, error);
            None
        });
        Facts {
            structure: Structure::Pe,
            entry_point: entry.and_then(|address| self.offset_of(u64::from(address))),
            sections: self.sections.iter().map(|header| header.rounded).collect(),
            import_text,
            overlay_offset: self.overlay(source.size_bytes()),
        }
    }

    /// Where an address relative to the base lies in the file.
    fn offset_of(&self, address: u64) -> Option<u64> {
        let header_bytes = u32_le(&self.optional, 60).map_or(0, u64::from);
        let within = |section: &&SectionHeader| {
            let into = address.checked_sub(section.rounded.address);
            into.is_some_and(|into| into < section.rounded.raw_size_bytes)
        };
        match self.sections.iter().find(within) {
            Some(section) => {
                let into = address.checked_sub(section.rounded.address)?;
                section.rounded.raw_offset.checked_add(into)
            }
            None => (address < header_bytes).then_some(address),
        }
    }

    fn is_wide(&self) -> Option<bool> {
        match u16_le(&self.optional, 0)? {
            WIDE => Some(true),
            NARROW => Some(false),
            _ => None,
        }
    }

    /// Address and size of a data directory.
    fn data_directory(&self, place: usize) -> Option<(u32, u32)> {
        let begin: usize = if self.is_wide()? { 112 } else { 96 };
        let count = u32_le(&self.optional, begin.checked_sub(4)?)?;
        if u32::try_from(place).ok()? >= count {
            return None;
        }
        let at = begin.checked_add(place.checked_mul(8)?)?;
        let entry: [u8; 8] = array(&self.optional, at)?;
        let pair = (u32_le(&entry, 0)?, u32_le(&entry, 4)?);
        (pair.0 != 0).then_some(pair)
    }

    fn overlay(&self, size_bytes: u64) -> Option<u64> {
        let ends = self
            .sections
            .iter()
            .filter(|section| section.raw_size_bytes > 0)
            .map(|section| section.raw_offset.saturating_add(section.raw_size_bytes));
        let mut end = ends.max()?;
        // Certificates are the one directory that speaks of places in the file.
        if let Some((offset, bytes)) = self.data_directory(CERTIFICATES)
            && (end..=end.saturating_add(8)).contains(&u64::from(offset))
        {
            end = u64::from(offset).saturating_add(u64::from(bytes));
        }
        (end < size_bytes).then_some(end)
    }
}

impl SectionHeader {
    fn parse(header: &[u8], alignment: u64, file_bytes: u64) -> Option<Self> {
        let raw_size_bytes = u64::from(u32_le(header, 16)?);
        let raw_offset = u64::from(u32_le(header, 20)?);
        let begin = raw_offset.saturating_sub(raw_offset.checked_rem(alignment)?);
        let rounded = raw_size_bytes
            .checked_next_multiple_of(alignment)?
            .min(file_bytes.saturating_sub(begin));
        Some(Self {
            raw_offset,
            raw_size_bytes,
            rounded: Section {
                raw_offset: begin,
                raw_size_bytes: rounded,
                address: u64::from(u32_le(header, 12)?),
                size_in_memory: u64::from(u32_le(header, 8)?),
            },
        })
    }
}

/// What sections are rounded to: the file alignment, unless a section begins at a sector that is
/// no multiple of it.
fn alignment(optional: &[u8], table: &[u8]) -> u64 {
    let stated = u32_le(optional, 36).map_or(SECTOR_BYTES, u64::from).max(1);
    let keeps = |header: &[u8]| {
        let offset = u32_le(header, 20).map_or(0, u64::from);
        u32_le(header, 16) == Some(0)
            || offset.checked_rem(stated) == Some(0)
            || offset.checked_rem(SECTOR_BYTES) != Some(0)
    };
    match table.chunks_exact(SECTION_HEADER_BYTES).all(keeps) {
        true => stated,
        false => SECTOR_BYTES,
    }
}
