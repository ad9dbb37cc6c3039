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

use recorder::observe::{Observers, Records, Watched, places_of};
use sha2::{Digest, Sha256};

const FILES: usize = 20_000;
const FILE_BYTES: usize = 600;
const ROUNDS: usize = 15;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.as_slice() {
        [role, work] if role == "scan" => scan(work == "hash"),
        rest => {
            let rounds = rest.first().and_then(|word| word.parse().ok());
            for work in ["read", "hash"] {
                compare(work, rounds.unwrap_or(ROUNDS));
            }
        }
    }
}

/// Who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    Nobody,
    Observers,
    Strace,
}

const ALL: [Looking; 3] = [Looking::Nobody, Looking::Observers, Looking::Strace];

fn compare(work: &str, rounds: usize) {
    let group = group();
    let mut scanner = Scanner::start(work);
    fs::write(group.join("cgroup.procs"), scanner.child.id().to_string()).expect("cgroup.procs");
    let mut times: [Vec<f64>; 3] = Default::default();
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
    let medians = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        let middle = times.get(times.len() / 2).copied().unwrap_or(0.0);
        (times.first().copied().unwrap_or(0.0), middle)
    });
    let [plain, ..] = medians;
    println!("{work}: {FILES} files of {FILE_BYTES} bytes, {rounds} rounds in turn, {lost} lost");
    for (looking, (least, median)) in ALL.into_iter().zip(medians) {
        println!(
            "  {looking:<10?} least {least:6.2} µs a file ({:.2} times), median {median:6.2} ({:.2} times)",
            least / plain.0,
            median / plain.1,
        );
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
    fn start(work: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c"])
            .arg("mount -t tmpfs none /mnt && cd /mnt && exec \"$0\" scan \"$1\"")
            .arg(program)
            .arg(work)
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
    fn round(&mut self, looking: Looking, group: &Path) -> (f64, u64) {
        match looking {
            Looking::Nobody => (self.scan(), 0),
            Looking::Observers => self.observed(group),
            Looking::Strace => (self.traced(), 0),
        }
    }

    fn scan(&mut self) -> f64 {
        self.input.write_all(b"x").expect("a pipe");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("its time");
        line.trim().parse().expect("a number")
    }

    fn observed(&mut self, group: &Path) -> (f64, u64) {
        let mut observers = Observers::load();
        let places = places_of(self.child.id()).expect("its mounts");
        let watched = Watched {
            group,
            places: &places,
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

    fn traced(&mut self) -> f64 {
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
fn scan(is_hashing: bool) {
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
    let mut buffer = vec![0; 1 << 16];
    let mut input = std::io::stdin();
    while input.read_exact(&mut [0]).is_ok() {
        let started = Instant::now();
        for path in &paths {
            let mut file = File::open(path).expect("a file");
            let _ = file.metadata();
            loop {
                let count = file.read(&mut buffer).expect("its bytes");
                if count == 0 {
                    break;
                }
                if is_hashing {
                    let read = buffer.get(..count).unwrap_or_default();
                    std::hint::black_box(Sha256::digest(read));
                }
            }
        }
        let micros = started.elapsed().as_secs_f64() * 1e6;
        println!("{}", micros / 20_000.0);
    }
}
