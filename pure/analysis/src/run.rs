//! One run's record: what its files say, and what of it is missing.

use std::collections::{BTreeMap, BTreeSet};

use lab::bundle::{self, Change, EndState, PhaseRecord, RunCanaries, RunName};
use lab::trace::{Event, FileId, Observer};
use lab::{Plan, gateway, lines};

use crate::bundle::Bundle;
use crate::flows::Network;
use crate::needles::Needles;
use crate::pcapng;
use crate::search::search;

/// Records of one file that are read; further ones are a gap.
const RECORDS_MAX: usize = 2_000_000;
/// Letters of names that are asked for, joined over a run.
const NAMES_BYTES_MAX: usize = 8 << 20;

/// Records with their lines.
pub(crate) type Lined<T> = Vec<(u64, T)>;

/// One run.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub(crate) name: String,
    /// Whether the bundle has anything of it.
    pub(crate) is_made: bool,
    /// Whether what its commands printed is in the bundle.
    pub(crate) has_output: bool,
    pub(crate) trace: Option<Lined<Event>>,
    pub(crate) opens: Option<Lined<Event>>,
    pub(crate) gateway: Lined<gateway::Event>,
    pub(crate) changes: Lined<Change>,
    pub(crate) phases: Lined<PhaseRecord>,
    pub(crate) network: Network,
    pub(crate) hits: Vec<Hit>,
    pub(crate) document_names: Vec<String>,
    /// What is missing about the network; whether anything left can't be said.
    pub(crate) network_gaps: BTreeSet<String>,
    /// What is missing about files, programs and privileges.
    pub(crate) trace_gaps: BTreeSet<String>,
    /// Why the run is not complete.
    pub(crate) incomplete: BTreeSet<String>,
}

/// A secret in what passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) document: String,
    pub(crate) part: String,
    pub(crate) encodings: Vec<String>,
    pub(crate) carrier: String,
    pub(crate) remote: String,
    pub(crate) at: Option<u64>,
    pub(crate) member: String,
    pub(crate) place: lab::answers::Place,
    pub(crate) count: u64,
}

/// The members of a run.
const MEMBERS: [&str; 7] = [
    bundle::TRACE,
    bundle::OPENS,
    bundle::CAPTURE,
    bundle::GATEWAY,
    bundle::CHANGES,
    bundle::PHASES,
    bundle::OUTPUT,
];

/// Reads all runs of a plan.
pub(crate) fn read_all(
    bundle: &Bundle<'_>,
    plan: &Plan,
    canaries: &BTreeMap<&str, &RunCanaries>,
) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut failed: Option<String> = None;
    for name in RunName::all(plan.pairs) {
        let text = name.to_string();
        let mut members = MEMBERS.iter();
        if !members.any(|member| bundle.member(&name.member(member)).is_some()) {
            runs.push(Run::not_made(text, failed.as_deref()));
            continue;
        }
        let run = read(bundle, plan, name, canaries.get(text.as_str()).copied());
        if failed.is_none() && run.has_failed() {
            failed = Some(text);
        }
        runs.push(run);
    }
    runs
}

/// Reads one run.
fn read(bundle: &Bundle<'_>, plan: &Plan, name: RunName, canaries: Option<&RunCanaries>) -> Run {
    let mut run = Run {
        name: name.to_string(),
        is_made: true,
        has_output: bundle.member(&name.member(bundle::OUTPUT)).is_some(),
        ..Run::default()
    };
    let member = |member: &str| bundle.member(&name.member(member));
    run.trace =
        member(bundle::TRACE).map(|bytes| records(bytes, bundle::TRACE, &mut run.trace_gaps));
    run.opens =
        member(bundle::OPENS).map(|bytes| records(bytes, bundle::OPENS, &mut run.trace_gaps));
    if run.trace.is_none() {
        run.trace_gaps
            .insert("the observer at tracepoints was not there".to_owned());
    }
    run.note_lost();
    match member(bundle::GATEWAY) {
        Some(bytes) => run.gateway = records(bytes, bundle::GATEWAY, &mut run.network_gaps),
        None => {
            run.network_gaps
                .insert("the gateway's record is missing".to_owned());
        }
    }
    match member(bundle::CHANGES) {
        Some(bytes) => run.changes = records(bytes, bundle::CHANGES, &mut run.incomplete),
        None => {
            run.incomplete
                .insert("the changes of files are missing".to_owned());
        }
    }
    match member(bundle::PHASES) {
        Some(bytes) => run.phases = records(bytes, bundle::PHASES, &mut run.incomplete),
        None => {
            run.incomplete
                .insert("the record of the phases is missing".to_owned());
        }
    }
    run.judge_phases(plan);
    let needles = run.needles(plan, canaries);
    match member(bundle::CAPTURE) {
        Some(bytes) => run.look_at_capture(bytes, needles.as_ref(), name),
        None => {
            run.network_gaps.insert("the capture is missing".to_owned());
        }
    }
    run
}

fn records<T: serde::de::DeserializeOwned>(
    bytes: &[u8],
    file: &str,
    gaps: &mut BTreeSet<String>,
) -> Lined<T> {
    let mut records = Vec::new();
    for (line, record) in lines::read(bytes) {
        if records.len() >= RECORDS_MAX {
            gaps.insert(format!("{file} has more than {RECORDS_MAX} records"));
            break;
        }
        match record {
            Ok(record) => records.push((line, record)),
            Err(bad) => {
                gaps.insert(format!(
                    "{file} has lines that are no records, line {} first",
                    bad.line
                ));
                if gaps.len() > 32 {
                    break;
                }
            }
        }
    }
    records
}

impl Run {
    /// A run that the bundle has nothing of: after one that failed, no other is begun.
    fn not_made(name: String, failed: Option<&str>) -> Self {
        let why = match failed {
            Some(failed) => format!("it was not made, since {failed} failed"),
            None => "it is not in the bundle".to_owned(),
        };
        let why = BTreeSet::from([why]);
        Self {
            name,
            network_gaps: why.clone(),
            trace_gaps: why.clone(),
            incomplete: why,
            ..Self::default()
        }
    }

    fn has_failed(&self) -> bool {
        let mut phases = self.phases.iter();
        phases.any(|(_, phase)| matches!(phase.end_state, EndState::Failed(_)))
    }

    fn note_lost(&mut self) {
        let all = self.trace.iter().chain(&self.opens).flatten();
        for (_, event) in all {
            if let Event::Lost { observer, count } = event
                && *count > 0
            {
                let who = match observer {
                    Observer::Tracepoints => "the observer at tracepoints",
                    Observer::Fanotify => "fanotify",
                    Observer::TlsLibraries => "the observer of TLS libraries",
                    Observer::Gateway => "the gateway",
                };
                self.trace_gaps.insert(format!("{who} lost events"));
            }
        }
    }

    /// A run is complete where each phase of the plan was run, or the product has nothing for it.
    fn judge_phases(&mut self, plan: &Plan) {
        for phase in &plan.phases {
            let name = phase.name.as_str();
            let record = self.phases.iter().find(|(_, record)| record.name == name);
            let why = match record.map(|(_, record)| &record.end_state) {
                None => format!("the phase {name} is not in the record"),
                Some(EndState::Failed(why)) => format!("the phase {name} failed: {why}"),
                Some(EndState::TimedOut) => format!("the phase {name} did not end in its time"),
                Some(EndState::Signalled(signal)) => {
                    format!("the phase {name} was ended by signal {signal}")
                }
                Some(EndState::Exited(126 | 127)) => {
                    format!("the command of the phase {name} could not be started")
                }
                Some(EndState::Exited(_) | EndState::Elapsed | EndState::NotRun(_)) => continue,
            };
            self.incomplete.insert(why);
        }
    }

    /// The run's secrets, where the documents can be made again as they were.
    fn needles(&mut self, plan: &Plan, canaries: Option<&RunCanaries>) -> Option<Needles> {
        let seed = canaries.and_then(|canaries| seed(&canaries.seed));
        let (Some(canaries), Some(seed)) = (canaries, seed) else {
            self.network_gaps
                .insert("the seed of the documents is missing".to_owned());
            return None;
        };
        let documents = canary::documents(&seed, &plan.documents);
        let digest = |bytes: &[u8]| -> String {
            let digest: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(bytes).into();
            digest.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let made = documents
            .iter()
            .map(|one| (one.name.clone(), digest(&one.bytes)));
        let made: BTreeSet<(String, String)> = made.collect();
        let planted = canaries.documents.iter();
        let planted: BTreeSet<_> = planted
            .map(|one| (one.name.clone(), one.sha256.clone()))
            .collect();
        if made != planted {
            self.network_gaps
                .insert("the documents that were planted are not those of the seed".to_owned());
            return None;
        }
        self.document_names = documents.iter().map(|one| one.name.clone()).collect();
        Some(Needles::new(&documents))
    }

    fn look_at_capture(&mut self, bytes: &[u8], needles: Option<&Needles>, name: RunName) {
        let capture = pcapng::read(bytes);
        self.network_gaps.extend(capture.trouble.clone());
        self.network = Network::assemble(&capture.packets);
        self.network_gaps
            .extend(self.network.trouble.iter().cloned());
        for (_, event) in &self.gateway {
            if let gateway::Event::Lost { reason, .. } = event {
                self.network_gaps.insert(reason.clone());
            }
        }
        let Some(needles) = needles else { return };
        let member = name.member(bundle::CAPTURE);
        let mut hits = Vec::new();
        for (key, flow) in &self.network.flows {
            for (stream, way) in [(&flow.sent, "sent"), (&flow.received, "received")] {
                let searched = search(needles, &stream.bytes, &stream.starts());
                if searched.is_cut {
                    self.network_gaps
                        .insert("a stream decodes to more than the search looks at".to_owned());
                }
                let what = if key.is_plaintext {
                    "intercepted stream"
                } else {
                    "stream"
                };
                for found in searched.found {
                    let piece = stream.piece_at(found.offset);
                    hits.push(Hit {
                        document: found.document,
                        part: found.part,
                        encodings: found.encodings,
                        carrier: format!("{} {what}, {way}", key.protocol.name()),
                        remote: format!("{}:{}", key.remote, key.port),
                        at: piece.map(|piece| piece.at),
                        member: member.clone(),
                        place: piece.map_or(lab::answers::Place::Whole(()), |piece| {
                            lab::answers::Place::Packet(piece.packet)
                        }),
                        count: 1,
                    });
                }
            }
        }
        self.hits = hits;
        self.look_at_names(needles, name);
        self.look_at_plaintext(needles, name);
    }

    /// Names that were asked for, their labels joined: one name alone, and the first labels of
    /// names one after the other.
    fn look_at_names(&mut self, needles: &Needles, name: RunName) {
        let mut joined = Vec::new();
        let mut first_labels = Vec::new();
        let mut lines: Vec<(usize, u64, u64)> = Vec::new();
        let mut last: Vec<u8> = Vec::new();
        for (line, event) in &self.gateway {
            let gateway::Event::Dns { at, name, .. } = event else {
                continue;
            };
            let mut bytes = name.to_bytes();
            bytes.make_ascii_lowercase();
            if bytes == last || joined.len() > NAMES_BYTES_MAX {
                continue;
            }
            lines.push((joined.len(), *line, *at));
            let labels: Vec<&[u8]> = bytes.split(|byte| *byte == b'.').collect();
            for original in name.to_bytes().split(|byte| *byte == b'.') {
                joined.extend_from_slice(original);
            }
            joined.push(b'\n');
            let kept = labels.len().saturating_sub(2).max(1);
            let original = name.to_bytes();
            for label in original.split(|byte| *byte == b'.').take(kept) {
                first_labels.extend_from_slice(label);
            }
            last = bytes;
        }
        for (bytes, has_places) in [(&joined, true), (&first_labels, false)] {
            let searched = search(needles, bytes, &[]);
            for found in searched.found {
                let before = lines
                    .iter()
                    .rfind(|(start, _, _)| has_places && *start <= found.offset);
                let mut encodings = vec!["dns labels".to_owned()];
                encodings.extend(found.encodings);
                self.hits.push(Hit {
                    document: found.document,
                    part: found.part,
                    encodings,
                    carrier: "names that were asked for".to_owned(),
                    remote: "dns".to_owned(),
                    at: before.map(|(_, _, at)| *at),
                    member: name.member(bundle::GATEWAY),
                    place: before.map_or(lab::answers::Place::Whole(()), |(_, line, _)| {
                        lab::answers::Place::Line(*line)
                    }),
                    count: 1,
                });
            }
        }
    }

    /// What was given to TLS libraries, by process.
    fn look_at_plaintext(&mut self, needles: &Needles, name: RunName) {
        let mut by_process: BTreeMap<u32, (Vec<u8>, u64, u64)> = BTreeMap::new();
        for (line, event) in self.trace.iter().flatten() {
            if let Event::Plaintext {
                at, pid, data_hex, ..
            } = event
            {
                let (bytes, _, _) = by_process.entry(*pid).or_insert((Vec::new(), *line, *at));
                bytes.extend(unhex(data_hex.as_bytes()));
            }
        }
        for (bytes, line, at) in by_process.into_values() {
            for found in search(needles, &bytes, &[]).found {
                self.hits.push(Hit {
                    document: found.document,
                    part: found.part,
                    encodings: found.encodings,
                    carrier: "plaintext of a TLS library".to_owned(),
                    remote: "unknown".to_owned(),
                    at: Some(at),
                    member: name.member(bundle::TRACE),
                    place: lab::answers::Place::Line(line),
                    count: 1,
                });
            }
        }
    }

    /// The phase that went on at a time.
    pub(crate) fn phase_at(&self, at: u64) -> Option<String> {
        let mut phases = self.phases.iter();
        let phase = phases.find(|(_, phase)| (phase.start..=phase.end).contains(&at));
        phase.map(|(_, phase)| phase.name.clone())
    }

    /// The paths of files by device and inode, from whoever saw them opened.
    pub(crate) fn paths(&self) -> BTreeMap<FileId, Vec<u8>> {
        let mut paths = BTreeMap::new();
        for (_, event) in self.trace.iter().chain(&self.opens).flatten() {
            let (Event::Open {
                file: Some(file),
                path,
                ..
            }
            | Event::Exec {
                file: Some(file),
                path,
                ..
            }) = event
            else {
                continue;
            };
            let bytes = path.to_bytes();
            // An absolute path says more than one that depends on where the process stood.
            let known = paths.entry(file.clone()).or_insert_with(|| bytes.clone());
            if !known.starts_with(b"/") && bytes.starts_with(b"/") {
                *known = bytes;
            }
        }
        paths
    }
}

fn seed(text: &str) -> Option<[u8; 32]> {
    let bytes = unhex(text.as_bytes());
    (text.len() == 64).then_some(())?;
    bytes.try_into().ok()
}

fn unhex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.chunks_exact(2).map_while(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)?.wrapping_shl(4) | digit(*low)?).ok(),
        _ => None,
    });
    pairs.collect()
}
