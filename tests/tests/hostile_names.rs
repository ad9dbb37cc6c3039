//! Members whose names are meant for somebody's file system or terminal. Nothing is ever written
//! where a name points; output stays valid and harmless.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;

use acceptance::archives::{Method, Zip, tar_member};
use acceptance::cli::{MARKER, Scene, candor, run};
use acceptance::outcome::said;
use acceptance::schema::Schema;
use acceptance::tree::listing;

/// What a member may be called in a zip, where a name is any bytes.
fn names() -> Vec<Vec<u8>> {
    let mut long = b"long/".to_vec();
    long.resize(65_535, b'x');
    let mut wide = "wide/".to_string();
    wide.push_str(&"\u{fdfa}".repeat(20_000));
    vec![
        b"../../../../../../../../tmp/candor-was-here".to_vec(),
        b"..\\..\\candor-was-here".to_vec(),
        b"/tmp/candor-was-here".to_vec(),
        b"//server/share/candor-was-here".to_vec(),
        b"C:\\candor-was-here".to_vec(),
        b"..".to_vec(),
        b".".to_vec(),
        b"".to_vec(),
        b"/".to_vec(),
        b"nul\0.exe".to_vec(),
        b"\0".to_vec(),
        b"two\nlines: Fake.Name FOUND\n".to_vec(),
        b"carriage\rreturn\x1b[2J\x1b]0;title\x07".to_vec(),
        b"\x9b31mc1".to_vec(),
        b"\xc2\x9b31mc1".to_vec(),
        b"not utf-8 \xff\xfe\x80".to_vec(),
        b"cut \xe2\x82".to_vec(),
        "right\u{202e}to left".as_bytes().to_vec(),
        b"quote\"back\\slash,{}[]".to_vec(),
        b"(zstd)".to_vec(),
        long,
        wide.into_bytes(),
    ]
}

#[test]
fn members_are_found_whatever_they_are_called_and_nothing_is_written() {
    let scene = Scene::default();
    let names = names();
    let mut zip = Zip::default();
    let mut tar = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let content = format!("{number} {MARKER}");
        // A name that ends with a slash is a directory's, and has no content.
        zip = zip.with(name, content.as_bytes(), Method::Deflated);
        tar.extend(tar_member(name, content.as_bytes()));
    }
    tar.extend([0; 1024]);
    scene.write("d/names.zip", zip.finish());
    scene.write("d/names.tar", tar);
    let signatures = scene.signatures();
    let before = listing(scene.path());
    let mut scan = candor();
    // From a directory of its own, so that relative names would be seen to be written.
    scan.current_dir(scene.at("d"));
    scan.args(["scan", "--json", "--all-matches", "--db"]);
    let ran = run(scan.arg(signatures).arg(scene.at("d")));
    assert_eq!(before, listing(scene.path()));
    assert!(fs::metadata("/tmp/candor-was-here").is_err());
    let schema = Schema::published("scan");
    ran.json().iter().for_each(|line| schema.check(line));
    assert!(
        !ran.out
            .chars()
            .any(|letter| letter.is_control() && letter != '\n')
    );
    let all = said(&ran);
    for name in ["names.zip", "names.tar"] {
        assert_eq!(all[name].outcome, "detected", "{}", all[name].line);
        assert_found(&all[name].line, &names, name.ends_with("zip"));
    }
}

/// Every member is found under its own name, as far as names are kept.
fn assert_found(line: &serde_json::Value, names: &[Vec<u8>], is_zip: bool) {
    let findings = line["findings"].as_array().unwrap();
    let found: Vec<Vec<u8>> = findings.iter().filter_map(own_name).collect();
    for name in names {
        if name.ends_with(b"/") {
            continue;
        }
        // A tar header holds a hundred bytes, and a name in it ends at a zero.
        let kept = match is_zip {
            true => name.as_slice(),
            false => name.split(|byte| *byte == 0).next().unwrap(),
        };
        let most = if is_zip { 1_024 } else { 100 };
        let kept = kept.get(..most).unwrap_or(kept);
        assert!(
            found.iter().any(|have| have == kept),
            "{} is not among {found:?}",
            String::from_utf8_lossy(kept)
        );
    }
}

/// The bytes of a member's name; none for a match in the archive itself.
fn own_name(finding: &serde_json::Value) -> Option<Vec<u8>> {
    if let Some(hex) = finding["member_hex"].as_array() {
        let digits = hex.first()?.as_str()?;
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        return Some((0..digits.len()).step_by(2).map(byte).collect());
    }
    let name = finding["member"].as_array()?.first()?.as_str()?;
    Some(name.as_bytes().to_vec())
}

#[test]
fn people_see_no_control_character_of_a_members_name() {
    let scene = Scene::default();
    let mut zip = Zip::default();
    for name in names() {
        zip = zip.with(&name, MARKER.as_bytes(), Method::Deflated);
    }
    let file = scene.write("d/names.zip", zip.finish());
    // Cut, so that troubles are told by name as well.
    let bytes = fs::read(&file).unwrap();
    scene.write("d/cut.zip", &bytes[..bytes.len() / 2]);
    for option in ["--verbose", "--quiet"] {
        let mut scan = scene.scan();
        scan.args([option, "--all-matches", "--color", "never"]);
        let ran = run(scan.arg(scene.at("d")));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let misleading = |letter: char| {
            (letter.is_control() && letter != '\n') || ('\u{202a}'..='\u{202e}').contains(&letter)
        };
        let found = ran.out.lines().find(|line| line.contains(misleading));
        assert_eq!(found, None, "{option}");
        let forged = ran.out.lines().find(|line| line.starts_with("lines: Fake"));
        assert_eq!(forged, None, "{option}");
    }
}

#[test]
fn names_that_add_up_to_more_than_a_message_lose_no_verdict() {
    let scene = Scene::default();
    let name = vec![0xff; 2_000];
    let mut zip = Zip::default();
    let mut nested = MARKER.as_bytes().to_vec();
    for number in 0..200u32 {
        let name = [&number.to_le_bytes()[..], &name].concat();
        zip = zip.with(&name, MARKER.as_bytes(), Method::Deflated);
    }
    for _ in 0..60 {
        nested = Zip::default()
            .with(&name, &nested, Method::Deflated)
            .finish();
    }
    scene.write("d/wide.zip", zip.finish());
    scene.write("d/deep.zip", nested);
    let mut scan = scene.scan();
    scan.args([
        "--json",
        "--all-matches",
        "--max-depth",
        "64",
        "--max-time",
        "10s",
    ]);
    let all = said(&run(scan.arg(scene.at("d"))));
    for name in ["wide.zip", "deep.zip"] {
        assert_eq!(all[name].outcome, "detected", "{name}: {}", all[name].line);
    }
}
