//! The corpus of small inputs, and damage to it that is the same in every run.

use std::fs;
use std::path::{Path, PathBuf};

use crate::signatures::Numbers;

/// One input and what must come out of it.
#[derive(Debug)]
pub struct Sample {
    /// `FORMAT/NAME`.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
    /// The golden file's text.
    pub golden: String,
}

/// Data behind an end, as golden files spell it.
const AFTER_END: &str = "(after\\x20end)";

/// Every sample, in the order of names.
#[must_use]
pub fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    let mut paths: Vec<PathBuf> = entries(&root)
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|folder| entries(&folder))
        .filter(|path| path.extension().is_some_and(|extension| extension == "b64"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 60, "the corpus has {} samples", paths.len());
    paths.into_iter().map(sample).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).expect("the corpus is there");
    listed
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn sample(path: PathBuf) -> Sample {
    let format = path.parent().and_then(Path::file_name);
    let format = format.expect("a sample is in a folder").display();
    let name = path.file_stem().expect("a sample has a name").display();
    Sample {
        name: format!("{format}/{name}"),
        bytes: base64(&fs::read(&path).expect("an input")),
        golden: fs::read_to_string(path.with_extension("golden")).expect("a golden file"),
    }
}

impl Sample {
    /// The SHA-256 and the size of each member that has bytes; what lies behind the end is not
    /// payload.
    #[must_use]
    pub fn payload(&self) -> Vec<(&str, u64)> {
        let members = self
            .golden
            .lines()
            .filter_map(|line| line.strip_prefix("member "));
        members
            .filter(|line| !line.starts_with(AFTER_END))
            .filter_map(|line| {
                let mut fields = line.rsplit(' ');
                let digest = fields.next()?;
                let size = fields.next()?.parse().ok()?;
                (size > 0).then_some((digest, size))
            })
            .collect()
    }

    /// How many shorter files are whole as well: those that end at the border of two streams.
    #[must_use]
    pub fn borders(&self) -> usize {
        let lines = self.golden.lines();
        lines.filter(|line| line.starts_with("stops-at ")).count()
    }

    /// Whether its golden file names nothing that is wrong with it.
    #[must_use]
    pub fn is_flawless(&self) -> bool {
        !self.golden.lines().any(|line| line.starts_with("trouble "))
    }
}

/// A sample with up to six things done to it.
#[must_use]
pub fn damaged(original: &[u8], donor: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=numbers.below(6) {
        let at = numbers.below(bytes.len());
        match numbers.below(8) {
            0 => bytes.truncate(at.max(8)),
            1 => {
                let from = numbers.below(donor.len());
                let count = numbers.below(64).min(donor.len() - from);
                let piece = donor[from..from + count].to_vec();
                bytes.splice(at..at, piece);
            }
            2 => {
                let value = [0, 1, 0x7f, 0x80, 0xff][numbers.below(5)];
                let end = (at + 1 + numbers.below(8)).min(bytes.len());
                bytes[at..end].fill(value);
            }
            3 => {
                let end = (at + numbers.below(32)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.below(8);
                }
            }
        }
    }
    bytes
}

/// Undoes the armour: base64 with its line breaks and padding, and `zeros COUNT` for a long run.
fn base64(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(zeros) = line.strip_prefix(b"zeros ") {
            let zeros = str::from_utf8(zeros).expect("text").parse::<usize>();
            out.resize(out.len() + zeros.expect("a number"), 0);
            (bits, count) = (0, 0);
            continue;
        }
        for byte in line {
            let digit = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => continue,
            };
            bits = (bits << 6 | u32::from(digit)) & 0xfff;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count).to_le_bytes()[0]);
            }
        }
    }
    out
}
