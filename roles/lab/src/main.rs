//! `candor-lab`: the recorder of the lab, started by `candor lab run`.

use std::process::ExitCode;

fn main() -> ExitCode {
    recorder::run()
}
