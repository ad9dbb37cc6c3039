//! How fast a scan is with more signatures, and with larger files: a table and a picture.
//!
//! ```text
//! plot [--files DIR] [--work DIR] [--quick]
//! ```
//!
//! Signatures are generated in the shape of ClamAV's databases (46 % digests of files, 53 % of
//! sections, 1 % bodies), from a thousand to ten million of them; files are parts of programs. The
//! peer's loading, measured on one small file, is left out. Written to `bench/plot.svg` and
//! `bench/plot.md`, if the working directory is the project's.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::options::Options;
use super::peers::{Candor, Clamscan, Scanner};
use super::sets::{self, Set};
use crate::timing;

mod picture;

use picture::{Axis, Line, picture};

const COUNTS: [usize; 5] = [1_000, 10_000, 100_000, 1_000_000, 10_000_000];
const SIZES: [usize; 6] = [1 << 10, 1 << 13, 1 << 16, 1 << 19, 1 << 22, 1 << 25];
/// Signatures with which files of all sizes are scanned.
const COUNT_FOR_SIZES: usize = 1_000_000;
const FILES_MAX: usize = 2_000;
const FOLDER: &str = "bench";

/// One place on both lines: how much, and how fast, in MB/s.
struct Row {
    at: usize,
    ours: f64,
    theirs: f64,
}

/// Measures both, and writes the table and the picture.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::parse(words)?;
    if !Path::new(FOLDER).is_dir() {
        return Err("run it from the project's folder: bench/ is not here".to_string());
    }
    if !timing::is_installed("clamscan") {
        return Err("clamscan is not installed, so there is nothing to plot beside".to_string());
    }
    let programs = sample(&options)?;
    let tree = cut(&options, &programs, 1 << 20)?;
    let mut by_count = Vec::new();
    for count in COUNTS {
        let set = sets::generated(count, &options)?;
        by_count.push(row(count, &set, &tree)?);
    }
    let set = sets::generated(COUNT_FOR_SIZES, &options)?;
    let mut by_size = Vec::new();
    for size_bytes in SIZES {
        let tree = cut(&options, &programs, size_bytes)?;
        by_size.push(row(size_bytes, &set, &tree)?);
    }
    write(&by_count, &by_size)
}

fn row(at: usize, set: &Set, (folder, bytes): &(PathBuf, u64)) -> Result<Row, String> {
    let load = Clamscan.load(set)?.cost.cpu_s;
    let ours = Candor { jobs: 1, set }.scan(folder)?.cpu_s;
    let theirs = Clamscan.with(set).scan(folder)?.cpu_s - load;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let megabytes = *bytes as f64 / 1e6;
    let row = Row {
        at,
        ours: megabytes / ours.max(1e-3),
        theirs: megabytes / theirs.max(1e-3),
    };
    println!("{at}: {:.1} MB/s beside {:.2}", row.ours, row.theirs);
    Ok(row)
}

/// Programs of the tree, one behind the other.
fn sample(options: &Options) -> Result<Vec<u8>, String> {
    let wanted = usize::try_from(options.tree_bytes_max).unwrap_or(usize::MAX);
    let mut bytes = Vec::new();
    for path in crate::statistics::files(&options.files) {
        if bytes.len() >= wanted {
            break;
        }
        bytes.extend(fs::read(&path).unwrap_or_default());
    }
    bytes.truncate(wanted);
    match bytes.is_empty() {
        true => Err(format!("{} has no files", options.files.display())),
        false => Ok(bytes),
    }
}

/// A folder of files of one size, and their bytes in all.
fn cut(options: &Options, programs: &[u8], size_bytes: usize) -> Result<(PathBuf, u64), String> {
    let folder = options.work.join(format!("cut-{size_bytes}"));
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(told)?;
    let mut bytes = 0u64;
    for (index, piece) in programs.chunks(size_bytes).take(FILES_MAX).enumerate() {
        fs::write(folder.join(format!("{index:06}")), piece).map_err(told)?;
        bytes += piece.len() as u64;
    }
    Ok((folder, bytes))
}

fn write(by_count: &[Row], by_size: &[Row]) -> Result<(), String> {
    let mut text = String::from(
        "# Throughput, plotted\n\nCPU time of one worker, MB/s; clamscan's loading left out. \
         Made by `cargo run --release -p bench -- plot`.\n\n![both lines](plot.svg)\n",
    );
    table(&mut text, "signatures (files of 1 MiB)", by_count);
    table(&mut text, "bytes a file (1,000,000 signatures)", by_size);
    let axes = [
        ("number of signatures, generated", by_count),
        ("bytes of each file, with a million signatures", by_size),
    ];
    let axes = axes.map(|(name, rows)| Axis {
        name,
        lines: [
            line("candor", "#0a6", rows, |row| row.ours),
            line("clamscan", "#a33", rows, |row| row.theirs),
        ],
    });
    for (name, content) in [("plot.md", text), ("plot.svg", picture(&axes))] {
        let path = Path::new(FOLDER).join(name);
        fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn line(name: &'static str, colour: &'static str, rows: &[Row], of: fn(&Row) -> f64) -> Line {
    Line {
        name,
        colour,
        points: rows.iter().map(|row| (row.at as f64, of(row))).collect(),
    }
}

fn table(text: &mut String, name: &str, rows: &[Row]) {
    let _ = writeln!(
        text,
        "\n| {name} | Candor, MB/s | clamscan, MB/s | ratio |\n|---|---|---|---|"
    );
    for row in rows {
        let ratio = row.ours / row.theirs;
        let (at, ours, theirs) = (row.at, row.ours, row.theirs);
        let _ = writeln!(text, "| {at} | {ours:.1} | {theirs:.2} | {ratio:.0} |");
    }
}
