//! Writes a pack: arenas for what has no fixed size, and the file's frame.

use super::{ALIGNMENT, HEADER_BYTES, MAGIC, SECTION_RECORD_BYTES, SectionId, VERSION};
use crate::CompileError;

/// Bytes that records point into.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Adds a text behind its length as u16; gives its offset.
    pub(crate) fn push_short(&mut self, text: &[u8]) -> Result<u32, CompileError> {
        let text = text.get(..usize::from(u16::MAX)).unwrap_or(text);
        let length = u16::try_from(text.len()).map_err(|_| CompileError::TooLarge)?;
        self.push(&length.to_le_bytes(), text)
    }

    /// Adds a text behind its length as u32; gives its offset.
    pub(crate) fn push_long(&mut self, text: &[u8]) -> Result<u32, CompileError> {
        let length = u32::try_from(text.len()).map_err(|_| CompileError::TooLarge)?;
        self.push(&length.to_le_bytes(), text)
    }

    /// Adds bytes as they are; gives their offset.
    pub(crate) fn push_raw(&mut self, bytes: &[u8]) -> Result<u32, CompileError> {
        self.push(&[], bytes)
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn push(&mut self, head: &[u8], bytes: &[u8]) -> Result<u32, CompileError> {
        let offset = u32::try_from(self.bytes.len()).map_err(|_| CompileError::TooLarge)?;
        self.bytes.extend(head);
        self.bytes.extend(bytes);
        Ok(offset)
    }
}

/// Lays the sections out and hands the file over piece by piece, from its start to its end.
pub(crate) fn write_image<E>(
    sections: Vec<(SectionId, Vec<Vec<u8>>)>,
    out: &mut dyn FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let table_bytes = sections.len().saturating_mul(SECTION_RECORD_BYTES);
    let mut table = Vec::with_capacity(table_bytes);
    let mut offset = aligned(HEADER_BYTES.saturating_add(table_bytes));
    for (id, pieces) in &sections {
        let length = pieces
            .iter()
            .map(Vec::len)
            .fold(0usize, usize::saturating_add);
        table.extend((*id as u32).to_le_bytes());
        table.extend([0; 4]);
        table.extend((offset as u64).to_le_bytes());
        table.extend((length as u64).to_le_bytes());
        offset = aligned(offset.saturating_add(length));
    }
    let total = offset as u64;
    let mut frame = MAGIC.to_vec();
    frame.extend(VERSION.to_le_bytes());
    frame.extend(
        u32::try_from(sections.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    frame.extend(total.to_le_bytes());
    frame.resize(HEADER_BYTES, 0);
    frame.extend(table);
    pad(&mut frame);
    out(&frame)?;
    for (_, pieces) in sections {
        let mut length = 0usize;
        for piece in pieces {
            length = length.saturating_add(piece.len());
            out(&piece)?;
        }
        let padding = aligned(length).saturating_sub(length);
        out(&vec![0; padding])?;
    }
    Ok(total)
}

fn aligned(offset: usize) -> usize {
    offset
        .checked_next_multiple_of(ALIGNMENT)
        .unwrap_or(usize::MAX)
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(aligned(bytes.len()), 0);
}
