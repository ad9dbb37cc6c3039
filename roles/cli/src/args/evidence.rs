//! The options of `verify` and `evidence`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

const VERIFY_EXAMPLES: &str = "\
Examples:
  candor verify lab-a.bundle lab-b.bundle --policy trust.json
  candor verify evidence.bundle --policy trust.json --policy-key owner.pub --as-of 2027-01-31
  candor verify --all                                     run every check of this checkout's case
  candor verify build --source . --binary /usr/bin/candor build it again and compare

Exit codes:
  0  the policy is satisfied; every claim is supported; the build is the same
  1  it is not, and why has a name
  2  it could not be judged: the policy can't be used, or a file can't be read";

const EVIDENCE_EXAMPLES: &str = "\
Examples:
  candor evidence keygen -o lab-a                     makes lab-a.key and lab-a.pub
  candor evidence sign records.json --key lab-a.key --attach run.bundle -o lab-a.bundle
  candor evidence show lab-a.bundle sbom.cdx.json     says what they say, verified or not
  candor evidence sign-policy trust.json --key owner.key -o trust.signed.json";

/// The options of `verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct VerifyArguments {
    #[command(subcommand)]
    pub(crate) command: Option<VerifyCommand>,
    /// Bundles, statements in envelopes, and other tools' documents
    #[arg(value_name = "BUNDLE", required_unless_present = "all")]
    pub(crate) bundles: Vec<PathBuf>,
    /// Whose keys count, and what must be shown of which build
    #[arg(long, value_name = "FILE", required_unless_present = "all")]
    pub(crate) policy: Option<PathBuf>,
    /// The key that must have signed the policy
    #[arg(long, value_name = "FILE")]
    pub(crate) policy_key: Option<PathBuf>,
    /// The day for which it is judged, as 2026-11-24 [default: today, UTC]
    #[arg(long, value_name = "DATE")]
    pub(crate) as_of: Option<String>,
    /// Run every check of an assurance case; a claim whose checks do not pass is unsupported
    #[arg(long, conflicts_with_all = ["bundles", "policy", "policy_key", "as_of"])]
    pub(crate) all: bool,
    /// The assurance case; its commands are run, so name only one that you trust
    #[arg(long, value_name = "FILE", default_value = "case.json")]
    pub(crate) case: PathBuf,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// What else can be verified.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyCommand {
    /// Build a program again from its sources and compare the bytes
    Build(VerifyBuildArguments),
}

/// The options of `verify build`.
#[derive(Debug, Args)]
pub(crate) struct VerifyBuildArguments {
    /// The checkout; its build scripts are run
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(crate) source: PathBuf,
    /// The program to compare with
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: PathBuf,
    /// Which program it is [default: its file name]
    #[arg(long, value_name = "NAME")]
    pub(crate) program: Option<String>,
}

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
#[command(after_help = EVIDENCE_EXAMPLES)]
pub(crate) enum EvidenceCommand {
    /// Make a key pair
    Keygen(KeygenArguments),
    /// Sign records and put them, with what they rest on, into a bundle
    Sign(SignArguments),
    /// Sign a trust policy
    SignPolicy(SignPolicyArguments),
    /// Say what evidence says, without verifying anything
    Show(ShowEvidenceArguments),
}

/// The options of `evidence keygen`.
#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Where they go: NAME.key, for you alone, and NAME.pub
    #[arg(long, short, value_name = "NAME")]
    pub(crate) output: PathBuf,
}

/// The options of `evidence sign`.
#[derive(Debug, Args)]
pub(crate) struct SignArguments {
    /// A record, or a list of records, in JSON
    #[arg(value_name = "RECORDS")]
    pub(crate) records: PathBuf,
    /// The private key, as `evidence keygen` or OpenSSL writes it; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    pub(crate) key: Vec<PathBuf>,
    /// A file that the records rest on; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) attach: Vec<PathBuf>,
    /// Where the bundle goes
    #[arg(long, short, value_name = "BUNDLE")]
    pub(crate) output: PathBuf,
}

/// The options of `evidence sign-policy`.
#[derive(Debug, Args)]
pub(crate) struct SignPolicyArguments {
    /// The policy
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// The private key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Where the signed policy goes
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// The options of `evidence show`.
#[derive(Debug, Args)]
pub(crate) struct ShowEvidenceArguments {
    /// Bundles, statements in envelopes, and other tools' documents
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
