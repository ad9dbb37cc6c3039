//! The same files and the same signatures through Candor and through the peer.

use std::path::Path;
use std::process::Command;

use crate::timing::{self, Cost};

const RUNS: usize = 3;

/// Scans a tree with both and prints the ratio of CPU time, loading left out of both.
pub(crate) fn run(signatures: &Path, path: &Path) -> Result<(), String> {
    if !timing::is_installed("clamscan") {
        return Err("clamscan is not installed: nothing to compare with".to_string());
    }
    let nothing = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ours = |path: &Path| {
        let mut command = Command::new(timing::program("candor")?);
        command.args([
            "scan",
            "--jobs",
            "1",
            "--no-progress",
            "--quiet",
            "--cross-filesystems",
        ]);
        timing::run(command.arg("--db").arg(signatures).arg(path))
    };
    let theirs = |path: &Path| {
        let mut command = Command::new("clamscan");
        command.args([
            "--no-summary",
            "--infected",
            "--recursive",
            "--max-filesize=2000M",
        ]);
        timing::run(
            command
                .arg("--max-scansize=2000M")
                .arg("--database")
                .arg(signatures)
                .arg(path),
        )
    };
    // Once unmeasured, so that the pack is compiled and the files are in memory.
    ours(path)?;
    let (our_runs, their_runs) = timing::paired(RUNS, &mut || ours(path), &mut || theirs(path))?;
    let (our_loads, their_loads) = timing::paired(RUNS, &mut || ours(nothing.path()), &mut || {
        theirs(nothing.path())
    })?;
    let net =
        |runs: &[Cost], loads: &[Cost]| timing::medians(runs).cpu_s - timing::medians(loads).cpu_s;
    let (our_s, their_s) = (net(&our_runs, &our_loads), net(&their_runs, &their_loads));
    println!(
        "candor:   load {:.3} s, scan {our_s:.2} s of CPU",
        timing::medians(&our_loads).cpu_s
    );
    println!(
        "clamscan: load {:.3} s, scan {their_s:.2} s of CPU",
        timing::medians(&their_loads).cpu_s
    );
    println!("clamscan / candor, scan only: {:.1}", their_s / our_s);
    Ok(())
}
