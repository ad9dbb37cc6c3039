//! What is fuzzed, and what must hold of every input. One target for each format that `unpack`'s
//! registry takes apart, so that a new format is fuzzed without anybody asking for it, and one for
//! each other place where hostile bytes come in.
//!
//! A target panics where something does not hold. This crate only says what that is: LLVM's fuzzer
//! makes the inputs (`cargo xtask fuzz`), and the tests keep those that once broke something.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a target says what does not hold by a panic, which is what a fuzzer looks for"
)]

mod memory;
pub mod seeds;
mod targets;

pub use targets::{Target, targets};

/// Longer samples are no seeds: mutating them costs more than it finds.
pub const SEED_BYTES_MAX: usize = 2 << 20;

/// Looks at one input; panics where something does not hold.
pub fn run(target: &Target, input: &[u8]) {
    let before = memory::begin();
    (target.check)(target, input);
    let held = memory::most_since(before);
    let allowed = target.memory.bytes(input.len());
    assert!(
        held <= allowed,
        "{held} bytes of memory were held for {} of input: at most {allowed} are in proportion",
        input.len()
    );
}

/// The target with this name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets().into_iter().find(|target| target.name == name)
}
