//! The jail, attacked from inside by what a taken-over worker could do, in each place where
//! workers run: as root, as a normal user, in a container that forbids namespaces.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use acceptance::attacks::{assert_nothing_succeeded, layer};
use acceptance::guest::libraries;
use kernel::channel::Channel;
use tempfile::TempDir;

const ATTACKER: &str = env!("CARGO_BIN_EXE_jail-attacker");
const CONTAINER: &str = env!("CARGO_BIN_EXE_as-in-container");

/// A folder that every user may look into.
fn open_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rights = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), rights).unwrap();
    folder
}

/// Copies a program to where every user may run it.
fn for_everybody(folder: &TempDir, program: &str) -> String {
    let name = Path::new(program).file_name().unwrap();
    let copy = folder.path().join(name);
    std::fs::copy(program, &copy).unwrap();
    copy.into_os_string().into_string().unwrap()
}

fn run(command: &[&str]) -> (Output, String) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    (output, text)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The words to run something as nobody.
fn as_nobody() -> Option<Vec<&'static str>> {
    if !is_root() {
        println!("skipped: running as nobody needs root");
        return None;
    }
    if !Path::new("/usr/bin/setpriv").exists() {
        println!("skipped: running as nobody needs setpriv (package util-linux)");
        return None;
    }
    Some(vec![
        "/usr/bin/setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ])
}

#[test]
fn no_attack_gets_out() {
    let (_, text) = run(&[ATTACKER, "all"]);
    assert_nothing_succeeded(&text);
    for name in [
        "no-new-privileges",
        "non-dumpable",
        "seccomp",
        "resource-limits",
    ] {
        assert_eq!(layer(&text, name), "active");
    }
}

#[test]
fn no_attack_gets_out_where_yara_rules_are_run() {
    let (_, text) = run(&[ATTACKER, "yara"]);
    assert_nothing_succeeded(&text);
    assert!(text.contains("mprotect executable"), "{text}");
    assert!(text.contains("end of attack"), "{text}");
}

#[test]
fn no_attack_gets_out_of_a_normal_users_jail() {
    let Some(mut command) = as_nobody() else {
        return;
    };
    let folder = open_folder();
    let attacker = for_everybody(&folder, ATTACKER);
    command.extend([attacker.as_str(), "all"]);
    assert_nothing_succeeded(&run(&command).1);
}

#[test]
fn no_attack_gets_out_where_namespaces_are_forbidden() {
    let (_, text) = run(&[CONTAINER, ATTACKER, "all"]);
    assert_nothing_succeeded(&text);
    for name in ["user", "mount", "pid", "network", "ipc", "uts", "cgroup"] {
        let state = layer(&text, &format!("{name}-namespace"));
        assert!(
            state.starts_with("missing: not permitted: "),
            "{name}: {state}"
        );
    }
    assert_eq!(layer(&text, "seccomp"), "active");
}

#[test]
fn no_attack_gets_out_of_a_normal_users_jail_where_namespaces_are_forbidden() {
    let Some(mut command) = as_nobody() else {
        return;
    };
    let folder = open_folder();
    let container = for_everybody(&folder, CONTAINER);
    let attacker = for_everybody(&folder, ATTACKER);
    command.extend([container.as_str(), attacker.as_str(), "all"]);
    let (_, text) = run(&command);
    assert_nothing_succeeded(&text);
    assert!(layer(&text, "user-namespace").starts_with("missing: "));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_call_ends_the_process() {
    let (output, text) = run(&[ATTACKER, "interrupt"]);
    // The supervisor passes the signal on as shells do.
    const SIGSYS_STATUS: i32 = 128 + 31;
    assert_eq!(output.status.code(), Some(SIGSYS_STATUS), "{text}");
    assert!(output.status.signal().is_none());
    assert!(text.contains("jail: holds true"), "{text}");
    assert!(!text.contains("attack "), "{text}");
}

#[test]
fn a_jail_without_its_filter_does_not_claim_to_hold() {
    let (_, text) = run(&[ATTACKER, "loose"]);
    assert!(text.contains("jail: holds false"), "{text}");
    assert!(text.contains("threat network: holds false"), "{text}");
}

/// A jailed process that never ends by itself, behind its supervisor.
fn staying() -> (Child, Channel) {
    let (ours, theirs) = Channel::pair().unwrap();
    let child = Command::new(ATTACKER)
        .arg("stay")
        .stdin(Stdio::from(theirs.into_fd()))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, ours)
}

/// Waits until the jailed process runs, does something, and waits until it is gone: it alone has
/// its diagnostics open.
fn assert_gone_after(child: &mut Child, act: impl FnOnce(&mut Child)) {
    let mut diagnostics = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("staying") {
        line.clear();
        assert_ne!(
            diagnostics.read_line(&mut line).unwrap(),
            0,
            "it did not stay"
        );
    }
    let began = Instant::now();
    act(child);
    let mut rest = String::new();
    diagnostics.read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_jailed_process_ends_with_its_supervisor() {
    let (mut child, channel) = staying();
    assert_gone_after(&mut child, |child| child.kill().unwrap());
    drop(channel);
}

#[test]
fn a_jailed_process_does_not_outlive_the_pools_end_of_its_socket() {
    let (mut child, channel) = staying();
    assert_gone_after(&mut child, |_| drop(channel));
}

#[test]
fn without_proc_the_jail_holds_all_the_same() {
    if !is_root() {
        println!("skipped: an empty root needs root");
        return;
    }
    let folder = open_folder();
    let attacker = for_everybody(&folder, ATTACKER);
    let root = folder.path().join("root");
    let program = Path::new(&attacker);
    for file in libraries(program)
        .iter()
        .map(AsRef::as_ref)
        .chain([program])
    {
        let place = root.join(file.strip_prefix("/").unwrap());
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(file, place).unwrap();
    }
    let (_, text) = run(&[
        "/usr/sbin/chroot",
        root.to_str().unwrap(),
        attacker.as_str(),
        "all",
    ]);
    assert_nothing_succeeded(&text);
}
