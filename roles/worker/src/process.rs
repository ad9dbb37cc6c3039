//! The worker's process: enters the jail, proves it, then serves.
//!
//! It is started by `candor` with its socket as descriptor 0, the rule pack as descriptor 1 and
//! its diagnostics as descriptor 2, and refuses to run in any other way.

use std::hash::RandomState;
use std::io;
use std::os::fd::AsFd;
use std::process::ExitCode;

use kernel::channel::Channel;
use kernel::file::FileKind;
use kernel::jail::AllowedCall;
use kernel::map::Map;
use proto::{Encode, JailReport, Reply};

use crate::allowed_calls::ALLOWED;
use crate::jail::{self, Mode};
use crate::serve::serve;
use crate::yara::YaraEngine;

/// What a panic ends with, as in any Rust program.
const PANIC_STATUS: u8 = 101;

/// What differs between the programs that are workers.
#[derive(Clone, Copy)]
pub struct Program {
    /// The system calls that its role allows.
    pub allowed_calls: &'static [AllowedCall],
    /// Its engine for YARA rules.
    pub yara: Option<&'static dyn YaraEngine>,
}

impl Program {
    /// The worker without YARA rules.
    pub const PLAIN: Self = Self {
        allowed_calls: ALLOWED,
        yara: None,
    };
}

/// The program's life.
#[must_use]
pub fn run(program: &Program) -> ExitCode {
    let Some((mode, data_bytes_max)) = arguments() else {
        return by_hand();
    };
    let Ok(channel) = Channel::from_stdin() else {
        return by_hand();
    };
    end_at_a_panic();
    match prepare(program, mode, data_bytes_max) {
        Ok((pack, report)) => serve(&channel, (pack, program.yara), report),
        Err(why) => {
            eprintln!("{why}");
            // If nobody hears it, the end of the socket says enough.
            let _ = channel.send(&Reply::Refused(why).to_message(), &[]);
            ExitCode::FAILURE
        }
    }
}

/// Maps the pack, which is the last file that is opened, and locks the door.
fn prepare(
    program: &Program,
    mode: Mode,
    data_bytes_max: u64,
) -> Result<(Option<Map>, JailReport), String> {
    // Hash tables draw their keys from the kernel once, and now is the time for it.
    drop(RandomState::new());
    if let Some(yara) = program.yara {
        yara.prepare();
    }
    let pack = pack().map_err(|error| format!("the rule pack can't be mapped: {error}"))?;
    let mut report = kernel::jail::enter(&jail::settings_with(
        program.allowed_calls,
        mode,
        data_bytes_max,
    ))
    .map_err(|error| error.to_string())?;
    report.probes = kernel::jail::self_test();
    Ok((pack, report))
}

/// The pack, where descriptor 1 is a file.
fn pack() -> io::Result<Option<Map>> {
    let stdout = io::stdout();
    if kernel::file::stat(stdout.as_fd())?.kind != FileKind::Regular {
        return Ok(None);
    }
    Map::read_only(stdout.as_fd()).map(Some)
}

fn arguments() -> Option<(Mode, u64)> {
    let mut arguments = std::env::args().skip(1);
    let mode = Mode::from_name(&arguments.next()?)?;
    let data_bytes_max = arguments.next()?.parse().ok()?;
    arguments.next().is_none().then_some((mode, data_bytes_max))
}

fn by_hand() -> ExitCode {
    eprintln!("candor-worker is started by candor and does nothing by hand; try: candor scan PATH");
    ExitCode::from(2)
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
