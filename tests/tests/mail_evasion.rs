//! Mail that is broken on purpose: each variant hides one attachment from some reader. Candor
//! finds it in all of them, and so in each in which clamscan finds it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;

use acceptance::peer;
use md5::{Digest, Md5};

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

const TOP: &str = "From: a@example.com\nTo: b@example.com\nSubject: x\nMIME-Version: 1.0\n";
const FILE: &str = "Content-Type: application/octet-stream; name=\"a.bin\"\n";
const TEXT: &str = "--XX\nContent-Type: text/plain\n\nhello\n\n";

/// A multipart with these fields at the top and this as its body.
fn multipart(kind: &str, body: &str) -> String {
    format!("{TOP}Content-Type: {kind}\n\n{body}")
}

/// A message whose attachment travels under these fields.
fn attached(fields: &str, body: &str) -> String {
    multipart(
        "multipart/mixed; boundary=\"XX\"",
        &format!("{TEXT}--XX\n{fields}\n{body}\n--XX--\n"),
    )
}

const AS_BASE64: &str = "Content-Transfer-Encoding: base64\n";

fn base64_part() -> String {
    format!("{FILE}{AS_BASE64}\n{}", base64(&payload(), 76))
}

fn variants() -> Vec<(&'static str, Vec<u8>)> {
    let mut all = boundaries();
    all.extend(separators());
    all.extend(headers());
    all.extend(encodings());
    all.extend(bodies());
    all.extend(nestings());
    all.into_iter()
        .map(|(name, text)| (name, text.into_bytes()))
        .chain(bytes())
        .collect()
}

/// Ways to say the boundary.
fn boundaries() -> Vec<(&'static str, String)> {
    let body = format!("{TEXT}--XX\n{}\n--XX--\n", base64_part());
    let said = |kind: &str| multipart(kind, &body);
    vec![
        ("boundary-quoted", said("multipart/mixed; boundary=\"XX\"")),
        ("boundary-bare", said("multipart/mixed; boundary=XX")),
        (
            "boundary-single-quotes",
            said("multipart/mixed; boundary='XX'"),
        ),
        (
            "boundary-no-end-quote",
            said("multipart/mixed; boundary=\"XX"),
        ),
        (
            "boundary-comment",
            said("multipart/mixed; boundary=XX (comment)"),
        ),
        (
            "boundary-comment-before",
            said("(c) multipart/mixed (c); boundary=\"XX\""),
        ),
        (
            "boundary-blanks",
            said("multipart/mixed ; boundary = \"XX\" ;"),
        ),
        (
            "boundary-blank-inside-quotes",
            said("multipart/mixed; boundary=\"XX \""),
        ),
        ("boundary-upper-case", said("MULTIPART/MIXED; BOUNDARY=XX")),
        (
            "boundary-no-semicolon",
            said("multipart/mixed boundary=\"XX\""),
        ),
        (
            "boundary-after-others",
            said("multipart/mixed; charset=\"a;b\"; boundary=XX; x=y"),
        ),
        (
            "boundary-folded",
            said("multipart/mixed;\n\tboundary=\"XX\""),
        ),
        (
            "boundary-folded-twice",
            said("\n multipart/mixed;\n \n boundary=\"XX\""),
        ),
        (
            "boundary-escaped",
            said("multipart/mixed; boundary=\"X\\X\""),
        ),
        (
            "boundary-rfc2231",
            said("multipart/mixed; boundary*0=X; boundary*1=X"),
        ),
        (
            "boundary-rfc2231-charset",
            said("multipart/mixed; boundary*=us-ascii'en'X%58"),
        ),
        (
            "boundary-twice-first",
            said("multipart/mixed; boundary=XX; boundary=YY"),
        ),
        (
            "boundary-twice-last",
            said("multipart/mixed; boundary=YY; boundary=XX"),
        ),
        ("boundary-missing", said("multipart/mixed")),
        ("boundary-wrong", said("multipart/mixed; boundary=\"YY\"")),
        (
            "boundary-wrong-case",
            said("multipart/mixed; boundary=\"xx\""),
        ),
        (
            "boundary-longer-in-body",
            multipart("multipart/mixed; boundary=X", &body),
        ),
        ("type-no-slash", said("multipart; boundary=\"XX\"")),
        (
            "type-unknown-subtype",
            said("multipart/anything; boundary=\"XX\""),
        ),
        ("type-not-multipart", said("text/plain; boundary=\"XX\"")),
        (
            "type-twice-first",
            said("multipart/mixed; boundary=XX\nContent-Type: text/plain"),
        ),
        (
            "type-twice-last",
            said("text/plain\nContent-Type: multipart/mixed; boundary=XX"),
        ),
        (
            "type-twice-two-boundaries",
            said("multipart/mixed; boundary=YY\nContent-Type: multipart/mixed; boundary=XX"),
        ),
    ]
}

/// Ways to separate the parts.
fn separators() -> Vec<(&'static str, String)> {
    let part = base64_part();
    let mixed = |body: String| multipart("multipart/mixed; boundary=\"XX\"", &body);
    vec![
        ("separator-no-last", mixed(format!("{TEXT}--XX\n{part}"))),
        (
            "separator-trailing-blanks",
            mixed(format!("{TEXT}--XX \t \n{part}\n--XX-- \n")),
        ),
        (
            "separator-trailing-text",
            mixed(format!("{TEXT}--XX junk\n{part}\n--XX--\n")),
        ),
        (
            "separator-last-too-early",
            mixed(format!("{TEXT}--XX--\n--XX\n{part}\n--XX--\n")),
        ),
        (
            "separator-last-only",
            mixed(format!("{TEXT}--XX--\n{part}\n--XX--\n")),
        ),
        (
            "separator-only-in-preamble",
            mixed(format!(
                "preamble\n{}\n--XX\n{part}\n--XX--\n",
                "p".repeat(300)
            )),
        ),
        (
            "separator-no-blank-line-before",
            mixed(format!("--XX\n\nhello\n--XX\n{part}--XX--\n")),
        ),
        (
            "separator-directly-after-header",
            format!("{TOP}Content-Type: multipart/mixed; boundary=XX\n--XX\n{part}\n--XX--\n"),
        ),
        ("separator-in-the-attachment", {
            // The inner boundary is closed, and no letter of base64: readers pass over it.
            let body = base64(&payload(), 76).replacen('\n', "\n--_-_\n", 1);
            mixed(format!(
                "--XX\nContent-Type: multipart/alternative; boundary=\"_-_\"\n\n--_-_\n\nhi\n--_-_--\n\
                 --XX\n{FILE}{AS_BASE64}\n{body}\n--XX--\n"
            ))
        }),
        ("separator-of-the-other-boundary", {
            let body = base64(&payload(), 76).replacen('\n', "\n--_-_\n", 1);
            multipart(
                "multipart/mixed; boundary=\"XX\"; boundary=\"_-_\"",
                &format!("--XX\n{FILE}{AS_BASE64}\n{body}\n--XX--\n"),
            )
        }),
        (
            "inner-boundary-begins-like-the-outer",
            mixed(format!(
                "--XX\nContent-Type: multipart/mixed; boundary=\"XXX\"\n\n--XXX\n{part}\n--XXX--\n--XX--\n"
            )),
        ),
        (
            "outer-boundary-begins-like-the-inner",
            multipart(
                "multipart/mixed; boundary=\"XXX\"",
                &format!(
                    "--XXX\nContent-Type: multipart/mixed; boundary=\"XX\"\n\n--XX\n{part}\n--XX--\n--XXX--\n"
                ),
            ),
        ),
        (
            "same-boundary-inside",
            mixed(format!(
                "--XX\nContent-Type: multipart/mixed; boundary=\"XX\"\n\n--XX\n{part}\n--XX--\n--XX--\n"
            )),
        ),
        (
            "in-the-epilogue",
            mixed(format!("{TEXT}--XX--\n\n--YY\n{part}\n")),
        ),
        (
            "in-the-preamble",
            mixed(format!("--YY\n{part}\n{TEXT}--XX--\n")),
        ),
    ]
}

/// Ways to break headers.
fn headers() -> Vec<(&'static str, String)> {
    let letters = base64(&payload(), 76);
    vec![
        (
            "header-no-blank-line",
            attached(
                &format!("{FILE}{AS_BASE64}").trim_end().to_owned(),
                &letters,
            ),
        ),
        (
            "header-junk-line",
            attached(&format!("{FILE}this is no field\n{AS_BASE64}"), &letters),
        ),
        (
            "header-blank-in-a-line",
            attached(&format!("{FILE} \n{AS_BASE64}"), &letters),
        ),
        (
            "header-blank-before-colon",
            attached(
                &format!("{FILE}Content-Transfer-Encoding : base64\n"),
                &letters,
            ),
        ),
        (
            "header-no-blank-after-colon",
            attached(
                &format!("{FILE}Content-Transfer-Encoding:base64\n"),
                &letters,
            ),
        ),
        (
            "header-folded-name",
            attached(
                &format!("{FILE}Content-Transfer-Encoding:\n  base64\n"),
                &letters,
            ),
        ),
        (
            "header-zeros",
            attached(
                &format!("{FILE}Content-Transfer\0-Encoding: base\x0064\n"),
                &letters,
            ),
        ),
        (
            "header-very-long",
            attached(
                &format!("X-Long: {}\n{FILE}{AS_BASE64}", "x".repeat(100_000)),
                &letters,
            ),
        ),
        (
            "header-many-fields",
            attached(
                &format!("{}{FILE}{AS_BASE64}", "X-Many: y\n".repeat(5_000)),
                &letters,
            ),
        ),
        ("header-none-but-encoding", attached(AS_BASE64, &letters)),
        (
            "header-upper-case",
            attached(
                &format!("{FILE}CONTENT-TRANSFER-ENCODING: BASE64\n"),
                &letters,
            ),
        ),
        (
            "top-junk-before",
            format!(
                "junk\n{}",
                attached(&format!("{FILE}{AS_BASE64}"), &letters)
            ),
        ),
        (
            "top-blank-lines-before",
            format!("\n\n{}", attached(&format!("{FILE}{AS_BASE64}"), &letters)),
        ),
        (
            "top-mark-before",
            format!(
                "\u{feff}{}",
                attached(&format!("{FILE}{AS_BASE64}"), &letters)
            ),
        ),
        (
            "top-mailbox-line",
            format!(
                "From a@b Mon Jan  1 00:00:00 2024\n{}",
                attached(&format!("{FILE}{AS_BASE64}"), &letters)
            ),
        ),
        (
            "top-few-fields",
            format!(
                "Foo: x\nContent-Type: multipart/mixed; boundary=XX\n\n--XX\n{FILE}{AS_BASE64}\n{letters}\n--XX--\n"
            ),
        ),
    ]
}

/// Ways to say the encoding.
fn encodings() -> Vec<(&'static str, String)> {
    let letters = base64(&payload(), 76);
    let said = |value: &str, body: &str| {
        attached(&format!("{FILE}Content-Transfer-Encoding: {value}\n"), body)
    };
    vec![
        (
            "encoding-twice-first",
            said("base64\nContent-Transfer-Encoding: 7bit", &letters),
        ),
        (
            "encoding-twice-last",
            said("7bit\nContent-Transfer-Encoding: base64", &letters),
        ),
        (
            "encoding-three",
            said(
                "8bit\nContent-Transfer-Encoding: quoted-printable\nContent-Transfer-Encoding: base64",
                &letters,
            ),
        ),
        ("encoding-comment", said("base64 (comment)", &letters)),
        (
            "encoding-comment-before",
            said("(comment) base64", &letters),
        ),
        ("encoding-quoted", said("\"base64\"", &letters)),
        ("encoding-semicolon", said("base64;", &letters)),
        ("encoding-x", said("x-base64", &letters)),
        ("encoding-7bit-in-truth-base64", said("7bit", &letters)),
        (
            "encoding-unknown-in-truth-base64",
            said("anything", &letters),
        ),
        (
            "encoding-quoted-printable-in-truth-base64",
            said("quoted-printable", &letters),
        ),
        (
            "encoding-uuencode-in-truth-base64",
            said("x-uuencode", &letters),
        ),
        (
            "encoding-base64-in-truth-uuencode",
            said("base64", &uuencoded(&payload())),
        ),
        (
            "encoding-quoted-printable",
            said("quoted-printable", &quoted_printable(&payload())),
        ),
        (
            "encoding-quoted-printable-lower",
            said(
                "Quoted-Printable",
                &quoted_printable(&payload()).to_lowercase(),
            ),
        ),
        (
            "encoding-quoted-printable-blanks",
            said(
                "quoted-printable",
                &quoted_printable(&payload()).replace("=\n", "= \t\n"),
            ),
        ),
        (
            "encoding-uuencode",
            said("x-uuencode", &uuencoded(&payload())),
        ),
        ("encoding-uue", said("uue", &uuencoded(&payload()))),
        ("encoding-missing", attached(FILE, &letters)),
    ]
}

/// Ways to damage a body.
fn bodies() -> Vec<(&'static str, String)> {
    let letters = base64(&payload(), 76);
    let base64_body = |body: &str| attached(&format!("{FILE}{AS_BASE64}"), body);
    let padded = {
        // Two streams, the first padded, as some programs join them.
        let (first, second) = payload().split_at(100).to_owned_pair();
        base64(&first, 76) + &base64(&second, 76)
    };
    vec![
        (
            "base64-one-long-line",
            base64_body(&base64(&payload(), 100_000)),
        ),
        ("base64-short-lines", base64_body(&base64(&payload(), 1))),
        ("base64-odd-lines", base64_body(&base64(&payload(), 61))),
        (
            "base64-blank-lines",
            base64_body(&letters.replace('\n', "\n\n")),
        ),
        (
            "base64-blanks",
            base64_body(&letters.replace('\n', " \n\t ")),
        ),
        (
            "base64-junk",
            base64_body(&letters.replace('A', "A!*").replace('\n', "\n#")),
        ),
        (
            "base64-padding-missing",
            base64_body(letters.trim_end().trim_end_matches('=')),
        ),
        ("base64-padding-inside", base64_body(&padded)),
        (
            "base64-text-after",
            base64_body(&format!("{letters}\n____\nfooter of a list\n")),
        ),
        (
            "base64-text-before",
            base64_body(&format!("this, too, is text!\n{letters}")),
        ),
        (
            "base64-padding-more",
            base64_body(&letters.replace("=\n", "======\n")),
        ),
        (
            "uuencode-in-text",
            format!("{TOP}\nhello\n\n{}bye\n", uuencoded(&payload())),
        ),
        (
            "uuencode-in-text-twice",
            format!(
                "{TOP}\nhello\n\n{}bye\n{}",
                uuencoded(b"other"),
                uuencoded(&payload())
            ),
        ),
        (
            "uuencode-far-in-text",
            format!(
                "{TOP}\n{}\n{}",
                "many words\n".repeat(5_000),
                uuencoded(&payload())
            ),
        ),
        (
            "uuencode-blanks-lost",
            format!(
                "{TOP}\n{}",
                uuencoded(&payload()).replace('`', " ").replace(" \n", "\n")
            ),
        ),
        (
            "uuencode-no-end",
            format!("{TOP}\n{}", uuencoded(&payload()).replace("`\nend\n", "")),
        ),
        (
            "uuencode-in-quoted-printable",
            format!(
                "{TOP}Content-Transfer-Encoding: quoted-printable\n\n{}",
                uuencoded(&payload()).replace('=', "=3D")
            ),
        ),
        (
            "uuencode-in-base64",
            format!(
                "{TOP}{AS_BASE64}\n{}",
                base64(format!("hi\n{}", uuencoded(&payload())).as_bytes(), 76)
            ),
        ),
        ("returns-alone", base64_body(&letters).replace('\n', "\r")),
        (
            "returns-alone-in-the-header",
            base64_body(&letters).replacen("\nContent", "\rContent", 3),
        ),
        (
            "returns-and-feeds",
            base64_body(&letters).replace('\n', "\r\n"),
        ),
        (
            "returns-twice",
            base64_body(&letters).replace('\n', "\r\r\n"),
        ),
        (
            "ends-mixed",
            base64_body(&letters).replacen('\n', "\r\n", 9),
        ),
    ]
}

/// Ways to nest.
fn nestings() -> Vec<(&'static str, String)> {
    let letters = base64(&payload(), 76);
    let inner = attached(&format!("{FILE}{AS_BASE64}"), &letters).replace("XX", "YY");
    let mixed = |part: &str| {
        multipart(
            "multipart/mixed; boundary=\"XX\"",
            &format!("--XX\n{part}\n--XX--\n"),
        )
    };
    let deep = (0..10).fold(base64_part(), |part, level| {
        format!("Content-Type: multipart/mixed; boundary=\"B{level}B\"\n\n--B{level}B\n{part}\n--B{level}B--\n")
    });
    vec![
        (
            "message-in-message",
            mixed(&format!("Content-Type: message/rfc822\n\n{inner}")),
        ),
        (
            "message-in-message-base64",
            mixed(&format!(
                "Content-Type: message/rfc822\n{AS_BASE64}\n{}",
                base64(inner.as_bytes(), 76)
            )),
        ),
        (
            "message-with-one-field",
            mixed(&format!(
                "Content-Type: message/rfc822\n\n{AS_BASE64}\n{letters}"
            )),
        ),
        (
            "message-in-digest",
            multipart(
                "multipart/digest; boundary=\"XX\"",
                &format!("--XX\n\n{inner}\n--XX--\n"),
            ),
        ),
        (
            "message-bounced-as-text",
            format!("{TOP}\nThis could not be delivered.\n\n{inner}"),
        ),
        (
            "message-same-boundary",
            mixed(&format!(
                "Content-Type: message/rfc822\n\n{}",
                attached(&format!("{FILE}{AS_BASE64}"), &letters)
            )),
        ),
        (
            "multipart-in-base64",
            multipart(
                &format!("multipart/mixed; boundary=XX\n{}", AS_BASE64.trim_end()),
                &base64(format!("--XX\n{}\n--XX--\n", base64_part()).as_bytes(), 76),
            ),
        ),
        ("multipart-ten-deep", mixed(&deep)),
        (
            "partial",
            format!("{TOP}Content-Type: message/partial; id=a; number=1; total=1\n\n{inner}"),
        ),
        (
            "mailbox-of-two",
            format!(
                "From a Mon Jan  1 00:00:00 2024\n{TOP}\nhi\n\nFrom b Mon Jan  1 00:00:00 2024\n{inner}"
            ),
        ),
        (
            "mailbox-no-blank-line",
            format!(
                "From a Mon Jan  1 00:00:00 2024\n{TOP}\nhi\nFrom b Mon Jan  1 00:00:00 2024\n{inner}"
            ),
        ),
        (
            "mailbox-line-in-a-message",
            inner.replacen(
                "\n--YY\nContent-Type: app",
                "\n\nFrom x\nContent-Length: 5\n--YY\nContent-Type: app",
                1,
            ),
        ),
        (
            "mailbox-message-of-few-fields",
            format!(
                "From a Mon Jan  1 00:00:00 2024\nSubject: x\n\n{}",
                uuencoded(&payload())
            ),
        ),
    ]
}

/// What is not UTF-8.
fn bytes() -> Vec<(&'static str, Vec<u8>)> {
    let part = |encoding: &str, body: &[u8]| {
        let text = attached(
            &format!("{FILE}Content-Transfer-Encoding: {encoding}\n"),
            "@@",
        );
        let (before, after) = text.split_once("@@").unwrap();
        [before.as_bytes(), body, after.as_bytes()].concat()
    };
    vec![
        ("binary", part("binary", &payload())),
        ("binary-returns", {
            let text = attached(&format!("{FILE}Content-Transfer-Encoding: binary\n"), "@@");
            let text = text.replace('\n', "\r\n").replace("@@\r\n", "@@");
            let (before, after) = text.split_once("@@").unwrap();
            [
                before.as_bytes(),
                &payload(),
                b"\r\n",
                after.trim_start().as_bytes(),
            ]
            .concat()
        }),
        ("yenc", part("8bit", &yencoded(&payload()))),
    ]
}

trait OwnedPair {
    fn to_owned_pair(&self) -> (Vec<u8>, Vec<u8>);
}

impl OwnedPair for (&[u8], &[u8]) {
    fn to_owned_pair(&self) -> (Vec<u8>, Vec<u8>) {
        (self.0.to_vec(), self.1.to_vec())
    }
}

fn laid_out(folder: &Path) {
    fs::create_dir_all(folder.join("db")).unwrap();
    fs::create_dir_all(folder.join("files")).unwrap();
    let digest: String = Md5::digest(payload())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let line = format!("{digest}:{}:Attached\n", payload().len());
    fs::write(folder.join("db/a.hdb"), line).unwrap();
    for (name, bytes) in variants() {
        fs::write(folder.join("files").join(name), bytes).unwrap();
    }
}

#[test]
fn the_attachment_is_found_however_it_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    laid_out(folder.path());
    let (database, files) = (folder.path().join("db"), folder.path().join("files"));
    let found = peer::candor(&database, &files);
    let names: Vec<&str> = variants().iter().map(|(name, _)| *name).collect();
    assert!(names.len() >= 100, "{} variants", names.len());
    let hidden: Vec<&&str> = names
        .iter()
        .filter(|name| !found.contains(&((**name).to_owned(), "Attached".to_owned())))
        .collect();
    assert_eq!(hidden, [&""; 0], "the attachment stays hidden");
}

#[test]
fn what_the_peer_finds_is_found() {
    if !peer::is_there("hidden attachments against clamscan") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    laid_out(folder.path());
    let (database, files) = (folder.path().join("db"), folder.path().join("files"));
    let theirs = peer::clamscan(&database, &files);
    let ours = peer::candor(&database, &files);
    assert!(theirs.len() > 50, "clamscan finds only {}", theirs.len());
    let missed: Vec<_> = theirs.difference(&ours).collect();
    assert!(missed.is_empty(), "clamscan alone finds {missed:?}");
}
