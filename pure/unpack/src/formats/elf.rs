//! ELF, 32 and 64 bits, either byte order: entry point, sections, overlay.

use crate::fields::array;
use crate::identify::{Format, Probe, Role};
use crate::input::read_part;
use crate::members::{Stop, Trouble, Troubles};
use crate::packers;
use crate::{Facts, ReadError, Section, Source, Structure};

const MAGIC: &[u8] = b"\x7fELF";
const HEADER_BYTES: usize = 64;
const SECTIONS_MAX: usize = 4_096;
const SEGMENTS_MAX: usize = 1_024;
/// A packer leaves its mark right behind the headers.
const MARK_BYTES: usize = 512;
/// The longest row that has a meaning: a section header of the wide form.
const ROW_BYTES_MAX: usize = 64;
const LOAD: u64 = 1;
const NO_BITS: u64 = 8;

/// ELF executables, libraries and objects.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "elf",
    detect: |probe: &Probe<'_>| probe.head.starts_with(MAGIC),
    role: Role::Executable(facts),
}];

fn facts(source: &dyn Source) -> (Option<Facts>, Vec<Trouble>) {
    let mut troubles = Troubles::default();
    let facts = read(source, &mut troubles).unwrap_or_else(|error| {
        troubles.note(0, error);
        None
    });
    (facts, troubles.into_vec())
}

fn read(source: &dyn Source, troubles: &mut Troubles) -> Result<Option<Facts>, ReadError> {
    let header = read_part(source, 0, HEADER_BYTES)?;
    let Some(layout) = Layout::of(&header) else {
        troubles.note(0, Stop::malformed("elf header is damaged"));
        return Ok(None);
    };
    let segments = layout.table(source, &header, layout.segments(), SEGMENTS_MAX)?;
    let sections = layout.table(source, &header, layout.sections(), SECTIONS_MAX)?;
    for table in [&segments, &sections] {
        if table.rows.len() < table.claimed.min(SEGMENTS_MAX) {
            troubles.note(table.offset, Stop::malformed("elf table ends early"));
        }
    }
    let size_bytes = source.size_bytes();
    if let Some(packer) = packers::by_mark(&read_part(source, 0, MARK_BYTES)?) {
        troubles.note(0, Stop::unsupported(packers::words(packer)));
    }
    let parts: Vec<(u64, Section)> = sections
        .rows
        .iter()
        .filter_map(|row| layout.section(row))
        .collect();
    let loads: Vec<(u64, Section)> = segments
        .rows
        .iter()
        .filter_map(|row| layout.segment(row))
        .collect();
    let ends = loads.iter().chain(&parts).map(|(_, part)| end(part));
    let tables = [segments.end, sections.end];
    let accounted = ends.chain(tables).max().unwrap_or(0);
    let has_parts = !loads.is_empty() || !parts.is_empty();
    let listed = if parts.is_empty() { &loads } else { &parts };
    Ok(Some(Facts {
        structure: Structure::Elf,
        entry_point: layout.entry(&header, &loads),
        sections: listed.iter().map(|(_, section)| *section).collect(),
        import_text: None,
        overlay_offset: (has_parts && accounted < size_bytes).then_some(accounted),
    }))
}

/// Rows may claim 64 KiB each, so that the whole table would not fit the worker's memory: then
/// only what has a meaning is read of each.
fn read_rows(
    source: &dyn Source,
    offset: u64,
    (row_bytes, count): (usize, usize),
) -> Result<Vec<Vec<u8>>, ReadError> {
    if row_bytes <= ROW_BYTES_MAX {
        let bytes = read_part(source, offset, count.saturating_mul(row_bytes))?;
        return Ok(bytes.chunks_exact(row_bytes).map(<[u8]>::to_vec).collect());
    }
    let mut rows = Vec::new();
    let mut at = offset;
    for _ in 0..count {
        let row = read_part(source, at, ROW_BYTES_MAX)?;
        at = at.saturating_add(row_bytes as u64);
        // A row that the file cuts short is none, as in tables that are read whole.
        if row.len() < ROW_BYTES_MAX || at > source.size_bytes() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

fn end(part: &Section) -> u64 {
    part.raw_offset.saturating_add(part.raw_size_bytes)
}

/// The two properties that decide where fields are.
#[derive(Clone, Copy)]
struct Layout {
    is_wide: bool,
    is_big_endian: bool,
}

/// Where a header says that a table is: offsets of its place, row size and row count.
struct TableFields {
    offset: (usize, usize),
    row_bytes: (usize, usize),
    count: (usize, usize),
}

struct Table {
    offset: u64,
    claimed: usize,
    rows: Vec<Vec<u8>>,
    end: u64,
}

impl Layout {
    fn of(header: &[u8]) -> Option<Self> {
        let is_wide = match header.get(4)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        let is_big_endian = match header.get(5)? {
            1 => false,
            2 => true,
            _ => return None,
        };
        Some(Self {
            is_wide,
            is_big_endian,
        })
    }

    fn segments(self) -> TableFields {
        TableFields {
            offset: (28, 32),
            row_bytes: (42, 54),
            count: (44, 56),
        }
    }

    fn sections(self) -> TableFields {
        TableFields {
            offset: (32, 40),
            row_bytes: (46, 58),
            count: (48, 60),
        }
    }

    fn table(
        self,
        source: &dyn Source,
        header: &[u8],
        fields: TableFields,
        rows_max: usize,
    ) -> Result<Table, ReadError> {
        let offset = self.word(header, fields.offset).unwrap_or(0);
        let row_bytes = self.half(header, fields.row_bytes).unwrap_or(0);
        let claimed = self.half(header, fields.count).unwrap_or(0);
        let mut table = Table {
            offset,
            claimed: 0,
            rows: Vec::new(),
            end: 0,
        };
        // The smallest row of either table is 32 bytes.
        if offset == 0 || row_bytes < 32 {
            return Ok(table);
        }
        let count = usize::from(claimed).min(rows_max);
        let row_bytes = usize::from(row_bytes);
        table.claimed = usize::from(claimed);
        table.rows = read_rows(source, offset, (row_bytes, count))?;
        let whole = usize::from(claimed).saturating_mul(row_bytes) as u64;
        table.end = offset.saturating_add(whole);
        Ok(table)
    }

    /// A section's kind and place.
    fn section(self, row: &[u8]) -> Option<(u64, Section)> {
        let kind = self.integer(row, 4)?;
        let size = self.word(row, (20, 32))?;
        let section = Section {
            raw_offset: self.word(row, (16, 24))?,
            raw_size_bytes: if kind == NO_BITS { 0 } else { size },
            address: self.word(row, (12, 16))?,
            size_in_memory: size,
        };
        Some((kind, section))
    }

    /// A segment's kind and place.
    fn segment(self, row: &[u8]) -> Option<(u64, Section)> {
        let kind = self.integer(row, 0)?;
        let section = Section {
            raw_offset: self.word(row, (4, 8))?,
            raw_size_bytes: self.word(row, (16, 32))?,
            address: self.word(row, (8, 16))?,
            size_in_memory: self.word(row, (20, 40))?,
        };
        Some((kind, section))
    }

    fn entry(self, header: &[u8], segments: &[(u64, Section)]) -> Option<u64> {
        let entry = self.word(header, (24, 24)).filter(|entry| *entry != 0)?;
        segments
            .iter()
            .filter(|(kind, _)| *kind == LOAD)
            .find_map(|(_, segment)| {
                let into = entry.checked_sub(segment.address)?;
                (into < segment.raw_size_bytes)
                    .then(|| segment.raw_offset.checked_add(into))
                    .flatten()
            })
    }

    /// A field as wide as an address, at its place in the narrow and in the wide form.
    fn word(self, bytes: &[u8], (narrow, wide): (usize, usize)) -> Option<u64> {
        match self.is_wide {
            false => self.integer(bytes, narrow),
            true => {
                let raw = array(bytes, wide)?;
                Some(match self.is_big_endian {
                    true => u64::from_be_bytes(raw),
                    false => u64::from_le_bytes(raw),
                })
            }
        }
    }

    /// A field of four bytes.
    fn integer(self, bytes: &[u8], at: usize) -> Option<u64> {
        let raw = array(bytes, at)?;
        Some(u64::from(match self.is_big_endian {
            true => u32::from_be_bytes(raw),
            false => u32::from_le_bytes(raw),
        }))
    }

    fn half(self, bytes: &[u8], (narrow, wide): (usize, usize)) -> Option<u16> {
        let raw = array(bytes, if self.is_wide { wide } else { narrow })?;
        Some(match self.is_big_endian {
            true => u16::from_be_bytes(raw),
            false => u16::from_le_bytes(raw),
        })
    }
}
