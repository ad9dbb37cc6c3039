//! The sections of a 64-bit little-endian ELF file: names and bytes, and nothing more.

const HEADER_OF_SECTIONS: usize = 0x28;
const HEADER_BYTES: usize = 0x3a;
const COUNT: usize = 0x3c;
const NAMES: usize = 0x3e;
const WITHOUT_BYTES: u64 = 8;

/// The sections in their order; `None` where it is no such file.
pub(super) fn sections(file: &[u8]) -> Option<Vec<(String, &[u8])>> {
    if !file.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = number(file, HEADER_OF_SECTIONS, 8)?;
    let each = number(file, HEADER_BYTES, 2)?;
    let header = |index: u64| {
        let start = index.checked_mul(each)?.checked_add(table)?;
        file.get(usize::try_from(start).ok()?..)
    };
    let names = bytes(file, header(number(file, NAMES, 2)?)?)?;
    let mut sections = Vec::new();
    for index in 0..number(file, COUNT, 2)? {
        let header = header(index)?;
        let name = names.get(usize::try_from(number(header, 0, 4)?).ok()?..)?;
        let name = name.split(|byte| *byte == 0).next()?;
        let name = String::from_utf8_lossy(name).into_owned();
        sections.push((name, bytes(file, header)?));
    }
    Some(sections)
}

fn bytes<'a>(file: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    if number(header, 4, 4)? == WITHOUT_BYTES {
        return Some(&[]);
    }
    let start = usize::try_from(number(header, 0x18, 8)?).ok()?;
    let length = usize::try_from(number(header, 0x20, 8)?).ok()?;
    file.get(start..start.checked_add(length)?)
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    let number = field.iter().rev();
    Some(number.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_has_sections() {
        let path = std::env::current_exe().expect("this program");
        let file = std::fs::read(path).expect("this program");
        let sections = sections(&file).expect("an ELF file");
        let text = sections.iter().find(|(name, _)| name == ".text");
        assert!(text.is_some_and(|(_, bytes)| bytes.len() > 1_000));
    }

    #[test]
    fn a_file_that_is_cut_short_has_none() {
        assert_eq!(sections(b"\x7fELF\x02\x01"), None);
        assert_eq!(sections(b"text"), None);
    }
}
