//! The programs for the kernel's tracepoints: compiled from C, kept as an object with its digest, and
//! compiled again by the gate to the same bytes.
//!
//! The object is kept so that a build needs no C compiler. Another version of clang gives other
//! bytes, so there the comparison is skipped, aloud; that the object is the one whose digest is
//! kept is always checked.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::Problems;
use crate::workspace::Workspace;

const FOLDER: &str = "roles/lab/bpf";
const SOURCE: &str = "observe.bpf.c";
const OBJECT: &str = "observe.bpf.o";
const DIGEST: &str = "observe.bpf.o.sha256";
/// Debian 12's.
const CLANG: &str = "14.0.6";

/// Compiles, and keeps the object and its digest.
pub(crate) fn build(workspace: &Workspace) -> Result<Problems, String> {
    let folder = workspace.root.join(FOLDER);
    match clang_version() {
        Some(version) if version == CLANG => {}
        other => return Err(another_clang(other.as_deref())),
    }
    let object = compiled(workspace)?;
    keep(&folder.join(DIGEST), digest_line(&object).as_bytes())?;
    keep(&folder.join(OBJECT), &object)?;
    Ok(Problems::new())
}

/// Whether the object is the one that is meant, and what its source compiles to.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    let folder = workspace.root.join(FOLDER);
    let object = read(&folder.join(OBJECT))?;
    let line = read(&folder.join(DIGEST))?;
    let mut problems = differing_digest(&object, &line);
    match clang_version() {
        Some(version) if version == CLANG => {
            if compiled(workspace)? != object {
                problems.push(format!(
                    "{FOLDER}/{OBJECT} is not what {SOURCE} compiles to: run cargo xtask bpf"
                ));
            }
        }
        other => println!("skipped: {}", another_clang(other.as_deref())),
    }
    Ok(problems)
}

fn differing_digest(object: &[u8], line: &[u8]) -> Problems {
    if line == digest_line(object).as_bytes() {
        return Problems::new();
    }
    vec![format!(
        "{FOLDER}/{OBJECT} has another digest than {DIGEST} says: run cargo xtask bpf"
    )]
}

/// As `sha256sum -c` takes it.
fn digest_line(object: &[u8]) -> String {
    let mut line = String::new();
    for byte in Sha256::digest(object) {
        // Writing to a string never fails.
        let _ = write!(line, "{byte:02x}");
    }
    line + "  " + OBJECT + "\n"
}

fn another_clang(found: Option<&str>) -> String {
    let found = found.unwrap_or("none");
    format!("compiling the programs for tracepoints (clang {CLANG} is needed, here is {found})")
}

fn clang_version() -> Option<String> {
    let output = Command::new("clang").arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let after = said.split_once("clang version ")?.1;
    let version = after.split_whitespace().next()?;
    Some(version.to_owned())
}

/// The folder is named relative to itself, so that no path of this machine gets into the object.
fn compiled(workspace: &Workspace) -> Result<Vec<u8>, String> {
    let folder = workspace.root.join(FOLDER);
    let output = scratch(workspace)?.join(OBJECT);
    let status = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3"])
        .args(["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"])
        .args(["-fdebug-compilation-dir=.", "-c", SOURCE, "-o"])
        .arg(&output)
        .current_dir(&folder)
        .status()
        .map_err(|error| format!("clang did not start: {error}"))?;
    if !status.success() {
        return Err(format!("{FOLDER}/{SOURCE} does not compile, as said above"));
    }
    read(&output)
}

fn scratch(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.target.join("bpf");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn keep(path: &Path, bytes: &[u8]) -> Result<(), String> {
    std::fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_that_was_exchanged_is_noticed() {
        let line = digest_line(b"object");
        assert!(differing_digest(b"object", line.as_bytes()).is_empty());
        assert_eq!(differing_digest(b"another", line.as_bytes()).len(), 1);
        assert!(line.ends_with("  observe.bpf.o\n") && line.len() == 64 + 16);
    }

    #[test]
    fn this_checkout_keeps_what_its_source_compiles_to() {
        let workspace = Workspace::load().expect("cargo metadata");
        let problems = check(&workspace).expect("the object");
        assert_eq!(problems, Problems::new());
    }
}
