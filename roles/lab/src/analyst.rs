//! The analyst, from the recorder's side: it gets the bundle as its input and answers through a
//! pipe. What it answers is copied into the bundle as it is, bounded, and not read here.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::bundle::Writer;
use crate::session::{Failure, beside};

/// The program.
pub(crate) const PROGRAM: &str = "candor-lab-analyst";
/// The longest answers.
const ANSWERS_BYTES_MAX: u64 = 64 << 20;
/// The most that is passed on of what it says.
const TOLD_BYTES_MAX: u64 = 64 << 10;
/// What it ends with where the run is not conclusive.
const INCONCLUSIVE: u8 = 2;

/// Ends the bundle with its answers and its manifest, and gives the answers.
pub(crate) fn answer(bundle: &mut Writer, program: &Path) -> Result<Vec<u8>, Failure> {
    let length = bundle.length()?;
    bundle.finish(INCONCLUSIVE, Vec::new())?;
    let (answers, exit) = ask(bundle, program)?;
    bundle.answer(length, &answers)?;
    bundle.finish(exit, Vec::new())?;
    bundle.file().sync_all()?;
    Ok(answers)
}

fn ask(bundle: &Writer, program: &Path) -> Result<(Vec<u8>, u8), Failure> {
    let mut child = Command::new(beside(program, PROGRAM)?)
        .arg("answers")
        .env_clear()
        .stdin(Stdio::from(bundle.file().try_clone()?))
        .stdout(Stdio::piped())
        // Its jail lets it write to pipes alone.
        .stderr(Stdio::piped())
        .spawn()?;
    let told = child.stderr.take().map(|from| {
        std::thread::spawn(move || {
            let mut from = from;
            // What it says is worth no error.
            let _ = io::copy(&mut (&mut from).take(TOLD_BYTES_MAX), &mut io::stderr());
            let _ = io::copy(&mut from, &mut io::sink());
        })
    });
    let mut answers = Vec::new();
    let output = child.stdout.take().ok_or_else(no_answer)?;
    output.take(ANSWERS_BYTES_MAX).read_to_end(&mut answers)?;
    let status = child.wait()?;
    // A thread that panicked has said so.
    let _ = told.map(std::thread::JoinHandle::join);
    let exit = status.code().and_then(|code| u8::try_from(code).ok());
    match exit {
        Some(exit @ 0..=2) if !answers.is_empty() => Ok((answers, exit)),
        _ => Err(no_answer().into()),
    }
}

fn no_answer() -> io::Error {
    io::Error::other("the analyst gave no answers")
}
