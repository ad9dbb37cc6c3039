//! Files that change while they are read, trees that never end, and things that are no files.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use acceptance::archives::{Method, Zip};
use acceptance::cli::{MARKER, Scene, candor, candor_under, program, run};
use acceptance::outcome::{Said, said};
use acceptance::tree::make_in_memory;
use acceptance::watch::{Watched, watch};

const SMALL_FILES: usize = 200_000;
const FOLDER_FILES: usize = 1_000;

/// Scans one file while something is done to it, over and over, from before the start to the end.
fn scan_while(scene: &Scene, path: &Path, change: impl Fn(u64) + Sync) -> (Said, Watched) {
    let is_over = AtomicBool::new(false);
    let watched = thread::scope(|scope| {
        scope.spawn(|| {
            let mut time = 0;
            while !is_over.load(Ordering::Relaxed) {
                change(time);
                time += 1;
                thread::sleep(Duration::from_millis(1));
            }
        });
        // A digest takes a few ticks of the clock that older kernels take file times from.
        let mut scan = scene.scan();
        scan.args(["--json", "--sha256"]).arg(path);
        let watched = watch(&mut scan, Duration::from_secs(60));
        is_over.store(true, Ordering::Relaxed);
        watched
    });
    let mut all = said(&watched.ran);
    let (_, said) = all.pop_first().unwrap();
    println!(
        "{}: {} {:?} in {:.1} s",
        path.display(),
        said.outcome,
        said.incomplete,
        watched.elapsed.as_secs_f64()
    );
    (said, watched)
}

fn large(scene: &Scene, name: &str) -> (std::path::PathBuf, File) {
    let path = scene.write(name, vec![b'a'; 48 << 20]);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    (path, file)
}

#[test]
fn a_file_that_is_written_while_it_is_read_is_named() {
    let scene = Scene::default();
    let (path, file) = large(&scene, "written");
    let (said, _) = scan_while(&scene, &path, |time| {
        file.write_all_at(&time.to_le_bytes(), 40 << 20).unwrap();
    });
    said.assert_incomplete("changed-while-read");
}

#[test]
fn a_file_that_grows_while_it_is_read_is_named() {
    let scene = Scene::default();
    let path = scene.write("log", vec![b'a'; 48 << 20]);
    let (said, watched) = scan_while(&scene, &path, |_| {
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(&[b'b'; 4096]).unwrap();
    });
    said.assert_incomplete("changed-while-read");
    assert!(watched.elapsed < Duration::from_secs(30));
}

#[test]
fn a_file_that_shrinks_and_comes_back_is_named() {
    let scene = Scene::default();
    let (path, file) = large(&scene, "shrinks");
    let (said, _) = scan_while(&scene, &path, |time| {
        let length = if time % 2 == 0 { 1 << 20 } else { 48 << 20 };
        file.set_len(length).unwrap();
    });
    said.assert_incomplete("changed-while-read");
}

#[test]
fn an_archive_that_is_cut_while_it_is_unpacked_is_named() {
    let scene = Scene::default();
    let mut zip = Zip::default();
    for number in 0..24 {
        let content = vec![b'a'; 2 << 20];
        zip = zip.with(format!("{number}").as_bytes(), &content, Method::Stored);
    }
    let bytes = zip.finish();
    let path = scene.write("cut.zip", &bytes);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let (said, _) = scan_while(&scene, &path, |time| {
        let length = if time % 2 == 0 {
            9 << 20
        } else {
            bytes.len() as u64
        };
        file.set_len(length).unwrap();
    });
    assert_eq!(said.outcome, "incomplete", "{}", said.line);
    assert!(said.names("changed-while-read"), "{}", said.line);
}

#[test]
fn a_change_whose_time_was_set_back_is_named() {
    let scene = Scene::default();
    let (path, file) = large(&scene, "set-back");
    let original = fs::metadata(&path).unwrap().modified().unwrap();
    let (said, _) = scan_while(&scene, &path, |time| {
        file.write_all_at(&time.to_le_bytes(), 40 << 20).unwrap();
        file.set_modified(original).unwrap();
    });
    said.assert_incomplete("changed-while-read");
}

#[test]
fn a_file_that_is_read_at_once_is_watched_too() {
    let scene = Scene::default();
    // As large as a file that is read whole before it is looked at.
    let path = scene.write("small", vec![b'a'; 4 << 20]);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    // Such a scan takes milliseconds: on a busy machine the writer may sleep through one of them,
    // and then the file was what the verdict says.
    let named = (0..20).filter(|_| {
        let (said, _) = scan_while(&scene, &path, |_| {
            for time in 0..2_000u64 {
                file.write_all_at(&time.to_le_bytes(), 2 << 20).unwrap();
            }
        });
        said.names("changed-while-read")
    });
    assert!(named.count() > 0, "twenty scans saw no change");
}

#[test]
fn files_that_vanish_are_errors_or_were_read() {
    let scene = Scene::default();
    for number in 0..4_000 {
        scene.write(format!("d/{}/{number}", number % 40), MARKER);
    }
    let directory = scene.at("d");
    let is_over = AtomicBool::new(false);
    let watched = thread::scope(|scope| {
        scope.spawn(|| {
            for number in (0..4_000).rev() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                fs::remove_file(directory.join(format!("{}/{number}", number % 40))).unwrap();
            }
        });
        let mut scan = scene.scan();
        let watched = watch(scan.arg("--json").arg(&directory), Duration::from_secs(60));
        is_over.store(true, Ordering::Relaxed);
        watched
    });
    let all = said(&watched.ran);
    println!("{} of 4000 files were met", all.len());
    for said in all.values() {
        // A file that lost its name while it was open is still read to its end.
        let vanished = said.line["error"] == "it vanished before it could be opened";
        assert!(said.outcome == "detected" || vanished, "{}", said.line);
    }
}

#[test]
fn a_tree_of_two_hundred_thousand_files_is_counted_right_in_bounded_memory() {
    make_in_memory();
    let scene = Scene::default();
    let root = scene.at("tree");
    let started = Instant::now();
    for folder in 0..SMALL_FILES / FOLDER_FILES {
        let folder_path = root.join(format!("{folder}"));
        fs::create_dir_all(&folder_path).unwrap();
        for number in 0..FOLDER_FILES {
            let content = match folder == 150 && number == 7 {
                true => MARKER.to_string(),
                false => format!("file {folder} {number}"),
            };
            fs::write(folder_path.join(format!("{number}")), content).unwrap();
        }
    }
    println!("made in {:.1} s", started.elapsed().as_secs_f64());
    let watched = watch(scene.scan().arg(&root), Duration::from_secs(120));
    let (own, worker) = (watched.peak("candor"), watched.peak("candor-worker"));
    println!(
        "200,000 files in {:.1} s; candor {} KiB of its own, {} KiB resident; a worker {} KiB of \
         its own, {} KiB resident",
        watched.elapsed.as_secs_f64(),
        own.anonymous_kib,
        own.resident_kib,
        worker.anonymous_kib,
        worker.resident_kib
    );
    assert_eq!(watched.ran.code, Some(1), "{}", watched.ran.err);
    let out = &watched.ran.out;
    assert!(
        out.contains("Scanned: 200,000 files\nDetected: 1\n"),
        "{out}"
    );
    assert!(own.resident_kib < 48 << 10, "{own:?}");
    assert!(worker.resident_kib < 48 << 10, "{worker:?}");
}

#[test]
fn devices_pipes_loops_and_locked_doors_hang_nothing() {
    let scene = Scene::default();
    scene.write("d/file", "x");
    fs::create_dir_all(scene.at("d/sub")).unwrap();
    symlink(scene.at("d/b"), scene.at("d/a")).unwrap();
    symlink(scene.at("d/a"), scene.at("d/b")).unwrap();
    symlink("itself", scene.at("d/itself")).unwrap();
    symlink("../..", scene.at("d/sub/up")).unwrap();
    symlink("/dev/zero", scene.at("d/zero-link")).unwrap();
    symlink("gone", scene.at("d/dangling")).unwrap();
    let make = |program: &str, name: &str, rest: &[&str]| {
        let mut command = Command::new(program);
        let status = command.arg(scene.at(name)).args(rest).status();
        status.is_ok_and(|status| status.success())
    };
    assert!(make("mkfifo", "d/pipe", &[]));
    let devices = u64::from(make("mknod", "d/zero", &["c", "1", "5"]));
    if devices == 0 {
        println!("skipped: a device of our own (mknod is not permitted)");
    }
    let scanned = |options: &[&str]| {
        let mut scan = scene.scan();
        let scan = scan.arg("--json").args(options).arg(scene.at("d"));
        let watched = watch(scan, Duration::from_secs(20));
        let all = said(&watched.ran);
        let summary = watched.ran.json().pop().unwrap();
        println!("{options:?}: {summary}");
        (all, summary["summary"]["skipped"].clone())
    };
    let (all, skipped) = scanned(&[]);
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all["file"].outcome, "clean");
    assert_eq!(skipped["pipe"], 1);
    assert_eq!(skipped["device"].as_u64().unwrap_or(0), devices);
    assert_eq!(skipped["symbolic-link"], 6);
    let (all, skipped) = scanned(&["--follow", "--exclude", "signatures"]);
    assert_eq!(skipped["device"].as_u64().unwrap_or(0), devices + 1);
    assert_eq!(skipped["pipe"], 1);
    for name in ["a", "b", "itself"] {
        assert_eq!(all[name].outcome, "error", "{all:?}");
    }
    // Named, they are errors, at once.
    for name in ["d/pipe", "d/a", "d/itself", "d/dangling", "d/zero-link"] {
        let mut scan = scene.scan();
        let watched = watch(
            scan.arg("--json").arg(scene.at(name)),
            Duration::from_secs(20),
        );
        let all = said(&watched.ran);
        assert_eq!(all.len(), 1, "{name}");
        assert!(all.values().all(|said| said.outcome == "error"), "{all:?}");
    }
}

#[test]
fn what_an_unprivileged_user_can_not_read_is_an_error_and_never_clean() {
    let scene = Scene::default();
    let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    scene.write("d/readable", "x");
    let file = scene.write("d/closed", MARKER);
    scene.write("d/locked/inside", MARKER);
    scene.write("d/listed-only/inside", MARKER);
    let signatures = scene.signatures();
    open(scene.path(), 0o755).unwrap();
    open(&file, 0o000).unwrap();
    open(&scene.at("d/locked"), 0o000).unwrap();
    open(&scene.at("d/listed-only"), 0o444).unwrap();
    let is_root =
        fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    let identity = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let reachable = Command::new("setpriv")
        .args(identity)
        .args(["test", "-x"])
        .arg(program("candor"))
        .status();
    let mut scan = match (is_root, reachable) {
        (false, _) => candor(),
        (true, Ok(status)) if status.success() => candor_under("setpriv", &identity),
        _ => {
            println!("skipped: setpriv is not there, or the program is out of its reach");
            return;
        }
    };
    scan.env("XDG_CACHE_HOME", scene.at("no-cache"));
    let ran = run(scan
        .args(["scan", "--json", "--db"])
        .arg(signatures)
        .arg(scene.at("d")));
    for name in ["d/locked", "d/listed-only"] {
        open(&scene.at(name), 0o755).unwrap();
    }
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let all = said(&ran);
    assert_eq!(all["readable"].outcome, "clean");
    for name in ["closed", "locked"] {
        assert_eq!(all[name].line["error"], "permission denied");
    }
    // Its names can be listed, and that is all.
    let inside = &all["inside"];
    assert_eq!(inside.outcome, "error", "{}", inside.line);
    assert_eq!(all.len(), 4, "{all:?}");
}
