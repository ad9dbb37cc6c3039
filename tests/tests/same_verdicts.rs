//! The same verdict as the peer, file by file, with real signatures: over real trees, over the
//! peer's own test files, and over files made to match each real body signature or to just miss.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use acceptance::cli;
use acceptance::corpus;
use acceptance::outcome::said;
use acceptance::peer::{self, Fired};
use acceptance::realise::Realised;
use acceptance::shared::shared;
use acceptance::signatures::Numbers;

/// Real files are compared up to this many bytes a tree.
const TREE_BYTES_MAX: u64 = 24 << 20;
/// Real signatures that are tried in one run; the whole set is a matter of `CANDOR_ALL=1`.
const REALISED_MAX: usize = 700;

/// Names of signatures with one digest: the peer reports one of them, Candor the other.
const ALIASES: [(&str, &str); 1] = [("ClamAV-Test-File", "Clamav.Test.File-6")];

/// The peer's own test files that it sees through and Candor does not yet, with what
/// `docs/differences.md` calls them, and whether Candor says that it did not look at everything.
const NOT_SEEN_THROUGH: [(&str, &str, Told); 23] = [
    ("clam-aspack.exe", "ASPack", Told::Incomplete),
    ("clam-fsg.exe", "FSG", Told::Nothing),
    ("clam-mew.exe", "MEW", Told::Incomplete),
    ("clam-nsis.exe", "NSIS", Told::Incomplete),
    ("clam-pespin.exe", "PESpin", Told::Nothing),
    ("clam-petite.exe", "Petite", Told::Incomplete),
    ("clam-upack.exe", "Upack", Told::Nothing),
    ("clam-upx.exe", "UPX", Told::Incomplete),
    ("clam-wwpack.exe", "WWPack", Told::Incomplete),
    ("clam-yc.exe", "Y0da", Told::Incomplete),
    ("clam.arj", "arj", Told::Incomplete),
    ("clam.chm", "chm", Told::Incomplete),
    ("clam.ea05.exe", "AutoIt", Told::Incomplete),
    ("clam.ea06.exe", "AutoIt", Told::Incomplete),
    ("clam.exe.binhex", "BinHex", Told::Incomplete),
    ("clam.exe.szdd", "SZDD", Told::Incomplete),
    ("clam.impl.zip", "implode", Told::Incomplete),
    ("clam.sis", "SIS", Told::Incomplete),
    ("clam.tnef", "TNEF", Told::Incomplete),
    ("clam_IScab_ext.exe", "InstallShield", Told::Incomplete),
    ("clam_IScab_int.exe", "InstallShield", Told::Incomplete),
    ("clam_ISmsi_ext.exe", "InstallShield", Told::Nothing),
    ("clam_ISmsi_int.exe", "InstallShield", Told::Nothing),
];

/// What Candor says of a file that it does not see through.
#[derive(PartialEq)]
enum Told {
    /// That it did not look at everything.
    Incomplete,
    /// Nothing: a gap that the table of differences names as such.
    Nothing,
}

/// Fails where something fired on one side only, but for rules that are not compiled yet. Gives
/// how many findings are the same, and how many of the peer's were left out.
fn assert_same_but_pending(database: &Path, files: &Path) -> (usize, usize) {
    let (ours, theirs, left_out) = both(database, files);
    let only = |a: &Fired, b: &Fired| a.difference(b).take(20).cloned().collect::<Vec<_>>();
    assert!(
        theirs == ours,
        "missed {:?}\nextra {:?}",
        only(&theirs, &ours),
        only(&ours, &theirs)
    );
    println!(
        "{} findings are the same; {left_out} of the peer's are by rules that wait to be compiled",
        ours.len()
    );
    (ours.len(), left_out)
}

/// What fired on each side, under one name for each digest, and how many of the peer's findings
/// are by signatures that Candor does not compile, or by bytecode, which it never runs.
fn both(database: &Path, files: &Path) -> (Fired, Fired, usize) {
    let pending = pending_names(database);
    let named = |fired: Fired| -> Fired {
        let renamed = fired.into_iter().map(|(file, name)| {
            let alias = ALIASES.iter().find(|(alias, _)| *alias == name);
            (file, alias.map_or(name, |(_, known)| (*known).to_string()))
        });
        renamed.collect()
    };
    let mut theirs = named(peer::clamscan(database, files));
    let all = theirs.len();
    theirs.retain(|(_, name)| !pending.contains(name) && !is_no_signature(name));
    let left_out = all - theirs.len();
    (named(peer::candor(database, files)), theirs, left_out)
}

/// Bytecode, and what the peer finds odd without any signature.
fn is_no_signature(name: &str) -> bool {
    name.starts_with("BC.") || name.starts_with("Heuristics.")
}

/// What a logical signature may ask for that Candor does not compile yet.
const PENDING: [&str; 3] = ["IconGroup", "HandlerType", "VI:"];

/// The names of the logical signatures that only the peer has.
fn pending_names(database: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(database).unwrap().flatten();
    let logical = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ldb"));
    logical
        .flat_map(|path| {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
            let is_pending = |line: &&str| PENDING.iter().any(|asked| line.contains(asked));
            let lines = text.lines().filter(is_pending);
            let names = lines.filter_map(|line| line.split(';').next());
            names.map(str::to_string).collect::<Vec<_>>()
        })
        .collect()
}

/// What must stand before a body so that the file is of its target.
fn beginning(target: &str) -> Option<Vec<u8>> {
    Some(match target {
        "0" => b"GIF89a\xff\xff".to_vec(),
        "1" => fs::read("/usr/share/clamav-testfiles/clam.exe").ok()?,
        "6" => fs::read("/bin/true").unwrap(),
        "2" => b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
        "3" => b"<html><body>".to_vec(),
        "7" => b"some words in a text\n".to_vec(),
        "9" => b"\xcf\xfa\xed\xfe\x07\0\0\x01\x03\0\0\0\x02\0\0\0".to_vec(),
        "10" => b"%PDF-1.4\n".to_vec(),
        "12" => b"\xca\xfe\xba\xbe\0\0\0\x34".to_vec(),
        _ => return None,
    })
}

/// Writes a file that should match and one that just misses; `false` where that is beyond reach.
fn write_around(line: &str, folder: &Path, numbers: &mut Numbers) -> bool {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, target, offset, body, ..] = fields[..] else {
        return false;
    };
    let (Some(head), Some(made)) = (beginning(target), Realised::of(body, numbers)) else {
        return false;
    };
    let at = match offset {
        "*" => head.len(),
        number => match number.split(',').next().unwrap_or_default().parse() {
            Ok(at) => at,
            Err(_) => return false,
        },
    };
    let missing = made.just_missing(numbers);
    for (label, bytes) in [("match", &made.bytes), ("miss", &missing)] {
        let mut file = if at == 0 { Vec::new() } else { head.clone() };
        file.resize(at.max(file.len()), b' ');
        file.truncate(at);
        file.extend(bytes);
        file.extend(b"\nand an end\n");
        fs::write(folder.join(format!("{name}.{label}")), file).unwrap();
    }
    true
}

#[test]
fn real_body_signatures_match_and_just_miss_where_the_peer_says() {
    let what = "real body signatures against clamscan";
    let Some(set) = shared("signatures/clamav", what) else {
        return;
    };
    if !peer::is_there(what) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (database, files) = (scratch.path().join("db"), scratch.path().join("files"));
    fs::create_dir(&database).unwrap();
    fs::create_dir(&files).unwrap();
    let mut numbers = Numbers::new(11);
    let mut lines: Vec<String> = Vec::new();
    for source in ["daily.ndb", "rfxn.ndb"] {
        let text = String::from_utf8_lossy(&fs::read(set.join(source)).unwrap()).into_owned();
        fs::write(database.join(source), &text).unwrap();
        lines.extend(text.lines().map(str::to_string));
    }
    let most = match std::env::var_os("CANDOR_ALL") {
        Some(_) => lines.len(),
        None => REALISED_MAX,
    };
    let step = lines.len().div_ceil(most).max(1);
    let made = lines
        .iter()
        .enumerate()
        // Those of the first file are few and of many kinds: all of them.
        .filter(|(index, _)| *index < 260 || index % step == 0)
        .filter(|(_, line)| write_around(line, &files, &mut numbers))
        .count();
    assert!(made > 400, "files were made for {made} signatures only");
    let (matches, _) = assert_same_but_pending(&database, &files);
    assert!(
        matches * 10 > made * 7,
        "{matches} matches for {made} signatures: their bytes are not made right"
    );
}

/// The whole real set over programs, the corpus, and rule files, which hold fragments of malware.
#[test]
fn real_trees_get_the_peers_verdicts() {
    let what = "real trees against clamscan";
    let Some(set) = shared("signatures/clamav", what) else {
        return;
    };
    if !peer::is_there(what) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let mut trees = vec!["/usr/bin".into()];
    trees.extend(shared("signatures/yara", "rule files against clamscan"));
    trees.extend(shared(
        "signatures/clamav-clam-punch",
        "rule files against clamscan",
    ));
    for (index, tree) in trees.iter().enumerate() {
        copy_some(tree, &scratch.path().join(format!("tree-{index}")));
    }
    let samples = scratch.path().join("corpus");
    fs::create_dir(&samples).unwrap();
    for sample in corpus::samples() {
        fs::write(samples.join(sample.name.replace('/', "-")), &sample.bytes).unwrap();
    }
    assert_same_but_pending(&set, scratch.path());
}

/// The peer's own test files: whatever it finds in them Candor finds, or says what it did not see.
#[test]
fn the_peers_test_files_are_seen_through_or_named() {
    let what = "the peer's test files";
    let files = Path::new("/usr/share/clamav-testfiles");
    if !files.is_dir() {
        println!("skipped: {what} (clamav-testfiles is not installed)");
        return;
    }
    if !peer::is_there(what) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let line = "aa15bcf478d165efd2065190eb473bcb:544:Clamav.Test.File-6\n";
    fs::write(scratch.path().join("main.hdb"), line).unwrap();
    let (ours, theirs, _) = both(scratch.path(), files);
    let missed: Vec<&str> = theirs
        .difference(&ours)
        .map(|(file, _)| file.as_str())
        .collect();
    let known: Vec<&str> = NOT_SEEN_THROUGH.iter().map(|(file, ..)| *file).collect();
    assert_eq!(
        missed, known,
        "what the peer sees through and Candor does not"
    );
    let ran = cli::run(
        cli::candor()
            .args(["scan", "--json", "--db"])
            .arg(scratch.path())
            .arg(files),
    );
    let said = said(&ran);
    let differences = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/differences.md");
    let differences = fs::read_to_string(differences).unwrap();
    for (file, row, told) in NOT_SEEN_THROUGH {
        let outcome = match told {
            Told::Incomplete => "incomplete",
            Told::Nothing => "clean",
        };
        assert_eq!(said[file].outcome, outcome, "{}", said[file].line);
        assert!(
            differences.contains(row),
            "docs/differences.md does not tell of {row}"
        );
    }
}

fn copy_some(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut waiting = vec![from.to_path_buf()];
    let mut total = 0;
    while let Some(path) = waiting.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            let mut entries: Vec<_> = fs::read_dir(&path).unwrap().flatten().collect();
            entries.sort_by_key(fs::DirEntry::path);
            waiting.extend(entries.iter().map(fs::DirEntry::path));
        } else if metadata.is_file() && total + metadata.len() <= TREE_BYTES_MAX {
            total += metadata.len();
            let name = path.strip_prefix(from).unwrap().display().to_string();
            fs::copy(&path, to.join(name.replace('/', "_"))).unwrap();
        }
    }
}
