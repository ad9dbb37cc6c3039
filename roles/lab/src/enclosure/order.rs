//! What the recorder and the keeper of an enclosure say to each other: JSON over a message socket.
//! Descriptors travel beside it. The keeper is ours, and the product can't reach it.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use kernel::channel::Channel;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// To the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Build the enclosure. With it come `cgroup.procs` of each control group.
    Build(Blueprint),
    /// Start a program. With it come its input and its output.
    Start(Program),
    /// Send a signal to everything that a program started and did not leave its session.
    Signal {
        /// The program's number.
        number: u32,
        /// The signal's.
        signal: i32,
    },
    /// Say whether something has this path inside.
    Exists(PathBuf),
}

/// From the keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// It stands. With it comes the network's other end.
    Built {
        /// The number of the first process inside, among the machine's.
        first_pid: u32,
    },
    /// A program began.
    Started {
        /// Its number among the machine's.
        pid: u32,
    },
    /// A program ended.
    Ended {
        /// The number that it was ordered with.
        number: u32,
        /// How.
        end: End,
    },
    /// Whether the path is there.
    Exists(bool),
    /// What was ordered could not be done.
    Failed(String),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
}

/// How an enclosure is to be built.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Blueprint {
    /// Where the new root is put together, in the recorder's own mounts.
    pub(super) root: PathBuf,
    /// Trees of files, the root first.
    pub(super) trees: Vec<Tree>,
    /// Files and folders of the machine that are there too, read-only.
    pub(super) supplies: Vec<Supply>,
    /// The name of the machine that it pretends to be.
    pub(super) host_name: String,
    /// The most that files in memory outside of the recorded tree (`/dev/shm`) may hold.
    pub(super) shared_memory_bytes_max: u64,
}

/// A tree of the machine that is seen inside, and where what is changed in it goes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Tree {
    /// Its place, outside and inside.
    pub(super) place: PathBuf,
    /// What is different inside.
    pub(super) upper: PathBuf,
    /// For the kernel.
    pub(super) work: PathBuf,
}

/// A file or folder that is seen inside as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Supply {
    /// Its place outside.
    pub(super) from: PathBuf,
    /// Its place inside.
    pub(super) to: PathBuf,
}

/// A program to start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Program {
    /// What the recorder calls it.
    pub(super) number: u32,
    /// The program and its arguments.
    pub(super) words: Vec<String>,
    /// Its whole environment.
    pub(super) environment: Vec<(String, String)>,
    /// Where it starts.
    pub(super) directory: String,
}

/// Sends one message.
pub(super) fn send<T: Serialize>(
    channel: &Channel,
    message: &T,
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    channel.send(&serde_json::to_vec(message)?, files)
}

/// A message and what came with it.
pub(super) type Heard<T> = (T, Vec<OwnedFd>);

/// The next message; `None` when the other side is gone.
pub(super) fn receive<T: DeserializeOwned>(
    channel: &Channel,
    deadline: Instant,
) -> io::Result<Option<Heard<T>>> {
    let mut buffer = Vec::new();
    match channel.receive_by(&mut buffer, deadline)? {
        None => Ok(None),
        Some(received) => {
            let message = serde_json::from_slice(received.bytes)?;
            Ok(Some((message, received.files)))
        }
    }
}
