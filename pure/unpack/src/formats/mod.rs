//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay, and whatever else they are by
//! [`crate::identify_beside_executable`]; then containers that begin with a
//! magic; then zip, which may hide behind a prefix; then what is only recognised; LZMA alone last,
//! which has no magic.

pub(crate) mod bzip2;
mod cab;
mod compress;
mod elf;
pub(crate) mod gzip;
pub(crate) mod leaf;
mod lz4;
mod lzip;
mod lzma;
mod mail;
mod pe;
mod recognised;
mod seven_zip;
pub(crate) mod streams;
mod tar;
mod uncovered;
mod xz;
pub(crate) mod zip;
pub(crate) mod zstd;

use crate::identify::Format;

/// Every format that is recognised, in the order of recognition.
pub static REGISTRY: &[&[Format]] = &[
    &pe::FORMATS,
    &elf::FORMATS,
    &gzip::FORMATS,
    &bzip2::FORMATS,
    &xz::FORMATS,
    &zstd::FORMATS,
    &lz4::FORMATS,
    &lzip::FORMATS,
    &seven_zip::FORMATS,
    &cab::FORMATS,
    &compress::FORMATS,
    &tar::FORMATS,
    &zip::FORMATS,
    &mail::FORMATS,
    recognised::FORMATS,
    &lzma::FORMATS,
    leaf::FORMATS,
];
