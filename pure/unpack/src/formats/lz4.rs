//! lz4 files: frames one after the other, legacy and skippable ones among them, one member named
//! `(lz4)`.

use proto::Budget;

use crate::Source;
use crate::decode::lz4::{begins, unlz4};
use crate::formats::streams::Streams;
use crate::identify::{Format, Role};
use crate::members::{Members, Trouble};

/// lz4 files; skippable frames that a zstd frame follows were recognised as zstd.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "lz4",
    detect: |probe| begins(probe.head),
    role: Role::Container(unpack),
}];

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let streams = Streams {
        name: b"(lz4)",
        begins,
        decode: unlz4,
    };
    streams.unpack(source, budget, members)
}
