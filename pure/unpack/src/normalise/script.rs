//! Scripts with their white space and comments gone, strings in one kind of quotes and joined,
//! calls of `unescape` and `eval` with a string resolved, and the names that they declare replaced
//! by numbers: what the peer makes of them, so that renaming and cutting up hide nothing.
//!
//! Nothing is run, and what is no JavaScript is cut into tokens all the same.

mod scopes;

use proto::Reason;

use self::scopes::{declared, print};

/// What stands around each script.
const BEGIN: &[u8] = b"<script>";
const END: &[u8] = b"</script>";
/// How deep strings that are evaluated may hold strings that are evaluated.
const EVAL_DEPTH_MAX: usize = 8;

/// Normalises one script; what is packed in it may unpack to `room` bytes in all.
pub(super) fn normalise(script: &[u8], room: usize, out: &mut Vec<u8>) -> Result<(), Reason> {
    let mut tokens = Tokens {
        room,
        ..Tokens::default()
    };
    tokens.cut(script, 0);
    let names = declared(&tokens);
    out.extend(BEGIN);
    print(&tokens, &names, out);
    out.extend(END);
    match tokens.is_short_of_room {
        true => Err(Reason::LimitRatio),
        false => Ok(()),
    }
}

/// Memory that normalising one byte of script can take: a token for each byte in a list that grew
/// by doubling, and a place among the names that are declared.
pub(super) const BYTES_PER_BYTE: u64 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Word,
    Number,
    Text,
    Pattern,
    Sign,
}

/// A token and where its bytes lie in the pool.
#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: u32,
    end: u32,
}

#[derive(Debug, Default)]
struct Tokens {
    list: Vec<Token>,
    pool: Vec<u8>,
    /// How many tokens there were when `unescape` was last resolved: nothing is joined to that.
    sealed: usize,
    /// What packed scripts may still unpack to.
    room: usize,
    is_short_of_room: bool,
}

impl Tokens {
    fn bytes(&self, token: Token) -> &[u8] {
        let range = token.start as usize..token.end as usize;
        self.pool.get(range).unwrap_or_default()
    }

    /// The bytes of the token this many places before the end, if it is of this kind.
    fn back(&self, places: usize, kind: Kind) -> Option<&[u8]> {
        let index = self.list.len().checked_sub(places)?;
        let token = self.list.get(index)?;
        (token.kind == kind).then(|| self.bytes(*token))
    }

    fn push(&mut self, kind: Kind, bytes: &[u8]) {
        let start = self.end();
        self.pool.extend(bytes);
        let end = self.end();
        self.list.push(Token { kind, start, end });
    }

    /// Where the pool ends. Its memory is held before: it has no four gigabytes.
    fn end(&self) -> u32 {
        u32::try_from(self.pool.len()).unwrap_or(u32::MAX)
    }

    /// Forgets the last tokens but the first `keep`.
    fn cut_back(&mut self, keep: usize) {
        let start = self.list.get(keep).map_or(0, |token| token.start);
        self.list.truncate(keep);
        self.pool.truncate(start as usize);
    }

    /// Cuts a script into tokens and resolves what can be resolved.
    fn cut(&mut self, script: &[u8], depth: usize) {
        let mut left = script;
        let mut has_evaluated = false;
        while let Some(byte) = left.first().copied() {
            let before = left.len();
            left = match byte {
                b'"' | b'\'' => self.text(left, byte),
                b'/' => self.slash(left),
                b'0'..=b'9' => self.number(left),
                _ if is_word(byte) => {
                    let (word, rest) = split_while(left, is_word);
                    self.push(Kind::Word, word);
                    rest
                }
                _ => {
                    let is_sign =
                        byte.is_ascii_graphic() && !matches!(byte, b'@' | b'#' | b'`' | b'\\');
                    if is_sign && !(has_evaluated && byte == b';') {
                        self.push(Kind::Sign, &[byte]);
                    }
                    has_evaluated &= byte.is_ascii_whitespace();
                    left.get(1..).unwrap_or_default()
                }
            };
            if byte == b')' && depth < EVAL_DEPTH_MAX {
                if self.unpack(depth) {
                    left = split_while(left, |byte| byte != b')').1;
                }
                has_evaluated = self.call(depth);
            } else if !byte.is_ascii_whitespace() && byte != b';' {
                has_evaluated = false;
            }
            debug_assert!(left.len() < before, "every round takes a byte");
        }
    }

    /// A string; what came before it and a plus sign joins it to the string before.
    fn text<'s>(&mut self, script: &'s [u8], quote: u8) -> &'s [u8] {
        let joins = self.back(1, Kind::Sign) == Some(b"+")
            && self.back(2, Kind::Text).is_some()
            && self.list.len() != self.sealed.saturating_add(1);
        if joins {
            self.list.pop();
        } else {
            self.push(Kind::Text, b"");
        }
        // What was joined lies at the end of the pool but for the plus sign.
        if joins {
            self.pool.pop();
        }
        let rest = unquoted(script.get(1..).unwrap_or_default(), quote, &mut self.pool);
        let end = self.end();
        if let Some(token) = self.list.last_mut() {
            token.end = end;
        }
        rest
    }

    /// A comment, a pattern or a sign.
    fn slash<'s>(&mut self, script: &'s [u8]) -> &'s [u8] {
        let after = script.get(1..).unwrap_or_default();
        match after.first() {
            // The peer has made spaces of line ends by now: a comment ends at the first.
            Some(b'/') => split_while(script, |byte| !byte.is_ascii_whitespace()).1,
            Some(b'*') => {
                let end = crate::fields::find(after, b"*/", 1);
                end.and_then(|end| after.get(end.saturating_add(2)..))
                    .unwrap_or_default()
            }
            _ => {
                let pattern = match self.may_begin_pattern() {
                    true => pattern_bytes(after),
                    false => None,
                };
                let count = pattern.map_or(1, |count| count.saturating_add(1));
                let (token, rest) = script.split_at_checked(count).unwrap_or((script, &[]));
                let kind = match pattern {
                    Some(_) => Kind::Pattern,
                    None => Kind::Sign,
                };
                self.push(kind, token);
                rest
            }
        }
    }

    fn may_begin_pattern(&self) -> bool {
        let Some(last) = self.list.last() else {
            return true;
        };
        match last.kind {
            Kind::Sign => !matches!(self.bytes(*last), b")" | b"]"),
            Kind::Word => self.bytes(*last) == b"return",
            Kind::Number | Kind::Text | Kind::Pattern => false,
        }
    }

    fn number<'s>(&mut self, script: &'s [u8]) -> &'s [u8] {
        let (whole, rest) = split_while(script, |byte| byte.is_ascii_digit());
        let Some(after) = rest.strip_prefix(b".") else {
            let written = integer(whole).to_string();
            self.push(Kind::Number, written.as_bytes());
            return rest;
        };
        let (fraction, mut rest) = split_while(after, |byte| byte.is_ascii_digit());
        let mut text = [whole, b".", fraction].concat();
        if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
            let sign = usize::from(matches!(exponent.first(), Some(b'+' | b'-')));
            let (sign, digits) = exponent.split_at_checked(sign).unwrap_or_default();
            let (digits, after) = split_while(digits, |byte| byte.is_ascii_digit());
            if !digits.is_empty() {
                text.extend([b"e", sign, digits].concat());
                rest = after;
            }
        }
        let written = short_number(&text);
        self.push(Kind::Number, written.as_bytes());
        rest
    }

    /// Resolves `}('text',radix,count,'words'.split('|')`, which packed scripts end with: each
    /// number in the text stands for a word. Whether it was that.
    fn unpack(&mut self, depth: usize) -> bool {
        let signs = [
            (1, ")"),
            (3, "("),
            (5, "."),
            (7, ","),
            (9, ","),
            (11, ","),
            (13, "("),
        ];
        let is_packed = signs
            .iter()
            .all(|(places, sign)| self.back(*places, Kind::Sign) == Some(sign.as_bytes()))
            && self.back(4, Kind::Word) == Some(b"split")
            && self.back(2, Kind::Text) == Some(b"|")
            && self.back(14, Kind::Sign) == Some(b"}");
        let parts = (
            self.back(12, Kind::Text),
            self.back(10, Kind::Number),
            self.back(6, Kind::Text),
        );
        let (true, (Some(text), Some(radix), Some(words))) = (is_packed, parts) else {
            return false;
        };
        let words: Vec<&[u8]> = words.split(|byte| *byte == b'|').collect();
        let unpacked = unpacked(text, (integer(radix).unsigned_abs(), &words), self.room);
        self.room = self.room.saturating_sub(unpacked.len());
        self.is_short_of_room |= self.room == 0;
        self.cut_back(self.list.len().saturating_sub(12));
        self.cut(&unpacked, depth.saturating_add(1));
        true
    }

    /// Resolves the call that ends here, if it is of `unescape` or `eval` with one string; whether
    /// it was evaluated.
    fn call(&mut self, depth: usize) -> bool {
        let is_call =
            self.back(3, Kind::Sign) == Some(b"(") && self.back(5, Kind::Sign) != Some(b".");
        let (Some(text), Some(name)) = (self.back(2, Kind::Text), self.back(4, Kind::Word)) else {
            return false;
        };
        let evaluates = name == b"eval";
        if !is_call || !(evaluates || name == b"unescape") {
            return false;
        }
        let text = text.to_vec();
        self.cut_back(self.list.len().saturating_sub(4));
        if !evaluates {
            self.push(Kind::Text, &unescaped(&text));
            self.sealed = self.list.len();
            return false;
        }
        let before = self.list.len();
        self.cut(&text, depth.saturating_add(1));
        // A word that nothing ends is not taken for one.
        let ends_open = self
            .list
            .last()
            .is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Number));
        if ends_open && self.list.len() > before {
            self.list.pop();
        }
        true
    }
}

/// The text with each number replaced by its word, as far as there is room.
fn unpacked(text: &[u8], (radix, words): (u32, &[&[u8]]), room: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut left = text;
    while !left.is_empty() && out.len() < room {
        let (word, rest) = split_while(left, is_word);
        let known = place_of(word, radix).and_then(|place| words.get(place));
        match known {
            Some(known) if !known.is_empty() => out.extend(*known),
            _ => out.extend(word),
        }
        let (other, rest) = split_while(rest, |byte| !is_word(byte));
        out.extend(other);
        left = rest;
    }
    out.truncate(room);
    out
}

/// The number that a word of digits, small and then large letters is.
fn place_of(word: &[u8], radix: u32) -> Option<usize> {
    let mut place = 0u32;
    for byte in word {
        let digit = match byte {
            b'0'..=b'9' => byte.wrapping_sub(b'0'),
            b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(10),
            b'A'..=b'Z' => byte.wrapping_sub(b'A').wrapping_add(36),
            _ => return None,
        };
        let digit = Some(u32::from(digit)).filter(|digit| *digit < radix)?;
        place = place.checked_mul(radix)?.checked_add(digit)?;
    }
    (!word.is_empty()).then_some(usize::try_from(place).ok()?)
}

/// Takes the content of a string up to its quote, with its escapes resolved.
fn unquoted<'s>(script: &'s [u8], quote: u8, out: &mut Vec<u8>) -> &'s [u8] {
    let mut left = script;
    while let Some((byte, rest)) = left.split_first() {
        left = rest;
        match *byte {
            byte if byte == quote => return left,
            b'\\' => left = escape(left, out),
            b'\n' => out.push(b' '),
            byte => out.push(byte),
        }
    }
    out.extend(END);
    left
}

/// What a backslash and the bytes behind it stand for.
fn escape<'s>(script: &'s [u8], out: &mut Vec<u8>) -> &'s [u8] {
    let Some((byte, rest)) = script.split_first() else {
        return script;
    };
    match byte {
        b'n' | b't' | b'r' | b'\n' => out.push(b' '),
        b'0' => out.push(1),
        b'x' => {
            if let Some((number, rest)) = hex(rest, 2) {
                out.extend(u8::try_from(number).ok().map(|byte| byte.max(1)));
                return rest;
            }
            out.push(*byte);
        }
        b'u' => {
            if let Some((number, rest)) = hex(rest, 4) {
                push_unicode(number, out);
                return rest;
            }
            out.push(*byte);
        }
        byte => out.push(*byte),
    }
    rest
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((byte, rest)) = left.split_first() {
        left = rest;
        if *byte != b'%' {
            out.push(*byte);
        } else if let Some((number, rest)) = rest.strip_prefix(b"u").and_then(|rest| hex(rest, 4)) {
            push_unicode(number, &mut out);
            left = rest;
        } else if let Some((number, rest)) = hex(rest, 2) {
            out.extend(u8::try_from(number).ok());
            left = rest;
        } else {
            out.push(*byte);
        }
    }
    out
}

fn hex(bytes: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (text, rest) = bytes.split_at_checked(digits)?;
    let mut number = 0u32;
    for digit in text {
        let value = char::from(*digit).to_digit(16)?;
        number = number.wrapping_shl(4) | value;
    }
    Some((number, rest))
}

fn push_unicode(number: u32, out: &mut Vec<u8>) {
    let letter = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    let mut bytes = [0; 4];
    out.extend(letter.encode_utf8(&mut bytes).as_bytes());
}

fn split_while(bytes: &[u8], holds: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !holds(*byte));
    bytes
        .split_at_checked(end.unwrap_or(bytes.len()))
        .unwrap_or((bytes, &[]))
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

/// How long a pattern is behind its first slash, with its second: none with white space in it.
fn pattern_bytes(after: &[u8]) -> Option<usize> {
    /// The peer's are not bounded; a longer one would make many slashes slow.
    const PATTERN_BYTES_MAX: usize = 1024;
    let mut is_escaped = false;
    for (index, byte) in after.iter().take(PATTERN_BYTES_MAX).enumerate() {
        match byte {
            _ if byte.is_ascii_whitespace() => return None,
            b'/' if !is_escaped => return Some(index.saturating_add(1)),
            _ => is_escaped = *byte == b'\\' && !is_escaped,
        }
    }
    None
}

/// The low 32 bits, signed.
fn integer(digits: &[u8]) -> i32 {
    let number = digits.iter().fold(0u32, |number, digit| {
        let digit = u32::from(digit.wrapping_sub(b'0'));
        number.wrapping_mul(10).wrapping_add(digit)
    });
    number.cast_signed()
}

/// Six digits, as C's `%g` writes them.
fn short_number(text: &[u8]) -> String {
    let value: f64 = String::from_utf8_lossy(text).parse().unwrap_or(0.0);
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text.to_string(),
    };
    if (-4..6).contains(&exponent) {
        let places = usize::try_from(5i32.saturating_sub(exponent)).unwrap_or(0);
        return trimmed(&format!("{value:.places$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(script: &str) -> String {
        let mut out = Vec::new();
        normalise(script.as_bytes(), script.len() * 4, &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let inner = out.strip_prefix("<script>").unwrap();
        inner.strip_suffix("</script>").unwrap().to_string()
    }

    #[test]
    fn names_are_numbered_where_they_are_declared() {
        for (script, expected) in [
            (
                "var a=1;var B = a+2;b++;",
                "var n000=1;var n001=n000+2;b++;",
            ),
            (
                "function Foo(A,B){var C=A; this.A=B; return C} Foo(1,2); A;",
                "function n000(n001,n002){var n003=n001;this.a=n002;return n003}foo(1,2);a;",
            ),
            (
                "var a;{var a;function b(a){a}}a",
                "var n001;{var n001;function n002(n003){n003}}n001",
            ),
            ("var a=f(b,c), d; d", "var n000=f(b,n001),n002;n002"),
        ] {
            assert_eq!(normalised(script), expected, "{script}");
        }
    }

    #[test]
    fn strings_are_joined_and_resolved() {
        for (script, expected) in [
            (r#""A" + 'b' + c + "d"+"e""#, r#""ab"+c+"de""#),
            (r#"unescape('%3Cb%u0042%zz')"#, r#""<bb%zz""#),
            (r#"eval("var Z=" + "1;Z")+Z"#, r#"var n000=1;+n000"#),
            (r#"eval("alert('Hi')");y"#, r#"alert("hi")y"#),
            (r#"x.unescape("%41")"#, r#"x.unescape("%41")"#),
            (
                r#""a\x41\u0041\n\0\q""#,
                "\"aaa  \u{1}q\"".replace("  ", " ").as_str(),
            ),
        ] {
            assert_eq!(normalised(script), expected, "{script}");
        }
    }

    #[test]
    fn white_space_comments_and_numbers_take_one_form() {
        for (script, expected) in [
            ("x //c1\ny /* c2 */ z // c3", "x y z c3"),
            (
                "1.5e3 010 12345.678 1.e-7 0x1F",
                "1500 10 12345.7 1e-07 0 x1f",
            ),
            ("a=/re[/]x/gi; b=a/c/d", "a=/re[/]x/gi;b=a/c/d"),
            ("return /x/; typeof \"y\"", "return/x/;typeof\"y\""),
        ] {
            assert_eq!(normalised(script), expected, "{script}");
        }
    }

    #[test]
    fn packed_scripts_are_unpacked_within_their_room() {
        let packed =
            "eval(function(p,a,c){return p}('0 1=\"2\";3',62,4,'var|foo|bar|'.split('|'),0,{}))";
        assert_eq!(
            normalised(packed),
            "eval(function(n000,n001,n002){return n000}(var n003=\"bar\";3))"
        );
        let word = "long".repeat(1000);
        let bomb = format!("}}('{}',10,1,'{word}'.split('|'),0)", "0 ".repeat(10_000));
        let mut out = Vec::new();
        let done = normalise(bomb.as_bytes(), bomb.len() * 4, &mut out);
        assert_eq!(done, Err(Reason::LimitRatio));
        assert!(out.len() < bomb.len() * 6);
    }

    #[test]
    fn nesting_and_repetition_stay_linear() {
        let deep = "function(){var a;".repeat(100_000);
        assert!(normalised(&deep).len() > deep.len());
        let mut code = "x".to_string();
        for _ in 0..12 {
            let quoted = code.replace('\\', "\\\\").replace('"', "\\\"");
            code = format!("eval(\"{quoted}\")");
        }
        normalised(&code);
        normalised(&"\"a\"+".repeat(100_000));
        normalised(&"=/".repeat(200_000));
    }
}
