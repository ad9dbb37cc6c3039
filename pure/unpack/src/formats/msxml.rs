//! Documents of Office that are one XML file (Word 2003, the flat forms of Office Open XML and
//! OpenDocument): the binary parts that stand in base64 in certain elements. The rest is text,
//! and is looked at as such.

use proto::Budget;

use crate::Source;
use crate::fields::find;
use crate::identify::{Format, Probe, Role};
use crate::input::Input;
use crate::members::{Flow, Members, Stop, Trouble, Troubles};
use crate::output::{Output, Tally};

/// The elements whose text is binary, without their namespace.
const ELEMENTS: [&[u8]; 4] = [b"binaryData", b"binData", b"binary-data", b"docOleData"];
/// How much of a tag is kept to find names in it.
const TAG_BYTES_MAX: usize = 4 << 10;
const PENDING_BYTES: usize = 4 << 10;
/// What tells such a document from other XML.
const MARKS: [&[u8]; 5] = [
    b"schemas.microsoft.com/office/2006/xmlPackage",
    b"schemas.microsoft.com/office/word/2003/wordml",
    b"schemas.microsoft.com/office/powerpoint/2003",
    b"urn:schemas-microsoft-com:office:spreadsheet",
    b"<office:document ",
];
const HEAD_BYTES: usize = 8 << 10;

/// Office documents in one XML file.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "msxml",
    detect,
    role: Role::Container(unpack),
}];

/// Letters may be two bytes wide: zeros are passed over, here and below.
fn detect(probe: &Probe<'_>) -> bool {
    let head = probe.head.get(..HEAD_BYTES).unwrap_or(probe.head);
    // Whether a tag comes first is seen without a copy of the head, which most objects so escape.
    let before_tag = |byte: &&u8| {
        byte.is_ascii_whitespace() || matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xff | 0xfe)
    };
    if head.iter().find(|byte| !before_tag(byte)) != Some(&b'<') {
        return false;
    }
    let head: Vec<u8> = head.iter().copied().filter(|byte| *byte != 0).collect();
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    let text = marks.iter().find_map(|mark| head.strip_prefix(*mark));
    let text = text.unwrap_or(&head).trim_ascii_start();
    text.starts_with(b"<") && MARKS.iter().any(|mark| find(text, mark, 0).is_some())
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let mut document = Document {
        input: Input::whole(source),
        tally: Tally::new(source.size_bytes()),
        part_name: Vec::new(),
        number: 0,
        troubles: Troubles::default(),
    };
    if let Err(stop) = document.read(budget, members) {
        document.troubles.note(document.input.offset(), stop);
    }
    document.troubles.into_vec()
}

struct Document<'a> {
    input: Input<'a>,
    tally: Tally,
    /// The name of the package's part that is open.
    part_name: Vec<u8>,
    number: u64,
    troubles: Troubles,
}

impl Document<'_> {
    fn read(&mut self, budget: &mut Budget, members: &mut dyn Members) -> Result<(), Stop> {
        let mut root: Option<Vec<u8>> = None;
        let mut is_closed = false;
        loop {
            budget.check_time()?;
            if !self.skip_to(b'<')? {
                break;
            }
            let tag = self.tag()?;
            if let Some(name) = tag.attribute(b"name").filter(|_| tag.is(b"part")) {
                self.part_name = name.to_vec();
            }
            if root.is_none() && !tag.is_declaration() {
                root = Some(tag.full_name().to_vec());
            }
            let root = root.as_deref().unwrap_or_default();
            is_closed = match tag.bytes.strip_prefix(b"/") {
                Some(name) => name.starts_with(root),
                None => tag.is_empty_element() && tag.full_name() == root,
            };
            is_closed &= tag.is_whole;
            if tag.is_empty_element() || !ELEMENTS.iter().any(|name| tag.is(name)) {
                continue;
            }
            self.number = self.number.saturating_add(1);
            let name = match tag.attribute(b"name") {
                Some(name) => name.to_vec(),
                None if self.part_name.is_empty() => {
                    format!("(binary {})", self.number).into_bytes()
                }
                None => std::mem::take(&mut self.part_name),
            };
            if self.binary(&name, budget, members)? == Flow::Stop {
                return Ok(());
            }
        }
        match is_closed {
            true => Ok(()),
            false => Err(Stop::malformed("document ends early")),
        }
    }

    fn skip_to(&mut self, wanted: u8) -> Result<bool, Stop> {
        loop {
            let bytes = self.input.peek()?;
            let place = bytes.iter().position(|byte| *byte == wanted);
            let count = bytes.len();
            match place {
                Some(place) => {
                    self.input.consume(place.saturating_add(1));
                    return Ok(true);
                }
                None if count == 0 => return Ok(false),
                None => self.input.consume(count),
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Stop> {
        let mut dashes = 0u32;
        while let Some(byte) = self.input.byte()? {
            dashes = match byte {
                b'>' if dashes >= 2 => break,
                b'-' => dashes.saturating_add(1),
                0 => dashes,
                _ => 0,
            };
        }
        Ok(())
    }

    /// What stands between the brackets, the first of which was passed. Where comments and marked
    /// sections hold brackets, what is in them is read as if it were outside.
    fn tag(&mut self) -> Result<Tag, Stop> {
        let mut bytes = Vec::new();
        let mut is_whole = false;
        while let Some(byte) = self.input.byte()? {
            match byte {
                b'>' => {
                    is_whole = true;
                    break;
                }
                0 => {}
                _ if bytes.len() < TAG_BYTES_MAX => bytes.push(byte),
                _ => {}
            }
            if bytes == b"![CDATA[" || bytes == b"!--" {
                break;
            }
        }
        Ok(Tag { bytes, is_whole })
    }

    /// Decodes up to the element's end.
    fn binary(
        &mut self,
        name: &[u8],
        budget: &mut Budget,
        members: &mut dyn Members,
    ) -> Result<Flow, Stop> {
        let begin = self.input.offset();
        let mut output = Output::new(self.tally);
        let decoded = self.decode(&mut output, budget);
        let (flow, tally) = output.hand_over(name, members, budget);
        self.tally = tally;
        match decoded {
            Ok(()) => Ok(flow),
            Err(stop) if stop.is_limit() => Err(stop),
            Err(stop) => {
                self.troubles.note_member(name, begin, stop);
                Ok(flow)
            }
        }
    }

    fn decode(&mut self, output: &mut Output, budget: &mut Budget) -> Result<(), Stop> {
        let begin = self.input.offset();
        let mut digits = Digits::default();
        loop {
            let Some(byte) = self.input.byte()? else {
                output.push(&digits.bytes, budget, self.input.consumed())?;
                return Err(Stop::malformed("binary part ends early"));
            };
            match byte {
                b'<' => {
                    let tag = self.tag()?;
                    // Comments and marked sections don't end it, other elements do.
                    match tag.bytes.as_slice() {
                        b"!--" => self.skip_comment()?,
                        _ if tag.is_declaration() => {}
                        _ => break,
                    }
                }
                b'&' => digits.push(self.reference()?),
                byte => digits.push(byte),
            }
            if digits.bytes.len() >= PENDING_BYTES {
                let bytes_in = self.input.offset().saturating_sub(begin);
                output.push(&digits.bytes, budget, bytes_in)?;
                digits.bytes.clear();
            }
        }
        let bytes_in = self.input.offset().saturating_sub(begin);
        Ok(output.push(&digits.bytes, budget, bytes_in)?)
    }

    /// A character that is written as its number.
    fn reference(&mut self) -> Result<u8, Stop> {
        let bytes = self.input.at_least(16)?;
        let narrow: Vec<u8> = bytes.iter().take(16).copied().filter(|b| *b != 0).collect();
        let number = narrow.strip_prefix(b"#").unwrap_or_default();
        let (radix, number) = match number.strip_prefix(b"x") {
            Some(hex) => (16, hex),
            None => (10, number),
        };
        let end = number.iter().position(|byte| *byte == b';').unwrap_or(0);
        let text = number
            .get(..end)
            .and_then(|text| std::str::from_utf8(text).ok());
        let value = text.and_then(|text| u8::from_str_radix(text, radix).ok());
        if value.is_some() {
            self.skip_to(b';')?;
        }
        Ok(value.unwrap_or(0))
    }
}

/// The inside of a tag.
struct Tag {
    bytes: Vec<u8>,
    /// Whether its second bracket is there.
    is_whole: bool,
}

impl Tag {
    /// The element's name; of a tag that closes one, nothing.
    fn full_name(&self) -> &[u8] {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'/';
        self.bytes.split(is_end).next().unwrap_or_default()
    }

    /// Whether it opens the element of this name, in whatever namespace.
    fn is(&self, wanted: &[u8]) -> bool {
        let local = self.full_name().rsplit(|byte| *byte == b':').next();
        local == Some(wanted)
    }

    /// Whether it is no element: a comment, a marked section, an instruction.
    fn is_declaration(&self) -> bool {
        matches!(self.bytes.first(), Some(b'!' | b'?'))
    }

    fn is_empty_element(&self) -> bool {
        self.bytes.ends_with(b"/")
    }

    /// The value of an attribute, in whatever namespace.
    fn attribute(&self, wanted: &[u8]) -> Option<&[u8]> {
        let mut at = 0;
        while let Some(place) = find(&self.bytes, wanted, at) {
            at = place.checked_add(wanted.len())?;
            let before = self.bytes.get(place.checked_sub(1)?)?;
            let is_whole = *before == b':' || before.is_ascii_whitespace();
            let rest = self.bytes.get(at..)?.trim_ascii_start();
            if let Some(value) = rest.strip_prefix(b"=")
                && is_whole
            {
                let (quote, value) = value.trim_ascii_start().split_first()?;
                return value.split(|byte| byte == quote).next();
            }
        }
        None
    }
}

/// Base64 on its way; what is no digit is passed over.
#[derive(Default)]
struct Digits {
    bits: u32,
    count: u32,
    bytes: Vec<u8>,
}

impl Digits {
    fn push(&mut self, byte: u8) {
        let value = match byte {
            b'A'..=b'Z' => byte.wrapping_sub(b'A'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
            b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
            b'+' => 62,
            b'/' => 63,
            // Padding ends a group: parts may be joined.
            b'=' => {
                self.count = 0;
                return;
            }
            _ => return,
        };
        self.bits = (self.bits << 6 | u32::from(value)) & 0xf_ffff;
        self.count = self.count.saturating_add(6);
        if let Some(left) = self.count.checked_sub(8) {
            let byte = self.bits.wrapping_shr(left) & 0xff;
            self.bytes.push(u8::try_from(byte).unwrap_or(0));
            self.count = left;
        }
    }
}
