//! What every Rust file keeps to.

use super::source::Source;
use crate::Problems;

const LINES_MAX: usize = 600;
const VAGUE_NAMES: &[&str] = &[
    "utils", "util", "common", "helpers", "helper", "core", "misc",
];
const UNSAFE_FOLDERS: &[&str] = &["sys/kernel/", "sys/simd/"];
const PANIC_LINTS: &[&str] = &[
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::indexing_slicing",
    "clippy::panic",
    "clippy::arithmetic_side_effects",
];
/// Code that must not stand anywhere, and what to do instead.
const REFUSED_CODE: &[(&str, &str)] = &[
    ("todo!", "finish it, or leave it out"),
    ("unimplemented!", "finish it, or leave it out"),
    ("#[allow(", "use #[expect(…, reason = \"…\")]"),
    ("#![allow(", "use #![expect(…, reason = \"…\")]"),
    (
        "#[ignore",
        "a test that doesn't run proves nothing: make it run, or remove it",
    ),
    ("fn get_", "name it without get_"),
];
const REFUSED_COMMENTS: &[&str] = &["TODO", "FIXME", "XXX", "Placeholder"];
/// What a pure crate has no business with: files, the network, processes, clocks, terminals.
const REFUSED_IN_PURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
    "stdin",
    "stdout",
    "stderr",
    "println!",
    "eprintln!",
    "Instant",
    "SystemTime",
];
/// First folders of paths that exist on one machine only.
const MACHINE_FOLDERS: &[&str] = &["work", "home", "tmp"];

/// Looks at one file.
pub(crate) fn check(path: &str, text: &str) -> Problems {
    let source = Source::new(text);
    let tests = match is_test_file(path) {
        true => vec![true; source.code.lines().count()],
        false => source.test_lines(),
    };
    let mut problems = Problems::new();
    if !text.starts_with("//!") {
        problems.push(format!("{path}: open it with //! and what the file is for"));
    }
    let lines = tests.iter().filter(|test| !**test).count();
    if lines > LINES_MAX {
        problems.push(format!(
            "{path}: {lines} lines without tests; split it at {LINES_MAX}"
        ));
    }
    if let Some(name) = vague_name(path) {
        problems.push(format!(
            "{path}: \"{name}\" says nothing; name it for what is in it"
        ));
    }
    problems.extend(refused_lines(path, &source));
    problems.extend(machine_paths(path, &source, &tests));
    if path.starts_with("pure/") {
        problems.extend(outside_world(path, &source, &tests));
    }
    problems
}

/// A pure crate's `lib.rs` turns every way to panic into an error.
pub(crate) fn panics_denied(path: &str, text: &str) -> Problems {
    let code = Source::new(text).code;
    let denied = code.split_once("deny(").map(|(_, list)| list);
    let list = denied.and_then(|list| list.split(')').next());
    PANIC_LINTS
        .iter()
        .filter(|lint| !list.is_some_and(|list| list.split(',').any(|name| name.trim() == **lint)))
        .map(|lint| format!("{path}: deny {lint}, as every pure crate does"))
        .collect()
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

fn vague_name(path: &str) -> Option<&'static str> {
    let mut parts = path.trim_end_matches(".rs").split('/');
    parts.find_map(|part| VAGUE_NAMES.iter().copied().find(|name| *name == part))
}

fn refused_lines(path: &str, source: &Source) -> Problems {
    let mut problems = Problems::new();
    let unsafe_is_fine = UNSAFE_FOLDERS.iter().any(|folder| path.starts_with(folder));
    for (number, (code, comment)) in (1..).zip(source.code.lines().zip(source.comments.lines())) {
        for (refused, remedy) in REFUSED_CODE {
            if code.contains(refused) {
                problems.push(format!("{path}:{number}: {refused}: {remedy}"));
            }
        }
        if !unsafe_is_fine && has_word(code, "unsafe") {
            problems.push(format!(
                "{path}:{number}: unsafe stands only in sys/kernel and sys/simd"
            ));
        }
        for refused in REFUSED_COMMENTS {
            if has_word(comment, refused) {
                problems.push(format!(
                    "{path}:{number}: {refused}: do it, or open an issue"
                ));
            }
        }
        if let Some(name) = VAGUE_NAMES.iter().find(|name| has_module(code, name)) {
            problems.push(format!("{path}:{number}: module \"{name}\" says nothing"));
        }
    }
    problems
}

fn outside_world(path: &str, source: &Source, tests: &[bool]) -> Problems {
    let mut problems = Problems::new();
    for ((number, code), test) in (1..).zip(source.code.lines()).zip(tests) {
        // `use std::{fs, net}` would hide a name behind its brace.
        let code = code
            .replace("std::{", "std::{ std::")
            .replace(", ", ", std::");
        let refused = REFUSED_IN_PURE
            .iter()
            .find(|refused| has_path(&code, refused));
        if let (false, Some(refused)) = (test, refused) {
            problems.push(format!(
                "{path}:{number}: {refused}: a pure crate takes bytes and gives values, nothing else"
            ));
        }
    }
    problems
}

fn has_path(code: &str, path: &str) -> bool {
    code.split(|letter: char| !letter.is_alphanumeric() && !"_:!".contains(letter))
        .any(|word| {
            word == path
                || word.starts_with(&format!("{path}::"))
                || word.ends_with(&format!("::{path}"))
        })
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|part| part == word)
}

fn has_module(code: &str, name: &str) -> bool {
    let mut words = code.split_whitespace();
    words.any(|word| word == "mod")
        && words
            .next()
            .is_some_and(|word| word.trim_end_matches([';', '{']) == name)
}

fn machine_paths(path: &str, source: &Source, tests: &[bool]) -> Problems {
    let mut problems = Problems::new();
    let lines = source.strings.lines().zip(source.comments.lines());
    for ((number, (text, comment)), test) in (1..).zip(lines).zip(tests) {
        let folder = MACHINE_FOLDERS.iter().find(|folder| {
            let start = format!("/{folder}/");
            let is_fine = *test && **folder != "work";
            !is_fine && (text.contains(&start) || comment.contains(&start))
        });
        if let Some(folder) = folder {
            problems.push(format!(
                "{path}:{number}: a path under /{folder} exists on one machine only"
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> String {
        check(path, text).join("\n")
    }

    #[test]
    fn a_sound_file_passes() {
        let text = "//! What it is for.\n\n/// A thing, unsafe to touch.\npub fn thing() -> &'static str {\n    \"todo!\"\n}\n";
        assert_eq!(said("pure/x/src/thing.rs", text), "");
    }

    #[test]
    fn a_file_says_what_it_is_for() {
        assert!(said("a.rs", "use x;\n").contains("open it with //!"));
    }

    #[test]
    fn length_counts_without_tests() {
        let long = format!("//! Long.\n{}", "fn a() {}\n".repeat(600));
        assert!(said("a.rs", &long).contains("601 lines"));
        assert_eq!(said("pure/x/tests/a.rs", &long), "");
        let tests = format!(
            "//! Tests.\n#[cfg(test)]\nmod t {{\n{}}}\n",
            "fn a() {}\n".repeat(700)
        );
        assert_eq!(said("a.rs", &tests), "");
    }

    #[test]
    fn unfinished_and_waived_code_is_refused() {
        let lines = [
            "fn a() { todo!() }",
            "fn a() { unimplemented!() }",
            "#[allow(dead_code)]",
            "#![allow(dead_code)]",
            "#[ignore = \"slow\"]",
            "fn get_size() {}",
            "// TODO: later",
            "// FIXME",
            "fn a() { unsafe { b() } }",
            "mod utils;",
            "pub mod helpers {",
        ];
        for line in lines {
            let text = format!("//! File.\n{line}\n");
            assert!(!said("pure/x/src/a.rs", &text).is_empty(), "{line}");
        }
    }

    #[test]
    fn unsafe_has_two_homes() {
        let text = "//! File.\nfn a() { unsafe { b() } }\n";
        assert_eq!(said("sys/kernel/src/a.rs", text), "");
        assert_eq!(said("sys/simd/src/a.rs", text), "");
        assert!(said("sys/pool/src/a.rs", text).contains("a.rs:2: unsafe"));
        assert!(said("tests/tests/a.rs", text).contains("a.rs:2: unsafe"));
    }

    #[test]
    fn a_pure_crate_does_not_look_outside() {
        let lines = [
            "use std::fs;",
            "use std::{cmp, net};",
            "fn a() { std::process::exit(1) }",
            "fn a() { println!() }",
            "fn a() { io::stdout().lock() }",
            "fn a() { let t = Instant::now(); }",
        ];
        for line in lines {
            let text = format!("//! File.\n{line}\n");
            assert!(
                said("pure/x/src/a.rs", &text).contains("a pure crate"),
                "{line}"
            );
            assert_eq!(said("sys/x/src/a.rs", &text), "", "{line}");
            assert_eq!(said("pure/x/tests/a.rs", &text), "", "{line}");
        }
        let fine = "//! File.\nuse std::io::Read;\nuse std::fmt;\nuse x::{environment, fs_size};\n";
        assert_eq!(said("pure/x/src/a.rs", fine), "");
    }

    #[test]
    fn names_say_something() {
        assert!(said("pure/x/src/utils.rs", "//! F.\n").contains("says nothing"));
        assert!(said("pure/common/src/lib.rs", "//! F.\n").contains("says nothing"));
        assert_eq!(said("pure/x/src/corelib.rs", "//! F.\n"), "");
    }

    #[test]
    fn paths_of_one_machine_stay_out() {
        for folder in MACHINE_FOLDERS {
            let text = format!("//! F.\nconst A: &str = \"/{folder}/x\";\n");
            assert!(said("pure/x/src/a.rs", &text).contains(":2: a path under"));
        }
        let tmp = format!("//! F.\nconst A: &str = \"/{}/x\";\n", "tmp");
        assert_eq!(said("tests/tests/a.rs", &tmp), "");
    }
}
