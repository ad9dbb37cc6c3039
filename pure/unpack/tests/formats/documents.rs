//! Office documents: inputs made to cost, oracles, and how a document's parts are reached
//! through several formats.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proto::{Limits, Reason};
use unpack::{Role, identify};

use crate::samples::{Given, corpus, given, given_as};

const FOLDER: &str = "/usr/share/clamav-testfiles";
const PROGRAM_BYTES: usize = 544;
const OLE2: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
const END: u32 = 0xffff_fffe;

#[test]
fn streams_that_share_their_sectors_end() {
    // A directory of many entries, each of which is the whole file.
    let mut file = Compound::new(2_000);
    let size = u32::try_from(file.bytes.len()).expect("fits");
    for entry in 1..file.entries() {
        file.entry(entry, "Stream", 0, size - 512);
    }
    let given = within_a_second(&file.bytes);
    assert_reason(&given, Reason::Malformed, "streams overlap");
    let out: usize = given.members.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(out <= file.bytes.len() * 5, "{out} bytes came out");
}

#[test]
fn lists_that_name_one_module_over_and_over_end() {
    let mut listing = Vec::new();
    for _ in 0..4_000 {
        listing.extend(b"\x19\0\x01\0\0\0M\x1a\0\x01\0\0\0M\x31\0\x04\0\0\0\0\0\0\0");
    }
    listing.extend(b"\x10\0\0\0\0\0");
    let packed = vba_literals(&listing);
    let mut file = Compound::new(400);
    let size = u32::try_from(packed.len()).expect("fits");
    file.content(0, &packed);
    file.entry(1, "dir", 0, size);
    for entry in 2..file.entries() {
        file.entry(entry, "M", 0, size);
    }
    let given = within_a_second(&file.bytes);
    assert_reason(&given, Reason::Malformed, "streams overlap");
}

#[test]
fn a_module_that_only_copies_ends_by_ratio() {
    // One letter, then copies as long as a chunk allows, in as many chunks as there is room for.
    let chunk = b"\x03\xb0\x02A\xff\x0f".repeat(20_000);
    let text = [b"\x01\x0c\xb0\0Attribut\0e A".as_slice(), &chunk].concat();
    let mut file = Compound::new(1_000);
    let size = u32::try_from(text.len()).expect("fits");
    file.content(0, &text);
    file.entry(1, "Module", 0, size);
    let given = within_a_second(&file.bytes);
    let text = given
        .members
        .iter()
        .find(|(name, _)| name.starts_with(b"(vba"));
    assert!(text.is_some_and(|(_, bytes)| bytes.len() > 8 << 20));
    let few = Limits {
        ratio_max: 20,
        ..Limits::default()
    };
    let format = identify(&file.bytes).expect("memory can be read");
    let given = given_as(format, &file.bytes, few);
    assert!(
        given
            .troubles
            .iter()
            .any(|t| t.reason == Reason::LimitRatio)
    );
}

#[test]
fn a_presentation_of_objects_side_by_side_ends() {
    let record = b"\x10\0\x11\x10\xff\xff\xff\x7f\0\0\0\x01\x78\x9c";
    let mut file = Compound::new(4_000);
    let content = record.repeat(100_000);
    let size = u32::try_from(content.len()).expect("fits");
    file.content(0, &content);
    file.entry(1, "PowerPoint Document", 0, size);
    let given = within_a_second(&file.bytes);
    assert_reason_of(&given, Reason::Malformed);
    assert_eq!((given.members.len(), given.troubles.len()), (1, 64));
}

#[test]
fn groups_without_end_end() {
    let braces = [b"{\\rtf1".as_slice(), &vec![b'{'; 2 << 20]].concat();
    assert_reason(
        &within_a_second(&braces),
        Reason::Malformed,
        "groups nest too deep",
    );
    let objects = [b"{\\rtf1".as_slice(), &b"{\\objdata 01".repeat(100_000)].concat();
    let given = within_a_second(&objects);
    assert_reason(&given, Reason::Unsupported, "objects nest too deep");
    assert!(given.troubles.len() < 100);
    let escapes = [
        b"{\\rtf1{\\objdata ".as_slice(),
        &b"012\\'41".repeat(300_000),
        b"}}",
    ]
    .concat();
    assert_eq!(within_a_second(&escapes).members.len(), 3);
}

#[test]
fn a_spelled_object_stays_within_the_memory() {
    let digits = [
        b"{\\rtf1{\\objdata ".as_slice(),
        &vec![b'0'; 4 << 20],
        b"}}",
    ]
    .concat();
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let format = identify(&digits).expect("memory can be read");
    let given = given_as(format, &digits, few);
    assert_reason_of(&given, Reason::LimitMemory);
    assert_eq!(given.members[0].1.len(), 1 << 20);
}

#[test]
fn a_binary_part_stays_within_the_memory_and_a_bomb_in_it_within_the_ratio() {
    let head = b"<w:wordDocument xmlns:w=\"http://schemas.microsoft.com/office/word/2003/wordml\">";
    let parts = b"<w:binData>".repeat(200_000);
    let given = within_a_second(&[head.as_slice(), &parts].concat());
    assert!(!given.troubles.is_empty());
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&vec![0; 64 << 20], 9);
    let header = [b"ActiveMime".as_slice(), &[0; 40]].concat();
    let given = within_a_second(&[header, packed].concat());
    assert_reason_of(&given, Reason::LimitRatio);
}

#[test]
fn notes_full_of_files_that_overlap_end() {
    let mark = b"\xe7\x16\xe3\xbd\x65\x26\x11\x45\xa4\xc4\x8d\x4d\x0b\x7a\x9e\xac";
    let file = [mark.as_slice(), &u64::MAX.to_le_bytes(), &[0; 12]].concat();
    let section = b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3";
    let given = within_a_second(&[section.as_slice(), &[0; 200], &file.repeat(20_000)].concat());
    assert_reason(&given, Reason::Malformed, "files overlap");
}

#[test]
fn macros_of_documents_that_are_text_are_reached() {
    let (_, word) = given(&sample("msxml/word"));
    let (name, active) = given(&word.members[0].1);
    assert_eq!(name, "activemime");
    let (name, document) = given(&active.members[0].1);
    assert_eq!(
        (name, document.members[0].0.as_slice()),
        ("ole2", &b"Contents"[..])
    );
}

#[test]
fn the_usual_documents_hold_the_program() {
    for (name, format) in [("clam.ole.doc", "ole2"), ("clam.exe.rtf", "rtf")] {
        let Ok(bytes) = std::fs::read(Path::new(FOLDER).join(name)) else {
            println!("skipped: {FOLDER}/{name} is not installed");
            return;
        };
        let (found, given) = given(&bytes);
        assert_eq!(
            (found, given.troubles.as_slice()),
            (format, [].as_slice()),
            "{name}"
        );
        assert!(holds_program(&given), "{name}");
    }
    let Ok(bytes) = std::fs::read(Path::new(FOLDER).join("clam.ppt")) else {
        println!("skipped: {FOLDER}/clam.ppt is not installed");
        return;
    };
    let (_, outer) = given(&bytes);
    let object = b"PowerPoint Document/(object 1)";
    let inner = outer.members.iter().find(|(name, _)| name == object);
    assert!(holds_program(&given(&inner.expect("an object").1).1));
}

#[test]
fn compound_files_hold_what_7z_finds_in_them() {
    let folder = std::env::temp_dir().join(format!("candor-ole2-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in [
        "ole2/v3",
        "ole2/v4",
        "ole2/scattered",
        "ole2/vba",
        "ole2/msi",
        "ole2/xlwt",
    ] {
        let bytes = sample(name);
        let path = folder.join("sample");
        std::fs::write(&path, &bytes).expect("a file");
        let command = Command::new("7z")
            .args(["x", "-so", "-tCompound"])
            .arg(&path)
            .output();
        let Ok(output) = command else {
            println!("skipped: 7z is not installed");
            break;
        };
        let (_, given) = given(&bytes);
        let streams = given
            .members
            .iter()
            .filter(|(name, _)| !name.starts_with(b"(vba"));
        let mut ours: Vec<u8> = streams.flat_map(|(_, bytes)| bytes.clone()).collect();
        let mut theirs = output.stdout;
        // It goes through the tree, we through the table.
        ours.sort_unstable();
        theirs.sort_unstable();
        assert!(
            ours == theirs,
            "{name}: {} and {} bytes",
            ours.len(),
            theirs.len()
        );
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn clamscan_finds_the_same_text_in_modules() {
    let folder = std::env::temp_dir().join(format!("candor-vba-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let text = b"\nsub auto_open()\r\n";
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(folder.join("s.ndb"), format!("Text:0:*:{hex}\n")).expect("a file");
    for name in ["ole2/vba", "ole2/vba-broken-list"] {
        let bytes = sample(name);
        let path = folder.join("sample");
        std::fs::write(&path, &bytes).expect("a file");
        let command = Command::new("clamscan")
            .arg("-d")
            .arg(folder.join("s.ndb"))
            .args(["--no-summary"])
            .arg(&path)
            .output();
        let Ok(output) = command else {
            println!("skipped: clamscan is not installed");
            break;
        };
        let theirs = output.status.code() == Some(1);
        let is_in = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        let ours = given(&bytes)
            .1
            .members
            .iter()
            .any(|(_, bytes)| is_in(bytes));
        // Where they find it, we do; where the list is broken, we do all the same.
        assert!(ours, "{name}");
        assert!(
            theirs || name.ends_with("broken-list"),
            "{name}: {output:?}"
        );
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

fn holds_program(given: &Given) -> bool {
    let is_program = |bytes: &Vec<u8>| {
        let format = identify(bytes).expect("memory can be read");
        bytes.len() == PROGRAM_BYTES && matches!(format.role, Role::Executable(_))
    };
    given.members.iter().any(|(_, bytes)| is_program(bytes))
}

fn within_a_second(bytes: &[u8]) -> Given {
    let bytes = bytes.to_vec();
    let format = identify(&bytes).expect("memory can be read");
    let began = Instant::now();
    let given = given_as(format, &bytes, Limits::default());
    // The machine may be busy with other tests.
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    given
}

fn assert_reason(given: &Given, reason: Reason, text: &str) {
    let told: BTreeSet<_> = given
        .troubles
        .iter()
        .map(|t| (t.reason.as_str(), t.text.as_str()))
        .collect();
    assert!(
        told.contains(&(reason.as_str(), text)),
        "{text} is not among {told:?}"
    );
}

fn assert_reason_of(given: &Given, reason: Reason) {
    let told: BTreeSet<_> = given.troubles.iter().map(|t| t.reason.as_str()).collect();
    assert!(
        told.contains(reason.as_str()),
        "{reason:?} is not among {told:?}"
    );
}

fn sample(name: &str) -> Vec<u8> {
    let mut all = corpus().into_iter();
    all.find(|sample| sample.name == name)
        .expect("the sample is there")
        .bytes
}

/// Text in chunks that are not compressed.
fn vba_literals(text: &[u8]) -> Vec<u8> {
    let mut packed = vec![1];
    for part in text.chunks(4_096) {
        packed.extend([0xff, 0x3f]);
        packed.extend(part);
    }
    packed
}

/// A compound file whose sectors are one chain but for the tables and the directory.
struct Compound {
    bytes: Vec<u8>,
    sectors: usize,
    directory: usize,
}

impl Compound {
    /// With as many sectors of content, and a directory of a fifth of that.
    fn new(sectors: usize) -> Self {
        let directory = sectors;
        let directory_sectors = sectors.div_ceil(5);
        let used = sectors + directory_sectors;
        let tables = (used + used / 100 + 2).div_ceil(128);
        let mut bytes = vec![0; 512 * (1 + used + tables)];
        bytes[..8].copy_from_slice(OLE2);
        bytes[28..34].copy_from_slice(&[0xfe, 0xff, 9, 0, 6, 0]);
        let mut put = |at: usize, value: usize| {
            let value = u32::try_from(value).expect("fits");
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        };
        let end = usize::try_from(END).expect("fits");
        put(48, directory);
        put(56, 4_096);
        put(60, end);
        put(68, end);
        for table in 0..109 {
            put(
                76 + table * 4,
                if table < tables {
                    used + table
                } else {
                    0xffff_ffff
                },
            );
        }
        for sector in 0..used {
            let last = sector + 1 == directory || sector + 1 == used;
            let next = if last { end } else { sector + 1 };
            put(512 * (1 + used) + sector * 4, next);
        }
        let mut file = Self {
            bytes,
            sectors,
            directory,
        };
        file.entry(0, "Root Entry", END, 0);
        file
    }

    fn entries(&self) -> usize {
        self.sectors.div_ceil(5) * 4
    }

    fn content(&mut self, sector: usize, content: &[u8]) {
        assert!(content.len() <= (self.sectors - sector) * 512);
        let at = 512 * (1 + sector);
        self.bytes[at..at + content.len()].copy_from_slice(content);
    }

    /// An entry beside the one before it, in the root.
    fn entry(&mut self, index: usize, name: &str, start: u32, size: u32) {
        let at = 512 * (1 + self.directory) + index * 128;
        let entry = &mut self.bytes[at..at + 128];
        for (place, unit) in name.encode_utf16().enumerate() {
            entry[place * 2..place * 2 + 2].copy_from_slice(&unit.to_le_bytes());
        }
        entry[64] = u8::try_from(name.len() * 2 + 2).expect("short");
        entry[66] = if index == 0 { 5 } else { 2 };
        let next = u32::try_from(index + 1).expect("fits");
        let (right, child) = if index == 0 {
            (u32::MAX, 1)
        } else {
            (next, u32::MAX)
        };
        for (place, value) in [
            (68, u32::MAX),
            (72, right),
            (76, child),
            (116, start),
            (120, size),
        ] {
            entry[place..place + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
}
