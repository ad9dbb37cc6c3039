//! The worker: everything but YARA rules, for which there is `candor-worker-yara`.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::run(&worker::Program::PLAIN)
}
