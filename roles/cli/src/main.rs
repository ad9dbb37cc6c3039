//! `candor`: what people type. Runs with its caller's rights, has no network, and parses no
//! hostile bytes: those go, unread, to workers that have no rights at all.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod args;
mod define;
mod descriptors;
mod digest;
mod doctor;
mod escape;
mod failure;
mod filter;
mod lab;
mod manual;
mod packs;
mod partial;
mod program;
mod quantity;
mod quarantine;
mod report;
mod rules;
mod scan;
mod sparse;
mod spool;
mod targets;
mod walk;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};
use failure::Failure;

/// Something failed and nothing was detected.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Where nobody reads it there is nobody to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(FAILED));
        }
    };
    let done = match &arguments.command {
        Command::Scan(scan) => scan::run(scan),
        Command::Rules(command) => rules::run(command),
        Command::Lab(command) => lab::run(command),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::Completions(completions) => manual::completions(completions),
        Command::Man(man) => manual::man(man),
    };
    match done {
        Ok(code) => code,
        Err(Failure::OutputClosed) => ExitCode::from(FAILED),
        Err(failure) => {
            complain(&failure.to_string());
            ExitCode::from(FAILED)
        }
    }
}

/// A warning on standard error.
fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "candor: warning: {text}");
}

/// An error on standard error; where that is closed there is nobody to tell.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "candor: error: {text}");
}
