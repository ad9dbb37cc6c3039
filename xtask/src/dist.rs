//! `cargo xtask dist`: the programs as they are released, the same bytes wherever they are built.
//!
//! The `dist` profile decides how they are compiled. What a profile can't do on stable Rust is
//! done here: no path of the building machine gets in, and nothing that its environment holds
//! decides anything.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;
use sha2::{Digest as _, Sha256};

use crate::workspace::{PLATFORM, Workspace};
use crate::{Problems, toolchain};

/// What is released.
pub(crate) const PROGRAMS: [&str; 4] = [
    "candor",
    "candor-worker",
    "candor-worker-yara",
    "candor-verifier",
];
/// Variables that would change what the compiler does.
const MEDDLING: [&str; 8] = [
    "RUSTFLAGS",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_ENCODED_RUSTFLAGS",
];
const MEDDLING_PREFIXES: [&str; 2] = ["CARGO_PROFILE_", "CARGO_TARGET_X86_64"];
/// Where the compiler's own sources are, as its prebuilt library names them.
const COMPILER_SOURCES: &str = "lib/rustlib/src/rust";
/// Between two arguments in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\x1f";

/// Where one build happens: all that must not show in what it makes.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// The folders that hold the third-party crates' sources.
    pub(crate) crates: BTreeSet<PathBuf>,
    /// The compiler's installation.
    pub(crate) sysroot: PathBuf,
    /// The compiler's commit, under which its library names its sources.
    pub(crate) commit: String,
}

impl Place {
    /// Of an ordinary build of this checkout.
    pub(crate) fn of(workspace: &Workspace) -> Result<Self, String> {
        Ok(Self {
            root: workspace.root.clone(),
            target: workspace.target.clone(),
            crates: crate_folders(&workspace.root)?,
            sysroot: sysroot(&workspace.root)?,
            commit: commit(&workspace.root)?,
        })
    }

    /// Where a program lies once it is built.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target.join(PLATFORM).join("dist").join(name)
    }

    /// The compiler's arguments, as cargo takes them from the environment. The last prefix that
    /// fits is the one that counts, so what may lie inside something else comes after it.
    pub(crate) fn encoded_flags(&self) -> OsString {
        let sources = self.sysroot.join(COMPILER_SOURCES);
        let compiler = format!("/rustc/{}", self.commit);
        let mut prefixes = vec![
            (self.root.as_path(), "/candor"),
            (self.target.as_path(), "/target"),
            (self.sysroot.as_path(), "/rust"),
            (sources.as_path(), compiler.as_str()),
        ];
        prefixes.extend(
            self.crates
                .iter()
                .map(|folder| (folder.as_path(), "/crates")),
        );
        let mut flags = OsString::from("-Clink-arg=-Wl,--build-id=none");
        for (from, to) in prefixes {
            flags.push(SEPARATOR);
            flags.push("--remap-path-prefix=");
            flags.push(from);
            flags.push("=");
            flags.push(to);
        }
        flags
    }

    /// What cargo is told, whoever runs it.
    pub(crate) fn arguments(&self, programs: &[&str]) -> Vec<OsString> {
        let fixed = [
            "build",
            "--locked",
            "--profile",
            "dist",
            "--target",
            PLATFORM,
        ];
        let mut arguments: Vec<OsString> = fixed.map(OsString::from).into();
        arguments.extend(["--target-dir".into(), self.target.clone().into()]);
        for program in programs {
            arguments.extend(["--package".into(), OsString::from(program)]);
        }
        arguments
    }
}

/// `cargo xtask dist`: builds, and prints the digest and the place of each program.
pub(crate) fn run(workspace: &Workspace) -> Result<Problems, String> {
    let place = build(workspace, &PROGRAMS)?;
    for name in PROGRAMS {
        let program = place.program(name);
        println!("{}  {}", digest(&program)?, program.display());
    }
    Ok(Problems::new())
}

/// Builds programs of this checkout as they are released.
pub(crate) fn build(workspace: &Workspace, programs: &[&str]) -> Result<Place, String> {
    let wrong = toolchain::pinned(workspace)?;
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let fetched = workspace.cargo().args(["fetch", "--locked"]).status();
    if !fetched.is_ok_and(|status| status.success()) {
        return Err("the crates could not be fetched, as said above".to_owned());
    }
    let place = Place::of(workspace)?;
    let mut command = workspace.cargo();
    for (name, _) in std::env::vars_os() {
        let told = name.to_string_lossy();
        if MEDDLING.contains(&told.as_ref())
            || MEDDLING_PREFIXES
                .iter()
                .any(|start| told.starts_with(start))
        {
            command.env_remove(&name);
        }
    }
    let built = command
        .args(place.arguments(programs))
        .env("CARGO_ENCODED_RUSTFLAGS", place.encoded_flags())
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    match built.success() {
        true => Ok(place),
        false => Err("the programs don't build".to_owned()),
    }
}

/// A file's SHA-256 in hexadecimal.
pub(crate) fn digest(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let digest = Sha256::digest(bytes);
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Where the third-party crates of this checkout lie: cargo's registry, or a vendored copy.
fn crate_folders(root: &Path) -> Result<BTreeSet<PathBuf>, String> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", PLATFORM].map(str::to_owned))
        .exec()
        .map_err(|error| format!("cargo metadata failed: {error}"))?;
    let foreign = metadata.packages.iter().filter(|p| p.source.is_some());
    let folders = foreign.filter_map(|package| package.manifest_path.parent()?.parent());
    Ok(folders.map(PathBuf::from).collect())
}

fn sysroot(root: &Path) -> Result<PathBuf, String> {
    let told = rustc(root, &["--print", "sysroot"])?;
    Ok(PathBuf::from(told.trim()))
}

fn commit(root: &Path) -> Result<String, String> {
    let told = rustc(root, &["-vV"])?;
    told.lines()
        .find_map(|line| line.strip_prefix("commit-hash: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc does not name its commit".to_owned())
}

fn rustc(root: &Path, arguments: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| format!("rustc did not start: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("rustc {} failed", arguments.join(" "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_building_machine_is_replaced() {
        let place = Place {
            root: "/a/checkout".into(),
            target: "/a/checkout/target".into(),
            crates: ["/b/registry".into(), "/c/vendor".into()].into(),
            sysroot: "/d/rust".into(),
            commit: "abc".to_owned(),
        };
        let flags = place.encoded_flags().into_string().expect("text");
        let flags: Vec<&str> = flags.split(SEPARATOR).collect();
        assert_eq!(
            flags,
            [
                "-Clink-arg=-Wl,--build-id=none",
                "--remap-path-prefix=/a/checkout=/candor",
                "--remap-path-prefix=/a/checkout/target=/target",
                "--remap-path-prefix=/d/rust=/rust",
                "--remap-path-prefix=/d/rust/lib/rustlib/src/rust=/rustc/abc",
                "--remap-path-prefix=/b/registry=/crates",
                "--remap-path-prefix=/c/vendor=/crates",
            ]
        );
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        let file = std::env::temp_dir().join(format!("digest-{}", std::process::id()));
        fs::write(&file, "abc").unwrap();
        let digest = digest(&file);
        fs::remove_file(&file).unwrap();
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.as_deref(), Ok(known));
    }
}
