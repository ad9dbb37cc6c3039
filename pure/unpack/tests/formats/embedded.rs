//! Archives inside other data: found where they are, as long as they are, wherever a buffer ends.

use proto::{Budget, Unlimited};
use unpack::{Embedded, ReadError, Source, embedded, identify, identify_beside};

use crate::mutation::Random;
use crate::samples::{corpus, limits};

/// Samples of one stream or one archive that says itself where it ends.
const WHOLE: [&str; 12] = [
    "xz/check-none",
    "xz/check-crc32",
    "xz/check-crc64",
    "xz/check-sha256",
    "xz/blocks",
    "zip/deflate",
    "zip/stored",
    "zip/encrypted",
    "zip/zip64",
    "7z/whole",
    "7z/copy",
    "cab/mszip",
];
const MUTATIONS: usize = 3_000;

/// Bytes that are not at hand as a whole, as those of a large file.
struct Remote(Vec<u8>);

impl Source for Remote {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, ReadError> {
        self.0.read_at(offset, buffer)
    }
}

fn found(source: &dyn Source) -> Vec<Embedded> {
    let mut budget = Budget::new(limits(), Unlimited::clock_ms);
    let (found, _) = embedded(source, 1..source.size_bytes(), &mut budget);
    assert_eq!(budget.memory_left(), limits().memory_bytes_max);
    for archive in &found {
        let end = archive.offset.checked_add(archive.size_bytes);
        assert!(end.is_some_and(|end| end <= source.size_bytes()));
    }
    found
}

fn sample(name: &str) -> Vec<u8> {
    let mut corpus = corpus().into_iter();
    let sample = corpus.find(|sample| sample.name == name);
    sample.expect("the sample is there").bytes
}

#[test]
fn an_archive_is_found_whole_wherever_a_buffer_ends() {
    let border = 64 << 10;
    for name in WHOLE {
        let archive = sample(name);
        let expected = |offset: usize| Embedded {
            offset: offset as u64,
            size_bytes: archive.len() as u64,
        };
        for offset in [1, 100, border - 7, border - 3, border, border + 1] {
            let rest = vec![b'~'; 70 << 10];
            let bytes = [vec![b'~'; offset], archive.clone(), rest].concat();
            assert_eq!(found(&bytes), [expected(offset)], "{name} at {offset}");
            assert_eq!(
                found(&Remote(bytes)),
                [expected(offset)],
                "{name} at {offset}, read in pieces"
            );
        }
    }
}

#[test]
fn a_cabinet_whose_header_no_writer_makes_is_found() {
    let plain = sample("cab/mszip");
    for (place, bytes) in [
        (4, vec![1]),
        (12, vec![1]),
        (24, vec![9, 9]),
        (8, b"\xff\xff\xff\x7f".to_vec()),
    ] {
        let mut odd = plain.clone();
        odd[place..place + bytes.len()].copy_from_slice(&bytes);
        let found = found(&[b"~~~".as_slice(), &odd].concat());
        let offsets: Vec<u64> = found.iter().map(|found| found.offset).collect();
        assert_eq!(offsets, [3], "byte {place}");
    }
    let mut chance = plain;
    let block = chance
        .windows(2)
        .position(|two| two == b"CK")
        .expect("a block");
    (chance[24], chance[block]) = (9, 0);
    assert_eq!(found(&[b"~~~".as_slice(), &chance].concat()), []);
}

#[test]
fn archives_side_by_side_are_all_found() {
    let bytes: Vec<u8> = WHOLE
        .iter()
        .flat_map(|name| [b"....".to_vec(), sample(name)].concat())
        .collect();
    assert_eq!(found(&bytes).len(), WHOLE.len());
    assert_eq!(found(&bytes), found(&Remote(bytes)));
}

#[test]
fn damage_never_panics_inside_other_data() {
    let samples = WHOLE.map(sample);
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut some = 0;
    for _ in 0..MUTATIONS {
        let mut bytes = b"#!~~".to_vec();
        for _ in 0..3 {
            bytes.extend(&samples[random.below(samples.len())]);
        }
        for _ in 0..random.below(12) {
            let at = random.below(bytes.len());
            bytes[at] = bytes[random.below(bytes.len())];
        }
        some += usize::from(!found(&bytes).is_empty());
        found(&bytes[..random.below(bytes.len())].to_vec());
    }
    assert!(some > MUTATIONS / 2, "only {some} had an archive still");
}

#[test]
fn an_executable_without_an_archive_is_nothing_else() {
    for sample in corpus() {
        if !sample.name.starts_with("elf/") && !sample.name.starts_with("pe/") {
            continue;
        }
        let format = identify(&sample.bytes).expect("memory can be read");
        let also = identify_beside(&sample.bytes, format).expect("memory can be read");
        let also: Vec<&str> = also.iter().map(|format| format.name).collect();
        let has_directory = sample.bytes.windows(4).any(|bytes| bytes == b"PK\x05\x06");
        let expected = if has_directory {
            vec!["zip"]
        } else {
            Vec::new()
        };
        assert_eq!(also, expected, "{}", sample.name);
    }
}
