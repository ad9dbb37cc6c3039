//! Generated logical signatures, one construct at a time, each with files that it should match,
//! files that it should just miss, and files at its boundaries. Which is which is the peer's word.

use crate::archives::{Method, Zip, gzip};
use crate::signatures::{Generated, Numbers, hex};

/// A signature without its name, and the files that were made for it.
#[derive(Debug, Default)]
pub struct Case {
    /// What follows `Name;`.
    pub line: String,
    /// The files.
    pub files: Vec<Vec<u8>>,
}

/// Every file begins like a picture, so that no view of it is looked at beside it.
pub const BEGINNING: &[u8] = b"GIF89a\xff\xff";

/// What makes a case.
pub type Maker = fn(&mut Numbers) -> Case;

/// Every construct by its name.
pub const MAKERS: [(&str, Maker); 12] = [
    ("expressions", expression),
    ("counts", counts),
    ("modifiers", modifiers),
    ("modified bodies", modified_body),
    ("offsets", offsets),
    ("bodies", body),
    ("byte comparisons of integers", compare_integers),
    ("byte comparisons of text", compare_text),
    ("regular expressions", pattern),
    ("offsets of regular expressions", pattern_offset),
    ("file sizes", file_size),
    ("containers", container),
];

/// A few letters that no other signature has.
fn token(numbers: &mut Numbers, length: usize) -> Vec<u8> {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    (0..length)
        .map(|_| LETTERS[numbers.below(LETTERS.len())])
        .collect()
}

/// Bytes that are part of no token.
fn filling(numbers: &mut Numbers, count: usize) -> Vec<u8> {
    const BYTES: &[u8] = b"\xff\xfe\xf7\x80\x81~|`^";
    (0..count)
        .map(|_| BYTES[numbers.below(BYTES.len())])
        .collect()
}

fn file(pieces: &[&[u8]]) -> Vec<u8> {
    let mut bytes = BEGINNING.to_vec();
    pieces.iter().for_each(|piece| bytes.extend(*piece));
    bytes
}

fn plain(numbers: &mut Numbers) -> &'static str {
    numbers.of(&["Target:0", "Target:5", "Engine:51-255,Target:0"])
}

/// Any expression over three subsignatures, and files with some of each.
fn expression(numbers: &mut Numbers) -> Case {
    let tokens: Vec<_> = (0..3).map(|_| token(numbers, 6)).collect();
    let mut text = String::new();
    // The highest has to be there, and something has to be found: no rule fires everywhere.
    let inner = terms(numbers, 3);
    text += &format!("2&({inner})");
    let line = format!(
        "{};{text};{};{};{}",
        plain(numbers),
        hex(&tokens[0]),
        hex(&tokens[1]),
        hex(&tokens[2])
    );
    let files = (0..8).map(|_| {
        let mut bytes = BEGINNING.to_vec();
        for (index, token) in tokens.iter().enumerate() {
            let least = usize::from(index == 2);
            for _ in 0..least + numbers.below(4 - least) {
                bytes.extend(token);
                bytes.extend(filling(numbers, 1));
            }
        }
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

fn terms(numbers: &mut Numbers, depth: usize) -> String {
    match numbers.below(if depth == 0 { 2 } else { 7 }) {
        0 => numbers.below(3).to_string(),
        1 => {
            let distinct = match numbers.below(6) {
                0 => format!(",{}", numbers.below(3)),
                _ => String::new(),
            };
            let sign = numbers.of(&["=", "<", ">"]).to_string();
            format!("{}{sign}{}{distinct}", numbers.below(3), numbers.below(4))
        }
        2..=4 => {
            let left = terms(numbers, depth - 1);
            let operator = numbers.of(&["&", "|"]).to_string();
            format!("{left}{operator}{}", terms(numbers, depth - 1))
        }
        _ => {
            let left = terms(numbers, depth - 1);
            let operator = numbers.of(&["&", "|"]).to_string();
            let block = format!("({left}{operator}{})", terms(numbers, depth - 1));
            let sign = numbers.of(&["=", "<", ">"]).to_string();
            match numbers.below(3) {
                0 => block,
                1 => format!("{block}{sign}{}", numbers.below(5)),
                _ => format!("{block}{sign}{},{}", numbers.below(5), numbers.below(4)),
            }
        }
    }
}

/// One bound on a count, and files around it; matches overlap, touch, or stand apart.
fn counts(numbers: &mut Numbers) -> Case {
    let bound = 1 + numbers.below(6);
    let sign = numbers.of(&["=", "<", ">"]).to_string();
    let one = token(numbers, 3);
    let overlapping = [one.clone(), one.clone()].concat();
    let (body, piece) = match numbers.below(3) {
        0 => (hex(&one), one.clone()),
        1 => (hex(&overlapping), one.clone()),
        _ => (format!("{}*{}", hex(&one), hex(b"##")), one.clone()),
    };
    let modifiers = numbers.of(&["", "::i", "::wa", "::a"]);
    let anchor = token(numbers, 7);
    let line = format!(
        "{};0&1{sign}{bound};{};{body}{modifiers}",
        plain(numbers),
        hex(&anchor)
    );
    let files = [-2i64, -1, 0, 1, 2, 9].into_iter().map(|more| {
        let count = usize::try_from(i64::try_from(bound).unwrap_or(0) + more).unwrap_or(0);
        let gap = if numbers.below(2) == 0 { 0 } else { 2 };
        let mut bytes = file(&[&anchor]);
        for _ in 0..count {
            bytes.extend(&piece);
            bytes.extend(filling(numbers, gap));
        }
        bytes.extend(b"##".repeat(numbers.below(4)));
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

const MODIFIERS: [&str; 16] = [
    "", "i", "w", "a", "f", "wa", "iw", "fi", "fw", "fwa", "iwa", "ifw", "ia", "fa", "fia", "fiwa",
];

/// A token under modifiers: in both widths and cases, with neighbours of every kind.
fn modifiers(numbers: &mut Numbers) -> Case {
    let one = token(numbers, 6);
    let line = format!(
        "{};0;{}::{}",
        plain(numbers),
        hex(&one),
        numbers.of(&MODIFIERS)
    );
    let other_case: Vec<u8> = one
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphabetic() {
                byte ^ 0x20
            } else {
                *byte
            }
        })
        .collect();
    let neighbours: [&[u8]; 14] = [
        b"", b"a", b"Z", b"5", b" ", b"_", b"-", b"\0", b"a\0", b"a\x01", b"\0a", b"Z\0", b"9\0",
        b"\xe9\0",
    ];
    let files = (0..10).map(|_| {
        let text = if numbers.below(2) == 0 {
            &one
        } else {
            &other_case
        };
        let text = if numbers.below(2) == 0 {
            text.clone()
        } else {
            wide(text)
        };
        let before = numbers.of(&neighbours);
        let after = numbers.of(&neighbours);
        match numbers.below(4) {
            0 => file(&[&text, after]),
            1 => file(&[before, &text]),
            _ => file(&[b"~~", before, &text, after, b"~~"]),
        }
    });
    let files = files.collect();
    Case { line, files }
}

fn wide(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|byte| [*byte, 0]).collect()
}

/// Wildcards, nibbles, alternatives and gaps under modifiers.
fn modified_body(numbers: &mut Numbers) -> Case {
    let (head, tail) = (token(numbers, 4), token(numbers, 4));
    let middle = token(numbers, 2);
    let digits = hex(&middle[..1]);
    let (piece, fitting): (String, Vec<u8>) = match numbers.below(8) {
        0 => ("??".to_string(), middle[..1].to_vec()),
        1 => (format!("{}?", &digits[..1]), middle[..1].to_vec()),
        2 => (format!("?{}", &digits[1..]), middle[..1].to_vec()),
        3 => (format!("({}|{})", hex(&middle), hex(b"zz")), middle.clone()),
        4 => (
            format!("({}|{})", hex(&middle[..1]), hex(b"z")),
            middle[..1].to_vec(),
        ),
        5 => ("*".to_string(), token(numbers, 3)),
        6 => (
            "{2-4}".to_string(),
            token(numbers, 1 + numbers_below(&middle)),
        ),
        _ => (
            "{2}".to_string(),
            token(numbers, 1 + numbers_below(&middle)),
        ),
    };
    let modifiers = numbers.of(&MODIFIERS);
    let line = format!(
        "{};0;{}{piece}{}::{modifiers}",
        plain(numbers),
        hex(&head),
        hex(&tail)
    );
    let whole = [head, fitting, tail].concat();
    let files = (0..8).map(|_| {
        let mut text = whole.clone();
        match numbers.below(3) {
            0 => text.iter_mut().for_each(|byte| {
                if byte.is_ascii_alphabetic() {
                    *byte ^= 0x20;
                }
            }),
            1 => {
                let at = numbers.below(text.len());
                text[at] ^= 0x21;
            }
            _ => {}
        }
        let text = if numbers.below(2) == 0 {
            wide(&text)
        } else {
            text
        };
        file(&[b"~~", &text, b"~~"])
    });
    let files = files.collect();
    Case { line, files }
}

fn numbers_below(bytes: &[u8]) -> usize {
    bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 5
}

/// A token at, before and behind where it may be.
fn offsets(numbers: &mut Numbers) -> Case {
    let one = token(numbers, 6);
    let at = BEGINNING.len() + 4 + numbers.below(20);
    let size = 64;
    let shift = numbers.below(5);
    let offset = match numbers.below(5) {
        0 => at.to_string(),
        1 => format!("{at},{shift}"),
        2 => format!("EOF-{}", size - at),
        3 => format!("EOF-{},{shift}", size - at),
        _ => "*".to_string(),
    };
    let condition = numbers.of(&["", "=1", "=2", ">1", "<2"]);
    let anchor = token(numbers, 7);
    let modifiers = numbers.of(&["", "::i", "::f", "::wa"]);
    let line = format!(
        "{};1&0{condition};{offset}:{}{modifiers};{}",
        plain(numbers),
        hex(&one),
        hex(&anchor)
    );
    let shift = i64::try_from(shift).unwrap_or(0);
    let files = [-1, 0, 1, shift, shift + 1].into_iter().map(|more| {
        let start = usize::try_from(i64::try_from(at).unwrap_or(0) + more).unwrap_or(0);
        let mut bytes = filling(numbers, size);
        bytes[..BEGINNING.len()].copy_from_slice(BEGINNING);
        bytes[start..start + one.len()].copy_from_slice(&one);
        if numbers.below(2) == 0 {
            bytes[start + 10..start + 10 + one.len()].copy_from_slice(&one);
        }
        let end = bytes.len();
        bytes[end - anchor.len()..].copy_from_slice(&anchor);
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

/// A generated body as a subsignature, its matches counted.
fn body(numbers: &mut Numbers) -> Case {
    let made = Generated::new(numbers);
    let (anchor, condition) = (
        token(numbers, 7),
        numbers.of(&["", "=1", "=2", ">1", "<2", "=0"]),
    );
    let line = format!(
        "{};0&1{condition};{};{}",
        plain(numbers),
        hex(&anchor),
        made.hex
    );
    let files = (0..6).map(|_| {
        let mut bytes = file(&[&anchor]);
        for _ in 0..numbers.below(4) {
            let mut matching = made.bytes.clone();
            if numbers.below(3) == 0 {
                let at = numbers.below(matching.len());
                matching[at] ^= 1;
            }
            bytes.extend(matching);
            bytes.extend(filling(numbers, 3));
        }
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

/// Integers of every size and order around the bounds of a condition. The peer decides byte
/// comparisons for target 0 only.
fn compare_integers(numbers: &mut Numbers) -> Case {
    let anchor = token(numbers, 6);
    let length = [1usize, 2, 4, 8][numbers.below(4)];
    let order = numbers.of(&["b", "l", "be", "le"]);
    let bits = u32::try_from(8 * length.min(7)).unwrap_or(8);
    let value = u64::try_from(numbers.below(1 << 31)).unwrap_or(0) % (1u64 << (bits - 1).min(62));
    let (condition, offset) = (
        bounds(numbers, value),
        compare_offset(numbers, anchor.len()),
    );
    let line = format!(
        "Target:0;0&1;{};0({}#i{order}{length}#{condition})",
        hex(&anchor),
        offset.text
    );
    let near = [value, value.wrapping_sub(1), value + 1, value + 7, !value];
    let files = near.into_iter().map(|value| {
        let mut bytes = value.to_be_bytes()[8 - length..].to_vec();
        if order.starts_with('l') {
            bytes.reverse();
        }
        offset.place(&anchor, &bytes, numbers)
    });
    let files = files.collect();
    Case { line, files }
}

/// Numbers in text: decimal, hexadecimal, short, long, with a sign, and none.
fn compare_text(numbers: &mut Numbers) -> Case {
    let anchor = token(numbers, 6);
    let length = 2 + 2 * numbers.below(4);
    let notation = numbers.of(&["d", "db", "de", "hb", "hbe", "hl", "ab", "abe", "h", "dbe"]);
    let value = u64::try_from(numbers.below(10usize.pow(u32::try_from(length).unwrap_or(2)) - 2))
        .unwrap_or(0)
        + 1;
    let (condition, offset) = (
        bounds(numbers, value),
        compare_offset(numbers, anchor.len()),
    );
    let line = format!(
        "Target:0;0&1;{};0({}#{notation}{length}#{condition})",
        hex(&anchor),
        offset.text
    );
    let texts = [
        format!("{value:0length$}"),
        format!("{:0length$}", value - 1),
        format!("{value:0length$x}"),
        format!("{value}~~~~~~~~~~"),
        format!("-{value}~~~~~~~~~~"),
        "~~~~~~~~~~".to_string(),
    ];
    let files = texts
        .iter()
        .map(|text| offset.place(&anchor, &text.as_bytes()[..length.min(text.len())], numbers));
    let files = files.collect();
    Case { line, files }
}

fn bounds(numbers: &mut Numbers, value: u64) -> String {
    let value = match numbers.below(3) {
        0 => format!("0x{value:x}"),
        _ => value.to_string(),
    };
    match numbers.below(5) {
        0 => format!("={value}"),
        1 => format!(">{value}"),
        2 => format!("<{value}"),
        3 => format!(">{value},<99999999"),
        _ => format!("<{value},>0"),
    }
}

struct CompareOffset {
    text: String,
    distance: i64,
}

fn compare_offset(numbers: &mut Numbers, anchor: usize) -> CompareOffset {
    let more = numbers.below(4);
    match numbers.below(3) {
        0 => CompareOffset {
            text: format!("<<{}", 12 + more),
            distance: -12 - i64::try_from(more).unwrap_or(0),
        },
        _ => CompareOffset {
            text: format!(">>{}", anchor + more),
            distance: i64::try_from(anchor + more).unwrap_or(0),
        },
    }
}

impl CompareOffset {
    /// A file with bytes at this distance from the anchor, or just short of its end.
    fn place(&self, anchor: &[u8], bytes: &[u8], numbers: &mut Numbers) -> Vec<u8> {
        let start = 24i64;
        let mut made = filling(numbers, 72);
        made[..BEGINNING.len()].copy_from_slice(BEGINNING);
        let mut put = |at: i64, bytes: &[u8]| {
            let at = usize::try_from(at).unwrap_or(0);
            made[at..at + bytes.len()].copy_from_slice(bytes);
            at + bytes.len()
        };
        put(start, anchor);
        let end = put(start + self.distance, bytes);
        if self.distance > 0 && numbers.below(3) == 0 {
            made.truncate(end - usize::from(numbers.below(2) == 0));
        }
        made
    }
}

/// A regular expression behind a trigger, its matches counted.
fn pattern(numbers: &mut Numbers) -> Case {
    let (anchor, one) = (token(numbers, 6), token(numbers, 5));
    let text = String::from_utf8_lossy(&one).into_owned();
    let pattern = match numbers.below(7) {
        0 => text.clone(),
        1 => format!("{text}[0-9]+"),
        2 => format!("(?:{text}|{text}x)y?"),
        3 => format!("^{text}"),
        4 => format!("{text}$"),
        5 => format!("{text}.{{2,6}}?z"),
        _ => format!("(\\d){text}\\1"),
    };
    let flags = numbers.of(&[
        "", "g", "i", "gi", "s", "sg", "m", "mg", "gA", "U", "E", "gs",
    ]);
    let (trigger, condition) = (
        numbers.of(&["0", "0", "0>1", "(0)", "0=1"]),
        numbers.of(&["", "", "=1", "=2", ">1", "=0"]),
    );
    let line = format!(
        "{};0&1{condition};{};{trigger}/{pattern}/{flags}",
        plain(numbers),
        hex(&anchor)
    );
    let files = (0..8).map(|_| {
        let mut bytes = file(&[&anchor.repeat(numbers.below(3))]);
        for _ in 0..numbers.below(4) {
            bytes.extend(numbers.of::<[u8]>(&[b"\n", b"5", b"", b"~"]));
            let mut text = one.clone();
            if numbers.below(4) == 0 {
                text.make_ascii_uppercase();
            }
            bytes.extend(text);
            bytes.extend(numbers.of::<[u8]>(&[b"55", b"xy", b"\n", b"..\n.z", b"", b"~~~z", b"7"]));
        }
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

/// A regular expression that may begin only in some places.
fn pattern_offset(numbers: &mut Numbers) -> Case {
    let (anchor, one) = (token(numbers, 6), token(numbers, 5));
    let at = BEGINNING.len() + 2 + numbers.below(9);
    let (size, shift) = (64, numbers.below(12));
    let offset = match numbers.below(5) {
        0 => at.to_string(),
        1 | 2 => format!("{at},{shift}"),
        3 => format!("EOF-{}", size - at),
        _ => format!("EOF-{},{shift}", size - at),
    };
    let flags = numbers.of(&["", "g", "r", "e", "gr", "ge", "re", "gre", "s", "A"]);
    let condition = numbers.of(&["", "", "=1", "=2", ">1", "=0"]);
    let text = String::from_utf8_lossy(&one).into_owned();
    let line = format!(
        "{};0&1{condition};{};{offset}:0/{text}/{flags}",
        plain(numbers),
        hex(&anchor)
    );
    let shift = i64::try_from(shift).unwrap_or(0);
    let places = [-1, 0, 1, shift - 5, shift - 4, shift, shift + 1];
    let files = places.into_iter().map(|more| {
        let start = usize::try_from(i64::try_from(at).unwrap_or(0) + more).unwrap_or(0);
        let start = start.max(BEGINNING.len());
        let mut bytes = filling(numbers, size);
        bytes[..BEGINNING.len()].copy_from_slice(BEGINNING);
        bytes[start..start + one.len()].copy_from_slice(&one);
        if numbers.below(2) == 0 {
            let next = start + one.len() + numbers.below(4);
            bytes[next..next + one.len()].copy_from_slice(&one);
        }
        let end = bytes.len();
        bytes[end - anchor.len()..].copy_from_slice(&anchor);
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

/// Files of sizes around two bounds.
fn file_size(numbers: &mut Numbers) -> Case {
    let one = token(numbers, 7);
    let least = 30 + numbers.below(30);
    let most = least + numbers.below(6);
    let line = format!(
        "Engine:51-255,FileSize:{least}-{most},Target:{};0;{}",
        numbers.of(&["0", "5"]),
        hex(&one)
    );
    let sizes = [least - 1, least, most, most + 1, most + 40];
    let files = sizes.into_iter().map(|size| {
        let mut bytes = file(&[&one]);
        let more = filling(numbers, size - bytes.len());
        bytes.extend(more);
        bytes
    });
    let files = files.collect();
    Case { line, files }
}

/// A file alone, and inside archives inside archives.
fn container(numbers: &mut Numbers) -> Case {
    let one = token(numbers, 7);
    let names = [
        "CL_TYPE_ZIP",
        "CL_TYPE_GZ",
        "CL_TYPE_ANY",
        "CL_TYPE_POSIX_TAR",
    ];
    let container = match numbers.below(3) {
        0 => String::new(),
        _ => format!(",Container:{}", numbers.of(&names)),
    };
    let levels: Vec<_> = (0..1 + numbers.below(3))
        .map(|_| numbers.of(&names))
        .collect();
    let intermediates = match numbers.below(3) {
        0 => String::new(),
        _ => format!(",Intermediates:{}", levels.join(">")),
    };
    let line = format!(
        "Engine:51-255,Target:5{container}{intermediates};0;{}",
        hex(&one)
    );
    let files = (0..6).map(|_| {
        let mut bytes = file(&[&one]);
        for _ in 0..numbers.below(4) {
            bytes = match numbers.below(2) {
                0 => gzip(&bytes),
                _ => Zip::default()
                    .with(b"member", &bytes, Method::Deflated)
                    .finish(),
            };
        }
        bytes
    });
    let files = files.collect();
    Case { line, files }
}
