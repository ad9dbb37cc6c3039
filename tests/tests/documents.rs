//! PDF documents through the whole program: what is hidden in one is found, once, and where; and
//! an archive in a document's gaps is found beside it.
#![expect(clippy::expect_used, reason = "helpers of tests fail as tests do")]

use acceptance::archives::{Method, Zip, seven_zip};
use acceptance::cli::{MARKER, Scene, run};
use acceptance::outcome::{Said, said};
use miniz_oxide::deflate::compress_to_vec_zlib;

fn scanned(bytes: &[u8]) -> Said {
    let scene = Scene::default();
    let path = scene.write("a.pdf", bytes);
    let ran = run(scene.scan().args(["--json", "--all-matches"]).arg(path));
    said(&ran).remove("a.pdf").expect("the file")
}

/// A document of these objects; the last line is the end of one.
fn document(bodies: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    for (number, body) in (1..).zip(bodies) {
        bytes.extend(format!("{number} 0 obj\n").as_bytes());
        bytes.extend([*body, b"\nendobj\n"].concat());
    }
    bytes.extend(b"trailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF\n");
    bytes
}

fn stream(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("<<{dictionary}/Length {}>>stream\n", data.len());
    [head.as_bytes(), data, b"\nendstream"].concat()
}

fn flate(dictionary: &str, data: &[u8]) -> Vec<u8> {
    let dictionary = format!("/Filter/FlateDecode{dictionary}");
    stream(&dictionary, &compress_to_vec_zlib(data, 9))
}

fn evil() -> Vec<u8> {
    Zip::default()
        .with(b"evil", MARKER.as_bytes(), Method::Deflated)
        .finish()
}

/// Where each finding was made.
fn places(said: &Said) -> Vec<String> {
    let findings = said.line["findings"].as_array().into_iter().flatten();
    let place = |finding: &serde_json::Value| {
        let member = finding["member"].as_array().into_iter().flatten();
        let parts: Vec<&str> = member.filter_map(|part| part.as_str()).collect();
        parts.join("/")
    };
    findings.map(place).collect()
}

#[test]
fn what_a_document_holds_is_found() {
    let hex: String = MARKER.bytes().map(|byte| format!("{byte:02X}")).collect();
    let script = stream("/Filter/AHx", hex.as_bytes());
    let inner = [b"9 0 ".as_slice(), b"<</S/JavaScript/JS 2 0 R>>"].concat();
    let objects = flate("/Type/ObjStm/N 1/First 4", &inner);
    let said = scanned(&document(&[b"<</Type/Catalog>>", &script, &objects]));
    assert_eq!(places(&said), ["(javascript 2)"], "{}", said.line);
    let file = b"<</Type/Filespec/F(invoice.zip)/EF<</F 2 0 R>>>>";
    let said = scanned(&document(&[file, &flate("/Type/EmbeddedFile", &evil())]));
    assert_eq!(places(&said), ["invoice.zip/evil"], "{}", said.line);
}

#[test]
fn an_archive_that_is_a_stream_as_it_is_is_found_once() {
    // Far from the end, where no reader of archives takes the file for one.
    let plain = document(&[b"<</Type/Catalog>>", &stream("", &evil())]);
    let said = scanned(&[plain.as_slice(), &[b' '; 70_000], b"%%EOF\n"].concat());
    assert_eq!(places(&said), ["(object 2)/evil"], "{}", said.line);
}

#[test]
fn an_archive_in_a_gap_of_a_document_is_found() {
    let plain = document(&[b"<</Type/Catalog>>", &flate("", b"words")]);
    let said = scanned(&[plain.as_slice(), &evil()].concat());
    assert_eq!(said.line["type"], "pdf");
    assert_eq!(places(&said), ["evil"], "{}", said.line);
    // Behind a comment, with more of the document after it.
    let end = b"\n7 0 obj 7 endobj\n%%EOF\n";
    let said = scanned(&[plain.as_slice(), b"%", &evil(), &[b' '; 70_000], end].concat());
    let at = format!("(at {})/evil", plain.len() + 1);
    assert_eq!(places(&said), [at], "{}", said.line);
    let archive = seven_zip(b"body");
    let said = scanned(&[plain.as_slice(), &archive].concat());
    assert!(
        said.line["incomplete"].to_string().contains("malformed"),
        "{}",
        said.line
    );
}

#[test]
fn an_honest_document_is_clean() {
    let said = scanned(&document(&[
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[]/Count 0>>",
        &flate("", b"BT (words) Tj ET"),
        &stream("/Filter/DCTDecode", b"\xff\xd8\xff\xe0 a picture"),
    ]));
    assert_eq!(said.line["outcome"], "clean", "{}", said.line);
}
