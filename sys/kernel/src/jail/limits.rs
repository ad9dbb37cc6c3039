//! Resource limits, and memory that never becomes executable.

use std::io;

use proto::Layer;
use rustix::process::{Resource, Rlimit};

use super::{JailSettings, Layers};

/// The main thread's stack; nothing of ours recurses over input.
const STACK_BYTES_MAX: u64 = 8 << 20;

/// Lowers every limit that bounds something; none can be raised again.
pub(super) fn set(settings: &JailSettings, layers: &mut Layers) {
    let limits = [
        (Resource::Data, settings.data_bytes_max),
        (Resource::Fsize, settings.file_bytes_max),
        (Resource::Nofile, settings.open_files_max),
        (Resource::Stack, STACK_BYTES_MAX),
        (Resource::Core, 0),
        (Resource::Nproc, 0),
        (Resource::Memlock, 0),
        (Resource::Locks, 0),
        (Resource::Msgqueue, 0),
        (Resource::Sigpending, 0),
        (Resource::Nice, 0),
        (Resource::Rtprio, 0),
    ];
    let result = limits
        .into_iter()
        .try_for_each(|(resource, max)| lower(resource, max));
    layers.record(Layer::ResourceLimits, result);
}

fn lower(resource: Resource, max: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let max = now.maximum.map_or(max, |hard| hard.min(max));
    let limit = Rlimit {
        current: Some(max),
        maximum: Some(max),
    };
    Ok(rustix::process::setrlimit(resource, limit)?)
}

/// `PR_SET_MDWE`, from 6.3 on.
pub(super) fn deny_write_execute(layers: &mut Layers) {
    let unused: libc::c_ulong = 0;
    // SAFETY: this option takes numbers only.
    let status = unsafe {
        libc::prctl(
            libc::PR_SET_MDWE,
            libc::c_ulong::from(libc::PR_MDWE_REFUSE_EXEC_GAIN),
            unused,
            unused,
            unused,
        )
    };
    if status == 0 {
        layers.active(Layer::DenyWriteExecute);
        return;
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EINVAL) {
        layers.missing(
            Layer::DenyWriteExecute,
            "the kernel has no PR_SET_MDWE, which came with Linux 6.3",
        );
    } else {
        layers.missing(Layer::DenyWriteExecute, error.to_string());
    }
}
