//! The real signature sets: every line is accounted for.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use acceptance::cli::{Scene, candor, run};
use acceptance::shared::shared;

/// The numbers of the table's last row.
fn totals(table: &str) -> Vec<u64> {
    let row = table
        .lines()
        .find(|line| line.starts_with("total "))
        .unwrap();
    row.split_whitespace()
        .skip(1)
        .map(|number| number.parse().unwrap())
        .collect()
}

fn build(directory: &std::path::Path) -> String {
    let scene = Scene::default();
    let ran = run(candor()
        .args(["rules", "build", "-o"])
        .arg(scene.at("real.pack"))
        .arg(directory));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out
}

#[test]
fn every_line_of_the_real_sets_is_compiled_or_counted() {
    for (set, compiled_min) in [
        ("clamav", 240_000),
        ("clamav-clam-punch", 30),
        ("yara/signature-base", 0),
    ] {
        let Some(directory) = shared(&format!("signatures/{set}"), "a real signature set") else {
            continue;
        };
        let table = build(&directory);
        let [lines, compiled, ignored, pending, left_out, dropped] = totals(&table)[..] else {
            panic!("the last row has six numbers: {table}");
        };
        assert_eq!(
            lines,
            compiled + ignored + pending + left_out + dropped,
            "{table}"
        );
        assert!(compiled >= compiled_min, "{table}");
        assert_eq!(dropped, 0, "a real line was called wrong: {table}");
    }
}

#[test]
fn every_real_body_signature_compiles() {
    let Some(directory) = shared("signatures/clamav", "real body signatures") else {
        return;
    };
    let table = build(&directory);
    for source in ["daily.ndb", "rfxn.ndb"] {
        let row = table.lines().find(|line| line.starts_with(source)).unwrap();
        let numbers: Vec<u64> = row
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        let [lines, compiled, ignored, pending, left_out, dropped] = numbers[..] else {
            panic!("a row has six numbers: {row}");
        };
        assert_eq!(
            (lines, 0, 0),
            (compiled + ignored + left_out, pending, dropped),
            "{row}"
        );
    }
    assert!(!table.contains("target "), "{table}");
}

#[test]
fn every_summary_says_what_is_not_compiled_yet() {
    let Some(directory) = shared("signatures/clamav", "the summary over a real signature set")
    else {
        return;
    };
    let scene = Scene::default();
    let sample = scene.write("sample", b"nothing to find");
    let ran = run(candor()
        .arg("scan")
        .arg("--db")
        .arg(&directory)
        .arg(&sample));
    assert!(
        ran.out
            .contains("not yet compiled: 80 lines of main.ldb (icon groups)"),
        "{}",
        ran.out
    );
    let ran = run(candor()
        .args(["scan", "--json", "--db"])
        .arg(&directory)
        .arg(&sample));
    let json = ran.json();
    let pending = json[1]["summary"]["pack"]["pending"].as_array().unwrap();
    assert!(
        pending.iter().any(|row| row["source"] == "main.ldb"),
        "{pending:?}"
    );
}
