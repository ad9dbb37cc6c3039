//! The instructions that a fixed scan takes are those that were written down, give or take a few
//! percent. They are counted by valgrind, which needs nothing of the processor and is not disturbed
//! by whatever else the machine does.
//!
//! Where a change makes them more or fewer for a good reason, they are written down again by
//! `CANDOR_COUNT=write cargo test -p acceptance --test instructions`.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use acceptance::cli::built_folder;

/// How far a count may be from what is written down, in percent.
const TOLERANCE_PERCENT: u64 = 2;
const TASKS: [&str; 2] = ["compile", "scan"];

fn reference() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/instructions.txt")
}

/// What a run of the program takes; `None` where nothing can count it.
fn count(task: &str) -> Option<u64> {
    let ran = Command::new("valgrind")
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(built_folder().join("fixed-scan"))
        .arg(task)
        .output();
    let Ok(ran) = ran else {
        println!("skipped: a scan's instructions are not counted (valgrind is not installed)");
        return None;
    };
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{said}");
    let line = said.lines().find(|line| line.contains("refs:")).unwrap();
    let (_, figure) = line.rsplit_once(':').unwrap();
    let digits: String = figure.chars().filter(char::is_ascii_digit).collect();
    Some(digits.parse().unwrap())
}

#[test]
fn a_fixed_scan_takes_the_instructions_that_are_written_down() {
    if !cfg!(all(debug_assertions, target_arch = "x86_64")) {
        println!("skipped: instructions are written down for tests on x86-64 without --release");
        return;
    }
    let (Some(ready), Some(all)) = (count("ready"), count("scan")) else {
        return;
    };
    let counts = [ready, all - ready];
    if std::env::var_os("CANDOR_COUNT").is_some_and(|value| value == "write") {
        let lines = TASKS.iter().zip(counts);
        let lines: Vec<_> = lines
            .map(|(task, count)| format!("{task} {count}\n"))
            .collect();
        fs::write(reference(), lines.concat()).unwrap();
        return;
    }
    let written = fs::read_to_string(reference()).unwrap();
    for (task, count) in TASKS.iter().zip(counts) {
        let line = written.lines().find_map(|line| line.strip_prefix(task));
        let expected: u64 = line.unwrap().trim().parse().unwrap();
        let room = expected * TOLERANCE_PERCENT / 100;
        assert!(
            count.abs_diff(expected) <= room,
            "to {task} took {count} instructions and {expected} are written down in {}: find out \
             why, or write them down again with CANDOR_COUNT=write",
            reference().display()
        );
    }
}
