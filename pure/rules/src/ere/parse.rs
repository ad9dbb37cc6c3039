//! Reads an expression.

use super::{Case, Class, Node};
use crate::hash::LineTrouble;

/// Groups inside groups.
const DEPTH_MAX: u32 = 64;
/// What a repetition may count to.
const REPEATS_MAX: u16 = 255;
/// The longest name in brackets.
const NAME_BYTES_MAX: usize = 32;
const WRONG: LineTrouble = LineTrouble::Dropped("a regular expression is wrong");

/// The pieces of an expression.
pub(super) fn parse(text: &[u8], case: Case) -> Result<Node, LineTrouble> {
    let mut reader = Reader { left: text, case };
    let node = reader.choice(0)?;
    match reader.left {
        [] => Ok(node),
        _ => Err(WRONG),
    }
}

struct Reader<'t> {
    left: &'t [u8],
    case: Case,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<u8> {
        let (byte, left) = self.left.split_first()?;
        self.left = left;
        Some(*byte)
    }

    fn take(&mut self, wanted: &[u8]) -> bool {
        match self.left.strip_prefix(wanted) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    /// Up to the end, or to the `)` of the group that this is in.
    fn choice(&mut self, depth: u32) -> Result<Node, LineTrouble> {
        if depth > DEPTH_MAX {
            return Err(LineTrouble::Dropped(
                "a regular expression is nested too deeply",
            ));
        }
        let mut choices = vec![self.sequence(depth)?];
        while self.take(b"|") {
            choices.push(self.sequence(depth)?);
        }
        match (choices.pop(), choices.is_empty()) {
            (Some(only), true) => Ok(only),
            (last, _) => {
                choices.extend(last);
                Ok(Node::Choice(choices))
            }
        }
    }

    /// Pieces up to a `|`, never none.
    fn sequence(&mut self, depth: u32) -> Result<Node, LineTrouble> {
        let mut pieces = Vec::new();
        loop {
            match self.left.first() {
                None | Some(b'|') => break,
                Some(b')') if depth > 0 => break,
                Some(_) => pieces.push(self.piece(depth)?),
            }
        }
        match pieces.is_empty() {
            true => Err(WRONG),
            false => Ok(Node::Sequence(pieces)),
        }
    }

    fn piece(&mut self, depth: u32) -> Result<Node, LineTrouble> {
        let node = match self.next().ok_or(WRONG)? {
            b'(' => self.group(depth)?,
            b'^' => Node::Begin,
            b'$' => Node::End,
            b'.' => Node::Any,
            b'[' => Node::Class(Box::new(self.class()?)),
            b'\\' => {
                let byte = self.next().ok_or(WRONG)?;
                self.byte(byte)
            }
            b'*' | b'+' | b'?' => return Err(WRONG),
            b'{' if self.left.first().is_some_and(u8::is_ascii_digit) => return Err(WRONG),
            byte => self.byte(byte),
        };
        let is_begin = node == Node::Begin;
        let repeated = self.repeated(node)?;
        let is_counted = matches!(repeated, Node::Repeat { .. });
        if self.repeats() || is_begin && is_counted {
            return Err(WRONG);
        }
        Ok(repeated)
    }

    fn byte(&self, byte: u8) -> Node {
        if self.case == Case::AsWritten || !byte.is_ascii_alphabetic() {
            return Node::Byte(byte);
        }
        Node::Letter(byte.to_ascii_lowercase())
    }

    fn group(&mut self, depth: u32) -> Result<Node, LineTrouble> {
        let node = match self.left.first() {
            Some(b')') => Node::Empty,
            _ => self.choice(depth.saturating_add(1))?,
        };
        match self.take(b")") {
            true => Ok(node),
            false => Err(WRONG),
        }
    }

    /// Whether a repetition stands here.
    fn repeats(&self) -> bool {
        match self.left {
            [b'*' | b'+' | b'?', ..] => true,
            [b'{', digit, ..] => digit.is_ascii_digit(),
            _ => false,
        }
    }

    fn repeated(&mut self, node: Node) -> Result<Node, LineTrouble> {
        if !self.repeats() {
            return Ok(node);
        }
        let (least, most) = match self.next() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            _ => self.bounds()?,
        };
        Ok(Node::Repeat {
            node: Box::new(node),
            least,
            most,
        })
    }

    fn bounds(&mut self) -> Result<(u16, Option<u16>), LineTrouble> {
        let least = self.count()?;
        let most = match self.take(b",") {
            false => Some(least),
            true if self.left.first() == Some(&b'}') => None,
            true => Some(self.count()?),
        };
        let fits = most.is_none_or(|most| least <= most);
        match self.take(b"}") && fits {
            true => Ok((least, most)),
            false => Err(WRONG),
        }
    }

    fn count(&mut self) -> Result<u16, LineTrouble> {
        let digits = self
            .left
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, left) = self.left.split_at_checked(digits).ok_or(WRONG)?;
        self.left = left;
        let text = str::from_utf8(digits).map_err(|_| WRONG)?;
        let count = text.parse().map_err(|_| WRONG)?;
        match count <= REPEATS_MAX {
            true => Ok(count),
            false => Err(WRONG),
        }
    }

    /// What stands in brackets.
    fn class(&mut self) -> Result<Class, LineTrouble> {
        let is_negated = self.take(b"^");
        let mut class = [0u8; 32];
        let mut is_first = true;
        while is_first || !self.take(b"]") {
            is_first = false;
            if self.take(b"[:") {
                let name = self.named(b":]")?;
                add_named(&mut class, name)?;
                continue;
            }
            let first = self.member()?;
            let last = match self.left {
                [b'-', next, ..] if *next != b']' => {
                    self.take(b"-");
                    self.member()?
                }
                _ => first,
            };
            if first > last || self.goes_on() {
                return Err(WRONG);
            }
            (first..=last).for_each(|byte| add(&mut class, byte));
        }
        if self.case == Case::Either {
            fold(&mut class);
        }
        if is_negated {
            class.iter_mut().for_each(|bits| *bits = !*bits);
        }
        Ok(class)
    }

    /// Whether a range's end would begin another.
    fn goes_on(&self) -> bool {
        matches!(self.left, [b'-', next, ..] if *next != b']')
    }

    fn member(&mut self) -> Result<u8, LineTrouble> {
        let name = if self.take(b"[.") {
            self.named(b".]")?
        } else if self.take(b"[=") {
            self.named(b"=]")?
        } else {
            return self.next().ok_or(WRONG);
        };
        match name {
            [byte] => Ok(*byte),
            _ => Err(LineTrouble::Dropped(
                "a regular expression names a character",
            )),
        }
    }

    /// What stands before this end.
    fn named(&mut self, end: &[u8]) -> Result<&'t [u8], LineTrouble> {
        let places = self.left.windows(end.len());
        let length = places.take(NAME_BYTES_MAX).position(|place| place == end);
        let (name, left) = self
            .left
            .split_at_checked(length.ok_or(WRONG)?)
            .ok_or(WRONG)?;
        self.left = left.get(end.len()..).unwrap_or_default();
        Ok(name)
    }
}

fn add(class: &mut Class, byte: u8) {
    if let Some(bits) = class.get_mut(usize::from(byte / 8)) {
        *bits |= 1u8.wrapping_shl(u32::from(byte % 8));
    }
}

/// Adds the other form of each letter.
fn fold(class: &mut Class) {
    for byte in b'a'..=b'z' {
        let upper = byte.to_ascii_uppercase();
        if has(class, byte) || has(class, upper) {
            add(class, byte);
            add(class, upper);
        }
    }
}

fn has(class: &Class, byte: u8) -> bool {
    let bits = class.get(usize::from(byte / 8)).copied().unwrap_or(0);
    bits & 1u8.wrapping_shl(u32::from(byte % 8)) != 0
}

fn add_named(class: &mut Class, name: &[u8]) -> Result<(), LineTrouble> {
    let is_in: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| *byte == b' ' || byte.is_ascii_graphic(),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| byte.is_ascii_whitespace() || *byte == 0x0b,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return Err(WRONG),
    };
    (0..=u8::MAX)
        .filter(is_in)
        .for_each(|byte| add(class, byte));
    Ok(())
}
