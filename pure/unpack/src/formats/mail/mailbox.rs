//! Mailboxes: messages one after the other, each behind a line that begins with `From `. Such a
//! line counts where a header follows it, whatever stands before it; a mailbox is never read
//! whole.

use proto::Budget;

use crate::formats::mail::header::field;
use crate::formats::mail::lines::{Line, LineEnds};
use crate::formats::mail::whole::Whole;
use crate::formats::mail::{Desk, Halt, Letter, Start, read_letter};
use crate::identify::Role;
use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::Tally;
use crate::{Source, SubSource, identify};

const MARK: &[u8] = b"\nFrom ";
/// What is looked at at once.
const WINDOW_BYTES: usize = 32 << 10;
/// What decides whether a line begins a message: itself and the line after it.
const LOOK_BYTES: usize = 4 << 10;

pub(super) fn unpack(
    source: &dyn Source,
    budget: &mut Budget,
    members: &mut dyn Members,
) -> Vec<Trouble> {
    let mut desk = Desk {
        members,
        budget,
        troubles: Troubles::default(),
        tally: Tally::new(source.size_bytes()),
    };
    let done = messages(source, &mut desk);
    desk.finish(done);
    desk.troubles.into_vec()
}

fn messages(source: &dyn Source, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let mut input = Input::whole(source);
    let mut number = 1u64;
    let mut begin = first_message(&mut input)?;
    loop {
        let mark = next_mark(&mut input, desk.budget)?;
        let end = mark.unwrap_or(source.size_bytes());
        let name = format!("(message {number})");
        message(source, name.as_bytes(), (begin, end), desk)?;
        if mark.is_none() {
            return Ok(());
        }
        begin = after_line(&mut input)?;
        number = number.saturating_add(1);
    }
}

/// Goes past the first `From ` line and what stands before it.
fn first_message(input: &mut Input<'_>) -> Result<u64, Stop> {
    let head = input.at_least(LOOK_BYTES)?;
    let blanks = head.iter().take_while(|byte| byte.is_ascii_whitespace());
    let blanks = blanks.count();
    input.consume(blanks);
    after_line(input)
}

/// Goes past a line, or as far as one is looked at.
fn after_line(input: &mut Input<'_>) -> Result<u64, Stop> {
    let head = input.at_least(LOOK_BYTES)?;
    let head = head.get(..LOOK_BYTES).unwrap_or(head);
    let length = Line::at(head, 0, LineEnds::Feeds).map_or(0, |line| line.next);
    // The line's end stays: a message may begin right after it.
    input.consume(length.saturating_sub(1));
    Ok(input.offset().saturating_add(u64::from(length > 0)))
}

/// Where the message ends that is followed by another; leaves the input at that one's first line.
fn next_mark(input: &mut Input<'_>, budget: &Budget) -> Result<Option<u64>, Stop> {
    loop {
        budget.check_time()?;
        let bytes = input.at_least(WINDOW_BYTES)?;
        let is_last = bytes.len() < WINDOW_BYTES;
        let Some(at) = memchr::memmem::find(bytes, MARK) else {
            if is_last {
                return Ok(None);
            }
            let seen = bytes.len().saturating_sub(MARK.len());
            input.consume(seen);
            continue;
        };
        input.consume(at);
        let end = input.offset();
        let line = input.at_least(LOOK_BYTES)?;
        let is_mark = begins_message(line.get(1..).unwrap_or_default());
        input.consume(1);
        if is_mark {
            return Ok(Some(end));
        }
    }
}

fn begins_message(text: &[u8]) -> bool {
    let Some(mark) = Line::at(text, 0, LineEnds::Feeds) else {
        return false;
    };
    let next = Line::at(text, mark.next, LineEnds::Feeds);
    next.is_some_and(|line| {
        let said = line.of(text);
        field(said).is_some() || said.starts_with(b">From ")
    })
}

/// Hands a message over, or reads it here where it would not be recognised as one.
fn message(
    source: &dyn Source,
    name: &[u8],
    (begin, end): (u64, u64),
    desk: &mut Desk<'_>,
) -> Result<(), Halt> {
    let part = SubSource::new(source, begin, end.saturating_sub(begin));
    if part.size_bytes() == 0 {
        return Ok(());
    }
    let format = identify(&part).map_err(Stop::from)?;
    let is_mail = format.name == "mail";
    if is_mail || !matches!(format.role, Role::Leaf) {
        let content = Content::Range {
            offset: begin,
            size_bytes: part.size_bytes(),
        };
        if desk.members.member(Member { name, content }, desk.budget) == Flow::Stop {
            return Err(Halt::Receiver);
        }
    }
    match is_mail {
        true => Ok(()),
        false => in_place(&part, name, begin, desk),
    }
}

fn in_place(
    part: &SubSource<'_>,
    name: &[u8],
    begin: u64,
    desk: &mut Desk<'_>,
) -> Result<(), Halt> {
    let whole = Whole::read(part, desk.budget, &mut desk.troubles);
    let done = read_letter(
        &Letter {
            text: whole.bytes(),
            stored: Some(begin),
            path: name.to_vec(),
            start: Start::Header,
        },
        desk,
    );
    whole.release(desk.budget);
    done
}
