//! Inputs made to cost: each ends by a named limit, within the memory that it may hold.

use proto::{Budget, Limits, Reason};
use unpack::{Trouble, identify};

use crate::samples::{Given, corpus, given_as, limits};

#[test]
fn a_deflate_bomb_ends_by_ratio() {
    let packed = deflated_zeros(64 << 20);
    let bytes = gzipped(&packed);
    let given = unpacked(&bytes, Limits::default());
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out = given.members[0].1.len() as u64;
    assert!(out >= Budget::RATIO_FREE_BYTES);
    assert!(
        out < Budget::RATIO_FREE_BYTES + (1 << 20),
        "{out} bytes came out"
    );
}

#[test]
fn a_zip_whose_members_share_their_data_ends() {
    // One kernel, pointed at by many entries: each is in proportion, together they are not.
    let kernel = deflated_zeros(8 << 20);
    let mut archive = Zip::default();
    archive.member(b"kernel", &kernel, 8 << 20);
    for count in 0..2_000u32 {
        let name = count.to_le_bytes();
        archive.entry(
            &name,
            kernel.len() + usize::try_from(count).expect("fits"),
            8 << 20,
            0,
        );
    }
    let bytes = archive.finish(2_001);
    let given = unpacked(&bytes, Limits::default());
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out: usize = given.members.iter().map(|(_, bytes)| bytes.len()).sum();
    let most = bytes.len() * 1_000 + (16 << 20);
    assert!(out <= most, "{out} bytes came out of {}", bytes.len());
}

#[test]
fn members_that_are_the_same_member_are_done_once() {
    let mut archive = Zip::default();
    archive.member(b"once", &deflated_zeros(100_000), 100_000);
    for _ in 0..500 {
        archive.entry(b"again", deflated_zeros(100_000).len(), 100_000, 0);
    }
    let given = unpacked(&archive.finish(501), Limits::default());
    assert_eq!(given.members.len(), 1);
    assert!(
        given
            .troubles
            .iter()
            .all(|trouble| trouble.text == "members overlap")
    );
}

#[test]
fn a_zip_that_claims_a_million_members_costs_what_it_has() {
    let mut archive = Zip::default();
    archive.member(b"one", b"\x03\0", 0);
    let mut bytes = archive.finish(65_535);
    let end = bytes.len() - 22;
    // The zip64 record that says so, and its locator.
    let mut record = b"PK\x06\x06".to_vec();
    record.extend(44u64.to_le_bytes());
    record.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    record.extend(1_000_000u64.to_le_bytes());
    record.extend(1_000_000u64.to_le_bytes());
    let directory = bytes[end + 16..end + 20].to_vec();
    let size = bytes[end + 12..end + 16].to_vec();
    record.extend([size.as_slice(), &[0; 4], &directory, &[0; 4]].concat());
    record.extend(b"PK\x06\x07\0\0\0\0");
    record.extend((end as u64).to_le_bytes());
    record.extend([1, 0, 0, 0]);
    bytes.splice(end..end, record);
    let given = unpacked(&bytes, Limits::default());
    assert_eq!(given.members.len(), 1);
    assert_reason(&given.troubles, Reason::Malformed);
    assert_eq!(given.troubles[0].text, "central directory ends early");
}

#[test]
fn an_xz_dictionary_of_four_gigabytes_is_refused() {
    let mut bytes = sample("xz/check-crc32");
    // Block header: size, flags, LZMA2's number, one property byte: the dictionary.
    assert_eq!(&bytes[12..16], [2, 0, 0x21, 1]);
    bytes[16] = 40;
    let crc = crc32(&bytes[12..20]);
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    let given = unpacked(&bytes, limits());
    assert_eq!(given.troubles.len(), 1);
    assert_reason(&given.troubles, Reason::LimitMemory);
}

#[test]
fn a_zstd_window_larger_than_the_memory_is_refused() {
    let mut bytes = sample("zstd/plain");
    let segment = bytes[4] & 0x20 != 0;
    // A window of 2 TiB, or a single segment of as much.
    match segment {
        true => {
            let old = match bytes[4] >> 6 {
                0 => 1,
                1 => 2,
                _ => 4,
            };
            bytes[4] |= 0xc0;
            bytes.splice(5..5 + old, (1u64 << 41).to_le_bytes());
        }
        false => bytes[5] = 31 << 3,
    }
    let given = unpacked(&bytes, limits());
    assert_reason(&given.troubles, Reason::LimitMemory);
}

#[test]
fn a_huge_tar_member_is_what_is_there() {
    for size in [
        &b"77777777777\0"[..],
        b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut bytes = sample("tar/ustar");
        bytes[124..136].copy_from_slice(size);
        tar_checksum(&mut bytes);
        let given = unpacked(&bytes, limits());
        assert_eq!(given.members.len(), 1);
        assert_eq!(given.members[0].1.len(), bytes.len() - 512);
        assert_reason(&given.troubles, Reason::Malformed);
    }
}

#[test]
fn a_sparse_file_out_of_proportion_is_handed_over_as_stored() {
    let mut bytes = sample("tar/sparse-gnu");
    // The real size: 8 GiB.
    bytes[483..495].copy_from_slice(b"77777777777\0");
    tar_checksum(&mut bytes);
    let given = unpacked(&bytes, limits());
    assert_reason(&given.troubles, Reason::LimitRatio);
    assert_eq!(given.members.len(), 1);
    assert!(given.members[0].1.len() < 16 << 10);
}

#[test]
fn decoded_bytes_stay_within_the_memory() {
    let packed = gzipped(&deflated_zeros(4 << 20));
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let given = unpacked(&packed, few);
    assert_reason(&given.troubles, Reason::LimitMemory);
    assert_eq!(given.members[0].1.len(), 1 << 20);
}

#[test]
fn nothing_more_comes_once_the_receiver_stops() {
    for sample in corpus() {
        let format = identify(&sample.bytes).expect("memory can be read");
        let few = Limits {
            objects_max: 0,
            ..limits()
        };
        let given = given_as(format, &sample.bytes, few);
        assert!(given.members.len() <= 1, "{}", sample.name);
    }
}

#[test]
fn local_headers_side_by_side_cost_what_they_are() {
    // Encrypted, sizes unknown: each is searched for its end, none becomes a member.
    let header = b"PK\x03\x04\x14\0\x09\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0a";
    let given = unpacked(&header.repeat(100_000), limits());
    assert_eq!(given.members.len(), 0);
    assert_reason(&given.troubles, Reason::Encrypted);
    assert!(given.troubles.len() < 100);
}

#[test]
fn time_that_is_over_ends_a_file_of_empty_streams() {
    fn far() -> u64 {
        static CALLS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        CALLS.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
    let bytes = sample("gzip/unnamed").repeat(20_000);
    let mut budget = Budget::new(
        Limits {
            time_ms_max: 100,
            ..Limits::default()
        },
        far,
    );
    struct Ignore;
    impl unpack::Members for Ignore {
        fn member(&mut self, _: unpack::Member<'_>, _: &mut Budget) -> unpack::Flow {
            unpack::Flow::Continue
        }

        fn passwords(&self) -> &[&[u8]] {
            &[]
        }
    }
    let format = identify(&bytes).expect("memory can be read");
    let unpack::Role::Container(unpack) = format.role else {
        unreachable!("gzip is a container")
    };
    let troubles = unpack(&bytes, &mut budget, &mut Ignore);
    assert_reason(&troubles, Reason::LimitTime);
}

fn unpacked(bytes: &[u8], limits: Limits) -> Given {
    let bytes = bytes.to_vec();
    let format = identify(&bytes).expect("memory can be read");
    given_as(format, &bytes, limits)
}

fn assert_reason(troubles: &[Trouble], reason: Reason) {
    let found = troubles.iter().any(|trouble| trouble.reason == reason);
    assert!(found, "{reason:?} is not among {troubles:?}");
}

fn sample(name: &str) -> Vec<u8> {
    corpus()
        .into_iter()
        .find(|sample| sample.name == name)
        .expect("the sample is there")
        .bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

fn tar_checksum(bytes: &mut [u8]) {
    bytes[148..156].fill(b' ');
    let sum: u32 = bytes[..512].iter().map(|byte| u32::from(*byte)).sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

fn deflated_zeros(count: usize) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec(&vec![0; count], 9)
}

fn gzipped(deflated: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    bytes.extend(deflated);
    bytes.extend([0; 8]);
    bytes
}

/// A zip archive with one member and a directory that says anything.
#[derive(Default)]
struct Zip {
    bytes: Vec<u8>,
    directory: Vec<u8>,
}

impl Zip {
    fn member(&mut self, name: &[u8], packed: &[u8], size: usize) {
        self.bytes.extend(b"PK\x03\x04\x14\0\0\0\x08\0\0\0\0\0");
        self.bytes.extend(crc32(&vec![0; size]).to_le_bytes());
        self.bytes.extend(four(packed.len()));
        self.bytes.extend(four(size));
        self.bytes
            .extend([u8::try_from(name.len()).expect("short"), 0, 0, 0]);
        self.bytes.extend(name);
        self.bytes.extend(packed);
        self.entry(name, packed.len(), size, 0);
    }

    fn entry(&mut self, name: &[u8], packed: usize, size: usize, offset: usize) {
        self.directory
            .extend(b"PK\x01\x02\x14\0\x14\0\0\0\x08\0\0\0\0\0");
        self.directory.extend(crc32(&vec![0; size]).to_le_bytes());
        self.directory.extend(four(packed));
        self.directory.extend(four(size));
        self.directory
            .extend([u8::try_from(name.len()).expect("short"), 0]);
        self.directory.extend([0; 12]);
        self.directory.extend(four(offset));
        self.directory.extend(name);
    }

    fn finish(self, claimed: u16) -> Vec<u8> {
        let mut bytes = self.bytes;
        let offset = bytes.len();
        bytes.extend(&self.directory);
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(claimed.to_le_bytes());
        bytes.extend(claimed.to_le_bytes());
        bytes.extend(four(self.directory.len()));
        bytes.extend(four(offset));
        bytes.extend([0, 0]);
        bytes
    }
}

fn four(number: usize) -> [u8; 4] {
    u32::try_from(number).expect("fits").to_le_bytes()
}
