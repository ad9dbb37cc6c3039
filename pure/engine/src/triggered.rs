//! The rules that the first pass leaves to the second.

use rules::Pack;

/// Rules that the second pass has to decide.
#[derive(Debug, Default)]
pub(crate) struct Triggered {
    /// Bodies that fire by themselves.
    pub(crate) bodies: Numbers,
    /// Logical rules.
    pub(crate) logicals: Numbers,
}

impl Triggered {
    pub(crate) fn is_empty(&self) -> bool {
        self.bodies.listed.is_empty() && self.logicals.listed.is_empty()
    }

    /// Adds a logical rule. A number that a damaged pack made up is none: the set would grow with it.
    pub(crate) fn logical(&mut self, pack: &Pack<'_>, number: u32) {
        if pack.logical(number).is_some() {
            self.logicals.insert(number);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bodies.clear();
        self.logicals.clear();
    }
}

/// A set of numbers that is asked for every literal that is found: a bit for each number, and a
/// list, so that clearing it costs as much as is in it.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    bits: Vec<u64>,
    listed: Vec<u32>,
}

impl Numbers {
    #[inline]
    pub(crate) fn contains(&self, number: u32) -> bool {
        let (word, bit) = place(number);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(crate) fn insert(&mut self, number: u32) {
        let (word, bit) = place(number);
        if word >= self.bits.len() {
            self.bits.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.bits.get_mut(word)
            && *word & bit == 0
        {
            *word |= bit;
            self.listed.push(number);
        }
    }

    #[cfg(test)]
    pub(crate) fn extend(&mut self, numbers: impl IntoIterator<Item = u32>) {
        numbers.into_iter().for_each(|number| self.insert(number));
    }

    /// In their order.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut sorted = self.listed.clone();
        sorted.sort_unstable();
        sorted
    }

    fn clear(&mut self) {
        for number in self.listed.drain(..) {
            if let Some(word) = self.bits.get_mut(place(number).0) {
                *word = 0;
            }
        }
    }
}

#[inline]
fn place(number: u32) -> (usize, u64) {
    (
        number.wrapping_shr(6) as usize,
        1u64.wrapping_shl(number & 63),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_set_is_empty_and_can_be_used_again() {
        let mut numbers = Numbers::default();
        for round in 0..3u32 {
            numbers.extend([700 + round, 3, 64, 3]);
            assert_eq!(numbers.sorted(), [3, 64, 700 + round]);
            assert!(numbers.contains(64) && !numbers.contains(65) && !numbers.contains(1 << 30));
            numbers.clear();
            assert!(!numbers.contains(3) && numbers.sorted().is_empty());
        }
    }
}
