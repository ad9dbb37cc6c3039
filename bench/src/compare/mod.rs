//! Candor beside the installed peers: the same files, the same signatures, in turn, in one run.
//!
//! ```text
//! compare [--signatures DIR] [--yara DIR] [--files DIR] [--work DIR] [--quick]
//! ```
//!
//! `--signatures` and `--yara` name real sets (where they are not given, those of the folder that
//! `CANDOR_SHARED` names are taken, or of one called `shared` beside the project); the set of millions is
//! generated. `--files` is the tree that is scanned (`/usr/bin`). What is generated is kept under
//! `--work`, so that a second run begins sooner.

mod options;
mod peers;
mod plot;
mod sets;
mod tables;
mod trees;

use options::Options;
use peers::{Candor, Clamscan, Scanner, Yara, YaraX};
use sets::Set;
use tables::Table;
use trees::Tree;

pub(crate) use plot::run as plot;

use crate::opening;
use crate::timing;

/// Runs every comparison and prints a table for each.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let options = Options::parse(words)?;
    let sets = sets::all(&options)?;
    let trees = trees::all(&options)?;
    let rules = sets::yara(&options);
    match timing::is_installed("clamscan") {
        true => {
            readiness(&sets)?;
            for set in &sets {
                throughput(set, &trees, &options)?;
            }
            all_cores(&sets, &trees, &options)?;
        }
        false => println!("clamscan is not installed: nothing to compare with it"),
    }
    match rules {
        Some(rules) => yara(&rules, &trees, &options),
        None => {
            println!("no YARA rules were given: no comparison with yara");
            Ok(())
        }
    }
}

/// How long until the first file can be looked at, and in how much memory.
fn readiness(sets: &[Set]) -> Result<(), String> {
    let mut table = Table::new(
        "Ready to scan",
        &[
            "signatures",
            "lines",
            "Candor: ready, ms",
            "Candor: RssAnon, MB",
            "clamscan: load, CPU s",
            "clamscan: peak memory, MB",
        ],
    );
    for set in sets {
        let ours = opening::measure(&set.pack)?;
        let theirs = Clamscan.load(set)?;
        table.row(vec![
            set.name.to_string(),
            set.lines.to_string(),
            format!("{:.1}", ours.ready_ms),
            format!("{:.1}", ours.private_mb),
            format!("{:.2}", theirs.cost.cpu_s),
            format!("{:.0}", theirs.peak_mb),
        ]);
    }
    table.print();
    Ok(())
}

/// CPU time of one thread of each, loading left out of both.
fn throughput(set: &Set, trees: &[Tree], options: &Options) -> Result<(), String> {
    let title = format!("One thread, {}", set.name);
    let mut table = Table::new(&title, &tables::PACE);
    for tree in trees {
        let ours = Candor { jobs: 1, set };
        let [ours, theirs] = net(&ours, &Clamscan.with(set), tree, options)?;
        table.pace(tree, "clamscan", ours, theirs);
    }
    table.print();
    Ok(())
}

/// Wall time of all cores, beside the peer's one process.
fn all_cores(sets: &[Set], trees: &[Tree], options: &Options) -> Result<(), String> {
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let title = format!("All {jobs} cores (wall time, loading included)");
    let mut table = Table::new(
        &title,
        &[
            "signatures",
            "files",
            "Candor: MB/s",
            "clamscan: MB/s",
            "ratio",
        ],
    );
    for set in sets {
        for tree in trees {
            let ours = Candor { jobs, set };
            let theirs = Clamscan.with(set);
            let (our_runs, their_runs) =
                timing::paired(options.runs, &mut || ours.scan(&tree.path), &mut || {
                    theirs.scan(&tree.path)
                })?;
            let (ours, theirs) = (
                timing::medians(&our_runs).wall_s,
                timing::medians(&their_runs).wall_s,
            );
            table.row(vec![
                set.name.to_string(),
                tree.name.to_string(),
                tables::figure(tree.size_mb() / ours),
                tables::figure(tree.size_mb() / theirs),
                tables::figure(theirs / ours),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// YARA rules, beside every YARA that is installed.
fn yara(rules: &Set, trees: &[Tree], options: &Options) -> Result<(), String> {
    let peers: [&dyn Scanner; 2] = [&Yara { rules }, &YaraX { rules }];
    for peer in peers {
        if !timing::is_installed(peer.name()) {
            println!(
                "{} is not installed: nothing to compare with it\n",
                peer.name()
            );
            continue;
        }
        let title = format!("One thread, {}, beside {}", rules.name, peer.name());
        let mut table = Table::new(&title, &tables::PACE);
        for tree in trees.iter().filter(|tree| !tree.is_archive) {
            let ours = Candor {
                jobs: 1,
                set: rules,
            };
            let [ours, theirs] = net(&ours, peer, tree, options)?;
            table.pace(tree, peer.name(), ours, theirs);
        }
        table.print();
    }
    Ok(())
}

/// The CPU seconds of both over a tree, less those over an empty one.
fn net(
    ours: &dyn Scanner,
    theirs: &dyn Scanner,
    tree: &Tree,
    options: &Options,
) -> Result<[f64; 2], String> {
    let empty = tempfile::tempdir().map_err(|error| error.to_string())?;
    let one = crate::corpus::files(empty.path(), 1, 8)?;
    let nothing = one.first().map_or(empty.path(), |path| path.as_path());
    ours.scan(&tree.path)?;
    let paired = |path: &std::path::Path| {
        timing::paired(options.runs, &mut || ours.scan(path), &mut || {
            theirs.scan(path)
        })
    };
    let (our_runs, their_runs) = paired(&tree.path)?;
    let (our_loads, their_loads) = paired(nothing)?;
    let less = |runs: &[timing::Cost], loads: &[timing::Cost]| {
        (timing::medians(runs).cpu_s - timing::medians(loads).cpu_s).max(1e-3)
    };
    Ok([less(&our_runs, &our_loads), less(&their_runs, &their_loads)])
}
