//! Secrets are unique, and other programs open the documents.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use lab::Plan;
use lab::bundle::RunName;

use super::*;

fn all() -> Documents {
    Plan::every_phase().unwrap().documents
}

fn made(seed: u8) -> Vec<Document> {
    documents(&[seed; 32], &all())
}

#[test]
fn every_window_of_every_secret_is_unique_among_200_runs() {
    let base = [7; 32];
    let mut windows: Vec<u128> = Vec::new();
    for run in RunName::all(100) {
        let seed = derived_seed(&base, &run.to_string());
        for document in documents(&seed, &all()) {
            for secret in &document.secrets {
                let found = secret.bytes.windows(WINDOW_BYTES);
                windows.extend(found.map(|window| u128::from_le_bytes(window.try_into().unwrap())));
            }
        }
    }
    let count = windows.len();
    assert!(count > 3_000_000, "{count} windows");
    windows.sort_unstable();
    windows.dedup();
    assert_eq!(windows.len(), count);
}

#[test]
fn the_same_seed_gives_the_same_documents_and_another_seed_others() {
    let documents = made(1);
    assert_eq!(documents, made(1));
    let count = usize::try_from(all().count()).unwrap();
    assert_eq!(documents.len(), count);
    for (one, other) in documents.iter().zip(made(2)) {
        assert_ne!(one.bytes, other.bytes);
        assert_ne!(one.name, other.name);
    }
    let names: BTreeSet<&str> = documents.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), count);
}

#[test]
fn every_kind_but_keys_bears_its_marking_and_all_have_secrets() {
    for document in made(3) {
        assert!(document.secrets.len() >= 2, "{}", document.name);
        assert!(document.marking.is_some(), "{}", document.name);
        assert!(document.bytes.len() > 350, "{}", document.name);
        assert!(digests(&document).len() >= 12, "{}", document.name);
    }
}

#[test]
fn plain_secrets_stand_in_the_file_as_they_are() {
    for document in made(4) {
        let is_plain = matches!(
            document.kind,
            DocumentKind::Text
                | DocumentKind::Source
                | DocumentKind::Csv
                | DocumentKind::Jpeg
                | DocumentKind::Png
        );
        for secret in document
            .secrets
            .iter()
            .filter(|secret| secret.part == "content")
        {
            let mut windows = document.bytes.windows(secret.bytes.len());
            let is_there = windows.any(|window| window == secret.bytes);
            assert!(is_there || !is_plain, "{}", document.name);
        }
    }
}

/// Writes the documents of a seed into a folder that nobody else uses.
fn written(test: &str) -> (PathBuf, Vec<Document>) {
    let folder = std::env::temp_dir().join(format!("candor-canary-{test}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let documents = made(5);
    for document in &documents {
        let mut file = std::fs::File::create(folder.join(&document.name)).unwrap();
        file.write_all(&document.bytes).unwrap();
    }
    (folder, documents)
}

#[test]
fn python_opens_archives_and_mails_and_finds_the_secret() {
    let script = r#"
import sys, zipfile, io, email, email.policy
def dig(data, depth=0):
    out = data
    if data[:2] == b"PK":
        archive = zipfile.ZipFile(io.BytesIO(data))
        assert archive.testzip() is None
        for name in archive.namelist():
            out += dig(archive.read(name), depth + 1)
    return out
data = open(sys.argv[1], "rb").read()
if sys.argv[1].endswith(".eml"):
    message = email.message_from_bytes(data, policy=email.policy.default)
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert len(parts) == 2, parts
    data = b"".join(dig(part.get_payload(decode=True)) for part in parts) + str(message["subject"]).encode()
else:
    data = dig(data)
sys.stdout.buffer.write(data.replace(b"\r\n", b"\n"))
"#;
    let (folder, documents) = written("python");
    for document in &documents {
        let wanted = [".docx", ".xlsx", ".zip", ".eml"];
        if !wanted
            .iter()
            .any(|extension| document.name.ends_with(extension))
        {
            continue;
        }
        let path = folder.join(&document.name);
        let Ok(output) = Command::new("python3")
            .args(["-c", script])
            .arg(&path)
            .output()
        else {
            println!("skipped: python3 is not installed");
            break;
        };
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", document.name);
        for secret in document
            .secrets
            .iter()
            .filter(|secret| secret.part == "content")
        {
            let mut windows = output.stdout.windows(secret.bytes.len());
            assert!(
                windows.any(|window| window == secret.bytes),
                "{}",
                document.name
            );
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn file_recognises_each_kind() {
    let (folder, documents) = written("file");
    for document in &documents {
        let path = folder.join(&document.name);
        let Ok(output) = Command::new("file")
            .args(["-b", "--mime-type"])
            .arg(&path)
            .output()
        else {
            println!("skipped: file is not installed");
            break;
        };
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let expected: &[&str] = match document.kind {
            DocumentKind::Docx => {
                &["application/vnd.openxmlformats-officedocument.wordprocessingml.document"]
            }
            DocumentKind::Xlsx => {
                &["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"]
            }
            DocumentKind::Pdf => &["application/pdf"],
            DocumentKind::Eml => &["message/rfc822", "text/plain"],
            DocumentKind::Jpeg => &["image/jpeg"],
            DocumentKind::Png => &["image/png"],
            DocumentKind::Zip => &["application/zip"],
            DocumentKind::Source => &["text/x-c"],
            DocumentKind::Text | DocumentKind::Key | DocumentKind::Csv => {
                &["text/plain", "text/csv", "application/x-pem-file"]
            }
            DocumentKind::Detected => &["text/plain", "application/zip", "message/rfc822"],
        };
        assert!(
            expected.contains(&text.as_str()),
            "{}: {text}",
            document.name
        );
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn pdftotext_finds_the_secret_on_the_page() {
    let (folder, documents) = written("pdf");
    for document in documents.iter().filter(|one| one.kind == DocumentKind::Pdf) {
        let path = folder.join(&document.name);
        let Ok(output) = Command::new("pdftotext").arg(&path).arg("-").output() else {
            println!("skipped: pdftotext is not installed");
            break;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        for secret in document
            .secrets
            .iter()
            .filter(|secret| secret.part == "content")
        {
            let line = String::from_utf8(secret.bytes.clone()).unwrap();
            assert!(text.contains(&line), "{}: {text}", document.name);
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
