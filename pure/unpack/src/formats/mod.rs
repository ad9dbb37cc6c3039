//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay; then containers that begin with a
//! magic; then zip, which may hide behind a prefix; then what is only recognised.

mod bzip2;
mod elf;
mod gzip;
pub(crate) mod leaf;
mod mail;
mod pe;
mod recognised;
mod streams;
mod tar;
mod xz;
mod zip;
mod zstd;

use crate::identify::Format;

/// Every format that is recognised, in the order of recognition.
pub static REGISTRY: &[&[Format]] = &[
    &pe::FORMATS,
    &elf::FORMATS,
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
