//! What is built in: packs, dossiers and the systems that the decisions in `docs/decisions` are
//! about. Each can be copied to a file, edited and given by path instead.

/// Packs, by name.
#[must_use]
pub fn shipped_packs() -> &'static [(&'static str, &'static str)] {
    PACKS
}

/// Dossiers, by name.
#[must_use]
pub fn shipped_dossiers() -> &'static [(&'static str, &'static str)] {
    DOSSIERS
}

/// Systems, by name.
#[must_use]
pub fn shipped_systems() -> &'static [(&'static str, &'static str)] {
    SYSTEMS
}

macro_rules! shipped {
    ($list:ident, $folder:literal, $ending:literal, $($name:literal,)*) => {
        const $list: &[(&str, &str)] = &[$((
            $name,
            include_str!(concat!("../", $folder, "/", $name, ".", $ending)),
        )),*];
    };
}

shipped! { PACKS, "packs", "toml",
    "uk-ncsc-2017",
    "uk-ncsc-2022",
    "nl-2018",
    "us-2024",
    "de-bsi-2022",
    "department-template",
}

shipped! { DOSSIERS, "dossiers", "json",
    "candor",
    "clamav",
    "kaspersky-endpoint-security-linux",
    "fictional-albion-shield",
    "fictional-rheinwacht",
    "fictional-revontuli",
    "fictional-blue-delta",
    "fictional-polder",
    "fictional-commons-av",
}

shipped! { SYSTEMS, "systems", "toml",
    "treaty-desk",
    "council-office",
    "home-computer",
    "ministry-nl",
    "agency-us",
    "company-us",
    "waterworks-de",
}
