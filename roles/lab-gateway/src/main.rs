//! The lab's gateway: the whole network of an enclosure, in one jailed process.
//!
//! It answers every name, every port and every certificate, and writes down what it was told. It
//! has no socket that leads anywhere: its network is the device that it was handed.

mod allowed_calls;
mod authority;
mod condition;
mod connection;
mod dns;
mod http;
mod jail;
mod names;
mod packet;
mod pcapng;
mod process;
mod recording;
mod run;
mod smtp;
mod stream;
mod tls;
mod vendor;

use std::process::ExitCode;

fn main() -> ExitCode {
    process::run()
}
