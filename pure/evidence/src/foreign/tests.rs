//! Documents of other tools, as they write them, and what they are worth.

use super::*;
use crate::collect::{Input, collect};
use crate::envelope::IN_TOTO;
use crate::examples::{BUILD, key, sealed};
use crate::trust::Trust;
use crate::verify::{read_unverified, verify};
use crate::{Held, Standing};

fn read(text: &str) -> Vec<(String, String)> {
    let read = of_document(text.as_bytes()).unwrap();
    let records = read.records.iter();
    records
        .map(|record| {
            assert_eq!(record.method, Method::VendorStated);
            record.check().unwrap();
            let Value::Known(fact) = &record.value else {
                panic!("unknown");
            };
            (record.predicate.to_string(), fact.to_string())
        })
        .collect()
}

fn pair(predicate: &str, value: &str) -> (String, String) {
    (predicate.to_owned(), value.to_owned())
}

fn build() -> String {
    Sha256Digest::of(BUILD).to_string()
}

fn slsa_v1() -> String {
    r#"{"buildDefinition":{"buildType":"x","externalParameters":{},"resolvedDependencies":
        [{"uri":"git+https://example.org/a","digest":{"gitCommit":"abc"}},{"uri":"no-digest"}]},
        "runDetails":{"builder":{"id":"https://ci.example.org"},
        "metadata":{"finishedOn":"2026-11-02T10:00:00Z"}}}"#
        .to_owned()
}

fn statement(kind: &str, predicate: &str) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","predicateType":"{kind}","subject":
        [{{"name":"example","digest":{{"sha256":"{}"}}}}],"predicate":{predicate}}}"#,
        build()
    )
}

#[test]
fn slsa_provenance_says_who_built_it_from_what() {
    let wanted = [
        pair("built_by", "https://ci.example.org"),
        pair("built_from", "git+https://example.org/a gitCommit:abc"),
    ];
    assert_eq!(
        read(&statement("https://slsa.dev/provenance/v1", &slsa_v1())),
        wanted
    );
    let older = r#"{"builder":{"id":"https://ci.example.org"},"buildType":"x","materials":
        [{"uri":"git+https://example.org/a","digest":{"gitCommit":"abc"}}]}"#;
    let older = statement("https://slsa.dev/provenance/v0.2", older)
        .replace("Statement/v1", "Statement/v0.1");
    assert_eq!(read(&older), wanted);
    assert!(of_document(statement("https://slsa.dev/provenance/v1", "{}").as_bytes()).is_err());
}

#[test]
fn a_cyclonedx_bill_says_what_is_in_it_and_what_speaks_against_its_claims() {
    for version in ["1.6", "1.7"] {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"{version}","metadata":{{
            "timestamp":"2026-11-01T00:00:00Z","supplier":{{"name":"Maker"}},
            "component":{{"name":"example","version":"1","hashes":
              [{{"alg":"SHA-1","content":"x"}},{{"alg":"SHA-256","content":"{}"}}]}}}},
            "components":[{{"name":"a","version":"2","licenses":[{{"license":{{"id":"MIT"}}}}],
              "components":[{{"name":"inner","purl":"pkg:cargo/inner@3"}}]}}],
            "vulnerabilities":[{{"id":"CVE-1","analysis":{{"state":"exploitable"}}}},{{"id":"CVE-2"}},
              {{"id":"CVE-3","analysis":{{"state":"not_affected"}}}}],
            "declarations":{{"evidence":[{{"bom-ref":"e1","description":"one flow was seen"}}],
              "claims":[{{"predicate":"sends nothing","counterEvidence":["e1"]}}]}}}}"#,
            build()
        );
        assert_eq!(
            read(&text),
            [
                pair("component", "a@2, pkg:cargo/inner@3"),
                pair("component_licence", "MIT"),
                pair("affected_by", "CVE-1"),
                pair("not_affected_by", "CVE-3"),
                pair("under_investigation", "CVE-2"),
                pair("vendor_claim", "sends nothing"),
            ]
        );
        let records = of_document(text.as_bytes()).unwrap().records;
        assert_eq!(records[5].counter[0].text, "one flow was seen");
        assert_eq!(records[0].asserted_by, "Maker");
    }
    let other = r#"{"bomFormat":"CycloneDX","specVersion":"2.0"}"#;
    assert!(of_document(other.as_bytes()).unwrap_err().contains("2.0"));
}

#[test]
fn spdx_of_both_forms_says_what_is_in_it() {
    let two = format!(
        r#"{{"spdxVersion":"SPDX-2.3","name":"d","creationInfo":{{"created":"2026-11-01T00:00:00Z",
        "creators":["Organization: Maker"]}},"packages":[
        {{"SPDXID":"SPDXRef-1","name":"example","versionInfo":"1","licenseConcluded":"NOASSERTION",
          "checksums":[{{"algorithm":"SHA256","checksumValue":"{}"}}]}},
        {{"SPDXID":"SPDXRef-2","name":"a","versionInfo":"2","licenseDeclared":"MIT"}}],
        "relationships":[{{"spdxElementId":"SPDXRef-DOCUMENT","relationshipType":"DESCRIBES",
          "relatedSpdxElement":"SPDXRef-1"}}]}}"#,
        build()
    );
    let three = format!(
        r#"{{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[
        {{"type":"CreationInfo","@id":"_:c","created":"2026-11-01T00:00:00Z","createdBy":["urn:o"]}},
        {{"type":"Organization","spdxId":"urn:o","name":"Maker"}},
        {{"type":"SpdxDocument","spdxId":"urn:d","rootElement":["urn:1"]}},
        {{"type":"software_Package","spdxId":"urn:1","name":"example","verifiedUsing":
          [{{"type":"Hash","algorithm":"sha256","hashValue":"{}"}}]}},
        {{"type":"software_Package","spdxId":"urn:2","name":"a","software_packageVersion":"2"}},
        {{"type":"simplelicensing_LicenseExpression","simplelicensing_licenseExpression":"MIT"}}]}}"#,
        build()
    );
    for text in [two, three] {
        let wanted = [pair("component", "a@2"), pair("component_licence", "MIT")];
        assert_eq!(read(&text), wanted);
    }
}

#[test]
fn openvex_says_what_affects_what() {
    let text = format!(
        r#"{{"@context":"https://openvex.dev/ns/v0.2.0","author":"Maker",
        "timestamp":"2026-11-01T00:00:00Z","statements":[
        {{"vulnerability":{{"name":"CVE-1"}},"status":"not_affected","products":
          [{{"@id":"pkg:example","hashes":{{"sha-256":"{}"}}}}]}},
        {{"vulnerability":"CVE-2","status":"affected","products":[{{"@id":"pkg:unbound"}}]}}]}}"#,
        build()
    );
    assert_eq!(read(&text), [pair("not_affected_by", "CVE-1")]);
}

#[test]
fn what_is_bound_to_no_file_yields_no_record() {
    let text = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"name":"a"}]}"#;
    let read = of_document(text.as_bytes()).unwrap();
    assert!(read.records.is_empty());
    assert!(read.notes.iter().any(|note| note.contains("no file")));
}

/// Records of one envelope under the example's policy.
fn held(letter: u8, payload: &str, policy: &str) -> Vec<Held> {
    let envelope = sealed(IN_TOTO, payload.as_bytes(), &[key(letter)]);
    let day = Date::parse("2026-11-24").unwrap();
    let trust = Trust::read(policy.as_bytes(), None, day).unwrap();
    let input = Input {
        label: "e",
        source: &envelope.as_bytes(),
    };
    verify(&trust, day, &collect(&[input])).records
}

#[test]
fn the_same_words_are_worth_what_their_signer_is() {
    let policy = crate::verify::tests::policy();
    let payload = statement("https://slsa.dev/provenance/v1", &slsa_v1());
    for (letter, method, standing, reassures) in [
        (b'A', Method::Observed, Standing::Counts, true),
        (b'M', Method::VendorStated, Standing::Counts, false),
        (b'X', Method::VendorStated, Standing::UnknownSigner, false),
    ] {
        let held = held(letter, &payload, &policy);
        assert_eq!(held.len(), 2);
        assert_eq!(held[0].record.method, method);
        assert_eq!(
            (held[0].standing, held[0].may_reassure()),
            (standing, reassures)
        );
    }
}

#[test]
fn a_cosign_bundle_is_opened_and_its_certificate_is_not_believed() {
    let policy = crate::verify::tests::policy();
    let payload = statement("https://slsa.dev/provenance/v1", &slsa_v1());
    let envelope = sealed(IN_TOTO, payload.as_bytes(), &[key(b'A')]);
    let bundle = |material: &str| {
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial":{material},"dsseEnvelope":{envelope}}}"#
        )
    };
    let day = Date::parse("2026-11-24").unwrap();
    let trust = Trust::read(policy.as_bytes(), None, day).unwrap();
    let by_key = bundle(r#"{"publicKey":{"hint":"x"}}"#);
    let input = Input {
        label: "e",
        source: &by_key.as_bytes(),
    };
    let verified = verify(&trust, day, &collect(&[input]));
    assert_eq!(verified.records[0].standing, Standing::Counts);
    let mut der = vec![
        0x30, 0x20, 0x06, 0x03, 0x55, 0x1d, 0x11, 0x04, 0x0f, 0x30, 0x0d, 0x81, 0x0b,
    ];
    der.extend(b"a@b.example");
    let certificate = format!(
        r#"{{"certificate":{{"rawBytes":"{}"}}}}"#,
        seal::base64::encode(&der)
    );
    let keyless = bundle(&certificate);
    let input = Input {
        label: "e",
        source: &keyless.as_bytes(),
    };
    let shown = read_unverified(&collect(&[input]));
    assert!(shown.notes[0].contains("not verified") && shown.notes[0].contains("a@b.example"));
}
