//! `--quarantine`: a detected file leaves its place whole, and can be put back byte for byte.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use acceptance::cli::{MARKER, Scene, candor, candor_under, program, run};
use acceptance::schema::Schema;

fn with_extension(directory: &Path, extension: &str) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

#[test]
fn a_detected_file_is_moved_and_can_be_restored() {
    let scene = Scene::default();
    let content = format!("\0\x01binary{MARKER}\r\n");
    let bad = scene.write("d/bad.bin", &content);
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o640)).unwrap();
    let good = scene.write("d/good.bin", "x");
    let store = scene.at("store");
    let mut scan = scene.scan();
    scan.args(["--json", "--quarantine"]).arg(&store);
    let ran = run(scan.arg(scene.at("d")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!bad.exists() && good.exists());
    assert_eq!(fs::metadata(&store).unwrap().mode() & 0o777, 0o700);

    let lines = ran.json();
    lines
        .iter()
        .for_each(|line| Schema::published("scan").check(line));
    let moved = lines
        .iter()
        .find(|line| line.get("quarantined").is_some())
        .unwrap();
    let id = moved["quarantined"]["id"].as_str().unwrap();
    assert_eq!(lines.last().unwrap()["summary"]["quarantined"], 1);

    let kept = store.join(format!("{id}.quarantined"));
    let record = fs::read_to_string(store.join(format!("{id}.json"))).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    assert_eq!(record["path"], bad.to_str().unwrap());
    assert_eq!(record["mode"], "0640");
    assert_eq!(record["findings"][0]["name"], "Test.Marker");
    fs::copy(&kept, &bad).unwrap();
    assert_eq!(fs::read(&bad).unwrap(), content.as_bytes());
    assert!(with_extension(&store, "partial").is_empty());
}

#[test]
fn the_store_is_not_scanned() {
    let scene = Scene::default();
    scene.write("d/bad", MARKER);
    let store = scene.at("d/store");
    for (code, files) in [(1, "1 file"), (0, "0 files")] {
        let mut scan = scene.scan();
        let ran = run(scan.arg("--quarantine").arg(&store).arg(scene.at("d")));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(ran.out.contains(&format!("Scanned: {files}\n")), "{ran:?}");
    }
    assert_eq!(with_extension(&store, "quarantined").len(), 1);
}

#[test]
fn other_names_of_the_file_are_reported() {
    let scene = Scene::default();
    let bad = scene.write("bad", MARKER);
    fs::hard_link(&bad, scene.at("twin")).unwrap();
    let mut scan = scene.scan();
    let ran = run(scan.arg("--quarantine").arg(scene.at("store")).arg(&bad));
    assert!(ran.out.contains("1 other name (hard links)"), "{ran:?}");
    assert!(scene.at("twin").exists() && !bad.exists());
}

#[test]
fn what_can_not_be_moved_stays_and_is_named() {
    let scene = Scene::default();
    let bad = scene.write("bad", MARKER);
    let readable = scene.at("readable");
    fs::create_dir(&readable).unwrap();
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o755)).unwrap();
    let ran = run(scene.scan().arg("--quarantine").arg(&readable).arg(&bad));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("chmod 700"), "{ran:?}");
    assert!(bad.exists());
    // The same file under two names in one run: the second finds it gone.
    let ran = run(scene
        .scan()
        .arg("--quarantine")
        .arg(scene.at("store"))
        .arg(&bad)
        .arg(&bad));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!bad.exists());
    assert_eq!(
        with_extension(&scene.at("store"), "quarantined").len(),
        1,
        "{ran:?}"
    );
}

#[test]
fn a_name_that_can_not_be_removed_keeps_its_file_and_the_store_stays_empty() {
    let scene = Scene::default();
    let identity = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut probe = Command::new("setpriv");
    probe
        .args(identity)
        .arg("test")
        .arg("-x")
        .arg(program("candor"));
    if !probe.status().is_ok_and(|status| status.success()) {
        println!("skipped: another user can't be taken on with `setpriv`, or can't reach candor");
        return;
    }
    let signatures = scene.signatures();
    let bad = scene.write("d/bad", MARKER);
    let open = scene.at("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let store = open.join("store");
    let mut scan = candor_under("setpriv", &identity);
    scan.env("XDG_CACHE_HOME", open.join("cache"));
    scan.arg("scan")
        .arg("--db")
        .arg(signatures)
        .arg("--quarantine")
        .arg(&store);
    let ran = run(scan.arg(scene.at("d")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out
            .contains("bad: error: not quarantined: permission denied\n"),
        "{ran:?}"
    );
    assert!(ran.out.contains("Not quarantined: 1 file\n"), "{ran:?}");
    assert!(bad.exists());
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
}

#[test]
fn a_kill_at_any_moment_loses_no_file() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    let store = scene.at("store");
    let content = |number: usize| format!("{number} {MARKER}");
    for number in 0..200 {
        scene.write(format!("d/{number}"), content(number));
    }
    for names_in_store in [1, 2, 3, 40, 81, 150, 201, 299] {
        let mut scan = candor();
        scan.arg("scan")
            .arg("--db")
            .arg(&signatures)
            .arg("--quarantine")
            .arg(&store);
        let mut child = scan
            .arg(scene.at("d"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !store.exists() || files_in(&store).len() < names_in_store {
            assert!(
                child.try_wait().unwrap().is_none(),
                "it ended before it was killed"
            );
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // Where it was, under whatever name, or in the store whole and with its record.
    let recorded = with_extension(&store, "quarantined")
        .into_iter()
        .filter(|copy| copy.with_extension("json").exists());
    let mut kept: Vec<String> = files_in(&scene.at("d"))
        .into_iter()
        .chain(recorded)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    kept.sort();
    kept.dedup();
    let mut all: Vec<String> = (0..200).map(content).collect();
    all.sort();
    assert_eq!(kept, all);
}

fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
