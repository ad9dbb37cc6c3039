//! Files that are two things, of which each reader sees one: what either of them would take out is
//! found. And what honest files have in the same places alarms nobody.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use acceptance::archives::{Method, Zip, gzip, tar_member};
use acceptance::cli::{MARKER, Scene, run};
use acceptance::outcome::{Said, said};

const SECTOR: usize = 2048;

fn scanned(name: &str, bytes: &[u8]) -> Said {
    let scene = Scene::default();
    let path = scene.write(name, bytes);
    let ran = run(scene.scan().args(["--json", "--all-matches"]).arg(path));
    said(&ran).remove(name).unwrap()
}

/// A zip whose one member has the marker, compressed, with a comment that reaches this much
/// further than the archive does.
fn evil(behind: usize) -> Vec<u8> {
    let zip = Zip::default().with(b"evil", MARKER.as_bytes(), Method::Deflated);
    let mut bytes = zip.finish();
    let comment = bytes.len() - 2;
    bytes[comment..].copy_from_slice(&u16::try_from(behind).unwrap().to_le_bytes());
    bytes
}

fn is_found(said: &Said, member: &str) -> bool {
    let findings = said.line["findings"].as_array().into_iter().flatten();
    let last = |finding: &serde_json::Value| {
        let members = finding["member"].as_array().cloned().unwrap_or_default();
        members
            .last()
            .and_then(|last| last.as_str().map(str::to_owned))
    };
    findings.filter_map(last).any(|last| last == member)
}

/// A frame that readers of lz4 and zstd pass over.
fn skippable(body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len()).unwrap().to_le_bytes();
    [&0x184d_2a50u32.to_le_bytes()[..], &size, body].concat()
}

/// Mail in two pieces, the second of which has the marker, spelled in another way.
fn mail() -> (&'static [u8], Vec<u8>) {
    let head = b"From: a@b\nTo: c@d\nSubject: x\nMIME-Version: 1.0\n\
        Content-Type: multipart/mixed; boundary=B\n\n";
    let mut part = b"\n--B\nContent-Type: application/octet-stream\n\
        Content-Transfer-Encoding: quoted-printable\n\n"
        .to_vec();
    for byte in MARKER.bytes() {
        part.extend(format!("={byte:02X}=\n").bytes());
    }
    part.extend(b"\n--B--\n");
    (head, part)
}

/// An image of a disc with an empty directory, or without any, behind what its first sectors hold.
fn disc(first: &[u8], behind: &[u8]) -> Vec<u8> {
    let mut bytes = first.to_vec();
    bytes.resize(20 * SECTOR, 0);
    let sectors = 20u32;
    let mut record = [0u8; 34];
    (record[0], record[25], record[32]) = (34, 2, 1);
    record[2..6].copy_from_slice(&19u32.to_le_bytes());
    record[6..10].copy_from_slice(&19u32.to_be_bytes());
    record[10..14].copy_from_slice(&2048u32.to_le_bytes());
    record[14..18].copy_from_slice(&2048u32.to_be_bytes());
    let volume = &mut bytes[16 * SECTOR..17 * SECTOR];
    volume[..7].copy_from_slice(b"\x01CD001\x01");
    volume[80..84].copy_from_slice(&sectors.to_le_bytes());
    volume[84..88].copy_from_slice(&sectors.to_be_bytes());
    volume[128..132].copy_from_slice(&[0, 8, 8, 0]);
    volume[156..190].copy_from_slice(&record);
    bytes[17 * SECTOR..17 * SECTOR + 7].copy_from_slice(b"\xffCD001\x01");
    bytes[19 * SECTOR..19 * SECTOR + 34].copy_from_slice(&record);
    bytes.extend(behind);
    bytes
}

#[test]
fn a_zip_in_what_another_reader_passes_over_is_found() {
    let packed = gzip(b"nothing to see");
    let (header, rest) = packed.split_at(10);
    let inside = evil(rest.len());
    let mut with_field = header.to_vec();
    with_field[3] = 4;
    with_field.extend(u16::try_from(inside.len()).unwrap().to_le_bytes());
    let in_gzip = [&with_field[..], &inside, rest].concat();
    let said = scanned("a.gz", &in_gzip);
    assert_eq!(said.line["type"], "gzip");
    assert!(is_found(&said, "evil"), "{}", said.line);

    let said = scanned("a.lz4", &skippable(&evil(0)));
    assert_eq!(said.line["type"], "lz4");
    assert!(is_found(&said, "evil"), "{}", said.line);
}

#[test]
fn a_zip_that_is_a_member_is_looked_at_once() {
    let tar = [tar_member(b"evil.zip", &evil(0)), vec![0; 1024]].concat();
    let said = scanned("a.tar", &tar);
    let findings = said.line["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{}", said.line);
}

#[test]
fn mail_around_a_zip_is_read_as_mail_too() {
    let (head, part) = mail();
    let zip = Zip::default()
        .with(b"a.txt", b"harmless", Method::Stored)
        .finish();
    let directory = zip
        .windows(4)
        .position(|four| four == b"PK\x01\x02")
        .unwrap();
    let (local, directory) = zip.split_at(directory);
    let mail = [head, local, &part, directory].concat();
    let said = scanned("a.eml", &mail);
    assert!(is_found(&said, "(part 1)"), "{}", said.line);
}

#[test]
fn mail_that_is_an_image_of_a_disc_is_read_as_mail_too() {
    let (head, part) = mail();
    let said = scanned("a.iso", &disc(head, &part));
    assert_eq!(said.line["type"], "iso9660");
    assert!(is_found(&said, "(part 1)"), "{}", said.line);
}

#[test]
fn a_disc_that_begins_as_a_zip_is_read_as_a_disc_too() {
    let said = scanned("a.iso", &disc(b"PK\x03\x04", &evil(0)));
    assert_eq!(said.line["type"], "iso9660");
    assert!(is_found(&said, "evil"), "{}", said.line);
}

#[test]
fn a_disc_for_sticks_too_is_clean() {
    let mut first = vec![0; 512];
    first.extend(b"EFI PART\0\0\x01\0\x5c\0\0\0");
    // The last sector that partitions may take is one of the whole image.
    first.resize(512 + 48, 0);
    first.extend(70u64.to_le_bytes());
    let said = scanned("a.iso", &disc(&first, &[]));
    assert_eq!(said.line["outcome"], "clean", "{}", said.line);
}
