//! Logical signatures decide as the peer's do: generated ones, construct by construct, each on
//! files that were made for it and on everybody else's.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::fs;

use acceptance::logical::{MAKERS, Maker};
use acceptance::peer;
use acceptance::signatures::Numbers;

/// Cases (a signature and a file made for it) of each construct. `CANDOR_LOGICAL_CASES` asks for
/// another number: 100,000 in all are 8,400.
const CASES: usize = 400;
/// Signatures in one database.
const SIGNATURES_MAX: usize = 800;

fn round(make: Maker, seed: u64, cases: usize) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    let (database, files) = (directory.path().join("db"), directory.path().join("files"));
    fs::create_dir(&database).unwrap();
    fs::create_dir(&files).unwrap();
    let mut numbers = Numbers::new(seed);
    let (mut text, mut made) = (String::new(), 0);
    for index in 0..SIGNATURES_MAX {
        if made >= cases {
            break;
        }
        let case = make(&mut numbers);
        text += &format!("Gen.{index};{}\n", case.line);
        for (copy, bytes) in case.files.iter().enumerate() {
            fs::write(files.join(format!("{index}-{copy}")), bytes).unwrap();
        }
        made += case.files.len();
    }
    fs::write(database.join("gen.ldb"), text).unwrap();
    (made, peer::assert_same(&database, &files))
}

#[test]
fn generated_logical_signatures_fire_where_the_peer_says() {
    if !peer::is_there("generated logical signatures against clamscan") {
        return;
    }
    let asked = std::env::var("CANDOR_LOGICAL_CASES").ok();
    let cases = asked.and_then(|cases| cases.parse().ok()).unwrap_or(CASES);
    let mut total = 0;
    for ((name, make), seed) in MAKERS.into_iter().zip(0u64..) {
        let (mut made, mut fired) = (0, 0);
        for round_number in 0u64.. {
            if made >= cases {
                break;
            }
            println!("{name}, round {round_number}");
            let (more, matches) = round(make, seed * 1000 + round_number, cases - made);
            made += more;
            fired += matches;
        }
        println!("{name}: {made} cases, {fired} fired");
        assert!(
            fired * 20 > made && fired * 20 < made * 19,
            "{name}: {fired} of {made} cases fired: the generator has lost its aim"
        );
        total += made;
    }
    println!("{total} cases");
}
