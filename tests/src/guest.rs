//! A virtual machine with another kernel than this machine's, to run our programs under. It is
//! emulated, so it needs no rights; it has no disk and no network, and ends by itself in time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::{Ran, built_folder};

/// The emulator; package qemu-system-x86 has it.
pub const EMULATOR: &str = "/usr/bin/qemu-system-x86_64";

/// A machine that takes longer is ended; seven seconds are enough where nothing else runs.
const SECONDS_MAX: &str = "150";
/// What the steps before and after the change of root are written to, in the machine.
const FIRST: &str = "init";
const SECOND: &str = "second";

/// What the scripts themselves need.
const SYSTEM: [&str; 6] = [
    "/bin/sh",
    "/bin/cat",
    "/bin/mount",
    "/usr/bin/setpriv",
    "/usr/sbin/chroot",
    "/bin/true",
];

/// Each step's output goes to the second serial line, between a line that names the step and one
/// that tells its exit code; the first line is the kernel's own.
const RUN: &str = r#"#!/bin/sh
export PATH=/bin:/usr/bin:/usr/sbin HOME=/root XDG_CACHE_HOME=/tmp/cache NO_COLOR=1
run() {
    name=$1
    shift
    echo "@begin $name" >/dev/ttyS1
    { "$@" </dev/null 2>&1; echo "@end $name $?"; } | cat >/dev/ttyS1
}
"#;

const MOUNTS: &str = "\
mount -t devtmpfs none /dev
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs -o mode=1777 none /tmp
";

/// A root that is no initial file system can be moved, as an installed system's can.
const CHANGE_OF_ROOT: &str = "\
mount --no-mtab --rbind / /new
cd /new
mount --no-mtab --move /new /
exec chroot . /bin/sh /second
";

const END: &str = "\
echo '@done' >/dev/ttyS1
echo b >/proc/sysrq-trigger
";

/// The image of a kernel of this series, downloaded by `cargo xtask test` or installed.
#[must_use]
pub fn kernel(series: &str) -> Option<PathBuf> {
    let target = built_folder();
    let downloaded = target.parent()?.join("older-kernel");
    let start = format!("vmlinuz-{series}.");
    [downloaded.as_path(), Path::new("/boot")]
        .into_iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flat_map(|listed| listed.flatten())
        .map(|entry| entry.path())
        .find(|path| {
            let name = path.file_name().unwrap_or_default();
            name.to_string_lossy().starts_with(&start) && fs::File::open(path).is_ok()
        })
}

/// The libraries that a program needs, by path.
#[must_use]
pub fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output().expect("ldd runs");
    String::from_utf8_lossy(&output.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// A machine that was not started yet: its files, and what it is to run.
#[derive(Debug)]
pub struct Guest {
    archive: Archive,
    before: String,
    after: String,
}

impl Default for Guest {
    fn default() -> Self {
        let mut guest = Self {
            archive: Archive::default(),
            before: String::new(),
            after: String::new(),
        };
        for folder in ["dev", "new", "proc", "root", "sys", "tmp"] {
            guest.archive.folder(Path::new(folder));
        }
        for program in SYSTEM {
            guest.program(Path::new(program), program);
        }
        guest.file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n");
        guest
    }
}

impl Guest {
    /// Puts a file of this machine there, with the libraries that it needs.
    pub fn program(&mut self, source: &Path, place: &str) {
        for library in libraries(source) {
            self.copy(&library, &library);
        }
        self.copy(source, Path::new(place));
    }

    /// Puts a file there.
    pub fn file(&mut self, place: &str, content: &[u8]) {
        self.archive.file(Path::new(place), content);
    }

    /// Runs a command while the root still is the initial file system.
    pub fn run_in_initial_root(&mut self, name: &str, command: &str) {
        self.before += &format!("run {name} {command}\n");
    }

    /// Runs a command on a system like an installed one.
    pub fn run(&mut self, name: &str, command: &str) {
        self.after += &format!("run {name} {command}\n");
    }

    /// Starts the machine, waits for its end, and gives what each command came to. Fails where
    /// the machine did not get to the end.
    #[must_use]
    pub fn boot(mut self, kernel: &Path) -> BTreeMap<String, Ran> {
        let first = [RUN, MOUNTS, &self.before, CHANGE_OF_ROOT].concat();
        let second = [RUN, &self.after, END].concat();
        self.file(FIRST, first.as_bytes());
        self.file(SECOND, second.as_bytes());
        let folder = tempfile::tempdir().expect("a directory for the machine");
        let files = folder.path().join("files");
        fs::write(&files, self.archive.finish()).expect("the machine's files can be written");
        let log = folder.path().join("kernel.log");
        let answers = folder.path().join("answers");
        let output = emulator(kernel, &files)
            .arg("-serial")
            .arg(format!("file:{}", log.display()))
            .arg("-serial")
            .arg(format!("file:{}", answers.display()))
            .output()
            .expect("the emulator starts");
        let answers = fs::read(&answers).unwrap_or_default();
        let answers = String::from_utf8_lossy(&answers).replace('\r', "");
        assert!(
            answers.ends_with("@done\n"),
            "the machine did not get to the end within {SECONDS_MAX} s: {output:?}\n{}\n{answers}",
            String::from_utf8_lossy(&fs::read(&log).unwrap_or_default())
        );
        read(&answers)
    }

    fn copy(&mut self, source: &Path, place: &Path) {
        let content =
            fs::read(source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        self.archive.file(place, &content);
    }
}

/// The emulator, which its launcher ends in time even where nobody waits for it any more.
fn emulator(kernel: &Path, files: &Path) -> Command {
    let mut command = Command::new("timeout");
    command
        .args(["--signal=KILL", SECONDS_MAX, EMULATOR])
        .args(["-nodefaults", "-no-user-config", "-display", "none"])
        .args(["-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "768"])
        .args(["-no-reboot", "-append"])
        .arg("console=ttyS0 loglevel=4 panic=-1")
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(files)
        .stdin(Stdio::null());
    command
}

/// Takes the commands' outputs apart.
fn read(answers: &str) -> BTreeMap<String, Ran> {
    let mut all = BTreeMap::new();
    let mut out = String::new();
    for line in answers.lines() {
        if line.starts_with("@begin ") {
            out.clear();
        } else if let Some(end) = line.strip_prefix("@end ") {
            let (name, code) = end.split_once(' ').expect("a name and a code");
            let ran = Ran {
                code: code.parse().ok(),
                out: std::mem::take(&mut out),
                err: String::new(),
            };
            assert!(all.insert(name.to_owned(), ran).is_none(), "{name} twice");
        } else {
            out += line;
            out.push('\n');
        }
    }
    all
}

/// The archive that a kernel unpacks as its initial file system: cpio, in its "newc" form.
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    places: BTreeSet<PathBuf>,
}

const FOLDER_MODE: u32 = 0o040_755;
const FILE_MODE: u32 = 0o100_755;

impl Archive {
    /// Adds a folder and those that it is in.
    fn folder(&mut self, place: &Path) {
        let mut missing: Vec<_> = place.ancestors().collect();
        missing.pop();
        for folder in missing.into_iter().rev() {
            if self.places.insert(folder.to_owned()) {
                self.entry(folder, FOLDER_MODE, &[]);
            }
        }
    }

    /// Adds a file that everybody may read and run, once.
    fn file(&mut self, place: &Path, content: &[u8]) {
        let place = place.strip_prefix("/").unwrap_or(place);
        self.folder(place.parent().unwrap_or(Path::new("")));
        if self.places.insert(place.to_owned()) {
            self.entry(place, FILE_MODE, content);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.entry(Path::new("TRAILER!!!"), 0, &[]);
        self.bytes
    }

    fn entry(&mut self, place: &Path, mode: u32, content: &[u8]) {
        let name = place.as_os_str().as_encoded_bytes();
        let number = u32::try_from(self.places.len()).expect("few files");
        let size = u32::try_from(content.len()).expect("a file below 4 GiB");
        let name_size = u32::try_from(name.len() + 1).expect("a short name");
        // Inode, mode, user, group, links, time, size, device and its minor number, those that a
        // device node stands for, length of the name, checksum.
        let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name);
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}
