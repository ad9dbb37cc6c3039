//! Files that are larger than what is held of them: matches lie across the borders of what is read
//! at once, and a file of 20 GiB takes no more memory than a small one.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use acceptance::cli::{MARKER, Scene, run};
use acceptance::watch::watch;

const MIB: usize = 1 << 20;
/// A scan goes through an object in blocks of this size, and reads in steps of 1 MiB.
const BLOCK: usize = 64 << 10;
/// How far on both sides of a border signatures are placed.
const AROUND: usize = 20;

/// One signature and its bytes, unlike any other's.
struct Placed {
    name: String,
    hex: String,
    bytes: Vec<u8>,
    at: usize,
}

impl Placed {
    /// A signature of one of four shapes: plain, with a gap inside, with one between its parts,
    /// with choices.
    fn new(number: usize, at: usize) -> Self {
        let mark = |place: usize| -> Vec<u8> {
            let seed = (number as u64 + 1) * 8 + place as u64;
            let word = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            word.iter().map(|byte| byte | 0x80).collect()
        };
        let (first, second) = (mark(0), mark(1));
        let filling = vec![b'.'; 13];
        let (hex, bytes) = match number % 4 {
            0 => (hex(&first), first),
            1 => (
                format!("{}{{13}}{}", hex(&first), hex(&second)),
                [first, filling, second].concat(),
            ),
            2 => (
                format!("{}*{}", hex(&first), hex(&second)),
                [first, filling.repeat(20), second].concat(),
            ),
            _ => (
                format!("{}(2e2f|2e2e)??{}", hex(&first), hex(&second)),
                [first, b"...".to_vec(), second].concat(),
            ),
        };
        Self {
            name: format!("Seam.{number}"),
            hex,
            bytes,
            at,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Signatures that begin, and others that end, at each place around the borders of blocks and of
/// steps; each file has one a border.
fn placed(size: usize) -> Vec<Vec<Placed>> {
    let borders: Vec<usize> = (BLOCK..size - BLOCK).step_by(BLOCK).collect();
    let shifts: Vec<usize> = (0..=2 * AROUND).collect();
    let mut number = 0;
    let mut files = Vec::new();
    // In each file every border gets another shift, and every shift comes to lie at borders of
    // both kinds.
    for turn in 0..shifts.len() {
        let mut file = Vec::new();
        for (index, border) in borders.iter().enumerate() {
            let shift = shifts[(index * 5 + turn) % shifts.len()];
            let mut one = Placed::new(number, 0);
            one.at = border + shift - AROUND;
            if turn % 2 == 1 {
                one.at -= one.bytes.len();
            }
            file.push(one);
            number += 1;
        }
        files.push(file);
    }
    files
}

#[test]
fn what_lies_across_a_border_is_found_where_it_lies() {
    // Files above 4 MiB are read in steps; smaller ones are looked at in one piece.
    // No verdict has more than 64 findings, and so no file more borders.
    for size in [MIB, 4 * MIB + 5] {
        let scene = Scene::default();
        let mut lines = String::new();
        let mut expected = BTreeMap::new();
        let folder = scene.at("files");
        for (index, file) in placed(size).into_iter().step_by(5).enumerate() {
            let mut bytes = vec![b' '; size];
            for one in file {
                bytes[one.at..one.at + one.bytes.len()].copy_from_slice(&one.bytes);
                lines += &format!("{}:0:*:{}\n", one.name, one.hex);
                expected.insert(one.name, (one.at as u64, one.bytes.len() as u64));
            }
            scene.write(format!("files/{index:02}"), bytes);
        }
        let signatures = scene.write("seams/seams.ndb", lines);
        let ran = run(acceptance::cli::candor()
            .args(["scan", "--json", "--all-matches", "--db"])
            .arg(signatures.parent().unwrap())
            .arg(&folder));
        assert_eq!(ran.code, Some(1), "{}", ran.err);
        let mut found = BTreeMap::new();
        for object in ran.json() {
            for finding in object["findings"].as_array().into_iter().flatten() {
                let name = finding["name"].as_str().unwrap();
                let name = name.trim_end_matches(".UNOFFICIAL").to_string();
                let place = &finding["matches"][0];
                let place = (
                    place["offset"].as_u64().unwrap(),
                    place["length"].as_u64().unwrap(),
                );
                // Each is in one file only, at one place only; normalised views find some again.
                if finding["member"].as_array().is_none_or(Vec::is_empty) {
                    assert_eq!(found.insert(name, place), None);
                }
            }
        }
        let lost: Vec<_> = expected
            .iter()
            .map(|(name, place)| (name, place, found.get(name)))
            .filter(|(_, place, found)| *found != Some(*place))
            .collect();
        assert!(lost.is_empty(), "missed or moved in {size} bytes: {lost:?}");
        assert_eq!(found.len(), expected.len());
    }
}

/// A file of 20 GiB that takes no room on the disk, with the marker at these places.
fn sparse(scene: &Scene, places: &[u64]) -> std::path::PathBuf {
    let path = scene.at("sparse");
    let file = File::create(&path).unwrap();
    file.set_len(20 << 30).unwrap();
    for place in places {
        file.write_all_at(MARKER.as_bytes(), *place).unwrap();
    }
    path
}

#[test]
fn a_file_of_20_gib_is_looked_at_in_the_memory_of_a_small_one() {
    let scene = Scene::default();
    let path = sparse(&scene, &[]);
    // Where the bytes run out, and where the time does.
    for (limits, reason) in [
        (["--max-bytes", "40M", "--max-time", "100s"], "limit-bytes"),
        (["--max-bytes", "20G", "--max-time", "1s"], "limit-time"),
    ] {
        let watched = watch(
            scene.scan().arg("--json").args(limits).arg(&path),
            Duration::from_secs(110),
        );
        assert_eq!(watched.ran.code, Some(2), "{:?}", watched.ran);
        let verdict = &watched.ran.json()[0];
        assert_eq!(verdict["incomplete"][0], reason, "{verdict}");
        let held_kib = watched.peak("candor-worker").anonymous_kib;
        assert!(held_kib < 30 << 10, "{held_kib} KiB with {limits:?}");
    }
}

#[test]
fn what_lies_far_in_is_found_and_what_lies_too_far_makes_no_clean_file() {
    let scene = Scene::default();
    let path = sparse(&scene, &[(20 << 20) - 7]);
    let ran = run(scene.scan().args(["--max-bytes", "30M"]).arg(&path));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = run(scene.scan().args(["--max-bytes", "16M"]).arg(&path));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}
