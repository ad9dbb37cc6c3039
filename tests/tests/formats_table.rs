//! `docs/formats.md`: what is found inside each format, by Candor and by the peer, as measured.
//! `CANDOR_WRITE_DOCS=1` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::corpus::{self, Sample};
use acceptance::outcome::said;
use acceptance::peer::{self, Fired};
use acceptance::wrapped::WRAPPINGS;
use acceptance::{cli, signatures};

const HEAD: &str = "# Formats

Written by `CANDOR_WRITE_DOCS=1 cargo test -p acceptance --test formats_table`, which measures it:
each file goes through `candor scan` and through clamscan with the digest of what is inside as
the only signature. *Found* means that the digest's signature fired. What Candor does not find
it calls `incomplete`, never clean.
";

/// A known file that compresses, and that no tool stores in pieces.
fn known() -> Vec<u8> {
    let mut numbers = signatures::Numbers::new(77);
    let words = [
        "known", "file", "that", "must", "be", "found", "wherever", "it", "lies",
    ];
    let text: String = (0..900)
        .map(|_| format!("{} {}\n", numbers.of(&words), numbers.below(9000)))
        .collect();
    text.into_bytes()
}

/// The peer's version as Debian has it, `1.4.6`.
fn peer_version() -> String {
    let output = Command::new("clamscan").arg("--version").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim()
        .trim_start_matches("ClamAV ")
        .split('/')
        .next()
        .unwrap()
        .to_string()
}

/// A directory of files, with the digests of what is inside as signatures.
struct Scene {
    scratch: tempfile::TempDir,
    signatures: BTreeSet<String>,
}

impl Scene {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("db")).unwrap();
        fs::create_dir(scratch.path().join("files")).unwrap();
        Self {
            scratch,
            signatures: BTreeSet::new(),
        }
    }

    fn files(&self) -> PathBuf {
        self.scratch.path().join("files")
    }

    fn database(&self) -> PathBuf {
        let database = self.scratch.path().join("db");
        let lines: Vec<&str> = self.signatures.iter().map(String::as_str).collect();
        fs::write(database.join("known.hsb"), lines.join("\n") + "\n").unwrap();
        database
    }

    fn expect(&mut self, digest: &str, size_bytes: u64) {
        self.signatures
            .insert(format!("{digest}:{size_bytes}:{digest}:73"));
    }
}

/// For each format, how many samples there are and which of them are seen through.
#[derive(Default)]
struct Row {
    samples: usize,
    ours: usize,
    theirs: usize,
    they_miss: Vec<String>,
}

fn is_seen_through(fired: &Fired, file: &str, sample: &Sample) -> bool {
    sample
        .payload()
        .iter()
        .all(|(digest, _)| fired.contains(&(file.to_string(), (*digest).to_string())))
}

/// Samples with something inside, by format.
fn corpus_table() -> String {
    let mut scene = Scene::new();
    let samples: Vec<Sample> = corpus::samples()
        .into_iter()
        .filter(|sample| !sample.payload().is_empty())
        .collect();
    for sample in &samples {
        fs::write(scene.files().join(file_name(sample)), &sample.bytes).unwrap();
        for (digest, size_bytes) in sample.payload() {
            scene.expect(digest, size_bytes);
        }
    }
    let database = scene.database();
    let ours = peer::candor(&database, &scene.files());
    let theirs = peer::clamscan(&database, &scene.files());
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for sample in &samples {
        let (format, variant) = sample.name.split_once('/').unwrap();
        let row = rows.entry(format.to_string()).or_default();
        row.samples += 1;
        let file = file_name(sample);
        assert!(
            is_seen_through(&ours, &file, sample),
            "{}: its golden file names members that are not found",
            sample.name
        );
        row.ours += 1;
        match is_seen_through(&theirs, &file, sample) {
            true => row.theirs += 1,
            false => row.they_miss.push(variant.to_string()),
        }
    }
    let mut text = String::new();
    for (format, row) in rows {
        writeln!(
            text,
            "| {format} | {} | {} | {} | {} |",
            row.samples,
            row.ours,
            row.theirs,
            row.they_miss.join(", ")
        )
        .unwrap();
    }
    text
}

fn file_name(sample: &Sample) -> String {
    sample.name.replace('/', "-")
}

/// The known file in containers that tools write; `None` where a tool is missing.
fn wrapped_table() -> Option<String> {
    let scene = wrapped_scene()?;
    let database = scene.database();
    let ours = peer::candor(&database, &scene.files());
    let theirs = peer::clamscan(&database, &scene.files());
    let found = |fired: &Fired, name: &str| match fired.iter().any(|(file, _)| file == name) {
        true => "found",
        false => "-",
    };
    let mut text = String::new();
    for wrapping in WRAPPINGS {
        let (our, their) = (found(&ours, wrapping.name), found(&theirs, wrapping.name));
        writeln!(text, "| {} | {our} | {their} |", wrapping.what).unwrap();
    }
    Some(text)
}

fn wrapped_scene() -> Option<Scene> {
    let mut scene = Scene::new();
    let known = known();
    scene.expect(&sha256(&known), known.len() as u64);
    let mut complete = true;
    for wrapping in WRAPPINGS {
        if let Err(why) = wrapping.write(&known, &scene.files()) {
            println!("skipped: {why}");
            complete = false;
        }
    }
    complete.then_some(scene)
}

fn sha256(bytes: &[u8]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, bytes).unwrap();
    let output = Command::new("sha256sum").arg(&file).output().unwrap();
    String::from_utf8_lossy(&output.stdout)
        .split(' ')
        .next()
        .unwrap()
        .to_string()
}

#[test]
fn the_table_of_formats_is_what_is_measured() {
    if !peer::is_there("the table of formats beside clamscan") {
        return;
    }
    let Some(wrapped) = wrapped_table() else {
        println!("skipped: the table of formats (some tools are missing, see above)");
        return;
    };
    let version = peer_version();
    let text = format!(
        "{HEAD}
## A known file in what the tools of a Linux machine write

| container | Candor | clamscan {version} |
|---|---|---|
{wrapped}
## The samples of the corpus

Every file of [corpus](../corpus) that holds something: ordinary ones, and those that are built to be misread.

| format | samples | Candor sees through | clamscan {version} sees through | what it misses |
|---|---|---|---|---|
{}",
        corpus_table()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/formats.md");
    if std::env::var_os("CANDOR_WRITE_DOCS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    if !written.contains(&format!("clamscan {version} ")) && !written.is_empty() {
        println!("skipped: docs/formats.md was measured beside another clamscan than {version}");
        return;
    }
    assert!(
        written == text,
        "docs/formats.md is not what is measured; write it anew: \
         CANDOR_WRITE_DOCS=1 cargo test -p acceptance --test formats_table\n{text}"
    );
}

/// Whatever the peer says, a known file is found, or the verdict says what was not looked at.
#[test]
fn a_known_file_in_a_container_is_found_or_the_verdict_is_incomplete() {
    let mut scene = Scene::new();
    let known = known();
    scene.expect(&sha256(&known), known.len() as u64);
    let mut made = 0;
    for wrapping in WRAPPINGS {
        match wrapping.write(&known, &scene.files()) {
            Ok(()) => made += 1,
            Err(why) => println!("skipped: {why}"),
        }
    }
    assert!(made > 5, "only {made} containers could be made");
    let database = scene.database();
    let ran = cli::run(
        cli::candor()
            .args(["scan", "--json", "--db"])
            .arg(&database)
            .arg(scene.files()),
    );
    for (name, said) in said(&ran) {
        assert!(
            said.outcome == "detected" || said.outcome == "incomplete",
            "{name} is called {}: {}",
            said.outcome,
            said.line
        );
    }
}
