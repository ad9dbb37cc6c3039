//! Decoders: an [`Input`](crate::input::Input) in, an [`Output`](crate::output::Output) filled.
//! Each takes one stream, leaves the input right after it, and on failure leaves what it decoded.

pub(crate) mod bzip2;
pub(crate) mod crc64;
pub(crate) mod deflate;
pub(crate) mod letters;
pub(crate) mod lz4;
pub(crate) mod lzma;
pub(crate) mod lzw;
pub(crate) mod lzx;
pub(crate) mod ovba;
pub(crate) mod ppmd;
pub(crate) mod xz;
mod xz_block;
pub(crate) mod zstd;
