//! OneNote sections: the files that are embedded in a page. They are found by the identifier
//! before each (MS-ONESTORE 2.6.13); the lists of nodes that lead to them are not followed, and
//! text and pictures are looked at as part of the whole.

use proto::Budget;

use crate::Source;
use crate::fields::{find, u64_le};
use crate::identify::{Format, Role};
use crate::input::{Input, read_part};
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};

const SECTION: &[u8] = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3";
const TABLE_OF_CONTENTS: &[u8] =
    b"\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f";
const FILE: &[u8] = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
/// The identifier, the length, and what is kept free.
const HEADER_BYTES: usize = 36;
/// Where a section says how long it is; zero where it does not.
const LENGTH_AT: u64 = 196;
/// How often the file's own size may be handed over before its files must overlap.
const FACTOR_MAX: u64 = 3;

/// OneNote sections and their tables of contents.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "onenote",
    detect: |probe| probe.head.starts_with(SECTION) || probe.head.starts_with(TABLE_OF_CONTENTS),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    let mut input = Input::whole(source);
    let length = read_part(source, LENGTH_AT, 8).unwrap_or_default();
    if u64_le(&length, 0).is_none_or(|length| length > source.size_bytes()) {
        troubles.note(LENGTH_AT, Stop::malformed("section ends early"));
    }
    if let Err(stop) = files(&mut input, budget, members, &mut troubles) {
        troubles.note(input.offset(), stop);
    }
    troubles.into_vec()
}

fn files(
    input: &mut Input<'_>,
    budget: &mut Budget,
    members: &mut dyn Members,
    troubles: &mut Troubles,
) -> Result<(), Stop> {
    let whole = input.left();
    let mut number = 0u64;
    let mut given = 0u64;
    while let Some(stated) = next_file(input, budget)? {
        let size_bytes = stated.min(input.left());
        number = number.saturating_add(1);
        given = given.saturating_add(size_bytes);
        let name = format!("(file {number})").into_bytes();
        if size_bytes < stated {
            troubles.note_member(&name, input.offset(), Stop::malformed("file ends early"));
        }
        if given > whole.saturating_mul(FACTOR_MAX) {
            return Err(Stop::malformed("files overlap"));
        }
        let offset = input.offset();
        let content = Content::Range { offset, size_bytes };
        let name = &name;
        if members.member(Member { name, content }, budget) == Flow::Stop {
            return Ok(());
        }
    }
    Ok(())
}

/// The length of the next file; the input is left where it begins.
fn next_file(input: &mut Input<'_>, budget: &Budget) -> Result<Option<u64>, Stop> {
    loop {
        budget.check_time()?;
        let bytes = input.at_least(HEADER_BYTES)?;
        if let Some(place) = find(bytes, FILE, 0) {
            input.consume(place);
            let header = input.at_least(HEADER_BYTES)?;
            let size_bytes = u64_le(header, FILE.len());
            input.consume(HEADER_BYTES);
            return match size_bytes {
                Some(size_bytes) => Ok(Some(size_bytes)),
                None => Err(Stop::malformed("file ends early")),
            };
        }
        if bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        let step = bytes.len().saturating_sub(FILE.len().saturating_sub(1));
        input.consume(step);
    }
}
