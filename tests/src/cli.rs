//! `candor` as a user runs it: a process with arguments, an output and an exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The program, with a cache of the tests' own and no colours asked for.
#[must_use]
pub fn candor() -> Command {
    let mut command = Command::new(program("candor"));
    settle(&mut command);
    command
}

/// The same, started by another program such as `setpriv`, whose arguments come first.
#[must_use]
pub fn candor_under(launcher: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(launcher);
    command.args(arguments).arg(program("candor"));
    settle(&mut command);
    command
}

/// A program that was built beside this test.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = built_folder().join(name);
    assert!(
        path.exists() && built_folder().join("candor-worker-yara").exists(),
        "{} is not there; build it first: cargo build -p candor -p candor-worker -p candor-worker-yara -p candor-verifier",
        path.display()
    );
    path
}

/// The folder that this test's profile is built into.
#[must_use]
pub fn built_folder() -> PathBuf {
    let own = std::env::current_exe().expect("this test has a path");
    let built = own.parent().and_then(Path::parent);
    built.expect("a test stands in target/PROFILE/deps").into()
}

fn settle(command: &mut Command) {
    command
        .env("XDG_CACHE_HOME", built_folder().join("test-cache"))
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; `None` for a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs to the end.
pub fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    ran(output)
}

/// What a process left.
#[must_use]
pub fn ran(output: Output) -> Ran {
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("the output is UTF-8"),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// The output's lines as JSON.
    #[must_use]
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}"))
            })
            .collect()
    }
}

/// The EICAR test file. In two halves, so that no antivirus takes this source for it.
#[must_use]
pub fn eicar() -> String {
    [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STAND",
        "ARD-ANTIVIRUS-TEST-FILE!$H+H*",
    ]
    .concat()
}

/// What [`Scene::signatures`] detect, as `Test.Marker`.
pub const MARKER: &str = "candor-acceptance-marker";

/// A directory to work in.
#[derive(Debug)]
pub struct Scene {
    directory: TempDir,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            directory: tempfile::tempdir().expect("a directory for the test"),
        }
    }
}

impl Scene {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A path in it.
    #[must_use]
    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file, and the directories that it is in.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        let parent = path.parent().expect("a file is in a directory");
        fs::create_dir_all(parent).expect("the directory can be made");
        fs::write(&path, content).expect("the file can be written");
        path
    }

    /// A directory with one signature, for [`MARKER`]; with it a file can be clean.
    #[must_use]
    pub fn signatures(&self) -> PathBuf {
        let hex: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.write("signatures/test.ndb", format!("Test.Marker:0:*:{hex}\n"));
        self.at("signatures")
    }

    /// `candor scan --db` with those signatures.
    #[must_use]
    pub fn scan(&self) -> Command {
        let mut command = candor();
        command.arg("scan").arg("--db").arg(self.signatures());
        command
    }
}
