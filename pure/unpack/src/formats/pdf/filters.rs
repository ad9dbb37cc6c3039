//! The filters of streams that are not pictures. Each gives what it can: readers show what came
//! out of data that ends early, and so does this.

use proto::Budget;

use crate::decode::deflate::{ENDS_EARLY, inflate};
use crate::formats::pdf::lex::{hex_digit, is_space, name_bytes};
use crate::formats::pdf::lzw::{self, Change};
use crate::input::Input;
use crate::members::Stop;
use crate::output::Output;

/// Bytes that are decoded before they are handed to the output.
const PIECE_BYTES: usize = 4 << 10;
/// The longest row that a predictor may have.
const ROW_BYTES_MAX: usize = 1 << 20;

/// One filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Flate,
    Lzw(Change),
    Hex,
    Ascii85,
    RunLength,
    /// A picture's own format, which is handed over as it is.
    Picture,
    /// A choice of encryption, no change of the data.
    Crypt,
    Unknown(String),
}

/// One filter, and what undoes the prediction behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub(super) filter: Filter,
    pub(super) predictor: Option<Predictor>,
}

/// How rows were written as differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Predictor {
    pub(super) kind: i64,
    pub(super) colors: i64,
    pub(super) bits: i64,
    pub(super) columns: i64,
}

impl Filter {
    /// By its name or the name's abbreviation.
    pub(super) fn named(raw: &[u8], change: Change) -> Self {
        let name: Vec<u8> = name_bytes(raw).take(64).collect();
        match name.as_slice() {
            b"FlateDecode" | b"Fl" => Self::Flate,
            b"LZWDecode" | b"LZW" => Self::Lzw(change),
            b"ASCIIHexDecode" | b"AHx" => Self::Hex,
            b"ASCII85Decode" | b"A85" => Self::Ascii85,
            b"RunLengthDecode" | b"RL" => Self::RunLength,
            b"DCTDecode" | b"DCT" | b"JPXDecode" | b"JBIG2Decode" | b"CCITTFaxDecode" | b"CCF" => {
                Self::Picture
            }
            b"Crypt" => Self::Crypt,
            _ => Self::Unknown(String::from_utf8_lossy(&name).into_owned()),
        }
    }

    /// Decodes all of the input; pictures and unknown filters never come here.
    pub(super) fn decode(
        &self,
        input: &mut Input<'_>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        match self {
            Self::Flate => flate(input, output, budget),
            Self::Lzw(change) => lzw::decode(*change, input, output, budget),
            Self::Hex => hex(input, output, budget),
            Self::Ascii85 => ascii85(input, output, budget),
            Self::RunLength => run_length(input, output, budget),
            Self::Picture | Self::Crypt | Self::Unknown(_) => copy(input, output, budget),
        }
    }
}

impl Predictor {
    /// Undoes the prediction.
    pub(super) fn undo(
        self,
        input: &mut Input<'_>,
        output: &mut Output,
        budget: &mut Budget,
    ) -> Result<(), Stop> {
        let wrong = || Stop::malformed("parameters of a predictor make no sense");
        let number = |value: i64| usize::try_from(value).map_err(|_| wrong());
        let (colors, bits) = (number(self.colors)?, number(self.bits)?);
        let sample_bits = colors.checked_mul(bits).ok_or_else(wrong)?;
        let row_bits = sample_bits.checked_mul(number(self.columns)?);
        let row_bytes = row_bits.ok_or_else(wrong)?.div_ceil(8);
        if row_bytes == 0 || row_bytes > ROW_BYTES_MAX || !(1..=16).contains(&bits) {
            return Err(wrong());
        }
        let is_png = self.kind >= 10;
        let step = sample_bits.div_ceil(8);
        // A row that is longer than the data is as long as the data.
        let left = usize::try_from(input.left()).unwrap_or(usize::MAX);
        let mut above = vec![0; row_bytes.min(left)];
        let mut row = above.clone();
        let stride = row_bytes.saturating_add(usize::from(is_png));
        loop {
            let bytes = input.at_least(stride)?;
            let bytes = bytes.get(..stride).unwrap_or(bytes);
            let (kind, data) = match bytes.split_first() {
                None => return Ok(()),
                Some((kind, data)) if is_png => (*kind, data),
                Some(_) => (0, bytes),
            };
            let (count, taken) = (data.len(), bytes.len());
            row.fill(0);
            row.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
            input.consume(taken);
            if is_png {
                unfilter(kind, step, &above, &mut row);
            } else {
                undo_tiff(colors, bits, &mut row);
            }
            let whole = row.get(..count).unwrap_or_default();
            output.push(whole, budget, input.consumed())?;
            std::mem::swap(&mut above, &mut row);
        }
    }
}

/// The row filters of PNG.
fn unfilter(kind: u8, step: usize, above: &[u8], row: &mut [u8]) {
    for place in 0..row.len() {
        let back = place.checked_sub(step);
        let left = back.and_then(|at| row.get(at)).copied().unwrap_or(0);
        let up = above.get(place).copied().unwrap_or(0);
        let corner = back.and_then(|at| above.get(at)).copied().unwrap_or(0);
        let guess = match kind {
            1 => left,
            2 => up,
            3 => u8::try_from(u16::from(left).saturating_add(u16::from(up)) / 2).unwrap_or(0),
            4 => paeth(left, up, corner),
            _ => 0,
        };
        if let Some(byte) = row.get_mut(place) {
            *byte = byte.wrapping_add(guess);
        }
    }
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, up, corner].map(i16::from);
    let guess = a.saturating_add(b).saturating_sub(c);
    let distance = |value: i16| guess.saturating_sub(value).unsigned_abs();
    if distance(a) <= distance(b) && distance(a) <= distance(c) {
        left
    } else if distance(b) <= distance(c) {
        up
    } else {
        corner
    }
}

/// Differences between the samples of a row, as in TIFF.
fn undo_tiff(colors: usize, bits: usize, row: &mut [u8]) {
    let samples = row.len().saturating_mul(8).checked_div(bits).unwrap_or(0);
    for place in colors..samples {
        let before = sample(row, place.saturating_sub(colors), bits);
        let own = sample(row, place, bits);
        set_sample(row, place, bits, own.wrapping_add(before));
    }
}

fn sample(row: &[u8], place: usize, bits: usize) -> u16 {
    let bit = |at: usize| {
        let byte = row.get(at / 8).copied().unwrap_or(0);
        u16::from(byte.wrapping_shr(u32::try_from(7usize.saturating_sub(at % 8)).unwrap_or(0)) & 1)
    };
    let begin = place.saturating_mul(bits);
    (begin..begin.saturating_add(bits)).fold(0, |sum, at| sum.wrapping_mul(2) | bit(at))
}

fn set_sample(row: &mut [u8], place: usize, bits: usize, value: u16) {
    let begin = place.saturating_mul(bits);
    for (shift, at) in (begin..begin.saturating_add(bits)).rev().enumerate() {
        let set = value.wrapping_shr(u32::try_from(shift).unwrap_or(0)) & 1 == 1;
        let mask = 0x80u8.wrapping_shr(u32::try_from(at % 8).unwrap_or(0));
        if let Some(byte) = row.get_mut(at / 8) {
            *byte = if set { *byte | mask } else { *byte & !mask };
        }
    }
}

/// A zlib stream; its checksum is not looked at, as readers don't. What has no sound header may
/// be deflate without one.
fn flate(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let begin = input.offset();
    let head = input.at_least(2)?;
    let Some([first, second]) = head.first_chunk::<2>().copied() else {
        return Ok(());
    };
    let is_sound = first & 0xf == 8 && u16::from_be_bytes([first, second]) % 31 == 0;
    input.consume(2);
    let inflated = inflate(input, output, budget);
    match inflated {
        Err(stop) if stop.text == ENDS_EARLY && !output.bytes().is_empty() => Ok(()),
        Err(stop) if !stop.is_limit() && !is_sound && output.bytes().is_empty() => {
            input.seek(begin);
            inflate(input, output, budget).map_err(|_| stop)
        }
        inflated => inflated,
    }
}

/// Bytes on their way to an output.
struct Piece<'a> {
    bytes: Vec<u8>,
    output: &'a mut Output,
}

impl<'a> Piece<'a> {
    fn new(output: &'a mut Output) -> Self {
        Self {
            bytes: Vec::with_capacity(PIECE_BYTES),
            output,
        }
    }

    fn push(&mut self, bytes: &[u8], budget: &mut Budget, bytes_in: u64) -> Result<(), Stop> {
        self.bytes.extend(bytes);
        match self.bytes.len() >= PIECE_BYTES {
            true => self.flush(budget, bytes_in),
            false => Ok(()),
        }
    }

    fn flush(&mut self, budget: &mut Budget, bytes_in: u64) -> Result<(), Stop> {
        self.output.push(&self.bytes, budget, bytes_in)?;
        self.bytes.clear();
        Ok(())
    }
}

fn hex(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut piece = Piece::new(output);
    let mut high = None;
    while let Some(byte) = input.byte()?.filter(|byte| *byte != b'>') {
        let Some(digit) = hex_digit(byte) else {
            continue;
        };
        match high.take() {
            None => high = Some(digit.wrapping_mul(16)),
            Some(high) => piece.push(&[high | digit], budget, input.consumed())?,
        }
    }
    if let Some(high) = high {
        piece.push(&[high], budget, input.consumed())?;
    }
    piece.flush(budget, input.consumed())
}

fn ascii85(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut piece = Piece::new(output);
    let (mut group, mut count) = (0u32, 0usize);
    let mut space = input
        .peek()?
        .iter()
        .take_while(|byte| is_space(**byte))
        .count();
    if input
        .peek()?
        .get(space..)
        .is_some_and(|text| text.starts_with(b"<~"))
    {
        space = space.saturating_add(2);
    }
    input.consume(space);
    while let Some(byte) = input.byte()?.filter(|byte| *byte != b'~') {
        match byte {
            b'z' if count == 0 => piece.push(&[0; 4], budget, input.consumed())?,
            b'!'..=b'u' => {
                let digit = u32::from(byte.wrapping_sub(b'!'));
                group = group.wrapping_mul(85).wrapping_add(digit);
                count = count.saturating_add(1);
                if count == 5 {
                    piece.push(&group.to_be_bytes(), budget, input.consumed())?;
                    (group, count) = (0, 0);
                }
            }
            _ => {}
        }
    }
    if count > 1 {
        for _ in count..5 {
            group = group.wrapping_mul(85).wrapping_add(84);
        }
        let bytes = group.to_be_bytes();
        let known = bytes.get(..count.saturating_sub(1)).unwrap_or_default();
        piece.push(known, budget, input.consumed())?;
    }
    piece.flush(budget, input.consumed())
}

fn run_length(input: &mut Input<'_>, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
    let mut piece = Piece::new(output);
    while let Some(length) = input.byte()?.filter(|length| *length != 128) {
        if length < 128 {
            for _ in 0..=length {
                let Some(byte) = input.byte()? else {
                    break;
                };
                piece.push(&[byte], budget, input.consumed())?;
            }
        } else if let Some(byte) = input.byte()? {
            let run = [byte; 128];
            let count = 257usize.saturating_sub(usize::from(length));
            let run = run.get(..count).unwrap_or(&run);
            piece.push(run, budget, input.consumed())?;
        }
    }
    piece.flush(budget, input.consumed())
}

pub(super) fn copy(
    input: &mut Input<'_>,
    output: &mut Output,
    budget: &mut Budget,
) -> Result<(), Stop> {
    loop {
        let bytes = input.peek()?.to_vec();
        if bytes.is_empty() {
            return Ok(());
        }
        input.consume(bytes.len());
        output.push(&bytes, budget, input.consumed())?;
    }
}

#[cfg(test)]
mod tests {
    use proto::{Limits, Unlimited};

    use super::*;
    use crate::output::Tally;

    fn decoded(filter: &Filter, bytes: &[u8]) -> (Vec<u8>, bool) {
        with_output(|output, budget| filter.decode(&mut Input::whole(&bytes), output, budget))
    }

    fn with_output(
        run: impl FnOnce(&mut Output, &mut Budget) -> Result<(), Stop>,
    ) -> (Vec<u8>, bool) {
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let mut output = Output::new(Tally::new(1 << 20));
        let is_sound = run(&mut output, &mut budget).is_ok();
        let bytes = output.bytes().to_vec();
        output.discard(&mut budget);
        (bytes, is_sound)
    }

    #[test]
    fn text_filters_give_what_readers_give() {
        let cases: [(Filter, &[u8], &[u8]); 12] = [
            (Filter::Hex, b"41 4\n2 4>43", b"AB@"),
            (Filter::Hex, b"", b""),
            (Filter::Ascii85, b"87cURD]i,\"Ebo80~>junk", b"Hello World!"),
            (Filter::Ascii85, b" <~87cURD]i,\"Ebo80~>", b"Hello World!"),
            (Filter::Ascii85, b"z 87\ncU", b"\0\0\0\0Hel"),
            (Filter::Ascii85, b"!", b""),
            (Filter::RunLength, b"\x02abc\xfed\x80x", b"abcddd"),
            (Filter::RunLength, b"\x05ab", b"ab"),
            (Filter::RunLength, b"\xff", b""),
            (
                Filter::Lzw(Change::Early),
                b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01",
                b"-----A---B",
            ),
            (Filter::Lzw(Change::Early), b"\x80", b""),
            (Filter::Flate, b"x", b""),
        ];
        for (filter, input, expected) in cases {
            assert_eq!(decoded(&filter, input).0, expected, "{filter:?} {input:?}");
        }
    }

    #[test]
    fn a_code_that_was_never_defined_ends_lzw() {
        // Clear, "A", code 400.
        let bits = [0b1_0000_0000u32, 0b0_0100_0001, 0b1_1001_0000];
        let bits = bits.iter().fold(0, |all, code| all << 9 | code) << 5;
        let (bytes, is_sound) = decoded(&Filter::Lzw(Change::Early), &bits.to_be_bytes());
        assert_eq!((bytes.as_slice(), is_sound), (b"A".as_slice(), false));
    }

    #[test]
    fn flate_forgives_what_readers_forgive() {
        let text = b"some words, some more words, words".repeat(20);
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&text, 9);
        let cut = &packed[..packed.len() - 8];
        let (bytes, is_sound) = decoded(&Filter::Flate, cut);
        assert!(is_sound && text.starts_with(&bytes) && !bytes.is_empty());
        let raw = miniz_oxide::deflate::compress_to_vec(&text, 9);
        assert_eq!(
            decoded(&Filter::Flate, &[b"zz", raw.as_slice()].concat()).0,
            text
        );
        // A stored block, and one of a kind that there is not.
        let damaged = b"\x78\x01\x00\x03\x00\xfc\xffabc\x07more";
        assert_eq!(decoded(&Filter::Flate, damaged), (b"abc".to_vec(), false));
    }

    #[test]
    fn predictions_are_undone() {
        let undone = |predictor: Predictor, bytes: &[u8]| {
            with_output(|output, budget| predictor.undo(&mut Input::whole(&bytes), output, budget))
        };
        let png = Predictor {
            kind: 12,
            colors: 1,
            bits: 8,
            columns: 3,
        };
        let rows = b"\x00\x01\x02\x03\x02\x01\x01\x01\x01\x01\x01\x01\x03\x02\x02\x02\x04\x01\x01";
        let expected = [1, 2, 3, 2, 3, 4, 1, 2, 3, 2, 4, 5, 3, 5];
        assert_eq!(undone(png, rows), (expected.to_vec(), true));
        let tiff = Predictor { kind: 2, ..png };
        assert_eq!(
            undone(tiff, b"\x01\x01\x01\xff\x02\x00").0,
            [1, 2, 3, 255, 1, 1]
        );
        let wide = Predictor {
            bits: 16,
            columns: 2,
            ..tiff
        };
        assert_eq!(undone(wide, b"\x00\xff\x00\x02").0, [0, 0xff, 1, 1]);
        let narrow = Predictor {
            bits: 4,
            columns: 4,
            ..tiff
        };
        assert_eq!(undone(narrow, b"\x11\x1f").0, [0x12, 0x32]);
        for wrong in [0, -1, i64::MAX] {
            let wrong = Predictor {
                columns: wrong,
                ..png
            };
            assert_eq!(undone(wrong, rows), (Vec::new(), false));
        }
    }
}
