//! Samples with random damage: whatever comes out, nothing panics, all memory is given back and
//! no part lies past the end.

use proto::Limits;
use unpack::{Role, identify};

use crate::samples::{Sample, corpus, given_as};

const MUTATIONS: usize = 20_000;

#[test]
fn damage_never_panics() {
    let corpus = corpus();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let limits = Limits {
        bytes_max: 4 << 20,
        memory_bytes_max: 16 << 20,
        objects_max: 200,
        ..Limits::default()
    };
    let mut unpacked = 0;
    for _ in 0..MUTATIONS {
        let sample = &corpus[random.below(corpus.len())];
        let bytes = mutated(sample, &corpus, &mut random);
        // As what it was made from, even where its magic is gone.
        let original = identify(&sample.bytes).expect("memory can be read");
        let given = given_as(original, &bytes, limits);
        let now = identify(&bytes).expect("memory can be read");
        if now.name != original.name && !matches!(now.role, Role::Leaf) {
            given_as(now, &bytes, limits);
        }
        unpacked += usize::from(!given.members.is_empty() || given.facts.is_some());
    }
    // Damage that always kills the header would test nothing.
    assert!(unpacked > MUTATIONS / 3, "only {unpacked} gave anything");
}

fn mutated(sample: &Sample, corpus: &[Sample], random: &mut Random) -> Vec<u8> {
    let mut bytes = sample.bytes.clone();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len().max(1));
        match random.below(8) {
            0 if bytes.len() > 8 => bytes.truncate(at),
            1 => {
                let other = &corpus[random.below(corpus.len())].bytes;
                let from = random.below(other.len());
                let count = random.below(64).min(other.len() - from);
                bytes.splice(at..at, other[from..from + count].iter().copied());
            }
            2 => {
                let value = [0, 1, 0x7f, 0x80, 0xff][random.below(5)];
                let end = (at + 1 + random.below(8)).min(bytes.len());
                bytes[at.min(end)..end].fill(value);
            }
            3 => {
                let end = (at + random.below(32)).min(bytes.len());
                bytes.drain(at.min(end)..end);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    bytes
}

/// Xorshift: the same damage in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).expect("fits")
    }
}
