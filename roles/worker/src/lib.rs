//! What a worker does inside its jail: scans files, compiles rules, answers questions about a pack.
//!
//! It is handed open files and a mapped pack, and speaks to one socket. Everything that parses
//! hostile bytes in Candor runs here and nowhere else.

pub mod allowed_calls;
mod answer;
mod beside;
mod compile;
mod file_source;
pub mod jail;
mod scan;
mod serve;
mod sources;
mod views;
mod yara;

pub use scan::{FileToScan, ScanBuffers, scan_file};
pub use serve::serve;
pub use yara::{YaraRules, YaraScanner, prepare as prepare_yara};
