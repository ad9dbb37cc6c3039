//! The main stream of a PowerPoint document, once it is taken out of its compound file. It holds
//! zip packages in records of their own, often dozens; without this the stream would be taken for
//! one broken zip archive. Packages are members, and so is what lies between them. The objects in
//! it are found by the compound file's reader, whatever the stream begins with.

use std::ops::Range;

use proto::Budget;

use crate::Source;
use crate::embedded::embedded;
use crate::fields::{find, u32_le};
use crate::formats::zip::records::LOCAL;
use crate::identify::{Format, Role};
use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};

/// The record that the stream begins with: the document's container.
const DOCUMENT: &[u8] = b"\x0f\0\xe8\x03";
/// A record's length stands right before its data.
const LENGTH_BYTES: usize = 4;
const RECORD_BYTES: usize = 8;
/// The shortest package: an empty one.
const PACKAGE_BYTES_MIN: u64 = 22;

/// Streams of presentations.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "powerpoint",
    detect: |probe| probe.head.starts_with(DOCUMENT),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    if let Err(stop) = records(source, budget) {
        troubles.note(0, stop);
    }
    // The header that the stream is recognised by is left out of what lies before a package.
    let begin = RECORD_BYTES as u64;
    let mut at = begin;
    match packages(source, &mut at, budget, members) {
        Ok(Flow::Continue) if at == begin => {
            let mut told = troubles.into_vec();
            told.append(&mut archives(source, budget, members));
            return told;
        }
        Ok(_) => {}
        Err(stop) => troubles.note(at, stop),
    }
    troubles.into_vec()
}

/// Goes from record to record, to tell whether the stream has its end.
fn records(source: &dyn Source, budget: &Budget) -> Result<(), Stop> {
    let mut input = Input::whole(source);
    let mut count = 0u64;
    while input.left() > 0 || count == 0 {
        budget.check_time()?;
        count = count.saturating_add(1);
        let length = u32_le(input.at_least(RECORD_BYTES)?, LENGTH_BYTES);
        input.consume(RECORD_BYTES);
        let length = length
            .map(u64::from)
            .filter(|length| *length <= input.left());
        let length = length.ok_or(Stop::malformed("record ends early"))?;
        input.seek(input.offset().saturating_add(length));
    }
    Ok(())
}

/// Hands over each package and what lies before it; leaves `at` behind the last one.
fn packages(
    source: &dyn Source,
    at: &mut u64,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Result<Flow, Stop> {
    let mut input = Input::whole(source);
    let mut number = 0u64;
    while let Some(package) = next_package(&mut input, budget)? {
        number = number.saturating_add(1);
        let between = *at..package.start;
        *at = package.end;
        input.seek(package.end);
        let parts = [("records", between), ("package", package)];
        for (kind, part) in parts {
            if give(&format!("({kind} {number})"), part, budget, members) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
    }
    let rest = *at..source.size_bytes();
    Ok(match number {
        0 => Flow::Continue,
        _ => give("(records)", rest, budget, members),
    })
}

fn next_package(input: &mut Input<'_>, budget: &Budget) -> Result<Option<Range<u64>>, Stop> {
    let wanted = LENGTH_BYTES.saturating_add(LOCAL.len());
    loop {
        budget.check_time()?;
        let bytes = input.at_least(wanted)?;
        let count = bytes.len();
        if count < wanted {
            return Ok(None);
        }
        let Some(place) = find(bytes, LOCAL, LENGTH_BYTES) else {
            input.consume(count.saturating_sub(wanted.saturating_sub(1)));
            continue;
        };
        let length = u32_le(bytes, place.saturating_sub(LENGTH_BYTES)).map_or(0, u64::from);
        let start = input.offset().saturating_add(place as u64);
        input.consume(place);
        if length >= PACKAGE_BYTES_MIN && length <= input.left() {
            return Ok(Some(start..start.saturating_add(length)));
        }
    }
}

/// Archives in a stream without packages, as they are looked for in other data.
fn archives(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let (found, troubles) = embedded(source, 1..source.size_bytes(), budget);
    for archive in found {
        let end = archive.offset.saturating_add(archive.size_bytes);
        let name = format!("(at {})", archive.offset);
        if give(&name, archive.offset..end, budget, members) == Flow::Stop {
            break;
        }
    }
    troubles
}

fn give(name: &str, part: Range<u64>, budget: &mut Budget, members: &mut dyn Members) -> Flow {
    let content = Content::Range {
        offset: part.start,
        size_bytes: part.end.saturating_sub(part.start),
    };
    let name = name.as_bytes();
    members.member(Member { name, content }, budget)
}
