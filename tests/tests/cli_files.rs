//! Which files a scan looks at, and what it says of those that it does not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use acceptance::cli::{MARKER, Ran, Scene, candor_under, program, ran, run};
use acceptance::schema::Schema;

fn scanned(ran: &Ran, count: &str) {
    assert!(ran.out.contains(&format!("Scanned: {count}\n")), "{ran:?}");
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn names_can_neither_move_the_cursor_nor_forge_a_line() {
    let scene = Scene::default();
    scene.write("d/a\nb: Fake FOUND", MARKER);
    scene.write("d/\x1b[2Jc", MARKER);
    scene.write(Path::new("d").join(OsStr::from_bytes(b"\xff\xfe")), MARKER);
    let ran = run(scene.scan().arg("--quiet").arg(scene.at("d")));
    assert_eq!(ran.code, Some(1));
    assert_eq!(ran.out.lines().count(), 3, "{ran:?}");
    for part in [
        "d/a\\nb: Fake FOUND: Test.Marker FOUND\n",
        "d/\\u{1b}[2Jc:",
        "d/\\xff\\xfe:",
    ] {
        assert!(ran.out.contains(part), "{part:?} in {ran:?}");
    }
}

#[test]
fn special_files_are_skipped_and_counted() {
    let scene = Scene::default();
    scene.write("d/file", "x");
    make_pipe(&scene.at("d/pipe"));
    let _socket = UnixListener::bind(scene.at("d/socket")).unwrap();
    symlink("file", scene.at("d/link")).unwrap();
    let ran = run(scene.scan().arg(scene.at("d")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    scanned(&ran, "1 file");
    let line = "Skipped: 1 socket, 1 named pipe, 1 symbolic link\n";
    assert!(ran.out.contains(line), "{ran:?}");
}

#[test]
fn a_special_file_that_is_named_is_refused_and_never_waited_for() {
    let scene = Scene::default();
    make_pipe(&scene.at("pipe"));
    for path in [scene.at("pipe"), "/dev/zero".into()] {
        let ran = run(scene.scan().arg(&path));
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.out.contains("can't be scanned"), "{ran:?}");
    }
}

#[test]
fn kernel_file_systems_are_left_alone() {
    let scene = Scene::default();
    let below = run(scene
        .scan()
        .args(["--exclude", "/[!p]*", "--exclude", "/p[!r]*", "/"]));
    assert_eq!(below.code, Some(0), "{below:?}");
    assert!(below.out.contains("kernel file system"), "{below:?}");
    let file = run(scene.scan().arg("/proc/version"));
    assert_eq!(file.code, Some(2), "{file:?}");
    let link = run(scene.scan().arg("/proc/self/exe"));
    assert_eq!(link.code, Some(0), "{link:?}");
    scanned(&link, "1 file");
}

#[test]
fn a_named_path_that_is_not_scanned_is_an_error() {
    let scene = Scene::default();
    let line = "/proc: error: not scanned: kernel file system\n";
    let named = run(scene.scan().arg("/proc"));
    assert_eq!(named.code, Some(2), "{named:?}");
    assert!(named.out.starts_with(line), "{named:?}");
    let json = run(scene.scan().args(["--json", "/proc"])).json();
    Schema::published("scan").check(&json[0]);
    assert_eq!(json[0]["outcome"], "error");
    assert_eq!(json[1]["summary"]["errors"], 1);
    // The store that detected files go to is named, and left alone all the same.
    let store = scene.at("store");
    let mut scan = scene.scan();
    let own = run(scan.arg("--quarantine").arg(&store).arg(&store));
    assert_eq!(own.code, Some(2), "{own:?}");
    assert!(own.out.contains("directory of candor's own"), "{own:?}");
    let excluded = run(scene.scan().args(["--exclude", "proc", "/proc"]));
    assert_eq!(
        excluded.code,
        Some(0),
        "what was excluded was: {excluded:?}"
    );
}

#[test]
fn links_upon_links_lead_to_each_directory_once() {
    let scene = Scene::default();
    for level in 0..24 {
        fs::create_dir_all(scene.at(format!("d/{level}"))).unwrap();
        for link in ["a", "b"] {
            let next = format!("../{}", level + 1);
            symlink(next, scene.at(format!("d/{level}/{link}"))).unwrap();
        }
    }
    scene.write("d/24/bottom", MARKER);
    let ran = run(scene.scan().arg("--follow").arg(scene.at("d/0")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    scanned(&ran, "1 file");
    let line = "Skipped: 24 directories looked at under other names\n";
    assert!(ran.out.contains(line), "{ran:?}");
    let json = run(scene
        .scan()
        .args(["--json", "--follow"])
        .arg(scene.at("d/0")))
    .json();
    json.iter()
        .for_each(|line| Schema::published("scan").check(line));
    let summary = &json.last().unwrap()["summary"];
    assert_eq!(summary["skipped"]["repeated-directory"], 24);
}

#[test]
fn link_loops_end() {
    let scene = Scene::default();
    scene.write("d/e/file", MARKER);
    symlink("..", scene.at("d/e/up")).unwrap();
    symlink(".", scene.at("d/here")).unwrap();
    symlink("e", scene.at("d/again")).unwrap();
    let ran = run(scene.scan().arg("--follow").arg(scene.at("d")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    scanned(&ran, "1 file");
    let skipped = run(scene.scan().arg(scene.at("d")));
    scanned(&skipped, "1 file");
}

#[test]
fn patterns_choose_files() {
    let scene = Scene::default();
    for name in ["a.exe", "b.txt", "cache/c.exe", "deep/d.exe"] {
        scene.write(Path::new("d").join(name), "x");
    }
    let all = scene.at("d");
    let included = run(scene.scan().args(["--include", "*.exe"]).arg(&all));
    scanned(&included, "3 files");
    let mut scan = scene.scan();
    scan.args([
        "--include",
        "*.exe",
        "--exclude",
        "cache",
        "--exclude",
        "**/deep/*",
    ]);
    let both = run(scan.arg(&all));
    scanned(&both, "1 file");
    assert!(
        both.out.contains("Skipped: 3 excluded by pattern\n"),
        "{both:?}"
    );
}

#[test]
fn a_list_of_paths_can_hold_any_name() {
    let scene = Scene::default();
    let odd = scene.write("a\nb", MARKER);
    let plain = scene.write("plain", "x");
    let mut list = odd.as_os_str().as_bytes().to_vec();
    list.push(0);
    list.extend_from_slice(plain.as_os_str().as_bytes());
    let mut child = scene
        .scan()
        .args(["--null", "--files-from", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&list).unwrap();
    let from_input = ran(child.wait_with_output().unwrap());
    assert_eq!(from_input.code, Some(1), "{from_input:?}");
    scanned(&from_input, "2 files");
    let file = scene.write(
        "list",
        format!("{}\n\n{}\n", plain.display(), plain.display()),
    );
    let from_file = run(scene.scan().arg("--files-from").arg(file));
    assert_eq!(from_file.code, Some(0), "{from_file:?}");
    scanned(&from_file, "2 files");
}

#[test]
fn what_can_not_be_read_is_an_error_by_name() {
    let scene = Scene::default();
    if Command::new("setpriv").arg("--version").output().is_err() {
        println!("skipped: `setpriv` is not installed");
        return;
    }
    scene.write("d/open", "x");
    let closed = scene.write("d/closed", "x");
    let locked = scene.at("d/locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let signatures = scene.signatures();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    let identity: &[&str] = match is_root {
        true => &["--reuid=65534", "--regid=65534", "--clear-groups"],
        false => &["--no-new-privs"],
    };
    let mut reachable = Command::new("setpriv");
    reachable
        .args(identity)
        .arg("test")
        .arg("-x")
        .arg(program("candor"));
    if !reachable.status().unwrap().success() {
        println!("skipped: the unprivileged user can't reach the program");
        return;
    }
    let mut scan = candor_under("setpriv", identity);
    scan.env("XDG_CACHE_HOME", scene.at("no-cache"));
    let ran = run(scan
        .arg("scan")
        .arg("--db")
        .arg(signatures)
        .arg(scene.at("d")));
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for name in ["closed", "locked"] {
        let line = format!("d/{name}: error: permission denied\n");
        assert!(ran.out.contains(&line), "{ran:?}");
    }
    assert!(ran.out.contains("Errors: 2\n"), "{ran:?}");
    scanned(&ran, "1 file");
}

#[test]
fn trees_deeper_than_any_path_are_walked() {
    let scene = Scene::default();
    let step = "d".repeat(250);
    fs::create_dir(scene.at("t")).unwrap();
    // One `mkdir` a level: no single path can name the bottom.
    let script = format!(
        "cd \"$1\" && for i in $(seq 30); do mkdir {step} && cd -P {step} || exit 1; done && \
         printf %s {MARKER} > bottom"
    );
    let made = Command::new("bash")
        .args(["-c", &script, "bash"])
        .arg(scene.at("t"))
        .status();
    assert!(made.unwrap().success());
    let ran = run(scene.scan().arg("--quiet").arg(scene.at("t")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.ends_with("bottom: Test.Marker FOUND\n"), "{ran:?}");
}

#[test]
fn mounts_below_a_directory_are_entered_only_when_told() {
    let scene = Scene::default();
    scene.write("d/outside", "x");
    fs::create_dir(scene.at("d/mounted")).unwrap();
    // A mount namespace of its own: nothing is left mounted.
    let script = "mount -t tmpfs none \"$1/mounted\" && echo x > \"$1/mounted/inside\" || exit 99; \
                  shift; exec \"$@\"";
    let in_namespace = |options: &[&str]| {
        let mut command = candor_under(
            "unshare",
            &[
                "-m",
                "sh",
                "-c",
                script,
                "sh",
                scene.at("d").to_str().unwrap(),
            ],
        );
        command
            .arg("scan")
            .args(options)
            .arg("--db")
            .arg(scene.signatures());
        run(command.arg(scene.at("d")))
    };
    let stays = in_namespace(&[]);
    if stays.err.contains("unshare") || stays.code == Some(99) {
        println!("skipped: no mount namespace for this user: {}", stays.err);
        return;
    }
    assert_eq!(stays.code, Some(0), "{stays:?}");
    scanned(&stays, "1 file");
    assert!(
        stays.out.contains("Skipped: 1 other file system\n"),
        "{stays:?}"
    );
    let crosses = in_namespace(&["--cross-filesystems"]);
    assert_eq!(crosses.code, Some(0), "{crosses:?}");
    scanned(&crosses, "2 files");
}
