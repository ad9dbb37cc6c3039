//! The worker's list of system calls is neither too long nor too short: a real worker is traced
//! through everything that it does, and each call on the list is made, and no other.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use acceptance::cli::program;
use acceptance::lab_network::{self, Enclosed};
use kernel::channel::Channel;
use lab::control::{self, Order, VendorFile};
use lab::plan::VendorAnswer;
use proto::{
    CompileSource, Decode, Describe, Encode, NamedFile, Question, Reply, Request, ScanItem,
    ScanOptions,
};

const PLAIN: &str = "candor-worker";
const WITH_YARA: &str = "candor-worker-yara";
const VERIFIER: &str = "candor-verifier";
const STRACE: &str = "/usr/bin/strace";
const PLENTY: &str = "1073741824";
/// Enough to start, and not enough for a source of [`LARGE_BYTES`].
const LITTLE: &str = "16777216";
const LARGE_BYTES: usize = 24 << 20;
/// The self-test's last attempt; what comes after it is the worker's own doing.
const LAST_PROBE: &str = "execve(\"/bin/true\"";
/// Refused, and done without. Programs that are built for testing check every descriptor that
/// they close; the others belong to the ways in which a program ends.
const DISPENSABLE: [&str; 7] = [
    "fcntl",
    "sigaltstack",
    "rt_sigprocmask",
    "rt_sigaction",
    "gettid",
    "getpid",
    "tgkill",
];

/// A worker under strace.
struct Traced {
    child: Child,
    channel: Option<Channel>,
    buffer: Vec<u8>,
    record: PathBuf,
}

impl Traced {
    fn start(folder: &Path, arguments: [&str; 2], pack: Option<&OwnedFd>) -> Self {
        Self::start_program((folder, PLAIN), arguments, pack)
    }

    fn start_program(
        (folder, name): (&Path, &str),
        arguments: [&str; 2],
        pack: Option<&OwnedFd>,
    ) -> Self {
        let (ours, theirs) = Channel::pair().unwrap();
        let number = std::fs::read_dir(folder).unwrap().count();
        let record = folder.join(format!("record-{number}"));
        let stdout = match pack {
            Some(pack) => Stdio::from(pack.try_clone().unwrap()),
            None => Stdio::null(),
        };
        let child = Command::new(STRACE)
            .args(["-f", "-qq", "-o"])
            .arg(&record)
            .arg(program(name))
            .args(arguments)
            .env_clear()
            .stdin(Stdio::from(theirs.into_fd()))
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut traced = Self {
            child,
            channel: Some(ours),
            buffer: Vec::new(),
            record,
        };
        let ready = traced.hear();
        assert!(matches!(ready, Some(Reply::Ready { .. })), "{ready:?}");
        traced
    }

    fn ask(&self, request: &Request, files: &[BorrowedFd<'_>]) {
        let channel = self.channel.as_ref().unwrap();
        channel.send(&request.to_message(), files).unwrap();
    }

    fn hear(&mut self) -> Option<Reply> {
        let channel = self.channel.as_ref().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let received = channel.receive_by(&mut self.buffer, deadline).unwrap()?;
        Some(Reply::from_message(received.bytes).unwrap())
    }

    /// Hangs up, and reads what the worker did once it was ready.
    fn calls(mut self) -> Calls {
        self.channel = None;
        self.child.wait().unwrap();
        Calls::read(&std::fs::read_to_string(&self.record).unwrap())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // After a failed test too, nothing stays behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a worker did in its jail.
#[derive(Default)]
struct Calls {
    made: BTreeSet<String>,
    refused: BTreeSet<String>,
}

impl Calls {
    fn read(record: &str) -> Self {
        let worker = record
            .lines()
            .find(|line| line.contains(LAST_PROBE))
            .and_then(|line| line.split_whitespace().next())
            .expect("the self-test was made");
        let mut calls = Self::default();
        let lines = record
            .lines()
            .filter_map(|line| line.strip_prefix(worker))
            .skip_while(|line| !line.contains(LAST_PROBE))
            .skip(1);
        for line in lines.map(str::trim_start) {
            let Some((name, rest)) = call(line) else {
                continue;
            };
            // A process that was ended in the middle of a call has no outcome to tell.
            if !rest.contains(" = ") || (rest.ends_with("= ?") && name != "exit_group") {
                continue;
            }
            let set = if rest.contains("= -1 EPERM") {
                &mut calls.refused
            } else {
                &mut calls.made
            };
            set.insert(name.to_string());
        }
        calls
    }

    fn add(&mut self, other: Self) {
        self.made.extend(other.made);
        self.refused.extend(other.refused);
    }
}

/// A call's name and what came of it. Where two processes take turns, a call has two lines, and
/// the second has the outcome.
fn call(line: &str) -> Option<(&str, &str)> {
    if line.ends_with("<unfinished ...>") {
        return None;
    }
    if let Some(resumed) = line.strip_prefix("<... ") {
        return resumed.split_once(" resumed>");
    }
    let (name, rest) = line.split_once('(')?;
    let is_name = name
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    is_name.then_some((name, rest))
}

fn memory(bytes: &[u8]) -> OwnedFd {
    let file = kernel::file::memory_file("test").unwrap();
    kernel::file::write_all_at(&file, 0, bytes).unwrap();
    file
}

fn compile(folder: &Path, pack: &OwnedFd) -> Calls {
    let mut worker = Traced::start(folder, ["compile", PLENTY], None);
    let source = memory(b"Test.Marker:0:*:63616e646f722d6163636570\n");
    let label = "test.ndb".to_string();
    let sources = Request::CompileSources(vec![CompileSource { label }]);
    worker.ask(&sources, &[source.as_fd()]);
    worker.ask(&Request::CompileInto(Vec::new()), &[pack.as_fd()]);
    let reply = worker.hear();
    assert!(matches!(reply, Some(Reply::Compiled { .. })), "{reply:?}");
    worker.calls()
}

/// Rules that use what YARA's interpreter and modules have.
const YARA: &[u8] = b"import \"pe\" import \"hash\" import \"time\" import \"math\"\n\
    rule A { strings: $a = /s[a-z]+l/ $b = \"x\" condition: $a or #b > 3 or pe.is_pe }\n\
    rule B { condition: hash.md5(0, filesize) != \"\" and time.now() > 0 and A \
    and math.entropy(0, filesize) >= 0 and for all i in (0..10) : (uint8(i) >= 0) }\n";

/// With YARA rules: compiling sources, compiling a pack's, and scanning with them.
fn with_yara(folder: &Path) -> Calls {
    let (pack, yara, again) = (memory(b""), memory(b""), memory(b""));
    let program = (folder, WITH_YARA);
    let mut worker = Traced::start_program(program, ["compile", PLENTY], None);
    let source = memory(YARA);
    let label = "test.yar".to_string();
    let sources = Request::CompileSources(vec![CompileSource { label }]);
    worker.ask(&sources, &[source.as_fd()]);
    let request = Request::CompileInto(Vec::new());
    worker.ask(&request, &[pack.as_fd(), yara.as_fd()]);
    let reply = worker.hear();
    assert!(
        matches!(&reply, Some(Reply::Compiled { yara_bytes, .. }) if *yara_bytes > 0),
        "{reply:?}"
    );
    let mut calls = worker.calls();

    let mut worker = Traced::start_program(program, ["compile", PLENTY], Some(&pack));
    worker.ask(&Request::CompileYara(Vec::new()), &[again.as_fd()]);
    let reply = worker.hear();
    assert!(matches!(reply, Some(Reply::YaraCompiled(_))), "{reply:?}");
    calls.add(worker.calls());

    let mut worker = Traced::start_program(program, ["scan", PLENTY], Some(&pack));
    worker.ask(&Request::UseYara, &[yara.as_fd()]);
    let reply = worker.hear();
    assert!(matches!(reply, Some(Reply::YaraReady)), "{reply:?}");
    let findings = scan(&mut worker);
    assert!(findings > 0, "no rule matched");
    calls.add(worker.calls());
    calls
}

/// Small, large and packed files.
fn files() -> Vec<OwnedFd> {
    let mut files = vec![memory(b"small"), memory(&vec![b'x'; 8 << 20])];
    if let Ok(entries) = std::fs::read_dir("/usr/share/clamav-testfiles") {
        let paths = entries.map(|entry| entry.unwrap().path());
        files.extend(paths.map(|path| OwnedFd::from(std::fs::File::open(path).unwrap())));
    } else {
        println!("skipped: packed files need the package clamav-testfiles");
    }
    files.truncate(proto::BATCH_ITEMS_MAX);
    files
}

fn scan_and_describe(folder: &Path, pack: &OwnedFd) -> Calls {
    let mut worker = Traced::start(folder, ["scan", PLENTY], Some(pack));
    scan(&mut worker);
    worker.ask(&Request::Describe(Describe::Show), &[]);
    while !matches!(worker.hear(), Some(Reply::TextEnd(None))) {}
    worker.calls()
}

/// Scans the files; gives how many findings there are.
fn scan(worker: &mut Traced) -> usize {
    let files = files();
    let items = (0u64..).take(files.len());
    let items = items.map(|ticket| ScanItem { ticket }).collect();
    let options = ScanOptions {
        sha256: true,
        all_matches: true,
        ..ScanOptions::default()
    };
    let borrowed: Vec<_> = files.iter().map(AsFd::as_fd).collect();
    worker.ask(&Request::Scan { options, items }, &borrowed);
    let (mut answers, mut findings) = (0, 0);
    while answers < files.len() {
        match worker.hear() {
            Some(Reply::Verdict { verdict, .. }) => {
                answers += 1;
                findings += verdict.findings.len();
            }
            Some(Reply::SoFar { .. }) => {}
            other => panic!("no verdict: {other:?}"),
        }
    }
    findings
}

/// A worker that is asked what it can't do says so and ends.
fn refuse(program: (&Path, &str)) -> Calls {
    let mut worker = Traced::start_program(program, ["scan", PLENTY], None);
    let file = memory(b"x");
    let items = vec![ScanItem { ticket: 1 }];
    let options = ScanOptions::default();
    worker.ask(&Request::Scan { options, items }, &[file.as_fd()]);
    let reply = worker.hear();
    assert!(matches!(reply, Some(Reply::Refused(_))), "{reply:?}");
    assert_eq!(worker.hear(), None);
    worker.calls()
}

/// A worker without memory says so and dies. Under a tracer it can't: the kernel keeps the first
/// process of a namespace alive for it. So it is ended once it said why.
fn run_out_of_memory(program: (&Path, &str)) -> Calls {
    let mut worker = Traced::start_program(program, ["compile", LITTLE], None);
    let source = memory(&vec![b'x'; LARGE_BYTES]);
    let label = "large.ndb".to_string();
    let sources = Request::CompileSources(vec![CompileSource { label }]);
    worker.ask(&sources, &[source.as_fd()]);
    let output = memory(b"");
    // It may be dead already.
    let channel = worker.channel.take().unwrap();
    let _ = channel.send(
        &Request::CompileInto(Vec::new()).to_message(),
        &[output.as_fd()],
    );
    last_words(worker, channel)
}

/// The verifier, with a file that is longer than its memory.
fn die_without_memory(program: (&Path, &str), (request, file): (&Request, &OwnedFd)) -> Calls {
    let mut worker = Traced::start_program(program, ["scan", LITTLE], None);
    worker.ask(request, &[file.as_fd()]);
    let channel = worker.channel.take().unwrap();
    last_words(worker, channel)
}

/// Waits until it said that memory ran out, and ends it.
fn last_words(mut worker: Traced, channel: Channel) -> Calls {
    let mut words = String::new();
    let mut diagnostics = BufReader::new(worker.child.stderr.take().unwrap());
    while !words.contains("memory allocation of") {
        let length = diagnostics.read_line(&mut words).unwrap();
        assert_ne!(length, 0, "it ended and did not say why: {words}");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while !std::fs::read_to_string(&worker.record)
        .unwrap()
        .contains("write(2,")
    {
        assert!(Instant::now() < deadline, "what it said was not recorded");
        std::thread::sleep(Duration::from_millis(10));
    }
    worker.child.kill().unwrap();
    drop(channel);
    worker.calls()
}

/// Evidence shown, and a request that is not for the verifier.
fn judge(folder: &Path) -> Calls {
    let mut worker = Traced::start_program((folder, VERIFIER), ["scan", PLENTY], None);
    let mut large = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":["#.to_vec();
    large.extend(br#"{"name":"a"},"#.repeat(200_000));
    large.extend(br#"{"name":"b"}]}"#);
    let file = memory(&large);
    worker.ask(&Request::Judge(question()), &[file.as_fd()]);
    while let Some(reply) = worker.hear() {
        match reply {
            Reply::Text(_) => {}
            Reply::TextEnd(None) => break,
            other => panic!("no answer: {other:?}"),
        }
    }
    worker.ask(&Request::Describe(Describe::Show), &[]);
    let reply = worker.hear();
    assert!(matches!(reply, Some(Reply::Refused(_))), "{reply:?}");
    worker.calls()
}

fn question() -> Question {
    Question {
        task: "show".to_string(),
        settings: Vec::new(),
        files: vec![NamedFile {
            part: "bundle".to_string(),
            label: "evidence".to_string(),
        }],
    }
}

/// The names on a role's list, and those of them that no test can reach here.
fn listed(role: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../roles");
    let text = std::fs::read_to_string(roles.join(role).join("role.toml")).unwrap();
    let mut all = BTreeSet::new();
    let mut untested = BTreeSet::new();
    for section in text.split("[[syscall]]").skip(1) {
        let value = |key: &str| {
            section
                .lines()
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))
                .map(|value| value.trim().trim_matches('"').to_string())
        };
        let name = value("name").expect("a call has a name");
        if value("untested").is_some() {
            untested.insert(name.clone());
        }
        all.insert(name);
    }
    (all, untested)
}

fn assert_exact(calls: &Calls, role: &str) {
    let (listed, untested) = listed(role);
    assert!(listed.len() >= 10, "{listed:?}");
    let unlisted: Vec<_> = calls.made.difference(&listed).collect();
    assert!(
        unlisted.is_empty(),
        "{role}: made and not listed: {unlisted:?}"
    );
    let unmade: Vec<_> = listed
        .difference(&calls.made)
        .filter(|name| !untested.contains(*name))
        .collect();
    assert!(
        unmade.is_empty(),
        "{role}: listed and never made: {unmade:?}"
    );
    let missed: Vec<_> = calls
        .refused
        .iter()
        .filter(|name| !DISPENSABLE.contains(&name.as_str()))
        .collect();
    assert!(
        missed.is_empty(),
        "{role}: refused and perhaps needed: {missed:?}"
    );
}

#[test]
fn every_listed_call_is_made_and_no_other() {
    if !Path::new(STRACE).exists() {
        println!("skipped: tracing the worker needs strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pack = memory(b"");
    let mut calls = compile(folder.path(), &pack);
    calls.add(scan_and_describe(folder.path(), &pack));
    calls.add(refuse((folder.path(), PLAIN)));
    calls.add(run_out_of_memory((folder.path(), PLAIN)));
    assert_exact(&calls, "worker");
}

#[test]
fn every_call_that_yara_rules_need_is_made_and_no_other() {
    if !Path::new(STRACE).exists() {
        println!("skipped: tracing the worker needs strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut calls = with_yara(folder.path());
    calls.add(refuse((folder.path(), WITH_YARA)));
    calls.add(run_out_of_memory((folder.path(), WITH_YARA)));
    assert_exact(&calls, "worker-yara");
}

#[test]
fn every_call_that_judging_evidence_needs_is_made_and_no_other() {
    if !Path::new(STRACE).exists() {
        println!("skipped: tracing the worker needs strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut calls = judge(folder.path());
    let file = memory(&vec![b' '; LARGE_BYTES]);
    let request = Request::Judge(question());
    calls.add(die_without_memory(
        (folder.path(), VERIFIER),
        (&request, &file),
    ));
    assert_exact(&calls, "verifier");
}

#[test]
fn every_call_that_the_labs_gateway_needs_is_made_and_no_other() {
    let missing = lab_network::missing();
    if let Some(missing) = missing.or((!Path::new(STRACE).exists()).then_some("strace")) {
        println!("skipped: tracing the lab's gateway: {missing}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let mut settings = lab_network::settings();
    settings.vendor = vec![VendorAnswer {
        path: Some("/file".to_string()),
        file: Some("file".to_string()),
        status: 200,
        ..VendorAnswer::default()
    }];
    let launcher = [STRACE, "-f", "-qq", "-o", record.to_str().unwrap()];
    let mut enclosed = Enclosed::start_under(&launcher, settings);
    let file = memory(&vec![b'x'; 8 << 20]);
    let name = VendorFile {
        script: 0,
        path: None,
    };
    let order = Order::Files { files: vec![name] };
    assert_eq!(
        enclosed.order(&order, &[file.as_fd()]),
        control::Reply::Done
    );
    let _ = enclosed.says(
        0,
        "ping -c 1 192.0.2.1; curl -sSf -o got http://a.example/file",
    );
    let _ = enclosed.says(0, "curl -sS --cacert $CA -F f=@got https://a.example/up");
    let ended = enclosed.order(&Order::End, &[]);
    assert!(matches!(ended, control::Reply::Ended(_)), "{ended:?}");
    let again = enclosed.order(&Order::End, &[]);
    assert!(matches!(again, control::Reply::Refused { .. }), "{again:?}");
    enclosed.wait();
    let calls = Calls::read(&std::fs::read_to_string(&record).unwrap());
    assert_exact(&calls, "lab-gateway");
}
