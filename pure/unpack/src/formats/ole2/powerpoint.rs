//! The objects inside a presentation: compound files of their own in records of one stream
//! (MS-PPT 2.10.34), most of them compressed. The stream is searched for their headers, since
//! walking its records would trust every length in it.

use proto::Budget;

use crate::fields::{find, u16_le, u32_le};
use crate::input::Input;
use crate::members::Stop;

/// A record that holds an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// Where its data begins in the stream, past its header.
    pub(crate) offset: u64,
    pub(crate) size_bytes: u64,
    pub(crate) is_packed: bool,
    /// How long it says that it is once it is decoded.
    pub(crate) unpacked_bytes: Option<u64>,
}

/// What compressed data is preceded by: the decoded size, and a zlib header.
pub(crate) const PACKED_HEADER_BYTES: u64 = 6;
const HEADER_BYTES: usize = 8;
const KIND: &[u8] = b"\x11\x10";
const OLE2: &[u8] = b"\xd0\xcf\x11\xe0";

/// The next object at or after the input's place; leaves the input after its header.
pub(crate) fn next_object(input: &mut Input<'_>, budget: &Budget) -> Result<Option<Object>, Stop> {
    let wanted = HEADER_BYTES.saturating_add(6);
    loop {
        budget.check_time()?;
        let bytes = input.at_least(wanted)?;
        if bytes.len() < wanted {
            return Ok(None);
        }
        let Some(place) = find(bytes, KIND, 2) else {
            let step = bytes.len().saturating_sub(3);
            input.consume(step);
            continue;
        };
        let step = place.saturating_sub(2);
        input.consume(step);
        let offset = input.offset();
        let head = input.at_least(wanted)?;
        let object = object(head, offset);
        input.consume(if object.is_some() { HEADER_BYTES } else { 1 });
        if object.is_some() {
            return Ok(object);
        }
    }
}

fn object(head: &[u8], offset: u64) -> Option<Object> {
    let size_bytes = u64::from(u32_le(head, 4)?);
    let data = head.get(HEADER_BYTES..)?;
    let is_packed = match u16_le(head, 0)? >> 4 {
        0 if data.starts_with(OLE2) => false,
        1 if data.get(4).is_some_and(|byte| byte & 0xf == 8) => true,
        _ => return None,
    };
    Some(Object {
        offset: offset.saturating_add(HEADER_BYTES as u64),
        size_bytes,
        is_packed,
        unpacked_bytes: u32_le(data, 0).map(u64::from).filter(|_| is_packed),
    })
}
