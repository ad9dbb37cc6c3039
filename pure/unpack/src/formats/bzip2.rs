//! bzip2 files: streams one after the other, one member named `(bzip2)`.

use proto::Budget;

use crate::Source;
use crate::decode::bzip2::bunzip2;
use crate::formats::streams::Streams;
use crate::identify::{Format, Role};
use crate::members::{Members, Trouble};

/// bzip2 files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "bzip2",
    detect: |probe| begins(probe.head),
    role: Role::Container(unpack),
}];

/// What such a file is made of.
pub(crate) const STREAMS: Streams<'static> = Streams {
    name: b"(bzip2)",
    begins,
    decode: bunzip2,
};

fn begins(bytes: &[u8]) -> bool {
    // A block's magic, or that of an empty stream's end.
    let after = bytes.get(4).copied();
    bytes.starts_with(b"BZh")
        && matches!(bytes.get(3), Some(b'1'..=b'9'))
        && matches!(after, None | Some(0x31 | 0x17))
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    STREAMS.unpack(source, budget, members)
}
