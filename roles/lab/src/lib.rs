//! The recorder of the lab: makes the enclosure, drives the plan, writes down what the kernel
//! sees. Runs as root and parses nothing hostile: names and bytes that a product made are hashed,
//! counted and copied, never interpreted.

mod analyst;
mod bundle;
pub mod enclosure;
mod gateway;
mod install;
pub mod observe;
mod output;
mod request;
mod run;
mod session;
mod trial;
mod trust_stores;

use std::process::ExitCode;

/// Something failed.
const FAILED: u8 = 2;

/// What the program does.
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Option<Vec<String>> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.into_string().ok())
        .collect();
    let arguments = arguments.unwrap_or_default();
    let done = match arguments.split_first() {
        Some((role, _)) if role == enclosure::KEEPER => enclosure::keep().map(|()| 0),
        Some((role, rest)) if role == "try" => trial::run(rest),
        Some((role, rest)) if role == "run" => return finished(session::run(rest)),
        _ => return ExitCode::from(FAILED),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("candor-lab: error: {error}");
            ExitCode::from(FAILED)
        }
    }
}

/// Tells a failure in the words of the program that people started.
fn finished(done: Result<(), session::Failure>) -> ExitCode {
    match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(session::Failure::Interrupted) => {
            eprintln!("candor: error: interrupted; no bundle was written")
        }
        Err(session::Failure::Said(text)) => eprintln!("candor: error: {text}"),
    }
    ExitCode::from(FAILED)
}
