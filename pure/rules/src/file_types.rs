//! The names of file types (`CL_TYPE_…`), which signatures of several kinds ask for.

/// A file type that a signature can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileType(u8);

impl FileType {
    /// Any type; `CL_TYPE_ANY`.
    pub const ANY: Self = Self(0);

    /// The type with this name, `CL_TYPE_` and all.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = name.strip_prefix(b"CL_TYPE_")?;
        let code = NAMES.iter().position(|known| known.as_bytes() == name)?;
        u8::try_from(code).ok().map(Self)
    }

    /// The type with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        (usize::from(code) < NAMES.len()).then_some(Self(code))
    }

    /// Its code in the pack.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }

    /// Its name without `CL_TYPE_`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        NAMES.get(usize::from(self.0)).copied().unwrap_or_default()
    }
}

/// All that clamscan 1.4.6 takes: it refuses or passes over a line with another. Their order is part of the
/// pack's format.
const NAMES: [&str; 86] = [
    "ANY",
    "7Z",
    "7ZSFX",
    "ALZ",
    "APM",
    "ARJ",
    "ARJSFX",
    "AUTOIT",
    "BINARY_DATA",
    "BINHEX",
    "BZ",
    "CABSFX",
    "CPIO_CRC",
    "CPIO_NEWC",
    "CPIO_ODC",
    "CPIO_OLD",
    "CRYPTFF",
    "DMG",
    "EGG",
    "EGGSFX",
    "ELF",
    "GIF",
    "GPT",
    "GRAPHICS",
    "GZ",
    "HTML",
    "HTML_UTF16",
    "HWP3",
    "HWPOLE2",
    "IGNORED",
    "INTERNAL",
    "ISHIELD_MSI",
    "ISO9660",
    "JAVA",
    "JPEG",
    "LHA_LZH",
    "LNK",
    "MACHO",
    "MACHO_UNIBIN",
    "MAIL",
    "MBR",
    "MHTML",
    "MSCAB",
    "MSCHM",
    "MSEXE",
    "MSOLE2",
    "MSSZDD",
    "NULSFT",
    "OLD_TAR",
    "ONENOTE",
    "OOXML_HWP",
    "OOXML_PPT",
    "OOXML_WORD",
    "OOXML_XL",
    "PART_ANY",
    "PART_HFSPLUS",
    "PDF",
    "PNG",
    "POSIX_TAR",
    "PS",
    "PYTHON_COMPILED",
    "RAR",
    "RARSFX",
    "RIFF",
    "RTF",
    "SCRENC",
    "SCRIPT",
    "SFX",
    "SIS",
    "SWF",
    "TEXT_ASCII",
    "TEXT_UTF16BE",
    "TEXT_UTF16LE",
    "TEXT_UTF8",
    "TIFF",
    "TNEF",
    "UDF",
    "UUENCODED",
    "XAR",
    "XDP",
    "XML_HWP",
    "XML_WORD",
    "XML_XL",
    "XZ",
    "ZIP",
    "ZIPSFX",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_has_a_name_and_a_code() {
        for code in 0..=u8::MAX {
            let Some(file_type) = FileType::from_code(code) else {
                continue;
            };
            let name = format!("CL_TYPE_{}", file_type.as_str());
            assert_eq!(FileType::named(name.as_bytes()), Some(file_type));
            assert_eq!(file_type.code(), code);
        }
        assert_eq!(FileType::named(b"CL_TYPE_ANY"), Some(FileType::ANY));
        assert_eq!(FileType::named(b"ZIP"), None);
        assert_eq!(FileType::named(b"CL_TYPE_"), None);
    }
}
