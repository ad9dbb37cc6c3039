//! The keeper of an enclosure: a process with a single thread that builds it, starts programs in it
//! and tells how they ended. It stands outside of the enclosure's numbering of processes, so that
//! nothing inside sees, signals or traces it, and it ends when the recorder ends, and the enclosure
//! with it.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use kernel::enclosure::{FirstProcess, Leave, Namespaces, Walls, leave};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::network;
use super::order::{self, Blueprint, End, Order, Program, Reply, Supply, Tree};

/// The user numbers, each of which means itself inside.
const ALL_USERS: &str = "0 0 4294967295\n";
/// An order that announced itself arrives whole in less.
const PATIENCE: Duration = Duration::from_secs(10);
/// Devices that hold nothing and lead nowhere.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Where the machine's network devices are asked for.
const TUN: &str = "/dev/net/tun";

/// Serves the recorder at descriptor 0 until it closes.
pub(crate) fn serve() -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // An interrupt at the terminal is the recorder's to answer.
    rustix::process::setsid()?;
    let channel = Channel::from_stdin()?;
    let mut keeper = Keeper {
        channel,
        walls: None,
        first: None,
        programs: BTreeMap::new(),
    };
    while keeper.turn()? {}
    Ok(())
}

struct Keeper {
    channel: Channel,
    walls: Option<Walls>,
    first: Option<FirstProcess>,
    programs: BTreeMap<u32, Running>,
}

struct Running {
    child: Child,
    ended: OwnedFd,
}

impl Keeper {
    /// Waits for an order or an end, and deals with it. False when the recorder is gone.
    fn turn(&mut self) -> io::Result<bool> {
        let ended = {
            let mut waiting = vec![PollFd::new(&self.channel, PollFlags::IN)];
            let programs: Vec<u32> = self.programs.keys().copied().collect();
            for running in self.programs.values() {
                waiting.push(PollFd::new(&running.ended, PollFlags::IN));
            }
            match poll(&mut waiting, None::<&Timespec>) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let states = waiting.iter().skip(1).zip(programs);
            let ended: Vec<u32> = states
                .filter(|(state, _)| !state.revents().is_empty())
                .map(|(_, number)| number)
                .collect();
            ended
        };
        for number in ended {
            self.bury(number)?;
        }
        if !self.channel.is_readable()? {
            return Ok(true);
        }
        let Some((ordered, files)) = order::receive(&self.channel, Instant::now() + PATIENCE)?
        else {
            return Ok(false);
        };
        let (reply, file) = match self.obey(ordered, files) {
            Ok(Some(done)) => done,
            Ok(None) => return Ok(true),
            Err(error) => (Reply::Failed(error.to_string()), None),
        };
        let file: Vec<BorrowedFd<'_>> = file.iter().map(AsFd::as_fd).collect();
        order::send(&self.channel, &reply, &file)?;
        Ok(true)
    }

    fn bury(&mut self, number: u32) -> io::Result<()> {
        let Some(mut running) = self.programs.remove(&number) else {
            return Ok(());
        };
        let end = end_of(running.child.wait()?);
        order::send(&self.channel, &Reply::Ended { number, end }, &[])
    }

    fn obey(
        &mut self,
        ordered: Order,
        files: Vec<OwnedFd>,
    ) -> io::Result<Option<(Reply, Option<OwnedFd>)>> {
        Ok(Some(match ordered {
            Order::Build(blueprint) => {
                let (first_pid, network) = self.build(&blueprint, files)?;
                (Reply::Built { first_pid }, Some(network))
            }
            Order::Start(program) => {
                let pid = self.start(program, files)?;
                (Reply::Started { pid }, None)
            }
            Order::Signal { number, signal } => {
                self.signal(number, signal);
                return Ok(None);
            }
            Order::Exists(path) => (Reply::Exists(fs::symlink_metadata(path).is_ok()), None),
        }))
    }

    fn build(&mut self, blueprint: &Blueprint, groups: Vec<OwnedFd>) -> io::Result<(u32, OwnedFd)> {
        let at = |step: &'static str| {
            move |error: io::Error| io::Error::new(error.kind(), format!("{step}: {error}"))
        };
        let proc = rustix::fs::open("/proc", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        let device = rustix::fs::open(TUN, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| at("/dev/net/tun")(error.into()))?;
        leave(Leave::Mounts).map_err(at("leaving the machine's mounts"))?;
        put_together(blueprint).map_err(at("the root"))?;
        leave(Leave::ProcessNumbers).map_err(at("leaving the machine's process numbers"))?;
        let doors: Vec<BorrowedFd<'_>> = groups.iter().map(AsFd::as_fd).collect();
        let first = FirstProcess::start(&doors, &blueprint.root.join("proc"), &blueprint.host_name)
            .map_err(at("the first process"))?;
        enter_root(&blueprint.root).map_err(at("the new root"))?;
        first.proceed().map_err(at(
            "a user namespace is needed, and user.max_user_namespaces or the container forbids it",
        ))?;
        let own = format!("{}/", first.pid());
        for map in ["uid_map", "gid_map"] {
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&proc, format!("{own}{map}"), flags, Mode::empty())?;
            rustix::io::write(file, ALL_USERS.as_bytes())?;
        }
        first.proceed().map_err(at("the machine's name"))?;
        let namespaces = namespaces(&proc, &own)?;
        let network = make_network(&proc, &namespaces, &device).map_err(at("the network"))?;
        let pid = first.pid();
        self.walls = Some(Walls::new(groups, namespaces)?);
        self.first = Some(first);
        Ok((pid, network))
    }

    fn start(&mut self, program: Program, files: Vec<OwnedFd>) -> io::Result<u32> {
        let walls = self.walls.as_ref().ok_or_else(not_built)?;
        let [input, output] = <[OwnedFd; 2]>::try_from(files).map_err(|_| not_built())?;
        let (name, arguments) = program.words.split_first().ok_or_else(not_built)?;
        let mut command = Command::new(name);
        command.args(arguments);
        command.env_clear().envs(program.environment);
        command.stdin(Stdio::from(input));
        command.stdout(Stdio::from(output.try_clone()?));
        command.stderr(Stdio::from(output));
        walls.around(&mut command, CString::new(program.directory)?);
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
        let number = child.id();
        self.programs
            .insert(program.number, Running { child, ended });
        Ok(number)
    }

    fn signal(&self, number: u32, signal: i32) {
        let running = self.programs.get(&number);
        let signal = Signal::from_named_raw(signal);
        if let (Some(running), Some(signal)) = (running, signal) {
            // It is a session of its own; one that is gone needs no signal.
            let group = Pid::from_child(&running.child);
            let _ = rustix::process::kill_process_group(group, signal);
        }
    }
}

fn not_built() -> io::Error {
    io::Error::other("the order can't be obeyed: nothing is built, or it lacks something")
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or(0)),
    }
}

/// The new root: trees over which changes are laid, devices, the kernel's folders.
fn put_together(blueprint: &Blueprint) -> io::Result<()> {
    let quiet = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    rustix::mount::mount_change("/", quiet)?;
    let root = &blueprint.root;
    for tree in &blueprint.trees {
        lay_over(root, tree).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", tree.place.display()))
        })?;
    }
    for supply in &blueprint.supplies {
        supply_in(root, supply).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", supply.from.display()))
        })?;
    }
    // Not what is mounted below it: control groups and the like.
    let sys = root.join("sys");
    rustix::mount::mount_bind("/sys", &sys)?;
    close(
        &sys,
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
    )?;
    devices(&root.join("dev"), blueprint.shared_memory_bytes_max)
}

fn lay_over(root: &Path, tree: &Tree) -> io::Result<()> {
    let mut options = String::new();
    for (key, path) in [
        ("lowerdir", &tree.place),
        ("upperdir", &tree.upper),
        ("workdir", &tree.work),
    ] {
        let path = path
            .to_str()
            .ok_or_else(|| io::Error::other("the path is not text"))?;
        options.push_str(&format!("{key}={},", escaped(path)));
    }
    options.push_str("index=off,metacopy=off,redirect_dir=off,xino=on");
    let options = CString::new(options)?;
    let place = inside(root, &tree.place);
    rustix::mount::mount(
        "overlay",
        place,
        "overlay",
        MountFlags::NODEV,
        Some(options.as_c_str()),
    )
    .map_err(Into::into)
}

/// A path for the options of an overlay, which take commas and colons for their own.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        if matches!(letter, ',' | ':' | '\\') {
            text.push('\\');
        }
        text.push(letter);
    }
    text
}

fn supply_in(root: &Path, supply: &Supply) -> io::Result<()> {
    let to = inside(root, &supply.to);
    rustix::mount::mount_bind(&supply.from, &to)?;
    close(&to, MountFlags::NOSUID | MountFlags::NODEV)
}

/// Makes a bound mount read-only.
fn close(place: &Path, flags: MountFlags) -> io::Result<()> {
    let flags = flags | MountFlags::RDONLY | MountFlags::BIND;
    rustix::mount::mount_remount(place, flags, c"").map_err(Into::into)
}

fn inside(root: &Path, place: &Path) -> std::path::PathBuf {
    root.join(place.strip_prefix("/").unwrap_or(place))
}

fn devices(dev: &Path, shared_memory_bytes_max: u64) -> io::Result<()> {
    let tight = MountFlags::NOSUID | MountFlags::NOEXEC;
    rustix::mount::mount("tmpfs", dev, "tmpfs", tight, Some(c"mode=0755,size=64k"))?;
    for name in DEVICES {
        let place = dev.join(name);
        File::create(&place)?;
        rustix::mount::mount_bind(Path::new("/dev").join(name), &place)?;
        // A device on a read-only mount is written to all the same, but its rights and times, which
        // are the machine's, stay as they are.
        close(&place, MountFlags::NOSUID | MountFlags::NOEXEC)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        std::os::unix::fs::symlink(target, dev.join(name))?;
    }
    let terminals = dev.join("pts");
    fs::create_dir(&terminals)?;
    let own = Some(c"newinstance,ptmxmode=0666,mode=0620,gid=5");
    rustix::mount::mount("devpts", &terminals, "devpts", tight, own)?;
    let memory = dev.join("shm");
    fs::create_dir(&memory)?;
    let size = CString::new(format!("mode=1777,size={shared_memory_bytes_max}"))?;
    rustix::mount::mount(
        "tmpfs",
        &memory,
        "tmpfs",
        tight | MountFlags::NODEV,
        Some(size.as_c_str()),
    )?;
    // Nothing new may appear among the devices.
    rustix::mount::mount_remount(dev, tight | MountFlags::RDONLY | MountFlags::BIND, c"")
        .map_err(Into::into)
}

fn enter_root(root: &Path) -> io::Result<()> {
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(".", ".")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/").map_err(Into::into)
}

fn namespaces(proc: &OwnedFd, own: &str) -> io::Result<Namespaces> {
    let open = |name: &str| -> io::Result<OwnedFd> {
        let path = format!("{own}ns/{name}");
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(proc, path, flags, Mode::empty())?)
    };
    Ok(Namespaces {
        user: open("user")?,
        mounts: open("mnt")?,
        network: open("net")?,
        names: open("uts")?,
        messages: open("ipc")?,
        control_groups: open("cgroup")?,
    })
}

/// The device is made, and the network set up, from within the enclosure's network.
fn make_network(proc: &OwnedFd, namespaces: &Namespaces, device: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::AsRawFd;
    kernel::enclosure::enter_network(&namespaces.network)?;
    // Opened anew here, since a device belongs to the network that it was opened in.
    let link = format!("self/fd/{}", device.as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let device = rustix::fs::openat(proc, link, flags, Mode::empty())?;
    let tun = kernel::enclosure::tun(device, network::DEVICE)?;
    // No address is made up, so that the kernel says nothing of its own.
    for (name, value) in [
        ("addr_gen_mode", "1"),
        ("accept_ra", "0"),
        ("router_solicitations", "0"),
    ] {
        let path = format!("sys/net/ipv6/conf/{}/{name}", network::DEVICE);
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::openat(proc, path, flags, Mode::empty())?;
        rustix::io::write(file, value.as_bytes())?;
    }
    let index = rustix::net::netdevice::name_to_index(&tun_socket()?, network::DEVICE)?;
    network::set_up(index)?;
    Ok(tun)
}

fn tun_socket() -> io::Result<OwnedFd> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(Into::into)
}
