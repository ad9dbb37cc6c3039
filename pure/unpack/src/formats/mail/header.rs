//! The header of a message or of a part. Readers disagree about where a broken one ends and which
//! of several equal fields counts: every place and every field is kept.

use crate::formats::mail::lines::{Line, LineEnds};
use crate::formats::mail::parameters::{boundaries, file_name, uncommented};

/// What is kept of one field.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// Fields of one kind that are kept.
const VALUES_MAX: usize = 16;
/// Lines looked at after one that is no field.
const LINES_AFTER_BREAK_MAX: usize = 256;

/// How a body travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Encoding {
    /// As it is.
    Identity,
    /// In letters.
    Base64,
    /// With escapes.
    QuotedPrintable,
    /// In a block of uuencode or yEnc, which says itself what it is.
    Block,
}

/// A header.
#[derive(Debug, Default)]
pub(crate) struct Header {
    types: Vec<Vec<u8>>,
    encodings: Vec<Vec<u8>>,
    dispositions: Vec<Vec<u8>>,
    /// Whether fields were left out.
    pub(crate) has_too_many: bool,
    /// Where the body begins, to one reader or another; never empty.
    pub(crate) body_starts: Vec<usize>,
}

impl Header {
    /// Reads the header that begins at a place. `is_separator` says whether a line ends the part.
    pub(crate) fn read(
        text: &[u8],
        at: usize,
        ends: LineEnds,
        is_separator: impl Fn(Line) -> bool,
    ) -> Self {
        let mut header = Self::default();
        let mut at = at;
        let mut current = None;
        let mut after_break = 0usize;
        while let Some(line) = Line::at(text, at, ends) {
            let said = without_zeros(line.of(text));
            if said.is_empty() {
                at = line.next;
                break;
            }
            if is_separator(line) || after_break > LINES_AFTER_BREAK_MAX {
                break;
            }
            after_break = after_break.saturating_add(usize::from(!header.body_starts.is_empty()));
            if said.trim_ascii().is_empty() {
                // A folded line of nothing, or the end of the header.
                header.body_starts.push(line.next);
            } else if said.starts_with(b" ") || said.starts_with(b"\t") {
                header.continued(current, &said);
            } else if let Some((name, value)) = field(&said) {
                current = header.field(name, value);
            } else {
                // The body begins here, or this line is passed over.
                header.body_starts.push(line.begin);
                current = None;
            }
            header.body_starts.truncate(2);
            at = line.next;
        }
        header.body_starts.push(at);
        header.body_starts.dedup();
        header
    }

    /// Where the earliest body begins.
    pub(crate) fn body_start(&self) -> usize {
        self.body_starts.first().copied().unwrap_or(0)
    }

    /// Whether one of its types begins so, in lower case.
    pub(crate) fn has_type(&self, prefix: &[u8]) -> bool {
        self.types.iter().any(|value| {
            let value = uncommented(value);
            let kind = value.trim_ascii_start().get(..prefix.len());
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(prefix))
        })
    }

    /// Whether it says what type its body has.
    pub(crate) fn is_typed(&self) -> bool {
        !self.types.is_empty()
    }

    /// Whether a type says this somewhere, in lower case.
    pub(crate) fn type_says(&self, what: &[u8]) -> bool {
        self.types
            .iter()
            .any(|value| memchr::memmem::find(&value.to_ascii_lowercase(), what).is_some())
    }

    /// Whether the body is a message to be looked at as one.
    pub(crate) fn is_message(&self) -> bool {
        let others: [&[u8]; 4] = [
            b"message/partial",
            b"message/external-body",
            b"message/delivery-status",
            b"message/disposition-notification",
        ];
        self.has_type(b"message/") && !others.iter().any(|other| self.has_type(other))
    }

    /// What may separate its parts.
    pub(crate) fn boundaries(&self) -> Vec<Vec<u8>> {
        let mut all: Vec<Vec<u8>> = Vec::new();
        for boundary in self.types.iter().flat_map(|value| boundaries(value)) {
            if !all.contains(&boundary) {
                all.push(boundary);
            }
        }
        all
    }

    /// How its body may travel, as it says.
    pub(crate) fn encodings(&self) -> Vec<Encoding> {
        let mut all = Vec::new();
        for value in &self.encodings {
            let value = uncommented(value).to_ascii_lowercase();
            let says = |what: &[u8]| memchr::memmem::find(&value, what).is_some();
            let encoding = if says(b"64") {
                Encoding::Base64
            } else if says(b"quoted") {
                Encoding::QuotedPrintable
            } else if says(b"uu") || says(b"yenc") {
                Encoding::Block
            } else {
                Encoding::Identity
            };
            if !all.contains(&encoding) {
                all.push(encoding);
            }
        }
        all
    }

    /// The file's name, where the header gives one.
    pub(crate) fn file_name(&self) -> Option<Vec<u8>> {
        let disposed = self.dispositions.iter();
        disposed
            .filter_map(|value| file_name(value, b"filename"))
            .chain(
                self.types
                    .iter()
                    .filter_map(|value| file_name(value, b"name")),
            )
            .next()
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Option<Kind> {
        let kind = Kind::of(name)?;
        let values = self.values(kind);
        if values.len() >= VALUES_MAX {
            self.has_too_many = true;
            return None;
        }
        values.push(bounded(value).to_vec());
        Some(kind)
    }

    fn continued(&mut self, current: Option<Kind>, said: &[u8]) {
        let Some(kind) = current else {
            return;
        };
        if let Some(value) = self.values(kind).last_mut() {
            let room = VALUE_BYTES_MAX.saturating_sub(value.len());
            value.extend(said.iter().take(room));
        }
    }

    fn values(&mut self, kind: Kind) -> &mut Vec<Vec<u8>> {
        match kind {
            Kind::Type => &mut self.types,
            Kind::Encoding => &mut self.encodings,
            Kind::Disposition => &mut self.dispositions,
        }
    }
}

/// A field's name and its value.
pub(crate) fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let name = line.get(..colon)?.trim_ascii_end();
    let value = line.get(colon.checked_add(1)?..)?;
    let is_name = !name.is_empty() && name.iter().all(|byte| matches!(byte, 33..=126));
    is_name.then_some((name, value))
}

/// The fields that say what a body is.
#[derive(Clone, Copy)]
enum Kind {
    Type,
    Encoding,
    Disposition,
}

impl Kind {
    fn of(name: &[u8]) -> Option<Self> {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if is(b"content-type") {
            Some(Self::Type)
        } else if is(b"content-transfer-encoding") {
            Some(Self::Encoding)
        } else if is(b"content-disposition") {
            Some(Self::Disposition)
        } else {
            None
        }
    }
}

/// Zeros are left out: some readers pass over them.
fn without_zeros(line: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    match memchr::memchr(0, line) {
        None => line.into(),
        Some(_) => bounded(line)
            .iter()
            .copied()
            .filter(|byte| *byte != 0)
            .collect::<Vec<u8>>()
            .into(),
    }
}

fn bounded(value: &[u8]) -> &[u8] {
    value.get(..VALUE_BYTES_MAX).unwrap_or(value)
}
