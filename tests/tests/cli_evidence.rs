//! `candor evidence` and `candor verify` as people use them, and other people's verifiers on what
//! they write.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use acceptance::cli::{Ran, Scene, candor, run};
use acceptance::schema::Schema;
use serde_json::{Value, json};

/// A folder with a program, a recording of it, keys, records and a policy.
struct Desk {
    scene: Scene,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            scene: Scene::default(),
        };
        desk.scene.write("program", "the program");
        desk.scene.write("recording", "the recording");
        for name in ["lab", "maker", "owner"] {
            let ran = run(candor()
                .args(["evidence", "keygen", "-o"])
                .arg(desk.at(name)));
            assert_eq!(ran.code, Some(0), "{ran:?}");
        }
        desk.scene.write("records.json", desk.records().to_string());
        desk.scene.write("trust.json", desk.policy().to_string());
        desk
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scene.at(name)
    }

    fn records(&self) -> Value {
        json!([{
            "subject": {"product": "Example 1.0",
                "artifacts": [{"name": "program", "sha256": digest(&self.at("program"))}]},
            "predicate": "canary_left", "value": false, "asserted_by": "Lab",
            "method": "observed", "confidence": "high",
            "evidence": [{"sha256": digest(&self.at("recording"))}],
            "as_of": "2026-11-01", "expires": "2027-05-01",
        }])
    }

    fn policy(&self) -> Value {
        let key = |name: &str| fs::read_to_string(self.at(name)).unwrap();
        json!({
            "format": "candor-trust-1", "name": "example",
            "subject": {"artifacts": [{"name": "program", "sha256": digest(&self.at("program"))}]},
            "signers": [
                {"name": "Lab", "keys": [key("lab.pub")], "party": "independent"},
                {"name": "Maker", "keys": [key("maker.pub")], "party": "vendor"},
            ],
            "steps": [{"name": "nothing leaves", "predicate": "canary_left", "value": false,
                "signers": ["Lab"]}],
        })
    }

    fn sign(&self, key: &str, output: &str) -> Ran {
        let mut command = candor();
        command
            .args(["evidence", "sign"])
            .arg(self.at("records.json"));
        command.arg("--key").arg(self.at(key));
        command.arg("--attach").arg(self.at("recording"));
        run(command.arg("-o").arg(self.at(output)))
    }

    fn verify(&self, bundle: &str, options: &[&str]) -> Ran {
        let mut command = candor();
        command.arg("verify").arg(self.at(bundle));
        command.arg("--policy").arg(self.at("trust.json"));
        run(command.args(["--as-of", "2026-11-24"]).args(options))
    }

    /// The names of the refusals.
    fn refused(&self, bundle: &str) -> Vec<String> {
        let ran = self.verify(bundle, &["--json"]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let report = &ran.json()[0];
        Schema::published("verify").check(report);
        let names = report["refusals"].as_array().unwrap().iter();
        names
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// As `sha256sum` says.
fn digest(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}

#[test]
fn what_is_signed_and_asked_for_is_satisfied() {
    let desk = Desk::new();
    let ran = desk.sign("lab.key", "a.bundle");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = desk.verify("a.bundle", &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("met: nothing leaves"), "{ran:?}");
    let ran = desk.verify("a.bundle", &["--json"]);
    let report = &ran.json()[0];
    Schema::published("verify").check(report);
    assert_eq!(report["outcome"], "satisfied");
    let shown = run(candor().args(["evidence", "show"]).arg(desk.at("a.bundle")));
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.out.starts_with("not verified"), "{shown:?}");
    // The same records give the same bundle, and nothing that is there is replaced.
    assert_eq!(desk.sign("lab.key", "b.bundle").code, Some(0));
    let bytes = |name: &str| fs::read(desk.at(name)).unwrap();
    assert_eq!(bytes("a.bundle"), bytes("b.bundle"));
    assert_eq!(desk.sign("lab.key", "b.bundle").code, Some(2));
}

#[test]
fn records_and_policies_are_as_their_published_schemas_say() {
    let desk = Desk::new();
    let records = desk.records();
    Schema::published("evidence-record").check(&records[0]);
    Schema::published("trust-policy").check(&desk.policy());
    let schema = Schema::published("evidence-record");
    let mut wrong = records[0].clone();
    wrong["nationality"] = json!("x");
    assert!(!schema.allows(&wrong));
    desk.scene.write("records.json", wrong.to_string());
    let ran = desk.sign("lab.key", "a.bundle");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("nationality"), "{ran:?}");
}

#[test]
fn what_does_not_count_is_refused_by_name() {
    let desk = Desk::new();
    assert_eq!(desk.sign("owner.key", "unknown.bundle").code, Some(0));
    assert!(
        desk.refused("unknown.bundle")
            .contains(&"unknown-signer".to_owned())
    );
    assert_eq!(desk.sign("maker.key", "maker.bundle").code, Some(0));
    // What the maker calls an observation is its word, and its word reassures about nothing.
    assert_eq!(desk.refused("maker.bundle"), ["missing-step"]);
    assert_eq!(desk.sign("lab.key", "a.bundle").code, Some(0));
    let late = desk.verify("a.bundle", &["--as-of", "2028-01-01"]);
    assert_eq!(late.code, Some(2), "a day is named once: {late:?}");
    let whole = fs::read(desk.at("a.bundle")).unwrap();
    let place = whole
        .windows(13)
        .position(|bytes| bytes == b"the recording");
    let mut changed = whole.clone();
    changed[place.unwrap()] ^= 1;
    desk.scene.write("changed.bundle", &changed);
    let names = desk.refused("changed.bundle");
    assert!(names.contains(&"digest-mismatch".to_owned()), "{names:?}");
    desk.scene.write("cut.bundle", &whole[..whole.len() / 2]);
    assert!(desk.refused("cut.bundle").contains(&"malformed".to_owned()));
    desk.scene.write("program", "another program");
    desk.scene.write("trust.json", desk.policy().to_string());
    assert_eq!(desk.refused("a.bundle"), ["missing-step", "wrong-subject"]);
}

#[test]
fn a_policy_that_cannot_be_used_is_exit_status_2() {
    let desk = Desk::new();
    assert_eq!(desk.sign("lab.key", "a.bundle").code, Some(0));
    let mut command = candor();
    command
        .args(["evidence", "sign-policy"])
        .arg(desk.at("trust.json"));
    command.arg("--key").arg(desk.at("owner.key"));
    let ran = run(command.arg("-o").arg(desk.at("signed.json")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for (policy, key, code, name) in [
        ("signed.json", Some("owner.pub"), 0, "satisfied"),
        ("signed.json", Some("maker.pub"), 2, "bad-policy-signature"),
        ("signed.json", None, 2, "bad-policy-signature"),
        ("trust.json", Some("owner.pub"), 2, "bad-policy-signature"),
    ] {
        let mut command = candor();
        command.arg("verify").arg(desk.at("a.bundle"));
        command.arg("--policy").arg(desk.at(policy));
        if let Some(key) = key {
            command.arg("--policy-key").arg(desk.at(key));
        }
        let ran = run(command.args(["--as-of", "2026-11-24"]));
        assert_eq!(ran.code, Some(code), "{policy} {key:?}: {ran:?}");
        assert!(ran.out.contains(name), "{ran:?}");
    }
    let mut empty = desk.policy();
    empty["steps"] = json!([]);
    desk.scene.write("trust.json", empty.to_string());
    let ran = desk.verify("a.bundle", &["--json"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    Schema::published("verify").check(&ran.json()[0]);
    assert_eq!(ran.json()[0]["error"], "empty-policy");
}

#[test]
fn a_recording_without_a_signature_is_read_and_shows_nothing() {
    let desk = Desk::new();
    // Laid out as `candor lab` lays out its bundles.
    let plan = "pairs = 1\n";
    let manifest = json!({"format": 1, "candor": "0.1.0", "detectors": [], "exit": 0,
        "outcome": "complete", "members": [{"name": "plan.toml", "size_bytes": plan.len(),
        "sha256": digest(&desk.scene.write("plan.toml", plan))}]});
    desk.scene.write("bundle.json", manifest.to_string());
    let mut tar = Command::new("tar");
    tar.args(["--format=ustar", "-cf"])
        .arg(desk.at("lab.bundle"));
    tar.arg("-C")
        .arg(desk.scene.path())
        .args(["plan.toml", "bundle.json"]);
    assert!(tar.status().unwrap().success());
    assert_eq!(desk.refused("lab.bundle"), ["unsigned", "missing-step"]);
}

#[test]
fn a_record_that_rests_on_nothing_that_is_attached_is_not_signed() {
    let desk = Desk::new();
    desk.scene.write("recording", "another recording");
    let ran = desk.sign("lab.key", "a.bundle");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.err.contains("--attach"), "{ran:?}");
    assert!(!desk.at("a.bundle").exists());
}

#[test]
fn a_private_key_is_for_its_owner_alone_and_is_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let mode = fs::metadata(desk.at("lab.key"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let ran = run(candor()
        .args(["evidence", "keygen", "-o"])
        .arg(desk.at("lab")));
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

/// One statement's envelope, out of a bundle by somebody else's `tar`.
fn envelope_of(desk: &Desk, bundle: &str) -> Vec<u8> {
    let mut tar = Command::new("tar");
    tar.arg("-xOf")
        .arg(desk.at(bundle))
        .arg("statements/0001.json");
    let output = tar.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[test]
fn openssl_verifies_what_we_sign() {
    let desk = Desk::new();
    assert_eq!(desk.sign("lab.key", "a.bundle").code, Some(0));
    let envelope: Value = serde_json::from_slice(&envelope_of(&desk, "a.bundle")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let kind = text(&envelope["payloadType"]);
    let payload = base64(&text(&envelope["payload"]));
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend(payload);
    let message = desk.scene.write("message", message);
    let signature = base64(&text(&envelope["signatures"][0]["sig"]));
    let signature = desk.scene.write("signature", signature);
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]);
    openssl.arg(desk.at("lab.pub")).arg("-in").arg(message);
    match openssl.arg("-sigfile").arg(signature).output() {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(_) => println!("skipped: checking our signatures needs openssl"),
    }
}

/// As coreutils decode it.
fn base64(text: &str) -> Vec<u8> {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = Command::new("base64")
        .arg("-d")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().stdout
}

/// What somebody else's libraries make of an envelope.
const PYTHON: &str = "
import json, sys
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
envelope = Envelope.from_dict(json.load(open(sys.argv[1])))
keyid = json.load(open(sys.argv[1]))['signatures'][0]['keyid']
public = load_pem_public_key(open(sys.argv[2], 'rb').read())
key = SSlibKey.from_crypto(public, keyid=keyid)
assert list(envelope.verify([key], 1)) == [keyid]
try:
    from google.protobuf import json_format
    import in_toto_attestation.v1.statement_pb2 as pb
    from in_toto_attestation.v1.statement import Statement
except ImportError:
    print('skipped: reading our statements needs the python package in-toto-attestation')
    sys.exit(0)
statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, pb.Statement()))
statement.validate()
assert statement.pb.subject[0].digest['sha256']
";

/// A Python that has the packages: the system's, or one that was named for the tests.
fn python() -> Option<PathBuf> {
    let named = std::env::var_os("CANDOR_TEST_PYTHON").map(PathBuf::from);
    let mut candidates = named.into_iter().chain([PathBuf::from("python3")]);
    candidates.find(|python| {
        let mut command = Command::new(python);
        command.args(["-c", "import securesystemslib.dsse, cryptography"]);
        command.output().is_ok_and(|output| output.status.success())
    })
}

#[test]
fn in_totos_own_libraries_accept_what_we_sign() {
    let Some(python) = python() else {
        println!(
            "skipped: in-toto's libraries are not there: pip install securesystemslib \
             cryptography in-toto-attestation, and name that Python in CANDOR_TEST_PYTHON"
        );
        return;
    };
    let desk = Desk::new();
    assert_eq!(desk.sign("lab.key", "a.bundle").code, Some(0));
    let envelope = desk
        .scene
        .write("envelope.json", envelope_of(&desk, "a.bundle"));
    let accepts = |key: &str| {
        let mut command = Command::new(&python);
        command
            .args(["-c", PYTHON])
            .arg(&envelope)
            .arg(desk.at(key));
        let output = command.output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
        output.status.success()
    };
    assert!(accepts("lab.pub"));
    assert!(!accepts("maker.pub"));
}

#[test]
fn keys_of_openssl_are_read() {
    let desk = Desk::new();
    let made = |arguments: &[&str], output: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments).arg("-out").arg(desk.at(output));
        openssl.output().is_ok_and(|output| output.status.success())
    };
    if !made(&["genpkey", "-algorithm", "ed25519"], "ours.key") {
        println!("skipped: keys of openssl need openssl");
        return;
    }
    assert_eq!(desk.sign("ours.key", "a.bundle").code, Some(0));
    let ours = desk.at("ours.key");
    let ours = ours.to_str().unwrap();
    assert!(made(&["pkey", "-in", ours, "-pubout"], "lab.pub"));
    desk.scene.write("trust.json", desk.policy().to_string());
    assert_eq!(desk.verify("a.bundle", &[]).code, Some(0));
    assert!(made(&["genpkey", "-algorithm", "rsa"], "rsa.key"));
    let ran = desk.sign("rsa.key", "b.bundle");
    assert!(ran.err.contains("only plain Ed25519"), "{ran:?}");
}

#[test]
fn a_claim_without_passing_evidence_is_unsupported() {
    let desk = Desk::new();
    let claim = |id: &str, evidence: Value| json!({"id": id, "claim": "a claim", "argument": "because", "evidence": evidence});
    let digest = digest(&desk.at("program"));
    let case = json!({"format": "candor-case-1", "title": "example", "claims": [
        claim("1", json!([{"command": ["true"], "exit": 0}])),
        claim("2", json!([{"command": ["true"], "exit": 0}, {"command": ["false"], "exit": 0}])),
        claim("3", json!([])),
        claim("4", json!([{"command": ["true"]}])),
        claim("5", json!([{"command": ["echo", "some words"], "exit": 0, "output_has": "words"}])),
        claim("6", json!([{"command": ["echo"], "exit": 0, "output_has": "words"}])),
        claim("7", json!([{"file": "program", "sha256": digest}])),
        claim("8", json!([{"file": "recording", "sha256": digest}])),
        claim("9", json!([{"command": ["no-such-program-at-all"], "exit": 0}])),
    ]});
    Schema::published("case").check(&case);
    // A file beside a command would hide that the command does not run.
    let mut case = case;
    let both = json!([{"file": "program", "sha256": digest, "command": ["false"], "exit": 0}]);
    case["claims"]
        .as_array_mut()
        .unwrap()
        .push(claim("10", both));
    let path = desk.scene.write("case.json", case.to_string());
    let ran = run(candor()
        .args(["verify", "--all", "--json", "--case"])
        .arg(&path));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let claims = ran.json()[0]["claims"].as_array().unwrap().clone();
    let supported = claims
        .iter()
        .filter(|claim| claim["outcome"] == "supported");
    let supported: Vec<_> = supported
        .map(|claim| claim["id"].as_str().unwrap())
        .collect();
    assert_eq!(supported, ["1", "5", "7"]);
    let told = run(candor().args(["verify", "--all", "--case"]).arg(&path));
    assert!(told.out.contains("unsupported: 3"), "{told:?}");
    assert!(
        told.out.ends_with("3 of 10 claims are supported\n"),
        "{told:?}"
    );
    assert!(told.out.contains("it is both a file and a command"));
    assert!(told.out.contains("is it installed"), "{told:?}");
}

#[test]
fn the_projects_own_case_is_as_its_schema_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("case.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    Schema::published("case").check(&case);
    for claim in case["claims"].as_array().unwrap() {
        let checks = claim["evidence"].as_array().unwrap();
        for check in checks {
            let runs = check
                .get("command")
                .is_some_and(|command| command[0] == "cargo");
            assert!(runs || check.get("file").is_some(), "{check}");
        }
    }
}
