//! CVD, CLD and CUD containers: what is inside, and whether the publisher signed it.

use std::fs;
use std::path::Path;

use acceptance::archives::{gzip, tar_member};
use acceptance::cli::{Scene, candor, run};
use acceptance::shared::shared;
use md5::{Digest, Md5};

/// What `candor rules build` prints for one container.
fn built(container: &Path) -> String {
    let scene = Scene::default();
    let ran = run(candor()
        .args(["rules", "build", "-o"])
        .arg(scene.at("out.pack"))
        .arg(container));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    ran.out
}

fn header(version: u32, md5: &str, signature: &str) -> Vec<u8> {
    let mut header = format!(
        "ClamAV-VDB:24 Nov 2026 06-50 +0000:{version}:1:90:{md5}:{signature}:me:1795000000"
    )
    .into_bytes();
    header.resize(512, b' ');
    header
}

fn md5_of(body: &[u8]) -> String {
    Md5::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A database as a site builds it for itself: one signature and a list of what to leave out.
fn archive() -> Vec<u8> {
    let mut tar = tar_member(b"local.ndb", b"Local.Marker:0:*:6c6f63616c2d6d61726b6572\n");
    tar.extend(tar_member(
        b"local.hdb",
        b"44d88612fea8a8f36de82e1278abb02f:68:Local.Ignored\n",
    ));
    tar.extend(tar_member(b"local.ign2", b"Local.Ignored\n"));
    tar.extend([0; 1024]);
    tar
}

#[test]
fn the_publishers_signature_is_verified() {
    let Some(cvd) = shared(
        "signatures/clamav/bytecode.cvd",
        "the publisher's signature",
    ) else {
        return;
    };
    let said = built(&cvd);
    assert!(
        said.contains("signature verified with the ClamAV publisher's key"),
        "{said}"
    );
    assert!(said.contains("bytecode is never run"), "{said}");
}

#[test]
fn a_changed_container_is_not_verified_and_says_why() {
    let Some(cvd) = shared("signatures/clamav/bytecode.cvd", "a tampered container") else {
        return;
    };
    let scene = Scene::default();
    let original = fs::read(&cvd).unwrap();
    let mut changed = original.clone();
    *changed.last_mut().unwrap() ^= 1;
    let said = built(&scene.write("bytecode.cvd", &changed));
    assert!(
        said.contains("NOT verified: the body's MD5 is not the one in the header"),
        "{said}"
    );
    // The digest mended, as an attacker would: the signature was made for another body.
    let text = String::from_utf8_lossy(&original[..512]).into_owned();
    let fields: Vec<&str> = text.split(':').collect();
    let mended = text
        .replace(fields[5], &md5_of(&changed[512..]))
        .into_bytes();
    changed.splice(..512, mended);
    let said = built(&scene.write("bytecode.cvd", &changed));
    assert!(
        said.contains("NOT verified: the signature was made for another body"),
        "{said}"
    );
}

#[test]
fn containers_built_at_home_are_used_and_not_called_verified() {
    let scene = Scene::default();
    let body = archive();
    let packed = gzip(&body);
    scene.write("sample", b"xx local-marker xx");
    for (name, body) in [
        ("site.cld", &body),
        ("site.cvd", &packed),
        ("site.cud", &packed),
    ] {
        let container = [header(7, &md5_of(body), "x"), body.clone()].concat();
        let path = scene.write(name, container);
        let said = built(&path);
        assert!(said.contains("container version 7"), "{said}");
        assert!(said.contains("NOT verified"), "{said}");
        assert!(said.contains("1 signature"), "{said}");
        let ran = run(candor()
            .args(["scan", "--json", "--db"])
            .arg(&path)
            .arg(scene.at("sample")));
        assert_eq!(ran.code, Some(1), "{name}: {}{}", ran.out, ran.err);
        let finding = &ran.json()[0]["findings"][0];
        assert_eq!(finding["name"], "Local.Marker");
        assert_eq!(finding["rule"]["source"], format!("{name}/local.ndb"));
    }
}

#[test]
fn a_file_that_is_no_container_is_dropped_by_name() {
    let scene = Scene::default();
    let path = scene.write("broken.cvd", b"this is not a database");
    let said = built(&path);
    assert!(
        said.contains("does not begin with the header of a ClamAV container"),
        "{said}"
    );
}

#[test]
fn a_container_cut_anywhere_never_ends_the_compilation() {
    let scene = Scene::default();
    let packed = gzip(&archive());
    let container = [header(7, &md5_of(&packed), "x"), packed].concat();
    for cut in (0..container.len()).step_by(29) {
        let path = scene.write("cut.cvd", &container[..cut]);
        let said = built(&path);
        assert!(said.contains("dropped"), "cut at {cut}: {said}");
    }
}
