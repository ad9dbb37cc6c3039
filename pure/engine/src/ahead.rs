//! MD5 of several objects before they are looked at, side by side.

use rules::Pack;
use unpack::Source;

use crate::hashes;
use crate::md5::{BLOCK_BYTES, Md5};
use crate::scanner::Options;

/// Objects that go side by side. Four fill the vectors that every processor of 64 bits has.
const LANES: usize = 4;
const CHUNK_BYTES: usize = 32 << 10;
/// What is digested ahead of one object: the others wait for it.
const AHEAD_BYTES_MAX: u64 = 64 << 20;

/// The MD5 of an object's first bytes, perhaps of all.
#[derive(Clone, Debug)]
pub struct Begun(pub(crate) Md5);

/// Begins the MD5 of those objects that need one, as long as there are two to go side by side.
#[must_use]
pub fn begin_digests(
    pack: &Pack<'_>,
    sources: &[&dyn Source],
    options: Options,
) -> Vec<Option<Begun>> {
    let mut begun = vec![None; sources.len()];
    let needs = |source: &&dyn Source| {
        let size_bytes = source.size_bytes();
        size_bytes >= BLOCK_BYTES as u64 && hashes::wanted(pack, size_bytes, options).md5
    };
    let wanted = (0..)
        .zip(sources.iter().copied())
        .filter(|(_, source)| needs(source));
    let mut waiting = wanted.map(|(index, source)| Lane::new(index, source));
    let mut lanes: Vec<Lane<'_>> = waiting.by_ref().take(LANES).collect();
    while lanes.len() > 1 {
        let more = lanes.iter_mut().map(Lane::fill).collect::<Vec<_>>();
        let mut going = more.iter();
        let (mut still, done): (Vec<_>, Vec<_>) = lanes
            .drain(..)
            .partition(|_| going.next().is_some_and(|more| *more));
        for lane in done {
            settle(&mut begun, lane);
        }
        still.extend(waiting.by_ref().take(LANES.saturating_sub(still.len())));
        lanes = still;
        if lanes.iter().all(|lane| !lane.blocks().is_empty()) {
            step(&mut lanes);
        }
    }
    for lane in lanes {
        settle(&mut begun, lane);
    }
    begun
}

/// One object under way.
struct Lane<'s> {
    index: usize,
    source: &'s dyn Source,
    md5: Md5,
    chunk: Vec<u8>,
    /// How much of the chunk went in.
    used: usize,
    /// What was read of the object.
    read: u64,
}

impl<'s> Lane<'s> {
    fn new(index: usize, source: &'s dyn Source) -> Self {
        Self {
            index,
            source,
            md5: Md5::default(),
            chunk: Vec::new(),
            used: 0,
            read: 0,
        }
    }

    /// Has whole blocks at hand; false where there are no more. What can't be read is for those to
    /// say who look at the object.
    fn fill(&mut self) -> bool {
        if !self.blocks().is_empty() {
            return true;
        }
        let left = self
            .source
            .size_bytes()
            .min(AHEAD_BYTES_MAX)
            .saturating_sub(self.read);
        let whole = left & !(BLOCK_BYTES as u64).wrapping_sub(1);
        let count = usize::try_from(whole)
            .unwrap_or(CHUNK_BYTES)
            .min(CHUNK_BYTES);
        self.chunk.resize(count, 0);
        self.used = 0;
        let read = self.source.read_at(self.read, &mut self.chunk);
        if read.is_ok_and(|read| read == count) && count > 0 {
            self.read = self.read.saturating_add(count as u64);
            return true;
        }
        self.chunk.clear();
        false
    }

    fn blocks(&self) -> &[[u8; BLOCK_BYTES]] {
        let rest = self.chunk.get(self.used..).unwrap_or_default();
        rest.as_chunks().0
    }
}

/// Takes as many blocks of each as the one with the fewest has.
fn step(lanes: &mut [Lane<'_>]) {
    match lanes {
        [a, b, c, d] => step_lanes([a, b, c, d]),
        [a, b, c] => {
            // The fourth lane costs nothing, and nobody asks what becomes of it.
            let mut none = Lane::new(0, a.source);
            none.chunk.clone_from(&a.chunk);
            none.used = a.used;
            step_lanes([a, b, c, &mut none]);
        }
        [a, b] => step_lanes([a, b]),
        _ => {}
    }
}

fn step_lanes<const L: usize>(lanes: [&mut Lane<'_>; L]) {
    let count = lanes
        .iter()
        .map(|lane| lane.blocks().len())
        .min()
        .unwrap_or(0);
    let taken = count.saturating_mul(BLOCK_BYTES);
    let lanes = lanes.map(|lane| {
        let from = lane.used;
        lane.used = from.saturating_add(taken);
        let blocks = lane.chunk.get(from..lane.used).unwrap_or_default();
        (&mut lane.md5, blocks.as_chunks().0)
    });
    let blocks = std::array::from_fn(|lane| lanes.get(lane).map_or(&[][..], |lane| lane.1));
    let mut digests = lanes.map(|(md5, _)| md5);
    Md5::update_together(&mut digests, blocks);
}

fn settle(begun: &mut [Option<Begun>], lane: Lane<'_>) {
    if lane.md5.length_bytes() > 0
        && let Some(slot) = begun.get_mut(lane.index)
    {
        *slot = Some(Begun(lane.md5));
    }
}
