//! The import table as the text that the import hash is computed over: `dll.function` in lower
//! case, joined by commas. Functions without a name are `ordN`, except those of the three
//! libraries whose ordinals have names that everyone knows.

use std::collections::BTreeMap;

use crate::fields::{u32_le, u64_le};
use crate::formats::pe::{IMPORTS, Image};
use crate::input::read_part;
use crate::{ReadError, Source};

const DESCRIPTOR_BYTES: usize = 20;
const DLLS_MAX: usize = 1_024;
const FUNCTIONS_MAX: usize = 16_384;
const NAME_BYTES_MAX: usize = 256;
const EXTENSIONS: [&[u8]; 3] = [b"dll", b"ocx", b"sys"];
/// Lines of library, ordinal, name.
static ORDINALS: &str = include_str!("ordinals.txt");

/// The import text; `None` where there are no imports or none that can be read.
pub(super) fn text(source: &dyn Source, image: &Image) -> Result<Option<Vec<u8>>, ReadError> {
    let directory = image.data_directory(IMPORTS).zip(image.is_wide());
    let Some(((address, size_bytes), wide)) = directory else {
        return Ok(None);
    };
    let Some(offset) = image.offset_of(u64::from(address)) else {
        return Ok(None);
    };
    let mut table = Table {
        source,
        image,
        wide,
        text: Vec::new(),
        functions: 0,
    };
    let most = DLLS_MAX.saturating_mul(DESCRIPTOR_BYTES);
    let descriptors = read_part(source, offset, most)?;
    let listed = dlls_listed(size_bytes);
    for descriptor in descriptors.chunks_exact(DESCRIPTOR_BYTES).take(listed) {
        let field = |at| u32_le(descriptor, at).filter(|address| *address != 0);
        let Some(name) = field(12) else {
            break;
        };
        let Some(thunks) = field(0).or(field(16)) else {
            break;
        };
        table.dll(name, thunks)?;
    }
    Ok((!table.text.is_empty()).then_some(table.text))
}

/// The directory's size counts an empty descriptor at the end. ClamAV's signatures were made by
/// that count; where it leaves none, the empty descriptor alone says where the table ends.
fn dlls_listed(size_bytes: u32) -> usize {
    let bytes = usize::try_from(size_bytes).unwrap_or(usize::MAX);
    match bytes.saturating_sub(1).checked_div(DESCRIPTOR_BYTES) {
        None | Some(0) => DLLS_MAX,
        Some(listed) => listed,
    }
}

struct Table<'a> {
    source: &'a dyn Source,
    image: &'a Image,
    wide: bool,
    text: Vec<u8>,
    functions: usize,
}

impl Table<'_> {
    fn dll(&mut self, name: u32, thunks: u32) -> Result<(), ReadError> {
        let Some(mut dll) = self.name_at(u64::from(name))? else {
            return Ok(());
        };
        let dot = dll.iter().position(|byte| *byte == b'.');
        let extension = dot.and_then(|dot| dll.get(dot.saturating_add(1)..));
        if EXTENSIONS.iter().any(|known| extension == Some(known)) {
            dll.truncate(dot.unwrap_or(dll.len()));
        }
        let Some(begin) = self.image.offset_of(u64::from(thunks)) else {
            return Ok(());
        };
        let step: u64 = if self.wide { 8 } else { 4 };
        let named = named_ordinals(&dll);
        let mut offset = begin;
        while self.functions < FUNCTIONS_MAX {
            let thunk = read_part(self.source, offset, 8)?;
            let Some(function) = self.function(&thunk, &named)? else {
                break;
            };
            self.functions = self.functions.saturating_add(1);
            if !self.text.is_empty() {
                self.text.push(b',');
            }
            self.text.extend_from_slice(&dll);
            self.text.push(b'.');
            self.text.extend_from_slice(&function);
            offset = offset.saturating_add(step);
        }
        Ok(())
    }

    fn function(
        &self,
        thunk: &[u8],
        named: &BTreeMap<u64, &str>,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        let value = match self.wide {
            true => u64_le(thunk, 0).map(|value| (value, value.wrapping_shr(63))),
            false => u32_le(thunk, 0).map(|value| (value.into(), value.wrapping_shr(31).into())),
        };
        match value {
            None | Some((0, _)) => Ok(None),
            Some((value, 1)) => {
                let ordinal = value & 0xffff;
                let name = named.get(&ordinal).map(ToString::to_string);
                Ok(Some(name.unwrap_or(format!("ord{ordinal}")).into_bytes()))
            }
            // A hint of two bytes comes before the name.
            Some((value, _)) => self.name_at(value.saturating_add(2)),
        }
    }

    /// The lower-case name at an address.
    fn name_at(&self, address: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(offset) = self.image.offset_of(address) else {
            return Ok(None);
        };
        let bytes = read_part(self.source, offset, NAME_BYTES_MAX)?;
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok((!name.is_empty()).then(|| name.to_ascii_lowercase()))
    }
}

/// The ordinals of a library that have names.
fn named_ordinals(dll: &[u8]) -> BTreeMap<u64, &'static str> {
    let library = match dll {
        // The older library's ordinals are the same functions.
        b"ws2_32" | b"wsock32" => "ws2_32",
        b"oleaut32" => "oleaut32",
        _ => return BTreeMap::new(),
    };
    let of_line = |line: &'static str| {
        let mut fields = line.split(' ');
        let matches = fields.next() == Some(library);
        let ordinal = fields.next()?.parse().ok()?;
        matches.then_some((ordinal, fields.next()?))
    };
    ORDINALS.lines().filter_map(of_line).collect()
}
