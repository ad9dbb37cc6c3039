//! `cargo xtask repro`: builds what is released more than once, with everything varied that must
//! not matter, and compares the bytes.
//!
//! The first build is the one that `cargo xtask dist` makes of this checkout. The others are made
//! of copies of it, from scratch. What could not be varied here is said.

mod compare;
mod debian_root;
mod elf;
mod varied;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::dist::{self, PROGRAMS};
use crate::workspace::Workspace;
use crate::{Problems, debian};

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    programs: Vec<&'static str>,
    clean_root: CleanRoot,
    /// How many jobs the second build runs at once.
    jobs: usize,
}

/// Whether a system of its own is made to build in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CleanRoot {
    Made,
    LeftOut,
}

/// `cargo xtask repro [--quick] [--program NAME]`.
pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<Problems, String> {
    match words {
        ["--against", file, rest @ ..] => against(workspace, Path::new(file), rest),
        _ => compare_builds(workspace, &parse(words)?),
    }
}

/// `cargo xtask repro --against FILE [--program NAME]`: builds a program as it is released, and
/// compares the bytes with a file from elsewhere. Nothing of the file is run.
fn against(workspace: &Workspace, file: &Path, rest: &[&str]) -> Result<Problems, String> {
    let name = file.file_name().and_then(|name| name.to_str());
    let named = name.unwrap_or_default();
    let options = match rest {
        [] => parse(&["--program", named]),
        words => parse(words),
    };
    let options = options.map_err(|why| format!("{}: {why}", file.display()))?;
    let [program] = options.programs.as_slice() else {
        return Err("--against compares one program; name it with --program".to_owned());
    };
    let built = timed("a build, as cargo xtask dist makes it", || {
        dist::build(workspace, &[program])
    })?;
    let built = built.program(program);
    println!("{}  built here", dist::digest(&built)?);
    println!("{}  {}", dist::digest(file)?, file.display());
    let problem = compare::files(program, "given file", &built, file)?;
    if problem.is_none() {
        println!("the same bytes: this program comes from these sources");
    }
    Ok(problem.into_iter().collect())
}

/// One program, built twice: as much as the gate has time for.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    compare_builds(workspace, &quick())
}

fn compare_builds(workspace: &Workspace, options: &Options) -> Result<Problems, String> {
    let programs = options.programs.as_slice();
    let first = timed("the first build, as cargo xtask dist makes it", || {
        dist::build(workspace, programs)
    })?;
    let folder = workspace.target.join("repro");
    let second = timed("the second build, with everything varied", || {
        varied::build(workspace, &folder, programs, options.jobs)
    })?;
    let mut others = vec![("varied build", second)];
    if options.clean_root == CleanRoot::Made {
        let third = timed("a build in a clean Debian 12 without a network", || {
            debian_root::build(workspace, &folder, programs)
        })?;
        others.push(("clean Debian 12", third));
    }
    let mut problems = Problems::new();
    for name in programs {
        let program = first.program(name);
        println!("{}  {name}", dist::digest(&program)?);
        for (told, place) in &others {
            problems.extend(compare::files(name, told, &program, &place.program(name))?);
        }
    }
    if problems.is_empty() {
        println!("{} builds, the same bytes", others.len() + 1);
    }
    Ok(problems)
}

fn parse(words: &[&str]) -> Result<Options, String> {
    let mut options = Options {
        programs: PROGRAMS.to_vec(),
        clean_root: CleanRoot::Made,
        jobs: 1,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--quick" => options = quick(),
            "--program" => {
                let wanted = words.next().copied().unwrap_or_default();
                let known = PROGRAMS.into_iter().find(|name| *name == wanted);
                options.programs =
                    vec![known.ok_or_else(|| {
                        format!("--program takes one of {}", PROGRAMS.join(" and "))
                    })?];
            }
            other => return Err(format!("{other} is no option of cargo xtask repro")),
        }
    }
    Ok(options)
}

fn quick() -> Options {
    Options {
        programs: vec![PROGRAMS[0]],
        clean_root: CleanRoot::LeftOut,
        // Another number than cargo takes by itself, and no slower.
        jobs: std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1),
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    println!("== {what}");
    let started = Instant::now();
    let made = work()?;
    println!("   done in {:.0} s", started.elapsed().as_secs_f64());
    Ok(made)
}

/// Copies what is checked out, and nothing else, to an empty folder.
fn copy_checkout(workspace: &Workspace, to: &Path) -> Result<(), String> {
    for file in workspace.files()? {
        let place = to.join(&file);
        let folder = place.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
        fs::copy(workspace.root.join(&file), &place).map_err(|error| fault(&place, &error))?;
    }
    Ok(())
}

/// An empty folder, whatever was there before.
fn emptied(folder: &Path) -> Result<PathBuf, String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|error| fault(folder, &error))?;
    }
    fs::create_dir_all(folder).map_err(|error| fault(folder, &error))?;
    Ok(folder.to_owned())
}

/// Copies a folder; as links where that is possible, which costs no time.
fn copy_folder(from: &Path, to: &Path) -> Result<(), String> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(|error| fault(parent, &error))?;
    for how in ["-al", "-a"] {
        let mut copy = Command::new("cp");
        copy.arg(how).arg("--").arg(from).arg(to);
        // A copy that was begun as links and can't be one goes on where it was.
        if copy.output().is_ok_and(|output| output.status.success()) {
            return Ok(());
        }
        if to.exists() {
            fs::remove_dir_all(to).map_err(|error| fault(to, &error))?;
        }
    }
    Err(format!("{} could not be copied", from.display()))
}

fn fault(place: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", place.display())
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed ({status}), as said above")),
        Err(error) => Err(format!("{what} did not start: {error}")),
    }
}

fn needs_root(what: &str) -> Result<(), String> {
    match debian::is_root() {
        true => Ok(()),
        false => Err(format!("{what} can be made by root only")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_is_the_default_and_quick_is_one_program() {
        let whole = parse(&[]).expect("options");
        assert_eq!(whole.programs, PROGRAMS);
        assert_eq!(whole.clean_root, CleanRoot::Made);
        assert_eq!(parse(&["--quick"]).expect("options"), quick());
        let one = parse(&["--program", "candor-worker"]).expect("options");
        assert_eq!(one.programs, ["candor-worker"]);
        assert!(parse(&["--program", "cat"]).is_err());
        assert!(parse(&["--slow"]).is_err());
    }

    #[test]
    fn a_copy_has_every_file_once() {
        let root = std::env::temp_dir().join(format!("repro-{}", std::process::id()));
        let from = emptied(&root.join("from")).expect("a folder");
        fs::write(from.join("a"), "1").unwrap();
        copy_folder(&from, &root.join("to")).expect("a copy");
        let copied = fs::read_to_string(root.join("to/a"));
        let empty = emptied(&root.join("to")).expect("a folder");
        let left = fs::read_dir(empty).unwrap().count();
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(copied.unwrap(), "1");
        assert_eq!(left, 0);
    }
}
