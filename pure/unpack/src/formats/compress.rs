//! `compress` files (`.Z`): one stream, one member named `(compress)`.

use proto::Budget;

use crate::Source;
use crate::decode::lzw::{MAGIC, uncompress};
use crate::formats::streams::Streams;
use crate::identify::{Format, Role};
use crate::members::{Members, Trouble};

/// Files of `compress`.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "compress",
    detect: |probe| probe.head.starts_with(MAGIC),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let streams = Streams {
        name: b"(compress)",
        // The stream takes all there is.
        begins: |_| false,
        decode: uncompress,
    };
    streams.unpack(source, budget, members)
}
