//! A walk through a document, byte by byte: where each lies, and what becomes of it in each view.

use proto::{Budget, Reason};

use super::HtmlViews;
use crate::normalise::entities::{
    Closing, REFERENCE_BYTES_MAX, is_hex, is_name, number, push_named, push_number,
};

/// Links that are kept; a document with more ends as `limit-objects`.
pub(super) const LINKS_MAX: usize = 4096;
/// A tag's or an attribute's name is known by fewer bytes.
const NAME_BYTES_MAX: usize = 16;
/// What a link shows at the most in the view without tags.
const SHOWN_BYTES_MAX: usize = 1022;

/// Where in a document the next byte lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Text,
    /// Behind `<`.
    TagStart,
    TagName,
    /// Between attributes, or in the name of one.
    Attribute,
    /// Behind `=`.
    ValueStart,
    Unquoted,
    Quoted(u8),
    /// In a value that began with `data:`, until this byte, or white space and `>` where there
    /// is none.
    Link(Option<u8>),
    /// `<!` to `>`.
    Declaration,
    /// In a script or a style sheet.
    Raw(Raw),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    Script,
    Style,
}

impl Raw {
    fn end(self) -> &'static [u8] {
        match self {
            Self::Script => b"</script",
            Self::Style => b"</style",
        }
    }
}

/// How far the text is, and what waits to be written.
#[derive(Debug, Default)]
pub(super) struct Walk {
    place: Place,
    comments: Vec<u8>,
    tags: Vec<u8>,
    scripts: Vec<u8>,
    scripts_bytes: usize,
    /// Where scripts end among all scripts so far; those that are not handed over yet.
    script_ends: Vec<usize>,
    links: Vec<u8>,
    links_bytes: usize,
    link_ends: Vec<usize>,
    links_count: usize,
    pub(super) links_left_out: bool,
    /// White space came by that is not written yet.
    space: bool,
    /// White space that comes now is not written.
    skip_space: bool,
    /// The last byte written without tags was white space.
    tags_space: bool,
    /// A reference that is being read, from `&` on.
    reference: Vec<u8>,
    tag: Vec<u8>,
    attribute: Vec<u8>,
    /// The start of a value, as it came.
    value: Vec<u8>,
    /// Whether the value is one that stands in the view without tags, and whether one stood there.
    shows_value: bool,
    has_shown: bool,
    /// What is to stand in the view without tags once the tag ends.
    shown: Vec<u8>,
    /// The value began with a quote that a `>` undid: its last byte is taken for the other quote.
    lost_quote: bool,
    value_space: bool,
    after_quote: bool,
    /// Bytes of a raw element's end that came by.
    end_matched: usize,
}

impl Walk {
    /// A walk that is at its beginning.
    pub(super) fn new() -> Self {
        Self {
            skip_space: true,
            ..Self::default()
        }
    }

    /// Takes the next byte.
    pub(super) fn push(&mut self, byte: u8) {
        if matches!(byte, 0 | b'\r') {
            return;
        }
        match self.place {
            Place::Text => self.text(byte),
            Place::TagStart => self.tag_start(byte),
            Place::TagName => self.tag_name(byte),
            Place::Attribute => self.attribute(byte),
            Place::ValueStart => self.value_start(byte),
            Place::Unquoted => self.unquoted(byte),
            Place::Quoted(quote) => self.quoted(byte, quote),
            Place::Link(quote) => self.link(byte, quote),
            Place::Declaration => {
                if byte == b'>' {
                    self.place = Place::Text;
                    self.skip_space = true;
                }
            }
            Place::Raw(raw) => self.raw(byte, raw),
        }
    }

    fn text(&mut self, byte: u8) {
        if !self.reference.is_empty() && self.text_reference(byte) {
            return;
        }
        match byte {
            b'&' => {
                self.write_space();
                self.tags_blank();
                self.reference.push(byte);
            }
            b'<' => {
                self.write_space();
                self.tags_blank();
                self.place = Place::TagStart;
            }
            _ if is_space(byte) => {
                self.space = !self.skip_space;
                self.tags_blank();
            }
            _ => {
                self.write_space();
                let lower = byte.to_ascii_lowercase();
                self.comments.push(lower);
                match byte {
                    0..=31 => self.tags_blank(),
                    _ => self.tags_push(lower),
                }
            }
        }
    }

    /// Takes a byte of a reference in text; false where it ends the reference and is itself text.
    fn text_reference(&mut self, byte: u8) -> bool {
        let is_number = self.reference.get(1) == Some(&b'#');
        let takes = match (self.reference.len(), is_number) {
            (1, _) => byte == b'#' || is_name(byte),
            (2, true) => byte.is_ascii_digit() || matches!(byte, b'x' | b'X'),
            (_, true) if is_hex(&self.reference) => byte.is_ascii_hexdigit(),
            (_, true) => byte.is_ascii_digit(),
            _ => is_name(byte),
        };
        if takes && self.reference.len() < REFERENCE_BYTES_MAX.saturating_mul(4) {
            self.reference.push(byte);
            return true;
        }
        self.end_reference(Closing::of(byte));
        byte == b';'
    }

    /// Writes what a reference stands for.
    fn end_reference(&mut self, closing: Closing) {
        let reference = std::mem::take(&mut self.reference);
        self.skip_space = false;
        if let Some((number, _)) = number(&reference) {
            push_number(number, closing, &mut self.comments);
            return;
        }
        let name = reference.get(1..).unwrap_or_default();
        if closing == Closing::Semicolon && push_named(name, &mut self.comments) {
            return;
        }
        self.comments.extend(reference.to_ascii_lowercase());
        self.comments.extend(closing.bytes());
    }

    fn tag_start(&mut self, byte: u8) {
        if is_space(byte) {
            return;
        }
        if byte == b'!' {
            self.place = Place::Declaration;
            return;
        }
        self.comments.push(b'<');
        self.tag.clear();
        self.attribute.clear();
        self.shown.clear();
        self.space = false;
        self.has_shown = false;
        self.after_quote = false;
        self.place = Place::TagName;
        self.tag_name(byte);
    }

    fn tag_name(&mut self, byte: u8) {
        if byte == b'>' {
            self.end_tag();
        } else if is_space(byte) {
            self.space = true;
            self.place = Place::Attribute;
        } else {
            let lower = byte.to_ascii_lowercase();
            self.comments.push(lower);
            push_bounded(&mut self.tag, lower, NAME_BYTES_MAX);
        }
    }

    fn attribute(&mut self, byte: u8) {
        match byte {
            b'>' => self.end_tag(),
            b'=' => {
                self.space = false;
                self.after_quote = false;
                self.comments.push(byte);
                self.place = Place::ValueStart;
            }
            _ if is_space(byte) => self.space = true,
            _ => {
                if self.space || self.after_quote {
                    self.comments.push(b' ');
                    self.attribute.clear();
                }
                self.space = false;
                self.after_quote = false;
                let lower = byte.to_ascii_lowercase();
                self.comments.push(lower);
                push_bounded(&mut self.attribute, lower, NAME_BYTES_MAX);
            }
        }
    }

    fn value_start(&mut self, byte: u8) {
        if is_space(byte) {
            return;
        }
        let tag = self.tag.as_slice();
        let attribute = self.attribute.as_slice();
        self.shows_value = !self.has_shown
            && ((tag == b"a" && attribute == b"href") || (tag == b"img" && attribute == b"src"));
        self.value.clear();
        self.lost_quote = false;
        self.value_space = false;
        self.space = false;
        match byte {
            b'"' | b'\'' => {
                self.comments.push(b'"');
                self.place = Place::Quoted(byte);
            }
            _ => {
                self.place = Place::Unquoted;
                self.unquoted(byte);
            }
        }
    }

    fn unquoted(&mut self, byte: u8) {
        if self.value_reference(byte, None) {
            return;
        }
        if byte == b'>' {
            self.end_value();
            self.end_tag();
        } else if is_space(byte) {
            self.end_value();
            self.space = true;
            self.place = Place::Attribute;
        } else {
            self.value_byte(byte);
            self.start_link(None);
        }
    }

    fn quoted(&mut self, byte: u8, quote: u8) {
        if self.value_reference(byte, Some(quote)) {
            return;
        }
        match byte {
            _ if byte == quote => {
                self.comments.push(b'"');
                self.end_value();
                self.after_quote = true;
                self.place = Place::Attribute;
            }
            b'>' if self.value_space => {
                self.end_value();
                self.end_tag();
            }
            b'>' => {
                self.value_byte(byte);
                self.lost_quote = true;
                self.place = Place::Unquoted;
            }
            b' ' | b'\n' => {
                if !self.value_space {
                    self.comments.push(b' ');
                    push_bounded(&mut self.value, b' ', NAME_BYTES_MAX);
                    self.show(b' ');
                }
                self.value_space = true;
            }
            _ => {
                self.value_byte(byte);
                self.start_link(Some(quote));
            }
        }
    }

    fn value_byte(&mut self, byte: u8) {
        self.value_space = false;
        let written = match byte {
            b'\'' => b'"',
            _ => byte.to_ascii_lowercase(),
        };
        self.comments.push(written);
        push_bounded(&mut self.value, byte, NAME_BYTES_MAX);
        self.show(match byte {
            b'\'' => b'"',
            _ => byte,
        });
    }

    /// Takes a byte of a reference in a value; false where the byte is not part of one.
    fn value_reference(&mut self, byte: u8, quote: Option<u8>) -> bool {
        if self.reference.is_empty() {
            if byte == b'&' {
                self.reference.push(byte);
            }
            return byte == b'&';
        }
        let ends = byte == b';' || byte == b'>' || byte == b'&' || is_space(byte);
        if !ends && Some(byte) != quote && self.reference.len() < REFERENCE_BYTES_MAX {
            self.reference.push(byte);
            return true;
        }
        let closing = Closing::of(byte);
        let is_closed = closing == Closing::Semicolon;
        let reference = std::mem::take(&mut self.reference);
        self.value_space = false;
        let plain = match number(&reference) {
            Some((number, digits)) if is_closed || quote.is_none() || digits == reference.len() => {
                let rest = reference.get(digits..).unwrap_or_default();
                self.number_in_value(number, rest, closing)
            }
            _ => self.name_in_value(&reference, closing),
        };
        push_bounded(&mut self.value, b'&', NAME_BYTES_MAX);
        plain.iter().for_each(|byte| self.show(*byte));
        if byte == b'&' {
            self.reference.push(byte);
            return true;
        }
        is_closed
    }

    /// Resolves a number and what stands behind it; gives the same in its own case.
    fn number_in_value(&mut self, number: u64, rest: &[u8], closing: Closing) -> Vec<u8> {
        let mut plain = Vec::new();
        push_number(number, Closing::Other, &mut plain);
        plain.retain(|byte| *byte > 8);
        push_number(number, closing, &mut self.comments);
        if !rest.is_empty() {
            let rest = [rest, closing.bytes()].concat();
            self.comments.extend(rest.to_ascii_lowercase());
            plain.extend(rest);
        }
        plain
    }

    fn name_in_value(&mut self, reference: &[u8], closing: Closing) -> Vec<u8> {
        let mut plain = Vec::new();
        let name = reference.get(1..).unwrap_or_default();
        if closing == Closing::Semicolon && push_named(name, &mut plain) {
            self.comments.extend(&plain);
        } else {
            plain = [reference, closing.bytes()].concat();
            self.comments.extend(plain.to_ascii_lowercase());
        }
        plain
    }

    fn end_value(&mut self) {
        if self.shows_value {
            if self.lost_quote {
                self.shown.pop();
            }
            self.has_shown = !self.shown.is_empty();
        }
        self.shows_value = false;
    }

    /// A value that is `data:` so far is a link from here on.
    fn start_link(&mut self, quote: Option<u8>) {
        if self.value == b"data:" {
            self.comments.pop();
            self.place = Place::Link(quote);
        }
    }

    fn link(&mut self, byte: u8, quote: Option<u8>) {
        let ends = match quote {
            Some(quote) => byte == quote,
            None => byte == b'>' || is_space(byte),
        };
        if !ends {
            self.links.push(byte);
            self.links_bytes = self.links_bytes.saturating_add(1);
            return;
        }
        self.end_link();
        self.shown.clear();
        if quote.is_some() {
            self.comments.push(b'"');
        }
        self.shows_value = false;
        self.place = Place::Attribute;
    }

    fn end_link(&mut self) {
        self.links_count = self.links_count.saturating_add(1);
        if self.links_count <= LINKS_MAX {
            self.link_ends.push(self.links_bytes);
        } else {
            self.links_left_out = true;
        }
    }

    fn end_tag(&mut self) {
        self.comments.push(b'>');
        self.show_link();
        self.space = false;
        self.skip_space = true;
        self.end_matched = 0;
        self.place = match self.tag.as_slice() {
            b"script" => Place::Raw(Raw::Script),
            b"style" => Place::Raw(Raw::Style),
            _ => Place::Text,
        };
    }

    fn raw(&mut self, byte: u8, raw: Raw) {
        let end = raw.end();
        let lower = byte.to_ascii_lowercase();
        if self.end_matched == end.len() && (byte == b'>' || is_space(byte)) {
            self.place = Place::Text;
            self.skip_space = true;
            if byte == b'>' {
                self.comments.push(byte);
                self.end_matched = 0;
            }
            self.end_script(raw);
            return;
        }
        match end.get(self.end_matched) {
            Some(next) if *next == lower => self.end_matched = self.end_matched.saturating_add(1),
            _ => {
                self.release_end(raw);
                match end.first() == Some(&lower) {
                    true => self.end_matched = 1,
                    false => self.script_bytes(raw, &[byte]),
                }
            }
        }
        match byte {
            b'\'' => self.comments.push(b'"'),
            _ if is_space(byte) => {}
            _ => self.comments.push(lower),
        }
    }

    /// What looked like the start of an end tag belongs to the script.
    fn release_end(&mut self, raw: Raw) {
        let matched = std::mem::take(&mut self.end_matched);
        self.script_bytes(raw, raw.end().get(..matched).unwrap_or_default());
    }

    fn script_bytes(&mut self, raw: Raw, bytes: &[u8]) {
        if raw == Raw::Style {
            return;
        }
        self.scripts.extend(bytes);
        self.scripts_bytes = self.scripts_bytes.saturating_add(bytes.len());
    }

    fn end_script(&mut self, raw: Raw) {
        self.release_end(raw);
        if raw == Raw::Script {
            self.script_ends.push(self.scripts_bytes);
        }
    }

    /// Ends the document.
    pub(super) fn finish(&mut self) {
        match self.place {
            Place::Text if self.reference.starts_with(b"&#") => {}
            Place::Text => {
                let name = self.reference.get(1..).unwrap_or_default();
                if !push_named(name, &mut self.comments) {
                    self.comments.extend(name.first().map(|_| b'&'));
                    self.comments.extend(name.to_ascii_lowercase());
                }
            }
            Place::TagStart => self.comments.push(b'<'),
            Place::Link(_) => self.end_link(),
            Place::Raw(raw) => self.end_script(raw),
            _ => {}
        }
    }

    /// Hands over what was written so far.
    pub(super) fn drain(
        &mut self,
        views: &mut HtmlViews,
        budget: &mut Budget,
        bytes_in: u64,
    ) -> Result<(), Reason> {
        for (from, to) in [
            (&mut self.comments, &mut views.without_comments),
            (&mut self.tags, &mut views.without_tags),
            (&mut self.scripts, &mut views.raw_scripts),
            (&mut self.links, &mut views.links),
        ] {
            to.push(from, budget, bytes_in)?;
            from.clear();
        }
        views.link_ends.append(&mut self.link_ends);
        views.script_ends.append(&mut self.script_ends);
        Ok(())
    }
}

impl Walk {
    /// Writes white space that came by before what comes now.
    fn write_space(&mut self) {
        if self.space {
            self.comments.push(b' ');
        }
        self.space = false;
        self.skip_space = false;
    }

    fn tags_blank(&mut self) {
        if !self.tags_space {
            self.tags.push(b' ');
        }
        self.tags_space = true;
    }

    fn tags_push(&mut self, byte: u8) {
        self.tags.push(byte);
        self.tags_space = false;
    }

    /// Keeps a byte of what a tag links to, for the view without tags.
    fn show(&mut self, byte: u8) {
        if self.shows_value {
            push_bounded(&mut self.shown, byte, SHOWN_BYTES_MAX);
        }
    }

    /// Writes what a tag that ends links to into the view without tags.
    fn show_link(&mut self) {
        for byte in std::mem::take(&mut self.shown) {
            match is_space(byte) {
                true => self.tags_blank(),
                false => self.tags_push(byte),
            }
        }
        self.tags_blank();
    }
}

/// CR is passed over before.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=12)
}

fn push_bounded(text: &mut Vec<u8>, byte: u8, bytes_max: usize) {
    if text.len() < bytes_max {
        text.push(byte);
    }
}
