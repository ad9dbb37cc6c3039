//! CLAIMS.md: every promise names the live test, step of the gate or bench that shows it, or the
//! issue that will.
//!
//! A claim whose test is gone, renamed or switched off is refused: then the promise goes too, or
//! the test comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};

use cargo_metadata::{Artifact, Message, TargetKind};

use crate::workspace::Workspace;
use crate::{Problems, check, run_tests};

const FILE: &str = "CLAIMS.md";

/// What evidence can point at.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    /// `package::path` of unit tests, `package::file::path` of integration tests.
    tests: BTreeSet<String>,
    ignored: BTreeSet<String>,
    benches: BTreeSet<String>,
}

/// Reads the claims and asks every test program what it holds.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    let text = workspace
        .text(FILE)?
        .ok_or_else(|| format!("{FILE} is not text"))?;
    let evidence = Evidence {
        benches: benches(workspace)?,
        ..live_tests(workspace)?
    };
    Ok(judge(&text, &evidence))
}

fn judge(text: &str, evidence: &Evidence) -> Problems {
    let mut problems = Problems::new();
    let mut seen = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let Some(cells) = cells(line) else {
            continue;
        };
        let said = |text: String| format!("{FILE}:{number}: {text}");
        let [id, claim, shown] = cells.as_slice() else {
            problems.push(said(
                "a claim has three cells: number, claim, evidence".to_owned(),
            ));
            continue;
        };
        if !is_number(id) {
            problems.push(said(format!("\"{id}\" is not a number such as C-07")));
        }
        for word in [id, claim] {
            if let Some(first) = seen.insert(word.to_string(), number) {
                problems.push(said(format!("\"{word}\" stands in line {first} already")));
            }
        }
        problems.extend(faults(shown, evidence).into_iter().map(said));
    }
    if seen.is_empty() {
        problems.push(format!("{FILE} claims nothing"));
    }
    problems
}

/// The cells of a table's row; `None` for any other line, and for the head of the table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inside = line.trim().strip_prefix('|')?;
    let inside = inside.strip_suffix('|').unwrap_or(inside);
    let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
    let first = cells.first()?;
    let is_head = *first == "No." || first.chars().all(|letter| "-: ".contains(letter));
    (!is_head).then_some(cells)
}

fn is_number(id: &str) -> bool {
    id.strip_prefix("C-").is_some_and(|digits| {
        digits.len() >= 2 && digits.bytes().all(|digit| digit.is_ascii_digit())
    })
}

fn faults(shown: &str, evidence: &Evidence) -> Problems {
    let items = shown
        .split(',')
        .map(|item| item.trim().trim_matches('`').trim());
    items.filter_map(|item| fault(item, evidence)).collect()
}

fn fault(item: &str, evidence: &Evidence) -> Option<String> {
    let Some((kind, name)) = item.split_once(':') else {
        return Some(format!(
            "\"{item}\" is not evidence: write test: …, step: …, bench: … or not yet: …"
        ));
    };
    let name = name.trim();
    match kind.trim() {
        "test" if evidence.ignored.contains(name) => Some(format!("the test {name} is ignored")),
        "test" if evidence.tests.contains(name) => None,
        "test" => Some(format!(
            "there is no test {name}{}",
            nearest(name, evidence)
        )),
        "step" if check::has_step(name) => None,
        "step" => Some(format!("the gate has no step {name}")),
        "bench" if evidence.benches.contains(name) => None,
        "bench" => Some(format!("there is no bench {name} in bench/")),
        "not yet" if !name.is_empty() => None,
        "not yet" => Some("\"not yet\" needs the issue that will bring it".to_owned()),
        other => Some(format!("\"{other}\" is not a kind of evidence")),
    }
}

/// A test that moved keeps its last name: say where it went.
fn nearest(name: &str, evidence: &Evidence) -> String {
    let last = name.rsplit("::").next().unwrap_or(name);
    let moved = evidence
        .tests
        .iter()
        .find(|test| test.rsplit("::").next() == Some(last));
    moved.map_or_else(String::new, |test| format!("; did it become {test}?"))
}

fn live_tests(workspace: &Workspace) -> Result<Evidence, String> {
    let mut evidence = Evidence::default();
    for artifact in test_programs(workspace)? {
        let package = workspace
            .members
            .iter()
            .find(|member| member.id == artifact.package_id);
        let (Some(package), Some(program)) = (package, &artifact.executable) else {
            continue;
        };
        let prefix = match artifact.target.kind.contains(&TargetKind::Test) {
            true => format!("{}::{}", package.name, artifact.target.name),
            false => package.name.clone(),
        };
        let folder = workspace.root.join(&package.folder);
        let program = program.as_std_path();
        let named = |name: String| format!("{prefix}::{name}");
        let all = listed(program, &folder, &["--list"])?;
        let ignored = listed(program, &folder, &["--list", "--ignored"])?;
        evidence.tests.extend(all.into_iter().map(named));
        evidence.ignored.extend(ignored.into_iter().map(named));
    }
    Ok(evidence)
}

/// In the groups in which the tests are run, so that nothing is built in another form.
fn test_programs(workspace: &Workspace) -> Result<Vec<Artifact>, String> {
    let mut programs = Vec::new();
    for group in run_tests::GROUPS {
        programs.extend(test_programs_of(workspace, group)?);
    }
    Ok(programs)
}

fn test_programs_of(workspace: &Workspace, group: &[&str]) -> Result<Vec<Artifact>, String> {
    let mut child = workspace
        .cargo()
        .args(["test", "--locked", "--no-run", "--quiet"])
        .args(group)
        .arg("--message-format=json-render-diagnostics")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    let output = child.stdout.take().ok_or("cargo has no output")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(output)) {
        let message = message.map_err(|error| format!("cargo's output broke off: {error}"))?;
        if let Message::CompilerArtifact(artifact) = message
            && artifact.profile.test
        {
            programs.push(artifact);
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("cargo was lost: {error}"))?;
    match status.success() {
        true => Ok(programs),
        false => Err("the tests don't compile, so no claim can be looked up".to_owned()),
    }
}

fn listed(program: &Path, folder: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} can't list its tests", program.display()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

fn benches(workspace: &Workspace) -> Result<BTreeSet<String>, String> {
    let files = workspace.files()?;
    let names = files
        .iter()
        .filter(|file| file.starts_with("bench/") && file.ends_with(".rs"))
        .filter_map(|file| Path::new(file).file_stem())
        .map(|stem| stem.to_string_lossy().into_owned());
    Ok(names
        .filter(|name| name != "main" && name != "lib")
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence() -> Evidence {
        let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
        Evidence {
            tests: names(&[
                "proto::budget::tests::a",
                "acceptance::jail::b",
                "rules::off",
            ]),
            ignored: names(&["rules::off"]),
            benches: names(&["throughput"]),
        }
    }

    fn said(rows: &str) -> String {
        let text = format!("# Claims\n\n| No. | claim | evidence |\n|---|---|---|\n{rows}");
        judge(&text, &evidence()).join("\n")
    }

    #[test]
    fn live_evidence_passes() {
        let rows = "\
| C-01 | A holds. | `test: proto::budget::tests::a` |
| C-02 | B holds. | `test: acceptance::jail::b`, `bench: throughput` |
| C-03 | C will hold. | not yet: on-access scanning |
";
        assert_eq!(said(rows), "");
    }

    #[test]
    fn a_test_that_is_gone_is_refused_and_its_new_place_named() {
        let rows = "| C-01 | A holds. | `test: proto::moved::a` |\n";
        let said = said(rows);
        assert!(
            said.contains("CLAIMS.md:5: there is no test proto::moved::a"),
            "{said}"
        );
        assert!(said.contains("proto::budget::tests::a?"), "{said}");
    }

    #[test]
    fn the_package_is_part_of_the_name() {
        assert!(said("| C-01 | B holds. | `test: proto::jail::b` |\n").contains("no test"));
    }

    #[test]
    fn an_ignored_test_shows_nothing() {
        assert!(said("| C-01 | It holds. | test: rules::off |\n").contains("is ignored"));
    }

    #[test]
    fn one_good_item_does_not_cover_a_bad_one() {
        let rows = "| C-01 | B holds. | `test: acceptance::jail::b`, `bench: gone` |\n";
        assert_eq!(said(rows), "CLAIMS.md:5: there is no bench gone in bench/");
    }

    #[test]
    fn numbers_and_claims_stand_once() {
        let row = "| C-01 | B holds. | `test: acceptance::jail::b` |\n";
        let said = said(&row.repeat(2));
        assert!(said.contains("\"C-01\" stands in line 5 already"), "{said}");
        assert!(
            said.contains("\"B holds.\" stands in line 5 already"),
            "{said}"
        );
    }

    #[test]
    fn rows_that_could_hide_a_claim_are_refused() {
        for row in [
            "| C-1 | B holds. | `test: acceptance::jail::b` |",
            "| 07 | B holds. | `test: acceptance::jail::b` |",
            "| C-01 | B holds. |",
            "| C-01 | B holds. | |",
            "| C-01 | B holds. | proven by thought |",
            "| C-01 | B holds. | promise: later |",
            "| C-01 | B holds. | not yet: |",
        ] {
            assert!(!said(row).is_empty(), "{row}");
        }
        assert!(said("").contains("claims nothing"));
    }
}
