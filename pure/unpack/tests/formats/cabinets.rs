//! Cabinets made to cost, and cabinets whose folders and files are not apart.

use std::time::Instant;

use proto::{Budget, Limits, Reason};

use crate::packed::{assert_reason, unpacked};
use crate::samples::limits;

#[test]
fn a_bomb_ends_by_ratio() {
    // 32 KiB out of some forty bytes, over and over.
    let packed = [
        &b"CK"[..],
        &miniz_oxide::deflate::compress_to_vec(&[0; 32 << 10], 9),
    ]
    .concat();
    let block = block(&packed, 32 << 10);
    let few = Limits {
        ratio_max: 300,
        ..Limits::default()
    };
    let bytes = cabinet(&[(1, 2_000, 0)], &[(0, 0, 64 << 20)], &block.repeat(2_000));
    let given = unpacked(&bytes, few);
    assert_eq!(given.format, "cab");
    assert_reason(&given.troubles, Reason::LimitRatio);
    let out = given.members[0].1.len() as u64;
    assert!((Budget::RATIO_FREE_BYTES..40 << 20).contains(&out), "{out}");
}

#[test]
fn folders_that_share_their_data_end() {
    let data = block(&[b'a'; 30_000], 30_000).repeat(20);
    let folders = vec![(0, 20, 0); 2_000];
    let files: Vec<_> = (0..2_000).map(|folder| (folder, 0, 600_000)).collect();
    let begin = Instant::now();
    let given = unpacked(&cabinet(&folders, &files, &data), limits());
    assert_reason(&given.troubles, Reason::Malformed);
    assert!(given.troubles.iter().any(|t| t.text == "folders overlap"));
    assert!(given.members.len() < 10);
    assert!(begin.elapsed().as_secs() < 5);
}

#[test]
fn files_that_share_their_data_end() {
    let data = block(&[b'a'; 30_000], 30_000).repeat(20);
    let files = vec![(0, 0, 600_000); 10_000];
    let given = unpacked(&cabinet(&[(0, 20, 0)], &files, &data), limits());
    assert!(given.troubles.iter().any(|t| t.text == "members overlap"));
    assert!(given.members.len() < 10);
}

#[test]
fn empty_blocks_at_one_place_end() {
    let folders = vec![(1, 65_535, 0); 60_000];
    let files: Vec<_> = (0..60_000).map(|folder| (folder, 0, 1)).collect();
    let begin = Instant::now();
    let given = unpacked(
        &cabinet(&folders, &files, &block(b"", 0).repeat(65_535)),
        limits(),
    );
    assert_reason(&given.troubles, Reason::Malformed);
    assert!(begin.elapsed().as_secs() < 20, "{:?}", begin.elapsed());
}

#[test]
fn a_window_is_held_before_it_is_taken() {
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let data = block(&[0; 100], 1000);
    let bytes = cabinet(&[(3 | 21 << 8, 1, 0)], &[(0, 0, 1000)], &data);
    assert_reason(&unpacked(&bytes, few).troubles, Reason::LimitMemory);
    let bytes = cabinet(&[(3 | 30 << 8, 1, 0)], &[(0, 0, 1000)], &data);
    assert_reason(&unpacked(&bytes, few).troubles, Reason::Malformed);
}

#[test]
fn a_file_in_a_folder_that_is_not_there_is_named() {
    let data = block(b"abc", 3);
    let bytes = cabinet(&[(0, 1, 0)], &[(0, 0, 3), (7, 0, 3)], &data);
    let given = unpacked(&bytes, limits());
    assert_eq!(given.members, [(b"f".to_vec(), b"abc".to_vec())]);
    assert_eq!(given.troubles[0].text, "folder is missing");
}

#[test]
fn what_follows_a_block_without_content_is_not_lost() {
    // To most readers such a block is the last one before the next cabinet.
    let data = [block(b"", 0), block(&[b'x'; 10], 10)].concat();
    let bytes = cabinet(&[(1, 2, 0)], &[(0, 0, 10)], &data);
    let given = unpacked(&bytes, limits());
    assert_reason(&given.troubles, Reason::Malformed);
    let after = given.members.last().expect("a member");
    assert!(after.1.ends_with(&[b'x'; 10]));
}

fn block(packed: &[u8], size: u16) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend(u16::try_from(packed.len()).expect("short").to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(packed);
    bytes
}

/// Folders are method, blocks and offset into the data; files are folder, offset and size.
fn cabinet(folders: &[(u16, u16, u32)], files: &[(u16, u32, u32)], data: &[u8]) -> Vec<u8> {
    let four = |number: usize| u32::try_from(number).expect("fits").to_le_bytes();
    let two = |number: usize| u16::try_from(number).expect("fits").to_le_bytes();
    let files_at = 36 + 8 * folders.len();
    let data_at = files_at + 18 * files.len();
    let mut bytes = b"MSCF\0\0\0\0".to_vec();
    bytes.extend(four(data_at + data.len()));
    bytes.extend([0; 4]);
    bytes.extend(four(files_at));
    bytes.extend([0, 0, 0, 0, 3, 1]);
    bytes.extend(two(folders.len()));
    bytes.extend(two(files.len()));
    bytes.extend([0; 6]);
    for (method, blocks, offset) in folders {
        bytes.extend((u32::try_from(data_at).expect("fits") + offset).to_le_bytes());
        bytes.extend(blocks.to_le_bytes());
        bytes.extend(method.to_le_bytes());
    }
    for (folder, offset, size) in files {
        bytes.extend(size.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend(folder.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(b"f\0");
    }
    bytes.extend(data);
    bytes
}
