//! The targets without a fuzzer: lists them, writes what a fuzzer starts from, and looks at one
//! input again, to see with a debugger what a fuzzer found.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use fuzz::{run, seeds, target, targets};

const USAGE: &str = "\
usage: fuzz list               every target, one a line
       fuzz seeds DIR          writes the seeds of each target to a folder of its own
       fuzz run TARGET FILE…   looks at inputs as a target does; what does not hold is a panic";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["list"] => {
            targets()
                .iter()
                .for_each(|target| println!("{}", target.name));
            Ok(())
        }
        ["seeds", folder] => write_seeds(Path::new(folder)),
        ["run", name, files @ ..] if !files.is_empty() => run_files(name, files),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn write_seeds(folder: &Path) -> Result<(), String> {
    for target in targets() {
        let place = folder.join(target.name);
        let fault = |error| format!("{}: {error}", place.display());
        fs::create_dir_all(&place).map_err(fault)?;
        for seed in seeds::seeds(&target).map_err(fault)? {
            fs::write(place.join(seed.name), seed.bytes).map_err(fault)?;
        }
    }
    Ok(())
}

fn run_files(name: &str, files: &[&str]) -> Result<(), String> {
    let target = target(name).ok_or_else(|| format!("{name} is no target; see `fuzz list`"))?;
    for file in files {
        let input = fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        run(&target, &input);
        println!("{file}: nothing is wrong");
    }
    Ok(())
}
