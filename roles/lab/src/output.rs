//! What a product prints in one run: everything that is started writes to one pipe, from which it
//! is copied, as far as the bound allows. Nobody waits for a reader that is not there.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

/// The most that is kept of one run.
const BYTES_MAX: u64 = 4 << 20;
/// What stands at the end of an output that was cut.
const CUT: &[u8] = b"\n[candor: further output was not kept]\n";

/// The output of one run.
#[derive(Debug)]
pub(crate) struct Output {
    theirs: OwnedFd,
    kept: Arc<AtomicU64>,
    copier: JoinHandle<io::Result<File>>,
}

impl Output {
    /// Starts to copy into `file`.
    pub(crate) fn start(file: File) -> io::Result<Self> {
        let (ours, theirs) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let kept = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&kept);
        let copier = std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || copy(File::from(ours), file, &count))?;
        Ok(Self {
            theirs,
            kept,
            copier,
        })
    }

    /// An end to write to.
    pub(crate) fn end(&self) -> io::Result<OwnedFd> {
        self.theirs.try_clone()
    }

    /// How much was kept by now.
    pub(crate) fn offset(&self) -> u64 {
        self.kept.load(Ordering::Relaxed)
    }

    /// What was kept, once nobody can write any more.
    pub(crate) fn finish(self) -> io::Result<File> {
        drop(self.theirs);
        self.copier
            .join()
            .map_err(|_| io::Error::other("the copy of the output was lost"))?
    }
}

fn copy(mut from: File, mut to: File, kept: &AtomicU64) -> io::Result<File> {
    let mut buffer = vec![0; 1 << 16];
    let mut is_cut = false;
    loop {
        let count = from.read(&mut buffer)?;
        let part = buffer.get(..count).unwrap_or_default();
        if part.is_empty() {
            break;
        }
        let room = BYTES_MAX.saturating_sub(kept.load(Ordering::Relaxed));
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(count);
        is_cut |= room < count;
        to.write_all(part.get(..room).unwrap_or_default())?;
        kept.fetch_add(u64::try_from(room).unwrap_or(0), Ordering::Relaxed);
    }
    if is_cut {
        to.write_all(CUT)?;
    }
    Ok(to)
}
