//! A scan that is the same on every machine: signatures and files come from a generator. What it
//! takes is counted in instructions, so that a change which makes scans slower is seen.
//!
//! `fixed-scan ready` compiles the signatures and stops; `fixed-scan scan` goes on and scans.
#![expect(
    clippy::expect_used,
    reason = "this program only serves a test, which fails when it ends early"
)]

use std::fmt::Write as _;
use std::fs;

use acceptance::cli::Scene;
use acceptance::signatures::Numbers;
use kernel::file::{Follow, open_for_scan};
use miniz_oxide::deflate::compress_to_vec;
use proto::ScanOptions;
use rules::{Compiler, IgnoreList, Pack};
use worker::{FileToScan, ScanBuffers, scan_file};

const HASH_SIGNATURES: usize = 20_000;
const BODY_SIGNATURES: usize = 2_000;
const WORDS: [&str; 8] = [
    "the ",
    "quick brown ",
    "fox;\n",
    "return ",
    "jumps(over) ",
    "a lazy\t",
    "<b>dog</b> ",
    "0x1234, ",
];

fn main() {
    let scans = std::env::args().nth(1).as_deref() == Some("scan");
    let bytes = pack();
    let pack = Pack::open(&bytes).expect("a pack that was just built opens");
    let mut buffers = ScanBuffers::new(&pack);
    if !scans {
        return;
    }
    let scene = Scene::default();
    let options = ScanOptions::default();
    let mut objects = 0;
    for (name, content) in files() {
        let path = scene.write(name, content);
        let file = open_for_scan(&path, Follow::Links).expect("the file opens");
        let wanted = FileToScan {
            file: &file,
            options: &options,
        };
        let verdict = scan_file(&mut buffers, wanted, &mut |_| {});
        assert!(verdict.findings.is_empty(), "{name}: {verdict:?}");
        objects += verdict.objects;
        fs::remove_file(path).expect("the file goes");
    }
    println!("{objects} objects");
}

fn pack() -> Vec<u8> {
    let mut numbers = Numbers::new(1);
    let mut hex = |count: usize| {
        let mut text = String::new();
        for _ in 0..count {
            let _ = write!(text, "{:02x}", numbers.below(256));
        }
        text
    };
    let (mut hashes, mut bodies) = (String::new(), String::new());
    for number in 0..HASH_SIGNATURES {
        let size = 100 + number * 7;
        let _ = writeln!(hashes, "{}:{size}:Fixed.Hash-{number}-0:73", hex(16));
    }
    for number in 0..BODY_SIGNATURES {
        let (first, second) = (hex(10), hex(6));
        let _ = writeln!(bodies, "Fixed.Body-{number}:0:*:{first}{{-20}}{second}");
    }
    // Every file needs its MD5, as with the real signatures.
    let _ = writeln!(hashes, "{}:*:Fixed.Any:73", hex(16));
    let mut compiler = Compiler::new(IgnoreList::default());
    for (label, text) in [("fixed.hdb", hashes), ("fixed.ndb", bodies)] {
        let added = compiler.add(label, text.as_bytes());
        added.expect("the signatures compile");
    }
    let mut bytes = Vec::new();
    let written = compiler.finish::<()>(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    written.expect("the pack can be held");
    bytes
}

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let mut numbers = Numbers::new(2);
    let mut data = |count: usize| -> Vec<u8> {
        let byte = |numbers: &mut Numbers| u8::try_from(numbers.below(256)).unwrap_or(0);
        let mut bytes = b"\x01data".to_vec();
        while bytes.len() < count {
            match numbers.below(3) {
                0 => bytes.resize(bytes.len() + numbers.below(40), 0),
                1 => bytes.extend(b"mov\x00call\x8b\x45\xfc\x48\x89"),
                _ => bytes.push(byte(&mut numbers)),
            }
        }
        bytes
    };
    let (small, large) = (data(10_000), data(300_000));
    let mut numbers = Numbers::new(3);
    let mut text = |count: usize| {
        let mut text = String::new();
        while text.len() < count {
            text += WORDS[numbers.below(WORDS.len())];
        }
        text.into_bytes()
    };
    let (words, page) = (text(100_000), text(20_000));
    let page = [b"<html><body>", &page[..], b"</body></html>"].concat();
    let packed = [
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        &compress_to_vec(&words, 6)[..],
        &crc32fast::hash(&words).to_le_bytes(),
        &u32::try_from(words.len()).unwrap_or(0).to_le_bytes(),
    ]
    .concat();
    vec![
        ("small", small),
        ("large", large),
        ("words.txt", words),
        ("page.html", page),
        ("words.gz", packed),
    ]
}
