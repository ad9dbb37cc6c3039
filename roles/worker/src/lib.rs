//! What a worker does inside its jail: scans files, compiles rules, answers questions about a pack.
//!
//! It is handed open files and a mapped pack, and speaks to one socket. Everything that parses
//! hostile bytes in Candor runs here and nowhere else.

mod allowed_calls;
mod answer;
mod beside;
mod compile;
mod file_source;
pub mod jail;
mod process;
mod scan;
mod serve;
mod sources;
mod views;
pub mod yara;

pub use process::{Program, run};
pub use scan::{FileToScan, ScanBuffers, scan_file};
