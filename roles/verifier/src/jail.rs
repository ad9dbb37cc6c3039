//! The verifier's jail: it reads what it was handed, answers, and can do nothing else.

use kernel::jail::JailSettings;

use crate::allowed_calls::ALLOWED;

/// One question has at most 64 files.
const OPEN_FILES_MAX: u64 = 96;

/// The jail with this much private memory.
pub(crate) fn settings(data_bytes_max: u64) -> JailSettings {
    JailSettings {
        allowed_calls: ALLOWED,
        withheld_calls: &[],
        data_bytes_max,
        file_bytes_max: 0,
        open_files_max: OPEN_FILES_MAX,
    }
}
