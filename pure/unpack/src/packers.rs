//! Executable packers that leave their name in the file. What such a file unpacks to when it runs
//! is not looked at yet, and a verdict says so. A packer that hides is not noticed here.

/// Section names of Windows packers, with the packer.
const SECTION_NAMES: &[(&[u8], &str)] = &[
    (b"UPX0", "UPX"),
    (b"UPX1", "UPX"),
    (b".aspack", "ASPack"),
    (b".petite", "Petite"),
    (b"MEW", "MEW"),
    (b".MPRESS1", "MPRESS"),
    (b".WWP32", "WWPack32"),
    (b"PEC2", "PECompact"),
    (b"pec1", "PECompact"),
    (b".nsp0", "NsPack"),
    (b"nsp0", "NsPack"),
    (b".yP", "y0da's Protector"),
    (b"yC", "yoda's Crypter"),
    (b".vmp0", "VMProtect"),
    (b".themida", "Themida"),
];

/// The packer that names a section like this.
pub(crate) fn by_section(name: &[u8]) -> Option<&'static str> {
    let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
    SECTION_NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, packer)| *packer)
}

/// The packer that leaves this mark behind an ELF file's headers.
pub(crate) fn by_mark(head: &[u8]) -> Option<&'static str> {
    let has_mark = head.windows(4).any(|window| window == b"UPX!");
    has_mark.then_some("UPX")
}

/// What a verdict says of a packed file.
pub(crate) fn words(packer: &str) -> String {
    format!("the program is packed with {packer}, and what it unpacks to is not looked at yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_whole() {
        assert_eq!(by_section(b"UPX0\0\0\0\0"), Some("UPX"));
        assert_eq!(by_section(b"UPX01\0\0\0"), None);
        assert_eq!(by_section(b".MPRESS1"), Some("MPRESS"));
        assert_eq!(by_mark(b"\x7fELF...UPX!..."), Some("UPX"));
    }
}
