//! YARA rules through Candor, through YARA itself and through YARA-X's own Python module: being
//! ready, tiny files, a tree.

use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pool::{Pool, RuleFiles};

use crate::corpus;
use crate::opening::{scan_some, settings, worker_rss_anon_kb};
use crate::timing::{self, Cost};

const WORKER: &str = "candor-worker-yara";
const RUNS: usize = 3;
const LOADS: usize = 9;
const COMPILE_BYTES: u64 = 5 << 30;
/// Tiny files, for what each costs at least.
const FILES: u16 = 2000;
/// Compiles a directory's rules, each file in a namespace of its own, into a file.
const YARA_X_COMPILES: &str = r#"
import os, sys, yara_x
rules, output = sys.argv[1:]
compiler = yara_x.Compiler(relaxed_re_syntax=True)
for name in ("filename", "filepath", "extension", "filetype", "owner"):
    compiler.define_global(name, "")
for name in sorted(os.listdir(rules)):
    if name.endswith((".yar", ".yara")):
        compiler.new_namespace(name)
        compiler.add_source(open(os.path.join(rules, name), encoding="utf-8").read())
compiler.build().serialize_into(open(output, "wb"))
"#;
/// Scans a tree with them, one file after another.
const YARA_X_SCANS: &str = r#"
import os, sys, yara_x
compiled, tree = sys.argv[1:]
scanner = yara_x.Scanner(yara_x.Rules.deserialize_from(open(compiled, "rb")))
for folder, _, names in os.walk(tree):
    for path in (os.path.join(folder, name) for name in names):
        if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path):
            for rule in scanner.scan_file(path).matching_rules:
                print(rule.identifier, path)
"#;
const EXTERNALS: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];

/// Measures with a pack, the rules that it was built from, and a tree to scan.
pub(crate) fn run(pack: &Path, rules: &Path, tree: &Path) -> Result<(), String> {
    being_ready(pack)?;
    let there = ["yara", "yarac"].map(timing::is_installed);
    if there != [true, true] {
        return Err("yara and yarac are not installed: nothing to compare with".to_string());
    }
    let scratch = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut peers = vec![Peer::yara(rules, scratch.path())?];
    peers.extend(Peer::yara_x(rules, scratch.path())?);
    let tiny = scratch.path().join("tiny");
    let nothing = scratch.path().join("nothing");
    for directory in [&tiny, &nothing] {
        fs::create_dir(directory).map_err(|error| error.to_string())?;
    }
    corpus::files(&tiny, FILES.into(), 64)?;
    // Once unmeasured, so that the rules are compiled and the files are in memory.
    candor(pack, tree)?;
    for peer in &peers {
        let compare = |path: &Path| {
            let (ours, theirs) =
                timing::paired(RUNS, &mut || candor(pack, path), &mut || peer.scan(path))?;
            Ok::<_, String>((timing::medians(&ours), timing::medians(&theirs)))
        };
        let name = peer.name;
        let (our_load, their_load) = compare(&nothing)?;
        println!(
            "loading, CPU: candor {:.3} s, {name} {:.3} s",
            our_load.cpu_s, their_load.cpu_s
        );
        let (ours, theirs) = compare(&tiny)?;
        let per_file_ms = |run: Cost, load: Cost| (run.cpu_s - load.cpu_s) * 1e3 / f64::from(FILES);
        println!(
            "a file of 64 bytes, CPU: candor {:.3} ms, {name} {:.3} ms",
            per_file_ms(ours, our_load),
            per_file_ms(theirs, their_load)
        );
        let (ours, theirs) = compare(tree)?;
        let (ours, theirs) = (ours.cpu_s - our_load.cpu_s, theirs.cpu_s - their_load.cpu_s);
        println!(
            "the tree, CPU: candor {ours:.2} s, {name} {theirs:.2} s: {:.1} times",
            theirs / ours
        );
    }
    Ok(())
}

/// Another program with the same rules, compiled.
struct Peer {
    name: &'static str,
    command: Vec<OsString>,
}

impl Peer {
    fn yara(rules: &Path, scratch: &Path) -> Result<Self, String> {
        let compiled = compile_for_peer(rules, scratch)?;
        let mut command: Vec<OsString> = ["yara", "-w", "-r", "-N", "-p", "1", "-C"]
            .map(OsString::from)
            .into();
        command.push(compiled.into());
        Ok(Self {
            name: "yara",
            command,
        })
    }

    /// YARA-X's engine as it is published, with its native code, where a Python that has it is
    /// named: its own command is no package.
    fn yara_x(rules: &Path, scratch: &Path) -> Result<Option<Self>, String> {
        let Some(python) = std::env::var_os("CANDOR_YARA_PYTHON") else {
            println!("YARA-X itself is not compared: no CANDOR_YARA_PYTHON");
            return Ok(None);
        };
        let compiled = scratch.join("compiled-x");
        let mut command = Command::new(&python);
        command.args(["-c", YARA_X_COMPILES]).arg(rules);
        let cost = timing::run(command.arg(&compiled))?;
        println!("YARA-X compiles: {:.1} s of CPU", cost.cpu_s);
        Ok(Some(Self {
            name: "yara-x",
            command: vec![python, "-c".into(), YARA_X_SCANS.into(), compiled.into()],
        }))
    }

    fn scan(&self, path: &Path) -> Result<Cost, String> {
        let (program, arguments) = self.command.split_first().ok_or("no command")?;
        timing::run(Command::new(program).args(arguments).arg(path))
    }
}

fn being_ready(path: &Path) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    let open = || fs::File::open(path).map(OwnedFd::from).map_err(text);
    let yara = kernel::file::memory_file("yara").map_err(text)?;
    let started = Instant::now();
    let program = timing::program(WORKER)?;
    let task = (open()?, Vec::new());
    let output = yara.try_clone().map_err(text)?;
    let bytes = pool::compile_yara(&program, task, output, COMPILE_BYTES)
        .map_err(|error| error.to_string())?;
    println!(
        "compiled once in {:.1} s, to {bytes} bytes",
        started.elapsed().as_secs_f64()
    );
    let mut ready_ms = Vec::new();
    let mut memory_kb = (0, 0);
    for _ in 0..LOADS {
        let rules = RuleFiles {
            pack: open()?,
            yara: Some(yara.try_clone().map_err(text)?),
        };
        let started = Instant::now();
        let pool = Pool::start(settings(WORKER)?, rules).map_err(|error| error.to_string())?;
        ready_ms.push(started.elapsed().as_secs_f64() * 1e3);
        memory_kb.0 = worker_rss_anon_kb()?;
        memory_kb.1 = scan_some(&pool)?;
    }
    println!(
        "a worker with YARA rules ready: median {:.1} ms; RssAnon {} kB, after files {} kB",
        timing::median(ready_ms),
        memory_kb.0,
        memory_kb.1
    );
    Ok(())
}

fn candor(pack: &Path, path: &Path) -> Result<Cost, String> {
    let mut command = Command::new(timing::program("candor")?);
    command.args([
        "scan",
        "--jobs",
        "1",
        "--no-progress",
        "--quiet",
        "--all-matches",
    ]);
    timing::run(command.arg("--pack").arg(pack).arg(path))
}

/// Loading is compared with loading, not with compiling.
fn compile_for_peer(rules: &Path, scratch: &Path) -> Result<PathBuf, String> {
    let output = scratch.join("compiled");
    let mut command = Command::new("yarac");
    command.arg("-w");
    for name in EXTERNALS {
        command.arg("-d").arg(format!("{name}="));
    }
    let mut sources: Vec<_> = fs::read_dir(rules)
        .map_err(|error| error.to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "yar"))
        .collect();
    sources.sort();
    for (number, source) in sources.iter().enumerate() {
        command.arg(format!("n{number}:{}", source.display()));
    }
    let cost = timing::run(command.arg(&output))?;
    println!("yarac: {:.1} s of CPU", cost.cpu_s);
    Ok(output)
}
