//! Loads the corpus and collects what an object gives.

use std::fs;
use std::path::{Path, PathBuf};

use proto::{Budget, Limits, Unlimited};
use sha2::{Digest, Sha256};
use unpack::{
    Content, Facts, Flow, Format, Member, Members, Role, Source, SubSource, Trouble, identify,
};

/// One corpus pair.
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) golden: String,
}

/// What an object gave.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) members: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) facts: Option<Facts>,
}

/// Every corpus pair, in the order of names.
pub(crate) fn corpus() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus");
    let mut paths = Vec::new();
    for folder in fs::read_dir(&root).expect("the corpus is there") {
        let folder = folder.expect("a folder").path();
        if folder.is_dir() {
            paths.extend(
                fs::read_dir(folder)
                    .expect("a folder")
                    .map(|f| f.expect("a file").path()),
            );
        }
    }
    paths.retain(|path: &PathBuf| path.extension().is_some_and(|e| e == "b64"));
    paths.sort();
    assert!(paths.len() >= 60, "the corpus has {} samples", paths.len());
    let of_path = |path: PathBuf| Sample {
        name: format!(
            "{}/{}",
            path.parent()
                .and_then(Path::file_name)
                .expect("a format")
                .display(),
            path.file_stem().expect("a name").display()
        ),
        bytes: base64(&fs::read(&path).expect("an input")),
        golden: fs::read_to_string(path.with_extension("golden")).expect("a golden file"),
    };
    paths.into_iter().map(of_path).collect()
}

/// Unpacks an object as the format that it is recognised as.
pub(crate) fn given(bytes: &[u8]) -> (&'static str, Given) {
    let bytes = bytes.to_vec();
    let format = identify(&bytes).expect("memory can be read");
    (format.name, given_as(format, &bytes, limits()))
}

/// Limits that no sample reaches.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_bytes_max: 64 << 20,
        bytes_max: 64 << 20,
        ..Limits::default()
    }
}

/// Unpacks an object as a format; checks that all memory that was held was given back.
pub(crate) fn given_as(format: &Format, bytes: &Vec<u8>, limits: Limits) -> Given {
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let mut collector = Collector {
        source: bytes,
        limits,
        members: Vec::new(),
    };
    let mut given = Given::default();
    match format.role {
        Role::Container(unpack) => {
            given.troubles = unpack(bytes, &mut budget, &mut collector);
        }
        Role::Executable(facts) => (given.facts, given.troubles) = facts(bytes),
        Role::Unsupported | Role::Leaf => {}
    }
    assert_eq!(
        budget.memory_left(),
        limits.memory_bytes_max,
        "memory was not given back"
    );
    given.members = collector.members;
    given
}

struct Collector<'a> {
    source: &'a dyn Source,
    limits: Limits,
    members: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Members for Collector<'_> {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        let bytes = match member.content {
            Content::Bytes(bytes) => {
                let held = self.limits.memory_bytes_max - budget.memory_left();
                assert!(bytes.len() as u64 <= held, "more bytes than memory held");
                bytes.to_vec()
            }
            Content::Range { offset, size_bytes } => {
                assert!(
                    offset + size_bytes <= self.source.size_bytes(),
                    "a part past the end"
                );
                let part = SubSource::new(self.source, offset, size_bytes);
                let mut bytes = vec![0; usize::try_from(part.size_bytes()).expect("fits")];
                let read = part.read_at(0, &mut bytes).expect("memory can be read");
                assert_eq!(read, bytes.len());
                bytes
            }
        };
        let left = budget.spend_bytes(bytes.len() as u64).is_ok() && budget.spend_object().is_ok();
        self.members.push((member.name.to_vec(), bytes));
        if left { Flow::Continue } else { Flow::Stop }
    }
}

/// What was given, as a golden file spells it.
pub(crate) fn spelled(given: &Given, bytes: &[u8]) -> String {
    let mut lines = Vec::new();
    for (name, bytes) in &given.members {
        let digest = hex(&Sha256::digest(bytes));
        lines.push(format!("member {} {} {digest}", spell(name), bytes.len()));
    }
    for trouble in &given.troubles {
        let name = trouble
            .member
            .as_ref()
            .map_or("-".into(), |name| spell(name));
        lines.push(format!(
            "trouble {} {name} {}",
            trouble.reason.as_str(),
            trouble.text
        ));
    }
    if let Some(facts) = &given.facts {
        lines.extend(spelled_facts(facts, bytes));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn spelled_facts(facts: &Facts, bytes: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(offset) = facts.entry_point {
        lines.push(format!("entry-point {offset}"));
    }
    for section in &facts.sections {
        let begin = usize::try_from(section.raw_offset).expect("fits");
        let size = usize::try_from(section.raw_size_bytes).expect("fits");
        let part = bytes.get(begin..begin + size).expect("within the file");
        lines.push(format!("section {begin} {size} {}", md5(part)));
    }
    if let Some(text) = &facts.import_text {
        lines.push(format!("imports {} {}", text.len(), md5(text)));
    }
    if let Some(offset) = facts.overlay_offset {
        lines.push(format!("overlay {offset}"));
    }
    lines
}

/// The MD5 of some bytes in hex, as other tools print it.
pub(crate) fn md5(bytes: &[u8]) -> String {
    hex(&md5::Md5::digest(bytes))
}

fn spell(name: &[u8]) -> String {
    name.iter()
        .map(|byte| match byte {
            b'\\' => "\\x5c".to_owned(),
            0x21..=0x7e => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
