//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay, and whatever else they are by
//! [`crate::identify_beside_executable`]; then containers that begin with a
//! magic; then zip, which may hide behind a prefix; then what is only recognised.

mod activemime;
pub(crate) mod bzip2;
mod elf;
pub(crate) mod gzip;
pub(crate) mod leaf;
mod mail;
mod msxml;
mod ole2;
mod onenote;
pub(crate) mod ooxml;
pub(crate) mod package;
mod pe;
mod powerpoint;
mod recognised;
mod rtf;
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
    &gzip::FORMATS,
    &bzip2::FORMATS,
    &xz::FORMATS,
    &zstd::FORMATS,
    &ole2::FORMATS,
    &activemime::FORMATS,
    &powerpoint::FORMATS,
    &tar::FORMATS,
    &ooxml::FORMATS,
    &zip::FORMATS,
    &msxml::FORMATS,
    &onenote::FORMATS,
    &mail::FORMATS,
    &rtf::FORMATS,
    recognised::FORMATS,
    leaf::FORMATS,
];
