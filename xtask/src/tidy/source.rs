//! A Rust file taken apart into code, comments and strings, each with the lines where they were.
//!
//! It knows as much of the language as that needs: literals, lifetimes, nested comments. It does
//! not parse.

/// The three layers of a file; what belongs to another layer is blank.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub(crate) code: String,
    pub(crate) comments: String,
    pub(crate) strings: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    Text,
}

impl Source {
    /// Takes a file's text apart.
    pub(crate) fn new(text: &str) -> Self {
        let mut lexer = Lexer {
            left: text.chars().collect(),
            at: 0,
            source: Self::default(),
        };
        while let Some(next) = lexer.peek(0) {
            lexer.step(next);
        }
        lexer.source
    }

    /// For each line whether it belongs to an item that only tests see.
    pub(crate) fn test_lines(&self) -> Vec<bool> {
        let lines: Vec<&str> = self.code.lines().collect();
        let mut marks = vec![false; lines.len()];
        let mut number = 0;
        while let Some(line) = lines.get(number) {
            let length = match is_test_attribute(line) {
                true => item_length(lines.get(number..).unwrap_or_default()),
                false => 0,
            };
            for mark in marks.iter_mut().skip(number).take(length) {
                *mark = true;
            }
            number += length.max(1);
        }
        marks
    }
}

fn is_test_attribute(line: &str) -> bool {
    let line = line.trim_start();
    ["#[cfg(test)]", "#[cfg(all(test", "#[test]"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Lines up to the closing brace of the item that starts here, or to its semicolon.
fn item_length(lines: &[&str]) -> usize {
    let mut depth = 0usize;
    for (number, line) in (1..).zip(lines) {
        let code = line.trim_start();
        if code.starts_with("#[") {
            continue;
        }
        for letter in code.chars() {
            match letter {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && (letter == '}' || letter == ';') {
                return number;
            }
        }
    }
    lines.len()
}

struct Lexer {
    left: Vec<char>,
    at: usize,
    source: Source,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.left.get(self.at + ahead).copied()
    }

    fn step(&mut self, next: char) {
        match (next, self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) if self.is_character() => self.character(),
            ('r', _) if self.raw_hashes().is_some() => self.raw_string(),
            _ => self.take(Kind::Code),
        }
    }

    fn take(&mut self, kind: Kind) {
        let Some(letter) = self.peek(0) else {
            return;
        };
        let shown = |layer| match letter {
            '\n' => '\n',
            _ if layer == kind => letter,
            _ => ' ',
        };
        self.source.code.push(shown(Kind::Code));
        self.source.comments.push(shown(Kind::Comment));
        self.source.strings.push(shown(Kind::Text));
        self.at += 1;
    }

    fn take_many(&mut self, count: usize, kind: Kind) {
        for _ in 0..count {
            self.take(kind);
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|letter| letter != '\n') {
            self.take(Kind::Comment);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0usize;
        while let Some(letter) = self.peek(0) {
            match (letter, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth = depth.saturating_sub(1),
                _ => {
                    self.take(Kind::Comment);
                    continue;
                }
            }
            self.take_many(2, Kind::Comment);
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.take(Kind::Code);
        while let Some(letter) = self.peek(0) {
            match letter {
                '"' => return self.take(Kind::Code),
                '\\' => self.take_many(2, Kind::Text),
                _ => self.take(Kind::Text),
            }
        }
    }

    /// Tells `'a'` from the lifetime `'a`.
    fn is_character(&self) -> bool {
        self.peek(1) == Some('\\') || self.peek(2) == Some('\'')
    }

    fn character(&mut self) {
        self.take(Kind::Code);
        while let Some(letter) = self.peek(0) {
            match letter {
                '\'' => return self.take(Kind::Code),
                '\\' => self.take_many(2, Kind::Text),
                _ => self.take(Kind::Text),
            }
        }
    }

    /// How many `#` a raw string that starts here has.
    fn raw_hashes(&self) -> Option<usize> {
        let before = |back: usize| {
            let at = self.at.checked_sub(back)?;
            self.left.get(at).copied()
        };
        let is_name = |letter: Option<char>| {
            letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
        };
        let prefixed = matches!(before(1), Some('b' | 'c')) && !is_name(before(2));
        if is_name(before(1)) && !prefixed {
            return None;
        }
        let hashes = (1..)
            .take_while(|ahead| self.peek(*ahead) == Some('#'))
            .count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or_default();
        self.take_many(hashes + 2, Kind::Code);
        while self.peek(0).is_some() {
            let closed = self.peek(0) == Some('"')
                && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if closed {
                return self.take_many(hashes + 1, Kind::Code);
            }
            self.take(Kind::Text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_comments_and_strings_come_apart() {
        let source = Source::new("let a = \"x // y\"; // z \"q\"\n/* b /* c */ d */ e\n");
        assert_eq!(
            source.code,
            "let a = \"      \";         \n                  e\n"
        );
        assert!(source.comments.contains("// z \"q\""));
        assert!(source.strings.contains("x // y"));
        assert!(!source.comments.contains("// y"));
    }

    #[test]
    fn raw_strings_and_characters_end_where_they_should() {
        let source = Source::new(
            "f(r#\"a\"b\"#, '\"', '\\'', br\"\\\", 'x'); g::<'a>(\"s\") for r in r#type {}",
        );
        assert_eq!(
            source.code,
            "f(r#\"   \"#, ' ', '  ', br\" \", ' '); g::<'a>(\" \") for r in r#type {}"
        );
    }

    #[test]
    fn an_escaped_quote_does_not_end_a_string() {
        let source = Source::new("a(\"b\\\"c\"); d");
        assert_eq!(source.code, "a(\"    \"); d");
    }

    #[test]
    fn test_items_are_marked_to_their_end() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}\n";
        let marks = Source::new(text).test_lines();
        let marked: Vec<usize> = (1..)
            .zip(marks)
            .filter_map(|(number, mark)| mark.then_some(number))
            .collect();
        assert_eq!(marked, [2, 3, 4, 5, 6, 8, 9]);
    }
}
