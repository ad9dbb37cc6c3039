//! The files that are scanned: a tree of this machine, small files, archives of the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use crate::corpus;

const SMALL_FILES: usize = 10_000;
const SMALL_BYTES: usize = 600;

/// A directory or a file to scan.
pub(crate) struct Tree {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) count: usize,
    pub(crate) is_archive: bool,
}

impl Tree {
    /// Its size for people.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn size_mb(&self) -> f64 {
        self.size_bytes as f64 / 1e6
    }

    fn of(name: &'static str, path: PathBuf) -> Result<Self, String> {
        let (mut size_bytes, mut count) = (0, 0);
        for (_, bytes) in regular_files(&path)? {
            size_bytes += bytes;
            count += 1;
        }
        Ok(Self {
            name,
            path,
            size_bytes,
            count,
            is_archive: false,
        })
    }
}

/// Every tree, made where it is not there yet.
pub(crate) fn all(options: &Options) -> Result<Vec<Tree>, String> {
    let mut trees = vec![Tree::of("programs", copy_of(options)?)?];
    let text = options.work.join("text");
    if copy_matching(
        Path::new("/usr"),
        &text,
        options.tree_bytes_max / 8,
        is_text_name,
    )? > 0
    {
        trees.push(Tree::of("scripts and texts", text)?);
    }
    let small = options.work.join("small");
    if !small.is_dir() {
        fs::create_dir_all(&small).map_err(|error| error.to_string())?;
        corpus::files(&small, SMALL_FILES, SMALL_BYTES)?;
    }
    trees.push(Tree::of("small files", small)?);
    let archives: [(&str, &str, &[&str]); 3] = [
        ("programs.tar.gz", "tar", &["-czf"]),
        ("programs.tar.xz", "tar", &["-cJf"]),
        ("programs.zip", "zip", &["-qr"]),
    ];
    for (name, program, arguments) in archives {
        let path = options.work.join(name);
        if path.exists() || pack(program, arguments, &path, &options.work.join("programs")) {
            let mut tree = Tree::of(name, path)?;
            tree.is_archive = true;
            trees.push(tree);
        } else {
            println!("{program} does not make {name} here: left out");
        }
    }
    Ok(trees)
}

/// As much of the tree as is wanted, copied so that it stays the same from run to run.
fn copy_of(options: &Options) -> Result<PathBuf, String> {
    let to = options.work.join("programs");
    copy_matching(&options.files, &to, options.tree_bytes_max, |_| true)?;
    Ok(to)
}

fn is_text_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(
        extension,
        Some("py" | "pl" | "pm" | "sh" | "html" | "htm" | "js" | "xml" | "txt" | "h" | "css")
    )
}

/// Copies files in the order of their names up to a total; gives how many there are.
fn copy_matching(
    from: &Path,
    to: &Path,
    bytes_max: u64,
    wanted: impl Fn(&Path) -> bool,
) -> Result<usize, String> {
    if to.is_dir() {
        return Ok(regular_files(to)?.len());
    }
    let partial = to.with_extension("partial");
    fs::create_dir_all(&partial).map_err(|error| error.to_string())?;
    let mut files = regular_files(from)?;
    files.retain(|(path, _)| wanted(path));
    let (mut total, mut count) = (0, 0);
    for (path, bytes) in files {
        if total + bytes > bytes_max {
            continue;
        }
        let name = partial.join(format!("{count:06}"));
        if fs::copy(&path, &name).is_ok() {
            total += bytes;
            count += 1;
        }
    }
    fs::rename(&partial, to).map_err(|error| error.to_string())?;
    Ok(count)
}

/// The regular files at and under a path, in the order of their names, with their lengths.
fn regular_files(path: &Path) -> Result<Vec<(PathBuf, u64)>, String> {
    let mut waiting = vec![path.to_path_buf()];
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        let told = |error: std::io::Error| format!("{}: {error}", path.display());
        let metadata = fs::symlink_metadata(&path).map_err(told)?;
        if metadata.is_dir() {
            let Ok(entries) = fs::read_dir(&path) else {
                continue;
            };
            waiting.extend(entries.flatten().map(|entry| entry.path()));
        } else if metadata.is_file() {
            files.push((path, metadata.len()));
        }
    }
    files.sort();
    Ok(files)
}

fn pack(program: &str, arguments: &[&str], archive: &Path, folder: &Path) -> bool {
    let partial = archive.with_file_name("partial.archive");
    let packed = Command::new(program)
        .args(arguments)
        .arg(&partial)
        .arg(".")
        .current_dir(folder)
        .status()
        .is_ok_and(|status| status.success());
    // zip appends its own extension to a name that has none that it knows.
    packed && fs::rename(&partial, archive).is_ok()
}
