//! One way of reading a message: from header to header, from separator to separator.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use proto::Reason;

use crate::formats::mail::header::Header;
use crate::formats::mail::lines::{Line, LineEnds, before_line_end};
use crate::formats::mail::part::{Body, Parts};
use crate::formats::mail::{Desk, Halt, Letter, Start};
use crate::members::Stop;

/// Multiparts inside multiparts that are followed.
const LEVELS_MAX: usize = 64;
/// What of a line can name a boundary.
const SEPARATOR_BYTES_MAX: usize = 1100;
/// Lines between two looks at the clock.
const LINES_PER_LOOK: u32 = 4096;
/// What is around the parts and longer than the usual apology to old readers is a member.
const AROUND_BYTES: usize = 256;

/// Which lines separate parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separators {
    /// Those that equal a boundary of a multipart that is open.
    Exact,
    /// Those that begin with any boundary so far, or that look like a separator and have a part's
    /// header after them.
    Loose,
}

/// A way of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) separators: Separators,
    /// Which boundary counts where a header gives several; all of them where none is named.
    pub(super) choice: Option<usize>,
    pub(super) ends: LineEnds,
}

impl Reading {
    /// As the standard says.
    pub(super) const STANDARD: Self = Self {
        separators: Separators::Exact,
        choice: None,
        ends: LineEnds::Feeds,
    };
}

/// What makes other ways of reading give something else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Doubts {
    /// Lines that only some readers take for separators.
    pub(super) separators: bool,
    /// The most boundaries that one header gives.
    pub(super) boundaries: usize,
}

/// An open multipart.
struct Level {
    /// What its boundaries meant before.
    before: Vec<(Vec<u8>, Option<usize>)>,
    parts: u64,
    /// Whether its parts are messages where they don't say otherwise.
    is_digest: bool,
}

struct Separator {
    level: usize,
    is_last: bool,
}

/// A message while it is read.
pub(super) struct Walk<'w, 't> {
    letter: &'w Letter<'t>,
    reading: Reading,
    parts: &'w mut Parts,
    levels: Vec<Level>,
    /// Boundaries of the open levels.
    open: BTreeMap<Vec<u8>, usize>,
    /// Boundaries so far.
    known: BTreeSet<Vec<u8>>,
    held: u64,
    count: u64,
    doubts: Doubts,
}

impl<'w, 't> Walk<'w, 't> {
    pub(super) fn new(letter: &'w Letter<'t>, reading: Reading, parts: &'w mut Parts) -> Self {
        Self {
            letter,
            reading,
            parts,
            levels: Vec::new(),
            open: BTreeMap::new(),
            known: BTreeSet::new(),
            held: 0,
            count: 0,
            doubts: Doubts::default(),
        }
    }

    /// Reads it to the end.
    pub(super) fn run(mut self, desk: &mut Desk<'_>) -> Result<Doubts, Halt> {
        let done = self.regions(desk);
        desk.budget.release_memory(self.held);
        done?;
        if !self.levels.is_empty() && self.is_standard() {
            let stop = Stop::malformed("message ends before its last boundary");
            desk.note(&self.letter.path, self.letter.text.len(), stop);
        }
        Ok(self.doubts)
    }

    fn regions(&mut self, desk: &mut Desk<'_>) -> Result<(), Halt> {
        let text = self.letter.text;
        let mut in_entity = self.letter.start == Start::Header;
        let mut at = 0;
        loop {
            let found = match in_entity {
                true => self.entity(at, desk)?,
                false => {
                    let (end, found) = self.next_separator(at, Guess::Allowed, desk)?;
                    self.around(b"(epilogue)", at, end, desk)?;
                    found
                }
            };
            let Some((line, separator)) = found else {
                return Ok(());
            };
            self.pass(&separator);
            in_entity = !separator.is_last;
            at = line.next;
            if at >= text.len() {
                return Ok(());
            }
        }
    }

    /// A header and its body, up to the next separator.
    fn entity(
        &mut self,
        at: usize,
        desk: &mut Desk<'_>,
    ) -> Result<Option<(Line, Separator)>, Halt> {
        let text = self.letter.text;
        let header = Header::read(text, at, self.reading.ends, |line| {
            self.separator(line).is_some()
        });
        let start = header.body_start();
        let is_message = header.is_message() || (!header.is_typed() && self.in_digest());
        let name = header.file_name().unwrap_or_else(|| self.part_name());
        let opened = self.opens(&header, desk)?;
        let guess = match is_message {
            true => Guess::Refused,
            false => Guess::Allowed,
        };
        let (end, found) = self.next_separator(start, guess, desk)?;
        let has_parts = match (&found, opened) {
            (Some((_, separator)), Some(level)) => separator.level >= level,
            _ => false,
        };
        if has_parts {
            self.around(b"(preamble)", start, end, desk)?;
            return Ok(found);
        }
        let body = Body {
            letter: self.letter,
            header: &header,
            end,
            name,
            is_message,
            is_standard: self.is_standard(),
        };
        self.parts.body(&body, desk)?;
        Ok(found)
    }

    /// Opens the level of a multipart; gives its number.
    fn opens(&mut self, header: &Header, desk: &mut Desk<'_>) -> Result<Option<usize>, Halt> {
        let mut boundaries = header.boundaries();
        self.doubts.boundaries = self.doubts.boundaries.max(boundaries.len());
        if boundaries.is_empty() {
            if header.has_type(b"multipart") && self.is_standard() {
                let stop = Stop::malformed("multipart without a boundary");
                desk.note(&self.letter.path, header.body_start(), stop);
            }
            return Ok(None);
        }
        if let Some(choice) = self.reading.choice {
            let choice = choice.min(boundaries.len().saturating_sub(1));
            boundaries = boundaries.get(choice).cloned().into_iter().collect();
        }
        for boundary in &boundaries {
            if !self.known.contains(boundary) {
                let bytes = (boundary.len() as u64).saturating_add(64);
                desk.budget.hold_memory(bytes)?;
                self.held = self.held.saturating_add(bytes);
                self.known.insert(boundary.clone());
            }
        }
        let number = self.levels.len();
        if self.reading.separators == Separators::Loose {
            return Ok(Some(0));
        }
        if number >= LEVELS_MAX {
            let stop = Stop {
                reason: Reason::LimitDepth,
                text: "multiparts are nested deeper than mail programs follow".into(),
            };
            desk.note(&self.letter.path, header.body_start(), stop);
            self.doubts.separators = true;
            return Ok(None);
        }
        let mut before = Vec::new();
        for boundary in boundaries {
            let was = self.open.insert(boundary.clone(), number);
            before.push((boundary, was));
        }
        self.levels.push(Level {
            before,
            parts: 0,
            is_digest: header.has_type(b"multipart/digest"),
        });
        Ok(Some(number))
    }

    /// Where what begins here ends, and the separator that ends it.
    fn next_separator(
        &mut self,
        start: usize,
        guess: Guess,
        desk: &mut Desk<'_>,
    ) -> Result<(usize, Option<(Line, Separator)>), Halt> {
        let text = self.letter.text;
        let mut at = start;
        let mut lines = 0u32;
        while let Some(line) = Line::at(text, at, self.reading.ends) {
            lines = lines.wrapping_add(1);
            if lines.is_multiple_of(LINES_PER_LOOK) {
                desk.budget.check_time()?;
            }
            at = line.next;
            if !line.of(text).starts_with(b"--") {
                continue;
            }
            let found = self.separator(line).or_else(|| self.looser(line, guess));
            if let Some(separator) = found {
                let end = before_line_end(text, start, line.begin);
                return Ok((end, Some((line, separator))));
            }
        }
        Ok((text.len(), None))
    }

    /// A separator as the standard has it.
    fn separator(&self, line: Line) -> Option<Separator> {
        let named = named(line.of(self.letter.text))?;
        if let Some(level) = self.open.get(named) {
            return Some(Separator {
                level: *level,
                is_last: false,
            });
        }
        let level = self.open.get(named.strip_suffix(b"--")?)?;
        Some(Separator {
            level: *level,
            is_last: true,
        })
    }

    /// A separator to some readers: one here if this reading is loose, else a doubt.
    fn looser(&mut self, line: Line, guess: Guess) -> Option<Separator> {
        let named = named(line.of(self.letter.text))?;
        let known = self.known_prefix(named);
        let looks_so = guess == Guess::Allowed && self.has_header_after(line);
        if known.is_none() && !looks_so {
            return None;
        }
        match self.reading.separators {
            Separators::Exact => {
                self.doubts.separators = true;
                None
            }
            Separators::Loose => Some(Separator {
                level: 0,
                is_last: known.is_some_and(|length| {
                    let rest = named.get(length..).unwrap_or_default();
                    rest.starts_with(b"--") && !self.has_header_after(line)
                }),
            }),
        }
    }

    /// The length of a boundary that this begins with.
    fn known_prefix(&self, named: &[u8]) -> Option<usize> {
        let mut shorter = named;
        loop {
            let up_to = (Bound::Unbounded, Bound::Included(shorter));
            let before = self.known.range::<[u8], _>(up_to).next_back()?;
            if shorter.starts_with(before) {
                return Some(before.len());
            }
            // Any boundary that is a prefix is one of what the two have in common.
            let common = shorter
                .iter()
                .zip(before)
                .take_while(|(one, other)| one == other);
            shorter = named.get(..common.count()).unwrap_or_default();
        }
    }

    fn has_header_after(&self, line: Line) -> bool {
        const FIELD: &[u8] = b"content-";
        let end = line.next.saturating_add(FIELD.len());
        let next = self.letter.text.get(line.next..end);
        next.is_some_and(|next| next.eq_ignore_ascii_case(FIELD))
    }

    /// Goes past a separator: what is deeper is closed by it.
    fn pass(&mut self, separator: &Separator) {
        let keep = match separator.is_last {
            true => separator.level,
            false => separator.level.saturating_add(1),
        };
        while self.levels.len() > keep {
            let Some(level) = self.levels.pop() else {
                break;
            };
            for (boundary, was) in level.before.into_iter().rev() {
                match was {
                    Some(was) => self.open.insert(boundary, was),
                    None => self.open.remove(&boundary),
                };
            }
        }
        self.count = self.count.saturating_add(1);
        if let Some(level) = self.levels.last_mut() {
            level.parts = level.parts.saturating_add(1);
        }
    }

    /// What lies around parts: mail programs don't show it.
    fn around(
        &mut self,
        name: &[u8],
        start: usize,
        end: usize,
        desk: &mut Desk<'_>,
    ) -> Result<(), Halt> {
        let text = self.letter.text.get(start..end).unwrap_or_default();
        if text.trim_ascii().len() < AROUND_BYTES {
            return Ok(());
        }
        self.parts.around(self.letter, name, start..end, desk)
    }

    fn part_name(&self) -> Vec<u8> {
        if !self.is_standard() {
            return format!("(hidden part {})", self.count).into_bytes();
        }
        let numbers: Vec<String> = match self.levels.is_empty() {
            true => vec!["1".to_owned()],
            false => self
                .levels
                .iter()
                .map(|level| level.parts.to_string())
                .collect(),
        };
        format!("(part {})", numbers.join(".")).into_bytes()
    }

    fn in_digest(&self) -> bool {
        self.levels.last().is_some_and(|level| level.is_digest)
    }

    fn is_standard(&self) -> bool {
        self.reading == Reading::STANDARD
    }
}

/// Whether a line may be taken for a separator by its look.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    Allowed,
    /// Inside a message that is a member of its own, which sees to its own parts.
    Refused,
}

/// What a separator line names: blanks at its end are not part of it.
fn named(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"--")?;
    let rest = rest.get(..SEPARATOR_BYTES_MAX).unwrap_or(rest);
    let blanks = rest
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_whitespace() || **byte == 0);
    rest.get(..rest.len().saturating_sub(blanks.count()))
}
