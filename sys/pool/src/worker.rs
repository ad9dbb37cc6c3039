//! One worker process: started, heard, and ended for good.
//!
//! Nothing that a worker says is believed beyond its form: a reply that is not due, too long, or
//! carries descriptors ends it.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use kernel::file::do_not_wait;
use proto::{
    DETAILS_MAX, Decode, Encode, FINDINGS_MAX, JailReport, MATCHES_MAX, PackSummary, Reason, Reply,
    Request, Verdict,
};

use crate::PoolError;

/// A worker is ready long before; a machine under load may need a while.
const START_MS_MAX: u64 = 30_000;
/// A request is taken at once by a worker that lives.
const SEND_MS_MAX: u64 = 10_000;
/// A process that closed its socket has ended, or will at once.
const END_MS_MAX: u64 = 2_000;
/// Diagnostics that are read of a dead worker.
const LAST_WORDS_BYTES_MAX: u64 = 64 << 10;
const LAST_WORDS_CHARS_MAX: usize = 240;
/// Shells and our supervisor report a death by signal as an exit status above this.
const SIGNAL_STATUS_BASE: i32 = 128;

/// What a worker is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Scans, and questions about its pack.
    Scan,
    /// One compilation.
    Compile,
}

/// How workers are started.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) program: PathBuf,
    pub(crate) mode: Mode,
    pub(crate) data_bytes_max: u64,
    pub(crate) pack: Option<OwnedFd>,
    /// What the pack's YARA rules compile to.
    pub(crate) yara: Option<OwnedFd>,
}

/// A process that was started and has not said yet that it is ready.
#[derive(Debug)]
pub(crate) struct Starting {
    worker: Worker,
    /// Whether it was given YARA rules to load.
    loads_yara: bool,
    deadline: Instant,
}

/// A worker that is ready.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    channel: Arc<Channel>,
    buffer: Vec<u8>,
    jail: JailReport,
    pack: Option<PackSummary>,
}

/// Why a worker is of no more use.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Its end of the socket is closed.
    Ended,
    /// It did not answer in time.
    Silent,
    /// It said something that it may not say.
    Protocol(String),
}

/// What became of a worker, and under which reason a file that it held goes.
#[derive(Debug)]
pub(crate) struct Autopsy {
    pub(crate) reason: Reason,
    pub(crate) text: String,
}

impl Starting {
    /// Runs the program and does not wait for it.
    pub(crate) fn spawn(plan: &Plan) -> Result<Self, PoolError> {
        let (ours, theirs) = Channel::pair().map_err(|error| descriptors(&error))?;
        let pack = match &plan.pack {
            Some(pack) => Stdio::from(pack.try_clone().map_err(|error| descriptors(&error))?),
            None => Stdio::null(),
        };
        let mode = match plan.mode {
            Mode::Scan => "scan",
            Mode::Compile => "compile",
        };
        let child = Command::new(&plan.program)
            .arg(mode)
            .arg(plan.data_bytes_max.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs.into_fd()))
            .stdout(pack)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| cannot_start(plan, &error))?;
        let worker = Worker {
            child,
            channel: Arc::new(ours),
            buffer: Vec::new(),
            jail: JailReport::default(),
            pack: None,
        };
        if let Some(yara) = &plan.yara {
            // It waits in the socket until the jail stands. A worker that does not take it has
            // ended, and why is heard where it should get ready.
            let _ = worker.send(&Request::UseYara, &[yara.as_fd()]);
        }
        Ok(Self {
            worker,
            loads_yara: plan.yara.is_some(),
            deadline: Instant::now() + Duration::from_millis(START_MS_MAX),
        })
    }

    /// The channel, for whoever must be able to cut it.
    pub(crate) fn channel(&self) -> Arc<Channel> {
        Arc::clone(&self.worker.channel)
    }

    /// Waits for its first words and checks its jail.
    pub(crate) fn ready(self) -> Result<Worker, PoolError> {
        let Self {
            mut worker,
            loads_yara,
            deadline,
        } = self;
        match worker.receive(deadline) {
            Ok(Reply::Ready { jail, pack }) => {
                worker.jail = jail;
                worker.pack = pack;
            }
            other => return Err(not_ready(worker, other)),
        }
        if loads_yara && worker.jail.holds() {
            match worker.receive(deadline) {
                Ok(Reply::YaraReady) => {}
                other => return Err(not_ready(worker, other)),
            }
        }
        Ok(worker)
    }
}

impl Worker {
    /// A worker that is ready and whose jail holds.
    pub(crate) fn start(plan: &Plan) -> Result<Self, PoolError> {
        Starting::spawn(plan)?.ready()?.jailed()
    }

    /// Only a worker whose jail holds.
    pub(crate) fn jailed(self) -> Result<Self, PoolError> {
        if self.jail.holds() {
            Ok(self)
        } else {
            Err(PoolError::JailDoesNotHold(Box::new(self.jail.clone())))
        }
    }

    pub(crate) fn take_jail(&mut self) -> JailReport {
        std::mem::take(&mut self.jail)
    }

    pub(crate) fn take_pack(&mut self) -> Option<PackSummary> {
        self.pack.take()
    }

    /// The channel, for whoever must be able to cut it.
    pub(crate) fn channel(&self) -> Arc<Channel> {
        Arc::clone(&self.channel)
    }

    /// Lets it go: it ends by itself when it hears that there is nothing more.
    pub(crate) fn dismiss(&self) {
        let _ = self.channel.cut();
    }

    /// Whether it said something, or ended, without being asked.
    pub(crate) fn is_restless(&self) -> bool {
        self.channel.is_readable().unwrap_or(true)
    }

    /// Asks.
    pub(crate) fn send(&self, request: &Request, files: &[BorrowedFd<'_>]) -> Result<(), Trouble> {
        let deadline = Instant::now() + Duration::from_millis(SEND_MS_MAX);
        let message = request.to_message();
        loop {
            match self.channel.send_by(&message, files, deadline) {
                Ok(()) => return Ok(()),
                // The kernel bounds the descriptors that a user has on their way, over all
                // processes; they arrive within moments.
                Err(error) if error.raw_os_error() == Some(ETOOMANYREFS) => {
                    if Instant::now() >= deadline {
                        return Err(Trouble::Silent);
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Trouble::Silent);
                }
                Err(_) => return Err(Trouble::Ended),
            }
        }
    }

    /// Hears.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Result<Reply, Trouble> {
        let received = match self.channel.receive_by(&mut self.buffer, deadline) {
            Ok(Some(received)) => received,
            Ok(None) => return Err(Trouble::Ended),
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::TimedOut => Trouble::Silent,
                    io::ErrorKind::InvalidData => Trouble::Protocol(error.to_string()),
                    _ => Trouble::Ended,
                });
            }
        };
        if !received.files.is_empty() {
            return Err(Trouble::Protocol("it sent descriptors".to_string()));
        }
        let reply = Reply::from_message(received.bytes)
            .map_err(|error| Trouble::Protocol(error.to_string()))?;
        if let Reply::Verdict { verdict, .. } | Reply::SoFar { verdict, .. } = &reply
            && !is_within_bounds(verdict)
        {
            return Err(Trouble::Protocol(
                "a verdict lists more than it may".to_string(),
            ));
        }
        Ok(reply)
    }

    /// Ends it, and says what became of it.
    pub(crate) fn autopsy(mut self, trouble: &Trouble) -> Autopsy {
        let status = match trouble {
            Trouble::Ended => self.wait_for_end(),
            Trouble::Silent | Trouble::Protocol(_) => None,
        };
        let last_words = self.last_words();
        let mut text = match (trouble, status) {
            (Trouble::Silent, _) => "the worker did not answer in time".to_string(),
            (Trouble::Protocol(what), _) => format!("the worker broke the protocol: {what}"),
            (Trouble::Ended, Some(status)) => format!("the worker {}", fate(status)),
            (Trouble::Ended, None) => "the worker closed its socket and hung".to_string(),
        };
        let mut reason = match trouble {
            Trouble::Silent => Reason::LimitTime,
            Trouble::Protocol(_) | Trouble::Ended => Reason::WorkerDied,
        };
        if let Some(words) = last_words {
            if reason == Reason::WorkerDied && is_about_memory(&words) {
                reason = Reason::LimitMemory;
            }
            let _ = write!(text, "; its last words: {words}");
        }
        Autopsy { reason, text }
    }

    fn wait_for_end(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + Duration::from_millis(END_MS_MAX);
        let mut pause = Duration::from_micros(100);
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(pause),
                Ok(None) | Err(_) => return None,
            }
            pause = pause.saturating_mul(2).min(Duration::from_millis(20));
        }
    }

    /// The last line of its diagnostics, safe to show. Reading never waits: a process that the
    /// worker left behind could hold the pipe open.
    fn last_words(&mut self) -> Option<String> {
        let pipe = self.child.stderr.take()?;
        do_not_wait(&pipe).ok()?;
        let mut bytes = Vec::new();
        let mut limited = pipe.take(LAST_WORDS_BYTES_MAX);
        // An error after some bytes only means that no more come.
        let _ = limited.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rev().find(|line| is_worth_keeping(line))?;
        Some(
            line.trim()
                .chars()
                .flat_map(char::escape_debug)
                .take(LAST_WORDS_CHARS_MAX)
                .collect(),
        )
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // An idle worker sees the end of its channel and ends by itself; its supervisor is reaped
        // here, and the time that both took is counted as this process's children's. A busy one
        // is killed: the supervisor dies at once and takes the jailed process along.
        let _ = self.channel.cut();
        let deadline = Instant::now() + END_BY_ITSELF;
        while Instant::now() < deadline {
            match self.child.try_wait() {
                Ok(Some(_)) => return,
                Ok(None) => std::thread::sleep(END_STEP),
                Err(_) => break,
            }
        }
        // Both fail only where the process has already been reaped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long a worker may take to end by itself.
const END_BY_ITSELF: Duration = Duration::from_millis(50);
/// Between two looks at it.
const END_STEP: Duration = Duration::from_micros(250);

/// Too many descriptors of this user are on their way.
const ETOOMANYREFS: i32 = 109;

/// Why a worker did not get ready.
fn not_ready(worker: Worker, said: Result<Reply, Trouble>) -> PoolError {
    match said {
        Ok(Reply::Refused(why)) => PoolError::Refused(why),
        Ok(_) => PoolError::Protocol("it was not ready first".to_string()),
        Err(Trouble::Ended) => PoolError::EndedAtStart(worker.autopsy(&Trouble::Ended).text),
        Err(Trouble::Silent) => PoolError::Silent {
            waited_ms: START_MS_MAX,
        },
        Err(Trouble::Protocol(what)) => PoolError::Protocol(what),
    }
}

fn descriptors(error: &io::Error) -> PoolError {
    PoolError::Descriptors(error.to_string())
}

fn cannot_start(plan: &Plan, error: &io::Error) -> PoolError {
    let program = plan.program.clone();
    if error.kind() == io::ErrorKind::NotFound && !program.exists() {
        return PoolError::ProgramMissing(program);
    }
    let why = error.to_string();
    PoolError::CannotStart { program, why }
}

fn is_within_bounds(verdict: &Verdict) -> bool {
    verdict.findings.len() <= FINDINGS_MAX
        && verdict.details.len() <= DETAILS_MAX
        && verdict
            .findings
            .iter()
            .all(|finding| finding.matches.len().max(finding.match_bytes.len()) <= MATCHES_MAX)
}

/// The standard library ends its last words with advice that helps nobody here.
fn is_worth_keeping(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("note: ")
}

fn is_about_memory(words: &str) -> bool {
    words.contains("memory allocation of ") && words.contains("failed")
}

fn fate(status: ExitStatus) -> String {
    let code = status.code();
    let signal = status.signal().or_else(|| {
        code.filter(|code| *code > SIGNAL_STATUS_BASE)
            .map(|code| code.wrapping_sub(SIGNAL_STATUS_BASE))
    });
    match (signal, code) {
        (Some(signal), _) => format!("died of signal {}", signal_name(signal)),
        (None, Some(code)) => format!("ended with status {code}"),
        (None, None) => "ended".to_string(),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        other => return other.to_string(),
    };
    name.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_told_in_the_users_words() {
        assert_eq!(fate(ExitStatus::from_raw(11)), "died of signal SIGSEGV");
        assert_eq!(
            fate(ExitStatus::from_raw((128 + 9) << 8)),
            "died of signal SIGKILL"
        );
        assert_eq!(fate(ExitStatus::from_raw(3 << 8)), "ended with status 3");
    }

    #[test]
    fn a_missing_program_is_named_with_the_remedy() {
        let plan = Plan {
            program: PathBuf::from("/nonexistent/candor-worker"),
            mode: Mode::Scan,
            data_bytes_max: 1,
            pack: None,
            yara: None,
        };
        let error = Worker::start(&plan).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the worker program /nonexistent/candor-worker is missing; candor-worker is expected \
             beside candor"
        );
    }

    #[test]
    fn a_program_that_is_no_worker_is_named() {
        let plan = Plan {
            program: PathBuf::from("/bin/false"),
            mode: Mode::Scan,
            data_bytes_max: 1,
            pack: None,
            yara: None,
        };
        let error = Worker::start(&plan).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the worker ended before it was ready: the worker ended with status 1"
        );
    }
}
