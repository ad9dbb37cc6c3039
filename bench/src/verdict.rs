//! Time to verdict: one file at a time through a pool that is warm, as a service answers its
//! clients.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

use pool::Job;

use crate::{opening, timing};

/// Bytes of each file, and how often it is asked about.
const FILES: [(&str, usize, usize); 3] = [
    ("1 KB", 1_000, 400),
    ("1 MB", 1_000_000, 60),
    ("50 MB", 50_000_000, 9),
];

/// Asks for verdicts on parts of a program, so that the bytes are such as are scanned.
pub(crate) fn run(pack: &Path, program: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let bytes = fs::read(program).map_err(text)?;
    let pool = opening::start(pack)?;
    let directory = tempfile::tempdir().map_err(text)?;
    println!("file     median      least  (time to verdict; cache warm)");
    for (name, size_bytes, runs) in FILES {
        let content: Vec<u8> = bytes.iter().copied().cycle().take(size_bytes).collect();
        let path = directory.path().join("file");
        fs::write(&path, content).map_err(text)?;
        let mut figures = Vec::with_capacity(runs);
        for ticket in 0..runs {
            let file: OwnedFd = fs::File::open(&path).map_err(text)?.into();
            let started = Instant::now();
            let job = Job {
                ticket: ticket as u64,
                file,
                size_bytes: size_bytes as u64,
            };
            pool.submit(job).map_err(|error| error.to_string())?;
            pool.next().ok_or("the pool gave no answer")?;
            figures.push(started.elapsed().as_secs_f64() * 1e3);
        }
        let least = figures.iter().copied().fold(f64::INFINITY, f64::min);
        println!(
            "{name:<6} {:>8.3} ms {least:>8.3} ms",
            timing::median(figures)
        );
    }
    println!(
        "private memory of the worker then: {} kB",
        opening::worker_rss_anon_kb()?
    );
    Ok(())
}
