//! Unix archives, packages and images: what is made to cost, what must be reached through several
//! containers, and what other tools see in the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use proto::{Limits, Reason};
use sha2::{Digest, Sha256};
use unpack::{Role, identify};

use crate::samples::{Given, corpus, given, given_as, limits};

/// More than any of these takes, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

fn sample(name: &str) -> Vec<u8> {
    let mut all = corpus().into_iter();
    let found = all.find(|sample| sample.name == name);
    found.expect("the sample is there").bytes
}

fn unpacked(bytes: Vec<u8>, limits: Limits) -> Given {
    let started = Instant::now();
    let format = identify(&bytes).expect("memory can be read");
    let given = given_as(format, &bytes, limits);
    assert!(started.elapsed() < SOON, "took {:?}", started.elapsed());
    given
}

fn has(given: &Given, reason: Reason) -> bool {
    given
        .troubles
        .iter()
        .any(|trouble| trouble.reason == reason)
}

/// Everything inside, at any depth, with the names that lead to it.
fn inside(bytes: &[u8], path: &str, found: &mut Vec<(String, Vec<u8>)>) {
    for (name, bytes) in given(bytes).1.members {
        let path = format!("{path}/{}", String::from_utf8_lossy(&name));
        inside(&bytes, &path, found);
        found.push((path, bytes));
    }
}

#[test]
fn a_file_in_a_package_is_reached() {
    let installed = golden_digest("cpio/newc", "a.txt");
    for name in [
        "deb/gzip",
        "deb/xz",
        "deb/zstd",
        "rpm/gzip",
        "rpm/xz",
        "rpm/zstd",
        "rpm/bzip2",
        "rpm/plain",
    ] {
        let mut found = Vec::new();
        inside(&sample(name), "", &mut found);
        let reached = found
            .iter()
            .find(|(path, _)| path.ends_with("/./usr/a.txt"));
        let reached = reached.unwrap_or_else(|| panic!("{name}: only {:?}", names(&found)));
        assert_eq!(hex(&Sha256::digest(&reached.1)), installed, "{name}");
    }
}

fn names(found: &[(String, Vec<u8>)]) -> Vec<&str> {
    found.iter().map(|(path, _)| path.as_str()).collect()
}

fn golden_digest(name: &str, member: &str) -> String {
    let mut all = corpus().into_iter();
    let found = all.find(|sample| sample.name == name).expect("a sample");
    let line = format!("member {member} ");
    let line = found.golden.lines().find(|found| found.starts_with(&line));
    let digest = line.and_then(|line| line.rsplit(' ').next());
    digest.expect("a digest").to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn an_image_behind_an_executable_is_its_overlay() {
    let image = sample("squashfs/gzip");
    let mut program = sample("elf/64-little");
    let begin = program.len();
    program.extend(&image);
    let (format, given_program) = given(&program);
    assert_eq!(format, "elf");
    let overlay = given_program.facts.and_then(|facts| facts.overlay_offset);
    assert_eq!(overlay, Some(begin as u64));
    assert_eq!(given(&program[begin..]).0, "squashfs");
}

#[test]
fn damaged_cpio_headers_side_by_side_cost_what_they_are() {
    let mut bytes = sample("cpio/newc");
    bytes.truncate(110);
    bytes[20] = b'?';
    let flood = bytes.repeat(20_000);
    let given = unpacked(flood, limits());
    assert_eq!(given.members.len(), 1);
    assert!(has(&given, Reason::Malformed));
}

#[test]
fn a_million_empty_files_end_by_the_number_of_objects() {
    let mut entry = b"070707".to_vec();
    entry.extend(b"000000".repeat(2));
    entry.extend(b"100644");
    entry.extend(b"000000".repeat(2));
    entry.extend(b"000001000000");
    entry.extend(b"00000000000");
    entry.extend(b"000002");
    entry.extend(b"00000000000");
    entry.extend(b"a\0");
    let given = unpacked(entry.repeat(300_000), Limits::default());
    assert_eq!(
        given.members.len() as u64,
        Limits::default().objects_max + 1
    );
}

#[test]
fn an_rpm_whose_index_names_one_text_many_times_gives_it_once() {
    let mut header = b"\x8e\xad\xe8\x01\0\0\0\0".to_vec();
    let text = vec![b'x'; 1 << 20];
    header.extend(4_000u32.to_be_bytes());
    header.extend(u32::try_from(text.len()).expect("fits").to_be_bytes());
    for _ in 0..4_000 {
        header.extend([0, 0, 3, 255, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
    header.extend(&text);
    let mut bytes = b"\xed\xab\xee\xdb".to_vec();
    bytes.resize(96, 0);
    bytes.extend(b"\x8e\xad\xe8\x01\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(&header);
    let given = unpacked(bytes, limits());
    let pre = given.members.iter().filter(|(name, _)| name == b"(pre)");
    assert_eq!(pre.count(), 1);
    assert!(
        given
            .troubles
            .iter()
            .any(|trouble| trouble.text == "entries of the header overlap")
    );
}

/// An image whose metadata is stored, with files of one block each that the same bytes fill.
struct Squashfs {
    inodes: Vec<u8>,
    data: Vec<u8>,
}

impl Squashfs {
    fn image(&self, block_log: u16) -> Vec<u8> {
        let mut bytes = vec![0; 96];
        bytes[..4].copy_from_slice(b"hsqs");
        bytes[12..16].copy_from_slice(&(1u32 << block_log).to_le_bytes());
        bytes[20..22].copy_from_slice(&1u16.to_le_bytes());
        bytes[22..24].copy_from_slice(&block_log.to_le_bytes());
        bytes[28..30].copy_from_slice(&4u16.to_le_bytes());
        bytes.extend(&self.data);
        let inodes = bytes.len() as u64;
        for block in self.inodes.chunks(8192) {
            let size = u16::try_from(block.len()).expect("fits");
            bytes.extend((size | 0x8000).to_le_bytes());
            bytes.extend(block);
        }
        let end = bytes.len() as u64;
        bytes[40..48].copy_from_slice(&end.to_le_bytes());
        bytes[64..72].copy_from_slice(&inodes.to_le_bytes());
        bytes[72..80].copy_from_slice(&end.to_le_bytes());
        bytes
    }

    fn file(&mut self, start: u32, size: u32, blocks: &[u32]) {
        self.inodes.extend([2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.inodes.extend(start.to_le_bytes());
        self.inodes.extend(start.to_le_bytes());
        self.inodes.extend(u32::MAX.to_le_bytes());
        self.inodes.extend(0u32.to_le_bytes());
        self.inodes.extend(size.to_le_bytes());
        for block in blocks {
            self.inodes.extend(block.to_le_bytes());
        }
    }
}

#[test]
fn blocks_that_many_files_share_end_by_ratio() {
    let packed = zlib(&vec![0; 1 << 20]);
    let size = u32::try_from(packed.len()).expect("fits");
    let mut image = Squashfs {
        inodes: Vec::new(),
        data: packed,
    };
    for number in 0..3_000u32 {
        // Each has one byte less than the block, so that none is the same.
        image.file(96, (1 << 20) - number, &[size]);
    }
    let given = unpacked(image.image(20), Limits::default());
    assert!(has(&given, Reason::LimitRatio), "{:?}", given.troubles);
}

#[test]
fn a_file_of_holes_ends_by_a_limit() {
    let mut image = Squashfs {
        inodes: Vec::new(),
        data: Vec::new(),
    };
    image.file(96, u32::MAX, &[0; 4096]);
    let given = unpacked(image.image(20), Limits::default());
    assert!(has(&given, Reason::LimitRatio), "{:?}", given.troubles);
}

#[test]
fn lists_of_blocks_that_are_not_there_end() {
    let mut image = Squashfs {
        inodes: Vec::new(),
        data: Vec::new(),
    };
    for number in 0..50_000 {
        image.file(number, u32::MAX, &[]);
    }
    let given = unpacked(image.image(12), limits());
    assert!(!given.troubles.is_empty());
}

#[test]
fn metadata_may_not_take_more_than_the_memory() {
    let few = Limits {
        memory_bytes_max: 64 << 10,
        ..limits()
    };
    let mut image = Squashfs {
        inodes: Vec::new(),
        data: Vec::new(),
    };
    for number in 0..10_000 {
        image.file(number, 0, &[]);
    }
    let given = unpacked(image.image(12), few);
    assert!(has(&given, Reason::LimitMemory), "{:?}", given.troubles);
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9)
}

#[test]
fn directories_that_overlap_end_by_work() {
    // Every sector is a directory that reaches to the image's end and lists all the others.
    const SECTORS: u32 = 3_000;
    let mut bytes = sample("iso9660/plain");
    let begin = u32::try_from(bytes.len() / 2048).expect("fits");
    let size = SECTORS * 2048;
    bytes.resize(bytes.len() / 2048 * 2048, 0);
    for place in 0..SECTORS {
        let mut sector = Vec::new();
        for entry in 0..50 {
            let block = begin + (place * 50 + entry) % SECTORS;
            let left = size - (block - begin) * 2048;
            let mut record = vec![40, 0];
            record.extend(block.to_le_bytes());
            record.extend(block.to_be_bytes());
            record.extend(left.to_le_bytes());
            record.extend(left.to_be_bytes());
            record.extend([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 1, 1, b'D']);
            record.resize(40, 0);
            sector.extend(record);
        }
        sector.resize(2048, 0);
        bytes.extend(sector);
    }
    bytes[32768 + 158..32768 + 162].copy_from_slice(&begin.to_le_bytes());
    bytes[32768 + 162..32768 + 166].copy_from_slice(&begin.to_be_bytes());
    bytes[32768 + 166..32768 + 170].copy_from_slice(&size.to_le_bytes());
    bytes[32768 + 170..32768 + 174].copy_from_slice(&size.to_be_bytes());
    let given = unpacked(bytes, Limits::default());
    assert!(has(&given, Reason::LimitWork), "{:?}", given.troubles);
}

#[test]
fn a_udf_directory_that_lists_itself_is_looked_at_once() {
    let mut bytes = sample("udf/alone");
    let name = bytes.windows(6).rposition(|window| window == b"\x08a.txt");
    let entry = name.expect("a name") - 38;
    // The entry of the directory above, which has no name, comes first.
    let above = entry & !2047;
    let place: [u8; 16] = bytes[above + 20..above + 36].try_into().expect("fits");
    bytes[entry + 20..entry + 36].copy_from_slice(&place);
    let given = unpacked(bytes, limits());
    assert_eq!(given.members.len(), 2);
}

#[test]
fn a_zisofs_file_of_holes_ends_by_ratio() {
    let mut bytes = sample("zisofs/holes");
    bytes.truncate(16);
    bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    bytes.resize(16 + 4 * (1 << 16), 0);
    let few = Limits {
        ratio_max: 100,
        ..limits()
    };
    let given = unpacked(bytes, few);
    assert!(has(&given, Reason::LimitRatio), "{:?}", given.troubles);
}

#[test]
fn other_tools_see_the_same_files() {
    for (folder, tool) in [
        ("cpio", "bsdtar"),
        ("ar", "bsdtar"),
        ("deb", "bsdtar"),
        ("iso9660", "bsdtar"),
        ("squashfs", "7z"),
        ("cpio", "7z"),
        ("iso9660", "7z"),
        ("udf", "7z"),
    ] {
        if Command::new(tool).arg("--help").output().is_err() {
            println!("skipped: {tool} is not installed");
            continue;
        }
        let mut compared = 0;
        for sample in corpus() {
            let is_of_it = sample.name.starts_with(&format!("{folder}/"));
            if !is_of_it || sample.golden.contains("trouble ") {
                continue;
            }
            let theirs = extracted(tool, &sample.bytes);
            // Some tools decompress what an image's reader would.
            let mut ours = Vec::new();
            inside(&sample.bytes, "", &mut ours);
            let ours: BTreeSet<String> = ours
                .iter()
                .map(|(_, bytes)| hex(&Sha256::digest(bytes)))
                .collect();
            let missed = theirs.iter().find(|(_, digest)| !ours.contains(digest));
            assert_eq!(missed, None, "{} with {tool}", sample.name);
            compared += theirs.len();
        }
        assert!(compared >= 3, "{compared} files of {folder} with {tool}");
    }
}

/// The files with content that a tool extracts, and their digests.
fn extracted(tool: &str, bytes: &[u8]) -> Vec<(String, String)> {
    let folder = std::env::temp_dir().join(format!("images-{}-{tool}", std::process::id()));
    fs::create_dir_all(folder.join("out")).expect("a folder");
    fs::write(folder.join("in"), bytes).expect("a file");
    let mut command = Command::new(tool);
    match tool {
        "7z" => command.args(["x", "-y", "-bd", "-snl-", "-oout", "in"]),
        _ => command.args(["-x", "-f", "in", "-C", "out"]),
    };
    command.current_dir(&folder).output().expect("it runs");
    let mut found = Vec::new();
    files(&folder.join("out"), &mut found);
    fs::remove_dir_all(&folder).expect("it goes");
    found
}

fn files(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = path.symlink_metadata().expect("it is there").file_type();
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("it can be read");
            if !bytes.is_empty() {
                found.push((path.display().to_string(), hex(&Sha256::digest(&bytes))));
            }
        }
    }
}

#[test]
fn images_are_containers() {
    for name in [
        "cpio", "ar", "deb", "rpm", "squashfs", "iso9660", "udf", "zisofs",
    ] {
        let formats = unpack::formats::REGISTRY
            .iter()
            .flat_map(|group| group.iter());
        let found = formats.into_iter().find(|format| format.name == name);
        let is_container = found.map(|format| matches!(format.role, Role::Container(_)));
        assert_eq!(is_container, Some(true), "{name}");
    }
}
