//! Style as a test, with no ratchet: what clippy doesn't know and a reviewer should not have to say.

mod manifest;
mod markdown;
mod rust;
mod source;

use crate::Problems;
use crate::workspace::{Layer, Workspace};

/// Samples and what comes out of them are data, kept byte for byte.
const DATA_FOLDERS: &[&str] = &["corpus/", "tests/data/", "fuzz/seeds/", "fuzz/regressions/"];

/// Looks at every file.
pub(crate) fn check(workspace: &Workspace) -> Result<Problems, String> {
    let files = workspace.files()?;
    let ours: Vec<&str> = workspace
        .members
        .iter()
        .map(|member| member.name.as_str())
        .collect();
    let mut problems = Problems::new();
    for path in &files {
        let Some(text) = workspace.text(path)? else {
            continue;
        };
        if !DATA_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
            problems.extend(plain_text(path, &text));
        }
        if path.ends_with(".rs") {
            problems.extend(rust::check(path, &text));
        } else if path.ends_with("Cargo.toml") {
            problems.extend(manifest::check(path, &text, &ours)?);
        } else if path.ends_with(".md") {
            let exists = |target: &str| workspace.root.join(target).exists();
            problems.extend(markdown::check(path, &text, exists));
        }
    }
    for member in workspace.layer(Layer::Pure) {
        let path = format!("{}/src/lib.rs", member.folder);
        let text = workspace.text(&path)?.unwrap_or_default();
        problems.extend(rust::panics_denied(&path, &text));
    }
    Ok(problems)
}

fn plain_text(path: &str, text: &str) -> Problems {
    let mut problems = Problems::new();
    if text.contains('\r') {
        problems.push(format!("{path}: lines end in CR LF; end them in LF"));
    }
    let workplace = format!("/{}/", "work");
    for (number, line) in (1..).zip(text.lines()) {
        if line.contains(&workplace) && !path.ends_with(".rs") {
            problems.push(format!(
                "{path}:{number}: a path under {workplace} exists on one machine only"
            ));
        }
        if line.ends_with([' ', '\t']) {
            problems.push(format!(
                "{path}:{number}: white space at the end of the line"
            ));
        }
    }
    if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
        problems.push(format!("{path}: end the file with exactly one newline"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_plainly() {
        assert!(plain_text("a.md", "one\ntwo\n").is_empty());
        assert!(plain_text("a.md", "").is_empty());
        assert_eq!(
            plain_text("a.md", "one \n"),
            ["a.md:1: white space at the end of the line"]
        );
        assert!(plain_text("a.md", "one\r\n").concat().contains("CR LF"));
        assert_eq!(plain_text("a.md", "one").len(), 1);
        assert_eq!(plain_text("a.md", "one\n\n").len(), 1);
    }

    #[test]
    fn a_pure_crate_denies_panics() {
        let all = "clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::arithmetic_side_effects";
        let told = |list: &str| format!("//! A crate.\n#![cfg_attr(not(test), deny({list}))]\n");
        assert!(rust::panics_denied("lib.rs", &told(all)).is_empty());
        let short = all.replace("clippy::panic, ", "");
        let said = rust::panics_denied("lib.rs", &told(&short));
        assert_eq!(
            said,
            ["lib.rs: deny clippy::panic, as every pure crate does"]
        );
        assert_eq!(rust::panics_denied("lib.rs", "//! A crate.\n").len(), 5);
    }
}
