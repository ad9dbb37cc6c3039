//! What processes and jails cost: the same files through the command and without it.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;

use proto::ScanOptions;
use rules::Pack;
use worker::{FileToScan, ScanBuffers, scan_file};

use crate::corpus;
use crate::timing::{self, Cost};

const RUNS: usize = 7;

/// Files of one size through one worker, and through the same code in one process.
pub(crate) fn run(pack: &Path) -> Result<(), String> {
    println!("file size   files   candor, wall s (CPU)   in process, wall s (CPU)   overhead");
    for (count, size_bytes) in [(20_000usize, 64usize), (400, 1 << 20)] {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let paths = corpus::files(directory.path(), count, size_bytes)?;
        let list = directory.path().with_extension("list");
        let lines: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        fs::write(&list, lines.join("\n")).map_err(|error| error.to_string())?;
        let (ours, bare) = timing::paired(
            RUNS,
            &mut || timing::run(candor(pack)?.arg(directory.path())),
            &mut || timing::run(itself()?.arg("in-process").arg(pack).arg(&list)),
        )?;
        let _ = fs::remove_file(&list);
        show(
            count,
            size_bytes,
            (timing::medians(&ours), timing::medians(&bare)),
        );
    }
    per_file(pack)
}

/// A worker for each file: what one of them costs when they are started ahead.
fn per_file(pack: &Path) -> Result<(), String> {
    const FILES: usize = 500;
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    corpus::files(directory.path(), FILES, 64)?;
    let mut costs = Vec::new();
    for _ in 0..RUNS {
        let mut command = candor(pack)?;
        command
            .args(["--isolation", "per-file"])
            .arg(directory.path());
        costs.push(timing::run(&mut command)?);
    }
    let cost = timing::medians(&costs);
    let files = u32::try_from(FILES).map_or(f64::NAN, f64::from);
    println!(
        "--isolation per-file, {FILES} files of 64 bytes: {:.2} ms a file (CPU {:.2} ms)",
        cost.wall_s * 1e3 / files,
        cost.cpu_s * 1e3 / files
    );
    Ok(())
}

fn show(count: usize, size_bytes: usize, (ours, bare): (Cost, Cost)) {
    let files = u32::try_from(count).map_or(f64::NAN, f64::from);
    let each_us = |ours: f64, bare: f64| (ours - bare) / files * 1e6;
    println!(
        "{size_bytes:>9}  {count:>6}   {:>10.3} ({:.3})   {:>14.3} ({:.3})   \
         wall {:+.1} us a file, {:+.1} %; CPU {:+.1} us a file, {:+.1} %",
        ours.wall_s,
        ours.cpu_s,
        bare.wall_s,
        bare.cpu_s,
        each_us(ours.wall_s, bare.wall_s),
        (ours.wall_s / bare.wall_s - 1.0) * 100.0,
        each_us(ours.cpu_s, bare.cpu_s),
        (ours.cpu_s / bare.cpu_s - 1.0) * 100.0,
    );
}

fn candor(pack: &Path) -> Result<Command, String> {
    let mut command = Command::new(timing::program("candor")?);
    command
        .args(["scan", "--jobs", "1", "--no-progress", "--quiet", "--pack"])
        .arg(pack);
    Ok(command)
}

fn itself() -> Result<Command, String> {
    std::env::current_exe()
        .map(Command::new)
        .map_err(|error| error.to_string())
}

/// Scans the files of a list in this process: no jail, no messages.
pub(crate) fn in_process(pack: &Path, list: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let file: OwnedFd = fs::File::open(pack).map_err(text)?.into();
    let map = kernel::map::Map::read_only(&file).map_err(text)?;
    let pack = Pack::open(&map).map_err(|error| error.to_string())?;
    let mut buffers = ScanBuffers::new(&pack);
    let options = ScanOptions::default();
    for path in fs::read_to_string(list).map_err(text)?.lines() {
        let file = kernel::file::open_for_scan(path, kernel::file::Follow::Links).map_err(text)?;
        let verdict = scan_file(
            &mut buffers,
            FileToScan {
                file: &file,
                options: &options,
            },
            &mut |_| {},
        );
        if verdict.read_error.is_some() {
            return Err(format!("{path} can't be read"));
        }
    }
    Ok(())
}
