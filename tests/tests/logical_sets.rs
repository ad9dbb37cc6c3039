//! Real logical signatures decide as the peer's do, on files made of the bytes that they ask for.

#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::fs;
use std::path::Path;

use acceptance::peer;
use acceptance::realise::Realised;
use acceptance::shared::shared;
use acceptance::signatures::Numbers;

/// Real signatures that are tried in one run; `CANDOR_ALL=1` tries each of them.
const SIGNATURES_MAX: usize = 1_500;
/// Signatures in one database, so that one run of the peer ends.
const AT_ONCE: usize = 4_000;

/// What must stand before the bytes so that the file is of its target.
fn beginning(target: &str) -> Option<Vec<u8>> {
    Some(match target {
        "0" | "5" => b"GIF89a\xff\xff".to_vec(),
        "1" => fs::read("/usr/share/clamav-testfiles/clam.exe").ok()?,
        "6" => fs::read("/bin/true").unwrap(),
        "2" => b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(),
        "3" => b"<html><body>".to_vec(),
        "7" => b"some words in a text\n".to_vec(),
        "10" => b"%PDF-1.4\n".to_vec(),
        _ => return None,
    })
}

/// The target that a description names.
fn target(block: &str) -> Option<&str> {
    block
        .split(',')
        .find_map(|part| part.strip_prefix("Target:"))
}

/// Bytes of a subsignature, and whether they are bytes at all.
fn bytes_of(sub: &str, numbers: &mut Numbers) -> Option<Vec<u8>> {
    let (body, modifiers) = sub.split_once("::").unwrap_or((sub, ""));
    let body = body.strip_prefix("*:").unwrap_or(body);
    if body.contains(':') || body.contains('/') || body.contains('#') {
        return None;
    }
    let mut made = Realised::of(body, numbers)?;
    if numbers.below(12) == 0 {
        made.bytes = made.just_missing(numbers);
    }
    let mut bytes = made.bytes;
    if modifiers.contains('i') {
        for byte in &mut bytes {
            if byte.is_ascii_alphabetic() && numbers.below(2) == 0 {
                *byte ^= 0x20;
            }
        }
    }
    let is_wide = modifiers.contains('w') && !(modifiers.contains('a') && numbers.below(2) == 0);
    Some(match is_wide {
        true => bytes.into_iter().flat_map(|byte| [byte, 0]).collect(),
        false => bytes,
    })
}

/// The most that a count of the expression is compared with.
fn repeats(expression: &str) -> usize {
    let bounds = expression.split(['>', '=', '<']).skip(1);
    let numbers = bounds.filter_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    numbers.max().unwrap_or(0).min(60) + 1
}

/// A file with the bytes of every subsignature that the expression does not forbid.
fn file_for(line: &str, numbers: &mut Numbers) -> Option<Vec<u8>> {
    let mut fields = line.split(';');
    let (_, block, expression) = (fields.next()?, fields.next()?, fields.next()?);
    let mut file = beginning(target(block)?)?;
    let times = repeats(expression);
    for (index, sub) in fields.enumerate() {
        let forbidden = expression.contains(&format!("{index}=0"));
        let made = bytes_of(sub, numbers);
        if index == 0 {
            made.as_ref()?;
        }
        if let Some(bytes) = made.filter(|_| !forbidden) {
            for _ in 0..times {
                file.extend(&bytes);
                // In a document each stands behind the tag that the last one may have begun: what
                // the peer makes of a quotation mark in the middle of a value is another matter.
                file.extend(b"\"> . ");
            }
        }
    }
    file.extend(b"\nand an end\n");
    (file.len() < 1 << 20).then_some(file)
}

/// Lines that wait for something: the peer alone has them.
fn is_pending(line: &str) -> bool {
    ["IconGroup", "HandlerType", ";VI:"]
        .iter()
        .any(|mark| line.contains(mark))
}

fn lines_of(path: &Path) -> Vec<String> {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    let lines = text.lines().map(str::trim_end);
    let wanted = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    wanted
        .filter(|line| !is_pending(line))
        .map(str::to_string)
        .collect()
}

#[test]
fn real_logical_signatures_fire_where_the_peer_says() {
    let what = "real logical signatures against clamscan";
    let Some(set) = shared("signatures", what) else {
        return;
    };
    if !peer::is_there(what) {
        return;
    }
    let mut lines = lines_of(&set.join("clamav/main.ldb"));
    lines.extend(lines_of(
        &set.join("clamav-clam-punch/miscreantpunch099.ldb"),
    ));
    lines.extend(lines_of(&set.join("clamav-clam-punch/exexor99.ldb")));
    let step = match std::env::var_os("CANDOR_ALL") {
        Some(_) => 1,
        None => lines.len().div_ceil(SIGNATURES_MAX),
    };
    let lines: Vec<_> = lines.into_iter().step_by(step).collect();
    let mut numbers = Numbers::new(5);
    let (mut made, mut fired, mut differences) = (0, 0, Vec::new());
    for some in lines.chunks(AT_ONCE) {
        let scratch = tempfile::tempdir().unwrap();
        let (database, files) = (scratch.path().join("db"), scratch.path().join("files"));
        fs::create_dir(&database).unwrap();
        fs::create_dir(&files).unwrap();
        fs::write(database.join("real.ldb"), some.join("\n") + "\n").unwrap();
        for (index, line) in some.iter().enumerate() {
            if let Some(file) = file_for(line, &mut numbers) {
                fs::write(files.join(index.to_string()), file).unwrap();
                made += 1;
            }
        }
        let (theirs, ours) = (
            peer::clamscan(&database, &files),
            peer::candor(&database, &files),
        );
        fired += theirs.intersection(&ours).count();
        for (file, name) in theirs.symmetric_difference(&ours) {
            let who = if ours.contains(&(file.clone(), name.clone())) {
                "extra"
            } else {
                "missed"
            };
            let line = file.parse().ok().and_then(|index: usize| some.get(index));
            differences.push(format!("{who} {name} in the file for {line:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    println!(
        "{made} files for {} signatures, {fired} findings",
        lines.len()
    );
    assert!(
        fired * 2 > made,
        "{fired} findings in {made} files: their bytes are not made right"
    );
}
