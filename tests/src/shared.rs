//! Real data beside the project: signature sets that can't be part of it.

use std::path::{Path, PathBuf};

/// A file or directory of the shared data; says what is skipped where it is not there.
#[must_use]
pub fn shared(path: &str, what: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let root = std::env::var_os("CANDOR_SHARED").map_or(beside, PathBuf::from);
    let found = root.join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: {what} (there is no {path} in a folder `shared` beside the project)");
    None
}
