//! Container bytes in; members, structure facts and named troubles out.
//!
//! Each format is one file under `formats/` and one line in [`formats::REGISTRY`]. Nothing here
//! does I/O: an object is a [`Source`], members go to a [`Members`] sink, and every loop over
//! input spends from the scan's `Budget`.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::arithmetic_side_effects
    )
)]

mod compression;
mod decode;
pub mod embedded;
pub mod facts;
mod fields;
pub mod formats;
pub mod identify;
mod input;
pub mod members;
pub mod normalise;
mod output;
mod packers;
pub mod source;

pub use compression::{Compression, Decompressed, decompress};
pub use embedded::{Embedded, embedded};
pub use facts::{Facts, Section, Structure};
pub use formats::ooxml::{is_zip, unpack as unpack_zip};
pub use formats::pe::certificates::{Certificate, CertificateStop, certificates};
pub use identify::{Format, Probe, Role, identify, identify_beside, zip_directories};
pub use members::{Content, Flow, Listed, Lister, Member, Members, Trouble};
pub use source::{ReadError, Source, SubSource};
