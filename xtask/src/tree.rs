//! The graph as `cargo tree` resolves it: features and platform decided, one edge a line.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{PLATFORM, Workspace};

/// A crate in the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Where it is ours: its folder, relative to the root.
    pub(crate) folder: Option<String>,
}

/// Which dependencies count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edges {
    /// What ends up in the executable.
    Linked,
    /// That, and what runs while it is built: build scripts, macros.
    Built,
}

/// Each crate's direct dependencies.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    edges: BTreeMap<Crate, BTreeSet<Crate>>,
}

impl Tree {
    /// Asks cargo for the graph under these members, resolved together as a build resolves them.
    pub(crate) fn resolve(
        workspace: &Workspace,
        members: &[&str],
        edges: Edges,
    ) -> Result<Self, String> {
        let kinds = match edges {
            Edges::Linked => "normal,no-proc-macro",
            Edges::Built => "normal,build",
        };
        let mut command = workspace.cargo();
        command.args(["tree", "--locked", "--prefix", "depth", "--format", " {p}"]);
        command.args(["--target", PLATFORM, "--edges", kinds]);
        for member in members {
            command.args(["--package", member]);
        }
        let output = command
            .output()
            .map_err(|error| format!("cargo tree did not start: {error}"))?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo tree failed: {}", reason.trim()));
        }
        let root = workspace.root.to_string_lossy();
        Self::parse(&String::from_utf8_lossy(&output.stdout), &root)
    }

    /// Reads lines such as `2 libc v0.2.180` and `1 kernel v0.1.0 (/checkout/sys/kernel) (*)`.
    pub(crate) fn parse(text: &str, root: &str) -> Result<Self, String> {
        let mut tree = Self::default();
        let mut branch: Vec<Crate> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (depth, found) = parse_line(line, root).ok_or_else(|| {
                format!("cargo tree printed a line that is not understood: {line}")
            })?;
            branch.truncate(depth);
            if let Some(parent) = branch.last() {
                let children = tree.edges.entry(parent.clone()).or_default();
                children.insert(found.clone());
            }
            tree.edges.entry(found.clone()).or_default();
            branch.push(found);
        }
        Ok(tree)
    }

    /// The folders of ours in the graph.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.edges
            .keys()
            .filter_map(|found| found.folder.as_deref())
    }

    /// The member of ours in this folder.
    pub(crate) fn member(&self, folder: &str) -> Option<&Crate> {
        self.edges
            .keys()
            .find(|found| found.folder.as_deref() == Some(folder))
    }

    /// Everything that a crate leads to, itself aside.
    pub(crate) fn closure<'a>(&'a self, from: &'a Crate) -> BTreeSet<&'a Crate> {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(next) = open.pop() {
            for child in self.edges.get(next).into_iter().flatten() {
                if reached.insert(child) {
                    open.push(child);
                }
            }
        }
        reached
    }

    /// The crates under `from`, itself included, that depend on `to` directly.
    pub(crate) fn users<'a>(&'a self, from: &'a Crate, to: &Crate) -> BTreeSet<&'a Crate> {
        let mut under = self.closure(from);
        under.insert(from);
        let uses = |user: &&Crate| self.edges.get(*user).is_some_and(|uses| uses.contains(to));
        under.into_iter().filter(uses).collect()
    }

    /// One way from a crate to another, for the message.
    pub(crate) fn path(&self, from: &Crate, to: &Crate) -> String {
        let mut came_from: BTreeMap<&Crate, &Crate> = BTreeMap::new();
        let mut open = std::collections::VecDeque::from([from]);
        while let Some(next) = open.pop_front() {
            for child in self.edges.get(next).into_iter().flatten() {
                if child != from && !came_from.contains_key(child) {
                    came_from.insert(child, next);
                    open.push_back(child);
                }
            }
        }
        let mut names = vec![to.name.as_str()];
        let mut at = to;
        while let Some(parent) = came_from.get(at) {
            names.push(&parent.name);
            at = parent;
        }
        names.reverse();
        names.join(" -> ")
    }
}

fn parse_line(line: &str, root: &str) -> Option<(usize, Crate)> {
    let (depth, rest) = line.trim().split_once(' ')?;
    let depth = depth.parse().ok()?;
    let mut words = rest.trim().split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let place = words.collect::<Vec<_>>().join(" ");
    let folder = place
        .strip_prefix('(')
        .and_then(|inside| inside.strip_prefix(root))
        .and_then(|inside| inside.strip_prefix('/'))
        .and_then(|inside| inside.split(')').next())
        .map(str::to_owned);
    Some((
        depth,
        Crate {
            name,
            version,
            folder,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "\
0 candor v0.1.0 (/x/y/roles/cli)
1 kernel v0.1.0 (/x/y/sys/kernel)
2 libc v0.2.1
1 pool v0.1.0 (/x/y/sys/pool)
2 kernel v0.1.0 (/x/y/sys/kernel) (*)
1 serde_derive v1.0.1 (proc-macro)

0 candor-worker v0.1.0 (/x/y/roles/worker)
1 kernel v0.1.0 (/x/y/sys/kernel) (*)
";

    #[test]
    fn a_subtree_printed_once_counts_wherever_it_is_named() {
        let tree = Tree::parse(TREE, "/x/y").expect("tree");
        let worker = tree.member("roles/worker").expect("worker");
        let names: Vec<&str> = tree
            .closure(worker)
            .into_iter()
            .map(|found| found.name.as_str())
            .collect();
        assert_eq!(names, ["kernel", "libc"]);
    }

    #[test]
    fn ours_have_a_folder_and_others_have_none() {
        let tree = Tree::parse(TREE, "/x/y").expect("tree");
        let cli = tree.member("roles/cli").expect("cli");
        let folders: Vec<Option<&str>> = tree
            .closure(cli)
            .into_iter()
            .map(|found| found.folder.as_deref())
            .collect();
        assert_eq!(folders, [Some("sys/kernel"), None, Some("sys/pool"), None]);
    }

    #[test]
    fn the_way_to_a_crate_is_named() {
        let tree = Tree::parse(TREE, "/x/y").expect("tree");
        let cli = tree.member("roles/cli").expect("cli");
        let libc = tree
            .closure(cli)
            .into_iter()
            .find(|found| found.name == "libc")
            .expect("libc");
        assert_eq!(tree.path(cli, libc), "candor -> kernel -> libc");
    }

    #[test]
    fn a_line_that_is_not_understood_is_an_error() {
        assert!(Tree::parse("candor", "/x/y").is_err());
        assert!(Tree::parse("0 candor 0.1.0", "/x/y").is_err());
    }
}
