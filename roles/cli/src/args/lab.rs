//! The options of `lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const RUN_EXAMPLES: &str = "\
Examples:
  sudo candor lab run -o first.bundle -- clamscan -r {documents}
  sudo candor lab run -o quick.bundle --pairs 3 -- ./scanner {documents}
  sudo candor lab run -o clamd.bundle --product clamd --packages debs
  sudo candor lab run -o all.bundle --product product.toml --plan plan.toml

The command is found inside the enclosure, where of this machine only /usr, /etc, /opt and /var are
seen; {documents} is replaced by the folder of canary documents.

Exit codes:
  0  no flow was seen, in at least 59 pairs of runs
  1  a canary or something made of it left the enclosure
  2  the runs are not conclusive, or something failed";

const REPORT_EXAMPLES: &str = "\
Examples:
  candor lab report first.bundle
  candor lab report --html report.html first.bundle

Exit codes: as those of lab run";

/// What can be asked of the lab.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Enclose an antivirus, drive it, and record what it reads, runs, changes and sends
    Run(LabRunArguments),
    /// Compute the answers of a bundle again
    Report(LabReportArguments),
}

/// The options of `lab run`.
#[derive(Debug, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct LabRunArguments {
    /// Where the bundle goes
    #[arg(long, short, value_name = "BUNDLE")]
    pub(crate) output: PathBuf,
    /// A product file, or the name of one that comes with Candor
    #[arg(long, value_name = "PRODUCT", conflicts_with = "words")]
    pub(crate) product: Option<String>,
    /// A plan file [default: one scan, or for a product without one, two updates]
    #[arg(long, value_name = "PLAN")]
    pub(crate) plan: Option<PathBuf>,
    /// A folder with packages of products that are not installed
    #[arg(long, value_name = "DIR", requires = "product")]
    pub(crate) packages: Option<PathBuf>,
    /// Pairs of runs [default: the plan's, 60]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4999))]
    pub(crate) pairs: Option<u32>,
    /// Print the answers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// A command that scans, with {documents} where the folder belongs
    #[arg(value_name = "COMMAND", last = true)]
    pub(crate) words: Vec<String>,
}

/// The options of `lab report`.
#[derive(Debug, Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub(crate) struct LabReportArguments {
    /// The bundle
    #[arg(value_name = "BUNDLE")]
    pub(crate) bundle: PathBuf,
    /// Print the answers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page that prints
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(crate) html: Option<PathBuf>,
}
