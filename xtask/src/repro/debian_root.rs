//! A build where nothing of this machine is: a fresh Debian 12 with its own linker, the sources
//! vendored, no network. The compiler is the pinned one, copied.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{copy_checkout, copy_folder, emptied, fault, needs_root, succeed};
use crate::dist::Place;
use crate::workspace::Workspace;

const MAKER: &str = "mmdebstrap";
const RELEASE: &str = "bookworm";
/// What links: the linker's driver, and the C library's start files.
const PACKAGES: &str = "gcc,libc6-dev";
/// Where everything lies, as the build sees it.
const SOURCE: &str = "/usr/src/candor";
const VENDORED: &str = "/usr/src/crates";
const RUST: &str = "/opt/rust";
const TARGET: &str = "/var/build";

/// Builds; gives the place as this machine sees it.
pub(super) fn build(
    workspace: &Workspace,
    folder: &Path,
    programs: &[&str],
) -> Result<Place, String> {
    needs_root("a clean Debian root")?;
    let original = Place::of(workspace)?;
    let root = emptied(&folder.join("debian"))?;
    make_root(&root)?;
    copy_checkout(workspace, &outside(&root, SOURCE))?;
    copy_folder(&original.sysroot, &outside(&root, RUST))?;
    vendor(workspace, &outside(&root, VENDORED))?;
    let inside = Place {
        root: SOURCE.into(),
        target: TARGET.into(),
        crates: [PathBuf::from(VENDORED)].into(),
        sysroot: RUST.into(),
        ..original
    };
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--uts", "--ipc", "--mount", "--pid", "--fork"])
        .args(["--mount-proc", "--wd", SOURCE, "--root"])
        .arg(&root)
        .arg("--")
        .arg(format!("{RUST}/bin/cargo"))
        .args(inside.arguments(programs))
        .args(["--offline", "--config", SOURCES_REPLACED, "--config"])
        .arg(format!("source.vendored-sources.directory=\"{VENDORED}\""))
        .env_clear()
        .env("PATH", format!("{RUST}/bin:/usr/bin:/bin"))
        .env("HOME", "/root")
        .env("CARGO_ENCODED_RUSTFLAGS", inside.encoded_flags())
        .stdin(Stdio::null());
    succeed(&mut command, "the build in a clean Debian 12")?;
    Ok(Place {
        target: outside(&root, TARGET),
        ..inside
    })
}

const SOURCES_REPLACED: &str = "source.crates-io.replace-with=\"vendored-sources\"";

fn outside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn make_root(root: &Path) -> Result<(), String> {
    let mut maker = Command::new(MAKER);
    maker
        .args(["--quiet", "--variant=minbase", "--mode=root"])
        .args([&format!("--include={PACKAGES}"), RELEASE])
        .arg(root)
        .stdin(Stdio::null());
    succeed(&mut maker, &format!("{MAKER} (package {MAKER})"))
}

/// The third-party crates in a folder, as they are locked.
fn vendor(workspace: &Workspace, to: &Path) -> Result<(), String> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(|error| fault(parent, &error))?;
    }
    let mut vendor = workspace.cargo();
    vendor
        .args(["vendor", "--quiet", "--locked", "--versioned-dirs"])
        .arg(to)
        .stdout(Stdio::null());
    succeed(&mut vendor, "cargo vendor")
}
