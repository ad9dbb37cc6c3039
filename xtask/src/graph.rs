//! The dependency rule: one process, one danger, shown by what each executable is built from.
//!
//! It looks at the graph that cargo resolved for Linux, not at what the manifests wish for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::Problems;
use crate::role::{Dependencies, Role};
use crate::tree::{Crate, Edges, Tree};
use crate::workspace::{Layer, Use, Workspace};

/// The only roles that may link what parses hostile bytes.
const PARSING_ROLES: &[&str] = &[
    "roles/worker",
    "roles/worker-yara",
    "roles/verifier",
    "roles/lab-analyst",
];
/// The only role that may link YARA.
const YARA_ROLES: &[&str] = &["roles/worker-yara"];
/// A role that is another one and something more, and is built from it.
const LARGER_ROLES: &[(&str, &str)] = &[("roles/worker-yara", "roles/worker")];
/// The crates of ours that parse hostile bytes.
const PARSERS: &[&str] = &[
    "pure/unpack",
    "pure/engine",
    "pure/rules",
    "pure/pattern",
    "pure/gates",
    "pure/evidence",
    "pure/policy",
    "pure/analysis",
];
/// Roles that may speak to the network.
const NETWORK_ROLES: &[&str] = &["roles/fetch", "roles/gateway", "roles/lab-gateway"];
/// Roles that may link TLS and the C in it.
const TLS_ROLES: &[&str] = &["roles/fetch", "roles/lab-gateway"];
/// Crates of ours that depend on nothing of ours.
const ROOTS: &[&str] = &["pure/proto", "pure/tlog", "sys/simd"];
/// What pure crates may use of `sys`: arithmetic on bytes that it is handed, without I/O.
const ARITHMETIC: &[&str] = &["sys/simd"];

/// The feature that holds the attacks on the jail.
const TESTS_ONLY: &str = "attacks";
/// The third-party crates that carry a danger.
const CRATES: &str = include_str!("graph/crates.toml");

/// Everything that the rule is judged on.
#[derive(Debug)]
struct Graph {
    linked: Tree,
    built: Tree,
    /// Which crate of ours, as a folder, is built from which.
    ours: Vec<(String, Use)>,
    /// Third-party crates that say they link a native library.
    native: BTreeSet<String>,
    /// For each role the third-party crates that it declares.
    declared: BTreeMap<String, Dependencies>,
    dangerous: Dangerous,
}

/// Names of third-party crates, by the danger that they bring.
#[derive(Debug, Deserialize)]
struct Dangerous {
    network: BTreeSet<String>,
    tls: BTreeSet<String>,
    c_builders: BTreeSet<String>,
}

impl Dangerous {
    fn load() -> Result<Self, String> {
        toml::from_str(CRATES).map_err(|error| format!("xtask/src/graph/crates.toml: {error}"))
    }
}

/// Resolves the graph and judges it.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    Ok(judge(&load(workspace)?))
}

/// Every violation.
fn judge(graph: &Graph) -> Problems {
    let mut problems = Problems::new();
    for (from, to) in &graph.ours {
        problems.extend(wrong_direction(from, &to.folder));
        problems.extend(armed(from, to));
    }
    for folder in shipped(&graph.linked) {
        problems.extend(linked_wrongly(graph, &folder));
        problems.extend(builds_c(graph, &folder));
        if Layer::of(&folder) == Layer::Role {
            problems.extend(undeclared(graph, &folder));
        }
    }
    problems
}

fn load(workspace: &Workspace) -> Result<Graph, String> {
    let shipped = |layer| workspace.layer(layer).map(|member| member.name.as_str());
    let names: Vec<&str> = shipped(Layer::Pure)
        .chain(shipped(Layer::Sys))
        .chain(shipped(Layer::Role))
        .collect();
    let edges = workspace.members.iter().flat_map(|member| {
        let uses = member.uses.iter();
        uses.map(|used| (member.folder.clone(), used.clone()))
    });
    let native = workspace.foreign.iter();
    let roles = Role::load_all(workspace)?.into_iter();
    Ok(Graph {
        linked: Tree::resolve(workspace, &names, Edges::Linked)?,
        built: Tree::resolve(workspace, &names, Edges::Built)?,
        ours: edges.collect(),
        native: native
            .filter(|foreign| foreign.links.is_some())
            .map(|foreign| foreign.name.clone())
            .collect(),
        declared: roles.map(|role| (role.folder, role.dependencies)).collect(),
        dangerous: Dangerous::load()?,
    })
}

fn shipped(tree: &Tree) -> Vec<String> {
    tree.members()
        .filter(|folder| Layer::of(folder) != Layer::Tool)
        .map(str::to_owned)
        .collect()
}

fn wrong_direction(from: &str, to: &str) -> Option<String> {
    let reason = match (Layer::of(from), Layer::of(to)) {
        (Layer::Tool, _) => return None,
        (_, Layer::Tool) => "what is shipped is never built from tests or tools",
        _ if LARGER_ROLES.contains(&(from, to)) => return None,
        (_, Layer::Role) => "no crate is built from a role",
        _ if ROOTS.contains(&from) => "it depends on nothing of ours",
        (Layer::Pure, Layer::Sys) if ARITHMETIC.contains(&to) => return None,
        (Layer::Pure, Layer::Sys) => "pure crates depend on pure crates only",
        _ => return None,
    };
    Some(format!("{from} must not depend on {to}: {reason}"))
}

fn armed(from: &str, to: &Use) -> Option<String> {
    let is_armed = to.features.iter().any(|feature| feature == TESTS_ONLY);
    (is_armed && Layer::of(from) != Layer::Tool).then(|| {
        format!(
            "{from} must not turn on {TESTS_ONLY} in {}: that is for tests",
            to.folder
        )
    })
}

fn linked_wrongly(graph: &Graph, folder: &str) -> Problems {
    let Some(from) = graph.linked.member(folder) else {
        return Problems::new();
    };
    let mut problems = Problems::new();
    for found in graph.linked.closure(from) {
        if let Some(reason) = forbidden(&graph.dangerous, folder, found) {
            let path = graph.linked.path(from, found);
            problems.push(format!(
                "{folder} must not link {}: {reason} ({path})",
                found.name
            ));
        }
    }
    problems
}

fn forbidden(dangerous: &Dangerous, folder: &str, found: &Crate) -> Option<&'static str> {
    let name = found.name.as_str();
    let is_role = Layer::of(folder) == Layer::Role;
    if let Some(ours) = &found.folder {
        let parser = PARSERS.contains(&ours.as_str());
        if is_role && parser && !PARSING_ROLES.contains(&folder) {
            return Some("only a worker parses hostile bytes");
        }
        let is_larger = LARGER_ROLES.contains(&(folder, ours.as_str()));
        let is_wrong = Layer::of(ours) == Layer::Role && !is_larger;
        return is_wrong.then_some("no crate is built from a role");
    }
    if is_role && name.starts_with("yara-x") && !YARA_ROLES.contains(&folder) {
        return Some("only the worker for it runs YARA");
    }
    if dangerous.tls.contains(name) && !TLS_ROLES.contains(&folder) {
        return Some("only fetch and the lab's gateway speak TLS");
    }
    if dangerous.network.contains(name) && !NETWORK_ROLES.contains(&folder) {
        return Some("only fetch, gateway and the lab's gateway speak to the network");
    }
    None
}

fn builds_c(graph: &Graph, folder: &str) -> Problems {
    let Some(from) = graph.built.member(folder) else {
        return Problems::new();
    };
    if TLS_ROLES.contains(&folder) {
        return Problems::new();
    }
    let borne = borne(graph, folder);
    let mut needed = BTreeSet::new();
    let mut problems = Problems::new();
    for found in graph.built.closure(from) {
        let native = found.name.ends_with("-sys") && graph.native.contains(&found.name);
        if !native && !graph.dangerous.c_builders.contains(&found.name) {
            continue;
        }
        let path = graph.built.path(from, found);
        // Whoever needs it directly must be the one that is named.
        let users = graph.built.users(from, found);
        let is_borne = |user: &&Crate| borne.contains(&(user.name.as_str(), found.name.as_str()));
        if !users.is_empty() && users.iter().all(is_borne) {
            needed.extend(users.iter().map(|user| user.name.clone()));
            continue;
        }
        problems.push(format!(
            "{folder} must not be built with {}: it brings C into the build ({path})",
            found.name
        ));
    }
    if graph.declared.contains_key(folder) {
        let unneeded = borne.iter().filter(|(user, _)| !needed.contains(*user));
        problems.extend(unneeded.map(|(user, with)| {
            format!(
                "{folder}/role.toml bears with C that {user} builds with {with}, and it does not"
            )
        }));
    }
    problems
}

/// The crates that compile C, and with what, which a role's file bears with, each for a reason.
fn borne<'g>(graph: &'g Graph, folder: &str) -> BTreeSet<(&'g str, &'g str)> {
    let declared = graph.declared.get(folder).into_iter();
    declared
        .flat_map(|declared| &declared.builds_c)
        .filter(|borne| !borne.reason.trim().is_empty())
        .map(|borne| (borne.name.as_str(), borne.with.as_str()))
        .collect()
}

fn undeclared(graph: &Graph, folder: &str) -> Problems {
    let Some(declared) = graph.declared.get(folder) else {
        return vec![format!("{folder}/role.toml is missing")];
    };
    let linked = foreign(&graph.linked, folder);
    let built = foreign(&graph.built, folder);
    let build_time = built.difference(&linked).copied().collect();
    let mut problems = differences(folder, &linked, ("allowed", &declared.allowed));
    problems.extend(differences(
        folder,
        &build_time,
        ("build_time", &declared.build_time),
    ));
    problems
}

/// Names of the third-party crates under a member.
fn foreign<'a>(tree: &'a Tree, folder: &str) -> BTreeSet<&'a str> {
    let from = tree.member(folder).into_iter();
    from.flat_map(|from| tree.closure(from))
        .filter(|found| found.folder.is_none())
        .map(|found| found.name.as_str())
        .collect()
}

fn differences(folder: &str, found: &BTreeSet<&str>, list: (&str, &[String])) -> Problems {
    let (key, declared) = list;
    let declared: BTreeSet<&str> = declared.iter().map(String::as_str).collect();
    let mut problems = Problems::new();
    if let Some(names) = quoted(found.difference(&declared)) {
        problems.push(format!(
            "{folder} is built from crates that {key} in {folder}/role.toml does not list: {names}"
        ));
    }
    if let Some(names) = quoted(declared.difference(found)) {
        problems.push(format!(
            "{folder}/role.toml lists crates in {key} that nothing needs: {names}"
        ));
    }
    problems
}

/// Names as they would stand in a list; `None` where there are none.
fn quoted<'a>(names: impl Iterator<Item = &'a &'a str>) -> Option<String> {
    let names: Vec<String> = names.map(|name| format!("\"{name}\"")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

#[cfg(test)]
mod tests;
