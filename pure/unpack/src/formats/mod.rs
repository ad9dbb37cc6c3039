//! The formats, one file each. The order is the order of recognition: executables first, since
//! what is appended to them is looked at as their overlay, and whatever else they are by
//! [`crate::identify_beside`]; then documents, which leave room for other formats in the same way,
//! and images of disks, whose first 32 KiB can be anything; then containers that begin with a
//! magic, and text that is one; then zip, which may hide behind a prefix; then what is only
//! recognised; LZMA alone last, which has no magic.

mod activemime;
mod ar;
pub(crate) mod bzip2;
pub(crate) mod cab;
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
mod msxml;
mod ole2;
mod onenote;
pub(crate) mod ooxml;
pub(crate) mod package;
mod pdf;
pub(crate) mod pe;
mod powerpoint;
mod recognised;
mod rpm;
mod rtf;
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
    &pdf::FORMATS,
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
    &ole2::FORMATS,
    &activemime::FORMATS,
    &powerpoint::FORMATS,
    &ooxml::FORMATS,
    &msxml::FORMATS,
    &onenote::FORMATS,
    &mail::FORMATS,
    &uuencode::FORMATS,
    &rtf::FORMATS,
    &zip::FORMATS,
    recognised::FORMATS,
    &lzma::FORMATS,
    leaf::FORMATS,
];
