//! Debian 12's kernel, for tests to boot in an emulated machine. It is downloaded and unpacked in
//! the build folder, and never installed: this machine goes on with its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{apt, is_root};

/// The series that Debian 12 came with.
const SERIES: &str = "6.1";
/// Names the newest kernel for virtual machines, whose package is the smallest (27 MB).
const NAMED_BY: &str = "linux-image-cloud-amd64";
const FOLDER: &str = "older-kernel";

/// Has an image of that kernel in the build folder, where this system's Debian offers one; says
/// why not otherwise.
pub(super) fn prepare(target: &Path) -> Result<(), String> {
    if !cfg!(target_arch = "x86_64") {
        return Err("it runs the programs of x86-64 only".to_owned());
    }
    let folder = target.join(FOLDER);
    if image(&folder)
        .or_else(|| image(Path::new("/boot")))
        .is_some()
    {
        return Ok(());
    }
    match download(&folder) {
        Ok(()) => Ok(()),
        Err(_) if is_root() && apt(&["update", "-q"]) => download(&folder),
        Err(why) => Err(why),
    }
}

/// The kernel's image in a folder.
fn image(folder: &Path) -> Option<PathBuf> {
    let start = format!("vmlinuz-{SERIES}.");
    with_name(folder, |name| name.starts_with(&start))
}

fn download(folder: &Path) -> Result<(), String> {
    let listed = output(Command::new("apt-cache").args(["depends", NAMED_BY]))?;
    let package = package(&listed)
        .ok_or_else(|| format!("this system's Debian offers no Linux {SERIES} ({NAMED_BY})"))?;
    println!("downloading for the tests: {package}");
    let unpacked = folder.join("package");
    fs::create_dir_all(&unpacked).map_err(|error| format!("{}: {error}", unpacked.display()))?;
    let got = unpack(folder, &unpacked, package);
    let cleared = fs::remove_dir_all(&unpacked);
    got.and_then(|()| cleared.map_err(|error| format!("{}: {error}", unpacked.display())))
}

fn unpack(folder: &Path, unpacked: &Path, package: &str) -> Result<(), String> {
    let mut apt_get = Command::new("apt-get");
    output(
        apt_get
            .args(["download", "-q", package])
            .current_dir(unpacked),
    )?;
    let archive = with_name(unpacked, |name| name.ends_with(".deb"))
        .ok_or_else(|| format!("apt-get download left no {package}"))?;
    let mut extract = Command::new("dpkg-deb");
    output(extract.arg("--extract").arg(archive).arg(unpacked))?;
    let found =
        image(&unpacked.join("boot")).ok_or_else(|| format!("{package} holds no kernel"))?;
    let place = folder.join(found.file_name().unwrap_or_default());
    fs::rename(&found, &place).map_err(|error| format!("{}: {error}", place.display()))
}

/// The package of the series among what `apt-cache depends` prints.
fn package(listed: &str) -> Option<&str> {
    let start = format!("linux-image-{SERIES}.");
    listed
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(&start))
}

fn with_name(folder: &Path, fits: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let listed = fs::read_dir(folder).ok()?;
    listed
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(&fits))
        .map(|entry| entry.path())
}

/// What a program printed, where it succeeded.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(format!("{name} failed: {}", output.status)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_of_the_series_or_none() {
        let listed = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(package(listed), Some("linux-image-6.1.0-56-cloud-amd64"));
        let newer = "linux-image-cloud-amd64\n  Depends: linux-image-6.12.1-cloud-amd64\n";
        assert_eq!(package(newer), None);
        assert_eq!(package(""), None);
    }

    #[test]
    fn an_image_that_is_there_is_not_downloaded() {
        let folder = std::env::temp_dir().join(format!("older-kernel-{}", std::process::id()));
        let place = folder.join(FOLDER);
        fs::create_dir_all(&place).unwrap();
        assert_eq!(image(&place), None);
        fs::write(place.join("vmlinuz-6.1.0-1-cloud-amd64"), "").unwrap();
        let prepared = prepare(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(prepared.is_ok(), cfg!(target_arch = "x86_64"));
    }
}
