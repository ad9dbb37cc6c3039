//! Text and HTML in the form that signatures are written against: whatever the bytes, the views
//! stay within the budget, the memory comes back, and it makes no difference whether the bytes are
//! at hand or read part by part.

use proto::{Budget, Limits, Unlimited};
use sha2::{Digest as _, Sha256};
use unpack::Source;
use unpack::normalise::{self, NormalisedText};

use super::containers::{MEMORY_MIB, Watcher};
use super::{Target, Unmapped, is_chosen};

const MEMORY_BYTES_MAX: u64 = (MEMORY_MIB as u64) << 20;
/// What is read of a view at once.
const PART_BYTES: usize = 64 << 10;

/// Normalises the input as text and as HTML.
pub(super) fn check(_: &Target, input: &[u8]) {
    let first = normalised(&input);
    if is_chosen(input) {
        assert!(
            first == normalised(&Unmapped(input)),
            "what comes out depends on whether the bytes are at hand, or on chance"
        );
    }
}

fn normalised(source: &dyn Source) -> [u8; 32] {
    let limits = Limits {
        memory_bytes_max: MEMORY_BYTES_MAX,
        ..Limits::default()
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let mut watcher = Watcher::new(source.size_bytes());
    if let Ok(text) = NormalisedText::new(source, &budget) {
        read_whole(&text, &mut watcher.seen);
    }
    let (views, stop) = normalise::html(source, &mut budget);
    for view in [
        views.without_comments(),
        views.without_tags(),
        views.scripts(),
    ] {
        watcher.seen.update((view.len() as u64).to_le_bytes());
        watcher.seen.update(view);
    }
    let troubles = normalise::links(&views, &mut watcher, &mut budget);
    views.discard(&mut budget);
    watcher.seen.update(format!("{stop:?} {troubles:?}"));
    assert_eq!(
        budget.memory_left(),
        MEMORY_BYTES_MAX,
        "memory was not given back"
    );
    watcher.seen.finalize().into()
}

fn read_whole(view: &dyn Source, seen: &mut Sha256) {
    let mut part = vec![0; PART_BYTES];
    let mut offset = 0;
    loop {
        let count = view.read_at(offset, &mut part).expect("memory can be read");
        if count == 0 {
            break;
        }
        seen.update(&part[..count]);
        offset += count as u64;
    }
    assert_eq!(offset, view.size_bytes(), "a view is as long as it says");
}
