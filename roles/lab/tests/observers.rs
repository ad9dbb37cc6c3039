//! Both observers, on a product that touches files and sockets in every way that they promise to
//! see. As root, on a kernel that offers them; what can't be tested here is said.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use lab::trace::{Access, Event, How, Observer, Protocol, UringOutcome};
use recorder::observe::{Observers, Records, Summary, Watched, places_of};

/// A control group of the second version, removed when it is dropped.
struct Group(PathBuf);

impl Group {
    fn make(name: &str) -> Option<Self> {
        let mounts = fs::read_to_string("/proc/mounts").ok()?;
        let mut mounts = mounts.lines().map(|line| line.split(' '));
        let place = mounts.find_map(|mut words| {
            let place = words.nth(1)?;
            (words.next()? == "cgroup2").then(|| PathBuf::from(place))
        })?;
        let path = place.join(format!("candor-{name}-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        Some(Self(path))
    }

    fn add(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("cgroup.procs");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// How the subject's folder is mounted.
const IN_MEMORY: &str = "mount -t tmpfs none .";
const IN_AN_OVERLAY: &str = "mkdir lower && mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work \
    && mount -t overlay none . -o lowerdir=lower,upperdir=/mnt/upper,workdir=/mnt/work,xino=on";

/// What was recorded, and which file is which.
struct Run {
    pid: u32,
    files: BTreeMap<String, (String, u64)>,
    status: Option<i32>,
    trace: Vec<Event>,
    opens: Vec<Event>,
    summary: Summary,
}

/// The subject, waiting to be told to start, with namespaces of its own and nothing in its network
/// but a loop.
struct Subject {
    child: Child,
    pid: u32,
    files: BTreeMap<String, (String, u64)>,
    _folder: tempfile::TempDir,
}

impl Subject {
    fn start(mount: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("subject");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observers/subject.c");
        let built = Command::new("cc")
            .arg("-O1")
            .arg("-o")
            .arg(&program)
            .arg(source)
            .status();
        if !built.is_ok_and(|status| status.success()) {
            println!("skipped: the observers on a product (there is no C compiler)");
            return None;
        }
        let area = folder.path().join("area");
        fs::create_dir(&area).expect("a folder");
        let script = format!("{mount} && cd \"$PWD\" && exec \"$0\"");
        let mut child = Command::new("unshare")
            .args(["--mount", "--net", "--propagation", "private", "sh", "-c"])
            .arg(script)
            .arg(&program)
            .current_dir(&area)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut files = BTreeMap::new();
        let mut pid = None;
        let told = BufReader::new(child.stdout.take().expect("piped")).lines();
        for line in told {
            let line = line.expect("text");
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["ready"] => break,
                ["pid", number] => pid = number.parse().ok(),
                [name, device, inode] => {
                    let inode = inode.parse().expect("a number");
                    files.insert((*name).to_owned(), ((*device).to_owned(), inode));
                }
                _ => panic!("the subject said {line}"),
            }
        }
        let pid = pid.expect("the subject did not start");
        refuse_an_uplink(pid);
        Some(Self {
            child,
            pid,
            files,
            _folder: folder,
        })
    }

    fn go(mut self) -> (u32, BTreeMap<String, (String, u64)>, Option<i32>) {
        let mut input = self.child.stdin.take().expect("piped");
        input.write_all(b"x").expect("a pipe");
        let status = self.child.wait().expect("its end");
        (self.pid, self.files, status.code())
    }
}

/// Nothing may talk that has a way out.
fn refuse_an_uplink(pid: u32) {
    let list = fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("its network");
    let names: Vec<&str> = list
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .map(str::trim)
        .collect();
    assert_eq!(names, ["lo"], "the subject has a network");
}

fn run(mount: &str, name: &str) -> Option<Run> {
    let Some(group) = Group::make(name) else {
        println!("skipped: the observers on a product (this is not root, or there is no cgroup2)");
        return None;
    };
    let mut observers = Observers::load();
    let subject = Subject::start(mount)?;
    let places = places_of(subject.pid).expect("its mounts");
    group.add(subject.pid);
    let records = tempfile::tempdir().expect("a folder");
    let file = |name| File::create(records.path().join(name)).expect("a file");
    let watched = Watched {
        group: &group.0,
        places: &places,
        started: Instant::now(),
    };
    let outputs = Records {
        trace: file("trace"),
        opens: file("opens"),
    };
    let watch = observers.start(&watched, outputs).expect("observers");
    let outsider = Command::new("cat").arg("/etc/hostname").output();
    assert!(outsider.is_ok());
    let (pid, files, status) = subject.go();
    let summary = watch.stop().expect("records");
    for missing in &summary.missing {
        if missing.observer != Observer::TlsLibraries {
            println!("skipped: {:?} ({})", missing.observer, missing.reason);
            return None;
        }
    }
    let read = |name| {
        let bytes = fs::read(records.path().join(name)).expect("a file");
        let events = lab::lines::read::<Event>(&bytes);
        events.map(|(_, event)| event.expect("a record")).collect()
    };
    Some(Run {
        pid,
        files,
        status,
        trace: read("trace"),
        opens: read("opens"),
        summary,
    })
}

impl Run {
    /// Bytes, calls and readers of a file, one way, as the tracepoints tell it.
    fn read(&self, name: &str, way: How) -> Vec<(u32, u64, u64)> {
        let (device, inode) = self.files.get(name).expect("a file of the subject");
        let read = self.trace.iter().filter_map(|event| match event {
            Event::Read(transfer) => Some(transfer),
            _ => None,
        });
        read.filter(|transfer| {
            transfer.file.device == *device && transfer.file.inode == *inode && transfer.how == way
        })
        .map(|transfer| (transfer.pid, transfer.bytes, transfer.calls))
        .collect()
    }

    /// The subject's files that were opened or read, as one observer tells it.
    fn touched(&self, events: &[Event]) -> BTreeSet<&str> {
        let found: BTreeSet<(String, u64)> = events
            .iter()
            .filter_map(|event| match event {
                Event::Open { file, .. } => file.clone(),
                Event::Read(transfer) => Some(transfer.file.clone()),
                _ => None,
            })
            .map(|file| (file.device, file.inode))
            .collect();
        let names = self.files.iter().filter(|(_, file)| found.contains(*file));
        names.map(|(name, _)| name.as_str()).collect()
    }

    /// What was done with privilege.
    fn privileged(&self) -> Vec<(&str, &str)> {
        let told = self.trace.iter().filter_map(|event| match event {
            Event::Privileged {
                operation, detail, ..
            } => Some((operation.as_str(), detail.as_str())),
            _ => None,
        });
        told.collect()
    }

    /// The processes that something is told of.
    fn processes(&self) -> BTreeSet<u32> {
        let mut known = BTreeSet::from([self.pid]);
        for event in &self.trace {
            if let Event::Fork { pid, parent, .. } = event {
                assert!(known.contains(parent), "{event:?}");
                known.insert(*pid);
            }
        }
        known
    }
}

fn who(event: &Event) -> Option<u32> {
    match event {
        Event::Fork { pid, .. }
        | Event::Exec { pid, .. }
        | Event::Exit { pid, .. }
        | Event::Open { pid, .. }
        | Event::Connect { pid, .. }
        | Event::Traffic { pid, .. }
        | Event::Privileged { pid, .. }
        | Event::Uring { pid, .. }
        | Event::Plaintext { pid, .. } => Some(*pid),
        Event::Read(transfer) | Event::Write(transfer) => Some(transfer.pid),
        Event::Phase { .. } | Event::Lost { .. } => None,
    }
}

#[test]
fn every_way_to_read_a_file_is_seen_with_its_bytes() {
    let Some(run) = run(IN_MEMORY, "reads") else {
        return;
    };
    assert_eq!(run.status, Some(7));
    let me = run.pid;
    assert_eq!(run.read("read", How::Read), [(me, 1000, 2)]);
    assert_eq!(run.read("one", How::Read), [(me, 1, 1)]);
    for name in ["pread", "readv", "preadv2"] {
        assert_eq!(run.read(name, How::Read), [(me, 50, 1)], "{name}");
    }
    assert_eq!(run.read("mapped", How::Map), [(me, 1000, 1)]);
    assert_eq!(run.read("sent", How::Splice), [(me, 700, 1)]);
    assert_eq!(run.read("spliced", How::Splice), [(me, 800, 1)]);
    assert_eq!(run.read("copied", How::Splice), [(me, 900, 1)]);
    assert_eq!(run.read("queued", How::Read), [(me, 250, 1)]);
    assert_eq!(run.read("read", How::Splice), [(me, 40, 1)]);
    // Another process reads what it did not open.
    let passed = run.read("passed", How::Read);
    assert_eq!(passed.len(), 1);
    assert!(
        passed
            .iter()
            .all(|(pid, bytes, _)| *pid != me && *bytes == 300)
    );
    let shared = run.read("shared", How::Read);
    assert!(
        matches!(shared.as_slice(), [(pid, 123, 1)] if *pid != me),
        "{shared:?}"
    );
    let opened = run.trace.iter().any(|event| {
        matches!(event, Event::Open { path, access: Access::Read, pid, .. }
            if path.as_str().ends_with("/area/mapped") && *pid == me)
    });
    assert!(opened, "{:?}", run.trace);
}

#[test]
fn both_observers_name_the_same_files_and_nobody_elses() {
    for (mount, name) in [(IN_MEMORY, "both"), (IN_AN_OVERLAY, "overlay")] {
        let Some(run) = run(mount, name) else {
            return;
        };
        let all: BTreeSet<&str> = run.files.keys().map(String::as_str).collect();
        assert_eq!(run.touched(&run.trace), all, "{mount}");
        assert_eq!(run.touched(&run.opens), all, "{mount}");
        let known = run.processes();
        for event in run.trace.iter().chain(&run.opens) {
            assert!(
                who(event).is_none_or(|pid| known.contains(&pid)),
                "{event:?}"
            );
        }
        assert_eq!(run.summary.lost, []);
        let active = [Observer::Tracepoints, Observer::Fanotify];
        assert_eq!(run.summary.active, active);
    }
}

#[test]
fn processes_and_the_programs_that_they_become_are_seen() {
    let Some(run) = run(IN_MEMORY, "programs") else {
        return;
    };
    let programs: Vec<(u32, String, Vec<String>)> = run
        .trace
        .iter()
        .filter_map(|event| match event {
            Event::Exec {
                pid,
                path,
                arguments,
                ..
            } => {
                let arguments = arguments.iter().map(|one| one.as_str().to_owned());
                Some((*pid, path.as_str().to_owned(), arguments.collect()))
            }
            _ => None,
        })
        .collect();
    let [(first, shell, words), (second, cat, files)] = programs.as_slice() else {
        panic!("{programs:?}");
    };
    assert_eq!(first, second);
    assert!(shell.ends_with("sh"), "{shell}");
    assert_eq!(words.get(1).map(String::as_str), Some("-c"));
    assert!(cat.ends_with("/cat"), "{cat}");
    assert_eq!(files, &["/bin/cat", "catted"]);
    let ended = |pid: u32, with: i32| {
        run.trace.iter().any(|event| {
            matches!(event, Event::Exit { pid: one, status, .. } if *one == pid && *status == with)
        })
    };
    assert!(ended(*first, 0) && ended(run.pid, 7 << 8));
    let fanotify_saw = run
        .opens
        .iter()
        .any(|event| matches!(event, Event::Exec { path, .. } if path.as_str().ends_with("/cat")));
    assert!(fanotify_saw);
}

#[test]
fn connections_and_their_bytes_are_seen() {
    let Some(run) = run(IN_MEMORY, "network") else {
        return;
    };
    let connected: BTreeSet<(Protocol, &str, u16)> = run
        .trace
        .iter()
        .filter_map(|event| match event {
            Event::Connect {
                protocol,
                address,
                port,
                ..
            } => Some((*protocol, address.as_str(), *port)),
            _ => None,
        })
        .collect();
    let expected = BTreeSet::from([
        (Protocol::Tcp, "127.0.0.1", 4711),
        (Protocol::Tcp, "2001:db8::1", 443),
        (Protocol::Unix, "/no/such/socket", 0),
    ]);
    assert_eq!(connected, expected);
    let mut passed: Vec<(Protocol, &str, u64, u64)> = run
        .trace
        .iter()
        .filter_map(|event| match event {
            Event::Traffic {
                protocol,
                remote,
                sent_bytes,
                received_bytes,
                ..
            } => Some((*protocol, remote.as_str(), *sent_bytes, *received_bytes)),
            _ => None,
        })
        .collect();
    // The client's own port is anybody's guess: what its address is not is compared without.
    for (_, remote, ..) in &mut passed {
        if !["127.0.0.1:4711", "127.0.0.1:4712"].contains(remote) {
            *remote = "the client";
        }
    }
    passed.sort_unstable();
    let expected = [
        (Protocol::Tcp, "127.0.0.1:4711", 10, 40),
        (Protocol::Tcp, "the client", 40, 10),
        (Protocol::Udp, "127.0.0.1:4712", 11, 0),
    ];
    assert_eq!(passed, expected);
}

#[test]
fn privileged_operations_and_refused_rings_are_seen() {
    let Some(run) = run(IN_MEMORY, "privileges") else {
        return;
    };
    let told = run.privileged();
    for (operation, start) in [
        ("raw-socket", "17, 3, 0 = "),
        ("setuid", "0 = 0"),
        ("chroot", "/ = 0"),
        ("unshare", "0x4000000 = 0"),
        ("bind", "127.0.0.1:4711 = 0"),
    ] {
        let found = told
            .iter()
            .any(|(name, detail)| *name == operation && detail.starts_with(start));
        assert!(found, "{operation} {start}: {told:?}");
    }
    // Refused before the call began: only its end shows it.
    let rings: Vec<_> = run
        .trace
        .iter()
        .filter_map(|event| match event {
            Event::Uring { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(rings, [UringOutcome::Denied]);
}
