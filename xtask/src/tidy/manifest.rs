//! What every Cargo.toml keeps to: the workspace's lints and licence, and a reason for each
//! dependency on somebody else's code.

use toml::{Table, Value};

use crate::Problems;

/// Crates that may hold unsafe code; the workspace forbids it, so they state their own lints.
const OWN_LINTS: &[&str] = &["sys/kernel/Cargo.toml", "sys/simd/Cargo.toml"];
const LICENCE: &str = "Apache-2.0";

/// Looks at one manifest; `ours` are the names of the workspace's crates.
pub(crate) fn check(path: &str, text: &str, ours: &[&str]) -> Result<Problems, String> {
    let table: Table = toml::from_str(text).map_err(|error| format!("{path}: {error}"))?;
    let mut problems = Problems::new();
    if table.contains_key("package") {
        problems.extend(lints(path, &table));
        problems.extend(licence(path, &table));
    }
    for dependency in unexplained(text, ours) {
        problems.push(format!(
            "{path}: {dependency} needs a comment with its reason, above it or at the end of its line"
        ));
    }
    Ok(problems)
}

fn at<'a>(table: &'a Table, keys: &[&str]) -> Option<&'a Value> {
    let (first, rest) = keys.split_first()?;
    rest.iter()
        .try_fold(table.get(*first)?, |value, key| value.get(*key))
}

fn lints(path: &str, table: &Table) -> Option<String> {
    if !OWN_LINTS.contains(&path) {
        let inherits = at(table, &["lints", "workspace"]) == Some(&Value::Boolean(true));
        return (!inherits).then(|| format!("{path}: inherit the workspace's lints"));
    }
    let required = [
        "undocumented_unsafe_blocks",
        "multiple_unsafe_ops_per_block",
    ];
    let missing = required
        .iter()
        .find(|lint| at(table, &["lints", "clippy", lint]) != Some(&Value::from("deny")))?;
    Some(format!(
        "{path}: it may hold unsafe code, so it must deny clippy's {missing}"
    ))
}

fn licence(path: &str, table: &Table) -> Option<String> {
    let inherited = at(table, &["package", "license", "workspace"]) == Some(&Value::Boolean(true));
    let stated = at(table, &["package", "license"]) == Some(&Value::from(LICENCE));
    (!inherited && !stated).then(|| format!("{path}: its licence is {LICENCE}; say so"))
}

/// Third-party dependencies without a comment, read by line since a parser drops comments.
fn unexplained<'a>(text: &'a str, ours: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut in_dependencies = false;
    let mut commented = false;
    let mut depth = 0usize;
    for line in text.lines().map(str::trim) {
        let continues = depth > 0;
        depth = depth_after(depth, line);
        if continues {
            continue;
        }
        if line.starts_with('#') {
            commented = true;
            continue;
        }
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            in_dependencies = header.ends_with("dependencies");
            if let Some((_, name)) = header.split_once("dependencies.") {
                found.extend((!commented && !ours.contains(&name)).then_some(name));
            }
        } else if in_dependencies && let Some((key, _)) = line.split_once('=') {
            let name = key
                .trim()
                .split('.')
                .next()
                .unwrap_or_default()
                .trim_matches('"');
            let explained = commented || line.contains('#') || ours.contains(&name);
            found.extend((!explained).then_some(name));
        }
        commented = false;
    }
    found
}

fn depth_after(depth: usize, line: &str) -> usize {
    line.split('#')
        .next()
        .unwrap_or_default()
        .chars()
        .fold(depth, |depth, letter| match letter {
            '[' | '{' => depth + 1,
            ']' | '}' => depth.saturating_sub(1),
            _ => depth,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "\
[package]
name = \"x\"
license.workspace = true

[lints]
workspace = true

[dependencies]
proto = { workspace = true }
# Inflates.
miniz_oxide = { version = \"1\", features = [
    \"a\",
] }
crc32fast = \"1\" # Checks.

# Tests numbers.
[dev-dependencies.jsonschema]
version = \"1\"
";

    fn said(path: &str, text: &str) -> String {
        check(path, text, &["proto"]).expect(path).join("\n")
    }

    #[test]
    fn a_sound_manifest_passes() {
        assert_eq!(said("pure/x/Cargo.toml", SOUND), "");
    }

    #[test]
    fn a_dependency_says_why() {
        let without = SOUND.replace("# Inflates.\n", "");
        assert!(said("x/Cargo.toml", &without).contains("miniz_oxide needs a comment"));
        let without = SOUND.replace(" # Checks.", "");
        assert!(said("x/Cargo.toml", &without).contains("crc32fast needs a comment"));
        let without = SOUND.replace("# Tests numbers.\n", "");
        assert!(said("x/Cargo.toml", &without).contains("jsonschema needs a comment"));
        let root = "[workspace.dependencies]\nproto = { path = \"p\" }\nserde = \"1\"\n";
        assert!(said("Cargo.toml", root).contains("serde needs a comment"));
    }

    #[test]
    fn one_comment_explains_one_dependency() {
        let text = SOUND.replace("crc32fast = \"1\" # Checks.", "crc32fast = \"1\"\n");
        assert!(said("x/Cargo.toml", &text).contains("crc32fast"));
    }

    #[test]
    fn lints_and_licence_are_the_workspaces() {
        let own = SOUND.replace("[lints]\nworkspace = true", "");
        assert!(said("x/Cargo.toml", &own).contains("inherit the workspace's lints"));
        let other = SOUND.replace("license.workspace = true", "license = \"MIT\"");
        assert!(said("x/Cargo.toml", &other).contains("Apache-2.0"));
    }

    #[test]
    fn where_unsafe_may_stand_it_is_documented_by_lint() {
        let text = "[package]\nlicense = \"Apache-2.0\"\n[lints.clippy]\nundocumented_unsafe_blocks = \"deny\"\nmultiple_unsafe_ops_per_block = \"deny\"\n";
        assert_eq!(said("sys/kernel/Cargo.toml", text), "");
        let weak = text.replace("multiple_unsafe_ops_per_block = \"deny\"\n", "");
        assert!(said("sys/kernel/Cargo.toml", &weak).contains("multiple_unsafe_ops_per_block"));
    }
}
