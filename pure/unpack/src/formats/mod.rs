//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay, and whatever else they are by
//! [`crate::identify_beside`]; then documents, which leave room for other formats in the same
//! way; then containers that begin with a magic; then zip, which may hide behind a prefix; then what is only recognised.

pub(crate) mod bzip2;
mod elf;
pub(crate) mod gzip;
pub(crate) mod leaf;
mod mail;
mod pdf;
mod pe;
mod recognised;
pub(crate) mod streams;
mod tar;
mod xz;
pub(crate) mod zip;
pub(crate) mod zstd;

use crate::identify::Format;

/// Every format that is recognised, in the order of recognition.
pub static REGISTRY: &[&[Format]] = &[
    &pe::FORMATS,
    &elf::FORMATS,
    &pdf::FORMATS,
    &gzip::FORMATS,
    &bzip2::FORMATS,
    &xz::FORMATS,
    &zstd::FORMATS,
    &tar::FORMATS,
    &zip::FORMATS,
    &mail::FORMATS,
    recognised::FORMATS,
    leaf::FORMATS,
];
