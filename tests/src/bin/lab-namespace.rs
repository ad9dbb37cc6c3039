//! A network namespace that ends in a TUN device, for the tests of the lab's gateway.
//!
//! Started by `unshare --net --mount` with a socket as descriptor 0. It hands the device over,
//! and keeps the namespaces alive until the socket is closed. It goes on only where nothing but
//! the loopback and the device is there: no uplink.

use std::os::fd::AsFd;
use std::process::{Command, ExitCode};

use kernel::channel::Channel;

const DEVICE: &str = "tun0";
const STEPS: &[&[&str]] = &[
    &["link", "set", "lo", "up"],
    &["addr", "add", "198.18.0.2/24", "dev", DEVICE],
    &["link", "set", DEVICE, "up"],
    &[
        "-6",
        "addr",
        "add",
        "fdca:4d03:1ab0:1::2/64",
        "dev",
        DEVICE,
        "nodad",
    ],
    &["route", "add", "default", "dev", DEVICE],
    &["-6", "route", "add", "default", "dev", DEVICE],
];

fn main() -> ExitCode {
    let Some(resolvers) = std::env::args().nth(1) else {
        eprintln!("usage: unshare --net --mount lab-namespace RESOLV.CONF <SOCKET");
        return ExitCode::from(2);
    };
    match keep(&resolvers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-namespace: {error}");
            ExitCode::from(2)
        }
    }
}

fn keep(resolvers: &str) -> Result<(), String> {
    let channel = Channel::from_stdin().map_err(|error| error.to_string())?;
    let device = kernel::tun::open(DEVICE).map_err(|error| format!("no TUN device: {error}"))?;
    for step in STEPS {
        ran("ip", step)?;
    }
    ran("mount", &["--bind", resolvers, "/etc/resolv.conf"])?;
    no_uplink()?;
    let sent = channel.send(b"ready", &[device.as_fd()]);
    sent.map_err(|error| format!("the device can't be handed over: {error}"))?;
    drop(device);
    // The other side closes it at the end.
    let _ = channel.receive(&mut Vec::new());
    Ok(())
}

/// Devices that are made with every namespace and lead nowhere are down; none but ours is up.
fn no_uplink() -> Result<(), String> {
    let links = ran("ip", &["-o", "link", "show", "up"])?;
    let names: Vec<&str> = links
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    if names == ["lo", DEVICE] {
        Ok(())
    } else {
        Err(format!("there is an uplink: {names:?}"))
    }
}

fn ran(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let words = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program} {arguments:?}: {words}"))
    }
}
