//! The thread beside one worker: sends it files, hears its verdicts, watches the clock.
//!
//! The worker always has its next files before it is done with the last, so that it never waits
//! for us; the clock of a file starts when the one before it was answered.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::{Detail, Reason, Reply, Request, ScanItem, Verdict};

use crate::shared::{Portion, Shared};
use crate::worker::{Autopsy, Plan, Starting, Trouble, Worker};
use crate::{Isolation, Job, PoolError, Settings};

/// Files that one message carries at most, and that a worker has before it at most.
const BATCH_ITEMS: usize = 32;
/// A worker with fewer files before it gets more.
const REFILL_ITEMS: usize = 12;
/// Files beyond this together are worth a message of their own: enough for a worker to have some
/// of a library's size side by side, and done in a fraction of a second.
const BATCH_BYTES: u64 = 32 << 20;
/// Workers of a feeder that are started ahead when each serves one file only.
const SPARES: usize = 2;
/// Workers that served their one file and are left to end by themselves.
const ENDING: usize = 4;
const RETRY_MS: u64 = 50;

/// One feeder's own.
#[derive(Debug)]
pub(crate) struct Feeder {
    pub(crate) shared: Arc<Shared>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) settings: Settings,
    pub(crate) slot: usize,
}

impl Feeder {
    /// Serves until there is nothing more to do.
    pub(crate) fn run(self, first: Option<Worker>) {
        match self.settings.isolation {
            Isolation::Pooled => self.run_pooled(first),
            Isolation::PerFile => self.run_per_file(first),
        }
        self.shared.register(self.slot, None);
    }

    fn run_pooled(&self, first: Option<Worker>) {
        let mut ready = first;
        loop {
            let Some(worker) = ready.take().or_else(|| self.wait_and_start()) else {
                return;
            };
            if !self.shared.register(self.slot, Some(worker.channel())) {
                return;
            }
            match self.serve(worker) {
                Served::Everything => return,
                Served::UntilTrouble => {}
                Served::Nothing(error) => {
                    if !self.shared.survives(&error) {
                        return;
                    }
                }
            }
        }
    }

    /// A worker, once there is more to do than the others can do. `None` when there is not, or
    /// when workers can't be started.
    fn wait_and_start(&self) -> Option<Worker> {
        while self.shared.wait_for_backlog() {
            let started = Starting::spawn(&self.plan).and_then(|starting| self.finish(starting));
            match started {
                Ok(worker) => return Some(worker),
                Err(error) if !self.shared.survives(&error) => break,
                Err(_) => std::thread::sleep(Duration::from_millis(RETRY_MS)),
            }
        }
        None
    }

    fn finish(&self, starting: Starting) -> Result<Worker, PoolError> {
        if !self.shared.register(self.slot, Some(starting.channel())) {
            return Err(PoolError::Closed);
        }
        starting.ready()?.jailed()
    }

    fn serve(&self, mut worker: Worker) -> Served {
        loop {
            let Some(jobs) = self.shared.take(portion(BATCH_ITEMS)) else {
                return Served::Everything;
            };
            let Some(mut outstanding) = self.offer(&worker, jobs) else {
                let end = self.bury(worker, &Trouble::Ended);
                return Served::Nothing(PoolError::Died(end.text));
            };
            if let Err(lost) = self.hear_all(&mut worker, &mut outstanding) {
                return self.lose(worker, lost, outstanding);
            }
        }
    }

    /// Sends the first files to a worker that has none; `None` when it does not take them. What it
    /// said unasked, or its end, is then not these files' doing.
    fn offer(&self, worker: &Worker, jobs: Vec<Job>) -> Option<VecDeque<Job>> {
        let mut outstanding = VecDeque::new();
        if worker.is_restless() {
            self.shared.give_back(jobs.into_iter());
            return None;
        }
        if self.send(worker, jobs, &mut outstanding) {
            return Some(outstanding);
        }
        self.shared.give_back(outstanding.into_iter());
        None
    }

    /// Hears until nothing is outstanding, and sends more before that is so.
    fn hear_all(&self, worker: &mut Worker, outstanding: &mut VecDeque<Job>) -> Result<(), Lost> {
        let mut takes_more = true;
        let mut clock = Instant::now();
        while !outstanding.is_empty() {
            if takes_more && outstanding.len() < REFILL_ITEMS {
                let room = BATCH_ITEMS.saturating_sub(outstanding.len());
                let jobs = self.shared.take_now(portion(room));
                let before = outstanding.len();
                if !jobs.is_empty() && !self.send(worker, jobs, outstanding) {
                    // It may have ended after answers that are still on their way: they count.
                    takes_more = false;
                    let unsent = outstanding.split_off(before);
                    self.shared.give_back(unsent.into_iter());
                }
            }
            let verdict = self.hear(worker, outstanding, clock)?;
            clock = Instant::now();
            if let Some(job) = outstanding.pop_front() {
                self.shared.answer(job, verdict);
            }
        }
        Ok(())
    }

    /// Whether the worker took them. Sent or not, they are then outstanding, since they are ours
    /// to answer or to give back.
    fn send(&self, worker: &Worker, jobs: Vec<Job>, outstanding: &mut VecDeque<Job>) -> bool {
        let request = Request::Scan {
            options: self.settings.options,
            items: jobs
                .iter()
                .map(|job| ScanItem { ticket: job.ticket })
                .collect(),
        };
        let files: Vec<_> = jobs.iter().map(|job| job.file.as_fd()).collect();
        let sent = worker.send(&request, &files);
        outstanding.extend(jobs);
        sent.is_ok()
    }

    /// The verdict on the first file that is outstanding. What the worker said of it before does
    /// not buy it time, and is kept should it be lost.
    fn hear(
        &self,
        worker: &mut Worker,
        outstanding: &VecDeque<Job>,
        clock: Instant,
    ) -> Result<Verdict, Lost> {
        let due = outstanding.front().map(|job| job.ticket);
        let deadline = clock + self.patience();
        let mut so_far = Box::<Verdict>::default();
        loop {
            let trouble = match worker.receive(deadline) {
                Ok(Reply::SoFar { .. }) if Instant::now() >= deadline => Trouble::Silent,
                Ok(Reply::Verdict { ticket, verdict }) if Some(ticket) == due => {
                    return Ok(verdict);
                }
                Ok(Reply::SoFar { ticket, verdict }) if Some(ticket) == due => {
                    *so_far = verdict;
                    continue;
                }
                Ok(Reply::Verdict { .. } | Reply::SoFar { .. }) => {
                    Trouble::Protocol("it answered for a file that was not next".to_string())
                }
                Ok(_) => Trouble::Protocol("it said something that is no verdict".to_string()),
                Err(trouble) => trouble,
            };
            return Err(Lost { trouble, so_far });
        }
    }

    fn patience(&self) -> Duration {
        let limits = &self.settings.options.limits;
        Duration::from_millis(limits.time_ms_max.saturating_add(self.settings.grace_ms))
    }

    /// The file that was being looked at is lost; the others wait for another worker.
    fn lose(&self, worker: Worker, lost: Lost, mut outstanding: VecDeque<Job>) -> Served {
        if self.shared.is_stopped() {
            return Served::Everything;
        }
        let autopsy = self.bury(worker, &lost.trouble);
        let current = outstanding.pop_front();
        self.shared.give_back(outstanding.into_iter());
        if let Some(job) = current {
            self.shared.answer(job, incomplete(*lost.so_far, autopsy));
        }
        Served::UntilTrouble
    }

    fn bury(&self, worker: Worker, trouble: &Trouble) -> Autopsy {
        let mut autopsy = worker.autopsy(trouble);
        if matches!(trouble, Trouble::Silent) {
            let waited_ms = self.patience().as_millis();
            autopsy.text = format!("the worker did not answer within {waited_ms} ms");
        }
        autopsy
    }

    fn run_per_file(&self, first: Option<Worker>) {
        let mut ready = first;
        let mut spares: VecDeque<Starting> = VecDeque::new();
        let mut ending: VecDeque<Worker> = VecDeque::new();
        loop {
            let worker = match ready.take() {
                Some(worker) => worker,
                None => match self.next_spare(&mut spares) {
                    Some(worker) => worker,
                    None => return,
                },
            };
            if !self.shared.register(self.slot, Some(worker.channel())) {
                return;
            }
            let Some(jobs) = self.shared.take(portion(1)) else {
                return;
            };
            while spares.len() < SPARES {
                // One that can't be started now is missed, and named, when it is needed.
                let Ok(spare) = Starting::spawn(&self.plan) else {
                    break;
                };
                spares.push_back(spare);
            }
            match self.serve_one(worker, jobs) {
                Ok(worker) => {
                    worker.dismiss();
                    ending.push_back(worker);
                }
                Err(Served::Nothing(error)) if !self.shared.survives(&error) => return,
                Err(_) => {}
            }
            if ending.len() > ENDING {
                ending.pop_front();
            }
        }
    }

    fn next_spare(&self, spares: &mut VecDeque<Starting>) -> Option<Worker> {
        while let Some(spare) = spares.pop_front() {
            match self.finish(spare) {
                Ok(worker) => return Some(worker),
                Err(error) if !self.shared.survives(&error) => {
                    return None;
                }
                Err(_) => {}
            }
        }
        self.wait_and_start()
    }

    /// Serves the one file; the worker comes back if it did what it should.
    fn serve_one(&self, mut worker: Worker, jobs: Vec<Job>) -> Result<Worker, Served> {
        let clock = Instant::now();
        let Some(mut outstanding) = self.offer(&worker, jobs) else {
            let end = self.bury(worker, &Trouble::Ended);
            return Err(Served::Nothing(PoolError::Died(end.text)));
        };
        match self.hear(&mut worker, &outstanding, clock) {
            Ok(verdict) => {
                if let Some(job) = outstanding.pop_front() {
                    self.shared.answer(job, verdict);
                }
                Ok(worker)
            }
            Err(lost) => Err(self.lose(worker, lost, outstanding)),
        }
    }
}

/// How a worker's service ended.
enum Served {
    /// There is nothing more to do.
    Everything,
    /// It was lost with the file that it held.
    UntilTrouble,
    /// It was lost before it was given a file.
    Nothing(PoolError),
}

fn portion(items_max: usize) -> Portion {
    Portion {
        items_max,
        bytes_max: BATCH_BYTES,
    }
}

/// A worker that was lost with a file, and what it had said of the file.
struct Lost {
    trouble: Trouble,
    so_far: Box<Verdict>,
}

fn incomplete(mut verdict: Verdict, autopsy: Autopsy) -> Verdict {
    verdict.note(Detail {
        reason: autopsy.reason,
        member: Vec::new(),
        text: autopsy.text,
    });
    debug_assert!(
        verdict.incomplete.contains(Reason::WorkerDied)
            || verdict.incomplete.contains(Reason::LimitTime)
            || verdict.incomplete.contains(Reason::LimitMemory)
    );
    verdict
}
