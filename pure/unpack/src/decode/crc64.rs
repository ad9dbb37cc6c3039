//! CRC-64 of xz (ECMA-182, reflected), eight bytes a step.

const POLYNOMIAL: u64 = 0xc96c_5795_d787_0f42;
const LANES: usize = 8;

/// The checksum of these bytes.
pub(crate) fn crc64(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<LANES>();
    let mut crc = u64::MAX;
    for word in words {
        crc = step(crc ^ u64::from_le_bytes(*word));
    }
    for byte in rest {
        let [first, ..] = crc.to_le_bytes();
        crc = entry(0, first ^ byte) ^ crc.wrapping_shr(8);
    }
    !crc
}

/// Eight bytes at once: each looks up what it becomes once those behind it have passed too.
fn step(word: u64) -> u64 {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    entry(7, a)
        ^ entry(6, b)
        ^ entry(5, c)
        ^ entry(4, d)
        ^ entry(3, e)
        ^ entry(2, f)
        ^ entry(1, g)
        ^ entry(0, h)
}

fn entry(lane: usize, byte: u8) -> u64 {
    let row = TABLES.get(lane);
    row.and_then(|row| row.get(usize::from(byte)))
        .copied()
        .unwrap_or(0)
}

static TABLES: [[u64; 256]; LANES] = tables();

/// Row 0 is one byte's effect; each further row is the same with one more zero byte behind it.
#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "evaluated by the compiler, where a mistake is an error of the build"
)]
const fn tables() -> [[u64; 256]; LANES] {
    let mut tables = [[0u64; 256]; LANES];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        tables[0][index] = crc;
        index += 1;
    }
    let mut lane = 1;
    while lane < LANES {
        let mut index = 0;
        while index < 256 {
            let before = tables[lane - 1][index];
            tables[lane][index] = tables[0][(before & 0xff) as usize] ^ (before >> 8);
            index += 1;
        }
        lane += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc64_gives_the_check_value_of_its_catalogue() {
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
    }

    #[test]
    fn eight_bytes_a_step_are_the_same_as_one() {
        let bytes: Vec<u8> = (0..=255).collect();
        for end in [0, 1, 7, 8, 9, 63, 64, 65, 256] {
            let mut slow = u64::MAX;
            for byte in &bytes[..end] {
                let [first, ..] = slow.to_le_bytes();
                slow = entry(0, first ^ byte) ^ (slow >> 8);
            }
            assert_eq!(crc64(&bytes[..end]), !slow, "{end}");
        }
    }
}
