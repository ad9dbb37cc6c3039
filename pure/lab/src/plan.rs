//! `PLAN.toml`: how many pairs of runs, which documents, which phases, and what the fake vendor
//! answers.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::product::{Command, Product};
use crate::strict::{self, Mistake};

/// The fewest pairs from which "no flow" may be said: with 59 quiet ones, a leak in one run of
/// twenty would have shown with 95 % confidence.
pub const PAIRS_CONCLUSIVE: u32 = 59;
/// More pairs than anyone waits for.
pub const PAIRS_MAX: u32 = 4999;
/// More documents than a run needs.
const DOCUMENTS_MAX: u32 = 1000;

/// One plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What people call it.
    pub name: String,
    /// Pairs of runs; the two runs of a pair have different secrets and are otherwise the same.
    #[serde(default = "pairs")]
    pub pairs: u32,
    /// Where the secrets come from.
    #[serde(default)]
    pub seeds: Seeds,
    /// What is planted.
    pub documents: Documents,
    /// What is done, in this order.
    #[serde(default, rename = "phase")]
    pub phases: Vec<Phase>,
    /// What the fake vendor answers: the first that fits.
    #[serde(default, rename = "vendor")]
    pub vendor: Vec<VendorAnswer>,
}

/// Where the secrets come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// How a run gets its seed.
    #[serde(default)]
    pub policy: SeedPolicy,
    /// 64 hexadecimal digits, from which the seeds of all runs are derived; for `fixed` alone.
    #[serde(default)]
    pub base: Option<String>,
}

/// How a run gets its seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeedPolicy {
    /// Fresh from the kernel for each run.
    #[default]
    Random,
    /// Derived from `base`, so that the same documents can be made again.
    Fixed,
}

/// How many documents of each kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Documents {
    /// Plain text.
    #[serde(default)]
    pub text: u32,
    /// Word documents.
    #[serde(default)]
    pub docx: u32,
    /// Excel workbooks.
    #[serde(default)]
    pub xlsx: u32,
    /// PDF files.
    #[serde(default)]
    pub pdf: u32,
    /// Mails with an attachment.
    #[serde(default)]
    pub eml: u32,
    /// Photographs whose metadata is the secret.
    #[serde(default)]
    pub jpeg: u32,
    /// Pictures whose metadata is the secret.
    #[serde(default)]
    pub png: u32,
    /// A zip inside a zip.
    #[serde(default)]
    pub zip: u32,
    /// Source code.
    #[serde(default)]
    pub source: u32,
    /// Private keys in PEM, which open nothing.
    #[serde(default)]
    pub key: u32,
    /// Tables of names and addresses.
    #[serde(default)]
    pub csv: u32,
    /// Documents that a product detects, since detections are when products upload.
    #[serde(default)]
    pub detected: u32,
    /// Whose protective markings they bear.
    #[serde(default)]
    pub markings: BTreeSet<Marking>,
}

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// Plain text.
    Text,
    /// A Word document.
    Docx,
    /// An Excel workbook.
    Xlsx,
    /// A PDF file.
    Pdf,
    /// A mail with an attachment.
    Eml,
    /// A photograph with metadata.
    Jpeg,
    /// A picture with metadata.
    Png,
    /// A zip inside a zip.
    Zip,
    /// Source code.
    Source,
    /// A private key.
    Key,
    /// A table of names and addresses.
    Csv,
    /// A document that products detect.
    Detected,
}

/// Whose rules of handling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Marking {
    /// The United Kingdom's classifications.
    Uk,
    /// The United States' markings.
    Us,
    /// The European Union's.
    Eu,
}

/// What is done for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is for.
    pub name: PhaseName,
    /// What of the product it drives.
    pub command: Drives,
    /// The longest that it may take; an idle phase takes this long.
    pub seconds: u64,
    /// How the network is meanwhile.
    #[serde(default)]
    pub network: Network,
}

/// Phases that a plan can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseName {
    /// The product is put in place.
    Install,
    /// Nothing is asked of it.
    Idle,
    /// It scans the documents.
    Scan,
    /// Others open the documents while it watches.
    OnAccess,
    /// It scans documents that it detects.
    Detection,
    /// It updates itself.
    Update,
    /// It takes new signatures.
    Reload,
    /// An update of which a byte was changed.
    UpdateTampered,
    /// The same update once more.
    UpdateReplayed,
    /// An older update that is called new.
    UpdateRolledBack,
    /// An update over a weaker channel.
    UpdateDowngraded,
    /// The vendor commands something.
    VendorCommand,
    /// A scan while no packet passes.
    NetworkLost,
    /// A scan while packets are slow.
    NetworkSlow,
}

/// Which command of the product a phase runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Drives {
    /// None: the phase waits.
    None,
    /// The installation, the files and the services.
    Install,
    /// `scan`.
    Scan,
    /// `on_access`, and something that opens the documents.
    OnAccess,
    /// `update`.
    Update,
    /// `reload`.
    Reload,
    /// `vendor_command`.
    VendorCommand,
}

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// As fast as the gateway.
    #[default]
    Normal,
    /// No packet passes.
    Lost,
    /// Narrow and far away.
    Slow,
}

/// One answer of the fake vendor. What is absent fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorAnswer {
    /// The host asked, or `*.domain`.
    #[serde(default)]
    pub host: Option<String>,
    /// The path asked; `*` at its end fits what begins so.
    #[serde(default)]
    pub path: Option<String>,
    /// The method asked.
    #[serde(default)]
    pub method: Option<String>,
    /// Only in these phases.
    #[serde(default)]
    pub phases: Vec<PhaseName>,
    /// The status, 200 where absent.
    #[serde(default = "status")]
    pub status: u16,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body, as text.
    #[serde(default)]
    pub text: Option<String>,
    /// The body, from a file; or a folder, from which the path asked is taken.
    #[serde(default)]
    pub file: Option<String>,
    /// How long the answer waits.
    #[serde(default)]
    pub delay_ms: u64,
}

impl Plan {
    /// The plan of the quick form: one scan.
    ///
    /// # Errors
    /// None: the built-in plan is tested.
    pub fn scan_only() -> Result<Self, Mistake> {
        Self::parse("the built-in plan", include_str!("plan.toml"))
    }

    /// The plan with every phase.
    ///
    /// # Errors
    /// None: the built-in plan is tested.
    pub fn every_phase() -> Result<Self, Mistake> {
        Self::parse("the built-in plan", include_str!("full_plan.toml"))
    }

    /// Reads a plan; `file` is its name for messages.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Mistake> {
        let plan: Self = strict::parse(file, text)?;
        match plan.mistake() {
            Some(message) => Err(Mistake {
                file: file.to_owned(),
                line: None,
                message,
            }),
            None => Ok(plan),
        }
    }

    /// The same as a file.
    ///
    /// # Errors
    /// None for a plan that was parsed.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    fn mistake(&self) -> Option<String> {
        if !(1..=PAIRS_MAX).contains(&self.pairs) {
            return Some(format!("pairs must be from 1 to {PAIRS_MAX}"));
        }
        if self.phases.is_empty() {
            return Some("there is no [[phase]]: nothing would be done".to_owned());
        }
        if !(1..=DOCUMENTS_MAX).contains(&self.documents.count()) {
            return Some(format!(
                "[documents] must have from 1 to {DOCUMENTS_MAX} documents in all"
            ));
        }
        if let Some(phase) = self.phases.iter().find(|phase| phase.seconds == 0) {
            return Some(format!("the phase {} has no time", phase.name.as_str()));
        }
        if self
            .vendor
            .iter()
            .any(|one| one.text.is_some() && one.file.is_some())
        {
            return Some("a [[vendor]] answer has both text and file; keep one".to_owned());
        }
        self.seeds.mistake()
    }
}

impl Seeds {
    fn mistake(&self) -> Option<String> {
        let is_seed =
            |base: &String| base.len() == 64 && base.bytes().all(|digit| digit.is_ascii_hexdigit());
        match (self.policy, &self.base) {
            (SeedPolicy::Fixed, Some(base)) if is_seed(base) => None,
            (SeedPolicy::Fixed, _) => {
                Some("fixed seeds need base, 64 hexadecimal digits".to_owned())
            }
            (SeedPolicy::Random, Some(_)) => {
                Some("base is for policy = \"fixed\"; random seeds have none".to_owned())
            }
            (SeedPolicy::Random, None) => None,
        }
    }
}

impl Documents {
    /// The counts by kind, in a fixed order.
    #[must_use]
    pub fn by_kind(&self) -> [(DocumentKind, u32); 12] {
        [
            (DocumentKind::Text, self.text),
            (DocumentKind::Docx, self.docx),
            (DocumentKind::Xlsx, self.xlsx),
            (DocumentKind::Pdf, self.pdf),
            (DocumentKind::Eml, self.eml),
            (DocumentKind::Jpeg, self.jpeg),
            (DocumentKind::Png, self.png),
            (DocumentKind::Zip, self.zip),
            (DocumentKind::Source, self.source),
            (DocumentKind::Key, self.key),
            (DocumentKind::Csv, self.csv),
            (DocumentKind::Detected, self.detected),
        ]
    }

    /// How many in all.
    #[must_use]
    pub fn count(&self) -> u32 {
        let counts = self.by_kind();
        counts
            .iter()
            .fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
    }
}

impl PhaseName {
    /// As plans and records write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Idle => "idle",
            Self::Scan => "scan",
            Self::OnAccess => "on-access",
            Self::Detection => "detection",
            Self::Update => "update",
            Self::Reload => "reload",
            Self::UpdateTampered => "update-tampered",
            Self::UpdateReplayed => "update-replayed",
            Self::UpdateRolledBack => "update-rolled-back",
            Self::UpdateDowngraded => "update-downgraded",
            Self::VendorCommand => "vendor-command",
            Self::NetworkLost => "network-lost",
            Self::NetworkSlow => "network-slow",
        }
    }
}

impl Drives {
    /// The command that it stands for; `None` where the product has none, or where there is none
    /// to have.
    #[must_use]
    pub fn command(self, product: &Product) -> Option<&Command> {
        match self {
            Self::None | Self::Install => None,
            Self::Scan => product.scan.as_ref(),
            Self::OnAccess => product.on_access.as_ref(),
            Self::Update => product.update.as_ref(),
            Self::Reload => product.reload.as_ref(),
            Self::VendorCommand => product.vendor_command.as_ref(),
        }
    }
}

impl VendorAnswer {
    /// Whether this answer fits a request.
    #[must_use]
    pub fn fits(&self, asked: &Asked<'_>) -> bool {
        let host = self
            .host
            .as_deref()
            .is_none_or(|host| fits_host(host, asked.host));
        let path = self
            .path
            .as_deref()
            .is_none_or(|path| fits_path(path, asked.path));
        let method = self
            .method
            .as_deref()
            .is_none_or(|method| method == asked.method);
        let phase = asked
            .phase
            .is_some_and(|phase| self.phases.contains(&phase));
        host && path && method && (phase || self.phases.is_empty())
    }
}

/// A request to the fake vendor.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host's name, without a port.
    pub host: &'a str,
    /// The path, with its query.
    pub path: &'a str,
    /// The method.
    pub method: &'a str,
    /// The phase that goes on.
    pub phase: Option<PhaseName>,
}

/// Whether a host is `pattern`, or below the domain of `*.domain`.
#[must_use]
pub fn fits_host(pattern: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(domain) => host
            .strip_suffix(domain)
            .is_some_and(|before| before.ends_with('.')),
        None => host == pattern,
    }
}

fn fits_path(pattern: &str, path: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => path.starts_with(prefix),
        None => path == pattern,
    }
}

fn pairs() -> u32 {
    60
}

fn status() -> u16 {
    200
}

#[cfg(test)]
mod tests;
