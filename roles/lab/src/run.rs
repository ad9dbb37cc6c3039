//! One run: canary documents in a fresh enclosure, the plan's phases one after the other, and all
//! that was recorded meanwhile.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use canary::Document;
use lab::bundle::{CAPTURE, CHANGES, EndState, GATEWAY, OPENS, OUTPUT, PHASES, PhaseRecord, TRACE};
use lab::control::Order;
use lab::plan::{Drives, Network, Phase, PhaseName};
use lab::product::{DOCUMENTS, PlacedFile, Service};
use lab::trace::Observer;
use lab::{Escaped, Product};
use rustix::process::Signal;

use crate::enclosure::{Enclosure, End, PATH, Started, Starting, Wanted};
use crate::gateway::Files;
use crate::observe::{Observers, Records, Summary, Watched, places_of};
use crate::output::Output;
use crate::session::{Failure, LIMITS, Session};

/// The folder of the documents, as the product sees it.
pub(crate) const DOCUMENTS_FOLDER: &str = concat!("/home", "/user/Documents");
/// The phase in which the product is put in place where the plan has none for it.
const INSTALL_SECONDS: u64 = 600;
/// How long a command that was told to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(2);
/// How long daemons go on after the last phase.
const LINGER: Duration = Duration::from_secs(3);
/// How often somebody who wants an end is listened to.
const SLICE: Duration = Duration::from_millis(100);
/// How long the watcher may take to be there, and to take note.
const WATCHER_START: Duration = Duration::from_secs(2);
/// How long a product may take to tell its version.
const VERSION_TIME: Duration = Duration::from_secs(30);
/// Runs a command without its output.
const SILENTLY: &str = r#"exec "$@" >/dev/null 2>&1"#;
/// Puts a file in place, and the folder for it.
const PLACE: &str = r#"set -e
folder=$(dirname "$1")
if [ ! -d "$folder" ]; then mkdir -p "$folder"; chown "$3" "$folder"; fi
cat >"$1"
chown "$3" "$1"
chmod "$2" "$1"
"#;
/// Opens every document as others would.
const OPEN_ALL: &str = r#"cat "$1"/* >/dev/null"#;

/// What was recorded of a run.
pub(crate) struct Recorded {
    /// Members by name.
    pub(crate) members: Vec<(&'static str, File)>,
    /// What became of the phases.
    pub(crate) phases: Vec<PhaseRecord>,
    /// Who watched, and who did not.
    pub(crate) watched: Summary,
    /// Limits of the enclosure that hold nowhere on this machine.
    pub(crate) missing_limits: Vec<String>,
}

/// A run that goes on.
pub(crate) struct Run<'a> {
    session: &'a mut Session,
    enclosure: Enclosure,
    output: Output,
    began: Instant,
    environment: Vec<(String, String)>,
    is_prepared: bool,
    phases: Vec<PhaseRecord>,
}

/// What a command came to.
enum Came {
    Ended(End),
    TimedOut,
    NotStarted(String),
}

/// Records what is done in a fresh enclosure with these documents.
pub(crate) fn record(
    session: &mut Session,
    observers: &mut Observers,
    (name, documents): (&str, &[Document]),
    act: impl FnOnce(&mut Run<'_>) -> Result<(), Failure>,
) -> Result<Recorded, Failure> {
    let wanted = wanted(session, name.to_owned(), documents);
    let (enclosure, network) =
        Enclosure::build(&session.scratch, &wanted).map_err(Failure::at("the enclosure"))?;
    drop(wanted);
    check_network(&enclosure).map_err(Failure::at("the enclosure's network"))?;
    let files = blanks(session)?;
    let start_ns = kernel::clock::monotonic_ns();
    let began = Instant::now();
    session
        .gateway
        .begin(name.to_owned(), start_ns, (&network, &files))?;
    drop(network);
    let (trace, opens) = (session.blank()?, session.blank()?);
    let places = places_of(enclosure.first_pid()).map_err(Failure::at("the enclosure's mounts"))?;
    let watched = Watched {
        group: enclosure.watched_group(),
        places: &places,
        started: began,
    };
    let records = Records {
        trace: trace.try_clone()?,
        opens: opens.try_clone()?,
    };
    let watch = observers
        .start(&watched, records)
        .map_err(Failure::at("the observers"))?;
    let missing_limits = enclosure.missing_limits().to_vec();
    let output = Output::start(session.blank()?).map_err(Failure::at("the output"))?;
    let environment = environment(&session.product, session.trusted.environment.clone());
    let mut run = Run {
        session,
        enclosure,
        output,
        began,
        environment,
        is_prepared: false,
        phases: Vec::new(),
    };
    act(&mut run)?;
    let Run {
        session,
        enclosure,
        output,
        phases,
        ..
    } = run;
    enclosure.kill().map_err(Failure::at("the enclosure"))?;
    session.gateway.end()?;
    let watched = watch.stop().map_err(Failure::at("the observers"))?;
    // What was opened to be watched keeps the enclosure's files in use.
    drop(places);
    let changes = enclosure.finish().map_err(Failure::at("the changes"))?;
    let last = [
        (CAPTURE, files.capture),
        (GATEWAY, files.events),
        (CHANGES, session.lines(&changes)?),
        (PHASES, session.lines(&phases)?),
        (OUTPUT, output.finish().map_err(Failure::at("the output"))?),
    ];
    let mut members = seen(&watched, trace, opens);
    members.extend(last);
    Ok(Recorded {
        members,
        phases,
        watched,
        missing_limits,
    })
}

fn blanks(session: &Session) -> Result<Files, Failure> {
    Ok(Files {
        capture: session.blank()?,
        events: session.blank()?,
        keys: session.blank()?,
    })
}

/// What those observers wrote that were there.
fn seen(watched: &Summary, trace: File, opens: File) -> Vec<(&'static str, File)> {
    let all = [
        (TRACE, Observer::Tracepoints, trace),
        (OPENS, Observer::Fanotify, opens),
    ];
    all.into_iter()
        .filter(|(_, observer, _)| watched.active.contains(observer))
        .map(|(member, _, file)| (member, file))
        .collect()
}

fn wanted<'a>(session: &'a Session, name: String, documents: &[Document]) -> Wanted<'a> {
    let folder = Path::new(DOCUMENTS_FOLDER);
    let mut files = session.installation.files.clone();
    files.extend(session.trusted.files.clone());
    for document in documents {
        files.push((folder.join(&document.name), document.bytes.clone(), 0o644));
    }
    Wanted {
        name,
        limits: LIMITS,
        folders: vec![(folder.to_owned(), 0o755)],
        files,
        owned: session.owned(),
        supplies: session.installation.supplies.clone(),
        program: &session.program,
    }
}

/// A subject that could reach a network would make a recording of harm. It has a loopback and our
/// device, or it is not started.
fn check_network(enclosure: &Enclosure) -> io::Result<()> {
    let table = std::fs::read_to_string(format!("/proc/{}/net/dev", enclosure.first_pid()))?;
    let mut names: Vec<&str> = table
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    names.sort_unstable();
    if names == [crate::enclosure::network::DEVICE, "lo"] {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "it has other devices than its own: {}",
        names.join(", ")
    )))
}

fn environment(product: &Product, trust: Vec<(String, String)>) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> = [
        ("PATH", PATH),
        ("HOME", "/root"),
        ("USER", "root"),
        ("LOGNAME", "root"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("DEBIAN_FRONTEND", "noninteractive"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    for (name, value) in trust.into_iter().chain(product.environment.clone()) {
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value));
    }
    environment
}

impl Run<'_> {
    /// Prints the product's version, and nothing else.
    pub(crate) fn tell_version(&mut self) -> Result<(), Failure> {
        let Some(words) = self.session.product.version.clone() else {
            return Ok(());
        };
        if let Some(install) = self.session.installation.command.clone() {
            // What it says is not the version.
            let silent = [
                ["sh", "-c", SILENTLY, "sh"].map(str::to_owned).to_vec(),
                install,
            ];
            self.run(&silent.concat(), Duration::from_secs(INSTALL_SECONDS), None)?;
        }
        self.run(&words, VERSION_TIME, None)?;
        Ok(())
    }

    /// The plan's phases, one after the other.
    pub(crate) fn drive(&mut self) -> Result<(), Failure> {
        let phases = self.session.plan.phases.clone();
        let installs = phases.iter().any(|phase| phase.command == Drives::Install);
        if !installs && self.session.needs_installation() {
            self.phase(&Phase {
                name: PhaseName::Install,
                command: Drives::Install,
                seconds: INSTALL_SECONDS,
                network: Network::Normal,
            })?;
        }
        for phase in &phases {
            self.phase(phase)?;
            if self.has_failed() {
                return Ok(());
            }
        }
        if self.has_daemons() {
            self.rest(LINGER)?;
        }
        for words in self.session.product.stop.clone() {
            self.run(&words, GRACE.saturating_mul(5), None)?;
        }
        Ok(())
    }

    fn has_failed(&self) -> bool {
        let last = self.phases.last().map(|phase| &phase.end_state);
        matches!(last, Some(EndState::Failed(_)))
    }

    fn phase(&mut self, phase: &Phase) -> Result<(), Failure> {
        if self.has_failed() {
            return Ok(());
        }
        self.session
            .gateway
            .tell(&Order::Phase { name: phase.name })?;
        if phase.network != Network::Normal {
            let network = phase.network;
            self.session.gateway.tell(&Order::Condition { network })?;
        }
        let start = self.elapsed_ns();
        let output_offset = self.output.offset();
        let command = phase.command.command(&self.session.product).cloned();
        let words = filled(command.as_deref().unwrap_or_default());
        let end_state = self.act(phase, &words)?;
        if phase.network != Network::Normal {
            let network = Network::Normal;
            self.session.gateway.tell(&Order::Condition { network })?;
        }
        self.phases.push(PhaseRecord {
            name: phase.name.as_str().to_owned(),
            start,
            end: self.elapsed_ns(),
            command: words
                .iter()
                .map(|word| Escaped::from(word.as_str()))
                .collect(),
            end_state,
            output_offset,
        });
        Ok(())
    }

    fn act(&mut self, phase: &Phase, words: &[String]) -> Result<EndState, Failure> {
        let time = Duration::from_secs(phase.seconds);
        match phase.command {
            Drives::Install => return self.prepare(time),
            Drives::None => {
                self.rest(time)?;
                return Ok(EndState::Elapsed);
            }
            _ => {}
        }
        if words.is_empty() {
            return Ok(EndState::NotRun(
                "the product has no command for it".to_owned(),
            ));
        }
        let prepared = self.prepare(Duration::from_secs(INSTALL_SECONDS))?;
        if matches!(prepared, EndState::Failed(_)) {
            return Ok(prepared);
        }
        if phase.command == Drives::OnAccess {
            return self.watch(words, time);
        }
        let deadline = Instant::now() + time;
        let came = self.run(words, time, None)?;
        let has_ended = matches!(came, Came::Ended(_));
        if has_ended && !self.has_daemons() && !self.is_empty_by(deadline)? {
            return Ok(EndState::TimedOut);
        }
        Ok(state(came, words))
    }

    fn has_daemons(&self) -> bool {
        let product = &self.session.product;
        !product.services.is_empty() || !product.start.is_empty()
    }

    /// Whether all that commands left running has ended by then: it may send something yet.
    fn is_empty_by(&mut self, deadline: Instant) -> Result<bool, Failure> {
        while self.enclosure.is_busy()? {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            self.rest(SLICE / 5)?;
        }
        Ok(true)
    }

    /// Installs the product, puts its files in place, and starts its services: once.
    fn prepare(&mut self, time: Duration) -> Result<EndState, Failure> {
        if std::mem::replace(&mut self.is_prepared, true) {
            return Ok(EndState::Exited(0));
        }
        if let Some(words) = self.session.installation.command.clone() {
            let came = self.run(&words, time, None)?;
            match state(came, &words) {
                EndState::Exited(0) => {}
                other => return Ok(failed("the installation did not succeed", &other)),
            }
        }
        // Otherwise they are in place already.
        let is_installed = self.session.needs_installation();
        let files = match is_installed {
            true => self.session.product.files.clone(),
            false => Vec::new(),
        };
        for file in files {
            if let Some(why) = self.place(&file)? {
                return Ok(EndState::Failed(why));
            }
        }
        for service in self.session.product.services.clone() {
            if let Some(why) = self.serve(&service)? {
                return Ok(EndState::Failed(why));
            }
        }
        for words in self.session.product.start.clone() {
            let words = filled(&words);
            match state(self.run(&words, time, None)?, &words) {
                EndState::Exited(0) => {}
                other => return Ok(failed(&words.join(" "), &other)),
            }
        }
        Ok(EndState::Exited(0))
    }

    /// Why a file could not be put in place, if it could not.
    fn place(&mut self, file: &PlacedFile) -> Result<Option<String>, Failure> {
        let mode = file.mode.as_deref().unwrap_or("0644");
        let owner = file.owner.as_deref().unwrap_or("root");
        let words = ["sh", "-c", PLACE, "sh", &file.path, mode, owner].map(str::to_owned);
        let text = file.text.replace(DOCUMENTS, DOCUMENTS_FOLDER);
        let came = self.run(&words, GRACE.saturating_mul(15), Some(&text))?;
        Ok(match state(came, &words) {
            EndState::Exited(0) => None,
            _ => Some(format!("{} could not be put in place", file.path)),
        })
    }

    /// Why a service is not there, if it is not.
    fn serve(&mut self, service: &Service) -> Result<Option<String>, Failure> {
        let words = filled(&service.command);
        let started = match self.start(&words, None)? {
            Ok(started) => started,
            Err(why) => {
                return Ok(Some(format!(
                    "{} could not be started: {why}",
                    service.name
                )));
            }
        };
        let Some(path) = service.ready_path.as_deref().map(PathBuf::from) else {
            return Ok(None);
        };
        let deadline = Instant::now() + Duration::from_secs(service.ready_seconds);
        loop {
            if self.enclosure.exists(&path)? {
                return Ok(None);
            }
            let soon = Instant::now() + SLICE / 5;
            if let Some(end) = self.enclosure.end_of(started, soon)? {
                return Ok(Some(format!("{} ended: {}", service.name, told(end))));
            }
            if Instant::now() >= deadline {
                return Ok(Some(format!(
                    "{} was not ready within {} s",
                    service.name, service.ready_seconds
                )));
            }
            listen()?;
        }
    }

    /// The product watches while others open the documents.
    fn watch(&mut self, words: &[String], time: Duration) -> Result<EndState, Failure> {
        let watcher = match self.start(words, None)? {
            Ok(watcher) => watcher,
            Err(why) => return Ok(not_started(words, &why)),
        };
        let deadline = Instant::now() + time;
        if let Some(end) = self.end_by(watcher, Instant::now() + WATCHER_START.min(time))? {
            return Ok(state(Came::Ended(end), words));
        }
        let openers = ["sh", "-c", OPEN_ALL, "sh", DOCUMENTS_FOLDER].map(str::to_owned);
        let left = deadline.saturating_duration_since(Instant::now());
        self.run(&openers, left, None)?;
        if let Some(end) = self.end_by(watcher, (Instant::now() + WATCHER_START).min(deadline))? {
            return Ok(state(Came::Ended(end), words));
        }
        self.stop(watcher)?;
        Ok(EndState::Elapsed)
    }

    fn run(
        &mut self,
        words: &[String],
        time: Duration,
        input: Option<&str>,
    ) -> Result<Came, Failure> {
        let deadline = Instant::now() + time;
        let started = match self.start(words, input)? {
            Ok(started) => started,
            Err(why) => return Ok(Came::NotStarted(why)),
        };
        if let Some(end) = self.end_by(started, deadline)? {
            return Ok(Came::Ended(end));
        }
        self.stop(started)?;
        Ok(Came::TimedOut)
    }

    /// The inner error is why the program can't be started; the outer one is ours.
    fn start(
        &mut self,
        words: &[String],
        input: Option<&str>,
    ) -> Result<Result<Started, String>, Failure> {
        let input = match input {
            Some(text) => told_as_file(text)?,
            None => File::open("/dev/null")?.into(),
        };
        let starting = Starting {
            words,
            environment: &self.environment,
            directory: "/root",
        };
        let started = self.enclosure.start(&starting, input, self.output.end()?);
        Ok(started.map_err(|error| error.to_string()))
    }

    fn end_by(&mut self, started: Started, deadline: Instant) -> Result<Option<End>, Failure> {
        loop {
            listen()?;
            let soon = (Instant::now() + SLICE).min(deadline);
            if let Some(end) = self.enclosure.end_of(started, soon)? {
                return Ok(Some(end));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
        }
    }

    fn stop(&mut self, started: Started) -> Result<(), Failure> {
        self.enclosure.signal(started, Signal::TERM)?;
        if self.end_by(started, Instant::now() + GRACE)?.is_none() {
            self.enclosure.signal(started, Signal::KILL)?;
            self.end_by(started, Instant::now() + GRACE)?;
        }
        Ok(())
    }

    fn rest(&mut self, time: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            listen()?;
            std::thread::sleep(SLICE.min(deadline.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }

    fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// Ends where somebody asked for an end.
fn listen() -> Result<(), Failure> {
    match kernel::interrupt::is_asked() {
        true => Err(Failure::Interrupted),
        false => Ok(()),
    }
}

/// A command with the documents' folder in its place.
fn filled(words: &[String]) -> Vec<String> {
    let words = words.iter();
    words
        .map(|word| word.replace(DOCUMENTS, DOCUMENTS_FOLDER))
        .collect()
}

fn state(came: Came, words: &[String]) -> EndState {
    match came {
        Came::Ended(End::Exited(code)) => EndState::Exited(code),
        Came::Ended(End::Signalled(signal)) => EndState::Signalled(signal),
        Came::TimedOut => EndState::TimedOut,
        Came::NotStarted(why) => not_started(words, &why),
    }
}

fn not_started(words: &[String], why: &str) -> EndState {
    let name = words.first().map_or("", String::as_str);
    EndState::Failed(format!(
        "{name} can't be started in the enclosure: {why}; programs are looked for in {PATH}, and \
         of the machine only /usr, /etc, /opt and /var are there"
    ))
}

fn failed(what: &str, end: &EndState) -> EndState {
    match end {
        EndState::Failed(why) => EndState::Failed(format!("{what}: {why}")),
        EndState::Exited(code) => EndState::Failed(format!("{what}: it ended with status {code}")),
        EndState::Signalled(signal) => {
            EndState::Failed(format!("{what}: ended by signal {signal}"))
        }
        _ => EndState::Failed(format!("{what}: it took too long")),
    }
}

fn told(end: End) -> String {
    match end {
        End::Exited(code) => format!("status {code}"),
        End::Signalled(signal) => format!("signal {signal}"),
    }
}

/// A text as something to read from.
fn told_as_file(text: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(kernel::file::memory_file("input")?);
    file.write_all(text.as_bytes())?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}
