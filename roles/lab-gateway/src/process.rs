//! The gateway's process: enters the jail, proves it, then does what it is ordered.
//!
//! It is started by `candor-lab` with its socket as descriptor 0, and refuses to run in any other
//! way. Everything else that it holds comes through that socket, after the jail stands.

use std::hash::RandomState;
use std::io;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kernel::channel::Channel;
use kernel::tun;
use lab::control::{DnsAnswer, FILES_MAX, Jail, Order, Reply, Settings, VendorFile};

use crate::authority::Authority;
use crate::dns::Fixed;
use crate::jail;
use crate::names::Names;
use crate::recording::{Files, Recording, Secrets};
use crate::run::{self, Run};
use crate::stream::Shared;
use crate::vendor::Vendor;

/// What a panic ends with, as in any Rust program.
const PANIC_STATUS: u8 = 101;
/// How long orders are waited for at once.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The program's life.
pub(crate) fn run() -> ExitCode {
    let Ok(channel) = Channel::from_stdin() else {
        eprintln!(
            "candor-lab-gateway is started by candor-lab and does nothing by hand; try: candor lab run"
        );
        return ExitCode::from(2);
    };
    end_at_a_panic();
    // Hash tables draw their keys from the kernel once, and now is the time for it.
    drop(RandomState::new());
    // So does the clock find out once how it can be read without the kernel.
    let _ = kernel::clock::monotonic_ns();
    let done = enter_jail().and_then(|jail| obey(&channel, jail));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("{reason}");
            // If nobody hears it, the end of the socket says enough.
            let _ = reply(&channel, &Reply::Refused { reason });
            ExitCode::FAILURE
        }
    }
}

fn enter_jail() -> Result<Jail, String> {
    let mut report = kernel::jail::enter(&jail::SETTINGS).map_err(|error| error.to_string())?;
    report.probes = kernel::jail::self_test();
    if report.holds() {
        Ok(jail::described(&report))
    } else {
        Err("the jail does not hold: a threat was not refused".to_owned())
    }
}

/// Everything that outlives a run.
struct Gateway {
    shared: Shared,
    settings: Settings,
    secrets: Arc<Secrets>,
    run: Option<Run>,
}

/// Carries out orders until there are no more.
fn obey(channel: &Channel, jail: Jail) -> Result<(), String> {
    let mut buffer = Vec::new();
    let Some((order, _)) = next_order(channel, &mut buffer, PATIENCE)? else {
        return Ok(());
    };
    let Order::Settings(settings) = order else {
        return Err("the first order must be settings".to_owned());
    };
    let mut gateway = Gateway::new(*settings)?;
    let certificate = gateway.shared.authority.pem();
    reply(channel, &Reply::Ready { certificate, jail })?;
    loop {
        let ready = gateway
            .wait(channel)
            .map_err(|error| format!("waiting failed: {error}"))?;
        if ready.orders {
            let Some((order, files)) = next_order(channel, &mut buffer, Duration::ZERO)? else {
                gateway.end();
                return Ok(());
            };
            match gateway.carry_out(order, files)? {
                Some(answer) => reply(channel, &answer)?,
                None => return Ok(()),
            }
        }
        if let Some(run) = &mut gateway.run {
            if ready.packets {
                run.take_packet();
            }
            run.advance(&mut gateway.shared);
        }
    }
}

impl Gateway {
    fn new(settings: Settings) -> Result<Self, String> {
        let secrets = Arc::new(Secrets::default());
        let seed = seed(&settings.seed).ok_or("the seed must be 64 hexadecimal digits")?;
        if settings.mtu < 1280 {
            return Err("the device's longest packet must have at least 1280 bytes".to_owned());
        }
        let log: Arc<dyn rustls::KeyLog> = secrets.clone();
        let authority = Authority::new(&seed, log)
            .map_err(|error| format!("the authority could not be made: {error}"))?;
        let fixed = settings.dns.iter().map(fixed).collect::<Result<_, _>>()?;
        let shared = Shared {
            authority,
            vendor: Vendor::new(settings.vendor.clone()),
            names: Names::default(),
            fixed,
        };
        Ok(Self {
            shared,
            settings,
            secrets,
            run: None,
        })
    }

    /// Waits for something to do. What is recorded goes to the kernel before a longer wait.
    fn wait(&mut self, channel: &Channel) -> io::Result<tun::Ready> {
        let Some(run) = &mut self.run else {
            return tun::wait(channel, None, PATIENCE);
        };
        let ready = tun::wait(channel, run.device(), Duration::ZERO)?;
        let quiet = run.quiet();
        if ready != tun::Ready::default() || quiet.is_zero() {
            return Ok(ready);
        }
        run.flush();
        tun::wait(channel, run.device(), quiet)
    }

    /// Carries out an order; no reply is the end.
    fn carry_out(&mut self, order: Order, files: Vec<OwnedFd>) -> Result<Option<Reply>, String> {
        match order {
            Order::Settings(_) => return Err("settings are given once".to_owned()),
            Order::Files { files: names } => self.serve(names, files)?,
            Order::Begin { run, start_ns } => self.begin((run, start_ns), files)?,
            Order::Phase { name } => self.shared.vendor.begin(Some(name)),
            Order::Condition { network } => {
                let run = self
                    .run
                    .as_mut()
                    .ok_or("there is no run whose network could change")?;
                run.set(network);
            }
            Order::End => {
                let run = self.run.take().ok_or("there is no run that could end")?;
                return Ok(Some(Reply::Ended(run.end(&mut self.shared))));
            }
            Order::Stop => {
                self.end();
                return Ok(None);
            }
        }
        Ok(Some(Reply::Done))
    }

    fn serve(&mut self, names: Vec<VendorFile>, files: Vec<OwnedFd>) -> Result<(), String> {
        if names.len() != files.len() {
            return Err("there must be one descriptor for each file".to_owned());
        }
        for (name, file) in names.into_iter().zip(files) {
            if self.shared.vendor.files() >= FILES_MAX {
                return Err(format!("the vendor serves at most {FILES_MAX} files"));
            }
            let served = self.shared.vendor.serve(name, file);
            served.map_err(|error| format!("a file of the vendor can't be read: {error}"))?;
        }
        Ok(())
    }

    fn begin(&mut self, run: (String, u64), files: Vec<OwnedFd>) -> Result<(), String> {
        if self.run.is_some() {
            return Err("the run before has not ended".to_owned());
        }
        let Ok([device, capture, events, keys]) = <[OwnedFd; 4]>::try_from(files) else {
            return Err(
                "a run begins with four descriptors: the device, the capture, the events, the keys"
                    .to_owned(),
            );
        };
        self.shared.names = Names::default();
        self.shared.vendor.begin(None);
        let files = Files {
            capture,
            events,
            keys,
        };
        let secrets = Arc::clone(&self.secrets);
        let recording = Recording::new(run, files, &self.settings.bounds, secrets);
        let settings = run::Settings {
            bounds: self.settings.bounds.clone(),
            slow: self.settings.slow.clone(),
            mtu: self.settings.mtu,
            seed: seed(&self.settings.seed).map_or(0, |seed| first_number(&seed)),
        };
        self.run = Some(Run::new(device, recording, settings));
        Ok(())
    }

    fn end(&mut self) {
        if let Some(run) = self.run.take() {
            run.end(&mut self.shared);
        }
    }
}

/// The next order with its descriptors; none when the other side is gone.
fn next_order(
    channel: &Channel,
    buffer: &mut Vec<u8>,
    patience: Duration,
) -> Result<Option<(Order, Vec<OwnedFd>)>, String> {
    let deadline = Instant::now() + patience;
    let received = channel.receive_by(buffer, deadline);
    let received = received.map_err(|error| format!("no order can be received: {error}"))?;
    let Some(received) = received else {
        return Ok(None);
    };
    let order = serde_json::from_slice(received.bytes);
    let order = order.map_err(|error| format!("an order can't be read: {error}"))?;
    Ok(Some((order, received.files)))
}

fn reply(channel: &Channel, reply: &Reply) -> Result<(), String> {
    let message = serde_json::to_vec(reply).map_err(|error| error.to_string())?;
    let sent = channel.send(&message, &[]);
    sent.map_err(|error| format!("nobody hears the reply: {error}"))
}

fn fixed(answer: &DnsAnswer) -> Result<Fixed, String> {
    if !["A", "AAAA", "TXT"].contains(&answer.kind.as_str()) {
        return Err(format!(
            "a DNS answer of the plan is of kind {}; A, AAAA and TXT are known",
            answer.kind
        ));
    }
    Ok(Fixed {
        name: answer
            .name
            .trim_end_matches('.')
            .to_ascii_lowercase()
            .into_bytes(),
        kind: answer.kind.clone(),
        value: answer.value.clone(),
    })
}

fn seed(digits: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = digits
        .chars()
        .map(|digit| {
            digit
                .to_digit(16)
                .and_then(|digit| u8::try_from(digit).ok())
        })
        .collect::<Option<_>>()?;
    let mut seed = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in seed.iter_mut().zip(digits.chunks(2)) {
        *byte = pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    }
    Some(seed)
}

fn first_number(seed: &[u8; 32]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&seed[..8]);
    u64::from_le_bytes(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_64_digits() {
        assert_eq!(seed(&"0f".repeat(32)), Some([0x0f; 32]));
        assert_eq!(seed(&"0f".repeat(31)), None);
        assert_eq!(seed(&"0x".repeat(32)), None);
    }
}
