//! Links in the documents lead to files that exist.

use crate::Problems;

/// Looks at one document; `exists` answers for paths relative to the root.
pub(crate) fn check(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Problems {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut problems = Problems::new();
    for (number, line) in (1..).zip(text.lines()) {
        for target in targets(line) {
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            let file = target.split('#').next().unwrap_or_default();
            if elsewhere || file.is_empty() || exists(&resolve(folder, file)) {
                continue;
            }
            problems.push(format!(
                "{path}:{number}: the link to {target} leads nowhere"
            ));
        }
    }
    problems
}

/// What stands in `](…)`.
fn targets(line: &str) -> Vec<&str> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .collect()
}

fn resolve(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_from_the_documents_folder() {
        let exists = |target: &str| ["README.md", "docs/a.md"].contains(&target);
        let text = "[a](a.md#top) [b](../README.md) [c](https://example.org) [d](#here)\n";
        assert_eq!(check("docs/b.md", text, exists), Problems::new());
        let said = check("docs/b.md", "see\n[x](gone.md)\n", exists);
        assert_eq!(said, ["docs/b.md:2: the link to gone.md leads nowhere"]);
    }
}
