//! 7z archives made to cost, and archives whose header says what can't be.

use std::io::Write;
use std::time::Instant;

use lzma_rust2::{LzmaOptions, LzmaWriter};
use proto::{Budget, Limits, Reason};

use crate::packed::{assert_reason, unpacked};
use crate::samples::limits;

const LZMA: &[u8] = b"\x23\x03\x01\x01\x05";
/// lc 3, lp 0, pb 2, and a dictionary of one megabyte.
const USUAL: &[u8] = b"\x5d\0\0\x10\0";

#[test]
fn a_bomb_ends_by_ratio() {
    let packed = lzma_of_zeros(64 << 20);
    let header = one_folder(&[LZMA, USUAL].concat(), packed.len() as u64, 64 << 20);
    let given = unpacked(&archive(&packed, &header), Limits::default());
    assert_eq!(given.format, "7z");
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out = given.members[0].1.len() as u64;
    assert!((Budget::RATIO_FREE_BYTES..12 << 20).contains(&out), "{out}");
}

#[test]
fn a_header_that_unpacks_without_end_is_refused() {
    let packed = lzma_of_zeros(64 << 20);
    let body = one_folder(&[LZMA, USUAL].concat(), packed.len() as u64, 64 << 20);
    // The same streams, as those of a packed header.
    let header = [&[0x17][..], &body[2..]].concat();
    let given = unpacked(&archive(&packed, &header), Limits::default());
    assert_reason(&given.troubles, Reason::LimitRatio);
    assert!(given.members.is_empty());
}

#[test]
fn a_header_that_unpacks_to_itself_ends() {
    // Stored, and what is stored is this very header.
    let header = [0x17, 6, 0, 1, 9, 18, 0, 7, 11, 1, 0, 1, 1, 0, 12, 18, 0, 0];
    let given = unpacked(&archive(&[], &header), limits());
    assert_reason(&given.troubles, Reason::Malformed);
    assert!(given.troubles.len() < 10);
}

#[test]
fn coders_that_feed_each_other_end() {
    let mut header = vec![1, 4, 6, 0, 1, 9, 5, 0, 7, 11, 1, 0];
    // The last takes the output of the first, and the first its own.
    header.extend([3, 1, 3, 1, 3, 1, 3]);
    header.extend([2, 0, 0, 0]);
    header.extend([12, 5, 5, 5, 0, 0, 0]);
    let given = unpacked(&archive(b"abcde", &header), limits());
    assert_reason(&given.troubles, Reason::Malformed);
}

#[test]
fn counts_that_no_header_could_hold_are_refused() {
    for kind in [&[6u8, 0][..], &[7, 11]] {
        let mut header = vec![1, 4];
        header.extend(kind);
        header.extend([0xff; 9]);
        header.extend([0; 40]);
        let given = unpacked(&archive(b"abcde", &header), limits());
        assert_reason(&given.troubles, Reason::Malformed);
    }
    let mut header = vec![1, 5];
    header.extend([0xff; 9]);
    header.extend([0; 40]);
    let given = unpacked(&archive(b"abcde", &header), limits());
    assert_reason(&given.troubles, Reason::Malformed);
}

#[test]
fn the_memory_of_ppmd_is_held_before_it_is_taken() {
    let coder = b"\x23\x03\x04\x01\x05\x06\0\0\0\xff";
    let header = one_folder(coder, 100, 1000);
    let given = unpacked(&archive(&[0; 100], &header), limits());
    assert_reason(&given.troubles, Reason::LimitMemory);
}

#[test]
fn many_folders_that_are_dear_to_set_up_end_by_work() {
    // Each names eight literal context bits and four position bits: six megabytes to fill.
    let coder = [LZMA, b"\xe0\0\0\x10\0"].concat();
    let count = 50_000u64;
    let mut header = vec![1, 4, 6, 0];
    header.extend(number(count));
    header.push(9);
    header.extend(vec![6; 50_000]);
    header.extend([0, 7, 11]);
    header.extend(number(count));
    header.push(0);
    for _ in 0..count {
        header.push(1);
        header.extend(&coder);
    }
    header.push(12);
    header.extend(vec![100; 50_000]);
    header.extend([0, 0, 0]);
    let begin = Instant::now();
    let few = Limits {
        work_max: 200_000_000,
        ..limits()
    };
    let given = unpacked(&archive(&vec![0; 300_000], &header), few);
    assert_reason(&given.troubles, Reason::LimitWork);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn members_without_names_are_handed_over() {
    let packed = b"abcde";
    let header = one_folder(b"\x01\0", 5, 5);
    let given = unpacked(&archive(packed, &header), limits());
    assert_eq!(given.troubles, []);
    assert_eq!(given.members, [(b"(unnamed)".to_vec(), packed.to_vec())]);
}

/// A header with one folder of one coder, and no names.
fn one_folder(coder: &[u8], packed: u64, size: u64) -> Vec<u8> {
    let mut header = vec![1, 4, 6, 0, 1, 9];
    header.extend(number(packed));
    header.extend([0, 7, 11, 1, 0, 1]);
    header.extend(coder);
    header.push(12);
    header.extend(number(size));
    header.extend([0, 0, 0]);
    header
}

/// A number in its longest form.
fn number(value: u64) -> Vec<u8> {
    [&[0xff][..], &value.to_le_bytes()].concat()
}

fn archive(packed: &[u8], header: &[u8]) -> Vec<u8> {
    let mut fields = (packed.len() as u64).to_le_bytes().to_vec();
    fields.extend((header.len() as u64).to_le_bytes());
    fields.extend(crc32fast::hash(header).to_le_bytes());
    let mut bytes = b"7z\xbc\xaf\x27\x1c\0\x04".to_vec();
    bytes.extend(crc32fast::hash(&fields).to_le_bytes());
    bytes.extend(fields);
    bytes.extend(packed);
    bytes.extend(header);
    bytes
}

fn lzma_of_zeros(count: usize) -> Vec<u8> {
    let mut options = LzmaOptions::with_preset(1);
    options.dict_size = 1 << 20;
    let mut writer = LzmaWriter::new_no_header(Vec::new(), &options, false).expect("an encoder");
    let zeros = vec![0; 1 << 20];
    for _ in 0..count >> 20 {
        writer.write_all(&zeros).expect("memory can be written");
    }
    writer.finish().expect("memory can be written")
}
