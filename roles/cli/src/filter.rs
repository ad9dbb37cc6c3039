//! `--include` and `--exclude`. A pattern without a slash is compared with the name, one with a
//! slash with the whole path as it is printed.

use std::path::Path;

use globset::{Candidate, GlobBuilder, GlobSet, GlobSetBuilder};

/// Which files are looked at.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    include: Option<Patterns>,
    exclude: Option<Patterns>,
}

impl Filter {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, String> {
        Ok(Self {
            include: Patterns::new(include)?,
            exclude: Patterns::new(exclude)?,
        })
    }

    /// Whether a directory is left out with everything below it.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        self.exclude
            .as_ref()
            .is_some_and(|patterns| patterns.match_path(path))
    }

    /// Whether a file is to be looked at.
    pub(crate) fn wants(&self, path: &Path) -> bool {
        !self.excludes(path)
            && self
                .include
                .as_ref()
                .is_none_or(|patterns| patterns.match_path(path))
    }
}

#[derive(Debug)]
struct Patterns {
    names: GlobSet,
    paths: GlobSet,
}

impl Patterns {
    fn new(patterns: &[String]) -> Result<Option<Self>, String> {
        if patterns.is_empty() {
            return Ok(None);
        }
        let (mut names, mut paths) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        for pattern in patterns {
            let trimmed = pattern.trim_end_matches('/');
            let glob = GlobBuilder::new(trimmed)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| format!("the pattern {pattern:?}: {}", error.kind()))?;
            if trimmed.contains('/') {
                paths.add(glob);
            } else {
                names.add(glob);
            }
        }
        let built = |set: GlobSetBuilder| set.build().map_err(|error| error.to_string());
        Ok(Some(Self {
            names: built(names)?,
            paths: built(paths)?,
        }))
    }

    fn match_path(&self, path: &Path) -> bool {
        let name = path.file_name().map(Path::new).unwrap_or(path);
        self.names.is_match_candidate(&Candidate::new(name))
            || (!self.paths.is_empty() && self.paths.is_match_candidate(&Candidate::new(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn names_and_paths_are_told_apart() {
        let by_name = filter(&["*.exe"], &["cache/"]);
        assert!(by_name.wants(Path::new("/srv/a/b.exe")));
        assert!(!by_name.wants(Path::new("/srv/a/b.txt")));
        assert!(by_name.excludes(Path::new("/srv/cache")));
        let by_path = filter(&[], &["/srv/*/tmp", "**/old/*.txt"]);
        assert!(by_path.excludes(Path::new("/srv/a/tmp")));
        assert!(!by_path.excludes(Path::new("/srv/a/b/tmp")));
        assert!(!by_path.wants(Path::new("x/old/a.txt")));
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        let error = Filter::new(&["[".to_owned()], &[]).unwrap_err();
        assert!(error.contains("\"[\""), "{error}");
    }
}
