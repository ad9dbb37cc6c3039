//! A gzip file that unpacks to itself, for ever.
//!
//! Deflate here is a language of two instructions, each one line of five bytes: *print* the next n
//! lines (a stored block's header), and *again*, which prints the last four lines of the output
//! once more (two matches in a block of fixed codes, forty bits in all). The header and the
//! trailer are three lines each, so that no other repetition is needed.
//!
//! Each step below keeps the output in step with the file; where it runs ahead, what it ran ahead
//! with is what the file says next. The checksum is in the trailer, and the trailer is printed, so
//! it must be the checksum of a text with itself in it: CRC-32 is linear, and that is a system of
//! 32 equations.

const LINE_BYTES: usize = 5;
/// Lines of the header, and of the trailer.
const EDGE_LINES: usize = 3;
/// Three bits of block header, twice a match of ten bytes twenty bytes back, the block's end.
const AGAIN: [u8; LINE_BYTES] = again();
/// A gzip header with a name, fifteen bytes.
const HEADER: &[u8; EDGE_LINES * LINE_BYTES] = b"\x1f\x8b\x08\x08\0\0\0\0\0\xffr.gz\0";
/// An empty stored block, then an empty last one; checksum and size follow.
const LAST_BLOCKS: [u8; 7] = [0, 0, 0, 0xff, 0xff, 3, 0];

/// The file.
#[must_use]
pub fn gzip_quine() -> Vec<u8> {
    let mut file = with_checksum(0);
    let size = u32::try_from(file.len()).expect("it is short");
    // What the checksum comes to, less what it says, is linear in what it says.
    let off = |checksum: u32| crc32fast::hash(&with_checksum_and_size(checksum, size)) ^ checksum;
    let constant = off(0);
    let columns: Vec<u32> = (0..32).map(|bit| off(1 << bit) ^ constant).collect();
    let checksum = solve(&columns, constant).expect("this header's equations have a solution");
    file = with_checksum_and_size(checksum, size);
    file
}

fn with_checksum(checksum: u32) -> Vec<u8> {
    with_checksum_and_size(checksum, 0)
}

fn with_checksum_and_size(checksum: u32, size_bytes: u32) -> Vec<u8> {
    let mut trailer = LAST_BLOCKS.to_vec();
    trailer.extend(checksum.to_le_bytes());
    trailer.extend(size_bytes.to_le_bytes());
    let (p1, p4) = (print(1), print(4));
    let lines = |parts: &[&[u8]]| parts.concat();
    let steps = [
        HEADER.to_vec(),
        // The header and this instruction, twice.
        lines(&[&p4, HEADER, &p4]),
        lines(&[&AGAIN]),
        // Catching up with what was said since.
        lines(&[&p1, &AGAIN]),
        lines(&[&p1, &p1]),
        lines(&[&p4, &AGAIN, &p1, &p1, &p4]),
        lines(&[&AGAIN]),
        lines(&[&p4, &AGAIN, &p4, &AGAIN, &p4]),
        // From here on the output is ahead, by what the file says next.
        lines(&[&AGAIN]),
        lines(&[&p4, &AGAIN, &p4, &p1, &p4]),
        lines(&[&AGAIN]),
        lines(&[&p4, &p1, &p4, &p1, &p4]),
        lines(&[&p1, &p4]),
        // The trailer, twice: once as text, once as what ends the file.
        lines(&[&p4, &AGAIN, &trailer]),
        lines(&[&AGAIN]),
        trailer,
    ];
    steps.concat()
}

/// The header of a stored block of so many lines.
fn print(lines: u8) -> [u8; LINE_BYTES] {
    let bytes = lines * 5;
    [0, bytes, 0, !bytes, 0xff]
}

const fn again() -> [u8; LINE_BYTES] {
    // Not the last block (0), fixed codes (01, least significant bit first).
    let mut bits: u64 = 0b010;
    let mut count = 3;
    // Huffman codes go most significant bit first, extra bits the other way: length 10 is code
    // 264 (0001000), distance 20 is code 8 (01000) and three bits that say 3.
    let length = [0, 0, 0, 1, 0, 0, 0];
    let distance = [0, 1, 0, 0, 0];
    let extra = [1, 1, 0];
    let mut time = 0;
    while time < 2 {
        let mut at = 0;
        while at < 15 {
            let bit = match at {
                0..7 => length[at],
                7..12 => distance[at - 7],
                _ => extra[at - 12],
            };
            bits |= bit << count;
            count += 1;
            at += 1;
        }
        time += 1;
    }
    // The end of the block is seven zeros, which are there already.
    let [a, b, c, d, e, ..] = bits.to_le_bytes();
    [a, b, c, d, e]
}

/// The `x` whose set bits pick columns that add up to `wanted`.
fn solve(columns: &[u32], wanted: u32) -> Option<u32> {
    // Pairs of a sum of columns and which columns those are, each with a leading bit of its own.
    let mut basis: Vec<(u32, u32)> = Vec::new();
    let reduce = |basis: &[(u32, u32)], mut sum: u32, mut which: u32| {
        for (other, others) in basis {
            if sum ^ other < sum {
                sum ^= other;
                which ^= others;
            }
        }
        (sum, which)
    };
    for (bit, column) in columns.iter().enumerate() {
        let reduced = reduce(&basis, *column, 1 << bit);
        if reduced.0 != 0 {
            basis.push(reduced);
            basis.sort_unstable_by(|a, b| b.cmp(a));
        }
    }
    let (left, which) = reduce(&basis, wanted, 0);
    (left == 0).then_some(which)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_unpacks_to_itself() {
        let file = gzip_quine();
        let body = &file[HEADER.len()..file.len() - 8];
        let unpacked = miniz_oxide::inflate::decompress_to_vec(body).expect("deflate");
        assert_eq!(unpacked.len(), file.len());
        assert!(unpacked == file, "the output is not the file");
        let stated = &file[file.len() - 8..file.len() - 4];
        assert_eq!(stated, crc32fast::hash(&file).to_le_bytes());
    }
}
