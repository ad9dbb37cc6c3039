//! The second observer: fanotify on the enclosure's mounts. It sees what no system call shows (a
//! ring's reads), and needs nothing that the first one needs.
//!
//! It knows who, which file and what, not how many bytes: reads and writes have none here, and
//! their calls are a lower bound, since the kernel joins notices that say the same. Times are when
//! a notice was taken, a few thousandths of a second late.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use kernel::fanotify::{Listener, Notice, What};
use lab::Escaped;
use lab::trace::{Access, Event, FileId, How, Observer, Transfer};

use super::Watched;
use super::layout::Clock;
use super::output::Output;

/// How long the listener sleeps; meanwhile the kernel joins notices.
const PAUSE: Duration = Duration::from_millis(5);
/// Pairs of a process and a file that are kept apart; about 300 MB with their names.
const PAIRS_MAX: usize = 1_000_000;

/// The listener, at work.
#[derive(Debug)]
pub(super) struct Opens {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Output>>,
}

impl Opens {
    /// Listens from here on. An error is the reason why this observer is missing.
    pub(super) fn start(
        watched: &Watched<'_>,
        output: Output,
        clock: Clock,
    ) -> Result<Self, String> {
        let listener = Listener::new().map_err(|error| format!("fanotify: {error}"))?;
        for place in watched.places {
            listener
                .mark(&place.at, place.reach)
                .map_err(|error| format!("fanotify listens not everywhere: {error}"))?;
        }
        let members = Members::of(watched.group).map_err(|error| error.to_string())?;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut seen = Seen {
            clock,
            members,
            pairs: HashMap::new(),
            names: HashMap::new(),
            output,
        };
        let stop = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            seen.follow(&listener, &stop);
            // Before the sums are written, so that nothing queues up behind.
            drop(listener);
            seen.write();
            seen.output
        });
        Ok(Self {
            is_over,
            thread: Some(thread),
        })
    }

    /// Takes what is queued, writes everything, and says how much is missing.
    pub(super) fn stop(mut self) -> io::Result<u64> {
        self.end()
            .ok_or_else(|| io::Error::other("the listener for files failed"))?
            .finish(Observer::Fanotify)
    }

    fn end(&mut self) -> Option<Output> {
        self.is_over.store(true, Ordering::Release);
        self.thread.take()?.join().ok()
    }
}

impl Drop for Opens {
    fn drop(&mut self) {
        self.end();
    }
}

/// A process and a file, by device and inode.
type Pair = (u32, u64, u64);

/// What a process did to a file.
#[derive(Debug)]
struct Done {
    name: Arc<Escaped>,
    file: FileId,
    first: u64,
    last: u64,
    opened: u64,
    executed: u64,
    read: u64,
    written: u64,
    is_open_for_writing: bool,
}

struct Seen {
    clock: Clock,
    members: Members,
    pairs: HashMap<Pair, Done>,
    /// By device and inode: asking for a name costs more than all the rest.
    names: HashMap<(u64, u64), Arc<Escaped>>,
    output: Output,
}

impl Seen {
    fn follow(&mut self, listener: &Listener, is_over: &AtomicBool) {
        loop {
            let is_last = is_over.load(Ordering::Acquire);
            loop {
                match listener.read() {
                    Ok(batch) => {
                        self.output.lose(batch.lost);
                        if batch.notices.is_empty() && batch.lost == 0 {
                            break;
                        }
                        let at = self.clock.now();
                        for notice in &batch.notices {
                            self.take(notice, at);
                        }
                    }
                    Err(error) => {
                        self.output.fail(error);
                        return;
                    }
                }
            }
            if is_last {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn take(&mut self, notice: &Notice, at: u64) {
        if !self.members.has(notice.pid) {
            return;
        }
        let Ok(stat) = kernel::file::stat(&notice.file) else {
            self.output.lose(1);
            return;
        };
        if stat.kind == kernel::file::FileKind::Directory {
            return;
        }
        let pair = (notice.pid, stat.device, stat.inode);
        if !self.pairs.contains_key(&pair) {
            if self.pairs.len() >= PAIRS_MAX {
                self.output.lose(1);
                return;
            }
            let done = Done::begin(self.name(notice, &stat), &stat, at);
            self.pairs.insert(pair, done);
        }
        if let Some(done) = self.pairs.get_mut(&pair) {
            done.add(notice.what, at);
        }
    }

    fn name(&mut self, notice: &Notice, stat: &kernel::file::FileStat) -> Arc<Escaped> {
        let name = self.names.entry((stat.device, stat.inode));
        let name = name.or_insert_with(|| {
            let link = format!("/proc/self/fd/{}", notice.file.as_raw_fd());
            let path = fs::read_link(link).unwrap_or_default();
            Arc::new(Escaped::new(path.as_os_str().as_bytes()))
        });
        Arc::clone(name)
    }

    fn write(&mut self) {
        let mut pairs: Vec<_> = self.pairs.drain().collect();
        pairs.sort_unstable_by_key(|(pair, done)| (done.first, *pair));
        for ((pid, ..), done) in pairs {
            done.write(pid, &mut self.output);
        }
    }
}

impl Done {
    fn begin(name: Arc<Escaped>, stat: &kernel::file::FileStat, at: u64) -> Self {
        let device = stat.device;
        Self {
            name,
            file: FileId {
                device: format!(
                    "{}:{}",
                    rustix::fs::major(device),
                    rustix::fs::minor(device)
                ),
                inode: stat.inode,
            },
            first: at,
            last: at,
            opened: 0,
            executed: 0,
            read: 0,
            written: 0,
            is_open_for_writing: false,
        }
    }

    fn add(&mut self, what: What, at: u64) {
        self.last = at;
        self.opened += u64::from(what.holds(What::OPENED));
        self.executed += u64::from(what.holds(What::EXECUTED));
        self.read += u64::from(what.holds(What::READ));
        self.written += u64::from(what.holds(What::WRITTEN));
        self.is_open_for_writing |=
            what.holds(What::CLOSED_AFTER_WRITING) || what.holds(What::WRITTEN);
    }

    fn write(self, pid: u32, output: &mut Output) {
        if self.executed > 0 {
            output.write(&Event::Exec {
                at: self.first,
                pid,
                path: (*self.name).clone(),
                arguments: Vec::new(),
                file: Some(self.file.clone()),
            });
        }
        if self.opened > 0 {
            output.write(&Event::Open {
                at: self.first,
                pid,
                path: (*self.name).clone(),
                file: Some(self.file.clone()),
                access: match (self.is_open_for_writing, self.read > 0) {
                    (false, _) => Access::Read,
                    (true, false) => Access::Write,
                    (true, true) => Access::Both,
                },
            });
        }
        let of = |calls, how| Transfer {
            pid,
            file: self.file.clone(),
            bytes: 0,
            calls,
            first: self.first,
            last: self.last,
            how,
        };
        if self.read > 0 {
            output.write(&Event::Read(of(self.read, How::Read)));
        }
        if self.written > 0 {
            output.write(&Event::Write(of(self.written, How::Write)));
        }
    }
}

/// The processes of a control group. The marks are on mounts that nobody else uses, so that this
/// only keeps out who prepares them.
#[derive(Debug)]
struct Members {
    /// The group's path as the kernel writes it for a process.
    group: PathBuf,
    /// Those that were found to be members. A number that was not one may become one.
    known: HashSet<u32>,
    this_process: u32,
}

impl Members {
    fn of(group: &Path) -> io::Result<Self> {
        let group = fs::canonicalize(group)?;
        let device = fs::metadata(&group)?.dev();
        let is_outside =
            |folder: &&Path| fs::metadata(folder).map_or(true, |found| found.dev() != device);
        let above = group.ancestors().find(is_outside).unwrap_or(Path::new("/"));
        // One part below the first folder outside lies where the groups are mounted.
        let below = group.strip_prefix(above).map_err(io::Error::other)?;
        let inner: PathBuf = below.components().skip(1).collect();
        Ok(Self {
            group: Path::new("/").join(inner),
            known: HashSet::new(),
            this_process: std::process::id(),
        })
    }

    fn has(&mut self, pid: u32) -> bool {
        if pid == self.this_process {
            return false;
        }
        if self.known.contains(&pid) {
            return true;
        }
        let is_member = match fs::read_to_string(format!("/proc/{pid}/cgroup")) {
            Ok(list) => self.is_named_in(&list),
            // It ended already; outsiders that use these mounts live on.
            Err(_) => true,
        };
        if is_member {
            self.known.insert(pid);
        }
        is_member
    }

    /// `0::/group` is the line of version 2.
    fn is_named_in(&self, list: &str) -> bool {
        let mut lines = list.lines();
        let group = lines.find_map(|line| line.strip_prefix("0::"));
        group.is_some_and(|group| Path::new(group).starts_with(&self.group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_its_own_processes_and_those_of_groups_below() {
        let members = Members {
            group: PathBuf::from("/candor/inside"),
            known: HashSet::new(),
            this_process: 1,
        };
        assert!(members.is_named_in("4:memory:/x\n0::/candor/inside\n"));
        assert!(members.is_named_in("0::/candor/inside/deeper\n"));
        assert!(!members.is_named_in("0::/candor/inside-not\n"));
        assert!(!members.is_named_in("0::/candor\n4:memory:/candor/inside\n"));
    }

    #[test]
    fn writing_shows_when_a_file_is_closed() {
        let stat = kernel::file::stat(fs::File::open("/proc/self/exe").unwrap()).unwrap();
        let mut done = Done::begin(Arc::new("/x".into()), &stat, 1);
        done.add(What::OPENED, 2);
        assert!(!done.is_open_for_writing);
        done.add(What::CLOSED_AFTER_WRITING, 3);
        assert!(done.is_open_for_writing);
        assert_eq!(
            (done.first, done.last, done.opened, done.written),
            (1, 3, 1, 0)
        );
    }
}
