//! The jail, attacked from inside by what a taken-over worker could do, in each place where
//! workers run: as root, as a normal user, in a container that forbids namespaces.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ATTACKER: &str = env!("CARGO_BIN_EXE_jail-attacker");
const CONTAINER: &str = env!("CARGO_BIN_EXE_as-in-container");
/// Fewer attempts than this would mean that the list was cut.
const ATTACKS_MIN: usize = 120;

/// Copies a program to where every user may run it.
fn for_everybody(program: &str) -> std::path::PathBuf {
    let name = Path::new(program).file_name().unwrap();
    let folder = std::env::temp_dir().join(format!("candor-jail-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let copy = folder.join(name);
    if !copy.exists() {
        let partial = folder.join(format!(
            "{}-{:?}",
            name.display(),
            std::thread::current().id()
        ));
        std::fs::copy(program, &partial).unwrap();
        std::fs::rename(partial, &copy).unwrap();
    }
    copy
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

fn assert_nothing_succeeded(text: &str) {
    let attacks: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("attack "))
        .collect();
    assert!(attacks.len() >= ATTACKS_MIN, "{text}");
    for attack in attacks {
        assert!(attack.ends_with(": refused EPERM"), "{attack}\n{text}");
    }
    assert!(text.contains("jail: holds true"), "{text}");
    assert!(text.contains("end of attack"), "{text}");
}

fn layer<'a>(text: &'a str, name: &str) -> &'a str {
    let start = format!("layer {name}: ");
    text.lines()
        .find_map(|line| line.strip_prefix(&start))
        .unwrap_or_else(|| panic!("no layer {name} in:\n{text}"))
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
fn no_attack_gets_out_of_a_normal_users_jail() {
    let Some(mut command) = as_nobody() else {
        return;
    };
    let attacker = for_everybody(ATTACKER);
    command.extend([attacker.to_str().unwrap(), "all"]);
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
    let (container, attacker) = (for_everybody(CONTAINER), for_everybody(ATTACKER));
    command.extend([
        container.to_str().unwrap(),
        attacker.to_str().unwrap(),
        "all",
    ]);
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

#[test]
fn without_proc_the_jail_holds_all_the_same() {
    if !is_root() {
        println!("skipped: an empty root needs root");
        return;
    }
    let attacker = for_everybody(ATTACKER);
    let root = attacker.parent().unwrap().join("root");
    let needed = run_ldd(&attacker);
    for file in needed.iter().chain([&attacker.display().to_string()]) {
        let place = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        if !place.exists() {
            std::fs::copy(file, place).unwrap();
        }
    }
    let (_, text) = run(&[
        "/usr/sbin/chroot",
        root.to_str().unwrap(),
        attacker.to_str().unwrap(),
        "all",
    ]);
    assert_nothing_succeeded(&text);
}

/// The libraries that a program needs, by path.
fn run_ldd(program: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(str::to_string)
        .collect()
}
