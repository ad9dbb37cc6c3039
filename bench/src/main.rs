//! Measures Candor, beside the installed peer where there is one. Prints; judges nothing.
//!
//! ```text
//! cargo run --release -p bench -- open PACK [CLAMAV-DIRECTORY]
//! cargo run --release -p bench -- overhead PACK
//! cargo run --release -p bench -- scan SIGNATURES PATH
//! cargo run --release -p bench -- yara PACK RULES PATH
//! ```
//!
//! CPU seconds are the kernel's own count for a finished process and its children. Each figure is
//! the median of several runs, and every ratio is of figures from one run of this program.

mod corpus;
mod opening;
mod overhead;
mod scanning;
mod timing;
mod yara;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["open", pack] => opening::run(Path::new(pack), None),
        ["open", pack, peer] => opening::run(Path::new(pack), Some(Path::new(peer))),
        ["overhead", pack] => overhead::run(Path::new(pack)),
        ["in-process", pack, list] => overhead::in_process(Path::new(pack), Path::new(list)),
        ["scan", signatures, path] => scanning::run(Path::new(signatures), Path::new(path)),
        ["yara", pack, rules, tree] => {
            yara::run(Path::new(pack), Path::new(rules), Path::new(tree))
        }
        _ => Err(
            "usage: bench open PACK [CLAMAV-DIRECTORY] | overhead PACK | scan SIGNATURES PATH \
             | yara PACK RULES PATH"
                .to_string(),
        ),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}
