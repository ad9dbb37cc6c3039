//! The lab's gateway, with the programs that people have, in a network namespace whose only way
//! out ends in it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helping functions too"
)]

use std::path::Path;

use acceptance::lab_network::{self, Enclosed, Records, sent};
use lab::gateway::{Event, TlsOutcome};

/// An enclosure, or the reason why there is none here.
fn enclosed() -> Option<Enclosed> {
    if let Some(missing) = lab_network::missing() {
        println!("skipped: {missing}");
        return None;
    }
    Some(Enclosed::start(lab_network::settings()))
}

/// Whether a client is installed; where not, the test says what it leaves out.
fn has(program: &str) -> bool {
    let found = ["/usr/bin", "/bin", "/usr/sbin"]
        .iter()
        .any(|folder| Path::new(folder).join(program).exists());
    if !found {
        println!("skipped: what {program} sees, which is not installed");
    }
    found
}

fn requests(records: &Records) -> Vec<(String, String, u16, u64)> {
    let found = records.events.iter().filter_map(|event| match event {
        Event::Http {
            method,
            path,
            status,
            request_bytes,
            ..
        } => Some((
            method.to_string(),
            path.to_string(),
            *status,
            *request_bytes,
        )),
        _ => None,
    });
    found.collect()
}

fn handshakes(records: &Records) -> Vec<(TlsOutcome, String)> {
    let found = records.events.iter().filter_map(|event| match event {
        Event::Tls {
            outcome,
            server_name,
            ..
        } => {
            let name = server_name.as_ref().map(ToString::to_string);
            Some((*outcome, name.unwrap_or_default()))
        }
        _ => None,
    });
    found.collect()
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn curl_is_answered_and_what_it_sent_is_in_the_capture() {
    let Some(enclosed) = enclosed().filter(|_| has("curl")) else {
        return;
    };
    assert!(enclosed.jail.holds, "{:?}", enclosed.jail);
    std::fs::write(
        enclosed.folder.path().join("body"),
        "the secret in the body",
    )
    .unwrap();
    let out = enclosed.says(0, "curl -sS -w '%{http_code}' http://a.example/x");
    assert_eq!(out, "not found\n404");
    let out = enclosed.says(0, "curl -sS -4 --data-binary @body http://a.example/up");
    assert_eq!(out, "ok\n");
    let out = enclosed.says(
        0,
        "curl -sS -6 --data-binary @body http://a.example:8080/up6",
    );
    assert_eq!(out, "ok\n");
    let out = enclosed.says(
        0,
        "curl -sS --cacert $CA --data-binary @body https://a.example/tls",
    );
    assert_eq!(out, "ok\n");
    let _ = enclosed.says(60, "curl -sS --data-binary @body https://pinned.example/");
    let _ = enclosed.says(
        0,
        "curl -sS --cacert $CA --tls-max 1.2 https://old.example/old",
    );
    let records = enclosed.end();
    let requests = requests(&records);
    assert!(
        requests.contains(&("GET".into(), "/x".into(), 404, 0)),
        "{requests:?}"
    );
    for path in ["/up", "/up6", "/tls"] {
        assert!(
            requests.contains(&("POST".into(), path.into(), 200, 22)),
            "{requests:?}"
        );
    }
    let handshakes = handshakes(&records);
    assert!(
        handshakes.contains(&(TlsOutcome::Intercepted, "a.example".into())),
        "{handshakes:?}"
    );
    assert!(
        handshakes.contains(&(TlsOutcome::RefusedByClient, "pinned.example".into())),
        "{handshakes:?}"
    );
    assert!(holds(
        &sent(&records.capture, "plaintext", 443),
        b"the secret in the body"
    ));
    assert!(holds(
        &sent(&records.capture, "tun", 80),
        b"the secret in the body"
    ));
    assert!(holds(
        &sent(&records.capture, "tun", 8080),
        b"the secret in the body"
    ));
    assert!(!holds(
        &sent(&records.capture, "tun", 443),
        b"the secret in the body"
    ));
    assert!(
        records.keys.contains("CLIENT_TRAFFIC_SECRET_0 "),
        "{}",
        records.keys
    );
    assert!(records.keys.contains("CLIENT_RANDOM "), "{}", records.keys);
    assert!(records.summary.lost.is_empty(), "{:?}", records.summary);
}
