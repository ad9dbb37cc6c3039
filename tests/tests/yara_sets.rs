//! The real YARA sets: every rule is accounted for, and matches where YARA-X itself and YARA 4 say.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::cli::{Scene, candor, run};
use acceptance::shared::shared;

/// Rules by file.
type Fired = BTreeMap<PathBuf, BTreeSet<String>>;

/// The version that the worker is built with; an oracle of another is none.
const YARA_X: &str = "1.22.1";
const EXTERNALS: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

/// Runs YARA-X's own Python module: one namespace a rule file.
const ORACLE: &str = r#"
import os, sys, yara_x
rules, files = sys.argv[1], sys.argv[2]
compiler = yara_x.Compiler(relaxed_re_syntax=True)
for name in ("filename", "filepath", "extension", "filetype", "owner"):
    compiler.define_global(name, "")
for name in sorted(os.listdir(rules)):
    if not name.endswith((".yar", ".yara")):
        continue
    compiler.new_namespace(name)
    compiler.add_source(open(os.path.join(rules, name), encoding="utf-8").read())
scanner = yara_x.Scanner(compiler.build())
for path in open(files).read().splitlines():
    for rule in scanner.scan(open(path, "rb").read()).matching_rules:
        print(path, rule.identifier, sep="\t")
"#;

fn python() -> Option<String> {
    let python = std::env::var("CANDOR_YARA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let version = "import importlib.metadata as m; print(m.version('yara-x'))";
    let output = Command::new(&python).args(["-c", version]).output().ok()?;
    if String::from_utf8_lossy(&output.stdout).trim() == YARA_X {
        return Some(python);
    }
    println!(
        "skipped: rules against YARA-X itself (pip install yara-x=={YARA_X}, and name that Python \
         in CANDOR_YARA_PYTHON)"
    );
    None
}

/// Files that some rules match, and many that none should: programs, rule files, test files.
fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let folders = [
        (PathBuf::from("/usr/bin"), 120),
        (PathBuf::from("/usr/share/clamav-testfiles"), 60),
    ];
    let rules = ["yara/signature-base", "yara/yara-rules/malware"].map(|name| {
        let found = shared(&format!("signatures/{name}"), "rule files to scan");
        (found.unwrap_or_default(), 60)
    });
    for (folder, count) in folders.into_iter().chain(rules) {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        let mut paths: Vec<_> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| fs::symlink_metadata(path).is_ok_and(|data| data.is_file()))
            .filter(|path| fs::metadata(path).is_ok_and(|data| data.len() < 2 << 20))
            .collect();
        paths.sort();
        let step = (paths.len() / count).max(1);
        files.extend(paths.into_iter().step_by(step).take(count));
    }
    files
}

/// What Candor says of the files themselves. A file whose list is not whole is left out.
fn by_candor(rules: &Path, list: &Path) -> Fired {
    let mut command = candor();
    command.args(["scan", "--json", "--all-matches", "--files-from"]);
    let ran = run(command.arg(list).arg("--db").arg(rules));
    let mut fired = Fired::new();
    for file in ran.json() {
        let Some(path) = file["path"].as_str() else {
            continue;
        };
        let findings = file["findings"].as_array().unwrap();
        if findings.len() >= proto::FINDINGS_MAX {
            continue;
        }
        let own = findings
            .iter()
            .filter(|found| found["member"].as_array().is_none_or(Vec::is_empty));
        let names = own.map(|found| found["name"].as_str().unwrap().to_owned());
        fired.insert(path.into(), names.collect());
    }
    assert!(!fired.is_empty(), "{}", ran.err);
    fired
}

fn pairs(text: &str, split: impl Fn(&str) -> Option<(PathBuf, String)>) -> Fired {
    let mut fired = Fired::new();
    for (path, name) in text.lines().filter_map(split) {
        fired.entry(path).or_default().insert(name);
    }
    fired
}

/// Compares on the files that Candor has a whole list of; gives how many matches agree.
fn assert_same(ours: &Fired, theirs: &Fired) -> usize {
    let none = BTreeSet::new();
    let mut agreed = 0;
    for (path, names) in ours {
        let expected = theirs.get(path).unwrap_or(&none);
        assert_eq!(names, expected, "{}", path.display());
        agreed += names.len();
    }
    agreed
}

#[test]
fn matches_are_those_of_yara_x_itself() {
    let Some(rules) = shared("signatures/yara/signature-base", "rules against YARA-X") else {
        return;
    };
    let Some(python) = python() else {
        return;
    };
    let scene = Scene::default();
    let names: Vec<_> = files()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let list = scene.write("list", names.join("\n"));
    let output = Command::new(python)
        .args(["-c", ORACLE])
        .args([&rules, &list])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let theirs = pairs(&String::from_utf8(output.stdout).unwrap(), |line| {
        let (path, name) = line.split_once('\t')?;
        Some((path.into(), name.to_owned()))
    });
    let agreed = assert_same(&by_candor(&rules, &list), &theirs);
    assert!(agreed > 20, "only {agreed} matches: the files show nothing");
    println!("{agreed} matches agree");
}

#[test]
fn matches_are_those_of_yara_4_where_both_know_the_rules() {
    let Some(rules) = shared("signatures/yara/signature-base", "rules against YARA 4") else {
        return;
    };
    if Command::new("yara").arg("--version").output().is_err() {
        println!("skipped: rules against YARA 4 (the command yara is not installed)");
        return;
    }
    let scene = Scene::default();
    let files = files();
    let names: Vec<_> = files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let list = scene.write("list", names.join("\n"));
    let mut command = Command::new("yara");
    command.arg("-w");
    for name in EXTERNALS {
        command.arg("-d").arg(format!("{name}="));
    }
    let mut sources: Vec<_> = fs::read_dir(&rules)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yar"))
        .collect();
    sources.sort();
    for (number, source) in sources.iter().enumerate() {
        command.arg(format!("n{number}:{}", source.display()));
    }
    let output = command.arg("--scan-list").arg(&list).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let theirs = pairs(&said, |line| {
        let (name, path) = line.split_once(' ')?;
        Some((path.into(), name.to_owned()))
    });
    assert!(
        !theirs.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let agreed = assert_same(&by_candor(&rules, &list), &theirs);
    assert!(agreed > 20, "only {agreed} matches: the files show nothing");
}

/// What a build says: rules that compiled, and each that did not.
fn built(sources: &[PathBuf]) -> (u64, String) {
    let scene = Scene::default();
    let mut command = candor();
    command
        .args(["rules", "build", "--quiet", "-o"])
        .arg(scene.at("x.pack"));
    let ran = run(command.args(sources));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let mut command = candor();
    let shown = run(command.args(["rules", "show"]).arg(scene.at("x.pack")));
    let total = shown
        .out
        .lines()
        .find(|line| line.starts_with("total "))
        .unwrap();
    let compiled = total.split_whitespace().nth(2).unwrap().parse().unwrap();
    let mut command = candor();
    let dropped = run(command
        .args(["rules", "show", "--dropped"])
        .arg(scene.at("x.pack")));
    (compiled, dropped.out)
}

#[test]
fn every_rule_of_signature_base_compiles() {
    let Some(rules) = shared("signatures/yara/signature-base", "a real YARA set") else {
        return;
    };
    let (compiled, dropped) = built(&[rules]);
    assert_eq!(dropped, "");
    assert_eq!(compiled, 5_849);
}

#[test]
fn what_does_not_compile_of_yara_rules_is_named() {
    let Some(rules) = shared("signatures/yara/yara-rules", "a real YARA set") else {
        return;
    };
    let folders: Vec<_> = fs::read_dir(&rules)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    let (compiled, dropped) = built(&folders);
    assert!(compiled > 12_000, "{compiled}: {dropped}");
    let expected = "APT_CrashOverride.yar:10: wrong type: expression should be `integer`, but it is \
                    `boolean`\nRAT_PoetRATPython.yar:13: invalid regular expression: this regexp \
                    can match empty strings\n";
    assert_eq!(dropped, expected);
}
