//! The control groups of an enclosure: what its processes may use, and how all of them are ended
//! at once. The limits are those of an outer group that the product can't reach; its processes are
//! in an inner one, which is the root of what it sees.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::io::Errno;

/// Groups that this program makes have names that begin so, and the maker's number follows.
const PREFIX: &str = "candor-lab-";
const INNER: &str = "inside";
/// How long the kernel may take to bury what was killed.
const BURIAL: Duration = Duration::from_secs(10);

/// What an enclosure may use, so that a product that means harm does not hurt the machine.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory, files in the enclosure included.
    pub memory_bytes_max: u64,
    /// Processes and threads.
    pub processes_max: u64,
    /// Processors' time, in hundredths of one processor.
    pub processor_percent: u64,
}

/// The groups of one enclosure. Dropped, everything in them is killed and they are removed.
#[derive(Debug)]
pub(super) struct Groups {
    /// The one that is watched and killed, of version 2.
    unified: PathBuf,
    /// Those of version 1 that bear limits, where the machine still has them.
    older: Vec<PathBuf>,
    /// Which limits hold nowhere.
    pub(super) missing: Vec<String>,
}

impl Groups {
    /// Makes them.
    pub(super) fn create(name: &str, limits: &Limits) -> io::Result<Self> {
        let own = format!("{PREFIX}{}-{name}", std::process::id());
        let mounted = Mounted::find()?;
        remove_stale(&mounted);
        let unified = mounted.unified.join(&own);
        let mut groups = Self {
            unified: unified.clone(),
            older: Vec::new(),
            missing: Vec::new(),
        };
        fs::create_dir(&unified)?;
        let settings = [
            ("memory", "memory.max", limits.memory_bytes_max.to_string()),
            ("pids", "pids.max", limits.processes_max.to_string()),
            (
                "cpu",
                "cpu.max",
                format!("{} 100000", limits.processor_percent.saturating_mul(1000)),
            ),
        ];
        let available = fs::read_to_string(mounted.unified.join("cgroup.controllers"))?;
        for (controller, file, value) in settings {
            let is_unified = available.split_whitespace().any(|one| one == controller);
            let done = if is_unified {
                // Where a manager of the system does not pass it on, the write says so.
                let _ = fs::write(
                    mounted.unified.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                );
                fs::write(unified.join(file), value)
            } else {
                groups.limit_older(&mounted, (controller, &own), &value)
            };
            if let Err(error) = done {
                groups.missing.push(format!("{controller}: {error}"));
            }
        }
        fs::create_dir(unified.join(INNER))?;
        Ok(groups)
    }

    fn limit_older(
        &mut self,
        mounted: &Mounted,
        names: (&str, &str),
        value: &str,
    ) -> io::Result<()> {
        let (controller, own) = names;
        let older = mounted.older.iter().find(|(name, _)| name == controller);
        let (_, folder) = older.ok_or_else(|| io::Error::other("the kernel does not offer it"))?;
        let group = folder.join(own);
        fs::create_dir(&group)?;
        self.older.push(group.clone());
        fs::create_dir(group.join(INNER))?;
        match controller {
            "memory" => fs::write(group.join("memory.limit_in_bytes"), value),
            "pids" => fs::write(group.join("pids.max"), value),
            _ => {
                let quota = value.split(' ').next().unwrap_or_default();
                fs::write(group.join("cpu.cfs_quota_us"), quota)
            }
        }
    }

    /// `cgroup.procs` of each inner group: who writes there joins.
    pub(super) fn doors(&self) -> io::Result<Vec<OwnedFd>> {
        let all = std::iter::once(&self.unified).chain(&self.older);
        all.map(|group| {
            let door = group.join(INNER).join("cgroup.procs");
            OpenOptions::new().write(true).open(door).map(OwnedFd::from)
        })
        .collect()
    }

    /// The group to watch: every process of the enclosure is in it or below it.
    pub(super) fn watched(&self) -> &Path {
        &self.unified
    }

    /// Whether another process than this one lives inside.
    pub(super) fn holds_others(&self, first: u32) -> io::Result<bool> {
        holds_others(&self.unified, &first.to_string())
    }

    /// Kills everything inside, and returns when it is gone.
    pub(super) fn kill(&self) -> io::Result<()> {
        fs::write(self.unified.join("cgroup.kill"), "1")?;
        let deadline = Instant::now() + BURIAL;
        while is_populated(&self.unified)? {
            if Instant::now() >= deadline {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // Nobody can do anything about a failure here; the next run tidies up.
        let _ = self.kill();
        for group in std::iter::once(&self.unified).chain(&self.older) {
            remove(group);
        }
    }
}

/// Where the machine has its control groups.
struct Mounted {
    unified: PathBuf,
    older: Vec<(String, PathBuf)>,
}

impl Mounted {
    fn find() -> io::Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let mut unified = None;
        let mut older = Vec::new();
        for line in mounts.lines() {
            let mut words = line.split(' ').skip(1);
            let (Some(place), Some(kind), Some(options)) =
                (words.next(), words.next(), words.next())
            else {
                continue;
            };
            match kind {
                "cgroup2" => unified = Some(PathBuf::from(place)),
                "cgroup" => {
                    for controller in options.split(',') {
                        older.push((controller.to_owned(), PathBuf::from(place)));
                    }
                }
                _ => {}
            }
        }
        let unified = unified.ok_or_else(|| {
            io::Error::other("no control groups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup/unified")
        })?;
        Ok(Self { unified, older })
    }
}

/// Removes what runs that were killed left behind.
fn remove_stale(mounted: &Mounted) {
    let folders = mounted.older.iter().map(|(_, folder)| folder);
    for folder in folders.chain([&mounted.unified]) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let maker = name
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX))
                .and_then(|rest| rest.split('-').next())
                .and_then(|number| number.parse::<u32>().ok());
            let is_stale =
                maker.is_some_and(|maker| !Path::new(&format!("/proc/{maker}")).exists());
            if is_stale {
                let _ = fs::write(entry.path().join("cgroup.kill"), "1");
                remove(&entry.path());
            }
        }
    }
}

/// Removes a group and those below it, which the product may have made.
fn remove(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    // The last process may still be on its way out.
    let deadline = Instant::now() + BURIAL;
    while fs::remove_dir(group).is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
        if Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether another process than this one is in a group or below it.
fn holds_others(group: &Path, first: &str) -> io::Result<bool> {
    match fs::read_to_string(group.join("cgroup.procs")) {
        Ok(list) if list.lines().any(|process| process != first) => return Ok(true),
        // A group of threads: their processes are told in the one above.
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    for entry in fs::read_dir(group)?.flatten() {
        let is_group = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_group && holds_others(&entry.path(), first)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_populated(group: &Path) -> io::Result<bool> {
    let events = io::read_to_string(File::open(group.join("cgroup.events"))?)?;
    Ok(events.lines().any(|line| line == "populated 1"))
}
