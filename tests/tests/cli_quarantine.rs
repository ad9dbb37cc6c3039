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

/// Sets or prints an extended attribute: `attribute set PATH NAME HEX`, `attribute get PATH NAME`.
const ATTRIBUTE: &str = "\
import os, sys
if sys.argv[1] == 'set':
    os.setxattr(sys.argv[2], sys.argv[3], bytes.fromhex(sys.argv[4]))
else:
    sys.stdout.write(os.getxattr(sys.argv[2], sys.argv[3]).hex())
";

/// What `setfattr -n NAME -v 0xHEX PATH` does, for machines without it.
const SETFATTR: &str = "\
#!/usr/bin/env python3
import os, sys
assert sys.argv[1] == '-n' and sys.argv[3] == '-v'
os.setxattr(sys.argv[5], sys.argv[2], bytes.fromhex(sys.argv[4][2:]))
";

fn attribute(arguments: &[&str]) -> Option<String> {
    let ran = Command::new("python3")
        .args(["-c", ATTRIBUTE])
        .args(arguments)
        .output();
    let done = ran.ok().filter(|output| output.status.success())?;
    String::from_utf8(done.stdout).ok()
}

/// The commands of `docs/quarantine.md`, with a record's values in them.
fn documented_commands(store: &Path, record: &serde_json::Value) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/quarantine.md");
    let manual = fs::read_to_string(manual).unwrap();
    let commands = manual.split("```sh\n").nth(1).unwrap();
    let commands = commands.split("```").next().unwrap();
    let id = record["id"].as_str().unwrap();
    let mtime_ns = record["mtime_ns"].as_i64().unwrap();
    let time = format!(
        "@{}.{:09}",
        mtime_ns / 1_000_000_000,
        mtime_ns % 1_000_000_000
    );
    let mut filled = commands.to_owned();
    for (placeholder, value) in [
        ("ID.", format!("{id}.")),
        (
            "chmod 0644",
            format!("chmod {}", record["mode"].as_str().unwrap()),
        ),
        (
            "chown 1000:1000",
            format!("chown {}:{}", record["uid"], record["gid"]),
        ),
        ("@1700000000.000000000", time),
        ("cd DIR", format!("cd {}", store.display())),
        ("/where/it/was", record["path"].as_str().unwrap().to_owned()),
    ] {
        assert!(filled.contains(placeholder), "{placeholder} in {filled}");
        filled = filled.replace(placeholder, &value);
    }
    format!("set -e\n{filled}")
}

#[test]
fn the_documented_commands_restore_mode_owner_times_and_attributes() {
    if Command::new("jq").arg("--version").output().is_err() {
        println!("skipped: `jq`, which the manual's commands use, is not installed");
        return;
    }
    let scene = Scene::default();
    let bad = scene.write("d/bad", MARKER);
    let shown = bad.to_str().unwrap();
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if is_root {
        std::os::unix::fs::chown(&bad, Some(1234), Some(4321)).unwrap();
    } else {
        println!("skipped: another owner, which only root can give a file");
    }
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o4755)).unwrap();
    let has_attribute = attribute(&["set", shown, "user.candor", "00ff0a"]).is_some();
    if !has_attribute {
        println!("skipped: attributes, without `python3` or on a file system that has none");
    }
    let facts = |path: &Path| {
        let stat = fs::metadata(path).unwrap();
        let times = (stat.mtime(), stat.mtime_nsec());
        let attribute = attribute(&["get", shown, "user.candor"]);
        (
            stat.mode(),
            stat.uid(),
            stat.gid(),
            times,
            stat.len(),
            attribute,
        )
    };
    let before = facts(&bad);
    assert_eq!(before.0 & 0o7777, 0o4755);
    assert_eq!(before.5.as_deref(), has_attribute.then_some("00ff0a"));
    let store = scene.at("store");
    let ran = run(scene.scan().arg("--quarantine").arg(&store).arg(&bad));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!bad.exists());
    let record = fs::read(&with_extension(&store, "json")[0]).unwrap();
    let record = serde_json::from_slice(&record).unwrap();
    let mut restore = Command::new("bash");
    restore.args(["-c", &documented_commands(&store, &record)]);
    if Command::new("setfattr").arg("--version").output().is_err() {
        let stand_in = scene.write("bin/setfattr", SETFATTR);
        fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
        let path = std::env::var("PATH").unwrap();
        restore.env("PATH", format!("{}:{path}", scene.at("bin").display()));
    }
    let restored = run(&mut restore);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    assert!(
        restored.out.contains(record["sha256"].as_str().unwrap()),
        "{restored:?}"
    );
    assert_eq!(facts(&bad), before);
    assert_eq!(fs::read_to_string(&bad).unwrap(), MARKER);
    assert_eq!(fs::read_dir(&store).unwrap().count(), 0);
}

#[test]
fn a_sparse_file_stays_sparse_in_the_store() {
    let scene = Scene::default();
    let bad = scene.write("d/bad", MARKER);
    let file = fs::File::options().write(true).open(&bad).unwrap();
    file.set_len(300 << 20).unwrap();
    let end = b"the end";
    std::os::unix::fs::FileExt::write_all_at(&file, end, (300 << 20) - 7).unwrap();
    drop(file);
    let disk_bytes = |path: &Path| fs::metadata(path).unwrap().blocks() * 512;
    let digest = |path: &Path| {
        let ran = run(Command::new("sha256sum").arg(path));
        ran.out.split(' ').next().unwrap().to_owned()
    };
    if disk_bytes(&bad) > 1 << 20 {
        println!("skipped: the file system of the tests keeps no holes");
        return;
    }
    let sha256 = digest(&bad);
    let store = scene.at("store");
    let ran = run(scene.scan().arg("--quarantine").arg(&store).arg(&bad));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let kept = &with_extension(&store, "quarantined")[0];
    assert_eq!(fs::metadata(kept).unwrap().len(), 300 << 20);
    assert!(disk_bytes(kept) <= 1 << 20, "{} bytes", disk_bytes(kept));
    assert_eq!(digest(kept), sha256);
    let record = fs::read_to_string(&with_extension(&store, "json")[0]).unwrap();
    assert!(record.contains(&sha256), "{record}");
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
