//! Bytes that an object must hold for a pattern to match, and how common they are.
//! Knows nothing of patterns.

use std::collections::BTreeMap;

use rules::anchors::statistics;

use crate::chain::{GAP_MAX, LINKS_MAX, Link};

/// Shorter ones are in too many objects.
const BYTES_MIN: usize = 4;
/// Of a longer literal the part of this length around its rarest bytes is enough.
pub(crate) const BYTES_MAX: usize = 48;
/// So many bytes are looked up at once.
pub(crate) const GRAM_BYTES: usize = 4;
/// Below this the bytes that are looked up are in nearly every object, and above this, as expected
/// in 2^32 places.
const GRAM_RARITY_MIN: u32 = 7;
const GRAM_RATE_MAX: u64 = 1 << 24;
/// What may be unknown of the bytes that are looked up: each value of it is entered.
const UNKNOWN_BITS_MAX: u32 = 8;
/// Below this the whole literal is.
const RARITY_MIN: u32 = 11;
/// What stands directly beside a literal is compared this far.
pub(crate) const LINK_BYTES_MAX: usize = 32;
/// The search for all takes no shorter literal, and no commoner one: what it would look at closer
/// in 2^32 bytes.
const RUN_BYTES_MIN: usize = 5;
const RUN_COST_MAX: u64 = 1 << 25;
/// What is looked for without a search.
pub(crate) const SEED_BYTES: usize = 2;
const SEED_WORK: u64 = 8;
/// So rare must such bytes be with what stands around them.
const SEED_RARITY_MIN: u32 = 16;
/// A byte of which some bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Masked {
    /// Zero where the mask is.
    pub(crate) value: u8,
    pub(crate) mask: u8,
}

impl Masked {
    /// Any byte.
    pub(crate) const ANY: Self = Self { value: 0, mask: 0 };

    /// One byte.
    pub(crate) fn exact(value: u8) -> Self {
        Self { value, mask: 0xff }
    }

    /// A letter in either case, or another byte.
    pub(crate) fn folded(value: u8) -> Self {
        match value.is_ascii_alphabetic() {
            true => Self {
                value: value & 0xdf,
                mask: 0xdf,
            },
            false => Self::exact(value),
        }
    }

    /// What two have in common.
    pub(crate) fn joined(self, other: Self) -> Self {
        let mask = self.mask & other.mask & !(self.value ^ other.value);
        Self {
            value: self.value & mask,
            mask,
        }
    }

    /// How rare it is, in something like bits.
    fn rarity(self) -> u32 {
        let whole = match self.value {
            0 => 1,
            0xff | 0x90 | 0xcc | b' ' => 3,
            b'a' | b'e' | b'i' | b'n' | b'o' | b'r' | b's' | b't' | 0x48 | 0x8b | 1 => 4,
            b'a'..=b'z' | b'0'..=b'9' | 2..=0x20 | b'.' | b'_' | b'/' | b'A'..=b'Z' => 5,
            _ => 6,
        };
        match self.mask {
            0xff => whole,
            0xdf => 4,
            mask => mask.count_ones().wrapping_shr(1),
        }
    }
}

/// A literal: it begins and ends with a byte of which something counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Literal {
    pub(crate) bytes: Vec<Masked>,
    /// What must stand before it, the nearest first.
    pub(crate) before: Vec<Link>,
    /// What must stand behind it.
    pub(crate) behind: Vec<Link>,
}

/// Pieces of a pattern: bytes, each behind a gap of so many to so many others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) least: u16,
    pub(crate) most: u16,
    pub(crate) bytes: Vec<Masked>,
}

/// A literal, and what of the bytes that it was cut from lies beyond its links.
struct Cut {
    literal: Literal,
    lead: usize,
    tail: usize,
}

impl Literal {
    /// The part of these bytes that is worth a search, if any is.
    pub(crate) fn of(bytes: &[Masked]) -> Option<Self> {
        cut(bytes).map(|cut| cut.literal)
    }

    /// The rarest part of these pieces, with the others as its links.
    pub(crate) fn of_pieces(pieces: &[Piece]) -> Option<Self> {
        let cuts = |cut: fn(&[Masked]) -> Option<Cut>| {
            let cuts = pieces.iter().enumerate();
            let cuts = cuts.filter_map(move |(at, piece)| Some((at, cut(&piece.bytes)?)));
            cuts.max_by_key(|(at, cut)| (rarity_of(&cut.literal.bytes), std::cmp::Reverse(*at)))
        };
        let (at, own) = cuts(cut).or_else(|| cuts(seed))?;
        let mut literal = own.literal;
        let (before, behind) = (pieces.get(..at)?, pieces.get(at.saturating_add(1)..)?);
        // The gap before a piece is told by the piece behind it.
        let gaps = pieces.get(1..=at)?;
        let links = before.iter().zip(gaps).rev();
        let links = links.map(|(piece, gap)| (gap.least, gap.most, piece));
        literal.before.extend(linked(links, own.lead, last_bytes));
        let links = behind.iter().map(|piece| (piece.least, piece.most, piece));
        literal.behind.extend(linked(links, own.tail, first_bytes));
        literal.before.truncate(LINKS_MAX);
        literal.behind.truncate(LINKS_MAX);
        (literal.way() != Way::Seed || literal.rarity() >= SEED_RARITY_MIN).then_some(literal)
    }

    /// How it can be looked for.
    pub(crate) fn way(&self) -> Way {
        longest_run(&self.bytes).unwrap_or(match rarest_gram(&self.bytes) {
            Some(_) => Way::Gram,
            None => Way::Seed,
        })
    }

    /// Where its two bytes lie that can be looked for by themselves.
    pub(crate) fn seed(&self) -> Option<(usize, [u8; SEED_BYTES])> {
        let pairs = self.bytes.array_windows::<SEED_BYTES>().enumerate();
        let exact = pairs.filter(|(_, pair)| pair.iter().all(|byte| byte.mask == u8::MAX));
        let values = exact.map(|(place, pair)| (place, pair.map(|byte| byte.value)));
        values.min_by_key(|(_, pair)| statistics::rate(pair))
    }

    /// Of the four bytes that are looked up at a place the two that are best tested before, and where
    /// in the four they stand.
    pub(crate) fn pair(&self, place: usize) -> Option<(u32, [Masked; 2])> {
        let gram = self.bytes.get(place..)?.first_chunk::<GRAM_BYTES>()?;
        let pairs = (0u32..).zip(gram.array_windows::<2>());
        let best = pairs.min_by_key(|(_, pair)| {
            let unknown = pair.iter().map(|byte| (byte.mask | 0x20).count_zeros());
            let values = pair.map(|byte| byte.value);
            (unknown.sum::<u32>(), statistics::rate(&values))
        });
        best.map(|(offset, pair)| (offset, *pair))
    }

    /// What it takes to know whether it is there: the search for all tells it, or the object is read
    /// for it, and where its two bytes are rare only once.
    pub(crate) fn work(&self) -> u64 {
        match (self.way(), self.seed()) {
            (Way::Run { .. }, _) | (_, None) => 1,
            (Way::Gram | Way::Seed, Some((_, pair))) => {
                statistics::rate(&pair).saturating_add(SEED_WORK)
            }
        }
    }

    /// How rare it is: what is longer and less like text is rarer.
    pub(crate) fn rarity(&self) -> u32 {
        let links = self.before.iter().chain(&self.behind);
        let links = links.map(|link| {
            // A gap may be filled in so many ways.
            let ways = u32::from(link.most.saturating_sub(link.least)).saturating_add(1);
            rarity_of(&link.bytes).saturating_sub(ways.ilog2())
        });
        links.fold(rarity_of(&self.bytes), u32::saturating_add)
    }

    /// Where the bytes lie that are looked up, and each value that they may have.
    pub(crate) fn grams(&self) -> (usize, Vec<u32>) {
        let Some((place, _)) = rarest_gram(&self.bytes) else {
            return (0, Vec::new());
        };
        let gram = self
            .bytes
            .get(place..)
            .and_then(|rest| rest.get(..GRAM_BYTES));
        let mut values = vec![0u32];
        for (index, byte) in (0u32..).zip(gram.unwrap_or_default()) {
            let shift = index.saturating_mul(8);
            let choices: Vec<u32> = (0..=u8::MAX)
                .filter(|value| value & byte.mask == byte.value)
                .map(|value| u32::from(value).wrapping_shl(shift))
                .collect();
            let joined = values.iter().flat_map(|value| {
                let value = *value;
                choices.iter().map(move |choice| value | choice)
            });
            values = joined.collect();
        }
        (place, values)
    }
}

/// How a literal is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the search for all, with the bytes that begin here and are so many.
    Run { start: usize, length: usize },
    /// By four bytes, some bits of which may be unknown, at every place of an object.
    Gram,
    /// By two bytes, and only when it is asked for.
    Seed,
}

/// The best bytes in a row for the search for all, where there are enough.
fn longest_run(bytes: &[Masked]) -> Option<Way> {
    let is_whole = |byte: &Masked| byte.mask | 0x20 == u8::MAX;
    let mut best: Option<(u64, Way)> = None;
    let mut start = 0usize;
    for run in bytes.split(|byte| !is_whole(byte)) {
        if let Some((cost, length)) = run_cost(run) {
            let way = Way::Run { start, length };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, way));
            }
        }
        start = start.saturating_add(run.len()).saturating_add(1);
    }
    best.map(|(_, way)| way)
}

/// What a run costs, and how much of it is looked for.
fn run_cost(run: &[Masked]) -> Option<(u64, usize)> {
    if run.len() < RUN_BYTES_MIN {
        return None;
    }
    let values: Vec<u8> = run.iter().map(|byte| byte.value).collect();
    let literal = rules::anchors::Literal::new(&values)?;
    let cost = literal.cost();
    (cost <= RUN_COST_MAX).then_some((cost, literal.as_bytes().len()))
}

/// Links to pieces in turn, as far as their places are known; the first stands behind so many bytes
/// that have no link.
fn linked<'p>(
    pieces: impl Iterator<Item = (u16, u16, &'p Piece)>,
    passed: usize,
    nearest: fn(&[Masked]) -> &[Masked],
) -> impl Iterator<Item = Link> {
    let mut passed = u16::try_from(passed).ok();
    pieces.map_while(move |(least, most, piece)| {
        let extra = passed?;
        let most = most.checked_add(extra).filter(|most| *most <= GAP_MAX)?;
        let kept = nearest(&piece.bytes);
        // What is cut off here is not followed beyond.
        passed = (kept.len() == piece.bytes.len()).then_some(0);
        Some(Link {
            least: least.saturating_add(extra),
            most,
            bytes: kept.to_vec(),
        })
    })
}

fn first_bytes(bytes: &[Masked]) -> &[Masked] {
    bytes.get(..LINK_BYTES_MAX).unwrap_or(bytes)
}

fn last_bytes(bytes: &[Masked]) -> &[Masked] {
    let start = bytes.len().saturating_sub(LINK_BYTES_MAX);
    bytes.get(start..).unwrap_or(bytes)
}

fn cut(bytes: &[Masked]) -> Option<Cut> {
    let place = match longest_run(bytes) {
        Some(Way::Run { start, .. }) => start,
        _ => rarest_gram(bytes)?.0,
    };
    let start = place
        .saturating_sub(BYTES_MAX.wrapping_shr(2))
        .min(bytes.len().saturating_sub(BYTES_MAX));
    let kept = bytes.get(start..)?;
    let kept = kept.get(..BYTES_MAX).unwrap_or(kept);
    let first = kept.iter().position(|byte| byte.mask != 0)?;
    let last = kept.iter().rposition(|byte| byte.mask != 0)?;
    // The bytes that are looked up stay whole, even where they end with one that is unknown.
    let gram = place.saturating_sub(start);
    let end = last.saturating_add(1).max(gram.saturating_add(GRAM_BYTES));
    let first = first.min(gram);
    let own = cut_at(
        bytes,
        (start.saturating_add(first), start.saturating_add(end)),
    )?;
    let bytes = &own.literal.bytes;
    (bytes.len() >= BYTES_MIN && rarity_of(bytes) >= RARITY_MIN).then_some(own)
}

/// Two bytes in a row, which are looked for only where everything else holds.
fn seed(bytes: &[Masked]) -> Option<Cut> {
    let is_exact = |byte: &Masked| byte.mask == u8::MAX;
    let pairs = bytes.windows(SEED_BYTES).enumerate();
    let exact = pairs.filter(|(_, pair)| pair.iter().all(is_exact));
    let (start, _) = exact.max_by_key(|(_, pair)| rarity_of(pair))?;
    cut_at(bytes, (start, start.saturating_add(SEED_BYTES)))
}

/// A part of these bytes, with links to what is directly beside it.
fn cut_at(bytes: &[Masked], (start, end): (usize, usize)) -> Option<Cut> {
    let near = start.saturating_sub(LINK_BYTES_MAX);
    let far = end.saturating_add(LINK_BYTES_MAX).min(bytes.len());
    let link = |rest: &[Masked]| Link {
        least: 0,
        most: 0,
        bytes: rest.to_vec(),
    };
    let beside = |rest: &[Masked]| (!rest.is_empty()).then(|| link(rest));
    Some(Cut {
        literal: Literal {
            bytes: bytes.get(start..end)?.to_vec(),
            before: beside(bytes.get(near..start)?).into_iter().collect(),
            behind: beside(bytes.get(end..far)?).into_iter().collect(),
        },
        lead: near,
        tail: bytes.len().saturating_sub(far),
    })
}

/// Where the four bytes begin that are best looked up, and how rare they are.
fn rarest_gram(bytes: &[Masked]) -> Option<(usize, u32)> {
    let of = |(place, gram): (usize, &[Masked])| {
        // The case of a letter is not looked at when bytes are looked up.
        let unknown = gram.iter().map(|byte| (byte.mask | 0x20).count_zeros());
        let rarity = rarity_of(gram);
        let is_good = rarity >= GRAM_RARITY_MIN && unknown.sum::<u32>() <= UNKNOWN_BITS_MAX;
        let rate = rate(gram);
        (is_good && rate <= GRAM_RATE_MAX).then_some((place, rarity, rate))
    };
    bytes
        .windows(GRAM_BYTES)
        .enumerate()
        .filter_map(of)
        .min_by_key(|(place, _, rate)| (*rate, *place))
        .map(|(place, rarity, _)| (place, rarity))
}

/// How often such bytes are expected in 2^32 places; of a byte with unknown bits nothing is known.
fn rate(gram: &[Masked]) -> u64 {
    let is_whole = |byte: &Masked| byte.mask | 0x20 == u8::MAX;
    let runs = gram.split(|byte| !is_whole(byte));
    let rates = runs.filter(|run| run.len() > 1).map(|run| {
        let values: Vec<u8> = run.iter().map(|byte| byte.value).collect();
        statistics::rate(&values)
    });
    rates.min().unwrap_or(1 << 32)
}

/// A byte hardly counts where it repeats one of the two before it.
fn rarity_of(bytes: &[Masked]) -> u32 {
    let mut total = 0u32;
    let mut before = [None, None];
    for byte in bytes {
        let repeats = before.contains(&Some(*byte));
        let own = byte.rarity();
        total = total.saturating_add(if repeats { own.min(1) } else { own });
        before = [before.last().copied().flatten(), Some(*byte)];
    }
    total
}

/// Literals, each once.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    numbers: BTreeMap<Literal, u32>,
    list: Vec<Literal>,
}

impl Literals {
    /// The number of a literal.
    pub(crate) fn number(&mut self, literal: Literal) -> u32 {
        if let Some(number) = self.numbers.get(&literal) {
            return *number;
        }
        let next = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
        self.list.push(literal.clone());
        self.numbers.insert(literal, next);
        next
    }

    /// All, in the order of their numbers.
    pub(crate) fn list(&self) -> &[Literal] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(bytes: &[u8]) -> Vec<Masked> {
        bytes.iter().copied().map(Masked::exact).collect()
    }

    #[test]
    fn what_nearly_every_object_has_is_no_literal() {
        assert_eq!(Literal::of(&exact(b"abc")), None);
        assert_eq!(Literal::of(&exact(&[0; 40])), None);
        assert_eq!(Literal::of(&exact(b"\xff\xff\xff\xff\xff")), None);
        assert!(Literal::of(&exact(b"calc")).is_some());
        assert!(Literal::of(&exact(b"h\0t\0t\0p\0")).is_some());
    }

    #[test]
    fn of_a_long_one_the_rarest_part_is_kept() {
        let mut bytes = vec![b' '; 100];
        bytes.extend(b"Q!x#");
        bytes.extend([0; 100]);
        let literal = Literal::of(&exact(&bytes)).unwrap();
        assert_eq!(literal.bytes.len(), BYTES_MAX);
        assert!(literal.bytes.windows(4).any(|gram| gram == exact(b"Q!x#")));
    }

    #[test]
    fn what_has_few_bytes_in_a_row_is_looked_up_with_each_value_of_an_unknown_one() {
        let mut bytes = exact(b"\xeb\x0f\x41");
        bytes.insert(0, Masked::ANY);
        bytes.push(Masked::ANY);
        bytes.push(Masked::exact(0xe9));
        let literal = Literal::of(&bytes).unwrap();
        assert_eq!(literal.way(), Way::Gram);
        let (place, grams) = literal.grams();
        assert_eq!(grams.len(), 256);
        let gram = u32::from_le_bytes(match place {
            0 => [0x77, 0xeb, 0x0f, 0x41],
            _ => [0xeb, 0x0f, 0x41, 0x77],
        });
        assert!(grams.contains(&gram));
        let letters: Vec<_> = b"calc.".iter().copied().map(Masked::folded).collect();
        let run = Way::Run {
            start: 0,
            length: 5,
        };
        assert_eq!(Literal::of(&letters).unwrap().way(), run);
    }

    #[test]
    fn of_long_pieces_on_both_sides_the_nearest_bytes_are_compared() {
        // No four of these in a row are whole, so that none is looked up.
        let byte = |at: u8| match at % 2 {
            0 => Masked::exact(at),
            _ => Masked::ANY,
        };
        let long = || (0..40u8).map(byte).collect();
        let piece = |least, most, bytes: Vec<Masked>| Piece { least, most, bytes };
        let pieces = [
            piece(0, 0, long()),
            piece(1, 2, exact(b"Q!x#z")),
            piece(3, 4, long()),
        ];
        let literal = Literal::of_pieces(&pieces).unwrap();
        let link = |least, most, bytes: std::ops::Range<u8>| Link {
            least,
            most,
            bytes: bytes.map(byte).collect(),
        };
        assert_eq!(literal.bytes, exact(b"Q!x#z"));
        assert_eq!(literal.before, [link(1, 2, 8..40)]);
        assert_eq!(literal.behind, [link(3, 4, 0..32)]);
    }
}
