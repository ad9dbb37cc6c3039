//! The program that LLVM's fuzzer is linked into: one for all targets, of which an environment
//! variable names one.
#![no_main]
#![expect(
    clippy::expect_used,
    reason = "without a target there is nothing to go on with"
)]

use std::sync::LazyLock;

use fuzz::{Target, run, target};

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("CANDOR_FUZZ_TARGET").expect("CANDOR_FUZZ_TARGET names a target");
    target(&name).expect("CANDOR_FUZZ_TARGET is one that `fuzz list` lists")
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| run(&CHOSEN, input));
