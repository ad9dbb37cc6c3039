//! Tokens of PDF syntax, as slices of the text that they are in. Nothing is refused: what is no
//! token of the language is a word. Nothing here calls itself, so that no nesting is too deep.

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    DictOpen,
    DictClose,
    ArrayOpen,
    ArrayClose,
    /// What is between the parentheses, escapes and all.
    Literal(&'a [u8]),
    /// What is between the angle brackets.
    Hex(&'a [u8]),
    /// What follows the slash, escapes and all.
    Name(&'a [u8]),
    Int(i64),
    Word(&'a [u8]),
}

/// Splits a text into tokens.
#[derive(Clone, Debug)]
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Where the next token is looked for.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Whether the text is used up, so that the last token may go on behind it.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// The next token, and where it begins.
    pub(super) fn next(&mut self) -> Option<(usize, Token<'a>)> {
        self.skip_space();
        let begin = self.at;
        let first = self.peek()?;
        self.step(1);
        let token = match first {
            b'(' => self.literal(),
            b'<' if self.peek() == Some(b'<') => {
                self.step(1);
                Token::DictOpen
            }
            b'<' => self.hex(),
            b'>' if self.peek() == Some(b'>') => {
                self.step(1);
                Token::DictClose
            }
            b'[' => Token::ArrayOpen,
            b']' => Token::ArrayClose,
            b'/' => Token::Name(self.while_is(is_regular)),
            b'+' | b'-' | b'.' | b'0'..=b'9' => self.number(begin),
            _ if is_regular(first) => {
                self.while_is(is_regular);
                Token::Word(self.since(begin))
            }
            _ => Token::Word(self.since(begin)),
        };
        Some((begin, token))
    }

    /// Passes over the rest of an array or dictionary that was just opened; gives what is in it.
    pub(super) fn inside(&mut self) -> &'a [u8] {
        let begin = self.at;
        let mut open = 1usize;
        let mut end = self.bytes.len();
        while let Some((at, token)) = self.next() {
            match token {
                Token::DictOpen | Token::ArrayOpen => open = open.saturating_add(1),
                Token::DictClose | Token::ArrayClose => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                end = at;
                break;
            }
        }
        self.bytes.get(begin..end).unwrap_or_default()
    }

    fn literal(&mut self) -> Token<'a> {
        let begin = self.at;
        let mut open = 1usize;
        while let Some(byte) = self.peek() {
            let here = self.at;
            self.step(1);
            match byte {
                b'\\' => self.step(1),
                b'(' => open = open.saturating_add(1),
                b')' => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return Token::Literal(self.bytes.get(begin..here).unwrap_or_default());
            }
        }
        self.at = self.bytes.len();
        Token::Literal(self.since(begin))
    }

    fn hex(&mut self) -> Token<'a> {
        let digits = self.while_is(|byte| byte != b'>');
        self.step(1);
        Token::Hex(digits)
    }

    fn number(&mut self, begin: usize) -> Token<'a> {
        self.while_is(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+'));
        let text = self.since(begin);
        let int = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
        int.map_or(Token::Word(text), Token::Int)
    }

    fn skip_space(&mut self) {
        loop {
            self.while_is(is_space);
            if self.peek() != Some(b'%') {
                return;
            }
            self.while_is(|byte| !matches!(byte, b'\r' | b'\n'));
        }
    }

    fn while_is(&mut self, is: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| is(**byte)).count();
        self.step(count);
        rest.get(..count).unwrap_or_default()
    }

    fn since(&self, begin: usize) -> &'a [u8] {
        self.bytes.get(begin..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn step(&mut self, count: usize) {
        self.at = self.at.saturating_add(count).min(self.bytes.len());
    }
}

/// White space of PDF, the zero byte included.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_regular(byte: u8) -> bool {
    let delimits = matches!(
        byte,
        b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
    );
    !delimits && !is_space(byte)
}

/// A name without its escapes.
pub(super) fn name_bytes(raw: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        let escaped = match (first, after) {
            (b'#', [high, low, tail @ ..]) => hex_digit(*high)
                .zip(hex_digit(*low))
                .map(|(high, low)| (high.wrapping_mul(16) | low, tail)),
            _ => None,
        };
        let (byte, tail) = escaped.unwrap_or((*first, after));
        rest = tail;
        Some(byte)
    })
}

/// Whether a name, escapes undone, is this one.
pub(super) fn name_is(raw: &[u8], wanted: &[u8]) -> bool {
    name_bytes(raw).eq(wanted.iter().copied())
}

/// The bytes of a string token; `None` for other tokens.
pub(super) fn string_bytes(token: Token<'_>) -> Option<Vec<u8>> {
    match token {
        Token::Literal(raw) => Some(unescape(raw)),
        Token::Hex(raw) => Some(unhex(raw)),
        _ => None,
    }
}

/// What hex digits say, all else passed over; an odd one out is the high half of a byte.
pub(super) fn unhex(raw: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = raw.iter().filter_map(|byte| hex_digit(*byte)).collect();
    let byte = |pair: &[u8]| {
        let high = pair.first().copied().unwrap_or(0);
        high.wrapping_mul(16) | pair.get(1).copied().unwrap_or(0)
    };
    digits.chunks(2).map(byte).collect()
}

pub(super) fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

fn unescape(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'\\' => rest = escape(after, &mut out),
            b'\r' => {
                // Any end of a line is one line feed.
                rest = after.strip_prefix(b"\n").unwrap_or(after);
                out.push(b'\n');
            }
            _ => out.push(*first),
        }
    }
    out
}

/// One escape, without its backslash; gives what follows it.
fn escape<'a>(text: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let Some((first, after)) = text.split_first() else {
        return text;
    };
    match first {
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'b' => out.push(8),
        b'f' => out.push(12),
        b'\n' => {}
        b'\r' => return after.strip_prefix(b"\n").unwrap_or(after),
        b'0'..=b'7' => {
            let is_octal = |byte: &&u8| matches!(byte, b'0'..=b'7');
            let count = text.iter().take(3).take_while(is_octal).count();
            let (digits, tail) = text.split_at_checked(count).unwrap_or((text, &[]));
            let add = |sum: u8, digit: &u8| sum.wrapping_mul(8).wrapping_add(digit & 7);
            out.push(digits.iter().fold(0, add));
            return tail;
        }
        _ => out.push(*first),
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &[u8]) -> Vec<Token<'_>> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| lexer.next().map(|(_, token)| token)).collect()
    }

    #[test]
    fn tokens_end_where_readers_end_them() {
        assert_eq!(
            tokens(b"<</A%x>>\n/B#20[1 0R(a(b\\)))<4 1>]>>12endobj -3 1.5"),
            [
                Token::DictOpen,
                Token::Name(b"A"),
                Token::Name(b"B#20"),
                Token::ArrayOpen,
                Token::Int(1),
                Token::Int(0),
                Token::Word(b"R"),
                Token::Literal(b"a(b\\))"),
                Token::Hex(b"4 1"),
                Token::ArrayClose,
                Token::DictClose,
                Token::Int(12),
                Token::Word(b"endobj"),
                Token::Int(-3),
                Token::Word(b"1.5"),
            ]
        );
    }

    #[test]
    fn what_is_never_closed_ends_with_the_text() {
        for text in [
            &b"("[..],
            b"(\\",
            b"<",
            b"<<",
            b"[",
            b"%",
            b"/",
            b"",
            b">",
            b")",
        ] {
            let mut lexer = Lexer::new(text);
            while lexer.next().is_some() {}
            assert!(lexer.is_at_end());
        }
        assert_eq!(Lexer::new(b"[[]").inside(), b"[[]");
    }

    #[test]
    fn strings_and_names_lose_their_escapes() {
        let literal = Token::Literal(b"a\\n\\(\\)\\\\\\101\\7x\\\r\nb\r\nc\\q\\400");
        let bytes = string_bytes(literal).expect("a string");
        assert_eq!(bytes, b"a\n()\\A\x07xb\ncq\0");
        assert_eq!(string_bytes(Token::Hex(b"4 1z42 3")), Some(b"AB0".to_vec()));
        assert!(name_is(b"Fl#61teDecode", b"FlateDecode"));
        assert!(name_is(b"A#", b"A#") && name_is(b"#4", b"#4"));
        assert!(!name_is(b"JSX", b"JS"));
    }
}
