//! The recorder's side of the gateway: starts the process, gives it the enclosure's network and the
//! files to write, and tells it what happens. What it answers is bounded, and nothing else of it is
//! read here.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use lab::control::{
    Bounds, FILES_MAX, FILES_PER_ORDER_MAX, Jail, Order, Reply, Settings, Summary, VendorFile,
};
use lab::plan::VendorAnswer;

/// How long the gateway may take for an order; the end of a run writes what is left.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bounds of one run's record.
const CAPTURE_BYTES_MAX: u64 = 1 << 30;

/// The gateway. Dropped, it is ended.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    channel: Channel,
    /// The certificate that the enclosure is to trust.
    pub(crate) certificate: String,
    /// What its jail is made of.
    pub(crate) jail: Jail,
}

/// The files of one run that it writes.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) capture: File,
    pub(crate) events: File,
    pub(crate) keys: File,
}

impl Gateway {
    /// Starts it.
    pub(crate) fn start(
        program: &Path,
        seed: String,
        vendor: &[VendorAnswer],
    ) -> Result<Self, String> {
        let served = served(vendor)?;
        let (channel, far) = Channel::pair().map_err(|error| error.to_string())?;
        let child = Command::new(program)
            .env_clear()
            // An interrupt at the terminal is the recorder's to answer.
            .process_group(0)
            .stdin(Stdio::from(far.into_fd()))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut gateway = Self {
            child,
            channel,
            certificate: String::new(),
            jail: Jail::default(),
        };
        let settings = Settings {
            seed,
            mtu: 1500,
            bounds: Bounds {
                capture_bytes: CAPTURE_BYTES_MAX,
                ..Bounds::default()
            },
            slow: lab::control::Slow::default(),
            dns: Vec::new(),
            vendor: vendor.to_vec(),
        };
        match gateway.order(&Order::Settings(Box::new(settings)), &[])? {
            Reply::Ready { certificate, jail } => {
                gateway.certificate = certificate;
                gateway.jail = jail;
            }
            other => return Err(unexpected(&other)),
        }
        for part in served.chunks(FILES_PER_ORDER_MAX) {
            let files = part.iter().map(|(name, _)| name.clone()).collect();
            let descriptors: Vec<_> = part.iter().map(|(_, file)| file.as_fd()).collect();
            gateway.done(&Order::Files { files }, &descriptors)?;
        }
        Ok(gateway)
    }

    /// A run begins.
    pub(crate) fn begin(
        &mut self,
        run: String,
        start_ns: u64,
        (network, files): (&OwnedFd, &Files),
    ) -> Result<(), String> {
        let descriptors = [
            network.as_fd(),
            files.capture.as_fd(),
            files.events.as_fd(),
            files.keys.as_fd(),
        ];
        self.done(&Order::Begin { run, start_ns }, &descriptors)
    }

    /// Something is different from now on.
    pub(crate) fn tell(&mut self, order: &Order) -> Result<(), String> {
        self.done(order, &[])
    }

    /// The run is over.
    pub(crate) fn end(&mut self) -> Result<Summary, String> {
        match self.order(&Order::End, &[])? {
            Reply::Ended(summary) => Ok(summary),
            other => Err(unexpected(&other)),
        }
    }

    fn done(&mut self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<(), String> {
        match self.order(order, files)? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn order(&mut self, order: &Order, files: &[BorrowedFd<'_>]) -> Result<Reply, String> {
        let lost = |error: io::Error| format!("the gateway can't be reached: {error}");
        let message = serde_json::to_vec(order).map_err(|error| error.to_string())?;
        let deadline = Instant::now() + PATIENCE;
        self.channel
            .send_by(&message, files, deadline)
            .map_err(lost)?;
        let mut buffer = Vec::new();
        let received = self
            .channel
            .receive_by(&mut buffer, deadline)
            .map_err(lost)?;
        let received = received.ok_or("the gateway ended")?;
        serde_json::from_slice(received.bytes)
            .map_err(|error| format!("the gateway said something else: {error}"))
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn unexpected(reply: &Reply) -> String {
    match reply {
        Reply::Refused { reason } => format!("the gateway refuses: {reason}"),
        other => format!("the gateway said {other:?}"),
    }
}

/// The files that the vendor's script names, opened.
fn served(vendor: &[VendorAnswer]) -> Result<Vec<(VendorFile, File)>, String> {
    let mut served = Vec::new();
    for (script, answer) in (0..).zip(vendor) {
        let Some(path) = &answer.file else { continue };
        let path = Path::new(path);
        let at = |error: io::Error| format!("{}: {error}", path.display());
        if path.is_dir() {
            for (below, file) in listed(path).map_err(at)? {
                let path = Some(below);
                served.push((VendorFile { script, path }, file));
            }
        } else {
            let file = File::open(path).map_err(at)?;
            served.push((VendorFile { script, path: None }, file));
        }
        if served.len() > FILES_MAX {
            return Err(format!("the vendor serves at most {FILES_MAX} files"));
        }
    }
    Ok(served)
}

/// Every file below a folder, by its path there.
fn listed(folder: &Path) -> io::Result<Vec<(String, File)>> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in std::fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && files.len() <= FILES_MAX {
                let name = path
                    .to_str()
                    .ok_or_else(|| io::Error::other("a name is not text"))?;
                files.push((name.to_owned(), File::open(entry.path())?));
            }
        }
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(files)
}
