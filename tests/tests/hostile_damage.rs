//! Damaged files through the real command: cut short everywhere, and with random bytes changed. No
//! worker dies of one, and nothing that was lost is called clean.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use acceptance::archives::{Method, Zip, gzip, tar_member};
use acceptance::cli::{MARKER, Scene};
use acceptance::corpus::{Sample, damaged, samples};
use acceptance::outcome::{AllSaid, said};
use acceptance::signatures::Numbers;
use acceptance::tree::make_in_memory;
use acceptance::watch::watch;

/// Samples up to this size are cut after each of their bytes.
const EVERY_PREFIX_BYTES: usize = 4 << 10;
/// Larger ones are cut at this many places, and near both ends.
const PREFIXES: usize = 300;
const DAMAGED_FILES: usize = 5_000;

/// Fails a test that hangs.
const FAR_TOO_LONG: Duration = Duration::from_secs(150);

fn scan_all(scene: &Scene, signatures: &Path) -> AllSaid {
    let mut scan = acceptance::cli::candor();
    scan.args(["scan", "--json", "--all-matches", "--db"])
        .arg(signatures)
        .arg(scene.at("files"));
    let watched = watch(&mut scan, FAR_TOO_LONG);
    println!(
        "{} files in {:.1} s",
        watched.ran.out.lines().count() - 1,
        watched.elapsed.as_secs_f64()
    );
    said(&watched.ran)
}

fn cuts(length: usize) -> Vec<usize> {
    if length <= EVERY_PREFIX_BYTES {
        return (0..length).collect();
    }
    let step = length.div_ceil(PREFIXES);
    let mut all: Vec<usize> = (0..length)
        .step_by(step)
        .chain(0..64)
        .chain(length - 64..length)
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A signature for each member of each sample: its digest. Whether a member came out whole is then
/// whether its signature fired.
fn payload_signatures(scene: &Scene, samples: &[Sample]) -> std::path::PathBuf {
    let mut lines: Vec<String> = samples
        .iter()
        .flat_map(Sample::payload)
        .map(|(digest, size)| format!("{digest}:{size}:Payload.{}\n", &digest[..16]))
        .collect();
    lines.sort();
    lines.dedup();
    scene.write("payload/payload.hsb", lines.concat());
    scene.at("payload")
}

fn expected(sample: &Sample) -> Vec<String> {
    let payload = sample.payload().into_iter();
    let mut names: Vec<String> = payload
        .map(|(digest, _)| format!("Payload.{}", &digest[..16]))
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn no_prefix_of_a_sample_loses_its_payload_and_is_called_clean() {
    make_in_memory();
    let scene = Scene::default();
    let samples = samples();
    let signatures = payload_signatures(&scene, &samples);
    for (number, sample) in samples.iter().enumerate() {
        fs::create_dir_all(scene.at(format!("files/{number}"))).unwrap();
        scene.write(format!("files/{number}/{number}.whole"), &sample.bytes);
        for cut in cuts(sample.bytes.len()) {
            let path = scene.at(format!("files/{number}/{number}.{cut}"));
            fs::write(path, &sample.bytes[..cut]).unwrap();
        }
    }
    let all = scan_all(&scene, &signatures);
    let mut seen = 0;
    for (number, sample) in samples.iter().enumerate() {
        let expected = expected(sample);
        let whole = &all[&format!("{number}.whole")];
        let lost = expected.iter().find(|name| !whole.findings.contains(name));
        assert_eq!(lost, None, "{}: {}", sample.name, whole.line);
        if sample.is_flawless() {
            assert_eq!(
                whole.incomplete,
                Vec::<String>::new(),
                "{}: {}",
                sample.name,
                whole.line
            );
        }
        seen += check_prefixes(sample, number, &all);
    }
    assert!(seen > 5_000, "only {seen} prefixes were of their kind");
}

/// Gives how many prefixes were still recognised as what they are of.
fn check_prefixes(sample: &Sample, number: usize, all: &AllSaid) -> usize {
    let expected = expected(sample);
    let whole = &all[&format!("{number}.whole")];
    let mut quiet = Vec::new();
    let (mut seen, mut borders) = (0, 0);
    for cut in cuts(sample.bytes.len()) {
        let said = &all[&format!("{number}.{cut}")];
        assert_ne!(
            said.outcome, "error",
            "{} at {cut}: {}",
            sample.name, said.line
        );
        // What is too short to show what it is of holds no payload either.
        if said.line["type"] != whole.line["type"] {
            continue;
        }
        seen += 1;
        let has_all = expected.iter().all(|name| said.findings.contains(name));
        // Zeros after the border of two streams are padding, and the same border.
        let is_padding = quiet.last() == Some(&cut.wrapping_sub(1)) && sample.bytes[cut - 1] == 0;
        let shows_cut = cut >= sample.shows_no_cut_below();
        if !has_all && said.incomplete.is_empty() && shows_cut {
            quiet.push(cut);
            borders += usize::from(!is_padding);
        }
    }
    assert!(
        borders <= sample.borders(),
        "{}: something is gone from the prefixes of {quiet:?} bytes, and nothing said so",
        sample.name
    );
    seen
}

#[test]
fn archives_cut_before_a_marked_member_are_never_clean() {
    make_in_memory();
    let scene = Scene::default();
    let filler: Vec<u8> = (0..3_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let inner = Zip::default()
        .with(b"filler", &filler, Method::Deflated)
        .with(b"marked", MARKER.as_bytes(), Method::Deflated)
        .finish();
    let mut tar = tar_member(b"filler", &filler);
    tar.extend(tar_member(b"inner.zip", &inner));
    tar.extend([0; 1024]);
    let archives = [
        ("zip", inner.clone()),
        ("zip.gz", gzip(&inner)),
        ("tar.gz", gzip(&tar)),
        (
            "zip.zip",
            Zip::default()
                .with(b"inner.zip", &inner, Method::Stored)
                .finish(),
        ),
    ];
    for (name, bytes) in &archives {
        scene.write(format!("files/{name}.whole"), bytes);
        for cut in cuts(bytes.len()).into_iter().filter(|cut| *cut >= 64) {
            scene.write(format!("files/{name}.{cut}"), &bytes[..cut]);
        }
    }
    let all = scan_all(&scene, &scene.signatures());
    let mut outcomes: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, said) in &all {
        assert_ne!(said.outcome, "clean", "{name}: {}", said.line);
        if name.ends_with(".whole") {
            assert_eq!(said.outcome, "detected", "{name}");
            assert_eq!(said.incomplete, Vec::<String>::new(), "{name}");
        }
        *outcomes.entry(&said.outcome).or_default() += 1;
    }
    println!("{outcomes:?}");
}

#[test]
fn random_damage_kills_no_worker() {
    make_in_memory();
    let scene = Scene::default();
    let samples = samples();
    let signatures = payload_signatures(&scene, &samples);
    let mut numbers = Numbers::new(20_261_124);
    fs::create_dir_all(scene.at("files")).unwrap();
    for number in 0..DAMAGED_FILES {
        let original = &samples[numbers.below(samples.len())].bytes;
        let donor = &samples[numbers.below(samples.len())].bytes;
        let bytes = damaged(original, donor, &mut numbers);
        fs::write(scene.at(format!("files/{number}")), bytes).unwrap();
    }
    let all = scan_all(&scene, &signatures);
    assert_eq!(all.len(), DAMAGED_FILES);
    let count = |outcome: &str| all.values().filter(|said| said.outcome == outcome).count();
    println!(
        "clean {}, detected {}, incomplete {}",
        count("clean"),
        count("detected"),
        count("incomplete")
    );
    assert_eq!(count("error"), 0);
    // Damage that kills every header, or none at all, would test nothing.
    assert!(count("detected") > DAMAGED_FILES / 10);
    assert!(count("incomplete") > DAMAGED_FILES / 3);
}

#[test]
fn other_peoples_samples_cut_and_damaged_kill_no_worker() {
    let there = Path::new("/usr/share/clamav-testfiles");
    let Ok(listed) = fs::read_dir(there) else {
        println!("skipped: {} is not there", there.display());
        return;
    };
    make_in_memory();
    let scene = Scene::default();
    let mut files: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let contents: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let mut numbers = Numbers::new(7);
    for (number, bytes) in contents.iter().enumerate() {
        for cut in cuts(bytes.len()).into_iter().step_by(8) {
            scene.write(format!("files/{number}.{cut}"), &bytes[..cut]);
        }
        for time in 0..20 {
            let donor = &contents[numbers.below(contents.len())];
            let damaged = damaged(bytes, donor, &mut numbers);
            scene.write(format!("files/{number}.damaged-{time}"), damaged);
        }
    }
    let all = scan_all(&scene, &scene.signatures());
    assert!(all.len() > 1_000, "only {} files", all.len());
    assert!(all.values().all(|said| said.outcome != "error"));
}
