//! A second build on the same machine, of a copy of the checkout, with everything different that
//! the bytes must not depend on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{copy_checkout, copy_folder, emptied, fault, succeed};
use crate::dist::Place;
use crate::workspace::Workspace;

/// Takes the user's and the host's name from the machine, where it is allowed.
const OTHER_IDENTITY: [&str; 6] = [
    "unshare",
    "--user",
    "--map-user=4321",
    "--map-group=4321",
    "--keep-caps",
    "--uts",
];
const OTHER_HOST: &str = "echo another-host > /proc/sys/kernel/hostname && ";
const START: &str = "umask 077 && exec \"$0\" \"$@\"";

/// Builds; `folder` is emptied first.
pub(super) fn build(
    workspace: &Workspace,
    folder: &Path,
    programs: &[&str],
    jobs: usize,
) -> Result<Place, String> {
    let original = Place::of(workspace)?;
    let folder = emptied(&folder.join("another folder, with a longer name"))?;
    let place = Place {
        root: folder.join("source/of/candor"),
        target: folder.join("out"),
        crates: original.crates.clone(),
        sysroot: folder.join("rust"),
        ..original.clone()
    };
    copy_checkout(workspace, &place.root)?;
    copy_folder(&original.sysroot, &place.sysroot)?;
    let home = folder.join("home");
    fs::create_dir_all(&home).map_err(|error| fault(&home, &error))?;
    let (cargo_home, crates) = copy_crates(&original, &home)?;
    let place = Place { crates, ..place };
    let mut command = command();
    command
        .arg(place.sysroot.join("bin/cargo"))
        .args(place.arguments(programs))
        .args(["--offline", &format!("--jobs={jobs}")])
        .current_dir(&place.root)
        .env_clear()
        .envs([
            ("USER", "another-user"),
            ("LOGNAME", "another-user"),
            ("LANG", "tr_TR.UTF-8"),
            ("LC_ALL", "C"),
            ("TZ", "Pacific/Kiritimati"),
        ])
        .env("HOME", &home)
        .env("CARGO_HOME", cargo_home)
        .env("CARGO_ENCODED_RUSTFLAGS", place.encoded_flags())
        .env("RUSTC", place.sysroot.join("bin/rustc"))
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null());
    succeed(&mut command, "the second build")?;
    Ok(place)
}

/// The start of the command line: with another identity where the kernel lets us have one.
fn command() -> Command {
    let [program, options @ ..] = OTHER_IDENTITY;
    let wrapped = |script: &str| {
        let mut command = Command::new(program);
        command.args(options).args(["--", "sh", "-c", script]);
        command
    };
    let host = format!("{OTHER_HOST}{START}");
    let mut probe = wrapped(&host);
    probe.arg("true").stdin(Stdio::null()).stderr(Stdio::null());
    let varied = "source, target and home folders, cargo's home, the compiler's place, the \
                  environment, locale, time zone, umask, number of jobs";
    if probe.status().is_ok_and(|status| status.success()) {
        println!("   varied: {varied}, user, host name");
        return wrapped(&host);
    }
    println!("   varied: {varied}");
    println!("   not varied: user and host name (unshare is not allowed or not installed here)");
    let mut command = Command::new("sh");
    command.args(["-c", START]);
    command
}

/// A home for cargo that has the crates already, and where in it their sources are.
fn copy_crates(
    original: &Place,
    home: &Path,
) -> Result<(PathBuf, std::collections::BTreeSet<PathBuf>), String> {
    let cargo_home = home.join("cargo");
    let registry = original
        .crates
        .iter()
        .find_map(|folder| Some(folder.parent()?.parent()?.to_owned()))
        .filter(|registry| registry.join("index").is_dir())
        .ok_or("the crates' sources are not in cargo's registry: run this without vendoring")?;
    copy_folder(&registry, &cargo_home.join("registry"))?;
    let config = registry.with_file_name("config.toml");
    if config.is_file() {
        let to = cargo_home.join("config.toml");
        fs::copy(&config, &to).map_err(|error| fault(&to, &error))?;
    }
    let moved = original.crates.iter().filter_map(|folder| {
        let inside = folder.strip_prefix(&registry).ok()?;
        Some(cargo_home.join("registry").join(inside))
    });
    Ok((cargo_home.clone(), moved.collect()))
}
