//! The bodies of parts: decoded as their headers say, and in each other way in which a reader
//! might. What comes out the same twice is handed over once.

use std::collections::BTreeSet;
use std::ops::Range;

use proto::Reason;
use sha2::{Digest, Sha256};

use crate::decode::letters::{Base64, base64, looks_like_base64, quoted_printable, shape};
use crate::formats::mail::header::{Encoding, Header};
use crate::formats::mail::{Desk, Halt, Letter, Start, secure};
use crate::formats::uuencode::next_block;
use crate::identify;
use crate::members::{Content, Flow, Listed, Lister, Member, Stop};
use crate::output::Output;

/// What remembering one reading costs.
const SEEN_BYTES: u64 = 160;

/// A part's body as a reading sees it.
pub(super) struct Body<'h> {
    /// The message that it is in.
    pub(super) letter: &'h Letter<'h>,
    pub(super) header: &'h Header,
    pub(super) end: usize,
    pub(super) name: Vec<u8>,
    pub(super) is_message: bool,
    /// Whether this is the first reading, which says what is wrong with the part.
    pub(super) is_standard: bool,
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    Identity,
    Base64(Base64),
    QuotedPrintable,
    Blocks,
}

/// What was handed over of one message.
#[derive(Default)]
pub(super) struct Parts {
    seen: BTreeSet<(usize, usize, Way)>,
    /// Of what was decoded in a doubtful way.
    digests: BTreeSet<[u8; 32]>,
    held: u64,
}

impl Parts {
    /// Gives the memory back.
    pub(super) fn release(self, desk: &mut Desk<'_>) {
        desk.budget.release_memory(self.held);
    }

    /// Hands over a part in every way in which it can be read.
    pub(super) fn body(&mut self, body: &Body<'_>, desk: &mut Desk<'_>) -> Result<(), Halt> {
        if body.is_standard {
            secure::note_by_header(body, desk);
        }
        for start in &body.header.body_starts {
            let range = *start..body.end.max(*start);
            let text = body.letter.text.get(range.clone()).unwrap_or_default();
            if text.trim_ascii().is_empty() {
                continue;
            }
            for way in ways(body.header, text) {
                self.read(body, range.clone(), way, desk)?;
            }
        }
        Ok(())
    }

    /// Hands over what lies around the parts.
    pub(super) fn around(
        &mut self,
        letter: &Letter<'_>,
        name: &[u8],
        range: Range<usize>,
        desk: &mut Desk<'_>,
    ) -> Result<(), Halt> {
        let text = letter.text.get(range.clone()).unwrap_or_default();
        if self.is_new(&range, Way::Identity, desk)? {
            letter.hand_over(name, range.clone(), desk)?;
        }
        match self.is_new(&range, Way::Blocks, desk)? {
            true => blocks(text, desk),
            false => Ok(()),
        }
    }

    fn read(
        &mut self,
        body: &Body<'_>,
        range: Range<usize>,
        way: Way,
        desk: &mut Desk<'_>,
    ) -> Result<(), Halt> {
        if !self.is_new(&range, way, desk)? {
            return Ok(());
        }
        let text = body.letter.text.get(range.clone()).unwrap_or_default();
        match way {
            Way::Identity => {
                // A body that is all of its message would be read in place for ever.
                if range.start > 0 {
                    let nested = body.letter.part(range.clone(), &body.name);
                    look_inside(&nested, body, desk)?;
                }
                tell(&body.name, text.len() as u64, desk);
                body.letter.hand_over(&body.name, range, desk)
            }
            Way::Blocks => blocks(text, desk),
            Way::Base64(_) | Way::QuotedPrintable => self.decoded(text, body, way, desk),
        }
    }

    fn decoded(
        &mut self,
        text: &[u8],
        body: &Body<'_>,
        way: Way,
        desk: &mut Desk<'_>,
    ) -> Result<(), Halt> {
        let mut output = Output::new(desk.tally);
        let done = match way {
            Way::Base64(way) => base64(text, way, &mut output, desk.budget),
            _ => quoted_printable(text, &mut output, desk.budget),
        };
        let looked = self.look_at_decoded(&output, body, way, desk);
        let is_wanted = match looked {
            Ok(is_new) => is_new,
            Err(halt) => {
                output.discard(desk.budget);
                return Err(halt);
            }
        };
        let count = output.bytes().len() as u64;
        if is_wanted {
            tell(&body.name, count, desk);
        }
        let flow = match is_wanted {
            true => output.hand_over(&body.name, desk.members, desk.budget).0,
            false => {
                output.discard(desk.budget);
                Flow::Continue
            }
        };
        desk.tally.add(count, desk.budget)?;
        done?;
        Halt::on(flow)
    }

    /// Gives whether it is new, and looks for what is inside it where it is.
    fn look_at_decoded(
        &mut self,
        output: &Output,
        body: &Body<'_>,
        way: Way,
        desk: &mut Desk<'_>,
    ) -> Result<bool, Halt> {
        let text = output.bytes();
        let is_doubtful = matches!(way, Way::Base64(_));
        if text.is_empty() || (is_doubtful && !self.is_new_content(text, desk)?) {
            return Ok(false);
        }
        let nested = Letter {
            text,
            stored: None,
            path: body.name.clone(),
            start: Start::Header,
        };
        look_inside(&nested, body, desk)?;
        Ok(true)
    }

    fn is_new(
        &mut self,
        range: &Range<usize>,
        way: Way,
        desk: &mut Desk<'_>,
    ) -> Result<bool, Reason> {
        let is_new = self.seen.insert((range.start, range.end, way));
        if is_new {
            self.hold(desk)?;
        }
        Ok(is_new)
    }

    fn is_new_content(&mut self, content: &[u8], desk: &mut Desk<'_>) -> Result<bool, Reason> {
        let is_new = self.digests.insert(Sha256::digest(content).into());
        if is_new {
            self.hold(desk)?;
        }
        Ok(is_new)
    }

    fn hold(&mut self, desk: &mut Desk<'_>) -> Result<(), Reason> {
        desk.budget.hold_memory(SEEN_BYTES)?;
        self.held = self.held.saturating_add(SEEN_BYTES);
        Ok(())
    }
}

/// Tells of a part by its name, and as the peer writes that: with `_` for what is not of a few
/// characters, and with a name where the message gives none.
fn tell(name: &[u8], size_bytes: u64, desk: &mut Desk<'_>) {
    const NAMELESS: &[u8] = b"attachment";
    let name = match name.starts_with(b"(") {
        true => NAMELESS,
        false => name,
    };
    let plain = |byte: &u8| match byte {
        b'.' | b'_' => *byte,
        _ if byte.is_ascii_alphanumeric() => *byte,
        _ => b'_',
    };
    let written: Vec<u8> = name.iter().map(plain).collect();
    let mut names = vec![name];
    if written != name {
        names.push(&written);
    }
    for name in names {
        let listed = Listed {
            lister: Lister::Mail,
            name,
            packed_bytes: size_bytes,
            size_bytes,
            is_encrypted: false,
            position: 0,
        };
        desk.members.listed(&listed, desk.budget);
    }
}

/// The ways in which a body can be read, the one that its header says first.
fn ways(header: &Header, text: &[u8]) -> Vec<Way> {
    let mut declared = header.encodings();
    if declared.is_empty() {
        declared.push(Encoding::Identity);
    }
    let mut ways = Vec::new();
    let has_block = has_block(text);
    for encoding in declared {
        match encoding {
            Encoding::Identity => ways.push(Way::Identity),
            Encoding::Base64 => ways.extend(base64_ways(text)),
            Encoding::QuotedPrintable => ways.push(Way::QuotedPrintable),
            // Without a block it is what it seems to be.
            Encoding::Block if !has_block => ways.push(Way::Identity),
            Encoding::Block => {}
        }
    }
    if looks_like_base64(text) {
        ways.extend(base64_ways(text));
    }
    // Text that begins with a block is unpacked by itself.
    if has_block && !(ways.contains(&Way::Identity) && is_uuencode(text)) {
        ways.push(Way::Blocks);
    }
    ways
}

fn is_uuencode(text: &[u8]) -> bool {
    identify(&text).is_ok_and(|format| format.name == "uuencode")
}

/// One way where the text is as it should be, else each in which some reader takes it.
fn base64_ways(text: &[u8]) -> Vec<Way> {
    let shape = shape(text);
    let mut ways = vec![Way::Base64(Base64::Groups)];
    if shape.padding_inside {
        ways.push(Way::Base64(Base64::UntilPadding));
        ways.push(Way::Base64(Base64::Joined));
    }
    if shape.junk > 0 {
        ways.push(Way::Base64(Base64::CleanLines));
        ways.push(Way::Base64(Base64::UntilJunk));
    }
    // Not base64 at all: what it is shows as it stands.
    if shape.junk.saturating_mul(8) > shape.letters {
        ways.push(Way::Identity);
    }
    ways
}

/// Looks for what nobody would find who only knew what the content is recognised as: a message
/// that is not recognised as one, parts without a header, encrypted text.
fn look_inside(nested: &Letter<'_>, body: &Body<'_>, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let format = identify(&nested.text).map_or("", |format| format.name);
    if body.is_standard {
        secure::note_by_content(nested, body, desk);
    }
    let is_parts = body.header.has_type(b"multipart") && nested.stored.is_none();
    if (body.is_message && format != "mail") || is_parts {
        let start = match is_parts {
            true => Start::Parts,
            false => Start::Header,
        };
        let nested = Letter {
            start,
            ..nested.clone()
        };
        in_place(&nested, desk)?;
    }
    // Text that begins with a block is unpacked by itself.
    match nested.stored.is_none() && format != "uuencode" {
        true => blocks(nested.text, desk),
        false => Ok(()),
    }
}

fn in_place(nested: &Letter<'_>, desk: &mut Desk<'_>) -> Result<(), Halt> {
    if let Err(reason) = desk.budget.enter() {
        let text = "messages are nested deeper than the limit allows".into();
        desk.note(&nested.path, 0, Stop { reason, text });
        return Ok(());
    }
    let read = super::read_letter(nested, desk);
    desk.budget.leave();
    read
}

/// Whether a line begins with the word that blocks begin with.
fn has_block(text: &[u8]) -> bool {
    memchr::memmem::find_iter(text, b"begin").any(|at| {
        let before = text.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b"=y").map_or(before, |_| b"");
        before.is_empty() || before.ends_with(b"\n")
    })
}

/// Hands over the uuencoded and yEnc blocks in a text.
fn blocks(text: &[u8], desk: &mut Desk<'_>) -> Result<(), Halt> {
    if !has_block(text) {
        return Ok(());
    }
    let mut at = 0;
    while let Some(block) = next_block(text, at, desk.budget)? {
        let (flow, tally) =
            block.hand_over(desk.tally, &mut desk.troubles, desk.budget, desk.members)?;
        desk.tally = tally;
        Halt::on(flow)?;
        at = block.next;
    }
    Ok(())
}

impl Letter<'_> {
    /// Hands over a part of the text as it stands.
    fn hand_over(&self, name: &[u8], range: Range<usize>, desk: &mut Desk<'_>) -> Result<(), Halt> {
        let bytes = self.text.get(range.clone()).unwrap_or_default();
        let content = match self.stored {
            Some(offset) => Content::Range {
                offset: offset.saturating_add(range.start as u64),
                size_bytes: bytes.len() as u64,
            },
            None => Content::Bytes(bytes),
        };
        Halt::on(desk.members.member(Member { name, content }, desk.budget))
    }

    /// A part of it as a message of its own.
    fn part(&self, range: Range<usize>, path: &[u8]) -> Self {
        let begin = range.start as u64;
        Self {
            text: self.text.get(range).unwrap_or_default(),
            stored: self.stored.map(|offset| offset.saturating_add(begin)),
            path: path.to_vec(),
            start: Start::Header,
        }
    }
}

impl Halt {
    /// Goes on, or not.
    fn on(flow: Flow) -> Result<(), Self> {
        match flow {
            Flow::Continue => Ok(()),
            Flow::Stop => Err(Self::Receiver),
        }
    }
}

impl From<Reason> for Halt {
    fn from(reason: Reason) -> Self {
        Self::Stop(reason.into())
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}
