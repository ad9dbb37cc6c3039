//! `candor verify`: evidence against a policy, an assurance case run again, a build made again.

use std::process::{Command, ExitCode};

use crate::args::{VerifyArguments, VerifyBuildArguments, VerifyCommand};
use crate::ask::{Form, Inquiry};
use crate::case;
use crate::escape::escaped_path;
use crate::failure::{Failure, plain};

/// Could not be judged.
const FAILED: u8 = 2;

/// Does what is asked.
pub(crate) fn run(arguments: &VerifyArguments) -> Result<ExitCode, Failure> {
    let form = Form::of(arguments.json);
    if let Some(VerifyCommand::Build(build)) = &arguments.command {
        return verify_build(build);
    }
    if arguments.all {
        return case::run(&arguments.case, form);
    }
    let mut inquiry = Inquiry::new("verify");
    inquiry.set_day(arguments.as_of.as_deref());
    for (part, file) in [
        ("policy", &arguments.policy),
        ("policy-key", &arguments.policy_key),
    ] {
        if let Some(file) = file {
            inquiry.add(part, file)?;
        }
    }
    for bundle in &arguments.bundles {
        inquiry.add("bundle", bundle)?;
    }
    inquiry.ask()?.print(form)
}

/// Building is cargo's work, and comparing is the checkout's own tool's.
fn verify_build(arguments: &VerifyBuildArguments) -> Result<ExitCode, Failure> {
    let at = |error: &std::io::Error| Failure::at(&arguments.binary, error);
    let binary = arguments
        .binary
        .canonicalize()
        .map_err(|error| at(&error))?;
    let source = &arguments.source;
    if !source.join("xtask/Cargo.toml").is_file() {
        let source = escaped_path(source);
        return Err(Failure::said(format!(
            "{source}: it is no checkout of Candor; name one with --source"
        )));
    }
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(source)
        .args(["run", "--quiet", "--package", "xtask", "--", "repro"])
        .arg("--against")
        .arg(&binary);
    if let Some(program) = &arguments.program {
        cargo.args(["--program", program]);
    }
    let status = cargo.status().map_err(|error| {
        Failure::said(format!(
            "cargo did not start: {}; building needs the Rust release that Cargo.toml names",
            plain(&error)
        ))
    })?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(FAILED)))
}
