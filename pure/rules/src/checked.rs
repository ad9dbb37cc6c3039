//! Kinds of lines that are read and checked one by one, and of which nothing is compiled: file
//! type magic, settings, icons, and what is said of links in mail. Each line is told to be of no
//! consequence here, to wait, to be left out, or to be wrong.

use crate::body;
use crate::hash::{Levels, LineTrouble, decimal};
use crate::passwords::from_hex;
use crate::{FUNCTIONALITY_LEVEL, FileType, Offset, ere};

/// A kind of such lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// `.ftm`: how a file's type is told from its bytes.
    FileTypes,
    /// `.cfg`: switches of the peer's engine.
    Settings,
    /// `.idb`: digests of icons.
    Icons,
    /// `.pdb`: sites that links pretend to lead to.
    LinkTargets,
    /// `.wdb`: pairs of sites that may be mixed.
    LinkPairs,
    /// `.gdb`: digests of links.
    LinkDigests,
}

impl Checked {
    /// What its lines are.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FileTypes => "file type magic",
            Self::Settings => "engine settings",
            Self::Icons => "icon signatures",
            Self::LinkTargets => "phishing: sites that links pretend to lead to",
            Self::LinkPairs => "phishing: links that are allowed",
            Self::LinkDigests => "phishing: digests of links",
        }
    }

    /// Checks a line; it is well where it needs nothing.
    pub(crate) fn check(self, line: &[u8]) -> Result<(), LineTrouble> {
        match self {
            Self::FileTypes => file_type(line),
            Self::Settings => setting(line),
            Self::Icons => icon(line),
            Self::LinkTargets => link(line, b"RH"),
            Self::LinkPairs => link(line, b"XYM"),
            Self::LinkDigests => link_digest(line),
        }?;
        match self {
            Self::FileTypes | Self::Settings => Ok(()),
            Self::Icons | Self::LinkTargets | Self::LinkPairs | Self::LinkDigests => {
                Err(LineTrouble::Pending(self.as_str()))
            }
        }
    }
}

/// File types that are told from the bytes here too, by our own means.
const KNOWN_TYPES: &str = "7Z 7ZSFX ALZ ARJ ARJSFX AUTOIT BINARY_DATA BINHEX BZ CABSFX CPIO_CRC \
    CPIO_NEWC CPIO_ODC CPIO_OLD DMG EGG ELF GIF GPT GRAPHICS GZ HTML HTML_UTF16 ISO9660 JAVA JPEG \
    LHA_LZH MACHO MACHO_UNIBIN MAIL MHTML MSCAB MSCHM MSEXE MSOLE2 MSSZDD NULSFT OLD_TAR ONENOTE \
    OOXML_PPT OOXML_WORD OOXML_XL PDF PNG POSIX_TAR PS RAR RARSFX RTF SCRIPT SIS SWF TEXT_ASCII \
    TEXT_UTF16BE TEXT_UTF16LE TEXT_UTF8 TIFF TNEF UDF UUENCODED XAR XML_WORD XML_XL XZ ZIP ZIPSFX";

/// `magictype:offset:magicbytes:name:rtype:type[:min[:max]]`.
fn file_type(line: &[u8]) -> Result<(), LineTrouble> {
    const FIELDS: LineTrouble = LineTrouble::Dropped("not six to eight fields");
    let fields: Vec<&[u8]> = line.splitn(7, |byte| *byte == b':').collect();
    let [magic, offset, bytes, _name, before, after, levels @ ..] = fields.as_slice() else {
        return Err(FIELDS);
    };
    Levels::parse(levels.first().copied())?.check()?;
    type_of(before)?;
    let is_known = type_of(after)?;
    match *magic {
        b"0" | b"4" => {
            let is_right = decimal(offset).is_some() && from_hex(bytes).is_some();
            if !is_right {
                return Err(LineTrouble::Dropped(
                    "an offset is not a number, or a magic is not hex",
                ));
            }
        }
        b"1" => {
            Offset::parse(offset, 0)?;
            body::parse(bytes)?;
        }
        _ => return Err(LineTrouble::Never("magic of a kind that clamscan ignores")),
    }
    match is_known {
        true => Ok(()),
        false => Err(LineTrouble::Pending("file types that are not told apart")),
    }
}

/// Whether a type is told apart here.
fn type_of(field: &[u8]) -> Result<bool, LineTrouble> {
    const UNKNOWN: LineTrouble = LineTrouble::Dropped("the file type is not known");
    let name = FileType::named(field).ok_or(UNKNOWN)?.as_str();
    Ok(KNOWN_TYPES.split(' ').any(|known| known == name))
}

/// `Category:Flags:StartFlevel:EndFlevel`. Which parts of us look at a file is no database's
/// business: what a switch would turn off is looked at all the same.
fn setting(line: &[u8]) -> Result<(), LineTrouble> {
    const CATEGORIES: [&[u8]; 11] = [
        b"PE",
        b"ELF",
        b"MACHO",
        b"ARCHIVE",
        b"DOCUMENT",
        b"MAIL",
        b"OTHER",
        b"PHISHING",
        b"BYTECODE",
        b"STATS",
        b"PCRE",
    ];
    let mut fields = line.splitn(5, |byte| *byte == b':');
    let mut next = || fields.next().unwrap_or_default();
    let (category, flags, least, most) = (next(), next(), next(), next());
    if !CATEGORIES.contains(&category) {
        return Err(LineTrouble::Dropped(
            "the category of a setting is not known",
        ));
    }
    let digits = flags.strip_prefix(b"0x").unwrap_or_default();
    let is_hex = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    let levels = decimal(least).zip(decimal(most));
    let Some((least, most)) = levels.filter(|_| is_hex) else {
        return Err(LineTrouble::Dropped("a setting is not 0xFLAGS:LEVEL:LEVEL"));
    };
    match (least..=most).contains(&u64::from(FUNCTIONALITY_LEVEL)) {
        true => Err(LineTrouble::Never(
            "a database does not choose which parts of the scanner run",
        )),
        false => Err(LineTrouble::OtherEngine),
    }
}

/// `Name:Group1:Group2:Hash`, where the hash begins with the icon's width.
fn icon(line: &[u8]) -> Result<(), LineTrouble> {
    const HASH_BYTES: usize = 62;
    let fields: Vec<&[u8]> = line.splitn(5, |byte| *byte == b':').collect();
    let [name, _, _, hash] = *fields else {
        return Err(LineTrouble::Dropped("not four fields"));
    };
    if name.is_empty() {
        return Err(LineTrouble::Dropped("no signature name"));
    }
    let hash = from_hex(hash).filter(|hash| hash.len() == HASH_BYTES);
    let width = hash.and_then(|hash| hash.first().copied());
    match width {
        Some(16 | 24 | 32) => Ok(()),
        _ => Err(LineTrouble::Dropped("the digest of an icon is wrong")),
    }
}

/// `X[flags]:…[:levels]`, where `X` is one of these letters.
fn link(line: &[u8], letters: &[u8]) -> Result<(), LineTrouble> {
    let colon = line.iter().position(|byte| *byte == b':');
    let (kind, rest) = line
        .split_at_checked(colon.unwrap_or(0))
        .unwrap_or_default();
    let mut rest = rest.get(1..).unwrap_or_default();
    let (letter, flags) = kind
        .split_first()
        .filter(|(letter, _)| letters.contains(letter))
        .ok_or(LineTrouble::Dropped(
            "a link's line begins with no letter of its kind",
        ))?;
    if !flags.iter().all(u8::is_ascii_hexdigit) {
        return Err(LineTrouble::Dropped("the flags of a link are not hex"));
    }
    if let Some(place) = rest.iter().rposition(|byte| *byte == b':')
        && let Some(levels) = link_levels(rest.get(place.saturating_add(1)..).unwrap_or_default())
    {
        rest = rest.get(..place).unwrap_or_default();
        if !levels.contains(&u64::from(FUNCTIONALITY_LEVEL)) {
            return Err(LineTrouble::OtherEngine);
        }
    }
    match letter {
        _ if rest.is_empty() => Err(LineTrouble::Dropped("a link's line names nothing")),
        b'R' | b'X' | b'Y' => ere::compile(rest).map(|_| ()),
        _ => Ok(()),
    }
}

/// `least`, `least-` or `least-most`, which is not itself among them.
fn link_levels(text: &[u8]) -> Option<std::ops::Range<u64>> {
    match text.iter().position(|byte| *byte == b'-') {
        None => Some(decimal(text)?..u64::MAX),
        Some(dash) => {
            let least = decimal(text.get(..dash)?)?;
            match text.get(dash.saturating_add(1)..)? {
                b"" => Some(least..u64::MAX),
                most => Some(least..decimal(most)?),
            }
        }
    }
}

/// `S[n]:P|F|W:Hex`.
fn link_digest(line: &[u8]) -> Result<(), LineTrouble> {
    const WRONG: LineTrouble = LineTrouble::Dropped("a digest of a link is wrong");
    let fields: Vec<&[u8]> = line.splitn(4, |byte| *byte == b':').collect();
    let [kind, part, digest, levels @ ..] = fields.as_slice() else {
        return Err(WRONG);
    };
    let digits = kind.strip_prefix(b"S").ok_or(WRONG)?;
    let length = match *part {
        b"P" => 4,
        b"F" | b"W" => 32,
        _ => return Err(WRONG),
    };
    let digest = from_hex(digest).filter(|digest| digest.len() == length);
    if digest.is_none() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(WRONG);
    }
    match levels.first().map(|levels| link_levels(levels)) {
        None => Ok(()),
        Some(None) => Err(WRONG),
        Some(Some(levels)) if levels.contains(&u64::from(FUNCTIONALITY_LEVEL)) => Ok(()),
        Some(Some(_)) => Err(LineTrouble::OtherEngine),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `k` needs nothing, `p` waits, `n` is left out, `o` is for others, `d` is wrong.
    fn fate(checked: Checked, line: &str) -> char {
        match checked.check(line.as_bytes()) {
            Ok(()) => 'k',
            Err(LineTrouble::Pending(_)) => 'p',
            Err(LineTrouble::Never(_)) => 'n',
            Err(LineTrouble::OtherEngine) => 'o',
            Err(LineTrouble::Dropped(_)) => 'd',
        }
    }

    #[test]
    fn file_types_are_known_or_wait() {
        for (line, expected) in [
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP", 'k'),
            ("1:*:504b??04:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:70", 'k'),
            ("1:EOF-5:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP::300", 'k'),
            ("0:0:4c00:LNK:CL_TYPE_ANY:CL_TYPE_LNK", 'p'),
            (
                "4:1024:482b:HFS+:CL_TYPE_PART_ANY:CL_TYPE_PART_HFSPLUS:75",
                'p',
            ),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:70:80", 'o'),
            ("2:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP", 'n'),
            ("0:*:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP", 'd'),
            ("0:0:504b??04:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_FOO", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_FOO:CL_TYPE_ZIP", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:x", 'd'),
            ("0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP:7:300:9", 'd'),
        ] {
            assert_eq!(fate(Checked::FileTypes, line), expected, "{line}");
        }
    }

    #[test]
    fn settings_are_not_obeyed() {
        for (line, expected) in [
            ("PE:0x1:1:255", 'n'),
            ("PHISHING:0x3:216:216", 'n'),
            ("OTHER:0x6FF:90:99", 'o'),
            ("FOO:0x1:1:255", 'd'),
            ("PE:1:1:255", 'd'),
            ("PE:0x1", 'd'),
            ("PE:0x1:x:255", 'd'),
        ] {
            assert_eq!(fate(Checked::Settings, line), expected, "{line}");
        }
    }

    #[test]
    fn icons_and_links_wait_and_wrong_ones_are_dropped() {
        let icon = |width: &str| format!("A:G1:G2:{width}{}", "0".repeat(122));
        let digest = "ab".repeat(32);
        for (checked, line, expected) in [
            (Checked::Icons, icon("20"), 'p'),
            (Checked::Icons, icon("18"), 'p'),
            (Checked::Icons, icon("30"), 'd'),
            (Checked::Icons, icon("zz"), 'd'),
            (Checked::Icons, icon("20") + ":1", 'd'),
            (Checked::Icons, "A:G1:G2".to_string(), 'd'),
            (Checked::LinkTargets, "H:example.com".to_string(), 'p'),
            (
                Checked::LinkTargets,
                "H102:example.com:17-".to_string(),
                'p',
            ),
            (
                Checked::LinkTargets,
                "R:.+\\.example\\.(com|de)([/?].*)?:17-".to_string(),
                'p',
            ),
            (Checked::LinkTargets, "H:a.b:0-10".to_string(), 'o'),
            (Checked::LinkTargets, "H:a.b:217-".to_string(), 'o'),
            (Checked::LinkTargets, "R:(".to_string(), 'd'),
            (Checked::LinkTargets, "H:".to_string(), 'd'),
            (Checked::LinkTargets, "H".to_string(), 'd'),
            (Checked::LinkTargets, "M:a:b".to_string(), 'd'),
            (Checked::LinkPairs, "M:a.com:b.com".to_string(), 'p'),
            (
                Checked::LinkPairs,
                "X:.+a\\.com:.+b\\.com:17-".to_string(),
                'p',
            ),
            (Checked::LinkPairs, "X:.+a\\.com([/?].*)?".to_string(), 'p'),
            (Checked::LinkPairs, "H:a".to_string(), 'd'),
            (Checked::LinkDigests, "S:P:01020304".to_string(), 'p'),
            (Checked::LinkDigests, format!("S1:F:{digest}"), 'p'),
            (Checked::LinkDigests, format!("S:W:{digest}"), 'p'),
            (Checked::LinkDigests, "S2:P:01020304:0-10".to_string(), 'o'),
            (Checked::LinkDigests, "S1:P:zzzzzzzz".to_string(), 'd'),
            (Checked::LinkDigests, "S1:F:01020304".to_string(), 'd'),
            (Checked::LinkDigests, "S:X:01020304".to_string(), 'd'),
        ] {
            assert_eq!(fate(checked, &line), expected, "{line}");
        }
    }
}
