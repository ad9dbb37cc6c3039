//! Measures Candor, beside the installed peers where there are some. Prints; judges nothing.
//!
//! ```text
//! cargo run --release -p bench                       everything beside the peers: see `compare`
//! cargo run --release -p bench -- compare --quick    the same, smaller
//! cargo run --release -p bench -- open PACK [CLAMAV-DIRECTORY]
//! cargo run --release -p bench -- overhead PACK
//! cargo run --release -p bench -- verdict PACK PROGRAM
//! cargo run --release -p bench -- yara PACK RULES PATH
//! cargo run --release -p bench -- raw [OPTIONS]      fragments over programs: see `raw`
//! cargo run --release -p bench -- plot               throughput by signatures and by size of file
//! cargo run --release -p bench -- statistics OUTPUT PATH…
//! ```
//!
//! CPU seconds are the kernel's own count for a finished process and its children. Each figure is
//! the median of several runs, and every ratio is of figures from one run of this program.

mod compare;
mod corpus;
mod opening;
mod overhead;
mod raw;
mod statistics;
mod timing;
mod verdict;
mod yara;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: bench [compare [OPTIONS]] | open PACK [CLAMAV-DIRECTORY] | overhead PACK | \
     verdict PACK PROGRAM | yara PACK RULES PATH";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => compare::run(&[]),
        ["compare", options @ ..] => compare::run(options),
        ["open", pack] => opening::run(Path::new(pack), None),
        ["open", pack, peer] => opening::run(Path::new(pack), Some(Path::new(peer))),
        ["overhead", pack] => overhead::run(Path::new(pack)),
        ["in-process", pack, list] => overhead::in_process(Path::new(pack), Path::new(list)),
        ["verdict", pack, program] => verdict::run(Path::new(pack), Path::new(program)),
        ["yara", pack, rules, tree] => {
            yara::run(Path::new(pack), Path::new(rules), Path::new(tree))
        }
        ["plot", options @ ..] => compare::plot(options),
        ["raw", options @ ..] => raw::run(options),
        ["statistics", output, paths @ ..] => statistics::run(Path::new(output), paths),
        _ => Err(USAGE.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
