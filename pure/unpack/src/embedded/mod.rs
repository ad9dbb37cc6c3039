//! Archives inside other data: behind a picture, a text or a program, where neither the first
//! bytes nor the headers lead to them. Only what proves to be an archive counts (a checksum over
//! its header, a directory that leads back to it, a member that decodes), since a magic alone
//! stands in every file that speaks of archives. Single compressed streams are looked for in
//! scripts only: elsewhere they are what programs and databases are full of.

mod headers;
mod streams;
pub(crate) mod window;
mod xz;
mod zip;

use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::packed::Searcher;
use proto::{Budget, Reason};

use crate::embedded::window::{Window, searcher};
use crate::embedded::zip::Zips;
use crate::formats::cab;
use crate::formats::zip::records::LOCAL;
use crate::input::read_part;
use crate::members::{Stop, Trouble, Troubles};
use crate::{ReadError, Source, decode};

/// Archives that are taken from one object; more are a trouble.
const FOUND_MAX: usize = 16;
/// What a closer look at a magic costs, in steps of work.
const HIT_WORK: u64 = 2_000;
const SCRIPT: &[u8] = b"#!";
const SEVEN_ZIP: &[u8] = b"7z\xbc\xaf\x27\x1c";
const RAR: &[u8] = b"Rar!\x1a\x07";

/// What archives are looked for in.
#[derive(Clone, Copy)]
enum Carrier {
    Any,
    Script,
}

impl Carrier {
    fn of(source: &dyn Source) -> Result<Self, ReadError> {
        let head = read_part(source, 0, SCRIPT.len())?;
        Ok(if head == SCRIPT {
            Self::Script
        } else {
            Self::Any
        })
    }
}

/// An archive inside other data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embedded {
    /// Where it begins.
    pub offset: u64,
    /// How long it is; up to the end of the data where it does not say.
    pub size_bytes: u64,
}

/// Finds the archives that begin in a part of an object.
pub fn embedded(
    source: &dyn Source,
    part: Range<u64>,
    budget: &mut Budget,
) -> (Vec<Embedded>, Vec<Trouble>) {
    let mut troubles = Troubles::default();
    let mut found = Vec::new();
    if let Err(stop) = search(source, part, budget, &mut found) {
        troubles.note(0, stop);
    }
    (found, troubles.into_vec())
}

fn search(
    source: &dyn Source,
    part: Range<u64>,
    budget: &mut Budget,
    found: &mut Vec<Embedded>,
) -> Result<(), Stop> {
    let Some(magics) = magics(Carrier::of(source)?) else {
        return Ok(());
    };
    let size_bytes = source.size_bytes();
    let mut window = Window::new(source, part.end);
    let mut zips = Zips::new(source);
    let mut at = part.start;
    while let Some(offset) = window.find(magics, at, budget)? {
        at = offset.saturating_add(1);
        budget.spend_work(HIT_WORK)?;
        let Some(end) = end_of_archive(source, offset, &mut zips, budget)? else {
            continue;
        };
        if found.len() >= FOUND_MAX {
            return Err(Stop {
                reason: Reason::Unsupported,
                text: format!("more than {FOUND_MAX} archives inside other data").into(),
            });
        }
        // One that does not say where it ends may lie before others: those are looked for too.
        if let Some(end) = end {
            at = at.max(end);
        }
        let end = end.unwrap_or(size_bytes).min(size_bytes);
        found.push(Embedded {
            offset,
            size_bytes: end.saturating_sub(offset),
        });
    }
    Ok(())
}

fn magics(of: Carrier) -> Option<&'static Searcher> {
    static IN_ALL: OnceLock<Option<Searcher>> = OnceLock::new();
    static IN_SCRIPTS: OnceLock<Option<Searcher>> = OnceLock::new();
    let archives = [SEVEN_ZIP, RAR, cab::MAGIC, decode::xz::MAGIC, LOCAL];
    match of {
        Carrier::Any => IN_ALL.get_or_init(|| searcher(&archives)),
        Carrier::Script => {
            IN_SCRIPTS.get_or_init(|| searcher(&[&archives[..], &streams::MAGICS].concat()))
        }
    }
    .as_ref()
}

/// `None` where no archive begins; else where it ends, as far as it says.
#[expect(
    clippy::option_option,
    reason = "whether it is one, and whether it says where it ends, are two questions"
)]
fn end_of_archive(
    source: &dyn Source,
    offset: u64,
    zips: &mut Zips<'_>,
    budget: &mut Budget,
) -> Result<Option<Option<u64>>, Stop> {
    let head = read_part(source, offset, headers::HEAD_BYTES)?;
    let end = |size: u64| offset.saturating_add(size);
    Ok(if head.starts_with(LOCAL) {
        zips.end(offset, budget)?
    } else if head.starts_with(decode::xz::MAGIC) {
        match xz::is_header(&head) {
            true => Some(xz::end(source, offset, budget)?),
            false => None,
        }
    } else if head.starts_with(RAR) {
        headers::is_rar(&head).then_some(None)
    } else if head.starts_with(SEVEN_ZIP) {
        headers::seven_zip_bytes(&head).map(|size| Some(end(size)))
    } else if streams::MAGICS.iter().any(|magic| head.starts_with(magic)) {
        streams::end(source, offset, budget)?
    } else {
        cab::inside(source, offset)?.map(|size| size.map(end))
    })
}
