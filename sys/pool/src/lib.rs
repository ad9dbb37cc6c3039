//! Jailed workers: started, fed, timed and replaced.
//!
//! Files go in as descriptors and come back with a verdict each, whatever the worker did: one
//! that dies, stalls or breaks the protocol costs the file that it held, never the others, and
//! never makes that file clean. Refuses to use a worker whose jail does not hold.

mod error;
mod feeder;
mod once;
mod shared;
mod worker;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use proto::{JailReport, PackSummary, ScanOptions, Verdict};

pub use error::PoolError;
pub use once::{Compilation, Compiled, compile, compile_yara, describe, inspect, judge};

use feeder::Feeder;
use shared::Shared;
use worker::{Mode, Plan, Worker};

/// Jobs that a pool holds at most: waiting, in a worker, or answered and not yet taken.
pub const JOBS_MAX: usize = 256;

/// What a worker may hold besides its scans' members: the engine's tables and windows.
const DATA_BYTES_BESIDE_BUDGET: u64 = 128 << 20;

/// What YARA rules need beside that: a scan's own tables and matches. Measured with 10,000 rules:
/// 45 MiB loaded, 131 MiB at the peak.
const YARA_DATA_BYTES: u64 = 256 << 20;
/// What one byte of compiled YARA rules takes when it is loaded.
const YARA_DATA_RATIO: u64 = 8;

/// How a pool is to work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The worker program; where there are YARA rules, the one that runs them.
    pub program: PathBuf,
    /// How many workers at once; at least one is started.
    pub workers: usize,
    /// Whether files share workers.
    pub isolation: Isolation,
    /// Options and bounds of every scan.
    pub options: ScanOptions,
    /// Time beyond the scan's own limit before a silent worker is ended.
    pub grace_ms: u64,
}

/// What a pool looks with.
#[derive(Debug)]
pub struct RuleFiles {
    /// The rule pack.
    pub pack: OwnedFd,
    /// What its YARA rules compile to; needed where it has any.
    pub yara: Option<OwnedFd>,
}

impl From<OwnedFd> for RuleFiles {
    fn from(pack: OwnedFd) -> Self {
        Self { pack, yara: None }
    }
}

/// Whether files share workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// A worker serves many files, one after the other.
    Pooled,
    /// A worker serves one file and ends.
    PerFile,
}

/// A file to scan.
#[derive(Debug)]
pub struct Job {
    /// The caller's number for it.
    pub ticket: u64,
    /// The file, open for reading.
    pub file: OwnedFd,
    /// Its length, as far as known: small files travel together.
    pub size_bytes: u64,
}

/// What came of a file.
#[derive(Debug)]
pub struct Answer {
    /// The caller's number for it.
    pub ticket: u64,
    /// The same descriptor that was given in.
    pub file: OwnedFd,
    /// The verdict.
    pub verdict: Verdict,
}

/// Running workers. One thread submits while another takes the answers.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    feeders: Vec<JoinHandle<()>>,
    jail: JailReport,
    pack: PackSummary,
}

impl Pool {
    /// Starts the first worker and checks its jail; the others start when there is work for them.
    pub fn start(settings: Settings, rules: impl Into<RuleFiles>) -> Result<Self, PoolError> {
        let plan = plan(&settings, rules.into())?;
        let mut first = Worker::start(&plan)?;
        let jail = first.take_jail();
        let Some(summary) = first.take_pack() else {
            return Err(PoolError::Protocol(
                "it did not say anything of its rule pack".to_string(),
            ));
        };
        let workers = settings.workers.max(1);
        let mut pool = Self {
            shared: Arc::new(Shared::new(workers)),
            feeders: Vec::with_capacity(workers),
            jail,
            pack: summary,
        };
        let plan = Arc::new(plan);
        let mut first = Some(first);
        for slot in 0..workers {
            let feeder = Feeder {
                shared: Arc::clone(&pool.shared),
                plan: Arc::clone(&plan),
                settings: settings.clone(),
                slot,
            };
            let worker = first.take();
            let started = std::thread::Builder::new()
                .name("candor-feeder".to_string())
                .spawn(move || feeder.run(worker));
            match started {
                Ok(handle) => pool.feeders.push(handle),
                Err(error) => return Err(PoolError::Threads(error.to_string())),
            }
        }
        Ok(pool)
    }

    /// What the first worker said of its jail.
    #[must_use]
    pub fn jail(&self) -> &JailReport {
        &self.jail
    }

    /// What the first worker said of the pack.
    #[must_use]
    pub fn pack(&self) -> &PackSummary {
        &self.pack
    }

    /// Hands over a file, and waits while the pool holds [`JOBS_MAX`] of them.
    pub fn submit(&self, job: Job) -> Result<(), PoolError> {
        self.shared.submit(job)
    }

    /// Says that no more jobs come.
    pub fn close(&self) {
        self.shared.close();
    }

    /// The next answer, in no promised order; `None` when every job of a closed pool is answered.
    /// A pool whose workers can't be started any more answers what it holds as incomplete and is
    /// then closed; [`Pool::trouble`] says why.
    #[must_use]
    pub fn next(&self) -> Option<Answer> {
        self.shared.next()
    }

    /// Why the pool stopped taking jobs, if it had to.
    #[must_use]
    pub fn trouble(&self) -> Option<PoolError> {
        self.shared.trouble()
    }
}

/// How this pool's workers are started.
fn plan(settings: &Settings, rules: RuleFiles) -> Result<Plan, PoolError> {
    let limits = &settings.options.limits;
    let mut plan = Plan {
        program: settings.program.clone(),
        mode: Mode::Scan,
        data_bytes_max: limits
            .memory_bytes_max
            .saturating_add(DATA_BYTES_BESIDE_BUDGET),
        pack: Some(rules.pack),
        yara: rules.yara,
    };
    if let Some(yara) = &plan.yara {
        let stat =
            kernel::file::stat(yara).map_err(|error| PoolError::Descriptors(error.to_string()))?;
        let loaded_bytes = stat.size_bytes.saturating_mul(YARA_DATA_RATIO);
        plan.data_bytes_max = plan
            .data_bytes_max
            .saturating_add(YARA_DATA_BYTES)
            .saturating_add(loaded_bytes);
    }
    Ok(plan)
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop();
        for feeder in self.feeders.drain(..) {
            // A feeder that panicked has already shown its message, and its worker ends with it.
            let _ = feeder.join();
        }
    }
}
