//! The same verdict as the peer on the same bytes and the same signatures.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::fs;

use acceptance::peer;
use acceptance::signatures::{Generated, Numbers, file_around, hex, offset_near};

/// Signatures a round; every one is tried on every file of its round.
const SIGNATURES: usize = 300;

fn round(seed: u64) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let (database, files) = (directory.path().join("db"), directory.path().join("files"));
    fs::create_dir(&database).unwrap();
    fs::create_dir(&files).unwrap();
    let mut numbers = Numbers::new(seed);

    let mut text = String::new();
    for index in 0..SIGNATURES {
        let made = Generated::new(&mut numbers);
        let mut offset = "*".to_string();
        for copy in 0..3 {
            let (bytes, at) = file_around(&mut numbers, &made.bytes);
            if copy == 0 {
                offset = offset_near(&mut numbers, at, bytes.len());
            }
            fs::write(files.join(format!("{index}-{copy}")), bytes).unwrap();
        }
        text += &format!("Gen.{index}:0:{offset}:{}\n", made.hex);
    }
    fs::write(database.join("gen.ndb"), text).unwrap();
    peer::assert_same(&database, &files)
}

#[test]
fn generated_body_signatures_match_where_the_peer_says() {
    if !peer::is_there("generated body signatures against clamscan") {
        return;
    }
    let matches: usize = (1..=6).map(round).sum();
    assert!(
        matches > 900,
        "only {matches} matches: the generator has lost its aim"
    );
}

#[test]
fn offsets_in_executables_match_where_the_peer_says() {
    if !peer::is_there("offsets in executables against clamscan") {
        return;
    }
    offsets_of(&fs::read("/bin/true").unwrap());
    // Packed samples are left out: the peer unpacks them, and finds things in what comes out.
    let Ok(plain) = fs::read("/usr/share/clamav-testfiles/clam.exe") else {
        println!("skipped: offsets in PE files (clamav-testfiles is not installed)");
        return;
    };
    let mut numbers = Numbers::new(7);
    let mut longer = plain.clone();
    longer.extend((0..3000).map(|_| u8::try_from(numbers.below(256)).unwrap()));
    // The only section's record: its raw size and offset now cover a part of what was added.
    let record = 0x1f8;
    longer[record + 16..record + 20].copy_from_slice(&0x400u32.to_le_bytes());
    longer[record + 20..record + 24].copy_from_slice(&0x400u32.to_le_bytes());
    offsets_of(&plain);
    offsets_of(&longer);
}

fn offsets_of(bytes: &[u8]) {
    let matches: usize = (0..6).map(|seed| offsets_round(bytes, seed)).sum();
    assert!(matches > 50, "only {matches} matches");
}

/// Few signatures a round: no more matches than one verdict holds.
fn offsets_round(bytes: &[u8], seed: u64) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let (database, files) = (directory.path().join("db"), directory.path().join("files"));
    fs::create_dir(&database).unwrap();
    fs::create_dir(&files).unwrap();
    fs::write(files.join("sample"), bytes).unwrap();
    let target = if bytes.starts_with(b"MZ") { 1 } else { 6 };
    let mut numbers = Numbers::new(seed + 100);
    let mut text = String::new();
    let anchors = [
        "EP+", "EP-", "S0+", "S1+", "S2+", "S5+", "SL+", "SE0", "SE1", "SE2", "SE15", "EOF-", "",
    ];
    for index in 0..150 {
        let at = numbers.below(bytes.len().saturating_sub(8));
        let piece = &bytes[at..at + 8];
        // A piece that stands everywhere says nothing about where it was found.
        if piece.windows(2).all(|pair| pair[0] == pair[1]) {
            continue;
        }
        let anchor = numbers.of(&anchors);
        let distance = if anchor.starts_with("SE") {
            String::new()
        } else if anchor == "EOF-" && numbers.below(2) == 0 {
            (bytes.len() - at).to_string()
        } else if numbers.below(2) == 0 {
            at.to_string()
        } else {
            numbers.below(600).to_string()
        };
        let shift = match numbers.below(3) {
            0 => String::new(),
            1 => format!(",{}", numbers.below(64)),
            _ => format!(",{}", numbers.below(bytes.len())),
        };
        let shift = if anchor.starts_with("SE") {
            String::new()
        } else {
            shift
        };
        text += &format!(
            "Off.{index}:{target}:{anchor}{distance}{shift}:{}\n",
            hex(piece)
        );
    }
    fs::write(database.join("off.ndb"), text).unwrap();
    peer::assert_same(&database, &files)
}

/// Every hash kind, with the right size, a wrong one and any, for files that differ in one byte.
#[test]
fn hash_signatures_match_where_the_peer_says() {
    if !peer::is_there("hash signatures against clamscan") {
        return;
    }
    let Ok(sample) = fs::read("/usr/share/clamav-testfiles/clam.exe") else {
        println!("skipped: hash signatures against clamscan (clamav-testfiles is not installed)");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let (database, files) = (directory.path().join("db"), directory.path().join("files"));
    fs::create_dir(&database).unwrap();
    fs::create_dir(&files).unwrap();
    let mut changed = sample.clone();
    changed[100] ^= 1;
    let mut longer = sample.clone();
    longer.push(0);
    for (name, bytes) in [
        ("plain", &sample),
        ("changed", &changed),
        ("longer", &longer),
    ] {
        fs::write(files.join(name), bytes).unwrap();
    }
    // As `md5sum`, `sha1sum`, `sha256sum`, `sigtool --mdb` and `sigtool --imp` give them.
    let (md5, section) = (
        "aa15bcf478d165efd2065190eb473bcb",
        "23db1dd3f77fae25610b6a32701313ae",
    );
    let import = "98c88d882f01a3f6ac1e5f7dfd761624";
    let lines = [
        (
            "a.hdb",
            format!("{md5}:544:Hdb.Right\n{md5}:545:Hdb.Size\n"),
        ),
        ("b.hdb", format!("{}:544:Hdb.Upper\n", md5.to_uppercase())),
        (
            "a.hsb",
            format!("{md5}:*:Hsb.Any:73\n{md5}:544:Hsb.Old:10:20\n"),
        ),
        (
            "a.mdb",
            format!("512:{section}:Mdb.Right\n513:{section}:Mdb.Size\n"),
        ),
        ("a.msb", format!("*:{section}:Msb.Any:73\n")),
        (
            "a.imp",
            format!("{import}:39:Imp.Right\n{import}:40:Imp.Size\n{import}:*:Imp.Any:90\n"),
        ),
        ("a.ign2", "Hdb.Upper\n".to_string()),
    ];
    for (name, text) in &lines {
        fs::write(database.join(name), text).unwrap();
    }
    let matches = peer::assert_same(&database, &files);
    assert!(matches >= 8, "only {matches} matches");
    // A file that a database calls good is flagged by nothing.
    fs::write(database.join("a.fp"), format!("{md5}:544:Good\n")).unwrap();
    let fewer = peer::assert_same(&database, &files);
    assert!(fewer < matches, "{fewer} of {matches} matches are left");
}
