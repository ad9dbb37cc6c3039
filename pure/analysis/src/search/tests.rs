//! What python and other tools encode is found.

use std::io::Write;
use std::process::{Command, Stdio};

use canary::Document;
use lab::Plan;

use super::*;

fn documents() -> Vec<Document> {
    canary::documents(&[9; 32], &Plan::scan_only().unwrap().documents)
}

/// A piece of a secret that no encoding of ours has a whole number of groups for.
fn piece(documents: &[Document]) -> Vec<u8> {
    documents[0].secrets[0].bytes[33..90].to_vec()
}

fn chains(needles: &Needles, bytes: &[u8]) -> Vec<Vec<String>> {
    let searched = search(needles, bytes, &[]);
    assert!(!searched.is_cut);
    searched
        .found
        .into_iter()
        .map(|found| found.encodings)
        .collect()
}

/// What python makes of the piece.
fn python(expression: &str, piece: &[u8]) -> Option<Vec<u8>> {
    let script = format!(
        "import sys,base64,gzip,zlib,bz2,lzma,binascii,quopri,urllib.parse,hashlib\nx=sys.stdin.buffer.read()\nsys.stdout.buffer.write({expression})"
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take().unwrap().write_all(piece).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{expression}");
    Some(output.stdout)
}

const RAW: &str = "(lambda c:c.compress(x)+c.flush())(zlib.compressobj(9,8,-15))";

/// How python encodes `x`, and what must be said of it.
const ENCODINGS: &[(&str, &str)] = &[
    ("x", ""),
    ("b'to='+base64.b64encode(x)", "base64"),
    ("b'a'+base64.b64encode(b'1'+x)", "base64"),
    ("b'ab'+base64.urlsafe_b64encode(b'12'+x)", "base64"),
    ("base64.encodebytes(x*3)", "base64"),
    ("b'q='+x.hex().encode()", "hex"),
    ("b'zz'+x.hex().upper().encode()", "hex"),
    ("x.hex(':').encode()", "hex"),
    ("x.hex(' ').encode()", "hex"),
    ("b''.join(b'\\\\x%02x'%c for c in x)", "hex"),
    ("b', '.join(b'0x%02x'%c for c in x)", "hex"),
    ("base64.b32encode(x)", "base32"),
    ("base64.b32encode(x).lower().rstrip(b'=')", "base32"),
    ("base64.b32hexencode(x)", "base32hex"),
    ("urllib.parse.quote(x).encode()", "url"),
    ("urllib.parse.quote_plus(x).encode()", "url"),
    ("b''.join(b'%%%02X'%c for c in x)", "url"),
    ("quopri.encodestring(x, True)", "quoted-printable"),
    ("b''.join(b'=%02X'%c for c in x)", "quoted-printable"),
    ("x.decode().encode('utf-16-le')", "utf-16"),
    ("b'..'+x.decode().encode('utf-16-be')", "utf-16"),
    ("gzip.compress(x)", "gzip"),
    ("b'--'+zlib.compress(x,1)", "zlib"),
    ("zlib.compress(x,9)", "zlib"),
    (RAW, "raw deflate"),
    ("b'noise'+bz2.compress(x)", "bzip2"),
    ("lzma.compress(x)", "xz"),
    ("x[::-1]", "reversed"),
    ("base64.b64encode(x)[::-1]", "reversed+base64"),
    ("base64.b64encode(x[::-1])", "base64+reversed"),
    ("bytes(c^0x5a for c in x)", "xor with 5a"),
    (
        "base64.b64encode(bytes(c^(0x5a,0x21)[i%2] for i,c in enumerate(x)))",
        "base64+xor with 5a21",
    ),
    ("base64.b64encode(gzip.compress(x))", "base64+gzip"),
    ("gzip.compress(base64.b64encode(x))", "gzip+base64"),
    (
        "base64.b64encode(base64.b64encode(base64.b64encode(x)))",
        "base64+base64+base64",
    ),
    (
        "urllib.parse.quote_plus(base64.b64encode(zlib.compress(x))).encode()",
        "url+base64+zlib",
    ),
    ("base64.b32encode(x.hex().encode())", "base32+hex"),
    (
        "x.hex().encode().decode().encode('utf-16-le')",
        "utf-16+hex",
    ),
    (
        "base64.b64encode(x.decode().encode('utf-16-le'))",
        "base64+utf-16",
    ),
    (
        "base64.b64encode(lzma.compress(bz2.compress(x)))",
        "base64+xz+bzip2",
    ),
];

#[test]
fn every_encoding_is_seen_through() {
    let documents = documents();
    let needles = Needles::new(&documents);
    let piece = piece(&documents);
    for (expression, expected) in ENCODINGS {
        let Some(bytes) = python(expression, &piece) else {
            println!("skipped: python3 is not installed");
            return;
        };
        let found = chains(&needles, &bytes);
        let found: Vec<String> = found.iter().map(|chain| chain.join("+")).collect();
        assert!(
            found.iter().any(|chain| chain == expected),
            "{expression}: {found:?}"
        );
    }
}

#[test]
fn digests_are_found_in_each_way_that_people_write_them() {
    let documents = documents();
    let needles = Needles::new(&documents);
    let file = &documents[4].bytes;
    for (expression, expected) in [
        ("hashlib.md5(x).digest()", ""),
        ("hashlib.sha1(x).hexdigest().encode()", "hex"),
        (
            "b'{\"sha256\":\"'+hashlib.sha256(x).hexdigest().upper().encode()+b'\"}'",
            "hex",
        ),
        ("base64.b64encode(hashlib.md5(x).digest())", "base64"),
        (
            "base64.b64encode(hashlib.sha256(x).hexdigest().encode())",
            "base64+hex",
        ),
    ] {
        let Some(bytes) = python(expression, file) else {
            println!("skipped: python3 is not installed");
            return;
        };
        let searched = search(&needles, &bytes, &[]);
        let is_found = searched.found.iter().any(|found| {
            found.document == documents[4].name
                && found.part.ends_with("of the file")
                && found.encodings.join("+") == expected
        });
        assert!(is_found, "{expression}: {searched:?}");
    }
}

#[test]
fn streams_of_zstd_and_lz4_are_opened() {
    let documents = documents();
    let needles = Needles::new(&documents);
    let piece = piece(&documents);
    for program in ["zstd", "lz4"] {
        let Ok(mut child) = Command::new(program)
            .args(["-q", "-c", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            println!("skipped: {program} is not installed");
            continue;
        };
        child.stdin.take().unwrap().write_all(&piece).unwrap();
        let packed = child.wait_with_output().unwrap().stdout;
        let found = chains(&needles, &[b"POST\r\n\r\n".as_slice(), &packed].concat());
        assert!(
            found.contains(&vec![program.to_owned()]),
            "{program}: {found:?}"
        );
    }
}

#[test]
fn a_document_that_is_uploaded_whole_is_found_and_so_is_what_is_packed_in_it() {
    let documents = documents();
    let needles = Needles::new(&documents);
    for document in &documents {
        let searched = search(&needles, &document.bytes, &[]);
        let is_its = |part: &str| {
            let mut found = searched.found.iter();
            found.any(|found| found.document == document.name && found.part == part)
        };
        assert!(
            is_its("content") || is_its("key material"),
            "{}: {searched:?}",
            document.name
        );
    }
}

#[test]
fn raw_deflate_is_tried_where_something_begins() {
    let documents = documents();
    let needles = Needles::new(&documents);
    let packed = miniz_oxide::deflate::compress_to_vec(&piece(&documents), 6);
    let mut bytes = vec![b'.'; 5000];
    let start = bytes.len() - 3;
    bytes.extend(packed);
    assert!(search(&needles, &bytes, &[]).found.is_empty());
    let searched = search(&needles, &bytes, &[start]);
    assert_eq!(searched.found[0].encodings, ["raw deflate"]);
    assert_eq!(searched.found[0].offset, 5000);
}

#[test]
fn what_another_run_hid_is_not_found() {
    let needles = Needles::new(&documents());
    let plan = Plan::every_phase().unwrap();
    for seed in 20..24 {
        for document in canary::documents(&[seed; 32], &plan.documents) {
            let searched = search(&needles, &document.bytes, &[]);
            assert_eq!(searched, Searched::default(), "{}", document.name);
        }
    }
}

#[test]
fn a_bomb_and_endless_letters_end_with_a_word() {
    let needles = Needles::new(&documents());
    let zeros = vec![0; 40 << 20];
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&zeros, 6);
    let bombs = bomb.repeat(4);
    let searched = search(&needles, &bombs, &[]);
    assert!(searched.is_cut);
    assert!(searched.found.is_empty());
}

#[test]
fn programs_and_texts_of_this_machine_hold_no_secret() {
    let needles = Needles::new(&documents());
    let mut looked = 0;
    for folder in ["/usr/share/common-licenses", "/usr/bin", "/etc"] {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        for path in files.into_iter().filter(|path| path.is_file()).take(40) {
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let bytes = &bytes[..bytes.len().min(100_000)];
            let searched = search(&needles, bytes, &[]);
            assert!(
                searched.found.is_empty(),
                "{}: {searched:?}",
                path.display()
            );
            looked += bytes.len();
        }
    }
    println!("{looked} bytes looked at");
}
