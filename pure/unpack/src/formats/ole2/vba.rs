//! Where the text of Visual Basic modules is (MS-OVBA 2.3.4): as the project's `dir` stream says,
//! and wherever compressed text begins as that of modules does, for projects whose `dir` is
//! broken or lies.

use proto::Budget;

use crate::decode::ovba::{self, record};
use crate::fields::{find, u16_le, u32_le};
use crate::formats::ole2::normal::Letters;
use crate::input::Input;
use crate::members::Stop;

/// Modules that are taken from one project, names that are taken for the stream of each, and
/// the longest of those.
const MODULES_MAX: usize = 4_096;
const STREAMS_MAX: usize = 4;
const NAME_BYTES_MAX: usize = 256;

/// One module, as `dir` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    /// Its name, in the project's code page.
    pub(crate) name: Vec<u8>,
    /// Its stream's names: in Unicode where `dir` has that, else as they are spelled.
    pub(crate) streams: Vec<Vec<u16>>,
    /// Where its text begins in the stream, where the list gets as far as that.
    pub(crate) offset: Option<u64>,
}

/// The modules that a decompressed `dir` lists; whether it could be read to its end.
pub(crate) fn modules(mut dir: &[u8]) -> (Vec<Module>, Result<(), Stop>) {
    const END: u16 = 0x10;
    const MODULE_NAME: u16 = 0x19;
    const STREAM_NAME: u16 = 0x1a;
    const STREAM_NAME_UNICODE: u16 = 0x32;
    const OFFSET: u16 = 0x31;
    let mut modules: Vec<Module> = Vec::new();
    while let Some((record, rest)) = record(dir) {
        dir = rest;
        if record.kind == END {
            return (modules, Ok(()));
        }
        if record.kind == MODULE_NAME {
            if modules.len() >= MODULES_MAX {
                let stop = Stop::unsupported("too many modules in a project");
                return (modules, Err(stop));
            }
            modules.push(Module {
                name: short(record.data).to_vec(),
                ..Module::default()
            });
        }
        let Some(module) = modules.last_mut() else {
            continue;
        };
        let is_full = module.streams.len() >= STREAMS_MAX;
        match record.kind {
            STREAM_NAME | STREAM_NAME_UNICODE if is_full => {}
            STREAM_NAME => {
                let units = short(record.data).iter().map(|byte| u16::from(*byte));
                module.streams.push(units.collect());
            }
            STREAM_NAME_UNICODE => {
                let (pairs, _) = short(record.data).as_chunks::<2>();
                let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
                module.streams.insert(0, units.collect());
            }
            OFFSET => module.offset = u32_le(record.data, 0).map(u64::from),
            _ => {}
        }
    }
    (modules, Err(Stop::malformed("list of modules ends early")))
}

/// How a project writes its letters.
pub(crate) fn letters(mut dir: &[u8]) -> Letters {
    const CODE_PAGE: u16 = 3;
    const WESTERN: u16 = 1252;
    while let Some((record, rest)) = record(dir) {
        dir = rest;
        if record.kind == CODE_PAGE {
            return match u16_le(record.data, 0) {
                Some(WESTERN) => Letters::Western,
                _ => Letters::Other,
            };
        }
    }
    Letters::Western
}

fn short(name: &[u8]) -> &[u8] {
    name.get(..NAME_BYTES_MAX).unwrap_or(name)
}

/// How module texts begin, compressed: eight letters that no copy can stand for.
const ATTRIBUTE: &[u8] = b"\0Attribut";
/// The container's signature and the chunk's header before them.
const BEFORE: usize = 3;

/// The next place where a compressed text begins as modules do.
pub(crate) fn next_text(input: &mut Input<'_>, budget: &Budget) -> Result<Option<u64>, Stop> {
    let wanted = ATTRIBUTE.len().saturating_add(BEFORE);
    loop {
        budget.check_time()?;
        let bytes = input.at_least(wanted)?;
        if bytes.len() < wanted {
            return Ok(None);
        }
        let Some(place) = find(bytes, ATTRIBUTE, BEFORE) else {
            let step = bytes.len().saturating_sub(wanted.saturating_sub(1));
            input.consume(step);
            continue;
        };
        let begin = place.saturating_sub(BEFORE);
        let head = bytes.get(begin..).unwrap_or_default();
        let is_text = ovba::begins(head) && u16_le(head, 1).is_some_and(|header| header >= 0x8000);
        input.consume(begin);
        let offset = input.offset();
        input.consume(1);
        if is_text {
            return Ok(Some(offset));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_gives_what_it_has() {
        let dir = b"\x09\0\x04\0\0\0\x01\0\0\0\x02\0\x19\0\x02\0\0\0M1\x1a\0\x02\0\0\0M1\
            \x32\0\x04\0\0\0M\x001\0\x31\0\x04\0\0\0\x07\0\0\0\x2b\0\0\0\0\0";
        let (modules, ended) = modules(dir);
        assert!(ended.is_err());
        let stream: Vec<u16> = "M1".encode_utf16().collect();
        assert_eq!(
            modules,
            [Module {
                name: b"M1".to_vec(),
                streams: vec![stream.clone(), stream],
                offset: Some(7)
            }]
        );
    }
}
