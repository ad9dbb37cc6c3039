//! The lab's analyst: answers about a bundle, in a jail.
//!
//! The bundle is descriptor 0, a regular file; the answers go to descriptor 1. It opens nothing,
//! and answers about nothing that its digests don't vouch for. It ends with the outcome: 0, 1 or 2;
//! and with 2 and no answer where the bundle is refused.

mod allowed_calls;

use std::hash::RandomState;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::process::ExitCode;

use analysis::Bundle;
use kernel::file::FileKind;
use kernel::jail::JailSettings;

/// What the outcome is where there is none.
const REFUSED: u8 = 2;
const PANIC_STATUS: u8 = 101;
/// A longer recording is not read.
const BUNDLE_BYTES_MAX: u64 = 2 << 30;
const PART_BYTES: usize = 1 << 20;
const OPEN_FILES_MAX: u64 = 8;

/// What is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Answers,
    Html,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted() else {
        eprintln!(
            "candor-lab-analyst is started by candor and does nothing by hand; try: candor lab report BUNDLE"
        );
        return ExitCode::from(REFUSED);
    };
    end_at_a_panic();
    match respond(wanted) {
        Ok(exit) => ExitCode::from(exit),
        Err(why) => {
            eprintln!("candor: {why}");
            ExitCode::from(REFUSED)
        }
    }
}

fn wanted() -> Option<Wanted> {
    let mut arguments = std::env::args().skip(1);
    let wanted = match arguments.next()?.as_str() {
        "answers" => Wanted::Answers,
        "html" => Wanted::Html,
        _ => return None,
    };
    arguments.next().is_none().then_some(wanted)
}

/// Enters the jail, reads, answers; gives the outcome.
fn respond(wanted: Wanted) -> Result<u8, String> {
    let stat = kernel::file::stat(io::stdin().as_fd())
        .map_err(|error| format!("the bundle can't be looked at: {error}"))?;
    if stat.kind != FileKind::Regular {
        return Err("the bundle is not a regular file".to_owned());
    }
    if stat.size_bytes > BUNDLE_BYTES_MAX {
        return Err("the bundle is larger than 2 GiB: record fewer pairs".to_owned());
    }
    enter_jail(stat.size_bytes)?;
    let bytes = read(stat.size_bytes)?;
    let bundle = Bundle::open(&bytes).map_err(|refused| refused.to_string())?;
    let answers = analysis::answer(&bundle).map_err(|refused| refused.to_string())?;
    let text = match wanted {
        Wanted::Answers => {
            let mut json =
                serde_json::to_vec_pretty(&answers).map_err(|error| error.to_string())?;
            json.push(b'\n');
            json
        }
        Wanted::Html => analysis::html(&answers).into_bytes(),
    };
    write(&text)?;
    Ok(answers.outcome.exit)
}

fn enter_jail(size_bytes: u64) -> Result<(), String> {
    // Hash tables draw their keys from the kernel once, and now is the time for it.
    drop(RandomState::new());
    let settings = JailSettings {
        allowed_calls: allowed_calls::ALLOWED,
        withheld_calls: &[],
        data_bytes_max: size_bytes.saturating_mul(8).saturating_add(1 << 30),
        file_bytes_max: 0,
        open_files_max: OPEN_FILES_MAX,
    };
    let mut report = kernel::jail::enter(&settings).map_err(|error| error.to_string())?;
    report.probes = kernel::jail::self_test();
    match report.holds() {
        true => Ok(()),
        false => Err("the jail does not hold here; see candor doctor".to_owned()),
    }
}

fn read(size_bytes: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut part = vec![0; PART_BYTES];
    while (bytes.len() as u64) < size_bytes {
        let count = kernel::file::read_at(io::stdin().as_fd(), bytes.len() as u64, &mut part)
            .map_err(|error| format!("the bundle can't be read: {error}"))?;
        if count == 0 {
            return Err("the bundle became shorter while it was read".to_owned());
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
    }
    Ok(bytes)
}

fn write(text: &[u8]) -> Result<(), String> {
    let mut rest = text;
    while !rest.is_empty() {
        match rustix::io::writev(io::stdout().as_fd(), &[IoSlice::new(rest)]) {
            Ok(0) => return Err("the answers can't be written".to_owned()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(format!("the answers can't be written: {error}")),
        }
    }
    Ok(())
}

/// A panic is one line and the end. Nothing is unwound: what was being parsed is hostile.
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
