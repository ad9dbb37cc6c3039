//! The jail: what a worker gives up before it reads its first request.
//!
//! [`enter`] takes the layers in the one order that works and reports each as active or missing;
//! [`self_test`] then attempts what the jail forbids. Refuses to pretend: a layer is active only
//! where the kernel said yes, and whether the jail holds is decided by the attempts alone.

mod filter;
mod landlock;
mod limits;
mod namespaces;
mod privileges;
mod probes;
mod supervisor;

use std::io;

use proto::{JailReport, Layer, LayerState};

pub use probes::self_test;

/// A system call that stays allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedCall {
    /// Its name, as in the manual.
    pub name: &'static str,
    /// Its number on this machine.
    pub number: i64,
}

/// What a jail is to be.
#[derive(Clone, Copy, Debug)]
pub struct JailSettings {
    /// The only system calls that stay allowed.
    pub allowed_calls: &'static [AllowedCall],
    /// Names among them that this jail does without.
    pub withheld_calls: &'static [&'static str],
    /// Private writable memory, heap included.
    pub data_bytes_max: u64,
    /// The longest file that may be written through a descriptor.
    pub file_bytes_max: u64,
    /// Descriptors that may be open at once.
    pub open_files_max: u64,
}

/// Why a jail could not even be tried.
#[derive(Debug)]
pub enum JailError {
    /// Descriptors that the program inherited could not be closed.
    Descriptors(io::Error),
    /// The process that lives in the jail could not be started.
    Fork(io::Error),
    /// The system call filter could not be put together.
    Filter(String),
}

impl std::fmt::Display for JailError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Descriptors(error) => write!(f, "inherited descriptors can't be closed: {error}"),
            Self::Fork(error) => write!(f, "the jailed process can't be started: {error}"),
            Self::Filter(error) => write!(f, "the system call filter can't be built: {error}"),
        }
    }
}

impl std::error::Error for JailError {}

/// Enters the jail for good. Call it first in `main`: it closes every descriptor but 0, 1 and 2,
/// empties the environment, and needs a process with a single thread.
///
/// It returns in a new process. The one that called it stays behind to wait: it ends when the
/// jailed one ends, with its status, and takes it along when it is killed or when the other side
/// of descriptor 0 is closed.
pub fn enter(settings: &JailSettings) -> Result<JailReport, JailError> {
    let filter = filter::worker(settings)?;
    let mut layers = Layers::default();
    privileges::empty_environment();
    privileges::close_descriptors_from(3).map_err(JailError::Descriptors)?;

    privileges::become_nobody();
    namespaces::enter(&mut layers);
    supervisor::stay_behind()?;
    privileges::die_of_faults();

    privileges::drop_capabilities(&mut layers);
    privileges::forbid_new(&mut layers);
    privileges::forbid_dumps(&mut layers);
    landlock::restrict(&mut layers);
    limits::set(settings, &mut layers);
    limits::deny_write_execute(&mut layers);
    // Changed credentials clear it, so it is renewed after the last change.
    supervisor::die_with_parent();
    filter::load(&filter, &mut layers);
    Ok(layers.report())
}

/// The layers so far.
#[derive(Debug, Default)]
struct Layers {
    states: Vec<(Layer, LayerState)>,
}

impl Layers {
    fn active(&mut self, layer: Layer) {
        self.states.push((layer, LayerState::Active));
    }

    fn missing(&mut self, layer: Layer, why: impl Into<String>) {
        self.states.push((layer, LayerState::Missing(why.into())));
    }

    fn record(&mut self, layer: Layer, result: io::Result<()>) {
        match result {
            Ok(()) => self.active(layer),
            Err(error) => self.missing(layer, error.to_string()),
        }
    }

    /// Every layer in the order of their codes; what nobody recorded is missing.
    fn report(mut self) -> JailReport {
        for layer in Layer::ALL {
            if !self.states.iter().any(|(known, _)| *known == layer) {
                self.missing(layer, "it was not tried");
            }
        }
        self.states.sort_by_key(|(layer, _)| *layer as u8);
        JailReport {
            layers: self.states,
            probes: Vec::new(),
        }
    }
}
