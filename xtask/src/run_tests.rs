//! Every test of the workspace, with what they need prepared and what they skipped repeated.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

use crate::workspace::Workspace;
use crate::{Problems, debian};

/// Which packages are built and tested together. The checks themselves stand apart: what they are
/// built from turns on features that would have YARA-X built once more.
pub(crate) const GROUPS: [&[&str]; 2] = [
    &["--workspace", "--exclude", "xtask"],
    &["--package", "xtask"],
];

/// What the output of the tests came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    programs: u64,
    skipped: BTreeSet<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.programs += other.programs;
        self.skipped.extend(other.skipped);
    }
}

/// Prepares, builds the commands that the tests run, runs the tests, and sums up.
pub(crate) fn run(workspace: &Workspace) -> Result<Problems, String> {
    let missing = debian::prepare(&workspace.target);
    // The default members, as people build them: without the features that tests turn on.
    let built = workspace
        .cargo()
        .args(["build", "--locked"])
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !built.success() {
        return Ok(vec!["the commands don't build".to_owned()]);
    }
    let (mut succeeded, mut tally) = (true, Tally::default());
    for group in GROUPS {
        let (group_succeeded, of_group) = run_all(workspace, group)?;
        succeeded &= group_succeeded;
        tally.add(of_group);
    }
    print_summary(&tally, &missing);
    Ok(judge(succeeded, &tally))
}

fn run_all(workspace: &Workspace, packages: &[&str]) -> Result<(bool, Tally), String> {
    let mut child = workspace
        .cargo()
        .args(["test", "--locked", "--no-fail-fast"])
        .args(packages)
        .args(["--", "--show-output"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    let output = child.stdout.take().ok_or("cargo has no output")?;
    let errors = child.stderr.take().ok_or("cargo has no error output")?;
    let reader = thread::spawn(move || pass_on(errors, std::io::stderr()));
    let mut tally = pass_on(output, std::io::stdout());
    let told = reader.join().map_err(|_| "reading cargo's errors failed")?;
    tally.skipped.extend(told.skipped);
    let status = child
        .wait()
        .map_err(|error| format!("cargo was lost: {error}"))?;
    Ok((status.success(), tally))
}

/// Shows each line as it comes, and counts.
fn pass_on(from: impl Read, mut to: impl Write) -> Tally {
    let mut tally = Tally::default();
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        let shown = to.write_all(&line).and_then(|()| to.flush());
        tally.count(&String::from_utf8_lossy(&line));
        line.clear();
        if shown.is_err() {
            break;
        }
    }
    tally
}

impl Tally {
    fn count(&mut self, line: &str) {
        let line = line.trim();
        if let Some(reason) = line.strip_prefix("skipped: ") {
            self.skipped.insert(reason.to_owned());
        }
        let Some((_, numbers)) = line.split_once("test result: ") else {
            return;
        };
        self.programs += 1;
        self.passed += number_before(numbers, "passed");
        self.failed += number_before(numbers, "failed");
        self.ignored += number_before(numbers, "ignored");
    }
}

fn number_before(text: &str, word: &str) -> u64 {
    text.split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|number| number.trim().parse().ok())
        .unwrap_or_default()
}

fn print_summary(tally: &Tally, missing: &[String]) {
    println!();
    for line in missing {
        println!("{line}");
    }
    for reason in &tally.skipped {
        println!("skipped: {reason}");
    }
    println!(
        "tests: {} passed, {} failed, {} ignored, {} reasons to skip, in {} programs",
        tally.passed,
        tally.failed,
        tally.ignored,
        tally.skipped.len(),
        tally.programs
    );
}

fn judge(succeeded: bool, tally: &Tally) -> Problems {
    let mut problems = Problems::new();
    if !succeeded || tally.failed > 0 {
        problems.push("tests failed, as said above".to_owned());
    }
    if tally.passed == 0 {
        problems.push("no test ran".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &[u8] = b"\
running 3 tests
test a ... ok
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
skipped: strace is not installed
skipped: strace is not installed
test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.50s
\xff not text
";

    #[test]
    fn output_is_shown_and_counted() {
        let mut shown = Vec::new();
        let tally = pass_on(OUTPUT, &mut shown);
        assert_eq!(shown, OUTPUT);
        assert_eq!(
            (tally.passed, tally.failed, tally.ignored, tally.programs),
            (4, 2, 1, 2)
        );
        let skipped: Vec<&String> = tally.skipped.iter().collect();
        assert_eq!(skipped, ["strace is not installed"]);
    }

    #[test]
    fn failing_or_running_nothing_fails() {
        let passed = Tally {
            passed: 1,
            ..Tally::default()
        };
        assert!(judge(true, &passed).is_empty());
        assert_eq!(judge(false, &passed).len(), 1);
        assert_eq!(judge(true, &Tally::default()).len(), 1);
    }
}
