//! Fuzzing for a bounded time: every target of `fuzz/`, instrumented for coverage by the stable
//! compiler, a few at a time, with what each came to.
//!
//! An input that breaks something is kept under `fuzz/found`, with the command that repeats it.

mod log;

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use crate::workspace::{PLATFORM, Workspace};
use crate::{Problems, debian};

use log::Log;

/// What all targets share out among themselves, where nobody says how long: on two cores the gate
/// waits for half of it.
const SECONDS_IN_ALL: u64 = 240;
const SECONDS_MIN: u64 = 5;
const SECONDS_MAX: u64 = 30;
/// One input may take this long on a machine that is busy; the budgets of the targets are such that
/// none should take a second.
const INPUT_SECONDS_MAX: u64 = 10;
/// Inputs may become this long, and somewhat longer than the longest seed.
const INPUT_BYTES: u64 = 128 << 10;
const MEMORY_MIB_MAX: u64 = 1_024;
/// What a length that is believed can't get; more than the fuzzer notices in time.
const ADDRESS_SPACE_KIB_MAX: u64 = 4 << 20;
/// Coverage instrumentation, as LLVM's fuzzer reads it.
const COVERAGE: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
const PROFILE: &str = "fuzz";
const PROGRAM: &str = "fuzz-instrumented";

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    list: bool,
    seconds: Option<u64>,
    /// All of them where it is empty.
    targets: Vec<String>,
}

/// Where things are kept.
struct Places {
    program: PathBuf,
    seeds: PathBuf,
    /// What earlier runs on this machine found worth keeping.
    grown: PathBuf,
    logs: PathBuf,
    found: PathBuf,
}

/// `cargo xtask fuzz [--list] [--seconds N] [TARGET…]`.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<Problems, String> {
    let options = parse(words)?;
    let known = known_targets(workspace)?;
    if options.list {
        known.iter().for_each(|target| println!("{target}"));
        return Ok(Problems::new());
    }
    if let Some(unknown) = options.targets.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "there is no target {unknown}; `cargo xtask fuzz --list` lists them"
        ));
    }
    if !has_compiler(workspace) {
        return Err(format!("{NO_COMPILER}: install the package g++"));
    }
    let targets = match options.targets.is_empty() {
        true => known,
        false => options.targets,
    };
    fuzz(workspace, &targets, options.seconds)
}

/// All targets for their share of the time.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    if !has_compiler(workspace) {
        println!("skipped: fuzzing: {NO_COMPILER} (package g++)");
        return Ok(Problems::new());
    }
    fuzz(workspace, &known_targets(workspace)?, None)
}

const NO_COMPILER: &str = "LLVM's fuzzer is built by a C++ compiler, and there is none here";

fn fuzz(
    workspace: &Workspace,
    targets: &[String],
    seconds: Option<u64>,
) -> Result<Problems, String> {
    let places = prepare(workspace)?;
    let seconds = seconds.unwrap_or_else(|| share(targets.len()));
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{} targets, {seconds} s each, {at_once} at a time",
        targets.len()
    );
    let waiting = Mutex::new(targets.iter().collect::<VecDeque<_>>());
    let problems = Mutex::new(Problems::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                // The lock must not be held while the target runs.
                while let Some(target) = next(&waiting) {
                    let said = run_target(&places, target, seconds);
                    if let Ok(mut problems) = problems.lock() {
                        problems.extend(said.err());
                    }
                }
            });
        }
    });
    problems
        .into_inner()
        .map_err(|_| "fuzzing was cut short".to_owned())
}

fn next<'a>(waiting: &Mutex<VecDeque<&'a String>>) -> Option<&'a String> {
    waiting.lock().ok()?.pop_front()
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let mut options = Options::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--list" => options.list = true,
            "--seconds" => {
                let number = words.next().and_then(|number| number.parse().ok());
                options.seconds =
                    Some(number.ok_or("--seconds needs a number, such as --seconds 60")?);
            }
            other if other.starts_with('-') => {
                return Err(format!("{other} is no option of cargo xtask fuzz"));
            }
            target => options.targets.push(target.to_owned()),
        }
    }
    Ok(options)
}

fn share(targets: usize) -> u64 {
    let targets = u64::try_from(targets).unwrap_or(u64::MAX).max(1);
    (SECONDS_IN_ALL / targets).clamp(SECONDS_MIN, SECONDS_MAX)
}

fn has_compiler(workspace: &Workspace) -> bool {
    if !debian::on_path("c++") {
        debian::prepare(&workspace.target);
    }
    debian::on_path("c++")
}

fn plain_program(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command.args(["run", "--locked", "--quiet", "--package", "fuzz", "--"]);
    command
}

fn known_targets(workspace: &Workspace) -> Result<Vec<String>, String> {
    let output = plain_program(workspace)
        .arg("list")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !output.status.success() {
        return Err("the targets don't build".to_owned());
    }
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Builds the instrumented program and writes the seeds.
fn prepare(workspace: &Workspace) -> Result<Places, String> {
    let folder = workspace.target.join("fuzz");
    let places = Places {
        program: folder.join(PLATFORM).join(PROFILE).join(PROGRAM),
        seeds: folder.join("seeds"),
        grown: folder.join("grown"),
        logs: folder.join("logs"),
        found: workspace.root.join("fuzz/found"),
    };
    // With a target named, what runs during the build stays without instrumentation.
    let built = workspace
        .cargo()
        .args(["build", "--locked", "--package", "fuzz", "--bin", PROGRAM])
        .args(["--features", "instrumented", "--profile", PROFILE])
        .args(["--target", PLATFORM, "--target-dir"])
        .arg(&folder)
        .env("RUSTFLAGS", COVERAGE)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if !built.success() {
        return Err("the instrumented program doesn't build".to_owned());
    }
    if places.seeds.exists() {
        fs::remove_dir_all(&places.seeds).map_err(|error| fault(&places.seeds, &error))?;
    }
    let written = plain_program(workspace)
        .arg("seeds")
        .arg(&places.seeds)
        .status();
    match written {
        Ok(status) if status.success() => Ok(places),
        _ => Err("the seeds could not be written".to_owned()),
    }
}

fn fault(place: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", place.display())
}

/// Fuzzes one target; an error is what it has to say against the checkout.
fn run_target(places: &Places, target: &str, seconds: u64) -> Result<(), String> {
    let found = places.found.join(target);
    let grown = places.grown.join(target);
    for folder in [&found, &grown, &places.logs] {
        fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    }
    let seeds = places.seeds.join(target);
    let path = places.logs.join(format!("{target}.log"));
    let log = fs::File::create(&path).map_err(|error| fault(&path, &error))?;
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -v {ADDRESS_SPACE_KIB_MAX}; exec \"$0\" \"$@\""
        ))
        .arg(&places.program)
        .args(fuzzer_options(seconds, longest(&seeds)?, &found))
        .args([&grown, &seeds])
        .env("CANDOR_FUZZ_TARGET", target)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .status()
        .map_err(|error| format!("{target}: the fuzzer did not start: {error}"))?;
    // Nothing was found where it can be removed.
    let _ = fs::remove_dir(&found);
    let text = fs::read(&path).map_err(|error| fault(&path, &error))?;
    let told = Log::parse(&String::from_utf8_lossy(&text));
    println!("{target:<16} {told}");
    if status.success() && told.runs > 0 {
        return Ok(());
    }
    Err(failure(target, &told, &path))
}

/// The longest seed's length.
fn longest(seeds: &Path) -> Result<u64, String> {
    let mut longest = 0;
    for entry in fs::read_dir(seeds).map_err(|error| fault(seeds, &error))? {
        let length = entry.and_then(|entry| entry.metadata());
        longest = longest.max(length.map_err(|error| fault(seeds, &error))?.len());
    }
    Ok(longest)
}

fn fuzzer_options(seconds: u64, longest_seed: u64, found: &Path) -> Vec<String> {
    vec![
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!(
            "-max_len={}",
            INPUT_BYTES.max(longest_seed + longest_seed / 4)
        ),
        format!("-rss_limit_mb={MEMORY_MIB_MAX}"),
        "-print_final_stats=1".to_owned(),
        "-reload=0".to_owned(),
        format!("-artifact_prefix={}/", found.display()),
    ]
}

fn failure(target: &str, told: &Log, log: &Path) -> String {
    let mut lines = vec![format!("{target}: {}", told.complaint)];
    match &told.artifact {
        Some(input) => lines.push(format!(
            "    again: cargo run -p fuzz -- run {target} {input}\n    once it is mended, keep the \
             input in fuzz/regressions/{target}/"
        )),
        None => lines.push(format!("    no input was kept; see {}", log.display())),
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_shared_and_bounded() {
        assert_eq!(share(40), 6);
        assert_eq!(share(0), SECONDS_MAX);
        assert_eq!(share(1_000), SECONDS_MIN);
    }

    #[test]
    fn options_and_targets_are_told_apart() {
        let options = parse(&["--seconds", "60", "zip", "tar"]).expect("options");
        assert_eq!(options.seconds, Some(60));
        assert_eq!(options.targets, ["zip", "tar"]);
        assert!(parse(&["--list"]).expect("options").list);
        assert!(parse(&["--seconds"]).is_err());
        assert!(parse(&["--second", "6"]).is_err());
    }
}
