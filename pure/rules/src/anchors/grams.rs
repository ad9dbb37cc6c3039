//! Where in a literal the search looks, for each alignment.
//!
//! The search looks at the four bytes (the gram) at every fourth place of an object, and then at
//! the byte before and the three after: eight bytes, the context. Wherever a literal lies, one of
//! its grams is at such a place for each of the four alignments; which one is free to choose
//! where the literal is long enough. A gram may have one byte outside the literal, which is then
//! entered with every value.

use super::statistics;

/// Bytes before the gram in its context.
const BEFORE: isize = 1;
/// Bytes of a context.
const CONTEXT: isize = 8;
/// The bits of a context's bytes that are the gram.
const GRAM: u8 = 0b0001_1110;
/// The bits of a context's bytes that the second look takes in beside the gram.
const SECOND: u8 = 0b0110_0001;

/// A gram of a literal and what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// From the literal's first byte to the gram's; -1 at the least.
    pub(crate) offset: i8,
    /// The context, folded; zero where it is not known.
    pub(crate) context: u64,
    /// Which bytes of the context are known, the lowest bit for the first.
    pub(crate) known: u8,
    /// Expected work: see [`super::Literal::cost`].
    pub(crate) cost: u64,
}

impl Place {
    fn new(literal: &[u8], offset: isize) -> Option<Self> {
        let mut bytes = [0u8; 8];
        let mut known = 0u8;
        for (index, byte) in (0..CONTEXT).zip(bytes.iter_mut()) {
            let at = offset.checked_sub(BEFORE)?.checked_add(index)?;
            let Some(here) = usize::try_from(at).ok().and_then(|at| literal.get(at)) else {
                continue;
            };
            *byte = *here | 0x20;
            known |= 1u8.wrapping_shl(u32::try_from(index).ok()?);
        }
        let gram = bytes.get(1..5)?;
        let rate = match known & GRAM {
            GRAM => statistics::rate(gram),
            // The byte outside takes every value: the rest alone says how often that is.
            0b0001_1100 => statistics::rate(gram.get(1..)?),
            0b0000_1110 => statistics::rate(gram.get(..3)?),
            _ => return None,
        };
        // A second look passes one in 64 where all that it takes in is known.
        let unknown = (!known & SECOND).count_ones();
        let passing = rate.checked_shl(unknown.checked_mul(2)?)?.wrapping_shr(4);
        let short = if known == u8::MAX {
            0
        } else {
            rate.wrapping_shr(2)
        };
        Some(Self {
            offset: i8::try_from(offset).ok()?,
            context: u64::from_le_bytes(bytes),
            known,
            cost: rate.saturating_add(passing).saturating_add(short),
        })
    }
}

/// The rarest place for each alignment; `None` for a literal of fewer than five bytes.
pub(crate) fn places(literal: &[u8]) -> Option<[Place; 4]> {
    if literal.len() < 5 {
        return None;
    }
    let last = isize::try_from(literal.len()).ok()?.checked_sub(3)?;
    let best = |alignment: isize| {
        let offsets = (-1..=last).filter(|offset| offset.rem_euclid(4) == alignment);
        let places = offsets.filter_map(|offset| Place::new(literal, offset));
        places.min_by_key(|place| {
            let outside = (!place.known & GRAM).count_ones();
            (outside, place.cost, !place.known, place.offset)
        })
    };
    Some([best(0)?, best(1)?, best(2)?, best(3)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alignment_has_a_gram_within_the_literal() {
        for length in 5..=32u8 {
            let literal: Vec<u8> = (0..length).map(|index| index.wrapping_mul(37)).collect();
            for (alignment, place) in (0..4).zip(places(&literal).unwrap()) {
                let offset = isize::from(place.offset);
                assert_eq!(offset.rem_euclid(4), alignment);
                let outside = (!place.known & GRAM).count_ones();
                assert!(outside <= u32::from(length < 7), "{length}: {place:?}");
                let context = place.context.to_le_bytes();
                for (index, byte) in (0isize..).zip(context) {
                    let at = usize::try_from(offset - 1 + index);
                    let there = at.ok().and_then(|at| literal.get(at));
                    assert_eq!(there.map_or(0, |byte| byte | 0x20), byte);
                    assert_eq!(there.is_some(), place.known >> index & 1 == 1);
                }
            }
        }
        assert!(places(b"abcd").is_none());
    }

    #[test]
    fn eleven_bytes_give_every_alignment_a_whole_context() {
        let whole = |length: usize| {
            let literal = vec![0xd7; length];
            places(&literal)
                .unwrap()
                .iter()
                .all(|place| place.known == 0xff)
        };
        assert!(whole(11) && !whole(10));
    }
}
