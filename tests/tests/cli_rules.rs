//! `candor rules`: what was compiled, what was not, and where a detection comes from.

use std::fs;
use std::path::Path;

use acceptance::cli::{MARKER, Ran, Scene, candor, candor_under, run};

fn build(output: &Path, sources: &[&Path], options: &[&str]) -> Ran {
    let mut command = candor();
    command
        .args(["rules", "build"])
        .args(options)
        .arg("-o")
        .arg(output);
    run(command.args(sources))
}

#[test]
fn a_build_prints_its_table_and_is_the_same_every_time() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    let other = scene.write(
        "more.hdb",
        "44d88612fea8a8f36de82e1278abb02f:68:Test.Digest\n",
    );
    let (first, second) = (scene.at("1.pack"), scene.at("2.pack"));
    let ran = build(&first, &[&signatures, &other], &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("test.ndb") && ran.out.contains("more.hdb"),
        "{ran:?}"
    );
    assert!(ran.out.contains("2 signatures"), "{ran:?}");
    let quiet = build(&second, &[&other, &signatures], &["--quiet"]);
    assert_eq!((quiet.code, quiet.out.as_str()), (Some(0), ""));
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
}

#[test]
fn strict_leaves_no_pack_where_a_line_was_dropped() {
    let scene = Scene::default();
    let wrong = scene.write("wrong.ndb", "Good:0:*:6162636465666768\nnot a signature\n");
    let pack = scene.at("x.pack");
    let strict = build(&pack, &[&wrong], &["--strict"]);
    assert_eq!(strict.code, Some(2), "{strict:?}");
    assert!(strict.out.contains("wrong.ndb:2: "), "{strict:?}");
    assert!(!pack.exists());
    assert_eq!(
        fs::read_dir(scene.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );
    let lenient = build(&pack, &[&wrong], &[]);
    assert_eq!(lenient.code, Some(0), "{lenient:?}");
    let dropped = run(candor().args(["rules", "show", "--dropped"]).arg(&pack));
    assert_eq!(dropped.code, Some(0), "{dropped:?}");
    assert!(dropped.out.starts_with("wrong.ndb:2: "), "{dropped:?}");
}

#[test]
fn a_build_destroys_nothing_but_a_regular_file() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    let pipe = scene.at("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo starts").success());
    let target = scene.write("target", "kept");
    let link = scene.at("link");
    std::os::unix::fs::symlink(&target, &link).expect("a link can be made");
    let folder = scene.at("folder");
    fs::create_dir(&folder).expect("a directory can be made");
    for (output, what) in [
        (&pipe, "is a named pipe"),
        (&link, "is a symbolic link"),
        (&folder, "is a directory"),
    ] {
        let before = fs::symlink_metadata(output)
            .expect("it is there")
            .file_type();
        let ran = build(output, &[&signatures], &[]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(what), "{ran:?}");
        assert!(ran.err.contains("name another file"), "{ran:?}");
        let after = fs::symlink_metadata(output).expect("it is there still");
        assert_eq!(after.file_type(), before);
    }
    assert_eq!(fs::read(&target).expect("it can be read"), b"kept");
    // A pack that is there is a regular file, and is replaced.
    assert_eq!(build(&target, &[&signatures], &[]).code, Some(0));
    assert_ne!(fs::read(&target).expect("it can be read"), b"kept");
}

#[test]
fn more_sources_than_the_soft_limit_of_open_files_are_compiled() {
    let scene = Scene::default();
    for number in 0..1_500 {
        let line = format!("Test.N{number}:0:*:6162636465{number:06x}\n");
        scene.write(format!("many/{number}.ndb"), line);
    }
    let script = "test \"$(ulimit -Hn)\" = unlimited || test \"$(ulimit -Hn)\" -ge 4096 || exit 99; \
                  ulimit -Sn 1024; exec \"$@\"";
    let mut command = candor_under("bash", &["-c", script, "bash"]);
    command
        .args(["rules", "build", "-o"])
        .arg(scene.at("x.pack"));
    let ran = run(command.arg(scene.at("many")));
    if ran.code == Some(99) {
        println!("skipped: fewer than 4,096 files may be open here");
        return;
    }
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("1,500 signatures"), "{}", ran.err);
}

#[test]
fn a_failed_build_leaves_the_old_pack() {
    let scene = Scene::default();
    let pack = scene.write("x.pack", "old");
    let empty = scene.at("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(build(&pack, &[&empty], &[]).code, Some(2));
    assert_eq!(fs::read(&pack).unwrap(), b"old");
}

#[test]
fn a_detection_can_show_its_rule() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    let file = scene.write("bad", MARKER);
    let mut scan = candor();
    scan.args(["scan", "--json", "--db"]).arg(&signatures);
    let found = run(scan.arg(&file)).json();
    let sha256 = found[0]["findings"][0]["rule"]["sha256"]
        .as_str()
        .unwrap()
        .to_owned();
    let explain = |name: &str| {
        let mut command = candor();
        run(command
            .args(["rules", "explain", name, "--db"])
            .arg(&signatures))
    };
    let known = explain("Test.Marker");
    assert_eq!(known.code, Some(0), "{known:?}");
    for part in ["test.ndb", "Test.Marker:0:*:63616e646f72", &sha256] {
        assert!(known.out.contains(part), "{part:?} in {known:?}");
    }
    let unknown = explain("No.Such.Rule");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("No.Such.Rule"), "{unknown:?}");
}

#[test]
fn the_starter_pack_can_be_read_too() {
    let show = run(candor().args(["rules", "show", "--pack", "starter"]));
    assert_eq!(show.code, Some(0), "{show:?}");
    assert!(show.out.contains("starter.ndb"), "{show:?}");
    let explain =
        run(candor().args(["rules", "explain", "--pack", "starter", "Candor.Test.EICAR"]));
    assert_eq!(explain.code, Some(0), "{explain:?}");
    let strict = Scene::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules/starter");
    let sources = [folder.join("starter.hdb"), folder.join("starter.ndb")];
    let built = build(
        &strict.at("s.pack"),
        &[&sources[0], &sources[1]],
        &["--strict"],
    );
    assert_eq!(
        built.code,
        Some(0),
        "our own rules compile whole: {built:?}"
    );
}

#[test]
fn a_changed_source_is_compiled_again() {
    let scene = Scene::default();
    let file = scene.write("bad", MARKER);
    assert_eq!(run(scene.scan().arg(&file)).code, Some(1));
    fs::write(
        scene.at("signatures/test.ndb"),
        "Other:0:*:6162636465666768\n",
    )
    .unwrap();
    let mut scan = candor();
    scan.args(["scan", "--db"]).arg(scene.at("signatures"));
    assert_eq!(run(scan.arg(&file)).code, Some(0));
}

#[test]
fn the_cache_saves_the_second_compilation_and_can_be_missing() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    let file = scene.write("file", "x");
    // Sources that changed a moment ago could change again unseen, and are not remembered.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let scan = |cache: &Path| {
        let mut command = candor();
        command.env("XDG_CACHE_HOME", cache);
        command.args(["scan", "--verbose", "--db"]).arg(&signatures);
        run(command.arg(&file))
    };
    let cache = scene.at("cache");
    assert_eq!(scan(&cache).code, Some(0));
    let packs = cache.join("candor/packs");
    let kept: Vec<_> = fs::read_dir(&packs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).unwrap());
    let before = inode(&kept[0]);
    assert_eq!(scan(&cache).code, Some(0));
    assert_eq!(inode(&kept[0]), before, "found again, not compiled again");
    let without = scan(Path::new("/proc/nowhere"));
    assert_eq!(without.code, Some(0), "{without:?}");
    assert!(
        without.out.contains("the compiled pack is not kept: "),
        "{without:?}"
    );
}
