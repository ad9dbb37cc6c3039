//! Samples and tools that other packages bring (Debian's clamav-testfiles and sigtool). Where
//! they are not installed these tests say so and compare nothing.

use std::path::Path;
use std::process::Command;

use crate::samples::{given, md5};

const FOLDER: &str = "/usr/share/clamav-testfiles";
/// The program that all those samples hold, in its two spellings.
const PROGRAM_BYTES: usize = 544;

#[test]
fn the_usual_samples_unpack_to_the_program() {
    for (name, format) in [
        ("clam.zip", "zip"),
        ("clam.d64.zip", "zip"),
        ("clam.bz2.zip", "zip"),
        ("clam.exe.bz2", "bzip2"),
        ("clam.tar.gz", "gzip"),
        ("clam.7z", "7z"),
        ("clam.cab", "cab"),
    ] {
        let Some(bytes) = sample(name) else {
            return;
        };
        let (found, given_outer) = given(&bytes);
        assert_eq!(found, format, "{name}");
        assert_eq!(given_outer.troubles, [], "{name}");
        let mut content = given_outer.members[0].1.clone();
        if name == "clam.tar.gz" {
            let (inner, given_inner) = given(&content);
            assert_eq!(inner, "tar");
            content.clone_from(&given_inner.members[0].1);
        }
        assert_eq!(content.len(), PROGRAM_BYTES, "{name}");
        assert_eq!(given(&content).0, "pe", "{name}");
    }
}

#[test]
fn what_is_not_unpacked_is_named() {
    let unsupported = [
        ("clam.7z", "7z"),
        ("clam.cab", "cab"),
        ("clam.arj", "arj"),
        ("clam.bin-be.cpio", "cpio"),
        ("clam.bin-le.cpio", "cpio"),
        ("clam.newc.cpio", "cpio"),
        ("clam.odc.cpio", "cpio"),
        ("clam.chm", "chm"),
        ("clam.exe.binhex", "binhex"),
        ("clam.exe.mbox.base64", "mail"),
        ("clam.exe.mbox.uu", "mail"),
        ("clam.exe.rtf", "rtf"),
        ("clam.exe.szdd", "szdd"),
        ("clam.mail", "mail"),
        ("clam.ole.doc", "ole2"),
        ("clam.pdf", "pdf"),
        ("clam.ppt", "ole2"),
        ("clam.sis", "sis"),
        ("clam.tnef", "tnef"),
        ("clam.exe.html", "html"),
    ];
    for (name, format) in unsupported {
        let Some(bytes) = sample(name) else {
            return;
        };
        assert_eq!(given(&bytes).0, format, "{name}");
    }
    let implode = sample("clam.impl.zip").expect("it comes with the others");
    let troubles = given(&implode).1.troubles;
    assert_eq!(
        troubles[0].text,
        "compression method implode is not supported"
    );
}

#[test]
fn sections_and_imports_hash_as_sigtool_says() {
    let Ok(entries) = std::fs::read_dir(FOLDER) else {
        println!("skipped: {FOLDER} is not installed");
        return;
    };
    let mut compared = 0;
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.extension().is_none_or(|extension| extension != "exe") {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a sample");
        let facts = given(&bytes).1.facts.expect("an executable");
        let (Some(sections), Some(imports)) = (sigtool("--mdb", &path), sigtool("--imp", &path))
        else {
            println!("skipped: sigtool is not installed");
            return;
        };
        let mut ours: Vec<String> = facts
            .sections
            .iter()
            .map(|section| {
                let begin = usize::try_from(section.raw_offset).expect("fits");
                let size = usize::try_from(section.raw_size_bytes).expect("fits");
                format!("{size}:{}", md5(&bytes[begin..begin + size]))
            })
            .filter(|line| !line.starts_with("0:"))
            .collect();
        // Sigtool lists them by their place in the file.
        let mut theirs = after(&sections, "Section{");
        ours.sort();
        theirs.sort();
        assert_eq!(ours, theirs, "{}", path.display());
        let ours = facts.import_text.unwrap_or_default();
        let ours = format!("{}:{}", md5(&ours), ours.len());
        let theirs = after(&imports, "Imphash");
        // A directory that says it has no room for one library is read by us all the same.
        if theirs.first().is_some_and(|theirs| !theirs.ends_with(":0")) {
            assert_eq!(theirs, [ours], "{}", path.display());
        }
        compared += 1;
    }
    assert!(compared >= 15, "{compared} compared");
}

fn sample(name: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(Path::new(FOLDER).join(name)).ok();
    if bytes.is_none() {
        println!("skipped: {FOLDER}/{name} is not installed");
    }
    bytes
}

fn sigtool(option: &str, path: &Path) -> Option<String> {
    let output = Command::new("sigtool")
        .arg(option)
        .arg(path)
        .output()
        .ok()?;
    let text = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&text).into_owned())
}

/// The hashes in lines of a kind: what follows the last space.
fn after(text: &str, kind: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.contains(kind) && !line.contains("no data"))
        .filter_map(|line| line.rsplit(' ').next())
        .filter(|hash| hash.len() >= 32)
        .map(str::to_owned)
        .collect()
}
