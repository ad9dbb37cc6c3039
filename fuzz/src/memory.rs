//! How much memory was held at most. Every allocation is counted in full when it is asked for, so
//! that a length that was believed shows, whether or not the bytes were ever touched.

use peak_alloc::PeakAlloc;

#[global_allocator]
static COUNTED: PeakAlloc = PeakAlloc;

/// What an input may cost in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Whatever the input.
    pub(crate) fixed: usize,
    /// For each of its bytes.
    pub(crate) per_byte: usize,
}

impl Allowance {
    /// For an input of this length.
    pub(crate) fn bytes(self, input_bytes: usize) -> usize {
        self.fixed
            .saturating_add(self.per_byte.saturating_mul(input_bytes))
    }
}

/// Begins to watch; gives what is held now.
pub(crate) fn begin() -> usize {
    COUNTED.reset_peak_usage();
    COUNTED.current_usage()
}

/// The most that was held since, beyond what was held then.
pub(crate) fn most_since(before: usize) -> usize {
    COUNTED.peak_usage().saturating_sub(before)
}
