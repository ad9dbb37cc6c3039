//! Names and texts from elsewhere, made safe for a terminal and for a line of output: no control
//! character, no bidirectional override, no line break gets through.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path as it is printed.
pub(crate) fn escaped_path(path: &Path) -> String {
    escaped(path.as_os_str().as_bytes())
}

/// Bytes as they are printed; a backslash is doubled, so that no two names look the same.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                other => push_visible(&mut text, other),
            }
        }
        for byte in chunk.invalid() {
            push(&mut text, format_args!("\\x{byte:02x}"));
        }
    }
    text
}

/// A text of ours or of a rule, whose backslashes mean themselves.
pub(crate) fn visible(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    text.chars()
        .for_each(|letter| push_visible(&mut safe, letter));
    safe
}

/// The way through containers to a member: `mail.eml » a.zip » b.exe`.
pub(crate) fn member_path(members: &[Vec<u8>]) -> String {
    let names: Vec<_> = members.iter().map(|name| escaped(name)).collect();
    names.join(" » ")
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        push(&mut text, format_args!("{byte:02x}"));
    }
    text
}

fn push_visible(text: &mut String, letter: char) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        other if misleads(other) => push(text, format_args!("\\u{{{:x}}}", u32::from(other))),
        other => text.push(other),
    }
}

/// Controls, and the format characters that reorder or hide text.
pub(crate) fn misleads(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(
            escaped(b"a\x1b[31mb\nc\xff\\"),
            "a\\u{1b}[31mb\\nc\\xff\\\\"
        );
        assert_eq!(escaped("gpj\u{202e}exe".as_bytes()), "gpj\\u{202e}exe");
        assert_eq!(escaped("Grüße 日本".as_bytes()), "Grüße 日本");
        assert_eq!(visible("/a\\d+/\x07"), "/a\\d+/\\u{7}");
    }

    #[test]
    fn member_paths_are_escaped_one_by_one() {
        assert_eq!(member_path(&[b"a".to_vec(), b"b\n".to_vec()]), "a » b\\n");
    }
}
