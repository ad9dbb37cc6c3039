//! Mail: messages (RFC 5322 with MIME) and mailboxes. The bodies of a message's parts are its
//! members, decoded; its headers are not. A message inside a message is a member, to be
//! recognised as mail again, or read in place where it would not be.
//!
//! Senders and readers disagree about what a broken message says, and attackers live on that. A
//! message is read as the standard says first; where a line, a boundary or an encoding can be
//! taken in another way, it is read in that way too, and what comes out new is a member. Nothing
//! is refused for being broken.

pub(crate) mod header;
pub(crate) mod lines;
mod mailbox;
mod parameters;
mod part;
mod recognise;
mod secure;
mod walk;
pub(crate) mod whole;
mod words;

use proto::Budget;

use crate::Source;
use crate::formats::mail::lines::LineEnds;
use crate::formats::mail::part::Parts;
use crate::formats::mail::walk::{Reading, Separators, Walk};
use crate::formats::mail::whole::Whole;
use crate::identify::{Format, Role};
use crate::members::{Members, Stop, Trouble, Troubles};
use crate::output::Tally;

/// Mailboxes and messages.
pub(super) static FORMATS: [Format; 2] = [
    Format {
        name: "mbox",
        detect: recognise::is_mailbox,
        role: Role::Container(mailbox::unpack),
    },
    Format {
        name: "mail",
        detect: recognise::is_message,
        role: Role::Container(unpack),
    },
];

/// Where a text begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// With a header.
    Header,
    /// With the parts of a multipart whose header is elsewhere.
    Parts,
}

/// The text of a message.
#[derive(Clone, Debug)]
struct Letter<'t> {
    text: &'t [u8],
    /// Where it lies in the container, where it lies there as it stands.
    stored: Option<u64>,
    /// The name of the member that it is, if it is one; for troubles.
    path: Vec<u8>,
    start: Start,
}

/// What everything that is read works with.
struct Desk<'d> {
    members: &'d mut dyn Members,
    budget: &'d mut Budget,
    troubles: Troubles,
    tally: Tally,
}

/// Why reading ends early.
enum Halt {
    /// The receiver wants no more.
    Receiver,
    /// Something ran out.
    Stop(Stop),
}

impl Desk<'_> {
    fn note(&mut self, member: &[u8], offset: usize, stop: impl Into<Stop>) {
        let offset = offset as u64;
        match member {
            [] => self.troubles.note(offset, stop),
            name => self.troubles.note_member(name, offset, stop),
        }
    }

    fn finish(&mut self, done: Result<(), Halt>) {
        if let Err(Halt::Stop(stop)) = done {
            self.troubles.note(0, stop);
        }
    }
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    let whole = Whole::read(source, budget, &mut troubles);
    let mut desk = Desk {
        members,
        budget,
        troubles,
        tally: Tally::new(source.size_bytes()),
    };
    let found = recognise::message_start(whole.bytes());
    let done = message(whole.bytes(), found, &mut desk);
    desk.finish(done);
    let troubles = desk.troubles.into_vec();
    whole.release(budget);
    troubles
        .into_iter()
        // A message that stands in other text may be an example in a book.
        .filter(|trouble| !found.is_quoted || trouble.reason != proto::Reason::Malformed)
        .collect()
}

fn message(bytes: &[u8], found: recognise::Found, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let letter = Letter {
        text: bytes.get(found.offset..).unwrap_or_default(),
        stored: Some(found.offset as u64),
        path: Vec::new(),
        start: Start::Header,
    };
    let before = Letter {
        text: bytes.get(..found.offset).unwrap_or_default(),
        stored: Some(0),
        ..letter.clone()
    };
    if !before.text.trim_ascii().is_empty() {
        let mut parts = Parts::default();
        let done = parts.around(&before, b"(before start)", 0..found.offset, desk);
        parts.release(desk);
        done?;
    }
    read_letter(&letter, desk)
}

/// Reads a message in every way that could give something of its own.
fn read_letter(letter: &Letter<'_>, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let mut parts = Parts::default();
    let done = readings(letter, &mut parts, desk);
    parts.release(desk);
    done
}

fn readings(letter: &Letter<'_>, parts: &mut Parts, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let standard = Reading::STANDARD;
    let loose = Reading {
        separators: Separators::Loose,
        ..standard
    };
    if letter.start == Start::Parts {
        Walk::new(letter, loose, parts).run(desk)?;
        return Ok(());
    }
    let mut doubts = Walk::new(letter, standard, parts).run(desk)?;
    if doubts.boundaries > 1 {
        for choice in 0..doubts.boundaries {
            let reading = Reading {
                choice: Some(choice),
                ..standard
            };
            let more = Walk::new(letter, reading, parts).run(desk)?;
            doubts.separators |= more.separators;
        }
    }
    if doubts.separators {
        Walk::new(letter, loose, parts).run(desk)?;
    }
    if lines::has_lone_return(letter.text) {
        let reading = Reading {
            ends: LineEnds::Returns,
            ..loose
        };
        Walk::new(letter, reading, parts).run(desk)?;
    }
    Ok(())
}
