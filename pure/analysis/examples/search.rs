//! Measures the canary search on files that hold no canary: `--plain` looks at the bytes as they
//! are, otherwise encodings are taken off too. It says how fast that was, and every false hit.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use analysis::{Needles, search};
use lab::Plan;

/// Files are looked at in parts, as streams of a capture would be.
const PART_BYTES: usize = 16 << 20;

#[derive(Default)]
struct Total {
    bytes: u64,
    hits: u64,
    cut: u64,
    time: Duration,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_plain = arguments.first().is_some_and(|first| first == "--plain");
    if is_plain {
        arguments.remove(0);
    }
    let plan = Plan::scan_only()?;
    let began = Instant::now();
    let needles = Needles::new(&canary::documents(&[3; 32], &plan.documents));
    println!("documents and index: {:?}", began.elapsed());
    let mut total = Total::default();
    for argument in &arguments {
        for path in files(Path::new(argument)) {
            look(&needles, &path, is_plain, &mut total);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = total.bytes as f64 / 1e6 / total.time.as_secs_f64();
    println!(
        "{} bytes, {rate:.0} MB/s, {} hits, {} parts cut",
        total.bytes, total.hits, total.cut
    );
    Ok(())
}

fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(meta) = path.symlink_metadata() else {
        return Vec::new();
    };
    if meta.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| files(path)).collect()
}

fn look(needles: &Needles, path: &Path, is_plain: bool, total: &mut Total) {
    let Ok(bytes) = std::fs::read(path) else {
        return;
    };
    for part in bytes.chunks(PART_BYTES) {
        let began = Instant::now();
        let mut hits = 0;
        if is_plain {
            needles.find(part, &mut |_| hits += 1);
        } else {
            let searched = search(needles, part, &[]);
            hits = searched.count;
            total.cut += u64::from(searched.is_cut);
            for found in &searched.found {
                println!("{}: {found:?}", path.display());
            }
        }
        total.time += began.elapsed();
        total.bytes += part.len() as u64;
        total.hits += hits;
    }
}
