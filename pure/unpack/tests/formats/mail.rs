//! Mail that is made to cost, and mail that says two things at once.

use std::time::Instant;

use proto::{Limits, Reason};
use unpack::identify;

use crate::samples::{Given, given, given_as, limits};

const TOP: &str = "From: a@example.com\nTo: b@example.com\n";

fn unpacked(text: &str, limits: Limits) -> Given {
    let bytes = text.as_bytes().to_vec();
    let format = identify(&bytes).expect("memory can be read");
    assert!(
        ["mail", "mbox", "uuencode"].contains(&format.name),
        "recognised as {}",
        format.name
    );
    given_as(format, &bytes, limits)
}

fn has_reason(given: &Given, reason: Reason) -> bool {
    given
        .troubles
        .iter()
        .any(|trouble| trouble.reason == reason)
}

/// Fails where unpacking takes longer than the machine needs for a few passes, many times over.
fn quickly(what: &str, unpack: impl FnOnce() -> Given) -> Given {
    let started = Instant::now();
    let given = unpack();
    let seconds = started.elapsed().as_secs();
    assert!(seconds < 20, "{what} took {seconds} s");
    given
}

fn named<'g>(given: &'g Given, name: &str) -> Vec<&'g [u8]> {
    let members = given.members.iter();
    members
        .filter(|(known, _)| known == name.as_bytes())
        .map(|(_, content)| content.as_slice())
        .collect()
}

#[test]
fn multiparts_too_deep_end_by_depth_and_lose_nothing() {
    let mut text = TOP.to_owned();
    for level in 0..200 {
        text += &format!("Content-Type: multipart/mixed; boundary=\"b{level}b\"\n\n--b{level}b\n");
    }
    text += "Content-Type: text/plain\n\nat the bottom\n";
    let given = quickly("depth", || unpacked(&text, limits()));
    assert!(has_reason(&given, Reason::LimitDepth));
    let found = given
        .members
        .iter()
        .any(|(_, content)| content.starts_with(b"at the bottom"));
    assert!(found, "{:?}", given.members.len());
}

#[test]
fn messages_read_in_place_end_by_depth() {
    let inner = "X: x\nContent-Type: message/rfc822\n\n".repeat(100);
    let inner = inner.replace("X: x\nContent-Type", "Content-Type");
    let text = format!("{TOP}{inner}hello\n");
    let given = quickly("messages", || unpacked(&text, limits()));
    assert!(
        has_reason(&given, Reason::LimitDepth),
        "{:?}",
        given.troubles
    );
}

#[test]
fn many_parts_end_by_the_number_of_objects() {
    let head = format!("{TOP}Content-Type: multipart/mixed; boundary=b\n\n");
    let text = head + &"--b\n\nx\n".repeat(300_000);
    let given = quickly("parts", || unpacked(&text, limits()));
    assert_eq!(given.members.len() as u64, limits().objects_max + 1);
}

#[test]
fn many_headers_that_break_end_by_the_number_of_objects() {
    let head = format!("{TOP}Content-Type: multipart/mixed; boundary=b\n\n--b\n");
    let text = head + &"Content-A: b\nx\n".repeat(200_000);
    let given = quickly("broken headers", || unpacked(&text, limits()));
    assert!(given.members.len() as u64 <= limits().objects_max + 1);
}

#[test]
fn separators_without_parts_cost_what_they_are() {
    let mut text = TOP.to_owned();
    for level in 0..63 {
        let boundary = "a".repeat(900 - level);
        text += &format!("Content-Type: multipart/x; boundary=\"{boundary}\"\n\n--{boundary}\n");
    }
    text += &format!("--{}\n", "a".repeat(800)).repeat(5_000);
    quickly("separators", || unpacked(&text, limits()));
}

#[test]
fn boundaries_are_held_within_the_memory() {
    let mut text = format!("{TOP}Content-Type: multipart/mixed; boundary=b\n\n");
    for number in 0..3_000 {
        let long = "x".repeat(500);
        text += &format!("--b\nContent-Type: multipart/mixed; boundary={long}{number}\n\n");
    }
    let few = Limits {
        memory_bytes_max: 1 << 20,
        ..limits()
    };
    let given = quickly("boundaries", || unpacked(&text, few));
    assert!(
        has_reason(&given, Reason::LimitMemory),
        "{:?}",
        given.troubles
    );
}

#[test]
fn a_mailbox_of_nothing_but_marks_ends() {
    let text = format!("From x\n{TOP}") + &"\nFrom x\nA: b\n".repeat(100_000);
    quickly("mailbox", || unpacked(&text, limits()));
}

#[test]
fn lines_of_one_letter_each_are_as_long_as_they_say_and_no_more() {
    let text = "begin 644 a\n".to_owned() + &"M\n".repeat(500_000);
    let given = quickly("uuencode", || unpacked(&text, limits()));
    let out: usize = given.members.iter().map(|(_, content)| content.len()).sum();
    assert!(out <= 500_000 * 45, "{out} bytes");
    let few = Limits {
        bytes_max: 1 << 20,
        ..limits()
    };
    let given = unpacked(&text, few);
    assert!(
        has_reason(&given, Reason::LimitBytes),
        "{:?}",
        given.troubles
    );
}

#[test]
fn blocks_that_begin_and_never_end_cost_what_they_are() {
    let text = "begin 644 a\n#86)C\n".repeat(50_000);
    let given = quickly("blocks", || unpacked(&text, limits()));
    assert!(has_reason(&given, Reason::Malformed));
    assert_eq!(given.members.len(), 50_000);
}

#[test]
fn words_in_a_name_cost_what_they_are() {
    let name = "=?".repeat(8_000);
    let text = format!("{TOP}Content-Disposition: attachment; filename=\"{name}\"\n\nhello\n");
    let given = quickly("words", || unpacked(&text, limits()));
    assert_eq!(given.members.len(), 1);
}

#[test]
fn parts_are_numbered_as_in_imap() {
    let text = format!(
        "{TOP}Content-Type: multipart/mixed; boundary=b\n\n\
         --b\n\none\n--b\nContent-Type: multipart/mixed; boundary=c\n\n\
         --c\n\ntwo\n--c\n\nthree\n--c--\n--b\n\nfour\n--b--\n"
    );
    let given = unpacked(&text, limits());
    let names: Vec<&[u8]> = given
        .members
        .iter()
        .map(|(name, _)| name.as_slice())
        .collect();
    assert_eq!(
        names,
        [&b"(part 1)"[..], b"(part 2.1)", b"(part 2.2)", b"(part 3)"]
    );
    assert_eq!(given.troubles, []);
}

#[test]
fn two_boundaries_give_both_views() {
    let text = format!(
        "{TOP}Content-Type: multipart/mixed; boundary=b; boundary=c\n\n\
         --b\n\none\n--c\n\ntwo\n--b--\n"
    );
    let given = unpacked(&text, limits());
    let contents: Vec<&[u8]> = given
        .members
        .iter()
        .map(|(_, content)| content.as_slice())
        .collect();
    assert!(contents.contains(&&b"one"[..]), "{contents:?}");
    assert!(contents.contains(&&b"one\n--c\n\ntwo"[..]), "{contents:?}");
}

#[test]
fn an_honest_message_is_read_once() {
    let text = format!(
        "{TOP}Content-Type: multipart/mixed; boundary=\"b\"\n\nThis is MIME.\n\
         --b\nContent-Type: text/plain\n\nhello, see -- below\n-- \nA. Name\n\
         --b\nContent-Type: application/x; name=f\nContent-Transfer-Encoding: base64\n\n\
         aGVsbG8gd29ybGQ=\n--b--\n"
    );
    let given = unpacked(&text, limits());
    assert_eq!(given.members.len(), 2, "{:?}", given.members);
    assert_eq!(named(&given, "f"), [b"hello world"]);
    assert_eq!(given.troubles, []);
}

#[test]
fn what_only_speaks_of_mail_is_text() {
    let others = [
        "fn main() {\n    println!(\"From: {}\", to);\n}\n",
        "from: nowhere\nit: is\n",
        "HTTP/1.1 200 OK\nDate: now\nContent-Type: text/html\n\nhello\n",
        "From here on there is nothing.\nTo be or not to be\n",
        "[2024-01-01] Subject: x\n[2024-01-01] From: y\n",
        "Package: a\nVersion: 1\nDescription: b\n",
    ];
    for text in others {
        assert_eq!(given(text.as_bytes()).0, "text", "{text}");
    }
}

#[test]
fn a_message_in_a_web_page_leaves_the_page_a_page() {
    let page = format!("<html><body>\n{}", "words\n".repeat(50));
    let text = format!("{page}\nMIME-Version: 1.0\nContent-Type: text/plain\n\nhello\n");
    let (format, given) = given(text.as_bytes());
    assert_eq!(format, "mail");
    let before = named(&given, "(before start)");
    assert_eq!(before.len(), 1, "{:?}", given.members);
    assert_eq!(identify(&before[0].to_vec()).expect("memory").name, "html");
}

#[test]
fn the_usual_mail_samples_hold_the_program() {
    for (name, depth) in [
        ("clam.mail", 1),
        ("clam.exe.mbox.base64", 2),
        ("clam.exe.mbox.uu", 2),
    ] {
        let path = format!("/usr/share/clamav-testfiles/{name}");
        let Ok(bytes) = std::fs::read(&path) else {
            println!("skipped: {path} is not installed");
            return;
        };
        let mut level = vec![bytes];
        for _ in 0..depth {
            let members = level.iter().flat_map(|bytes| given(bytes).1.members);
            level = members.map(|(_, content)| content).collect();
        }
        let found = level
            .iter()
            .any(|bytes| bytes.len() == 544 && given(bytes).0 == "pe");
        assert!(found, "{name}: {} members", level.len());
    }
}
