//! `--json`: every line as the published schema says, and the same facts as for people.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use acceptance::cli::{MARKER, Scene, candor, eicar, run};
use acceptance::schema::Schema;
use serde_json::Value;

fn line<'a>(lines: &'a [Value], end: &str) -> &'a Value {
    lines
        .iter()
        .find(|line| {
            line["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(end))
        })
        .unwrap()
}

#[test]
fn every_outcome_is_as_the_schema_says() {
    let scene = Scene::default();
    scene.write("d/clean", "x");
    scene.write("d/bad", format!("12345{MARKER}"));
    scene.write(Path::new("d").join(OsStr::from_bytes(b"\xff.bin")), "x");
    scene.write("d/large", vec![b'a'; 100_000]);
    let mut scan = scene.scan();
    scan.args(["--json", "--sha256", "--max-bytes", "50000"]);
    let ran = run(scan.arg(scene.at("d")).arg(scene.at("gone")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let lines = ran.json();
    let schema = Schema::published("scan");
    lines.iter().for_each(|line| schema.check(line));
    assert_eq!(lines.len(), 6, "{ran:?}");

    let bad = line(&lines, "/bad");
    assert_eq!(bad["outcome"], "detected");
    assert_eq!(bad["findings"][0]["name"], "Test.Marker");
    assert_eq!(bad["findings"][0]["rule"]["source"], "test.ndb");
    assert_eq!(bad["findings"][0]["rule"]["line"], 1);
    assert_eq!(bad["findings"][0]["matches"][0]["offset"], 5);
    assert_eq!(bad["size_bytes"], 5 + MARKER.len());
    assert_eq!(line(&lines, "/clean")["outcome"], "clean");
    let sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(line(&lines, "/clean")["sha256"], sha256);
    assert_eq!(line(&lines, "/large")["incomplete"][0], "limit-bytes");
    assert_eq!(line(&lines, "/gone")["outcome"], "error");
    assert_eq!(line(&lines, "/gone")["type"], Value::Null);
    let odd = lines
        .iter()
        .find(|line| line.get("path_bytes_hex").is_some())
        .unwrap();
    assert!(
        odd["path_bytes_hex"]
            .as_str()
            .unwrap()
            .ends_with("ff2e62696e")
    );

    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(summary["files"], 4);
    assert_eq!(summary["detected"], 1);
    assert_eq!(summary["incomplete_by_reason"]["limit-bytes"], 1);
    assert_eq!(summary["errors"], 1);
    assert_eq!(summary["exit_code"], 1);
    assert_eq!(summary["pack"]["starter"], false);
    assert_eq!(summary["pack"]["sha256"], bad["pack"]["sha256"]);
}

#[test]
fn the_starter_pack_is_named_as_such() {
    let scene = Scene::default();
    scene.write("d/eicar.com", eicar());
    scene.write("d/other", "x");
    let ran = run(candor()
        .args(["scan", "--json", "--pack", "starter"])
        .arg(scene.at("d")));
    let lines = ran.json();
    let schema = Schema::published("scan");
    lines.iter().for_each(|line| schema.check(line));
    assert_eq!(
        line(&lines, "/other")["incomplete"][0],
        "starter-signatures-only"
    );
    assert_eq!(lines.last().unwrap()["summary"]["pack"]["starter"], true);
}

#[test]
fn a_pack_has_one_identity_however_it_is_named() {
    let scene = Scene::default();
    let file = scene.write("file", "x");
    let pack = scene.at("out.pack");
    let mut build = candor();
    build
        .args(["rules", "build", "--quiet", "-o"])
        .arg(&pack)
        .arg(scene.signatures());
    assert_eq!(run(&mut build).code, Some(0));
    let identity = |ran: &acceptance::cli::Ran| ran.json()[0]["pack"]["sha256"].clone();
    let by_db = run(scene.scan().arg("--json").arg(&file));
    let by_pack = || {
        run(candor()
            .args(["scan", "--json", "--pack"])
            .arg(&pack)
            .arg(&file))
    };
    assert_eq!(identity(&by_db), identity(&by_pack()));
    assert_eq!(
        identity(&by_db),
        identity(&by_pack()),
        "the second time from the cache"
    );
}

#[test]
fn what_was_not_compiled_is_counted() {
    let scene = Scene::default();
    let signatures = scene.signatures();
    scene.write("signatures/wrong.ndb", "this is no signature\n");
    scene.write("signatures/NOTES", "not a signature file");
    let mut scan = candor();
    scan.args(["scan", "--json", "--db"]).arg(signatures);
    let ran = run(scan.arg(scene.write("file", "x")));
    let lines = ran.json();
    let pack = &lines.last().unwrap()["summary"]["pack"];
    assert_eq!(pack["dropped"], 1, "{pack}");
    assert!(
        pack["ignored"][0].as_str().unwrap().ends_with("NOTES"),
        "{pack}"
    );
}

#[test]
fn the_first_bytes_of_a_match_are_shown_on_request() {
    let scene = Scene::default();
    let long = format!("before {} after", MARKER.repeat(3));
    let path = scene.write("marked", &long);
    let ran = run(scene.scan().args(["--json", "--match-bytes"]).arg(&path));
    let line = &ran.json()[0];
    Schema::published("scan").check(line);
    let found = &line["findings"][0]["matches"][0];
    let hex: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found["bytes_hex"], hex.as_str(), "{line}");
    let ran = run(scene.scan().arg("--match-bytes").arg(&path));
    assert!(
        ran.out.contains(&format!("at 7, 24 bytes: {hex}")),
        "{}",
        ran.out
    );
    let ran = run(scene.scan().arg("--json").arg(&path));
    assert_eq!(
        ran.json()[0]["findings"][0]["matches"][0]["bytes_hex"],
        serde_json::Value::Null
    );
}
