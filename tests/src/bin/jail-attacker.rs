//! A worker that was taken over: it enters the worker's own jail, then tries to get out.
//!
//! `jail-attacker all` makes every attempt and prints a line for each; `yara` makes them where YARA
//! rules are run; `interrupt` makes the one that ends the process; `loose` enters a jail that allows every call and says whether it holds;
//! `stay` never ends by itself.

#[path = "../../../roles/worker-yara/src/allowed_calls.rs"]
mod yara_calls;

use std::process::ExitCode;

use kernel::jail::{AllowedCall, JailSettings};
use proto::{JailReport, LayerState, Probe, ProbeResult, THREATS};
use worker::jail::{Mode, settings};

const DATA_BYTES_MAX: u64 = 64 << 20;
const EPERM: i32 = 1;
/// Memory that can be read and written, and never executed.
const GRANTED_FOR_YARA: &str = "mprotect";

/// Every call that this machine has, and then some.
const EVERY_CALL: [AllowedCall; 600] = {
    let mut calls = [AllowedCall {
        name: "any",
        number: 0,
    }; 600];
    let mut index = 0;
    let mut number = 0;
    while index < calls.len() {
        calls[index].number = number;
        index += 1;
        number += 1;
    }
    calls
};

fn main() -> ExitCode {
    let mode = std::env::args().nth(1).unwrap_or_default();
    match mode.as_str() {
        "all" => jailed(settings(Mode::Scan, DATA_BYTES_MAX), || {
            kernel::attack::all().for_each(|probe| say(&probe));
        }),
        "yara" => jailed(yara_settings(), || {
            let attempts = kernel::attack::all();
            let refused = attempts.filter(|probe| probe.attempt != GRANTED_FOR_YARA);
            refused.for_each(|probe| say(&probe));
        }),
        #[cfg(target_arch = "x86_64")]
        "interrupt" => jailed(settings(Mode::Scan, DATA_BYTES_MAX), || {
            say(&kernel::attack::by_interrupt());
        }),
        "loose" => jailed(
            JailSettings {
                allowed_calls: &EVERY_CALL,
                withheld_calls: &[],
                ..settings(Mode::Scan, DATA_BYTES_MAX)
            },
            || {},
        ),
        "stay" => jailed(settings(Mode::Scan, DATA_BYTES_MAX), || {
            eprintln!("staying");
            loop {
                std::hint::spin_loop();
            }
        }),
        _ => {
            eprintln!("usage: jail-attacker all|yara|interrupt|loose|stay");
            ExitCode::from(2)
        }
    }
}

/// The jail of the worker for YARA rules.
fn yara_settings() -> JailSettings {
    worker::jail::settings_with(yara_calls::ALLOWED, Mode::Scan, DATA_BYTES_MAX)
}

/// Enters the jail, reports it as a worker would, and attacks.
fn jailed(settings: JailSettings, attack: impl FnOnce()) -> ExitCode {
    match kernel::jail::enter(&settings) {
        Ok(mut report) => {
            report.probes = kernel::jail::self_test();
            describe(&report);
            attack();
            eprintln!("end of attack");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("no jail: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Descriptor 2 is the only one that the jail lets it write to.
fn describe(report: &JailReport) {
    for (layer, state) in &report.layers {
        match state {
            LayerState::Active => eprintln!("layer {}: active", layer.as_str()),
            LayerState::Missing(why) => eprintln!("layer {}: missing: {why}", layer.as_str()),
        }
    }
    for threat in THREATS {
        let holds = report.holds_against(threat);
        eprintln!("threat {}: holds {holds}", threat.as_str());
    }
    eprintln!("jail: holds {}", report.holds());
}

fn say(probe: &Probe) {
    match probe.result {
        ProbeResult::Refused(EPERM) => eprintln!("attack {}: refused EPERM", probe.attempt),
        ProbeResult::Refused(error) => eprintln!("attack {}: refused {error}", probe.attempt),
        ProbeResult::Succeeded => eprintln!("attack {}: SUCCEEDED", probe.attempt),
    }
}
