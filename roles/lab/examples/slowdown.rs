//! What being watched costs a scan: the same 20,000 small cached files, read by the same process,
//! with nobody looking, under both observers, and under strace, in turn.
//!
//! ```sh
//! cargo run --release -p candor-lab --example slowdown [ROUNDS]
//! ```
//!
//! The scan does nothing but open, read and close, so that the figures are the worst case: a
//! product that looks at what it reads is slowed down less. As root.

#![expect(clippy::expect_used, reason = "a measurement that can't be made ends")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use recorder::observe::{Observers, Place, Records, Watched, places_of};

const FILES: usize = 20_000;
const FILE_BYTES: usize = 600;
const ROUNDS: usize = 15;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [role] if role == "scan" => scan(),
        rest => {
            let rounds = rest.first().and_then(|word| word.parse().ok());
            compare(rounds.unwrap_or(ROUNDS));
        }
    }
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    Nobody,
    /// The first observer alone.
    Tracepoints,
    /// Both.
    Observers,
    Strace,
}

const ALL: [Looking; 4] = [
    Looking::Nobody,
    Looking::Tracepoints,
    Looking::Observers,
    Looking::Strace,
];

fn compare(rounds: usize) {
    let group = group();
    let mut scanner = Scanner::start();
    fs::write(group.join("cgroup.procs"), scanner.child.id().to_string()).expect("cgroup.procs");
    let mut times: [Vec<(f64, f64)>; 4] = Default::default();
    let mut lost = 0;
    // The first round warms up.
    for round in 0..=rounds {
        for (looking, times) in ALL.into_iter().zip(&mut times) {
            let (time, missed) = scanner.round(looking, &group);
            lost += missed;
            if round > 0 {
                times.push(time);
            }
        }
    }
    drop(scanner.input);
    let _ = scanner.child.wait();
    let _ = fs::remove_dir(&group);
    println!("{FILES} files of {FILE_BYTES} bytes, {rounds} rounds in turn, {lost} lost");
    for kind in ["wall", "processor"] {
        let of = |time: &(f64, f64)| match kind {
            "wall" => time.0,
            _ => time.1,
        };
        let mut plain = None;
        for (looking, times) in ALL.into_iter().zip(&times) {
            let mut times: Vec<f64> = times.iter().map(of).collect();
            times.sort_unstable_by(f64::total_cmp);
            let least = times.first().copied().unwrap_or(0.0);
            let median = times.get(times.len() / 2).copied().unwrap_or(0.0);
            let (plain_least, plain_median) = *plain.get_or_insert((least, median));
            println!(
                "  {kind:<9} {:<11} least {least:6.2} µs a file ({:.2} times), median {median:6.2} ({:.2} times)",
                format!("{looking:?}"),
                least / plain_least,
                median / plain_median,
            );
        }
    }
}

/// A control group of its own.
fn group() -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let place = mounts.lines().find_map(|line| {
        let mut words = line.split(' ').skip(1);
        let place = words.next()?;
        (words.next()? == "cgroup2").then(|| PathBuf::from(place))
    });
    let name = format!("candor-slowdown-{}", std::process::id());
    let group = place.expect("no cgroup2 is mounted").join(name);
    let _ = fs::remove_dir(&group);
    fs::create_dir(&group).expect("this needs root");
    group
}

/// The process that scans, in mounts of its own, where nobody else makes noise.
struct Scanner {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Scanner {
    fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount -t tmpfs none /mnt && cd /mnt && exec \"$0\" scan")
            .arg(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let input = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("its readiness");
        Self {
            child,
            input,
            output,
        }
    }

    /// One scan: microseconds a file, and how much was lost.
    fn round(&mut self, looking: Looking, group: &Path) -> ((f64, f64), u64) {
        let pid = self.child.id();
        match looking {
            Looking::Nobody => (self.scan(), 0),
            Looking::Tracepoints => self.observed(group, &[]),
            Looking::Observers => self.observed(group, &places_of(pid).expect("its mounts")),
            Looking::Strace => (self.traced(), 0),
        }
    }

    /// Wall and processor time of the scanning process.
    fn scan(&mut self) -> (f64, f64) {
        self.input.write_all(b"x").expect("a pipe");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its time");
        let (wall, processor) = line.trim().split_once(' ').expect("two numbers");
        let number = |text: &str| text.parse().expect("a number");
        (number(wall), number(processor))
    }

    fn observed(&mut self, group: &Path, places: &[Place]) -> ((f64, f64), u64) {
        let mut observers = Observers::load();
        let watched = Watched {
            group,
            places,
            started: Instant::now(),
        };
        let folder = std::env::temp_dir();
        let file = |name: &str| {
            let path = folder.join(format!("{name}-{}", std::process::id()));
            let file = File::create(&path).expect("a file");
            fs::remove_file(path).expect("a file");
            file
        };
        let records = Records {
            trace: file("trace"),
            opens: file("opens"),
        };
        let watch = observers.start(&watched, records).expect("observers");
        let time = self.scan();
        let summary = watch.stop().expect("records");
        assert_eq!(summary.active.len(), 2, "{:?}", summary.missing);
        (time, summary.lost.iter().map(|(_, count)| count).sum())
    }

    fn traced(&mut self) -> (f64, f64) {
        let pid = self.child.id().to_string();
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-p", &pid])
            .spawn()
            .expect("strace is not installed");
        let status = format!("/proc/{pid}/status");
        while fs::read_to_string(&status).is_ok_and(|text| text.contains("TracerPid:\t0\n")) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let time = self.scan();
        let strace_pid = strace.id().to_string();
        let _ = Command::new("kill").arg(strace_pid).status();
        let _ = strace.wait();
        time
    }
}

/// Makes the files, and scans them once for each byte of its input.
fn scan() {
    let content = vec![b'a'; FILE_BYTES];
    let paths: Vec<PathBuf> = (0..FILES)
        .map(|index| PathBuf::from(format!("/mnt/{}/file-{index}", index % 100)))
        .collect();
    for path in &paths {
        let folder = path.parent().expect("a folder");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(path, &content).expect("a file");
    }
    println!("ready");
    let mut input = std::io::stdin();
    while input.read_exact(&mut [0]).is_ok() {
        let started = (Instant::now(), processor_time());
        read_all(&paths);
        let wall = started.0.elapsed();
        let processor = processor_time() - started.1;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / 20_000.0;
        println!("{} {}", micros(wall), micros(processor));
    }
}

fn read_all(paths: &[PathBuf]) {
    let mut buffer = vec![0; 1 << 16];
    for path in paths {
        let mut file = File::open(path).expect("a file");
        let _ = file.metadata();
        while file.read(&mut buffer).expect("its bytes") > 0 {}
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or(0))
}
