//! Every command and option, once: parsing, help, completions, manual pages and `docs/limits.md`
//! come from here. Decides nothing.

mod lab;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use proto::{Definition, Limits};

use crate::define;
use crate::quantity::{Size, Time};

pub(crate) use lab::{LabCommand, LabReportArguments, LabRunArguments};

/// The heading under which the bounds of a scan stand.
pub(crate) const LIMITS_HEADING: &str = "Limits";

const EXAMPLES: &str = "\
Examples:
  candor scan ~/Downloads                 look at everything below a directory
  candor scan --db /srv/signatures FILE   with these signatures
  candor scan --json / > report.jsonl     one JSON object for each file
  candor rules build -o site.pack DIR     compile signatures once, for many machines
  candor doctor                           say what protects this machine from a hostile file

Exit codes:
  0  all clean: everything was looked at and nothing was found
  1  something was detected
  2  nothing was detected, but something was incomplete or failed";

const SCAN_EXAMPLES: &str = "\
Examples:
  candor scan report.pdf
  candor scan --exclude '*.iso' --exclude cache /home
  candor scan --quarantine /var/lib/candor/quarantine --quiet /srv/upload
  find . -newer last-scan -print0 | candor scan --null --files-from -
  curl -s https://example.org/file | candor scan -

Without --db or --pack, the installed pack is used (/var/lib/candor/current.pack), else the
signatures that freshclam keeps in /var/lib/clamav, else the starter pack, which is not protection.

Exit codes:
  0  all clean: everything was looked at and nothing was found
  1  something was detected
  2  nothing was detected, but something was incomplete or failed";

/// An antivirus whose powers are separated, bounded and checkable
#[derive(Debug, Parser)]
#[command(name = "candor", version, after_help = EXAMPLES, propagate_version = true)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at files and say what is in them
    Scan(Box<ScanArguments>),
    /// Compile signatures and say what is in a pack
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Enclose an antivirus and record what it does
    #[command(subcommand)]
    Lab(LabCommand),
    /// Say what protects this machine from a hostile file, and what that lacks
    Doctor(DoctorArguments),
    /// Print the completions for a shell
    Completions(CompletionsArguments),
    /// Print a manual page, or write all of them
    Man(ManArguments),
}

/// The options of `scan`.
#[derive(Debug, Args)]
#[command(after_help = SCAN_EXAMPLES)]
pub(crate) struct ScanArguments {
    /// Files and directories; `-` is standard input's bytes
    #[arg(value_name = "PATH", required_unless_present = "files_from")]
    pub(crate) paths: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) choice: PackChoice,
    #[command(flatten)]
    pub(crate) selection: SelectionArguments,
    #[command(flatten)]
    pub(crate) detection: DetectionArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
    #[command(flatten)]
    pub(crate) limits: LimitArguments,
}

/// Which signatures.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Signatures")]
pub(crate) struct PackChoice {
    /// Signatures: a directory or a file of a known kind; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with = "pack")]
    pub(crate) db: Vec<PathBuf>,
    /// A compiled pack, or `starter` for the built-in one
    #[arg(long, value_name = "FILE|starter")]
    pub(crate) pack: Option<PathBuf>,
    /// A value for YARA rules; may be repeated
    ///
    /// Its type is what it looks like: 3, 0.5, true, or a text. The names that published rules
    /// expect (filename, filepath, extension, filetype, owner) are empty texts unless they are
    /// defined: no path of a scanned file reaches the process that runs the rules.
    #[arg(long, value_name = "NAME=VALUE", value_parser = define::parse)]
    pub(crate) define: Vec<Definition>,
}

/// Which files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Files")]
pub(crate) struct SelectionArguments {
    /// Read paths from a file, one a line; `-` is standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) files_from: Option<PathBuf>,
    /// The paths of --files-from end with a NUL byte instead
    #[arg(long, requires = "files_from")]
    pub(crate) null: bool,
    /// Look only at files that match; may be repeated
    ///
    /// A pattern without a slash is compared with the name, one with a slash with the whole path
    /// as it is printed. `*` stays within a name, `**` crosses directories.
    #[arg(long, value_name = "GLOB")]
    pub(crate) include: Vec<String>,
    /// Leave out files and directories that match; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Follow symbolic links; each directory below a PATH is then looked at once
    ///
    /// A directory that several links lead to is looked at under the name that is met first; the
    /// others are counted as skipped. A link that is named as a PATH is always followed.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Go into other file systems that are mounted below a PATH
    #[arg(long)]
    pub(crate) cross_filesystems: bool,
}

/// How it looks, and what it does about what it finds.
#[derive(Debug, Args)]
#[command(next_help_heading = "Detection")]
pub(crate) struct DetectionArguments {
    /// Potentially unwanted applications too
    #[arg(long)]
    pub(crate) pua: bool,
    /// Every rule that fires, not only the first in each object
    #[arg(long)]
    pub(crate) all_matches: bool,
    /// Show the first 64 bytes of each match, in hexadecimal
    #[arg(long)]
    pub(crate) match_bytes: bool,
    /// Compute every file's SHA-256
    #[arg(long)]
    pub(crate) sha256: bool,
    /// What an incomplete look means: a failed run, or only a report
    #[arg(long, value_name = "MEANING", value_enum, default_value_t = IncompletePolicy::Fail)]
    pub(crate) incomplete: IncompletePolicy,
    /// Move detected files into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) quarantine: Option<PathBuf>,
    /// A worker for many files, or a fresh one for each
    #[arg(long, value_name = "GRADE", value_enum, default_value_t = IsolationGrade::Pooled)]
    pub(crate) isolation: IsolationGrade,
    /// Workers at once [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
}

/// How it reports.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArguments {
    /// JSON Lines: one object for each file, then the summary
    #[arg(long)]
    pub(crate) json: bool,
    /// Only what was found, was incomplete or failed
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Clean files and details too
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Colours
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
    /// No progress on the terminal
    #[arg(long)]
    pub(crate) no_progress: bool,
}

/// The bounds of the scan of one file, members and all.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = LIMITS_HEADING)]
pub(crate) struct LimitArguments {
    /// Bytes looked at: the file and everything that comes out of it
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().bytes_max))]
    pub(crate) max_bytes: Size,
    /// Objects: the file and every member, at any depth
    #[arg(long, value_name = "N", default_value_t = Limits::default().objects_max)]
    pub(crate) max_objects: u64,
    /// Containers inside containers
    #[arg(long, value_name = "N", default_value_t = Limits::default().depth_max)]
    pub(crate) max_depth: u64,
    /// Bytes out for one byte in
    #[arg(long, value_name = "N", default_value_t = Limits::default().ratio_max)]
    pub(crate) max_ratio: u64,
    /// Matching work, in verification steps
    #[arg(long, value_name = "N", default_value_t = Limits::default().work_max)]
    pub(crate) max_work: u64,
    /// Time for one file
    #[arg(long, value_name = "TIME", default_value_t = Time { ms: Limits::default().time_ms_max })]
    pub(crate) max_time: Time,
    /// Private memory for members and decoders
    #[arg(long, value_name = "SIZE", default_value_t = Size(Limits::default().memory_bytes_max))]
    pub(crate) max_memory: Size,
}

impl LimitArguments {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            bytes_max: self.max_bytes.0,
            objects_max: self.max_objects,
            depth_max: self.max_depth,
            ratio_max: self.max_ratio,
            work_max: self.max_work,
            time_ms_max: self.max_time.ms,
            memory_bytes_max: self.max_memory.0,
        }
    }
}

/// What an incomplete look means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IncompletePolicy {
    /// Reported, and no reason to fail (the starter pack still is one).
    Report,
    /// Exit 2, unless something was detected.
    Fail,
}

/// How far apart files are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolationGrade {
    /// A worker serves many files.
    Pooled,
    /// A fresh worker for each file: a hostile one can't lie about the next.
    PerFile,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What can be asked about signatures.
#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// Compile signatures into one pack
    Build(BuildArguments),
    /// Say what is in a pack
    Show(ShowArguments),
    /// Print the text of a rule and where it comes from
    Explain(ExplainArguments),
}

/// The options of `rules build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArguments {
    /// Signatures: directories and files of known kinds
    #[arg(value_name = "SOURCE", required = true)]
    pub(crate) sources: Vec<PathBuf>,
    /// Where the pack goes
    #[arg(long, short, value_name = "PACK")]
    pub(crate) output: PathBuf,
    /// A value for YARA rules, kept in the pack; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = define::parse)]
    pub(crate) define: Vec<Definition>,
    /// Fail, and leave no pack, if any line was not compiled
    #[arg(long)]
    pub(crate) strict: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

/// The options of `rules show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// The pack [default: what `candor scan` would use]
    #[arg(value_name = "PACK", conflicts_with_all = ["db", "pack"])]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) choice: PackChoice,
    /// Each line that was dropped, with file, line and reason
    #[arg(long)]
    pub(crate) dropped: bool,
}

/// The options of `rules explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The name that a finding has
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) choice: PackChoice,
}

/// The options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArguments {
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// The options of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArguments {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

/// The options of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// The page: `candor`, `scan`, `rules-build`…
    #[arg(value_name = "PAGE", default_value = "candor", conflicts_with = "dir")]
    pub(crate) page: String,
    /// Write every page into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn limits_default_to_the_one_definition() {
        let parsed = Arguments::try_parse_from(["candor", "scan", "x"]).unwrap();
        let Command::Scan(scan) = parsed.command else {
            panic!("not a scan");
        };
        assert_eq!(scan.limits.limits(), Limits::default());
    }

    #[test]
    fn a_scan_needs_something_to_look_at() {
        assert!(Arguments::try_parse_from(["candor", "scan"]).is_err());
        assert!(Arguments::try_parse_from(["candor", "scan", "--files-from", "list"]).is_ok());
        assert!(Arguments::try_parse_from(["candor", "scan", "--null", "x"]).is_err());
    }
}
