//! Generated files: the same bytes on every machine.

use std::fs;
use std::path::{Path, PathBuf};

/// A repeatable source of numbers (xorshift).
pub(crate) struct Numbers(u64);

impl Numbers {
    /// Numbers from a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    /// The next eight bytes.
    pub(crate) fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.word() >> 33).unwrap_or(0) % bound.max(1)
    }

    /// So many bytes in hexadecimal digits.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        (0..bytes.div_ceil(8))
            .map(|_| format!("{:016x}", self.word()))
            .collect()
    }
}

/// Writes `count` files of a size that look like no format, and gives their paths.
pub(crate) fn files(
    directory: &Path,
    count: usize,
    size_bytes: usize,
) -> Result<Vec<PathBuf>, String> {
    let mut numbers = Numbers::new(0);
    let mut paths = Vec::with_capacity(count);
    for index in 0..count {
        let words = size_bytes.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words)
            .flat_map(|_| numbers.word().to_le_bytes())
            .collect();
        bytes.truncate(size_bytes);
        let path = directory.join(format!("{index:06}"));
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}
