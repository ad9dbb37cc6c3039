//! A bundle's outside: a POSIX ustar archive of plain files, read so that no other reader can see
//! more in it.
//!
//! Refuses links, folders and special files, names that leave the folder, a name twice, and bytes
//! after the end. Nothing is ever unpacked to a disk.

use std::collections::BTreeSet;

use crate::source::{Range, Source, read_range};

/// Members of one bundle at most.
pub(crate) const MEMBERS_MAX: usize = 262_144;
const BLOCK_BYTES: u64 = 512;
const NAME_BYTES_MAX: usize = 255;
/// A header with a file's size holds one line, and its name may be beside it.
const PAX_BYTES_MAX: u64 = 4_096;

/// A file in a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) range: Range,
}

/// Whether it looks like one.
pub(crate) fn is_archive(source: &dyn Source) -> bool {
    let mut magic = [0; 5];
    matches!(source.read_at(257, &mut magic), Ok(5)) && &magic == b"ustar"
}

/// Every member, in order.
pub(crate) fn members(source: &dyn Source) -> Result<Vec<Member>, String> {
    let mut members = Vec::new();
    let mut names = BTreeSet::new();
    let mut at = 0u64;
    let mut pax_size = None;
    loop {
        let block = block_at(source, at)?;
        if block.iter().all(|byte| *byte == 0) {
            ends_here(source, at)?;
            return match pax_size {
                None => Ok(members),
                Some(_) => Err("it ends after a header that belongs to a member".to_owned()),
            };
        }
        let header = Header::read(&block).map_err(|why| format!("at byte {at}: {why}"))?;
        let start = at.saturating_add(BLOCK_BYTES);
        let size_bytes = match header.kind {
            b'x' => header.size_bytes,
            _ => pax_size.take().unwrap_or(header.size_bytes),
        };
        let range = Range {
            offset: start,
            size_bytes,
        };
        let padded = size_bytes.checked_next_multiple_of(BLOCK_BYTES);
        let next = padded.and_then(|padded| start.checked_add(padded));
        let next = next.filter(|next| *next <= source.size_bytes());
        at = next.ok_or_else(|| format!("{:?} is cut short", header.name))?;
        match header.kind {
            b'0' | 0 => {
                if !names.insert(header.name.clone()) {
                    return Err(format!("it has two members called {:?}", header.name));
                }
                members.push(Member {
                    name: header.name,
                    range,
                });
            }
            b'x' if pax_size.is_none() => {
                pax_size = Some(pax_size_of(&read_range(source, range, PAX_BYTES_MAX)?)?);
            }
            _ => return Err(format!("{:?} is no plain file", header.name)),
        }
        if members.len() > MEMBERS_MAX {
            return Err(format!("it has more than {MEMBERS_MAX} members"));
        }
    }
}

struct Header {
    name: String,
    size_bytes: u64,
    kind: u8,
}

impl Header {
    fn read(block: &[u8]) -> Result<Self, String> {
        let field = |from: usize, to: usize| block.get(from..to).unwrap_or_default();
        let claimed = octal(field(148, 156)).ok_or("its checksum is no number")?;
        if claimed != checksum(block) {
            return Err("its checksum is wrong".to_owned());
        }
        let name = text(field(0, 100));
        let prefix = text(field(345, 500));
        let name = match prefix.is_empty() {
            true => name.to_vec(),
            false => [prefix, b"/", name].concat(),
        };
        Ok(Self {
            name: checked_name(name)?,
            size_bytes: octal(field(124, 136)).ok_or("its size is no number")?,
            kind: field(156, 157).first().copied().unwrap_or(0xff),
        })
    }
}

fn checked_name(name: Vec<u8>) -> Result<String, String> {
    let name = String::from_utf8(name).map_err(|_| "a name is not UTF-8")?;
    let is_plain = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.contains(|sign: char| sign.is_control() || sign == '\\')
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
    is_plain
        .then_some(name)
        .ok_or_else(|| "a name leaves its folder, or has signs that no name needs".to_owned())
}

fn block_at(source: &dyn Source, at: u64) -> Result<Vec<u8>, String> {
    let range = Range {
        offset: at,
        size_bytes: BLOCK_BYTES,
    };
    read_range(source, range, BLOCK_BYTES)
        .map_err(|why| format!("at byte {at}: a header or the end is missing: {why}"))
}

/// Two blocks of zeros end it, and up to the size of a record more; then nothing may follow.
fn ends_here(source: &dyn Source, at: u64) -> Result<(), String> {
    const RECORD_BYTES: u64 = 10_240;
    let left = source.size_bytes().saturating_sub(at);
    if left < BLOCK_BYTES.saturating_mul(2) {
        return Err("its end is missing".to_owned());
    }
    let rest = Range {
        offset: at,
        size_bytes: left,
    };
    let rest = read_range(source, rest, RECORD_BYTES.saturating_mul(2))
        .map_err(|_| "something follows its end".to_owned())?;
    match rest.iter().all(|byte| *byte == 0) {
        true => Ok(()),
        false => Err("something follows its end".to_owned()),
    }
}

/// The only thing that such a header may say: `LENGTH size=NUMBER\n`.
fn pax_size_of(bytes: &[u8]) -> Result<u64, String> {
    let wrong = || "an extended header says more than a size".to_owned();
    let line = std::str::from_utf8(bytes).map_err(|_| wrong())?;
    let (length, value) = line.split_once(" size=").ok_or_else(wrong)?;
    let digits = value.strip_suffix('\n').ok_or_else(wrong)?;
    let is_whole = length.parse() == Ok(bytes.len());
    if !is_whole || digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    digits.parse().map_err(|_| wrong())
}

fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn octal(field: &[u8]) -> Option<u64> {
    let end = field
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(field.len());
    let (digits, rest) = field.split_at_checked(end)?;
    let is_padding = rest.iter().all(|byte| matches!(byte, 0 | b' '));
    if digits.is_empty() || !is_padding {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        (digit < 8).then_some(())?;
        number.checked_mul(8)?.checked_add(digit)
    })
}

fn checksum(block: &[u8]) -> u64 {
    block.iter().enumerate().fold(0u64, |sum, (at, byte)| {
        let counted = if (148..156).contains(&at) {
            b' '
        } else {
            *byte
        };
        sum.saturating_add(u64::from(counted))
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// An archive with these members.
    pub(crate) fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in members {
            bytes.extend(header(name, content.len(), b'0'));
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.resize(bytes.len() + 1024, 0);
        bytes
    }

    fn header(name: &str, size: usize, kind: u8) -> Vec<u8> {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..108].copy_from_slice(b"0000644\0");
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        let sum = checksum(&block);
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn members_are_found_where_they_lie() {
        let bytes = archive(&[("a", b"one"), ("b/c", &[7; 600])]);
        let found = members(&bytes.as_slice()).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].name, "b/c");
        assert_eq!(found[1].range.size_bytes, 600);
        assert!(is_archive(&bytes.as_slice()));
        assert!(!is_archive(&b"{}".as_slice()));
    }

    #[test]
    fn no_prefix_and_no_extension_is_a_bundle() {
        let bytes = archive(&[("a", b"one"), ("b", &[7; 600])]);
        for length in 0..bytes.len() {
            assert!(members(&&bytes[..length]).is_err(), "{length}");
        }
        let more = [&bytes[..], b"x"].concat();
        assert!(members(&more.as_slice()).unwrap_err().contains("follows"));
    }

    #[test]
    fn what_another_reader_could_see_differently_is_refused() {
        for (member, why) in [
            (header("../a", 0, b'0'), "leaves"),
            (header("/a", 0, b'0'), "leaves"),
            (header("a", 0, b'2'), "plain"),
            (header("a/", 0, b'5'), "leaves"),
            (header("a\nb", 0, b'0'), "leaves"),
            (header("a", 1 << 30, b'0'), "short"),
        ] {
            let bytes = [member, vec![0; 1024]].concat();
            let error = members(&bytes.as_slice()).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let twice = archive(&[("a", b"1"), ("a", b"2")]);
        assert!(
            members(&twice.as_slice())
                .unwrap_err()
                .contains("two members")
        );
        let mut damaged = archive(&[("a", b"1")]);
        damaged[0] = b'b';
        assert!(
            members(&damaged.as_slice())
                .unwrap_err()
                .contains("checksum")
        );
    }

    #[test]
    fn a_size_may_stand_in_an_extended_header_and_nothing_else() {
        let with = |line: &str| {
            let mut bytes = header("pax", line.len(), b'x');
            bytes.extend(line.as_bytes());
            bytes.resize(1024, 0);
            bytes.extend(archive(&[("a", b"one")]));
            members(&bytes.as_slice())
        };
        assert_eq!(with("9 size=3\n").unwrap()[0].range.size_bytes, 3);
        for wrong in [
            "9 path=b\n",
            "8 size=3\n",
            "9 size=+\n",
            "18 size=3\n9 size=4\n",
        ] {
            assert!(with(wrong).is_err(), "{wrong}");
        }
    }
}
