//! What a scan makes of signatures that are not what they should be: not the publisher's, or none.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};

use acceptance::archives::{gzip, tar_member};
use acceptance::cli::{MARKER, Ran, Scene, candor, candor_under, eicar, run};
use acceptance::schema::Schema;
use md5::{Digest, Md5};

/// A container with one signature, for the marker, that nobody signed.
fn unsigned_container(scene: &Scene, name: &str) -> PathBuf {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    let signature = format!("Test.Marker:0:*:{}\n", hex(MARKER.as_bytes()));
    let mut tar = tar_member(b"test.ndb", signature.as_bytes());
    tar.extend([0; 1024]);
    let body = gzip(&tar);
    let md5 = hex(&Md5::digest(&body));
    let mut container =
        format!("ClamAV-VDB:24 Nov 2026 06-50 +0000:7:1:90:{md5}:x:me:1").into_bytes();
    container.resize(512, b' ');
    container.extend(body);
    scene.write(Path::new("db").join(name), container)
}

/// Runs a scan where `/var/lib/clamav` has what a directory holds, in a mount namespace of its own.
/// `None` where this user can't have one.
fn scan_with_installed(directory: &Path, arguments: &[&str], file: &Path) -> Option<Ran> {
    let script = "{ mount -t tmpfs none /var/lib && cp -r \"$1\" /var/lib/clamav; } || exit 99; \
                  shift; exec \"$@\"";
    let launcher = ["-m", "sh", "-c", script, "sh", directory.to_str().unwrap()];
    let mut command = candor_under("unshare", &launcher);
    let ran = run(command.arg("scan").args(arguments).arg(file));
    if ran.err.contains("unshare") || ran.code == Some(99) {
        println!("skipped: no mount namespace for this user: {}", ran.err);
        return None;
    }
    Some(ran)
}

#[test]
fn a_container_that_is_not_the_publishers_is_refused_where_nobody_named_it() {
    let scene = Scene::default();
    unsigned_container(&scene, "daily.cvd");
    let file = scene.write("bad", MARKER);
    let Some(refused) = scan_with_installed(&scene.at("db"), &[], &file) else {
        return;
    };
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(refused.out, "");
    for part in [
        "/var/lib/clamav/daily.cvd: ",
        "freshclam",
        "--db /var/lib/clamav",
    ] {
        assert!(refused.err.contains(part), "{part:?} in {refused:?}");
    }
    let named = ["--db", "/var/lib/clamav"];
    let named = scan_with_installed(&scene.at("db"), &named, &file).unwrap();
    assert_eq!(named.code, Some(1), "{named:?}");
    assert!(
        named.err.contains("warning: not verified: daily.cvd ("),
        "{named:?}"
    );
}

#[test]
fn a_container_that_freshclam_made_here_is_used_and_not_called_verified() {
    let scene = Scene::default();
    unsigned_container(&scene, "daily.cld");
    let file = scene.write("bad", MARKER);
    let Some(ran) = scan_with_installed(&scene.at("db"), &[], &file) else {
        return;
    };
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("\nNot verified: daily.cld ("), "{ran:?}");
}

#[test]
fn a_named_container_that_is_not_verified_is_used_and_said_loudly() {
    let scene = Scene::default();
    let container = unsigned_container(&scene, "site.cvd");
    let file = scene.write("bad", MARKER);
    let scan = |option: &str| {
        let mut scan = candor();
        scan.args(["scan", option, "--db"]).arg(&container);
        run(scan.arg(&file))
    };
    let warning = "candor: warning: not verified: site.cvd (";
    for option in ["--quiet", "--json", "--no-progress"] {
        let ran = scan(option);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.err.starts_with(warning), "{option}: {ran:?}");
    }
    assert!(
        scan("--no-progress")
            .out
            .contains("\nNot verified: site.cvd (")
    );
    let lines = scan("--json").json();
    lines
        .iter()
        .for_each(|line| Schema::published("scan").check(line));
    let unverified = &lines.last().unwrap()["summary"]["pack"]["unverified"];
    assert!(unverified[0].as_str().unwrap().starts_with("site.cvd: "));
    let mut build = candor();
    build
        .args(["rules", "build", "--quiet", "-o"])
        .arg(scene.at("x.pack"));
    let built = run(build.arg(&container));
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(built.err.starts_with(warning), "{built:?}");
}

#[test]
fn signatures_of_which_none_can_fire_are_an_error_where_they_are_named() {
    let scene = Scene::default();
    let file = scene.write("file", "x");
    let wrong = scene.write("db/wrong.ndb", "this is no signature\n");
    let by_db = run(candor().args(["scan", "--db"]).arg(&wrong).arg(&file));
    assert_eq!(by_db.code, Some(2), "{by_db:?}");
    let expected = format!(
        "no signature in {} can fire: 1 line dropped",
        wrong.display()
    );
    assert!(by_db.err.contains(&expected), "{by_db:?}");
    let pack = scene.at("x.pack");
    let mut build = candor();
    build.args(["rules", "build", "-o"]).arg(&pack);
    let built = run(build.arg(&wrong));
    assert!(built.err.contains("warning: no signature in "), "{built:?}");
    let by_pack = run(candor().args(["scan", "--pack"]).arg(&pack).arg(&file));
    assert_eq!(by_pack.code, Some(2), "{by_pack:?}");
    assert!(by_pack.err.contains("x.pack can fire"), "{by_pack:?}");
    assert_eq!(by_pack.out, "");
}

#[test]
fn installed_signatures_of_which_none_can_fire_leave_the_starter_pack() {
    let scene = Scene::default();
    scene.write("db/wrong.ndb", "this is no signature\n");
    let file = scene.write("test", eicar());
    let Some(ran) = scan_with_installed(&scene.at("db"), &["--json"], &file) else {
        return;
    };
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in [
        "no signature in /var/lib/clamav",
        "only the starter signatures",
    ] {
        assert!(ran.err.contains(part), "{part:?} in {ran:?}");
    }
    let lines = ran.json();
    assert_eq!(lines.last().unwrap()["summary"]["pack"]["starter"], true);
    let other = scene.write("other", "x");
    let other = scan_with_installed(&scene.at("db"), &[], &other).unwrap();
    assert_eq!(other.code, Some(2), "{other:?}");
}
