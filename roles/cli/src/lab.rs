//! `candor lab`: starts the recorder, or the analyst, and prints what comes of it. The recorder
//! alone is privileged; the analyst, which reads captures and traces, has no rights at all. Neither
//! a bundle nor a product's file is read here.

mod human;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use kernel::file::{FileKind, Follow};
use lab::Answers;
use rustix::fs::Mode;
use rustix::process::{Pid, Signal};

use crate::args::{LabCommand, LabReportArguments, LabRunArguments};
use crate::failure::Failure;
use crate::partial::{Existing, Partial};
use crate::program;
use crate::rules::place;

/// The longest that the programs may answer.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// The most that is passed on of what the analyst says.
const TOLD_BYTES_MAX: u64 = 64 << 10;
/// How often a program's end, and somebody who wants one, is looked for.
const LISTEN: Duration = Duration::from_millis(20);
/// Something failed, or nothing can be said.
const INCONCLUSIVE: u8 = 2;

/// Does what is asked.
pub(crate) fn run(command: &LabCommand) -> Result<ExitCode, Failure> {
    match command {
        LabCommand::Run(arguments) => record(arguments),
        LabCommand::Report(arguments) => report(arguments),
    }
}

fn record(arguments: &LabRunArguments) -> Result<ExitCode, Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::said(
            "the lab needs root, to build an enclosure and to listen to the kernel: \
             try sudo candor lab run",
        ));
    }
    let recorder = program::lab_recorder()?;
    let (directory, name) = place(&arguments.output)?;
    // An interrupt ends the recorder, and then there is a partial file to remove.
    kernel::interrupt::watch()?;
    let at = |error: io::Error| Failure::at(&arguments.output, &error);
    let partial = Partial::create(&directory).map_err(at)?;
    let bundle = partial.file().try_clone().map_err(at)?;
    let mut command = Command::new(&recorder);
    command.arg("run");
    for (option, value) in [
        ("--product", arguments.product.as_ref().map(Into::into)),
        ("--plan", arguments.plan.clone().map(Into::into)),
        ("--packages", arguments.packages.clone().map(Into::into)),
        (
            "--pairs",
            arguments.pairs.map(|pairs| pairs.to_string().into()),
        ),
    ] {
        let value: Option<std::ffi::OsString> = value;
        if let Some(value) = value {
            command.arg(option).arg(value);
        }
    }
    if arguments.product.is_none() {
        command.arg("--").args(&arguments.words);
    }
    command.stdin(Stdio::from(bundle)).stdout(Stdio::piped());
    let (answers, code) = answer(
        command
            .spawn()
            .map_err(|error| Failure::at(&recorder, &error))?,
    )?;
    if code != Some(0) {
        // It has said why.
        return Ok(ExitCode::from(INCONCLUSIVE));
    }
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    rustix::fs::fchmod(partial.file(), readable).map_err(|error| at(error.into()))?;
    partial.keep(&name, Existing::Replace).map_err(at)?;
    print(&answers, arguments.json)
}

fn report(arguments: &LabReportArguments) -> Result<ExitCode, Failure> {
    let bundle = open(&arguments.bundle)?;
    if let Some(page) = &arguments.html {
        return write_page(bundle, page);
    }
    let (answers, code) = ask(bundle, "answers")?;
    if answers.is_empty() {
        return Err(no_answer(code));
    }
    print(&answers, arguments.json)
}

fn write_page(bundle: OwnedFd, page: &Path) -> Result<ExitCode, Failure> {
    let (directory, name) = place(page)?;
    let (text, code) = ask(bundle, "html")?;
    let exit = code.and_then(|code| u8::try_from(code).ok());
    let Some(exit) = exit.filter(|exit| *exit <= INCONCLUSIVE && !text.is_empty()) else {
        return Err(no_answer(code));
    };
    let at = |error: io::Error| Failure::at(page, &error);
    let partial = Partial::create(&directory).map_err(at)?;
    let mut file = partial.file();
    file.write_all(&text).map_err(at)?;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    rustix::fs::fchmod(file, readable).map_err(|error| at(error.into()))?;
    partial.keep(&name, Existing::Replace).map_err(at)?;
    Ok(ExitCode::from(exit))
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    let at = |error: io::Error| Failure::at(path, &error);
    let file = kernel::file::open_for_scan(path, Follow::Links).map_err(at)?;
    match kernel::file::stat(&file).map_err(at)?.kind {
        FileKind::Regular => Ok(file),
        _ => Err(at(io::Error::other("a bundle is a regular file"))),
    }
}

/// The analyst's answer about a bundle.
fn ask(bundle: OwnedFd, what: &str) -> Result<(Vec<u8>, Option<i32>), Failure> {
    let analyst = program::lab_analyst()?;
    let child = Command::new(&analyst)
        .arg(what)
        .env_clear()
        .stdin(Stdio::from(File::from(bundle)))
        .stdout(Stdio::piped())
        // Its jail lets it write to pipes alone.
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::at(&analyst, &error))?;
    answer(child)
}

/// All that a program says, bounded, and how it ended.
fn answer(mut child: Child) -> Result<(Vec<u8>, Option<i32>), Failure> {
    let lost = |error: io::Error| Failure::said(format!("the lab's answer is lost: {error}"));
    let told = child.stderr.take().map(|mut from| {
        std::thread::spawn(move || {
            // What it says is worth no error.
            let _ = io::copy(&mut (&mut from).take(TOLD_BYTES_MAX), &mut io::stderr());
            let _ = io::copy(&mut from, &mut io::sink());
        })
    });
    let output = child.stdout.take();
    let heard = std::thread::spawn(move || {
        let mut answer = Vec::new();
        match output {
            Some(output) => output.take(ANSWER_BYTES_MAX).read_to_end(&mut answer),
            None => Ok(0),
        }
        .map(|_| answer)
    });
    let status = ended(&mut child).map_err(lost)?;
    let heard = heard.join();
    // A thread that panicked has said so.
    let _ = told.map(std::thread::JoinHandle::join);
    let answer = heard.unwrap_or_else(|_| Err(io::Error::other("it can't be read")));
    Ok((answer.map_err(lost)?, status.code()))
}

/// Waits for a program's end, and passes on to it that somebody asked for an end.
fn ended(child: &mut Child) -> io::Result<ExitStatus> {
    let mut is_told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if kernel::interrupt::is_asked() && !std::mem::replace(&mut is_told, true) {
            rustix::process::kill_process(Pid::from_child(child), Signal::TERM)?;
        }
        std::thread::sleep(LISTEN);
    }
}

fn no_answer(code: Option<i32>) -> Failure {
    Failure::said(match code {
        Some(code) => format!("the analyst gave no answers (exit {code})"),
        None => "the analyst was ended before it gave answers".to_owned(),
    })
}

/// Prints the answers, and gives the exit code that they come to.
fn print(bytes: &[u8], as_json: bool) -> Result<ExitCode, Failure> {
    let answers: Answers = serde_json::from_slice(bytes)
        .map_err(|error| Failure::said(format!("the answers are not understood: {error}")))?;
    let mut output = io::stdout();
    match as_json {
        true => output.write_all(bytes)?,
        false => output.write_all(human::text(&answers).as_bytes())?,
    }
    output.flush()?;
    Ok(ExitCode::from(answers.outcome.verdict.exit()))
}
