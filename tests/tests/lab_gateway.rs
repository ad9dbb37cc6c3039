//! The lab's gateway, with the programs that people have, in a network namespace whose only way
//! out ends in it.

use std::os::fd::AsFd;
use std::path::Path;

use acceptance::lab_network::{self, Enclosed, Records, is_given, packets, sent};
use lab::control::{DnsAnswer, Order, Reply, Settings, VendorFile};
use lab::gateway::{Event, TlsOutcome};
use lab::plan::{Network, PhaseName, VendorAnswer};
use lab::trace::Protocol;

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
    let secret = b"the secret in the body";
    for (interface, port) in [("plaintext", 443), ("tun", 80), ("tun", 8080)] {
        let sent = sent(&records.capture, interface, port);
        assert!(holds(&sent, secret), "{interface} {port}");
    }
    assert!(!holds(&sent(&records.capture, "tun", 443), secret));
    assert!(
        records.keys.contains("CLIENT_TRAFFIC_SECRET_0 "),
        "{}",
        records.keys
    );
    assert!(records.keys.contains("CLIENT_RANDOM "), "{}", records.keys);
    assert!(records.summary.lost.is_empty(), "{:?}", records.summary);
}

#[test]
fn every_name_has_an_address_and_every_question_is_recorded() {
    let Some(enclosed) = enclosed().filter(|_| has("getent")) else {
        return;
    };
    let four = enclosed.says(0, "getent ahostsv4 Some.Host.Example | head -1");
    let six = enclosed.says(0, "getent ahostsv6 some.host.example | head -1");
    for line in [&four, &six] {
        let address = line.split_whitespace().next().unwrap_or_default();
        assert!(is_given(address), "{line}");
    }
    if has("dig") {
        let dig = |question: &str| enclosed.says(0, &format!("dig +short +tries=1 {question}"));
        let address = dig("some.host.example @192.0.2.53");
        assert_eq!(four.split_whitespace().next(), Some(address.trim()));
        assert_eq!(dig("+tcp some.host.example @2001:db8::53"), address);
        assert_eq!(
            dig(&format!("-x {}", address.trim())),
            "some.host.example.\n"
        );
        assert_eq!(dig("some.host.example MX"), "10 mail.some.host.example.\n");
        assert_eq!(
            dig("_ldap._tcp.host.example SRV"),
            "0 0 389 host.example.\n"
        );
        assert_eq!(dig("some.host.example TXT"), "\"v=spf1 -all\"\n");
        assert_eq!(dig("some.host.example HTTPS"), "");
        assert!(dig("some.host.example SOA").starts_with("ns.some.host.example. hostmaster."));
    }
    let records = enclosed.end();
    let asked = |wanted: &str, over: &str| {
        records.events.iter().any(|event| {
            matches!(event, Event::Dns { name, kind, transport, .. }
                if name.as_str() == "some.host.example" && kind == wanted && transport == over)
        })
    };
    assert!(asked("AAAA", "udp"));
    if has("dig") {
        assert!(asked("A", "tcp") && asked("HTTPS", "udp"));
    }
    assert!(records.events.iter().any(
        |event| matches!(event, Event::Dns { name, .. } if name.as_str() == "Some.Host.Example")
    ));
}

#[test]
fn ping_is_answered_over_both_versions() {
    let Some(enclosed) = enclosed().filter(|_| has("ping")) else {
        return;
    };
    let _ = enclosed.says(0, "ping -c 2 -i 0.2 -W 2 192.0.2.1");
    let _ = enclosed.says(0, "ping -c 2 -i 0.2 -W 2 -s 1200 2001:db8::1");
    let records = enclosed.end();
    for kind in [8, 128] {
        let count = records.events.iter();
        let count = count
            .filter(|event| matches!(event, Event::Icmp { kind: found, .. } if *found == kind));
        assert_eq!(count.count(), 2, "{kind}");
    }
}

#[test]
fn other_clients_of_tls_are_intercepted_too() {
    let Some(enclosed) = enclosed() else {
        return;
    };
    if has("openssl") {
        let ask = "printf 'GET /o HTTP/1.0\\r\\n\\r\\n' | openssl s_client -quiet -CAfile $CA \
                   -verify_return_error -verify_hostname o.example -servername o.example \
                   -connect o.example:8443";
        assert!(enclosed.says(0, ask).ends_with("not found\n"));
    }
    if has("gnutls-cli") {
        let ask = "printf 'GET /g HTTP/1.0\\r\\n\\r\\n' | \
                   gnutls-cli --x509cafile $CA -p 8444 g.example";
        assert!(enclosed.says(0, ask).contains("404 Not Found"));
    }
    let by_address = "curl -sS --cacert $CA https://192.0.2.9/address";
    let _ = enclosed.says(0, by_address);
    let python = "SSL_CERT_FILE=$CA python3 -c \"
import urllib.request as r
print(r.urlopen(r.Request('https://p.example/p', data=b'said by python')).read())\"";
    assert_eq!(enclosed.says(0, python), "b'ok\\n'\n");
    let records = enclosed.end();
    let mut paths: Vec<String> = requests(&records).into_iter().map(|one| one.1).collect();
    paths.sort();
    for (program, path) in [
        ("openssl", "/o"),
        ("gnutls-cli", "/g"),
        ("sh", "/p"),
        ("sh", "/address"),
    ] {
        assert!(
            !has(program) || paths.iter().any(|found| found == path),
            "{paths:?}"
        );
    }
    assert!(sent(&records.capture, "plaintext", 443).ends_with(b"said by python"));
}

#[test]
fn a_client_that_offers_http_2_alone_is_recorded_in_plain_all_the_same() {
    let Some(enclosed) = enclosed().filter(|_| has("openssl")) else {
        return;
    };
    let ask = "printf 'PRI * HTTP/2.0 secret' | openssl s_client -quiet -no_ign_eof -CAfile $CA \
               -alpn h2 -servername o.example -connect o.example:443";
    let _ = enclosed.says(0, ask);
    let records = enclosed.end();
    assert_eq!(
        sent(&records.capture, "plaintext", 443),
        b"PRI * HTTP/2.0 secret"
    );
}

#[test]
fn a_client_that_trusts_one_key_alone_is_recorded_as_refusing() {
    let Some(enclosed) = enclosed().filter(|_| has("curl")) else {
        return;
    };
    let pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let _ = enclosed.says(
        90,
        &format!("curl -sS --cacert $CA --pinnedpubkey {pin} https://k.example/"),
    );
    let records = enclosed.end();
    let refused = (TlsOutcome::RefusedByClient, "k.example".to_owned());
    assert_eq!(handshakes(&records), [refused]);
}

#[test]
fn what_nobody_here_speaks_is_taken_in_and_recorded() {
    let Some(enclosed) = enclosed() else {
        return;
    };
    let python = "python3 -c \"
import socket
one = socket.create_connection(('n.example', 4321)); one.sendall(b'words that are no protocol')
one.shutdown(socket.SHUT_WR); print(one.recv(10))
two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); two.sendto(b'into nothing', ('192.0.2.3', 9999))
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); six.sendto(b'into nothing', ('2001:db8::3', 9999))
bad = socket.create_connection(('n.example', 443)); bad.sendall(b'\\x16\\x03\\x01\\x00\\x05hello')
bad.recv(100)\"";
    assert_eq!(enclosed.says(0, python), "b''\n");
    if has("nc") {
        let _ = enclosed.says(0, "echo over nc | nc -N -w 5 192.0.2.4 5555");
    }
    if has("wget") {
        let _ = enclosed.says(8, "wget -q -T 5 -t 1 -O - http://w.example:31337/w");
    }
    let records = enclosed.end();
    assert_eq!(
        sent(&records.capture, "tun", 4321),
        b"words that are no protocol"
    );
    let flows: Vec<(Protocol, u16, u64)> = records
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Flow {
                protocol,
                port,
                sent_bytes,
                ..
            } => Some((*protocol, *port, *sent_bytes)),
            _ => None,
        })
        .collect();
    assert!(flows.contains(&(Protocol::Tcp, 4321, 26)), "{flows:?}");
    assert_eq!(
        flows
            .iter()
            .filter(|flow| **flow == (Protocol::Udp, 9999, 12))
            .count(),
        2
    );
    assert_eq!(handshakes(&records), [(TlsOutcome::NotTls, String::new())]);
    assert!(!has("wget") || requests(&records).iter().any(|one| one.1 == "/w"));
    assert!(!has("nc") || sent(&records.capture, "tun", 5555) == b"over nc\n");
}

#[test]
fn quic_is_refused_so_that_the_client_falls_back() {
    let Some(enclosed) = enclosed() else {
        return;
    };
    let python = "python3 -c \"
import socket
for family, host in ((socket.AF_INET, '192.0.2.3'), (socket.AF_INET6, '2001:db8::3')):
    one = socket.socket(family, socket.SOCK_DGRAM); one.settimeout(5); one.connect((host, 443))
    one.send(b'\\xc3\\x00\\x00\\x00\\x01' + bytes(1195))
    try: one.recv(10)
    except ConnectionRefusedError: print('refused')\"";
    assert_eq!(enclosed.says(0, python), "refused\nrefused\n");
    let records = enclosed.end();
    let count = records
        .events
        .iter()
        .filter(|event| matches!(event, Event::Quic { port: 443, .. }));
    assert_eq!(count.count(), 2);
}

#[test]
fn a_mail_is_taken_and_names_are_resolved_over_tls() {
    let Some(enclosed) = enclosed() else {
        return;
    };
    let python = "python3 -c \"
import smtplib, socket, ssl, os, struct
with smtplib.SMTP('mail.example', 25) as mail:
    mail.sendmail('a@a.example', ['b@b.example'], 'Subject: x\\r\\n\\r\\nthe secret in the mail')
trust = ssl.create_default_context(cafile=os.environ['CA'])
dns = trust.wrap_socket(socket.create_connection(('192.0.2.53', 853)), server_hostname='dns.example')
ask = bytes.fromhex('abcd01000001000000000000') + b'\\x01a\\x07example\\x00\\x00\\x01\\x00\\x01'
dns.sendall(struct.pack('>H', len(ask)) + ask)
print(dns.recv(500)[2:4].hex())\"";
    assert_eq!(enclosed.says(0, python), "abcd\n");
    let records = enclosed.end();
    assert!(holds(
        &sent(&records.capture, "tun", 25),
        b"the secret in the mail"
    ));
    let dns = records.events.iter().any(|event| {
        matches!(event, Event::Dns { name, transport, .. } if name.as_str() == "a.example" && transport == "tls")
    });
    assert!(dns);
}

/// A look-up that is answered while the product updates, a mirror, and a name with a version.
fn scripted() -> Settings {
    let mut settings = lab_network::settings();
    let answer = |path: &str| VendorAnswer {
        path: Some(path.to_owned()),
        status: 200,
        ..VendorAnswer::default()
    };
    settings.vendor = vec![
        VendorAnswer {
            text: Some("yes".to_owned()),
            delay_ms: 300,
            headers: [("X-Lab".to_owned(), "1".to_owned())].into(),
            phases: vec![PhaseName::Update],
            ..answer("/look-up*")
        },
        VendorAnswer {
            file: Some("mirror".to_owned()),
            host: Some("*.mirror.example".to_owned()),
            ..answer("*")
        },
    ];
    settings.dns = vec![DnsAnswer {
        name: "current.mirror.example".to_owned(),
        kind: "TXT".to_owned(),
        value: "1.5:63".to_owned(),
    }];
    settings
}

#[test]
fn the_fake_vendor_follows_its_script() {
    if let Some(missing) = lab_network::missing() {
        println!("skipped: {missing}");
        return;
    }
    let enclosed = Enclosed::start(scripted());
    let file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..3_000_000u32)
        .map(|number| (number % 251) as u8)
        .collect();
    std::io::Write::write_all(&mut &file, &content).unwrap();
    let path = enclosed.folder.path().join("expected");
    std::fs::write(&path, &content).unwrap();
    let name = VendorFile {
        script: 1,
        path: Some("main.cvd".to_owned()),
    };
    let order = Order::Files { files: vec![name] };
    assert_eq!(enclosed.order(&order, &[file.as_fd()]), Reply::Done);
    let _ = enclosed.says(
        0,
        "curl -sSf -o got http://a.mirror.example/main.cvd && cmp got expected",
    );
    let _ = enclosed.says(
        0,
        "curl -sSf --cacert $CA -o got https://a.mirror.example/main.cvd && cmp got expected",
    );
    let part = enclosed.says(
        0,
        "curl -sSf -r 0-9 -o - http://a.mirror.example/main.cvd | wc -c",
    );
    assert_eq!(part.trim(), "10");
    let _ = enclosed.says(22, "curl -sSf http://a.mirror.example/other.cvd");
    let _ = enclosed.says(22, "curl -sSf http://cloud.example/look-up?x=1");
    let phase = Order::Phase {
        name: PhaseName::Update,
    };
    assert_eq!(enclosed.order(&phase, &[]), Reply::Done);
    let began = std::time::Instant::now();
    let out = enclosed.says(0, "curl -sSfi http://cloud.example/look-up?x=1");
    assert!(began.elapsed().as_millis() >= 300);
    assert!(out.contains("X-Lab: 1") && out.ends_with("yes"), "{out}");
    assert_eq!(
        enclosed.says(0, "curl -sSfi http://cloud.example/look-up?x=1"),
        out
    );
    if has("dig") {
        let text = enclosed.says(0, "dig +short current.mirror.example TXT");
        assert_eq!(text, "\"1.5:63\"\n");
    }
    let records = enclosed.end();
    let scripts: Vec<Option<u32>> = records
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Vendor { script, .. } => Some(*script),
            _ => None,
        })
        .collect();
    assert_eq!(
        scripts,
        [Some(1), Some(1), Some(1), None, None, Some(0), Some(0)]
    );
}

#[test]
fn a_large_upload_is_whole_in_the_capture_plain_and_encrypted() {
    let Some(enclosed) = enclosed().filter(|_| has("curl")) else {
        return;
    };
    let mut state = 1u64;
    let body: Vec<u8> = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()
    })
    .take(50 * 1024 * 1024 / 8)
    .flatten()
    .collect();
    std::fs::write(enclosed.folder.path().join("body"), &body).unwrap();
    for (options, address) in [
        ("", "http://up.example/"),
        ("--cacert $CA", "https://up.example/"),
    ] {
        let began = std::time::Instant::now();
        let out = enclosed.says(
            0,
            &format!("curl -sS -4 -T body -X POST -H Expect: {options} {address}"),
        );
        println!("{address} {:.1} MB/s", 52.4 / began.elapsed().as_secs_f64());
        assert_eq!(out, "ok\n");
    }
    let records = enclosed.end();
    for (interface, port) in [("tun", 80), ("plaintext", 443)] {
        let sent = sent(&records.capture, interface, port);
        assert!(sent.ends_with(&body), "{interface}: {} bytes", sent.len());
    }
    assert!(records.summary.lost.is_empty(), "{:?}", records.summary);
}

#[test]
fn ten_thousand_connections_one_after_another_are_answered() {
    let Some(enclosed) = enclosed() else {
        return;
    };
    let python = "python3 -c \"
import socket
for number in range(10000):
    one = socket.create_connection(('192.0.2.1', 3000 + number * 6))
    one.sendall(b'GET /%d HTTP/1.0\\r\\n\\r\\n' % number)
    answer = b''
    while True:
        part = one.recv(1000)
        if not part: break
        answer += part
    assert answer.endswith(b'not found\\n'), (number, answer)
    one.close()
print('all')\"";
    let began = std::time::Instant::now();
    assert_eq!(enclosed.says(0, python), "all\n");
    println!(
        "{:.0} µs a connection",
        began.elapsed().as_micros() as f64 / 10_000.0
    );
    let records = enclosed.end();
    assert_eq!(records.summary.connections, 10_000);
    assert_eq!(requests(&records).len(), 10_000);
    assert!(records.summary.lost.is_empty(), "{:?}", records.summary);
}

#[test]
fn a_lost_network_carries_nothing_and_a_slow_one_is_slow() {
    let Some(enclosed) = enclosed().filter(|_| has("curl")) else {
        return;
    };
    let set = |network| {
        let order = Order::Condition { network };
        assert_eq!(enclosed.order(&order, &[]), Reply::Done);
    };
    let ask = "curl -sS -o /dev/null -w '%{time_total}' --connect-timeout 2 http://192.0.2.1/";
    set(Network::Lost);
    let _ = enclosed.says(28, ask);
    set(Network::Slow);
    let slow: f64 = enclosed.says(0, ask).parse().unwrap();
    assert!(slow > 1.0, "{slow}");
    set(Network::Normal);
    let fast: f64 = enclosed.says(0, ask).parse().unwrap();
    assert!(fast < 0.5, "{fast}");
    let records = enclosed.end();
    let first_in = packets(&records.capture, "tun")
        .into_iter()
        .find(|(_, is_out, _)| !is_out);
    assert!(first_in.unwrap().0 > 2_000_000_000);
}

#[test]
fn a_capture_that_is_full_is_said_to_be() {
    if let Some(missing) = lab_network::missing() {
        println!("skipped: {missing}");
        return;
    }
    let mut settings = lab_network::settings();
    settings.bounds.capture_bytes = 100_000;
    settings.bounds.connections = 2;
    settings.bounds.idle_ms = 500;
    let enclosed = Enclosed::start(settings);
    let python = "python3 -c \"
import socket
def ask():
    one = socket.create_connection(('192.0.2.1', 80), 5); one.settimeout(5)
    one.sendall(b'POST / HTTP/1.0\\r\\nContent-Length: 200000\\r\\n\\r\\n' + bytes(200000))
    return one.recv(100)[-3:]
print(ask())
idle = [socket.create_connection(('192.0.2.1', 4000), 5) for number in range(2)]
try: socket.create_connection(('192.0.2.1', 4000), 0.3); print('a third')
except TimeoutError: print('no third')
print(idle[0].recv(1)); idle[1].recv(1); idle[0].close(); idle[1].close()
print(ask())\"";
    assert_eq!(
        enclosed.says(0, python),
        "b'ok\\n'\nno third\nb''\nb'ok\\n'\n"
    );
    let records = enclosed.end();
    assert!(records.capture.len() <= 100_000);
    let lost = &records.summary.lost;
    assert!(
        lost["the bound of the capture was reached, in bytes"] > 300_000,
        "{lost:?}"
    );
    assert!(
        lost["connections beyond the bound, in packets"] >= 1,
        "{lost:?}"
    );
    let told = records
        .events
        .iter()
        .filter(|event| matches!(event, Event::Lost { .. }));
    assert_eq!(told.count(), lost.len());
}
