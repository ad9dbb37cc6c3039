//! Runs a command and watches what it and its descendants hold in memory meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::{Ran, ran};

/// The most that any one process of a name was seen to hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peak {
    /// Resident memory of its own, in KiB.
    pub anonymous_kib: u64,
    /// Resident memory with mapped files, in KiB, as the kernel remembers its peak.
    pub resident_kib: u64,
}

/// How a watched run went.
#[derive(Debug)]
pub struct Watched {
    /// Its output and exit code.
    pub ran: Ran,
    /// How long it took.
    pub elapsed: Duration,
    /// By name of process, as the kernel cuts it: `candor`, `candor-worker`.
    pub peaks: BTreeMap<String, Peak>,
}

impl Watched {
    /// The peak of the processes with this name. Fails where none was seen, unless the run was too
    /// short to look into.
    #[must_use]
    pub fn peak(&self, name: &str) -> Peak {
        let found = self.peaks.get(name).copied();
        assert!(
            found.is_some() || self.elapsed < SEEN,
            "no {name} among {:?}",
            self.peaks.keys()
        );
        found.unwrap_or_default()
    }
}

const PAUSE: Duration = Duration::from_millis(5);
/// A process that lives this long is seen, however busy the machine.
const SEEN: Duration = Duration::from_secs(1);

/// Runs to the end, which must come within the time.
pub fn watch(command: &mut Command, within: Duration) -> Watched {
    let started = Instant::now();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let root = child.id();
    let is_over = AtomicBool::new(false);
    let (output, peaks) = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut peaks = BTreeMap::new();
            while !is_over.load(Ordering::Relaxed) {
                look(root, &mut peaks);
                if started.elapsed() > within {
                    end(root);
                }
                thread::sleep(PAUSE);
            }
            peaks
        });
        let output = wait(child);
        is_over.store(true, Ordering::Relaxed);
        (output, watcher.join().expect("the watcher ends"))
    });
    let elapsed = started.elapsed();
    assert!(
        elapsed <= within,
        "it took longer than {within:?} and was ended: {output:?}"
    );
    Watched {
        ran: output,
        elapsed,
        peaks,
    }
}

fn wait(child: Child) -> Ran {
    ran(child.wait_with_output().expect("the program ends"))
}

fn end(root: u32) {
    // The process is ours and not yet waited for, so that its number is not anyone else's.
    let ended = Command::new("kill")
        .args(["-KILL", &root.to_string()])
        .status();
    assert!(ended.is_ok(), "kill is installed");
}

/// Looks at a process and everything below it.
fn look(root: u32, peaks: &mut BTreeMap<String, Peak>) {
    let mut family = BTreeSet::from([root]);
    // Several rounds: children may be listed before their parents.
    let processes = processes();
    loop {
        let before = family.len();
        let children = processes
            .iter()
            .filter(|(_, parent)| family.contains(parent));
        let children: Vec<u32> = children.map(|(process, _)| *process).collect();
        family.extend(children);
        if family.len() == before {
            break;
        }
    }
    for process in family {
        // A process that has just ended is missed once.
        let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else {
            continue;
        };
        let name = field(&status, "Name:").unwrap_or_default().to_string();
        let peak = peaks.entry(name).or_default();
        let number = |name| {
            let value = field(&status, name).and_then(|text| text.strip_suffix(" kB"));
            value.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
        };
        peak.anonymous_kib = peak.anonymous_kib.max(number("RssAnon:"));
        peak.resident_kib = peak.resident_kib.max(number("VmHWM:"));
    }
}

/// Every process and its parent.
fn processes() -> Vec<(u32, u32)> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    listed
        .filter_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name may hold spaces and parentheses; it ends with the last one.
            let (_, after) = stat.rsplit_once(')')?;
            let parent = after.split_whitespace().nth(1)?.parse().ok()?;
            Some((process, parent))
        })
        .collect()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}
