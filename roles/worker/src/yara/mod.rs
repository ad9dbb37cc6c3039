//! YARA rules: arranged into namespaces, compiled by YARA-X, loaded and run. The interpreter's
//! code is data; no memory ever becomes executable. Refuses to read a file of its own accord: an
//! `include` finds only what was handed over.

mod arrange;
mod compile;
mod scan;

pub(crate) use arrange::{Arranged, Text, arrange, arranged_before};
pub(crate) use compile::{compile, merged};
pub(crate) use scan::YaraHit;
pub use scan::{YaraRules, YaraScanner, prepare};

/// The namespace of all sources that don't need their own.
const SHARED: &str = "default";
