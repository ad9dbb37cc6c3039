//! lzma, lz4, lzip, compress: bombs, memory that a header claims, and damage in the middle.

use std::io::Write;

use lzma_rust2::{LzmaOptions, LzmaWriter};
use proto::{Budget, Limits, Reason};
use unpack::{Trouble, identify};

use crate::samples::{Given, corpus, given_as, limits};

#[test]
fn an_lz4_bomb_ends_by_ratio() {
    // One byte, then matches of 64 KiB and more out of 257 bytes each, in blocks of 4 MiB.
    let mut block = vec![0x1f, b'A', 1, 0];
    for _ in 0..60 {
        block.extend([0xff; 255]);
        block.extend([0, 0x0f, 1, 0]);
    }
    block.extend([0xff; 255]);
    block.extend([0, 0]);
    let mut bytes = b"\x04\x22\x4d\x18\x40\x70\xdf".to_vec();
    for _ in 0..2_000 {
        bytes.extend(u32::try_from(block.len()).expect("short").to_le_bytes());
        bytes.extend(&block);
    }
    let few = Limits {
        ratio_max: 100,
        ..Limits::default()
    };
    let given = unpacked(&bytes[..100_000], few);
    assert_eq!(given.format, "lz4");
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out = given.members[0].1.len() as u64;
    assert!((Budget::RATIO_FREE_BYTES..11 << 20).contains(&out), "{out}");
}

#[test]
fn an_lzma_bomb_ends_by_ratio() {
    let options = LzmaOptions::with_preset(1);
    let packed = Vec::new();
    let mut writer = LzmaWriter::new_use_header(packed, &options, None).expect("an encoder");
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        writer.write_all(&zeros).expect("memory can be written");
    }
    let bytes = writer.finish().expect("memory can be written");
    let given = unpacked(&bytes, Limits::default());
    assert_eq!(given.format, "lzma");
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out = given.members[0].1.len() as u64;
    assert!((Budget::RATIO_FREE_BYTES..12 << 20).contains(&out), "{out}");
}

#[test]
fn a_dictionary_costs_what_output_fills_of_it() {
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let given = unpacked(&sample("lzma/huge-dictionary"), few);
    assert_eq!(given.troubles, []);
    assert_eq!(given.members.len(), 1);
}

#[test]
fn literal_probabilities_count_as_memory() {
    let mut bytes = sample("lzma/plain");
    // Eight literal context bits and four position bits: six megabytes of probabilities.
    bytes[0] = 4 * 45 + 4 * 9 + 8;
    let format = identify(&sample("lzma/plain")).expect("memory can be read");
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let given = given_as(format, &bytes, few);
    assert_reason(&given.troubles, Reason::LimitMemory);
}

#[test]
fn an_lz4_match_before_the_frame_is_damage() {
    // The second frame's only match reaches into the first frame.
    let mut bytes = sample("lz4/plain");
    let first = bytes.len();
    bytes.extend(b"\x04\x22\x4d\x18\x40\x40\xc0\x04\0\0\0\x10A\x05\0\0\0\0\0");
    let given = unpacked(&bytes, limits());
    assert_reason(&given.troubles, Reason::Malformed);
    assert!(first > 0 && given.members[0].1.len() <= 1501);
}

#[test]
fn a_compress_bomb_ends_by_ratio() {
    // Each code is the one that is about to be learnt: strings of ever more equal bytes.
    let mut bits = Bits::default();
    bits.push(u32::from(b'A'), 9);
    let (mut next, mut width) = (257u32, 9);
    while next < 65_535 {
        bits.push(next, width);
        next += 1;
        // Each width takes a multiple of eight codes here, so that no group needs padding.
        if next == 1 << width && width < 16 {
            width += 1;
        }
    }
    let bytes = [b"\x1f\x9d\x90".to_vec(), bits.bytes].concat();
    let given = unpacked(&bytes, Limits::default());
    assert_eq!(given.format, "compress");
    assert_reason(&given.troubles, Reason::LimitRatio);
}

#[test]
fn empty_lz4_frames_side_by_side_end_in_time() {
    let frame = sample("lz4/empty");
    let given = unpacked(&frame.repeat(50_000), limits());
    assert_eq!(given.members[0].1.len(), 0);
}

pub(crate) struct Unpacked {
    pub(crate) format: &'static str,
    pub(crate) members: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) troubles: Vec<Trouble>,
}

/// Unpacks an object as what it is recognised as.
pub(crate) fn unpacked(bytes: &[u8], limits: Limits) -> Unpacked {
    let bytes = bytes.to_vec();
    let format = identify(&bytes).expect("memory can be read");
    let Given {
        members, troubles, ..
    } = given_as(format, &bytes, limits);
    Unpacked {
        format: format.name,
        members,
        troubles,
    }
}

pub(crate) fn assert_reason(troubles: &[Trouble], reason: Reason) {
    let found = troubles.iter().any(|trouble| trouble.reason == reason);
    assert!(found, "{reason:?} is not among {troubles:?}");
}

fn sample(name: &str) -> Vec<u8> {
    let mut corpus = corpus().into_iter();
    let sample = corpus.find(|sample| sample.name == name);
    sample.expect("the sample is there").bytes
}

/// Codes, least significant bit first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        for bit in 0..width {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let byte = self.bytes.last_mut().expect("one was pushed");
            *byte |= u8::from(value >> bit & 1 == 1) << (self.count % 8);
            self.count += 1;
        }
    }
}
