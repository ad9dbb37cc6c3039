//! Where the workers are: beside this program, or where packages put them. Nothing in the
//! environment can name another one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::escape::escaped_path;
use crate::failure::Failure;

const PLAIN: &str = "candor-worker";
const YARA: &str = "candor-worker-yara";
const LAB_RECORDER: &str = "candor-lab";
const LAB_ANALYST: &str = "candor-lab-analyst";
const INSTALLED: &str = "/usr/libexec/candor";

/// The worker program: everything but YARA rules.
pub(crate) fn worker() -> Result<PathBuf, Failure> {
    find(PLAIN)
}

/// The worker program that compiles and runs YARA rules too.
pub(crate) fn yara_worker() -> Result<PathBuf, Failure> {
    find(YARA)
}

/// The program that encloses and records.
pub(crate) fn lab_recorder() -> Result<PathBuf, Failure> {
    find(LAB_RECORDER)
}

/// The program that reads what was recorded.
pub(crate) fn lab_analyst() -> Result<PathBuf, Failure> {
    find(LAB_ANALYST)
}

fn find(name: &str) -> Result<PathBuf, Failure> {
    let beside = std::env::current_exe()
        .ok()
        .map(|own| own.with_file_name(name));
    let installed = Path::new(INSTALLED).join(name);
    let candidates: Vec<PathBuf> = beside.into_iter().chain([installed]).collect();
    match candidates.iter().find(|path| is_program(path)) {
        Some(path) => Ok(path.clone()),
        None => {
            let looked: Vec<_> = candidates.iter().map(|path| escaped_path(path)).collect();
            Err(Failure::said(format!(
                "the program {name} is missing; it is expected at {}: install candor again",
                looked.join(" or ")
            )))
        }
    }
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
