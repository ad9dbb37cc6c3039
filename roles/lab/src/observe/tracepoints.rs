//! The first observer: programs at the kernel's tracepoints (`bpf/observe.bpf.c`), loaded once and
//! pointed at one control group after the other.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use aya::maps::{Array, HashMap, MapData, RingBuf};
use aya::programs::BtfTracePoint;
use aya::{Btf, Ebpf, EbpfLoader};
use lab::trace::Observer;

use super::calls;
use super::layout::{self, Clock, ENDS_BYTES, PASSED_BYTES, SUMS_BYTES, TOUCHED_BYTES};
use super::output::Output;

/// Built from C by `cargo xtask bpf`; its digest is beside it.
const OBJECT: &[u8] = aya::include_bytes_aligned!("../../bpf/observe.bpf.o");

/// The programs and the tracepoints that they are for. The ends of system calls come first: a
/// beginning whose end is not seen leaves nothing, an end without a beginning is told by halves.
const PROGRAMS: &[(&str, &str)] = &[
    ("on_exit", "sys_exit"),
    ("on_enter", "sys_enter"),
    ("on_fork", "sched_process_fork"),
    ("on_end", "sched_process_exit"),
    ("on_exec", "sched_process_exec"),
    ("on_state", "inet_sock_set_state"),
];

/// How long the reader sleeps. It is never woken: a wake-up costs the product more than a record.
const PAUSE: Duration = Duration::from_millis(5);

/// The programs, loaded and attached.
pub(super) struct Tracepoints {
    /// Which group is watched, and how deep it lies.
    settings: Array<MapData, [u8; 16]>,
    lost: Array<MapData, [u8; 8]>,
    touches: HashMap<MapData, [u8; TOUCHED_BYTES], [u8; SUMS_BYTES]>,
    connections: HashMap<MapData, [u8; ENDS_BYTES], [u8; PASSED_BYTES]>,
    /// Away while a reader has it.
    ring: Option<RingBuf<MapData>>,
    /// Dropped, the programs are detached.
    _programs: Ebpf,
}

/// The programs, at work.
#[derive(Debug)]
pub(super) struct Running<'a> {
    loaded: &'a mut Tracepoints,
    clock: Clock,
    is_over: Arc<AtomicBool>,
    reader: Option<JoinHandle<(RingBuf<MapData>, Output)>>,
}

impl std::fmt::Debug for Tracepoints {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tracepoints")
    }
}

impl Tracepoints {
    /// Loads and attaches them. An error is the reason why they are missing.
    pub(super) fn load() -> Result<Self, String> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err("the programs know the system calls of x86-64 only".to_owned());
        }
        let btf = Btf::from_sys_fs()
            .map_err(|error| format!("the kernel does not describe its structures: {error}"))?;
        let mut programs = EbpfLoader::new()
            .btf(Some(&btf))
            .allow_unsupported_maps()
            .load(OBJECT)
            .map_err(|error| format!("the programs can't be loaded: {}", whole(&error)))?;
        for (name, tracepoint) in PROGRAMS {
            attach(&mut programs, name, tracepoint, &btf)
                .map_err(|error| format!("no program at {tracepoint}: {error}"))?;
        }
        Self::take_maps(programs).ok_or_else(|| "the programs have other maps".to_owned())
    }

    fn take_maps(mut programs: Ebpf) -> Option<Self> {
        let mut take = |name: &str| programs.take_map(name);
        Some(Self {
            settings: take("settings")?.try_into().ok()?,
            lost: take("lost")?.try_into().ok()?,
            touches: take("touches")?.try_into().ok()?,
            connections: take("connections")?.try_into().ok()?,
            ring: Some(take("ring")?.try_into().ok()?),
            _programs: programs,
        })
    }

    /// Watches a group from here on.
    pub(super) fn start(
        &mut self,
        group: u64,
        output: Output,
        clock: Clock,
    ) -> io::Result<Running<'_>> {
        // What a run that was not stopped left behind.
        self.clear()?;
        let mut ring = self.ring.take().ok_or_else(|| {
            io::Error::other("the observer was lost with an earlier run; start again")
        })?;
        while ring.next().is_some() {}
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let reader = std::thread::spawn(move || follow(ring, output, clock, &stop));
        self.point_at(group)?;
        Ok(Running {
            loaded: self,
            clock,
            is_over,
            reader: Some(reader),
        })
    }

    /// Watches this group, or none for 0; its depth is found in the kernel.
    fn point_at(&mut self, group: u64) -> io::Result<()> {
        let mut value = [0; 16];
        let (number, level) = value.split_at_mut(8);
        number.copy_from_slice(&group.to_le_bytes());
        level.copy_from_slice(&0xffff_ffff_u64.to_le_bytes());
        self.settings.set(0, value, 0).map_err(io::Error::other)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.point_at(0)?;
        for index in 0..self.lost.len() {
            let none = [0; 8];
            self.lost.set(index, none, 0).map_err(io::Error::other)?;
        }
        let keys: Vec<_> = self.touches.keys().flatten().collect();
        for key in keys {
            // It may be gone already.
            let _ = self.touches.remove(&key);
        }
        let keys: Vec<_> = self.connections.keys().flatten().collect();
        for key in keys {
            let _ = self.connections.remove(&key);
        }
        Ok(())
    }

    /// Writes the sums, and counts what the programs could not tell.
    fn write_sums(&self, output: &mut Output, clock: Clock) {
        let touched = self.touches.iter().map(|sum| {
            sum.ok()
                .and_then(|(key, sums)| layout::touched(&key, &sums, clock))
        });
        let passed = self.connections.iter().map(|sum| {
            sum.ok()
                .and_then(|(ends, sums)| layout::passed(&ends, &sums, clock))
        });
        for event in touched.chain(passed) {
            match event {
                Some(event) => output.write(&event),
                None => output.lose(1),
            }
        }
        for count in self.lost.iter() {
            output.lose(count.map_or(1, u64::from_le_bytes));
        }
    }
}

impl Running<'_> {
    /// Stops watching, writes everything that is left, and says how much is missing.
    pub(super) fn stop(mut self) -> io::Result<u64> {
        let mut output = self
            .end()?
            .ok_or_else(|| io::Error::other("the observer's reader failed"))?;
        self.loaded.write_sums(&mut output, self.clock);
        let lost = output.finish(Observer::Tracepoints)?;
        self.loaded.clear()?;
        Ok(lost)
    }

    fn end(&mut self) -> io::Result<Option<Output>> {
        let pointed = self.loaded.point_at(0);
        self.is_over.store(true, Ordering::Release);
        let read = self.reader.take().map(JoinHandle::join);
        pointed?;
        Ok(match read {
            Some(Ok((ring, output))) => {
                self.loaded.ring = Some(ring);
                Some(output)
            }
            Some(Err(_)) | None => None,
        })
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // There is nobody left to tell.
        let _ = self.end();
    }
}

/// Writes what comes until the run is over and nothing is left.
fn follow(
    mut ring: RingBuf<MapData>,
    mut output: Output,
    clock: Clock,
    is_over: &AtomicBool,
) -> (RingBuf<MapData>, Output) {
    loop {
        // Asked before the last look, so that nothing comes between.
        let is_last = is_over.load(Ordering::Acquire);
        while let Some(bytes) = ring.next() {
            match layout::record(&bytes, clock) {
                Some(event) => {
                    if calls::is_blind(&event) {
                        output.lose(1);
                    }
                    output.write(&event);
                }
                None => output.lose(1),
            }
        }
        if is_last {
            return (ring, output);
        }
        std::thread::sleep(PAUSE);
    }
}

fn attach(programs: &mut Ebpf, name: &str, tracepoint: &str, btf: &Btf) -> Result<(), String> {
    let program = programs.program_mut(name).ok_or("it is not there")?;
    let program: &mut BtfTracePoint = program
        .try_into()
        .map_err(|error: aya::programs::ProgramError| error.to_string())?;
    program
        .load(tracepoint, btf)
        .map_err(|error| whole(&error))?;
    program.attach().map_err(|error| whole(&error))?;
    Ok(())
}

/// An error and what caused it, without the verifier's pages.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

impl Clock {
    /// The clock of a run that started then.
    pub(super) fn of(started: Instant) -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
        let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
        let now = seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        let since = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Self {
            started_ns: now.saturating_sub(since),
        }
    }

    /// Time since the run's start.
    pub(super) fn now(self) -> u64 {
        let now = Self::of(Instant::now());
        now.started_ns.saturating_sub(self.started_ns)
    }
}
