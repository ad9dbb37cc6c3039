//! Bytes at a distance from others: what must stand before and behind a literal for it to count.
//! A check costs a bounded number of comparisons; where that is not enough, it is passed.

use crate::literal::Masked;

/// No wider gap is followed.
pub(crate) const GAP_MAX: u16 = 255;
/// So many links are followed on each side.
pub(crate) const LINKS_MAX: usize = 8;
/// So many places are followed at once.
const PLACES_MAX: usize = 64;

/// Bytes that stand so far from what was found before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Link {
    pub(crate) least: u16,
    pub(crate) most: u16,
    pub(crate) bytes: Vec<Masked>,
}

/// Links as bytes: how many there are before u8 and behind u8; of each the gap's bounds u16, its
/// length u8, its values and its masks.
pub(crate) fn write(before: &[Link], behind: &[Link]) -> Vec<u8> {
    let count = |links: &[Link]| u8::try_from(links.len()).unwrap_or(0);
    let mut bytes = vec![count(before), count(behind)];
    for link in before.iter().chain(behind) {
        bytes.extend(link.least.to_le_bytes());
        bytes.extend(link.most.to_le_bytes());
        bytes.push(u8::try_from(link.bytes.len()).unwrap_or(0));
        bytes.extend(link.bytes.iter().map(|byte| byte.value));
        bytes.extend(link.bytes.iter().map(|byte| byte.mask));
    }
    bytes
}

/// Links in place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chain<'c> {
    bytes: &'c [u8],
}

/// A link in place.
struct LinkAt<'c> {
    least: usize,
    most: usize,
    values: &'c [u8],
    masks: &'c [u8],
}

/// Which way a chain is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Before,
    Behind,
}

impl<'c> Chain<'c> {
    pub(crate) fn new(bytes: &'c [u8]) -> Self {
        Self { bytes }
    }

    /// Whether the links stand around a range of the object, as far as the steps go.
    pub(crate) fn holds(
        mut self,
        object: &[u8],
        (start, end): (usize, usize),
        steps: &mut u64,
    ) -> bool {
        let (Some(before), Some(behind)) = (self.byte(), self.byte()) else {
            return true;
        };
        self.follow(object, (Way::Before, before, start), steps)
            && self.follow(object, (Way::Behind, behind, end), steps)
    }

    fn follow(
        &mut self,
        object: &[u8],
        (way, links, from): (Way, u8, usize),
        steps: &mut u64,
    ) -> bool {
        let mut places = vec![from];
        for _ in 0..links {
            let Some(link) = self.link() else { return true };
            if places.is_empty() {
                continue;
            }
            let mut next = Vec::new();
            for place in &places {
                for gap in link.least..=link.most {
                    *steps = match steps.checked_sub(1) {
                        Some(left) => left,
                        None => return true,
                    };
                    next.extend(link.reached(object, (way, *place), gap));
                }
            }
            next.sort_unstable();
            next.dedup();
            if next.len() > PLACES_MAX {
                return true;
            }
            places = next;
        }
        !places.is_empty()
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    fn link(&mut self) -> Option<LinkAt<'c>> {
        let (head, rest) = self.bytes.split_first_chunk::<5>()?;
        let [a, b, c, d, length] = *head;
        let length = usize::from(length);
        let (values, rest) = rest.split_at_checked(length)?;
        let (masks, rest) = rest.split_at_checked(length)?;
        self.bytes = rest;
        Some(LinkAt {
            least: usize::from(u16::from_le_bytes([a, b])),
            most: usize::from(u16::from_le_bytes([c, d]).min(GAP_MAX)),
            values,
            masks,
        })
    }
}

impl LinkAt<'_> {
    /// The far end of this link, if it stands so far from a place.
    fn reached(&self, object: &[u8], (way, place): (Way, usize), gap: usize) -> Option<usize> {
        let length = self.values.len();
        let (start, far) = match way {
            Way::Before => {
                let start = place.checked_sub(gap)?.checked_sub(length)?;
                (start, start)
            }
            Way::Behind => {
                let start = place.checked_add(gap)?;
                (start, start.checked_add(length)?)
            }
        };
        matches_at(object, start, (self.values, self.masks)).then_some(far)
    }
}

/// Whether these bytes stand at a place.
pub(crate) fn matches_at(object: &[u8], start: usize, (values, masks): (&[u8], &[u8])) -> bool {
    let found = object
        .get(start..)
        .and_then(|rest| rest.get(..values.len()));
    found.is_some_and(|found| {
        let mut bytes = found.iter().zip(values).zip(masks);
        bytes.all(|((found, value), mask)| found & mask == *value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(least: u16, most: u16, text: &[u8]) -> Link {
        Link {
            least,
            most,
            bytes: text.iter().copied().map(Masked::exact).collect(),
        }
    }

    fn holds(object: &[u8], before: &[Link], behind: &[Link]) -> bool {
        let bytes = write(before, behind);
        let start = object.windows(2).position(|pair| pair == b"##").unwrap();
        for cut in 0..bytes.len() {
            let _ = Chain::new(&bytes[..cut]).holds(object, (start, start + 2), &mut 1000);
        }
        Chain::new(&bytes).holds(object, (start, start + 2), &mut 1000)
    }

    #[test]
    fn links_stand_within_their_gaps_on_both_sides() {
        let before = [link(0, 2, b"ab"), link(1, 1, b"c")];
        let behind = [link(1, 3, b"x"), link(0, 1, b"yz")];
        for object in ["c.ab##.xyz", "c.ab..##...x.yz", "abc.ab.##.x.yz"] {
            assert!(holds(object.as_bytes(), &before, &behind), "{object}");
        }
        for object in [
            "cab##.xyz",
            "c.ab...##.xyz",
            "c.ab##xyz",
            "c.ab##.x..yz",
            "##",
        ] {
            assert!(!holds(object.as_bytes(), &before, &behind), "{object}");
        }
    }

    #[test]
    fn a_chain_that_takes_too_many_steps_holds() {
        let behind: Vec<_> = (0..8).map(|_| link(0, 255, b"a")).collect();
        let mut object = b"##".to_vec();
        object.resize(4000, b'a');
        let bytes = write(&[], &behind);
        let mut steps = 100;
        assert!(Chain::new(&bytes).holds(&object, (0, 2), &mut steps));
        let never = write(&[], &[link(0, 255, b"b")]);
        assert!(!Chain::new(&never).holds(&object, (0, 2), &mut 1000));
        assert!(Chain::new(&never).holds(&object, (0, 2), &mut 10));
    }
}
