//! Regular expressions of member names and links: POSIX's extended ones, in the dialect of the
//! library that the peer is built with (its answers were measured, `tests/tests/cdb.rs` asks
//! again). An expression becomes a small automaton that lies in the pack and is run in place, in
//! steps that are known beforehand.
//!
//! It refuses back references, words (`\<`, `[[:<:]]`) and names of several characters in
//! brackets, and everything that the peer refuses.

mod emit;
mod parse;
mod run;

pub use run::{Pattern, Threads};

use crate::hash::LineTrouble;

/// Compiles an expression to what [`Pattern`] reads.
pub(crate) fn compile(text: &[u8]) -> Result<Vec<u8>, LineTrouble> {
    let (text, case) = match text.strip_prefix(b"(?i)") {
        Some(rest) => (rest, Case::Either),
        None => (text, Case::AsWritten),
    };
    let node = parse::parse(text, case)?;
    emit::emit(&node, case)
}

/// Whether letters stand for both their forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    AsWritten,
    Either,
}

/// A set of bytes, one bit each.
type Class = [u8; 32];

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    /// Nothing.
    Empty,
    /// This byte.
    Byte(u8),
    /// This letter, small or capital; here it is small.
    Letter(u8),
    /// Any byte.
    Any,
    /// One of a set.
    Class(Box<Class>),
    /// The beginning of the text.
    Begin,
    /// Its end.
    End,
    /// One after the other.
    Sequence(Vec<Self>),
    /// One of them.
    Choice(Vec<Self>),
    /// So many times.
    Repeat {
        node: Box<Self>,
        least: u16,
        most: Option<u16>,
    },
}

const MATCH: u8 = 0;
const BYTE: u8 = 1;
const ANY: u8 = 2;
const CLASS: u8 = 3;
const SPLIT: u8 = 4;
const BEGIN: u8 = 5;
const END: u8 = 6;
const STEP_BYTES: usize = 5;
const CLASS_BYTES: usize = 32;
/// Length of the needle u8, whether case is folded u8, steps u16, classes u16.
const HEAD_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(pattern: &str, text: &str) -> char {
        let text: Vec<u8> = text.bytes().collect();
        match compile(pattern.as_bytes()) {
            Err(_) => 'x',
            Ok(bytes) => {
                let pattern = Pattern::read(&bytes).expect("what was written is read");
                match pattern.is_match(&text, &mut Threads::default()) {
                    true => '+',
                    false => '-',
                }
            }
        }
    }

    /// As clamscan 1.4.6 answered, these three tables.
    const MATCHING: [(&str, &str); 45] = [
        ("one", "one.txt"),
        ("o+ne", "one.txt"),
        ("on{1,2}e", "one.txt"),
        ("(?i)ONE", "xone"),
        ("(?i)^ONE$", "one"),
        ("(?i)[A-P]NE", "one"),
        ("a{", "a{"),
        ("a{x", "a{x"),
        ("{", "{"),
        ("a{2}", "aa"),
        ("^a{2,}$", "aaaa"),
        ("^a{0,1}b", "b"),
        ("(a*)*b", "b"),
        ("(a*)+b", "aab"),
        (")", "a)"),
        ("a)", "a)"),
        ("()", "a"),
        ("a()b", "ab"),
        ("[]]", "]"),
        ("[]a]", "a"),
        ("[^]]", "a"),
        ("[a-]", "-"),
        ("[-a]", "-"),
        ("[a\\]]", "a]"),
        ("[\\d]", "\\"),
        ("[[.a.]]", "a"),
        ("[[=a=]]", "a"),
        ("[a[]", "["),
        ("[[.-.]-0]", "/"),
        ("\\.", "."),
        ("\\n", "n"),
        ("\\(a\\)", "(a)"),
        ("(a)\\1", "a1"),
        ("(^a)", "a"),
        ("a$|b", "xb"),
        ("x*^a", "a"),
        ("^^a", "a"),
        ("a$$", "a"),
        ("^", "a"),
        ("$", "a"),
        ("$*", "a"),
        (".", "\u{fc}"),
        ("a.b", "a\nb"),
        ("[^a]b", "\nb"),
        ("x?", "one"),
    ];

    const OTHER: [(&str, &str); 19] = [
        ("ONE", "one.txt"),
        ("^ne", "one.txt"),
        ("^one$", "one.txt"),
        ("one\\d", "one1"),
        ("^a{2}$", "aaa"),
        ("^a{,2}$", "aa"),
        ("^a{0}$", "b"),
        ("(?i)[^O]NE", "one"),
        ("\\n", "\n"),
        ("(a)\\1", "aa"),
        ("a^b", "a^b"),
        ("a$b", "a$b"),
        ("(^a)", "ba"),
        ("b(^a)", "ba"),
        ("(a$)b", "ab"),
        ("$a", "a"),
        ("^b", "a\nb"),
        ("a$", "a\nb"),
        ("(?i)\u{fc}", "\u{dc}"),
    ];

    const REFUSED: [&str; 32] = [
        "",
        "one.*?txt",
        "a{2",
        "(",
        "[z",
        "o**ne",
        "^(?i)ONE",
        "(?I)ONE",
        "(?i)",
        "{1}",
        "a{256}",
        "a{3,2}",
        "a{1}{2}",
        "a+*",
        "(|a)",
        "a|",
        "|a",
        "a||b",
        "(a|)",
        "[z-a]",
        "[]",
        "[^]",
        "[a-c-e]",
        "[[.foo.]]",
        "*a",
        "^*",
        "(*a)",
        "(^*a)",
        "a|*b",
        "a^*",
        "\\",
        "a\\",
    ];

    #[test]
    fn expressions_mean_what_they_mean_to_the_peer() {
        for (pattern, text) in MATCHING {
            assert_eq!(answer(pattern, text), '+', "{pattern:?} on {text:?}");
        }
        for (pattern, text) in OTHER {
            assert_eq!(answer(pattern, text), '-', "{pattern:?} on {text:?}");
        }
        for pattern in REFUSED {
            assert_eq!(answer(pattern, "a"), 'x', "{pattern:?}");
        }
        assert_eq!(answer("a{255}", &"a".repeat(255)), '+');
        assert_eq!(answer("a{255}", &"a".repeat(254)), '-');
    }

    #[test]
    fn hostile_expressions_are_refused_in_time() {
        let deep = "(".repeat(100_000);
        let nested = format!("{}{}", "(".repeat(40), "){255}".repeat(40));
        let long = "(((a{255}){255}){255}){255}";
        for pattern in [deep.as_str(), &nested, long] {
            assert_eq!(answer(pattern, "a"), 'x', "{:.40}", pattern);
        }
    }

    #[test]
    fn damaged_automata_end_and_cut_ones_are_none() {
        let whole = compile(b"(ab|c[de]*)+f").expect("it is right");
        let mut matches = 0;
        for at in 0..whole.len() {
            assert!(Pattern::read(&whole[..at]).is_none(), "cut at {at}");
            for value in [0, 3, 4, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                if let Some(pattern) = Pattern::read(&damaged) {
                    let is_match = pattern.is_match(b"xxabcdef", &mut Threads::default());
                    matches += usize::from(is_match);
                }
            }
        }
        assert!(matches > 0, "some damage must leave it as it was");
    }
}
