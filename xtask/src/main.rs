//! The project's own tool: one gate, `cargo xtask check`, and the checks behind it.
//!
//! It reads the checkout and runs cargo. It never edits what a person wrote: `generate` touches
//! only generated files and the text between their markers.

mod bpf;
mod check;
mod claims;
mod debian;
mod dist;
mod fuzz;
mod generate;
mod graph;
mod licences;
mod repro;
mod role;
mod run_tests;
mod spdx;
mod tidy;
mod toolchain;
mod tree;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  check      the gate: toolchain, format, clippy, graph, generated files, tidy, licences, tests, claims
  check --quick
             the same without tests, claims, fuzzing and the second build
  test       install what the tests need (as root on Debian), build the commands, run every test
  fuzz [--list] [--seconds N] [TARGET…]
             run every fuzz target, or those named, for a while; keep what breaks them
  dist       build the programs as they are released, and print their digests
  repro [--quick] [--program NAME]
             build them again with everything varied, and in a clean Debian 12; compare the bytes
  bpf [--check]
             compile the programs for the kernel's tracepoints; or compare them with what is kept
  generate   write the files that are generated from roles/*/role.toml
  graph      the dependency rule, over the graph that cargo resolved
  tidy       the style that clippy doesn't know
  licences   every third-party crate's licence
  claims     every line of CLAIMS.md has a live test
";

/// What a check has to say against the checkout; empty means that it holds.
pub(crate) type Problems = Vec<String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("{problem}");
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> Result<Problems, String> {
    let workspace = Workspace::load()?;
    match words {
        ["check"] => check::run(&workspace, check::Extent::Whole),
        ["check", "--quick"] => check::run(&workspace, check::Extent::Quick),
        ["test"] => run_tests::run(&workspace),
        ["dist"] => dist::run(&workspace),
        ["repro", options @ ..] => repro::run(&workspace, options),
        ["fuzz", options @ ..] => fuzz::run(&workspace, options),
        ["bpf"] => bpf::build(&workspace),
        ["bpf", "--check"] => bpf::check(&workspace),
        ["generate"] => generate::write(&workspace),
        ["graph"] => graph::check(&workspace),
        ["tidy"] => tidy::check(&workspace),
        ["licences"] => licences::check(&workspace),
        ["claims"] => claims::check(&workspace),
        _ => Err(format!("unknown command\n{USAGE}")),
    }
}
