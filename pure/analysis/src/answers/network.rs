//! With whom a product spoke, what names it gave itself, and what its maker says about that.

use std::collections::{BTreeMap, BTreeSet};

use lab::Escaped;
use lab::answers::{
    Answer, Controls, DeclaredAgainstSeen, Endpoint, Identifier, Place, ProcessBytes,
};
use lab::bundle::{self, EndState};
use lab::gateway::{self, TlsOutcome};
use lab::plan::{PhaseName, fits_host};
use lab::trace::Event;

use crate::answers::{Record, count, files, point, pointer, unless};
use crate::run::Run;

const REQUESTS_MAX: usize = 20;
const REQUEST_LETTERS_MAX: usize = 200;
/// Shorter words name nobody.
const IDENTIFIER_LETTERS_MIN: usize = 16;
/// Words of one run that are kept.
const WORDS_MAX: usize = 10_000;

/// The names of each address.
pub(super) fn names(run: &Run) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |address: &str, name: &Escaped| {
        let name = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        names.entry(address.to_owned()).or_default().insert(name);
    };
    for (_, event) in &run.gateway {
        match event {
            gateway::Event::Dns { name, answer, .. } => {
                let addresses = answer
                    .split([' ', ','])
                    .filter(|word| word.parse::<core::net::IpAddr>().is_ok());
                addresses.for_each(|address| add(address, name));
            }
            gateway::Event::Tls {
                remote,
                server_name: Some(name),
                ..
            } => add(remote, name),
            gateway::Event::Http { remote, host, .. } => add(remote, host),
            _ => {}
        }
    }
    names
}

/// A name of `address:port`.
pub(super) fn name_of(names: &BTreeMap<String, BTreeSet<String>>, remote: &str) -> Option<String> {
    let (address, _) = remote.rsplit_once(':')?;
    names.get(address)?.first().cloned()
}

/// All ends of flows, over all runs.
pub(super) fn endpoints(record: &Record) -> Answer<Vec<Endpoint>> {
    let all = seen(record).into_values().collect();
    unless(record.network_gap(), all, Vec::new())
}

fn seen(record: &Record) -> BTreeMap<(String, String, u16), Endpoint> {
    let mut all: BTreeMap<(String, String, u16), Endpoint> = BTreeMap::new();
    for run in &record.runs {
        let names = names(run);
        let mut of_run = BTreeSet::new();
        for (key, flow) in run
            .network
            .flows
            .iter()
            .filter(|(key, _)| !key.is_plaintext)
        {
            let address = key.remote.to_string();
            let place = (key.protocol.name(), address.clone(), key.port);
            let entry = all.entry(place.clone()).or_insert_with(|| empty(&place));
            entry.sent_bytes = entry.sent_bytes.saturating_add(length(&flow.sent.bytes));
            entry.received_bytes = entry
                .received_bytes
                .saturating_add(length(&flow.received.bytes));
            let known = names.get(&address).into_iter().flatten();
            for name in known
                .filter(|name| !entry.names.contains(name))
                .cloned()
                .collect::<Vec<_>>()
            {
                entry.names.push(name);
            }
            if let Some(piece) = flow.sent.pieces.first() {
                point(
                    &mut entry.pointers,
                    pointer(run, bundle::CAPTURE, Place::Packet(piece.packet)),
                );
            }
            if of_run.insert(place) {
                entry.runs = entry.runs.saturating_add(1);
            }
        }
        note_gateway(run, &mut all);
        note_processes(run, &mut all);
    }
    for endpoint in all.values_mut() {
        endpoint.names.sort();
        endpoint.declared = declared_endpoint(record, endpoint);
    }
    all
}

fn empty((protocol, address, port): &(String, String, u16)) -> Endpoint {
    Endpoint {
        protocol: protocol.clone(),
        address: address.clone(),
        port: *port,
        names: Vec::new(),
        sent_bytes: 0,
        received_bytes: 0,
        runs: 0,
        protection: "plain".to_owned(),
        processes: Vec::new(),
        requests: Vec::new(),
        declared: None,
        pointers: Vec::new(),
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn note_gateway(run: &Run, all: &mut BTreeMap<(String, String, u16), Endpoint>) {
    for (_, event) in &run.gateway {
        let (protocol, remote, port) = match event {
            gateway::Event::Tls { remote, port, .. }
            | gateway::Event::Http { remote, port, .. } => ("tcp", remote, port),
            gateway::Event::Quic { remote, port, .. } => ("udp", remote, port),
            _ => continue,
        };
        let Some(endpoint) = all.get_mut(&(protocol.to_owned(), remote.clone(), *port)) else {
            continue;
        };
        match event {
            gateway::Event::Tls { outcome, .. } => {
                let protection = match outcome {
                    TlsOutcome::Intercepted => "intercepted",
                    TlsOutcome::RefusedByClient => "pinned",
                    TlsOutcome::NotTls => continue,
                };
                // What could not be read once can't be called read.
                if endpoint.protection != "pinned" {
                    protection.clone_into(&mut endpoint.protection);
                }
            }
            gateway::Event::Quic { .. } => "encrypted".clone_into(&mut endpoint.protection),
            gateway::Event::Http {
                host, method, path, ..
            } => {
                let path: String = path.as_str().chars().take(REQUEST_LETTERS_MAX).collect();
                let request = format!("{method} {host}{path}");
                if endpoint.requests.len() < REQUESTS_MAX && !endpoint.requests.contains(&request) {
                    endpoint.requests.push(request);
                }
            }
            _ => {}
        }
    }
}

/// Adds what each program sent, by the kernel's count.
fn note_processes(run: &Run, all: &mut BTreeMap<(String, String, u16), Endpoint>) {
    let mut programs: BTreeMap<u32, Escaped> = BTreeMap::new();
    for (_, event) in run.trace.iter().flatten() {
        match event {
            Event::Fork { pid, parent, .. } => {
                if let Some(program) = programs.get(parent).cloned() {
                    programs.insert(*pid, program);
                }
            }
            Event::Exec { pid, path, .. } => {
                programs.insert(*pid, path.clone());
            }
            Event::Traffic {
                pid,
                protocol,
                remote,
                sent_bytes,
                received_bytes,
                ..
            } => {
                let Some((address, port)) = remote.rsplit_once(':') else {
                    continue;
                };
                let address = address.trim_matches(['[', ']']).to_owned();
                let protocol = format!("{protocol:?}").to_lowercase();
                let Ok(port) = port.parse() else { continue };
                let Some(endpoint) = all.get_mut(&(protocol, address, port)) else {
                    continue;
                };
                let program = programs
                    .get(pid)
                    .cloned()
                    .unwrap_or_else(|| "unknown".into());
                let known = endpoint
                    .processes
                    .iter_mut()
                    .find(|one| one.program == program);
                match known {
                    Some(known) => {
                        known.sent_bytes = known.sent_bytes.saturating_add(*sent_bytes);
                        known.received_bytes = known.received_bytes.saturating_add(*received_bytes);
                    }
                    None => endpoint.processes.push(ProcessBytes {
                        program,
                        sent_bytes: *sent_bytes,
                        received_bytes: *received_bytes,
                    }),
                }
            }
            _ => {}
        }
    }
}

fn declared_endpoint(record: &Record, endpoint: &Endpoint) -> Option<bool> {
    let declared = &record.product.declares.endpoints;
    // Asking a resolver is how any declared name is reached.
    if declared.is_empty() {
        return None;
    }
    let is_name_service = endpoint.port == 53;
    let fits = |pattern: &String| {
        let (host, port) = pattern.rsplit_once(':').unwrap_or((pattern, ""));
        let same_port = port.is_empty() || port.parse() == Ok(endpoint.port);
        let mut names = endpoint.names.iter();
        same_port && (names.any(|name| fits_host(host, name)) || host == endpoint.address)
    };
    Some(is_name_service || declared.iter().any(fits))
}

/// Words in requests that look like nobody's language, are sent in more than one run, and are the
/// same within a run: each run is an installation of its own.
pub(super) fn identifiers(record: &Record) -> Answer<Vec<Identifier>> {
    type Values = BTreeMap<String, BTreeMap<String, u64>>;
    let mut all: BTreeMap<(String, String), Values> = BTreeMap::new();
    for run in &record.runs {
        for (key, flow) in &run.network.flows {
            for (place, value) in words(&flow.sent.bytes) {
                let packet = flow.sent.pieces.first().map_or(0, |piece| piece.packet);
                let names = names(run);
                let remote = names
                    .get(&key.remote.to_string())
                    .and_then(|names| names.first().cloned());
                let remote = remote.unwrap_or_else(|| key.remote.to_string());
                let values = all.entry((remote, place)).or_default();
                values
                    .entry(run.name.clone())
                    .or_default()
                    .insert(value, packet);
            }
        }
    }
    let identifiers = all.into_iter().filter_map(|((remote, place), runs)| {
        let values: BTreeSet<&String> = runs.values().flat_map(BTreeMap::keys).collect();
        // One value a run: a fresh value for each request would name nobody.
        let is_steady = runs.len() >= 2 && runs.values().all(|values| values.len() == 1);
        is_steady.then_some(())?;
        let example = Escaped::new(values.first()?.as_bytes());
        let mut pointers = Vec::new();
        for run in &record.runs {
            let packet = runs
                .get(&run.name)
                .and_then(|values| values.values().next());
            if let Some(packet) = packet {
                point(
                    &mut pointers,
                    pointer(run, bundle::CAPTURE, Place::Packet(*packet)),
                );
            }
        }
        Some(Identifier {
            remote,
            place,
            example,
            values: count(values.iter()),
            runs: count(runs.keys()),
            pointers,
        })
    });
    unless(record.network_gap(), identifiers.collect(), Vec::new())
}

/// Words of HTTP requests that could name an installation, with where they stand.
fn words(stream: &[u8]) -> Vec<(String, String)> {
    let mut words = Vec::new();
    for line in stream.split(|byte| *byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        let line = line.trim_end();
        let (place, text) = match line.split_once(": ") {
            Some((name, text)) if name.len() < 64 && !name.contains(' ') => {
                (format!("header {name}"), text)
            }
            _ if line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0") => {
                ("the address asked for".to_owned(), line)
            }
            _ => continue,
        };
        let parts = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
        for part in parts.filter(|part| is_identifier(part)) {
            if words.len() >= WORDS_MAX {
                return words;
            }
            words.push((place.clone(), part.to_owned()));
        }
    }
    words
}

/// Long, with digits among letters.
fn is_identifier(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
    word.len() >= IDENTIFIER_LETTERS_MIN && digits >= 4 && letters >= 2
}

/// What controls there are.
pub(super) fn controls(record: &Record) -> Controls {
    let lost = PhaseName::NetworkLost.as_str();
    let mut tries = record.runs.iter().flat_map(|run| {
        let phases = run.phases.iter().filter(|(_, phase)| phase.name == lost);
        phases.map(move |(line, phase)| (run, *line, &phase.end_state))
    });
    let works_without_network = match tries.next() {
        Some((run, line, EndState::Exited(status))) => {
            let place = vec![pointer(run, bundle::PHASES, Place::Line(line))];
            // 126 and 127 are the shell's words for a program that did not start.
            Answer::value(!matches!(status, 126 | 127), place)
        }
        Some((_, _, EndState::NotRun(why) | EndState::Failed(why))) => Answer::unknown(why.clone()),
        Some(_) => Answer::unknown("the scan without a network did not end by itself"),
        None => Answer::unknown("the plan has no phase without a network"),
    };
    let endpoints = seen(record);
    let mut protections = endpoints.values().map(|one| one.protection.as_str());
    let is_closed = protections
        .clone()
        .any(|one| matches!(one, "pinned" | "encrypted"));
    let is_open = protections.any(|one| one == "intercepted");
    let can_be_inspected = match (is_closed, is_open) {
        (true, _) => Answer::value(false, Vec::new()),
        (false, true) => unless(record.network_gap(), true, Vec::new()),
        (false, false) => Answer::unknown("no encrypted connection was seen"),
    };
    Controls {
        works_without_network,
        can_be_inspected,
        switches: Answer::unknown("no plan tries a product's switches yet"),
    }
}

/// The maker's word beside what was seen.
pub(super) fn declared(record: &Record) -> DeclaredAgainstSeen {
    let declares = &record.product.declares;
    let endpoints = seen(record);
    let undeclared = endpoints.values().filter(|one| one.declared != Some(true));
    let undeclared: Vec<String> = undeclared.map(flow_words).collect();
    let used = files::privileges(record);
    let used: BTreeSet<&str> = used
        .as_value()
        .into_iter()
        .flatten()
        .map(|one| one.operation.as_str())
        .collect();
    let was_spoken_to = |pattern: &str| {
        let host = pattern.rsplit_once(':').map_or(pattern, |(host, _)| host);
        let mut names = endpoints.values().flat_map(|one| &one.names);
        names.any(|name| fits_host(host, name))
    };
    let speaks = declares
        .endpoints
        .iter()
        .map(|one| (format!("speaks to {one}"), was_spoken_to(one)));
    let uses = declares
        .privileges
        .iter()
        .map(|one| (format!("uses {one}"), used.contains(one.as_str())));
    let (seen, not_seen): (Vec<_>, Vec<_>) = speaks.chain(uses).partition(|(_, is_seen)| *is_seen);
    let words = |all: Vec<(String, bool)>| all.into_iter().map(|(words, _)| words).collect();
    let statements = declares
        .data_sent
        .iter()
        .map(|text| format!("sends: {text}"));
    let channel = declares
        .update_channel
        .iter()
        .map(|text| format!("updates: {text}"));
    let gap = record.network_gap().filter(|_| undeclared.is_empty());
    DeclaredAgainstSeen {
        undeclared_flows: unless(gap, undeclared, Vec::new()),
        undeclared_other: unless(record.trace_gap(), undeclared_other(record), Vec::new()),
        not_seen: words(not_seen),
        seen: words(seen),
        untested_statements: statements.chain(channel).collect(),
    }
}

fn flow_words(one: &Endpoint) -> String {
    let name = one.names.first().unwrap_or(&one.address);
    format!(
        "{} {name}:{} ({} bytes sent in {} runs)",
        one.protocol, one.port, one.sent_bytes, one.runs
    )
}

fn undeclared_other(record: &Record) -> Vec<String> {
    let reads = files::read(record);
    let used = files::privileges(record);
    let reads = reads.as_value().into_iter().flatten();
    let reads = reads.filter(|one| one.declared == Some(false));
    let reads = reads.map(|one| format!("reads {}: {} files", one.class, one.files));
    let used = used.as_value().into_iter().flatten();
    let used = used.filter(|one| one.declared == Some(false));
    let used = used.map(|one| format!("uses {} ({} times)", one.operation, one.times));
    reads.chain(used).collect()
}
