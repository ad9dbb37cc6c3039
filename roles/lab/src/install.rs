//! How a product gets into an enclosure: what is shown of the machine, what is run inside, and
//! what must be there for it. Nothing is fetched: packages lie in a folder that the operator names.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use lab::Product;
use lab::bundle::MemberEntry;
use lab::product::Install;
use sha2::{Digest, Sha256};

use crate::enclosure::{PATH, hex};

/// Where packages lie inside.
const PACKAGES: &str = "/media/packages";
/// Where an archive lies inside.
const ARCHIVE: &str = "/media/archive";
/// No service is started by a package: the product file does that.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What the installation comes to.
#[derive(Debug, Default)]
pub(crate) struct Installation {
    /// What is seen inside, read-only: outside, inside.
    pub(crate) supplies: Vec<(PathBuf, PathBuf)>,
    /// What is put in place before: path, content, permissions.
    pub(crate) files: Vec<(PathBuf, Vec<u8>, u32)>,
    /// What is run inside; nothing where nothing needs to be.
    pub(crate) command: Option<Vec<String>>,
    /// The product's own files, with their digests.
    pub(crate) product_files: Vec<MemberEntry>,
}

impl Installation {
    /// Looks what a product needs, and whether it is there.
    pub(crate) fn plan(product: &Product, packages: Option<&Path>) -> Result<Self, String> {
        let mut installation = Self::default();
        match &product.install {
            None => {}
            Some(Install::DebianPackages(names)) => installation.packages(names, packages)?,
            Some(Install::Archive(path)) => {
                let archive = whole(path)?;
                installation.note(&archive)?;
                installation.supplies.push((archive, ARCHIVE.into()));
                let words = ["tar", "--extract", "--file", ARCHIVE, "--directory", "/"];
                installation.command = Some(words.map(str::to_owned).to_vec());
            }
            Some(Install::Directory(path)) => {
                let folder = whole(path)?;
                installation.supplies.push((folder.clone(), folder));
            }
        }
        for program in programs(product) {
            installation.note(&program)?;
        }
        Ok(installation)
    }

    fn packages(&mut self, names: &[String], folder: Option<&Path>) -> Result<(), String> {
        let missing: Vec<&String> = names.iter().filter(|name| !is_installed(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = missing
            .iter()
            .map(|name| name.as_str())
            .collect::<Vec<_>>()
            .join(" ");
        let remedy = format!(
            "run apt-get download {list} in a folder, and name that folder with --packages"
        );
        let Some(folder) = folder else {
            return Err(format!("not installed on this machine: {list}; {remedy}"));
        };
        let folder = whole(&folder.display().to_string())?;
        let mut words = vec!["dpkg".to_owned(), "--install".to_owned()];
        for name in missing {
            let package = package(&folder, name).ok_or_else(|| {
                format!("{}: no package {name} is here; {remedy}", folder.display())
            })?;
            self.note(&package)?;
            let file = package.file_name().and_then(|file| file.to_str());
            words.push(format!("{PACKAGES}/{}", file.unwrap_or_default()));
        }
        self.supplies.push((folder, PACKAGES.into()));
        self.files
            .push((POLICY.into(), b"#!/bin/sh\nexit 101\n".to_vec(), 0o755));
        self.command = Some(words);
        Ok(())
    }

    fn note(&mut self, path: &Path) -> Result<(), String> {
        let at = |error: io::Error| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(at)?;
        let size_bytes = file.metadata().map_err(at)?.len();
        let mut hash = Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = io::Read::read(&mut file, &mut buffer).map_err(at)?;
            if count == 0 {
                break;
            }
            hash.update(buffer.get(..count).unwrap_or_default());
        }
        self.product_files.push(MemberEntry {
            name: lab::Escaped::from(path.display().to_string().as_str()).to_string(),
            size_bytes,
            sha256: hex(&hash.finalize()),
        });
        Ok(())
    }
}

fn whole(path: &str) -> Result<PathBuf, String> {
    fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))
}

/// Whether the machine has the package installed, and the enclosure therefore too.
fn is_installed(name: &str) -> bool {
    let asked = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status}", name])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    asked.is_ok_and(|output| output.stdout == b"installed")
}

/// The last of the package's files in a folder.
fn package(folder: &Path, name: &str) -> Option<PathBuf> {
    let start = format!("{name}_");
    let entries = fs::read_dir(folder).ok()?.flatten();
    let fits = |file: &std::ffi::OsStr| {
        let file = file.to_string_lossy();
        file.starts_with(&start) && file.ends_with(".deb")
    };
    entries
        .filter(|entry| fits(&entry.file_name()))
        .map(|entry| entry.path())
        .max()
}

/// The programs that a product's commands name, where the machine has them.
fn programs(product: &Product) -> Vec<PathBuf> {
    let commands = [
        &product.version,
        &product.scan,
        &product.update,
        &product.on_access,
        &product.reload,
        &product.vendor_command,
    ];
    let commands = commands.into_iter().flatten();
    let services = product.services.iter().map(|service| &service.command);
    let mut programs: Vec<PathBuf> = commands
        .chain(services)
        .filter_map(|words| words.first())
        .filter_map(|name| found(name))
        .collect();
    programs.sort();
    programs.dedup();
    programs
}

fn found(name: &str) -> Option<PathBuf> {
    let is_file = |path: &PathBuf| path.is_file();
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_file);
    }
    PATH.split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(is_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(package: &str) -> Product {
        let text = format!(
            "name = \"x\"\nversion = [\"sh\"]\n[install]\ndebian-packages = [\"{package}\"]\n"
        );
        Product::parse("x", &text).unwrap()
    }

    #[test]
    fn a_package_that_is_nowhere_is_named_with_the_remedy() {
        let product = product("no-such-package");
        let error = Installation::plan(&product, None).unwrap_err();
        assert!(
            error.contains("apt-get download no-such-package"),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let error = Installation::plan(&product, Some(folder.path())).unwrap_err();
        assert!(
            error.contains("no package no-such-package is here"),
            "{error}"
        );
        let file = folder.path().join("no-such-package_1.0_all.deb");
        fs::write(&file, "not really").unwrap();
        let plan = Installation::plan(&product, Some(folder.path())).unwrap();
        let words = plan.command.unwrap();
        assert_eq!(words[2], "/media/packages/no-such-package_1.0_all.deb");
        assert!(
            plan.product_files
                .iter()
                .any(|one| one.name.ends_with("/sh"))
        );
    }
}
