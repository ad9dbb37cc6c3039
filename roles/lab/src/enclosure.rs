//! The enclosure: a machine in the machine, in which a product is root, of which every change is
//! recorded, and from which nothing reaches outside but packets to a descriptor.
//!
//! What is not separate: the kernel, its clock (time namespaces move only two of the clocks, and
//! products would see through it), the processors. What the root inside can't do is said in
//! `docs/lab.md`.

mod changes;
mod groups;
mod keeper;
pub mod network;
mod order;
mod sockets;
mod view;

pub(crate) use changes::hex;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use lab::bundle::Change;

use groups::Groups;
pub use groups::Limits;
pub(crate) use keeper::serve as keep;
pub use order::End;
use order::{Blueprint, Order, Program, Reply, Supply};
use view::View;

/// The argument by which this program is told that it is a keeper.
pub(crate) const KEEPER: &str = "keeper";
/// The name of the machine that it pretends to be.
const HOST_NAME: &str = "workstation";
/// How long the keeper may take for an order.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that `/dev/shm` inside may hold.
const SHARED_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// Where programs are found inside.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A folder in memory, in mounts of this process's own: nothing of it is seen on the machine, and
/// nothing is left when the process ends, however it ends.
#[derive(Debug)]
pub struct Scratch {
    folder: PathBuf,
    places: Vec<PathBuf>,
}

/// Where it may lie: what a recorder does not need of the machine.
const SCRATCH_PLACES: [&str; 3] = ["/run", "/mnt", "/media"];

impl Scratch {
    /// Leaves the machine's mounts and makes the folder, which holds at most so many bytes. Needs
    /// a process with a single thread, and root.
    pub fn make(bytes_max: u64) -> io::Result<Self> {
        use rustix::mount::{MountFlags, MountPropagationFlags};
        let places = view::places()?;
        kernel::enclosure::leave(kernel::enclosure::Leave::Mounts)?;
        let quiet = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", quiet)?;
        let folder = SCRATCH_PLACES
            .iter()
            .map(PathBuf::from)
            .find(|place| place.is_dir());
        let folder =
            folder.ok_or_else(|| io::Error::other("there is none of /run, /mnt and /media"))?;
        let options = std::ffi::CString::new(format!("mode=0700,size={bytes_max}"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount("tmpfs", &folder, "tmpfs", flags, Some(options.as_c_str()))?;
        Ok(Self { folder, places })
    }

    /// A path in it.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// What one enclosure is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its name, for its control groups.
    pub name: String,
    /// What it may use.
    pub limits: Limits,
    /// Files to put in place before it starts: path, content, permissions.
    pub files: Vec<(PathBuf, Vec<u8>, u32)>,
    /// Files that belong to somebody, with the folders that are missing on the way.
    pub owned: Vec<OwnedFile>,
    /// Folders to put in place, empty, before the files.
    pub folders: Vec<(PathBuf, u32)>,
    /// Files and folders of the machine that are seen inside, read-only: outside, inside.
    pub supplies: Vec<(PathBuf, PathBuf)>,
    /// This program, which is the keeper too.
    pub program: &'a Path,
}

/// A file that belongs to somebody.
#[derive(Clone, Debug)]
pub struct OwnedFile {
    /// Where.
    pub path: PathBuf,
    /// What is in it.
    pub content: Vec<u8>,
    /// Its permissions.
    pub mode: u32,
    /// Its user and group, and those of the folders that are made for it.
    pub owner: (u32, u32),
}

/// A running enclosure. Dropped, everything in it is killed.
#[derive(Debug)]
pub struct Enclosure {
    // The order matters: what runs is killed before the keeper is waited for.
    groups: Groups,
    keeper: Keeper,
    view: View,
    folder: PathBuf,
    first_pid: u32,
    next: u32,
    ended: BTreeMap<u32, End>,
}

#[derive(Debug)]
struct Keeper {
    child: Child,
    channel: Channel,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that was started inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Started {
    number: u32,
    /// Its number among the machine's processes.
    pub pid: u32,
}

/// A program to start inside.
#[derive(Clone, Debug)]
pub struct Starting<'a> {
    /// The program and its arguments.
    pub words: &'a [String],
    /// Its whole environment.
    pub environment: &'a [(String, String)],
    /// Where it starts.
    pub directory: &'a str,
}

impl Enclosure {
    /// Builds it. The second value is the network's other end.
    pub fn build(scratch: &Scratch, wanted: &Wanted<'_>) -> io::Result<(Self, OwnedFd)> {
        let folder = scratch.at(&wanted.name);
        fs::create_dir(&folder)?;
        let root = folder.join("root");
        fs::create_dir(&root)?;
        let mut view = View::prepare(&folder, &scratch.places, HOST_NAME)?;
        for (path, mode) in &wanted.folders {
            view.put_folder(path, *mode)?;
        }
        for (path, content, mode) in &wanted.files {
            view.put(path, content, *mode)?;
        }
        for file in &wanted.owned {
            view.put_owned(file)?;
        }
        let mut supplies = Vec::new();
        for (from, to) in &wanted.supplies {
            match fs::metadata(from)?.is_dir() {
                true => view.put_folder(to, 0o755)?,
                false => view.put(to, b"", 0o644)?,
            }
            let (from, to) = (from.clone(), to.clone());
            supplies.push(Supply { from, to });
        }
        let groups = Groups::create(&wanted.name, &wanted.limits)?;
        let keeper = Keeper::start(wanted.program)?;
        let blueprint = Blueprint {
            root,
            trees: view.trees.clone(),
            supplies,
            host_name: HOST_NAME.to_owned(),
            shared_memory_bytes_max: SHARED_MEMORY_BYTES_MAX,
        };
        let mut enclosure = Self {
            groups,
            keeper,
            view,
            folder,
            first_pid: 0,
            next: 1,
            ended: BTreeMap::new(),
        };
        let doors = enclosure.groups.doors()?;
        let doors: Vec<_> = doors.iter().map(AsFd::as_fd).collect();
        order::send(&enclosure.keeper.channel, &Order::Build(blueprint), &doors)?;
        let (reply, mut files) = enclosure.reply()?;
        match (reply, files.pop()) {
            (Reply::Built { first_pid }, Some(network)) => {
                enclosure.first_pid = first_pid;
                Ok((enclosure, network))
            }
            (other, _) => Err(unexpected(other)),
        }
    }

    /// The limits that hold nowhere on this machine, and why.
    #[must_use]
    pub fn missing_limits(&self) -> &[String] {
        &self.groups.missing
    }

    /// The control group that every process inside is in or below.
    #[must_use]
    pub fn watched_group(&self) -> &Path {
        self.groups.watched()
    }

    /// The first process inside, among the machine's numbers; its root is the enclosure's.
    #[must_use]
    pub fn first_pid(&self) -> u32 {
        self.first_pid
    }

    /// The process that starts the others, among the machine's numbers.
    #[must_use]
    pub fn keeper_pid(&self) -> u32 {
        self.keeper.child.id()
    }

    /// Starts a program. An error tells why it could not be.
    pub fn start(
        &mut self,
        starting: &Starting<'_>,
        input: OwnedFd,
        output: OwnedFd,
    ) -> io::Result<Started> {
        let number = self.next;
        self.next += 1;
        let program = Program {
            number,
            words: starting.words.to_vec(),
            environment: starting.environment.to_vec(),
            directory: starting.directory.to_owned(),
        };
        let files = [input.as_fd(), output.as_fd()];
        order::send(&self.keeper.channel, &Order::Start(program), &files)?;
        match self.reply()?.0 {
            Reply::Started { pid } => Ok(Started { number, pid }),
            other => Err(unexpected(other)),
        }
    }

    /// How a program ended, if it did by then.
    pub fn end_of(&mut self, started: Started, deadline: Instant) -> io::Result<Option<End>> {
        loop {
            if let Some(end) = self.ended.get(&started.number) {
                return Ok(Some(*end));
            }
            match order::receive(&self.keeper.channel, deadline) {
                Ok(Some((Reply::Ended { number, end }, _))) => {
                    self.ended.insert(number, end);
                }
                Ok(Some((other, _))) => return Err(unexpected(other)),
                Ok(None) => return Err(io::Error::other("the keeper of the enclosure ended")),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends a signal to a program and what it started.
    pub fn signal(&self, started: Started, signal: rustix::process::Signal) -> io::Result<()> {
        let order = Order::Signal {
            number: started.number,
            signal: signal.as_raw(),
        };
        order::send(&self.keeper.channel, &order, &[])
    }

    /// Whether something has this path inside.
    pub fn exists(&mut self, path: &Path) -> io::Result<bool> {
        order::send(&self.keeper.channel, &Order::Exists(path.to_owned()), &[])?;
        match self.reply()?.0 {
            Reply::Exists(there) => Ok(there),
            other => Err(unexpected(other)),
        }
    }

    /// Whether anything lives inside beside the first process.
    pub fn is_busy(&self) -> io::Result<bool> {
        self.groups.holds_others(self.first_pid)
    }

    /// Kills everything inside.
    pub fn kill(&self) -> io::Result<()> {
        self.groups.kill()
    }

    /// Kills everything inside, says what is different, and takes the enclosure down.
    pub fn finish(self) -> io::Result<Vec<Change>> {
        self.groups.kill()?;
        let Self {
            groups,
            keeper,
            view,
            folder,
            ..
        } = self;
        drop(keeper);
        drop(groups);
        let changes = changes::of(&view);
        fs::remove_dir_all(folder)?;
        changes
    }

    fn reply(&mut self) -> io::Result<order::Heard<Reply>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match order::receive(&self.keeper.channel, deadline)? {
                Some((Reply::Ended { number, end }, _)) => {
                    self.ended.insert(number, end);
                }
                Some(heard) => return Ok(heard),
                None => return Err(io::Error::other("the keeper of the enclosure ended")),
            }
        }
    }
}

impl Keeper {
    fn start(program: &Path) -> io::Result<Self> {
        let (channel, far) = Channel::pair()?;
        let child = Command::new(program)
            .arg(KEEPER)
            .env_clear()
            .stdin(Stdio::from(far.into_fd()))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        Ok(Self { child, channel })
    }
}

fn unexpected(reply: Reply) -> io::Error {
    match reply {
        Reply::Failed(why) => io::Error::other(why),
        other => io::Error::other(format!("the keeper of the enclosure said {other:?}")),
    }
}
