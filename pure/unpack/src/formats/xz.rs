//! xz files: streams one after the other, one member named `(xz)`.

use proto::Budget;

use crate::Source;
use crate::decode::xz::{MAGIC, unxz};
use crate::formats::streams::Streams;
use crate::identify::{Format, Role};
use crate::members::{Members, Trouble};

/// xz files.
pub(super) static FORMATS: [Format; 1] = [Format {
    name: "xz",
    detect: |probe| begins(probe.head),
    role: Role::Container(unpack),
}];

fn begins(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

fn unpack(source: &dyn Source, budget: &mut Budget, members: &mut dyn Members) -> Vec<Trouble> {
    let streams = Streams {
        name: b"(xz)",
        begins,
        decode: unxz,
    };
    streams.unpack(source, budget, members)
}
