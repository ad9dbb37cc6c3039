//! Files, programs and privileges, as the kernel's observers saw them.

use std::collections::{BTreeMap, BTreeSet};

use lab::Escaped;
use lab::answers::{Agreement, Answer, Executed, FileClass, Place, Privilege};
use lab::bundle;
use lab::trace::{Access, Event, FileId};

use crate::answers::{Record, point, pointer, unless};
use crate::run::Run;

const EXAMPLES_MAX: usize = 10;
/// The folder for temporary files, without naming a path of this machine.
pub(super) const TEMPORARY: &[u8] = concat!("/", "tmp").as_bytes();
/// The same for those that outlive a start.
pub(super) const TEMPORARY_KEPT: &[u8] = concat!("/var/", "tmp").as_bytes();

/// Prefixes of paths and what they are, the first that fits.
const CLASSES: &[(&[u8], &str)] = &[
    (b"/home", "home folders"),
    (b"/root", "home folders"),
    (b"/etc/passwd", "accounts and secrets of the system"),
    (b"/etc/shadow", "accounts and secrets of the system"),
    (b"/etc/ssh", "accounts and secrets of the system"),
    (b"/etc/ssl", "certificates"),
    (b"/etc/machine-id", "what names this machine"),
    (b"/var/lib/dbus/machine-id", "what names this machine"),
    (b"/sys/class/dmi", "what names this machine"),
    (b"/sys/class/net", "what names this machine"),
    (b"/etc/", "settings of the system"),
    (b"/proc/", "processes"),
    (b"/sys/", "the kernel"),
    (b"/dev/", "devices"),
    (b"/usr/", "programs and libraries"),
    (b"/lib", "programs and libraries"),
    (b"/bin/", "programs and libraries"),
    (b"/sbin/", "programs and libraries"),
    (b"/opt/", "programs and libraries"),
    (b"/var/lib/", "data of programs"),
    (b"/var/log/", "logs"),
    (TEMPORARY, "temporary files"),
    (TEMPORARY_KEPT, "temporary files"),
    (b"/run/", "temporary files"),
];

/// Families of sockets whose refusal keeps nothing in: sockets of this machine, the kernel's own,
/// and its ciphers, which some programs try for digests.
const FAMILIES_WITHIN: [&str; 3] = ["1", "16", "38"];

/// How many of the documents nobody was seen opening; nothing where there is none such.
pub(super) fn unopened(run: &Run) -> Option<usize> {
    let mut left: BTreeSet<&[u8]> = run.document_names.iter().map(String::as_bytes).collect();
    if left.is_empty() {
        return Some(0);
    }
    for (_, event) in run.trace.iter().chain(&run.opens).flatten() {
        if let Event::Open {
            path,
            access: Access::Read | Access::Both,
            ..
        } = event
        {
            let path = path.to_bytes();
            left.remove(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
        }
    }
    (!left.is_empty()).then_some(left.len())
}

/// The first socket that was asked for and refused, with which something might have left.
pub(super) fn refused_socket(run: &Run) -> Option<String> {
    let mut events = run.trace.iter().flatten();
    events.find_map(|(_, event)| match event {
        Event::Privileged {
            operation, detail, ..
        } if operation == "raw-socket" => {
            let detail = detail.as_str();
            let family = detail.split(',').next().unwrap_or_default().trim();
            let is_refused = detail.contains(" refused: ");
            (is_refused && !FAMILIES_WITHIN.contains(&family)).then(|| format!("socket {detail}"))
        }
        _ => None,
    })
}

fn is_document(record: &Record, run: &Run, path: &[u8]) -> bool {
    let folder = record.environment.documents_path.to_bytes();
    let is_below = !folder.is_empty() && path.starts_with(&folder);
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let is_planted = run
        .document_names
        .iter()
        .any(|planted| planted.as_bytes() == name);
    is_below && path.len() > folder.len() || is_planted
}

fn class_of(record: &Record, run: &Run, path: &[u8]) -> &'static str {
    if is_document(record, run, path) {
        return "documents";
    }
    let mut classes = CLASSES.iter();
    let class = classes.find(|(prefix, _)| path.starts_with(prefix));
    class.map_or("other", |(_, class)| class)
}

/// Files that were read, by class.
pub(super) fn read(record: &Record) -> Answer<Vec<FileClass>> {
    let mut classes: BTreeMap<&str, (BTreeSet<Vec<u8>>, FileClass)> = BTreeMap::new();
    for run in &record.runs {
        let paths = run.paths();
        for (line, event) in run.trace.iter().flatten() {
            let (path, bytes) = match event {
                Event::Read(read) => (paths.get(&read.file).cloned(), read.bytes),
                _ => continue,
            };
            let path = path.unwrap_or_default();
            let class = if path.is_empty() {
                "files without a known name"
            } else {
                class_of(record, run, &path)
            };
            let (files, entry) = classes
                .entry(class)
                .or_insert_with(|| (BTreeSet::new(), empty(class)));
            entry.bytes = entry.bytes.saturating_add(bytes);
            files.insert(if class == "documents" {
                without_secret(&path)
            } else {
                path
            });
            point(
                &mut entry.pointers,
                pointer(run, bundle::TRACE, Place::Line(*line)),
            );
        }
    }
    let declared = &record.product.declares.paths_read;
    let folder = record.environment.documents_path.to_bytes();
    let is_declared = |path: &Vec<u8>| {
        declared.iter().any(|prefix| match prefix.as_str() {
            lab::product::DOCUMENTS => path.starts_with(&folder),
            prefix => path.starts_with(prefix.as_bytes()),
        })
    };
    let all = classes.into_values().map(|(files, mut class)| {
        class.files = u64::try_from(files.len()).unwrap_or(u64::MAX);
        class.declared = (!declared.is_empty()).then(|| files.iter().all(is_declared));
        let examples = files.iter().take(EXAMPLES_MAX);
        class.examples = examples.map(|path| Escaped::new(path)).collect();
        class
    });
    unless(record.trace_gap(), all.collect(), Vec::new())
}

fn empty(class: &str) -> FileClass {
    FileClass {
        class: class.to_owned(),
        files: 0,
        bytes: 0,
        examples: Vec::new(),
        declared: None,
        pointers: Vec::new(),
    }
}

/// A document's path without the part of its name that differs between runs.
fn without_secret(path: &[u8]) -> Vec<u8> {
    let cut = path.iter().rposition(|byte| *byte == b'-');
    let dot = path.iter().rposition(|byte| *byte == b'.');
    match (cut, dot) {
        (Some(cut), Some(dot)) if cut < dot => {
            let stem = path.get(..=cut).unwrap_or_default();
            [stem, b"*", path.get(dot..).unwrap_or_default()].concat()
        }
        _ => path.to_vec(),
    }
}

/// Programs that were run.
pub(super) fn executed(record: &Record) -> Answer<Vec<Executed>> {
    let mut programs: BTreeMap<Escaped, Executed> = BTreeMap::new();
    for run in &record.runs {
        let mut written: BTreeSet<&FileId> = BTreeSet::new();
        for (line, event) in run.trace.iter().flatten() {
            if let Event::Write(write) = event {
                written.insert(&write.file);
            }
            let Event::Exec {
                path,
                arguments,
                file,
                ..
            } = event
            else {
                continue;
            };
            let entry = programs.entry(path.clone()).or_insert_with(|| Executed {
                path: path.clone(),
                times: 0,
                example: arguments.clone(),
                is_new: false,
                pointers: Vec::new(),
            });
            entry.times = entry.times.saturating_add(1);
            entry.is_new |= file.as_ref().is_some_and(|file| written.contains(file));
            point(
                &mut entry.pointers,
                pointer(run, bundle::TRACE, Place::Line(*line)),
            );
        }
    }
    unless(
        record.trace_gap(),
        programs.into_values().collect(),
        Vec::new(),
    )
}

/// Privileged operations that were used.
pub(super) fn privileges(record: &Record) -> Answer<Vec<Privilege>> {
    let declared = &record.product.declares.privileges;
    let mut all: BTreeMap<&str, Privilege> = BTreeMap::new();
    for run in &record.runs {
        for (line, event) in run.trace.iter().flatten() {
            let (operation, detail) = match event {
                Event::Privileged {
                    operation, detail, ..
                } => (operation.as_str(), detail.clone()),
                Event::Uring { .. } => ("io_uring", Escaped::default()),
                _ => continue,
            };
            let entry = all.entry(operation).or_insert_with(|| Privilege {
                operation: operation.to_owned(),
                times: 0,
                example: detail,
                declared: (!declared.is_empty())
                    .then(|| declared.iter().any(|one| one == operation)),
                pointers: Vec::new(),
            });
            entry.times = entry.times.saturating_add(1);
            point(
                &mut entry.pointers,
                pointer(run, bundle::TRACE, Place::Line(*line)),
            );
        }
    }
    unless(record.trace_gap(), all.into_values().collect(), Vec::new())
}

/// Whether the two observers saw the same files being opened.
pub(super) fn agreement(record: &Record) -> Answer<Agreement> {
    let mut agreement = Agreement {
        both: 0,
        only_tracepoints: 0,
        only_fanotify: 0,
        examples: Vec::new(),
    };
    for run in &record.runs {
        let (Some(trace), Some(opens)) = (&run.trace, &run.opens) else {
            return Answer::unknown(format!(
                "run {}: one of the two observers was not there",
                run.name
            ));
        };
        let files = |events: &[(u64, Event)]| -> BTreeSet<FileId> {
            let files = events.iter().filter_map(|(_, event)| match event {
                Event::Open { file, .. } => file.clone(),
                Event::Read(transfer) | Event::Write(transfer) => Some(transfer.file.clone()),
                _ => None,
            });
            files.collect()
        };
        let (trace, opens) = (files(trace), files(opens));
        let paths = run.paths();
        let length = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        agreement.both = agreement
            .both
            .saturating_add(length(trace.intersection(&opens).count()));
        agreement.only_tracepoints = agreement
            .only_tracepoints
            .saturating_add(length(trace.difference(&opens).count()));
        agreement.only_fanotify = agreement
            .only_fanotify
            .saturating_add(length(opens.difference(&trace).count()));
        for file in trace.symmetric_difference(&opens) {
            let path = paths.get(file).map(|path| Escaped::new(path));
            let what = path.map_or_else(
                || format!("inode {} on {}", file.inode, file.device),
                |path| path.to_string(),
            );
            if agreement.examples.len() < EXAMPLES_MAX && !agreement.examples.contains(&what) {
                agreement.examples.push(what);
            }
        }
    }
    Answer::value(agreement, Vec::new())
}
