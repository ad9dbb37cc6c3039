//! Takes requests, one after another, until the pool hangs up.

use std::os::fd::OwnedFd;
use std::process::ExitCode;

use kernel::channel::Channel;
use kernel::map::Map;
use proto::{
    Decode, Encode, JailReport, MESSAGE_BYTES_MAX, PackSummary, PendingKind, Reply, Request,
    ScanItem, ScanOptions, Verdict, YARA_HEADER_BYTES,
};
use rules::{Pack, SourceRow, describe_sources};

use crate::answer;
use crate::compile::{Compilation, compile_yara_of};
use crate::scan::{FileToScan, ScanBuffers, look_ahead, scan_after};
use crate::yara::{YaraEngine, YaraScan};

/// Rows of the list of what is not compiled yet; the rest is in `candor rules show`.
const PENDING_ROWS_MAX: usize = 256;

/// Containers that are named as not verified; `candor rules show` has them all.
const UNVERIFIED_ROWS_MAX: usize = 64;

/// What a worker works with.
type Tools = (Option<Map>, Option<&'static dyn YaraEngine>);

/// Serves until the other side closes the channel.
#[must_use]
pub(crate) fn serve(channel: &Channel, tools: Tools, jail: JailReport) -> ExitCode {
    match run(channel, tools, jail) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            // If nobody hears it, the end of the channel says enough.
            let _ = channel.send(&Reply::Refused(why).to_message(), &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(channel: &Channel, (map, yara): Tools, jail: JailReport) -> Result<(), String> {
    let pack = match map.as_deref() {
        Some(bytes) => Some(Pack::open(bytes).map_err(|error| error.to_string())?),
        None => None,
    };
    let ready = Reply::Ready {
        jail,
        pack: pack.as_ref().map(summary),
    };
    send(channel, &ready)?;
    let mut buffers = pack.as_ref().map(ScanBuffers::new);
    let mut compilation = Compilation::default();
    let mut message = vec![0u8; MESSAGE_BYTES_MAX];
    while let Some(received) = channel
        .receive(&mut message)
        .map_err(|error| format!("no request can be read: {error}"))?
    {
        let request = Request::from_message(received.bytes).map_err(|error| error.to_string())?;
        let files = received.files;
        match request {
            Request::Scan { options, items } => {
                let buffers = buffers.as_mut().ok_or("a scan needs a rule pack")?;
                if !buffers.is_complete() {
                    return Err("a scan needs the pack's YARA rules, compiled".to_string());
                }
                scan_batch(channel, buffers, (options, items), files)?;
            }
            Request::CompileSources(sources) => compilation.add_sources(sources, files)?,
            Request::CompileInto(definitions) => {
                let compilation = std::mem::take(&mut compilation);
                let done = compilation.finish(yara, &definitions, &files);
                let reply = done.unwrap_or_else(Reply::CompileFailed);
                send(channel, &reply)?;
            }
            Request::CompileYara(definitions) => {
                let pack = pack.as_ref().ok_or("YARA rules come out of a rule pack")?;
                let output = files.first().ok_or("a compilation needs an output")?;
                let engine = yara.ok_or(NO_YARA)?;
                let done = compile_yara_of(pack, (engine, definitions), output);
                send(channel, &done.unwrap_or_else(Reply::CompileFailed))?;
            }
            Request::Judge(_) => return Err("candor-verifier judges evidence".to_string()),
            Request::UseYara => {
                let buffers = buffers.as_mut().ok_or("YARA rules need a rule pack")?;
                let file = files.first().ok_or("there are no YARA rules to use")?;
                buffers.use_yara(open_yara(yara.ok_or(NO_YARA)?, file)?);
                send(channel, &Reply::YaraReady)?;
            }
            Request::Describe(question) => {
                let pack = pack.as_ref().ok_or("a question needs a rule pack")?;
                answer::answer(pack, &question, &mut |reply| send(channel, &reply))?;
            }
        }
    }
    Ok(())
}

fn scan_batch(
    channel: &Channel,
    buffers: &mut ScanBuffers<'_>,
    (options, items): (ScanOptions, Vec<ScanItem>),
    files: Vec<OwnedFd>,
) -> Result<(), String> {
    if items.len() != files.len() {
        return Err("a batch came with too many or too few files".to_string());
    }
    let ahead = look_ahead(buffers, &files, &options);
    for ((item, file), ahead) in items.into_iter().zip(files).zip(ahead) {
        let wanted = FileToScan {
            file: &file,
            options: &options,
        };
        let ticket = item.ticket;
        let mut so_far = |verdict: &Verdict| {
            let verdict = verdict.clone();
            let reply = fitting(verdict, |verdict| Reply::SoFar { ticket, verdict });
            // Where it can't be sent, neither can the verdict, and that is told.
            let _ = channel.send(&reply, &[]);
        };
        let verdict = scan_after(buffers, (wanted, ahead), &mut so_far);
        let reply = fitting(verdict, |verdict| Reply::Verdict { ticket, verdict });
        channel
            .send(&reply, &[])
            .map_err(|error| format!("no answer can be sent: {error}"))?;
    }
    Ok(())
}

/// A verdict's message. Names inside containers may be long: what does not fit is counted, details
/// before findings.
fn fitting(mut verdict: Verdict, reply: impl Fn(Verdict) -> Reply) -> Vec<u8> {
    loop {
        let kept = verdict.findings.len();
        let message = reply(verdict.clone()).to_message();
        // One finding always fits: its names are bounded where it is made.
        if message.len() <= MESSAGE_BYTES_MAX || (kept <= 1 && verdict.details.is_empty()) {
            return message;
        }
        if verdict.details.is_empty() {
            verdict.findings.truncate((kept / 2).max(1));
            let omitted = kept.saturating_sub(verdict.findings.len()) as u64;
            verdict.findings_omitted = verdict.findings_omitted.saturating_add(omitted);
        } else {
            verdict.details.truncate(verdict.details.len() / 2);
        }
    }
}

/// What a program without an engine says.
const NO_YARA: &str = "this program runs no YARA rules; candor-worker-yara does";
/// Mapped, not read: of thousands of rules a few are ever run.
fn open_yara(engine: &dyn YaraEngine, file: &OwnedFd) -> Result<Box<dyn YaraScan>, String> {
    let map = Map::read_only(file)
        .map_err(|error| format!("the compiled YARA rules can't be read: {error}"))?;
    engine.open(
        map,
        usize::try_from(YARA_HEADER_BYTES).unwrap_or(usize::MAX),
    )
}

/// What a scan says of its pack.
pub(crate) fn summary(pack: &Pack<'_>) -> PackSummary {
    let mut pending = Vec::new();
    let mut unverified = Vec::new();
    for row in describe_sources(pack) {
        if !row.warning.is_empty() && unverified.len() < UNVERIFIED_ROWS_MAX {
            unverified.push(format!("{}: {}", row.label, row.warning));
        }
        let source = row.label.clone();
        pending.extend(row.pending.into_iter().map(|row| PendingKind {
            source: source.clone(),
            count: row.lines,
            why: row.why,
        }));
    }
    if pending.len() > PENDING_ROWS_MAX {
        let rest = pending.split_off(PENDING_ROWS_MAX.saturating_sub(1));
        pending.push(PendingKind {
            source: format!("{} other sources", rest.len()),
            count: rest
                .iter()
                .map(|row| row.count)
                .fold(0, u64::saturating_add),
            why: "see `candor rules show`".to_string(),
        });
    }
    PackSummary {
        signatures: pack.signatures(),
        yara_rules: pack.yara_rules(),
        pending,
        dropped: pack.dropped(),
        unverified,
    }
}

/// Lines of a row's lists, for tables.
pub(crate) fn totals(row: &SourceRow) -> [u64; 3] {
    [&row.pending, &row.left_out, &row.dropped].map(|rows| SourceRow::total(rows))
}

fn send(channel: &Channel, reply: &Reply) -> Result<(), String> {
    channel
        .send(&reply.to_message(), &[])
        .map_err(|error| format!("no answer can be sent: {error}"))
}
