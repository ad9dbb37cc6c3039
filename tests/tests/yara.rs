//! YARA rules from their files to a verdict: compiled, kept, run on files and what is inside them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use acceptance::archives::gzip;
use acceptance::cli::{Ran, Scene, candor, run};
use serde_json::Value;

const WORD: &str = "candor-yara-word";

/// A rule for a word.
fn rule(name: &str, word: &str) -> String {
    format!("rule {name}\n{{\n  strings: $w = \"{word}\"\n  condition: $w\n}}\n")
}

/// Scans with the directory `rules` of a scene.
fn scan(scene: &Scene, options: &[&str], files: &[&Path]) -> Ran {
    let mut command = candor();
    command.env("XDG_CACHE_HOME", scene.at("cache"));
    command.arg("scan").arg("--db").arg(scene.at("rules"));
    run(command.args(options).args(files))
}

fn build(scene: &Scene, options: &[&str]) -> Ran {
    let mut command = candor();
    command
        .args(["rules", "build", "-o"])
        .arg(scene.at("x.pack"));
    run(command.args(options).arg(scene.at("rules")))
}

/// The findings' names by file name.
fn findings(ran: &Ran) -> Vec<(String, Vec<String>)> {
    let file = |value: &Value| {
        let path = PathBuf::from(value["path"].as_str()?);
        let names = value["findings"].as_array()?.iter();
        let names = names.map(|found| found["name"].as_str().unwrap().to_owned());
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((name, names.collect()))
    };
    ran.json().iter().filter_map(file).collect()
}

fn only_names(ran: &Ran) -> Vec<String> {
    match &findings(ran)[..] {
        [(_, names)] => names.clone(),
        other => panic!("{other:?} in {ran:?}"),
    }
}

/// The one file of the cache's directory for compiled YARA rules.
fn compiled(scene: &Scene) -> PathBuf {
    let kept = fs::read_dir(scene.at("cache/candor/yara")).unwrap();
    let paths: Vec<_> = kept.map(|entry| entry.unwrap().path()).collect();
    match &paths[..] {
        [path] => path.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rule_is_found_in_a_file_and_in_what_is_inside_one_and_says_where_it_is_from() {
    let scene = Scene::default();
    scene.write(
        "rules/a.yar",
        format!("// head\n\n{}", rule("Word_Rule", WORD)),
    );
    let plain = scene.write("plain", format!("....{WORD}....{WORD}"));
    let packed = scene.write("packed.gz", gzip(format!("x{WORD}").as_bytes()));
    let clean = scene.write("clean", "nothing");
    let ran = scan(&scene, &["--json"], &[&plain, &packed, &clean]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let json = ran.json();
    let of = |name: &str| {
        let ends = |file: &&Value| {
            file["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(name))
        };
        json.iter().find(ends).unwrap()
    };
    let found = &of("plain")["findings"][0];
    assert_eq!(found["name"], "Word_Rule");
    assert_eq!(found["rule"]["kind"], "yara");
    assert_eq!(found["rule"]["source"], "a.yar");
    assert_eq!(found["rule"]["line"], 3);
    assert_eq!(found["matches"][0]["offset"], 4);
    assert_eq!(found["matches"][0]["length"], WORD.len());
    assert_eq!(found["matches"][1]["offset"], 4 + WORD.len() + 4);
    let inside = &of("packed.gz")["findings"][0];
    assert_eq!(inside["member"].as_array().unwrap().len(), 1);
    assert_eq!(inside["matches"][0]["offset"], 1);
    assert_eq!(of("clean")["outcome"], "clean");
    assert_eq!(json[3]["summary"]["pack"]["signatures"], 1);
}

#[test]
fn a_detection_can_show_its_rule() {
    let scene = Scene::default();
    let text = rule("Word_Rule", WORD);
    scene.write("rules/a.yar", format!("{text}\n{}", rule("Other", "x")));
    let mut command = candor();
    command.args(["rules", "explain", "Word_Rule", "--db"]);
    let ran = run(command.arg(scene.at("rules")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in [
        "kind    yara (YARA rule)",
        "source  a.yar, line 1",
        "text    rule Word_Rule",
        "          strings: $w = \"candor-yara-word\"",
    ] {
        assert!(ran.out.contains(part), "{part:?} in {ran:?}");
    }
    assert!(!ran.out.contains("Other"), "{ran:?}");
}

#[test]
fn private_rules_are_silent_and_global_ones_gate_their_own_file_only() {
    let scene = Scene::default();
    let gated = format!(
        "global rule Gate {{ condition: filesize > 1000 }}\n{}",
        rule("Gated", WORD)
    );
    let built = format!(
        "private rule Hidden {{ condition: true }}\n\
         rule Shown {{ strings: $w = \"{WORD}\" condition: Hidden and $w }}\n"
    );
    scene.write("rules/gated.yar", gated);
    scene.write("rules/built.yar", built);
    let small = scene.write("small", WORD);
    let large = scene.write("large", format!("{WORD}{}", " ".repeat(2000)));
    let ran = scan(&scene, &["--json", "--all-matches"], &[&small]);
    assert_eq!(only_names(&ran), ["Shown"]);
    let ran = scan(&scene, &["--json", "--all-matches"], &[&large]);
    let mut names = only_names(&ran);
    names.sort();
    assert_eq!(names, ["Gate", "Gated", "Shown"]);
}

#[test]
fn only_the_first_rule_of_an_object_is_told_unless_all_are_wanted() {
    let scene = Scene::default();
    scene.write("rules/a.yar", rule("A", WORD) + &rule("B", WORD));
    let file = scene.write("file", WORD);
    let ran = scan(&scene, &["--json"], &[&file]);
    assert_eq!(only_names(&ran), ["A"]);
    let ran = scan(&scene, &["--json", "--all-matches"], &[&file]);
    assert_eq!(only_names(&ran), ["A", "B"]);
}

#[test]
fn rules_build_on_rules_of_other_files_and_names_may_be_taken_twice() {
    let scene = Scene::default();
    // The file that is needed comes last by its name.
    scene.write(
        "rules/a.yar",
        format!("rule Needs {{ strings: $w = \"{WORD}\" condition: Base and $w }}"),
    );
    scene.write("rules/z.yar", "rule Base { condition: filesize < 100 }");
    scene.write("rules/twice.yar", rule("Needs", "other-word"));
    scene.write(
        "rules/z copy.yar",
        "rule Base { condition: filesize < 100 }",
    );
    let ran = build(&scene, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out
            .contains("left out: 1 × the same text as another source"),
        "{ran:?}"
    );
    let file = scene.write("file", WORD);
    let ran = scan(&scene, &["--json", "--all-matches"], &[&file]);
    let mut names = only_names(&ran);
    names.sort();
    assert_eq!(names, ["Base", "Needs"]);
    let other = scene.write("other", format!("other-word{}", " ".repeat(200)));
    let ran = scan(&scene, &["--json", "--all-matches"], &[&other]);
    assert_eq!(only_names(&ran), ["Needs"]);
}

#[test]
fn an_include_finds_what_was_handed_over_and_nothing_else() {
    let scene = Scene::default();
    scene.write(
        "rules/index.yar",
        "include \"./deep/z.yar\"\nrule Own { condition: Base }",
    );
    scene.write("rules/z.yar", rule("Base", WORD));
    scene.write(
        "rules/lost.yar",
        "\ninclude \"/etc/passwd\"\nrule Kept { condition: false }",
    );
    let ran = build(&scene, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut command = candor();
    command.args(["rules", "show", "--dropped"]);
    let dropped = run(command.arg(scene.at("x.pack")));
    let expected = "lost.yar:2: include \"/etc/passwd\": no such file among the sources; name it \
                    as a source too\n";
    assert_eq!(dropped.out, expected);
    let file = scene.write("file", WORD);
    let ran = scan(&scene, &["--json", "--all-matches"], &[&file]);
    let mut names = only_names(&ran);
    names.sort();
    assert_eq!(names, ["Base", "Own"]);
}

#[test]
fn a_rule_that_does_not_compile_is_named_with_its_line_and_the_others_work() {
    let scene = Scene::default();
    let broken = format!(
        "{}\nrule Broken {{ condition: no_such_name }}\n{}\nrule Worse {{ condition: and }}\n",
        rule("Before", WORD),
        rule("After", WORD)
    );
    scene.write("rules/broken.yar", broken);
    scene.write(
        "rules/latin.yar",
        b"// ok\n// caf\xe9\nrule L { condition: true }",
    );
    scene.write("rules/whole.yara", rule("Whole", WORD));
    let ran = build(&scene, &["--strict"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(
        ran.out.contains("broken.yar:7: unknown identifier"),
        "{ran:?}"
    );
    assert!(ran.out.contains("broken.yar:14: "), "{ran:?}");
    assert!(
        ran.out.contains("latin.yar:2: the file is not UTF-8"),
        "{ran:?}"
    );
    assert!(!scene.at("x.pack").exists());
    let file = scene.write("file", WORD);
    let ran = scan(&scene, &["--json", "--all-matches"], &[&file]);
    let mut names = only_names(&ran);
    names.sort();
    assert_eq!(names, ["After", "Before", "Whole"]);
    assert_eq!(ran.json()[1]["summary"]["pack"]["dropped"], 3);
}

#[test]
fn a_pack_is_the_same_in_any_order_and_runs_on_another_machines_cache() {
    let scene = Scene::default();
    let a = scene.write("rules/a.yar", rule("A", WORD));
    let b = scene.write("rules/b.yar", rule("A", "x") + &rule("B", "y"));
    let (first, second) = (scene.at("1.pack"), scene.at("2.pack"));
    for (pack, files) in [(&first, [&a, &b]), (&second, [&b, &a])] {
        let mut command = candor();
        command.args(["rules", "build", "--quiet", "-o"]).arg(pack);
        assert_eq!(run(command.args(files)).code, Some(0));
    }
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
    let file = scene.write("file", WORD);
    for cache in ["cache", "another"] {
        let mut command = candor();
        command.env("XDG_CACHE_HOME", scene.at(cache));
        command.args(["scan", "--json", "--pack"]).arg(&first);
        assert_eq!(only_names(&run(command.arg(&file))), ["A"]);
    }
    let mut command = candor();
    command.env("XDG_CACHE_HOME", "/dev/null/no-cache");
    command.args(["scan", "--json", "--pack"]).arg(&first);
    assert_eq!(only_names(&run(command.arg(&file))), ["A"]);
}

#[test]
fn compiled_rules_are_kept_and_what_was_changed_is_made_again() {
    let scene = Scene::default();
    scene.write("rules/a.yar", rule("A", WORD));
    let file = scene.write("file", WORD);
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(only_names(&scan(&scene, &["--json"], &[&file])), ["A"]);
    let kept = compiled(&scene);
    let before = fs::metadata(&kept).unwrap();
    assert_eq!(only_names(&scan(&scene, &["--json"], &[&file])), ["A"]);
    let after = fs::metadata(&kept).unwrap();
    assert_eq!(
        before.modified().unwrap(),
        after.modified().unwrap(),
        "it was made twice"
    );

    let whole = fs::read(&kept).unwrap();
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    for damage in [&changed[..], &whole[..middle], b"", b"something else"] {
        fs::write(&kept, damage).unwrap();
        assert_eq!(only_names(&scan(&scene, &["--json"], &[&file])), ["A"]);
        assert_eq!(fs::read(compiled(&scene)).unwrap().len(), whole.len());
    }
}

#[test]
fn definitions_have_the_type_that_they_look_like_and_the_usual_ones_are_empty() {
    let scene = Scene::default();
    scene.write(
        "rules/a.yar",
        "rule Usual { condition: filename == \"\" and filepath == \"\" and extension == \"\" \
         and filetype == \"\" and owner == \"\" }\n\
         rule Defined { condition: number == 3 and share > 0.4 and flag and word == \"a=b\" }\n",
    );
    let file = scene.write("file", "x");
    let options = ["--json", "--all-matches"];
    let ran = scan(&scene, &options, &[&file]);
    assert_eq!(only_names(&ran), ["Usual"]);
    assert_eq!(ran.json()[1]["summary"]["pack"]["dropped"], 1);
    let defined = [
        "--define",
        "number=3",
        "--define",
        "share=0.5",
        "--define",
        "flag=true",
        "--define",
        "word=a=b",
    ];
    let ran = scan(&scene, &[&options[..], &defined].concat(), &[&file]);
    assert_eq!(only_names(&ran), ["Usual", "Defined"]);
    assert_eq!(build(&scene, &defined).code, Some(0));
    let with_pack = |define: &[&str]| {
        let mut command = candor();
        command
            .args(["scan", "--json", "--all-matches", "--pack"])
            .arg(scene.at("x.pack"));
        run(command.args(define).arg(&file))
    };
    assert_eq!(only_names(&with_pack(&[])), ["Usual", "Defined"]);
    let other = with_pack(&["--define", "number=4", "--define", "owner=root"]);
    assert_eq!(findings(&other)[0].1, Vec::<String>::new(), "{other:?}");
    let wrong = with_pack(&["--define", "number=text"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(
        wrong.err.contains("1 of the pack's 2 YARA rules compile"),
        "{wrong:?}"
    );
}

#[test]
fn an_ignore_list_silences_a_rule_and_not_those_that_build_on_it() {
    let scene = Scene::default();
    scene.write(
        "rules/a.yar",
        rule("Loud", WORD) + "rule Above { condition: Loud }",
    );
    scene.write("rules/local.ign2", "Loud\n");
    let file = scene.write("file", WORD);
    let ran = scan(&scene, &["--json"], &[&file]);
    assert_eq!(only_names(&ran), ["Above"]);
}

/// Loops that no file of this size can end in time.
const SLOW: &str = "rule Slow { condition: for all i in (0..filesize-1) : \
                    ( for all j in (0..filesize-1) : ( uint8(i) + uint8(j) >= 0 ) ) }\n";

#[test]
fn rules_that_take_too_long_cost_the_file_its_completeness_and_no_finding() {
    let scene = Scene::default();
    scene.write("rules/slow.yar", SLOW);
    let hex: String = WORD.bytes().map(|byte| format!("{byte:02x}")).collect();
    scene.write("rules/word.ndb", format!("Word.In.Bytes:0:*:{hex}\n"));
    let slow = scene.write("slow", vec![0; 200_000]);
    let member = [vec![0u8; 200_000], WORD.as_bytes().to_vec()].concat();
    let both = scene.write("both.gz", gzip(&member));
    let quick = scene.write("quick", "x");
    let started = Instant::now();
    let options = ["--json", "--max-time", "1s", "--all-matches", "--jobs", "1"];
    let ran = scan(&scene, &options, &[&slow, &both, &quick]);
    assert!(started.elapsed() < Duration::from_secs(40), "{ran:?}");
    let json = ran.json();
    let of = |name: &str| {
        let ends = |file: &&Value| {
            file["path"]
                .as_str()
                .is_some_and(|path| path.ends_with(name))
        };
        json.iter().find(ends).unwrap()
    };
    assert_eq!(of("slow")["outcome"], "incomplete");
    assert_eq!(of("slow")["incomplete"][0], "limit-time");
    assert_eq!(of("both.gz")["outcome"], "detected");
    let findings = of("both.gz")["findings"].as_array().unwrap().iter();
    let names: Vec<_> = findings.map(|found| &found["name"]).collect();
    assert!(names.iter().any(|name| *name == "Word.In.Bytes"), "{ran:?}");
    assert_eq!(of("both.gz")["incomplete"][0], "limit-time");
    // A file of one byte is soon done.
    assert_eq!(of("quick")["findings"][0]["name"], "Slow");
}

#[test]
fn an_object_that_memory_does_not_hold_is_incomplete() {
    let scene = Scene::default();
    scene.write("rules/a.yar", rule("A", WORD));
    let file = scene.write("file", vec![b' '; 6 << 20]);
    let ran = scan(&scene, &["--json", "--max-memory", "1M"], &[&file]);
    let json = ran.json();
    assert_eq!(json[0]["outcome"], "incomplete", "{ran:?}");
    assert_eq!(json[0]["incomplete"][0], "limit-memory");
    let text = json[0]["incomplete_details"][0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("YARA rules need the whole object in memory"),
        "{text}"
    );
    let ran = scan(&scene, &["--json"], &[&file]);
    assert_eq!(ran.json()[0]["outcome"], "clean", "{ran:?}");
}

#[test]
fn each_file_may_have_a_worker_of_its_own() {
    let scene = Scene::default();
    scene.write("rules/a.yar", rule("A", WORD));
    let files: Vec<_> = (0..6)
        .map(|number| scene.write(format!("{number}"), WORD))
        .collect();
    let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
    let ran = scan(&scene, &["--json", "--isolation", "per-file"], &files);
    let found = findings(&ran);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|(_, names)| names == &["A"]), "{found:?}");
}

#[test]
fn modules_work_in_the_jail() {
    let scene = Scene::default();
    scene.write(
        "rules/a.yar",
        "import \"elf\"\nimport \"pe\"\nimport \"math\"\nimport \"hash\"\nimport \"time\"\n\
         import \"string\"\nimport \"macho\"\nimport \"dotnet\"\nimport \"dex\"\nimport \"lnk\"\n\
         rule Elf { condition: elf.number_of_sections > 0 and not pe.is_pe \
         and math.entropy(0, filesize) > 1.0 and time.now() > 1000 \
         and hash.sha256(0, 4) == \
         \"3bdbb4fe8397cd2b842430b39ccff01a8663c751945ef5e9a09e267fb8b1d359\" }\n\
         rule Any { condition: elf.type == elf.ET_DYN or elf.type == elf.ET_EXEC }\n\
         rule Pattern { strings: $a = /GLIBC_2\\.[0-9]+/ $b = { 7f 45 4c 46 } condition: \
         $b at 0 and #a > 1 and string.length(\"abc\") == 3 }\n",
    );
    let ran = scan(
        &scene,
        &["--json", "--all-matches"],
        &[Path::new("/bin/true")],
    );
    let names = only_names(&ran);
    assert_eq!(names, ["Elf", "Any", "Pattern"], "{ran:?}");
}

#[test]
fn a_worker_without_compiled_rules_refuses_to_scan_with_a_pack_that_has_some() {
    use kernel::channel::Channel;
    use proto::{Decode, Encode, Reply, Request, ScanItem, ScanOptions};
    use std::os::fd::AsFd;
    let scene = Scene::default();
    scene.write("rules/a.yar", rule("A", WORD));
    assert_eq!(build(&scene, &["--quiet"]).code, Some(0));
    let (ours, theirs) = Channel::pair().unwrap();
    let mut worker = std::process::Command::new(acceptance::cli::program("candor-worker"))
        .args(["scan", "1073741824"])
        .stdin(theirs.into_fd())
        .stdout(fs::File::open(scene.at("x.pack")).unwrap())
        .spawn()
        .unwrap();
    let mut buffer = vec![0; proto::MESSAGE_BYTES_MAX];
    let mut hear = || {
        let received = ours.receive(&mut buffer).unwrap().unwrap();
        Reply::from_message(received.bytes).unwrap()
    };
    assert!(matches!(hear(), Reply::Ready { .. }));
    let request = Request::Scan {
        options: ScanOptions::default(),
        items: vec![ScanItem { ticket: 1 }],
    };
    let file = fs::File::open("/bin/true").unwrap();
    ours.send(&request.to_message(), &[file.as_fd()]).unwrap();
    let reply = hear();
    assert!(
        matches!(&reply, Reply::Refused(why) if why.contains("YARA")),
        "{reply:?}"
    );
    drop(ours);
    worker.wait().unwrap();
}
