//! The kinds of signature lines beside bodies, digests and containers: certificates that a
//! database blocks, two old kinds, and those that are checked and counted.

#![expect(clippy::expect_used, reason = "a test that can't go on should stop")]

use acceptance::cli::{Scene, candor, run};
use acceptance::corpus::samples;
use acceptance::peer;
use acceptance::signatures::hex;

/// The SHA-1 digests of the names and serial numbers in `pe/signed`.
const OWN: [&str; 2] = [
    "b5e9817781a81608043e02170e53538b664ff643",
    "2a01053ffa80accd0d54173688232fdfb5f17775",
];
const ABOVE: [&str; 2] = [
    "8b671ef2dce16b7c9fd9f0c6cb345899a31f7484",
    "280c35b5e820382e4032008f87edac1b01f4ae42",
];

fn bytes_of(name: &str) -> Vec<u8> {
    let all = samples();
    let found = all.into_iter().find(|sample| sample.name == name);
    found.expect("the sample is in the corpus").bytes
}

/// The moduli in a file: what follows the head of an integer of 2,048 bits.
fn keys(bytes: &[u8]) -> Vec<String> {
    const HEAD: [u8; 5] = [2, 0x82, 1, 1, 0];
    let places = bytes.windows(HEAD.len()).enumerate();
    places
        .filter(|(_, place)| *place == HEAD)
        .map(|(at, _)| hex(&bytes[at + HEAD.len()..][..256]))
        .collect()
}

/// Lines about two certificates: right, and wrong in each of their fields.
fn lines(keys: &[String]) -> String {
    let mut text = String::new();
    let nothing = "00".repeat(20);
    let other = "11".repeat(256);
    for (who, [subject, serial], key) in [("Own", OWN, &keys[0]), ("Above", ABOVE, &keys[1])] {
        let zeros = format!("00{key}");
        for (name, subject, serial, key, rest) in [
            ("Right", subject, serial, key, "1;1;1;0;c"),
            ("NoSerial", subject, "", key, "1;1;1;;c"),
            ("NoUse", subject, serial, key, "0;0;0;0;c"),
            ("Late", subject, serial, key, "1;1;1;4000000000;c"),
            ("Zeros", subject, serial, &zeros, "1;1;1;0;c"),
            ("Level", subject, serial, key, "1;1;1;0;c;216"),
            ("Levels", subject, serial, key, "1;1;1;0;c;1;216"),
            ("Subject", &nothing, serial, key, "1;1;1;0;c"),
            ("Serial", subject, &nothing, key, "1;1;1;0;c"),
            ("Key", subject, serial, &other, "1;1;1;0;c"),
            ("Future", subject, serial, key, "1;1;1;0;c;217"),
            ("Past", subject, serial, key, "1;1;1;0;c;1;215"),
        ] {
            text += &format!("{who}.{name};0;{subject};{serial};{key};010001;{rest}\n");
        }
    }
    text
}

#[test]
fn blocked_certificates_are_found_where_the_peer_finds_them() {
    if !peer::is_there("blocked certificates against clamscan") {
        return;
    }
    let signed = bytes_of("pe/signed");
    let scene = Scene::default();
    let mut tampered = signed.clone();
    tampered[600] ^= 1;
    scene.write("files/signed.exe", &signed);
    scene.write("files/tampered.exe", tampered);
    scene.write("files/plain.exe", bytes_of("pe/wide"));
    let mut matches = 0;
    // Of several lines for one certificate the peer tells one.
    for line in lines(&keys(&signed)).lines() {
        scene.write("db/a.crb", line);
        matches += peer::assert_same(&scene.at("db"), &scene.at("files"));
    }
    assert_eq!(matches, 2 * 2 * 7);
}

/// The peer looks only where the certificates end with the file: one more byte hides them from it.
#[test]
fn a_blocked_certificate_is_found_before_appended_data_and_where_the_file_is_cut() {
    let signed = bytes_of("pe/signed");
    let scene = Scene::default();
    scene.write("db/a.crb", lines(&keys(&signed)));
    scene.write("files/longer.exe", [&signed[..], b"more"].concat());
    scene.write("files/inside.tar", bytes_of("tar/ustar"));
    let fired = peer::candor(&scene.at("db"), &scene.at("files"));
    let is_own =
        |(file, name): &&(String, String)| file == "longer.exe" && name.starts_with("Own.Right");
    assert_eq!(fired.iter().filter(is_own).count(), 1, "{fired:?}");
}

#[test]
fn what_is_only_counted_is_counted_with_its_reason() {
    let scene = Scene::default();
    let signed = bytes_of("pe/signed");
    let key = &keys(&signed)[0];
    let [subject, serial] = OWN;
    let trusted = format!("T;1;{subject};{serial};{key};010001;1;1;1;0;c\n");
    let icon = format!("I:A:B:20{}\n", "0".repeat(122));
    for (name, text) in [
        ("a.crb", trusted.as_str()),
        ("a.cat", "anything\nat all\n"),
        (
            "a.ftm",
            "0:0:504b0304:ZIP:CL_TYPE_ANY:CL_TYPE_ZIP\n0:0:4c00:L:CL_TYPE_ANY:CL_TYPE_LNK\n",
        ),
        (
            "a.cfg",
            "PE:0x1:1:255\nOTHER:0x6FF:90:99\nWRONG:0x1:1:255\n",
        ),
        ("a.idb", &icon),
        (
            "a.pdb",
            "H:example.com\nR:.+\\.example\\.org([/?].*)?:17-\n",
        ),
        ("a.wdb", "M:a.example:b.example\n"),
        ("a.gdb", "S1:P:01020304\n"),
        ("a.db", "Old=6162636465\n"),
        ("a.rmd", "Old:0:a:*:*:*:*:*:*\n"),
        ("a.zmd", "Old:0:a:*:*:0194bb2c:*:*:*\n"),
        ("a.ioc", "<ioc/>\n"),
    ] {
        scene.write(format!("db/{name}"), text);
    }
    let built = run(candor()
        .args(["rules", "build", "-o"])
        .arg(scene.at("pack"))
        .arg(scene.at("db")));
    assert_eq!(built.code, Some(0), "{}{}", built.out, built.err);
    for told in [
        "pending: 1 × certificates that are trusted",
        "pending: 1 × catalogs of trusted files",
        "pending: 1 × file types that are not told apart",
        "left out: 1 × a database does not choose which parts of the scanner run",
        "left out: 1 × for other engine versions",
        "dropped: 1 × the category of a setting is not known",
        "pending: 1 × icon signatures",
        "pending: 2 × phishing: sites that links pretend to lead to",
        "pending: 1 × phishing: links that are allowed",
        "pending: 1 × phishing: digests of links",
        "pending: 1 × body signatures of an old kind",
        "pending: 1 × metadata of a container that is not unpacked yet",
        "pending: 1 × metadata with a checksum",
        "pending: 1 × OpenIOC documents",
    ] {
        assert!(built.out.contains(told), "{told} in {}", built.out);
    }
}
