//! Evidence: whatever comes in is read or refused, nothing counts that nobody signed, and canonical
//! JSON is what it is when it is read again.

use evidence::collect::{Input, collect};
use evidence::trust::Trust;
use evidence::verify::read_unverified;
use evidence::{Date, Standing, json};

use super::Target;

/// Reads the input as evidence, as a trust policy and as JSON.
pub(super) fn check(_: &Target, input: &[u8]) {
    let found = collect(&[Input {
        label: "input",
        source: &input,
    }]);
    for held in read_unverified(&found).records {
        assert_ne!(held.standing, Standing::Counts, "nobody signed it");
        assert_eq!(
            held.record.check(),
            Ok(()),
            "a record that was read is none"
        );
    }
    // Errors are an outcome like any other.
    let _ = Trust::read(input, None, Date::EARLIEST);
    if let Ok(value) = json::parse(input) {
        let written = value.canonical();
        let again = json::parse(&written).expect("what is written can be read");
        assert_eq!(again.canonical(), written, "canonical JSON has two forms");
    }
}
