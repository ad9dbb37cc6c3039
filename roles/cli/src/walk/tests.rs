//! The walk over real trees: links, kinds, depth, and what is skipped.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{Mode, OFlags, openat};

#[derive(Default)]
struct Seen {
    files: Vec<PathBuf>,
    failed: Vec<(PathBuf, String)>,
    skipped: Vec<(PathBuf, Skip)>,
    files_max: Option<usize>,
}

impl Visitor for Seen {
    fn file(&mut self, found: Found) -> ControlFlow<()> {
        self.files.push(found.path);
        if self.files_max == Some(self.files.len()) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
    fn failed(&mut self, path: &Path, why: &str) -> ControlFlow<()> {
        self.failed.push((path.to_owned(), why.to_owned()));
        ControlFlow::Continue(())
    }
    fn skipped(&mut self, path: &Path, skip: Skip) -> ControlFlow<()> {
        self.skipped.push((path.to_owned(), skip));
        ControlFlow::Continue(())
    }
}

fn rules() -> Rules {
    Rules {
        links: Follow::Nothing,
        mounts: Mounts::Stay,
        filter: Filter::default(),
        left_out: Vec::new(),
        depth_max: DEPTH_MAX,
        visited_max: VISITED_MAX,
        classify: |_| Ok(FileSystem::Ordinary),
    }
}

fn walk(rules: &Rules, path: &Path) -> Seen {
    let mut seen = Seen::default();
    let _ = Walk::new(rules, &mut seen).argument(path);
    seen.files.sort();
    seen
}

fn names(seen: &Seen) -> Vec<String> {
    seen.files
        .iter()
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn files_at_every_depth_are_found_once() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
    for file in ["1", "a/2", "a/b/3", "a/b/c/4", "5"] {
        fs::write(dir.path().join(file), file).unwrap();
    }
    let seen = walk(&rules(), dir.path());
    assert_eq!(names(&seen), ["1", "5", "2", "3", "4"]);
    assert!(seen.files.contains(&dir.path().join("a/b/3")));
    assert!(seen.failed.is_empty() && seen.skipped.is_empty());
}

#[test]
fn links_are_skipped_unless_followed_and_loops_end() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("d")).unwrap();
    fs::write(dir.path().join("d/file"), "x").unwrap();
    symlink("..", dir.path().join("d/up")).unwrap();
    symlink("d/file", dir.path().join("link")).unwrap();
    symlink("nowhere", dir.path().join("broken")).unwrap();
    let skipping = walk(&rules(), dir.path());
    assert_eq!(names(&skipping), ["file"]);
    assert_eq!(skipping.skipped.len(), 3);
    let following = walk(
        &Rules {
            links: Follow::Links,
            ..rules()
        },
        dir.path(),
    );
    assert_eq!(names(&following), ["file", "link"]);
    let mut kinds: Vec<_> = following.skipped.iter().map(|(_, skip)| *skip).collect();
    kinds.sort();
    assert_eq!(kinds, [Skip::Link, Skip::Loop]);
    assert!(following.failed.is_empty());
}

/// A directory for each level, with two links to the next.
fn ladder(levels: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for level in 0..levels {
        let here = dir.path().join(level.to_string());
        fs::create_dir(&here).unwrap();
        for link in ["a", "b"] {
            symlink(format!("../{}", level + 1), here.join(link)).unwrap();
        }
    }
    fs::create_dir(dir.path().join(levels.to_string())).unwrap();
    fs::write(dir.path().join(levels.to_string()).join("bottom"), "x").unwrap();
    dir
}

fn following() -> Rules {
    Rules {
        links: Follow::Links,
        ..rules()
    }
}

#[test]
fn links_upon_links_end_with_each_directory_walked_once() {
    let dir = ladder(24);
    let seen = walk(&following(), &dir.path().join("0"));
    assert_eq!(names(&seen), ["bottom"]);
    assert_eq!(seen.skipped.len(), 24);
    assert!(seen.skipped.iter().all(|(_, skip)| *skip == Skip::Repeat));
    assert!(seen.failed.is_empty(), "{:?}", seen.failed);
}

#[test]
fn what_is_remembered_while_links_are_followed_is_bounded() {
    let dir = ladder(24);
    let forgetful = Rules {
        visited_max: 10,
        ..following()
    };
    let seen = walk(&forgetful, &dir.path().join("0"));
    assert!(seen.files.is_empty());
    assert!(!seen.failed.is_empty());
    for (_, why) in &seen.failed {
        assert!(why.contains("more than 10 directories"), "{why}");
    }
}

#[test]
fn a_link_that_is_named_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("real")).unwrap();
    fs::write(dir.path().join("real/file"), "x").unwrap();
    symlink("real", dir.path().join("link")).unwrap();
    let seen = walk(&rules(), &dir.path().join("link"));
    assert_eq!(seen.files, [dir.path().join("link/file")]);
}

#[test]
fn pipes_and_sockets_are_skipped_when_met_and_refused_when_named() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    let created = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(created.unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
    let mut seen = walk(&rules(), dir.path());
    seen.skipped.sort();
    let kinds: Vec<_> = seen.skipped.iter().map(|(_, skip)| *skip).collect();
    assert_eq!(kinds, [Skip::Pipe, Skip::Socket]);
    let named = walk(&rules(), &pipe);
    assert!(
        named.failed[0].1.contains("named pipe"),
        "{:?}",
        named.failed
    );
    let device = walk(&rules(), Path::new("/dev/null"));
    assert!(device.failed[0].1.contains("device"), "{:?}", device.failed);
}

#[test]
fn trees_deeper_than_a_path_can_name_are_walked() {
    let dir = tempfile::tempdir().unwrap();
    let step = "d".repeat(200);
    let mut here = openat(CWD, dir.path(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    for _ in 0..40 {
        rustix::fs::mkdirat(&here, step.as_str(), Mode::RWXU).unwrap();
        here = openat(&here, step.as_str(), OFlags::DIRECTORY, Mode::empty()).unwrap();
    }
    let flags = OFlags::CREATE | OFlags::WRONLY;
    openat(&here, "deep", flags, Mode::RWXU).unwrap();
    let seen = walk(&rules(), dir.path());
    assert_eq!(names(&seen), ["deep"]);
    assert!(seen.files[0].as_os_str().len() > 8_000);
    let shallow = Rules {
        depth_max: 10,
        ..rules()
    };
    let refused = walk(&shallow, dir.path());
    assert!(refused.files.is_empty());
    assert!(
        refused.failed[0].1.contains("deeper than 10"),
        "{:?}",
        refused.failed
    );
}

#[test]
fn what_is_excluded_is_counted_and_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cache", "own"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("inside"), "x").unwrap();
    }
    fs::write(dir.path().join("a.iso"), "x").unwrap();
    fs::write(dir.path().join("b.txt"), "x").unwrap();
    let own = kernel::file::stat_at(CWD, dir.path().join("own")).unwrap();
    let exclude = ["*.iso".to_owned(), "cache".to_owned()];
    let strict = Rules {
        filter: Filter::new(&[], &exclude).unwrap(),
        left_out: vec![FileId::of(&own)],
        ..rules()
    };
    let mut seen = walk(&strict, dir.path());
    seen.skipped.sort_by_key(|(_, skip)| *skip);
    let kinds: Vec<_> = seen.skipped.iter().map(|(_, skip)| *skip).collect();
    assert_eq!(names(&seen), ["b.txt"]);
    assert_eq!(kinds, [Skip::Excluded, Skip::Excluded, Skip::OwnDirectory]);
}

#[test]
fn other_file_systems_are_entered_only_when_told() {
    // The root directory has the kernel's file systems and devices mounted below it.
    let mut seen = Seen {
        files_max: Some(1),
        ..Seen::default()
    };
    let rules_by_device = Rules {
        classify: |_| Ok(FileSystem::Kernel),
        ..rules()
    };
    let _ = Walk::new(&rules_by_device, &mut seen).argument(Path::new("/proc"));
    assert_eq!(
        seen.skipped,
        [(PathBuf::from("/proc"), Skip::KernelFilesystem)]
    );
    let named = walk(&rules_by_device, Path::new("/proc/version"));
    assert!(named.failed[0].1.contains("kernel"), "{:?}", named.failed);
    let network = Rules {
        classify: |_| Ok(FileSystem::Network),
        ..rules()
    };
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    assert_eq!(names(&walk(&network, dir.path())), ["file"]);
}

/// Replaces every other file as soon as it sees one: the walk has read their names by then.
struct Saboteur {
    directory: PathBuf,
    why: Vec<String>,
}

impl Visitor for Saboteur {
    fn file(&mut self, found: Found) -> ControlFlow<()> {
        for (number, entry) in fs::read_dir(&self.directory).unwrap().enumerate() {
            let path = entry.unwrap().path();
            if path != found.path {
                fs::remove_file(&path).unwrap();
                if number % 2 == 0 {
                    symlink("/etc/passwd", &path).unwrap();
                }
            }
        }
        ControlFlow::Continue(())
    }
    fn failed(&mut self, _: &Path, why: &str) -> ControlFlow<()> {
        self.why.push(why.to_owned());
        ControlFlow::Continue(())
    }
    fn skipped(&mut self, _: &Path, skip: Skip) -> ControlFlow<()> {
        panic!("{skip:?}");
    }
}

#[test]
fn a_file_that_is_swapped_after_it_was_listed_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..20 {
        fs::write(dir.path().join(number.to_string()), "x").unwrap();
    }
    let mut saboteur = Saboteur {
        directory: dir.path().to_owned(),
        why: Vec::new(),
    };
    let _ = Walk::new(&rules(), &mut saboteur).argument(dir.path());
    assert_eq!(saboteur.why.len(), 19);
    for part in ["vanished", "became a symbolic link"] {
        assert!(saboteur.why.iter().any(|why| why.contains(part)), "{part}");
    }
}

#[test]
fn a_path_that_does_not_exist_is_named() {
    let seen = walk(&rules(), Path::new("/nonexistent/file"));
    let expected = "no such file or directory".to_owned();
    assert_eq!(
        seen.failed,
        [(PathBuf::from("/nonexistent/file"), expected)]
    );
}
