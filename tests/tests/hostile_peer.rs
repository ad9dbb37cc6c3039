//! The same bytes and the same signature for clamscan: where it prints `OK` for what it did not
//! look at, Candor finds the marker or says what it did not look at.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use acceptance::archives::{Header, Method, Zip, gzip, tar_member};
use acceptance::cli::{MARKER, Ran, Scene, ran, run};
use acceptance::outcome::said;
use acceptance::peer;

/// A file, and what Candor must say of it.
struct Case {
    name: &'static str,
    what: &'static str,
    bytes: Vec<u8>,
    outcome: &'static str,
    /// A reason that must be among those given; none for a plain detection.
    reason: Option<&'static str>,
}

fn case(name: &'static str, what: &'static str, bytes: Vec<u8>) -> Case {
    Case {
        name,
        what,
        bytes,
        outcome: "detected",
        reason: None,
    }
}

impl Case {
    fn incomplete(self, reason: &'static str) -> Self {
        Self {
            outcome: "incomplete",
            reason: Some(reason),
            ..self
        }
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
    let mut all = vec![
        case("large.bin", "the marker behind 150 MiB", large),
        case("encrypted.zip", "an encrypted member", encrypted_zip()).incomplete("encrypted"),
        case("cut.zip", "cut inside the member", whole[..600].to_vec()).incomplete("malformed"),
        case("deep.gz", "40 gzip files in each other", deep()).incomplete("limit-depth"),
    ];
    all.extend(with_tools(&marked));
    all
}

/// Two files as they come, of formats that other programs write.
fn with_tools(marked: &[u8]) -> Vec<Case> {
    let mut all = Vec::new();
    if let Some(second) = piped("bzip2", &["-c"], marked) {
        let first = piped("bzip2", &["-c"], b"the first stream").unwrap();
        let both = [first, second.clone()].concat();
        all.push(case(
            "two.bz2",
            "in the second stream of a bzip2 file",
            both,
        ));
        let header = Header {
            method: 12,
            crc: crc32fast::hash(marked),
            packed_bytes: second.len(),
            size_bytes: marked.len(),
            flags: 0,
        };
        all.push(case(
            "bzip2.zip",
            "a bzip2 member of a zip",
            zip_of(&header, &second),
        ));
    }
    if let Some(packed) = piped("zstd", &["-c", "-q"], marked) {
        let header = Header {
            method: 93,
            crc: crc32fast::hash(marked),
            packed_bytes: packed.len(),
            size_bytes: marked.len(),
            flags: 0,
        };
        all.push(case(
            "zstd.zip",
            "a zstd member of a zip",
            zip_of(&header, &packed),
        ));
        all.push(case("marked.zst", "a zstd file", packed));
        let mut tar = tar_member(b"marked", marked);
        tar.extend([0; 1024]);
        let data = piped("zstd", &["-c", "-q"], &tar).unwrap();
        all.push(case(
            "package.deb",
            "a Debian package with zstd",
            deb(&data),
        ));
    }
    if let Some(second) = piped("xz", &["-c"], marked) {
        let first = piped("xz", &["-c"], b"the first stream").unwrap();
        all.push(case(
            "two.xz",
            "in the second stream of an xz file",
            [first, second].concat(),
        ));
    }
    all.push(case(
        "two.gz",
        "in the second member of a gzip file",
        [gzip(b"first"), gzip(marked)].concat(),
    ));
    all
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
        "{:14} {:38} {:16} Candor",
        "file", "where the marker is", "clamscan"
    );
    for case in cases() {
        let path = scene.write(format!("d/{}", case.name), &case.bytes);
        let theirs = clamscan(&signatures, &path);
        let ours = run(scene.scan().arg("--json").arg(&path));
        let said = said(&ours).remove(case.name).unwrap();
        let is_ok = theirs.code == Some(0) && theirs.out.trim_end().ends_with(": OK");
        let word = if is_ok {
            "OK, exit 0".to_string()
        } else {
            format!("exit {:?}", theirs.code)
        };
        println!(
            "{:14} {:38} {word:16} {} {} exit {:?}",
            case.name,
            case.what,
            said.outcome,
            said.incomplete.join(" "),
            ours.code
        );
        if is_ok {
            peer_ok.push(case.name);
        }
        assert_eq!(said.outcome, case.outcome, "{}", said.line);
        if let Some(reason) = case.reason {
            assert!(said.lacks(reason), "{}", said.line);
        }
        assert_eq!(
            ours.code,
            Some(if case.outcome == "detected" { 1 } else { 2 })
        );
    }
    println!("{peer_ok:?}");
}
