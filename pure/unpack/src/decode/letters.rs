//! Bytes that travel as letters in mail: base64, quoted-printable, uuencode and yEnc. Senders
//! damage them and readers forgive it, so nothing is refused here: what is no letter of the
//! alphabet is passed over.

use proto::{Budget, Reason};

use crate::output::Output;

const CHUNK_BYTES: usize = 4 << 10;

/// How base64 is read where it is not as the standard says; readers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Base64 {
    /// Junk is passed over, padding ends a group and the next one begins.
    Groups,
    /// Padding ends it all.
    UntilPadding,
    /// Padding is junk.
    Joined,
    /// A line with junk is passed over.
    CleanLines,
    /// A line with junk ends it all.
    UntilJunk,
}

/// Decoded bytes on their way to an output, in chunks.
struct Letters<'o> {
    output: &'o mut Output,
    budget: &'o mut Budget,
    chunk: Vec<u8>,
    taken: u64,
}

impl<'o> Letters<'o> {
    fn new(output: &'o mut Output, budget: &'o mut Budget) -> Self {
        Self {
            output,
            budget,
            chunk: Vec::with_capacity(CHUNK_BYTES),
            taken: 0,
        }
    }

    fn push(&mut self, byte: u8, taken: usize) -> Result<(), Reason> {
        self.chunk.push(byte);
        self.taken = taken as u64;
        match self.chunk.len() < CHUNK_BYTES {
            true => Ok(()),
            false => self.flush(),
        }
    }

    fn flush(&mut self) -> Result<(), Reason> {
        let pushed = self.output.push(&self.chunk, self.budget, self.taken);
        self.chunk.clear();
        pushed
    }
}

/// What base64 text is like, for the choice of ways to read it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Letters of the alphabet.
    pub(crate) letters: usize,
    /// Other bytes, line ends and blanks apart.
    pub(crate) junk: usize,
    /// Whether letters follow padding.
    pub(crate) padding_inside: bool,
}

/// Looks at base64 text.
pub(crate) fn shape(text: &[u8]) -> Shape {
    let mut shape = Shape::default();
    let mut padding = false;
    for byte in text {
        if digit(*byte).is_some() {
            shape.letters = shape.letters.saturating_add(1);
            shape.padding_inside |= padding;
        } else if *byte == b'=' {
            padding = true;
        } else if !byte.is_ascii_whitespace() {
            shape.junk = shape.junk.saturating_add(1);
        }
    }
    shape
}

/// Whether a body is base64, whatever its header says: a few lines of nothing else.
pub(crate) fn looks_like_base64(body: &[u8]) -> bool {
    let sample = body.get(..4096).unwrap_or(body);
    let shape = shape(sample);
    let line = sample.trim_ascii_start();
    let line = line
        .split(|byte| line_end(*byte))
        .next()
        .unwrap_or_default();
    let line = line.trim_ascii_end();
    // A line of words has blanks; a single long word is longer than words are.
    shape.junk == 0 && shape.letters >= 24 && line.len() >= 20 && !line.contains(&b' ')
}

/// Decodes base64.
pub(crate) fn base64(
    text: &[u8],
    way: Base64,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Reason> {
    let mut letters = Letters::new(output, budget);
    let mut group = Group::default();
    let by_lines = matches!(way, Base64::CleanLines | Base64::UntilJunk);
    let mut taken = 0usize;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if by_lines && shape(line).junk > 0 {
            taken = taken.saturating_add(line.len());
            match way {
                Base64::UntilJunk => break,
                _ => continue,
            }
        }
        for byte in line {
            taken = taken.saturating_add(1);
            match digit(*byte) {
                Some(digit) => {
                    if let Some(byte) = group.take(digit) {
                        letters.push(byte, taken)?;
                    }
                }
                // A lone padding at the start of a group is junk to everyone.
                None if *byte == b'=' && group.has_bytes() => match way {
                    Base64::UntilPadding => return letters.flush(),
                    Base64::Joined => {}
                    _ => group = Group::default(),
                },
                None => {}
            }
        }
    }
    letters.flush()
}

/// Decodes a short base64 text, such as a word in a header.
pub(crate) fn base64_text(text: &[u8]) -> Vec<u8> {
    let mut group = Group::default();
    let digits = text.iter().filter_map(|byte| digit(*byte));
    digits.filter_map(|digit| group.take(digit)).collect()
}

/// Up to four letters under way.
#[derive(Default)]
struct Group {
    bits: u32,
    count: u32,
}

impl Group {
    /// Adds six bits; gives a byte where one is full.
    fn take(&mut self, digit: u8) -> Option<u8> {
        self.bits = (self.bits.wrapping_shl(6) | u32::from(digit)) & 0xffff;
        self.count = self.count.wrapping_add(6);
        if self.count < 8 {
            return None;
        }
        self.count = self.count.wrapping_sub(8);
        let byte = self.bits.wrapping_shr(self.count).to_le_bytes();
        // Four letters are three bytes: nothing is left of them.
        byte.first().copied()
    }

    /// Whether at least two letters came since the last whole group.
    fn has_bytes(&self) -> bool {
        matches!(self.count, 2 | 4)
    }
}

fn digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

/// Decodes quoted-printable. An escape that is none stays as it stands.
pub(crate) fn quoted_printable(
    text: &[u8],
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Reason> {
    let mut letters = Letters::new(output, budget);
    let mut at = 0usize;
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let (decoded, length) = match byte {
            b'=' => escape(rest),
            _ => (Some(*byte), 1),
        };
        at = at.saturating_add(length);
        if let Some(byte) = decoded {
            letters.push(byte, at)?;
        }
    }
    letters.flush()
}

/// What an escape stands for (nothing where it joins two lines), and its length.
fn escape(rest: &[u8]) -> (Option<u8>, usize) {
    if let Some([_, high, low]) = rest.get(..3)
        && let (Some(high), Some(low)) = (hex(*high), hex(*low))
    {
        return (Some(high.wrapping_shl(4) | low), 3);
    }
    // Blanks between the sign and the end of the line were added on the way.
    let window = rest.get(1..80).or(rest.get(1..)).unwrap_or_default();
    let blanks = window
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'));
    let blanks = blanks.count();
    match window.get(blanks..) {
        Some([b'\r', b'\n', ..]) => (None, blanks.saturating_add(3)),
        Some([b'\n' | b'\r', ..]) => (None, blanks.saturating_add(2)),
        _ => (Some(b'='), 1),
    }
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

/// Decodes the lines of a uuencoded block; lines that can't be of one are passed over.
pub(crate) fn uuencoded(
    lines: &[u8],
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Reason> {
    let mut letters = Letters::new(output, budget);
    let mut taken = 0usize;
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        taken = taken.saturating_add(line.len());
        let line = trimmed_line(line);
        let Some((first, data)) = line.split_first() else {
            continue;
        };
        if !is_uuencoded(line) {
            continue;
        }
        let mut left = usize::from(first.wrapping_sub(b' ') & 63);
        let mut group = Group::default();
        // Blanks at the end of a line may have been lost on the way: they stand for zeros.
        let missing = std::iter::repeat(b' ');
        let mut data = data.iter().copied().chain(missing);
        while left > 0 {
            let letter = data.next().unwrap_or(b' ').wrapping_sub(b' ') & 63;
            if let Some(byte) = group.take(letter) {
                letters.push(byte, taken)?;
                left = left.saturating_sub(1);
            }
        }
    }
    letters.flush()
}

/// Whether a line can be one of uuencoded data.
pub(crate) fn is_uuencoded(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, 32..=96))
}

/// Decodes the lines of a yEnc block.
pub(crate) fn yencoded(
    lines: &[u8],
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Reason> {
    let mut letters = Letters::new(output, budget);
    let mut escaped = false;
    for (place, byte) in lines.iter().enumerate() {
        match byte {
            b'\r' | b'\n' => {}
            b'=' if !escaped => escaped = true,
            _ => {
                let shift = if escaped { 106 } else { 42 };
                escaped = false;
                letters.push(byte.wrapping_sub(shift), place.saturating_add(1))?;
            }
        }
    }
    letters.flush()
}

/// A line without its end.
fn trimmed_line(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn line_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
