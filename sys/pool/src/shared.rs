//! What the callers and the feeders share: jobs, answers, and the end.
//!
//! Bounded: a job counts from its submission until its answer is taken, since it holds a
//! descriptor all that time.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kernel::channel::Channel;
use proto::{Detail, Reason, Verdict};

use crate::{Answer, JOBS_MAX, Job, PoolError};

/// Workers may fail to start, or end without an answer, this often in a row before the pool
/// gives up.
const FAILURES_IN_A_ROW_MAX: u32 = 5;

/// The meeting place of callers and feeders.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// A feeder with a worker has something to do.
    work: Condvar,
    /// A feeder without a worker has reason to start one.
    backlog: Condvar,
    /// There is room for a job.
    room: Condvar,
    /// There is an answer, or there will be none.
    answered: Condvar,
    workers: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    answers: VecDeque<Answer>,
    /// Jobs that a feeder holds.
    held: usize,
    /// Feeders that have a worker and nothing to do.
    idle: usize,
    failures: u32,
    closed: bool,
    stopped: bool,
    trouble: Option<PoolError>,
    channels: Vec<Option<Arc<Channel>>>,
}

/// How much a feeder may take at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portion {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: u64,
}

impl Shared {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            state: Mutex::new(State {
                channels: vec![None; workers],
                ..State::default()
            }),
            work: Condvar::new(),
            backlog: Condvar::new(),
            room: Condvar::new(),
            answered: Condvar::new(),
            workers,
        }
    }

    pub(crate) fn submit(&self, job: Job) -> Result<(), PoolError> {
        let mut state = self.lock();
        while !state.closed && state.total() >= JOBS_MAX {
            state = wait(&self.room, state);
        }
        if let Some(trouble) = &state.trouble {
            return Err(trouble.clone());
        }
        if state.closed {
            return Err(PoolError::Closed);
        }
        state.jobs.push_back(job);
        self.call_feeders(&state);
        Ok(())
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake_all();
    }

    pub(crate) fn next(&self) -> Option<Answer> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.answers.pop_front() {
                self.room.notify_one();
                return Some(answer);
            }
            if state.closed && state.total() == 0 {
                return None;
            }
            state = wait(&self.answered, state);
        }
    }

    pub(crate) fn trouble(&self) -> Option<PoolError> {
        self.lock().trouble.clone()
    }

    /// Ends everything: jobs are forgotten, and feeders that wait for a worker hear nothing more.
    pub(crate) fn stop(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.stopped = true;
        state.jobs.clear();
        for channel in state.channels.iter().flatten() {
            // A channel whose worker has just ended can't be cut, and need not be.
            let _ = channel.cut();
        }
        drop(state);
        self.wake_all();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Makes a feeder's channel one that [`Shared::stop`] cuts. False when it is too late.
    pub(crate) fn register(&self, slot: usize, channel: Option<Arc<Channel>>) -> bool {
        let mut state = self.lock();
        if let Some(place) = state.channels.get_mut(slot) {
            *place = channel;
        }
        !state.stopped
    }

    /// Waits until there is more work than idle workers. False when there will be none.
    pub(crate) fn wait_for_backlog(&self) -> bool {
        let mut state = self.lock();
        loop {
            if state.is_over() {
                return false;
            }
            if state.jobs.len() > state.idle {
                return true;
            }
            state = wait(&self.backlog, state);
        }
    }

    /// Waits for jobs, and takes some. `None` when there will be none.
    pub(crate) fn take(&self, portion: Portion) -> Option<Vec<Job>> {
        let mut state = self.lock();
        state.idle += 1;
        loop {
            if state.is_over() {
                state.idle -= 1;
                return None;
            }
            if !state.jobs.is_empty() {
                state.idle -= 1;
                let taken = self.portion_of(&mut state, portion);
                self.call_feeders(&state);
                return Some(taken);
            }
            state = wait(&self.work, state);
        }
    }

    /// Takes jobs if there are any.
    pub(crate) fn take_now(&self, portion: Portion) -> Vec<Job> {
        self.portion_of(&mut self.lock(), portion)
    }

    fn portion_of(&self, state: &mut State, portion: Portion) -> Vec<Job> {
        // A fair share, so that the last files of a run are spread over the workers.
        let share = state.jobs.len().div_ceil(self.workers);
        let items_max = portion.items_max.min(share);
        let mut taken = Vec::with_capacity(items_max);
        let mut bytes = 0u64;
        while taken.len() < items_max {
            let Some(job) = state.jobs.front() else { break };
            bytes = bytes.saturating_add(job.size_bytes);
            if !taken.is_empty() && bytes > portion.bytes_max {
                break;
            }
            taken.extend(state.jobs.pop_front());
        }
        state.held += taken.len();
        taken
    }

    /// A feeder answers a job that it holds.
    pub(crate) fn answer(&self, job: Job, verdict: Verdict) {
        let mut state = self.lock();
        state.held = state.held.saturating_sub(1);
        // A scan that came to its end shows that workers can live here.
        if !verdict.incomplete.contains(Reason::WorkerDied) {
            state.failures = 0;
        }
        state.push_answer(job, verdict);
        self.finish_answer(&state);
    }

    /// A feeder gives jobs back that its worker did not get to, to the front of the queue.
    pub(crate) fn give_back(&self, jobs: impl DoubleEndedIterator<Item = Job>) {
        let mut state = self.lock();
        for job in jobs.rev() {
            state.held = state.held.saturating_sub(1);
            if state.trouble.is_some() {
                state.push_answer(job, no_worker());
            } else if !state.stopped {
                state.jobs.push_front(job);
            }
        }
        self.call_feeders(&state);
        self.finish_answer(&state);
    }

    /// Counts a worker that did not start or ended without being given anything. False when
    /// there have been too many: the pool then takes no more jobs, and what it has is answered.
    pub(crate) fn survives(&self, error: &PoolError) -> bool {
        let mut state = self.lock();
        if state.stopped {
            return false;
        }
        state.failures = state.failures.saturating_add(1);
        let hopeless = matches!(
            error,
            PoolError::ProgramMissing(_) | PoolError::JailDoesNotHold(_) | PoolError::Refused(_)
        );
        if state.trouble.is_none() && state.failures < FAILURES_IN_A_ROW_MAX && !hopeless {
            return true;
        }
        let last = Box::new(error.clone());
        state.trouble.get_or_insert(PoolError::KeepsEnding(last));
        state.closed = true;
        while let Some(job) = state.jobs.pop_front() {
            state.push_answer(job, no_worker());
        }
        drop(state);
        self.wake_all();
        false
    }

    fn call_feeders(&self, state: &State) {
        if state.idle > 0 && !state.jobs.is_empty() {
            self.work.notify_one();
        }
        if state.jobs.len() > state.idle {
            self.backlog.notify_one();
        }
    }

    fn finish_answer(&self, state: &State) {
        self.answered.notify_one();
        if state.is_over() {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        self.work.notify_all();
        self.backlog.notify_all();
        self.room.notify_all();
        self.answered.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether feeders have nothing more to do, ever.
    fn is_over(&self) -> bool {
        self.stopped || (self.closed && self.total_open() == 0)
    }

    /// Jobs that have no answer yet.
    fn total_open(&self) -> usize {
        self.jobs.len().saturating_add(self.held)
    }

    /// Jobs whose descriptors we hold.
    fn total(&self) -> usize {
        self.total_open().saturating_add(self.answers.len())
    }

    fn push_answer(&mut self, job: Job, verdict: Verdict) {
        self.answers.push_back(Answer {
            ticket: job.ticket,
            file: job.file,
            verdict,
        });
    }
}

fn wait<'a>(signal: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    signal.wait(state).unwrap_or_else(PoisonError::into_inner)
}

fn no_worker() -> Verdict {
    let mut verdict = Verdict::default();
    verdict.note(Detail {
        reason: Reason::WorkerDied,
        member: Vec::new(),
        text: "no worker could be started to look at it".to_string(),
    });
    verdict
}
