//! The first process of an enclosure. It mounts the list of processes, goes ahead into the
//! namespaces, and from then on only holds them, with no descriptor and no right of its own: what
//! is done to it hurts the enclosure alone.

use std::ffi::CStr;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::process::Signal;
use rustix::thread::UnshareFlags;

use crate::process;

/// What the first process tells after each step: an error's number, or that there was none.
const DONE: [u8; 4] = [0; 4];

/// The first process, seen from the one that started it.
#[derive(Debug)]
pub struct FirstProcess {
    pid: u32,
    go: OwnedFd,
    done: OwnedFd,
}

/// What the first process needs.
struct First<'a> {
    groups: &'a [BorrowedFd<'a>],
    proc: &'a Path,
    host_name: &'a str,
}

impl FirstProcess {
    /// Starts it in these control groups (`cgroup.procs` of each), as the machine of this name. The
    /// process that calls has a single thread, and has left the machine's process numbers. When
    /// this returns, the list of processes is mounted at `proc`, read-only.
    pub fn start(
        groups: &[BorrowedFd<'_>],
        proc: &Path,
        host_name: &str,
    ) -> io::Result<FirstProcess> {
        let first = First {
            groups,
            proc,
            host_name,
        };
        let flags = rustix::pipe::PipeFlags::CLOEXEC;
        let (told, go) = rustix::pipe::pipe_with(flags)?;
        let (done, tell) = rustix::pipe::pipe_with(flags)?;
        // SAFETY: there is a single thread, so no lock is held by one that the child does not have.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop((go, done));
                first.live(told, tell)
            }
            child => {
                drop((told, tell));
                let pid = u32::try_from(child).map_err(io::Error::other)?;
                let started = Self { pid, go, done };
                started.hear()?;
                Ok(started)
            }
        }
    }

    /// Its number among the machine's processes.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Lets it take the next step: into the namespaces, then, once the users are mapped, to rest.
    pub fn proceed(&self) -> io::Result<()> {
        rustix::io::write(&self.go, &[1])?;
        self.hear()
    }

    fn hear(&self) -> io::Result<()> {
        let mut word = DONE;
        match rustix::io::read(&self.done, &mut word)? {
            4 if word == DONE => Ok(()),
            4 => Err(io::Error::from_raw_os_error(i32::from_ne_bytes(word))),
            _ => Err(io::Error::other("the first process ended")),
        }
    }
}

impl First<'_> {
    fn live(&self, told: OwnedFd, tell: OwnedFd) -> ! {
        let steps: [&dyn Fn() -> rustix::io::Result<()>; 3] =
            [&|| self.begin(), &go_ahead, &|| {
                rustix::system::sethostname(self.host_name.as_bytes())
            }];
        for (number, step) in steps.iter().enumerate() {
            let waited = number == 0 || matches!(rustix::io::read(&told, &mut [0; 1]), Ok(1));
            if !waited {
                process::end(1);
            }
            let word = step().map_or_else(|error| error.raw_os_error(), |()| 0);
            let is_heard = rustix::io::write(&tell, &word.to_ne_bytes()).is_ok();
            if word != 0 || !is_heard {
                process::end(1);
            }
        }
        drop((told, tell));
        rest()
    }

    fn begin(&self) -> rustix::io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        for group in self.groups {
            rustix::io::write(group, b"0")?;
        }
        let flags =
            MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        let place = self.proc.as_os_str().as_bytes();
        rustix::mount::mount("proc", place, "proc", flags, None::<&CStr>)
    }
}

/// Into namespaces of its own, the user's among them, so that the mounts so far are locked.
fn go_ahead() -> rustix::io::Result<()> {
    let all = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWCGROUP;
    // SAFETY: only namespaces are unshared, never the table of descriptors.
    unsafe { rustix::thread::unshare_unsafe(all) }?;
    // New credentials cleared it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
}

/// Holds the namespaces and takes in orphans, whom the kernel buries since nobody asks for them.
fn rest() -> ! {
    // SAFETY: the default for this signal, or none at all, runs no code of ours.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    // SAFETY: nothing in this process uses a descriptor again.
    unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
    loop {
        // SAFETY: it waits for a signal and touches nothing.
        unsafe { libc::pause() };
    }
}
