//! Workers for one task: compiling rules, asking a pack, looking at the jail.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use proto::{
    BATCH_ITEMS_MAX, CompileSource, Definition, Describe, Encode, JailReport, MESSAGE_BYTES_MAX,
    PackSummary, Question, Reply, Request,
};

use crate::PoolError;
use crate::worker::{Mode, Plan, Starting, Trouble, Worker};

/// A compilation of everything that ClamAV publishes takes seconds.
const COMPILE_MS_MAX: u64 = 900_000;
/// Between two messages of a long answer.
const DESCRIBE_MS_MAX: u64 = 120_000;
/// Lines of an answer; the largest pack has fewer rules.
const LINES_MAX: usize = 32 << 20;
/// What a worker needs to answer questions.
const DESCRIBE_DATA_BYTES: u64 = 1 << 30;
/// What judging needs: evidence as it is read, which is bounded, and what is said of it.
const JUDGE_DATA_BYTES: u64 = 2 << 30;
/// A bundle of many gigabytes is read once.
const JUDGE_MS_MAX: u64 = 900_000;
/// What a worker needs to look at its jail.
const INSPECT_DATA_BYTES: u64 = 64 << 20;

/// What is to be compiled, and where to.
#[derive(Debug)]
pub struct Compilation {
    /// Labels and files.
    pub sources: Vec<(String, OwnedFd)>,
    /// Values for YARA rules.
    pub definitions: Vec<Definition>,
    /// An empty file for the pack, open for reading and writing.
    pub pack: OwnedFd,
    /// One for what its YARA rules compile to; without it they are only checked.
    pub yara: Option<OwnedFd>,
    /// Private memory that the worker may take.
    pub data_bytes_max: u64,
}

/// A finished compilation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The pack's length.
    pub pack_bytes: u64,
    /// The length of what its YARA rules compile to; zero where there are none.
    pub yara_bytes: u64,
    /// What became of the sources.
    pub summary: PackSummary,
}

/// Compiles sources into a pack, in one worker that ends after that. On an error the content of the
/// outputs means nothing.
pub fn compile(program: &Path, task: Compilation) -> Result<Compiled, PoolError> {
    let plan = Plan {
        program: program.to_path_buf(),
        mode: Mode::Compile,
        data_bytes_max: task.data_bytes_max,
        pack: None,
        yara: None,
    };
    let mut worker = Worker::start(&plan)?;
    let mut batch = Batch::default();
    for (label, file) in task.sources {
        if !batch.has_room_for(&label) {
            batch
                .send(&worker)
                .or_else(|trouble| heard_or(&mut worker, trouble))?;
            batch = Batch::default();
        }
        batch.add(label, file);
    }
    batch
        .send(&worker)
        .or_else(|trouble| heard_or(&mut worker, trouble))?;
    let outputs: Vec<_> = std::iter::once(&task.pack).chain(&task.yara).collect();
    let outputs: Vec<_> = outputs.iter().map(|output| output.as_fd()).collect();
    worker
        .send(&Request::CompileInto(task.definitions), &outputs)
        .or_else(|trouble| heard_or(&mut worker, trouble))?;
    match worker.receive(after(COMPILE_MS_MAX)) {
        Ok(Reply::Compiled {
            pack_bytes,
            yara_bytes,
            summary,
        }) => Ok(Compiled {
            pack_bytes,
            yara_bytes,
            summary,
        }),
        Ok(other) => Err(unexpected(other)),
        Err(trouble) => Err(died(worker, &trouble, COMPILE_MS_MAX)),
    }
}

/// Compiles the YARA rules of a pack, in one worker that ends after that; gives the length of the
/// result. The definitions go before the pack's own.
pub fn compile_yara(
    program: &Path,
    (pack, definitions): (OwnedFd, Vec<Definition>),
    output: OwnedFd,
    data_bytes_max: u64,
) -> Result<u64, PoolError> {
    let plan = Plan {
        program: program.to_path_buf(),
        mode: Mode::Compile,
        data_bytes_max,
        pack: Some(pack),
        yara: None,
    };
    let mut worker = Worker::start(&plan)?;
    worker
        .send(&Request::CompileYara(definitions), &[output.as_fd()])
        .or_else(|trouble| heard_or(&mut worker, trouble))?;
    match worker.receive(after(COMPILE_MS_MAX)) {
        Ok(Reply::YaraCompiled(yara_bytes)) => Ok(yara_bytes),
        Ok(other) => Err(unexpected(other)),
        Err(trouble) => Err(died(worker, &trouble, COMPILE_MS_MAX)),
    }
}

/// Asks a pack something; each line of the answer goes to `line` as it comes.
pub fn describe(
    program: &Path,
    pack: OwnedFd,
    question: Describe,
    line: &mut dyn FnMut(&str),
) -> Result<(), PoolError> {
    let plan = Plan {
        program: program.to_path_buf(),
        mode: Mode::Scan,
        data_bytes_max: DESCRIBE_DATA_BYTES,
        pack: Some(pack),
        yara: None,
    };
    let mut worker = Worker::start(&plan)?;
    worker
        .send(&Request::Describe(question), &[])
        .or_else(|trouble| heard_or(&mut worker, trouble))?;
    let mut lines = 0usize;
    loop {
        match worker.receive(after(DESCRIBE_MS_MAX)) {
            Ok(Reply::Text(text)) => {
                lines = lines.saturating_add(text.len().max(1));
                if lines > LINES_MAX {
                    return Err(PoolError::Protocol("its answer does not end".to_string()));
                }
                text.iter().for_each(|text| line(text));
            }
            Ok(Reply::TextEnd(None)) => return Ok(()),
            Ok(other) => return Err(unexpected(other)),
            Err(trouble) => return Err(died(worker, &trouble, DESCRIBE_MS_MAX)),
        }
    }
}

/// Asks the process that judges evidence, which ends after that. Its answer is one text, of at most
/// `answer_bytes_max` bytes.
pub fn judge(
    program: &Path,
    (question, files): (Question, Vec<OwnedFd>),
    answer_bytes_max: usize,
) -> Result<String, PoolError> {
    let plan = Plan {
        program: program.to_path_buf(),
        mode: Mode::Scan,
        data_bytes_max: JUDGE_DATA_BYTES,
        pack: None,
        yara: None,
    };
    let mut worker = Worker::start(&plan)?;
    let files: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    worker
        .send(&Request::Judge(question), &files)
        .or_else(|trouble| heard_or(&mut worker, trouble))?;
    let mut answer = String::new();
    loop {
        match worker.receive(after(JUDGE_MS_MAX)) {
            Ok(Reply::Text(pieces)) => {
                pieces.iter().for_each(|piece| answer.push_str(piece));
                if answer.len() > answer_bytes_max || pieces.is_empty() {
                    return Err(PoolError::Protocol("its answer does not end".to_string()));
                }
            }
            Ok(Reply::TextEnd(None)) => return Ok(answer),
            Ok(other) => return Err(unexpected(other)),
            Err(trouble) => return Err(died(worker, &trouble, JUDGE_MS_MAX)),
        }
    }
}

/// Starts a worker only to see its jail, whether it holds or not.
pub fn inspect(program: &Path) -> Result<JailReport, PoolError> {
    let plan = Plan {
        program: program.to_path_buf(),
        mode: Mode::Scan,
        data_bytes_max: INSPECT_DATA_BYTES,
        pack: None,
        yara: None,
    };
    Ok(Starting::spawn(&plan)?.ready()?.take_jail())
}

/// Sources that fit into one message.
#[derive(Default)]
struct Batch {
    sources: Vec<CompileSource>,
    files: Vec<OwnedFd>,
    bytes: usize,
}

impl Batch {
    /// The request's own code and count.
    const FRAME_BYTES: usize = 64;

    fn has_room_for(&self, label: &str) -> bool {
        let bytes = self.bytes.saturating_add(label_bytes(label));
        self.sources.len() < BATCH_ITEMS_MAX
            && bytes.saturating_add(Self::FRAME_BYTES) <= MESSAGE_BYTES_MAX
    }

    fn add(&mut self, label: String, file: OwnedFd) {
        self.bytes = self.bytes.saturating_add(label_bytes(&label));
        self.sources.push(CompileSource { label });
        self.files.push(file);
    }

    fn send(&mut self, worker: &Worker) -> Result<(), Trouble> {
        if self.sources.is_empty() {
            return Ok(());
        }
        let request = Request::CompileSources(std::mem::take(&mut self.sources));
        let files: Vec<_> = self.files.iter().map(AsFd::as_fd).collect();
        worker.send(&request, &files)
    }
}

fn label_bytes(label: &str) -> usize {
    label.to_message().len()
}

/// A worker that ended while it was being asked may have said why.
fn heard_or(worker: &mut Worker, trouble: Trouble) -> Result<(), PoolError> {
    match worker.receive(Instant::now()) {
        Ok(reply) => Err(unexpected(reply)),
        Err(_) => Err(match trouble {
            Trouble::Ended => PoolError::Died("the worker ended while it was asked".to_string()),
            Trouble::Silent => PoolError::Silent { waited_ms: 0 },
            Trouble::Protocol(what) => PoolError::Protocol(what),
        }),
    }
}

fn unexpected(reply: Reply) -> PoolError {
    match reply {
        Reply::CompileFailed(why) => PoolError::CompileFailed(why),
        Reply::TextEnd(Some(why)) => PoolError::Unanswered(why),
        Reply::Refused(why) => PoolError::Refused(why),
        _ => PoolError::Protocol("its answer is to another question".to_string()),
    }
}

fn died(worker: Worker, trouble: &Trouble, waited_ms: u64) -> PoolError {
    match trouble {
        Trouble::Silent => PoolError::Silent { waited_ms },
        Trouble::Protocol(what) => PoolError::Protocol(what.clone()),
        Trouble::Ended => PoolError::Died(worker.autopsy(trouble).text),
    }
}

fn after(time_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(time_ms)
}
