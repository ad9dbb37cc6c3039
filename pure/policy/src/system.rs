//! The system that the product would run on, as whoever owns its information describes it. Read
//! strictly; what is not said is unknown, and a containment that is only claimed is unknown too.

use evidence::Party;

use crate::node::{Fields, Node, ReadError};
use crate::pack::{check_country, key, sha256, word_of};
use crate::toml_reader;

/// How far up the information is classified, in the terms of the packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// OFFICIAL and what corresponds to it.
    Official,
    /// SECRET and what corresponds to it.
    Secret,
    /// TOP SECRET and what corresponds to it.
    TopSecret,
}

/// Whose system it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sector {
    /// Ministries and their agencies.
    CentralGovernment,
    /// Other public bodies.
    WiderPublic,
    /// Critical national infrastructure.
    CriticalInfrastructure,
    /// Companies.
    Private,
    /// One person.
    Individual,
}

/// Whether the product is there already.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// Bought anew; unknown where it is not said.
    pub is_new: Option<bool>,
    /// On how many machines it runs.
    pub installations: Option<u32>,
    /// Whether something else could take its place.
    pub substitute_available: Option<bool>,
    /// Whether taking it away endangers the system.
    pub removal_is_dangerous: Option<bool>,
}

/// What is claimed to stand around the product.
#[derive(Clone, Copy, Debug, Default)]
pub struct Containment {
    /// Updates come through the owner's mirror.
    pub update_mirror: Option<bool>,
    /// Traffic goes through the owner's relay.
    pub egress_relay: Option<bool>,
    /// There is no connection.
    pub air_gap: Option<bool>,
}

/// Somebody whose signature counts for this system.
#[derive(Clone, Debug)]
pub struct TrustedSigner {
    /// Their name.
    pub name: String,
    /// Their Ed25519 key, in hexadecimal.
    pub key: String,
    /// What they are to the product's maker.
    pub party: Party,
}

/// A system.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name; what proves its containment is bound to it.
    pub name: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Who owns the information: an office, not a person's name where that can be helped.
    pub information_owner: String,
    /// The classification as it was written.
    pub classification: String,
    /// What that means to the packs.
    pub tier: Tier,
    /// Further markings.
    pub markings: Vec<String>,
    /// Whether a hostile state's access would harm national security.
    pub state_access_would_harm: Option<bool>,
    /// What the system is for.
    pub function: String,
    /// Whose it is.
    pub sector: Sector,
    /// What makes it a likely target: words of [`EXPOSURES`]; unknown where it is not said.
    pub exposure: Option<Vec<String>>,
    /// The country whose rules hold there.
    pub jurisdiction: String,
    /// Whether the product is there already.
    pub installation: Installation,
    /// What is claimed to stand around the product.
    pub containment: Containment,
    /// Whose evidence counts.
    pub signers: Vec<TrustedSigner>,
    /// Who may accept a risk: name and key.
    pub risk_owners: Vec<(String, String)>,
}

pub(crate) const SYSTEM_KEYS: &[&str] = &[
    "name",
    "information_owner",
    "scheme",
    "classification",
    "markings",
    "state_access_would_harm_national_security",
    "function",
    "sector",
    "exposure",
    "jurisdiction",
    "installation",
    "containment",
    "signer",
    "risk_owner",
];
pub(crate) const INSTALLATION_KEYS: &[&str] = &[
    "status",
    "installations",
    "substitute_available",
    "risk_of_removal",
];
pub(crate) const CONTAINMENT_KEYS: &[&str] = &["update_mirror", "egress_relay", "air_gap"];
pub(crate) const SIGNER_KEYS: &[&str] = &["name", "key", "party"];

/// What makes a body a likely target, in the words of NCSC's guidance of March 2022.
pub(crate) const EXPOSURES: &[(&str, &str)] = &[
    ("ukraine-related", "ukraine-related"),
    ("russia-critical", "russia-critical"),
    ("high-profile", "high-profile"),
    ("national-security", "national-security"),
    ("foreign-policy", "foreign-policy"),
    ("negotiations", "negotiations"),
    ("defence", "defence"),
];

pub(crate) const SECTORS: &[(&str, Sector)] = &[
    ("central-government", Sector::CentralGovernment),
    ("wider-public", Sector::WiderPublic),
    ("critical-infrastructure", Sector::CriticalInfrastructure),
    ("private", Sector::Private),
    ("individual", Sector::Individual),
];

const PARTIES: &[(&str, Party)] = &[
    ("vendor", Party::Vendor),
    ("independent", Party::Independent),
    ("evaluator", Party::Evaluator),
];

/// The UK's tiers are the packs' own. The others are our mapping, not any authority's.
const CLASSIFICATIONS: &[(&str, &str, Tier)] = &[
    ("UK", "OFFICIAL", Tier::Official),
    ("UK", "SECRET", Tier::Secret),
    ("UK", "TOP SECRET", Tier::TopSecret),
    ("US", "UNCLASSIFIED", Tier::Official),
    ("US", "CUI", Tier::Official),
    ("US", "CONFIDENTIAL", Tier::Secret),
    ("US", "SECRET", Tier::Secret),
    ("US", "TOP SECRET", Tier::TopSecret),
    ("EU", "UNCLASSIFIED", Tier::Official),
    ("EU", "RESTREINT UE/EU RESTRICTED", Tier::Official),
    ("EU", "CONFIDENTIEL UE/EU CONFIDENTIAL", Tier::Secret),
    ("EU", "SECRET UE/EU SECRET", Tier::Secret),
    ("EU", "TRES SECRET UE/EU TOP SECRET", Tier::TopSecret),
];

impl System {
    /// Reads a system file.
    pub fn parse(source: &str) -> Result<Self, ReadError> {
        let node = toml_reader::parse(source)?;
        crate::persons::refuse(&node)?;
        Self::from_node(&node, sha256(source.as_bytes()))
    }

    /// Reads many systems from one file, each a table of the list `system`.
    pub fn parse_list(source: &str) -> Result<Vec<Self>, ReadError> {
        let node = toml_reader::parse(source)?;
        crate::persons::refuse(&node)?;
        let fields = Fields::new(&node, &["system"])?;
        let digest = sha256(source.as_bytes());
        let systems = fields.list("system")?.iter();
        let systems: Vec<Self> = systems
            .map(|node| Self::from_node(node, digest.clone()))
            .collect::<Result<_, _>>()?;
        match systems.is_empty() {
            true => Err(ReadError::whole("there is no `[[system]]` in it")),
            false => Ok(systems),
        }
    }

    fn from_node(node: &Node, sha256: String) -> Result<Self, ReadError> {
        let fields = Fields::new(node, SYSTEM_KEYS)?;
        let classification = fields.text("classification")?;
        let scheme = fields.optional_text("scheme")?;
        let tier = tier(
            scheme.as_deref().unwrap_or("UK"),
            &classification,
            fields.required("classification")?.line,
        )?;
        let jurisdiction = fields.text("jurisdiction")?;
        check_country(&jurisdiction, fields.required("jurisdiction")?.line)?;
        let exposure = fields.optional("exposure").map(exposure).transpose()?;
        Ok(Self {
            name: fields.text("name")?,
            sha256,
            information_owner: fields.text("information_owner")?,
            classification,
            tier,
            markings: fields.texts("markings")?,
            state_access_would_harm: fields
                .optional_bool("state_access_would_harm_national_security")?,
            function: fields.text("function")?,
            sector: fields.word("sector", SECTORS)?,
            exposure,
            jurisdiction,
            installation: fields
                .optional("installation")
                .map(installation)
                .transpose()?
                .unwrap_or_default(),
            containment: fields
                .optional("containment")
                .map(containment)
                .transpose()?
                .unwrap_or_default(),
            signers: fields
                .list("signer")?
                .iter()
                .map(signer)
                .collect::<Result<_, _>>()?,
            risk_owners: fields
                .list("risk_owner")?
                .iter()
                .map(crate::pack::risk_owner)
                .collect::<Result<_, _>>()?,
        })
    }

    /// The digest that evidence about the system itself is bound to: that of its name.
    #[must_use]
    pub fn name_sha256(&self) -> String {
        sha256(self.name.as_bytes())
    }

    /// Whose it is, in the word of the file.
    #[must_use]
    pub fn sector_word(&self) -> &'static str {
        word_of(SECTORS, self.sector)
    }
}

fn tier(scheme: &str, classification: &str, line: u32) -> Result<Tier, ReadError> {
    let mut known = CLASSIFICATIONS.iter();
    let found = known.find(|(of, name, _)| *of == scheme && *name == classification);
    found.map(|(_, _, tier)| *tier).ok_or_else(|| {
        let names: Vec<String> = CLASSIFICATIONS
            .iter()
            .map(|(of, name, _)| format!("{of} {name}"))
            .collect();
        ReadError::at(
            line,
            format!(
                "`{classification}` of the scheme `{scheme}` is none of {}",
                names.join(", ")
            ),
        )
    })
}

fn exposure(node: &Node) -> Result<Vec<String>, ReadError> {
    let words = crate::node::list(node)?.iter();
    words
        .map(|node| crate::node::word(node, EXPOSURES).map(str::to_owned))
        .collect()
}

fn installation(node: &Node) -> Result<Installation, ReadError> {
    let fields = Fields::new(node, INSTALLATION_KEYS)?;
    let status = [("new-purchase", true), ("incumbent", false)];
    let risk = [("low", false), ("high", true)];
    Ok(Installation {
        is_new: fields.optional_word("status", &status)?,
        installations: fields.optional_count("installations")?,
        substitute_available: fields.optional_bool("substitute_available")?,
        removal_is_dangerous: fields.optional_word("risk_of_removal", &risk)?,
    })
}

fn containment(node: &Node) -> Result<Containment, ReadError> {
    let fields = Fields::new(node, CONTAINMENT_KEYS)?;
    Ok(Containment {
        update_mirror: fields.optional_bool("update_mirror")?,
        egress_relay: fields.optional_bool("egress_relay")?,
        air_gap: fields.optional_bool("air_gap")?,
    })
}

fn signer(node: &Node) -> Result<TrustedSigner, ReadError> {
    let fields = Fields::new(node, SIGNER_KEYS)?;
    Ok(TrustedSigner {
        name: fields.text("name")?,
        key: key(fields.required("key")?)?,
        party: fields.word("party", PARTIES)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "name = \"Treaty desk\"\ninformation_owner = \"Head of desk\"\n\
        classification = \"SECRET\"\nfunction = \"drafts\"\nsector = \"central-government\"\n\
        jurisdiction = \"GB\"\n";

    #[test]
    fn what_is_not_said_is_unknown() {
        let system = System::parse(WHOLE).unwrap();
        assert_eq!(system.tier, Tier::Secret);
        assert_eq!(system.state_access_would_harm, None);
        assert_eq!(system.containment.air_gap, None);
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
        let refused = System::parse(&format!("{WHOLE}marking = []\n")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "line 7: unknown key `marking`; did you mean `markings`?"
        );
        let refused = System::parse(&format!("{WHOLE}[containment]\nairgap = true\n"));
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .starts_with("line 8: unknown key")
        );
    }

    #[test]
    fn other_schemes_are_mapped_and_mixtures_refused() {
        let us = WHOLE.replace("\"SECRET\"", "\"CUI\"\nscheme = \"US\"");
        assert_eq!(System::parse(&us).unwrap().tier, Tier::Official);
        let mixed = WHOLE.replace("\"SECRET\"", "\"CUI\"");
        assert!(System::parse(&mixed).unwrap_err().text.contains("none of"));
    }

    #[test]
    fn what_is_not_the_countrys_code_is_refused_with_the_right_one() {
        for (wrong, why) in [
            ("UK", "did you mean \"GB\"?"),
            ("EL", "did you mean \"GR\"?"),
            ("ZZ", "no country code that is assigned"),
        ] {
            let refused = System::parse(&WHOLE.replace("GB", wrong)).unwrap_err();
            assert!(refused.text.contains(why), "{refused}");
        }
    }

    #[test]
    fn an_exposure_that_is_left_out_is_unknown_and_an_empty_one_is_none() {
        assert_eq!(System::parse(WHOLE).unwrap().exposure, None);
        let said = System::parse(&format!("{WHOLE}exposure = []\n")).unwrap();
        assert_eq!(said.exposure, Some(Vec::new()));
    }

    #[test]
    fn where_a_person_comes_from_is_refused() {
        let refused = System::parse(&format!("{WHOLE}citizenship = \"XX\"\n")).unwrap_err();
        assert!(refused.text.contains("where a person comes from"));
    }
}
