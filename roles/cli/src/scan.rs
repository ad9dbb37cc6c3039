//! `candor scan`: one thread walks and submits, the other takes the answers, reports and acts.

use std::collections::HashMap;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use kernel::file::Follow;
use pool::{Answer, Isolation, Job, Pool, RuleFiles, Settings};
use proto::ScanOptions;

use crate::args::{IsolationGrade, ScanArguments};
use crate::descriptors;
use crate::escape::escaped_path;
use crate::failure::{Failure, plain};
use crate::filter::Filter;
use crate::packs::{self, Judgement, Origin, ReadyPack};
use crate::program;
use crate::quarantine::{Store, Suspect};
use crate::report::{Look, Named, PackFacts, Record, Reporter};
use crate::spool::spool;
use crate::targets::{self, STANDARD_INPUT, Target, Targets};
use crate::walk::{DEPTH_MAX, Found, Mounts, Rules, Skip, VISITED_MAX, Visitor, Walk};

/// How long a worker may stay silent beyond a file's own time.
const GRACE_MS: u64 = 5_000;
/// Descriptors for files on their way, beside the directories that are open.
const DESCRIPTORS_IN_FLIGHT: u64 = 512;

/// Scans what the arguments name.
pub(crate) fn run(arguments: &ScanArguments) -> Result<ExitCode, Failure> {
    let targets = Targets::new(arguments)?;
    let selection = &arguments.selection;
    let filter = Filter::new(&selection.include, &selection.exclude).map_err(Failure::said)?;
    let directory = arguments.detection.quarantine.as_deref();
    let store = directory.map(Store::open).transpose()?;
    let descriptors_max = descriptors::raise_limit();
    let (pool, facts) = start(arguments)?;
    let rules = Rules {
        links: if selection.follow {
            Follow::Links
        } else {
            Follow::Nothing
        },
        mounts: if selection.cross_filesystems {
            Mounts::Cross
        } else {
            Mounts::Stay
        },
        filter,
        left_out: store
            .iter()
            .map(Store::id)
            .chain(packs::cache_id())
            .collect(),
        depth_max: depth_max(descriptors_max),
        visited_max: VISITED_MAX,
        classify: |file| kernel::file::file_system(file),
    };
    let scan = Scan {
        pool,
        store,
        tickets: Mutex::default(),
        reporter: Mutex::new(Reporter::new(
            &arguments.output,
            arguments.detection.incomplete,
            facts,
        )),
        stdin_bytes_max: arguments.limits.max_bytes.0,
    };
    scan.run(&rules, targets)
}

fn settings(arguments: &ScanArguments, program: &Path, origin: &Origin) -> Settings {
    let detection = &arguments.detection;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    Settings {
        program: program.to_owned(),
        workers: detection.jobs.map_or(cores, usize::from),
        isolation: match detection.isolation {
            IsolationGrade::Pooled => Isolation::Pooled,
            IsolationGrade::PerFile => Isolation::PerFile,
        },
        options: ScanOptions {
            limits: arguments.limits.limits(),
            pua: detection.pua,
            sha256: detection.sha256,
            all_matches: detection.all_matches,
            match_bytes: detection.match_bytes,
            starter: origin.is_starter(),
        },
        grace_ms: GRACE_MS,
    }
}

/// Starts workers on the pack that was chosen, or on the starter pack where that one is no use.
fn start(arguments: &ScanArguments) -> Result<(Pool, PackFacts), Failure> {
    let (pool, facts) = start_with(arguments, Origin::choose(&arguments.choice))?;
    let started = match packs::judge(&facts.origin, &facts.summary) {
        Judgement::Use => (pool, facts),
        Judgement::Refuse(why) => return Err(Failure::said(why)),
        Judgement::FallBack(why) => {
            drop(pool);
            crate::warn(&why);
            start_with(arguments, Origin::Starter)?
        }
    };
    // What freshclam makes here has no signature to check: the summary says it, and that is enough.
    let unverified = packs::unverified(&started.1.summary);
    for found in unverified.iter().filter(|found| found.is_signed()) {
        crate::warn(&format!("not verified: {found}"));
    }
    Ok(started)
}

fn start_with(arguments: &ScanArguments, origin: Origin) -> Result<(Pool, PackFacts), Failure> {
    let definitions = &arguments.choice.define;
    let mut pack = packs::prepare(origin, definitions)?;
    let mut pool = start_pool(arguments, &pack)?;
    if pool.pack().yara_rules > 0 && pack.yara.is_none() {
        // Only a worker can tell that a pack has YARA rules.
        drop(pool);
        pack.yara = Some(packs::compile_yara(&pack, definitions)?);
        pool = start_pool(arguments, &pack)?;
    }
    let facts = PackFacts {
        sha256: pack.sha256,
        origin: pack.origin,
        summary: pool.pack().clone(),
        ignored: pack.ignored.iter().map(|path| escaped_path(path)).collect(),
        notes: pack.notes,
    };
    Ok((pool, facts))
}

fn start_pool(arguments: &ScanArguments, pack: &ReadyPack) -> Result<Pool, Failure> {
    let again = |file: &OwnedFd| {
        file.try_clone()
            .map_err(|error| Failure::said(format!("the rule pack: {}", plain(&error))))
    };
    let rules = RuleFiles {
        pack: again(&pack.file)?,
        yara: pack.yara.as_ref().map(again).transpose()?,
    };
    let worker = match &pack.yara {
        Some(_) => program::yara_worker()?,
        None => program::worker()?,
    };
    let settings = settings(arguments, &worker, &pack.origin);
    Pool::start(settings, rules).map_err(|error| packs::failure_with(&pack.origin, &error))
}

fn depth_max(descriptors_max: u64) -> usize {
    let free = descriptors_max.saturating_sub(DESCRIPTORS_IN_FLIGHT);
    usize::try_from(free)
        .unwrap_or(DEPTH_MAX)
        .clamp(16, DEPTH_MAX)
}

struct Scan {
    pool: Pool,
    store: Option<Store>,
    /// The paths of files on their way; the pool bounds how many.
    tickets: Mutex<HashMap<u64, PathBuf>>,
    reporter: Mutex<Reporter>,
    stdin_bytes_max: u64,
}

impl Scan {
    fn run(&self, rules: &Rules, targets: Targets) -> Result<ExitCode, Failure> {
        let walk = || Feeding::new(self).feed(rules, targets);
        let answer = || {
            while let Some(answer) = self.pool.next() {
                self.take(&answer);
            }
        };
        side_by_side(walk, answer, || self.stop());
        let trouble = self.pool.trouble().map(|trouble| trouble.to_string());
        if let Some(why) = &trouble {
            crate::complain(why);
        }
        let mut reporter = lock(&self.reporter);
        let code = reporter.finish(trouble)?;
        Ok(ExitCode::from(code))
    }

    /// The walking side waits for nothing from here on. After a bug of ours it may even be in the
    /// middle of a read that never ends: then all of this ends, and the workers with it.
    fn stop(&self) {
        self.pool.close();
        if thread::panicking() {
            std::process::exit(crate::FAILED.into());
        }
    }

    fn take(&self, answer: &Answer) {
        let Some(path) = lock(&self.tickets).remove(&answer.ticket) else {
            return;
        };
        let wanted = self
            .store
            .as_ref()
            .filter(|_| !answer.verdict.findings.is_empty() && path.as_os_str() != STANDARD_INPUT);
        let quarantine = wanted.map(|store| {
            store.take(&Suspect {
                path: &path,
                file: &answer.file,
                verdict: &answer.verdict,
            })
        });
        self.report(&Record {
            path: &path,
            look: Look::Answered(&answer.verdict),
            quarantine: quarantine.as_ref(),
        });
    }

    fn failed(&self, path: &Path, why: &str) {
        self.report(&Record {
            path,
            look: Look::Failed(why),
            quarantine: None,
        });
    }

    fn report(&self, record: &Record<'_>) {
        let mut reporter = lock(&self.reporter);
        if let Err(error) = reporter.record(record) {
            leave(&error, &reporter);
        }
    }

    fn skipped(&self, path: &Path, skip: Skip, was_named: Named) {
        let mut reporter = lock(&self.reporter);
        if let Err(error) = reporter.skipped(path, skip, was_named) {
            leave(&error, &reporter);
        }
    }
}

/// Runs both sides. However the answering side ends, `stop` then frees the walking side.
fn side_by_side(walk: impl FnOnce() + Send, answer: impl FnOnce(), stop: impl Fn()) {
    thread::scope(|scope| {
        scope.spawn(walk);
        let _freed = AtEnd(stop);
        answer();
    });
}

/// Does something when it goes, on the way of a panic too.
struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Nobody reads the output any more: what is left to do is to end. Workers end with their sockets.
fn leave(error: &io::Error, reporter: &Reporter) -> ! {
    if error.kind() != io::ErrorKind::BrokenPipe {
        crate::complain(&format!("the output can't be written: {}", plain(error)));
    }
    let code = reporter.exit_code();
    std::process::exit(if code == 1 { 1 } else { crate::FAILED.into() })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The walking side. However it ends, the pool learns that no more files come.
struct Feeding<'a> {
    scan: &'a Scan,
    next_ticket: u64,
    argument: PathBuf,
}

impl Drop for Feeding<'_> {
    fn drop(&mut self) {
        self.scan.pool.close();
    }
}

impl<'a> Feeding<'a> {
    fn new(scan: &'a Scan) -> Self {
        Self {
            scan,
            next_ticket: 0,
            argument: PathBuf::new(),
        }
    }

    fn feed(&mut self, rules: &Rules, targets: Targets) {
        for target in targets {
            let flow = match target {
                Target::Path(path) => {
                    self.argument.clone_from(&path);
                    Walk::new(rules, self).argument(&path)
                }
                Target::StandardInput => self.standard_input(),
                Target::BrokenList(why) => self.failed(Path::new("(list of paths)"), &why),
            };
            if flow.is_break() {
                break;
            }
        }
    }

    fn standard_input(&mut self) -> ControlFlow<()> {
        let path = Path::new(STANDARD_INPUT);
        let spooled =
            targets::standard_input().and_then(|input| spool(input, self.scan.stdin_bytes_max));
        let opened = spooled.and_then(|file| Ok((kernel::file::stat(&file)?.size_bytes, file)));
        match opened {
            Ok((size_bytes, file)) => self.submit(path.to_owned(), file, size_bytes),
            Err(error) => self.failed(path, &plain(&error)),
        }
    }

    fn submit(&mut self, path: PathBuf, file: OwnedFd, size_bytes: u64) -> ControlFlow<()> {
        let ticket = self.next_ticket;
        self.next_ticket = self.next_ticket.wrapping_add(1);
        lock(&self.scan.tickets).insert(ticket, path);
        let job = Job {
            ticket,
            file,
            size_bytes,
        };
        match self.scan.pool.submit(job) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                if let Some(path) = lock(&self.scan.tickets).remove(&ticket) {
                    self.scan.failed(&path, &error.to_string());
                }
                ControlFlow::Break(())
            }
        }
    }
}

impl Visitor for Feeding<'_> {
    fn file(&mut self, found: Found) -> ControlFlow<()> {
        self.submit(found.path, found.file, found.size_bytes)
    }

    fn failed(&mut self, path: &Path, why: &str) -> ControlFlow<()> {
        self.scan.failed(path, why);
        ControlFlow::Continue(())
    }

    fn skipped(&mut self, path: &Path, skip: Skip) -> ControlFlow<()> {
        let was_named = if path == self.argument {
            Named::ByUser
        } else {
            Named::ByWalk
        };
        match was_named {
            // Whoever names a path wants it looked at.
            Named::ByUser if skip != Skip::Excluded => {
                self.scan
                    .failed(path, &format!("not scanned: {}", skip.words().0));
            }
            _ => self.scan.skipped(path, skip, was_named),
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_panic_while_answering_frees_the_walking_side() {
        let (stopped, waits) = channel();
        let (walked, seen) = channel();
        let walk = move || {
            let freed = waits.recv_timeout(Duration::from_secs(30)).is_ok();
            walked.send(freed).unwrap();
        };
        let stop = || stopped.send(()).unwrap();
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            side_by_side(walk, || panic!("a bug while answering"), stop);
        }));
        assert!(ended.is_err(), "the panic is not swallowed");
        assert!(seen.recv().unwrap(), "the walking side waited to the end");
    }
}
