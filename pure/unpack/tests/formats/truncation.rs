//! Every prefix of every sample: no panic, and never a quiet loss of members.

use proto::Limits;
use unpack::identify;

use crate::samples::{Sample, corpus, given_as, limits};

/// Prefixes tried of a sample; longer samples skip some in the middle.
const PREFIXES_MAX: usize = 3_000;

#[test]
fn no_prefix_loses_members_quietly() {
    let mut wrong = Vec::new();
    for sample in corpus() {
        let format = identify(&sample.bytes).expect("memory can be read");
        let whole = given_as(format, &sample.bytes, limits());
        if !whole.troubles.is_empty() {
            continue;
        }
        let payload = payload(&whole.members);
        let stops = sample
            .golden
            .lines()
            .filter_map(|line| line.strip_prefix("stops-at "));
        if stops.clone().any(|size| size == "*") {
            continue;
        }
        let borders: Vec<usize> = stops.map(|size| size.parse().expect("a number")).collect();
        let below = sample.golden.lines();
        let below = below.filter_map(|line| line.strip_prefix("stops-below "));
        let below: usize = below
            .map(|size| size.parse::<usize>().expect("a number"))
            .sum();
        for length in lengths(&sample)
            .into_iter()
            .filter(|length| *length >= below)
        {
            let prefix = sample.bytes[..length].to_vec();
            let part = given_as(format, &prefix, limits());
            let out: usize = part.members.iter().map(|(_, bytes)| bytes.len()).sum();
            let at_border = borders.contains(&out);
            let quiet = part.troubles.is_empty() && whole.facts.is_none();
            if quiet && !at_border && self::payload(&part.members) != payload {
                wrong.push(format!("{} cut to {length} bytes", sample.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_came_before_a_cut_is_handed_over() {
    for (name, least) in [
        ("gzip/unnamed", 0.6),
        ("xz/check-crc64", 0.5),
        ("zstd/multi", 0.1),
        ("zip/deflate", 0.6),
        ("tar/ustar", 0.3),
    ] {
        let sample = corpus()
            .into_iter()
            .find(|sample| sample.name == name)
            .expect("the sample is there");
        let format = identify(&sample.bytes).expect("memory can be read");
        let whole = given_as(format, &sample.bytes, limits());
        let cut = sample.bytes.len() * 3 / 4;
        let part = given_as(format, &sample.bytes[..cut].to_vec(), limits());
        let bytes = |members: &[(Vec<u8>, Vec<u8>)]| -> usize {
            members.iter().map(|(_, bytes)| bytes.len()).sum()
        };
        let share = bytes(&part.members) as f64 / bytes(&whole.members) as f64;
        assert!(share >= least, "{name}: only {share} of the content");
        assert!(!part.troubles.is_empty(), "{name}: no trouble");
    }
}

#[test]
fn a_limit_hands_over_what_was_decoded_before_it() {
    for sample in corpus() {
        let format = identify(&sample.bytes).expect("memory can be read");
        let whole = given_as(format, &sample.bytes, limits());
        let few = Limits {
            bytes_max: 300,
            ..limits()
        };
        let part = given_as(format, &sample.bytes, few);
        let total = |members: &[(Vec<u8>, Vec<u8>)]| -> usize {
            members.iter().map(|(_, bytes)| bytes.len()).sum()
        };
        let decodes = [
            "gzip", "xz", "zstd", "bzip2", "lzma", "lz4", "lzip", "compress",
        ]
        .iter()
        .any(|kind| sample.name.starts_with(kind));
        if decodes && total(&whole.members) > 300 && whole.troubles.is_empty() {
            assert_eq!(total(&part.members), 300, "{}", sample.name);
            assert_eq!(part.troubles.len(), 1, "{}", sample.name);
        }
    }
}

fn lengths(sample: &Sample) -> Vec<usize> {
    let length = sample.bytes.len();
    let step = length.div_ceil(PREFIXES_MAX).max(1);
    let edges = (0..200.min(length)).chain(length.saturating_sub(200)..length);
    (0..length).step_by(step).chain(edges).collect()
}

/// Members that a whole file must give; what lies around it is no part of it.
fn payload(members: &[(Vec<u8>, Vec<u8>)]) -> Vec<&(Vec<u8>, Vec<u8>)> {
    members
        .iter()
        .filter(|(name, _)| name != b"(after end)")
        .collect()
}
