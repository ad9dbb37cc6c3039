//! `candor-verifier`: judges evidence inside a jail.
//!
//! Bundles, statements, other people's documents and dossiers are hostile bytes. They are read
//! here, by descriptor, and nowhere else; one question is answered, and the process ends. It opens
//! nothing, signs nothing, and knows no date but the one that it is told.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod allowed_calls;
mod answer;
mod decide;
mod evidence_for;
mod files;
mod jail;
mod portfolio;
mod prepare;
mod show;
mod tasks;
mod verify;

use std::hash::RandomState;
use std::process::ExitCode;

use kernel::channel::Channel;
use proto::{Decode, Encode, JailReport, MESSAGE_BYTES_MAX, Reply, Request};

/// What a panic ends with, as in any Rust program.
const PANIC_STATUS: u8 = 101;
/// A piece of an answer; several fit into a message.
const PIECE_BYTES_MAX: usize = 32 << 10;

fn main() -> ExitCode {
    let (Some(data_bytes_max), Ok(channel)) = (data_bytes_max(), Channel::from_stdin()) else {
        eprintln!(
            "candor-verifier is started by candor and does nothing by hand; try: candor verify"
        );
        return ExitCode::from(2);
    };
    end_at_a_panic();
    let served = enter(data_bytes_max).and_then(|report| serve(&channel, report));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            // If nobody hears it, the end of the socket says enough.
            let _ = channel.send(&Reply::Refused(why).to_message(), &[]);
            ExitCode::FAILURE
        }
    }
}

/// The second argument, as every jailed process of ours gets it.
fn data_bytes_max() -> Option<u64> {
    let mut arguments = std::env::args().skip(1);
    let mode = arguments.next()?;
    let bytes = arguments.next()?.parse().ok()?;
    (mode == "scan" && arguments.next().is_none()).then_some(bytes)
}

fn enter(data_bytes_max: u64) -> Result<JailReport, String> {
    // Hash tables draw their keys from the kernel once, and now is the time for it.
    drop(RandomState::new());
    let settings = jail::settings(data_bytes_max);
    let mut report = kernel::jail::enter(&settings).map_err(|error| error.to_string())?;
    report.probes = kernel::jail::self_test();
    Ok(report)
}

fn serve(channel: &Channel, jail: JailReport) -> Result<(), String> {
    send(channel, &Reply::Ready { jail, pack: None })?;
    let mut message = vec![0u8; MESSAGE_BYTES_MAX];
    while let Some(received) = channel
        .receive(&mut message)
        .map_err(|error| format!("no request can be read: {error}"))?
    {
        let request = Request::from_message(received.bytes).map_err(|error| error.to_string())?;
        let Request::Judge(question) = request else {
            return Err("this process judges evidence and does nothing else".to_owned());
        };
        match tasks::perform(&question, received.files) {
            Ok(text) => answer_with(channel, &text)?,
            Err(why) => send(channel, &Reply::TextEnd(Some(why)))?,
        }
    }
    Ok(())
}

fn answer_with(channel: &Channel, text: &str) -> Result<(), String> {
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(PIECE_BYTES_MAX);
        let (piece, after) = rest.split_at(end);
        send(channel, &Reply::Text(vec![piece.to_owned()]))?;
        rest = after;
    }
    send(channel, &Reply::TextEnd(None))
}

fn send(channel: &Channel, reply: &Reply) -> Result<(), String> {
    channel
        .send(&reply.to_message(), &[])
        .map_err(|error| format!("no answer can be sent: {error}"))
}

/// A panic is one line and the end. Nothing is unwound: what was being read is hostile.
fn end_at_a_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(|place| format!(" at {}:{}", place.file(), place.line()))
            .unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        eprintln!("panicked{place}: {message}");
        kernel::process::end(PANIC_STATUS);
    }));
}
