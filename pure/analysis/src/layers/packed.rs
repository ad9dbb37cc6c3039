//! Compressed streams, by what they begin with. Raw deflate begins with nothing of its own: it is
//! tried where something begins, not at every byte.

use proto::{Budget, Limits, Unlimited};
use unpack::{Compression, decompress};

use super::{More, Name, Sink, give};

/// What may come out of one stream.
const STREAM_BYTES_MAX: u64 = 64 << 20;
const MEMORY_BYTES_MAX: u64 = 192 << 20;
/// Raw deflate is tried at this many places after a start.
const RAW_PLACES: usize = 16;
const RAW_PLACES_AT_START: usize = 256;

/// Where raw deflate is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Starts<'a> {
    /// At the buffer's start, and at these places, in order.
    Many(&'a [usize]),
    /// At the buffer's start alone.
    First,
}

pub(super) fn peel(bytes: &[u8], starts: Starts<'_>, sink: &mut Sink<'_>) {
    if peel_marked(bytes, sink) == More::No {
        return;
    }
    let (places, at_start): (&[usize], usize) = match starts {
        Starts::Many(places) => (places, RAW_PLACES_AT_START),
        Starts::First => (&[], RAW_PLACES),
    };
    let mut next = 0_usize;
    for (start, count) in [(0, at_start)]
        .into_iter()
        .chain(places.iter().map(|place| (*place, RAW_PLACES)))
    {
        let end = start.saturating_add(count).min(bytes.len());
        // Starts near each other share their places.
        for at in start.max(next)..end {
            let rest = bytes.get(at..).unwrap_or_default();
            if may_be_deflate(rest)
                && unpacked("raw deflate", Compression::Deflate, (at, rest), sink) == More::No
            {
                return;
            }
        }
        next = next.max(end);
    }
}

/// Streams with a magic, and members of zips.
fn peel_marked(bytes: &[u8], sink: &mut Sink<'_>) -> More {
    for at in 0..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some((name, compression)) = marked(rest) else {
            continue;
        };
        let skipped = match compression {
            Compression::Deflate => zip_header_bytes(rest),
            _ => 0,
        };
        let stream = rest.get(skipped..).unwrap_or_default();
        if unpacked(name, compression, (at, stream), sink) == More::No {
            return More::No;
        }
    }
    More::Yes
}

fn marked(bytes: &[u8]) -> Option<(Name, Compression)> {
    match bytes {
        [0x1f, 0x8b, 8, ..] => Some(("gzip", Compression::Gzip)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(("zstd", Compression::Zstd)),
        [0x04, 0x22, 0x4d, 0x18, ..] | [0x02, 0x21, 0x4c, 0x18, ..] => {
            Some(("lz4", Compression::Lz4))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(("xz", Compression::Xz)),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => Some(("bzip2", Compression::Bzip2)),
        [b'P', b'K', 3, 4, ..] if bytes.get(8) == Some(&8) => Some(("zip", Compression::Deflate)),
        [method, flags, ..] if method & 0x8f == 8 => {
            let check = u16::from_be_bytes([*method, *flags]);
            let is_zlib = check.is_multiple_of(31) && flags & 0x20 == 0;
            (is_zlib && may_be_deflate(bytes.get(2..)?)).then_some(("zlib", Compression::Zlib))
        }
        _ => None,
    }
}

/// A local header: 30 bytes, a name and an extra field.
fn zip_header_bytes(bytes: &[u8]) -> usize {
    let length = |at: usize| match bytes.get(at..at.saturating_add(2)) {
        Some([low, high]) => usize::from(u16::from_le_bytes([*low, *high])),
        _ => 0,
    };
    length(26).saturating_add(length(28)).saturating_add(30)
}

/// Whether the first block's header is one.
fn may_be_deflate(bytes: &[u8]) -> bool {
    let (Some(first), Some(second)) = (bytes.first(), bytes.get(1)) else {
        return false;
    };
    match first.wrapping_shr(1) & 3 {
        0 => match bytes.get(1..5) {
            Some([a, b, c, d]) => *a == !*c && *b == !*d && (*a, *b) != (0, 0),
            _ => false,
        },
        1 => true,
        2 => first.wrapping_shr(3) <= 29 && second & 31 <= 29,
        _ => false,
    }
}

fn unpacked(
    name: Name,
    compression: Compression,
    (at, bytes): (usize, &[u8]),
    sink: &mut Sink<'_>,
) -> More {
    let limits = Limits {
        bytes_max: STREAM_BYTES_MAX,
        memory_bytes_max: MEMORY_BYTES_MAX,
        ..Limits::default()
    };
    let mut budget = Budget::new(limits, Unlimited::clock_ms);
    let decoded = decompress(compression, bytes, &mut budget);
    give(name, at, decoded.bytes, sink)
}
