//! ActiveMime: what Word puts the macros of an XML or HTML document into, a compound file that
//! zlib compressed behind a short header.

use proto::Budget;

use crate::Source;
use crate::decode::deflate::inflate;
use crate::fields::u16_le;
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Flow, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

const MAGIC: &[u8] = b"ActiveMime";
/// How far in the compressed data may begin.
const HEADER_BYTES_MAX: usize = 1 << 10;
/// Where the header says how long its rest is, and what that counts from.
const REST_AT: usize = 30;
const REST_FROM: usize = 46;
const ZLIB_HEADER_BYTES: u64 = 2;
/// What the member is called.
const NAME: &[u8] = b"(activemime)";

/// Macros of documents that are text.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "activemime",
    detect: |probe| probe.head.starts_with(MAGIC),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    if let Err(stop) = unpack_noting(source, budget, members) {
        troubles.note(0, stop);
    }
    troubles.into_vec()
}

fn unpack_noting(
    source: &dyn Source,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Result<(), Stop> {
    let head = read_part(source, 0, HEADER_BYTES_MAX)?;
    let begin = data_offset(&head).ok_or(Stop::malformed("compressed data is missing"))?;
    let offset = (begin as u64).saturating_add(ZLIB_HEADER_BYTES);
    let mut input = Input::new(source, offset, u64::MAX);
    let mut output = Output::new(Tally::new(source.size_bytes()));
    let decoded = inflate(&mut input, &mut output, budget);
    if decoded.is_err() && output.bytes().is_empty() {
        output.discard(budget);
        return decoded;
    }
    match output.hand_over(NAME, members, budget).0 {
        Flow::Continue => decoded,
        Flow::Stop => Ok(()),
    }
}

/// Where the compressed data begins: where the header says, else at the first zlib header.
fn data_offset(head: &[u8]) -> Option<usize> {
    let stated = u16_le(head, REST_AT).map(|rest| usize::from(rest).saturating_add(REST_FROM));
    let is_zlib = |at: &usize| {
        let header = head
            .get(*at)
            .copied()
            .zip(head.get(at.saturating_add(1)).copied());
        header.is_some_and(|(first, second)| {
            first & 0xf == 8 && u16::from_be_bytes([first, second]) % 31 == 0
        })
    };
    stated
        .filter(is_zlib)
        .or_else(|| (MAGIC.len()..head.len()).find(is_zlib))
}
