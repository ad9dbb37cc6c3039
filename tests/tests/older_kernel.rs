//! The jail and a scan on Debian 12's own kernel, 6.1, in an emulated machine that is started
//! once for all these tests.
#![expect(
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use acceptance::archives::{Method, Zip};
use acceptance::attacks::{assert_nothing_succeeded, layer};
use acceptance::cli::{MARKER, Ran, eicar, program};
use acceptance::guest::{self, Guest};
use acceptance::outcome::said;
use acceptance::schema::Schema;

const SERIES: &str = "6.1";
/// What 6.1 lacks, and the version that brought it.
const MISSING: [(&str, &str); 3] = [
    ("landlock-network", "Linux 6.7"),
    ("landlock-scopes", "Linux 6.12"),
    ("deny-write-execute", "Linux 6.3"),
];
const AS_NOBODY: &str = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all \
                         --bounding-set=-all";

static ANSWERS: LazyLock<Option<BTreeMap<String, Ran>>> = LazyLock::new(|| {
    let kernel = guest::kernel(SERIES)?;
    Path::new(guest::EMULATOR).exists().then(|| boot(&kernel))
});

/// What each command in the machine came to; `None`, told, where there can be no such machine.
fn answers() -> Option<&'static BTreeMap<String, Ran>> {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: an older kernel runs the programs of x86-64 only");
        return None;
    }
    if !Path::new(guest::EMULATOR).exists() {
        println!("skipped: an older kernel needs an emulator (package qemu-system-x86)");
        return None;
    }
    if ANSWERS.is_none() {
        println!(
            "skipped: Linux {SERIES} is not here; on Debian 12 `cargo xtask test` downloads it, \
             or install linux-image-cloud-amd64"
        );
    }
    ANSWERS.as_ref()
}

fn boot(kernel: &Path) -> BTreeMap<String, Ran> {
    let mut guest = Guest::default();
    for name in ["candor", "candor-worker"] {
        guest.program(&program(name), &format!("/bin/{name}"));
    }
    let attacker = env!("CARGO_BIN_EXE_jail-attacker");
    guest.program(Path::new(attacker), "/bin/jail-attacker");
    let container = env!("CARGO_BIN_EXE_as-in-container");
    guest.program(Path::new(container), "/bin/as-in-container");
    put_samples(&mut guest);

    guest.run_in_initial_root("attack-in-initial-root", "jail-attacker all");
    guest.run_in_initial_root("doctor-in-initial-root", "candor doctor --json");
    guest.run("kernel", "cat /proc/sys/kernel/osrelease");
    guest.run("doctor-as-root", "candor doctor --json");
    guest.run(
        "doctor-as-nobody",
        &format!("{AS_NOBODY} candor doctor --json"),
    );
    guest.run("attack-as-root", "jail-attacker all");
    guest.run(
        "attack-as-nobody",
        &format!("{AS_NOBODY} jail-attacker all"),
    );
    guest.run("attack-in-container", "as-in-container jail-attacker all");
    guest.run(
        "attack-in-container-as-nobody",
        &format!("{AS_NOBODY} as-in-container jail-attacker all"),
    );
    guest.run("interrupt", "jail-attacker interrupt");
    guest.run("loose", "jail-attacker loose");
    guest.run("scan-starter", "candor scan --json --pack starter /samples");
    guest.run("scan", "candor scan --json --db /signatures /samples");
    guest.run(
        "scan-per-file",
        "candor scan --json --isolation per-file --db /signatures /samples",
    );
    guest.boot(kernel)
}

fn put_samples(guest: &mut Guest) {
    let hex: String = MARKER.bytes().map(|byte| format!("{byte:02x}")).collect();
    let signature = format!("Test.Marker:0:*:{hex}\n");
    guest.file("/signatures/test.ndb", signature.as_bytes());
    let zip = Zip::default().with(b"inside", MARKER.as_bytes(), Method::Deflated);
    guest.file("/samples/eicar.com", eicar().as_bytes());
    guest.file("/samples/clean.txt", b"nothing to see");
    guest.file("/samples/marked.zip", &zip.finish());
}

fn answer<'a>(answers: &'a BTreeMap<String, Ran>, name: &str) -> &'a Ran {
    let found = answers.get(name);
    found.unwrap_or_else(|| panic!("no {name} in {answers:?}"))
}

#[test]
fn no_attack_gets_out_on_debian_12s_kernel() {
    let Some(answers) = answers() else {
        return;
    };
    let kernel = &answer(answers, "kernel").out;
    assert!(kernel.starts_with("6.1."), "{kernel}");
    for place in [
        "in-initial-root",
        "as-root",
        "as-nobody",
        "in-container",
        "in-container-as-nobody",
    ] {
        let ran = answer(answers, &format!("attack-{place}"));
        assert_eq!(ran.code, Some(0), "{place}: {ran:?}");
        assert_nothing_succeeded(&ran.out);
        let namespace = layer(&ran.out, "user-namespace");
        let contained = place.starts_with("in-container");
        assert_eq!(namespace != "active", contained, "{place}: {namespace}");
        for (name, since) in MISSING {
            let state = layer(&ran.out, name);
            assert!(
                state.starts_with("missing: ") && state.ends_with(since),
                "{place}: {name}: {state}"
            );
        }
    }
}

#[test]
fn a_32_bit_call_ends_the_process_on_debian_12s_kernel() {
    let Some(answers) = answers() else {
        return;
    };
    let ran = answer(answers, "interrupt");
    const SIGSYS_STATUS: i32 = 128 + 31;
    assert_eq!(ran.code, Some(SIGSYS_STATUS), "{ran:?}");
    assert!(ran.out.contains("jail: holds true"), "{ran:?}");
    let loose = answer(answers, "loose");
    assert!(loose.out.contains("jail: holds false"), "{loose:?}");
}

#[test]
fn what_debian_12s_kernel_lacks_is_reported_and_no_threat_goes_unmet() {
    let Some(answers) = answers() else {
        return;
    };
    for place in ["in-initial-root", "as-root", "as-nobody"] {
        let ran = answer(answers, &format!("doctor-{place}"));
        let lines = ran.json();
        let [health] = lines.as_slice() else {
            panic!("{place}: {ran:?}");
        };
        Schema::published("doctor").check(health);
        assert_eq!(ran.code, Some(0), "{place}: {ran:?}");
        assert!(health["kernel"].as_str().unwrap().starts_with("6.1."));
        assert_eq!(health["holds"], true, "{place}: {health}");
        for threat in health["threats"].as_array().unwrap() {
            assert_eq!(threat["holds"], true, "{place}: {threat}");
            for attempt in threat["attempts"].as_array().unwrap() {
                assert_eq!(attempt["refused"], true, "{place}: {attempt}");
            }
        }
        let mut missing = BTreeSet::new();
        for layer in health["layers"].as_array().unwrap() {
            if layer["active"] == false {
                let name = layer["name"].as_str().unwrap();
                let why = layer["why"].as_str().unwrap();
                assert!(layer["cost"].is_string(), "{place}: {layer}");
                missing.insert((name, why.rsplit_once("with ").unwrap_or(("", why)).1));
            }
        }
        assert_eq!(missing, BTreeSet::from(MISSING), "{place}: {health}");
    }
}

#[test]
fn files_are_scanned_on_debian_12s_kernel() {
    let Some(answers) = answers() else {
        return;
    };
    let starter = said(answer(answers, "scan-starter"));
    assert_eq!(starter["eicar.com"].findings, ["Candor.Test.EICAR"]);
    starter["clean.txt"].assert_incomplete("starter-signatures-only");
    for name in ["scan", "scan-per-file"] {
        let scanned = said(answer(answers, name));
        assert_eq!(scanned["marked.zip"].findings, ["Test.Marker"], "{name}");
        assert_eq!(scanned["clean.txt"].outcome, "clean", "{name}");
        assert_eq!(scanned["eicar.com"].outcome, "clean", "{name}");
    }
}
