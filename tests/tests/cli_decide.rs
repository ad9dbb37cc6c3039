//! `candor decide` as an official runs it: outcomes as exit codes, the page, JSON, refusals.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::path::PathBuf;
use std::process::Command;

use acceptance::cli::{Ran, Scene, candor, run};
use acceptance::schema::Schema;

const KASPERSKY: &str = "kaspersky-endpoint-security-linux";

fn policy(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../pure/policy")
        .join(name)
}

fn decide(system: &str, dossier: &str, pack: &str) -> Command {
    let mut command = candor();
    command
        .arg("decide")
        .arg("--system")
        .arg(policy(&format!("systems/{system}.toml")));
    command.args([
        "--dossier",
        dossier,
        "--policy",
        pack,
        "--as-of",
        "2026-11-24",
    ]);
    command
}

fn refused(mut command: Command) -> Ran {
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    ran
}

#[test]
fn the_exit_code_is_the_outcome_and_json_is_as_the_schema_says() {
    let schema = Schema::published("decision");
    for (system, dossier, pack, code, outcome) in [
        (
            "ministry-nl",
            "fictional-polder",
            "nl-2018",
            0,
            "no-objection",
        ),
        ("council-office", KASPERSKY, "uk-ncsc-2017", 3, "conditions"),
        ("treaty-desk", "clamav", "uk-ncsc-2022", 4, "needs-evidence"),
        (
            "council-office",
            KASPERSKY,
            "uk-ncsc-2022",
            5,
            "advised-against",
        ),
        ("agency-us", KASPERSKY, "us-2024", 6, "prohibited"),
        ("treaty-desk", KASPERSKY, "us-2024", 7, "out-of-scope"),
    ] {
        let ran = run(&mut decide(system, dossier, pack));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert!(
            ran.out.contains("No legal reader has signed this pack"),
            "{ran:?}"
        );
        let ran = run(decide(system, dossier, pack).arg("--json"));
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let json = &ran.json()[0];
        schema.check(json);
        assert_eq!(json["outcome"], outcome);
    }
}

#[test]
fn the_page_is_written_without_a_script() {
    let scene = Scene::default();
    let page = scene.at("page.html");
    let ran = run(decide("treaty-desk", KASPERSKY, "uk-ncsc-2022")
        .arg("--report")
        .arg(&page));
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let html = std::fs::read_to_string(page).unwrap();
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<html lang=\"en\">"));
    assert!(html.contains("NO: ADVISED AGAINST") && !html.contains("<script"));
}

#[test]
fn a_rule_says_why_it_fired_or_did_not() {
    let ran = run(decide("council-office", KASPERSKY, "uk-ncsc-2022").args(["--explain", "R1"]));
    assert!(ran.out.contains("R1 fired"), "{ran:?}");
    let ran = run(decide("home-computer", KASPERSKY, "uk-ncsc-2022").args(["--explain", "R1"]));
    assert!(ran.out.contains("R1 did not fire"), "{ran:?}");
    let mut unknown = decide("home-computer", KASPERSKY, "uk-ncsc-2022");
    unknown.args(["--explain", "R99"]);
    assert!(refused(unknown).err.contains("its rules are R1"));
}

#[test]
fn what_can_not_be_decided_is_an_error_with_its_place() {
    let scene = Scene::default();
    let dossier = std::fs::read_to_string(policy("dossiers/clamav.json")).unwrap();
    let personal = dossier.replacen(
        "\"name\": \"Cisco",
        "\"nationality\": \"XX\", \"name\": \"Cisco",
        1,
    );
    let personal = scene.write("personal.json", personal);
    let ran = refused(decide(
        "home-computer",
        personal.to_str().unwrap(),
        "uk-ncsc-2022",
    ));
    assert!(
        ran.err.contains("line ") && ran.err.contains("where a person comes from"),
        "{ran:?}"
    );

    let typo = scene.write(
        "typo.json",
        dossier.replacen("\"prepared_by\"", "\"preparedby\"", 1),
    );
    let ran = refused(decide(
        "home-computer",
        typo.to_str().unwrap(),
        "uk-ncsc-2022",
    ));
    assert!(ran.err.contains("did you mean `prepared_by`?"), "{ran:?}");

    let ran = refused(decide("home-computer", "nothing", "uk-ncsc-2022"));
    assert!(ran.err.contains("built in are candor, clamav"), "{ran:?}");
    let mut early = decide("home-computer", "clamav", "uk-ncsc-2022");
    early.args(["--as-of", "2020-01-01"]);
    refused(early);
}

#[test]
fn a_pack_that_breaks_a_property_is_refused_with_the_state_that_shows_it() {
    let scene = Scene::default();
    let pack = std::fs::read_to_string(policy("packs/department-template.toml")).unwrap();
    let weak = pack.replacen(
        "listed_state_component)\"",
        "listed_state_component) and collects_content\"",
        1,
    );
    assert_ne!(pack, weak);
    let weak = scene.write("weak.toml", weak);
    let ran = refused(decide("home-computer", "clamav", weak.to_str().unwrap()));
    assert!(
        ran.err.contains("the pack is refused") && ran.err.contains("=true"),
        "{ran:?}"
    );
}

#[test]
fn a_table_of_systems_says_what_has_to_be_decided_again() {
    let scene = Scene::default();
    let system = std::fs::read_to_string(policy("systems/council-office.toml")).unwrap();
    let list = format!("[[system]]\n{system}").replace("[installation]", "[system.installation]");
    let list = scene.write(
        "list.toml",
        list.replace("[containment]", "[system.containment]"),
    );
    let table = |pack: &str, more: &[&str]| {
        let mut command = candor();
        command
            .arg("decide")
            .arg("--portfolio")
            .arg(&list)
            .arg("--json");
        command.args([
            "--dossier",
            KASPERSKY,
            "--dossier",
            "clamav",
            "--policy",
            pack,
        ]);
        run(command.args(["--as-of", "2026-11-24"]).args(more))
    };
    let before = table("uk-ncsc-2017", &[]);
    assert_eq!(before.code, Some(0), "{before:?}");
    let earlier = scene.write("earlier.json", &before.out);
    let now = table("uk-ncsc-2022", &["--earlier", earlier.to_str().unwrap()]);
    let json = &now.json()[0];
    Schema::published("portfolio").check(json);
    assert_eq!(json["reopened"][0]["now"], "advised-against", "{json}");
    assert_eq!(json["reopened"].as_array().unwrap().len(), 1, "{json}");
}

/// A lab that found the fictional product to keep documents where they are, and whoever else
/// speaks of it.
struct Desk {
    scene: Scene,
}

impl Desk {
    fn new() -> Self {
        let scene = Scene::default();
        for name in ["lab", "maker"] {
            let ran = run(candor()
                .args(["evidence", "keygen", "-o"])
                .arg(scene.at(name)));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        Self { scene }
    }

    fn signer(&self, name: &str, party: &str) -> String {
        let hexadecimal = "grep -v '^-' \"$0\" | base64 -d | tail -c 32 | od -An -v -tx1";
        let mut command = Command::new("sh");
        command.args(["-c", hexadecimal]);
        let key = command
            .arg(self.scene.at(format!("{name}.pub")))
            .output()
            .unwrap();
        let mut key = String::from_utf8(key.stdout).unwrap();
        key.retain(|letter| letter.is_ascii_hexdigit());
        format!("\n[[signer]]\nname = \"{name}\"\nkey = \"{key}\"\nparty = \"{party}\"\n")
    }

    fn sign(&self, key: &str, records: &serde_json::Value) -> PathBuf {
        let records = self.scene.write("records.json", records.to_string());
        let bundle = self.scene.at(format!("{key}.bundle"));
        let _ = std::fs::remove_file(&bundle);
        let mut command = candor();
        command.args(["evidence", "sign"]).arg(records);
        command
            .arg("--key")
            .arg(self.scene.at(key).with_extension("key"));
        let ran = run(command.arg("-o").arg(&bundle));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        bundle
    }

    fn decide(&self, bundles: &[&PathBuf]) -> serde_json::Value {
        let system = std::fs::read_to_string(policy("systems/council-office.toml")).unwrap();
        let (lab, maker) = (
            self.signer("lab", "independent"),
            self.signer("maker", "vendor"),
        );
        let system = self
            .scene
            .write("system.toml", format!("{system}{lab}{maker}"));
        let mut command = candor();
        command.arg("decide").arg("--system").arg(system);
        command.args([
            "--dossier",
            "fictional-albion-shield",
            "--policy",
            "uk-ncsc-2022",
            "--as-of",
            "2026-11-24",
            "--json",
        ]);
        for bundle in bundles {
            command.arg("--evidence").arg(bundle);
        }
        run(&mut command).json()[0].clone()
    }
}

fn canary(left: bool) -> serde_json::Value {
    serde_json::json!([{
        "subject": {"product": "Albion Shield",
            "artifacts": [{"name": "program", "sha256": "a".repeat(64)}]},
        "predicate": "canary_left", "value": left, "asserted_by": "somebody",
        "method": "observed", "confidence": "high", "evidence": [],
        "as_of": "2026-11-01", "expires": "2027-05-01",
    }])
}

#[test]
fn the_makers_admission_and_counter_evidence_reach_the_decision() {
    let desk = Desk::new();
    let mut doubted = canary(false);
    doubted[0]["counter"] = serde_json::json!([{"text": "one stream was not opened"}]);
    let lab = desk.sign("lab", &doubted);
    let maker = desk.sign("maker", &canary(true));
    let no_evidence = desk.scene.write("marker.txt", "no evidence at all");
    let json = desk.decide(&[&lab, &maker, &no_evidence]).to_string();
    assert!(json.contains("contradicted"), "{json}");
    assert!(
        json.contains("evidence: speaks against canary_left"),
        "{json}"
    );
    assert!(json.contains("one stream was not opened"), "{json}");
    assert!(json.contains("marker.txt: not understood"), "{json}");
}

#[test]
fn a_table_judges_each_system_by_its_own_signers() {
    let desk = Desk::new();
    let one = canary(false)[0].clone();
    let none = serde_json::json!([]);
    let records: Vec<_> = [
        ("canary_left", false.into()),
        ("could_collect", none.clone()),
        ("update_channel_authenticated", true.into()),
        ("can_push_code", none.clone()),
        ("can_push_rules", none.clone()),
        ("can_command", none),
    ]
    .into_iter()
    .map(|(predicate, value)| {
        let mut record = one.clone();
        record["predicate"] = predicate.into();
        record["value"] = value;
        record
    })
    .collect();
    let bundle = desk.sign("lab", &records.into());
    let system = std::fs::read_to_string(policy("systems/council-office.toml")).unwrap();
    let system = format!("[[system]]\n{system}")
        .replace("[installation]", "[system.installation]")
        .replace("[containment]", "[system.containment]");
    let signer = desk.signer("lab", "independent");
    let signer = signer.replace("[[signer]]", "[[system.signer]]");
    let other = system.replace("\"Council office\"", "\"Another office\"");
    let table = |list: String| {
        let list = desk.scene.write("list.toml", list);
        let mut command = candor();
        command.arg("decide").arg("--portfolio").arg(list);
        command.args(["--dossier", "fictional-albion-shield"]);
        command.args(["--policy", "uk-ncsc-2022", "--json"]);
        command.args(["--as-of", "2026-11-24", "--evidence"]);
        let ran = run(command.arg(&bundle));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let json = ran.json()[0].clone();
        Schema::published("portfolio").check(&json);
        let outcomes = json["decisions"].as_array().unwrap().iter();
        let outcomes: Vec<_> = outcomes.map(|row| row["outcome"].clone()).collect();
        (outcomes, json["warnings"].to_string())
    };
    let (ours, counted) = table(format!("{system}{signer}"));
    assert!(!counted.contains("no evidence counts"), "{counted}");
    let (theirs, notes) = table(other.clone());
    assert!(notes.contains("no evidence counts"), "{notes}");
    let (both, _) = table(format!("{system}{signer}\n{other}"));
    assert_eq!(both, [ours.clone(), theirs.clone()].concat());
    let (both, _) = table(format!("{other}\n{system}{signer}"));
    assert_eq!(both, [theirs.clone(), ours.clone()].concat());
    assert_ne!(ours, theirs, "{ours:?}");
}
