//! A container format: whatever the bytes, its budget holds, its memory comes back, no part lies
//! past the end, nothing comes after the receiver has stopped, and it makes no difference whether
//! the bytes are at hand or read part by part.

use proto::{Budget, Limits, Unlimited};
use sha2::{Digest as _, Sha256};
use unpack::identify::UnpackFn;
use unpack::{Content, Flow, Member, Members, Source};

use super::{OfFormat, Target, Unmapped, is_chosen};

/// What a budget allows here. Small, so that a bomb is over soon.
pub(super) const MEMORY_MIB: usize = 16;
const MEMORY_BYTES_MAX: u64 = (MEMORY_MIB as u64) << 20;
const BYTES_MAX: u64 = 8 << 20;
const OBJECTS_MAX: u64 = 2_000;
/// More troubles than this are not told one by one.
const TROUBLES_MAX: usize = 128;

/// Unpacks the input as the target's format, whether or not it is recognised as that.
pub(super) fn check(target: &Target, input: &[u8]) {
    let Some(OfFormat::Container(unpack)) = target.of_format else {
        panic!("{} is no container", target.name);
    };
    let first = unpacked(unpack, &input);
    if is_chosen(input) {
        assert!(
            first == unpacked(unpack, &Unmapped(input)),
            "what comes out depends on whether the bytes are at hand, or on chance"
        );
    }
}

fn unpacked(unpack: UnpackFn, source: &dyn Source) -> [u8; 32] {
    let limits = Limits {
        bytes_max: BYTES_MAX,
        objects_max: OBJECTS_MAX,
        memory_bytes_max: MEMORY_BYTES_MAX,
        ..Limits::default()
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let mut watcher = Watcher::new(source.size_bytes());
    let troubles = unpack(source, &mut budget, &mut watcher);
    assert_eq!(
        budget.memory_left(),
        MEMORY_BYTES_MAX,
        "memory was not given back"
    );
    assert!(
        troubles.len() <= TROUBLES_MAX,
        "{} troubles are told one by one",
        troubles.len()
    );
    for trouble in &troubles {
        watcher.seen.update(format!("{trouble:?}"));
    }
    watcher.seen.finalize().into()
}

/// Takes members as a worker would, and remembers a digest of all of them.
pub(super) struct Watcher {
    container_bytes: u64,
    pub(super) seen: Sha256,
    flow: Flow,
}

impl Watcher {
    /// One that has seen nothing of a container of this size.
    pub(super) fn new(container_bytes: u64) -> Self {
        Self {
            container_bytes,
            seen: Sha256::new(),
            flow: Flow::Continue,
        }
    }
}

impl Members for Watcher {
    fn member(&mut self, member: Member<'_>, budget: &mut Budget) -> Flow {
        assert_eq!(
            self.flow,
            Flow::Continue,
            "a member came after the receiver had stopped"
        );
        self.seen.update((member.name.len() as u64).to_le_bytes());
        self.seen.update(member.name);
        let size_bytes = match member.content {
            Content::Bytes(bytes) => {
                let held = MEMORY_BYTES_MAX - budget.memory_left();
                let size_bytes = bytes.len() as u64;
                assert!(
                    size_bytes <= held,
                    "a member is larger than the memory held"
                );
                assert!(
                    size_bytes <= budget.bytes_left(),
                    "a member is larger than what may be looked at"
                );
                self.seen.update(bytes);
                size_bytes
            }
            Content::Range { offset, size_bytes } => {
                let end = offset.checked_add(size_bytes);
                assert!(
                    end.is_some_and(|end| end <= self.container_bytes),
                    "a part lies past the end"
                );
                self.seen.update(offset.to_le_bytes());
                self.seen.update(size_bytes.to_le_bytes());
                size_bytes
            }
        };
        if budget.spend_bytes(size_bytes).is_err() || budget.spend_object().is_err() {
            self.flow = Flow::Stop;
        }
        self.flow
    }

    fn passwords(&self) -> &[&[u8]] {
        &[]
    }
}
