//! `candor-lab run`: all runs of a plan, into one bundle.
//!
//! Descriptor 0 is the bundle, an empty regular file that `candor` gives its name when this program
//! succeeds. Descriptor 1 takes the answers. Whatever fails here leaves nothing behind: mounts are
//! this process's own, programs end with it, control groups are removed.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lab::bundle::{
    CANARIES, ENVIRONMENT, EndState, Environment, Granted, Missing, OUTPUT, PLAN, PRODUCT,
    PhaseRecord, Planted, RunCanaries, RunName,
};
use lab::plan::SeedPolicy;
use lab::product::DOCUMENTS;
use lab::trace::Observer;
use lab::{Escaped, Plan, Product, lines};
use rustix::fs::{Mode, OFlags};
use rustix::thread::CapabilitySet;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::analyst;
use crate::bundle::Writer;
use crate::enclosure::{Limits, OwnedFile, Scratch, hex};
use crate::gateway::Gateway;
use crate::install::Installation;
use crate::observe::{Observers, Summary};
use crate::request::Request;
use crate::run::{self, DOCUMENTS_FOLDER};
use crate::trust_stores::{Places, Stores};

/// What one enclosure may use: enough for a daemon with all signatures, and no more than a machine
/// for evaluations has.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes_max: 6 << 30,
    processes_max: 1024,
    processor_percent: 200,
};
/// The most that the files of the running enclosure may hold, its changes among them.
const SCRATCH_BYTES_MAX: u64 = 4 << 30;
/// Programs that stand beside this one.
const GATEWAY: &str = "candor-lab-gateway";
/// The longest version that is looked at.
const VERSION_BYTES_MAX: u64 = 4096;
/// The longest bundle that the analyst reads.
const BUNDLE_BYTES_MAX: u64 = 2 << 30;
/// How often progress is shown.
const PROGRESS: Duration = Duration::from_millis(100);

/// Why a session ends without a bundle.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Somebody asked for its end.
    Interrupted,
    /// Something to tell.
    Said(String),
}

impl Failure {
    /// A system's error with what it is about.
    pub(crate) fn at(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Said(format!("{what}: {error}"))
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Said(text)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Said(error.to_string())
    }
}

/// Everything that outlives a run.
pub(crate) struct Session {
    pub(crate) product: Product,
    pub(crate) plan: Plan,
    pub(crate) installation: Installation,
    pub(crate) program: PathBuf,
    pub(crate) scratch: Scratch,
    pub(crate) gateway: Gateway,
    /// The trust stores with the gateway's certificate in them.
    pub(crate) trusted: Stores,
}

/// Records all runs, and prints the answers.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    kernel::interrupt::watch()?;
    // Where candor is killed, nobody is left who would remove what is written here.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(io::Error::from)?;
    check_root()?;
    let Request {
        product,
        plan,
        packages,
    } = Request::read(arguments)?;
    let installation = Installation::plan(&product, packages.as_deref())?;
    let seeds = Seeds::draw(&plan)?;
    let program = std::env::current_exe()?;
    // Not after an hour of runs.
    beside(&program, analyst::PROGRAM)?;
    // The process still has a single thread.
    let scratch =
        Scratch::make(SCRATCH_BYTES_MAX).map_err(Failure::at("a mount namespace of our own"))?;
    let gateway = Gateway::start(
        &beside(&program, GATEWAY)?,
        hex(&seeds.of("authority")),
        &plan.vendor,
    )?;
    let places = Places {
        root: Path::new("/"),
        scratch: &scratch.at("trust-stores"),
    };
    let trusted = Stores::with(&gateway.certificate, places);
    let session = Session {
        product,
        plan,
        installation,
        program,
        scratch,
        gateway,
        trusted,
    };
    session.record(&seeds)
}

impl Session {
    fn record(mut self, seeds: &Seeds) -> Result<(), Failure> {
        let bundle = File::from(rustix::io::dup(rustix::stdio::stdin()).map_err(io::Error::from)?);
        let mut bundle = Writer::new(bundle)?;
        bundle.add(PLAN, text(self.plan.to_toml())?.as_bytes())?;
        bundle.add(PRODUCT, text(self.product.to_toml())?.as_bytes())?;
        let mut observers = Observers::load();
        let probe = self.probe(&mut observers)?;
        bundle.add_json(ENVIRONMENT, &self.environment(&probe))?;
        let names: Vec<RunName> = RunName::all(self.plan.pairs).collect();
        let canaries: Vec<RunCanaries> = names
            .iter()
            .map(|name| planted(*name, seeds, &self.plan))
            .collect();
        bundle.add_json(CANARIES, &canaries)?;
        let mut progress = Progress::new(names.len());
        for name in names {
            progress.show(name);
            let documents = canary::documents(&seeds.of_run(name), &self.plan.documents);
            let run = (name.to_string(), documents);
            let recorded = run::record(&mut self, &mut observers, (&run.0, &run.1), |run| {
                run.drive()
            })?;
            for (member, file) in &recorded.members {
                bundle.add_file(&name.member(member), file)?;
            }
            if bundle.length()? > BUNDLE_BYTES_MAX {
                progress.clear();
                return Err(Failure::Said(format!(
                    "after run {name} the bundle is larger than 2 GiB, the most that can be \
                     analysed: use fewer --pairs, or a plan with shorter phases"
                )));
            }
            if let Some(why) = failed(&recorded.phases) {
                progress.clear();
                // The others would fail likewise; the answers say which runs are missing.
                eprintln!("candor: warning: run {name}: {why}");
                break;
            }
        }
        progress.clear();
        let answers = analyst::answer(&mut bundle, &self.program)?;
        io::stdout().write_all(&answers)?;
        Ok(())
    }

    /// A file without a name, for what is recorded.
    pub(crate) fn blank(&self) -> Result<File, Failure> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        let folder = self.scratch.at("");
        let file = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR);
        Ok(File::from(file.map_err(io::Error::from)?))
    }

    /// Records as lines of a file.
    pub(crate) fn lines<T: Serialize>(&self, records: &[T]) -> Result<File, Failure> {
        let mut bytes = Vec::new();
        for record in records {
            bytes.extend(lines::to_line(record).map_err(io::Error::from)?);
        }
        let mut file = self.blank()?;
        file.write_all(&bytes)?;
        Ok(file)
    }

    /// The product's files, where nothing must be installed before they can be put in place.
    pub(crate) fn owned(&self) -> Vec<OwnedFile> {
        if self.needs_installation() {
            return Vec::new();
        }
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let files = self.product.files.iter();
        files
            .map(|file| OwnedFile {
                path: PathBuf::from(&file.path),
                content: file.text.replace(DOCUMENTS, DOCUMENTS_FOLDER).into_bytes(),
                mode: file
                    .mode
                    .as_deref()
                    .and_then(|mode| u32::from_str_radix(mode, 8).ok())
                    .unwrap_or(0o644),
                owner: owner(&users, file.owner.as_deref().unwrap_or("root")),
            })
            .collect()
    }

    /// Whether something must be done before the product can be used.
    pub(crate) fn needs_installation(&self) -> bool {
        self.installation.command.is_some()
    }

    /// An enclosure without documents, to learn what this machine offers and what the product is.
    fn probe(&mut self, observers: &mut Observers) -> Result<Probe, Failure> {
        let probed = run::record(self, observers, ("probe", &[]), |run| run.tell_version())?;
        let mut version = String::new();
        if let Some((_, output)) = probed.members.iter().find(|(name, _)| *name == OUTPUT) {
            let mut output = output;
            output.rewind()?;
            let mut bytes = Vec::new();
            output.take(VERSION_BYTES_MAX).read_to_end(&mut bytes)?;
            let line = bytes
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            version = Escaped::new(line).to_string();
        }
        Ok(Probe {
            watched: probed.watched,
            missing_limits: probed.missing_limits,
            version: Some(version).filter(|version| !version.is_empty()),
        })
    }

    fn environment(&self, probe: &Probe) -> Environment {
        let kernel = rustix::system::uname();
        let kernel = [kernel.sysname(), kernel.release()].map(|part| part.to_string_lossy());
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut observers = probe.watched.active.clone();
        observers.push(Observer::Gateway);
        Environment {
            kernel: kernel.join(" "),
            processors: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(u32::MAX)),
            distribution: distribution(),
            candor: env!("CARGO_PKG_VERSION").to_owned(),
            began: began.map_or(0, |time| time.as_secs()),
            observers,
            missing: self.missing(probe),
            product_version: probe.version.clone(),
            product_files: self.installation.product_files.clone(),
            granted: Granted {
                user: Some("root".to_owned()),
                capabilities: capabilities(),
            },
            documents_path: Escaped::from(DOCUMENTS_FOLDER),
            driver_pid: None,
        }
    }

    fn missing(&self, probe: &Probe) -> Vec<Missing> {
        let mut missing = Vec::new();
        for one in &probe.watched.missing {
            missing.push(Missing {
                layer: observer(one.observer).to_owned(),
                reason: one.reason.clone(),
            });
        }
        for limit in &probe.missing_limits {
            missing.push(Missing {
                layer: "a limit of the enclosure".to_owned(),
                reason: limit.clone(),
            });
        }
        for (layer, state) in &self.gateway.jail.layers {
            if state != "active" {
                missing.push(Missing {
                    layer: format!("the gateway's jail, {layer}"),
                    reason: state.clone(),
                });
            }
        }
        missing.push(Missing {
            layer: "a clock of its own".to_owned(),
            reason:
                "a time namespace moves only two of the clocks; the enclosure has the machine's"
                    .to_owned(),
        });
        missing
    }
}

/// What was learnt before the first run.
struct Probe {
    watched: Summary,
    missing_limits: Vec<String>,
    version: Option<String>,
}

fn observer(which: Observer) -> &'static str {
    match which {
        Observer::Tracepoints => "the observer at tracepoints",
        Observer::Fanotify => "the observer of files",
        Observer::TlsLibraries => "the observer of TLS libraries",
        Observer::Gateway => "the gateway",
    }
}

/// Where the documents of all runs come from.
struct Seeds {
    base: [u8; 32],
}

impl Seeds {
    fn draw(plan: &Plan) -> Result<Self, Failure> {
        let mut base = [0; 32];
        match (plan.seeds.policy, &plan.seeds.base) {
            (SeedPolicy::Fixed, Some(digits)) => {
                let digits: Vec<u32> = digits.chars().filter_map(|one| one.to_digit(16)).collect();
                for (byte, pair) in base.iter_mut().zip(digits.chunks(2)) {
                    let value = pair.iter().fold(0, |value, digit| value * 16 + digit);
                    *byte = u8::try_from(value).unwrap_or(0);
                }
            }
            _ => {
                let read =
                    rustix::rand::getrandom(&mut base, rustix::rand::GetRandomFlags::empty());
                if read.map_err(io::Error::from)? != base.len() {
                    return Err(Failure::Said(
                        "the kernel gave too little chance".to_owned(),
                    ));
                }
            }
        }
        Ok(Self { base })
    }

    fn of_run(&self, name: RunName) -> [u8; 32] {
        canary::derived_seed(&self.base, &name.to_string())
    }

    fn of(&self, what: &str) -> [u8; 32] {
        canary::derived_seed(&self.base, what)
    }
}

fn planted(name: RunName, seeds: &Seeds, plan: &Plan) -> RunCanaries {
    let seed = seeds.of_run(name);
    let documents = canary::documents(&seed, &plan.documents);
    let planted = documents.into_iter().map(|document| Planted {
        kind: document.kind,
        marking: document.marking,
        size_bytes: u64::try_from(document.bytes.len()).unwrap_or(u64::MAX),
        sha256: hex(&Sha256::digest(&document.bytes)),
        name: document.name,
    });
    RunCanaries {
        run: name.to_string(),
        seed: hex(&seed),
        documents: planted.collect(),
    }
}

/// Why a run is not worth repeating, if it is not.
fn failed(phases: &[PhaseRecord]) -> Option<&str> {
    phases.iter().find_map(|phase| match &phase.end_state {
        EndState::Failed(why) => Some(why.as_str()),
        _ => None,
    })
}

fn check_root() -> Result<(), Failure> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Failure::Said(
        "the lab needs root, to build an enclosure and to listen to the kernel: \
         try sudo candor lab run"
            .to_owned(),
    ))
}

/// A program of ours: beside this one, or where packages put it.
pub(crate) fn beside(program: &Path, name: &str) -> Result<PathBuf, Failure> {
    let installed = Path::new("/usr/libexec/candor").join(name);
    [program.with_file_name(name), installed]
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Failure::Said(format!(
                "{name} is missing; it is expected beside {}: install candor again",
                program.display()
            ))
        })
}

fn text(made: Result<String, impl std::fmt::Display>) -> Result<String, Failure> {
    made.map_err(|error| Failure::Said(error.to_string()))
}

/// The numbers of a user; root where there is none of this name.
fn owner(users: &str, name: &str) -> (u32, u32) {
    let numbers = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_wanted = fields.next() == Some(name);
        let (user, group) = (fields.nth(1)?, fields.next()?);
        let numbers = (user.parse().ok()?, group.parse().ok()?);
        is_wanted.then_some(numbers)
    });
    numbers.unwrap_or((0, 0))
}

fn distribution() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown").trim_matches('"').to_owned()
}

/// What the root inside may do, in its own user namespace.
fn capabilities() -> Vec<String> {
    let dropped = kernel::enclosure::DROPPED
        .iter()
        .fold(CapabilitySet::empty(), |all, (one, _)| all | *one);
    let kept = CapabilitySet::all().difference(dropped);
    kept.iter_names()
        .map(|(name, _)| format!("CAP_{name}"))
        .collect()
}

/// A line on a terminal, and nothing anywhere else.
struct Progress {
    is_wanted: bool,
    runs: usize,
    done: usize,
    last: Option<std::time::Instant>,
}

impl Progress {
    fn new(runs: usize) -> Self {
        Self {
            is_wanted: io::stderr().is_terminal(),
            runs,
            done: 0,
            last: None,
        }
    }

    fn show(&mut self, name: RunName) {
        self.done += 1;
        let is_due = self.last.is_none_or(|last| last.elapsed() >= PROGRESS);
        if self.is_wanted && is_due {
            let (done, runs) = (self.done, self.runs);
            // Progress is worth no error.
            let _ = write!(io::stderr(), "\r\x1b[Krun {done} of {runs} ({name})");
            self.last = Some(std::time::Instant::now());
        }
    }

    fn clear(&mut self) {
        if self.last.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
