//! uuencoded files, and the blocks of uuencode, its base64 cousin and yEnc that stand in text.
//! What stands around the blocks is handed over too, so that a block hides nothing.

use proto::Budget;

use crate::Source;
use crate::decode::letters::{Base64, base64, is_uuencoded, uuencoded, yencoded};
use crate::formats::leaf::is_text;
use crate::formats::mail::lines::{Line, LineEnds};
use crate::formats::mail::whole::Whole;
use crate::formats::streams::AFTER_END;
use crate::identify::{Format, Probe, Role};
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

/// How far in the first block may begin.
const HEAD_BYTES: usize = 4096;
const ENDS_EARLY: &str = "encoded data ends early";
const UNNAMED: &[u8] = b"(uuencode)";

/// Text with a uuencoded block near its beginning.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "uuencode",
    detect,
    role: Role::Container(unpack),
}];

/// How a block is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Uuencode,
    Base64,
    Yenc,
}

/// One block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block<'t> {
    kind: Kind,
    name: &'t [u8],
    begin: usize,
    data: &'t [u8],
    /// Where the text goes on.
    pub(crate) next: usize,
    /// Whether its end is there.
    ended: bool,
}

fn detect(probe: &Probe<'_>) -> bool {
    let head = probe.head.get(..HEAD_BYTES).unwrap_or(probe.head);
    let mut at = 0;
    while let Some(line) = Line::at(head, at, LineEnds::Feeds) {
        if begins(probe.head, line).is_some_and(|begun| begun.kind != Kind::Yenc) {
            return is_text(probe.head);
        }
        at = line.next;
    }
    false
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut troubles = Troubles::default();
    let whole = Whole::read(source, budget, &mut troubles);
    let mut file = File {
        text: whole.bytes(),
        tally: Tally::new(source.size_bytes()),
        troubles: &mut troubles,
    };
    if let Err(stop) = file.unpack(budget, members) {
        file.troubles.note(0, stop);
    }
    whole.release(budget);
    troubles.into_vec()
}

struct File<'t> {
    text: &'t [u8],
    tally: Tally,
    troubles: &'t mut Troubles,
}

impl File<'_> {
    fn unpack(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        let mut at = 0;
        while let Some(block) = next_block(self.text, at, budget)? {
            let name: &[u8] = if at == 0 {
                b"(before start)"
            } else {
                b"(between)"
            };
            if self.around(name, at..block.begin, budget, members) == Flow::Stop {
                return Ok(());
            }
            let output = Output::new(self.tally);
            let (flow, tally) = block.hand_over(output, self.troubles, budget, members)?;
            self.tally = tally;
            if flow == Flow::Stop {
                return Ok(());
            }
            at = block.next;
        }
        self.around(AFTER_END, at..self.text.len(), budget, members);
        Ok(())
    }

    fn around(
        &self,
        name: &[u8],
        range: std::ops::Range<usize>,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Flow {
        let text = self.text.get(range.clone()).unwrap_or_default();
        if text.trim_ascii().is_empty() {
            return Flow::Continue;
        }
        let content = Content::Range {
            offset: range.start as u64,
            size_bytes: text.len() as u64,
        };
        members.member(Member { name, content }, budget)
    }
}

/// The next block at or after a place where a line begins.
pub(crate) fn next_block<'t>(
    text: &'t [u8],
    from: usize,
    budget: &Budget,
) -> Result<Option<Block<'t>>, Stop> {
    let mut at = from;
    while let Some(line) = Line::at(text, at, LineEnds::Feeds) {
        if let Some(begun) = begins(text, line) {
            return to_end(text, begun, line, budget).map(Some);
        }
        at = line.next;
    }
    Ok(None)
}

impl Block<'_> {
    /// Decodes it and hands it over.
    pub(crate) fn hand_over(
        &self,
        mut output: Output,
        troubles: &mut Troubles,
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<(Flow, Tally), Stop> {
        let decoded = match self.kind {
            Kind::Uuencode => uuencoded(self.data, &mut output, budget),
            Kind::Base64 => base64(self.data, Base64::Groups, &mut output, budget),
            Kind::Yenc => yencoded(self.data, &mut output, budget),
        };
        let name = if self.name.is_empty() {
            UNNAMED
        } else {
            self.name
        };
        if !self.ended {
            let stop = Stop::malformed(ENDS_EARLY);
            troubles.note_member(name, self.begin as u64, stop);
        }
        let handed = output.hand_over(name, members, budget);
        decoded?;
        Ok(handed)
    }
}

struct Begun<'t> {
    kind: Kind,
    name: &'t [u8],
}

/// What begins with this line, if anything does; uuencode's next line must look the part, since
/// sentences begin with the same word.
fn begins<'t>(text: &'t [u8], line: Line) -> Option<Begun<'t>> {
    let said = line.of(text);
    if let Some(rest) = said.strip_prefix(b"=ybegin ") {
        let name = memchr::memmem::find(rest, b"name=")
            .and_then(|at| rest.get(at.saturating_add(5)..))
            .unwrap_or_default()
            .trim_ascii();
        return Some(Begun {
            kind: Kind::Yenc,
            name,
        });
    }
    let (kind, rest) = match said.strip_prefix(b"begin") {
        Some(rest) => match rest.strip_prefix(b"-base64") {
            Some(rest) => (Kind::Base64, rest),
            None => (Kind::Uuencode, rest),
        },
        None => return None,
    };
    let rest = rest
        .strip_prefix(b" ")
        .or(rest.strip_prefix(b"\t"))?
        .trim_ascii();
    let digits = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'7'));
    let digits = digits.count();
    if !(3..=6).contains(&digits) {
        return None;
    }
    let name = rest.get(digits..).unwrap_or_default();
    if !name.is_empty() && !name.starts_with(b" ") && !name.starts_with(b"\t") {
        return None;
    }
    let first = Line::at(text, line.next, LineEnds::Feeds).map(|line| line.of(text));
    let plausible = match kind {
        Kind::Uuencode => first.is_none_or(is_uuencoded),
        _ => true,
    };
    plausible.then_some(Begun {
        kind,
        name: name.trim_ascii(),
    })
}

fn to_end<'t>(
    text: &'t [u8],
    begun: Begun<'t>,
    first: Line,
    budget: &Budget,
) -> Result<Block<'t>, Stop> {
    let mut at = first.next;
    let mut lines = 0u32;
    let mut end = None;
    while let Some(line) = Line::at(text, at, LineEnds::Feeds) {
        lines = lines.wrapping_add(1);
        if lines.is_multiple_of(4096) {
            budget.check_time()?;
        }
        let said = line.of(text);
        let is_end = match begun.kind {
            Kind::Uuencode => said.trim_ascii() == b"end" || matches!(said, b"`" | b" "),
            Kind::Base64 => said.trim_ascii() == b"====",
            Kind::Yenc => said.starts_with(b"=yend"),
        };
        // Another block begins: this one has lost its end.
        let is_next = !is_end && begins(text, line).is_some();
        if is_end || is_next {
            let after = if is_end { line.next } else { line.begin };
            end = Some((line.begin, after, is_end));
            break;
        }
        at = line.next;
    }
    let (end, next, ended) = end.unwrap_or((text.len(), text.len(), false));
    let begin = match begun.kind {
        Kind::Yenc => after_part_line(text, first.next),
        _ => first.next,
    };
    Ok(Block {
        kind: begun.kind,
        name: begun.name,
        begin: first.begin,
        data: text.get(begin..end).unwrap_or_default(),
        next: match ended && begun.kind == Kind::Uuencode {
            true => after_end_line(text, next),
            false => next,
        },
        ended,
    })
}

/// yEnc in several parts says which part it is before the data.
fn after_part_line(text: &[u8], at: usize) -> usize {
    match Line::at(text, at, LineEnds::Feeds) {
        Some(line) if line.of(text).starts_with(b"=ypart ") => line.next,
        _ => at,
    }
}

/// The line of no bytes is followed by the word.
fn after_end_line(text: &[u8], at: usize) -> usize {
    match Line::at(text, at, LineEnds::Feeds) {
        Some(line) if line.of(text).trim_ascii() == b"end" => line.next,
        _ => at,
    }
}
