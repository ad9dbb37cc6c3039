//! The lab's enclosure, attacked from inside by root.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use acceptance::lab::{can_enclose, lab_program};

const ATTACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/lab/attacks.py");

/// `candor-lab try`, with a folder that is seen inside as /supplied.
fn inside(supplied: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(lab_program("candor-lab"));
    command
        .arg("try")
        .arg(supplied)
        .args(words)
        .stdin(Stdio::null());
    command
}

/// What answers on the machine, at every address that it has.
fn answering() -> (Vec<String>, u16) {
    let listener = TcpListener::bind("[::]:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut byte = [0; 1];
            let _ = stream.read(&mut byte);
            let _ = stream.write_all(b"the machine");
        }
    });
    let mut addresses = vec![format!("127.0.0.1:{port}"), format!("::1:{port}")];
    // The address that packets to elsewhere would be sent from; nothing is sent.
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    if probe.connect("192.0.2.200:9").is_ok()
        && let Ok(own) = probe.local_addr()
        && let IpAddr::V4(own) = own.ip()
    {
        addresses.push(format!("{own}:{port}"));
    }
    (addresses, port)
}

/// A file with a path of the machine's own, removed again.
struct HostPath(PathBuf);

impl Drop for HostPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn root_inside_reaches_nothing_outside() {
    if !can_enclose("attacks from inside the enclosure") {
        return;
    }
    let (addresses, port) = answering();
    let name = format!("candor-lab-test-{port}");
    let abstract_name = SocketAddr::from_abstract_name(&name).expect("a name");
    let _abstract = UnixListener::bind_addr(&abstract_name).expect("a socket");
    // Where the machine's own files show through.
    let socket = HostPath(PathBuf::from(format!("/var/cache/{name}.sock")));
    let _socket = UnixListener::bind(&socket.0).expect("a socket");
    let secret = tempfile::NamedTempFile::new().expect("a file");
    let mode_before = fs::metadata("/dev/null").expect("/dev/null").permissions();
    let folder = Path::new(ATTACKS).parent().expect("a folder");
    let mut command = inside(folder, &["sh", "-c"]);
    let script = format!(
        "HOST_PID={} HOST_SOCKET={name} HOST_SOCKET_PATH={} HOST_FILE={} \
         exec /usr/bin/python3 /supplied/attacks.py {}",
        std::process::id(),
        socket.0.display(),
        secret.path().display(),
        addresses.join(" "),
    );
    let output = command.arg(script).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    println!("{said}{trouble}");
    assert!(said.ends_with("done\n"), "{said}{trouble}");
    let out: Vec<&str> = said.lines().filter(|line| line.contains(": OUT")).collect();
    assert!(out.is_empty(), "{out:#?}");
    assert!(said.lines().count() > 45, "{said}");
    let mode_after = fs::metadata("/dev/null").expect("/dev/null").permissions();
    assert_eq!(mode_after, mode_before);
}

#[test]
fn the_machine_stays_as_it_is_and_every_change_is_told() {
    if !can_enclose("changes in the enclosure") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let before = fs::read("/etc/passwd").expect("a file");
    let script = "echo x >>/etc/passwd; rm /etc/debian_version; rm -r /etc/default; \
         mkdir /etc/default; echo y >/root/secret; ln -s /etc /opt/link; chmod 600 /etc/group; \
         cat /etc/os-release >/dev/null; touch -a /etc/os-release";
    let output = inside(folder.path(), &["sh", "-c", script])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&output.stderr);
    for line in [
        "Changed /etc/passwd",
        "Deleted /etc/debian_version",
        "Changed /etc/default",
        "Created /root/secret",
        "Created /opt/link",
        "Changed /etc/group",
    ] {
        assert!(
            told.lines().any(|told| told == line),
            "{line} is missing in\n{told}"
        );
    }
    assert!(!told.contains("os-release"), "{told}");
    assert_eq!(fs::read("/etc/passwd").expect("a file"), before);
    assert!(Path::new("/etc/debian_version").exists());
    assert!(
        Path::new("/etc/default")
            .read_dir()
            .is_ok_and(|mut dir| dir.next().is_some())
    );
}

#[test]
fn nothing_is_left_when_the_recorder_is_killed() {
    if !can_enclose("the end of a recorder") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let marker = format!("{}", 100_000 + std::process::id());
    let mut child = inside(folder.path(), &["sleep", &marker])
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while running(&marker) == 0 {
        assert!(Instant::now() < deadline, "it never started");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("it is killed");
    child.wait().expect("it ended");
    while running(&marker) > 0 {
        assert!(Instant::now() < deadline, "what was inside lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    assert!(!mounts.contains("upper-0"), "{mounts}");
    // The next enclosure removes the control groups that are left.
    let output = inside(folder.path(), &["true"]).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(groups_of(child.id()), Vec::<PathBuf>::new());
}

#[test]
fn a_saboteur_does_not_hurt_the_machine() {
    if !can_enclose("a saboteur in the enclosure") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = "i=0; while [ $i -lt 2000 ]; do sleep 60 & i=$((i+1)); done";
    let output = inside(folder.path(), &["sh", "-c", script])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("fork"), "{said}");
    let script = "head -c 3G /dev/zero >/tmp/full; echo $?; df /tmp >/dev/null";
    let output = inside(folder.path(), &["sh", "-c", script])
        .output()
        .expect("it runs");
    assert!(
        !String::from_utf8_lossy(&output.stdout).starts_with("0\n"),
        "{output:?}"
    );
}

/// How many processes sleep for so long.
fn running(marker: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let told = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    told.filter(|line| *line == format!("sleep\0{marker}\0").into_bytes())
        .count()
}

fn groups_of(maker: u32) -> Vec<PathBuf> {
    let prefix = format!("candor-lab-{maker}-");
    let folders = fs::read_dir("/sys/fs/cgroup")
        .expect("control groups")
        .flatten();
    let roots = folders
        .map(|entry| entry.path())
        .chain([PathBuf::from("/sys/fs/cgroup")]);
    let entries = roots
        .filter_map(|root| fs::read_dir(root).ok())
        .flatten()
        .flatten();
    let named = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    named.map(|entry| entry.path()).collect()
}
