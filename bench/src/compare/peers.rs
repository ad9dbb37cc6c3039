//! The commands that are compared, with the options that make them do the same work.

use std::path::Path;
use std::process::Command;

use super::sets::Set;
use crate::corpus;
use crate::timing::{self, Cost};

/// Something that scans a tree.
pub(crate) trait Scanner {
    /// The command's name.
    fn name(&self) -> &'static str;
    /// Scans a path to the end.
    fn scan(&self, path: &Path) -> Result<Cost, String>;
}

/// `candor scan`.
pub(crate) struct Candor<'a> {
    pub(crate) jobs: usize,
    pub(crate) set: &'a Set,
}

impl Scanner for Candor<'_> {
    fn name(&self) -> &'static str {
        "candor"
    }

    fn scan(&self, path: &Path) -> Result<Cost, String> {
        let mut command = Command::new(timing::program("candor")?);
        command
            .args([
                "scan",
                "--no-progress",
                "--quiet",
                "--cross-filesystems",
                "--jobs",
            ])
            .arg(self.jobs.to_string())
            .arg("--pack")
            .arg(&self.set.pack)
            .arg(path);
        timing::run(&mut command)
    }
}

/// `clamscan`, without signatures yet.
pub(crate) struct Clamscan;

/// What loading took.
pub(crate) struct Load {
    pub(crate) cost: Cost,
    pub(crate) peak_mb: f64,
}

impl Clamscan {
    /// With a set of signatures.
    pub(crate) fn with(self, set: &Set) -> ClamscanWith<'_> {
        ClamscanWith { set }
    }

    /// Loads a set and scans one small file.
    pub(crate) fn load(self, set: &Set) -> Result<Load, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        corpus::files(directory.path(), 1, 64)?;
        let mut command = self.with(set).command(directory.path());
        let (cost, peak_kb) = timing::run_watched(&mut command)?;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let peak_mb = peak_kb as f64 / 1024.0;
        Ok(Load { cost, peak_mb })
    }
}

/// `clamscan` with a set of signatures.
pub(crate) struct ClamscanWith<'a> {
    set: &'a Set,
}

impl ClamscanWith<'_> {
    /// Its limits are raised, so that it looks at as much as Candor does.
    fn command(&self, path: &Path) -> Command {
        let mut command = Command::new("clamscan");
        command
            .args(["--no-summary", "--infected", "--recursive", "--allmatch"])
            .args([
                "--max-filesize=2000M",
                "--max-scansize=2000M",
                "--max-scantime=3600000",
            ])
            .args(["--max-files=100000", "--database"])
            .arg(&self.set.directory)
            .arg(path);
        command
    }
}

impl Scanner for ClamscanWith<'_> {
    fn name(&self) -> &'static str {
        "clamscan"
    }

    fn scan(&self, path: &Path) -> Result<Cost, String> {
        timing::run(&mut self.command(path))
    }
}

/// The externals that public rule sets expect, each empty.
const EXTERNALS: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

/// `yara`, on one thread, with rules that it compiled beforehand.
pub(crate) struct Yara<'a> {
    pub(crate) rules: &'a Set,
}

impl Scanner for Yara<'_> {
    fn name(&self) -> &'static str {
        "yara"
    }

    fn scan(&self, path: &Path) -> Result<Cost, String> {
        let compiled = self.rules.directory.with_extension("yarac");
        if !compiled.exists() {
            let mut compile = Command::new("yarac");
            for external in EXTERNALS {
                compile.args(["-d", &format!("{external}=")]);
            }
            timing::run(compile.arg("-w").args(self.rules.files()?).arg(&compiled))?;
        }
        let mut command = Command::new("yara");
        for external in EXTERNALS {
            command.args(["-d", &format!("{external}=")]);
        }
        timing::run(
            command
                .args(["-C", "-w", "-r", "-N", "-p", "1"])
                .arg(&compiled)
                .arg(path),
        )
    }
}

/// `yr`, on one thread, with rules that it compiled beforehand.
pub(crate) struct YaraX<'a> {
    pub(crate) rules: &'a Set,
}

impl Scanner for YaraX<'_> {
    fn name(&self) -> &'static str {
        "yr"
    }

    fn scan(&self, path: &Path) -> Result<Cost, String> {
        let compiled = self.rules.directory.with_extension("yarx");
        if !compiled.exists() {
            let mut compile = Command::new("yr");
            compile.args(["compile", "--relaxed-re-syntax"]);
            for external in EXTERNALS {
                compile.args(["--define", &format!("{external}=\"\"")]);
            }
            timing::run(
                compile
                    .arg("--output")
                    .arg(&compiled)
                    .args(self.rules.files()?),
            )?;
        }
        let mut command = Command::new("yr");
        timing::run(
            command
                .args(["scan", "--compiled-rules", "--recursive", "--threads", "1"])
                .arg(&compiled)
                .arg(path),
        )
    }
}
