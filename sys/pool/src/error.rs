//! What can go wrong with workers as such, in the words of whoever started them.

use std::fmt;
use std::path::PathBuf;

use proto::{JailReport, THREATS};

/// Why there are no workers, or no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// There is no worker program.
    ProgramMissing(PathBuf),
    /// The worker program can't be run.
    CannotStart {
        /// The program.
        program: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A worker ended before it was ready.
    EndedAtStart(String),
    /// A worker ended with its task unfinished.
    Died(String),
    /// A worker did not get ready, or did not answer, in this time.
    Silent {
        /// The time.
        waited_ms: u64,
    },
    /// A worker could do what no worker may do.
    JailDoesNotHold(Box<JailReport>),
    /// A worker said that it can't serve.
    Refused(String),
    /// A worker broke the protocol.
    Protocol(String),
    /// Workers ended again and again.
    KeepsEnding(Box<PoolError>),
    /// The system has no threads or descriptors left.
    Threads(String),
    /// A descriptor could not be handed over.
    Descriptors(String),
    /// The pool was closed.
    Closed,
    /// The sources could not be compiled.
    CompileFailed(String),
    /// The question about a pack could not be answered.
    Unanswered(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProgramMissing(program) => write!(
                f,
                "the worker program {} is missing; candor-worker is expected beside candor",
                program.display()
            ),
            Self::CannotStart { program, why } => {
                let program = program.display();
                write!(f, "the worker program {program} can't be started: {why}")
            }
            Self::EndedAtStart(why) => write!(f, "the worker ended before it was ready: {why}"),
            Self::Died(how) => write!(f, "the task was not finished: {how}"),
            Self::Silent { waited_ms } => {
                write!(f, "the worker did not answer within {waited_ms} ms")
            }
            Self::JailDoesNotHold(report) => write!(
                f,
                "the worker's jail does not hold here ({}); nothing was scanned. \
                 `candor doctor` shows each layer",
                broken(report)
            ),
            Self::Refused(why) => write!(f, "the worker can't serve: {why}"),
            Self::Protocol(what) => write!(f, "the worker broke the protocol: {what}"),
            Self::KeepsEnding(last) => {
                write!(f, "workers can't be kept running; the last one: {last}")
            }
            Self::Threads(why) => write!(f, "the system has no room for more threads: {why}"),
            Self::Descriptors(why) => write!(f, "a file can't be handed to the worker: {why}"),
            Self::Closed => write!(f, "the pool takes no more files"),
            Self::CompileFailed(why) => write!(f, "the rules can't be compiled: {why}"),
            Self::Unanswered(why) => write!(f, "the pack can't be described: {why}"),
        }
    }
}

impl std::error::Error for PoolError {}

fn broken(report: &JailReport) -> String {
    let threats: Vec<_> = THREATS
        .iter()
        .filter(|threat| !report.holds_against(**threat))
        .map(|threat| threat.as_str())
        .collect();
    format!("not safe against: {}", threats.join(", "))
}
