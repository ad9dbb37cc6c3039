//! zstd files: frames one after the other, skippable ones among them, one member named `(zstd)`.

use proto::Budget;

use crate::Source;
use crate::decode::zstd::unzstd;
use crate::fields::u32_le;
use crate::formats::streams::Streams;
use crate::identify::{Format, Probe, Role};
use crate::members::{Members, Trouble};

const MAGIC: u32 = 0xfd2f_b528;
const SKIPPABLE: u32 = 0x184d_2a50;
const SKIPPED_MAX: usize = 8;

/// zstd files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "zstd",
    detect,
    role: Role::Container(unpack),
}];

/// A skippable frame alone may be lz4's too, so a real frame must follow within the head.
fn detect(probe: &Probe<'_>) -> bool {
    let mut rest = probe.head;
    for _ in 0..SKIPPED_MAX {
        match u32_le(rest, 0) {
            Some(MAGIC) => return true,
            Some(magic) if magic & !0xf == SKIPPABLE => {
                let length = u32_le(rest, 4).map_or(usize::MAX, |length| length as usize);
                rest = rest.get(length.saturating_add(8)..).unwrap_or_default();
            }
            _ => return false,
        }
    }
    false
}

/// What such a file is made of.
pub(crate) const STREAMS: Streams<'static> = Streams {
    name: b"(zstd)",
    begins,
    decode: unzstd,
};

fn begins(bytes: &[u8]) -> bool {
    u32_le(bytes, 0).is_some_and(|magic| magic == MAGIC || magic & !0xf == SKIPPABLE)
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    STREAMS.unpack(source, budget, members)
}
