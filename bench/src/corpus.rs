//! Generated files: the same bytes on every machine.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes `count` files of a size that look like no format, and gives their paths.
pub(crate) fn files(
    directory: &Path,
    count: usize,
    size_bytes: usize,
) -> Result<Vec<PathBuf>, String> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut paths = Vec::with_capacity(count);
    for index in 0..count {
        let words = size_bytes.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        bytes.truncate(size_bytes);
        let path = directory.join(format!("{index:06}"));
        fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))?;
        paths.push(path);
    }
    Ok(paths)
}
