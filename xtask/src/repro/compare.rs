//! Two builds of one program: the same bytes, or where they differ and what stands there.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::elf;
use super::fault;

/// Bytes shown around a difference.
const SHOWN_BEFORE: usize = 24;
const SHOWN: usize = 72;

/// Compares two files; a difference is explained by section.
pub(super) fn files(
    name: &str,
    told: &str,
    first: &Path,
    second: &Path,
) -> Result<Option<String>, String> {
    let read = |path: &Path| fs::read(path).map_err(|error| fault(path, &error));
    let (first, second) = (read(first)?, read(second)?);
    if first == second {
        return Ok(None);
    }
    Ok(Some(format!(
        "{name} differs in the {told}:\n{}",
        explained(&first, &second)
    )))
}

fn explained(first: &[u8], second: &[u8]) -> String {
    let (Some(ours), Some(theirs)) = (elf::sections(first), elf::sections(second)) else {
        return told_part("the file, which is no ELF", first, second);
    };
    let mut text = String::new();
    for (name, bytes) in &ours {
        match theirs.iter().find(|(other, _)| other == name) {
            None => _ = writeln!(text, "  {name}: only in the first build"),
            Some((_, other)) if other == bytes => {}
            Some((_, other)) => text.push_str(&told_part(name, bytes, other)),
        }
    }
    for (name, _) in &theirs {
        if !ours.iter().any(|(known, _)| known == name) {
            _ = writeln!(text, "  {name}: only in the other build");
        }
    }
    if text.is_empty() {
        text = told_part("headers and padding between sections", first, second);
    }
    text
}

fn told_part(name: &str, first: &[u8], second: &[u8]) -> String {
    let same = first.iter().zip(second).take_while(|(a, b)| a == b);
    let at = same.count();
    let sizes = match first.len() == second.len() {
        true => format!("{} bytes", first.len()),
        false => format!("{} bytes and {}", first.len(), second.len()),
    };
    let shown = |bytes: &[u8]| {
        let start = at.saturating_sub(SHOWN_BEFORE).min(bytes.len());
        let end = start.saturating_add(SHOWN).min(bytes.len());
        bytes[start..end].escape_ascii().to_string()
    };
    format!(
        "  {name}: {sizes}, first difference at {at}\n    {}\n    {}\n",
        shown(first),
        shown(second)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_are_equal() {
        let path = std::env::current_exe().expect("this program");
        assert_eq!(files("x", "copy", &path, &path), Ok(None));
    }

    #[test]
    fn a_difference_is_told_by_section_place_and_context() {
        let path = std::env::current_exe().expect("this program");
        let first = fs::read(path).expect("this program");
        let sections = elf::sections(&first).expect("an ELF file");
        let (_, rodata) = sections
            .iter()
            .find(|(name, _)| name == ".rodata")
            .expect("constants");
        let needle = b"a text that stands in no other place";
        let inside = rodata
            .windows(needle.len())
            .position(|window| window == needle)
            .expect("this text");
        let start = rodata.as_ptr().addr() - first.as_ptr().addr() + inside;
        let mut second = first.clone();
        second[start] = b'A';
        let text = explained(&first, &second);
        assert!(text.contains(".rodata: "), "{text}");
        assert!(text.contains(&format!("at {inside}\n")), "{text}");
        assert!(text.contains("A text that stands"), "{text}");
        assert_eq!(text.lines().count(), 3, "{text}");
    }

    #[test]
    fn what_is_no_program_is_compared_as_bytes() {
        let text = explained(b"one", b"one more");
        assert!(text.contains("3 bytes and 8"), "{text}");
    }
}
