//! The same bytes and the same signature for clamscan: where it prints `OK` for what it did not
//! look at, Candor finds the marker or says what it did not look at.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use acceptance::archives::{Header, Method, Zip, gzip, tar_member};
use acceptance::cli::{MARKER, Ran, Scene, ran, run};
use acceptance::outcome::{Said, said};
use acceptance::peer;

/// A file, and what Candor must say of it.
struct Case {
    name: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
    must: Must,
}

/// Never `clean`, whichever it is.
enum Must {
    /// It finds the marker.
    Detect,
    /// It says, for this reason, that it did not look at everything.
    Say(&'static str),
    /// One or the other, as formats come to be unpacked.
    DetectOrSay,
}

impl Must {
    fn allows(&self, said: &Said) -> bool {
        let is_incomplete = said.outcome == "incomplete";
        match self {
            Self::Detect => said.outcome == "detected" && said.incomplete.is_empty(),
            Self::Say(reason) => is_incomplete && said.names(reason),
            Self::DetectOrSay => said.outcome == "detected" || is_incomplete,
        }
    }
}

fn case(name: &'static str, what: &'static str, must: Must, bytes: Vec<u8>) -> Case {
    Case {
        name,
        what,
        bytes,
        must,
    }
}

/// The marker, among text that compressors get their teeth into.
fn marked() -> Vec<u8> {
    let mut text = String::new();
    for number in 0..400 {
        text += &format!("line {number} of a text that says {}\n", number * 7919);
    }
    text += MARKER;
    for number in 0..400 {
        text += &format!("and {number} lines after it, {}\n", number * 104_729);
    }
    text.into_bytes()
}

/// What a program makes of these bytes.
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let started = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        println!("skipped: {program} is not installed");
        return None;
    };
    let mut to = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || to.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}");
    Some(output.stdout)
}

fn cases() -> Vec<Case> {
    let marked = marked();
    let mut large = b"a large file\0".to_vec();
    large.resize(150 << 20, 7);
    large.extend(MARKER.as_bytes());
    let whole = Zip::default()
        .with(b"marked", &marked, Method::Deflated)
        .finish();
    let say = Must::Say;
    let cut = whole[..600].to_vec();
    let mut all = vec![
        case(
            "large.bin",
            "behind 150 MiB of other data",
            Must::Detect,
            large,
        ),
        case(
            "secret.zip",
            "in an encrypted member, perhaps",
            say("encrypted"),
            encrypted_zip(),
        ),
        case(
            "cut.zip",
            "behind the end of a cut zip",
            say("malformed"),
            cut,
        ),
        case(
            "deep.gz",
            "in 40 gzip files in each other",
            say("limit-depth"),
            deep(),
        ),
        case(
            "two.gz",
            "in a gzip file's second member",
            Must::Detect,
            [gzip(b"1"), gzip(&marked)].concat(),
        ),
    ];
    all.extend(with_tools(&marked));
    all
}

/// Files of formats that other programs write.
fn with_tools(marked: &[u8]) -> Vec<Case> {
    let mut all = Vec::new();
    let member = |method, packed: &[u8]| {
        let header = Header {
            flags: 0,
            method,
            crc: crc32fast::hash(marked),
            packed_bytes: packed.len(),
            size_bytes: marked.len(),
        };
        zip_of(&header, packed)
    };
    let two = |program: &str| {
        let first = piped(program, &["-c", "-q"], b"the first stream")?;
        let second = piped(program, &["-c", "-q"], marked)?;
        Some([first, second].concat())
    };
    if let Some(bytes) = two("bzip2") {
        all.push(case(
            "two.bz2",
            "in a bzip2 file's second stream",
            Must::Detect,
            bytes,
        ));
    }
    if let Some(bytes) = two("xz") {
        all.push(case(
            "two.xz",
            "in an xz file's second stream",
            Must::Detect,
            bytes,
        ));
    }
    if let Some(packed) = piped("zstd", &["-c", "-q"], marked) {
        let zip = member(93, &packed);
        all.push(case(
            "zstd.zip",
            "in a zip member packed by zstd",
            Must::Detect,
            zip,
        ));
        all.push(case("marked.zst", "in a zstd file", Must::Detect, packed));
        let mut tar = tar_member(b"marked", marked);
        tar.extend([0; 1024]);
        let data = piped("zstd", &["-c", "-q"], &tar).unwrap();
        all.push(case(
            "package.deb",
            "in a Debian package (zstd)",
            Must::Detect,
            deb(&data),
        ));
    }
    if let Some(bytes) = encrypted_7z(marked) {
        all.push(case(
            "secret.7z",
            "in an encrypted 7z file",
            Must::DetectOrSay,
            bytes,
        ));
    }
    all
}

fn encrypted_7z(marked: &[u8]) -> Option<Vec<u8>> {
    let scene = Scene::default();
    let plain = scene.write("marked", marked);
    let archive = scene.at("secret.7z");
    let made = Command::new("7z")
        .args(["a", "-psecret", "-mhe=on"])
        .args([&archive, &plain])
        .output();
    if !made.is_ok_and(|made| made.status.success()) {
        println!("skipped: 7z is not installed");
        return None;
    }
    Some(std::fs::read(archive).unwrap())
}

fn encrypted_zip() -> Vec<u8> {
    let noise: Vec<u8> = (0..900u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    let header = Header {
        flags: 1,
        method: 8,
        crc: 0x1234_5678,
        packed_bytes: noise.len(),
        size_bytes: 4_000,
    };
    zip_of(&header, &noise)
}

fn zip_of(header: &Header, packed: &[u8]) -> Vec<u8> {
    let mut zip = Zip::default();
    let offset = zip.raw(b"member", header, packed);
    zip.listed(b"member", header, offset);
    zip.finish()
}

fn deep() -> Vec<u8> {
    let mut bytes = marked();
    for _ in 0..40 {
        bytes = gzip(&bytes);
    }
    bytes
}

/// An `ar` archive as dpkg expects it, with data only.
fn deb(data: &[u8]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in [("debian-binary", &b"2.0\n"[..]), ("data.tar.zst", data)] {
        let header = format!(
            "{name:16}{:12}{:6}{:6}{:8}{:<10}`\n",
            0,
            0,
            0,
            100_644,
            content.len()
        );
        bytes.extend(header.as_bytes());
        bytes.extend(content);
        if content.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

fn clamscan(database: &Path, file: &Path) -> Ran {
    let mut command = Command::new("clamscan");
    command
        .args(["--no-summary", "--database"])
        .arg(database)
        .arg(file);
    ran(command.output().unwrap())
}

#[test]
fn where_the_peer_says_ok_candor_finds_it_or_says_what_it_did_not_look_at() {
    if !peer::is_there("what the peer says of hostile files") {
        return;
    }
    let scene = Scene::default();
    let signatures = scene.signatures();
    let mut peer_ok = Vec::new();
    println!(
        "{:12} {:33} {:10} Candor",
        "file", "where the marker is", "clamscan"
    );
    for case in cases() {
        let path = scene.write(format!("d/{}", case.name), &case.bytes);
        let theirs = clamscan(&signatures, &path);
        let ours = run(scene.scan().arg("--json").arg(&path));
        let said = said(&ours).remove(case.name).unwrap();
        let is_ok = theirs.code == Some(0) && theirs.out.trim_end().ends_with(": OK");
        let (word, code) = (if is_ok { "OK" } else { "not OK" }, theirs.code.unwrap());
        println!(
            "{:12} {:33} {word:6} ({code}) {} {}({})",
            case.name,
            case.what,
            said.outcome,
            said.incomplete
                .iter()
                .map(|reason| format!("{reason} "))
                .collect::<String>(),
            ours.code.unwrap()
        );
        if is_ok {
            peer_ok.push(case.name);
        }
        assert!(case.must.allows(&said), "{}", said.line);
        let expected = if said.outcome == "detected" { 1 } else { 2 };
        assert_eq!(ours.code, Some(expected), "{}", said.line);
    }
    for name in ["large.bin", "secret.zip", "cut.zip", "deep.gz"] {
        assert!(
            peer_ok.contains(&name),
            "the peer no longer says OK of {name}"
        );
    }
}
