//! What a signature file's name says of its lines.

use crate::checked::Checked;

/// A rule kind that compiles. The codes are part of the pack's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// MD5 of a whole file (other digests too, by length).
    Hdb = 0,
    /// SHA-1 or SHA-256 of a whole file.
    Hsb = 1,
    /// As `hdb`, potentially unwanted.
    Hdu = 2,
    /// As `hsb`, potentially unwanted.
    Hsu = 3,
    /// MD5 of a PE section.
    Mdb = 4,
    /// SHA-1 or SHA-256 of a PE section.
    Msb = 5,
    /// As `mdb`, potentially unwanted.
    Mdu = 6,
    /// As `msb`, potentially unwanted.
    Msu = 7,
    /// MD5 of a PE import table's text.
    Imp = 8,
    /// A file that no signature may flag, by MD5.
    Fp = 9,
    /// A file that no signature may flag, by SHA-1 or SHA-256.
    Sfp = 10,
    /// A body signature.
    Ndb = 11,
    /// A body signature, potentially unwanted.
    Ndu = 12,
    /// A YARA rule.
    Yara = 13,
    /// A logical signature.
    Ldb = 14,
    /// A logical signature, potentially unwanted.
    Ldu = 15,
    /// What a container says of a member.
    Cdb = 16,
    /// What an old zip says of a member.
    Zmd = 17,
    /// A certificate that a file carries.
    Crb = 18,
}

impl Kind {
    /// Every kind, in the order of their codes.
    pub const ALL: [Self; 19] = [
        Self::Hdb,
        Self::Hsb,
        Self::Hdu,
        Self::Hsu,
        Self::Mdb,
        Self::Msb,
        Self::Mdu,
        Self::Msu,
        Self::Imp,
        Self::Fp,
        Self::Sfp,
        Self::Ndb,
        Self::Ndu,
        Self::Yara,
        Self::Ldb,
        Self::Ldu,
        Self::Cdb,
        Self::Zmd,
        Self::Crb,
    ];

    /// The kind with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// Its name, which is its file extension.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hdb => "hdb",
            Self::Hsb => "hsb",
            Self::Hdu => "hdu",
            Self::Hsu => "hsu",
            Self::Mdb => "mdb",
            Self::Msb => "msb",
            Self::Mdu => "mdu",
            Self::Msu => "msu",
            Self::Imp => "imp",
            Self::Fp => "fp",
            Self::Sfp => "sfp",
            Self::Ndb => "ndb",
            Self::Ndu => "ndu",
            Self::Yara => "yara",
            Self::Ldb => "ldb",
            Self::Ldu => "ldu",
            Self::Cdb => "cdb",
            Self::Zmd => "zmd",
            Self::Crb => "crb",
        }
    }

    /// Whether it flags what a user may want: such rules fire on request only.
    #[must_use]
    pub fn is_pua(self) -> bool {
        matches!(
            self,
            Self::Hdu | Self::Hsu | Self::Mdu | Self::Msu | Self::Ndu | Self::Ldu
        )
    }

    /// Whether it says that a file is good.
    #[must_use]
    pub fn is_allow(self) -> bool {
        matches!(self, Self::Fp | Self::Sfp)
    }
}

/// What becomes of a source file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// Its lines compile to rules of this kind.
    Rules(Kind),
    /// Its lines name signatures to leave out.
    Ignore,
    /// Its lines are passwords that archives are opened with.
    Passwords,
    /// YARA rules, which the caller compiles.
    Yara,
    /// A CVD, CLD or CUD container.
    Container,
    /// Its lines are checked and counted, one by one.
    Checked(Checked),
    /// One thing that is not compiled yet, whatever its lines; what it is.
    Document(&'static str),
    /// Not compiled yet; what its lines are.
    Pending(&'static str),
    /// Never compiled; why.
    Never(&'static str),
    /// Holds no signatures: a licence, a member list.
    Notes,
    /// Not a signature file by its name.
    Unknown,
}

impl SourceKind {
    /// What a file with this name holds.
    #[must_use]
    pub fn of(label: &str) -> Self {
        let name = label.rsplit('/').next().unwrap_or(label);
        let Some((_, extension)) = name.rsplit_once('.') else {
            return if name == "COPYING" {
                Self::Notes
            } else {
                Self::Unknown
            };
        };
        let extension = extension.to_ascii_lowercase();
        if matches!(extension.as_str(), "yar" | "yara") {
            return Self::Yara;
        }
        if let Some(kind) = Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == extension)
        {
            return Self::Rules(kind);
        }
        match extension.as_str() {
            "ign" | "ign2" => Self::Ignore,
            "cvd" | "cld" | "cud" => Self::Container,
            "sdb" => Self::Rules(Kind::Ndb),
            "idb" => Self::Checked(Checked::Icons),
            "pdb" => Self::Checked(Checked::LinkTargets),
            "wdb" => Self::Checked(Checked::LinkPairs),
            "gdb" => Self::Checked(Checked::LinkDigests),
            "ftm" => Self::Checked(Checked::FileTypes),
            "cfg" => Self::Checked(Checked::Settings),
            "cat" => Self::Document("catalogs of trusted files"),
            "ioc" => Self::Document("OpenIOC documents"),
            "pwdb" => Self::Passwords,
            "rmd" => Self::Pending("metadata of a container that is not unpacked yet"),
            "db" => Self::Pending("body signatures of an old kind"),
            "cbc" => Self::Never("bytecode is never run"),
            "info" | "txt" | "md" | "sign" => Self::Notes,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_the_positions() {
        for (code, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, code);
        }
    }

    #[test]
    fn a_source_is_known_by_its_extension() {
        assert_eq!(
            SourceKind::of("daily.cvd/daily.NDB"),
            SourceKind::Rules(Kind::Ndb)
        );
        assert_eq!(SourceKind::of("x.YAR"), SourceKind::Yara);
        assert_eq!(SourceKind::of("x.ign2"), SourceKind::Ignore);
        assert_eq!(SourceKind::of("daily.cvd/COPYING"), SourceKind::Notes);
        assert_eq!(SourceKind::of("archive.zip"), SourceKind::Unknown);
    }
}
