//! Help, manual pages, completions and `doctor`, as a user meets them.

use std::fs;
use std::path::Path;
use std::process::Command;

use acceptance::cli::{Scene, candor, run};
use acceptance::schema::Schema;

/// Runs a checker on a file, or says that it is not installed.
fn check(program: &str, arguments: &[&str], file: &Path) {
    match Command::new(program).args(arguments).arg(file).output() {
        Ok(output) => assert!(output.status.success(), "{program}: {output:?}"),
        Err(_) => println!("skipped: `{program}` is not installed"),
    }
}

#[test]
fn help_has_examples_and_exit_codes() {
    for arguments in [&["--help"][..], &["scan", "--help"], &["scan", "-h"]] {
        let ran = run(candor().args(arguments));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        for part in ["Examples:", "Exit codes:", "was incomplete or failed"] {
            assert!(ran.out.contains(part), "{part:?} in {ran:?}");
        }
    }
    let version = run(candor().arg("--version"));
    assert!(version.out.starts_with("candor "), "{version:?}");
    assert_eq!(
        run(&mut candor()).code,
        Some(2),
        "nothing asked is wrong usage"
    );
}

#[test]
fn completions_are_scripts_that_their_shells_read() {
    let scene = Scene::default();
    for (shell, checker) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let ran = run(candor().args(["completions", shell]));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("quarantine"), "{shell}: {ran:?}");
        let file = scene.write(shell, &ran.out);
        check(checker, &["-n"], &file);
    }
}

#[test]
fn manual_pages_render() {
    let scene = Scene::default();
    let page = run(candor().arg("man"));
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.out.contains(".TH candor 1"), "{page:?}");
    let named = run(candor().args(["man", "rules-build"]));
    assert!(named.out.contains("strict"), "{named:?}");
    let unknown = run(candor().args(["man", "poetry"]));
    assert_eq!(unknown.code, Some(2));
    assert!(unknown.err.contains("candor-scan"), "{unknown:?}");
    let dir = scene.at("man");
    assert_eq!(run(candor().args(["man", "--dir"]).arg(&dir)).code, Some(0));
    let mut pages: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    pages.sort();
    assert!(pages.len() >= 8, "{pages:?}");
    for page in pages {
        check("man", &["--warnings", "-l"], &page);
    }
}

#[test]
fn doctor_says_that_the_jail_holds() {
    let ran = run(candor().arg("doctor"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(ran.out.lines().last(), Some("the jail holds"), "{ran:?}");
    for part in [
        "seccomp",
        "landlock-files",
        "openat",
        "signatures: ",
        "worker: ",
        "kernel: ",
    ] {
        assert!(ran.out.contains(part), "{part:?} in {ran:?}");
    }
    let json = run(candor().args(["doctor", "--json"]));
    let lines = json.json();
    assert_eq!(lines.len(), 1);
    Schema::published("doctor").check(&lines[0]);
    assert_eq!(lines[0]["holds"], true);
}
