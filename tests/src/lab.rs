//! What the tests of the lab share.

use std::fs;
use std::path::Path;

/// Whether an enclosure can be built here; says what is skipped where not.
#[must_use]
pub fn can_enclose(what: &str) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .is_some_and(|users| users.split_whitespace().nth(1) == Some("0"));
    let why = if !is_root {
        "this is not root"
    } else if !Path::new("/dev/net/tun").exists() {
        "there is no /dev/net/tun"
    } else if !fs::read_to_string("/proc/self/mounts").is_ok_and(|text| text.contains(" cgroup2 "))
    {
        "no control groups of version 2 are mounted"
    } else if !Path::new("/usr/bin/python3").exists() {
        "there is no /usr/bin/python3"
    } else {
        return true;
    };
    println!("skipped: {what} ({why})");
    false
}

/// A program of the lab, built beside this test.
#[must_use]
pub fn lab_program(name: &str) -> std::path::PathBuf {
    let path = crate::cli::built_folder().join(name);
    assert!(
        path.exists(),
        "{} is not there; build it first: cargo build -p candor -p candor-lab \
         -p candor-lab-gateway -p candor-lab-analyst",
        path.display()
    );
    path
}
