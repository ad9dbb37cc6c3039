//! `candor verify --all`: runs every check of an assurance case and says which claims hold.
//!
//! The case is a file of the user's own choice, as a script would be: its commands are run. A claim
//! without a check that passes is unsupported, and is called so.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ask::Form;
use crate::escape::{escaped_path, hex, visible};
use crate::failure::Failure;

/// The form that is read.
const FORMAT: &str = "candor-case-1";
/// Not every claim is supported.
const UNSUPPORTED: u8 = 1;
/// The longest case.
const CASE_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    format: String,
    #[expect(dead_code, reason = "for people who read the file")]
    title: String,
    claims: Vec<Claim>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    id: String,
    claim: String,
    #[expect(dead_code, reason = "for people who read the file")]
    argument: String,
    /// Where else it is asked for, only where that text was read.
    #[serde(default)]
    #[expect(dead_code, reason = "for people who read the file")]
    maps_to: Vec<String>,
    evidence: Vec<Check>,
}

/// A check: a command and what must come of it, or a file and its digest.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    #[serde(default)]
    command: Vec<String>,
    /// The exit status.
    #[serde(default)]
    exit: Option<i32>,
    /// A text that the output must hold.
    #[serde(default)]
    output_has: Option<String>,
    /// The SHA-256 of the output, or of `file`.
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    file: Option<String>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    id: String,
    claim: String,
    outcome: &'static str,
    checks: Vec<CheckOutcome>,
}

#[derive(Debug, Serialize)]
struct CheckOutcome {
    what: String,
    passed: bool,
    why: String,
}

/// Runs them all, in the folder of the case.
pub(crate) fn run(path: &Path, form: Form) -> Result<ExitCode, Failure> {
    let case = read(path)?;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut outcomes = Vec::new();
    for claim in &case.claims {
        let outcome = judge(claim, folder);
        if form == Form::Text {
            print(&outcome)?;
        }
        outcomes.push(outcome);
    }
    let supported = outcomes.iter().filter(|one| one.outcome == "supported");
    let (supported, all) = (supported.count(), outcomes.len());
    match form {
        Form::Text => writeln!(io::stdout(), "{supported} of {all} claims are supported")?,
        Form::Json => {
            let text = serde_json::to_string(&outcomes).map_err(io::Error::from)?;
            writeln!(
                io::stdout(),
                "{{\"format\":\"candor-case-outcome-1\",\"claims\":{text}}}"
            )?;
        }
    }
    let is_whole = supported == all && all > 0;
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(UNSUPPORTED),
    })
}

fn read(path: &Path) -> Result<Case, Failure> {
    let at = |error: io::Error| Failure::at(path, &error);
    let wrong =
        |why: &dyn std::fmt::Display| Failure::said(format!("{}: {why}", escaped_path(path)));
    if fs::metadata(path).map_err(at)?.len() > CASE_BYTES_MAX {
        return Err(wrong(&"it is too long for an assurance case"));
    }
    let text = fs::read_to_string(path).map_err(at)?;
    let case: Case = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
    match case.format == FORMAT {
        true => Ok(case),
        false => Err(wrong(&format!("`format` is not {FORMAT:?}"))),
    }
}

fn judge(claim: &Claim, folder: &Path) -> Outcome {
    let checks = claim.evidence.iter().map(|check| check.run(folder));
    let checks: Vec<CheckOutcome> = checks.collect();
    let is_supported = !checks.is_empty() && checks.iter().all(|check| check.passed);
    Outcome {
        id: claim.id.clone(),
        claim: claim.claim.clone(),
        outcome: if is_supported {
            "supported"
        } else {
            "unsupported"
        },
        checks,
    }
}

impl Check {
    fn run(&self, folder: &Path) -> CheckOutcome {
        let what = match &self.file {
            Some(file) => format!("sha256 of {file}"),
            None => self.command.join(" "),
        };
        let (passed, why) = match self.passes(folder) {
            Ok(why) => (true, why),
            Err(why) => (false, why),
        };
        CheckOutcome { what, passed, why }
    }

    /// Why it passes, or why not.
    fn passes(&self, folder: &Path) -> Result<String, String> {
        let expects_run = self.exit.is_some() || self.output_has.is_some();
        if self.file.is_some() && (expects_run || !self.command.is_empty()) {
            return Err("it is both a file and a command".to_owned());
        }
        if let Some(file) = &self.file {
            let bytes = fs::read(folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
            let wanted = self.sha256.as_deref().ok_or("it names no `sha256`")?;
            return same_digest(&bytes, wanted);
        }
        let (program, arguments) = self.command.split_first().ok_or("it names no command")?;
        // A check that expects nothing would always pass.
        let Some(exit) = self.exit else {
            return Err("it names no `exit`".to_owned());
        };
        let output = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "; is it installed, and in the PATH?",
                    _ => "",
                };
                format!("{program} did not start: {error}{hint}")
            })?;
        if output.status.code() != Some(exit) {
            let last = String::from_utf8_lossy(&output.stderr);
            let last = last.lines().last().unwrap_or_default();
            return Err(format!("{}, not {exit}: {last}", output.status));
        }
        if let Some(wanted) = &self.output_has
            && !String::from_utf8_lossy(&output.stdout).contains(wanted)
        {
            return Err(format!("its output does not hold {wanted:?}"));
        }
        match &self.sha256 {
            Some(wanted) => same_digest(&output.stdout, wanted),
            None => Ok(format!("exit status {exit}")),
        }
    }
}

fn same_digest(bytes: &[u8], wanted: &str) -> Result<String, String> {
    let found = hex(&Sha256::digest(bytes));
    match found == wanted {
        true => Ok(found),
        false => Err(format!("the SHA-256 is {found}, not {wanted}")),
    }
}

fn print(outcome: &Outcome) -> Result<(), Failure> {
    let mut out = io::stdout();
    let (id, claim) = (visible(&outcome.id), visible(&outcome.claim));
    writeln!(out, "{}: {id}: {claim}", outcome.outcome)?;
    for check in &outcome.checks {
        let word = if check.passed { "passed" } else { "failed" };
        let (what, why) = (visible(&check.what), visible(&check.why));
        writeln!(out, "  {word}: {what} ({why})")?;
    }
    Ok(())
}
