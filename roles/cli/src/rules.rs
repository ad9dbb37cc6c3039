//! `candor rules`: compiles signatures into a pack and says what is in one. Workers read the
//! bytes; what they answer is printed, made safe for a terminal.

use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use pool::Compilation;
use proto::{Describe, PackSummary};
use rustix::fs::Mode;

use crate::args::{BuildArguments, ExplainArguments, PackChoice, RulesCommand, ShowArguments};
use crate::define;
use crate::descriptors;
use crate::digest;
use crate::escape::{escaped_path, hex, visible};
use crate::failure::Failure;
use crate::packs::{self, Origin, Sources};
use crate::partial::{Existing, Partial, check_replaceable, open_directory};
use crate::program;
use crate::quantity::{counted, grouped, rounded_size};

/// Does what is asked.
pub(crate) fn run(command: &RulesCommand) -> Result<ExitCode, Failure> {
    match command {
        RulesCommand::Build(arguments) => build(arguments),
        RulesCommand::Show(arguments) => show(arguments),
        RulesCommand::Explain(arguments) => explain(arguments),
    }
}

fn build(arguments: &BuildArguments) -> Result<ExitCode, Failure> {
    descriptors::raise_limit();
    let (directory, name) = place(&arguments.output)?;
    let worker = program::worker()?;
    define::check(&arguments.define)?;
    let sources = Sources::collect(&arguments.sources)?;
    let at = |error: io::Error| Failure::at(&arguments.output, &error);
    let partial = Partial::create(&directory).map_err(at)?;
    let output = partial.file().try_clone().map_err(at)?;
    let task = Compilation {
        sources: sources.reopened()?,
        definitions: arguments.define.clone(),
        pack: output.into(),
        yara: None,
        data_bytes_max: packs::COMPILE_DATA_BYTES_MAX,
    };
    let compiled = packs::compile(task, &sources.compiler()?)?;
    let named = Origin::File(arguments.output.clone());
    let summary = &compiled.summary;
    let pending = packs::pending_lines(summary);
    if arguments.strict && (pending > 0 || summary.dropped > 0) {
        let pack = partial.reopen().map_err(at)?;
        print(&worker, (&named, pack), Describe::Dropped)?;
        for row in &summary.pending {
            let lines = counted(row.count, "line", "lines");
            let (source, why) = (visible(&row.source), visible(&row.why));
            writeln!(io::stdout(), "{source}: {lines} not yet compiled: {why}")?;
        }
        return Err(Failure::said(format!(
            "no pack was written: {} dropped and {} not yet compiled, and --strict allows none",
            counted(summary.dropped, "line was", "lines were"),
            grouped(pending)
        )));
    }
    let described = match arguments.quiet {
        true => None,
        false => Some(partial.reopen().map_err(at)?),
    };
    let sha256 = digest::of_file(partial.file()).map_err(at)?;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
    rustix::fs::fchmod(partial.file(), readable).map_err(|error| at(error.into()))?;
    partial.keep(&name, Existing::Replace).map_err(at)?;
    warn(&named, summary);
    if let Some(pack) = described {
        print(&worker, (&named, pack), Describe::Show)?;
        for path in &sources.ignored {
            writeln!(
                io::stdout(),
                "ignored, of no known kind: {}",
                escaped_path(path)
            )?;
        }
        writeln!(
            io::stdout(),
            "{}: {}, {}, sha256 {}",
            escaped_path(&arguments.output),
            counted(summary.signatures, "signature", "signatures"),
            rounded_size(compiled.pack_bytes),
            hex(&sha256)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What even a quiet build says, on standard error.
fn warn(origin: &Origin, summary: &PackSummary) {
    packs::unverified(summary)
        .iter()
        .for_each(|found| crate::warn(&format!("not verified: {found}")));
    if summary.signatures == 0 {
        crate::warn(&packs::nothing_can_fire(origin, summary));
    }
}

/// The directory and the name of a file that is to be written; what is there may be replaced.
pub(crate) fn place(output: &Path) -> Result<(OwnedFd, PathBuf), Failure> {
    let name = output
        .file_name()
        .ok_or_else(|| Failure::said(format!("{}: not a file name", escaped_path(output))))?;
    let parent = match output.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let directory = open_directory(parent).map_err(|error| Failure::at(parent, &error))?;
    check_replaceable(&directory, name).map_err(|error| Failure::at(output, &error))?;
    Ok((directory, name.into()))
}

fn show(arguments: &ShowArguments) -> Result<ExitCode, Failure> {
    let choice = match &arguments.file {
        Some(file) => PackChoice {
            pack: Some(file.clone()),
            ..PackChoice::default()
        },
        None => arguments.choice.clone(),
    };
    descriptors::raise_limit();
    let worker = program::worker()?;
    let pack = packs::prepare(Origin::choose(&choice), &choice.define)?;
    if arguments.dropped {
        print(&worker, (&pack.origin, pack.file), Describe::Dropped)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(
        io::stdout(),
        "pack {} from {}",
        hex(&pack.sha256),
        pack.origin
    )?;
    print(&worker, (&pack.origin, pack.file), Describe::Show)?;
    for path in &pack.ignored {
        writeln!(
            io::stdout(),
            "ignored, of no known kind: {}",
            escaped_path(path)
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(arguments: &ExplainArguments) -> Result<ExitCode, Failure> {
    descriptors::raise_limit();
    let worker = program::worker()?;
    let choice = &arguments.choice;
    let pack = packs::prepare(Origin::choose(choice), &choice.define)?;
    let question = Describe::Explain(arguments.name.clone());
    if print(&worker, (&pack.origin, pack.file), question)? == 0 {
        return Err(Failure::said(format!(
            "no rule is called {} in {}",
            visible(&arguments.name),
            pack.origin
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a worker's answer; answers how many lines there were.
fn print(
    worker: &Path,
    (origin, pack): (&Origin, OwnedFd),
    question: Describe,
) -> Result<u64, Failure> {
    let mut output = BufWriter::new(io::stdout());
    let mut written = Ok(0u64);
    let mut line = |text: &str| {
        if let Ok(count) = written {
            written = writeln!(output, "{}", visible(text)).map(|()| count.saturating_add(1));
        }
    };
    let answered = pool::describe(worker, pack, question, &mut line);
    let count = written?;
    output.flush()?;
    answered.map_err(|error| packs::failure_with(origin, &error))?;
    Ok(count)
}
