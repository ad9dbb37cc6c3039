//! Archives that are opened with passwords from signature files, as the peer opens them, and more.

use std::fs;

use acceptance::cli::{Scene, candor, run};
use acceptance::corpus::samples;
use acceptance::peer;

/// The second line of what the encrypted samples hold.
const OPENED: &str = "Opened:0:*:67616d6d612d383236380a67616d6d612d\n";
const PASSWORDS: &str = "wrong;Engine:81-255,Container:CL_TYPE_ZIP;0;infected\n\
                         right;Engine:81-255,Container:CL_TYPE_ZIP;1;736563726574\n";
/// What the peer opens too; it does not know AES.
const TRADITIONAL: [&str; 2] = ["zip/encrypted", "zip/encrypted-streamed"];
const AES: [&str; 3] = ["zip/aes-128", "zip/aes-192", "zip/aes-256"];

/// A database and encrypted archives beside one that is not.
fn scene(passwords: &str, archives: &[&str]) -> Scene {
    let scene = Scene::default();
    fs::create_dir(scene.at("db")).unwrap();
    fs::create_dir(scene.at("files")).unwrap();
    scene.write("db/a.ndb", OPENED.as_bytes());
    scene.write("db/a.pwdb", passwords.as_bytes());
    for sample in samples() {
        if archives.contains(&sample.name.as_str()) {
            let name = sample.name.replace('/', "-");
            scene.write(&format!("files/{name}"), &sample.bytes);
        }
    }
    scene
}

#[test]
fn passwords_open_what_the_peer_opens() {
    if !peer::is_there("archives with passwords against clamscan") {
        return;
    }
    let all = [&TRADITIONAL[..], &["zip/deflate"]].concat();
    let right = scene(PASSWORDS, &all);
    let same = peer::assert_same(&right.at("db"), &right.at("files"));
    assert_eq!(same, all.len());
    let wrong = scene("a;Engine:81-255;0;infected\n", &all);
    let same = peer::assert_same(&wrong.at("db"), &wrong.at("files"));
    assert_eq!(same, 1);
}

#[test]
fn an_archive_that_a_password_opens_is_wholly_looked_at() {
    let scene = scene(PASSWORDS, &AES);
    let ran = run(candor()
        .args(["scan", "--db"])
        .arg(scene.at("db"))
        .arg(scene.at("files")));
    assert_eq!(ran.code, Some(1), "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("Opened FOUND").count(), AES.len());
    assert!(!ran.out.contains("encrypted"), "{}", ran.out);
}

#[test]
fn an_archive_that_no_password_opens_stays_incomplete() {
    let all = [&TRADITIONAL[..], &AES].concat();
    let scene = scene("a;Engine:81-255;0;infected\n", &all);
    let ran = run(candor()
        .args(["scan", "--db"])
        .arg(scene.at("db"))
        .arg(scene.at("files")));
    assert_eq!(ran.code, Some(2), "{}{}", ran.out, ran.err);
    assert_eq!(ran.out.matches("incomplete: encrypted").count(), all.len());
}
