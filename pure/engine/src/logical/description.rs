//! Whether an object is one that a logical rule is for. What clamscan 1.4.6 does with each
//! attribute was measured; `tests/tests/logical.rs` does so again.

use rules::FileType;
use rules::logical::{Bounds, Description};

use crate::part::Subject;

/// Whether the rule is for this object.
pub(crate) fn applies(description: &Description, subject: &Subject<'_>) -> bool {
    let within = |bounds: Option<Bounds>, number: Option<u64>| match (bounds, number) {
        (None, _) => true,
        (Some(bounds), Some(number)) => bounds.hold(number),
        (Some(_), None) => false,
    };
    let sections = subject.facts.map(|facts| facts.sections.len() as u64);
    within(description.file_size, Some(subject.size_bytes))
        && within(
            description.entry_point,
            subject.facts.and_then(|facts| facts.entry_point),
        )
        && within(description.section_count, sections)
        && description
            .container
            .is_none_or(|container| lies_in(container, subject.containers))
        && lie_in(&description.intermediates, subject.containers)
}

/// Any container means none: the object is a file of its own.
fn lies_in(container: FileType, containers: &[&str]) -> bool {
    match containers.last() {
        None => container == FileType::ANY,
        Some(format) => is(container, format),
    }
}

/// The innermost is named last. `CL_TYPE_ANY` asks for one more level, and stands for none of them.
fn lie_in(intermediates: &[FileType], containers: &[&str]) -> bool {
    if intermediates.len() > containers.len() {
        return false;
    }
    let named = intermediates
        .iter()
        .rev()
        .filter(|file_type| **file_type != FileType::ANY);
    named
        .zip(containers.iter().rev())
        .all(|(file_type, format)| is(*file_type, format))
}

/// Whether our name of a format and the peer's can mean the same.
fn is(file_type: FileType, format: &str) -> bool {
    peer_names(format).contains(&file_type.as_str())
}

/// What the peer calls the formats that we look into. Where it tells kinds apart that are one
/// format here, all of them are there: the rule looks closer.
fn peer_names(format: &str) -> &'static [&'static str] {
    match format {
        "7z" => &["7Z", "7ZSFX"],
        "arj" => &["ARJ", "ARJSFX"],
        "autoit" => &["AUTOIT"],
        "binhex" => &["BINHEX"],
        "bzip2" => &["BZ"],
        "cab" => &["MSCAB", "CABSFX"],
        "chm" => &["MSCHM"],
        "cpio" => &["CPIO_CRC", "CPIO_NEWC", "CPIO_ODC", "CPIO_OLD"],
        "dmg" => &["DMG"],
        "elf" => &["ELF"],
        "gzip" => &["GZ"],
        "html" => &["HTML", "HTML_UTF16"],
        "iso9660" => &["ISO9660"],
        "lha" => &["LHA_LZH"],
        "mach-o" => &["MACHO", "MACHO_UNIBIN"],
        "mail" | "mbox" => &["MAIL", "MHTML"],
        "msxml" => &["XML_WORD", "XML_XL", "XML_HWP"],
        "nsis" => &["NULSFT"],
        "odf" | "zip" => &["ZIP", "ZIPSFX"],
        "ole2" => &["MSOLE2", "HWPOLE2", "ISHIELD_MSI"],
        "onenote" => &["ONENOTE"],
        "ooxml" => &["ZIP", "OOXML_HWP", "OOXML_PPT", "OOXML_WORD", "OOXML_XL"],
        "pdf" => &["PDF"],
        "pe" | "dos-executable" => &["MSEXE"],
        "rar" => &["RAR", "RARSFX"],
        "rtf" => &["RTF"],
        "sis" => &["SIS"],
        "swf" | "swf-compressed" => &["SWF"],
        "szdd" => &["MSSZDD"],
        "tar" => &["OLD_TAR", "POSIX_TAR"],
        "tnef" => &["TNEF"],
        "udf" => &["UDF"],
        "uuencode" => &["UUENCODED"],
        "xar" => &["XAR"],
        "xz" => &["XZ"],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(names: &[&str]) -> Vec<FileType> {
        let named = |name: &&str| FileType::named(format!("CL_TYPE_{name}").as_bytes()).unwrap();
        names.iter().map(named).collect()
    }

    #[test]
    fn any_container_is_none() {
        assert!(lies_in(FileType::ANY, &[]));
        assert!(!lies_in(FileType::ANY, &["zip"]));
        let [zip] = types(&["ZIP"])[..] else { panic!() };
        assert!(lies_in(zip, &["mail", "zip"]));
        assert!(!lies_in(zip, &["zip", "mail"]));
        assert!(!lies_in(zip, &[]));
    }

    /// As clamscan 1.4.6 answered.
    #[test]
    fn intermediates_go_outward_and_any_is_a_level_without_a_name() {
        let deep = ["mail", "zip", "tar"];
        for (names, expected) in [
            (&["POSIX_TAR"][..], true),
            (&["ZIP"], false),
            (&["ZIP", "POSIX_TAR"], true),
            (&["MAIL", "ZIP", "POSIX_TAR"], true),
            (&["ZIP", "ANY", "POSIX_TAR"], true),
            (&["MAIL", "ANY", "POSIX_TAR"], false),
            (&["POSIX_TAR", "ANY"], true),
            (&["ZIP", "ANY"], false),
            (&["ANY", "ANY", "ANY"], true),
            (&["ANY", "ANY", "ANY", "ANY"], false),
        ] {
            assert_eq!(lie_in(&types(names), &deep), expected, "{names:?}");
        }
        assert!(lie_in(&[], &[]));
    }

    #[test]
    fn every_name_is_one_of_the_peers() {
        for format in [
            "7z", "arj", "cab", "cpio", "mail", "ole2", "ooxml", "pe", "tar", "zip",
        ] {
            for name in peer_names(format) {
                assert!(
                    FileType::named(format!("CL_TYPE_{name}").as_bytes()).is_some(),
                    "{name}"
                );
            }
        }
    }
}
