//! What a worker's jail is, by what the worker is for.

use kernel::jail::{AllowedCall, JailSettings};

use crate::allowed_calls::ALLOWED;

/// What a worker is started for, as its first argument says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Scans files, and answers questions about its pack.
    Scan,
    /// Compiles rules, once.
    Compile,
}

/// A scanning worker holds a batch, the next one, and little else.
const SCAN_FILES_MAX: u64 = 320;
/// A compiling worker holds every source at once.
const COMPILE_FILES_MAX: u64 = 4096;
/// No pack is longer.
const COMPILE_FILE_BYTES_MAX: u64 = 8 << 30;
/// Only a compilation writes.
const WRITING_CALLS: &[&str] = &["pwrite64"];

impl Mode {
    /// The mode with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "scan" => Some(Self::Scan),
            "compile" => Some(Self::Compile),
            _ => None,
        }
    }
}

/// The jail of a worker with this much private memory.
#[must_use]
pub fn settings(mode: Mode, data_bytes_max: u64) -> JailSettings {
    settings_with(ALLOWED, mode, data_bytes_max)
}

/// The same with another program's system calls.
#[must_use]
pub fn settings_with(
    allowed_calls: &'static [AllowedCall],
    mode: Mode,
    data_bytes_max: u64,
) -> JailSettings {
    match mode {
        Mode::Scan => JailSettings {
            allowed_calls,
            withheld_calls: WRITING_CALLS,
            data_bytes_max,
            file_bytes_max: 0,
            open_files_max: SCAN_FILES_MAX,
        },
        Mode::Compile => JailSettings {
            allowed_calls,
            withheld_calls: &[],
            data_bytes_max,
            file_bytes_max: COMPILE_FILE_BYTES_MAX,
            open_files_max: COMPILE_FILES_MAX,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_mode_withholds_is_a_call_that_the_role_has() {
        for mode in [Mode::Scan, Mode::Compile] {
            let settings = settings(mode, 1 << 20);
            for name in settings.withheld_calls {
                assert!(ALLOWED.iter().any(|call| call.name == *name), "{name}");
            }
        }
        assert!(settings(Mode::Scan, 1).withheld_calls.contains(&"pwrite64"));
    }
}
