//! What the gateway's jail is, and what it says of it.

use kernel::jail::JailSettings;
use lab::control::Jail;
use proto::{JailReport, LayerState, ProbeResult};

use crate::allowed_calls::ALLOWED;

/// Every buffer of every connection that a run may have, and as much again.
const DATA_BYTES_MAX: u64 = 1 << 30;
/// The longest capture.
const FILE_BYTES_MAX: u64 = 64 << 30;
/// The device, the records, and the vendor's files.
const OPEN_FILES_MAX: u64 = 600;

/// The jail.
pub(crate) const SETTINGS: JailSettings = JailSettings {
    allowed_calls: ALLOWED,
    withheld_calls: &[],
    data_bytes_max: DATA_BYTES_MAX,
    file_bytes_max: FILE_BYTES_MAX,
    open_files_max: OPEN_FILES_MAX,
};

/// The report, as the recorder gets it.
pub(crate) fn described(report: &JailReport) -> Jail {
    let layers = report.layers.iter().map(|(layer, state)| {
        let state = match state {
            LayerState::Active => "active".to_owned(),
            LayerState::Missing(why) => format!("missing: {why}"),
        };
        (layer.as_str().to_owned(), state)
    });
    let attempts = report.probes.iter().map(|probe| {
        let result = match probe.result {
            ProbeResult::Refused(_) => "refused",
            ProbeResult::Succeeded => "succeeded",
        };
        (probe.attempt.clone(), result.to_owned())
    });
    Jail {
        holds: report.holds(),
        layers: layers.collect(),
        attempts: attempts.collect(),
    }
}
