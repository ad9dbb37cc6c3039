//! The checkout as the checks see it: its root, its members, the third-party crates, its files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// The platform that Candor is for; what cargo resolves only for others is not looked at.
pub(crate) const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Which side of the dependency rule a member stands on, by the folder that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// `pure/`: bytes in, values out.
    Pure,
    /// `sys/`: the kernel's interface.
    Sys,
    /// `roles/`: one executable each.
    Role,
    /// Tests, benches, this tool: never part of what is shipped.
    Tool,
}

impl Layer {
    /// The layer of a folder, given relative to the root.
    pub(crate) fn of(folder: &str) -> Self {
        match folder.split('/').next() {
            Some("pure") => Self::Pure,
            Some("sys") => Self::Sys,
            Some("roles") => Self::Role,
            _ => Self::Tool,
        }
    }
}

/// A crate of ours.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: PackageId,
    pub(crate) name: String,
    /// Relative to the root.
    pub(crate) folder: String,
    /// The crates of ours that it is built from; those of its tests are not counted.
    pub(crate) uses: Vec<Use>,
}

/// One crate of ours used by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// The used crate's folder.
    pub(crate) folder: String,
    /// The features that are asked for.
    pub(crate) features: Vec<String>,
}

/// A crate of somebody else.
#[derive(Clone, Debug)]
pub(crate) struct Foreign {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// The native library that it says it links.
    pub(crate) links: Option<String>,
}

/// The checkout.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    pub(crate) members: Vec<Member>,
    pub(crate) foreign: Vec<Foreign>,
    /// `rustc` in `[workspace.metadata.toolchain]`.
    pub(crate) toolchain: String,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self, String> {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .other_options(["--locked", "--filter-platform", PLATFORM].map(str::to_owned))
            .exec()
            .map_err(|error| format!("cargo metadata failed: {error}"))?;
        let toolchain = metadata
            .workspace_metadata
            .pointer("/toolchain/rustc")
            .and_then(|version| version.as_str())
            .ok_or("Cargo.toml has no rustc in [workspace.metadata.toolchain]")?
            .to_owned();
        Ok(Self {
            root: metadata.workspace_root.clone().into(),
            target: metadata.target_directory.clone().into(),
            members: members(&metadata),
            foreign: foreign(&metadata),
            toolchain,
        })
    }

    /// The members in one layer.
    pub(crate) fn layer(&self, layer: Layer) -> impl Iterator<Item = &Member> {
        self.members
            .iter()
            .filter(move |member| Layer::of(&member.folder) == layer)
    }

    /// A cargo command in the root, by the cargo that runs us.
    pub(crate) fn cargo(&self) -> Command {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        command
    }

    /// Every file's path relative to the root, sorted, build output aside.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let mut files = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for (path, kind) in entries(&self.root, &folder)? {
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    files.push(path.to_string_lossy().into_owned());
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// A file's text; `None` where it isn't text.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, String> {
        let bytes = fs::read(self.root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        if bytes.contains(&0) {
            return Ok(None);
        }
        Ok(String::from_utf8(bytes).ok())
    }
}

fn members(metadata: &Metadata) -> Vec<Member> {
    let root = metadata.workspace_root.as_path();
    let relative = |path: &Path| match path.strip_prefix(root) {
        Ok(inside) => inside.to_string_lossy().into_owned(),
        Err(_) => path.to_string_lossy().into_owned(),
    };
    let member = |package: &&cargo_metadata::Package| Member {
        id: package.id.clone(),
        name: package.name.to_string(),
        folder: package
            .manifest_path
            .parent()
            .map(|folder| relative(folder.as_std_path()))
            .unwrap_or_default(),
        uses: package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .filter_map(|dependency| {
                Some(Use {
                    folder: relative(dependency.path.as_ref()?.as_std_path()),
                    features: dependency.features.clone(),
                })
            })
            .collect(),
    };
    metadata.workspace_packages().iter().map(member).collect()
}

fn foreign(metadata: &Metadata) -> Vec<Foreign> {
    let packages = metadata.packages.iter();
    packages
        .filter(|package| package.source.is_some())
        .map(|package| Foreign {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
            links: package.links.clone(),
        })
        .collect()
}

fn entries(root: &Path, folder: &Path) -> Result<Vec<(PathBuf, fs::FileType)>, String> {
    let place = root.join(folder);
    let fault = |error: std::io::Error| format!("{}: {error}", place.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&place).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let name = entry.file_name();
        let output = folder.as_os_str() == "fuzz" && name == "found";
        if output || name == ".git" || name == "target" || name == "__pycache__" {
            continue;
        }
        found.push((folder.join(name), entry.file_type().map_err(fault)?));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_decide_the_layer() {
        assert_eq!(Layer::of("pure/proto"), Layer::Pure);
        assert_eq!(Layer::of("sys/kernel"), Layer::Sys);
        assert_eq!(Layer::of("roles/worker"), Layer::Role);
        assert_eq!(Layer::of("xtask"), Layer::Tool);
    }

    #[test]
    fn this_checkout_is_seen_whole() {
        let workspace = Workspace::load().expect("cargo metadata");
        let folders: Vec<&str> = workspace
            .members
            .iter()
            .map(|member| member.folder.as_str())
            .collect();
        for folder in [
            "pure/proto",
            "roles/cli",
            "roles/worker",
            "sys/kernel",
            "xtask",
        ] {
            assert!(
                folders.contains(&folder),
                "{folder} is missing from {folders:?}"
            );
        }
        let files = workspace.files().expect("files");
        assert!(files.contains(&"xtask/src/workspace.rs".to_owned()));
        assert!(!files.iter().any(|file| file.starts_with("target/")));
    }
}
