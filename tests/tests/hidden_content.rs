//! Content behind something else: archives behind the magic of an executable, in the slack of
//! other archives, inside pictures and text. Each is found, or the file is not called clean. And
//! what honest files have in the same places alarms nobody.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use acceptance::archives::{
    Header, Method, Zip, cab, gzip, local_header, rar4, rar5, seven_zip, tar_member, xz_stored,
};
use acceptance::cli::{MARKER, Scene, run};
use acceptance::outcome::{Said, said};
use miniz_oxide::deflate::compress_to_vec;

const END_BYTES: usize = 22;

fn scanned(name: &str, bytes: &[u8]) -> Said {
    let scene = Scene::default();
    let path = scene.write(name, bytes);
    let ran = run(scene.scan().args(["--json", "--all-matches"]).arg(path));
    said(&ran).remove(name).unwrap()
}

/// A zip whose one member has the marker, compressed: nothing but unpacking it shows the marker.
fn evil() -> Vec<u8> {
    Zip::default()
        .with(b"evil", MARKER.as_bytes(), Method::Deflated)
        .finish()
}

/// Where each finding was made.
fn places(said: &Said) -> Vec<Vec<String>> {
    let findings = said.line["findings"].as_array().into_iter().flatten();
    let parts = |finding: &serde_json::Value| {
        let member = finding["member"].as_array().into_iter().flatten();
        member
            .map(|part| part.as_str().unwrap().to_string())
            .collect()
    };
    findings.map(parts).collect()
}

fn assert_found_once(said: &Said, place: &[&str]) {
    assert_eq!(places(said), [place], "{}", said.line);
}

/// An ELF file with one segment, of which it claims this many bytes.
fn elf(segment_bytes: u64) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    bytes.extend([0x40_0000u64, 64, 0].map(u64::to_le_bytes).concat());
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    let fields = [0, 0x40_0000, 0x40_0000, segment_bytes, segment_bytes, 8];
    bytes.extend(fields.map(u64::to_le_bytes).concat());
    bytes
}

/// A PE file whose sections claim this many bytes, or that has no section.
fn pe(section_bytes: Option<u32>) -> Vec<u8> {
    let mut bytes = b"MZ".to_vec();
    bytes.resize(60, 0);
    bytes.extend(64u32.to_le_bytes());
    bytes.extend(b"PE\0\0\x4c\x01");
    bytes.extend(u16::from(section_bytes.is_some()).to_le_bytes());
    bytes.extend([0; 12]);
    bytes.extend([224, 0, 2, 1, 0x0b, 1]);
    bytes.resize(88 + 224, 0);
    if let Some(section_bytes) = section_bytes {
        bytes.extend(b".text\0\0\0");
        bytes.extend([0, 0x10, 0, 0, 0, 0x10, 0, 0]);
        bytes.extend(section_bytes.to_le_bytes());
        bytes.extend([0; 20]);
    }
    bytes
}

#[test]
fn a_zip_behind_the_magic_of_an_executable_is_found() {
    let heads = [
        ("magic", b"\x7fELF".to_vec()),
        ("class", [b"\x7fELF\x09\x09".as_slice(), &[0; 58]].concat()),
        ("covered by a segment", elf(1 << 20)),
        ("covered by a section", pe(Some(1 << 20))),
        ("no section", pe(None)),
    ];
    for (name, head) in heads {
        let said = scanned(name, &[head, evil()].concat());
        assert_found_once(&said, &["evil"]);
    }
}

#[test]
fn an_archive_behind_an_executable_is_unpacked_once() {
    let said = scanned("overlay", &[elf(120), evil()].concat());
    assert_found_once(&said, &["(overlay)", "evil"]);
    // The overlay is a container of another kind, and the zip lies behind that.
    let marked = tar_member(b"in the tar", MARKER.as_bytes());
    let said = scanned("both", &[elf(120), marked, vec![0; 1024], evil()].concat());
    let mut places = places(&said);
    places.sort();
    let expected = [
        vec![],
        vec!["(overlay)"],
        vec!["(overlay)", "in the tar"],
        vec!["evil"],
    ];
    assert_eq!(places, expected, "{}", said.line);
}

#[test]
fn a_tar_whose_first_name_is_the_magic_of_an_executable_is_found() {
    let mut tar = tar_member(b"\x7fELF\x02\x01\x01", &evil());
    tar.extend([0; 1024]);
    let said = scanned("tar", &tar);
    assert_found_once(&said, &["\u{7f}ELF\u{2}\u{1}\u{1}", "evil"]);
}

/// A tar header whose checksum is right again.
fn summed(mut member: Vec<u8>) -> Vec<u8> {
    member[148..156].fill(b' ');
    let sum: u32 = member[..512].iter().map(|byte| u32::from(*byte)).sum();
    member[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    member
}

#[test]
fn a_sparse_tar_member_shows_all_that_is_stored() {
    let pax = |records: &[u8]| {
        let mut header = tar_member(b"pax", records);
        header[156] = b'x';
        [
            summed(header),
            tar_member(b"sparse", &evil()),
            vec![0; 1024],
        ]
        .concat()
    };
    let mut gnu = tar_member(b"sparse", &evil());
    gnu[156] = b'S';
    gnu[257..265].copy_from_slice(b"ustar  \0");
    gnu[483..495].copy_from_slice(b"00000010000\0");
    let archives = [
        ("no map", pax(b"23 GNU.sparse.size=4096\n")),
        (
            "empty map",
            pax(b"20 GNU.sparse.size=0\n19 GNU.sparse.map=\n"),
        ),
        ("no segment", [summed(gnu), vec![0; 1024]].concat()),
    ];
    for (name, tar) in archives {
        let said = scanned(name, &tar);
        assert_found_once(&said, &["sparse", "evil"]);
        assert!(said.names("malformed"), "{}", said.line);
    }
}

/// A member that one directory lists, then a decoy with a directory of its own right before the
/// end record, which states where the first directory is.
fn behind_a_decoy(name: &[u8], local_method: u16) -> Vec<u8> {
    let packed = compress_to_vec(MARKER.as_bytes(), 9);
    let header = Header {
        method: 8,
        crc: crc32fast::hash(MARKER.as_bytes()),
        packed_bytes: packed.len(),
        size_bytes: MARKER.len(),
        ..Header::default()
    };
    let local = Header {
        method: local_method,
        ..header
    };
    let mut hidden = Zip::default();
    hidden.raw(name, &local, &packed);
    hidden.listed(name, &header, 0);
    let mut bytes = hidden.finish();
    bytes.truncate(bytes.len() - END_BYTES);
    let directory_offset = local_header(name, &local).len() + packed.len();

    let fine = Header {
        crc: crc32fast::hash(b"fine"),
        packed_bytes: 4,
        size_bytes: 4,
        ..Header::default()
    };
    let decoy_bytes = local_header(b"ok", &fine).len() + 4;
    let mut decoy = Zip::default();
    decoy.raw(b"ok", &fine, b"fine");
    // Read as moved by as much as the directory is from where the end record says.
    decoy.listed(b"ok", &fine, directory_offset - decoy_bytes);
    let mut decoy = decoy.finish();
    let place = decoy.len() - 6;
    let stated = u32::try_from(directory_offset).unwrap();
    decoy[place..place + 4].copy_from_slice(&stated.to_le_bytes());
    bytes.extend(decoy);
    bytes
}

#[test]
fn a_zip_member_between_two_directories_is_found() {
    for (name, method) in [(vec![b'n'; 5_000], 8), (vec![b'n'; 64], 0x4242)] {
        let said = scanned("decoy", &behind_a_decoy(&name, method));
        let name = String::from_utf8(name).unwrap();
        let place = &places(&said)[0];
        assert!(name.starts_with(place[0].as_str()), "{}", said.line);
        assert!(said.names("malformed"), "{}", said.line);
    }
}

#[test]
fn a_zip_member_that_no_directory_lists_is_found_or_named() {
    let packed = compress_to_vec(MARKER.as_bytes(), 9);
    let header = |method| Header {
        method,
        crc: crc32fast::hash(MARKER.as_bytes()),
        packed_bytes: packed.len(),
        size_bytes: MARKER.len(),
        ..Header::default()
    };
    let around = |name: &[u8], header: &Header| {
        let mut zip = Zip::default().with(b"first", b"first", Method::Stored);
        zip.raw(name, header, &packed);
        zip.with(b"last", b"last", Method::Stored).finish()
    };
    let said = scanned("long name", &around(&[b'n'; 65_535], &header(8)));
    assert_eq!(said.outcome, "detected", "{}", said.line);
    let said = scanned("method", &around(b"x", &header(0x4242)));
    assert_eq!(said.outcome, "incomplete", "{}", said.line);
    assert!(said.names("malformed"), "{}", said.line);
}

#[test]
fn a_member_that_ends_before_its_packed_size_does_not_hide_the_rest() {
    let mut packed = compress_to_vec(b"fine", 9);
    packed.extend(evil());
    let header = Header {
        method: 8,
        crc: crc32fast::hash(b"fine"),
        packed_bytes: packed.len(),
        size_bytes: 4,
        ..Header::default()
    };
    let mut zip = Zip::default();
    zip.raw(b"fine", &header, &packed);
    zip.listed(b"fine", &header, 0);
    let said = scanned("slack", &zip.finish());
    assert_found_once(&said, &["(gap)", "evil"]);
    assert!(said.names("malformed"), "{}", said.line);
}

#[test]
fn what_honest_archives_have_between_their_members_alarms_nobody() {
    let between = |bytes: &[u8]| {
        let mut zip = Zip::default().with(b"one", b"one", Method::Deflated);
        zip.raw(b"", &Header::default(), b"");
        let whole = zip.with(b"two", b"two", Method::Stored).finish();
        // The empty local header gives way to the bytes in question.
        let at = 30 + 3 + compress_to_vec(b"one", 9).len();
        let mut padded = bytes.to_vec();
        padded.resize(30, 0);
        [&whole[..at], &padded, &whole[at + 30..]].concat()
    };
    let signing: &[u8] = b"\x20\0\0\0\0\0\0\0APK Sig Block 42";
    let descriptor: &[u8] = b"PK\x07\x08\x01\x02\x03\x04\x05\0\0\0\x03\0\0\0";
    for (name, bytes) in [
        ("zeros", &[][..]),
        ("signing", signing),
        ("descriptor", descriptor),
    ] {
        let said = scanned(name, &between(bytes));
        assert_eq!(said.outcome, "clean", "{}", said.line);
    }
    let stub = [
        b"#!/bin/sh\necho a stub that unpacks\n".as_slice(),
        &between(&[]),
    ]
    .concat();
    let said = scanned("stub", &stub);
    assert_eq!(said.outcome, "clean", "{}", said.line);
}

/// A picture, a text and an executable, with an archive behind them, and more behind that.
fn carriers(archive: &[u8]) -> [(&'static str, Vec<u8>); 3] {
    let rest = vec![b'~'; 80 << 10];
    let behind = |head: &[u8]| [head, archive, &rest].concat();
    [
        ("gif", behind(&[b"GIF89a".as_slice(), &[0; 100]].concat())),
        ("text", behind(b"a note to read first\n")),
        ("elf", behind(&elf(1 << 20))),
    ]
}

#[test]
fn an_archive_inside_other_data_is_unpacked() {
    for (name, bytes) in carriers(&evil()) {
        let place = places(&scanned(name, &bytes));
        assert_eq!(place.len(), 1, "{name}: {place:?}");
        assert!(place[0][0].starts_with("(at "), "{name}: {place:?}");
        assert_eq!(place[0][1..], ["evil"], "{name}");
    }
    for (name, bytes) in carriers(&xz_stored(&evil())) {
        let said = scanned(name, &bytes);
        let place = places(&said);
        assert!(
            place.iter().any(|place| place.ends_with(&["evil".into()])),
            "{name}: {place:?}"
        );
    }
}

#[test]
fn an_archive_inside_a_script_is_unpacked() {
    let payload = tar_member(b"evil", &evil());
    let script = |archive: &[u8]| {
        let text = b"#!/bin/sh\ntail -n +4 \"$0\" | tar xz\nexit\n".as_slice();
        [text, archive, b"\n# the end\n"].concat()
    };
    let whole = gzip(&[payload, vec![0; 1024]].concat());
    let said = scanned("whole", &script(&whole));
    assert_eq!(
        places(&said)[0][1..],
        ["(gzip)", "evil", "evil"],
        "{}",
        said.line
    );
    assert_eq!(said.incomplete, [""; 0], "{}", said.line);
    // Those who unpack it don't mind a wrong checksum until it is too late.
    let mut spoilt = whole.clone();
    spoilt[whole.len() - 8] ^= 1;
    let said = scanned("spoilt", &script(&spoilt));
    assert_eq!(said.outcome, "detected", "{}", said.line);
    assert!(said.names("malformed"), "{}", said.line);
    let said = scanned("mention", &script(b"\x1f\x8b\x08\0 BZh9 \x28\xb5\x2f\xfd"));
    assert_eq!(said.outcome, "clean", "{}", said.line);
}

#[test]
fn an_archive_far_inside_a_large_file_is_found() {
    let rest = 5 << 20;
    for place in [64 << 10, (64 << 10) - 3, (4 << 20) - 1] {
        let bytes = [vec![b'~'; place], seven_zip(b"body"), vec![b'~'; rest]].concat();
        let said = scanned("large", &bytes);
        said.assert_incomplete("malformed");
        let named = format!("(at {place})");
        assert!(said.line.to_string().contains(&named), "{}", said.line);
    }
}

#[test]
fn an_archive_that_is_not_unpacked_is_named_inside_other_data() {
    let archives = [
        (seven_zip(b"body"), "malformed"),
        (cab(b"body"), "malformed"),
        (rar4(), "unsupported"),
        (rar5(), "unsupported"),
    ];
    for (archive, reason) in archives {
        for (name, bytes) in carriers(&archive) {
            scanned(name, &bytes).assert_incomplete(reason);
        }
    }
}

#[test]
fn a_zip_without_its_directory_inside_other_data_is_unpacked_and_named() {
    let whole = evil();
    for (name, bytes) in carriers(&whole[..whole.len() - END_BYTES]) {
        let said = scanned(name, &bytes);
        assert_eq!(said.outcome, "detected", "{name}: {}", said.line);
        assert!(said.names("malformed"), "{name}: {}", said.line);
    }
}

#[test]
fn more_archives_than_are_taken_are_named() {
    let bytes = [b"text\n".as_slice(), &xz_stored(b"x").repeat(17)].concat();
    scanned("many", &bytes).assert_incomplete("unsupported");
    let bytes = [b"text\n".as_slice(), &xz_stored(b"x").repeat(16)].concat();
    let said = scanned("few enough", &bytes);
    assert_eq!(said.outcome, "clean", "{}", said.line);
}

#[test]
fn magics_that_no_archive_follows_alarm_nobody() {
    let spoilt = |archive: Vec<u8>, place: usize| {
        let mut archive = archive;
        archive[place] ^= 1;
        archive
    };
    let mut stored = Zip::default()
        .with(b"x", b"content", Method::Stored)
        .finish();
    stored.truncate(30 + 1 + 7);
    let archives = [
        spoilt(seven_zip(b"body"), 12),
        spoilt(rar4(), 10),
        spoilt(rar5(), 13),
        spoilt(cab(b"body"), 25),
        spoilt(xz_stored(b"x"), 7),
        spoilt(stored, 35),
        b"PK\x03\x04 7z\xbc\xaf\x27\x1c Rar!\x1a\x07\0 MSCF\0\0\0\0 \xfd7zXZ\0".to_vec(),
    ];
    for archive in archives {
        for (name, bytes) in carriers(&archive) {
            let said = scanned(name, &bytes);
            assert_eq!(said.outcome, "clean", "{name}: {}", said.line);
        }
    }
}

/// [`evil`] whose local header names a method that nobody has: only its directory leads to it.
fn evil_by_its_directory() -> Vec<u8> {
    let mut zip = evil();
    zip[8..10].copy_from_slice(&0x4242u16.to_le_bytes());
    zip
}

fn with_comment(mut zip: Vec<u8>, comment: &[u8]) -> Vec<u8> {
    let length = u16::try_from(comment.len()).unwrap();
    let at = zip.len() - 2;
    zip[at..].copy_from_slice(&length.to_le_bytes());
    zip.extend(comment);
    zip
}

#[test]
fn an_archive_in_the_comment_of_an_archive_hides_nothing() {
    let decoy = Zip::default()
        .with(b"a.txt", b"nothing", Method::Stored)
        .finish();
    let said = scanned(
        "two-ends.zip",
        &with_comment(evil_by_its_directory(), &decoy),
    );
    assert_eq!(said.outcome, "detected", "{}", said.line);
}

#[test]
fn more_end_records_than_are_read_hide_nothing() {
    let fake = b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\x01\0\0\0\0\0";
    for (name, front) in [("ends.zip", Vec::new()), ("ends.elf", elf(1 << 20))] {
        let zip = with_comment(evil_by_its_directory(), &fake.repeat(70));
        let said = scanned(name, &[front, zip].concat());
        assert_eq!(said.outcome, "detected", "{}", said.line);
        assert!(said.names("malformed"), "{}", said.line);
    }
}

#[test]
fn a_zip_inside_other_data_is_found_by_its_directory() {
    let mut zip = evil();
    zip[4] = 200;
    let data = [&b"data "[..], &zip, &[0xd3; 80 << 10]].concat();
    assert_found_once(&scanned("middle", &data), &["(at 5)", "evil"]);
}

#[test]
fn offsets_that_count_from_the_program_in_front_alarm_nobody() {
    let front = elf(120);
    let mut zip = evil();
    let moved = |bytes: &[u8]| {
        let offset = u32::from_le_bytes(bytes.try_into().unwrap());
        offset + u32::try_from(front.len()).unwrap()
    };
    let end = zip.len() - END_BYTES;
    let directory = usize::try_from(u32::from_le_bytes(
        zip[end + 16..end + 20].try_into().unwrap(),
    ));
    let directory = directory.unwrap();
    for at in [end + 16, directory + 42] {
        let value = moved(&zip[at..at + 4]).to_le_bytes();
        zip[at..at + 4].copy_from_slice(&value);
    }
    let said = scanned("adjusted", &[front, zip].concat());
    assert_eq!(places(&said).len(), 1, "{}", said.line);
    assert!(said.incomplete.is_empty(), "{}", said.line);
}

#[test]
fn a_file_of_magics_ends_by_a_limit() {
    let magics = [&b"data "[..], &b"PK\x03\x04".repeat(2 << 20)].concat();
    scanned("magics", &magics).assert_incomplete("limit-work");
    // Each header's name goes on to the end of the file.
    let header = b"\x1f\x8b\x08\x08\x01\x01\x01\x01\x01\x03";
    let script = [&b"#!/bin/sh\n"[..], &header.repeat(100_000)].concat();
    scanned("headers.sh", &script).assert_incomplete("limit-work");
}
