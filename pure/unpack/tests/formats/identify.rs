//! What objects are recognised as.

use unpack::formats::REGISTRY;
use unpack::{Role, identify};

use crate::samples::corpus;

fn name(bytes: &[u8]) -> &'static str {
    identify(&bytes.to_vec()).expect("memory can be read").name
}

#[test]
fn magics_are_recognised() {
    let cases: [(&[u8], &str); 40] = [
        (b"", "empty"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        (b"Rar!\x1a\x07\0", "rar"),
        (b"Rar!\x1a\x07\x01\0", "rar"),
        (b"MSCF\0\0\0\0", "cab"),
        (b"!<arch>\ndebian-binary", "deb"),
        (b"\xed\xab\xee\xdb\x03\0", "rpm"),
        (b"hsqs\0\0", "squashfs"),
        (b"\x04\x22\x4d\x18\x64", "lz4"),
        (b"LZIP\x01\x0c", "lzip"),
        (b"\x1f\x9d\x90", "compress"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole2"),
        (b"%PDF-1.7\n", "pdf"),
        (b"\n\n%PDF-1.7\n", "pdf"),
        (b"{\\rtf1\\ansi}", "rtf"),
        (b"CWS\x06", "swf-compressed"),
        (b"FWS\x06\x01\x02", "swf"),
        (b"xar!\0\x1c", "xar"),
        (b"MSWIM\0\0\0", "wim"),
        (b"KDMV\x01\0", "vmdk"),
        (b"QFI\xfb\0\0", "qcow"),
        (b"ITSF\x03\0", "chm"),
        (
            b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff\0\x12\x34\x56\x78",
            "lzma",
        ),
        (b"begin 644 a.txt\n#86)C\n`\nend\n", "uuencode"),
        (
            b"From a@b Mon Jan  1 00:00:00 2024\nSubject: x\n\nbody\n",
            "mbox",
        ),
        (
            b"Return-Path: <a@b>\nReceived: from x\n by y\n\nbody\n",
            "mail",
        ),
        (b"Key: value\nOther: value\n", "text"),
        (b"\x89PNG\r\n\x1a\n\0", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "java-class"),
        (b"\xca\xfe\xba\xbe\0\0\0\x02", "mach-o"),
        (b"\xcf\xfa\xed\xfe\x07\0", "mach-o"),
        (b"MZ\x90\0", "dos-executable"),
        (b"<!DOCTYPE html>\n<p>", "html"),
        (b"  <HTML>", "html"),
        (b"just text\n", "text"),
        ("schön — text\n".as_bytes(), "text"),
        (b"\xff\xfet\0e\0x\0t\0", "text"),
        (b"\0\x01\x02\x03 data", "data"),
    ];
    for (bytes, expected) in cases {
        assert_eq!(name(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn what_lies_far_in_or_at_the_end_is_recognised() {
    let mut iso = vec![0; 40_000];
    iso[32_769..32_774].copy_from_slice(b"CD001");
    assert_eq!(name(&iso), "iso9660");
    let mut dmg = vec![7; 100_000];
    let end = dmg.len() - 512;
    dmg[end..end + 4].copy_from_slice(b"koly");
    assert_eq!(name(&dmg), "dmg");
    let zip = corpus()
        .into_iter()
        .find(|sample| sample.name == "zip/deflate")
        .expect("the sample is there");
    let picture = [b"\x89PNG\r\n\x1a\n".as_slice(), &[9; 100_000], &zip.bytes].concat();
    assert_eq!(name(&picture), "zip");
    let executable = [
        b"MZ".as_slice(),
        &[0; 58],
        b"\x40\0\0\0PE\0\0",
        &[0; 300],
        &zip.bytes,
    ];
    assert_eq!(name(&executable.concat()), "pe");
}

#[test]
fn a_table_of_partitions_is_one_of_a_disk_that_is_all_there() {
    let mut disk = vec![0; 64 * 512];
    disk[512..520].copy_from_slice(b"EFI PART");
    disk[560..568].copy_from_slice(&63u64.to_le_bytes());
    assert_eq!(name(&disk), "gpt");
    disk[560..568].copy_from_slice(&64u64.to_le_bytes());
    assert_eq!(name(&disk), "data");
}

#[test]
fn an_end_record_by_chance_is_no_zip() {
    let text = [b"words ".repeat(100).as_slice(), b"PK\x05\x06", &[b' '; 40]].concat();
    assert_eq!(name(&text), "text");
}

#[test]
fn names_are_given_once_for_one_role() {
    let mut seen = std::collections::BTreeMap::new();
    for format in REGISTRY.iter().flat_map(|group| group.iter()) {
        let role = match format.role {
            Role::Container(_) => 0,
            Role::Executable(_) => 1,
            Role::Unsupported => 2,
            Role::Leaf => 3,
        };
        assert_eq!(seen.insert(format.name, role), None, "{}", format.name);
    }
}
