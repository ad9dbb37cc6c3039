//! `cargo xtask sbom`: what the programs are made of, as CycloneDX 1.6 JSON, the same bytes for the
//! same checkout.
//!
//! What can't be measured here is `unknown`. A word that was looked for and is not in a crate's
//! sources says more than one that is: a mention may be in a test, a comment or code that is not
//! built.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cargo_metadata::{MetadataCommand, Package, TargetKind};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Problems;
use crate::tree::{Edges, Tree};
use crate::workspace::{Layer, PLATFORM, Workspace};

/// What a crate's sources are searched for.
const WORDS: [(&str, &[&str]); 4] = [
    ("mentions-unsafe", &["unsafe"]),
    (
        "mentions-network",
        &[
            "std::net",
            "net::Tcp",
            "net::Udp",
            "libc::socket",
            "libc::connect",
        ],
    ),
    ("mentions-files", &["std::fs", "fs::File", "libc::open"]),
    (
        "mentions-processes",
        &[
            "std::process",
            "process::Command",
            "libc::fork",
            "libc::exec",
        ],
    ),
];
/// Sources deeper than this are not searched.
const DEPTH_MAX: usize = 16;

/// `Cargo.lock`, as far as it is needed.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// Prints it.
pub(crate) fn run(workspace: &Workspace) -> Result<Problems, String> {
    let text =
        serde_json::to_string_pretty(&bill(workspace)?).map_err(|error| error.to_string())?;
    println!("{text}");
    Ok(Problems::new())
}

/// The whole bill.
fn bill(workspace: &Workspace) -> Result<Value, String> {
    let uses = uses(workspace)?;
    let checksums = checksums(workspace)?;
    let metadata = MetadataCommand::new()
        .manifest_path(workspace.root.join("Cargo.toml"))
        .other_options(["--locked", "--filter-platform", PLATFORM].map(str::to_owned))
        .exec()
        .map_err(|error| format!("cargo metadata failed: {error}"))?;
    let mut components = BTreeMap::new();
    for package in metadata.packages.iter().filter(|one| one.source.is_some()) {
        let key = (package.name.to_string(), package.version.to_string());
        if let Some(uses) = uses.get(&key) {
            let checksum = checksums.get(&key);
            components.insert(key, component(package, uses, checksum)?);
        }
    }
    let missing: Vec<_> = uses
        .keys()
        .filter(|key| !components.contains_key(key))
        .collect();
    if !missing.is_empty() {
        return Err(format!("cargo knows nothing of {missing:?}"));
    }
    let components: Vec<Value> = components.into_values().collect();
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application", "bom-ref": "candor", "name": "candor",
                "version": env!("CARGO_PKG_VERSION"),
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": components,
    }))
}

type Key = (String, String);

/// For each third-party crate the roles that need it: in the program, or only to build it.
fn uses(workspace: &Workspace) -> Result<BTreeMap<Key, BTreeSet<String>>, String> {
    let mut uses: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for role in workspace.layer(Layer::Role) {
        let resolve = |edges| Tree::resolve(workspace, &[role.name.as_str()], edges);
        let (linked, built) = (resolve(Edges::Linked)?, resolve(Edges::Built)?);
        for (tree, how) in [(&linked, "linked into"), (&built, "used to build")] {
            let from = tree.member(&role.folder);
            let from = from.ok_or_else(|| format!("{} is not in the graph", role.folder))?;
            for found in tree
                .closure(from)
                .into_iter()
                .filter(|one| one.folder.is_none())
            {
                let version = found.version.trim_start_matches('v').to_owned();
                let entry = uses.entry((found.name.clone(), version)).or_default();
                let linked = format!("linked into {}", role.name);
                if !entry.contains(&linked) {
                    entry.insert(format!("{how} {}", role.name));
                }
            }
        }
    }
    Ok(uses)
}

fn checksums(workspace: &Workspace) -> Result<BTreeMap<Key, String>, String> {
    let text = fs::read_to_string(workspace.root.join("Cargo.lock"));
    let text = text.map_err(|error| format!("Cargo.lock: {error}"))?;
    let lock: Lock = toml::from_str(&text).map_err(|error| format!("Cargo.lock: {error}"))?;
    let locked = lock.package.into_iter();
    Ok(locked
        .filter_map(|one| Some(((one.name, one.version), one.checksum?)))
        .collect())
}

fn component(
    package: &Package,
    uses: &BTreeSet<String>,
    checksum: Option<&String>,
) -> Result<Value, String> {
    let (name, version) = (package.name.to_string(), package.version.to_string());
    let purl = format!("pkg:cargo/{name}@{version}");
    let has = |kind: &TargetKind| package.targets.iter().any(|one| one.kind.contains(kind));
    let mut properties = vec![
        property("build-script", yes(has(&TargetKind::CustomBuild))),
        property("procedural-macro", yes(has(&TargetKind::ProcMacro))),
        property("reviewed", "unknown"),
        property("publisher-separation", "unknown"),
    ];
    properties.extend(uses.iter().map(|role| property("use", role)));
    let folder = package.manifest_path.parent();
    let folder = folder.ok_or_else(|| format!("{name} has no folder"))?;
    let sources = sources(folder.as_std_path(), DEPTH_MAX)?;
    for (key, words) in WORDS {
        let found = words.iter().any(|word| sources.contains(word));
        properties.push(property(key, yes(found)));
    }
    properties.sort_by_key(|one| (one["name"].to_string(), one["value"].to_string()));
    let mut component = json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "properties": properties,
    });
    if let Some(licence) = &package.license {
        // An older way to write OR.
        component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
    }
    if let Some(checksum) = checksum {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    Ok(component)
}

fn property(name: &str, value: &str) -> Value {
    json!({"name": format!("candor:{name}"), "value": value})
}

fn yes(so: bool) -> &'static str {
    if so { "yes" } else { "no" }
}

/// All Rust sources below a folder, its tests, examples and benches aside.
fn sources(folder: &Path, depth_left: usize) -> Result<String, String> {
    let fault = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut text = String::new();
    if depth_left == 0 {
        return Ok(text);
    }
    for entry in fs::read_dir(folder).map_err(fault)? {
        let entry = entry.map_err(fault)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(fault)?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if kind.is_dir() && !matches!(name.as_ref(), "tests" | "examples" | "benches" | "target") {
            text.push_str(&sources(&path, depth_left.saturating_sub(1))?);
        } else if kind.is_file() && name.ends_with(".rs") {
            let bytes = fs::read(&path).map_err(fault)?;
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkouts_bill_names_every_crate_with_its_licence_and_digest() {
        let workspace = Workspace::load().expect("cargo metadata");
        let bill = bill(&workspace).expect("a bill");
        let components = bill["components"].as_array().expect("components");
        assert!(components.len() > 50);
        for component in components {
            let purl = component["purl"].as_str().expect("a purl");
            assert_eq!(
                component["licenses"].as_array().map(Vec::len),
                Some(1),
                "{purl}"
            );
            let digest = component["hashes"][0]["content"].as_str();
            assert_eq!(digest.map(str::len), Some(64), "{purl}");
            let properties = component["properties"].as_array().expect("properties");
            let used = properties.iter().any(|one| one["name"] == "candor:use");
            assert!(used, "{purl} is used by nobody");
        }
        let linked = |name: &str, program: &str| {
            components.iter().any(|one| {
                let properties = one["properties"].as_array().expect("properties");
                let wanted = format!("linked into {program}");
                one["name"] == name && properties.iter().any(|one| one["value"] == wanted)
            })
        };
        assert!(linked("ed25519-dalek", "candor-verifier"));
        assert!(!linked("yara-x", "candor"));
    }
}
