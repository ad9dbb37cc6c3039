//! Documents that are text: minutes, source code, keys, tables, and those that products detect.

use crate::random::Random;
use crate::{Body, Secret, archive, base64};

/// Sentences around the secret. They are not secret.
const SENTENCES: &[&str] = &[
    "The group met at ten and agreed the minutes of the last meeting.",
    "Travel in the second quarter was within its budget.",
    "The supplier will be told after the board has decided.",
    "Nothing in this note may be passed to third parties.",
    "The next review is due before the summer recess.",
    "Access to the site is by escort only until further notice.",
];

/// A secret of some lines, joined by `\n`.
pub(crate) fn secret(lines: usize, random: &mut Random) -> String {
    let lines: Vec<String> = (0..lines).map(|_| random.line(9)).collect();
    lines.join("\n")
}

/// A sentence that is no secret.
pub(crate) fn sentence(random: &mut Random) -> &'static str {
    random.one_of(SENTENCES)
}

/// Minutes.
pub(crate) fn text(banner: &str, random: &mut Random) -> Body {
    let secret = secret(7, random);
    let before = sentence(random);
    let after = sentence(random);
    let bytes = format!("{banner}\n\nMinutes\n\n{before}\n\n{secret}\n\n{after}\n\n{banner}\n");
    Body {
        bytes: bytes.into_bytes(),
        secrets: vec![content(secret)],
        extension: "txt",
    }
}

/// A program in C that computes nothing of worth.
pub(crate) fn source(banner: &str, random: &mut Random) -> Body {
    let comment = secret(5, random);
    let comment_lines = comment.replace('\n', "\n * ");
    let table: Vec<String> = (0..8).map(|_| random.word(26)).collect();
    let rows: Vec<String> = table.iter().map(|row| format!("    \"{row}\",")).collect();
    let bytes = format!(
        "/* {banner}\n * {comment_lines}\n */\n#include <stddef.h>\n\nconst char *const table[] = {{\n{}\n}};\n\nsize_t rows(void)\n{{\n    return sizeof table / sizeof *table;\n}}\n",
        rows.join("\n"),
    );
    let mut secrets: Vec<Secret> = comment
        .lines()
        .map(|line| content(line.to_owned()))
        .collect();
    secrets.extend(table.into_iter().map(content));
    Body {
        bytes: bytes.into_bytes(),
        secrets,
        extension: "c",
    }
}

/// A private key, or what looks like one: it opens nothing.
pub(crate) fn key(random: &mut Random) -> Body {
    // The head of a PKCS#1 key of 2,048 bits; what follows is not one.
    let mut der = b"\x30\x82\x04\xa4\x02\x01\x00\x02\x82\x01\x01\x00".to_vec();
    let material = random.bytes(1180);
    der.extend_from_slice(&material);
    let lines = base64::lines(&der, 64);
    let bytes = format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
        lines.join("\n"),
    );
    // The first 16 letters are the head.
    let mut secrets: Vec<Secret> = Vec::new();
    for (line, skipped) in lines
        .iter()
        .zip([16].into_iter().chain(std::iter::repeat(0)))
    {
        let bytes = line.bytes().skip(skipped).filter(|byte| *byte != b'=');
        secrets.push(Secret {
            part: "key in its file",
            bytes: bytes.collect(),
        });
    }
    secrets.push(Secret {
        part: "key material",
        bytes: material,
    });
    Body {
        bytes: bytes.into_bytes(),
        secrets,
        extension: "pem",
    }
}

/// People who do not exist, and where they do not live.
pub(crate) fn csv(banner: &str, random: &mut Random) -> Body {
    let rows: Vec<String> = (0..14).map(|_| row(random)).collect();
    let bytes = format!(
        "# {banner}\nfamily,given,street,town,reference\n{}\n",
        rows.join("\n")
    );
    Body {
        bytes: bytes.into_bytes(),
        secrets: rows.into_iter().map(content).collect(),
        extension: "csv",
    }
}

fn row(random: &mut Random) -> String {
    let fields: Vec<String> = [9, 7, 11, 8, 20]
        .into_iter()
        .map(|letters| random.word(letters))
        .collect();
    fields.join(",")
}

/// What products detect, with a secret beside it. Three shapes, since products look for the test
/// file in different places.
pub(crate) fn detected(banner: &str, number: u32, random: &mut Random) -> Body {
    let secret = secret(5, random);
    let (bytes, extension) = match number % 3 {
        0 => (with_test_file_first(&secret), "com"),
        1 => {
            let note = format!("{banner}\n\n{secret}\n");
            let members = [("eicar.com", test_file()), ("note.txt", note.into_bytes())];
            (archive::zip(&members, archive::Method::Stored).bytes, "zip")
        }
        _ => (in_a_mail(banner, &secret), "eml"),
    };
    Body {
        bytes,
        secrets: vec![content(secret)],
        extension,
    }
}

fn with_test_file_first(secret: &str) -> Vec<u8> {
    let mut bytes = test_file();
    bytes.push(b'\n');
    bytes.extend_from_slice(secret.as_bytes());
    bytes
}

fn in_a_mail(banner: &str, secret: &str) -> Vec<u8> {
    let attachment = base64::lines(&test_file(), 76).join("\r\n");
    let secret = secret.replace('\n', "\r\n");
    let text = format!(
        "From: alice@example.com\r\nTo: bob@example.com\r\nSubject: {banner}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"part\"\r\n\r\n--part\r\nContent-Type: text/plain\r\n\r\n{secret}\r\n--part\r\nContent-Type: application/octet-stream; name=\"eicar.com\"\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"eicar.com\"\r\n\r\n{attachment}\r\n--part--\r\n"
    );
    text.into_bytes()
}

/// The EICAR test file. In two halves, so that no antivirus takes this source for it.
fn test_file() -> Vec<u8> {
    let halves = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-",
        "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    halves.concat().into_bytes()
}

pub(crate) fn content(secret: String) -> Secret {
    Secret {
        part: "content",
        bytes: secret.into_bytes(),
    }
}
