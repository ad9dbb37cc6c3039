//! Runs commands and takes the kernel's word for what they cost.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often a running command's memory is looked at.
const POLL: Duration = Duration::from_millis(10);

/// What a run cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall_s: f64,
    pub(crate) cpu_s: f64,
}

/// Runs a command to its end, its output thrown away.
pub(crate) fn run(command: &mut Command) -> Result<Cost, String> {
    let before = children_cpu_s();
    let started = Instant::now();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
    Ok(Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s() - before,
    })
}

/// Runs a command to its end; gives its peak of resident memory too, as last seen before it ended.
pub(crate) fn run_watched(command: &mut Command) -> Result<(Cost, u64), String> {
    let before = children_cpu_s();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{:?} can't be started: {error}", command.get_program()))?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_kb = 0;
    while child
        .try_wait()
        .map_err(|error| error.to_string())?
        .is_none()
    {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let seen = peak.and_then(|peak| peak.split_whitespace().next()?.parse().ok());
        peak_kb = peak_kb.max(seen.unwrap_or(0));
        std::thread::sleep(POLL);
    }
    let cost = Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: children_cpu_s() - before,
    };
    Ok((cost, peak_kb))
}

/// The costs of several runs of each of two commands, in turn.
pub(crate) fn paired(
    runs: usize,
    one: &mut dyn FnMut() -> Result<Cost, String>,
    other: &mut dyn FnMut() -> Result<Cost, String>,
) -> Result<(Vec<Cost>, Vec<Cost>), String> {
    let mut costs = (Vec::new(), Vec::new());
    for _ in 0..runs {
        costs.0.push(one()?);
        costs.1.push(other()?);
    }
    Ok(costs)
}

/// The middle of some figures.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median wall and CPU seconds of some runs.
pub(crate) fn medians(costs: &[Cost]) -> Cost {
    Cost {
        wall_s: median(costs.iter().map(|cost| cost.wall_s)),
        cpu_s: median(costs.iter().map(|cost| cost.cpu_s)),
    }
}

/// A program that was built beside this one.
pub(crate) fn program(name: &str) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = own.with_file_name(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!(
            "{} is not built: cargo build --release",
            path.display()
        ))
    }
}

/// Whether a peer is installed.
pub(crate) fn is_installed(name: &str) -> bool {
    Command::new(name)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

fn children_cpu_s() -> f64 {
    kernel::process::children_cpu().as_secs_f64()
}
