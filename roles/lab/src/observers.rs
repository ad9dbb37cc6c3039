//! Who watches from the kernel, and who does not and why.

use lab::bundle::Missing;
use lab::trace::Observer;

/// The observers of a session.
#[derive(Debug, Default)]
pub(crate) struct Observers {
    /// Those that are there.
    pub(crate) active: Vec<Observer>,
    /// Those that are not.
    pub(crate) missing: Vec<Missing>,
}

impl Observers {
    /// Whether system calls are traced.
    pub(crate) fn is_tracing(&self) -> bool {
        self.active.contains(&Observer::Tracepoints)
    }

    /// Whether files are watched.
    pub(crate) fn is_notified(&self) -> bool {
        self.active.contains(&Observer::Fanotify)
    }
}
