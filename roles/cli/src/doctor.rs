//! `candor doctor`: what stands between a hostile file and this machine, layer by layer, as a
//! worker found it; and what a scan would use. Changes nothing.

use std::fmt::Write;
use std::io::{self, Write as _};
use std::process::ExitCode;

use proto::{JailReport, LayerState, ProbeResult, THREATS, Threat};
use serde::Serialize;

use crate::args::{DoctorArguments, PackChoice};
use crate::escape::{escaped_path, visible};
use crate::failure::Failure;
use crate::packs::{self, Origin};
use crate::program;

/// Looks, and says what it saw.
pub(crate) fn run(arguments: &DoctorArguments) -> Result<ExitCode, Failure> {
    let health = Health::look();
    let text = if arguments.json {
        let mut line = serde_json::to_string(&health).map_err(io::Error::from)?;
        line.push('\n');
        line
    } else {
        health.for_people()
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(if health.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(2)
    })
}

#[derive(Debug, Serialize)]
struct Health {
    version: &'static str,
    kernel: String,
    worker: Found,
    pack: String,
    starter: bool,
    cache: Found,
    open_files_max: Option<u64>,
    layers: Vec<LayerHealth>,
    threats: Vec<ThreatHealth>,
    holds: bool,
    /// Why no worker could be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Found {
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct LayerHealth {
    name: &'static str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct ThreatHealth {
    name: &'static str,
    holds: bool,
    attempts: Vec<Attempt>,
}

#[derive(Debug, Serialize)]
struct Attempt {
    attempt: String,
    refused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    said: Option<String>,
}

impl Found {
    fn new(found: Result<std::path::PathBuf, String>) -> Self {
        match found {
            Ok(path) => Self {
                path: Some(escaped_path(&path)),
                error: None,
            },
            Err(why) => Self {
                path: None,
                error: Some(why),
            },
        }
    }

    fn for_people(&self) -> String {
        match (&self.path, &self.error) {
            (Some(path), _) => path.clone(),
            (None, Some(why)) => format!("none: {why}"),
            (None, None) => "none".to_owned(),
        }
    }
}

impl Health {
    fn look() -> Self {
        let worker = program::worker().map_err(|failure| failure.to_string());
        let inspected = worker
            .clone()
            .and_then(|program| pool::inspect(&program).map_err(|error| error.to_string()));
        let (jail, error) = match inspected {
            Ok(jail) => (jail, None),
            Err(why) => (JailReport::default(), Some(why)),
        };
        let origin = Origin::choose(&PackChoice::default());
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        Self {
            version: env!("CARGO_PKG_VERSION"),
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            worker: Found::new(worker),
            pack: origin.to_string(),
            starter: origin.is_starter(),
            cache: Found::new(packs::cache_state()),
            open_files_max: limit.maximum,
            layers: layers(&jail),
            threats: THREATS
                .iter()
                .map(|threat| threat_health(&jail, *threat))
                .collect(),
            holds: error.is_none() && jail.holds(),
            error,
        }
    }

    fn for_people(&self) -> String {
        let mut text = String::new();
        put(&mut text, format_args!("candor {}\n", self.version));
        put(
            &mut text,
            format_args!("kernel: {}\n", visible(&self.kernel)),
        );
        put(
            &mut text,
            format_args!("worker: {}\n", self.worker.for_people()),
        );
        put(&mut text, format_args!("signatures: {}\n", self.pack));
        if self.starter {
            text.push_str("  the starter pack is not protection; get signatures with freshclam\n");
        }
        put(
            &mut text,
            format_args!("cache: {}\n", self.cache.for_people()),
        );
        match self.open_files_max {
            Some(max) => put(&mut text, format_args!("open files: at most {max}\n")),
            None => text.push_str("open files: no limit\n"),
        }
        text.push_str("\nlayers of the worker's jail:\n");
        for layer in &self.layers {
            self.layer(&mut text, layer);
        }
        text.push_str("\nwhat a taken-over worker tried:\n");
        for threat in &self.threats {
            put(&mut text, format_args!("  {}\n", threat.name));
            for attempt in &threat.attempts {
                let said = attempt.said.as_deref().unwrap_or("WENT THROUGH");
                put(
                    &mut text,
                    format_args!("    {}: {said}\n", visible(&attempt.attempt)),
                );
            }
            if threat.attempts.is_empty() {
                text.push_str("    nothing was tried\n");
            }
        }
        put(&mut text, format_args!("\n{}\n", self.conclusion()));
        text
    }

    fn layer(&self, text: &mut String, layer: &LayerHealth) {
        if layer.active {
            put(text, format_args!("  {:<18} active\n", layer.name));
            return;
        }
        let why = layer.why.as_deref().unwrap_or("not reported");
        put(
            text,
            format_args!("  {:<18} missing: {}\n", layer.name, visible(why)),
        );
        if let Some(cost) = layer.cost {
            put(text, format_args!("  {:<18}   without it, {cost}\n", ""));
        }
    }

    fn conclusion(&self) -> String {
        if let Some(why) = &self.error {
            return format!("the jail does not hold: {}", visible(why));
        }
        let broken: Vec<_> = self
            .threats
            .iter()
            .filter(|threat| !threat.holds)
            .map(|threat| threat.name)
            .collect();
        match broken.as_slice() {
            [] => "the jail holds".to_owned(),
            names => format!("the jail does not hold: {}", names.join(", ")),
        }
    }
}

fn layers(jail: &JailReport) -> Vec<LayerHealth> {
    jail.layers
        .iter()
        .map(|(layer, state)| match state {
            LayerState::Active => LayerHealth {
                name: layer.as_str(),
                active: true,
                why: None,
                cost: None,
            },
            LayerState::Missing(why) => LayerHealth {
                name: layer.as_str(),
                active: false,
                why: Some(why.clone()),
                cost: Some(layer.cost_if_missing()),
            },
        })
        .collect()
}

fn threat_health(jail: &JailReport, threat: Threat) -> ThreatHealth {
    let tried = jail.probes.iter().filter(|probe| probe.threat == threat);
    ThreatHealth {
        name: threat.as_str(),
        holds: jail.holds_against(threat),
        attempts: tried
            .map(|probe| match probe.result {
                ProbeResult::Refused(errno) => {
                    let error = io::Error::from_raw_os_error(errno);
                    Attempt {
                        attempt: probe.attempt.clone(),
                        refused: true,
                        errno: Some(errno),
                        said: Some(format!("refused ({})", crate::failure::plain(&error))),
                    }
                }
                ProbeResult::Succeeded => Attempt {
                    attempt: probe.attempt.clone(),
                    refused: false,
                    errno: None,
                    said: None,
                },
            })
            .collect(),
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = text.write_fmt(arguments);
}
