//! One compressed stream, without a container around it, for callers that found it themselves.

use proto::Budget;

use crate::decode::{bzip2, deflate, lz4, xz, zstd};
use crate::formats::gzip;
use crate::input::Input;
use crate::members::Stop;
use crate::output::{Output, Tally};

/// How a stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Deflate with nothing around it.
    Deflate,
    /// Deflate with zlib's two bytes before it.
    Zlib,
    /// A member of gzip.
    Gzip,
    /// A frame of Zstandard.
    Zstd,
    /// A frame of lz4.
    Lz4,
    /// A stream of bzip2.
    Bzip2,
    /// A stream of xz.
    Xz,
}

/// What came out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decompressed {
    /// All that could be decoded.
    pub bytes: Vec<u8>,
    /// How many bytes of the input that took, where the stream was whole.
    pub whole_bytes: Option<u64>,
}

/// Decodes the stream that begins at the first byte. What comes out of a damaged stream, or before
/// the budget is spent, is kept.
#[must_use]
pub fn decompress(compression: Compression, bytes: &[u8], budget: &mut Budget) -> Decompressed {
    let mut input = Input::whole(&bytes);
    let mut output = Output::new(Tally::new(bytes.len() as u64));
    let decode: fn(&mut Input<'_>, &mut Output, &mut Budget) -> Result<(), Stop> = match compression
    {
        Compression::Deflate => deflate::inflate,
        Compression::Zlib => deflate::unzlib,
        Compression::Gzip => gzip::STREAMS.decode,
        Compression::Zstd => zstd::unzstd,
        Compression::Lz4 => lz4::unlz4,
        Compression::Bzip2 => bzip2::bunzip2,
        Compression::Xz => xz::unxz,
    };
    let is_whole = decode(&mut input, &mut output, budget).is_ok();
    let decoded = output.bytes().to_vec();
    output.discard(budget);
    Decompressed {
        bytes: decoded,
        whole_bytes: is_whole.then(|| input.consumed()),
    }
}

#[cfg(test)]
mod tests {
    use miniz_oxide::deflate::compress_to_vec;
    use proto::{Limits, Unlimited};

    use super::*;

    #[test]
    fn a_stream_comes_out_whole_and_a_cut_one_as_far_as_it_goes() {
        let text: Vec<u8> = (0..2000_u32)
            .flat_map(|number| number.to_string().into_bytes())
            .collect();
        let packed = compress_to_vec(&text, 6);
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        let whole = decompress(Compression::Deflate, &packed, &mut budget);
        assert_eq!(whole.bytes, text);
        assert_eq!(whole.whole_bytes, Some(packed.len() as u64));
        let cut = decompress(
            Compression::Deflate,
            &packed[..packed.len() / 2],
            &mut budget,
        );
        assert_eq!(cut.whole_bytes, None);
        assert!(!cut.bytes.is_empty() && text.starts_with(&cut.bytes));
        assert_eq!(budget.memory_left(), Limits::default().memory_bytes_max);
    }

    #[test]
    fn what_is_no_stream_gives_nothing() {
        let mut budget = Budget::new(Limits::default(), Unlimited::clock_ms);
        for compression in [
            Compression::Zlib,
            Compression::Gzip,
            Compression::Zstd,
            Compression::Lz4,
            Compression::Bzip2,
            Compression::Xz,
        ] {
            let nothing = decompress(compression, b"not compressed at all", &mut budget);
            assert!(
                nothing.bytes.is_empty() && nothing.whole_bytes.is_none(),
                "{compression:?}"
            );
        }
    }
}
