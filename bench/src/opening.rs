//! What it costs to be ready with a pack: time to the first worker's word, and private memory.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use pool::{Isolation, Job, Pool, Settings};
use proto::ScanOptions;

use crate::corpus;
use crate::timing;

const RUNS: usize = 9;
/// Files scanned before memory is read a second time.
const FILES: usize = 500;

/// What being ready costs.
pub(crate) struct Ready {
    /// Until the first worker says that its jail stands and its pack is open.
    pub(crate) ready_ms: f64,
    /// Private memory of a worker then.
    pub(crate) private_mb: f64,
}

/// Opens a pack again and again.
pub(crate) fn measure(pack: &Path) -> Result<Ready, String> {
    let (mut ready_ms, mut private_kb) = (Vec::new(), 0);
    for _ in 0..RUNS {
        let started = Instant::now();
        let pool = start(pack)?;
        ready_ms.push(started.elapsed().as_secs_f64() * 1e3);
        private_kb = worker_rss_anon_kb()?;
        drop(pool);
    }
    Ok(Ready {
        ready_ms: timing::median(ready_ms),
        private_mb: bytes_as_mb(private_kb * 1024),
    })
}

/// Opens a pack again and again; then the peer loads its database, if it is there.
pub(crate) fn run(pack: &Path, peer: Option<&Path>) -> Result<(), String> {
    let size = fs::metadata(pack)
        .map_err(|error| format!("{}: {error}", pack.display()))?
        .len();
    let mut opened_ms = Vec::new();
    let mut memory = (0, 0);
    let mut signatures = 0;
    for _ in 0..RUNS {
        let started = Instant::now();
        let pool = start(pack)?;
        opened_ms.push(started.elapsed().as_secs_f64() * 1e3);
        signatures = pool.pack().signatures;
        memory.0 = worker_rss_anon_kb()?;
        memory.1 = scan_some(&pool)?;
    }
    println!("pack: {signatures} signatures, {:.1} MB", bytes_as_mb(size));
    println!(
        "worker started, jailed, pack opened: median {:.1} ms, most {:.1} ms",
        timing::median(opened_ms.iter().copied()),
        opened_ms.iter().copied().fold(0.0, f64::max)
    );
    println!(
        "private memory of a worker (RssAnon): {} kB then, {} kB after {FILES} files",
        memory.0, memory.1
    );
    if let Some(database) = peer {
        load_peer(database)?;
    }
    Ok(())
}

pub(crate) fn start(pack: &Path) -> Result<Pool, String> {
    let file: OwnedFd = fs::File::open(pack)
        .map_err(|error| error.to_string())?
        .into();
    Pool::start(settings("candor-worker")?, file).map_err(|error| error.to_string())
}

/// A pool of one worker.
pub(crate) fn settings(worker: &str) -> Result<Settings, String> {
    Ok(Settings {
        program: timing::program(worker)?,
        workers: 1,
        isolation: Isolation::Pooled,
        options: ScanOptions::default(),
        grace_ms: 10_000,
    })
}

/// Scans files of many sizes, then gives the worker's private memory.
pub(crate) fn scan_some(pool: &Pool) -> Result<u64, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    for size_bytes in [600usize, 20_000, 400_000] {
        let paths = corpus::files(directory.path(), FILES / 3, size_bytes)?;
        for (ticket, path) in (0u64..).zip(paths) {
            let file = kernel::file::open_for_scan(&path, kernel::file::Follow::Links)
                .map_err(|error| error.to_string())?;
            let job = Job {
                ticket,
                file,
                size_bytes: size_bytes as u64,
            };
            pool.submit(job).map_err(|error| error.to_string())?;
            pool.next().ok_or("the pool ended early")?;
        }
    }
    worker_rss_anon_kb()
}

/// The RssAnon of the largest worker that descends from this process.
pub(crate) fn worker_rss_anon_kb() -> Result<u64, String> {
    let mut largest = 0;
    for entry in fs::read_dir("/proc")
        .map_err(|error| error.to_string())?
        .flatten()
    {
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else {
            continue;
        };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1).map(str::to_string)
        };
        // The kernel keeps fifteen characters of a name.
        if field("Name:").is_some_and(|name| name.starts_with("candor-worker")) {
            let kb = field("RssAnon:")
                .and_then(|kb| kb.parse().ok())
                .unwrap_or(0);
            largest = largest.max(kb);
        }
    }
    Ok(largest)
}

fn load_peer(database: &Path) -> Result<(), String> {
    if !timing::is_installed("clamscan") {
        println!("clamscan is not installed: nothing to compare with");
        return Ok(());
    }
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    corpus::files(directory.path(), 1, 64)?;
    let mut command = Command::new("clamscan");
    command
        .args(["--no-summary", "--database"])
        .arg(database)
        .arg(directory.path());
    let cost = timing::run(&mut command)?;
    println!(
        "clamscan with its database and one file: {:.1} s wall, {:.1} s CPU",
        cost.wall_s, cost.cpu_s
    );
    Ok(())
}

fn bytes_as_mb(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let bytes = bytes as f64;
    bytes / 1e6
}
