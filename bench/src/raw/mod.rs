//! Raw matching: so many fragments over programs, on one thread, beside clamscan with the same.
//!
//! ```text
//! raw [--fragments N]… [--signatures DIR] [--programs DIR]… [--megabytes N] [--hostile] [--alone]
//! ```
//!
//! What is measured is the engine over files in memory, without hashes, types and unpacking; CPU
//! time of this thread, of several runs the best and the median. The peer scans the first of the
//! same bytes as one file, loading left out: 32 MB, or 2 MB where there are very many fragments. Nothing that is searched was learnt from:
//! fragments and statistics come from the other half of the files.

mod fragments;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::{Examined, Hashing, Object, Options, Scanner};
use kernel::map::Map;
use proto::{Budget, Limits, Unlimited};
use rules::{Compiler, IgnoreList, Pack};

use crate::statistics;
use crate::timing;
use fragments::Fragments;

const RUNS: usize = 5;
const PEER_BYTES: usize = 32 << 20;
/// With more fragments than this the peer takes minutes for so many bytes.
const PEER_FRAGMENTS_MAX: usize = 50_000;
const PEER_BYTES_OF_MANY: usize = 2 << 20;
/// What fragments are cut from.
const CUT_BYTES: usize = 256 << 20;
const HOSTILE_BYTES: usize = 4 << 20;

struct Settings {
    counts: Vec<usize>,
    signatures: Option<PathBuf>,
    programs: Vec<PathBuf>,
    bytes: usize,
    hostile: bool,
    /// Without the peer, which takes minutes.
    alone: bool,
}

/// Runs and prints one row for each number of fragments.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let settings = Settings::parse(words)?;
    let haystack = programs(&settings.programs, settings.bytes, true);
    let cut_from = programs(&settings.programs, CUT_BYTES, false).concat();
    let most = settings.counts.iter().max().copied().unwrap_or(0);
    let fragments = Fragments::gather(most, settings.signatures.as_deref(), &cut_from)?;
    drop(cut_from);
    println!(
        "{} programs of {:.0} MB; the memory's roof is {:.1} GB/s (the sum of it all)",
        haystack.len(),
        megabytes(haystack.iter().map(Vec::len).sum()),
        roof(&haystack.concat())?
    );
    println!(
        "| fragments | of them real | search tables, MB | built, s | Candor: GB/s, best | median | fragments found | peer: MB/s | Candor / peer | found by both in the peer's part |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for count in &settings.counts {
        measure(*count, &fragments, &haystack, &settings)?;
    }
    Ok(())
}

impl Settings {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut settings = Self {
            counts: Vec::new(),
            signatures: std::env::var_os("CANDOR_SHARED")
                .map(|shared| Path::new(&shared).join("signatures/clamav"))
                .filter(|path| path.is_dir()),
            programs: Vec::new(),
            bytes: 256 << 20,
            hostile: false,
            alone: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            let number = |text: &str| text.parse::<usize>().map_err(|error| error.to_string());
            match *word {
                "--fragments" => settings.counts.push(number(value()?)?),
                "--signatures" => settings.signatures = Some(PathBuf::from(value()?)),
                "--programs" => settings.programs.push(PathBuf::from(value()?)),
                "--megabytes" => settings.bytes = number(value()?)? << 20,
                "--hostile" => settings.hostile = true,
                "--alone" => settings.alone = true,
                other => return Err(format!("{other} is not an option of raw")),
            }
        }
        if settings.counts.is_empty() {
            settings.counts = vec![10_000, 100_000, 500_000];
        }
        if settings.programs.is_empty() {
            settings.programs = vec!["/usr/bin".into(), "/usr/lib".into()];
        }
        Ok(settings)
    }
}

/// Programs of one half of the files.
fn programs(roots: &[PathBuf], bytes_max: usize, for_measuring: bool) -> Vec<Vec<u8>> {
    let (mut programs, mut left) = (Vec::new(), bytes_max);
    for path in roots.iter().flat_map(|root| statistics::files(root)) {
        if left == 0 {
            break;
        }
        if statistics::is_for_measuring(&path) != for_measuring {
            continue;
        }
        let mut content = fs::read(&path).unwrap_or_default();
        if content.starts_with(b"\x7fELF") || content.starts_with(b"MZ") {
            content.truncate(left);
            left -= content.len();
            programs.push(content);
        }
    }
    programs
}

fn measure(
    count: usize,
    fragments: &Fragments,
    haystack: &[Vec<u8>],
    settings: &Settings,
) -> Result<(), String> {
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let ndb = scratch.path().join("raw.ndb");
    let text = fragments.ndb(count);
    fs::write(&ndb, &text).map_err(|error| error.to_string())?;
    let begun = own_cpu_s()?;
    let packed = compile(&text, &scratch.path().join("raw.pack"))?;
    let built_s = own_cpu_s()? - begun;
    let map = Map::read_only(File::open(&packed).map_err(|error| error.to_string())?)
        .map_err(|error| error.to_string())?;
    let pack = Pack::open(&map).map_err(|error| error.to_string())?;
    let mut scanner = Scanner::new(&pack);
    let (costs, found) = timed(&mut scanner, haystack)?;
    let total: f64 = haystack.iter().map(|file| gigabytes(file)).sum();
    let speed = |seconds: f64| total / seconds;
    let ours = speed(timing::median(costs.iter().copied()));
    let best = speed(costs.iter().copied().fold(f64::INFINITY, f64::min));
    let mut part = haystack.concat();
    part.truncate(match count {
        ..=PEER_FRAGMENTS_MAX => PEER_BYTES,
        _ => PEER_BYTES_OF_MANY,
    });
    let (theirs, agree) = match settings.alone {
        true => (f64::NAN, "not run".to_string()),
        false => peer(&mut scanner, &pack, &part, scratch.path())?,
    };
    println!(
        "| {count} | {} | {:.1} | {built_s:.1} | {best:.2} | {ours:.2} | {} | {theirs:.1} | {:.0} | {agree} |",
        fragments.real.min(count),
        megabytes(pack.search_bytes()),
        found,
        ours * 1000.0 / theirs,
    );
    if settings.hostile {
        worst(&mut scanner, &fragments.texts(count))?;
    }
    Ok(())
}

fn compile(text: &str, to: &Path) -> Result<PathBuf, String> {
    let mut compiler = Compiler::new(IgnoreList::default());
    compiler
        .add("raw.ndb", text.as_bytes())
        .map_err(|error| error.to_string())?;
    let mut file = File::create(to).map_err(|error| error.to_string())?;
    compiler
        .finish(&mut |piece| file.write_all(piece))
        .map_err(|error| error.to_string())?;
    Ok(to.to_path_buf())
}

fn examine(scanner: &mut Scanner<'_>, bytes: &[u8]) -> (Examined, u64) {
    let object = Object {
        source: &bytes,
        look_bytes: bytes.len() as u64,
        facts: None,
        groups: &[],
        hashing: Hashing::Nothing,
        containers: &[],
    };
    let options = Options {
        all_matches: true,
        ..Options::default()
    };
    let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
    let examined = scanner.examine(&object, options, &mut budget);
    (examined, budget.work())
}

/// What each run over all files costs, and how many fragments are found in them.
fn timed(scanner: &mut Scanner<'_>, files: &[Vec<u8>]) -> Result<(Vec<f64>, usize), String> {
    let mut found = BTreeSet::new();
    let mut costs = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let begun = own_cpu_s()?;
        for file in files {
            found.extend(examine(scanner, file).0.hits.iter().map(|hit| hit.rule));
        }
        costs.push(own_cpu_s()? - begun);
    }
    Ok((costs, found.len()))
}

/// The peer's MB/s over these bytes, and how many fragments both find in them.
fn peer(
    scanner: &mut Scanner<'_>,
    pack: &Pack<'_>,
    bytes: &[u8],
    scratch: &Path,
) -> Result<(f64, String), String> {
    if !timing::is_installed("clamscan") {
        return Ok((f64::NAN, "no clamscan".to_string()));
    }
    let (file, nothing) = (scratch.join("object"), scratch.join("nothing"));
    // A head that is of no format, so that nothing but the signatures is at work.
    let object = [b"raw\0".as_slice(), bytes].concat();
    fs::write(&file, &object).map_err(|error| error.to_string())?;
    fs::write(&nothing, b"raw\0").map_err(|error| error.to_string())?;
    let command = |path: &Path| {
        let mut command = Command::new("clamscan");
        command
            .args([
                "--no-summary",
                "--infected",
                "--allmatch",
                "--max-filesize=2000M",
            ])
            .args([
                "--max-scansize=2000M",
                "--max-scantime=3600000",
                "--database",
            ])
            .arg(scratch.join("raw.ndb"))
            .arg(path);
        command
    };
    let loading = timing::run(&mut command(&nothing))?;
    let scanning = timing::run(&mut command(&file))?;
    let output = command(&file).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let of_line = |line: &str| {
        let name = line.rsplit_once(": ")?.1.strip_suffix(" FOUND")?;
        Some(name.trim_end_matches(".UNOFFICIAL").to_string())
    };
    let mut theirs: Vec<String> = text.lines().filter_map(of_line).collect();
    let mut ours: Vec<String> = examine(scanner, &object)
        .0
        .hits
        .iter()
        .filter_map(|hit| Some(String::from_utf8_lossy(&pack.rule(hit.rule)?.name).into_owned()))
        .collect();
    for names in [&mut theirs, &mut ours] {
        names.sort();
        names.dedup();
    }
    let both = ours
        .iter()
        .filter(|name| theirs.binary_search(name).is_ok());
    let agree = format!("{} of {} and {}", both.count(), ours.len(), theirs.len());
    let speed = gigabytes(bytes) * 1000.0 / (scanning.cpu_s - loading.cpu_s).max(1e-3);
    Ok((speed, agree))
}

/// Hunts for the bytes that take longest: signatures' own, whole, repeated and nearly right.
fn worst(scanner: &mut Scanner<'_>, texts: &[Vec<u8>]) -> Result<(), String> {
    let fill = |piece: &[u8]| -> Vec<u8> {
        let pieces = piece.iter().copied().cycle();
        pieces.take(HOSTILE_BYTES).collect()
    };
    let near = |text: &Vec<u8>| {
        let mut near = text.clone();
        if let Some(last) = near.last_mut() {
            *last ^= 1;
        }
        near
    };
    let step = (texts.len() / 64).max(1);
    let mut inputs: Vec<(String, Vec<u8>)> = vec![
        (
            "all of them, one behind the other".into(),
            fill(&texts.concat()),
        ),
        (
            "all of them with the last byte changed".into(),
            fill(&texts.iter().map(near).collect::<Vec<_>>().concat()),
        ),
        (
            "their first eight bytes".into(),
            fill(
                &texts
                    .iter()
                    .flat_map(|text| text.iter().take(8).copied())
                    .collect::<Vec<_>>(),
            ),
        ),
        ("zeros".into(), fill(&[0])),
        ("spaces".into(), fill(b" ")),
    ];
    for (index, text) in texts.iter().enumerate().step_by(step) {
        inputs.push((format!("fragment {index} repeated"), fill(text)));
        inputs.push((
            format!("fragment {index} nearly, repeated"),
            fill(&near(text)),
        ));
    }
    let mut found = Vec::new();
    for (name, bytes) in &inputs {
        let begun = own_cpu_s()?;
        let (examined, work) = examine(scanner, bytes);
        let speed = gigabytes(bytes) * 1000.0 / (own_cpu_s()? - begun).max(1e-6);
        found.push((speed, name, examined.limit, work));
    }
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    println!(
        "\nThe slowest of {} hostile inputs of {} MB:",
        inputs.len(),
        HOSTILE_BYTES >> 20
    );
    for (speed, name, limit, work) in found.iter().take(6) {
        println!(
            "- {name}: {speed:.0} MB/s, {} steps for 1,000 bytes{}",
            work * 1000 / HOSTILE_BYTES as u64,
            limit.map_or(String::new(), |limit| format!(", ends as {limit:?}"))
        );
    }
    println!();
    Ok(())
}

/// How fast the memory gives bytes to one thread, in GB/s.
fn roof(bytes: &[u8]) -> Result<f64, String> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let begun = own_cpu_s()?;
        let words = bytes.as_chunks::<8>().0.iter();
        let sum = words.fold(0u64, |sum, word| {
            sum.wrapping_add(u64::from_le_bytes(*word))
        });
        std::hint::black_box(sum);
        best = best.min(own_cpu_s()? - begun);
    }
    Ok(gigabytes(bytes) / best)
}

/// What this thread has cost so far: the kernel's count, in which waiting for the processor is not.
fn own_cpu_s() -> Result<f64, String> {
    const PLACE: &str = "/proc/thread-self/schedstat";
    let text = fs::read_to_string(PLACE).map_err(|error| format!("{PLACE}: {error}"))?;
    let first = text.split_whitespace().next().unwrap_or("");
    let nanoseconds: f64 = first
        .parse()
        .map_err(|_| format!("{PLACE}: not a number"))?;
    Ok(nanoseconds / 1e9)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn gigabytes(bytes: &[u8]) -> f64 {
    bytes.len() as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
