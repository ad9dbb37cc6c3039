//! Lines of a message. Most readers end a line at a line feed; some at a lone carriage return
//! too.

use memchr::{memchr, memchr2};

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// A line feed, with or without a carriage return before it.
    Feeds,
    /// The same, or a carriage return alone.
    Returns,
}

/// A line, as places in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Its first byte.
    pub(crate) begin: usize,
    /// The end of what it says.
    pub(crate) end: usize,
    /// The next line's first byte.
    pub(crate) next: usize,
}

impl Line {
    /// The line that begins here; `None` at the end of the text.
    pub(crate) fn at(text: &[u8], begin: usize, ends: LineEnds) -> Option<Self> {
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        let found = match ends {
            LineEnds::Feeds => memchr(b'\n', rest),
            LineEnds::Returns => memchr2(b'\n', b'\r', rest),
        };
        let Some(length) = found else {
            return Some(Self {
                begin,
                end: text.len(),
                next: text.len(),
            });
        };
        let said = rest.get(..length).unwrap_or_default();
        let end = begin.saturating_add(length);
        let pair = rest
            .get(length..)
            .is_some_and(|end| end.starts_with(b"\r\n"));
        Some(Self {
            begin,
            end: end.saturating_sub(usize::from(said.ends_with(b"\r"))),
            next: end.saturating_add(if pair { 2 } else { 1 }),
        })
    }

    /// What it says.
    pub(crate) fn of<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        text.get(self.begin..self.end).unwrap_or_default()
    }
}

/// Where a part ends whose separator begins here: the end of the line before belongs to the
/// separator.
pub(crate) fn before_line_end(text: &[u8], begin: usize, end: usize) -> usize {
    let part = text.get(begin..end).unwrap_or_default();
    let cut = match part {
        [.., b'\r', b'\n'] => 2,
        [.., b'\n' | b'\r'] => 1,
        _ => 0,
    };
    end.saturating_sub(cut)
}

/// Whether a carriage return stands alone somewhere.
pub(crate) fn has_lone_return(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\r', text).any(|at| {
        let next = at.checked_add(1).and_then(|at| text.get(at));
        next != Some(&b'\n')
    })
}
