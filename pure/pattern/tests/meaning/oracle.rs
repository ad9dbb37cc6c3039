//! PCRE2, asked through `pcre2test`: what it says of many patterns and subjects at once.

use std::fmt;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use pattern::Flags;

/// A pattern, and what it is looked for in and from where.
pub(crate) struct Case {
    pub(crate) pattern: Vec<u8>,
    pub(crate) flags: Flags,
    pub(crate) subjects: Vec<(Vec<u8>, usize)>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pattern = String::from_utf8_lossy(&self.pattern);
        write!(f, "{pattern:?} with {:?}", self.flags)
    }
}

/// What PCRE2 says of one of them.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It does not compile: the number of the error.
    Refused(u32),
    /// The match in each subject, if there is one; nothing where a limit was reached.
    Matches(Vec<Option<Option<(usize, usize)>>>),
}

/// The answers, in order; none where the program is not installed.
pub(crate) fn ask(cases: &[Case]) -> Option<Vec<Answer>> {
    let mut child = Command::new("pcre2test")
        .arg("-q")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("a pipe");
    let text: String = cases.iter().map(asked).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("it writes").expect("it reads");
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut lines = output.lines().peekable();
    let mut answers = Vec::new();
    for case in cases {
        answers.push(answer(case, &mut lines));
    }
    Some(answers)
}

fn asked(case: &Case) -> String {
    let mut text = String::from("/");
    for byte in &case.pattern {
        write!(text, "{byte:02x} ").expect("strings are written to");
    }
    // Two of its optimisations are wrong for some patterns in 10.42: `(a|^b){0}b` with the flag m
    // does not match "ab" with the one, nor `aa{2,}(?:b)?+aa` "aaaaaa" with the other.
    text.push_str("/hex,aftertext,no_start_optimize,no_auto_possess");
    let names = [
        (Flags::CASELESS, ",caseless"),
        (Flags::DOT_ALL, ",dotall"),
        (Flags::MULTILINE, ",multiline"),
        (Flags::EXTENDED, ",extended"),
        (Flags::ANCHORED, ",anchored"),
        (Flags::DOLLAR_END_ONLY, ",dollar_endonly"),
        (Flags::UNGREEDY, ",ungreedy"),
    ];
    for (flag, name) in names {
        if case.flags.contains(flag) {
            text.push_str(name);
        }
    }
    text.push('\n');
    for (subject, from) in &case.subjects {
        text.push_str("  ");
        for byte in subject {
            write!(text, "\\x{byte:02x}").expect("strings are written to");
        }
        writeln!(
            text,
            "\\=offset={from},match_limit=200000,depth_limit=20000"
        )
        .expect("strings are written to");
    }
    text.push('\n');
    text
}

fn answer<'t>(
    case: &Case,
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'t str>>,
) -> Answer {
    let echo = lines.by_ref().find(|line| line.starts_with('/'));
    assert!(echo.is_some(), "{case}: it says nothing of this pattern");
    let mut refused = None;
    let mut matches = Vec::new();
    while let Some(line) = lines.next_if(|line| !line.starts_with('/')) {
        if let Some(error) = line.strip_prefix("Failed: error ") {
            let number = error.split(' ').next().unwrap_or_default();
            match number.trim_end_matches(':').parse::<i32>() {
                Ok(number) if number > 0 => refused = Some(number.unsigned_abs()),
                _ => *matches.last_mut().expect("a subject") = None,
            }
        } else if line.starts_with("  ") && line.contains("\\=offset=") {
            matches.push(Some(None));
        } else if let Some(found) = line.strip_prefix(" 0: ") {
            let rest = lines.next().and_then(|line| line.strip_prefix(" 0+ "));
            let rest = length(rest.unwrap_or_default());
            let (subject, _) = &case.subjects[matches.len() - 1];
            let end = subject.len() - rest;
            let start = end - length(found);
            *matches.last_mut().expect("a subject") = Some(Some((start, end)));
        } else if line.starts_with("Error -") {
            *matches.last_mut().expect("a subject") = None;
        }
    }
    match refused {
        Some(number) => Answer::Refused(number),
        None => {
            assert_eq!(matches.len(), case.subjects.len(), "{case}");
            Answer::Matches(matches)
        }
    }
}

/// How many bytes are printed here: what can't be printed is `\x` and two digits. No subject has a
/// backslash.
fn length(printed: &str) -> usize {
    printed.len() - 3 * printed.matches("\\x").count()
}
