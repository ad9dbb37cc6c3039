//! Searches of many places at once, each with a plain form that says what the fast ones must do.
//!
//! One small interface: [`Grams`] looks up four bytes at every fourth place in a bitmap,
//! [`Contexts`] eight bytes in a table of words, and [`Shape`] looks for the beginnings of a few short literals at every place; each takes the best
//! [`Level`] that the machine has. [`ask_for`] brings what is needed soon into the caches. Nothing here does I/O, allocates by what bytes say, or depends
//! on anything of ours; it decides nothing, and refuses tables whose size does not fit.

mod ask;
mod contexts;
mod grams;
mod shape;

pub use ask::ask_for;
pub use contexts::{Contexts, context_bits, context_hash};
pub use grams::{GRAM_STEP, Grams, fold, gram_hash};
pub use shape::{Shape, ShapeMasks};

/// How much at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// One place after another: what every machine has, and what the others are compared with.
    Scalar,
    /// 32 bytes (x86-64 with AVX2).
    Avx2,
    /// 64 bytes (x86-64 with AVX-512 F, BW and VL).
    Avx512,
    /// 16 bytes (AArch64).
    Neon,
}

impl Level {
    /// Every level that this machine has, the slowest first.
    #[must_use]
    pub fn all() -> Vec<Self> {
        [Self::Scalar, Self::Avx2, Self::Avx512, Self::Neon]
            .into_iter()
            .filter(|level| level.is_here())
            .collect()
    }

    /// The best that this machine has.
    #[must_use]
    #[inline]
    pub fn best() -> Self {
        [Self::Avx512, Self::Avx2, Self::Neon]
            .into_iter()
            .find(|level| level.is_here())
            .unwrap_or(Self::Scalar)
    }

    /// Whether this machine has it. The answer is kept by the standard library.
    #[must_use]
    #[inline]
    pub fn is_here(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
            Self::Neon => cfg!(all(target_arch = "aarch64", target_feature = "neon")),
        }
    }
}
