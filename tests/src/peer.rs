//! clamscan, the peer, as an oracle: the same files, the same signatures, every match.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::cli;

/// Which signature fired on which file.
pub type Fired = BTreeSet<(String, String)>;

/// Whether the peer is installed; says so where it is not.
#[must_use]
pub fn is_there(what: &str) -> bool {
    let there = Command::new("clamscan").arg("--version").output().is_ok();
    if !there {
        println!("skipped: {what} (clamscan is not installed)");
    }
    there
}

/// What clamscan finds with these signatures in these files. Its limits are raised: where it
/// stops early it says OK, and there is nothing to compare.
#[must_use]
pub fn clamscan(database: &Path, files: &Path) -> Fired {
    let output = Command::new("clamscan")
        .args(["--allmatch", "--no-summary", "--infected", "--recursive"])
        .args(["--max-filesize=2000M", "--max-scansize=2000M"])
        .args(["--max-scantime=600000", "--max-files=100000"])
        // Else what was clean in one place is not looked at in another, which a rule may ask for.
        .arg("--disable-cache")
        .arg("--database")
        .arg(database)
        .arg(files)
        .output()
        .expect("clamscan starts");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code().is_some_and(|code| code < 2),
        "clamscan refused the signatures: {errors}"
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(" FOUND"))
        .filter_map(|line| line.rsplit_once(": "))
        .map(|(path, name)| {
            let name = name.strip_suffix(".UNOFFICIAL").unwrap_or(name);
            (within(files, path), name.to_string())
        })
        .collect()
}

/// What clamscan leaves of each file: the names and the bytes of its renderings and members.
#[must_use]
pub fn leftovers(files: &Path, temporary: &Path) -> BTreeMap<String, Vec<(String, Vec<u8>)>> {
    let database = temporary.join("none.ndb");
    let nothing = "Nothing:0:*:00112233445566778899aabbccddeeff0123456789\n";
    std::fs::write(&database, nothing).expect("a signature");
    let folder = temporary.join("left");
    std::fs::create_dir(&folder).expect("a folder");
    let status = Command::new("clamscan")
        .args(["--no-summary", "--infected", "--recursive", "--leave-temps"])
        .arg("--tempdir")
        .arg(&folder)
        .arg("--database")
        .args([&database, files])
        .status()
        .expect("clamscan starts");
    assert!(status.success(), "clamscan found something, or failed");
    let mut left = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("it is there").flatten() {
        // DATE_TIME-NAME.RANDOM
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name
            .split_once('-')
            .and_then(|(_, name)| name.rsplit_once('.'));
        if let Some((name, _)) = name {
            gather(&entry.path(), left.entry(name.to_string()).or_default());
        }
    }
    left
}

fn gather(folder: &Path, left: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, left);
        } else {
            let name = entry.file_name().to_string_lossy().into_owned();
            left.push((name, std::fs::read(&path).expect("a file that was left")));
        }
    }
}

/// What Candor finds with the same.
#[must_use]
pub fn candor(database: &Path, files: &Path) -> Fired {
    let ran = cli::run(
        cli::candor()
            .args(["scan", "--json", "--all-matches", "--db"])
            .arg(database)
            .arg(files),
    );
    assert!(ran.code.is_some(), "candor ended by a signal: {}", ran.err);
    let mut fired = Fired::new();
    for file in ran.json() {
        let Some(path) = file["path"].as_str() else {
            continue;
        };
        for finding in file["findings"].as_array().into_iter().flatten() {
            let name = finding["name"].as_str().unwrap_or_default();
            fired.insert((within(files, path), name.to_string()));
        }
    }
    fired
}

/// Fails where the two differ, naming each difference with its signature.
pub fn assert_same(database: &Path, files: &Path) -> usize {
    let theirs = clamscan(database, files);
    let ours = candor(database, files);
    let only = |a: &Fired, b: &Fired| a.difference(b).cloned().collect::<Vec<_>>();
    let (missed, extra) = (only(&theirs, &ours), only(&ours, &theirs));
    let texts: String = missed
        .iter()
        .chain(&extra)
        .take(20)
        .map(|(file, name)| format!("\n  {file}: {}", signature(database, name)))
        .collect();
    assert!(
        missed.is_empty() && extra.is_empty(),
        "{} missed, {} extra, {} the same:\nmissed {:?}\nextra {:?}{texts}",
        missed.len(),
        extra.len(),
        theirs.intersection(&ours).count(),
        &missed[..missed.len().min(20)],
        &extra[..extra.len().min(20)],
    );
    ours.len()
}

fn signature(database: &Path, name: &str) -> String {
    let files = std::fs::read_dir(database)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    files
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find_map(|text| {
            let wanted = |line: &&str| line.split([':', ';']).any(|field| field == name);
            text.lines().find(wanted).map(str::to_string)
        })
        .unwrap_or_default()
}

/// The path as the tree's own.
fn within(files: &Path, path: &str) -> String {
    let inside = Path::new(path).strip_prefix(files);
    inside.map_or(path.to_string(), |inside| inside.display().to_string())
}
