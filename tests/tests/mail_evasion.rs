//! Mail that is broken on purpose: each variant hides one attachment from some reader. Candor
//! finds it in all of them, and so in each in which clamscan finds it. The variants are in
//! `data/mail-evasion.txt`.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use acceptance::peer;
use md5::{Digest, Md5};

const VARIANTS: &str = include_str!("../data/mail-evasion.txt");
const TOP: &str = "From: a@example.com\nTo: b@example.com\nSubject: x\nMIME-Version: 1.0\n";
const FILE: &str = "Content-Type: application/octet-stream; name=\"a.bin\"\n";

#[test]
fn the_attachment_is_found_however_it_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let (database, files) = (folder.path().join("db"), folder.path().join("files"));
    let found = peer::candor(&database, &files);
    let names: Vec<String> = variants().into_iter().map(|(name, _)| name).collect();
    assert!(names.len() >= 120, "{} variants", names.len());
    let hidden: Vec<&String> = names
        .iter()
        .filter(|name| !found.contains(&((*name).clone(), "Attached".to_owned())))
        .collect();
    assert!(
        hidden.is_empty(),
        "the attachment stays hidden in {hidden:?}"
    );
}

#[test]
fn what_the_peer_finds_is_found() {
    if !peer::is_there("hidden attachments against clamscan") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    lay_out(folder.path());
    let (database, files) = (folder.path().join("db"), folder.path().join("files"));
    let theirs = peer::clamscan(&database, &files);
    let ours = peer::candor(&database, &files);
    assert!(theirs.len() > 50, "clamscan finds only {}", theirs.len());
    let missed: Vec<_> = theirs.difference(&ours).collect();
    assert!(missed.is_empty(), "clamscan alone finds {missed:?}");
}

/// Writes the variants, and a database with the digest of what is attached.
fn lay_out(folder: &Path) {
    fs::create_dir_all(folder.join("db")).unwrap();
    fs::create_dir_all(folder.join("files")).unwrap();
    let digest = Md5::digest(payload());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = format!("{digest}:{}:Attached\n", payload().len());
    fs::write(folder.join("db/a.hdb"), line).unwrap();
    for (name, bytes) in variants() {
        fs::write(folder.join("files").join(name), bytes).unwrap();
    }
}

/// Every variant's name and bytes.
fn variants() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = VARIANTS
        .split("==== ")
        .skip(1)
        .map(|variant| {
            let (name, text) = variant.split_once('\n').unwrap();
            (name.to_owned(), filled(&unescaped(text)))
        })
        .collect();
    let plain = all.iter().find(|(name, _)| name == "boundary-quoted");
    let plain = plain.unwrap().1.clone();
    all.extend(with_other_line_ends(&String::from_utf8(plain).unwrap()));
    all
}

fn with_other_line_ends(plain: &str) -> Vec<(String, Vec<u8>)> {
    let variants = [
        ("returns-alone", plain.replace('\n', "\r")),
        (
            "returns-alone-in-the-header",
            plain.replacen("\nContent", "\rContent", 3),
        ),
        ("returns-and-feeds", plain.replace('\n', "\r\n")),
        ("returns-twice", plain.replace('\n', "\r\r\n")),
        ("ends-mixed", plain.replacen('\n', "\r\n", 9)),
    ];
    variants
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .to_vec()
}

/// Undoes what the data file writes for characters that can't be seen.
fn unescaped(text: &str) -> String {
    let escapes = [
        ("\\c\n", ""),
        ("\\0", "\0"),
        ("\\r", "\r"),
        ("\\t", "\t"),
        ("\\s", " "),
        ("\\\\", "\\"),
    ];
    escapes
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Puts in what stands in braces.
fn filled(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap();
        bytes.extend(before.bytes());
        bytes.extend(piece(name));
        rest = after;
    }
    bytes.extend(rest.bytes());
    bytes
}

fn piece(name: &str) -> Vec<u8> {
    let text = match name {
        "payload" => return payload(),
        "yenc" => return yencoded(&payload()),
        "top" => TOP.to_owned(),
        "file" => FILE.to_owned(),
        "mark" => "\u{feff}".to_owned(),
        "long" => "x".repeat(100_000),
        "many-fields" => "X-Many: y\n".repeat(5_000),
        "many-words" => "many words\n".repeat(5_000),
        "many-letters" => "p".repeat(300),
        _ if name.starts_with("base64") => base64_piece(name),
        _ if name.starts_with("quoted") => quoted_piece(name),
        _ => uuencoded_piece(name),
    };
    text.into_bytes()
}

fn base64_piece(name: &str) -> String {
    let letters = base64(&payload(), 76);
    let nested = |text: &str| base64(&filled(text), 76);
    match name {
        "base64" => letters,
        "base64-one-line" => base64(&payload(), 100_000),
        "base64-of-one" => base64(&payload(), 1),
        "base64-of-61" => base64(&payload(), 61),
        "base64-joined" => {
            // Two streams, the first padded, as some programs join them.
            let (first, second) = (&payload()[..100], &payload()[100..]);
            base64(first, 76) + &base64(second, 76)
        }
        "base64-blank-lines" => letters.replace('\n', "\n\n"),
        "base64-blanks" => letters.replace('\n', " \n\t "),
        "base64-junk" => letters.replace('A', "A!*").replace('\n', "\n#"),
        "base64-padded-more" => letters.replace("=\n", "======\n"),
        "base64-unpadded" => letters.trim_end().trim_end_matches('=').to_owned(),
        "base64-separated" => letters.replacen('\n', "\n--_-_\n", 1),
        "base64-interrupted" => letters.replacen('\n', "\nbegin 644 x\n", 1),
        "base64-uuencode" => nested("hi\n{uuencode}"),
        "base64-parts" => {
            nested("--XX\n{file}Content-Transfer-Encoding: base64\n\n{base64}\n--XX--\n")
        }
        "base64-message" => nested(
            "{top}Content-Type: multipart/mixed; boundary=\"YY\"\n\n--YY\n{file}\
             Content-Transfer-Encoding: base64\n\n{base64}\n--YY--\n",
        ),
        _ => unreachable!("no piece is called {name}"),
    }
}

fn quoted_piece(name: &str) -> String {
    let text = quoted_printable(&payload());
    match name {
        "quoted-printable" => text,
        "quoted-printable-lower" => text.to_lowercase(),
        "quoted-printable-blanks" => text.replace("=\n", "= \t\n"),
        _ => unreachable!("no piece is called {name}"),
    }
}

fn uuencoded_piece(name: &str) -> String {
    let text = uuencoded(&payload());
    match name {
        "uuencode" => text,
        "uuencode-other" => uuencoded(b"other"),
        "uuencode-no-end" => text.replace("`\nend\n", ""),
        "uuencode-blanks-lost" => text.replace('`', " ").replace(" \n", "\n"),
        "uuencode-quoted" => text.replace('=', "=3D"),
        "uuencode-short-line" => text.replacen("\nM", "\nMIME\n\"\nM", 2),
        "uuencode-text-behind" => text.replacen("\nM", " and so on\nM", 3),
        _ => unreachable!("no piece is called {name}"),
    }
}

/// What is attached: no text, and not a multiple of three bytes long.
fn payload() -> Vec<u8> {
    let binary = (0..=255u8).cycle().take(700);
    b"\xffattached".iter().copied().chain(binary).collect()
}

/// Base64 in lines of this many letters.
fn base64(bytes: &[u8], line: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut letters = String::new();
    for group in bytes.chunks(3) {
        let number = group
            .iter()
            .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
        let number = number << (8 * (3 - group.len()));
        for place in 0..4usize {
            let shift = 18 - 6 * u32::try_from(place).unwrap();
            let digit = usize::try_from(number >> shift & 63).unwrap();
            let letter = if place > group.len() {
                b'='
            } else {
                ALPHABET[digit]
            };
            letters.push(char::from(letter));
        }
    }
    lines(&letters, line)
}

fn lines(letters: &str, line: usize) -> String {
    let lines = letters.as_bytes().chunks(line);
    lines
        .map(|line| format!("{}\n", std::str::from_utf8(line).unwrap()))
        .collect()
}

fn quoted_printable(bytes: &[u8]) -> String {
    let escapes: Vec<String> = bytes.iter().map(|byte| format!("={byte:02X}")).collect();
    let lines = escapes.chunks(24).map(|line| line.concat() + "=\n");
    lines.collect()
}

fn uuencoded(bytes: &[u8]) -> String {
    let letter = |value: u32| match u8::try_from(value & 63).unwrap() {
        0 => '`',
        value => char::from(value + 32),
    };
    let mut text = "begin 644 a.bin\n".to_owned();
    for line in bytes.chunks(45) {
        text.push(letter(u32::try_from(line.len()).unwrap()));
        for group in line.chunks(3) {
            let number = group
                .iter()
                .fold(0u32, |number, byte| number << 8 | u32::from(*byte));
            let number = number << (8 * (3 - group.len()));
            text.extend([18, 12, 6, 0].map(|shift| letter(number >> shift)));
        }
        text.push('\n');
    }
    text + "`\nend\n"
}

fn yencoded(bytes: &[u8]) -> Vec<u8> {
    let mut text = format!("=ybegin line=128 size={} name=a.bin\n", bytes.len()).into_bytes();
    for line in bytes.chunks(128) {
        for byte in line {
            match byte.wrapping_add(42) {
                critical @ (0 | b'\n' | b'\r' | b'=') => {
                    text.extend([b'=', critical.wrapping_add(64)])
                }
                plain => text.push(plain),
            }
        }
        text.push(b'\n');
    }
    text.extend(format!("=yend size={}\n", bytes.len()).bytes());
    text
}
