//! What a fuzzer starts from: the corpus for the formats, files under `fuzz/seeds` for the rest,
//! and what has to be compiled first. Inputs that once broke something are seeds too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::{SEED_BYTES_MAX, Target, targets};

const ARMOUR: &str = "b64";

/// An input and where it comes from.
#[derive(Debug)]
pub struct Seed {
    /// A name that no other seed of the target has.
    pub name: String,
    /// The input.
    pub bytes: Vec<u8>,
}

/// The seeds of one target, in the order of their names.
pub fn seeds(target: &Target) -> io::Result<Vec<Seed>> {
    let mut seeds = match target.name {
        name if target.is_format() => armoured(&root("corpus").join(name))?,
        "objects" => armoured_of_all()?,
        "packs" => packs()?,
        "messages" => messages(),
        name => plain(&root("fuzz/seeds").join(name))?,
    };
    seeds.extend(found(target)?);
    seeds.retain(|seed| seed.bytes.len() <= SEED_BYTES_MAX);
    seeds.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(seeds)
}

/// The inputs that once broke this target.
pub fn found(target: &Target) -> io::Result<Vec<Seed>> {
    plain(&root("fuzz/regressions").join(target.name))
}

/// The folders of inputs that once broke something: each is named for a target.
pub fn found_folders() -> io::Result<Vec<String>> {
    let folders = listed(&root("fuzz/regressions"))?.into_iter();
    Ok(folders
        .filter(|path| path.is_dir())
        .map(|path| name_of(&path))
        .collect())
}

fn root(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder)
}

/// A folder's entries in the order of their names; none where there is no such folder.
fn listed(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn plain(folder: &Path) -> io::Result<Vec<Seed>> {
    let files = listed(folder)?.into_iter().filter(|path| path.is_file());
    files
        .map(|path| {
            Ok(Seed {
                name: name_of(&path),
                bytes: fs::read(&path)?,
            })
        })
        .collect()
}

fn armoured(folder: &Path) -> io::Result<Vec<Seed>> {
    let mut seeds = plain(folder)?;
    seeds.retain(|seed| seed.name.ends_with(&format!(".{ARMOUR}")));
    for seed in &mut seeds {
        seed.bytes = unarmoured(&seed.bytes);
    }
    Ok(seeds)
}

fn armoured_of_all() -> io::Result<Vec<Seed>> {
    let mut seeds = Vec::new();
    for target in targets().iter().filter(|target| target.is_format()) {
        for seed in armoured(&root("corpus").join(target.name))? {
            let name = format!("{}-{}", target.name, seed.name);
            seeds.push(Seed { name, ..seed });
        }
    }
    Ok(seeds)
}

/// Packs of the rules that are seeds themselves, each with its rules' text as the object.
fn packs() -> io::Result<Vec<Seed>> {
    let mut seeds = plain(&root("fuzz/seeds/rules"))?;
    for seed in &mut seeds {
        let end = seed.bytes.iter().position(|byte| *byte == b'\n');
        let (first, text) = seed.bytes.split_at(end.unwrap_or(0));
        let label = format!("fuzz.{}", String::from_utf8_lossy(first));
        let object = text.get(..text.len().min(1_000)).unwrap_or_default();
        let length = u16::try_from(object.len()).unwrap_or_default();
        let pack = crate::targets::compiled(&label, text);
        seed.bytes = [&length.to_le_bytes()[..], &pack, object].concat();
    }
    Ok(seeds)
}

fn messages() -> Vec<Seed> {
    let samples = crate::targets::message_samples().into_iter().enumerate();
    samples
        .map(|(number, bytes)| Seed {
            name: format!("message-{number}"),
            bytes,
        })
        .collect()
}

/// Undoes the corpus's armour: lines of base64, and `zeros COUNT` for a long run of zeros. Another
/// line is a kind of armour that this does not know, and no seed.
fn unarmoured(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0u32);
    for line in text.split(|byte| *byte == b'\n') {
        if let Some(zeros) = line.strip_prefix(b"zeros ") {
            let zeros = std::str::from_utf8(zeros).ok().and_then(|n| n.parse().ok());
            let zeros: usize = zeros.expect("zeros have a number");
            out.resize(out.len() + zeros, 0);
            (bits, count) = (0, 0);
            continue;
        }
        for byte in line.iter().filter(|byte| **byte != b'=') {
            bits = (bits << 6 | digit(*byte)) & 0xfff;
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count).to_le_bytes()[0]);
            }
        }
    }
    out
}

fn digit(letter: u8) -> u32 {
    let digit = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => panic!("the corpus has an armour that fuzz/src/seeds.rs does not know"),
    };
    u32::from(digit)
}
