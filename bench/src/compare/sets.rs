//! The signatures that are compared: real ones, those of them that both implement, and millions
//! that are generated in the shape of ClamAV's main and daily databases.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::options::Options;
use crate::corpus::Numbers;
use crate::timing;

/// Kinds of signatures that Candor does not run; a race with them would not be fair.
const NOT_BOTH: [&str; 1] = ["cvd"];
/// How many of a hundred generated signatures hash a whole file; as many less one and a half hash
/// a section of a program; the rest are bodies.
const HASHES_PERCENT: usize = 46;
const BODIES_PER_THOUSAND: usize = 10;

/// A directory of signatures, and the pack that Candor compiled of it.
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) directory: PathBuf,
    pub(crate) pack: PathBuf,
    pub(crate) lines: usize,
}

impl Set {
    /// Compiles a directory.
    fn of(name: &'static str, directory: PathBuf, work: &Path) -> Result<Self, String> {
        let pack = work.join(format!("{}.pack", name.replace(' ', "-")));
        let mut command = Command::new(timing::program("candor")?);
        let built = command
            .args(["rules", "build", "-o"])
            .arg(&pack)
            .arg(&directory)
            .output()
            .map_err(|error| error.to_string())?;
        if !built.status.success() {
            let words = String::from_utf8_lossy(&built.stderr).into_owned();
            return Err(format!("{}: {words}", directory.display()));
        }
        let set = Self {
            name,
            directory,
            pack,
            lines: 0,
        };
        let lines = set.files()?.iter().map(|path| lines(path)).sum();
        Ok(Self { lines, ..set })
    }

    /// Its files, in the order of their names.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>, String> {
        let told = |error: std::io::Error| format!("{}: {error}", self.directory.display());
        let entries = fs::read_dir(&self.directory).map_err(told)?;
        let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.is_file());
        files.sort();
        Ok(files)
    }
}

/// The ClamAV sets.
pub(crate) fn all(options: &Options) -> Result<Vec<Set>, String> {
    let mut sets = Vec::new();
    if let Some(real) = &options.signatures {
        let both = options.work.join("both");
        link_both(real, &both)?;
        sets.push(Set::of("real, what both implement", both, &options.work)?);
        sets.push(Set::of("real, all", real.clone(), &options.work)?);
    } else {
        println!("no ClamAV signatures were given (--signatures): generated ones only");
    }
    sets.push(generated(options.generated, options)?);
    Ok(sets)
}

/// So many signatures, generated once.
pub(crate) fn generated(count: usize, options: &Options) -> Result<Set, String> {
    let folder = options.work.join(format!("generated-{count}"));
    if !folder.is_dir() {
        generate(&folder, count)?;
    }
    Set::of("generated millions", folder, &options.work)
}

/// The YARA rules, where there are some.
pub(crate) fn yara(options: &Options) -> Option<Set> {
    let copied = options.work.join("yara");
    let rules = options.yara.as_ref()?;
    copy_rules(rules, &copied).ok()?;
    match Set::of("YARA rules", copied, &options.work) {
        Ok(set) => Some(set),
        Err(why) => {
            println!("the YARA rules were not compiled: {why}");
            None
        }
    }
}

/// Copied, since what the peers compile of them is kept beside the directory.
fn copy_rules(from: &Path, to: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", from.display());
    fs::create_dir_all(to).map_err(told)?;
    for entry in fs::read_dir(from).map_err(told)?.flatten() {
        let extension = entry.path().extension().map(|e| e.to_os_string());
        if extension.is_some_and(|extension| extension == "yar" || extension == "yara") {
            fs::copy(entry.path(), to.join(entry.file_name())).map_err(told)?;
        }
    }
    Ok(())
}

fn link_both(from: &Path, to: &Path) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", to.display());
    fs::create_dir_all(to).map_err(told)?;
    for entry in fs::read_dir(from).map_err(told)?.flatten() {
        let path = entry.path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        let link = to.join(entry.file_name());
        if !NOT_BOTH.contains(&extension) && !link.exists() {
            std::os::unix::fs::symlink(&path, &link).map_err(told)?;
        }
    }
    Ok(())
}

/// Writes the generated set: hashes of nothing, and bodies cut from programs of this machine with
/// every fourth byte changed, so that their bytes are as common as those of real ones.
fn generate(to: &Path, count: usize) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{}: {error}", to.display());
    let partial = to.with_extension("partial");
    fs::create_dir_all(&partial).map_err(told)?;
    let mut numbers = Numbers::new(20_260_101);
    let (hashes, bodies) = (
        count * HASHES_PERCENT / 100,
        count * BODIES_PER_THOUSAND / 1000,
    );
    let mut out = file(&partial, "main.hsb")?;
    for index in 0..hashes {
        let magnitude = 8 + numbers.below(14);
        let size_bytes = 64 + numbers.below(1 << magnitude);
        let digest = numbers.hex(if index % 64 == 0 { 32 } else { 16 });
        writeln!(out, "{digest}:{size_bytes}:Gen.Hash-{index}:73").map_err(told)?;
    }
    let mut out = file(&partial, "main.mdb")?;
    for index in 0..count.saturating_sub(hashes + bodies) {
        let magnitude = 1 + numbers.below(10);
        let size_bytes = 512 * (1 + numbers.below(1 << magnitude));
        writeln!(out, "{size_bytes}:{}:Gen.Section-{index}", numbers.hex(16)).map_err(told)?;
    }
    let mut out = file(&partial, "main.ndb")?;
    let programs = sample_of(Path::new("/usr/bin"));
    for index in 0..bodies {
        let length = 16 + numbers.below(40);
        let at = numbers.below(programs.len().saturating_sub(length));
        let mut body = programs.get(at..at + length).unwrap_or_default().to_vec();
        for byte in body.iter_mut().skip(1).step_by(4) {
            *byte = u8::try_from(numbers.below(256)).unwrap_or(0);
        }
        let hex: String = body.iter().map(|byte| format!("{byte:02x}")).collect();
        let target = [0, 1, 1, 1, 6].get(index % 5).copied().unwrap_or(0);
        writeln!(out, "Gen.Body-{index}:{target}:*:{hex}").map_err(told)?;
    }
    drop(out);
    fs::rename(&partial, to).map_err(told)
}

fn file(folder: &Path, name: &str) -> Result<BufWriter<File>, String> {
    let path = folder.join(name);
    File::create(&path)
        .map(|file| BufWriter::with_capacity(1 << 20, file))
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Some megabytes of programs.
fn sample_of(folder: &Path) -> Vec<u8> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    names.sort();
    let mut sample = Vec::new();
    for bytes in names.iter().filter_map(|path| fs::read(path).ok()) {
        sample.extend(bytes.get(..bytes.len().min(1 << 18)).unwrap_or_default());
        if sample.len() > 32 << 20 {
            break;
        }
    }
    sample
}

fn lines(path: &Path) -> usize {
    File::open(path).map_or(0, |file| BufReader::new(file).split(b'\n').count())
}
