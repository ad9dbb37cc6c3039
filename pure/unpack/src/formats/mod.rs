//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay, and whatever else they are by
//! [`crate::identify_beside_executable`]; then containers that begin with a
//! magic; then zip, which may hide behind a prefix; then what is only recognised; LZMA alone last,
//! which has no magic. Images of disks come before other containers, since their first 32 KiB can
//! be anything.

mod ar;
pub(crate) mod bzip2;
mod cab;
mod compress;
mod cpio;
mod damaged;
mod elf;
pub(crate) mod gzip;
mod iso9660;
pub(crate) mod leaf;
mod lz4;
mod lzip;
mod lzma;
mod mail;
mod pe;
mod recognised;
mod rpm;
mod seven_zip;
mod squashfs;
pub(crate) mod streams;
mod tar;
mod uncovered;
mod uuencode;
mod xz;
pub(crate) mod zip;
mod zisofs;
pub(crate) mod zstd;

use crate::identify::Format;

/// Every format that is recognised, in the order of recognition.
pub static REGISTRY: &[&[Format]] = &[
    &pe::FORMATS,
    &elf::FORMATS,
    &iso9660::FORMATS,
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
    &cpio::FORMATS,
    &ar::FORMATS,
    &rpm::FORMATS,
    &squashfs::FORMATS,
    &zisofs::FORMATS,
    &zip::FORMATS,
    &mail::FORMATS,
    &uuencode::FORMATS,
    recognised::FORMATS,
    &lzma::FORMATS,
    leaf::FORMATS,
];
