//! Any object: which format it is in, what else it is, and the archives inside it.

use proto::{Budget, Limits, Unlimited};
use unpack::{Embedded, Source, Trouble, embedded, identify, identify_beside};

use super::containers::MEMORY_MIB;
use super::{Target, Unmapped, is_chosen};

const MEMORY_BYTES_MAX: u64 = (MEMORY_MIB as u64) << 20;

/// Recognises the input, and looks for archives in it.
pub(super) fn check(_: &Target, input: &[u8]) {
    let found = recognised(&input);
    if is_chosen(input) {
        assert_eq!(
            found,
            recognised(&Unmapped(input)),
            "what is recognised differs where bytes are not at hand"
        );
    }
}

type Recognised = (
    &'static str,
    Vec<&'static str>,
    (Vec<Embedded>, Vec<Trouble>),
);

fn recognised(source: &dyn Source) -> Recognised {
    let format = identify(source).expect("memory can be read");
    let beside = identify_beside(source, format).expect("memory can be read");
    // A zip's PPMd may ask for 256 MiB, held from the budget: here it gets less.
    let limits = Limits {
        memory_bytes_max: MEMORY_BYTES_MAX,
        ..Limits::default()
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let size_bytes = source.size_bytes();
    let inside = embedded(source, 0..size_bytes, &mut budget);
    assert_eq!(
        budget.memory_left(),
        limits.memory_bytes_max,
        "memory was not given back"
    );
    for part in &inside.0 {
        let end = part.offset.checked_add(part.size_bytes);
        assert!(
            end.is_some_and(|end| end <= size_bytes),
            "{part:?} lies past the end"
        );
    }
    (
        format.name,
        beside.iter().map(|format| format.name).collect(),
        inside,
    )
}
