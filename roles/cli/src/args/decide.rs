//! The options of `candor decide`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  candor decide --system treaty-desk.toml --dossier clamav --policy uk-ncsc-2022
  candor decide --system s.toml --dossier d.json --policy uk-ncsc-2022 --evidence lab.bundle
  candor decide --system s.toml --dossier d.json --policy our-pack.toml --explain T3
  candor decide --system s.toml --dossier d.json --policy uk-ncsc-2022 --report page.html
  candor decide --portfolio systems.toml --dossier clamav --dossier d.json --policy us-2024

Built-in policy packs: uk-ncsc-2017, uk-ncsc-2022, nl-2018, us-2024, de-bsi-2022,
department-template. No legal reader has signed them. The official decides, not Candor.

Exit codes:
  0  no objection (with --portfolio: the table was made)
  2  it could not be decided
  3  only with conditions
  4  evidence is needed
  5  advised against
  6  prohibited
  7  out of scope: the pack does not say, which is no reassurance";

/// The options of `decide`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DecideArguments {
    /// What the system is: docs/schema/system.schema.json, written in TOML
    #[arg(
        long,
        value_name = "SYSTEM.toml",
        required_unless_present = "portfolio"
    )]
    pub(crate) system: Option<PathBuf>,
    /// Who stands behind the product: a file, or the name of a built-in one; may be repeated with
    /// --portfolio
    #[arg(long, value_name = "DOSSIER.json|NAME", required = true)]
    pub(crate) dossier: Vec<PathBuf>,
    /// Evidence: a bundle or a statement; may be repeated
    ///
    /// Signatures count by the keys that the system file names in `[[signer]]`.
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) evidence: Vec<PathBuf>,
    /// The rules: the name of a built-in pack, or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) policy: PathBuf,
    /// The day for which it is decided [default: today]
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<String>,
    /// A signed acceptance of the risk
    #[arg(long, value_name = "FILE", conflicts_with = "portfolio")]
    pub(crate) risk_acceptance: Option<PathBuf>,
    /// Say why a rule fired or did not
    #[arg(long, value_name = "RULE", conflicts_with_all = ["portfolio", "json"])]
    pub(crate) explain: Option<String>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the page for the official too
    #[arg(long, value_name = "FILE.html", conflicts_with = "portfolio")]
    pub(crate) report: Option<PathBuf>,
    /// Decide for many systems: a list of `[[system]]` in one file
    #[arg(long, value_name = "SYSTEMS.toml", conflicts_with = "system")]
    pub(crate) portfolio: Option<PathBuf>,
    /// An earlier table, from --portfolio --json: says what has to be decided again
    #[arg(long, value_name = "TABLE.json", requires = "portfolio")]
    pub(crate) earlier: Option<PathBuf>,
}
