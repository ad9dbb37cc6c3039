//! RTF: embedded objects, pictures and other data that is spelled in digits or stands as it is.
//! The reader is as tolerant as Word: whatever stands between the digits is passed over, objects
//! count wherever they are. A packaged file has its own name; other objects are numbered.

mod capture;

use proto::Budget;

use crate::Source;
use crate::fields::find;
use crate::formats::package::{self, Data};
use crate::formats::rtf::capture::Capture;
use crate::formats::streams::AFTER_END;
use crate::identify::{Format, Probe, Role};
use crate::input::Input;
use crate::members::{Content, Flow, Member, Members, Stop, Trouble, Troubles};
use crate::output::Tally;

/// How much may stand before the document.
const BEFORE_BYTES_MAX: usize = 64;
/// Longer names are cut, and what is left is text.
const WORD_BYTES_MAX: usize = 255;
/// Objects inside objects that are open at a time.
const CAPTURES_MAX: usize = 16;
const GROUPS_MAX: usize = 1 << 20;
const OLE2: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const DESTINATIONS: &str = include_str!("rtf/destinations.txt");

/// RTF documents.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "rtf",
    detect,
    role: Role::Container(unpack),
}];

fn detect(probe: &Probe<'_>) -> bool {
    let head = probe
        .head
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(probe.head);
    let before = head
        .iter()
        .take(BEFORE_BYTES_MAX)
        .take_while(|byte| matches!(byte, 0 | b'\t'..=b'\r' | b' '))
        .count();
    let start = head.get(before..).unwrap_or_default();
    start.starts_with(b"{\\rt")
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut document = Document {
        input: Input::whole(source),
        groups: vec![Destination::Text],
        is_starred: false,
        captures: Vec::new(),
        counts: [0; KINDS.len()],
        end: None,
        tally: Tally::new(source.size_bytes()),
        troubles: Troubles::default(),
    };
    let mut read = document.read(budget, members);
    if let Err(stop) = &read {
        document
            .troubles
            .note(document.input.offset(), stop.clone());
    }
    // What was spelled before a limit or the end is handed over.
    while let Some(open) = document.captures.pop() {
        match read {
            Ok(Flow::Stop) => open.capture.release(budget),
            _ => read = Ok(document.finish(open, budget, members)),
        }
    }
    if matches!(read, Ok(Flow::Continue)) {
        document.after_end(source, budget, members);
    }
    document.troubles.into_vec()
}

/// Where the text of a group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// Somewhere that holds no data.
    Text,
    /// Into the innermost capture.
    Data,
}

/// Control words that begin data, and what their members are called.
const KINDS: [(&[u8], &str); 7] = [
    (b"objdata", "object"),
    (b"pict", "picture"),
    (b"datastore", "datastore"),
    (b"themedata", "themedata"),
    (b"colorschememapping", "colorschememapping"),
    (b"fontfile", "fontfile"),
    (b"svb", "shape data"),
];
const OBJECT: usize = 0;

/// A capture whose group is open.
struct Open {
    capture: Capture,
    kind: usize,
    number: u64,
    /// How many groups were open when it began.
    depth: usize,
}

struct Document<'a> {
    input: Input<'a>,
    groups: Vec<Destination>,
    /// Whether a star says that an unknown destination comes.
    is_starred: bool,
    captures: Vec<Open>,
    counts: [u64; KINDS.len()],
    /// Where the last group of all closed.
    end: Option<u64>,
    tally: Tally,
    troubles: Troubles,
}

impl Document<'_> {
    fn read(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<Flow, Stop> {
        let mut checked = 0u64;
        while let Some(byte) = self.input.byte()? {
            if self.input.offset() >> 12 != checked {
                checked = self.input.offset() >> 12;
                budget.check_time()?;
            }
            match byte {
                b'{' => self.open()?,
                b'}' => {
                    if self.close(budget, members) == Flow::Stop {
                        return Ok(Flow::Stop);
                    }
                }
                b'\\' => self.control(budget)?,
                byte => self.text(byte, budget)?,
            }
        }
        if self.groups.len() > 1 || self.end.is_none() {
            return Err(Stop::malformed("document ends early"));
        }
        Ok(Flow::Continue)
    }

    fn open(&mut self) -> Result<(), Stop> {
        if self.groups.len() >= GROUPS_MAX {
            return Err(Stop::malformed("groups nest too deep"));
        }
        self.is_starred = false;
        self.groups.push(self.destination());
        Ok(())
    }

    fn close(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Flow {
        self.is_starred = false;
        let depth = self.groups.len();
        let is_last = |open: &mut Open| open.depth >= depth;
        let mut flow = Flow::Continue;
        while let Some(open) = self.captures.pop_if(is_last) {
            flow = self.finish(open, budget, members);
            if flow == Flow::Stop {
                return flow;
            }
        }
        if depth > 1 {
            self.groups.pop();
        }
        if self.groups.len() == 1 {
            self.end = Some(self.input.offset());
        }
        flow
    }

    fn destination(&self) -> Destination {
        self.groups.last().copied().unwrap_or(Destination::Text)
    }

    /// The capture that text goes to.
    fn capture(&mut self) -> Option<&mut Capture> {
        match self.destination() {
            Destination::Text => None,
            Destination::Data => self.captures.last_mut().map(|open| &mut open.capture),
        }
    }

    fn text(&mut self, byte: u8, budget: &mut Budget) -> Result<(), Stop> {
        match self.capture() {
            Some(capture) => Ok(capture.text(byte, budget)?),
            None => Ok(()),
        }
    }

    /// What follows a backslash.
    fn control(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let next = self.input.peek()?.first().copied();
        match next {
            Some(b'a'..=b'z' | b'A'..=b'Z') => self.word(budget),
            Some(b'*') => {
                self.input.consume(1);
                self.is_starred = true;
                Ok(())
            }
            Some(b'\'') => {
                self.input.consume(1);
                self.escaped(budget)
            }
            Some(_) => {
                self.input.consume(1);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn escaped(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let mut value = 0u8;
        for _ in 0..2 {
            let next = self.input.peek()?.first().copied();
            let Some(digit) = next.and_then(|byte| char::from(byte).to_digit(16)) else {
                break;
            };
            self.input.consume(1);
            value = value << 4 | u8::try_from(digit).unwrap_or(0);
        }
        let tally = self.tally;
        match self.capture() {
            Some(capture) => Ok(capture.escaped(value, tally, budget)?),
            None => Ok(()),
        }
    }

    fn word(&mut self, budget: &mut Budget) -> Result<(), Stop> {
        let mut name = Vec::new();
        while let Some(byte @ (b'a'..=b'z' | b'A'..=b'Z')) = self.input.peek()?.first().copied()
            && name.len() < WORD_BYTES_MAX
        {
            name.push(byte);
            self.input.consume(1);
        }
        // What follows a name that was cut is text.
        if name.len() >= WORD_BYTES_MAX {
            return Ok(());
        }
        let parameter = self.parameter()?;
        if self.input.peek()?.first() == Some(&b' ') {
            self.input.consume(1);
        }
        let is_starred = std::mem::take(&mut self.is_starred);
        if name == b"bin" {
            return self.binary(parameter, budget);
        }
        let kind = KINDS.iter().position(|(word, _)| *word == name.as_slice());
        match kind {
            Some(kind) => self.begin(kind),
            None if self.is_inside_data() && (is_starred || is_destination(&name)) => {
                self.direct(Destination::Text);
            }
            None => {}
        }
        Ok(())
    }

    fn parameter(&mut self) -> Result<i64, Stop> {
        let is_negative = self.input.peek()?.first() == Some(&b'-');
        if is_negative {
            self.input.consume(1);
        }
        let mut value = 0i64;
        while let Some(digit @ b'0'..=b'9') = self.input.peek()?.first().copied() {
            self.input.consume(1);
            value = value.saturating_mul(10);
            value = value.saturating_add(i64::from(digit.saturating_sub(b'0')));
        }
        Ok(if is_negative { 0 } else { value })
    }

    fn begin(&mut self, kind: usize) {
        if self.captures.len() >= CAPTURES_MAX {
            let stop = Stop::unsupported("objects nest too deep");
            self.troubles.note(self.input.offset(), stop);
            return;
        }
        let mut number = 0;
        if let Some(count) = self.counts.get_mut(kind) {
            *count = count.saturating_add(1);
            number = *count;
        }
        self.captures.push(Open {
            capture: Capture::new(self.tally),
            kind,
            number,
            depth: self.groups.len(),
        });
        self.direct(Destination::Data);
    }

    /// Whether this is a group inside of one that is data: a destination there takes its text
    /// elsewhere, up to the end of its group.
    fn is_inside_data(&self) -> bool {
        let depth = self.groups.len();
        self.captures.last().is_some_and(|open| open.depth < depth)
    }

    fn direct(&mut self, to: Destination) {
        if let Some(group) = self.groups.last_mut() {
            *group = to;
        }
    }

    /// Bytes that stand for themselves. Outside of data they are read as text: whoever takes them
    /// for it finds the same objects.
    fn binary(&mut self, count: i64, budget: &mut Budget) -> Result<(), Stop> {
        let mut left = u64::try_from(count).unwrap_or(0);
        if self.destination() == Destination::Text || left > self.input.left() {
            return Ok(());
        }
        while left > 0 {
            let chunk = self.input.peek()?;
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let chunk = chunk.get(..most.min(chunk.len())).unwrap_or_default();
            let count = chunk.len();
            if count == 0 {
                break;
            }
            if let Some(open) = self.captures.last_mut() {
                open.capture.binary(chunk, budget)?;
            }
            self.input.consume(count);
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    fn finish(&mut self, mut open: Open, budget: &mut Budget, members: &mut dyn Members) -> Flow {
        if let Err(reason) = open.capture.flush(budget) {
            self.troubles.note(self.input.offset(), reason);
        }
        let kind = KINDS.get(open.kind).map_or("data", |(_, name)| name);
        let name = format!("({kind} {})", open.number);
        let mut flow = Flow::Continue;
        for bytes in open.capture.readings() {
            if bytes.is_empty() || flow == Flow::Stop {
                continue;
            }
            flow = match open.kind {
                OBJECT => self.object(&name, bytes, (&mut *budget, &mut *members)),
                _ => give(name.as_bytes(), bytes, budget, members),
            };
        }
        open.capture.release(budget);
        flow
    }

    /// An object of OLE 1: its data, and what lies behind. Where a compound file is inside that
    /// the lengths don't lead to, it counts too.
    fn object(
        &mut self,
        name: &str,
        bytes: &[u8],
        (budget, members): (&mut Budget, &mut dyn Members),
    ) -> Flow {
        let Some(object) = package::object(bytes) else {
            let flow = give(name.as_bytes(), bytes, budget, members);
            return match find(bytes, OLE2, 1) {
                Some(at) if flow == Flow::Continue => {
                    let data = bytes.get(at..).unwrap_or_default();
                    give(
                        format!("{name}/(at {at})").as_bytes(),
                        data,
                        budget,
                        members,
                    )
                }
                _ => flow,
            };
        };
        let (data, rest) = self.cut(name, bytes, &object);
        let mut flow = give(name.as_bytes(), data, budget, members);
        if let Some(file) = package::package(data)
            && flow == Flow::Continue
        {
            let (content, _) = self.cut(name, data, &file);
            flow = give(&file.name, content, budget, members);
        }
        if flow == Flow::Stop || rest.is_empty() {
            return flow;
        }
        give(format!("{name}/(rest)").as_bytes(), rest, budget, members)
    }

    /// The data that a header leads to, and what lies behind it.
    fn cut<'b>(&mut self, name: &str, bytes: &'b [u8], data: &Data) -> (&'b [u8], &'b [u8]) {
        let begin = usize::try_from(data.offset).unwrap_or(usize::MAX);
        let behind = bytes.get(begin..).unwrap_or_default();
        let size = usize::try_from(data.size_bytes).unwrap_or(usize::MAX);
        behind.split_at_checked(size).unwrap_or_else(|| {
            let stop = Stop::malformed("object ends early");
            self.troubles
                .note_member(name.as_bytes(), self.input.offset(), stop);
            (behind, &[])
        })
    }

    /// What lies behind the document; white space and zeros are no more than that.
    fn after_end(&self, source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) {
        let Some(offset) = self.end else {
            return;
        };
        let mut rest = Input::new(source, offset, u64::MAX);
        let is_blank = |byte: &u8| matches!(byte, 0 | b'\t'..=b'\r' | b' ' | 0x1a | b'}');
        while budget.check_time().is_ok() {
            let chunk = rest.peek().unwrap_or_default();
            let count = chunk.len();
            if count == 0 {
                return;
            }
            if !chunk.iter().all(is_blank) {
                let size_bytes = source.size_bytes().saturating_sub(offset);
                let content = Content::Range { offset, size_bytes };
                let name = AFTER_END;
                members.member(Member { name, content }, budget);
                return;
            }
            rest.consume(count);
        }
    }
}

fn give(name: &[u8], bytes: &[u8], budget: &mut Budget, members: &mut dyn Members) -> Flow {
    let content = Content::Bytes(bytes);
    members.member(Member { name, content }, budget)
}

fn is_destination(name: &[u8]) -> bool {
    let mut known = DESTINATIONS.split_ascii_whitespace();
    known.any(|destination| destination.as_bytes() == name)
}
