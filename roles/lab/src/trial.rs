//! `candor-lab try COMMAND…`: one command in an enclosure whose network ends nowhere, for those who
//! want to see the walls from inside, and for the tests that attack them. Nothing is observed.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::enclosure::{Enclosure, End, Limits, PATH, Scratch, Starting, Wanted};

/// How long the command may take.
const TIME: Duration = Duration::from_secs(120);

/// Bounds that hurt no machine.
const LIMITS: Limits = Limits {
    memory_bytes_max: 1 << 30,
    processes_max: 512,
    processor_percent: 200,
};

/// Runs it; the folder `/supplied` inside is the first argument.
pub(crate) fn run(arguments: &[String]) -> io::Result<u8> {
    let (supplied, words) = arguments
        .split_first()
        .ok_or_else(|| io::Error::other("usage: candor-lab try FOLDER COMMAND…"))?;
    let program = std::env::current_exe()?;
    let supplied = PathBuf::from(supplied).canonicalize()?;
    let scratch = Scratch::make(1 << 30)?;
    let wanted = Wanted {
        name: "try".to_owned(),
        limits: LIMITS,
        files: Vec::new(),
        owned: Vec::new(),
        folders: Vec::new(),
        supplies: vec![(supplied, PathBuf::from("/supplied"))],
        program: &program,
    };
    let began = Instant::now();
    let (mut enclosure, _network) = Enclosure::build(&scratch, &wanted)?;
    let built = began.elapsed();
    let environment = [
        ("PATH".to_owned(), PATH.to_owned()),
        ("HOME".to_owned(), "/root".to_owned()),
    ];
    let starting = Starting {
        words,
        environment: &environment,
        directory: "/root",
    };
    let input: OwnedFd = std::fs::File::open("/dev/null")?.into();
    let (output, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let started = enclosure.start(&starting, input, theirs)?;
    let copied = std::thread::spawn(move || copy(output));
    let end = enclosure.end_of(started, Instant::now() + TIME)?;
    let changes = enclosure.finish()?;
    // Nothing holds the other end any more.
    let _ = copied.join();
    for change in changes {
        eprintln!("{:?} {}", change.kind, change.path);
    }
    eprintln!(
        "built in {} ms, {} ms in all",
        built.as_millis(),
        began.elapsed().as_millis()
    );
    match end {
        Some(End::Exited(code)) => Ok(u8::try_from(code).unwrap_or(u8::MAX)),
        Some(End::Signalled(signal)) => Err(io::Error::other(format!("ended by signal {signal}"))),
        None => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

fn copy(output: OwnedFd) -> io::Result<()> {
    let mut output = std::fs::File::from(output);
    let mut buffer = [0; 4096];
    loop {
        let count = output.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        io::stdout().write_all(buffer.get(..count).unwrap_or_default())?;
    }
}
